/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the containers of the figures of supervision. "idle": nothing, until SIGTERM. "flood N": N lines of 100 bytes as fast as the pipe takes them.
 * "turn": says when its main() began and when it ended, in ns, how long anybody on the machine had waited for a processor by then, in us (-1: this
 * kernel does not count that), and ends at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 100
#define LINES 512

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void idle(void)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigwait(&set, &number);
}

static void flood(long lines)
{
	static char text[LINE * LINES];

	memset(text, 'x', sizeof(text));
	for (int i = 1; i <= LINES; i++)
		text[i * LINE - 1] = '\n';
	for (long left = lines * LINE; left > 0;) {
		ssize_t n = write(1, text, left < (long)sizeof(text) ? (size_t)left : sizeof(text));

		if (n <= 0)
			exit(1);
		left -= n; /* a short write cuts a line; the sum of bytes is what counts */
	}
}

static long long stalled(void)
{
	FILE *f = fopen("/proc/pressure/cpu", "re");
	char line[256] = "";
	const char *total;

	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
	total = strstr(line, "total=");
	return total ? strtoll(total + 6, NULL, 10) : -1;
}

/* The times are the outermost: looking at the pressure is not between one turn and the next. */
static void turn(long long began)
{
	long long before = stalled(), after = stalled();

	printf("turn %lld %lld %lld ", began, before, after);
	printf("%lld\n", now());
}

int main(int argc, char **argv)
{
	long long began = now();

	if (argc == 2 && strcmp(argv[1], "idle") == 0) {
		idle();
	} else if (argc == 3 && strcmp(argv[1], "flood") == 0) {
		flood(atol(argv[2]));
	} else if (argc == 2 && strcmp(argv[1], "turn") == 0) {
		turn(began);
	} else {
		return 2;
	}
	return 0;
}
