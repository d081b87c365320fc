/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount points that an image does not ship (/app/logs, /etc/resolv.conf). A read-only root
 * cannot grow them, so they are made in a directory of their own that becomes the topmost lower
 * layer. Directories on the way are copies of the image's own, owner and mode, because the
 * topmost layer's are what shows.
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* What lies below an earlier mount is made there, not in the image. */
static bool hidden_by_mount(const struct plan *plan, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (is_below(plan->mounts[index].target, plan->mounts[i].target))
			return true;
	return false;
}

static bool exists(int view, const char *target)
{
	struct err ignored;
	auto_fd int fd = path_open_in_root(view, target, O_PATH, 0, &ignored);

	/* Anything but "is not there" is for the mount itself to report. */
	return fd >= 0 || ignored.code != ERR_NOT_FOUND;
}

bool skeleton_is_needed(const struct child *c, int view)
{
	for (size_t i = 0; i < c->plan->mount_count; i++)
		if (!hidden_by_mount(c->plan, i) && !exists(view, c->plan->mounts[i].target))
			return true;
	return false;
}

/* The deepest part of path that exists in the image; path is cut there, *rest is what follows. */
static int open_deepest(int view, char *path, const char **rest, struct err *err)
{
	for (;;) {
		int fd = path_open_in_root(view, path[0] ? path : "/", O_PATH, 0, err);
		char *slash;

		if (fd >= 0 || err->code != ERR_NOT_FOUND)
			return fd;
		slash = strrchr(path, '/');
		/* Give back the slash that an earlier turn cut off: the rest grows to the left. */
		if (*rest != path + strlen(path))
			path[strlen(path)] = '/';
		*slash = '\0';
		*rest = slash + 1;
	}
}

static ssize_t read_fd_link(int fd, char *out, size_t size, struct err *err)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, size - 1);
	if (n < 0)
		return err_sys(err, "%s: readlink", link);
	out[n] = '\0';
	return n;
}

/* Where in the image a descriptor points: what the kernel says, less what it says of the top. */
static int path_in_view(int view, int fd, char *out, size_t size, struct err *err)
{
	char path[PATH_MAX];
	ssize_t top = read_fd_link(view, out, size, err);

	if (top < 0 || read_fd_link(fd, path, sizeof(path), err) < 0)
		return -1;
	if (str_eq(out, "/"))
		top = 0;
	if (strncmp(path, out, (size_t)top) != 0)
		return err_set(err, ERR_BUG, "%s is not below %s", path, out);
	if (!str_copy(out, size, path + top))
		return err_set(err, ERR_LIMIT, "%s: path is too long", path);
	if (str_eq(out, "/"))
		out[0] = '\0';
	return 0;
}

static int copy_owner(int view, const char *path, int parent, const char *name, struct err *err)
{
	auto_fd int fd = path_open_in_root(view, path, O_PATH | O_DIRECTORY, 0, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	if (fchownat(parent, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: chown", path);
	if (fchmodat(parent, name, st.st_mode & 07777, 0) < 0)
		return err_sys(err, "%s: chmod", path);
	return 0;
}

/* Makes every component of path (absolute, "" is the top) below skeleton. view >= 0: owners and
 * modes are the image's. Returns the last directory. */
static int make_components(int view, int skeleton, const char *path, struct err *err)
{
	auto_fd int dir = fcntl(skeleton, F_DUPFD_CLOEXEC, 3);
	char done[PATH_MAX] = "";
	size_t len = 0;

	if (dir < 0)
		return err_sys(err, "descriptor");
	while (*path) {
		size_t n = strcspn(path + 1, "/") + 1;
		const char *name = done + len + 1;

		if (len + n >= sizeof(done))
			return err_set(err, ERR_LIMIT, "path is too long");
		memcpy(done + len, path, n);
		done[len + n] = '\0';
		if (mkdirat(dir, name, 0755) < 0) {
			if (errno != EEXIST)
				return err_sys(err, "%s: mkdir", done);
		} else if (view >= 0 && copy_owner(view, done, dir, name, err) < 0) {
			return -1;
		}

		int next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return err_sys(err, "%s: open", done);
		close_fd(&dir);
		dir = next;
		len += n;
		path += n;
	}
	return take_fd(&dir);
}

/* The missing names below a directory of the skeleton; the last one is a file if one is mounted
 * there. */
static int make_rest(int dir, const char *rest, bool directory, struct err *err)
{
	char path[PATH_MAX];
	char *slash;
	int n = snprintf(path, sizeof(path), "/%s", rest);

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ERR_LIMIT, "path is too long");
	slash = strrchr(path, '/');
	if (directory) {
		auto_fd int last = make_components(-1, dir, path, err);

		return last < 0 ? -1 : 0;
	}
	*slash = '\0';

	auto_fd int parent = make_components(-1, dir, path, err);

	if (parent < 0)
		return -1;

	auto_fd int file =
		openat(parent, slash + 1, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);

	return file < 0 ? err_sys(err, "%s: create", slash + 1) : 0;
}

static int add_mount_point(int view, int skeleton, const char *target, bool directory,
			   struct err *err)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *rest;
	struct stat st;

	if (!str_copy(path, sizeof(path), target))
		return err_set(err, ERR_LIMIT, "path is too long");
	rest = path + strlen(path);

	auto_fd int deepest = open_deepest(view, path, &rest, err);

	if (deepest < 0)
		return -1;
	if (!*rest)
		return 0;
	if (fstat(deepest, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT, "%s in the image is not a directory", path);
	if (path_in_view(view, deepest, real, sizeof(real), err) < 0)
		return -1;

	auto_fd int dir = make_components(view, skeleton, real, err);

	return dir < 0 ? -1 : make_rest(dir, rest, directory, err);
}

int skeleton_copy_top(int view, int skeleton, struct err *err)
{
	struct stat st;
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", skeleton);
	if (fstat(view, &st) < 0)
		return err_sys(err, "fstat");
	if (fchownat(skeleton, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0 ||
	    chmod(self, st.st_mode & 07777) < 0)
		return err_sys(err, "owner and mode");
	return 0;
}

int skeleton_fill(const struct child *c, int view, int skeleton, struct err *err)
{
	if (skeleton_copy_top(view, skeleton, err) < 0)
		return err_wrap(err, "mount points");
	for (size_t i = 0; i < c->plan->mount_count; i++) {
		struct plan_mount *mount = &c->plan->mounts[i];

		if (hidden_by_mount(c->plan, i))
			continue;
		if (mount->volume || mount->own_missing || mount->only_missing)
			mount->is_missing = !exists(view, mount->target);
		if (add_mount_point(view, skeleton, mount->target, mount->is_directory, err) < 0)
			return err_wrap(err, "mount point %s", mount->target);
	}
	return 0;
}
