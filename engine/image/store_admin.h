/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What lies in the store, who needs it, and away with the rest. Lists by reading records, nothing is counted on disk: a layer
 * belongs to every image whose facts name it. Removing goes by order: names (unlink, fsync), then the image (renamed into tmp/,
 * fsync), then its layers (renamed into tmp/, looked at once more, deleted), so that at any instant whatever has a completion
 * record is whole, and what a crash leaves lies in tmp/ and is swept. Blocks (tree removal): never in the engine's loop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/store.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define STORE_MAX_IMAGES 10000

struct store_layer {
	char diff_id[80];
	uint64_t bytes; /* plain bytes, by its completion record */
	bool complete;
	unsigned images; /* complete images that have it */
};

struct store_entry {
	char digest[80]; /* of the manifest: its name in the store */
	char id[80];	 /* of the config: what podman calls the image's id */
	const char *created, *os, *architecture,
		*variant; /* as the config says; "" unknown; hostile text */
	const char **
		names; /* references that mean it, sorted; hostile text no longer: all pass ref_parse() */
	size_t name_count;
	struct store_layer **layers; /* of store_list.layers, bottom first */
	size_t layer_count;
	uint64_t bytes;	     /* sum of its layers */
	int64_t used_sec;    /* last use (store_image_used), since 1970 */
	const char *problem; /* NULL: every layer is there */
};

struct store_list {
	struct store_entry *images; /* sorted by digest; only those with a completion record */
	size_t image_count;
	struct store_layer
		*layers; /* sorted by diff id; all that lie there, and those that are missing */
	size_t layer_count;
	size_t torn; /* objects without a good record, and names that lead to nothing */
	const char *
		unsure; /* a record could not be read (not: is torn): nothing is removed by this list; NULL: all were */
};

/* All of it, in the arena. ERR_LIMIT above STORE_MAX_IMAGES. */
int store_list_read(const struct store *store, struct arena *arena, struct store_list *out,
		    struct err *err) MUST_CHECK;
/* By reference ("app" also means localhost/app and docker.io/library/app, in this order), digest, id, or the beginning (4 digits at
 * least) of either's hex. name_out (may be NULL): which of its names it was, NULL when found by digest or id. ERR_NOT_FOUND;
 * ERR_INPUT: several begin so, or text is no reference. */
const struct store_entry *store_list_find(const struct store_list *list, const char *text,
					  const char **name_out, struct err *err);

/* Was used now: what is not needed goes in the order of use. A hint: not synced, errors do not matter. */
void store_image_used(const struct store *store, const char *digest);

/* Who needs what. Zeroed at first. */
struct store_keeper {
	const char *who;     /* for people: "web.container", "container 0123456789ab" */
	const char *name;    /* a reference in canonical form, or NULL */
	const char *digest;  /* of a manifest or of an index, or NULL */
	const char **layers; /* diff ids of a running container's root */
	size_t layer_count;
};
struct store_keep {
	struct arena arena;
	struct store_keeper *keepers;
	size_t count;
};
/* A reference as a unit has it. What is no reference keeps nothing. */
void store_keep_name(struct store_keep *keep, const char *who, const char *reference);
void store_keep_digest(struct store_keep *keep, const char *who, const char *digest);
/* An import under way: layers that no record names yet. */
void store_keep_layer(struct store_keep *keep, const char *who, const char *diff_id);
/* The containers of container_dir (CLEAT_CONTAINER_DIR): each layer that a config.json names. A missing folder is no error; one
 * that cannot be read is, as nothing may be removed then. */
int store_keep_running(struct store_keep *keep, const char *container_dir,
		       struct err *err) MUST_CHECK;
void store_keep_fini(struct store_keep *keep);
/* Who keeps the image; NULL: nobody. is_running_out (may be NULL): its layers are in use, not only its name. */
const char *store_keep_user(const struct store_keep *keep, const struct store_entry *image,
			    bool *is_running_out);

struct store_removed {
	unsigned names, images, layers;
	uint64_t bytes; /* of the layers */
	struct buf *
		told; /* borrowed, may be NULL: a line for each name and image, "Untagged: NAME", "Deleted: ID" */
};
/* Waits at most wait_usec for the lock that importing and removing take, keeps it until store_close(), and sweeps. */
int store_take(struct store *store, uint64_t wait_usec, struct err *err) MUST_CHECK;
/* All of these want the lock held. container_dir: looked at again between taking a layer aside and deleting it; a layer
 * that came into use meanwhile is put back. NULL: no container runs. */
int store_untag(struct store *store, const char *name, struct store_removed *out,
		struct err *err) MUST_CHECK;
/* Names, record, and the layers that no other image and no keeper has. */
int store_remove_image(struct store *store, const struct store_entry *image,
		       const struct store_keep *keep, const char *container_dir,
		       struct store_removed *out, struct err *err) MUST_CHECK;
/* What nobody can ever use: layers of no image, torn objects, names that lead to nothing. */
int store_remove_orphans(struct store *store, const struct store_keep *keep,
			 const char *container_dir, struct store_removed *out,
			 struct err *err) MUST_CHECK;

/* Garbage collection: orphans, then images that no keeper names, least recently used first, until want_free_bytes are free on
 * the store's file system (0: only orphans; UINT64_MAX: all that may go). Not reaching it is no error: look at
 * store_free_bytes(). Only with the lock held. */
int store_gc(struct store *store, const struct store_keep *keep, const char *container_dir,
	     uint64_t want_free_bytes, struct store_removed *out, struct err *err) MUST_CHECK;
uint64_t store_free_bytes(const struct store *store);
/* Below this much free space an import collects garbage before it begins. */
#define STORE_LOW_BYTES (UINT64_C(256) * 1024 * 1024)
