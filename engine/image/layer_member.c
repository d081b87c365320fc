/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member of a layer onto disk. Order matters: owner before attributes and mode (chown clears set-id bits and
 * capabilities), times last. A name that is already there is removed first, never written through.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/layer_internal.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/str.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define XATTR_MAX_BYTES (64 * 1024) /* the kernel's XATTR_SIZE_MAX */

static int get_owner(const struct layer *layer, struct archive_entry *entry, uid_t *uid, gid_t *gid,
		     struct err *err)
{
	int64_t u = archive_entry_uid(entry), g = archive_entry_gid(entry);
	uint32_t outside;

	if (u < 0 || u > UINT32_MAX || !ids_to_outside((uint32_t)u, &outside))
		return err_set(
			err, ERR_INPUT,
			"owner %lld has no place in the id map (0-%u, %u-%u): build the image with another "
			"owner",
			(long long)u, IDS_RESERVED_FIRST - 1, IDS_RESERVED_LAST + 1, IDS_LAST);
	if (g < 0 || g > UINT32_MAX || !ids_to_outside((uint32_t)g, &outside))
		return err_set(
			err, ERR_INPUT,
			"group %lld has no place in the id map (0-%u, %u-%u): build the image with another "
			"group",
			(long long)g, IDS_RESERVED_FIRST - 1, IDS_RESERVED_LAST + 1, IDS_LAST);
	*uid = layer->options->set_owner ? (uid_t)u : (uid_t)-1;
	*gid = layer->options->set_owner ? (gid_t)g : (gid_t)-1;
	return 0;
}

static void get_times(struct archive_entry *entry, struct timespec out[2])
{
	long nsec = archive_entry_mtime_nsec(entry);

	out[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	out[1].tv_sec = archive_entry_mtime(entry);
	out[1].tv_nsec = nsec < 0 || nsec > 999999999 ? 0 : nsec;
}

static bool is_wanted_xattr(const struct layer *layer, const char *name, bool is_file)
{
	if (str_eq(name, "security.capability"))
		return is_file && layer->options->set_owner;
	/* user.overlay.* is how layers speak to overlayfs: from an image it could redirect or hide at will */
	return str_starts(name, "user.") && !str_starts(name, "user.overlay.") &&
	       strlen(name) <= 255;
}

static int set_xattrs(struct layer *layer, struct archive_entry *entry, int fd, bool is_file,
		      struct err *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!is_wanted_xattr(layer, name, is_file)) {
			layer->counts->xattrs_left_out++;
			continue;
		}
		if (size > XATTR_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "extended attribute %.80s is too large",
				       name);
		if (fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP || str_eq(name, "security.capability"))
			return err_sys(err, "extended attribute %.80s", name);
		layer->counts->xattrs_left_out++;
	}
	return 0;
}

/* Of a file or folder behind a descriptor. */
static int set_metadata(struct layer *layer, struct archive_entry *entry, int fd, bool is_file,
			struct err *err)
{
	struct timespec times[2];
	uid_t uid;
	gid_t gid;

	if (get_owner(layer, entry, &uid, &gid, err) < 0)
		return -1;
	if (fchown(fd, uid, gid) < 0)
		return err_sys(err, "chown");
	if (set_xattrs(layer, entry, fd, is_file, err) < 0)
		return -1;
	if (fchmod(fd, archive_entry_mode(entry) & 07777) < 0)
		return err_sys(err, "chmod");
	get_times(entry, times);
	if (futimens(fd, times) < 0)
		return err_sys(err, "utimens");
	return 0;
}

