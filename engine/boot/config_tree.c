/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a made /config. Runs as root in a step of the boot and without any right beside one folder in the process that reads keys. Must
 * never write outside that folder, whatever the names are.
 */
#include "boot/config_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define MAX_LEVELS 3

static bool is_any(const char *name)
{
	(void)name;
	return true;
}

static bool is_drop_in(const char *name)
{
	return str_ends(name, ".conf");
}

static bool is_drop_in_folder(const char *name)
{
	return strlen(name) > 2 && str_ends(name, ".d");
}

typedef bool name_fn(const char *name);

/* What a /config may have. folder, subfolder NULL: at the top, directly in the folder. */
static const struct place {
	const char *folder;
	name_fn *subfolder, *name;
	const char *only; /* the name itself, when there is but one */
	mode_t mode;
	const char *expected;
} places[] = {
	{ NULL, NULL, NULL, "appliance.ini", 0644, "" },
	{ NULL, NULL, NULL, "network-config", 0644, "" },
	{ NULL, NULL, NULL, "auth.json", 0600, "" },
	{ NULL, NULL, NULL, "registries.conf", 0644, "" },
	{ NULL, NULL, NULL, "policy.json", 0644, "" },
	{ "units", NULL, unit_is_file_name, NULL, 0644, "the name of a unit file" },
	{ "units", is_drop_in_folder, is_drop_in, NULL, 0644, "UNIT.d/NAME.conf" },
	{ "secrets", NULL, is_any, NULL, 0600, "" },
	{ "keys", NULL, is_any, NULL, 0644, "" },
	{ "certs.d", NULL, is_any, NULL, 0644, "" },
	{ "certs.d", is_any, is_any, NULL, 0644, "" },
};

static int check_name(const char *name, size_t len, const char *rel, struct err *err)
{
	if (!len || name[0] == '.')
		return err_set(err, ERR_INPUT,
			       "%s: a name that does not begin with a dot is expected", rel);
	if (len > CONFIG_MAX_NAME)
		return err_set(err, ERR_LIMIT, "%.40s...: a name of more than %u bytes", rel,
			       CONFIG_MAX_NAME);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return err_set(err, ERR_INPUT, "%s: a control character in its name", rel);
	return 0;
}

/* Splits rel into at most three names. */
static int split(const char *rel, char names[MAX_LEVELS][CONFIG_MAX_NAME + 1], unsigned *count,
		 struct err *err)
{
	const char *at = rel;

	for (*count = 0; *count < MAX_LEVELS; at++) {
		size_t len = strcspn(at, "/");

		if (check_name(at, len, rel, err) < 0)
			return -1;
		memcpy(names[*count], at, len);
		names[(*count)++][len] = '\0';
		at += len;
		if (!*at)
			return 0;
	}
	return err_set(err, ERR_INPUT, "%s: no such place in a configuration", rel);
}

static bool is_place(const struct place *p, char names[MAX_LEVELS][CONFIG_MAX_NAME + 1],
		     unsigned count)
{
	unsigned levels = 1u + (p->folder != NULL) + (p->subfolder != NULL);
	const char *name = names[count - 1];

	if (count != levels || (p->folder && !str_eq(p->folder, names[0])) ||
	    (p->subfolder && !p->subfolder(names[1])))
		return false;
	return p->only ? str_eq(p->only, name) : p->name(name);
}

static const struct place *find_place(const char *rel, struct err *err)
{
	char names[MAX_LEVELS][CONFIG_MAX_NAME + 1];
	unsigned count;

	if (split(rel, names, &count, err) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (is_place(&places[i], names, count))
			return &places[i];
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (count == 1 || !places[i].folder || !places[i].expected[0] ||
		    !str_eq(places[i].folder, names[0]) || (count == 3) != !!places[i].subfolder)
			continue;
		err_set(err, ERR_INPUT, "%s: %s is expected", rel, places[i].expected);
		return NULL;
	}
	err_set(err, ERR_INPUT, "%s: no such place in a configuration", rel);
	return NULL;
}

int config_tree_check(const char *rel, struct err *err)
{
	return find_place(rel, err) ? 0 : -1;
}

