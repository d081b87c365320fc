/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolving names that somebody else chose. The kernel does the walk (openat2), so there is no
 * moment between looking at a component and using it in which it could be swapped. Must never
 * open a path built as a string out of a directory's name and a hostile rest.
 */
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/copy.h"
#include "util/path_internal.h"
#include "util/str.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000 /* linux/stat.h; musl does not name it */
#endif

/* A rename or mount elsewhere during the walk makes the kernel give up with EAGAIN rather than
 * judge ".." by old facts: openat2(2). It may do so again under load, or under attack. */
#define OPENAT2_TRIES 128
#define LINK_HOPS_MAX 40

int path_openat2(int dirfd, const char *rel, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};

	/* openat2 refuses a mode that would not be used. */
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode & 07777;
	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));

		if (fd >= 0 || tries == OPENAT2_TRIES || (errno != EAGAIN && errno != EINTR))
			return (int)fd;
	}
}

int path_open_beneath(int dirfd, const char *rel, int flags, mode_t mode, struct err *err)
{
	int fd = path_openat2(dirfd, rel, flags, mode, RESOLVE_BENEATH);

	if (fd < 0)
		return err_sys(err, "%s: openat2", rel);
	return fd;
}

DIR *path_list(int dirfd, struct err *err)
{
	auto_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (list)
		take_fd(&fd);
	else
		err_sys(err, "opendir");
	return list;
}

int path_open_in_root(int dirfd, const char *rel, int flags, mode_t mode, struct err *err)
{
	int fd = path_openat2(dirfd, rel, flags, mode, RESOLVE_IN_ROOT);

	if (fd < 0)
		return err_sys(err, "%s: openat2", rel);
	return fd;
}

/* The state of one walk: path is what is still to be made, as the links met so far have it. */
struct mkdirs {
	int root;
	mode_t mode;
	unsigned hops;
	char path[PATH_MAX];
};

static int open_dir_in_root(int root, const char *path)
{
	return path_openat2(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
}

/*
 * path[start..end) is a name in parent that leads nowhere although it exists: a link whose target
 * is missing (images link /var/run to a /run they do not ship). Rewrites path with the link
 * replaced by its target; nothing is trusted, the walk starts again inside the root.
 */
static int follow_dangling(struct mkdirs *m, int parent, size_t start, size_t end, struct err *err)
{
	char target[PATH_MAX], name[NAME_MAX + 1], joined[PATH_MAX];
	size_t len = end - start;

	if (len >= sizeof(name))
		return err_errno(err, ENAMETOOLONG, "component");
	memcpy(name, m->path + start, len);
	name[len] = '\0';

	ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "%s: readlink", name);
	target[n] = '\0';
	if (++m->hops > LINK_HOPS_MAX)
		return err_errno(err, ELOOP, "%s", name);

	int keep = target[0] == '/' ? 0 : (int)start;
	int size =
		snprintf(joined, sizeof(joined), "%.*s%s%s", keep, m->path, target, m->path + end);

	if (size < 0 || (size_t)size >= sizeof(joined))
		return err_errno(err, ENAMETOOLONG, "%s: link target", name);
	str_copy(m->path, sizeof(m->path), joined);
	return 0;
}

/* Opens the first end bytes of the path, making the last component (from start) if it is missing.
 * 1: a dangling link was replaced in the path, begin again. */
static int mkdirs_step(struct mkdirs *m, int *parent, size_t start, size_t end, struct err *err)
{
	char saved = m->path[end];

	m->path[end] = '\0';

	int fd = open_dir_in_root(m->root, m->path);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(*parent, m->path + start, m->mode) < 0 && errno != EEXIST) {
			err_sys(err, "mkdir");
			m->path[end] = saved;
			return -1;
		}
		fd = open_dir_in_root(m->root, m->path);
	}
	m->path[end] = saved;
	if (fd < 0 && errno == ENOENT)
		return follow_dangling(m, *parent, start, end, err) < 0 ? -1 : 1;
	if (fd < 0)
		return err_sys(err, "openat2");
	close_fd(parent);
	*parent = fd;
	return 0;
}

/* One walk from the root to the end of the path. */
static int mkdirs_walk(struct mkdirs *m, int *out, struct err *err)
{
	auto_fd int parent = open_dir_in_root(m->root, "/");
	size_t pos = 0;

	if (parent < 0)
		return err_sys(err, "root: openat2");
	for (;;) {
		while (m->path[pos] == '/')
			pos++;
		if (!m->path[pos])
			break;

		size_t end = pos + strcspn(m->path + pos, "/");
		int rc = mkdirs_step(m, &parent, pos, end, err);

		if (rc != 0)
			return rc;
		pos = end;
	}
	*out = take_fd(&parent);
	return 0;
}

int path_mkdirs_in_root(int dirfd, const char *rel, mode_t mode, struct err *err)
{
	struct mkdirs m = { .root = dirfd, .mode = mode };
	int fd = open_dir_in_root(dirfd, *rel ? rel : "/");
	int rc = 1;

	/* Nearly always it is there. */
	if (fd >= 0)
		return fd;
	if (!str_copy(m.path, sizeof(m.path), rel))
		return err_errno(err, ENAMETOOLONG, "%s", rel);
	while (rc > 0)
		rc = mkdirs_walk(&m, &fd, err);
	if (rc < 0)
		return err_wrap(err, "%s", rel);
	return fd;
}

int path_mkdirs(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	struct stat st;

	if (path[0] != '/')
		return err_set(err, ERR_BUG, "%s: not an absolute path", path);
	if (!str_copy(part, sizeof(part), path))
		return err_errno(err, ENAMETOOLONG, "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return err_sys(err, "%s: mkdir", part);
		*p = '/';
	}
	if (mkdir(part, mode) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", part);
	if (stat(part, &st) < 0)
		return err_sys(err, "%s: stat", part);
	if (!S_ISDIR(st.st_mode))
		return err_errno(err, ENOTDIR, "%s", part);
	return 0;
}

bool path_clean(const char *path, char *out, size_t size)
{
	size_t len = 0;

	if (path[0] != '/' || size < 2)
		return false;
	for (const char *p = path; *p;) {
		size_t n = 0;

		while (p[n] && p[n] != '/')
			n++;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (n + 1 >= size - len)
				return false;
			out[len++] = '/';
			copy_bytes(out + len, p, n);
			len += n;
		}
		for (p += n; *p == '/'; p++)
			;
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return true;
}

bool path_is_mount(const char *path, int flags)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC | flags, STATX_TYPE,
		     &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}
