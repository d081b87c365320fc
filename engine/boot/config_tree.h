/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A /config that is made of what is no folder: keys of a container manager, files of a cidata disk, of QEMU's fw_cfg. It has the form of
 * any /config (units/, appliance.ini, secrets/ ...). Names come from outside: each is judged against the table of places in config_tree.c,
 * sizes are bounded. A file is replaced atomically, and only when it differs, so that the engine sees no change where there is none.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/arena.h"
#include "util/err.h"

#define CONFIG_MAX_FILE_BYTES (256u * 1024) /* as the engine reads unit files */
#define CONFIG_MAX_BYTES (4u * 1024 * 1024) /* it lies in memory */
#define CONFIG_MAX_FILES 1024u
#define CONFIG_MAX_NAME 240u /* bytes of one name: while it is written it has a suffix */

struct config_tree {
	int dir; /* owned; -1: not open */
	struct arena arena;
	const char **kept; /* what was put, relative */
	uint32_t *hashes;  /* of these names */
	unsigned count, hash_count;
	uint64_t bytes;
	unsigned unit_count; /* of the files that were put */
	bool has_changed;    /* something on the disk differs from before */
};

/* Makes the folder path, and units/ in it, where they are missing; both belong to uid then. */
int config_tree_open(struct config_tree *t, const char *path, uid_t uid,
		     struct err *err) MUST_CHECK;
/* rel: "units/web.container", "appliance.ini". ERR_INPUT, ERR_LIMIT: it is not taken, and why; nothing else is affected. */
int config_tree_put(struct config_tree *t, const char *rel, const void *data, size_t len,
		    struct err *err) MUST_CHECK;
/* Removes what was not put since config_tree_open(). */
int config_tree_finish(struct config_tree *t, struct err *err) MUST_CHECK;
/* Forgets what was put, to fill the same tree anew. */
void config_tree_restart(struct config_tree *t);
void config_tree_close(struct config_tree *t);

/* Whether rel is a place and a name that a tree takes; pure. */
int config_tree_check(const char *rel, struct err *err) MUST_CHECK;
