/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: a tmpfs that begins with what the image has at that place, as podman's do. Runs as
 * the container's root with descriptors only, never follows a link, and is bounded by the size
 * of the tmpfs.
 */
#include "runtime/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/path.h"

#define MAX_DEPTH 64
#define CHUNK_BYTES (1u << 20)

static int copy_tree(int from, int to, unsigned depth, struct err *err);

static int copy_times(int to, const char *name, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: times", name);
	return 0;
}

/* The owner first: a change of owner clears set-id bits. */
static int copy_attributes(int fd, const struct stat *st, const char *name, struct err *err)
{
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return err_sys(err, "%s: owner and mode", name);
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct err *err)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_fd int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return err_sys(err, "%s: open", name);
	do
		n = sendfile(out, in, NULL, CHUNK_BYTES);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return err_sys(err, "%s: copy", name);
	return copy_attributes(out, st, name, err);
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

static int copy_directory(int from, int to, const char *name, const struct stat *st, unsigned depth,
			  struct err *err)
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
	if (copy_tree(in, out, depth - 1, err) < 0)
		return err_wrap(err, "%s", name);
	return copy_attributes(out, st, name, err);
}

static int copy_entry(int from, int to, const char *name, unsigned depth, struct err *err)
{
	struct stat st;
	int rc;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: stat", name);
	if (S_ISREG(st.st_mode))
		rc = copy_file(from, to, name, &st, err);
	else if (S_ISDIR(st.st_mode))
		rc = copy_directory(from, to, name, &st, depth, err);
	else if (S_ISLNK(st.st_mode))
		rc = copy_link(from, to, name, &st, err);
	else
		return err_set(err, ERR_UNSUPPORTED, "%s: neither file, directory nor link", name);
	return rc < 0 ? -1 : copy_times(to, name, &st, err);
}

static int copy_tree(int from, int to, unsigned depth, struct err *err)
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
		if (copy_entry(from, to, entry->d_name, depth, err) < 0)
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

int copyup_fill(const struct child *c, const struct plan_mount *mount, int from, struct err *err)
{
	auto_fd int to = path_open_in_root(c->root, mount->target, O_RDONLY | O_DIRECTORY, 0, err);

	if (to < 0)
		return -1;
	if (copy_top(mount, from, to, err) < 0 || copy_tree(from, to, MAX_DEPTH, err) < 0)
		return err_wrap(err, "tmpcopyup");
	return 0;
}
