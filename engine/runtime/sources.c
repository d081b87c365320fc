/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and making what is mounted into a container. Runs with the appliance's privileges, so
 * it must never resolve a name below the data directory other than beneath it, nor follow a link
 * there that a container may have made: its volume is part of that tree.
 */
#include "runtime/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "runtime/owners.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

#define LINK_HOPS_MAX 40 /* as the kernel's own */

/* What follows data_dir in path, NULL when it is not below; "." for the directory itself. */
static const char *below_data(const char *path, const char *data_dir)
{
	size_t len = strlen(data_dir);

	if (strncmp(path, data_dir, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return ".";
	return path[len] == '/' ? path + len + 1 : NULL;
}

static int open_data_dir(const char *data_dir, struct err *err)
{
	int fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "%s", data_dir) : fd;
}

/* Splices the target of the link at path[start..end) into path; what remains is clean and below the
 * data directory, whose "/" the text pretends to be. */
static int splice_link(char path[PATH_MAX], size_t start, size_t end, int link, struct err *err)
{
	char target[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
	int depth = 0;

	if (n < 0)
		return err_sys(err, "%s: readlink", path);
	target[n] = '\0';
	for (size_t i = 0; i < start; i++)
		depth += path[i] == '/';
	for (const char *p = target; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (!(len == 1 && p[0] == '.'))
			depth++;
		if (depth < 0 || target[0] == '/')
			return err_errno(err, EXDEV, "%s", path);
		p += len;
	}
	snprintf(joined, sizeof(joined), "/%.*s%s%s", (int)start, path, target, path + end);
	if (!path_clean(joined, target, sizeof(target)))
		return err_errno(err, ENAMETOOLONG, "%s", path);
	str_copy(path, PATH_MAX, target[1] ? target + 1 : ".");
	return 0;
}

/* Replaces the first link of path by what it leads to, if it is the appliance's own: one that a
 * container put into its volume must not choose what the next start mounts or makes. */
static int follow_own_link(int data, char path[PATH_MAX], struct err *err)
{
	size_t start = 0;

	for (;;) {
		size_t end = start + strcspn(path + start, "/");
		char saved = path[end];
		struct stat st;

		path[end] = '\0';

		auto_fd int fd = kernel_open_beneath_without_links(data, path, O_NOFOLLOW);

		path[end] = saved;
		if (fd < 0)
			return err_sys(err, "%s: openat2", path);
		if (fstat(fd, &st) < 0)
			return err_sys(err, "%s: fstat", path);
		if (S_ISLNK(st.st_mode) && st.st_uid != geteuid())
			return err_set(err, ERR_INPUT,
				       "%.*s is a link that belongs to user %u: only those of the "
				       "appliance's root are followed",
				       (int)end, path, (unsigned)st.st_uid);
		if (S_ISLNK(st.st_mode))
			return splice_link(path, start, end, fd, err);
		if (!saved) /* the link that was in the way has just gone */
			return 0;
		start = end + 1;
	}
}

/* Opens path, relative to the data directory; path becomes the one that has no links. */
static int open_below_data(int data, char path[PATH_MAX], struct err *err)
{
	for (int hops = 0; hops < LINK_HOPS_MAX; hops++) {
		int fd = kernel_open_beneath_without_links(data, path, 0);

		if (fd >= 0)
			return fd;
		if (errno != ELOOP)
			return err_sys(err, "%s: openat2", path);
		if (follow_own_link(data, path, err) < 0)
			return -1;
	}
	return err_errno(err, ELOOP, "%s", path);
}

static int open_source_below(const char *rel, const char *data_dir, struct err *err)
{
	auto_fd int data = open_data_dir(data_dir, err);
	char path[PATH_MAX];
	int fd;

	if (data < 0)
		return -1;
	if (!str_copy(path, sizeof(path), rel))
		return err_set(err, ERR_LIMIT, "path is too long");
	fd = open_below_data(data, path, err);
	if (fd < 0 && err->sys_errno == EXDEV)
		return err_set(err, ERR_INPUT, "a link leads out of %s", data_dir);
	return fd;
}

static int open_source(const struct plan_mount *mount, const char *data_dir, struct err *err)
{
	const char *rel = below_data(mount->source, data_dir);
	int fd;

	if (rel)
		return open_source_below(rel, data_dir, err);
	fd = open(mount->source, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "open") : fd;
}

/* The detached copy, with flags and propagation: set here, where none of them is locked. */
static int copy_mount(struct plan_mount *mount, int source, struct err *err)
{
	unsigned recursive = mount->recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = {
		.attr_set = mount->attributes,
		.attr_clr = mount->attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0,
		.propagation = mount->propagation,
	};
	struct stat st;

	if (fstat(source, &st) < 0)
		return err_sys(err, "fstat");
	mount->is_directory = S_ISDIR(st.st_mode);

	auto_fd int tree = kernel_open_tree(source, "", AT_EMPTY_PATH | recursive);

	if (tree < 0)
		return err_sys(err, "open_tree");
	if (kernel_mount_setattr(tree, recursive, &attr) < 0)
		return err_sys(err, "mount_setattr");
	mount->tree = take_fd(&tree);
	return 0;
}

static int missing_source(struct plan_mount *mount, const char *data_dir, struct err *err)
{
	if (!mount->make) {
		err->code = ERR_INPUT;
		return err_wrap(err, "source %s", mount->source);
	}
	if (!below_data(mount->source, data_dir))
		return err_set(err, ERR_INPUT, "source %s: missing, and only made below %s",
			       mount->source, data_dir);
	mount->is_directory = true;
	return 0;
}

static int open_one(struct plan_mount *mount, const char *data_dir, struct err *err)
{
	auto_fd int source = open_source(mount, data_dir, err);

	if (source < 0 && err->code == ERR_NOT_FOUND)
		return missing_source(mount, data_dir, err);
	if (source < 0 || copy_mount(mount, source, err) < 0)
		return err_wrap(err, "source %s", mount->source);
	return 0;
}

int sources_open(struct plan *plan, const char *data_dir, struct err *err)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		struct plan_mount *mount = &plan->mounts[i];

		if (mount->kind == PLAN_MOUNT_BIND && open_one(mount, data_dir, err) < 0)
			return err_wrap(err, "mounts: %s", mount->target);
	}
	return 0;
}

