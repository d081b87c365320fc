/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that joins a pod. What clone3 does at once for others takes two steps here: a mount or pid namespace belongs to the user
 * namespace that its maker is in, and whoever made the start cannot go there and come back. Must leave the process that starts as it
 * was, and must never enter namespaces of a process that merely has the holder's number.
 */
#include "runtime/join.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/proc.h"
#include "util/str.h"

int join_open_holder(const struct plan *plan, struct err *err)
{
	pid_t pid = (pid_t)plan->holder_pid;
	auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && errno != ESRCH)
		return err_sys(err, "pod: process %d", (int)pid);
	/* The descriptor first: what it means does not change any more while the times are compared. */
	if (fd < 0 || proc_start_ticks(pid) != plan->holder_ticks)
		return err_set(err, ERR_NOT_FOUND, "pod: its holder, process %d, is gone",
			       (int)pid);
	return take_fd(&fd);
}

/* The holder's root is the memory. A copy of that mount can only be had from within its mount namespace. */
static int copy_memory(int holder, struct err *err)
{
	auto_fd int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int tree = -1;

	if (own < 0 || root < 0)
		return err_sys(err, "own mount namespace");
	if (setns(holder, CLONE_NEWNS) < 0)
		return err_sys(err, "its mount namespace");
	tree = kernel_open_tree(AT_FDCWD, "/", 0);
	if (tree < 0)
		return err_sys(err, "its memory");
	/* The way back leads to the namespace's root, which need not have been ours. */
	if (setns(own, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0)
		return err_sys(err, "own mount namespace");
	return take_fd(&tree);
}

static int take_memory(struct plan *plan, int holder, struct err *err)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		struct plan_mount *mount = &plan->mounts[i];
		struct mount_attr attr = { .attr_set = mount->attributes };

		if (mount->kind != PLAN_MOUNT_POD_MEMORY)
			continue;
		mount->tree = copy_memory(holder, err);
		if (mount->tree < 0)
			return -1;
		if (attr.attr_set && kernel_mount_setattr(mount->tree, 0, &attr) < 0)
			return err_sys(err, "mount_setattr");
	}
	return 0;
}

/* CLONE_PARENT: it is a child of whoever started us, who waits for it; its exit signal is ours then. */
static int bear(struct child *child, uint64_t namespaces, struct err *err)
{
	struct sync_message born = { .type = SYNC_BORN };
	int pidfd = -1;
	struct clone_args args = {
		.flags = namespaces | CLONE_PIDFD | CLONE_PARENT,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
	};
	pid_t pid = kernel_clone3(&args);

	if (pid == 0)
		child_start(child);
	if (pid < 0)
		return err_sys(err, "clone3");
	born.uid = (uint32_t)pid;
	if (sync_send(child->sync, &born, pidfd, err) == 0)
		return 0;
	kernel_pidfd_signal(pidfd, SIGKILL); /* nobody would ever hear of it */
	return -1;
}

static int enter_and_bear(struct child *child, int holder, uint64_t namespaces, struct err *err)
{
	if (take_memory(child->plan, holder, err) < 0)
		return -1;
	if (setns(holder, (int)child->plan->joined) < 0)
		return err_sys(err, "setns");
	return bear(child, namespaces, err);
}

_Noreturn void join_and_bear(struct child *child, int holder, uint64_t own_namespaces)
{
	struct sync_report *report = child->report;
	struct err err = { 0 };

	str_copy(report->step, sizeof(report->step), "pod");
	if (enter_and_bear(child, holder, own_namespaces, &err) == 0)
		_exit(0);
	err_wrap(&err, "pod");
	report->err = err;
	report->state = SYNC_FAILED;
	_exit(127);
}
