/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Named volumes on disk: content in DIR/NAME, what is known of it in DIR/.cleat/NAME (runtime/volume.h says what else lies there).
 * A folder without a record is a volume all the same: it was put there by hand. Nothing here walks a tree but volume_store_remove().
 * DIR is CLEAT_VOLUME_DIR; callers are the appliance's root, containers own everything below DIR/NAME.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spec/volume.h"

#define VOLUME_RECORD_MAX_BYTES (64 * 1024)
#define VOLUME_STORE_MAX 4096

struct volume_record {
	struct volume_spec spec; /* spec.name: of the folder */
	int64_t created_usec;	 /* since 1970; of a volume without record the folder's own time */
};

/* The folder of all volumes; make: it is made when it is missing. ERR_NOT_FOUND. */
int volume_store_open(const char *dir, bool make, struct err *err) MUST_CHECK;

/* Makes the volume unless it is there: only mkdir, a small file and a rename. Its owner is spec's, else root of the container.
 * A volume that is there keeps its record. *made may be NULL. ERR_SYS with EROFS, ENOSPC ... */
int volume_store_make(int store, const struct volume_spec *spec, int64_t now_usec, bool *made,
		      struct err *err) MUST_CHECK;

/* What is known of one. ERR_NOT_FOUND: neither folder nor record (a volume that is no folder has only that). ERR_INTEGRITY: the
 * record cannot be understood. */
int volume_store_read(int store, const char *name, struct arena *arena, struct volume_record *out,
		      struct err *err) MUST_CHECK;
/* All of them, sorted by name; one whose record is damaged is listed as if it had none. ERR_LIMIT: more than VOLUME_STORE_MAX. */
int volume_store_list(int store, struct arena *arena, struct volume_record **out, size_t *count,
		      struct err *err) MUST_CHECK;

/* The lock that a start holds while it fills the volume; ERR_BUSY when somebody has it. Returns a descriptor. */
int volume_store_lock(int store, const char *name, struct err *err) MUST_CHECK;

/* Removes content and record. First it gets out of sight in one rename, so that half a volume never looks like one; what a crash
 * leaves is removed by the next call for any volume. Blocks as long as the tree is large. */
int volume_store_remove(int store, const char *name, struct err *err) MUST_CHECK;

/* An empty folder beside the volumes, for content that is to become that of one; owner and mode are the volume's. The caller fills it
 * and calls commit. Returns its descriptor. */
int volume_store_stage(int store, const char *name, struct err *err) MUST_CHECK;
/* The staged content takes the place of the volume's, which is removed; on disk before it is visible. */
int volume_store_commit(int store, const char *name, int staged, struct err *err) MUST_CHECK;
void volume_store_unstage(int store, const char *name);
