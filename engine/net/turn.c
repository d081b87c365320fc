/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the predecessor's end. A record lock proves exactly that: the kernel drops it when the process has left its last system
 * call, so nothing that the process was about to change changes afterwards. Must never signal a process that does not hold the lock.
 */
#include "net/turn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/lock.h"

/* 1: the holder has ended; 0: the engine has; 2: neither within this time. */
static int wait_for_either(int pidfd, int engine_fd, int wait_msec, struct err *err)
{
	/* Asked for nothing, a closed other end shows all the same. */
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN }, { .fd = engine_fd } };
	int n;

retry:
	n = poll(fds, 2, wait_msec);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0)
		return err_sys(err, "poll");
	if (n == 0)
		return 2;
	return fds[1].revents ? 0 : 1;
}

static int outlast(int lock_fd, long pid, int engine_fd, usec_t patience_usec, struct err *err)
{
	auto_fd int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	int rc;

	if (pidfd < 0 && errno != ESRCH)
		return err_sys(err, "pidfd_open");
	/* Only now is it sure that the descriptor is the holder's and not that of somebody who got its number. */
	if (pidfd < 0 || lock_holder(lock_fd, err) != pid)
		return 1;
	rc = wait_for_either(pidfd, engine_fd, (int)(patience_usec / USEC_MSEC), err);
	if (rc != 2)
		return rc;
	fprintf(stderr, "cleat net: process %ld, which was here before, does not end: killing it\n",
		pid);
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(err, "kill process %ld", pid);
	return wait_for_either(pidfd, engine_fd, -1, err);
}

int net_turn_take(int lock_fd, int engine_fd, usec_t patience_usec, struct err *err)
{
	for (;;) {
		long pid;
		int rc;

		if (lock_take(lock_fd, err) == 0)
			return 1;
		if (err->code != ERR_BUSY)
			return err_wrap(err, "earlier worker");
		pid = lock_holder(lock_fd, err);
		if (pid == 0)
			continue;
		if (pid < 0)
			return err_wrap(err, "earlier worker");
		rc = outlast(lock_fd, pid, engine_fd, patience_usec, err);
		if (rc < 0)
			return err_wrap(err, "earlier worker");
		if (rc == 0)
			return 0;
	}
}
