/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of the control socket: heads and bodies, errors, an engine that goes away, answers before the question. */
#include "unit_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "canned_server.h"
#include "cli/cli.h"
#include "util/places.h"
#include "util/str.h"

#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* POST, because that is asked once only. */
static int ask_once(const char *answer, struct cli_response *r, struct err *err)
{
	struct canned server = { 0 };
	int rc;

	canned_start(&server, ANSWERS(answer));
	rc = cli_request("POST", "/x?y=1", r, err);
	canned_stop(&server);
	assert_string_equal(
		server.requests[0],
		"POST /x?y=1 HTTP/1.1\r\nHost: cleat\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	return rc;
}

/* The engine was replaced while it answered: the next one is asked. */
static void a_question_is_asked_again_of_the_next_engine(void **state)
{
	static const char *const cut[] = { "", "HTTP/1.1 200 OK\r\nContent-Le",
					   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab" };

	(void)state;
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		struct canned server = { 0 };
		struct cli_response r;
		struct err err = { 0 };

		canned_start(&server,
			     ANSWERS(cut[i], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"));
		if (cli_request("GET", "/x", &r, &err) < 0)
			fail_msg("\"%s\": %s", cut[i], err.msg);
		canned_stop(&server);
		assert_string_equal(buf_str(&r.body), "OK");
		assert_string_equal(server.requests[0], server.requests[1]);
		buf_fini(&r.body);
	}
}

static void no_question_is_asked_for_ever(void **state)
{
	struct canned server = { 0 };
	struct cli_response r;
	struct err err = { 0 };

	(void)state;
	canned_start(&server, ANSWERS("", "", ""));
	assert_int_equal(cli_request("GET", "/x", &r, &err), -1);
	canned_stop(&server);
	assert_non_null(strstr(err.msg, "went away"));
	buf_fini(&r.body);
}

static void answers_with_and_without_a_length(void **state)
{
	static const struct {
		const char *answer;
		int status;
		const char *body;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 200, "OK" },
		{ "HTTP/1.1 200 OK\r\ncontent-length:2\r\nX: y\r\n\r\nOK", 200, "OK" },
		{ "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nto the end", 200, "to the end" },
		{ "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 204, "" },
		{ "HTTP/1.1 304 Not Modified\r\n\r\n", 304, "" },
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n{\"message\":\"x\"}", 404,
		  "{\"message\":\"x\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_response r;
		struct err err = { 0 };

		if (ask_once(cases[i].answer, &r, &err) < 0)
			fail_msg("%s: %s", cases[i].answer, err.msg);
		assert_int_equal(r.status, cases[i].status);
		assert_string_equal(buf_str(&r.body), cases[i].body);
		buf_fini(&r.body);
	}
}

static void what_is_no_answer_is_an_error(void **state)
{
	static const struct {
		const char *answer, *part;
	} cases[] = {
		{ "", "the engine went away before it answered" },
		{ "HTTP/1.1 200 OK\r\nContent-Le", "went away" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "went away" },
		{ "SSH-2.0-OpenSSH_9.2 and so on\r\n\r\n", "no HTTP answer" },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", "no HTTP status" },
		{ "HTTP/1.1 099 OK\r\n\r\n", "no HTTP status" },
		{ "HTTP/1.1\r\n\r\n", "no HTTP answer" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_response r;
		struct err err = { 0 };

		assert_int_equal(ask_once(cases[i].answer, &r, &err), -1);
		if (!strstr(err.msg, cases[i].part) || !strstr(err.msg, "/cleat.sock"))
			fail_msg("\"%s\": %s", cases[i].answer, err.msg);
		buf_fini(&r.body);
	}
}

static void endless_heads_are_cut(void **state)
{
	struct cli_response r = { .body = BUF_INIT(1 << 20) };
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 16384; i++)
		buf_putc(&r.body, 'a');
	assert_int_equal(cli_parse_head(&r, &err), 0);
	buf_putc(&r.body, 'a');
	assert_int_equal(cli_parse_head(&r, &err), -1);
	buf_clear(&r.body);
	buf_add(&r.body, "HTTP/1.1 200\0OK\r\n\r\n", 20);
	assert_int_equal(cli_parse_head(&r, &err), -1);
	buf_fini(&r.body);
}

static void being_turned_away_is_heard_although_nobody_listened(void **state)
{
	struct canned server = { .does_not_listen = true };
	struct cli_response r;
	struct err err = { 0 };
	char message[256];

	(void)state;
	canned_start(
		&server,
		ANSWERS("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 22\r\n\r\n{\"message\":\"too many\"}"));
	assert_int_equal(cli_request("GET", "/", &r, &err), 0);
	assert_int_equal(r.status, 503);
	cli_message(&r, message, sizeof(message));
	assert_string_equal(message, "too many");
	buf_fini(&r.body);
	canned_stop(&server);
}

static void messages_are_clean_and_never_empty(void **state)
{
	static const struct {
		const char *body, *message;
	} cases[] = {
		{ "{\"message\":\"no such \\u001b[31mthing\"}", "no such ?[31mthing" },
		{ "{}", "the engine answered with status 500" },
		{ "not JSON", "the engine answered with status 500" },
		{ "", "the engine answered with status 500" },
		{ "{\"message\":5}", "the engine answered with status 500" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_response r = { .status = 500, .body = BUF_INIT(1024) };
		char message[128];

		buf_puts(&r.body, cases[i].body);
		cli_message(&r, message, sizeof(message));
		assert_string_equal(message, cases[i].message);
		buf_fini(&r.body);
	}
}

static void a_stream_is_handed_over_with_its_first_bytes(void **state)
{
	struct canned server = { 0 };
	struct cli_response r;
	struct err err = { 0 };
	char text[64] = "";
	size_t length;
	ssize_t n;
	int fd;

	(void)state;
	canned_start(&server, ANSWERS("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"));
	fd = cli_open_stream("GET", "/logs", &r, &err);
	assert_true(fd >= 0);
	length = r.body.len;
	memcpy(text, buf_str(&r.body), length);
	while ((n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)n;
	assert_string_equal(text, "all of it");
	close(fd);
	buf_fini(&r.body);
	canned_stop(&server);
}

static void nobody_at_the_socket_is_an_error_with_its_path(void **state)
{
	struct cli_response r;
	struct err err = { 0 };
	char longest[256];

	(void)state;
	cli_set_socket("/tmp/cleat-unit-nobody/cleat.sock");
	assert_int_equal(cli_request("GET", "/", &r, &err), -1);
	assert_string_equal(
		err.msg,
		"the engine does not answer at /tmp/cleat-unit-nobody/cleat.sock: No such file or directory");
	buf_fini(&r.body);
	assert_false(cli_engine_answers(CLI_PING_MSEC));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cli_set_socket(longest);
	assert_int_equal(cli_request("GET", "/", &r, &err), -1);
	assert_non_null(strstr(err.msg, "at most 107 bytes"));
	buf_fini(&r.body);
}

static void pings(void **state)
{
	struct canned server = { 0 };

	(void)state;
	canned_start(&server, ANSWERS("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
				      "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", ""));
	assert_true(cli_engine_answers(CLI_PING_MSEC));
	assert_true(cli_engine_answers(CLI_PING_MSEC)); /* it has no place for us, but it lives */
	assert_false(cli_engine_answers(1));
	canned_stop(&server);
}

static void names_are_encoded(void **state)
{
	struct buf out = BUF_INIT(256);

	(void)state;
	cli_encode("a-b_c.d~9/?&% \xc3\xbc\x1b", &out);
	assert_string_equal(buf_str(&out), "a-b_c.d~9%2F%3F%26%25%20%C3%BC%1B");
	buf_fini(&out);
}

static void the_published_state_lies_beside_the_socket(void **state)
{
	char path[64];

	(void)state;
	cli_set_socket(CLEAT_SOCKET);
	assert_true(cli_is_inside());
	cli_published_path(path, sizeof(path));
	assert_string_equal(path, CLEAT_PUBLISHED);
	cli_set_socket("build/run/cleat.sock");
	assert_false(cli_is_inside());
	cli_published_path(path, sizeof(path));
	assert_string_equal(path, "build/run/published");
	cli_set_socket("cleat.sock");
	cli_published_path(path, sizeof(path));
	assert_string_equal(path, "published");
}

/* It takes the connection and says nothing: what is left is the limit. */
static void a_silent_engine_is_given_up(void **state)
{
	struct canned server = { 0 };

	(void)state;
	canned_start(&server, ANSWERS(NULL));
	assert_false(cli_engine_answers(1));
	canned_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_with_and_without_a_length),
		cmocka_unit_test(what_is_no_answer_is_an_error),
		cmocka_unit_test(a_question_is_asked_again_of_the_next_engine),
		cmocka_unit_test(no_question_is_asked_for_ever),
		cmocka_unit_test(endless_heads_are_cut),
		cmocka_unit_test(being_turned_away_is_heard_although_nobody_listened),
		cmocka_unit_test(messages_are_clean_and_never_empty),
		cmocka_unit_test(a_stream_is_handed_over_with_its_first_bytes),
		cmocka_unit_test(nobody_at_the_socket_is_an_error_with_its_path),
		cmocka_unit_test(pings),
		cmocka_unit_test(a_silent_engine_is_given_up),
		cmocka_unit_test(names_are_encoded),
		cmocka_unit_test(the_published_state_lies_beside_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
