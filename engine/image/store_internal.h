/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The writing half of the store, for the import coordinator only (it blocks: fsync, syncfs, tree removal). Everything
 * is built below tmp/ under a name that store_work_name() gave and moved into place when it is whole; whatever a crash
 * leaves there is swept by the next coordinator that holds the lock.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "image/store.h"
#include "image/store_admin.h"
#include "util/buf.h"
#include "util/digest.h"
#include "util/err.h"

#define STORE_NAME_SIZE 256 /* a file name below refs/ or archives/, with its NUL */
#define STORE_MAX_LAYERS 128

struct store {
	int fd;	     /* owned, O_DIRECTORY */
	int lock_fd; /* owned; -1: not locked by us */
	bool read_only;
	char path[PATH_MAX]; /* absolute */
};

/* File name of a reference or an archive: what is not [A-Za-z0-9_-] becomes %XX, a long name ends in a digest of the whole. */
void store_encode_name(const char *text, char out[STORE_NAME_SIZE]);
/* "layers/sha256/HEX" or "images/sha256/HEX" of a valid digest. */
void store_object_path(const char *kind, const char *digest, char out[STORE_NAME_SIZE]);
/* Reads a record file of the store; ERR_NOT_FOUND, ERR_INTEGRITY. */
int store_read_file(const struct store *store, const char *path, size_t max, struct buf *out,
		    struct err *err) MUST_CHECK;

/* Waits at most wait_usec for the store's lock; ERR_BUSY names the holder. Keeps it until store_close(). */
int store_lock(struct store *store, uint64_t wait_usec, struct err *err) MUST_CHECK;
/* Removes everything below tmp/ and the temporary files of records; only with the lock held. */
int store_sweep(struct store *store, struct err *err) MUST_CHECK;
bool store_has_work_left(const struct store *store);

/* 0: complete. ERR_NOT_FOUND: not there; ERR_INTEGRITY: there without a good completion record. */
int store_check_layer(const struct store *store, const char *diff_id, struct err *err) MUST_CHECK;
int store_check_image(const struct store *store, const char *digest, struct err *err) MUST_CHECK;

struct store_work {
	char name[96]; /* "tmp/..." */
};
/* A name below tmp/ that nobody else has; only with the lock held. */
void store_work_name(struct store_work *work, const char *kind, const char *digest);
/* fsync of a folder of the store, or syncfs of its file system. */
int store_sync_folder(const struct store *store, const char *path, bool whole_file_system,
		      struct err *err) MUST_CHECK;
/* Makes tmp/NAME/root, owned by container root, and opens it. */
int store_layer_begin(struct store *store, const char *diff_id, struct store_work *work,
		      int *root_fd, struct err *err) MUST_CHECK;
/* syncfs, rename into place, fsync of the folder, completion record. */
int store_layer_commit(struct store *store, const struct store_work *work, const char *diff_id,
		       uint64_t bytes, uint64_t entries, struct err *err) MUST_CHECK;
int store_discard(struct store *store, const struct store_work *work, struct err *err) MUST_CHECK;
/* The image record; facts is the body of a flat record. Replaces a torn one. */
int store_image_commit(struct store *store, const char *digest, const struct buf *manifest,
		       const struct buf *config, const struct buf *facts,
		       struct err *err) MUST_CHECK;

struct store_ref {
	char digest[DIGEST_STR_LEN + 1];
	char index[DIGEST_STR_LEN + 1]; /* of the index that it was chosen from; "" */
	char source[PATH_MAX + 128];
};
int store_ref_read(const struct store *store, const char *name, struct store_ref *out,
		   struct err *err) MUST_CHECK;
int store_ref_write(struct store *store, const char *name, const struct store_ref *ref,
		    struct err *err) MUST_CHECK;
/* The text of store_ref.source: path, size and mtime of an archive and the mtime of its folder. */
int store_source_of(const char *path, char *out, size_t size, struct err *err) MUST_CHECK;

/* The same of an image that came from a registry: "registry FROM FOLDER MTIME", current until something is put into the folder of
 * archives, which would win. from NULL: out holds an earlier source, whose FROM is kept. */
int store_source_of_registry(const char *from, const char *image_dir, char *out, size_t size,
			     struct err *err) MUST_CHECK;

/* What an archive holds: body as the scan gave it, key is size and mtime. ERR_NOT_FOUND when unknown or changed. */
int store_archive_read(const struct store *store, const char *file, const char *key,
		       struct buf *out, struct err *err) MUST_CHECK;
int store_archive_write(struct store *store, const char *file, const char *key,
			const struct buf *body, struct err *err) MUST_CHECK;
