/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat-container-init [--] PROGRAM [WORDS...]: process 1 of a container that asks for one (RunInit=, --init). A program that is
 * process 1 itself ignores each signal that it has not set a handler for, SIGTERM too (pid_namespaces(7)), and inherits every orphan. This one
 * starts the program, hands it the signals that come, waits for all that end, and ends as the program does: with its exit code, or with
 * 128 and the number of the signal. 127: there is no such program, 126: it cannot be run. Runs in the container as the container's
 * user, so it opens, reads and keeps nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_FOUND 127
#define NOT_RUNNABLE 126

static _Noreturn void run(char **words, const sigset_t *mask)
{
	/* a group of its own that has the terminal: what is typed there comes once, not from us again */
	setpgid(0, 0);
	if (isatty(STDIN_FILENO)) {
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(words[0], words);
	fprintf(stderr, "cleat-container-init: %s: %s\n", words[0], strerror(errno));
	_exit(errno == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

/* Whoever has ended, our own or not. -1: the program runs on. */
static int reap(pid_t program)
{
	int status, code = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return code;
}

int main(int argc, char **argv)
{
	int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1, code = -1, signum;
	sigset_t all, before;
	pid_t program;

	if (first >= argc) {
		fprintf(stderr, "usage: cleat-container-init [--] PROGRAM [WORDS...]\n");
		return NOT_RUNNABLE;
	}
	/* without a pid namespace of its own (--pid=host) orphans come here by this */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	program = fork();
	if (program < 0) {
		perror("cleat-container-init: fork");
		return NOT_RUNNABLE;
	}
	if (program == 0)
		run(argv + first, &before);
	while (code < 0) {
		signum = sigwaitinfo(&all, NULL);
		if (signum == SIGCHLD)
			code = reap(program);
		else if (signum > 0)
			kill(program, signum);
	}
	return code;
}
