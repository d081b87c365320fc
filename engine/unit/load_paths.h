/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where podman's generator looks for units (podman-systemd.unit(5), "Podman rootful / rootless unit search path"), as a
 * function of an environment that is given: nothing is read in here.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"

/* The environment of a generator. NULL: not set. */
struct unit_search {
	bool is_user;	/* for a user's own manager */
	bool is_podman; /* podman's slips, too: root reads the users' folders of /usr/share */
	const char *unit_dirs;	 /* QUADLET_UNIT_DIRS: colons between, replaces all the others */
	const char *runtime_dir; /* XDG_RUNTIME_DIR */
	const char *config_home; /* XDG_CONFIG_HOME */
	const char *home;	 /* HOME */
	unsigned uid;
};

/* What is passed over below a folder. */
enum unit_dir_rule {
	UNIT_DIR_ALL,	    /* nothing */
	UNIT_DIR_NOT_USERS, /* the users folder */
	UNIT_DIR_NOT_NUMBERS, /* folders of the users folder that are named by a number: of other users */
};

struct unit_dir {
	const char *path;
	enum unit_dir_rule rule;
	const char *users; /* the users folder that the rule is about; "" for UNIT_DIR_ALL */
};

struct unit_dirs {
	struct unit_dir *items; /* in search order: the first file of a name wins; need not exist */
	size_t count;
	const char *problem; /* why some are missing; "": none are */
};

/* At most UNIT_DIRS_MAX; strings live in the arena or are literals. */
#define UNIT_DIRS_MAX 64
struct unit_dirs unit_search_dirs(struct arena *arena, const struct unit_search *search);
