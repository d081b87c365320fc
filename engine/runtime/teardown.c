/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way in which a container's life ends, whoever died first. Everything is derived from
 * the run id and what is found on disk, so it can be cut off anywhere and called again. Must
 * never touch a name that now belongs to another run.
 */
#include "runtime/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "runtime/limits.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/lock.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

/* How deep a container may have nested cgroups of its own; the kernel's default bound is none. */
#define MAX_CGROUP_DEPTH 64

#define POLL_SLICE_MSEC 50

/* What a shim has to notice the end of its container and to bring its last output away. */
#define SHIM_GRACE_USEC 2000000
#define LOCK_SLICE_MSEC 5

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* 1 while something lives in it. Another teardown may have removed it under our hands (ENODEV). */
static int is_populated(int events, struct err *err)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == ENODEV ? 0 : err_sys(err, "cgroup.events: read");
	text[n] = '\0';
	return strstr(text, "populated 1") != NULL;
}

/* cgroup.events polls as POLLPRI when "populated" changes: cgroups(7). The removal of the whole
 * directory wakes nobody, so the wait is cut into slices. */
static int wait_until_empty(int dir, uint64_t timeout_usec, struct err *err)
{
	uint64_t deadline = now_usec() + timeout_usec;
	auto_fd int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = events, .events = POLLPRI };

	if (events < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : err_sys(err, "cgroup.events");
	for (;;) {
		int populated = is_populated(events, err);

		if (populated <= 0)
			return populated;
		if (now_usec() >= deadline)
			return err_set(
				err, ERR_BUSY,
				"processes do not end: they wait for a disk or another device");
		if (poll(&p, 1, POLL_SLICE_MSEC) < 0 && errno != EINTR)
			return err_sys(err, "poll");
	}
}

/* Leaf up. A directory that is in the way of nobody any more may need a moment: rmdir of a
 * cgroup is EBUSY only while something lives in it, which the wait has excluded. */
static int remove_cgroups(int parent, const char *name, unsigned depth, struct err *err)
{
	auto_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_dir DIR *dir = NULL;
	struct dirent *entry;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s: open", name);
	if (depth == 0)
		return err_set(err, ERR_LIMIT, "%s: nested deeper than %d", name, MAX_CGROUP_DEPTH);
	dir = fdopendir(fd);
	if (!dir)
		return err_sys(err, "%s: opendir", name);

	int self = take_fd(&fd);

	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (remove_cgroups(self, entry->d_name, depth - 1, err) < 0)
			return -1;
	}
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, "%s: rmdir", name);
	return 0;
}

/* Those of pods in which nobody is any more; EBUSY and ENOTEMPTY: somebody is. */
static void remove_empty_pods(const char *mount)
{
	struct err ignored;
	int fd = cgroup_open(mount, CLEAT_CGROUP_CONTAINERS, false, &ignored);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		close_fd(&fd);
	while (dir && (entry = readdir(dir)))
		if (str_starts(entry->d_name, CLEAT_CGROUP_POD))
			unlinkat(fd, entry->d_name, AT_REMOVEDIR);
}

/* Whoever was in none has left none behind, and a start that has not come to a cgroup of its own may have. */
static bool is_in_pod(int parent)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (parent < 0)
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", parent);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, "/" CLEAT_CGROUP_POD) != NULL;
}

/* parent: where it lies, -1 until that is known. */
static int end_cgroup(const char *mount, const char *run_id, uint64_t timeout_usec, int *parent,
		      struct err *err)
{
	auto_fd int dir = -1;

