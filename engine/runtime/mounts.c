/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything below the container's root. Targets are opened inside the new root by openat2 and
 * mounted on by descriptor: a link in an image or a volume can move a mount to another place of
 * the container, never out of it, and swapping it at the wrong moment changes nothing
 * (CVE-2021-30465).
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "runtime/network.h"
#include "runtime/runtime.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/host.h"
#include "util/path.h"
#include "util/str.h"

#define OWN_MAX_BYTES 65536u

/* And not of a volume, from which nothing may be taken. */
static bool is_of_root(int root, int dir)
{
	struct stat a, b;

	return fstat(root, &a) == 0 && fstat(dir, &b) == 0 && a.st_dev == b.st_dev;
}

int mounts_make_target(int root, const char *target, bool directory, struct err *err)
{
	char parent[PATH_MAX];
	const char *name;

	if (directory)
		return path_mkdirs_in_root(root, target, 0755, err);
	if (!str_copy(parent, sizeof(parent), target))
		return err_set(err, ERR_LIMIT, "path is too long");
	*strrchr(parent, '/') = '\0';
	name = target + strlen(parent) + 1;

	auto_fd int dir = path_mkdirs_in_root(root, parent, 0755, err);

	if (dir < 0)
		return -1;

	auto_fd int file = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	/* A link that leads nowhere: what it names is made, inside; without a folder for that, as /etc/localtime of an image without zones,
	 * the link gives way, as it does below a read-only root. */
	if (file < 0 && errno == EEXIST) {
		file = path_open_in_root(root, target, O_CREAT | O_WRONLY, 0644, err);
		if (file >= 0 || err->code != ERR_NOT_FOUND || !is_of_root(root, dir) ||
		    unlinkat(dir, name, 0) < 0)
			return file < 0 ? -1 : take_fd(&file);
		file = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	}
	if (file < 0)
		err_sys(err, "create");
	return file < 0 ? -1 : take_fd(&file);
}

static int open_target(const struct child *c, struct plan_mount *mount, struct err *err)
{
	int fd = path_open_in_root(c->root, mount->target, O_PATH, 0, err);

	if (fd >= 0 || err->code != ERR_NOT_FOUND)
		return fd;
	mount->is_missing = true;
	fd = mounts_make_target(c->root, mount->target, mount->is_directory, err);
	if (fd < 0)
		err_wrap(err, "the mount point is missing and cannot be made");
	return fd;
}

/* proc and sysfs at the other end of a link would leave their masked and read-only paths behind
 * (CVE-2019-19921, CVE-2023-27561). */
static int check_no_links(const struct child *c, const char *target, struct err *err)
{
	auto_fd int fd = kernel_open_without_links(c->root, target);

	if (fd < 0 && errno == ELOOP)
		return err_set(err, ERR_INPUT, "is a symbolic link in the image");
	return fd < 0 ? err_sys(err, "openat2") : 0;
}

/* What is mounted over a part of /proc deceives everybody who trusts that part. */
static int check_not_proc(int target, struct err *err)
{
	struct statfs fs;

	if (fstatfs(target, &fs) < 0)
		return err_sys(err, "fstatfs");
	if (fs.f_type == PROC_SUPER_MAGIC)
		return err_set(err, ERR_UNSUPPORTED, "nothing can be mounted inside /proc");
	return 0;
}

