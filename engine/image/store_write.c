/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing half of the image store. Every change is built aside and becomes visible by one rename;
 * a completion record, written last and fsynced, makes it count. Must never touch an object that has one.
 */
#include "image/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "image/flat.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/lock.h"
#include "util/loop.h"
#include "util/path.h"
#include "util/str.h"

#define LOCK_POLL_USEC (50 * USEC_MSEC)

/* "process 12 (cleat import)": an operator has to know whom he waits for. */
static void name_holder(int fd, struct err *err)
{
	auto_buf line = BUF_INIT(4096);
	struct err ignored;
	long pid = lock_holder(fd, &ignored);
	const char *program, *slash, *word;
	char path[64];

	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	if (file_read_at(AT_FDCWD, path, line.max, &line, &ignored) < 0 || !line.len)
		return;
	program = buf_str(&line);
	word = strlen(program) + 1 < line.len ? program + strlen(program) + 1 : "";
	slash = strrchr(program, '/');
	err_set(err, ERR_BUSY, "in use by process %ld (%s%s%s)", pid, slash ? slash + 1 : program,
		word[0] ? " " : "", word);
}

int store_lock(struct store *store, uint64_t wait_usec, struct err *err)
{
	usec_t deadline = clock_now_usec() + wait_usec;

	if (store->lock_fd >= 0)
		return 0;

	auto_fd int fd = openat(store->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, "image store %s: lock", store->path);
	/* polled: F_SETLKW has no timeout but a signal, and the other import may take a minute */
	while (lock_take(fd, err) < 0) {
		if (err->code != ERR_BUSY || clock_now_usec() >= deadline) {
			if (err->code == ERR_BUSY)
				name_holder(fd, err);
			return err_wrap(err, "image store %s", store->path);
		}
		if (usleep(LOCK_POLL_USEC) < 0 && errno == EINTR)
			return err_set(err, ERR_BUSY, "image store %s: stopped while waiting",
				       store->path);
	}
	store->lock_fd = take_fd(&fd);
	return 0;
}

