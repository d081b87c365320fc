/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /events as Docker has it. The engine reads the query and hands the connection to "cleat event-stream", a worker of lowest privilege
 * that has the ring of events and the client, and nothing else. Must never be told a path by a client.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "api/events.h"
#include "api/internal.h"
#include "log/log.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define RING_FD 3
#define WAIT_MSEC 1000
#define LINE_MAX_BYTES 8192

void api_event_render(const struct event *e, struct buf *out)
{
	const struct event_row *row = event_row(e->kind);
	struct json j = JSON_TO(out);
	char id[API_ID_LEN + 1] = "", action[64];
	bool is_image = row && str_eq(row->type, "image");

	if (!row || !row->action)
		return;
	if (e->name[0])
		api_id(e->name, id);
	snprintf(action, sizeof(action), "%s%s%.40s", row->action,
		 e->kind == EVENT_HEALTH_STATUS ? ": " : "",
		 e->kind == EVENT_HEALTH_STATUS ? e->text : "");
	json_object(&j, NULL);
	json_str(&j, "status", action);
	json_str(&j, "id", is_image ? e->image : id);
	if (!is_image)
		json_str(&j, "from", e->image);
	json_str(&j, "Type", row->type);
	json_str(&j, "Action", action);
	json_object(&j, "Actor");
	json_str(&j, "ID", is_image ? e->image : id);
	json_object(&j, "Attributes");
	if (!is_image)
		json_str(&j, "image", e->image);
	json_str(&j, "name", is_image ? e->image : e->name);
	if (e->kind == EVENT_DIE || e->kind == EVENT_EXEC_DIE) {
		snprintf(action, sizeof(action), "%" PRId32, e->code);
		json_str(&j, "exitCode", action);
	}
	if (e->signal) {
		snprintf(action, sizeof(action), "%" PRId32, e->signal);
		json_str(&j, "signal", action);
	}
	json_object_end(&j);
	json_object_end(&j);
	json_str(&j, "scope", "local");
	json_int(&j, "time", e->real_nsec / 1000000000);
	json_int(&j, "timeNano", e->real_nsec);
	json_object_end(&j);
	buf_putc(out, '\n');
}

/* Values of one key: ["die"] or, as old clients have it, {"die": true}. */
static int add_values(struct event_filter *filter, const char *key, yyjson_val *values,
		      struct err *err)
{
	yyjson_val *k, *v;
	size_t i, max;

	if (yyjson_is_arr(values)) {
		yyjson_arr_foreach(values, i, max, v) if (!yyjson_is_str(v)) return err_set(
			err, ERR_INPUT, "filters: %s: no text", key);
		else if (event_filter_add(filter, key, yyjson_get_str(v), err) < 0) return -1;
		return 0;
	}
	if (!yyjson_is_obj(values))
		return err_set(err, ERR_INPUT, "filters: %s: a list is expected", key);
	yyjson_obj_foreach(values, i, max, k,
			   v) if (event_filter_add(filter, key, yyjson_get_str(k), err) <
				  0) return -1;
	return 0;
}

int api_event_filters(const char *text, struct event_filter *filter, yyjson_doc **doc,
		      struct err *err)
{
	yyjson_val *root, *key, *values;
	size_t i, max;

	*doc = NULL;
	if (!text[0])
		return 0;
	*doc = yyjson_read(text, strlen(text), 0);
	root = *doc ? yyjson_doc_get_root(*doc) : NULL;
	if (!root || !yyjson_is_obj(root))
		return err_set(err, ERR_INPUT, "filters: a JSON object is expected");
	yyjson_obj_foreach(root, i, max, key, values) if (add_values(filter, yyjson_get_str(key),
								     values, err) < 0) return -1;
	return 0;
}