static unsigned long mount_flags(uint64_t attributes)
{
	static const struct {
		uint64_t attribute;
		unsigned long flag;
	} map[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },
		{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME },
		{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (attributes & map[i].attribute)
			flags |= map[i].flag;
	return flags;
}

/* The kernel gives a nested proc or sysfs only where the old one is visible whole. */
static int mount_refused(enum plan_mount_kind kind, const char *type, struct err *err)
{
	int number = errno;

	if (number == EPERM && kind == PLAN_MOUNT_PROC)
		return err_errno(
			err, number,
			"proc: the host hides parts of /proc, allow nesting for this machine");
	if (number == EPERM && kind == PLAN_MOUNT_SYSFS)
		return err_errno(err, number,
				 "sysfs: needs a network namespace of its own and nesting");
	return err_errno(err, number, "%s: mount", type);
}

/*
 * The appliance's own, which config.json allows in place of what the kernel refuses: with all that the host has mounted over parts of it,
 * since those parts are locked, and read-only, because files of processes that have the same id elsewhere are that id's to write. What a
 * process keeps for itself stays so: the user namespace is another one. proc has to be written once more (sysctls): step_sysctl.
 */
static int mount_shared(struct plan_mount *mount, int target, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC };
	const char *source = mount->kind == PLAN_MOUNT_PROC ? "/proc" : "/sys";
	auto_fd int tree = kernel_open_tree(AT_FDCWD, source, AT_RECURSIVE);

	if (tree < 0)
		return err_sys(err, "%s: open_tree", source);
	if (mount->kind == PLAN_MOUNT_SYSFS)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (kernel_mount_setattr(tree, AT_RECURSIVE, &attr) < 0)
		return err_sys(err, "%s: mount_setattr", source);
	if (kernel_move_mount(tree, target) < 0)
		return err_sys(err, "%s: move_mount", source);
	mount->is_shared = true;
	return 0;
}

/* A shared /sys brings the appliance's cgroup tree along, and mount(2) puts no file system over itself; move_mount(2) does. */
static int mount_over(const char *type, int target, uint64_t attributes, struct err *err)
{
	auto_fd int fs = kernel_fsopen(type);
	auto_fd int mount = -1;

	if (fs < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "%s: fsopen", type);
	mount = kernel_fsmount(fs, (unsigned)attributes);
	if (mount < 0)
		return err_sys(err, "%s: fsmount", type);
	return kernel_move_mount(mount, target) < 0 ? err_sys(err, "%s: move_mount", type) : 0;
}

static int mount_new(const struct plan_mount *mount, int target, uint64_t attributes,
		     struct err *err)
{
	static const char *const types[] = {
		[PLAN_MOUNT_TMPFS] = "tmpfs",	[PLAN_MOUNT_PROC] = "proc",
		[PLAN_MOUNT_SYSFS] = "sysfs",	[PLAN_MOUNT_DEVPTS] = "devpts",
		[PLAN_MOUNT_MQUEUE] = "mqueue", [PLAN_MOUNT_CGROUP] = "cgroup2",
	};
	const char *type =
		(size_t)mount->kind < sizeof(types) / sizeof(types[0]) ? types[mount->kind] : NULL;

	if (!type)
		return err_set(err, ERR_BUG, "a mount that is not made here");
	/* "." of the target, not /proc/self/fd/N: an inode of procfs for each would be dear. */
	if (fchdir(target) < 0)
		return err_sys(err, "fchdir");
	if (kernel_mount(type, ".", type, mount_flags(attributes), mount->data) == 0)
		return 0;
	if (errno == EBUSY && mount->kind == PLAN_MOUNT_CGROUP)
		return mount_over(type, target, attributes, err);
	return mount_refused(mount->kind, type, err);
}

/* Read-only only after it has been filled. */
static int mount_filled(const struct child *c, const struct plan_mount *mount, int target,
			struct err *err)
{
	struct mount_attr attr = { .attr_set = mount->attributes & MOUNT_ATTR_RDONLY };
	auto_fd int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return err_sys(err, "open");
	if (mount_new(mount, target, mount->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY, err) < 0 ||
	    copyup_fill(c, mount, from, err) < 0)
		return -1;
	if (!attr.attr_set)
		return 0;

	auto_fd int top = path_open_in_root(c->root, mount->target, O_PATH, 0, err);

	if (top < 0)
		return -1;
	return kernel_mount_setattr(top, 0, &attr) < 0 ? err_sys(err, "mount_setattr") : 0;
}

static int mount_or_share(const struct child *c, struct plan_mount *mount, int target,
			  struct err *err)
{
	if (mount_new(mount, target, mount->attributes, err) == 0)
		return 0;
	/* a kernel that hides parts says EPERM, a security module EACCES; another reason is no case for less isolation */
	if (err->sys_errno != EPERM && err->sys_errno != EACCES)
		return -1;
	if (mount_shared(mount, target, err) < 0)
		return -1;
	c->report->lost |= mount->kind == PLAN_MOUNT_PROC ? HOST_LOSS_PROC : HOST_LOSS_SYS;
	return 0;
}