/* Calls fn for each name in a folder of the store until it says no. */
static int for_each_name(const struct store *store, const char *folder,
			 int (*fn)(const struct store *, const char *path, struct err *),
			 struct err *err)
{
	auto_fd int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_sys(err, "%s: open", folder);
	take_fd(&fd);
	while ((entry = readdir(dir))) {
		char path[NAME_MAX + 32];

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (fn(store, path, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_work(const struct store *store, const char *path, struct err *err)
{
	return path_remove_tree(store->fd, path, err);
}

/* What file_write_atomic() leaves behind when the power goes: no record's own name has a dot. */
static int remove_temporary(const struct store *store, const char *path, struct err *err)
{
	return strstr(path, ".tmp-") ? path_remove_tree(store->fd, path, err) : 0;
}

int store_sweep(struct store *store, struct err *err)
{
	if (for_each_name(store, "tmp", remove_work, err) < 0 ||
	    for_each_name(store, "refs", remove_temporary, err) < 0 ||
	    for_each_name(store, "archives", remove_temporary, err) < 0 ||
	    for_each_name(store, ".", remove_temporary, err) < 0)
		return err_wrap(err, "image store %s: sweep", store->path);
	return 0;
}

static int is_work(const struct store *store, const char *path, struct err *err)
{
	(void)store;
	return err_set(err, ERR_BUSY, "%.200s", path);
}

bool store_has_work_left(const struct store *store)
{
	struct err err;

	return for_each_name(store, "tmp", is_work, &err) < 0 && err.code == ERR_BUSY;
}

uint64_t store_free_bytes(const struct store *store)
{
	struct statvfs st;

	if (fstatvfs(store->fd, &st) < 0)
		return 0;
	return (uint64_t)st.f_bavail * st.f_frsize;
}

/* The lock makes pid and counter enough: nobody else names things here, and what a dead one left is swept. */
void store_work_name(struct store_work *work, const char *kind, const char *digest)
{
	static unsigned counter;

	snprintf(work->name, sizeof(work->name), "tmp/%s-%.16s-%ld-%u", kind, digest + 7,
		 (long)getpid(), counter++);
}

/* Opened by name right after it was made by us, in a folder that only root can write. */
static int open_folder(int at, const char *path, struct err *err)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "%s: open", path) : fd;
}

static int make_folder(const struct store *store, const char *path, mode_t mode, struct err *err)
{
	if (mkdirat(store->fd, path, mode) < 0)
		return err_sys(err, "%s: mkdir", path);
	auto_fd int fd = open_folder(store->fd, path, err);

	if (fd < 0)
		return -1;
	return fchmod(fd, mode) < 0 ? err_sys(err, "%s: chmod", path) : 0;
}

int store_layer_begin(struct store *store, const char *diff_id, struct store_work *work,
		      int *root_fd, struct err *err)
{
	char root[sizeof(work->name) + 8];

	store_work_name(work, "layer", diff_id);
	snprintf(root, sizeof(root), "%s/root", work->name);
	if (make_folder(store, work->name, 0711, err) < 0 ||
	    make_folder(store, root, 0755, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	auto_fd int fd = open_folder(store->fd, root, err);

	if (fd < 0)
		return -1;
	if (fchown(fd, IDS_ROOT, IDS_ROOT) < 0)
		return err_sys(err, "image store %s: %s: chown", store->path, root);
	*root_fd = take_fd(&fd);
	return 0;
}

int store_discard(struct store *store, const struct store_work *work, struct err *err)
{
	return path_remove_tree(store->fd, work->name, err);
}

int store_sync_folder(const struct store *store, const char *path, bool whole_file_system,
		      struct err *err)
{
	auto_fd int fd = open_folder(store->fd, path, err);

	if (fd < 0)
		return -1;
	if ((whole_file_system ? syncfs(fd) : fsync(fd)) < 0)
		return err_sys(err, "%s: sync", path);
	return 0;
}

/* A torn object of that name (no completion record) makes room first: it is moved aside, where a crash leaves it to the sweep. */
static int move_into_place(struct store *store, const char *from, const char *kind,
			   const char *digest, struct err *err)
{
	char path[STORE_NAME_SIZE], folder[32];
	struct store_work old;

	store_object_path(kind, digest, path);
	store_work_name(&old, "torn", digest);
	if (renameat(store->fd, path, store->fd, old.name) == 0) {
		if (store_discard(store, &old, err) < 0)
			return -1;
	} else if (errno != ENOENT) {
		return err_sys(err, "%s: move aside", path);
	}
	if (renameat(store->fd, from, store->fd, path) < 0)
		return err_sys(err, "%s: rename", path);
	snprintf(folder, sizeof(folder), "%s/sha256", kind);
	return store_sync_folder(store, folder, false, err);
}

static int write_completion(struct store *store, const char *kind, const char *digest,
			    uint64_t bytes, uint64_t entries, struct err *err)
{
	auto_buf body = BUF_INIT(FLAT_SMALL_MAX_BYTES);
	auto_buf text = BUF_INIT(FLAT_SMALL_MAX_BYTES);
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];

	flat_put(&body, "digest", digest);
	flat_put_u64(&body, "bytes", bytes);
	flat_put_u64(&body, "entries", entries);
	store_object_path(kind, digest, path);
	snprintf(file, sizeof(file), "%s/complete", path);
	if (flat_seal("complete", &body, &text, err) < 0)
		return -1;
	return file_write_atomic(store->fd, file, text.data, text.len, 0644, true, err);
}

int store_layer_commit(struct store *store, const struct store_work *work, const char *diff_id,
		       uint64_t bytes, uint64_t entries, struct err *err)
{
	/* one syncfs instead of an fsync for each of thousands of files */
	if (store_sync_folder(store, work->name, true, err) < 0 ||
	    move_into_place(store, work->name, "layers", diff_id, err) < 0 ||
	    write_completion(store, "layers", diff_id, bytes, entries, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	return 0;
}

static int write_member(struct store *store, const struct store_work *work, const char *name,
			const void *data, size_t len, struct err *err)
{
	char path[sizeof(work->name) + 32];

	snprintf(path, sizeof(path), "%s/%s", work->name, name);
	return file_write_atomic(store->fd, path, data, len, 0600, true, err);
}

static int fill_image(struct store *store, const struct store_work *work,
		      const struct buf *manifest, const struct buf *config, const struct buf *facts,
		      struct err *err)
{
	auto_buf sealed = BUF_INIT(FLAT_FACTS_MAX_BYTES);

	if (flat_seal("facts", facts, &sealed, err) < 0 ||
	    make_folder(store, work->name, 0700, err) < 0 ||
	    write_member(store, work, "manifest.json", buf_str(manifest), manifest->len, err) < 0 ||
	    write_member(store, work, "config.json", buf_str(config), config->len, err) < 0)
		return -1;
	return write_member(store, work, "facts", buf_str(&sealed), sealed.len, err);
}

int store_image_commit(struct store *store, const char *digest, const struct buf *manifest,
		       const struct buf *config, const struct buf *facts, struct err *err)
{
	struct store_work work;
	struct err ignored;

	store_work_name(&work, "image", digest);
	if (fill_image(store, &work, manifest, config, facts, err) < 0 ||
	    move_into_place(store, work.name, "images", digest, err) < 0 ||
	    write_completion(store, "images", digest, manifest->len + config->len, 0, err) < 0) {
		if (store_discard(store, &work, &ignored) < 0)
			return err_wrap(err, "image store %s (and tmp/ stays behind)", store->path);
		return err_wrap(err, "image store %s", store->path);
	}
	return 0;
}

static int write_record(struct store *store, const char *folder, const char *name, const char *kind,
			const struct buf *body, struct err *err)
{
	auto_buf text = BUF_INIT(body->max + 64);
	char encoded[STORE_NAME_SIZE], path[STORE_NAME_SIZE + 16];

	store_encode_name(name, encoded);
	snprintf(path, sizeof(path), "%s/%s", folder, encoded);
	if (flat_seal(kind, body, &text, err) < 0 ||
	    file_write_atomic(store->fd, path, text.data, text.len, 0600, true, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	return 0;
}

int store_ref_write(struct store *store, const char *name, const struct store_ref *ref,
		    struct err *err)
{
	auto_buf body = BUF_INIT(FLAT_SMALL_MAX_BYTES - 64);

	flat_put(&body, "name", name);
	flat_put(&body, "digest", ref->digest);
	if (ref->index[0])
		flat_put(&body, "index", ref->index);
	flat_put(&body, "source", ref->source);
	return write_record(store, "refs", name, "ref", &body, err);
}

int store_archive_write(struct store *store, const char *file, const char *key,
			const struct buf *body, struct err *err)
{
	auto_buf whole = BUF_INIT(FLAT_ARCHIVE_MAX_BYTES - 64);

	flat_put(&whole, "file", file);
	flat_put(&whole, "key", key);
	buf_add(&whole, buf_str(body), body->len);
	return write_record(store, "archives", file, "archive", &whole, err);
}

int store_archive_read(const struct store *store, const char *file, const char *key,
		       struct buf *out, struct err *err)
{
	auto_buf text = BUF_INIT(FLAT_ARCHIVE_MAX_BYTES);
	char encoded[STORE_NAME_SIZE], path[STORE_NAME_SIZE + 16];
	struct flat_reader reader;
	struct flat_line line;

	store_encode_name(file, encoded);
	snprintf(path, sizeof(path), "archives/%s", encoded);
	if (store_read_file(store, path, FLAT_ARCHIVE_MAX_BYTES, &text, err) < 0 ||
	    flat_open(text.data, text.len, "archive", &reader, err) < 0)
		return -1;
	if (flat_next(&reader, &line, err) < 0)
		return -1;
	if (!line.key || !str_eq(line.key, "file") || !str_eq(line.value, file))
		return err_set(err, ERR_NOT_FOUND, "%s is of another archive", path);
	if (flat_next(&reader, &line, err) < 0)
		return -1;
	if (!line.key || !str_eq(line.key, "key") || !str_eq(line.value, key))
		return err_set(err, ERR_NOT_FOUND, "%s: the archive has changed", path);
	buf_clear(out);
	if (buf_add(out, reader.at, (size_t)(reader.end - reader.at)) < 0)
		return buf_check(out, "archive record", err);
	return 0;
}
