/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat auto-update": newer images for units with AutoUpdate=, now, with podman's table of what came of it. "cleat rollback": back to an
 * image of a unit's history. Both wait until the engine has come to an end with it; Ctrl-C ends the client only.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/str.h"
#include "yyjson.h"

#define POLL_NSEC 50000000
#define ATTEMPTS 3
#define GONE_USEC (30 * USEC_SEC) /* the engine may be about to be another one */
#define OUTPUT_MAX_BYTES (8 * 1024 * 1024)

static int post(const char *path)
{
	struct cli_response response = { 0 };
	int result = CLI_OK;
	char message[700];
	struct err err;

	if (cli_request("POST", path, &response, &err) < 0) {
		result = cli_unreachable(&err);
	} else if (response.status != 202) {
		cli_message(&response, message, sizeof(message));
		fprintf(stderr, "cleat: %s\n", message);
		result = CLI_FAILED;
	}
	buf_fini(&response.body);
	return result;
}

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

/* By any of its names; without names, every unit that has a policy. */
static bool is_asked_for(yyjson_val *unit, char **names, int count)
{
	static const char *const keys[] = { "unit", "service", "name" };

	if (!count)
		return text_of(unit, "policy")[0] != '\0';
	for (int i = 0; i < count; i++) {
		const char *file = text_of(unit, "unit"), *dot = strrchr(file, '.');
		size_t stem = dot ? (size_t)(dot - file) : strlen(file);

		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (str_eq(names[i], text_of(unit, keys[k])))
				return true;
		if (strlen(names[i]) == stem && strncmp(names[i], file, stem) == 0)
			return true;
	}
	return false;
}

static bool is_busy(yyjson_val *root, char **names, int count)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));
	yyjson_val *unit;

	while ((unit = yyjson_arr_iter_next(&iter)))
		if (is_asked_for(unit, names, count) &&
		    yyjson_get_bool(yyjson_obj_get(unit, "busy")))
			return true;
	return !yyjson_get_bool(yyjson_obj_get(root, "settled"));
}

/* The report when nothing is busy any more; NULL: there is no engine that says it. */
static yyjson_doc *wait_report(struct buf *body, char **names, int count)
{
	const struct timespec pause = { .tv_nsec = POLL_NSEC };
	usec_t heard = clock_now_usec();
	struct err err;

	while (clock_now_usec() < heard + GONE_USEC) {
		struct cli_response response = { 0 };
		yyjson_doc *doc = NULL;

		if (cli_request("GET", "/cleat/v1/updates", &response, &err) == 0 &&
		    response.status == 200) {
			buf_clear(body);
			buf_add(body, buf_str(&response.body), response.body.len);
			doc = yyjson_read(buf_str(body), body->len, 0);
		}
		buf_fini(&response.body);
		if (doc)
			heard = clock_now_usec();
		if (doc && !is_busy(yyjson_doc_get_root(doc), names, count))
			return doc;
		yyjson_doc_free(doc);
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "cleat: the engine has not answered for %u s\n",
		(unsigned)(GONE_USEC / USEC_SEC));
	return NULL;
}

static void print_table(yyjson_val *root, char **names, int count)
{
	static const char *const titles[] = { "UNIT", "CONTAINER", "IMAGE", "POLICY", "UPDATED" };
	static const char *const keys[] = { "service", "name", "image", "policy", "updated" };
	struct cli_table table = { .columns = 5 };
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));
	yyjson_val *unit;

	for (size_t i = 0; i < 5; i++)
		cli_table_cell(&table, CLI_PLAIN, titles[i]);
	while ((unit = yyjson_arr_iter_next(&iter))) {
		if (!is_asked_for(unit, names, count))
			continue;
		for (size_t i = 0; i < 5; i++)
			cli_table_cell(&table, CLI_PLAIN, text_of(unit, keys[i]));
	}
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
	fflush(stdout);
}

