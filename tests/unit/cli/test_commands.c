/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and what each says: help, mistakes, exit codes; the commands that ask an engine, against an engine of paper. */
#include "unit_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "canned_server.h"
#include "capture.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "util/str.h"

#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define PONG "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
#define NOT_FOUND \
	"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"message\":\"no container \\\"x\\\"\"}"

static const char *const user_commands[] = { "ps",     "status",  "logs",   "start",
					     "stop",   "restart", "kill",   "reset-failed",
					     "reload", "inspect", "check",  "quadlet",
					     "spec",   "keys",	  "states", "version",
					     "help",   "images",  "rmi",    "load" };
static const struct {
	const char *group, *word;
} two_words[] = {
	{ "image", "ls" },    { "image", "inspect" }, { "image", "rm" },
	{ "image", "prune" }, { "image", "load" },
};
static const char *const workers[] = { "engine",	"import",     "fetch", "unpack",
				       "status-server", "log-stream", "proxy" };

static void help_lists_what_people_type_and_nothing_else(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, cli_main, WORDS("cleat", "help"));
	assert_int_equal(c.result, CLI_OK);
	for (size_t i = 0; i < sizeof(user_commands) / sizeof(user_commands[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "\n  %-14s ", user_commands[i]);
		if (!strstr(c.out, line))
			fail_msg("%s is not listed", user_commands[i]);
	}
	for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "\n  %s ", workers[i]);
		assert_null(strstr(c.out, line));
	}
}

static void every_command_has_help_in_three_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(user_commands) / sizeof(user_commands[0]); i++) {
		struct captured by_help, by_option, by_letter;
		char begin[64];

		capture(&by_help, cli_main, WORDS("cleat", "help", user_commands[i]));
		capture(&by_option, cli_main, WORDS("cleat", user_commands[i], "--help"));
		capture(&by_letter, cli_main, WORDS("cleat", user_commands[i], "word", "-h"));
		assert_int_equal(by_help.result, CLI_OK);
		assert_int_equal(by_option.result, CLI_OK);
		snprintf(begin, sizeof(begin), "usage: cleat %s", user_commands[i]);
		assert_true(str_starts(by_help.out, begin));
		assert_true(strchr(by_help.out, '\n') <
			    by_help.out + strlen(by_help.out) - 2); /* a sentence follows */
		assert_string_equal(by_help.out, by_option.out);
		assert_string_equal(by_help.out, by_letter.out);
		assert_string_equal(by_help.err, "");
	}
	for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
		struct captured c;

		capture(&c, cli_main, WORDS("cleat", "help", workers[i]));
		assert_int_equal(c.result, CLI_OK);
		assert_non_null(strstr(c.out, "a process of the engine's own"));
	}
}

