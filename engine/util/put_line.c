/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A console's line. Must never wait for longer than its header says: PID 1 and the engine's loop are among the callers.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "util/put_line.h"

#define PAUSE_MSEC 2

bool put_line(int fd, const char *line, size_t len, bool is_patient)
{
	int tries = is_patient ? PUT_LINE_PATIENCE_MSEC / PAUSE_MSEC : 0;

	while (len) {
		ssize_t n = write(fd, line, len);

		if (n > 0) {
			line += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN && tries-- > 0) {
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MSEC * 1000000L }, NULL);
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}
