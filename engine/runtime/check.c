/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine gives to the runtime, found out by doing it: each probe is one function and
 * runs in a process of its own, whose namespaces and mounts die with it. Must leave nothing
 * behind but the empty cgroup of containers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "util/buf.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"

struct probe {
	const char *name;
	bool required;
	int (*run)(struct err *err);
};

static int probe_openat2(struct err *err)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = path_open_in_root(root, "proc", O_PATH, 0, err);

	return fd < 0 ? -1 : 0;
}

/* Own ids only: what an unprivileged process may write as well. */
static int enter_user_namespace(int more, struct err *err)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWUSER | more) < 0)
		return err_sys(err, "unshare");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (file_write_text_at(AT_FDCWD, "/proc/self/setgroups", "deny", err) < 0 ||
	    file_write_text_at(AT_FDCWD, "/proc/self/uid_map", map, err) < 0)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return file_write_text_at(AT_FDCWD, "/proc/self/gid_map", map, err);
}

static int probe_namespaces(struct err *err)
{
	return enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
					    CLONE_NEWCGROUP | CLONE_NEWNET,
				    err);
}

/* A tmpfs over "/" of the probe's own namespace. */
static int own_tmpfs(struct err *err)
{
	auto_fd int fs = -1, slash = -1;
	int top;

	if (enter_user_namespace(CLONE_NEWNS, err) < 0)
		return -1;
	if (kernel_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "/: private");
	fs = kernel_fsopen("tmpfs");
	slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs < 0 || slash < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "tmpfs");
	top = kernel_fsmount(fs, 0);
	if (top < 0 || kernel_move_mount(top, slash) < 0)
		return err_sys(err, "tmpfs: attach");
	return top;
}

static int mount_overlay(const char *options, struct err *err)
{
	auto_fd int top = own_tmpfs(err);

	if (top < 0 || fchdir(top) < 0)
		return top < 0 ? -1 : err_sys(err, "fchdir");
	if (mkdir("a", 0755) < 0 || mkdir("b", 0755) < 0 || mkdir("u", 0755) < 0 ||
	    mkdir("w", 0755) < 0 || mkdir("m", 0755) < 0)
		return err_sys(err, "mkdir");
	if (kernel_mount("overlay", "m", "overlay", 0, options) < 0)
		return err_sys(err, "overlay");
	return 0;
}

static int probe_overlay_lower(struct err *err)
{
	return mount_overlay("lowerdir=a:b,userxattr", err);
}

static int probe_overlay_upper(struct err *err)
{
	return mount_overlay("lowerdir=a:b,upperdir=u,workdir=w,userxattr", err);
}

/* Linux 6.6: without, a directory that replaces a removed one of the image fails with EIO. */
static int probe_tmpfs_xattr(struct err *err)
{
	auto_fd int top = own_tmpfs(err);

	if (top < 0 || fchdir(top) < 0)
		return top < 0 ? -1 : err_sys(err, "fchdir");
	if (mkdir("d", 0755) < 0 || setxattr("d", "user.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(err, "user.overlay.opaque");
	return 0;
}

static int mount_proc(struct err *err)
{
	if (kernel_mount("proc", "/proc", "proc", 0, NULL) < 0)
		return err_sys(err, "mount: the host hides parts of /proc, allow nesting");
	return 0;
}

static int in_child(int (*run)(struct err *err), struct err *err);

static int probe_proc(struct err *err)
{
	if (enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID, err) < 0)
		return -1;
	/* The next child is the first process of the pid namespace. */
	return in_child(mount_proc, err);
}

static int probe_mount_setattr(struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_fd int tree = kernel_open_tree(AT_FDCWD, "/dev/null", 0);

	if (tree < 0)
		return err_sys(err, "open_tree");
	return kernel_mount_setattr(tree, 0, &attr) < 0 ? err_sys(err, "mount_setattr") : 0;
}

static int open_cgroup(struct err *err)
{
	char mount[PATH_MAX];

	if (limits_find_mount(mount, sizeof(mount), err) < 0)
		return -1;
	return cgroup_open(mount, CLEAT_CGROUP_CONTAINERS, true, err);
}

static int probe_cgroup_birth(struct err *err)
{
	auto_fd int dir = open_cgroup(err);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	pid_t pid;

	if (dir < 0)
		return -1;
	args.cgroup = (uint64_t)(unsigned)dir;
	pid = kernel_clone3(&args);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return err_sys(err, "clone3");
	return waitpid(pid, NULL, 0) < 0 ? err_sys(err, "waitpid") : 0;
}

static int probe_cgroup_kill(struct err *err)
{
	auto_fd int dir = open_cgroup(err);

	if (dir < 0)
		return -1;
	return faccessat(dir, "cgroup.kill", W_OK, 0) < 0 ? err_sys(err, "cgroup.kill") : 0;
}

static int probe_controller(const char *file, struct err *err)
{
	auto_fd int dir = open_cgroup(err);

	if (dir < 0)
		return -1;
	return faccessat(dir, file, F_OK, 0) < 0 ? err_sys(err, "%s", file) : 0;
}

static int probe_memory(struct err *err)
{
	return probe_controller("memory.max", err);
}

static int probe_cpu(struct err *err)
{
	return probe_controller("cpu.max", err);
}

static int probe_pids(struct err *err)
{
	return probe_controller("pids.max", err);
}

static int probe_seccomp(struct err *err)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return err_sys(err, "seccomp");
	return 0;
}

static const struct probe probes[] = {
	{ "openat2", true, probe_openat2 },
	{ "mount-setattr", true, probe_mount_setattr },
	{ "namespaces", true, probe_namespaces },
	{ "private-proc", true, probe_proc },
	{ "overlay", true, probe_overlay_lower },
	{ "overlay-tmpfs-upper", true, probe_overlay_upper },
	{ "tmpfs-user-xattr", false, probe_tmpfs_xattr },
	{ "cgroup-birth", true, probe_cgroup_birth },
	{ "cgroup-kill", true, probe_cgroup_kill },
	{ "memory-controller", false, probe_memory },
	{ "cpu-controller", false, probe_cpu },
	{ "pids-controller", false, probe_pids },
	{ "seccomp", true, probe_seccomp },
};

static int in_child(int (*run)(struct err *err), struct err *err)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	pid = fork();
	if (pid == 0) {
		/* Less than PIPE_BUF: whole or not at all. */
		if (run(err) < 0 && write(ends[1], err, sizeof(*err)) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);

	auto_fd int reader = ends[0];

	if (pid < 0)
		return err_sys(err, "fork");
	n = read(reader, err, sizeof(*err));
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(err, "waitpid");
	if (n == (ssize_t)sizeof(*err))
		return -1;
	return status == 0 ? 0 : err_set(err, ERR_BUG, "status %#x", (unsigned)status);
}

int runtime_check(int fd)
{
	int missing = 0;

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct probe *p = &probes[i];
		struct err err = { 0 };

		if (in_child(p->run, &err) == 0) {
			dprintf(fd, "yes %s\n", p->name);
			continue;
		}
		missing += p->required;
		dprintf(fd, "no %s%s: %s\n", p->name, p->required ? " (required)" : "", err.msg);
	}
	return missing;
}
