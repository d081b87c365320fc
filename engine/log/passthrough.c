/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LogDriver=passthrough. The container does not get the console's descriptor, with which it could do more than write; its lines are
 * copied here. Must never wait long for a reader: then lines are lost, which the shim's record says.
 */
#include "log/passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "log/line.h"
#include "util/buf.h"
#include "util/str.h"

#define READER_MSEC 1000
#define BATCH_BYTES (64u * 1024)

int log_passthrough_open(struct err *err)
{
	int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	/* a socket cannot be opened that way: send() below does not block either */
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? err_sys(err, "standard error") : fd;
}

static void put_clean(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = str_utf8_len(text + i, len - i);
		unsigned char c = (unsigned char)text[i];
		bool is_c1 = n == 2 && c == 0xc2 && (unsigned char)text[i + 1] < 0xa0;

		if (n > 1 && !is_c1)
			buf_add(out, text + i, n);
		else if (n == 1 && (c == '\t' || (c >= ' ' && c != 0x7f)))
			buf_putc(out, text[i]);
		else
			buf_putc(out, '?');
		i += n > 0 ? n : 1;
	}
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t n = write(fd, data, len);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (poll(&room, 1, READER_MSEC) <= 0)
				return false;
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

struct batch {
	struct buf text;
	uint64_t lines, bytes;
};

static void flush(struct log_ring *ring, int fd, struct batch *b)
{
	if (b->lines > 0 && (b->text.failed || !write_all(fd, buf_str(&b->text), b->text.len))) {
		log_ring_add_lost(ring, b->lines, b->bytes);
		log_ring_set_error(ring, "the engine's standard error takes no more lines");
	} else if (b->lines > 0) {
		log_ring_set_error(ring, "");
	}
	buf_clear(&b->text);
	b->lines = b->bytes = 0;
}

static void add_line(struct batch *b, const char *prefix, const char *data, size_t len)
{
	struct log_line line;

	if (!log_line_parse(data, len, &line))
		return;
	/* the empty end of a line whose rest was dropped */
	if (line.len > 0 || line.is_end) {
		buf_printf(&b->text, "%s: ", prefix);
		put_clean(&b->text, line.text, line.len);
		buf_putc(&b->text, '\n');
	}
	b->lines++;
	b->bytes += line.len;
}

void log_passthrough_run(struct log_ring *ring, int fd, const char *prefix)
{
	struct batch b = { .text = BUF_INIT(2 * BATCH_BYTES) };
	const char *data;

	while (log_ring_wait(ring)) {
		size_t len = log_ring_peek(ring, &data), done = 0;

		while (done < len) {
			const char *end = memchr(data + done, '\n', len - done);

			if (!end)
				break;
			add_line(&b, prefix, data + done, (size_t)(end - data) - done);
			done = (size_t)(end - data) + 1;
			if (b.text.len >= BATCH_BYTES)
				flush(ring, fd, &b);
		}
		flush(ring, fd, &b);
		log_ring_consume(ring, len);
	}
	buf_fini(&b.text);
}
