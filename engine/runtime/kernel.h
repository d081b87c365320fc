/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * System calls of the mount and process interfaces that musl 1.2.5 has no wrapper for, and
 * mount(2) itself: linux/mount.h and sys/mount.h define the same names, and only the former
 * knows mount_setattr(2). All return what the kernel returns: -1 and errno on failure. Linux
 * 5.15 has every one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define KERNEL_UMOUNT_DETACH 2 /* MNT_DETACH, which only sys/mount.h has */

static inline int kernel_mount(const char *source, const char *target, const char *type,
			       unsigned long flags, const char *data)
{
	return (int)syscall(SYS_mount, source, target, type, flags, data);
}

static inline int kernel_umount_detach(const char *path)
{
	return (int)syscall(SYS_umount2, path, KERNEL_UMOUNT_DETACH);
}

static inline int kernel_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

/* A detached copy of the mount behind path; AT_RECURSIVE and AT_EMPTY_PATH may be added. */
static inline int kernel_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path,
			    flags | OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC);
}

/* Attaches the mount behind the descriptor on the file or directory behind the other one. */
static inline int kernel_move_mount(int mount, int target)
{
	return (int)syscall(SYS_move_mount, mount, "", target, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int kernel_mount_setattr(int mount, unsigned flags, const struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, mount, "", flags | AT_EMPTY_PATH, attr,
			    sizeof(*attr));
}

/* Path inside root with no link of any kind on the way. */
static inline int kernel_open_without_links(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Path beneath dir with no link on the way; with O_NOFOLLOW a link at its end is opened itself. A
 * rename elsewhere makes the kernel give up with EAGAIN: openat2(2). */
static inline int kernel_open_beneath_without_links(int dir, const char *path, int more)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(O_PATH | O_CLOEXEC | more),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd, tries = 128;

	do
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR) && --tries > 0);
	return fd;
}

/* Number of the mount that a path lies on, 0 on failure. The C libraries' struct statx may lack the
 * field, and linux/stat.h cannot be included beside theirs: linux/stat.h has it at byte 144. */
static inline uint64_t kernel_mount_id(int dirfd, const char *path, unsigned flags)
{
	uint64_t fields[32] = { 0 }; /* struct statx: 256 bytes */

	if (syscall(SYS_statx, dirfd, path, flags, 0x1000u /* STATX_MNT_ID */, fields) < 0)
		return 0;
	return fields[144 / sizeof(fields[0])];
}

static inline int kernel_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}

static inline int kernel_fsconfig_string(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

static inline int kernel_fsconfig_flag(int fs, const char *key)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0);
}

static inline int kernel_fsconfig_create(int fs)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static inline int kernel_fsmount(int fs, unsigned attributes)
{
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
}

static inline pid_t kernel_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

static inline int kernel_pidfd_signal(int pidfd, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

static inline int kernel_close_from(unsigned first, unsigned flags)
{
	return (int)syscall(SYS_close_range, first, ~0u, flags);
}