void sources_close(struct plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		close_fd(&plan->mounts[i].tree);
}

/* A directory that nobody else can have made or put there: hostile owners of parent may guess names. */
static int make_temporary(int parent, const char *name, struct err *err)
{
	struct stat st;
	auto_fd int dir = -1;

	/* left by a start that was cut off, of a process with our number */
	unlinkat(parent, name, AT_REMOVEDIR);
	if (mkdirat(parent, name, 0700) < 0)
		return err_sys(err, "mkdir");
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(err, "open");
	/* set-gid comes from the parent */
	if (st.st_uid != geteuid() || (st.st_mode & 0777) != 0700)
		return err_set(err, ERR_INPUT, "%s was exchanged while it was made", name);
	return take_fd(&dir);
}

/* Made under a name of its own and renamed: a crash leaves no volume with the wrong owner behind,
 * which the next start would take for somebody's. */
static int make_directory(int parent, const char *name, uint32_t uid, uint32_t gid, struct err *err)
{
	char temporary[NAME_MAX + 1];

	snprintf(temporary, sizeof(temporary), ".cleat-new-%d", (int)getpid());

	auto_fd int dir = make_temporary(parent, temporary, err);

	if (dir < 0)
		return -1;
	if (fchmod(dir, 0755) < 0 || fchown(dir, uid, gid) < 0)
		return err_sys(err, "owner and mode");
	if (syscall(SYS_renameat2, parent, temporary, parent, name, 1 /* RENAME_NOREPLACE */) == 0)
		return 0;
	err_sys(err, "rename");
	unlinkat(parent, temporary, AT_REMOVEDIR);
	/* Somebody was faster: another container with the same volume. */
	return err->sys_errno == EEXIST ? 0 : -1;
}

