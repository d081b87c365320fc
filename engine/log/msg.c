/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own log: one line, one write. stderr may be a pipe that nobody empties and
 * /dev/console a serial line at 9600 baud: a line that cannot go soon (put_line()) is dropped and counted,
 * and the next one that goes says how many are missing. Must never wait longer, allocate, or call itself
 * through an error path.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "log/stamp.h"
#include "util/cleanup.h"
#include "util/put_line.h"
#include "util/str.h"

#define MSG_LINE_MAX 1024 /* below PIPE_BUF: one write never mixes with another */
#define MSG_STAMP_LEN 23  /* to milliseconds */

static const char *const level_names[] = { "error", "warn", "info", "debug" };

struct msg_sink {
	int fd;		/* -1: none */
	bool may_block; /* no description of our own could be had: ask poll first */
	bool is_socket;
	unsigned long dropped;
};

static struct {
	char program[24];
	enum log_level threshold;
	struct msg_sink err, console;
} msg = { .program = "cleat",
	  .threshold = LOG_INFO,
	  .err = { .fd = STDERR_FILENO, .may_block = true },
	  .console = { .fd = -1 } };

/* O_NONBLOCK belongs to the open file, which others share: so the same thing is opened a second
 * time. */
static void sink_open_stderr(struct msg_sink *sink)
{
	struct stat st;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*sink = (struct msg_sink){ .fd = fd, .may_block = false };
	if (fd >= 0)
		return;
	*sink = (struct msg_sink){ .fd = STDERR_FILENO, .may_block = true };
	sink->is_socket = fstat(STDERR_FILENO, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Only a child of PID 1 speaks on the console: on a developer's machine it is somebody else's. Not
 * twice, when stderr is the console already. */
static void sink_open_console(struct msg_sink *sink)
{
	struct stat console, err;
	auto_fd int fd = -1;

	*sink = (struct msg_sink){ .fd = -1 };
	if (getppid() != 1)
		return;
	fd = open("/dev/console", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &console) < 0 || !S_ISCHR(console.st_mode))
		return;
	if (fstat(STDERR_FILENO, &err) == 0 && S_ISCHR(err.st_mode) &&
	    err.st_rdev == console.st_rdev)
		return;
	sink->fd = take_fd(&fd);
}

static void sink_close(struct msg_sink *sink)
{
	if (sink->fd > STDERR_FILENO)
		close_fd(&sink->fd);
}

void log_init(const char *program, enum log_level threshold)
{
	sink_close(&msg.err);
	sink_close(&msg.console);
	str_copy(msg.program, sizeof(msg.program), program);
	msg.threshold = threshold;
	sink_open_stderr(&msg.err);
	sink_open_console(&msg.console);
}

static bool sink_write(struct msg_sink *sink, const char *line, size_t len)
{
	struct pollfd ready = { .fd = sink->fd, .events = POLLOUT };

	if (sink->is_socket)
		return send(sink->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	if (sink->may_block && poll(&ready, 1, 0) <= 0)
		return false;
	return put_line(sink->fd, line, len, sink->dropped == 0);
}

static void sink_say(struct msg_sink *sink, const char *line, size_t len)
{
	char note[96];

	if (sink->fd < 0)
		return;
	if (sink->dropped > 0) {
		int n = snprintf(note, sizeof(note),
				 "%s warn log: %lu messages dropped before this one\n", msg.program,
				 sink->dropped);

		if (n < 0 || !sink_write(sink, note, (size_t)n)) {
			sink->dropped++;
			return;
		}
		sink->dropped = 0;
	}
	if (!sink_write(sink, line, len))
		sink->dropped++;
}

static size_t format_line(char *line, enum log_level level, const char *module, const char *fmt,
			  va_list ap)
{
	char stamp[LOG_STAMP_LEN + 1];
	size_t len, size = MSG_LINE_MAX - 1; /* room for the newline */
	int n;

	log_stamp_format(log_stamp_now(), stamp);
	n = snprintf(line, size, "%.*sZ %s: %s %s: ", MSG_STAMP_LEN, stamp, msg.program,
		     level_names[level], module);
	len = n > 0 ? (size_t)n : 0;
	if (len < size) {
		n = vsnprintf(line + len, size - len, fmt, ap);
		len += n > 0 ? (size_t)n : 0;
	}
	if (len >= size) {
		len = size - 1;
		memcpy(line + len - 3, "...", 3);
	}
	/* Nobody's text becomes a second line, nor a terminal's command. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	return len;
}

void log_msg(enum log_level level, const char *module, const char *fmt, ...)
{
	char line[MSG_LINE_MAX];
	int saved = errno;
	size_t len;
	va_list ap;

	if (level > msg.threshold || level > LOG_DEBUG)
		return;
	va_start(ap, fmt);
	len = format_line(line, level, module, fmt, ap);
	va_end(ap);
	sink_say(&msg.err, line, len);
	if (level <= LOG_WARN)
		sink_say(&msg.console, line, len);
	errno = saved;
}
