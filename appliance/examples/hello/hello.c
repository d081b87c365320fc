/* SPDX-License-Identifier: Apache-2.0 */
/* The program in the second example image: says hello every five seconds, and goodbye on SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
	const struct timespec pause = { .tv_sec = 5 };
	sigset_t set;

	/* As PID 1 of a container a signal without a handler would be ignored: wait for it instead. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (unsigned long count = 1;; count++) {
		printf("hello %lu\n", count);
		fflush(stdout);
		if (sigtimedwait(&set, NULL, &pause) > 0)
			break;
	}
	puts("goodbye");
	return 0;
}
