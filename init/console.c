/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console lines. A console pty that nobody reads fills up and must not stop PID 1, so descriptors 1 and 2 are set to not
 * wait, and a line that does not fit soon (put_line()) is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "util/put_line.h"
#include "util/str.h"

static uint64_t started;

uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t start_usec(void)
{
	return started;
}

/* Descriptors 0 to 2 may be closed at birth (the kernel without a console, a manager that has none). */
void console_init(void)
{
	const char *began = getenv(BEGAN_VARIABLE); /* the initramfs' PID 1 was the same process */
	uint64_t before;
	int fd;

	started = now_usec();
	if (began && str_to_u64(began, started, &before))
		started = before;
	while ((fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0 &&
	       fd <= STDERR_FILENO)
		fcntl(fd, F_SETFD, 0);
	if (fd > STDERR_FILENO)
		close(fd);
	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
		fcntl(fd, F_SETFD, 0);
	if (fd > STDERR_FILENO)
		close(fd);
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void say(const char *fmt, ...)
{
	static bool is_heard = true;
	uint64_t since = now_usec() - started;
	char line[512];
	va_list ap;
	int n, m;

	n = snprintf(line, sizeof(line), "[%4llu.%03llu] ", (unsigned long long)(since / 1000000),
		     (unsigned long long)(since / 1000 % 1000));
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	is_heard = put_line(STDERR_FILENO, line, (size_t)n + 1, is_heard);
}