/* podman's names, and why beside them. */
static void print_json(yyjson_val *root, char **names, int count)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);
	struct json json = { .out = &out, .pretty = true, .first = true };
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));
	yyjson_val *unit;

	json_array(&json, NULL);
	while ((unit = yyjson_arr_iter_next(&iter))) {
		if (!is_asked_for(unit, names, count))
			continue;
		json_object(&json, NULL);
		json_str(&json, "Unit", text_of(unit, "service"));
		json_str(&json, "Container", text_of(unit, "name"));
		json_str(&json, "ContainerName", text_of(unit, "name"));
		json_str(&json, "Image", text_of(unit, "image"));
		json_str(&json, "Policy", text_of(unit, "policy"));
		json_str(&json, "Updated", text_of(unit, "updated"));
		json_str(&json, "Reason", text_of(unit, "text"));
		json_object_end(&json);
	}
	json_array_end(&json);
	puts(buf_str(&out));
	fflush(stdout);
}

/* Why something did not come to pass, beside the table: 1 if anything failed or went back, as podman. */
static int say_failures(yyjson_val *root, char **names, int count)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));
	int result = CLI_OK;
	yyjson_val *unit;

	while ((unit = yyjson_arr_iter_next(&iter))) {
		const char *outcome = text_of(unit, "updated");
		char text[300];

		if (!is_asked_for(unit, names, count) ||
		    (!str_eq(outcome, "failed") && !str_eq(outcome, "rolled back")))
			continue;
		str_copy(text, sizeof(text), text_of(unit, "text"));
		cli_clean(text);
		fprintf(stderr, "cleat: %s: %s: %s\n", text_of(unit, "unit"), outcome, text);
		result = CLI_FAILED;
	}
	return result;
}

static int say_outcome(char **names, int count, bool is_json)
{
	auto_buf body = BUF_INIT(OUTPUT_MAX_BYTES);
	yyjson_doc *doc = wait_report(&body, names, count);
	int result;

	if (!doc)
		return CLI_NO_ENGINE;
	if (is_json)
		print_json(yyjson_doc_get_root(doc), names, count);
	else
		print_table(yyjson_doc_get_root(doc), names, count);
	result = say_failures(yyjson_doc_get_root(doc), names, count);
	yyjson_doc_free(doc);
	return result;
}

static int begin(char **names, int count, const char *query)
{
	auto_buf path = BUF_INIT(2048);

	if (!count) {
		buf_printf(&path, "/cleat/v1/updates%s", query);
		return post(buf_str(&path));
	}
	for (int i = 0; i < count; i++) {
		auto_buf one = BUF_INIT(2048);
		auto_buf body = BUF_INIT(OUTPUT_MAX_BYTES);
		int result;

		/* one after the other: registries are asked for one request at a time */
		if (i > 0)
			yyjson_doc_free(wait_report(&body, names, i));
		buf_puts(&one, "/cleat/v1/units/");
		cli_encode(names[i], &one);
		buf_printf(&one, "/update%s", query);
		result = post(buf_str(&one));
		if (result != CLI_OK)
			return result;
	}
	return CLI_OK;
}

/* An engine that was replaced while it asked has forgotten what for. */
static bool is_forgotten(yyjson_val *root, char **names, int count)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "units"));
	yyjson_val *unit;

	while ((unit = yyjson_arr_iter_next(&iter)))
		if (is_asked_for(unit, names, count) && !text_of(unit, "updated")[0])
			return true;
	return false;
}

static int begin_and_wait(char **names, int count, const char *query)
{
	int result = begin(names, count, query);

	for (unsigned i = 1; i < ATTEMPTS && result == CLI_OK; i++) {
		auto_buf body = BUF_INIT(OUTPUT_MAX_BYTES);
		yyjson_doc *doc = wait_report(&body, names, count);
		bool again = doc && is_forgotten(yyjson_doc_get_root(doc), names, count);

		yyjson_doc_free(doc);
		if (!doc)
			return CLI_NO_ENGINE;
		if (!again)
			return CLI_OK;
		result = begin(names, count, query);
	}
	return result;
}

static bool read_bool(const char *text, bool *out)
{
	*out = str_eq(text, "true") || str_eq(text, "1");
	return *out || str_eq(text, "false") || str_eq(text, "0");
}

