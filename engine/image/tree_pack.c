/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree into a tar archive: libarchive writes the format, reading the tree is our own, by descriptor, because a container owns what is
 * read and may change it at any moment. Must never follow a link, nor open a FIFO or a device.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/tree.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/str.h"

#define BLOCK_BYTES (64 * 1024)
#define NAMES_MAX_BYTES (64 * 1024)
#define XATTR_MAX_BYTES (64 * 1024) /* the kernel's own bound */
#define MAX_DEPTH 512
#define HOLES_MAX 100000 /* of one file: more are written as zeros */

struct linked {
	ino_t ino;
	const char *path;
};

struct pack {
	struct archive *archive;
	struct tree_counts *counts;
	dev_t device;
	struct arena arena;
	struct linked *linked; /* sorted by inode */
	size_t linked_count, linked_cap;
	int out_fd;
	bool is_failed; /* nothing more is written */
	bool is_said;	/* an error has its path */
	char path[LAYER_NAME_MAX_BYTES + 1];
	char block[BLOCK_BYTES];
	char names[NAMES_MAX_BYTES], value[XATTR_MAX_BYTES];
};

static int pack_children(struct pack *p, int dir, unsigned depth, struct err *err);

static int archive_failed(const struct pack *p, struct err *err)
{
	const char *why = archive_error_string(p->archive);
	int number = archive_errno(p->archive);

	if (number > 0 && number < 4096)
		return err_errno(err, number, "archive");
	return err_set(err, ERR_SYS, "archive: %s", why ? why : "unknown");
}

/* v3 capabilities name the root of the container they belong to; outside of one map that is v2's "root" (capabilities(7)). */
static size_t plain_capability(unsigned char *value, size_t size)
{
	const unsigned char root[4] = { IDS_ROOT & 0xff, (IDS_ROOT >> 8) & 0xff,
					(IDS_ROOT >> 16) & 0xff, 0 };

	if (size != 24 || value[3] != 3 || memcmp(value + 20, root, sizeof(root)) != 0)
		return size;
	value[3] = 2;
	return 20;
}

static void add_xattr(struct pack *p, struct archive_entry *entry, int fd, const char *name)
{
	bool is_capability = str_eq(name, "security.capability");
	ssize_t size;

	if (!is_capability && (!str_starts(name, "user.") || str_starts(name, "user.overlay.")))
		return;
	size = fgetxattr(fd, name, p->value, sizeof(p->value));
	if (size < 0)
		return; /* gone since it was listed */
	if (is_capability)
		size = (ssize_t)plain_capability((unsigned char *)p->value, (size_t)size);
	archive_entry_xattr_add_entry(entry, name, p->value, (size_t)size);
}

static int add_xattrs(struct pack *p, struct archive_entry *entry, int fd, struct err *err)
{
	ssize_t size = flistxattr(fd, p->names, sizeof(p->names));

	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : err_sys(err, "extended attributes");
	for (const char *name = p->names; name < p->names + size; name += strlen(name) + 1)
		add_xattr(p, entry, fd, name);
	return 0;
}

