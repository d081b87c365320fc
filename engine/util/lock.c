/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record locks as proof of life: the kernel drops them when the process ends, however it ends,
 * and a forked child does not have them. Must never wait for a lock.
 */
#include "util/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LOCK_INVISIBLE (-2L)

/* Start 0 and length 0 is the whole file, whatever its size becomes. */
static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

static int lock_set(int fd)
{
	struct flock fl = whole_file();
	int rc;

retry:
	rc = fcntl(fd, F_SETLK, &fl);
	if (rc < 0 && errno == EINTR)
		goto retry;
	return rc;
}

int lock_take(int fd, struct err *err)
{
	if (lock_set(fd) == 0)
		return 0;
	if (errno != EACCES && errno != EAGAIN)
		return err_sys(err, "lock");

	long pid = lock_holder(fd, err);

	if (pid == -1)
		return -1;
	if (pid > 0)
		return err_set(err, ERR_BUSY, "locked by process %ld", pid);
	if (pid == 0)
		return err_set(err, ERR_BUSY, "locked by a process that has just ended");
	return err_set(err, ERR_BUSY, "locked by a process of another pid namespace");
}

long lock_holder(int fd, struct err *err)
{
	struct flock fl = whole_file();

	if (fcntl(fd, F_GETLK, &fl) < 0)
		return err_sys(err, "ask for the lock's holder");
	if (fl.l_type == F_UNLCK)
		return 0;
	/* 0: no number in our pid namespace; -1: an open file description lock, nobody's own. */
	return fl.l_pid > 0 ? (long)fl.l_pid : LOCK_INVISIBLE;
}
