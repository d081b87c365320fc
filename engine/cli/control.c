/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that ask the engine to do something to units and wait for the outcome: start, stop, restart, kill, reset-failed, and
 * reload, inspect, version. Ctrl-C ends the client only: the engine goes on with what it was asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "spec/spec.h"
#include "supervise/commands.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/signals.h"
#include "util/str.h"
#include "yyjson.h"

#define NOT_IMPLEMENTED 501

static int ask(const char *method, const char *prefix, const char *name, const char *suffix,
	       struct cli_response *response, struct err *err)
{
	auto_buf path = BUF_INIT(2048);

	*response = (struct cli_response){ 0 };
	buf_puts(&path, prefix);
	cli_encode(name, &path);
	buf_puts(&path, suffix);
	if (buf_check(&path, "the name", err) < 0)
		return -1;
	return cli_request(method, path.data, response, err);
}

/* 2xx and 304 ("it is so already") are success: the name is printed, as podman does. */
static int one_unit(const char *name, const char *prefix, const char *suffix)
{
	struct cli_response response;
	int result = CLI_OK;
	struct err err;

	if (ask("POST", prefix, name, suffix, &response, &err) < 0)
		result = cli_unreachable(&err);
	else if (response.status / 100 == 2 || response.status == 304)
		puts(name);
	else
		result = cli_refused(&response);
	buf_fini(&response.body);
	fflush(stdout);
	return result;
}

/* argv[1...count] are the names. One that fails does not keep the others from being asked for; a lost engine does. */
static int each_unit(char **argv, int count, const char *prefix, const char *suffix)
{
	int result = CLI_OK;

	if (!count) {
		fprintf(stderr, "cleat %s: which container? see \"cleat help %s\"\n", argv[0],
			argv[0]);
		return CLI_USAGE;
	}
	for (int i = 1; i <= count; i++) {
		int one;

		if (!argv[i][0]) {
			fprintf(stderr, "cleat %s: an empty name\n", argv[0]);
			return CLI_USAGE;
		}
		one = one_unit(argv[i], prefix, suffix);
		if (one == CLI_NO_ENGINE)
			return one;
		if (one != CLI_OK)
			result = one;
	}
	return result;
}

static int plain_verb(int argc, char **argv, const char *prefix, const char *suffix)
{
	int count = cli_options(argc, argv, NULL, 0);

	return count < 0 ? CLI_USAGE : each_unit(argv, count, prefix, suffix);
}

/* Verbs that are waited for: not with --no-block, and in a unit's own command line not for what can only come when that has ended. */
static void add_verb(struct buf *suffix, const char *verb, bool no_block, const char *seconds)
{
	const char *caller = getenv(COMMANDS_OF_VARIABLE);
	const char *sign = "?";

	buf_puts(suffix, verb);
	if (no_block) {
		buf_printf(suffix, "%snowait=1", sign);
		sign = "&";
	}
	if (seconds) {
		buf_printf(suffix, "%st=", sign);
		cli_encode(seconds, suffix);
		sign = "&";
	}
	if (caller && caller[0]) {
		buf_printf(suffix, "%scaller=", sign);
		cli_encode(caller, suffix);
	}
}

int cmd_start(int argc, char **argv)
{
	bool no_block = false;
	const struct cli_option options[] = { { NULL, "--no-block", &no_block, NULL } };
	int count = cli_options(argc, argv, options, 1);
	auto_buf suffix = BUF_INIT(1024);

	if (count < 0)
		return CLI_USAGE;
	add_verb(&suffix, "/start", no_block, NULL);
	return each_unit(argv, count, "/containers/", buf_str(&suffix));
}

/* "-t 5", "--time=5" as podman has it, "--timeout=5" as docker. */
static int ending_verb(int argc, char **argv, const char *verb)
{
	const char *seconds = NULL;
	bool no_block = false;
	const struct cli_option options[] = { { NULL, "--no-block", &no_block, NULL },
					      { "-t", "--time", NULL, &seconds },
					      { NULL, "--timeout", NULL, &seconds } };
	int count = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	auto_buf suffix = BUF_INIT(1024);

	if (count < 0)
		return CLI_USAGE;
	add_verb(&suffix, verb, no_block, seconds);
	return each_unit(argv, count, "/containers/", buf_str(&suffix));
}

