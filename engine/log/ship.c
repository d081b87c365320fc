/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker "cleat log-ship": finds the log directories, reads what is new, sends it, writes down how far the server has it. It is
 * IDS_WORKER_SHIP with the group of the logs: it can read them and change nothing but its own places. Must never lose its place because a
 * server is gone, and never send before the rights are given up.
 */
#include "log/ship.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/line.h"
#include "log/log.h"
#include "log/ship_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/proc.h"
#include "util/str.h"

#define BATCH_BYTES (256u * 1024) /* of one source before the next has its turn */
#define IDLE_MSEC 1000
#define SAVE_USEC USEC_SEC
#define RETRY_FIRST_USEC USEC_SEC
#define RETRY_MAX_USEC (60 * USEC_SEC)

static int on_line(void *arg, const struct log_line *line, struct err *err)
{
	struct ship *s = arg;
	char stamp[LOG_STAMP_LEN + 1];

	if (!s->facts.is_known)
		ship_facts_of(s, s->source->name);

	struct ship_message m = {
		.is_stderr = line->is_stderr,
		.is_partial = !line->is_end,
		.stamp = stamp,
		.hostname = s->hostname,
		.app = s->facts.tag[0] ? s->facts.tag : s->source->name,
		.unit = s->facts.unit,
		.container = s->source->name,
		/* an older line is of an earlier run, whose id nobody knows any more */
		.run_id = memcmp(line->stamp, s->facts.started, LOG_STAMP_LEN) >= 0 ?
				  s->facts.run_id :
				  "",
		.msgid = line->is_stderr ? "stderr" : "stdout",
		.text = line->text,
		.len = line->len,
	};

	memcpy(stamp, line->stamp, LOG_STAMP_LEN);
	stamp[LOG_STAMP_LEN] = '\0';
	return ship_send(s, &m, err);
}

int ship_send(struct ship *s, const struct ship_message *m, struct err *err)
{
	size_t max = s->wire.url.transport == SYSLOG_UDP ? SHIP_UDP_MAX : SHIP_MESSAGE_MAX;

	buf_clear(&s->message);
	ship_format(m, max, &s->message);
	if (buf_check(&s->message, "message", err) < 0 ||
	    ship_wire_send(&s->wire, s->message.data, s->message.len, err) < 0)
		return -1;
	s->report.sent++;
	return 0;
}

/* --- the server --------------------------------------------------------------------------------------------------------------- */

static void lose_connection(struct ship *s, const struct err *err)
{
	ship_wire_disconnect(&s->wire);
	for (unsigned i = 0; i < s->source_count; i++)
		ship_source_rewind(&s->sources[i]);
	ship_events_rewind(s);
	s->has_pending = false;
	s->report.is_connected = 0;
	str_copy_text(s->report.error, sizeof(s->report.error), err->msg);
	s->retry_usec = s->retry_usec ? s->retry_usec * 2 : RETRY_FIRST_USEC;
	if (s->retry_usec > RETRY_MAX_USEC)
		s->retry_usec = RETRY_MAX_USEC;
	s->retry_at = clock_now_usec() + s->retry_usec;
}

static void try_connect(struct ship *s)
{
	struct err err;

	if (clock_now_usec() < s->retry_at)
		return;
	if (ship_wire_connect(&s->wire, &err) < 0) {
		lose_connection(s, &err);
		return;
	}
	s->report.is_connected = 1;
	s->report.error[0] = '\0';
}

/* Everything that was sent when pending was taken has arrived: it becomes what is certain. */
static void commit(struct ship *s)
{
	if (s->has_pending && ship_wire_acked(&s->wire) < s->pending_total)
		return;
	if (s->has_pending) {
		for (unsigned i = 0; i < s->source_count; i++)
			s->sources[i].committed = s->sources[i].pending;
		s->events_committed = s->events_pending;
		s->retry_usec = 0; /* it works: the next outage begins with short pauses again */
	}
	for (unsigned i = 0; i < s->source_count; i++)
		s->sources[i].pending = s->sources[i].at;
	s->events_pending = s->events.next;
	s->pending_total = s->wire.total;
	s->has_pending = true;
}

static void save(struct ship *s)
{
	struct err err;

	for (unsigned i = 0; i < s->source_count; i++)
		if (ship_source_save(&s->sources[i], s->folder, &err) < 0)
			log_msg(LOG_WARN, "ship", "%s", err.msg);
	ship_events_save(s);
	s->saved_at = clock_now_usec();
}

/* --- a turn -------------------------------------------------------------------------------------------------------------------- */

static int pump_sources(struct ship *s, bool *more, struct err *err)
{
	for (unsigned i = 0; i < s->source_count; i++) {
		int rc;

		s->source = &s->sources[i];
		s->facts.is_known = false;
		rc = ship_source_read(s->source, s->buffer, BATCH_BYTES, on_line, s, err);
		if (rc < 0)
			return -1;
		*more = *more || rc > 0;
	}
	return 0;
}

/* True: there is more to send at once. */
static bool pump(struct ship *s)
{
	bool more = false;
	struct err err;

	if (ship_wire_check(&s->wire, &err) < 0 || pump_sources(s, &more, &err) < 0 ||
	    ship_events_pump(s, &err) < 0 || ship_wire_flush(&s->wire, &err) < 0) {
		lose_connection(s, &err);
		return false;
	}
	commit(s);
	return more;
}

static void tell(struct ship *s)
{
	s->report.dropped = s->events_lost;
	for (unsigned i = 0; i < s->source_count; i++)
		s->report.dropped += s->sources[i].dropped;
	if (memcmp(&s->report, &s->told, sizeof(s->report)) == 0)
		return;
	if (send(STDOUT_FILENO, &s->report, sizeof(s->report), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	    (ssize_t)sizeof(s->report))
		s->told = s->report;
}

/* False: the engine is gone. */
static bool wait_for_news(struct ship *s, bool more)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = s->inotify_fd, .events = POLLIN },
				{ .fd = s->wire.fd, .events = s->wire.fd >= 0 ? POLLIN : 0 } };
	char data[4096];

	/* what is on its way is committed soon after */
	poll(fds, 3, more ? 0 : IDLE_MSEC / (s->has_pending ? 4 : 1));
	while (fds[1].revents && read(s->inotify_fd, data, sizeof(data)) > 0)
		;
	return !(fds[0].revents & (POLLIN | POLLHUP | POLLERR));
}

static void run(struct ship *s)
{
	bool more = false;

	do {
		ship_find_sources(s);
		for (unsigned i = 0; i < s->source_count; i++)
			ship_source_survey(&s->sources[i], s->buffer);
		if (s->wire.fd < 0)
			try_connect(s);
		more = s->wire.fd >= 0 && pump(s);
		if (clock_now_usec() - s->saved_at >= SAVE_USEC)
			save(s);
		tell(s);
	} while (wait_for_news(s, more));
	save(s);
}

int cmd_log_ship(int argc, char **argv)
{
	struct ship *s = calloc(1, sizeof(*s));
	struct err err = { 0 };
	int rc = 1;

	log_init("cleat log-ship", LOG_INFO);
	prctl(PR_SET_NAME, "cleat-ship", 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!s) {
		log_msg(LOG_ERROR, "ship", "out of memory");
		return 1;
	}
	if (ship_prepare(s, argc, argv, &err) == 0) {
		run(s);
		rc = 0;
	} else {
		log_msg(LOG_ERROR, "ship", "%s", err.msg);
		str_copy_text(s->report.error, sizeof(s->report.error), err.msg);
		tell(s);
	}
	ship_finish(s);
	free(s);
	return rc;
}