/* Returns 1 when the file has a place in the archive, 0 when it has none. */
static int describe(struct pack *p, struct archive_entry *entry, const struct stat *st)
{
	uint32_t uid, gid;

	if (!ids_to_inside(st->st_uid, &uid) || !ids_to_inside(st->st_gid, &gid)) {
		if (!p->counts->foreign_left_out++)
			snprintf(p->counts->foreign, sizeof(p->counts->foreign), "%.80s (%u:%u)",
				 p->path, st->st_uid, st->st_gid);
		return 0;
	}
	archive_entry_set_pathname(entry, p->path);
	archive_entry_set_mode(entry, st->st_mode);
	archive_entry_set_uid(entry, uid);
	archive_entry_set_gid(entry, gid);
	archive_entry_set_mtime(entry, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	p->counts->entries++;
	return 1;
}

static int write_header(struct pack *p, struct archive_entry *entry, struct err *err)
{
	int rc = archive_write_header(p->archive, entry);

	/* Names that are no text are warned of, and written as they are. */
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 0 : archive_failed(p, err);
}

/* What is not there any more is zeros: the header promised the size. */
static int write_data(struct pack *p, int fd, int64_t size, struct err *err)
{
	while (size > 0) {
		size_t want = size < BLOCK_BYTES ? (size_t)size : BLOCK_BYTES;
		ssize_t n = read(fd, p->block, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read");
		if (n == 0) {
			memset(p->block, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(p->archive, p->block, (size_t)n) < 0)
			return archive_failed(p, err);
		size -= n;
	}
	return 0;
}

static void find_holes(struct archive_entry *entry, int fd, const struct stat *st)
{
	int64_t at = 0;

	if ((int64_t)st->st_blocks * 512 >= st->st_size)
		return;
	for (unsigned i = 0; i < HOLES_MAX && at < st->st_size; i++) {
		int64_t data = lseek(fd, at, SEEK_DATA);
		int64_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		if (data < 0 || hole < 0)
			break;
		archive_entry_sparse_add_entry(entry, data, hole - data);
		at = hole;
	}
	/* Nothing but a hole. */
	if (archive_entry_sparse_count(entry) == 0)
		archive_entry_sparse_add_entry(entry, 0, 0);
}

static int pack_file(struct pack *p, struct archive_entry *entry, int dir, const char *name,
		     struct err *err)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : err_sys(err, "open");
	if (fstat(fd, &st) < 0)
		return err_sys(err, "stat");
	/* Exchanged since it was listed. */
	if (!S_ISREG(st.st_mode) || !describe(p, entry, &st))
		return 0;
	archive_entry_set_size(entry, st.st_size);
	if (add_xattrs(p, entry, fd, err) < 0)
		return -1;
	find_holes(entry, fd, &st);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "seek");
	if (write_header(p, entry, err) < 0 || write_data(p, fd, st.st_size, err) < 0)
		return -1;
	return archive_write_finish_entry(p->archive) == ARCHIVE_OK ? 0 : archive_failed(p, err);
}

static size_t find_linked(const struct pack *p, ino_t ino)
{
	size_t low = 0, high = p->linked_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->linked[middle].ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first name of a file that has several; NULL: this is the first. */
static int first_name(struct pack *p, const struct stat *st, const char **out, struct err *err)
{
	size_t at = find_linked(p, st->st_ino);

	*out = NULL;
	if (at < p->linked_count && p->linked[at].ino == st->st_ino) {
		*out = p->linked[at].path;
		return 0;
	}
	if (p->linked_count >= TREE_MAX_LINKED)
		return err_set(err, ERR_LIMIT, "more than %u files with several names",
			       TREE_MAX_LINKED);
	if (p->linked_count == p->linked_cap) {
		size_t cap = p->linked_cap ? 2 * p->linked_cap : 64;
		struct linked *more = realloc(p->linked, cap * sizeof(*more));

		if (!more)
			return err_errno(err, ENOMEM, "names");
		p->linked = more;
		p->linked_cap = cap;
	}
	memmove(p->linked + at + 1, p->linked + at, (p->linked_count - at) * sizeof(*p->linked));
	p->linked[at] = (struct linked){ st->st_ino, arena_strdup(&p->arena, p->path) };
	p->linked_count++;
	return 0;
}

static int pack_link(struct pack *p, struct archive_entry *entry, int dir, const char *name,
		     const struct stat *st, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : err_sys(err, "readlink");
	target[n] = '\0';
	if (!describe(p, entry, st))
		return 0;
	archive_entry_set_symlink(entry, target);
	return write_header(p, entry, err);
}

static int pack_folder(struct pack *p, struct archive_entry *entry, int dir, const char *name,
		       unsigned depth, struct err *err)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 :
									       err_sys(err, "open");
	if (depth == 0)
		return err_set(err, ERR_LIMIT, "nested deeper than %d", MAX_DEPTH);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "stat");
	if (st.st_dev != p->device)
		return 0;
	if (describe(p, entry, &st) &&
	    (add_xattrs(p, entry, fd, err) < 0 || write_header(p, entry, err) < 0))
		return -1;
	return pack_children(p, fd, depth - 1, err);
}

static int pack_entry(struct pack *p, struct archive_entry *entry, int dir, const char *name,
		      unsigned depth, struct err *err)
{
	const char *first = NULL;
	struct stat st;

	if (p->counts->entries >= TREE_MAX_ENTRIES)
		return err_set(err, ERR_LIMIT, "more than %u files", TREE_MAX_ENTRIES);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "stat");
	if (S_ISDIR(st.st_mode))
		return pack_folder(p, entry, dir, name, depth, err);
	if (S_ISSOCK(st.st_mode)) {
		p->counts->sockets_left_out++;
		return 0;
	}
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		p->counts->devices_left_out++;
		return 0;
	}
	if (st.st_nlink > 1 && first_name(p, &st, &first, err) < 0)
		return -1;
	if (first) {
		if (!describe(p, entry, &st))
			return 0;
		archive_entry_set_hardlink(entry, first);
		archive_entry_set_size(entry, 0);
		return write_header(p, entry, err);
	}
	if (S_ISREG(st.st_mode))
		return pack_file(p, entry, dir, name, err);
	if (S_ISLNK(st.st_mode))
		return pack_link(p, entry, dir, name, &st, err);
	return describe(p, entry, &st) ? write_header(p, entry, err) : 0;
}