/* Of a link or FIFO that was just made: nobody else works in this tree, so the name still means it. */
static int set_metadata_at(struct layer *layer, struct archive_entry *entry,
			   const struct layer_place *place, struct err *err)
{
	struct timespec times[2];
	uid_t uid;
	gid_t gid;

	if (get_owner(layer, entry, &uid, &gid, err) < 0)
		return -1;
	if (fchownat(place->parent_fd, place->last, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "chown");
	get_times(entry, times);
	if (utimensat(place->parent_fd, place->last, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "utimens");
	return 0;
}

enum before { BEFORE_NOTHING, BEFORE_FOLDER, BEFORE_WHITEOUT };

/* Clears the name. A folder stays for a folder; an earlier file, link or device of the same layer goes: the last one wins. */
static int make_room(struct layer *layer, const struct layer_place *place, bool for_folder,
		     enum before *before, struct err *err)
{
	struct stat st;

	*before = BEFORE_NOTHING;
	if (fstatat(place->parent_fd, place->last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "stat");
	if (S_ISDIR(st.st_mode) && for_folder) {
		*before = BEFORE_FOLDER;
		return 0;
	}
	if (S_ISCHR(st.st_mode))
		*before = BEFORE_WHITEOUT;
	/* The way to the cached parent may lead through this very name (a link to "."). Only its name is
	 * forgotten: place still uses the descriptor. */
	layer->parent[0] = '\0';
	if (S_ISDIR(st.st_mode)) {
		if (path_remove_tree(place->parent_fd, place->last, err) < 0)
			return err_wrap(err, "replace a folder");
	} else if (unlinkat(place->parent_fd, place->last, 0) < 0) {
		return err_sys(err, "replace");
	}
	return 0;
}

static int write_at(int fd, const void *data, size_t len, int64_t offset, struct err *err)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write");
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int copy_data(struct layer *layer, struct archive *archive, int64_t size, int fd,
		     struct err *err)
{
	int64_t end = 0;

	for (;;) {
		const void *block;
		int64_t offset;
		size_t len;
		int rc = archive_read_data_block(archive, &block, &len, &offset);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return err_set(err, ERR_INTEGRITY, "torn: %s",
				       archive_error_string(archive));
		if (offset < end || offset > size || (uint64_t)len > (uint64_t)(size - offset))
			return err_set(err, ERR_INTEGRITY, "data outside its size");
		if (write_at(fd, block, len, offset, err) < 0)
			return -1;
		end = offset + (int64_t)len;
		layer->counts->data_bytes += len;
	}
	/* a hole at the end of a sparse file */
	if (end < size && ftruncate(fd, size) < 0)
		return err_sys(err, "set size %lld", (long long)size);
	return 0;
}

/* Nearly every name is free: to ask first would be a system call more for each file. */
static int create_file(struct layer *layer, const struct layer_place *place, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(place->parent_fd, place->last, flags, 0600);
	enum before before;

	if (fd < 0 && errno == EEXIST) {
		if (make_room(layer, place, false, &before, err) < 0)
			return -1;
		fd = openat(place->parent_fd, place->last, flags, 0600);
	}
	return fd < 0 ? err_sys(err, "create") : fd;
}

static int add_file(struct layer *layer, struct archive *archive, struct archive_entry *entry,
		    const struct layer_place *place, struct err *err)
{
	int64_t size = archive_entry_size(entry);

	if (size < 0)
		return err_set(err, ERR_INPUT, "negative size");
	auto_fd int fd = create_file(layer, place, err);

	if (fd < 0)
		return -1;
	if (copy_data(layer, archive, size, fd, err) < 0)
		return -1;
	return set_metadata(layer, entry, fd, true, err);
}

static int remember_folder(struct layer *layer, struct archive_entry *entry, const char *name,
			   struct err *err)
{
	struct layer_folder *folder;
	struct timespec times[2];

	if (layer->arena.total_bytes > LAYER_MAX_FOLDER_BYTES)
		return err_set(err, ERR_LIMIT, "the names of all folders need more than %d MiB",
			       LAYER_MAX_FOLDER_BYTES / (1024 * 1024));
	get_times(entry, times);
	folder = arena_push(&layer->arena, layer->folders, layer->folder_count);
	folder->name = arena_strdup(&layer->arena, name);
	folder->mtime_sec = times[1].tv_sec;
	folder->mtime_nsec = times[1].tv_nsec;
	return 0;
}

static int add_folder(struct layer *layer, struct archive_entry *entry, const char *name,
		      const struct layer_place *place, struct err *err)
{
	const char *last = *place->last ? place->last : ".";
	enum before before = BEFORE_FOLDER;

	if (*place->last && make_room(layer, place, true, &before, err) < 0)
		return -1;
	if (before != BEFORE_FOLDER && mkdirat(place->parent_fd, last, 0700) < 0)
		return err_sys(err, "mkdir");
	if (before == BEFORE_WHITEOUT && layer_set_opaque(place->parent_fd, last, err) < 0)
		return -1;
	auto_fd int fd =
		openat(place->parent_fd, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open");
	if (set_metadata(layer, entry, fd, false, err) < 0)
		return -1;
	return remember_folder(layer, entry, name, err);
}

static int add_symlink(struct layer *layer, struct archive_entry *entry,
		       const struct layer_place *place, struct err *err)
{
	const char *target = archive_entry_symlink(entry);
	enum before before;

	if (!target || *target == '\0' || strlen(target) > LAYER_NAME_MAX_BYTES)
		return err_set(err, ERR_INPUT,
			       "symbolic link without a target, or with too long a one");
	if (make_room(layer, place, false, &before, err) < 0)
		return -1;
	if (symlinkat(target, place->parent_fd, place->last) < 0)
		return err_sys(err, "symlink");
	return set_metadata_at(layer, entry, place, err);
}

static int add_fifo(struct layer *layer, struct archive_entry *entry,
		    const struct layer_place *place, struct err *err)
{
	enum before before;

	if (make_room(layer, place, false, &before, err) < 0)
		return -1;
	if (mknodat(place->parent_fd, place->last, S_IFIFO | 0600, 0) < 0)
		return err_sys(err, "mkfifo");
	if (set_metadata_at(layer, entry, place, err) < 0)
		return -1;
	if (fchmodat(place->parent_fd, place->last, archive_entry_mode(entry) & 07777, 0) < 0)
		return err_sys(err, "chmod");
	return 0;
}

/* Only what this layer has made can be linked to: a link out of the tree has no name here. */
static int add_hardlink(struct layer *layer, const char *raw_target,
			const struct layer_place *place, struct err *err)
{
	char target[LAYER_NAME_MAX_BYTES + 1];
	struct stat there, here;
	const char *last;
	enum before before;
	int fd = -1;

	if (layer_clean_name(raw_target, target, err) < 0)
		return err_wrap(err, "hard link");
	if (layer_open_parent(layer, target, &fd, &last, err) < 0)
		return err_wrap(err, "hard link to %.150s", target);
	auto_fd int parent_fd = fd;

	if (*last == '\0' || fstatat(parent_fd, last, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISCHR(there.st_mode))
		return err_set(err, ERR_INPUT, "hard link to %.150s, which is not in this layer",
			       target);
	if (S_ISDIR(there.st_mode))
		return err_set(err, ERR_INPUT, "hard link to %.150s, which is a folder", target);
	/* a link to itself is done already */
	if (fstatat(place->parent_fd, place->last, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
	    here.st_ino == there.st_ino && here.st_dev == there.st_dev)
		return 0;
	if (make_room(layer, place, false, &before, err) < 0)
		return -1;
	if (linkat(parent_fd, last, place->parent_fd, place->last, 0) < 0)
		return err_sys(err, "hard link to %.150s", target);
	return 0;
}

static int add_whiteout(struct layer *layer, const struct layer_place *place, struct err *err)
{
	const char *hidden = place->last + strlen(WHITEOUT_PREFIX);
	struct stat st;

	if (str_eq(place->last, WHITEOUT_OPAQUE)) {
		layer->counts->whiteouts++;
		return layer_set_opaque(place->parent_fd, ".", err);
	}
	if (*hidden == '\0' || str_eq(hidden, ".") || str_eq(hidden, ".."))
		return err_set(err, ERR_INPUT, "whiteout of \"%s\"", hidden);
	layer->counts->whiteouts++;
	if (fstatat(place->parent_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? layer_set_opaque(place->parent_fd, hidden, err) : 0;
	if (mknodat(place->parent_fd, hidden, S_IFCHR, makedev(0, 0)) < 0)
		return err_sys(err, "whiteout (character device 0/0): mknod");
	return 0;
}

static int add_by_type(struct layer *layer, struct archive *archive, struct archive_entry *entry,
		       const char *name, const struct layer_place *place, struct err *err)
{
	const char *hardlink = archive_entry_hardlink(entry);

	if (hardlink)
		return add_hardlink(layer, hardlink, place, err);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return add_file(layer, archive, entry, place, err);
	case AE_IFDIR:
		return add_folder(layer, entry, name, place, err);
	case AE_IFLNK:
		return add_symlink(layer, entry, place, err);
	case AE_IFIFO:
		return add_fifo(layer, entry, place, err);
	default:
		return err_set(err, ERR_UNSUPPORTED, "type of member is not supported");
	}
}

/* What is not made at all. */
static bool leave_out(struct layer *layer, struct archive_entry *entry, const char *name)
{
	/* also what lies below such a folder */
	bool is_meta = !layer->options->is_plain &&
		       (str_starts(name, WHITEOUT_META) || strstr(name, "/" WHITEOUT_META));

	if (is_meta) {
		const char *slash = strrchr(name, '/');

		if (str_eq(slash ? slash + 1 : name, WHITEOUT_OPAQUE))
			return false;
		layer->counts->aufs_left_out++;
		return true;
	}
	if (archive_entry_hardlink(entry))
		return false;
	switch (archive_entry_filetype(entry)) {
	case AE_IFCHR:
	case AE_IFBLK:
		layer->counts->devices_left_out++;
		return true;
	case AE_IFSOCK:
		layer->counts->sockets_left_out++;
		return true;
	default:
		return false;
	}
}

/* "a/.wh.b/c": no tool writes this, and readers would disagree on what it hides. */
static bool is_below_whiteout(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *part = str_starts(name, WHITEOUT_PREFIX) ? name :
							       strstr(name, "/" WHITEOUT_PREFIX);

	return slash && part && part < slash;
}

int layer_add_member(struct layer *layer, struct archive *archive, struct archive_entry *entry,
		     struct err *err)
{
	const char *raw = archive_entry_pathname(entry);
	char name[LAYER_NAME_MAX_BYTES + 1];
	struct layer_place place;
	int rc;

	if (!raw)
		return err_set(err, ERR_INPUT, "a member without a name");
	rc = layer_clean_name(raw, name, err);
	if (rc == 0 && leave_out(layer, entry, name))
		return 0;
	if (rc == 0 && *name == '\0' &&
	    (archive_entry_filetype(entry) != AE_IFDIR || archive_entry_hardlink(entry)))
		rc = err_set(err, ERR_INPUT, "the root of a layer can only be a folder");
	if (rc == 0 && !layer->options->is_plain && is_below_whiteout(name))
		rc = err_set(err, ERR_INPUT, "a whiteout is used as a folder");
	if (rc == 0)
		rc = layer_count_entry(layer, err);
	if (rc == 0)
		rc = layer_find_place(layer, name, &place, err);
	if (rc == 0 && !layer->options->is_plain && str_starts(place.last, WHITEOUT_PREFIX))
		rc = add_whiteout(layer, &place, err);
	else if (rc == 0)
		rc = add_by_type(layer, archive, entry, name, &place, err);
	return rc < 0 ? err_wrap(err, "member %.150s", raw) : 0;
}

/* In the order of the archive: of two members for one folder the last one counts. */
int layer_finish(struct layer *layer, struct err *err)
{
	for (size_t i = 0; i < layer->folder_count; i++) {
		const struct layer_folder *folder = &layer->folders[i];
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					     { folder->mtime_sec, folder->mtime_nsec } };
		struct err gone;
		auto_fd int fd = path_open_in_root(layer->root_fd,
						   *folder->name ? folder->name : ".",
						   O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &gone);

		/* replaced by a later member */
		if (fd < 0)
			continue;
		if (futimens(fd, times) < 0)
			return err_sys(err, "member %.150s: utimens", folder->name);
	}
	return 0;
}
