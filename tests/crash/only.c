/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the containers of the crash tests. "only FOLDER NAME": says so in FOLDER/double if another of this name lives, until SIGTERM; the
 * lock is the first thing that it takes and goes with its process. "talk": numbered lines of 100 bytes, in bursts at full speed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define BURST 200

static void talk(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	static char lines[BURST * 100 + 1];

	for (long number = 0;;) {
		for (int i = 0; i < BURST; i++)
			snprintf(lines + i * 100, 101, "%099ld\n", number++);
		for (size_t done = 0; done < BURST * 100;) {
			ssize_t n = write(1, lines + done, BURST * 100 - done);

			if (n < 0)
				_exit(1);
			done += (size_t)n;
		}
		nanosleep(&pause, NULL);
	}
}

static void only(const char *folder, const char *name)
{
	char path[512];
	sigset_t set;
	int fd, number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	snprintf(path, sizeof(path), "%s/%s.lock", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		_exit(2);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(path, sizeof(path), "%s/double", folder);
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
		dprintf(fd, "%s\n", name);
	}
	sigwait(&set, &number);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "talk") == 0)
		talk();
	if (argc != 4 || strcmp(argv[1], "only") != 0)
		return 2;
	only(argv[2], argv[3]);
	return 0;
}
