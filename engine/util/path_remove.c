/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree that somebody else filled: an image's layer, a volume, what a crash left. All by
 * descriptor, so that a directory swapped for a link is an error and not a way out; at most
 * REMOVE_LEVELS directories open, whatever the depth. Must never follow a link, cross a mount, or
 * recurse on the C stack.
 */
#include "util/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/path_internal.h"
#include "util/str.h"

/* A directory found below the last level is renamed into the top of the tree, which is read again
 * when it turns out not to be empty: depth becomes width. */
#define REMOVE_LEVELS 32

struct remove_level {
	DIR *dir;      /* owned */
	bool progress; /* something went since the directory was last read from its start */
	char name[NAME_MAX + 1]; /* in the level above */
};

struct remove_walk {
	unsigned depth; /* levels open */
	unsigned long moved;
	struct remove_level levels[REMOVE_LEVELS];
};

static void remove_walk_fini(struct remove_walk *w)
{
	while (w->depth > 0)
		cleanup_dir(&w->levels[--w->depth].dir);
}

static int open_subdir(int parent, const char *name)
{
	/* RESOLVE_NO_XDEV refuses a mount point (EXDEV) without a race between stat and open. */
	return path_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

static int push_level(struct remove_walk *w, int parent, const char *name, struct err *err)
{
	struct remove_level *level = &w->levels[w->depth];
	auto_fd int fd = open_subdir(parent, name);

	if (fd < 0 && errno == EXDEV)
		return err_set(err, ERR_BUSY, "%s: something is mounted there", name);
	if (fd < 0)
		return err_sys(err, "%s: open", name);
	if (!str_copy(level->name, sizeof(level->name), name))
		return err_errno(err, ENAMETOOLONG, "%s", name);
	level->dir = fdopendir(fd);
	if (!level->dir)
		return err_sys(err, "%s: fdopendir", name);
	take_fd(&fd);
	level->progress = false;
	w->depth++;
	return 0;
}

/* Out of levels: hang the directory into the top one. */
static int move_up(struct remove_walk *w, int parent, const char *name, struct err *err)
{
	int top = dirfd(w->levels[0].dir);
	char fresh[64];

	do {
		snprintf(fresh, sizeof(fresh), ".cleat-remove-%ld-%lu", (long)getpid(), w->moved++);
	} while (faccessat(top, fresh, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	if (renameat(parent, name, top, fresh) < 0 && errno != ENOENT)
		return err_sys(err, "%s: rename", name);
	return 0;
}

static int remove_entry(struct remove_walk *w, const struct dirent *entry, struct err *err)
{
	struct remove_level *level = &w->levels[w->depth - 1];
	int parent = dirfd(level->dir);

	level->progress = true;
	if (entry->d_type != DT_DIR) {
		if (unlinkat(parent, entry->d_name, 0) == 0 || errno == ENOENT)
			return 0;
		/* d_type may be unknown, or old by now: a directory is EISDIR. */
		if (errno != EISDIR)
			return err_sys(err, "%s: unlink", entry->d_name);
	}
	/* Most directories of a tree are leaves or, after a move, empty already. */
	if (unlinkat(parent, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(err, "%s: rmdir", entry->d_name);
	if (w->depth == REMOVE_LEVELS)
		return move_up(w, parent, entry->d_name, err);
	return push_level(w, parent, entry->d_name, err);
}

/* The directory has been read to its end: take it away, or read it again. */
static int pop_level(struct remove_walk *w, int base, struct err *err)
{
	struct remove_level *level = &w->levels[w->depth - 1];
	int parent = w->depth > 1 ? dirfd(w->levels[w->depth - 2].dir) : base;

	if (unlinkat(parent, level->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		/* Directories moved here, entries skipped because others went, or somebody
		 * who is still writing: read again as long as that helps. */
		if ((errno != ENOTEMPTY && errno != EEXIST) || !level->progress)
			return err_sys(err, "%s: rmdir", level->name);
		level->progress = false;
		rewinddir(level->dir);
		return 0;
	}
	cleanup_dir(&level->dir);
	w->depth--;
	return 0;
}

static bool is_dot(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

static int remove_dir(int base, const char *name, struct err *err)
{
	__attribute__((cleanup(remove_walk_fini))) struct remove_walk w = { 0 };

	if (push_level(&w, base, name, err) < 0)
		return -1;
	while (w.depth > 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(w.levels[w.depth - 1].dir);
		if (!entry && errno != 0)
			return err_sys(err, "%s: readdir", w.levels[w.depth - 1].name);
		if (!entry ? pop_level(&w, base, err) < 0 :
			     !is_dot(entry->d_name) && remove_entry(&w, entry, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_name(int base, const char *name, struct err *err)
{
	if (unlinkat(base, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return err_sys(err, "unlink");
	return remove_dir(base, name, err);
}

int path_remove_tree(int dirfd, const char *rel, struct err *err)
{
	char parent[PATH_MAX];
	size_t len = strlen(rel);

	while (len > 0 && rel[len - 1] == '/')
		len--;
	if (len >= sizeof(parent))
		return err_errno(err, ENAMETOOLONG, "%s", rel);
	memcpy(parent, rel, len);
	parent[len] = '\0';

	char *slash = strrchr(parent, '/');
	const char *name = slash ? slash + 1 : parent;

	if (!*name || is_dot(name))
		return err_set(err, ERR_INPUT, "\"%s\" names nothing that can be removed", rel);
	if (slash)
		*slash = '\0';

	auto_fd int base = path_openat2(dirfd, slash ? (*parent ? parent : "/") : ".",
					O_PATH | O_DIRECTORY, 0,
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (base < 0 && errno == ENOENT)
		return 0;
	if (base < 0)
		return err_sys(err, "%s: openat2", rel);
	if (remove_name(base, name, err) < 0)
		return err_wrap(err, "remove %s", rel);
	return 0;
}
