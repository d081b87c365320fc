/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The import coordinator (cleat import): privileged, so it parses no tar and no JSON. import.c: command line and records;
 * import_archives.c: what lies in the image folder; import_image.c: one image of it into the store; import_registry.c: the same from
 * a registry; import_layers.c: layers, two at a time; import_room.c: room for them.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "image/fetch_internal.h"
#include "image/pull.h"
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
	bool has_request;   /* else: archives and store only */
	struct pull_request request;
	struct arena arena;
	struct import_archive *archives; /* sorted by name */
	size_t archive_count;
	const char **notes; /* told already */
	size_t note_count;
	bool failed;	/* some reference could not be had */
	bool try_again; /* the disk was full, and room was made: once more may do */
	void (*on_record)(const struct import_record *record,
			  void *arg); /* instead of the above; NULL: none */
	void *on_record_arg;
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

/* An image as fetch describes it. */
struct import_description {
	struct buf manifest, config, facts;
	struct import_layer layers[STORE_MAX_LAYERS];
	size_t layer_count;
	bool layer_open; /* a blob came, its diff id not yet */
};
struct import_description *import_description_new(struct import *imp);
void import_description_fini(struct import_description *d);
int import_description_line(const struct flat_line *line, struct import_description *d,
			    struct err *err) MUST_CHECK;
/* Whole, and of that manifest. */
int import_description_check(const struct import_description *d, const char *digest,
			     struct err *err) MUST_CHECK;

/* Is the image complete, layers and all? */
bool import_is_complete(struct import *imp, const char *digest);
/* The same by reference; out: which it is. */
bool import_find(struct import *imp, const struct image_ref *ref, struct store_ref *out);
/* Locks the store, once, and clears away what a dead import left. name: for which image, when it has to be waited for; or NULL. */
int import_take_store(struct import *imp, const char *name, struct err *err) MUST_CHECK;
/* Writes a reference's record, unless it says the same already. */
int import_write_name(struct import *imp, const char *name, const struct store_ref *now,
		      struct err *err) MUST_CHECK;
/* Somebody wants this process to end (SIGTERM, SIGINT), or nobody wants its work and it does not get on: -1 with the reason. What is half
 * done is undone on the way out. */
int import_is_stopped(struct err *err) MUST_CHECK;
/* Bytes have arrived, or something was finished. */
void import_got_on(void);

/* What an open archive holds; remembered in the store when archive->file is set. */
int import_scan_archive(struct import *imp, struct import_archive *archive, int fd,
			struct err *err) MUST_CHECK;
/* import_image() from an archive that is open: a plain file or the directory of a layout. */
int import_image_fd(struct import *imp, int archive_fd, const struct import_entry *entry,
		    const char *ref, struct import_counts *counts, struct err *err) MUST_CHECK;
/* Puts a complete image into the store; the lock is held. */
int import_image(struct import *imp, const struct import_archive *archive,
		 const struct import_entry *entry, const char *ref, struct import_counts *counts,
		 struct err *err) MUST_CHECK;

/* The process that asks a registry, and what it said (image/fetch_internal.h). */
struct import_remote {
	struct import *imp;
	struct worker worker;
	int orders_fd;
	char root[64]; /* its root folder; "" when there is none */
	struct import_description *description;
	char candidates[FETCH_MAX_CANDIDATES][REF_MAX];
	size_t candidate_count, note_count;
	bool may_ask, is_unchanged, is_ready;
	bool is_here;	    /* under its full name: nobody was asked */
	bool is_newer;	    /* pull_want.only_asks */
	char name[REF_MAX]; /* in full */
	char from[256];
	char digest[DIGEST_STR_LEN + 1], index[DIGEST_STR_LEN + 1];
};

struct import_outcome {
	char digest[DIGEST_STR_LEN + 1];
	char from[256];
	bool is_unchanged, is_here, is_newer;
	struct import_counts counts;
};

/* Asks the registry and puts the image into the store. known: what the store has by that name, NULL for nothing. ERR_BUSY and
 * ERR_SYS are worth another try. */
int import_from_registry(struct import *imp, const struct pull_want *want,
			 const struct store_ref *known, struct import_outcome *out,
			 struct err *err) MUST_CHECK;
/* A pipe for the layer's compressed bytes; fd stays the caller's. */
int import_remote_layer(struct import_remote *remote, size_t layer, int fd,
			struct err *err) MUST_CHECK;

/* Collects garbage until so much is free; layers are those of the image on its way. True: something went. The lock is held. */
bool import_make_room(struct import *imp, const struct import_layer *layers, size_t count,
		      uint64_t want_free_bytes);
/* It did not fit after all: layers that were whole already, and that no image has, go. */
void import_give_back(struct import *imp);

struct import_source { /* of layers: one of the two */
	int archive_fd;
	struct import_remote *remote;
};

/* Unpacks those layers that the store does not have. */
int import_layers(struct import *imp, const struct import_source *source,
		  const struct import_layer *layers, size_t count, const char *ref,
		  struct import_counts *counts, struct err *err) MUST_CHECK;
