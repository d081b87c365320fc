/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The import coordinator (cleat import): privileged, so it parses no tar and no JSON. import.c: command line and records;
 * import_archives.c: what lies in the image folder; import_image.c: one image into the store; import_layers.c: its layers,
 * two at a time.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "image/ref.h"
#include "image/store_internal.h"
#include "image/worker.h"
#include "image/worker_internal.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/digest.h"
#include "util/err.h"

#define IMPORT_MAX_ARCHIVES 1000
#define IMPORT_MAX_ENTRIES \
	2000 /* images in one archive's record, nested indexes counted by their chosen one */
#define IMPORT_MAX_NAMES 16 /* of one image */
#define IMPORT_MAX_JOBS 2

struct import_entry {
	char digest[DIGEST_STR_LEN + 1]; /* of the manifest, or of an index without a usable one */
	char index[DIGEST_STR_LEN + 1];	 /* of the index that it was chosen from, "" */
	uint64_t size;			 /* of the manifest */
	const char *names[IMPORT_MAX_NAMES];
	size_t name_count;
	const char *problem; /* NULL: usable */
};

struct import_archive {
	const char *file; /* name in the image folder */
	const char *path; /* absolute */
	char key[64];	  /* size and mtime */
	struct timespec mtime;
	const char *problem; /* NULL: readable */
	struct import_entry *entries;
	size_t entry_count;
};

struct import {
	struct store *store;
	const char *image_dir; /* absolute */
	int record_fd;	       /* -1: lines on standard output */
	bool json;
	uint64_t max_bytes; /* of one layer, plain; 0: by free space */
	uint64_t max_entries;
	uint64_t wait_usec; /* for the lock */
	struct arena arena;
	struct import_archive *archives; /* sorted by name */
	size_t archive_count;
	bool failed; /* some reference could not be had */
};

/* Sends a record (blocking, but progress is dropped when the reader is slow). */
void import_emit(struct import *imp, const struct import_record *record);
struct import_record import_record_new(enum import_kind kind, const char *ref, const char *digest,
				       const char *text);

/* Lists the image folder and learns what each archive holds, from the store's record or by a scan. Broken ones are
 * told as IMPORT_ARCHIVE_ERROR. */
int import_list_archives(struct import *imp, struct err *err) MUST_CHECK;
/* The archive and entry that mean ref: usable before unusable, newest archive, then last name. False: none. */
bool import_match(const struct import *imp, const struct image_ref *ref,
		  const struct import_archive **archive, const struct import_entry **entry);
/* For "missing": what there is. */
void import_describe_archives(const struct import *imp, struct buf *out);
/* Opens it again and checks that it is still the one that was listed. */
int import_open_archive(const struct import_archive *archive, int *fd, struct err *err) MUST_CHECK;

struct import_layer {
	char blob[DIGEST_STR_LEN + 1], diff_id[DIGEST_STR_LEN + 1];
	uint64_t size;
};

struct import_counts { /* what layers held that was not kept */
	uint64_t devices, sockets, xattrs, aufs;
};

/* Puts a complete image into the store; the lock is held. */
int import_image(struct import *imp, const struct import_archive *archive,
		 const struct import_entry *entry, const char *ref, struct import_counts *counts,
		 struct err *err) MUST_CHECK;
/* Unpacks those layers that the store does not have. */
int import_layers(struct import *imp, int archive_fd, const struct import_layer *layers,
		  size_t count, const char *ref, struct import_counts *counts,
		  struct err *err) MUST_CHECK;
