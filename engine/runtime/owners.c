/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive chown that a container cannot turn against the appliance: directories are entered by openat with O_NOFOLLOW,
 * names are changed with AT_SYMLINK_NOFOLLOW. Whoever swaps a name meanwhile can only have something else of the same folder
 * changed. Must never open a path.
 */
#include "runtime/owners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

struct walk {
	uint32_t uid, gid;
	dev_t device;
	unsigned entries;
};

static int change_children(struct walk *w, DIR *list, unsigned depth, struct err *err);

/* chown(2) would clear set-id bits and capabilities, and dirty the inode, even if nothing changes. */
static int change_one(const struct walk *w, int dir, const char *name, const struct stat *st,
		      struct err *err)
{
	if (st->st_uid == w->uid && st->st_gid == w->gid)
		return 0;
	if (fchownat(dir, name, w->uid, w->gid,
		     AT_SYMLINK_NOFOLLOW | (name[0] ? 0 : AT_EMPTY_PATH)) < 0 &&
	    errno != ENOENT)
		return err_sys(err, "%s: chown", name[0] ? name : ".");
	return 0;
}

/* One descriptor a level: 512 levels have to fit into the usual 1024. */
static DIR *list_of(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list)
		close_fd(&fd);
	return list;
}

/* Names of folders on the way are not put before an error: there may be hundreds. */
static int change_directory(struct walk *w, int dir, const char *name, unsigned depth,
			    struct err *err)
{
	auto_dir DIR *list = list_of(dir, name);
	struct stat st;

	/* Removed or replaced since it was listed. */
	if (!list && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (!list)
		return err_sys(err, "%s: open", name);
	if (depth == 0)
		return err_set(err, ERR_LIMIT, "%s: nested deeper than %d", name, OWNERS_MAX_DEPTH);
	if (fstat(dirfd(list), &st) < 0)
		return err_sys(err, "%s: stat", name);
	if (st.st_dev != w->device)
		return 0;
	if (change_children(w, list, depth - 1, err) < 0)
		return -1;
	return change_one(w, dirfd(list), "", &st, err);
}

static int change_entry(struct walk *w, int dir, const char *name, unsigned depth, struct err *err)
{
	struct stat st;

	if (++w->entries > OWNERS_MAX_ENTRIES)
		return err_set(err, ERR_LIMIT, "more than %u files: change their owner by hand",
			       OWNERS_MAX_ENTRIES);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s: stat", name);
	if (S_ISDIR(st.st_mode))
		return change_directory(w, dir, name, depth, err);
	return st.st_dev == w->device ? change_one(w, dir, name, &st, err) : 0;
}

static int change_children(struct walk *w, DIR *list, unsigned depth, struct err *err)
{
	struct dirent *entry;

	while ((entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (change_entry(w, dirfd(list), entry->d_name, depth, err) < 0)
			return -1;
	}
	return 0;
}

int owners_change(int top, uint32_t uid, uint32_t gid, struct err *err)
{
	struct walk w = { .uid = uid, .gid = gid };
	struct stat st;

	if (fstat(top, &st) < 0)
		return err_sys(err, "stat");
	w.device = st.st_dev;
	if (S_ISDIR(st.st_mode)) {
		auto_dir DIR *list = list_of(top, ".");

		if (!list)
			return err_sys(err, "open");
		if (change_children(&w, list, OWNERS_MAX_DEPTH, err) < 0)
			return -1;
	}
	return change_one(&w, top, "", &st, err);
}
