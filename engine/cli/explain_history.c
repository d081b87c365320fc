/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat explain --history: what the supervisor has said of a unit, one line a step, with times. Read from the file beside the control
 * socket, so it needs no engine. Must never pass on a byte that a terminal would obey.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/explain_internal.h"
#include "supervise/history.h"
#include "util/file.h"
#include "util/json.h"
#include "util/places.h"
#include "util/str.h"

#define PATH_BYTES 512
#define OUTPUT_BYTES ((size_t)1024 * 1024)

static void history_path(char *out, size_t size)
{
	char *slash;

	cli_published_path(out, size);
	slash = strrchr(out, '/');
	if (slash)
		str_copy(slash, size - (size_t)(slash - out), strrchr(CLEAT_HISTORY, '/'));
}

static void format_time(int64_t real_usec, char out[40])
{
	time_t seconds = (time_t)(real_usec / 1000000);
	char text[24];
	struct tm tm;

	if (real_usec < 0 || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		str_copy(text, sizeof(text), "?");
	snprintf(out, 40, "%s.%06dZ", text, (int)(real_usec < 0 ? 0 : real_usec % 1000000));
}

static void write_text(const struct history_view *view, struct buf *out)
{
	char when[40];

	if (view->lost)
		buf_printf(out, "%" PRIu64 " earlier or torn line%s not kept\n", view->lost,
			   view->lost == 1 ? " is" : "s are");
	for (size_t i = 0; i < view->count; i++) {
		format_time(view->lines[i].real_usec, when);
		buf_printf(out, "%s  %s%s\n", when, view->lines[i].is_of_all ? "(appliance) " : "",
			   view->lines[i].text);
	}
}

static void write_json(const struct history_view *view, struct buf *out)
{
	struct json j = JSON_TO(out);
	char when[40];

	json_object(&j, NULL);
	json_str(&j, "name", view->name);
	json_str(&j, "unit", view->unit);
	json_uint(&j, "lost", view->lost);
	json_array(&j, "lines");
	for (size_t i = 0; i < view->count; i++) {
		const struct history_line *line = &view->lines[i];

		format_time(line->real_usec, when);
		json_object(&j, NULL);
		json_str(&j, "time", when);
		json_uint(&j, "monotonic_usec", line->monotonic_usec);
		json_bool(&j, "appliance", line->is_of_all);
		json_str(&j, "text", line->text);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	buf_puts(out, "\n");
}

static void clean(struct arena *arena, struct history_view *view)
{
	char *name = arena_strdup(arena, view->name), *unit = arena_strdup(arena, view->unit);

	cli_clean(name);
	cli_clean(unit);
	view->name = name;
	view->unit = unit;
	for (size_t i = 0; i < view->count; i++) {
		char *text = arena_strdup(arena, view->lines[i].text);

		cli_clean(text);
		view->lines[i].text = text;
	}
}

int explain_history(const char *name, bool is_json)
{
	auto_arena arena = { 0 };
	auto_buf out = BUF_INIT(OUTPUT_BYTES);
	struct history_view view;
	char path[PATH_BYTES];
	struct err err;

	history_path(path, sizeof(path));
	if (history_read(path, name, &arena, &view, &err) < 0) {
		fprintf(stderr, "cleat explain: %s\n", err.msg);
		return CLI_USAGE;
	}
	clean(&arena, &view);
	if (is_json)
		write_json(&view, &out);
	else
		write_text(&view, &out);
	if (buf_check(&out, "the history", &err) == 0 &&
	    file_write_all(STDOUT_FILENO, out.data, out.len, &err) == 0)
		return CLI_OK;
	fprintf(stderr, "cleat explain: %s\n", err.msg);
	return CLI_USAGE;
}
