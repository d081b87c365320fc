/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the measured containers: says when it was reached, and ends; or prints a line and
 * stays, for measuring what stays with it.
 *
 *   stamp FILE     the moment (CLOCK_MONOTONIC, nanoseconds, as text) into FILE
 *   stamp          prints "ready", then sleeps until it is ended
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char text[32];
	struct timespec t;
	int fd, len;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (argc < 2) {
		puts("ready");
		fflush(stdout);
		pause();
		return 0;
	}
	len = snprintf(text, sizeof(text), "%lld\n",
		       (long long)t.tv_sec * 1000000000 + (long long)t.tv_nsec);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return 1;
	return close(fd) == 0 ? 0 : 1;
}
