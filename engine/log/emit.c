/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of the log reader. A line longer than LOG_LINE_MAX lies in the files as several pieces,
 * between which lines of the other stream may stand: pieces are collected for each stream until the
 * last one comes. Must never grow with the length of a container's line.
 */
#include "log/emit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define FRAME_HEADER 8

void log_emit_init(struct log_emit *e, const struct log_query *query, int fd, char *out)
{
	*e = (struct log_emit){ .query = query, .fd = fd, .out = out };
	for (int i = 0; i < 2; i++)
		e->joined[i].text = (struct buf)BUF_INIT(LOG_JOIN_MAX + LOG_LINE_MAX);
	if (query->since_real_usec > 0)
		log_stamp_format(query->since_real_usec * 1000, e->since);
	if (query->until_real_usec > 0)
		log_stamp_format(query->until_real_usec * 1000 + 999, e->until);
}

void log_emit_fini(struct log_emit *e)
{
	for (int i = 0; i < 2; i++)
		buf_fini(&e->joined[i].text);
}

bool log_emit_wants(const struct log_emit *e, const struct log_line *line)
{
	if (!(line->is_stderr ? e->query->want_stderr : e->query->want_stdout))
		return false;
	if (e->since[0] && memcmp(line->stamp, e->since, LOG_STAMP_LEN) < 0)
		return false;
	return !e->until[0] || memcmp(line->stamp, e->until, LOG_STAMP_LEN) <= 0;
}

static int write_out(struct log_emit *e, const char *data, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(e->fd, data, len);
		struct pollfd room = { .fd = e->fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			poll(&room, 1, -1);
		else if (n < 0 && errno != EINTR)
			return err_sys(err, "write to the reader");
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int log_emit_flush(struct log_emit *e, struct err *err)
{
	size_t len = e->len;

	e->len = 0;
	return write_out(e, e->out, len, err);
}

static int put(struct log_emit *e, const char *data, size_t len, struct err *err)
{
	if (len > LOG_EMIT_BYTES - e->len && log_emit_flush(e, err) < 0)
		return -1;
	if (len > LOG_EMIT_BYTES)
		return write_out(e, data, len, err);
	memcpy(e->out + e->len, data, len);
	e->len += len;
	return 0;
}

/* As Docker's attach stream: stream number, three zeros, length in network order. */
static int put_header(struct log_emit *e, bool is_stderr, size_t len, struct err *err)
{
	const char header[FRAME_HEADER] = {
		is_stderr ? 2 : 1, 0,	     0, 0, (char)(len >> 24), (char)(len >> 16),
		(char)(len >> 8),  (char)len
	};

	return e->query->docker_frames ? put(e, header, sizeof(header), err) : 0;
}

static int show(struct log_emit *e, bool is_stderr, const char *stamp, const char *text, size_t len,
		bool newline, struct err *err)
{
	size_t stamp_len = stamp && e->query->timestamps ? LOG_STAMP_LEN + 1 : 0;

	if (put_header(e, is_stderr, stamp_len + len + newline, err) < 0)
		return -1;
	if (stamp_len && (put(e, stamp, LOG_STAMP_LEN, err) < 0 || put(e, " ", 1, err) < 0))
		return -1;
	if (put(e, text, len, err) < 0)
		return -1;
	return newline ? put(e, "\n", 1, err) : 0;
}

static int show_joined(struct log_emit *e, struct log_joined *j, bool is_stderr, bool is_end,
		       struct err *err)
{
	const char *stamp = j->is_shown_in_part ? NULL : j->stamp;
	int rc = show(e, is_stderr, stamp, buf_str(&j->text), j->text.len, is_end, err);

	buf_clear(&j->text);
	j->is_shown_in_part = !is_end;
	return rc;
}

static int add_piece(struct log_emit *e, struct log_joined *j, const struct log_line *line,
		     struct err *err)
{
	if (!j->stamp[0])
		memcpy(j->stamp, line->stamp, LOG_STAMP_LEN);
	if (buf_add(&j->text, line->text, line->len) < 0)
		return buf_check(&j->text, "joined line", err);
	if (j->text.len < LOG_JOIN_MAX)
		return 0;
	if (e->skip == 0 && log_emit_wants(e, line))
		return show_joined(e, j, line->is_stderr, false, err);
	buf_clear(&j->text);
	return 0;
}

static void forget_joined(struct log_joined *j)
{
	buf_fini(&j->text);
	j->stamp[0] = '\0';
	j->is_shown_in_part = false;
}

int log_emit_line(struct log_emit *e, const struct log_line *line, struct err *err)
{
	struct log_joined *j = &e->joined[line->is_stderr];
	bool wanted = log_emit_wants(e, line);
	int rc = 0;

	if (!line->is_end || j->stamp[0])
		if (add_piece(e, j, line, err) < 0)
			return -1;
	if (!line->is_end)
		return 0;
	if (wanted && e->skip > 0)
		e->skip--;
	else if (wanted && j->stamp[0])
		rc = show_joined(e, j, line->is_stderr, true, err);
	else if (wanted)
		rc = show(e, line->is_stderr, line->stamp, line->text, line->len, true, err);
	forget_joined(j);
	return rc;
}

int log_emit_note(struct log_emit *e, const char *text, struct err *err)
{
	char stamp[LOG_STAMP_LEN + 1];

	if (!e->query->want_stderr)
		return 0;
	log_stamp_format(log_stamp_now(), stamp);
	return show(e, true, stamp, text, strlen(text), true, err);
}
