/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The appliance's cgroup v2 tree (places.h has its names). On a hybrid host cgroup2 is mounted somewhere
 * else than on /sys/fs/cgroup and may have no controllers: it tracks and kills then, and limits are not enforced.
 * cgroup.kill needs Linux 5.14.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/* Mount point of cgroup2 in this mount namespace, from /proc/self/mountinfo; the one closest to / when there are several.
 * ERR_NOT_FOUND when none is mounted. */
int cgroup_find_mount(char *out, size_t size, struct err *err) MUST_CHECK;
/* Path (below the mount point, without leading slash; "" is the root) of a process's cgroup; pid 0 is the caller. */
int cgroup_of_pid(int pid, char *out, size_t size, struct err *err) MUST_CHECK;
/* Opens MOUNT/REL as a directory, making missing ones when make is set. */
int cgroup_open(const char *mount, const char *rel, bool make, struct err *err) MUST_CHECK;
/* Switches on for children of the directory whatever of cpu, memory, pids, io and cpuset is available there; says which are on.
 * Not getting one is no error. */
struct cgroup_controllers {
	bool cpu, memory, pids, io, cpuset;
};
int cgroup_delegate(int dirfd, struct cgroup_controllers *out, struct err *err) MUST_CHECK;
int cgroup_kill(int dirfd, struct err *err) MUST_CHECK;
/* The cgroup of a run id: below CLEAT_CGROUP_CONTAINERS, or there in the one of a pod (the slower case). ERR_NOT_FOUND: there is none.
 * parent_out: the directory in which it lies, the caller's; may be NULL. */
int cgroup_open_run(const char *mount, const char *run_id, int *parent_out,
		    struct err *err) MUST_CHECK;
/* 1 when some process lives in it or below, 0 when empty, -1 on error. */
int cgroup_is_populated(int dirfd, struct err *err);
/* The same for whoever asks often. */
int cgroup_open_events(int dirfd, struct err *err) MUST_CHECK;
int cgroup_events_populated(int events_fd, struct err *err);
/* Least memory.max of this process's cgroup and its ancestors up to the mount point, and MemTotal of /proc/meminfo. */
uint64_t cgroup_memory_limit(const char *mount);
