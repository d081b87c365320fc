/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the containers of the figures of supervision. "idle": nothing, until SIGTERM. "flood N": N lines of 100 bytes as fast as the pipe takes them.
 * "turn": says when its main() began and when it ended, in ns, how long anybody on the machine had waited for a processor by then, in us (-1: this
 * kernel does not count that), and ends at once. "enter GAP_USEC PID...": not in a container, but what entering one costs at least: for each process in
 * turn, and so long after the one before, the fork, the namespaces and /bin/sh -c true in them; prints the processor time of all in us.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

static long used_usec(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (long)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec +
	       r.ru_stime.tv_usec;
}

static _Noreturn void run_inside(int pidfd)
{
	char *const argv[] = { "sh", "-c", "true", NULL };
	char *const env[] = { NULL };

	if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
				 CLONE_NEWIPC | CLONE_NEWNET) == 0)
		execve("/bin/sh", argv, env);
	_exit(1);
}

/* The pid namespace first: it is that of the next child. */
static int enter_one(pid_t pid, int own)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status = 1;
	pid_t child;

	if (pidfd < 0 || setns(pidfd, CLONE_NEWPID) < 0)
		return -1;
	child = fork();
	if (child == 0)
		run_inside(pidfd);
	if (setns(own, CLONE_NEWPID) < 0 || child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	close(pidfd);
	return status == 0 ? 0 : -1;
}

static int enter(char **words)
{
	unsigned gap_usec = (unsigned)strtoul(words[0], NULL, 10);
	int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	long before = used_usec(RUSAGE_SELF) + used_usec(RUSAGE_CHILDREN);

	for (char **pid = words + 1; *pid; pid++) {
		usleep(gap_usec);
		if (enter_one((pid_t)strtol(*pid, NULL, 10), own) < 0) {
			perror(*pid);
			return 1;
		}
	}
	printf("%ld\n", used_usec(RUSAGE_SELF) + used_usec(RUSAGE_CHILDREN) - before);
	return 0;
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
	} else if (argc > 3 && strcmp(argv[1], "enter") == 0) {
		return enter(argv + 2);
	} else {
		return 2;
	}
	return 0;
}