	if (*parent < 0)
		dir = cgroup_open_run(mount, run_id, parent, err);
	else
		dir = openat(*parent, run_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 && *parent >= 0)
		return errno == ENOENT ? 0 : err_sys(err, "open");
	if (dir < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (cgroup_kill(dir, err) < 0)
		return err->code == ERR_NOT_FOUND || err->sys_errno == ENODEV ? 0 : -1;
	if (wait_until_empty(dir, timeout_usec, err) < 0)
		return -1;
	close_fd(&dir);
	return remove_cgroups(*parent, run_id, MAX_CGROUP_DEPTH, err);
}

/* The number cannot be somebody else's when the lock still names it after it was pinned down. */
static void kill_holder(int lock)
{
	struct err ignored;
	long pid = lock_holder(lock, &ignored);
	auto_fd int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;

	if (pidfd >= 0 && lock_holder(lock, &ignored) == pid)
		kernel_pidfd_signal(pidfd, SIGKILL);
}

static int wait_for_lock(int lock, uint64_t timeout_usec, struct err *err)
{
	uint64_t begin = now_usec();

	while (lock_take(lock, err) < 0) {
		uint64_t waited = now_usec() - begin;

		if (err->code != ERR_BUSY)
			return -1;
		if (waited > SHIM_GRACE_USEC + timeout_usec)
			return err_wrap(err, "its shim does not end");
		if (waited > SHIM_GRACE_USEC)
			kill_holder(lock);
		poll(NULL, 0, LOCK_SLICE_MSEC);
	}
	return 0;
}

/*
 * Takes the place of the run's shim. One that was asked for but has not come so far finds the lock
 * held and goes away; without that it would start a container that nobody knows. -1 in *lock: there
 * is no run directory, so no shim can come.
 */
static int lock_run(const char *run_id, uint64_t timeout_usec, int *lock, struct err *err)
{
	char path[128];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%s/%s/lock", CLEAT_CONTAINER_DIR, run_id);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "%s", path);
	if (wait_for_lock(fd, timeout_usec, err) < 0)
		return err_wrap(err, "%s", path);
	*lock = take_fd(&fd);
	return 0;
}

/* The name may have been given to a newer run meanwhile. */
static int remove_if_ours(int dir, const char *name, const char *run_id, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *last;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : err_sys(err, "%s: readlink", name);
	target[n] = '\0';
	last = strrchr(target, '/');
	if (!str_eq(last ? last + 1 : target, run_id))
		return 0;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "%s: unlink", name);
	return 0;
}

/* All are looked at: the config.json that knows the name may be gone already. */
static int remove_name(const char *run_id, struct err *err)
{
	auto_dir DIR *dir = opendir(CLEAT_BY_NAME_DIR);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "%s", CLEAT_BY_NAME_DIR);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    remove_if_ours(dirfd(dir), entry->d_name, run_id, err) < 0)
			return err_wrap(err, "%s", CLEAT_BY_NAME_DIR);
	return 0;
}

static int remove_run_dir(const char *run_id, struct err *err)
{
	auto_fd int dir = open(CLEAT_CONTAINER_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", CLEAT_CONTAINER_DIR);
	return path_remove_tree(dir, run_id, err);
}

int runtime_teardown(const char *run_id, const char *cgroup_mount, uint64_t timeout_usec,
		     struct err *err)
{
	char found[PATH_MAX];
	auto_fd int lock = -1, parent = -1;

	if (!runtime_id_is_valid(run_id))
		return err_set(err, ERR_INPUT, "\"%s\" is not a run id", run_id);
	if (!cgroup_mount && limits_find_mount(found, sizeof(found), err) < 0)
		return err_wrap(err, "teardown %s", run_id);
	if (!cgroup_mount)
		cgroup_mount = found;
	if (end_cgroup(cgroup_mount, run_id, timeout_usec, &parent, err) < 0)
		return err_wrap(err, "teardown %s: cgroup", run_id);
	if (lock_run(run_id, timeout_usec, &lock, err) < 0)
		return err_wrap(err, "teardown %s", run_id);
	/* Once more: a shim that lived until now may have been about to start its container. */
	if (end_cgroup(cgroup_mount, run_id, timeout_usec, &parent, err) < 0)
		return err_wrap(err, "teardown %s: cgroup", run_id);
	if (is_in_pod(parent))
		remove_empty_pods(cgroup_mount);
	/* The run directory goes last: as long as it is there, somebody knows that there is
	 * something to clear away. */
	if (remove_name(run_id, err) < 0 || remove_run_dir(run_id, err) < 0)
		return err_wrap(err, "teardown %s", run_id);
	return 0;
}