/* What the image has there may be anything, and a link in it may lead onto a mount, which is not the root's: then
 * the file is bound, as on a read-only root. */
static int open_own(const struct child *c, const struct plan_mount *mount, int target)
{
	uint64_t ours = kernel_mount_id(c->root, "", AT_EMPTY_PATH);
	auto_fd int fd = -1;
	struct err ignored;
	struct stat st;

	if (!ours || kernel_mount_id(target, "", AT_EMPTY_PATH) != ours || fstat(target, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return -1;
	if (mount->is_missing) /* made a moment ago, and open for writing */
		fd = fcntl(target, F_DUPFD_CLOEXEC, 0);
	else
		fd = path_open_in_root(c->root, mount->target,
				       O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY, 0, &ignored);
	if (fd < 0 || fchown(fd, 0, 0) < 0 || fchmod(fd, 0644) < 0)
		return -1;
	return take_fd(&fd);
}

/* podman's are binds that can be written to. As a file of the root it is bounded like all that the container writes, belongs to it,
 * and can be renamed over, as many programs do; and a start has a mount less to make. */
static bool make_own(const struct child *c, const struct plan_mount *mount, int target)
{
	auto_buf text = BUF_INIT(OWN_MAX_BYTES);
	auto_fd int from = -1, to = -1;
	struct err ignored;
	char path[64];

	if (c->plan->root_read_only || !c->plan->layers.count)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mount->tree);
	from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (from < 0 || file_read_fd(from, OWN_MAX_BYTES, &text, &ignored) < 0)
		return false;
	to = open_own(c, mount, target);
	return to >= 0 && file_write_all(to, buf_str(&text), text.len, &ignored) == 0;
}

static int attach(struct child *c, struct plan_mount *mount, struct err *err)
{
	auto_fd int target = -1;

	if (mount->kind == PLAN_MOUNT_ACCOUNTS && mount->tree < 0)
		return 0;
	target = open_target(c, mount, err);
	if (target < 0)
		return -1;
	if (mount->only_missing && !mount->is_missing)
		return 0;
	/* a sysfs is that of the network namespace in which it is mounted */
	if (mount->kind == PLAN_MOUNT_SYSFS && network_enter(c, err) < 0)
		return -1;
	if (mount->kind == PLAN_MOUNT_PROC || mount->kind == PLAN_MOUNT_SYSFS) {
		if (check_no_links(c, mount->target, err) < 0)
			return -1;
	} else if (check_not_proc(target, err) < 0) {
		return -1;
	}
	if (mount->kind == PLAN_MOUNT_TMPFS &&
	    (mount->copy_up || mount->own_missing || mount->change_owner))
		return mount_filled(c, mount, target, err);
	if (mount->share)
		return mount_or_share(c, mount, target, err);
	if (mount->tree < 0 && mount->kind != PLAN_MOUNT_BIND)
		return mount_new(mount, target, mount->attributes, err);
	if (mount->own && make_own(c, mount, target)) {
		c->report->own_files |= str_eq(mount->target, "/etc/hosts") ? RUNTIME_OWN_HOSTS :
					str_eq(mount->target, "/etc/resolv.conf") ?
									      RUNTIME_OWN_RESOLV :
									      0;
		return 0;
	}
	if (kernel_move_mount(mount->tree, target) < 0)
		return err_sys(err, "%s: move_mount", mount->source ? mount->source : "pod");
	return 0;
}

int mounts_attach_all(struct child *c, struct err *err)
{
	for (size_t i = 0; i < c->plan->mount_count; i++)
		if (attach(c, &c->plan->mounts[i], err) < 0)
			return err_wrap(err, "%s", c->plan->mounts[i].target);
	return 0;
}

/* An empty file system that serves every masked directory. */
static int make_empty(struct err *err)
{
	auto_fd int fs = kernel_fsopen("tmpfs");
	int mount;

	if (fs < 0)
		return err_sys(err, "tmpfs: fsopen");
	if (kernel_fsconfig_string(fs, "nr_blocks", "1") < 0 ||
	    kernel_fsconfig_string(fs, "nr_inodes", "1") < 0 ||
	    kernel_fsconfig_string(fs, "mode", "0755") < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "tmpfs: fsconfig");
	mount = kernel_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					   MOUNT_ATTR_NOEXEC);
	return mount < 0 ? err_sys(err, "tmpfs: fsmount") : mount;
}

