/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders that podman's generator searches, in its order, for the system's manager and for a user's. Must never look at the
 * file system: whether a folder is there is found out by who reads it.
 */
#include "unit/load_paths.h"

#include "util/str.h"

#define RUN_DIR "/run/containers/systemd"
#define ADMIN_DIR "/etc/containers/systemd"
#define DISTRO_DIR "/usr/share/containers/systemd"
#define ADMIN_USERS_DIR ADMIN_DIR "/users"
#define DISTRO_USERS_DIR DISTRO_DIR "/users"

static void add(struct arena *arena, struct unit_dirs *dirs, const char *path,
		enum unit_dir_rule rule, const char *users)
{
	if (dirs->count == UNIT_DIRS_MAX) {
		dirs->problem =
			"QUADLET_UNIT_DIRS: more than 64 folders: the others are not searched";
		return;
	}
	*arena_push(arena, dirs->items, dirs->count) = (struct unit_dir){ path, rule, users };
}

/* Up to the first that is not absolute: podman's generator ends there, too. */
static void add_listed(struct arena *arena, struct unit_dirs *dirs, const char *list)
{
	for (;;) {
		const char *dir = arena_strndup(arena, list, strcspn(list, ":"));

		if (dir[0] != '/') {
			dirs->problem = arena_printf(
				arena,
				"QUADLET_UNIT_DIRS: '%s' is not a valid file path, because it is not absolute: it and what follows it are not searched",
				dir);
			return;
		}
		add(arena, dirs, dir, UNIT_DIR_ALL, "");
		list += strlen(dir);
		if (!*list++)
			return;
	}
}

static bool is_set(const char *value)
{
	return value && value[0];
}

/* False when nothing says where the user's files are: podman's generator then searches no further folder either. */
static bool add_own(struct arena *arena, struct unit_dirs *dirs, const struct unit_search *search)
{
	if (is_set(search->runtime_dir))
		add(arena, dirs, arena_printf(arena, "%s/containers/systemd", search->runtime_dir),
		    UNIT_DIR_ALL, "");
	if (is_set(search->config_home) && search->config_home[0] != '/') {
		dirs->problem = "the path in $XDG_CONFIG_HOME is not absolute";
		return false;
	}
	if (!is_set(search->config_home) && !is_set(search->home)) {
		dirs->problem = "neither $XDG_CONFIG_HOME nor $HOME are defined";
		return false;
	}
	add(arena, dirs,
	    is_set(search->config_home) ?
		    arena_printf(arena, "%s/containers/systemd", search->config_home) :
		    arena_printf(arena, "%s/.config/containers/systemd", search->home),
	    UNIT_DIR_ALL, "");
	return true;
}

static void add_for_users(struct arena *arena, struct unit_dirs *dirs,
			  const struct unit_search *search)
{
	/* podman's rule knows the users folder of /etc only, so that of /usr/share is read with all users'. */
	const char *distro_users = search->is_podman ? ADMIN_USERS_DIR : DISTRO_USERS_DIR;

	add(arena, dirs, ADMIN_USERS_DIR, UNIT_DIR_NOT_NUMBERS, ADMIN_USERS_DIR);
	add(arena, dirs, arena_printf(arena, "%s/%u", ADMIN_USERS_DIR, search->uid), UNIT_DIR_ALL,
	    "");
	add(arena, dirs, DISTRO_USERS_DIR, UNIT_DIR_NOT_NUMBERS, distro_users);
	add(arena, dirs, arena_printf(arena, "%s/%u", DISTRO_USERS_DIR, search->uid), UNIT_DIR_ALL,
	    "");
}

struct unit_dirs unit_search_dirs(struct arena *arena, const struct unit_search *search)
{
	struct unit_dirs dirs = { .problem = "" };

	if (is_set(search->unit_dirs)) {
		add_listed(arena, &dirs, search->unit_dirs);
	} else if (search->is_user) {
		if (add_own(arena, &dirs, search))
			add_for_users(arena, &dirs, search);
	} else {
		add(arena, &dirs, RUN_DIR, UNIT_DIR_NOT_USERS, ADMIN_USERS_DIR);
		add(arena, &dirs, ADMIN_DIR, UNIT_DIR_NOT_USERS, ADMIN_USERS_DIR);
		if (search->is_podman)
			add(arena, &dirs, DISTRO_DIR, UNIT_DIR_ALL, "");
		else
			add(arena, &dirs, DISTRO_DIR, UNIT_DIR_NOT_USERS, DISTRO_USERS_DIR);
	}
	return dirs;
}
