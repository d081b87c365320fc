/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging by time. Times have one width, so they compare as text. A frame is a line (or a long line's part, which then has no time of its
 * own and belongs behind the one before). Must never hold a line back for a container that says nothing.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/logs.h"
#include "log/stamp.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/file.h"

#define FRAME_HEAD 8
#define QUIET_USEC (100 * USEC_MSEC)

void logs_stream_init(struct logs_stream *s, const char *name)
{
	*s = (struct logs_stream){ .name = name,
				   .fd = -1,
				   .in = BUF_INIT(LOGS_LINE_MAX + 64 * 1024) };
}

void logs_stream_fini(struct logs_stream *s)
{
	close_fd(&s->fd);
	buf_fini(&s->response.body);
	buf_fini(&s->in);
}

static size_t frame_length(const struct logs_stream *s)
{
	const unsigned char *h = (const unsigned char *)s->in.data;

	return get_be32(h + 4);
}

static bool has_line(const struct logs_stream *s)
{
	return s->in.len >= FRAME_HEAD && s->in.len - FRAME_HEAD >= frame_length(s);
}

static void end(struct logs_stream *s, bool broke_off)
{
	close_fd(&s->fd);
	s->broke_off = broke_off;
}

static void receive(struct logs_stream *s)
{
	char data[8192];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		end(s, n < 0);
		return;
	}
	s->heard = clock_now_usec();
	if (buf_add(&s->in, data, (size_t)n) < 0)
		end(s, true);
}

static int compare(const struct logs_stream *a, const struct logs_stream *b)
{
	size_t la = frame_length(a), lb = frame_length(b);
	size_t n = la < lb ? la : lb;

	return memcmp(a->in.data + FRAME_HEAD, b->in.data + FRAME_HEAD,
		      n < LOG_STAMP_LEN ? n : LOG_STAMP_LEN);
}

/* The stream whose line is next; NULL: wait, for at most *wait_msec (-1: for good). */
static struct logs_stream *next(struct logs_stream *streams, unsigned count, bool follows,
				int *wait_msec)
{
	struct logs_stream *best = NULL;
	usec_t now = clock_now_usec();

	*wait_msec = -1;
	for (unsigned i = 0; i < count; i++)
		if (has_line(&streams[i]) && (!best || compare(&streams[i], best) < 0))
			best = &streams[i];
	for (unsigned i = 0; best && i < count; i++) {
		const struct logs_stream *s = &streams[i];

		if (has_line(s) || s->fd < 0)
			continue;
		if (!follows || now - s->heard < QUIET_USEC) {
			*wait_msec = follows ? (int)(QUIET_USEC / USEC_MSEC) : -1;
			return NULL;
		}
	}
	return best;
}

static int print(struct logs_stream *s, bool with_times, struct err *err)
{
	int out = s->in.data[0] == 2 ? STDERR_FILENO : STDOUT_FILENO;
	size_t length = frame_length(s), skip = with_times ? 0 : LOG_STAMP_LEN + 1;
	auto_buf line = BUF_INIT(LOGS_LINE_MAX + 1024);

	/* the rest of a line beyond what the reader joins has no time */
	if (skip > length || s->in.data[FRAME_HEAD + 10] != 'T' ||
	    s->in.data[FRAME_HEAD + LOG_STAMP_LEN - 1] != 'Z')
		skip = 0;
	buf_printf(&line, "%s ", s->name);
	buf_add(&line, s->in.data + FRAME_HEAD + skip, length - skip);
	buf_consume(&s->in, FRAME_HEAD + length);
	if (buf_check(&line, "a line", err) < 0)
		return -1;
	return file_write_all(out, line.data, line.len, err);
}

static bool wait_for_data(struct logs_stream *streams, unsigned count, int wait_msec)
{
	struct pollfd fds[LOGS_MAX_STREAMS];
	bool is_open = false;

	for (unsigned i = 0; i < count; i++) {
		/* one with a full line waits: its socket holds the rest */
		bool is_full = streams[i].in.len > LOGS_LINE_MAX && has_line(&streams[i]);

		fds[i] = (struct pollfd){ .fd = is_full ? -1 : streams[i].fd, .events = POLLIN };
		is_open = is_open || streams[i].fd >= 0;
	}
	if (!is_open)
		return false;
	poll(fds, count, wait_msec);
	for (unsigned i = 0; i < count; i++)
		if (fds[i].revents)
			receive(&streams[i]);
	return true;
}

int logs_merge(struct logs_stream *streams, unsigned count, bool with_times, bool follows)
{
	int wait_msec, result = CLI_OK;
	struct err err;

	for (unsigned i = 0; i < count; i++) {
		streams[i].heard = clock_now_usec();
		buf_add(&streams[i].in, buf_str(&streams[i].response.body),
			streams[i].response.body.len);
	}
	for (;;) {
		struct logs_stream *s = next(streams, count, follows, &wait_msec);

		if (s && print(s, with_times, &err) < 0)
			return cli_fail("logs", &err);
		if (!s && !wait_for_data(streams, count, wait_msec))
			break;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!streams[i].broke_off && !streams[i].in.len)
			continue;
		fprintf(stderr, "cleat: the log stream of %s broke off\n", streams[i].name);
		result = CLI_FAILED;
	}
	return result;
}