/* Opens the directory name in parent, made if it is missing. No link is followed: path has none, so
 * one that is there now was put there this moment. */
static int enter_directory(int parent, const char *name, struct err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "%s: mkdir", name);
		fd = openat(parent, name, flags);
	}
	return fd < 0 ? err_sys(err, "%s: open", name) : fd;
}

/* Makes what is missing of path, the last component for that owner. */
static int make_path(int data, char *path, uint32_t uid, uint32_t gid, struct err *err)
{
	auto_fd int parent = fcntl(data, F_DUPFD_CLOEXEC, 3);
	char *slash;

	if (parent < 0)
		return err_sys(err, "descriptor");
	while ((slash = strchr(path, '/'))) {
		*slash = '\0';

		int next = enter_directory(parent, path, err);

		if (next < 0)
			return -1;
		close_fd(&parent);
		parent = next;
		path = slash + 1;
	}
	return make_directory(parent, path, uid, gid, err);
}

static int make_source(const char *rel, const char *data_dir, uint32_t uid, uint32_t gid,
		       struct err *err)
{
	auto_fd int data = open_data_dir(data_dir, err);
	char path[PATH_MAX];

	if (data < 0)
		return -1;
	if (!str_copy(path, sizeof(path), rel))
		return err_set(err, ERR_LIMIT, "path is too long");

	auto_fd int there = open_below_data(data, path, err);

	if (there >= 0)
		return 0;
	return err->code == ERR_NOT_FOUND ? make_path(data, path, uid, gid, err) : -1;
}

int sources_make(struct plan_mount *mount, const char *data_dir, uint32_t uid, uint32_t gid,
		 struct err *err)
{
	const char *rel = below_data(mount->source, data_dir);

	if (!rel)
		return err_set(err, ERR_BUG, "source %s: not below %s", mount->source, data_dir);
	if (make_source(rel, data_dir, uid, gid, err) < 0)
		return err_wrap(err, "source %s: cannot be made", mount->source);

	auto_fd int source = open_source(mount, data_dir, err);

	if (source < 0 || copy_mount(mount, source, err) < 0)
		return err_wrap(err, "source %s", mount->source);
	return 0;
}

int sources_change_owner(const struct plan_mount *mount, const char *data_dir, uint32_t uid,
			 uint32_t gid, struct err *err)
{
	auto_fd int source = open_source(mount, data_dir, err);

	if (source < 0 || owners_change(source, uid, gid, err) < 0)
		return err_wrap(err, "source %s: option U", mount->source);
	return 0;
}

static int map_tree(int tree, int user_namespace, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (uint64_t)(unsigned)user_namespace };

	if (kernel_mount_setattr(tree, 0, &attr) == 0)
		return 0;
	if (errno == EPERM)
		return err_set(
			err, ERR_UNSUPPORTED,
			"the file system belongs to the host of this machine, who alone may map its ids: leave out idmap");
	if (errno == EINVAL)
		return err_set(err, ERR_UNSUPPORTED,
			       "this file system or kernel cannot map ids: leave out idmap");
	return err_sys(err, "mount_setattr");
}

int sources_map_ids(const struct plan_mount *mount, int user_namespace, struct err *err)
{
	if (mount->tree >= 0 && map_tree(mount->tree, user_namespace, err) < 0)
		return err_wrap(err, "source %s: option idmap", mount->source);
	if (mount->volume && mount->staging >= 0 &&
	    map_tree(mount->staging, user_namespace, err) < 0)
		return err_wrap(err, "source %s: option idmap", mount->source);
	return 0;
}
