/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tries of "cleat-runtime check": what a start does, each by itself, with the same calls and flags. Each runs in a process that ends
 * afterwards; none may change anything outside of its namespaces but the scratch folder and a cgroup that it removes.
 */
#include "runtime/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/kernel.h"
#include "runtime/limits.h"
#include "runtime/network.h"
#include "util/buf.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define LEAF_PREFIX "check-"
/* Of what a start mounts as proc and sysfs. */
#define GUARDED (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static int try_openat2(const struct check *check, struct err *err)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = path_open_in_root(root, "proc", O_PATH, 0, err);

	(void)check;
	return fd < 0 ? -1 : 0;
}

static int try_mount_calls(const struct check *check, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_fd int tree = kernel_open_tree(AT_FDCWD, "/dev/null", 0);

	(void)check;
	if (tree < 0)
		return err_sys(err, "open_tree");
	return kernel_mount_setattr(tree, 0, &attr) < 0 ? err_sys(err, "mount_setattr") : 0;
}

/* By clone3 with a cgroup's absence, as a start has it but for the cgroup: a filter that hides clone3 shows here. */
static int try_user_namespace(const struct check *check, struct err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = kernel_clone3(&args);

	(void)check;
	if (pid == 0)
		_exit(0);
	if (pid < 0 && errno == ENOSPC)
		return err_sys(err, "clone3: /proc/sys/user/max_user_namespaces");
	if (pid < 0)
		return err_sys(err, "clone3");
	return waitpid(pid, NULL, 0) < 0 ? err_sys(err, "waitpid") : 0;
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

/* In one that a start's own code makes, with its own choice of who does. That one is not brought up: its maker has no ids for it here. */
static int enter_network(struct err *err)
{
	struct plan plan = { .namespaces = CLONE_NEWNET };
	struct child c = { .plan = &plan, .sync = -1, .network = -1 };
	int rc;

	c.makes_network = network_may_be_made_aside(&plan);
	if (!c.makes_network)
		return unshare(CLONE_NEWNET) < 0 ? err_sys(err, "network: unshare") : 0;
	rc = network_begin(&c, err);
	/* one process may be all that is allowed: it has been entered then */
	if (rc == 0 && c.network >= 0)
		rc = network_configure(&c, err) < 0 || network_enter(&c, err) < 0 ? -1 : 0;
	close_fd(&c.network);
	if (c.network_maker > 0)
		waitpid(c.network_maker, NULL, __WALL);
	return rc;
}

static int try_namespaces(const struct check *check, struct err *err)
{
	(void)check;
	if (enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
					 CLONE_NEWCGROUP,
				 err) < 0)
		return -1;
	return enter_network(err);
}

/* A process in a user namespace of its own that waits to be killed; -1. It ends with us in any case. */
static pid_t park_in_user_namespace(struct err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = kernel_clone3(&args);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			pause();
	}
	if (pid < 0)
		err_sys(err, "clone3");
	return pid;
}

static void end_parked(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int write_map(pid_t pid, const char *file, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return file_write_text_at(AT_FDCWD, path, ids_map_text(), err);
}

static int try_id_map(const struct check *check, struct err *err)
{
	pid_t pid = park_in_user_namespace(err);
	int rc;

	(void)check;
	if (pid < 0)
		return -1;
	rc = write_map(pid, "uid_map", err) < 0 || write_map(pid, "gid_map", err) < 0 ? -1 : 0;
	end_parked(pid);
	return rc;
}

/* A tmpfs over "/" of the try's own namespace. */
static int own_tmpfs(struct err *err)
{
	auto_fd int fs = -1, slash = -1;
	int top;

	if (enter_user_namespace(CLONE_NEWNS, err) < 0)
		return -1;
	if (kernel_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "/: private");
	fs = kernel_fsopen("tmpfs");
	if (fs < 0)
		return err_sys(err, "tmpfs: fsopen");
	slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash < 0)
		return err_sys(err, "/");
	if (kernel_fsconfig_string(fs, "size", "1m") < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "tmpfs: fsconfig");
	top = kernel_fsmount(fs, 0);
	if (top < 0)
		return err_sys(err, "tmpfs: fsmount");
	if (kernel_move_mount(top, slash) < 0)
		return err_sys(err, "tmpfs: move_mount");
	return top;
}

static int try_tmpfs(const struct check *check, struct err *err)
{
	auto_fd int top = own_tmpfs(err);

	(void)check;
	return top < 0 ? -1 : 0;
}

