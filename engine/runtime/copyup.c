/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of the image for a tmpfs that begins with what the image has at that place (tmpcopyup), and for an empty volume. Runs as
 * the container's root with descriptors only, never follows a link, and is bounded by the room there is. Hard links become files of
 * their own.
 */
#include "runtime/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/owners.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

#define MAX_DEPTH 64
#define CHUNK_BYTES (1u << 20)
#define XATTR_NAMES_MAX (64 * 1024)
#define XATTR_MAX_BYTES (64 * 1024) /* the kernel's own bound */

/* Much less than CHILD_TIMEOUT_MSEC of start.c, on any disk. */
#define BUSY_BYTES (8u << 20)
#define BUSY_ENTRIES 1000

struct copy {
	int sync;
	uint64_t bytes; /* since the last word to start.c */
	unsigned entries;
};

static int copy_tree(struct copy *c, int from, int to, unsigned depth, struct err *err);

static int tell(struct copy *c, uint64_t bytes, struct err *err)
{
	const struct sync_message busy = { .type = SYNC_BUSY };

	c->bytes += bytes;
	if (c->bytes < BUSY_BYTES && ++c->entries < BUSY_ENTRIES)
		return 0;
	c->bytes = c->entries = 0;
	return sync_send(c->sync, &busy, -1, err);
}

static int copy_times(int to, const char *name, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: times", name);
	return 0;
}

/* user.overlay.* is how layers speak to overlayfs; what other classes say is the file system's own. */
static bool is_wanted_xattr(const char *name)
{
	return str_eq(name, "security.capability") ||
	       (str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

static int copy_xattr(int from, int to, const char *name, void *value, struct err *err)
{
	ssize_t size = fgetxattr(from, name, value, XATTR_MAX_BYTES);

	if (size < 0)
		return errno == ENODATA ? 0 : err_sys(err, "extended attribute %.80s", name);
	/* A tmpfs before Linux 6.6 has none of the user's. */
	if (fsetxattr(to, name, value, (size_t)size, 0) < 0 &&
	    !(errno == EOPNOTSUPP && str_starts(name, "user.")))
		return err_sys(err, "extended attribute %.80s", name);
	return 0;
}

static int copy_xattrs(int from, int to, struct err *err)
{
	auto_free char *names = NULL;
	ssize_t size = flistxattr(from, NULL, 0);
	char *value;

	/* Most files have none. */
	if (size > 0) {
		names = malloc(XATTR_NAMES_MAX + XATTR_MAX_BYTES);
		if (!names)
			return err_sys(err, "extended attributes");
		size = flistxattr(from, names, XATTR_NAMES_MAX);
	}
	if (size <= 0)
		return size == 0 || errno == EOPNOTSUPP ? 0 : err_sys(err, "extended attributes");
	value = names + XATTR_NAMES_MAX;
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (is_wanted_xattr(name) && copy_xattr(from, to, name, value, err) < 0)
			return -1;
	return 0;
}

/* The owner first: a change of owner clears set-id bits and capabilities. */
static int copy_attributes(int from, int to, const struct stat *st, const char *name,
			   struct err *err)
{
	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return err_sys(err, "%s: owner", name);
	if (copy_xattrs(from, to, err) < 0)
		return err_wrap(err, "%s", name);
	if (fchmod(to, st->st_mode & 07777) < 0)
		return err_sys(err, "%s: mode", name);
	return 0;
}

static int copy_file(struct copy *c, int from, int to, const char *name, const struct stat *st,
		     struct err *err)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_fd int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return err_sys(err, "%s: open", name);
	do {
		n = sendfile(out, in, NULL, CHUNK_BYTES);
		if (n > 0 && tell(c, (uint64_t)n, err) < 0)
			return -1;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return err_sys(err, "%s: copy", name);
	return copy_attributes(in, out, st, name, err);
}

static int copy_fifo(int to, const char *name, const struct stat *st, struct err *err)
{
	if (mknodat(to, name, S_IFIFO | 0600, 0) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return err_sys(err, "%s: FIFO", name);
	return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "%s: readlink", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return err_sys(err, "%s: symlink", name);
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: owner", name);
	return 0;
}

static int copy_directory(struct copy *c, int from, int to, const char *name, const struct stat *st,
			  unsigned depth, struct err *err)
{
	if (depth == 0)
		return err_set(err, ERR_LIMIT, "%s: nested deeper than %d", name, MAX_DEPTH);
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(err, "%s: mkdir", name);

	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_fd int in = openat(from, name, flags);
	auto_fd int out = openat(to, name, flags);

	if (in < 0 || out < 0)
		return err_sys(err, "%s: open", name);
	if (copy_tree(c, in, out, depth - 1, err) < 0)
		return err_wrap(err, "%s", name);
	return copy_attributes(in, out, st, name, err);
}

static int copy_entry(struct copy *c, int from, int to, const char *name, unsigned depth,
		      struct err *err)
{
	struct stat st;
	int rc;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: stat", name);
	if (tell(c, 0, err) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode)) /* nobody listens behind it */
		return 0;
	if (S_ISREG(st.st_mode))
		rc = copy_file(c, from, to, name, &st, err);
	else if (S_ISDIR(st.st_mode))
		rc = copy_directory(c, from, to, name, &st, depth, err);
	else if (S_ISFIFO(st.st_mode))
		rc = copy_fifo(to, name, &st, err);
	else if (S_ISLNK(st.st_mode))
		rc = copy_link(from, to, name, &st, err);
	else
		return err_set(err, ERR_UNSUPPORTED, "%s: a device cannot be copied", name);
	return rc < 0 ? -1 : copy_times(to, name, &st, err);
}

static int copy_tree(struct copy *c, int from, int to, unsigned depth, struct err *err)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		err_sys(err, "opendir");
		close_fd(&fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (copy_entry(c, from, to, entry->d_name, depth, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_option(const char *data, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = data; *p;) {
		size_t n = strcspn(p, ",");

		if (n > len && strncmp(p, name, len) == 0 && p[len] == '=')
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

/* The mount point's owner and mode hold unless the options say something else. */
static int copy_top(const struct plan_mount *mount, int from, int to, struct err *err)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return err_sys(err, "stat");
	if (!has_option(mount->data, "uid") && !has_option(mount->data, "gid") &&
	    fchown(to, st.st_uid, st.st_gid) < 0)
		return err_sys(err, "owner");
	if (!has_option(mount->data, "mode") && fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(err, "mode");
	return 0;
}

int copyup_tree(const struct child *child, int from, int to, struct err *err)
{
	struct copy c = { .sync = child->sync };

	return copy_tree(&c, from, to, MAX_DEPTH, err);
}

static int fill(const struct child *c, const struct plan_mount *mount, int from, int to,
		struct err *err)
{
	if (mount->own_missing && mount->is_missing) {
		if (fchown(to, c->id.uid, c->id.gid) < 0)
			return err_sys(err, "owner");
	} else if (copy_top(mount, from, to, err) < 0) {
		return -1;
	}
	if (mount->copy_up && copyup_tree(c, from, to, err) < 0)
		return err_wrap(err, "tmpcopyup");
	return mount->change_owner ? owners_change(to, c->id.uid, c->id.gid, err) : 0;
}

int copyup_fill(const struct child *c, const struct plan_mount *mount, int from, struct err *err)
{
	auto_fd int to = path_open_in_root(c->root, mount->target, O_RDONLY | O_DIRECTORY, 0, err);

	return to < 0 ? -1 : fill(c, mount, from, to, err);
}
