/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over names, inodes, sizes and times. Each entry's digest is added to the whole as four numbers, so that the order in
 * which a file system tells names does not matter, and a file that two units read is not taken away by its second time, as exclusive or would. Must never open a file: one may hang, or be a pipe.
 */
#include "supervise/signature.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/str.h"

#define MAX_FOLDERS (UNIT_MAX_FOLDERS + UNIT_MAX_DROP_IN_FOLDERS)

struct folder_id {
	dev_t device;
	ino_t inode;
};

struct walk {
	signature_place_fn *place_fn;
	void *arg;
	uint8_t *out;
	struct folder_id *seen; /* MAX_FOLDERS */
	size_t seen_count;
	unsigned depth;
};

static void add(uint8_t out[32], const uint8_t one[32])
{
	uint64_t sum[4], more[4];

	memcpy(sum, out, sizeof(sum));
	memcpy(more, one, sizeof(more));
	for (size_t i = 0; i < 4; i++)
		sum[i] += more[i];
	memcpy(out, sum, sizeof(sum));
}

static void add_entry(uint8_t out[32], const char *path, const struct stat *st, int error)
{
	struct sha256 sha;
	uint8_t one[32];
	uint64_t facts[] = { (uint64_t)st->st_dev,	   (uint64_t)st->st_ino,
			     (uint64_t)st->st_mode,	   (uint64_t)st->st_size,
			     (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
			     (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec,
			     (uint64_t)st->st_rdev,	   (uint64_t)error };

	sha256_init(&sha);
	sha256_update(&sha, path, strlen(path) + 1);
	sha256_update(&sha, facts, sizeof(facts));
	sha256_final(&sha, one);
	add(out, one);
}

/* A folder's own times change with every file that an editor makes in it: only which one it is counts. */
static void add_folder(uint8_t out[32], const char *path, const struct stat *st, int error)
{
	struct stat which = { .st_dev = st->st_dev, .st_ino = st->st_ino };

	add_entry(out, path, &which, error);
}

bool signature_is_relevant(const char *name)
{
	size_t length = strlen(name);

	if (str_starts(name, ".#") || (length && name[length - 1] == '~'))
		return false;
	return unit_is_file_name(name) || str_ends(name, ".conf") || str_ends(name, ".d") ||
	       str_eq(name, "appliance.ini") || str_eq(name, "network-config") ||
	       str_eq(name, "auth.json");
}

/* False: it was searched already, by another name, or there are too many. */
static bool is_new_folder(struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->seen_count; i++)
		if (w->seen[i].device == st->st_dev && w->seen[i].inode == st->st_ino)
			return false;
	if (w->seen_count == MAX_FOLDERS)
		return false;
	w->seen[w->seen_count++] = (struct folder_id){ st->st_dev, st->st_ino };
	return true;
}

static void walk_folder(struct walk *w, const char *path, const struct stat *st);

static void walk_entry(struct walk *w, const char *folder, const struct dirent *entry,
		       bool is_drop_ins)
{
	bool may_be_folder = entry->d_type == DT_DIR || entry->d_type == DT_LNK ||
			     entry->d_type == DT_UNKNOWN;
	bool is_file_name = is_drop_ins ? str_ends(entry->d_name, ".conf") :
					  unit_is_file_name(entry->d_name);
	char path[4096];
	struct stat st = { 0 };
	int error;

	if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
	    str_starts(entry->d_name, ".#") || (!is_file_name && (!may_be_folder || is_drop_ins)))
		return;
	if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path))
		return;
	error = stat(path, &st) < 0 ? errno : 0;
	if (!error && S_ISDIR(st.st_mode)) {
		if (!is_drop_ins)
			walk_folder(w, path, &st);
		return;
	}
	if (!is_file_name)
		return;
	add_entry(w->out, path, &st, error);
	if (entry->d_type == DT_LNK && w->place_fn)
		w->place_fn(w->arg, path);
}

static void walk_folder(struct walk *w, const char *path, const struct stat *st)
{
	unsigned entries = 0;
	struct dirent *entry;
	auto_dir DIR *dir = NULL;

	if (w->depth > UNIT_MAX_DEPTH || !is_new_folder(w, st))
		return;
	if (w->place_fn)
		w->place_fn(w->arg, path);
	dir = opendir(path);
	add_folder(w->out, path, st, dir ? 0 : errno);
	w->depth++;
	while (dir && entries++ < UNIT_MAX_FOLDER_ENTRIES && (entry = readdir(dir)))
		walk_entry(w, path, entry, str_ends(path, ".d"));
	w->depth--;
}

void signature_of_units(const char *dir, signature_place_fn *place_fn, void *arg, uint8_t out[32])
{
	auto_free struct folder_id *seen = calloc(MAX_FOLDERS, sizeof(*seen));
	struct walk walk = { .place_fn = place_fn, .arg = arg, .out = out, .seen = seen };
	struct stat st = { 0 };

	memset(out, 0, 32);
	if (!seen || stat(dir, &st) < 0)
		add_folder(out, dir, &st, errno);
	else
		walk_folder(&walk, dir, &st);
}

/* What lies in one folder, whatever it is called. */
static void add_folder_entries(const char *folder, signature_place_fn *place_fn, void *arg,
			       uint8_t out[32])
{
	auto_dir DIR *dir = opendir(folder);
	unsigned entries = 0;
	struct dirent *entry;

	if (dir && place_fn)
		place_fn(arg, folder);
	while (dir && entries++ < UNIT_MAX_FOLDER_ENTRIES && (entry = readdir(dir))) {
		char path[4096];
		struct stat st = { 0 };

		if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", folder,
							entry->d_name) >= (int)sizeof(path))
			continue;
		add_entry(out, path, &st, stat(path, &st) < 0 ? errno : 0);
	}
}

void signature_of_config(const char *dir, signature_place_fn *place_fn, void *arg, uint8_t out[32])
{
	static const char *const files[] = { "appliance.ini", "network-config", "registries.conf",
					     "auth.json" };
	static const char *const folders[] = { "images", "registries.conf.d", "certs.d" };
	char path[256];

	snprintf(path, sizeof(path), "%s/units", dir);
	signature_of_units(path, place_fn, arg, out);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *const one[] = { path };
		uint8_t of_file[32];

		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		signature_of_paths(one, 1, of_file);
		add(out, of_file);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		add_folder_entries(path, place_fn, arg, out);
	}
}

void signature_of_paths(const char *const *paths, size_t count, uint8_t out[32])
{
	memset(out, 0, 32);
	for (size_t i = 0; i < count; i++) {
		struct stat st = { 0 };
		int error = stat(paths[i], &st) < 0 ? errno : 0;

		add_entry(out, paths[i], &st, error);
	}
}