static int make_folder(int dir, const char *rel, uid_t uid, struct err *err)
{
	if (mkdirat(dir, rel, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", rel);
	/* who fills it may have no other right than to own it */
	if (uid && fchownat(dir, rel, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: chown", rel);
	return 0;
}

int config_tree_open(struct config_tree *t, const char *path, uid_t uid, struct err *err)
{
	*t = (struct config_tree){ .dir = -1 };
	if (path_mkdirs(path, 0755, err) < 0)
		return -1;
	t->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->dir < 0)
		return err_sys(err, "%s", path);
	if ((uid && fchown(t->dir, uid, uid) < 0))
		return err_sys(err, "%s: chown", path);
	return make_folder(t->dir, "units", uid, err);
}

void config_tree_restart(struct config_tree *t)
{
	arena_reset(&t->arena);
	t->kept = NULL;
	t->hashes = NULL;
	t->count = t->hash_count = t->unit_count = 0;
	t->bytes = 0;
	t->has_changed = false;
}

void config_tree_close(struct config_tree *t)
{
	close_fd(&t->dir);
	arena_fini(&t->arena);
	*t = (struct config_tree){ .dir = -1 };
}

static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static bool is_kept(const struct config_tree *t, const char *rel)
{
	uint32_t hash = hash_of(rel);

	for (unsigned i = 0; i < t->count; i++)
		if (t->hashes[i] == hash && str_eq(t->kept[i], rel))
			return true;
	return false;
}

static bool is_same(int dir, const char *rel, const void *data, size_t len, mode_t mode)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_FILE_BYTES);
	struct stat st;
	struct err err;

	if (fstatat(dir, rel, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size != len || (st.st_mode & 07777) != mode)
		return false;
	return file_read_at(dir, rel, CONFIG_MAX_FILE_BYTES, &text, &err) == 0 && text.len == len &&
	       memcmp(buf_str(&text), data, len) == 0;
}

static int make_parents(int dir, const char *rel, struct err *err)
{
	char folder[2 * CONFIG_MAX_NAME + 2];

	for (const char *slash = strchr(rel, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - rel);

		memcpy(folder, rel, len);
		folder[len] = '\0';
		if (make_folder(dir, folder, 0, err) < 0)
			return -1;
	}
	return 0;
}

int config_tree_put(struct config_tree *t, const char *rel, const void *data, size_t len,
		    struct err *err)
{
	const struct place *place = find_place(rel, err);

	if (!place)
		return -1;
	if (is_kept(t, rel))
		return err_set(err, ERR_INPUT, "%s: it is there twice", rel);
	if (len > CONFIG_MAX_FILE_BYTES)
		return err_set(err, ERR_LIMIT, "%s: more than %u KiB", rel,
			       CONFIG_MAX_FILE_BYTES / 1024);
	if (t->bytes + len > CONFIG_MAX_BYTES || t->count == CONFIG_MAX_FILES)
		return err_set(err, ERR_LIMIT, "%s: more than %u MiB or %u files in all", rel,
			       CONFIG_MAX_BYTES / (1024 * 1024), CONFIG_MAX_FILES);
	if (!is_same(t->dir, rel, data, len, place->mode)) {
		t->has_changed = true;
		if (make_parents(t->dir, rel, err) < 0 ||
		    file_write_atomic(t->dir, rel, data, len, place->mode, false, err) < 0)
			return -1;
	}
	*arena_push(&t->arena, t->kept, t->count) = arena_strdup(&t->arena, rel);
	*arena_push(&t->arena, t->hashes, t->hash_count) = hash_of(rel);
	t->bytes += len;
	t->unit_count += place->name == unit_is_file_name;
	return 0;
}

/* --- removing ------------------------------------------------------------------------------------------------------------------ */

static int remove_rest(struct config_tree *t, const char *folder, unsigned level, struct err *err);

static int remove_one(struct config_tree *t, const char *rel, bool is_folder, unsigned level,
		      struct err *err)
{
	if (!is_folder) {
		if (is_kept(t, rel))
			return 0;
		t->has_changed = true;
		return unlinkat(t->dir, rel, 0) < 0 && errno != ENOENT ? err_sys(err, "%s", rel) :
									 0;
	}
	if (remove_rest(t, rel, level + 1, err) < 0)
		return -1;
	/* the units' own stays: a folder that is not there is something else than an empty one */
	if (!str_eq(rel, "units") && unlinkat(t->dir, rel, AT_REMOVEDIR) < 0 &&
	    errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
		return err_sys(err, "%s", rel);
	return 0;
}

static int remove_rest(struct config_tree *t, const char *folder, unsigned level, struct err *err)
{
	int fd = openat(t->dir, *folder ? folder : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_sys(err, "%s", folder);
	while ((entry = readdir(dir))) {
		struct stat st;
		const char *rel;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		rel = *folder ? arena_printf(&t->arena, "%s/%s", folder, entry->d_name) :
				arena_strdup(&t->arena, entry->d_name);
		/* nothing that a tree makes; images/ is bound there from the disk that all is from */
		if (S_ISDIR(st.st_mode) && (level + 1 == MAX_LEVELS || str_eq(rel, "images")))
			continue;
		if (remove_one(t, rel, S_ISDIR(st.st_mode), level, err) < 0)
			return -1;
	}
	return 0;
}

int config_tree_finish(struct config_tree *t, struct err *err)
{
	return remove_rest(t, "", 0, err);
}
