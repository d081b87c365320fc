/* SPDX-License-Identifier: Apache-2.0 */
/* Events for people, as "podman events" words them, and for programs. Must never pass on a byte that a terminal would obey. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/events.h"
#include "util/json.h"
#include "util/str.h"

static void put_time(const struct event *event, struct buf *out)
{
	time_t seconds = (time_t)(event->real_nsec / 1000000000);
	struct tm tm;
	char text[32] = "", zone[32] = "";

	if (localtime_r(&seconds, &tm)) {
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		strftime(zone, sizeof(zone), "%z %Z", &tm);
	}
	buf_printf(out, "%s.%09" PRId64 " %s", text, event->real_nsec % 1000000000, zone);
}

static void put_pair(struct buf *out, const char *key, const char *value, bool *is_first)
{
	char clean[256];

	if (!value[0])
		return;
	str_copy(clean, sizeof(clean), value);
	cli_clean(clean);
	buf_printf(out, "%s%s=%s", *is_first ? "" : ", ", key, clean);
	*is_first = false;
}

static void put_number(struct buf *out, const char *key, int64_t value, bool *is_first)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	put_pair(out, key, text, is_first);
}

void cli_event_text(const struct event *e, struct buf *out)
{
	const struct event_row *row = event_row(e->kind);
	bool is_first = true;

	put_time(e, out);
	buf_printf(out, " %s %s", row ? row->type : "unknown", row ? row->name : "unknown");
	if (e->run_id[0]) {
		char id[sizeof(e->run_id)];

		str_copy(id, sizeof(id), e->run_id);
		cli_clean(id);
		buf_printf(out, " %s", id);
	}
	buf_puts(out, " (");
	put_pair(out, "image", e->image, &is_first);
	put_pair(out, "name", e->name, &is_first);
	put_pair(out, "unit", e->unit, &is_first);
	if (e->kind == EVENT_DIE || e->kind == EVENT_EXEC_DIE)
		put_number(out, "exit_code", e->code, &is_first);
	if (e->signal)
		put_number(out, "signal", e->signal, &is_first);
	put_pair(out, row ? row->text : "text", e->text, &is_first);
	buf_puts(out, ")");
}

void cli_event_json(const struct event *e, struct buf *out)
{
	const struct event_row *row = event_row(e->kind);
	struct json j = JSON_TO(out);
	auto_buf time = BUF_INIT(64);

	put_time(e, &time);
	json_object(&j, NULL);
	json_str(&j, "ID", e->run_id);
	json_str(&j, "Image", e->image);
	json_str(&j, "Name", e->name);
	json_str(&j, "Status", row ? row->name : "unknown");
	json_str(&j, "Time", buf_str(&time));
	json_str(&j, "Type", row ? row->type : "unknown");
	if (e->kind == EVENT_DIE || e->kind == EVENT_EXEC_DIE)
		json_int(&j, "ContainerExitCode", e->code);
	if (e->kind == EVENT_HEALTH_STATUS)
		json_str(&j, "HealthStatus", e->text);
	json_object(&j, "Attributes");
	if (e->signal)
		json_int(&j, "signal", e->signal);
	if (e->text[0])
		json_str(&j, row ? row->text : "text", e->text);
	json_object_end(&j);
	json_str(&j, "Unit", e->unit);
	json_int(&j, "TimeNano", e->real_nsec);
	json_uint(&j, "Sequence", e->sequence);
	json_object_end(&j);
}
