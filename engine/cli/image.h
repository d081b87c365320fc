/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the commands about images share: the store, who needs what in it, sizes and ages. */
#include <stdbool.h>
#include <stdint.h>

#include "image/store_admin.h"
#include "util/buf.h"
#include "util/err.h"

#define IMAGE_LOCK_WAIT_USEC UINT64_C(120000000)
#define IMAGE_SHORT_ID 12
#define IMAGE_ID_LENGTH 71 /* "sha256:" and 64 digits */

/* The store at path, which has to be there (none is made by looking). write: not read-only, locked, swept. NULL after saying why on
 * stderr. */
struct store *cli_store_open(const char *command, const char *path, bool write);
/* To read it; nothing is said. NULL and the reason. */
struct store *cli_store_look(const char *path, bool *read_only, struct err *err);
/* Of the appliance's store: what "image inspect" says of one image, without the array around it; the digest that containers made from it
 * have. word: name, id, digest, or what these begin with. */
int cli_image_json(const char *word, struct buf *out, struct err *err) MUST_CHECK;
int cli_image_digest(const char *word, char digest[80], struct err *err) MUST_CHECK;
/* The store's lock; who has to be waited for is said on stderr. is_ours: the appliance's. Nothing has been done before it is held, so
 * Ctrl-C simply ends the process. */
int cli_store_take(struct store *store, const char *command, bool is_ours,
		   struct err *err) MUST_CHECK;
/* Units of unit_dir (a missing folder holds none), what the engine publishes, running containers. */
int cli_keepers(struct store_keep *keep, const char *unit_dir, struct err *err) MUST_CHECK;
/* "77.8 MB", as podman writes sizes: powers of 1000, three digits. */
void cli_size(uint64_t bytes, char out[24]);
/* Name and tag of a reference; false for one with a digest. repository has REF_MAX bytes, tag 129. */
bool cli_split_name(const char *name, char *repository, char *tag);
