/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat reload": the unit files are read now, and this says what has come of it when it has come to rest. "cleat enable", "disable",
 * "mask", "unmask": what counts for more than a unit's [Install]. Ctrl-C ends the client only.
 */
#include "cli/reload.h"
#include "supervise/commands.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/loop.h"
#include "util/str.h"
#include "yyjson.h"

#define ENGINE_USEC (30 * USEC_SEC) /* until the new engine is there */
#define REST_USEC (120 * USEC_SEC)  /* until what it does has come to rest */
#define POLL_NSEC 20000000

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

/* NULL: there is no engine that says it at the moment. */
static yyjson_doc *ask_report(struct buf *body)
{
	struct cli_response response = { 0 };
	yyjson_doc *doc = NULL;
	struct err err;

	if (cli_request("GET", "/cleat/v1/reload", &response, &err) == 0 && response.status == 200)
		doc = yyjson_read(buf_str(&response.body), response.body.len, 0);
	if (doc && body) {
		buf_clear(body);
		buf_add(body, buf_str(&response.body), response.body.len);
	}
	buf_fini(&response.body);
	return doc;
}

int64_t reload_engine_began(void)
{
	yyjson_doc *doc = ask_report(NULL);
	int64_t began =
		yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(doc), "engine_started_usec"));

	yyjson_doc_free(doc);
	return began;
}

static bool is_at_rest(yyjson_val *root)
{
	yyjson_val *unit;
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));

	while ((unit = yyjson_arr_iter_next(&iter)))
		if (!yyjson_get_bool(yyjson_obj_get(unit, "done")))
			return false;
	return true;
}

enum progress { GOES_ON, NEW_ENGINE, AT_REST, REFUSED };

static enum progress look(yyjson_doc *doc, int64_t before)
{
	yyjson_val *root = yyjson_doc_get_root(doc);
	int64_t began = yyjson_get_sint(yyjson_obj_get(root, "engine_started_usec"));

	if (!root)
		return GOES_ON;
	if (began == before) {
		bool is_reading = yyjson_get_bool(yyjson_obj_get(root, "reading"));

		return !is_reading && text_of(root, "error")[0] ? REFUSED : GOES_ON;
	}
	if (!yyjson_get_bool(yyjson_obj_get(root, "settled")))
		return GOES_ON;
	return is_at_rest(root) ? AT_REST : NEW_ENGINE;
}

static bool engine_is_stopping(void)
{
	struct published_header header;
	struct published_unit *units = NULL;
	unsigned count;
	struct err err;
	bool is = cli_read_published(&header, &units, &count, &err) == 0 && header.draining;

	free(units);
	return is;
}

int reload_wait(int64_t before, bool until_rest, struct buf *report)
{
	const struct timespec pause = { .tv_nsec = POLL_NSEC };
	usec_t begin = clock_now_usec();
	enum progress progress = GOES_ON;

	while (clock_now_usec() < begin + (progress == NEW_ENGINE ? REST_USEC : ENGINE_USEC)) {
		yyjson_doc *doc = ask_report(report);

		progress = look(doc, before);
		yyjson_doc_free(doc);
		if (progress == AT_REST || (progress == NEW_ENGINE && !until_rest))
			return CLI_OK;
		if (progress == REFUSED)
			return CLI_FAILED;
		if (engine_is_stopping()) {
			fprintf(stderr, "cleat: the appliance is stopping\n");
			return CLI_FAILED;
		}
		nanosleep(&pause, NULL);
	}
	if (progress == NEW_ENGINE)
		return CLI_OK; /* what has not come to rest is said with its state */
	fprintf(stderr,
		"cleat: the engine was told to read its units again and has not come back within %u s\n",
		(unsigned)(ENGINE_USEC / USEC_SEC));
	return CLI_NO_ENGINE;
}

static bool is_any_pulling(yyjson_val *units)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(units);
	yyjson_val *unit;

	while ((unit = yyjson_arr_iter_next(&iter)))
		if (str_eq(text_of(unit, "state"), "pulling"))
			return true;
	return false;
}