static int try_pivot_root(const struct check *check, struct err *err)
{
	auto_fd int top = own_tmpfs(err);

	(void)check;
	if (top < 0 || fchdir(top) < 0)
		return top < 0 ? -1 : err_sys(err, "fchdir");
	return kernel_pivot_root(".", ".") < 0 ? err_sys(err, "pivot_root") : 0;
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
		return err_sys(err, "overlay: mount");
	return 0;
}

static int try_overlay(const struct check *check, struct err *err)
{
	(void)check;
	return mount_overlay("lowerdir=a:b,userxattr", err);
}

static int try_overlay_upper(const struct check *check, struct err *err)
{
	(void)check;
	return mount_overlay("lowerdir=a:b,upperdir=u,workdir=w,userxattr", err);
}

/* Linux 6.6: without, a directory that replaces a removed one of the image fails with EIO. */
static int try_tmpfs_xattr(const struct check *check, struct err *err)
{
	auto_fd int top = own_tmpfs(err);

	(void)check;
	if (top < 0 || fchdir(top) < 0)
		return top < 0 ? -1 : err_sys(err, "fchdir");
	if (mkdir("d", 0755) < 0 || setxattr("d", "user.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(err, "tmpfs: user.overlay.opaque");
	return 0;
}

/* The first mount point below a folder, which is what keeps the kernel from showing a whole one; "" there is none. */
static void find_cover(const char *below, char *out, size_t size)
{
	auto_buf text = BUF_INIT(256u * 1024);
	struct err ignored;
	char *save = NULL;

	out[0] = '\0';
	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", 256u * 1024, &text, &ignored) < 0 ||
	    !text.data)
		return;
	for (char *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *point = line;

		for (int i = 0; i < 4 && point; i++) {
			point = strchr(point, ' ');
			point = point ? point + 1 : NULL;
		}
		if (!point)
			continue;
		point[strcspn(point, " ")] = '\0';
		if (str_starts(point, below) && point[strlen(below)] == '/' &&
		    !str_starts(point, "/sys/fs/") && !str_starts(point, "/sys/kernel/"))
			str_copy(out, size, point);
		if (out[0])
			return;
	}
}

static int mount_kernel(const char *type, const char *target, unsigned long flags, struct err *err)
{
	char cover[256];

	if (kernel_mount(type, target, type, flags, NULL) == 0)
		return 0;
	err_sys(err, "%s: mount", type);
	find_cover(target, cover, sizeof(cover));
	if (err->sys_errno == EPERM && cover[0]) {
		int number = err->sys_errno;

		err_set(err, ERR_SYS, "%s; the host covers %.80s", err->msg, cover);
		err->sys_errno = number;
	}
	return -1;
}

static int mount_proc(const struct check *check, struct err *err)
{
	(void)check;
	return mount_kernel("proc", "/proc", GUARDED, err);
}

static int try_private_proc(const struct check *check, struct err *err)
{
	if (enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID, err) < 0)
		return -1;
	/* The next child is the first process of the pid namespace. */
	return check_apart(check, mount_proc, err);
}

static int try_private_sys(const struct check *check, struct err *err)
{
	(void)check;
	if (enter_user_namespace(CLONE_NEWNS | CLONE_NEWNET, err) < 0)
		return -1;
	return mount_kernel("sysfs", "/sys", GUARDED | MS_RDONLY, err);
}

/* Nothing to try it with is no answer: -1 without a code. */
static int enter_scratch(const struct check *check, struct err *err)
{
	if (!check->scratch[0])
		return -1;
	if (chdir(check->scratch) < 0)
		return err_sys(err, "%s", check->scratch);
	if ((mkdir("a", 0755) < 0 || mkdir("b", 0755) < 0) && errno != EEXIST)
		return err_sys(err, "%s: mkdir", check->scratch);
	return 0;
}

static int try_data_overlay(const struct check *check, struct err *err)
{
	if (enter_scratch(check, err) < 0 || enter_user_namespace(CLONE_NEWNS, err) < 0)
		return -1;
	/* the working directory is of the namespace before: its name leads to the one of this */
	if (chdir(check->scratch) < 0)
		return err_sys(err, "%s", check->scratch);
	if (kernel_mount("overlay", "/proc", "overlay", 0, "lowerdir=a:b,userxattr") < 0)
		return err_sys(err, "overlay of %s: mount", check->data_dir);
	return 0;
}