/* The first directory gets the file system itself, the others copies of that mount: a copy of a
 * mount that is attached nowhere needs Linux 6.15. */
static int mask_directory(int target, int *empty, struct err *err)
{
	if (*empty < 0) {
		*empty = make_empty(err);
		if (*empty < 0)
			return -1;
		return kernel_move_mount(*empty, target) < 0 ? err_sys(err, "move_mount") : 0;
	}

	auto_fd int copy = kernel_open_tree(*empty, "", AT_EMPTY_PATH);

	if (copy < 0)
		return err_sys(err, "open_tree");
	return kernel_move_mount(copy, target) < 0 ? err_sys(err, "move_mount") : 0;
}

static int mask_file(int target, struct err *err)
{
	auto_fd int null = kernel_open_tree(AT_FDCWD, "/dev/null", 0);

	if (null < 0)
		return err_sys(err, "/dev/null: open_tree");
	return kernel_move_mount(null, target) < 0 ? err_sys(err, "move_mount") : 0;
}

/* -1 also for a path that does not exist: *missing tells, and is no error for what is to be
 * hidden. */
static int open_special(const struct child *c, const char *path, bool *missing, struct err *err)
{
	int fd = path_open_in_root(c->root, path, O_PATH, 0, err);

	*missing = fd < 0 && (err->code == ERR_NOT_FOUND || err->sys_errno == ENOTDIR);
	return fd;
}

static int mask(const struct child *c, const char *path, int *empty, struct err *err)
{
	bool missing;
	struct stat st;
	auto_fd int target = open_special(c, path, &missing, err);

	if (target < 0)
		return missing ? 0 : -1;
	if (fstat(target, &st) < 0)
		return err_sys(err, "fstat");
	return S_ISDIR(st.st_mode) ? mask_directory(target, empty, err) : mask_file(target, err);
}

int mounts_mask(struct child *c, struct err *err)
{
	auto_fd int empty = -1;

	for (size_t i = 0; i < c->plan->masked.count; i++)
		if (mask(c, c->plan->masked.items[i], &empty, err) < 0)
			return err_wrap(err, "%s", c->plan->masked.items[i]);
	return 0;
}

static int make_path_read_only(const struct child *c, const char *path, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	bool missing;
	auto_fd int target = open_special(c, path, &missing, err);

	if (target < 0)
		return missing ? 0 : -1;

	auto_fd int copy = kernel_open_tree(target, "", AT_EMPTY_PATH | AT_RECURSIVE);

	if (copy < 0)
		return err_sys(err, "open_tree");
	if (kernel_mount_setattr(copy, AT_RECURSIVE, &attr) < 0)
		return err_sys(err, "mount_setattr");
	return kernel_move_mount(copy, target) < 0 ? err_sys(err, "move_mount") : 0;
}

static int make_shared_read_only(const struct child *c, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < c->plan->mount_count; i++) {
		const struct plan_mount *mount = &c->plan->mounts[i];
		auto_fd int top = -1;

		if (!mount->is_shared)
			continue;
		top = path_open_in_root(c->root, mount->target, O_PATH, 0, err);
		if (top < 0)
			return -1;
		if (kernel_mount_setattr(top, AT_RECURSIVE, &attr) < 0)
			return err_sys(err, "%s: mount_setattr", mount->target);
	}
	return 0;
}

int mounts_read_only_paths(struct child *c, struct err *err)
{
	const struct strings *paths = &c->plan->read_only_paths;

	for (size_t i = 0; i < paths->count; i++)
		if (make_path_read_only(c, paths->items[i], err) < 0)
			return err_wrap(err, "%s", paths->items[i]);
	return make_shared_read_only(c, err);
}