static int pack_name(struct pack *p, int dir, const char *name, unsigned depth, struct err *err)
{
	size_t before = strlen(p->path), len = strlen(name);
	struct archive_entry *entry;
	int rc;

	if (before + len + 2 > sizeof(p->path))
		return err_set(err, ERR_LIMIT, "%.150s: path is longer than %d bytes", p->path,
			       LAYER_NAME_MAX_BYTES);
	if (before)
		p->path[before] = '/';
	memcpy(p->path + before + (before > 0), name, len + 1);
	entry = archive_entry_new();
	rc = entry ? pack_entry(p, entry, dir, name, depth, err) :
		     err_errno(err, ENOMEM, "archive");
	archive_entry_free(entry);
	if (rc < 0 && !p->is_said)
		err_wrap(err, "%.200s", p->path);
	p->is_said |= rc < 0;
	p->path[before] = '\0';
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_names(int dir, struct arena *arena, const char ***out, size_t *count,
		      struct err *err)
{
	auto_dir DIR *list = path_list(dir, err);
	struct dirent *entry;

	if (!list)
		return -1;
	while ((entry = readdir(list))) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (*count >= TREE_MAX_ENTRIES)
			return err_set(err, ERR_LIMIT, "more than %u files", TREE_MAX_ENTRIES);
		*arena_push(arena, *out, *count) = arena_strdup(arena, entry->d_name);
	}
	if (*count)
		qsort(*out, *count, sizeof(**out), by_bytes);
	return 0;
}

static int pack_children(struct pack *p, int dir, unsigned depth, struct err *err)
{
	auto_arena arena = { 0 };
	const char **names = NULL;
	size_t count = 0;

	if (list_names(dir, &arena, &names, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (pack_name(p, dir, names[i], depth, err) < 0)
			return -1;
	return 0;
}

/* The top is a member, too: its owner and mode are the volume's. */
static int pack_all(struct pack *p, int root_fd, struct err *err)
{
	struct archive_entry *entry = archive_entry_new();
	struct stat st;
	int rc = 0;

	if (!entry)
		return err_errno(err, ENOMEM, "archive");
	if (fstat(root_fd, &st) < 0) {
		archive_entry_free(entry);
		return err_sys(err, "stat");
	}
	p->device = st.st_dev;
	str_copy(p->path, sizeof(p->path), "./");
	if (describe(p, entry, &st))
		rc = add_xattrs(p, entry, root_fd, err) < 0 ? -1 : write_header(p, entry, err);
	archive_entry_free(entry);
	p->path[0] = '\0';
	return rc < 0 ? -1 : pack_children(p, root_fd, MAX_DEPTH, err);
}

/* A half written archive must not get an end: libarchive writes one whenever it is closed. */
static la_ssize_t write_piece(struct archive *archive, void *arg, const void *data, size_t len)
{
	struct pack *p = arg;
	struct err err;

	if (!p->is_failed && file_write_all(p->out_fd, data, len, &err) == 0)
		return (la_ssize_t)len;
	archive_set_error(archive, p->is_failed ? EIO : err.sys_errno, "write");
	return -1;
}

int tree_pack(int root_fd, int out_fd, struct tree_counts *counts, struct err *err)
{
	struct pack *p = calloc(1, sizeof(*p));
	int rc;

	*counts = (struct tree_counts){ 0 };
	if (!p)
		return err_errno(err, ENOMEM, "archive");
	p->counts = counts;
	p->out_fd = out_fd;
	p->archive = archive_write_new();
	if (!p->archive || archive_write_set_format_pax(p->archive) != ARCHIVE_OK ||
	    archive_write_add_filter_none(p->archive) != ARCHIVE_OK ||
	    archive_write_open(p->archive, p, NULL, write_piece, NULL) != ARCHIVE_OK)
		rc = p->archive ? archive_failed(p, err) : err_errno(err, ENOMEM, "archive");
	else
		rc = pack_all(p, root_fd, err);
	if (rc == 0 && archive_write_close(p->archive) != ARCHIVE_OK)
		rc = archive_failed(p, err);
	p->is_failed = rc < 0;
	archive_write_free(p->archive);
	arena_fini(&p->arena);
	free(p->linked);
	free(p);
	return rc;
}
