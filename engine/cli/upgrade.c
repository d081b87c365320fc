/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat upgrade": tells the engine to become another program, and says what has come of it when the new one has taken over. Must never touch the file
 * itself: its path is the appliance's, which may be another machine's root than the command line's.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "supervise/commands.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"
#include "yyjson.h"

#define ROUTE "/cleat/v1/upgrade"
#define PATIENCE_USEC \
	(60 *         \
	 USEC_SEC) /* a check takes 10 s at most, an engine that failed is followed after 10 s at most */
#define POLL_NSEC 20000000

struct report {
	char version[64], error[700];
	int64_t began, from;
	bool is_settled, is_checking;
};

static void copy_text(yyjson_val *root, const char *key, char *out, size_t size)
{
	const char *text = yyjson_get_str(yyjson_obj_get(root, key));

	str_copy_text(out, size, text ? text : "");
}

static bool parse(const struct buf *body, struct report *out)
{
	yyjson_doc *doc = yyjson_read(buf_str(body), body->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool is_one = yyjson_is_obj(root);

	copy_text(root, "version", out->version, sizeof(out->version));
	copy_text(root, "error", out->error, sizeof(out->error));
	out->began = yyjson_get_sint(yyjson_obj_get(root, "engine_started_usec"));
	out->from = yyjson_get_sint(yyjson_obj_get(root, "upgraded_from_usec"));
	out->is_settled = yyjson_get_bool(yyjson_obj_get(root, "settled"));
	out->is_checking = yyjson_get_bool(yyjson_obj_get(root, "checking"));
	yyjson_doc_free(doc);
	return is_one;
}

/* False: there is no engine that says it at the moment, or it does not know how. */
static bool ask(struct report *out)
{
	struct cli_response response = { 0 };
	struct err err;
	bool has = cli_request("GET", ROUTE, &response, &err) == 0 && response.status == 200 &&
		   parse(&response.body, out);

	buf_fini(&response.body);
	return has;
}

static int order(const char *path)
{
	struct cli_response response = { 0 };
	auto_buf route = BUF_INIT(8192);
	char message[700];
	struct err err;
	int result = CLI_OK;

	buf_puts(&route, ROUTE "?file=");
	cli_encode(path, &route);
	if (cli_request("POST", buf_str(&route), &response, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		result = CLI_NO_ENGINE;
	} else if (response.status != 202) {
		cli_message(&response, message, sizeof(message));
		fprintf(stderr, "cleat upgrade: %s\n", message);
		result = CLI_FAILED;
	}
	buf_fini(&response.body);
	return result;
}

/* An engine that began at another time has settled: is it the one that was asked for? */
static int judge(const struct report *before, const struct report *now, const char *path)
{
	if (now->from == before->began) {
		printf("the engine is %s, version %s (was %s)\n", path, now->version,
		       before->version);
		if (!str_eq(path, CLEAT_PROGRAM))
			printf("the next boot, and init after a crash, start %s: put it there when it has proved itself\n",
			       CLEAT_PROGRAM);
		return CLI_OK;
	}
	fprintf(stderr,
		"cleat upgrade: %s: another engine has begun meanwhile (the new one has ended, or the units were read again): version %s goes on\n",
		path, now->version);
	return CLI_FAILED;
}

static int wait_for_it(const struct report *before, const char *path)
{
	const struct timespec pause = { .tv_nsec = POLL_NSEC };
	usec_t begin = clock_now_usec();
	struct report now;

	while (clock_now_usec() < begin + PATIENCE_USEC) {
		if (ask(&now)) {
			if (now.began != before->began && now.is_settled)
				return judge(before, &now, path);
			if (now.began == before->began && !now.is_checking && now.error[0]) {
				fprintf(stderr, "cleat upgrade: %s: %s\n", path, now.error);
				return CLI_FAILED;
			}
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "cleat upgrade: no new engine has come within %u s\n",
		(unsigned)(PATIENCE_USEC / USEC_SEC));
	return CLI_NO_ENGINE;
}

int cmd_upgrade(int argc, char **argv)
{
	const char *path = CLEAT_PROGRAM;
	int words = cli_options(argc, argv, NULL, 0), result;
	struct report before;

	if (words < 0)
		return CLI_USAGE;
	if (words > 1)
		return cli_usage(argv[0], "one file at most is expected");
	if (words == 1)
		path = argv[1];
	if (path[0] != '/')
		return cli_usage(argv[0], "FILE is a path of the appliance and begins with /");
	if (getenv(COMMANDS_OF_VARIABLE)) {
		fprintf(stderr,
			"cleat upgrade: in the command line of a unit it would end with the engine: refused\n");
		return CLI_FAILED;
	}
	if (!ask(&before)) {
		fprintf(stderr, "cleat: no engine answers at %s\n", cli_socket());
		return CLI_NO_ENGINE;
	}
	result = order(path);
	return result == CLI_OK ? wait_for_it(&before, path) : result;
}
