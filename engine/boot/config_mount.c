/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting what somebody else made. A server of virtiofs that has died leaves mount(2), or the first look behind it, waiting for ever; so a
 * child mounts, looks, and only then attaches: killed, it leaves nothing behind. Must never make a file system writable: not even an
 * ext4 journal is replayed on a disk that is not ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/config_internal.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/str.h"

#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV)

/* linux/mount.h and sys/mount.h define the same names. */
static int kernel_mount(const char *source, const char *target, const char *type,
			unsigned long flags)
{
	return (int)syscall(SYS_mount, source, target, type, flags, NULL);
}

struct option {
	const char *type, *name, *value; /* value NULL: a flag */
};
static const struct option options[] = {
	{ "ext4", "noload", NULL },
	/* it knows no modes: readable for containers that have a file of it mounted */
	{ "vfat", "fmask", "0133" },
	{ "vfat", "dmask", "0022" },
};

static int configure(int fs, const struct config_mount *m, struct err *err)
{
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", m->source, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return err_sys(err, "fsconfig");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];
		unsigned command = o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (str_eq(o->type, m->type) &&
		    syscall(SYS_fsconfig, fs, command, o->name, o->value, 0) < 0)
			return err_sys(err, "option %s", o->name);
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		return 0;
	/* fs/fuse/virtio_fs.c: no device has that tag */
	if (errno == EINVAL && str_eq(m->type, "virtiofs"))
		return err_set(err, ERR_NOT_FOUND, "no such tag");
	return err_sys(err, "mount");
}

/* What a dead server would not answer. */
static int look(int mount, struct err *err)
{
	int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(err, "open");
	errno = 0;
	if (!readdir(dir) && errno)
		return err_sys(err, "readdir");
	return 0;
}

static int mount_here(const struct config_mount *m, struct err *err)
{
	auto_fd int fs = (int)syscall(SYS_fsopen, m->type, FSOPEN_CLOEXEC);
	auto_fd int mount = -1;

	if (fs < 0)
		return err_set(err, ERR_UNSUPPORTED, "this kernel has no %s: %s", m->type,
			       strerror(errno));
	if (configure(fs, m, err) < 0)
		return -1;
	mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mount < 0)
		return err_sys(err, "fsmount");
	if (look(mount, err) < 0)
		return -1;
	if (syscall(SYS_move_mount, mount, "", AT_FDCWD, m->target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "%s: move_mount", m->target);
	return 0;
}

/* One struct err through the pipe; its code is ERR_NONE when all went well. */
static void child(const struct config_mount *m, int answer)
{
	struct err err = { .code = ERR_NONE };

	if (mount_here(m, &err) == 0)
		err = (struct err){ .code = ERR_NONE };
	_exit(write(answer, &err, sizeof(err)) == (ssize_t)sizeof(err) ? 0 : 1);
}

static int wait_for_answer(int fd, pid_t pid, usec_t limit, struct err *err)
{
	usec_t deadline = clock_now_usec() + limit, now;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct err answer;
	int rc = 0;

	while (rc <= 0 && (now = clock_now_usec()) < deadline) {
		rc = poll(&pfd, 1, (int)((deadline - now) / USEC_MSEC) + 1);
		if (rc < 0 && errno != EINTR)
			break;
	}
	if (rc <= 0) {
		/* in the kernel's hands it may not die now: nobody waits for it */
		kill(pid, SIGKILL);
		return err_set(err, ERR_BUSY, "no answer within %u s",
			       (unsigned)(limit / USEC_SEC));
	}
	if (read(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		answer = (struct err){ .code = ERR_BUG, .msg = "the process that mounts has died" };
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (answer.code == ERR_NONE)
		return 0;
	*err = answer;
	return -1;
}

int config_mount_run(const struct config_mount *m, struct err *err)
{
	int ends[2], rc;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	pid = fork();
	if (pid == 0)
		child(m, ends[1]);
	close(ends[1]);
	rc = pid < 0 ?
		     err_sys(err, "fork") :
		     wait_for_answer(ends[0], pid,
				     m->limit_usec ? m->limit_usec : CONFIG_MOUNT_LIMIT_USEC, err);
	close(ends[0]);
	return rc < 0 ? err_wrap(err, "%s %s", m->type, m->source) : 0;
}

int config_bind(const char *source, const char *target, struct err *err)
{
	if (kernel_mount(source, target, NULL, MS_BIND | MS_REC) < 0)
		return err_sys(err, "%s: bind to %s", source, target);
	/* private: where / is shared (LXC), what somebody mounts over target later would appear over source, too */
	if (kernel_mount(NULL, target, NULL, MS_PRIVATE) == 0 &&
	    kernel_mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MOUNT_FLAGS) == 0)
		return 0;
	err_sys(err, "%s: private, read-only", target);
	syscall(SYS_umount2, target, 2 /* MNT_DETACH */);
	return -1;
}
