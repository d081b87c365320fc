/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and making what is mounted into a container. Runs with the appliance's privileges, so
 * it must never resolve a name below the data directory other than beneath it.
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
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

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

static int open_source(const struct plan_mount *mount, const char *data_dir, struct err *err)
{
	const char *rel = below_data(mount->source, data_dir);
	int fd;

	if (rel) {
		auto_fd int data = open_data_dir(data_dir, err);

		if (data < 0)
			return -1;
		fd = path_open_beneath(data, rel, O_PATH, 0, err);
		if (fd < 0 && err->sys_errno == EXDEV)
			return err_set(err, ERR_INPUT, "a link leads out of %s", data_dir);
		return fd;
	}
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

/* Made under a name of its own and renamed: a crash leaves no volume with the wrong owner behind,
 * which the next start would take for somebody's. */
static int make_directory(int parent, const char *name, uint32_t uid, uint32_t gid, struct err *err)
{
	char temporary[NAME_MAX + 1];

	snprintf(temporary, sizeof(temporary), ".cleat-new-%d", (int)getpid());
	if (mkdirat(parent, temporary, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "mkdir");

	auto_fd int dir =
		openat(parent, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "open");
	if (fchmod(dir, 0755) < 0 || fchown(dir, uid, gid) < 0)
		return err_sys(err, "owner and mode");
	if (syscall(SYS_renameat2, parent, temporary, parent, name, 1 /* RENAME_NOREPLACE */) == 0)
		return 0;
	err_sys(err, "rename");
	unlinkat(parent, temporary, AT_REMOVEDIR);
	/* Somebody was faster: another container with the same volume. */
	return err->sys_errno == EEXIST ? 0 : -1;
}

static int make_source(const char *rel, const char *data_dir, uint32_t uid, uint32_t gid,
		       struct err *err)
{
	char parent_path[PATH_MAX];
	const char *name = strrchr(rel, '/');
	auto_fd int data = open_data_dir(data_dir, err);

	if (data < 0)
		return -1;
	name = name ? name + 1 : rel;
	if ((size_t)(name - rel) >= sizeof(parent_path))
		return err_set(err, ERR_LIMIT, "path is too long");
	memcpy(parent_path, rel, (size_t)(name - rel));
	parent_path[name - rel] = '\0';

	auto_fd int parent = path_mkdirs_in_root(data, parent_path, 0755, err);

	if (parent < 0)
		return -1;
	return make_directory(parent, name, uid, gid, err);
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