void api_events(struct api_call *call)
{
	static char filters[sizeof(call->order->filters) + 16], since[40], until[40];
	static const char *words[4];
	struct event_filter filter = { 0 };
	yyjson_doc *doc;
	struct err err;
	unsigned n = 0;

	if (api_event_filters(call->order->filters, &filter, &doc, &err) < 0) {
		api_fail(call->answer, 400, "%s", err.msg);
		yyjson_doc_free(doc);
		return;
	}
	yyjson_doc_free(doc);
	snprintf(filters, sizeof(filters), "--filters=%s", call->order->filters);
	words[n++] = filters;
	snprintf(since, sizeof(since), "--since=%" PRIu64, call->order->since_usec);
	if (call->order->since_usec)
		words[n++] = since;
	snprintf(until, sizeof(until), "--until=%" PRIu64, call->order->until_usec);
	if (call->order->until_usec)
		words[n++] = until;
	words[n] = NULL;
	call->answer->is_stream = true;
	call->answer->event_words = words;
}

int api_events_open(struct err *err)
{
	int fd = open(CLEAT_EVENTS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "%s", CLEAT_EVENTS) : fd;
}

/* --- the worker --- */

static int parse(int argc, char **argv, struct event_filter *filter, yyjson_doc **doc,
		 struct err *err)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (str_starts(word, "--filters=")) {
			if (api_event_filters(word + strlen("--filters="), filter, doc, err) < 0)
				return -1;
		} else if (str_starts(word, "--since=")) {
			if (!str_to_i64(word + strlen("--since="), 0, INT64_MAX,
					&filter->since_usec))
				return err_set(err, ERR_INPUT, "%s: no number", word);
		} else if (str_starts(word, "--until=")) {
			if (!str_to_i64(word + strlen("--until="), 0, INT64_MAX,
					&filter->until_usec))
				return err_set(err, ERR_INPUT, "%s: no number", word);
		} else {
			return err_set(err, ERR_INPUT, "%s: unknown option", word);
		}
	}
	return 0;
}

static int confine(struct err *err)
{
	struct proc_confine c = {
		.uid = IDS_WORKER_LOG,
		.gid = IDS_WORKER_LOG,
	};

	return proc_confine(&c, err);
}

static int send_all(struct event_reader *reader, const struct event_filter *filter, struct err *err)
{
	struct event event;
	uint64_t lost;
	int rc;

	while ((rc = event_read(reader, &event, &lost, err)) > 0) {
		auto_buf line = BUF_INIT(LINE_MAX_BYTES);

		/* Docker's stream has no place to say so */
		if (lost)
			log_msg(LOG_WARN, "events",
				"a client was too slow: it missed %" PRIu64 " events", lost);
		if (!event_filter_fits(filter, &event))
			continue;
		api_event_render(&event, &line);
		if (line.len && file_write_all(STDOUT_FILENO, line.data, line.len, err) < 0)
			return -1;
	}
	return rc;
}

/* False: the client has gone. */
static bool wait_for_more(int inotify_fd)
{
	struct pollfd fds[] = { { .fd = inotify_fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO, .events = 0 } };
	char data[1024];

	poll(fds, 2, WAIT_MSEC);
	while (fds[0].revents && read(inotify_fd, data, sizeof(data)) > 0)
		;
	return !(fds[1].revents & (POLLERR | POLLHUP | POLLNVAL));
}

static int serve(struct event_filter *filter, struct err *err)
{
	struct event_reader reader;
	int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	bool has_past = filter->since_usec || filter->until_usec;

	/* without events of the file system looking now and then does it */
	if (inotify_fd >= 0)
		inotify_add_watch(inotify_fd, "/proc/self/fd/3", IN_MODIFY);
	if (event_reader_init(&reader, RING_FD, !has_past, err) < 0 || confine(err) < 0)
		return -1;
	for (;;) {
		bool is_over = filter->until_usec &&
			       clock_real_usec() > (int64_t)filter->until_usec;

		if (send_all(&reader, filter, err) < 0)
			return err->sys_errno == EPIPE || err->sys_errno == ECONNRESET ? 0 : -1;
		if (is_over || !wait_for_more(inotify_fd))
			return 0;
	}
}

int cmd_event_stream(int argc, char **argv)
{
	struct event_filter filter = { 0 };
	yyjson_doc *doc = NULL; /* the filter borrows its texts until the end */
	struct err err;
	int rc = -1;

	log_init("cleat event-stream", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (parse(argc, argv, &filter, &doc, &err) == 0)
		rc = serve(&filter, &err);
	if (rc < 0)
		log_msg(LOG_ERROR, "events", "%s", err.msg);
	yyjson_doc_free(doc);
	return rc < 0;
}