int cmd_auto_update(int argc, char **argv)
{
	const char *format = "table", *rollback = "true";
	bool is_dry = false, goes_back;
	const struct cli_option options[] = { { NULL, "--dry-run", &is_dry, NULL },
					      { NULL, "--rollback", NULL, &rollback },
					      { NULL, "--format", NULL, &format } };
	int words = cli_options(argc, argv, options, 3), result;
	char query[32];

	if (words < 0)
		return CLI_USAGE;
	if (!read_bool(rollback, &goes_back))
		return cli_usage(argv[0], "--rollback is true or false");
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return cli_usage(argv[0], "--format is table or json");
	snprintf(query, sizeof(query), "?dry=%d&keep=%d", is_dry, !goes_back);
	result = begin_and_wait(argv + 1, words, query);
	return result == CLI_OK ? say_outcome(argv + 1, words, str_eq(format, "json")) : result;
}

static int say_rollback(char *name)
{
	auto_buf body = BUF_INIT(OUTPUT_MAX_BYTES);
	yyjson_doc *doc = wait_report(&body, &name, 1);
	yyjson_arr_iter iter =
		yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "units"));
	int result = doc ? CLI_FAILED : CLI_NO_ENGINE;
	yyjson_val *unit;

	while (doc && (unit = yyjson_arr_iter_next(&iter))) {
		if (!is_asked_for(unit, &name, 1))
			continue;
		result = CLI_OK;
		printf("%s %s\n", text_of(unit, "unit"), text_of(unit, "pin"));
		fflush(stdout);
	}
	yyjson_doc_free(doc);
	return result;
}

static int say_history(char *name)
{
	auto_buf body = BUF_INIT(OUTPUT_MAX_BYTES);
	yyjson_doc *doc = wait_report(&body, &name, 1);
	yyjson_arr_iter units =
		yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "units"));
	struct cli_table table = { .columns = 4 };
	static const char *const titles[] = { "TIME", "RESULT", "DIGEST", "REASON" };
	yyjson_val *unit, *entry;

	for (size_t i = 0; i < 4; i++)
		cli_table_cell(&table, CLI_PLAIN, titles[i]);
	while (doc && (unit = yyjson_arr_iter_next(&units))) {
		yyjson_arr_iter entries = yyjson_arr_iter_with(yyjson_obj_get(unit, "history"));

		if (!is_asked_for(unit, &name, 1))
			continue;
		while ((entry = yyjson_arr_iter_next(&entries))) {
			time_t at = (time_t)(yyjson_get_sint(yyjson_obj_get(entry, "time_usec")) /
					     1000000);
			struct tm parts;
			char when[40] = "";

			if (gmtime_r(&at, &parts))
				strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts);
			cli_table_cell(&table, CLI_PLAIN, when);
			cli_table_cell(&table, CLI_PLAIN, text_of(entry, "result"));
			cli_table_cell(&table, CLI_PLAIN, text_of(entry, "digest"));
			cli_table_cell(&table, CLI_PLAIN, text_of(entry, "text"));
		}
	}
	yyjson_doc_free(doc);
	if (!doc)
		return CLI_NO_ENGINE;
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
	return CLI_OK;
}

int cmd_rollback(int argc, char **argv)
{
	bool is_list = false;
	const struct cli_option options[] = { { NULL, "--list", &is_list, NULL } };
	int words = cli_options(argc, argv, options, 1), result;
	auto_buf path = BUF_INIT(2048);

	if (words < 0)
		return CLI_USAGE;
	if (words < 1 || words > 2 || (is_list && words > 1) || !argv[1][0])
		return cli_usage(argv[0], "a unit is expected, and at most one digest");
	if (is_list)
		return say_history(argv[1]);
	buf_puts(&path, "/cleat/v1/units/");
	cli_encode(argv[1], &path);
	buf_puts(&path, "/rollback");
	if (words == 2) {
		buf_puts(&path, "?digest=");
		cli_encode(argv[2], &path);
	}
	result = post(buf_str(&path));
	return result == CLI_OK ? say_rollback(argv[1]) : result;
}
