/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking log files apart. They lie on a disk that others may write to: every length is checked, a
 * line without the right front is stepped over, a "line" without an end cannot fill more than one
 * buffer.
 */
#include "log/line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEAD_LEN (LOG_STAMP_LEN + 10)

static bool is_stamp(const char *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

	for (size_t i = 0; i < LOG_STAMP_LEN; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	return true;
}

bool log_line_parse(const char *line, size_t len, struct log_line *out)
{
	const char *stream = line + LOG_STAMP_LEN + 1, *tag = line + LOG_STAMP_LEN + 8;

	if (len < HEAD_LEN || !is_stamp(line) || line[LOG_STAMP_LEN] != ' ' || tag[-1] != ' ' ||
	    tag[1] != ' ' || (tag[0] != 'F' && tag[0] != 'P'))
		return false;
	out->is_stderr = memcmp(stream, "stderr", 6) == 0;
	if (!out->is_stderr && memcmp(stream, "stdout", 6) != 0)
		return false;
	out->stamp = line;
	out->is_end = tag[0] == 'F';
	out->text = line + HEAD_LEN;
	out->len = len - HEAD_LEN;
	return true;
}

/* Makes room behind the unread rest; a full buffer without a newline is no line of ours. */
static void make_room(struct log_scan *s)
{
	if (s->begin == 0 && s->end == LOG_SCAN_BYTES) {
		s->end = 0;
		s->skipping = true;
		return;
	}
	memmove(s->buf, s->buf + s->begin, s->end - s->begin);
	s->end -= s->begin;
	s->begin = 0;
}

static ssize_t fill(struct log_scan *s)
{
	ssize_t n;

	make_room(s);
retry:
	n = read(s->fd, s->buf + s->end, LOG_SCAN_BYTES - s->end);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n > 0)
		s->end += (size_t)n;
	return n;
}

int log_scan_next(struct log_scan *s, struct log_line *out, struct err *err)
{
	for (;;) {
		char *line = s->buf + s->begin;
		const char *end = memchr(line, '\n', s->end - s->begin);

		if (!end) {
			ssize_t n = fill(s);

			if (n < 0)
				return err_sys(err, "read");
			if (n == 0)
				return 0;
			continue;
		}

		size_t len = (size_t)(end - line);

		s->begin += len + 1;
		if (s->skipping) {
			s->skipping = false;
			continue;
		}
		if (log_line_parse(line, len, out))
			return 1;
	}
}
