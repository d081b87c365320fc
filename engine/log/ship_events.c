/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way off the box, each as one message whose MSGID says what it is. Their place lies where the ring does: on tmpfs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "log/ship_internal.h"
#include "util/file.h"
#include "util/str.h"

#define PLACE "events"
#define SEVERITY_WARNING 4
#define SEVERITY_INFO 6

void ship_events_open(struct ship *s, int fd)
{
	auto_buf text = BUF_INIT(64);
	struct err err;
	uint64_t next;

	if (event_reader_init(&s->events, fd, false, &err) < 0) {
		log_msg(LOG_WARN, "ship", "%s", err.msg);
		return;
	}
	s->has_events = true;
	if (file_read_at(s->run_folder, PLACE, 64, &text, &err) == 0 && text.len) {
		text.data[strcspn(text.data, "\n")] = '\0';
		if (str_to_u64(text.data, UINT64_MAX, &next) && next > s->events.next)
			s->events.next = next;
	}
	s->events_pending = s->events_committed = s->events_saved = s->events.next;
}

static unsigned severity_of(unsigned kind)
{
	switch (kind) {
	case EVENT_OOM:
	case EVENT_FAILED:
	case EVENT_START_FAILED:
	case EVENT_PULL_FAILED:
	case EVENT_UNIT_INVALID:
	case EVENT_ROLLBACK:
	case EVENT_ACTION:
		return SEVERITY_WARNING;
	default:
		return SEVERITY_INFO;
	}
}

static int send_event(struct ship *s, const struct event *e, struct err *err)
{
	const struct event_row *row = event_row(e->kind);
	char stamp[LOG_STAMP_LEN + 1], text[512];
	struct ship_message m = {
		.is_event = true,
		.severity = severity_of(e->kind),
		.stamp = stamp,
		.hostname = s->hostname,
		.app = "cleat",
		.run_id = e->run_id,
		.unit = e->unit,
		.container = e->name,
		.msgid = row ? row->name : "unknown",
		.text = text,
	};
	int n = snprintf(text, sizeof(text), "%s %s", m.msgid, e->name[0] ? e->name : s->hostname);

	log_stamp_format(e->real_nsec, stamp);
	if (e->kind == EVENT_DIE && n > 0 && (size_t)n < sizeof(text))
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", exit code %" PRId32, e->code);
	if (e->signal && n > 0 && (size_t)n < sizeof(text))
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", signal %" PRId32, e->signal);
	if (e->text[0] && n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", e->text);
	m.len = strlen(text);
	return ship_send(s, &m, err);
}

int ship_events_pump(struct ship *s, struct err *err)
{
	struct event event;
	uint64_t lost;
	int rc;

	if (!s->has_events)
		return 0;
	while ((rc = event_read(&s->events, &event, &lost, err)) > 0) {
		s->events_lost += lost;
		if (send_event(s, &event, err) < 0) {
			s->events.next--;
			return -1;
		}
	}
	/* A ring that cannot be read any more is no reason to stop shipping lines. */
	if (rc < 0) {
		log_msg(LOG_WARN, "ship", "%s", err->msg);
		s->has_events = false;
	}
	return 0;
}

void ship_events_rewind(struct ship *s)
{
	s->events.next = s->events_pending = s->events_committed;
}

void ship_events_save(struct ship *s)
{
	char text[32];
	struct err err;
	int n;

	if (!s->has_events || s->events_committed == s->events_saved)
		return;
	n = snprintf(text, sizeof(text), "%" PRIu64 "\n", s->events_committed);
	if (file_write_atomic(s->run_folder, PLACE, text, (size_t)n, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "ship", "place of events: %s", err.msg);
	else
		s->events_saved = s->events_committed;
}
