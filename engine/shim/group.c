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

static bool read_file(int cgroup_fd, const char *file, char *out, size_t size)
{
	auto_fd int fd = openat(cgroup_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;

	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Digits at the front of a text. */
static uint64_t leading_number(const char *text)
{
	uint64_t value = 0;

	for (; *text >= '0' && *text <= '9' && value < UINT64_MAX / 16; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

uint32_t shim_group_oom_kills(int cgroup_fd)
{
	char text[EVENTS_MAX];
	const char *p = read_file(cgroup_fd, "memory.events", text, sizeof(text)) ?
				strstr(text, "oom_kill ") :
				NULL;
	uint64_t kills = p ? leading_number(p + strlen("oom_kill ")) : 0;

	return kills > UINT32_MAX ? UINT32_MAX : (uint32_t)kills;
}

uint64_t shim_group_number(int cgroup_fd, const char *file)
{
	char text[64];

	return read_file(cgroup_fd, file, text, sizeof(text)) ? leading_number(text) : 0;
}
