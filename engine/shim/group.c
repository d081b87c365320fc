/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's cgroup as the shim uses it: killing everything, signalling everything, asking for
 * OOM kills. A cgroup without controllers (hybrid hosts) kills and counts nobody's memory. Must
 * never signal a process outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "util/cgroup.h"
#include "util/cleanup.h"

#define GROUP_MAX_DEPTH 8
#define EVENTS_MAX 1024

void shim_group_kill(int cgroup_fd)
{
	struct err err;

	if (cgroup_kill(cgroup_fd, &err) < 0 && err.sys_errno != ENOENT && err.sys_errno != ENODEV)
		log_msg(LOG_ERROR, "shim", "%s", err.msg);
}

/* cgroup.procs is a list of numbers, one a line. Read in pieces: a number may be cut in two. */
static void signal_listed(int cgroup_fd, int number)
{
	auto_fd int fd = openat(cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[1024];
	long pid = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			/* 0 is a process of a pid namespace that we do not see; none of ours. */
			if (pid > 1)
				kill((pid_t)pid, number);
			pid = 0;
		}
	}
}

struct dirent64_head {
	uint64_t ino, off;
	unsigned short length;
	unsigned char type;
	char name[];
};

static void signal_tree(int cgroup_fd, int number, int depth)
{
	_Alignas(struct dirent64_head) char entries[2048];
	long n;

	signal_listed(cgroup_fd, number);
	if (depth == GROUP_MAX_DEPTH || lseek(cgroup_fd, 0, SEEK_SET) < 0)
		return;
	while ((n = syscall(SYS_getdents64, cgroup_fd, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64_head *d = (const void *)(entries + at);

			at += d->length;
			if (d->type != 4 /* DT_DIR */ || d->name[0] == '.')
				continue;

			auto_fd int child = openat(cgroup_fd, d->name,
						   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (child >= 0)
				signal_tree(child, number, depth + 1);
		}
	}
}

void shim_group_signal(int cgroup_fd, int number)
{
	/* A descriptor of our own: the runtime's may be O_PATH. */
	auto_fd int fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		signal_tree(fd, number, 0);
}

bool shim_group_oom_killed(int cgroup_fd)
{
	auto_fd int fd = openat(cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	char text[EVENTS_MAX];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *p;

	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strstr(text, "oom_kill ");
	return p && p[9] >= '1' && p[9] <= '9';
}