/* What waits comes up by itself when an image is there, not when it waits for one that failed. */
static bool has_failed(yyjson_val *units, yyjson_val *unit)
{
	const char *state = text_of(unit, "state"), *action = text_of(unit, "action");

	return str_eq(state, "failed") || str_eq(state, "backoff") ||
	       (str_eq(state, "waiting") && !is_any_pulling(units)) ||
	       (!yyjson_get_bool(yyjson_obj_get(unit, "done")) && !str_eq(action, "stopped"));
}

/* 1 if a unit file has errors, or a unit did not come up. */
static int judge_report(yyjson_val *root)
{
	yyjson_val *units = yyjson_obj_get(root, "units"), *unit;
	yyjson_arr_iter iter = yyjson_arr_iter_with(units);

	if (text_of(root, "error")[0] || yyjson_arr_size(yyjson_obj_get(root, "errors")))
		return CLI_FAILED;
	while ((unit = yyjson_arr_iter_next(&iter)))
		if (has_failed(units, unit))
			return CLI_FAILED;
	return CLI_OK;
}

static void print_report(yyjson_val *root)
{
	yyjson_val *units = yyjson_obj_get(root, "units"), *item;
	yyjson_arr_iter iter = yyjson_arr_iter_with(units);

	while ((item = yyjson_arr_iter_next(&iter))) {
		printf("%-9s %s%s\n", text_of(item, "action"), text_of(item, "name"),
		       str_eq(text_of(item, "state"), "pulling") ? " (pulling its image)" : "");
		if (!has_failed(units, item))
			continue;
		fflush(stdout);
		fprintf(stderr, "cleat: %s is %s: %s\n", text_of(item, "name"),
			text_of(item, "state"), text_of(item, "reason"));
	}
	fflush(stdout);
	iter = yyjson_arr_iter_with(yyjson_obj_get(root, "errors"));
	while ((item = yyjson_arr_iter_next(&iter)))
		fprintf(stderr, "%s\n", yyjson_get_str(item));
	if (text_of(root, "error")[0])
		fprintf(stderr, "cleat: %s\n", text_of(root, "error"));
}

static int say(const struct buf *report, bool is_json)
{
	auto_buf text = BUF_INIT(report->len + 1);
	yyjson_doc *doc;
	yyjson_val *root;
	int result;

	buf_add(&text, buf_str(report), report->len);
	doc = yyjson_read(buf_str(&text), text.len, 0);
	root = yyjson_doc_get_root(doc);
	result = judge_report(root);
	if (is_json)
		fputs(buf_str(&text), stdout);
	else
		print_report(root);
	yyjson_doc_free(doc);
	return result;
}

static bool was_read(const struct buf *report)
{
	yyjson_doc *doc = yyjson_read(buf_str(report), report->len, 0);
	bool is_read = doc && !text_of(yyjson_doc_get_root(doc), "error")[0];

	yyjson_doc_free(doc);
	return is_read;
}

int cli_reload_files(bool is_json, bool *is_read)
{
	auto_buf report = BUF_INIT(8 * 1024 * 1024);
	struct cli_response response = { 0 };
	int64_t before = reload_engine_began();
	struct err err;
	int result;

	*is_read = false;
	if (cli_request("POST", "/cleat/v1/reload", &response, &err) < 0)
		result = cli_unreachable(&err);
	else if (response.status != 202)
		result = cli_refused(&response);
	else
		result = reload_wait(before, true, &report);
	buf_fini(&response.body);
	if (!report.len || result == CLI_NO_ENGINE)
		return result;
	*is_read = was_read(&report);
	return say(&report, is_json);
}

int cmd_reload(int argc, char **argv)
{
	bool is_json = false, no_block = false;
	const struct cli_option options[] = { { NULL, "--json", &is_json, NULL },
					      { NULL, "--no-block", &no_block, NULL } };
	int words = cli_options(argc, argv, options, 2);
	bool ignored;

	if (words < 0)
		return CLI_USAGE;
	if (words > 0 && is_json)
		return cli_usage(argv[0],
				 "--json is for the unit files: no unit is expected with it");
	if (words > 0)
		return cmd_reload_units(words, argv, no_block);
	if (getenv(COMMANDS_OF_VARIABLE)) {
		fprintf(stderr,
			"cleat reload: in the command line of a unit nothing is done: the unit files are watched anyway\n");
		return CLI_OK;
	}
	return cli_reload_files(is_json, &ignored);
}
