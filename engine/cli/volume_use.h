/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who has a volume: containers that run (their config.json mounts it) and units that name it. Asks no engine. */
#include <stdbool.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

struct volume_user {
	const char *volume; /* its name */
	const char *who;    /* the container's name, or the unit's file */
	bool is_running;
};

struct volume_use {
	struct arena arena;
	struct volume_user *users;
	size_t count;
	const char *unsure; /* a unit with errors, which may name any; NULL: none */
};

/* container_dir: CLEAT_CONTAINER_DIR, unit_dir: CLEAT_UNIT_DIR, volume_dir: CLEAT_VOLUME_DIR as it stands in config.json. What is not
 * there names nobody. The struct must be zeroed; volume_use_fini() in any case. */
int volume_use_find(struct volume_use *use, const char *container_dir, const char *unit_dir,
		    const char *volume_dir, struct err *err) MUST_CHECK;
void volume_use_fini(struct volume_use *use);

/* Is there anybody; which of them to ask for: running containers only, or units, too. */
bool volume_use_has(const struct volume_use *use, const char *volume, bool running_only);
/* "web, backup.container" */
void volume_use_write(const struct volume_use *use, const char *volume, bool running_only,
		      struct buf *out);