int cmd_stop(int argc, char **argv)
{
	return ending_verb(argc, argv, "/stop");
}

int cmd_restart(int argc, char **argv)
{
	return ending_verb(argc, argv, "/restart");
}

int cmd_reload_units(int count, char **argv, bool no_block)
{
	auto_buf suffix = BUF_INIT(1024);

	add_verb(&suffix, "/reload", no_block, NULL);
	return each_unit(argv, count, "/cleat/v1/units/", buf_str(&suffix));
}

int cli_reload_unit(const char *name, bool no_block, bool *has_no_way)
{
	auto_buf suffix = BUF_INIT(1024);
	struct cli_response response;
	struct err err;
	int result;

	add_verb(&suffix, "/reload", no_block, NULL);
	*has_no_way = false;
	if (ask("POST", "/cleat/v1/units/", name, buf_str(&suffix), &response, &err) < 0) {
		result = cli_unreachable(&err);
	} else if (response.status / 100 == 2) {
		puts(name);
		result = CLI_OK;
	} else if (response.status == NOT_IMPLEMENTED) {
		*has_no_way = true;
		result = CLI_FAILED;
	} else {
		result = cli_refused(&response);
	}
	buf_fini(&response.body);
	return result;
}

int cmd_reset_failed(int argc, char **argv)
{
	return plain_verb(argc, argv, "/cleat/v1/units/", "/reset-failed");
}

int cmd_kill(int argc, char **argv)
{
	const char *name = "KILL", *whom = "main";
	const struct cli_option options[] = { { "-s", "--signal", NULL, &name },
					      { NULL, "--kill-whom", NULL, &whom } };
	int count = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0])), number;
	char suffix[64];

	if (count < 0)
		return CLI_USAGE;
	if (!signal_parse(name, SIGNAL_OF_PODMAN, &number)) {
		fprintf(stderr,
			"cleat kill: signal %s: unknown; a name like TERM or a number from 1 to 64\n",
			name);
		return CLI_USAGE;
	}
	if (!str_eq(whom, "main") && !str_eq(whom, "all")) {
		fprintf(stderr,
			"cleat kill: --kill-whom %s: main (the first process) or all is expected\n",
			whom);
		return CLI_USAGE;
	}
	snprintf(suffix, sizeof(suffix), "/kill?signal=%d%s", number,
		 str_eq(whom, "all") ? "&all=1" : "");
	return each_unit(argv, count, "/containers/", suffix);
}

/* Whether there are no words, which the caller does not take. */
static bool has_no_words(int argc, char **argv)
{
	int count = cli_options(argc, argv, NULL, 0);

	if (count > 0)
		fprintf(stderr, "cleat %s: \"%s\": no word is expected here\n", argv[0], argv[1]);
	return count == 0;
}

int cmd_inspect(int argc, char **argv)
{
	struct cli_response response;
	int result = CLI_OK;
	struct err err;
	int count = cli_options(argc, argv, NULL, 0);

	if (count < 0)
		return CLI_USAGE;
	if (count != 1 || !argv[1][0]) {
		fprintf(stderr,
			"cleat inspect: one name is expected; see \"cleat help inspect\"\n");
		return CLI_USAGE;
	}
	if (ask("GET", "/containers/", argv[1], "/json", &response, &err) < 0)
		result = cli_unreachable(&err);
	else if (response.status == 200)
		cli_print_json(response.body.data, response.body.len);
	else
		result = cli_refused(&response);
	buf_fini(&response.body);
	return result;
}

int cmd_version(int argc, char **argv)
{
	struct cli_response response = { 0 };
	yyjson_doc *doc;
	const char *version;
	struct err err;

	if (!has_no_words(argc, argv))
		return CLI_USAGE;
	printf("cleat   %s\n", CLEAT_VERSION);
	if (!cli_engine_answers(CLI_PING_MSEC) ||
	    cli_request("GET", "/version", &response, &err) < 0) {
		printf("engine  does not answer at %s\n", cli_socket());
	} else {
		doc = yyjson_read(buf_str(&response.body), response.body.len, 0);
		version = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "Version"));
		printf("engine  %s at %s\n", version ? version : "of unknown version",
		       cli_socket());
		yyjson_doc_free(doc);
	}
	buf_fini(&response.body);
	return CLI_OK;
}
