/* SPDX-License-Identifier: Apache-2.0 */
/* cleat exec and cleat secret: their words, and refusals with their exit codes. What they do is the system's tests'. */
#include "unit_test.h"

#include "canned_server.h"
#include "capture.h"
#include "cli/commands.h"
#include "util/places.h"

#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 73\r\n\r\n{\"Id\":\"" ID "\"}"

static struct captured c;

static void expect(int (*command)(int, char **), const char *const *words, int result,
		   const char *part)
{
	capture(&c, command, words);
	if (c.result != result || !strstr(c.err, part))
		fail_msg("%d: \"%s\" is not in \"%s\"", c.result, part, c.err);
	assert_string_equal(c.out, "");
}

static void words_of_exec(void **state)
{
	(void)state;
	expect(cmd_exec, WORDS("exec"), CLI_USAGE, "a container and a command are expected");
	expect(cmd_exec, WORDS("exec", "web"), CLI_USAGE, "a container and a command are expected");
	expect(cmd_exec, WORDS("exec", "-i"), CLI_USAGE, "a container and a command");
	expect(cmd_exec, WORDS("exec", "-x", "web", "true"), CLI_USAGE, "unknown option -x");
	expect(cmd_exec, WORDS("exec", "-ix", "web", "true"), CLI_USAGE, "unknown option -ix");
	expect(cmd_exec, WORDS("exec", "--privileged", "web", "true"), CLI_USAGE, "unknown option");
	expect(cmd_exec, WORDS("exec", "--tty=yes", "web", "true"), CLI_USAGE,
	       "no value is expected");
	expect(cmd_exec, WORDS("exec", "-u"), CLI_USAGE, "a value is missing: -u");
	expect(cmd_exec, WORDS("exec", "--env"), CLI_USAGE, "a value is missing: --env");
	expect(cmd_exec, WORDS("exec", "-e", "=x", "web", "true"), CLI_USAGE, "not NAME=VALUE: =x");
}

static void no_engine(void **state)
{
	(void)state;
	cli_set_socket("/nowhere/cleat.sock");
	expect(cmd_exec, WORDS("exec", "web", "true"), CLI_NO_ENGINE, "/nowhere/cleat.sock");
}

static void what_is_asked(void **state)
{
	struct canned server = { 0 };

	(void)state;
	unsetenv("CLEAT_TEST_UNSET");
	canned_start(&server, ANSWERS("HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n"
				      "{\"message\":\"not there\"}"));
	expect(cmd_exec,
	       WORDS("exec", "-iu", "app", "--workdir=/srv", "-eA=b", "--env", "C=d", "-e",
		     "CLEAT_TEST_UNSET", "my web", "--", "-t"),
	       CLI_NO_ENGINE, "not there");
	canned_stop(&server);
	if (!strstr(server.requests[0], "POST /containers/my%20web/exec HTTP/1.1\r\n"))
		fail_msg("%s", server.requests[0]);
}

static void refusals_have_the_exit_code_that_the_answer_says(void **state)
{
	static const struct {
		const char *answer;
		int code;
		const char *text;
	} cases[] = {
		{ "HTTP/1.1 400 Bad Request\r\nContent-Length: 35\r\n\r\n{\"message\":\"no file\",\"exitCode\":127}",
		  127, "no file" },
		{ "HTTP/1.1 400 Bad Request\r\nContent-Length: 35\r\n\r\n{\"message\":\"no file\",\"exitCode\":126}",
		  126, "no file" },
		{ "HTTP/1.1 400 Bad Request\r\nContent-Length: 33\r\n\r\n{\"message\":\"no file\",\"exitCode\":0} ",
		  125, "no file" },
		{ "HTTP/1.1 503 Busy\r\nContent-Length: 18\r\n\r\n{\"message\":\"many\"}", 125,
		  "many" },
		{ "", 125, "went away" },
		{ "HTTP/1.1 101 UPGRADED\r\nUpgrade: cleat-exec\r\n\r\n", 125, "broken off" },
		{ "HTTP/1.1 101 UPGRADED\r\nUpgrade: cleat-exec\r\n\r\n\x09xxxxxxx", 125,
		  "type 9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct canned server = { 0 };

		canned_start(&server, ANSWERS(CREATED, cases[i].answer));
		expect(cmd_exec, WORDS("exec", "web", "true"), cases[i].code, cases[i].text);
		canned_stop(&server);
		if (!strstr(server.requests[1], "POST /exec/" ID "/start HTTP/1.1\r\n") ||
		    !strstr(server.requests[1], "Upgrade: cleat-exec\r\n"))
			fail_msg("%s", server.requests[1]);
	}
}

static void an_answer_without_an_id(void **state)
{
	struct canned server = { 0 };

	(void)state;
	canned_start(&server,
		     ANSWERS("HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"Id\":\"abc\"}"));
	expect(cmd_exec, WORDS("exec", "web", "true"), CLI_NO_ENGINE, "has no id");
	canned_stop(&server);
}

static void words_of_secret(void **state)
{
	(void)state;
	cli_set_socket("/nowhere/cleat.sock");
	expect(cmd_secret_create, WORDS("secret create", "a"), CLI_USAGE, "NAME and FILE");
	expect(cmd_secret_create, WORDS("secret create", "-d", "pass", "a", "-"), CLI_USAGE,
	       "no driver but \"file\"");
	expect(cmd_secret_create, WORDS("secret create", "--bad", "a", "-"), CLI_USAGE,
	       "unknown option --bad");
	expect(cmd_secret_create, WORDS("secret create", "-l", "a=b", "a", "-"), CLI_FAILED,
	       "--socket does not reach them");
	expect(cmd_secret_ls, WORDS("secret ls", "a"), CLI_USAGE, "no names");
	expect(cmd_secret_ls, WORDS("secret ls", "--format", "{{.ID}}"), CLI_USAGE,
	       "no format but");
	expect(cmd_secret_ls, WORDS("secret ls"), CLI_FAILED, "--socket does not reach them");
	expect(cmd_secret_inspect, WORDS("secret inspect"), CLI_USAGE, "a name is expected");
	expect(cmd_secret_inspect, WORDS("secret inspect", "a"), CLI_FAILED, "--socket");
	expect(cmd_secret_rm, WORDS("secret rm"), CLI_USAGE, "names, or --all");
	expect(cmd_secret_rm, WORDS("secret rm", "-a", "x"), CLI_USAGE, "names, or --all");
	expect(cmd_secret_rm, WORDS("secret rm", "x"), CLI_FAILED, "--socket");
	cli_set_socket(CLEAT_SOCKET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_exec),
		cmocka_unit_test(no_engine),
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(refusals_have_the_exit_code_that_the_answer_says),
		cmocka_unit_test(an_answer_without_an_id),
		cmocka_unit_test(words_of_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