static void commands_of_two_words_are_dispatched_by_both(void **state)
{
	struct captured c;

	(void)state;
	for (size_t i = 0; i < sizeof(two_words) / sizeof(two_words[0]); i++) {
		const char *group = two_words[i].group, *word = two_words[i].word;
		char begin[64];

		snprintf(begin, sizeof(begin), "usage: cleat %s %s ", group, word);
		capture(&c, cli_main, WORDS("cleat", "help", group, word));
		assert_int_equal(c.result, CLI_OK);
		assert_true(str_starts(c.out, begin));
		capture(&c, cli_main, WORDS("cleat", group, word, "--help"));
		assert_int_equal(c.result, CLI_OK);
		assert_true(str_starts(c.out, begin));
		capture(&c, cli_main, WORDS("cleat", "help", group));
		assert_int_equal(c.result, CLI_OK);
		snprintf(begin, sizeof(begin), "\n  %s %s ", group, word);
		assert_non_null(strstr(c.out, begin));
		assert_null(strstr(c.out, "\n  ps "));
	}
	/* argv[0] of the command is the whole name */
	capture(&c, cli_main, WORDS("cleat", "image", "ls", "--frob"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_string_equal(c.err,
			    "cleat image ls: unknown option --frob; see \"cleat help image ls\"\n");
}

static void a_group_alone_or_with_a_wrong_word_says_what_there_is(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, cli_main, WORDS("cleat", "image"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_true(str_starts(c.err, "usage: cleat [--socket PATH] image COMMAND"));
	assert_string_equal(c.out, "");
	capture(&c, cli_main, WORDS("cleat", "image", "--help"));
	assert_int_equal(c.result, CLI_OK);
	assert_true(str_starts(c.out, "usage: cleat [--socket PATH] image COMMAND"));
	capture(&c, cli_main, WORDS("cleat", "image", "lss"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_string_equal(
		c.err,
		"cleat: unknown command \"image lss\"; did you mean \"image ls\"?\n\"cleat help image\" lists the commands\n");
	capture(&c, cli_main, WORDS("cleat", "imgae", "ls"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_non_null(strstr(c.err, "unknown command \"imgae\"; did you mean \"image"));
	capture(&c, cli_main, WORDS("cleat", "image", "frobnicate"));
	assert_null(strstr(c.err, "did you mean"));
	capture(&c, cli_main, WORDS("cleat", "help", "image", "frobnicate"));
	assert_int_equal(c.result, CLI_USAGE);
}

static void unknown_commands_get_a_suggestion(void **state)
{
	static const char *const cases[][2] = {
		{ "strat", "start" },	{ "restrt", "restart" }, { "log", "logs" },
		{ "statsu", "status" }, { "pss", "ps" },
	};
	struct captured c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];

		capture(&c, cli_main, WORDS("cleat", cases[i][0]));
		snprintf(text, sizeof(text), "unknown command \"%s\"; did you mean \"%s\"?",
			 cases[i][0], cases[i][1]);
		assert_int_equal(c.result, CLI_USAGE);
		if (!strstr(c.err, text))
			fail_msg("%s: %s", text, c.err);
	}
	capture(&c, cli_main, WORDS("cleat", "frobnicate"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_null(strstr(c.err, "did you mean"));
	capture(&c, cli_main, WORDS("cleat", "engin")); /* workers are not suggested */
	assert_null(strstr(c.err, "did you mean"));
	capture(&c, cli_main, WORDS("cleat", "help", "strat"));
	assert_int_equal(c.result, CLI_USAGE);
}

static void global_words(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, cli_main, WORDS("cleat"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_true(str_starts(c.err, "usage: cleat [--socket PATH] COMMAND"));
	capture(&c, cli_main, WORDS("cleat", "--help"));
	assert_int_equal(c.result, CLI_OK);
	assert_true(str_starts(c.out, "usage: cleat"));
	capture(&c, cli_main, WORDS("cleat", "--version"));
	assert_string_equal(c.out, "cleat " CLEAT_VERSION "\n");
	capture(&c, cli_main, WORDS("cleat", "--frob", "ps"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_string_equal(c.err, "cleat: unknown option --frob\n");
	capture(&c, cli_main, WORDS("cleat", "--socket"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_string_equal(c.err, "cleat: a value is missing: --socket\n");
	capture(&c, cli_main, WORDS("cleat", "--socket=/nowhere/s", "stop", "x"));
	assert_int_equal(c.result, CLI_NO_ENGINE);
	assert_string_equal(
		c.err,
		"cleat: the engine does not answer at /nowhere/s: No such file or directory\n");
}

static void wrong_words_are_usage_errors(void **state)
{
	static const struct {
		const char *words[5];
		const char *part;
	} cases[] = {
		{ { "cleat", "start" }, "which container?" },
		{ { "cleat", "start", "" }, "an empty name" },
		{ { "cleat", "stop", "-T", "5", "web" }, "unknown option -T" },
		{ { "cleat", "kill", "-s", "FOO", "web" }, "signal FOO: unknown" },
		{ { "cleat", "kill", "web", "--signal" }, "a value is missing: --signal" },
		{ { "cleat", "kill", "-s", "TERM" }, "which container?" },
		{ { "cleat", "reload", "--json", "web" }, "no unit is expected" },
		{ { "cleat", "version", "x" }, "no word is expected" },
		{ { "cleat", "inspect" }, "one name is expected" },
		{ { "cleat", "inspect", "a", "b" }, "one name is expected" },
		{ { "cleat", "logs" }, "1 to 32 names are expected" },
		{ { "cleat", "events", "web" }, "\"web\" is not understood" },
		{ { "cleat", "events", "--format", "xml" }, "known are text, json" },
		{ { "cleat", "events", "-f", "--no-follow" }, "exclude each other" },
		{ { "cleat", "events", "--filter", "x" }, "KEY=VALUE is expected" },
		{ { "cleat", "logs", "--tail", "x", "a" }, "--tail x: a number" },
		{ { "cleat", "logs", "--since", "x", "a" }, "--since x: not a time" },
		{ { "cleat", "logs", "a", "--until=x" }, "--until x: not a time" },
		{ { "cleat", "ps", "web" }, "\"web\" is not understood" },
		{ { "cleat", "ps", "--format", "xml" }, "\"xml\" is not understood" },
		{ { "cleat", "status", "-x" }, "unknown option -x" },
		{ { "cleat", "reset-failed" }, "which container?" },
		{ { "cleat", "rmi" }, "cleat rmi: which image?" },
		{ { "cleat", "image", "rm" }, "cleat image rm: which image?" },
		{ { "cleat", "image", "inspect" }, "which image?" },
		{ { "cleat", "image", "prune", "x" }, "no word is expected: x" },
		{ { "cleat", "images", "a", "b" }, "\"b\" is not understood" },
		{ { "cleat", "images", "--format", "xml" }, "\"xml\" is not understood" },
		{ { "cleat", "images", "A:B" }, "is no image's name" },
		{ { "cleat", "load", "x.tar" }, "no word is expected: x.tar" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *words[6] = { 0 };
		struct captured c;

		memcpy(words, cases[i].words, sizeof(cases[i].words));
		capture(&c, cli_main, words);
		if (c.result != CLI_USAGE || !strstr(c.err, cases[i].part))
			fail_msg("%s %s: %d %s", words[1], words[2] ? words[2] : "", c.result,
				 c.err);
	}
}

static void several_names_are_asked_for_one_by_one(void **state)
{
	struct canned server = { 0 };
	struct captured c;

	(void)state;
	canned_start(&server, ANSWERS(NO_CONTENT, NOT_FOUND, "HTTP/1.1 304 Not Modified\r\n\r\n"));
	capture(&c, cmd_stop, WORDS("stop", "a", "x", "b c"));
	canned_stop(&server);
	assert_int_equal(c.result, CLI_FAILED);
	assert_string_equal(c.out, "a\nb c\n");
	assert_string_equal(c.err, "cleat: no container \"x\"\n");
	assert_true(str_starts(server.requests[0], "POST /containers/a/stop HTTP/1.1\r\n"));
	assert_true(str_starts(server.requests[2], "POST /containers/b%20c/stop HTTP/1.1\r\n"));
}

static void each_verb_has_its_route(void **state)
{
	static const struct {
		int (*run)(int argc, char **argv);
		const char *words[5];
		const char *request;
	} cases[] = {
		{ cmd_start, { "start", "w" }, "POST /containers/w/start HTTP" },
		{ cmd_restart, { "restart", "w" }, "POST /containers/w/restart HTTP" },
		{ cmd_start,
		  { "start", "--no-block", "w" },
		  "POST /containers/w/start?nowait=1 HTTP" },
		{ cmd_reload, { "reload", "w" }, "POST /cleat/v1/units/w/reload HTTP" },
		{ cmd_kill, { "kill", "w" }, "POST /containers/w/kill?signal=9 HTTP" },
		{ cmd_kill,
		  { "kill", "w", "-s", "SIGHUP" },
		  "POST /containers/w/kill?signal=1 HTTP" },
		{ cmd_kill,
		  { "kill", "--signal=term", "w" },
		  "POST /containers/w/kill?signal=15 HTTP" },
		{ cmd_reset_failed,
		  { "reset-failed", "w" },
		  "POST /cleat/v1/units/w/reset-failed HTTP" },
		{ cmd_inspect, { "inspect", "w" }, "GET /containers/w/json HTTP" },
		{ cmd_logs,
		  { "logs", "-ft", "w" },
		  "GET /containers/w/logs?stdout=1&stderr=1&follow=1&timestamps=1 HTTP" },
		{ cmd_logs,
		  { "logs", "w", "--tail=7", "--since=5.5" },
		  "GET /containers/w/logs?stdout=1&stderr=1&follow=0&timestamps=0&tail=7&since=5.500000 HTTP" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct canned server = { 0 };
		const char *words[6] = { 0 };
		struct captured c;

		memcpy(words, cases[i].words, sizeof(cases[i].words));
		canned_start(&server, ANSWERS("HTTP/1.1 200 OK\r\n\r\n"));
		capture(&c, cases[i].run, words);
		canned_stop(&server);
		if (c.result != CLI_OK || !str_starts(server.requests[0], cases[i].request))
			fail_msg("%d: %s: %s", c.result, server.requests[0], c.err);
	}
}

static void an_engine_that_goes_away_is_said(void **state)
{
	struct canned server = { 0 };
	struct captured c;

	(void)state;
	canned_start(&server, ANSWERS(NO_CONTENT, ""));
	capture(&c, cmd_stop, WORDS("stop", "a", "b", "c"));
	canned_stop(&server);
	assert_int_equal(c.result, CLI_NO_ENGINE);
	assert_string_equal(c.out, "a\n");
	assert_non_null(strstr(
		c.err,
		"the engine went away before it answered; \"cleat ps\" shows what became of it"));
	server = (struct canned){ 0 };
	canned_start(&server, ANSWERS("HTTP/1.1 200 OK\r\n\r\n\1\0\0"));
	capture(&c, cmd_inspect, WORDS("inspect", "a"));
	canned_stop(&server);
	assert_int_equal(c.result, CLI_OK); /* without a length the end is the end */
}

static void logs_go_to_both_streams_and_a_break_is_said(void **state)
{
	struct canned server = { 0 };
	struct captured c;

	(void)state;
	/* frames have NULs, which this server's texts cannot have: what it can send is a stream that is none */
	canned_start(&server, ANSWERS("HTTP/1.1 200 OK\r\n\r\nno frames at all",
				      "HTTP/1.1 200 OK\r\n\r\n\1", NOT_FOUND));
	capture(&c, cmd_logs, WORDS("logs", "a"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_non_null(strstr(c.err, "out of step"));
	capture(&c, cmd_logs, WORDS("logs", "a"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_string_equal(c.err, "cleat: the log stream broke off\n");
	capture(&c, cmd_logs, WORDS("logs", "x"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_string_equal(c.err, "cleat: no container \"x\"\n");
	canned_stop(&server);
}

static void version_is_both_versions(void **state)
{
	struct canned server = { 0 };
	struct captured c;
	char text[256];

	(void)state;
	canned_start(&server, ANSWERS(PONG, "HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"9.9\"}"));
	capture(&c, cmd_version, WORDS("version"));
	canned_stop(&server);
	snprintf(text, sizeof(text), "cleat   %s\nengine  9.9 at %s\n", CLEAT_VERSION, server.path);
	assert_int_equal(c.result, CLI_OK);
	assert_string_equal(c.out, text);
	cli_set_socket("/nowhere/s");
	capture(&c, cmd_version, WORDS("version"));
	assert_int_equal(c.result, CLI_OK);
	assert_non_null(strstr(c.out, "engine  does not answer at /nowhere/s\n"));
}

static int version_into_full(int argc, char **argv)
{
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100),
	    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int result;

	dup2(full, STDOUT_FILENO);
	result = cli_main(argc, argv);
	clearerr(stdout);
	dup2(saved, STDOUT_FILENO);
	close(full);
	close(saved);
	return result;
}

static void output_that_does_not_arrive_is_a_failure(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, version_into_full, WORDS("cleat", "help"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_non_null(strstr(c.err, "No space left on device"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_lists_what_people_type_and_nothing_else),
		cmocka_unit_test(every_command_has_help_in_three_ways),
		cmocka_unit_test(commands_of_two_words_are_dispatched_by_both),
		cmocka_unit_test(a_group_alone_or_with_a_wrong_word_says_what_there_is),
		cmocka_unit_test(unknown_commands_get_a_suggestion),
		cmocka_unit_test(global_words),
		cmocka_unit_test(wrong_words_are_usage_errors),
		cmocka_unit_test(several_names_are_asked_for_one_by_one),
		cmocka_unit_test(each_verb_has_its_route),
		cmocka_unit_test(an_engine_that_goes_away_is_said),
		cmocka_unit_test(logs_go_to_both_streams_and_a_break_is_said),
		cmocka_unit_test(version_is_both_versions),
		cmocka_unit_test(output_that_does_not_arrive_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