static int try_data_xattr(const struct check *check, struct err *err)
{
	if (enter_scratch(check, err) < 0)
		return -1;
	if (setxattr("a", "user.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(err, "%s: user.overlay.opaque", check->data_dir);
	return removexattr("a", "user.overlay.opaque") < 0 ? err_sys(err, "removexattr") : 0;
}

static int try_idmapped(const struct check *check, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	auto_fd int ns = -1, tree = -1;
	char path[64];
	pid_t pid;
	int rc = 0;

	if (access(check->data_dir, F_OK) < 0)
		return -1;
	pid = park_in_user_namespace(err);
	if (pid < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (write_map(pid, "uid_map", err) < 0 || write_map(pid, "gid_map", err) < 0)
		rc = -1;
	ns = open(path, O_RDONLY | O_CLOEXEC);
	end_parked(pid);
	tree = kernel_open_tree(AT_FDCWD, check->data_dir, 0);
	if (rc == 0 && (ns < 0 || tree < 0))
		rc = err_sys(err, "%s: open_tree", check->data_dir);
	attr.userns_fd = (uint64_t)(unsigned)ns;
	if (rc == 0 && kernel_mount_setattr(tree, 0, &attr) < 0)
		rc = err_sys(err, "%s: mount_setattr with an id map", check->data_dir);
	return rc;
}

/* Nobody is in it any more, or the child of a check that was killed, which ends by itself. */
static void remove_leaf(int parent, const char *name)
{
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* A leaf of its own: where controllers are handed on, no process may be in the group above. */
static int make_leaf(const char *mount, int *parent, char name[32], struct err *err)
{
	*parent = cgroup_open(mount, CLEAT_CGROUP_CONTAINERS, true, err);
	if (*parent < 0)
		return -1;
	check_sweep(*parent, LEAF_PREFIX, remove_leaf);
	snprintf(name, 32, LEAF_PREFIX "%d", (int)getpid());
	if (mkdirat(*parent, name, 0755) < 0)
		return err_sys(err, "cgroup: mkdir");
	return 0;
}

/* On a machine without an appliance there is no such tree, and none is left behind. */
static void remove_tree(const char *mount)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" CLEAT_CGROUP_CONTAINERS, mount);
	rmdir(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static int birth_in(int dir, struct err *err)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	pid_t pid;

	args.cgroup = (uint64_t)(unsigned)dir;
	pid = kernel_clone3(&args);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return err_sys(err, "clone3 into a cgroup");
	return waitpid(pid, NULL, 0) < 0 ? err_sys(err, "waitpid") : 0;
}

static int kill_in(int dir, struct err *err)
{
	return cgroup_kill(dir, err);
}

static int run_in_leaf(const char *mount, int (*run)(int dir, struct err *err), struct err *err)
{
	auto_fd int parent = -1;
	char name[32];
	int rc;

	if (make_leaf(mount, &parent, name, err) < 0)
		return -1;

	auto_fd int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	rc = dir < 0 ? err_sys(err, "cgroup") : run(dir, err);
	/* the zombie that was waited for may still count for a moment: what is left is empty, and of no weight */
	for (int i = 0; i < 50 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
		usleep(2000);
	return rc;
}

static int in_leaf(int (*run)(int dir, struct err *err), struct err *err)
{
	char mount[PATH_MAX / 2], path[PATH_MAX];
	bool had_tree;
	int rc;

	if (limits_find_mount(mount, sizeof(mount), err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/cleat", mount);
	had_tree = access(path, F_OK) == 0;
	rc = run_in_leaf(mount, run, err);
	if (!had_tree)
		remove_tree(mount);
	return rc;
}

static int try_cgroup_birth(const struct check *check, struct err *err)
{
	(void)check;
	return in_leaf(birth_in, err);
}

static int try_cgroup_kill(const struct check *check, struct err *err)
{
	(void)check;
	return in_leaf(kill_in, err);
}

static int try_seccomp(const struct check *check, struct err *err)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &allow };

	(void)check;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "no_new_privs");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, "seccomp");
	return 0;
}

const struct check_try check_tries[] = {
	{ "openat2", true, try_openat2 },
	{ "mount-calls", true, try_mount_calls },
	{ "user-namespace", true, try_user_namespace },
	{ "namespaces", true, try_namespaces },
	{ "id-map", true, try_id_map },
	{ "tmpfs", true, try_tmpfs },
	{ "pivot-root", true, try_pivot_root },
	{ "private-proc", true, try_private_proc },
	{ "private-sys", false, try_private_sys },
	{ "overlay", true, try_overlay },
	{ "overlay-upper", false, try_overlay_upper },
	{ "tmpfs-xattr", false, try_tmpfs_xattr },
	{ "data-overlay", true, try_data_overlay },
	{ "data-xattr", false, try_data_xattr },
	{ "idmapped-mounts", false, try_idmapped },
	{ "cgroup-birth", true, try_cgroup_birth },
	{ "cgroup-kill", true, try_cgroup_kill },
	{ "seccomp", true, try_seccomp },
};
const unsigned check_try_count = sizeof(check_tries) / sizeof(check_tries[0]);
