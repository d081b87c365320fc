/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding unit files as Quadlet does: a directory and the folders below it, parents first, in the order of names; the first file of
 * a name wins; drop-ins from "NAME.d" and its more general forms. An empty file or a link to /dev/null hides the
 * others of its name. Must never follow a loop of links, and never stop at a file that cannot be read.
 */
#include "unit/load_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

struct folder_id {
	dev_t dev;
	ino_t ino;
};

/* The folders on the way down: a link back to one of them is a loop. */
struct walk {
	struct load *load;
	struct folder_id path[UNIT_MAX_DEPTH];
	unsigned depth;
};

const char *load_suffix(const char *name)
{
	static const char *const suffixes[] = { ".container", ".volume", ".network", ".kube",
						".image",     ".build",	 ".pod",     ".artifact" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (str_ends(name, suffixes[i]) && strlen(name) > strlen(suffixes[i]))
			return suffixes[i];
	return NULL;
}

static void complain(struct load *load, const char *path, const char *text)
{
	diag_add(&load->set->diags, DIAG_ERROR, path, 1, 1, "", "%s", text);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The entries of a folder in the order of their names, "." and ".." left out. */
static const char **list_folder(struct arena *arena, const char *path, size_t *count,
				struct err *err)
{
	auto_dir DIR *dir = opendir(path);
	const char **names = NULL;

	*count = 0;
	if (!dir) {
		err_sys(err, "%s: opendir", path);
		return NULL;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			*arena_push(arena, names, *count) = arena_strdup(arena, entry->d_name);
	if (*count)
		qsort(names, *count, sizeof(names[0]), compare_names);
	return names ? names : arena_alloc(arena, sizeof(names[0]));
}

static bool enter(struct walk *walk, const struct stat *st)
{
	for (unsigned i = 0; i < walk->depth; i++)
		if (walk->path[i].dev == st->st_dev && walk->path[i].ino == st->st_ino)
			return false;
	if (walk->depth == UNIT_MAX_DEPTH)
		return false;
	walk->path[walk->depth++] = (struct folder_id){ st->st_dev, st->st_ino };
	return true;
}

/* Folders for users' own units, which Quadlet leaves out unless they are asked for. */
static bool is_for_users(const struct walk *walk, const char *path)
{
	return walk->depth && (str_eq(path, "/etc/containers/systemd/users") ||
			       str_eq(path, "/usr/share/containers/systemd/users"));
}

static void walk_below(struct walk *walk, const char *path);

static int walk_folder(struct walk *walk, const char *path, struct err *err)
{
	struct load *load = walk->load;
	struct arena *arena = &load->set->arena;
	struct stat st;
	size_t count;

	if (load->folder_count >= UNIT_MAX_FOLDERS)
		return err_set(err, ERR_LIMIT, "more than %d folders", UNIT_MAX_FOLDERS);
	if (stat(path, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a folder", path);

	const char **names = list_folder(arena, path, &count, err);

	if (!names)
		return -1;
	if (is_for_users(walk, path) || !enter(walk, &st))
		return 0;
	*arena_push(arena, load->folders, load->folder_count) = path;
	/* Drop-ins of this folder come before those of the folders below it. */
	for (size_t i = 0; i < count; i++)
		if (str_ends(names[i], ".d") && load->drop_in_count < UNIT_MAX_FOLDERS)
			*arena_push(arena, load->drop_ins, load->drop_in_count) =
				arena_printf(arena, "%s/%s", path, names[i]);
	for (size_t i = 0; i < count; i++)
		if (!str_ends(names[i], ".d"))
			walk_below(walk, arena_printf(arena, "%s/%s", path, names[i]));
	walk->depth--;
	return 0;
}

static void walk_below(struct walk *walk, const char *path)
{
	struct err err = { 0 };
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && walk_folder(walk, path, &err) < 0)
		complain(walk->load, path, err.msg);
}

int load_add_dir(struct load *load, const char *dir, struct err *err)
{
	struct walk walk = { .load = load };
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return walk_folder(&walk, arena_strndup(&load->set->arena, dir, len), err);
}

static bool is_hidden(const struct load *load, const char *name)
{
	for (size_t i = 0; i < load->hidden_count; i++)
		if (str_eq(load->hidden[i], name))
			return true;
	return false;
}

static struct load_file *add_file(struct load *load, const char *name, const char *folder,
				  const char *path)
{
	struct arena *arena = &load->set->arena;
	struct load_file *file;

	if (strlen(name) > UNIT_MAX_NAME_BYTES - 1) {
		complain(load, path, "the name is longer than 127 bytes");
		return NULL;
	}
	if (load->file_count >= UNIT_MAX_FILES) {
		complain(load, path, "more than 1024 unit files: this one is not read");
		return NULL;
	}
	file = arena_push(arena, load->files, load->file_count);
	file->name = name;
	file->folder = folder;
	file->text.path = path;
	return file;
}

void load_add_text(struct load *load, const char *name, const char *path, const char *text,
		   size_t len)
{
	struct arena *arena = &load->set->arena;
	const char *slash = strrchr(path, '/');
	const char *folder = slash ? arena_strndup(arena, path, (size_t)(slash - path)) : ".";
	struct load_file *file =
		add_file(load, arena_strdup(arena, name), folder, arena_strdup(arena, path));

	if (!file)
		return;
	syntax_read(&file->text, arena, &load->set->diags, file->text.path, text, len);
	if (file->text.error_count)
		file->broken_path = file->text.path;
}

/* Reads the file at path into text; false after a complaint. */
static bool read_text(struct load *load, const char *path, struct buf *text)
{
	struct err err;

	if (file_read_at(AT_FDCWD, path, UNIT_MAX_FILE_BYTES, text, &err) == 0)
		return true;
	/* The path stands before the complaint already. */
	complain(load, path, str_starts(err.msg, path) ? err.msg + strlen(path) + 2 : err.msg);
	return false;
}

static bool is_dev_null(const char *path)
{
	struct stat st, null;

	return stat(path, &st) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == null.st_rdev;
}

static void mark_unreadable(struct load_file *file)
{
	file->is_unreadable = true;
	file->broken_path = file->text.path;
}

static void load_path(struct load *load, const char *name, const char *path)
{
	struct arena *arena = &load->set->arena;
	auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct stat st;

	if (is_dev_null(path)) {
		*arena_push(arena, load->hidden, load->hidden_count) = name;
		return;
	}
	if (read_text(load, path, &text)) {
		*arena_push(arena, load->hidden, load->hidden_count) = name;
		if (text.len)
			load_add_text(load, name, path, text.data, text.len);
		return;
	}
	/* A dangling link hides nothing; anything else that is there and cannot be read is a unit that is broken. */
	if (stat(path, &st) < 0 && errno == ENOENT)
		return;
	*arena_push(arena, load->hidden, load->hidden_count) = name;
	load_add_text(load, name, path, "", 0);
	if (load->file_count && str_eq(load->files[load->file_count - 1].name, name))
		mark_unreadable(&load->files[load->file_count - 1]);
}

static void read_folder(struct load *load, const char *folder)
{
	struct arena *arena = &load->set->arena;
	struct err err;
	size_t count;
	const char **names = list_folder(arena, folder, &count, &err);

	if (!names)
		complain(load, folder, err.msg);
	for (size_t i = 0; names && i < count; i++)
		if (load_suffix(names[i]) && !is_hidden(load, names[i]))
			load_path(load, names[i], arena_printf(arena, "%s/%s", folder, names[i]));
}

/* A drop-in's file name and where it was found first. */
struct drop_in {
	const char *name, *path;
};

struct drop_ins {
	struct drop_in *items;
	size_t count;
};

static void add_drop_in(struct load *load, struct drop_ins *found, const char *name,
			const char *path)
{
	for (size_t i = 0; i < found->count; i++)
		if (str_eq(found->items[i].name, name))
			return;
	if (found->count >= UNIT_MAX_DROP_INS) {
		complain(load, path, "more than 64 drop-ins for one unit: this one is not read");
		return;
	}

	struct drop_in *drop_in = arena_push(&load->set->arena, found->items, found->count);

	drop_in->name = name;
	drop_in->path = path;
}

static void find_drop_ins(struct load *load, const char *folder_name, struct drop_ins *found)
{
	struct arena *arena = &load->set->arena;

	for (size_t i = 0; i < load->drop_in_count; i++) {
		const char *folder = load->drop_ins[i];
		struct err err = { 0 };
		size_t count;

		if (!str_eq(strrchr(folder, '/') + 1, folder_name))
			continue;

		const char **names = list_folder(arena, folder, &count, &err);

		if (!names)
			complain(load, folder, err.msg);
		for (size_t j = 0; names && j < count; j++)
			if (str_ends(names[j], ".conf"))
				add_drop_in(load, found, names[j],
					    arena_printf(arena, "%s/%s", folder, names[j]));
	}
}

/* The folders of a unit's drop-ins, most specific first: "a-b@i.container.d", "a-b@.container.d", "a-@.container.d",
 * "a-.container.d", "container.d". */
static void find_all_drop_ins(struct load *load, const char *name, struct drop_ins *found)
{
	struct arena *arena = &load->set->arena;
	const char *suffix = load_suffix(name);
	const char *base = arena_strndup(arena, name, strlen(name) - strlen(suffix));
	const char *at = strchr(base, '@');
	size_t len = at ? (size_t)(at - base) : strlen(base);

	find_drop_ins(load, arena_printf(arena, "%s.d", name), found);
	if (at && at[1])
		find_drop_ins(load, arena_printf(arena, "%.*s@%s.d", (int)len, base, suffix),
			      found);
	while (len > 0) {
		len--;
		if (base[len] != '-')
			continue;
		if (at)
			find_drop_ins(load,
				      arena_printf(arena, "%.*s-@%s.d", (int)len, base, suffix),
				      found);
		find_drop_ins(load, arena_printf(arena, "%.*s-%s.d", (int)len, base, suffix),
			      found);
	}
	find_drop_ins(load, arena_printf(arena, "%s.d", suffix + 1), found);
}

static int compare_drop_ins(const void *left, const void *right)
{
	return strcmp(((const struct drop_in *)left)->name, ((const struct drop_in *)right)->name);
}

static size_t count_entries(const struct syntax_file *file)
{
	size_t count = 0;

	for (size_t i = 0; i < file->group_count; i++)
		count += file->groups[i].entry_count;
	return count;
}

static void mark_drop_in(struct load_file *file, const char *path)
{
	file->has_broken_drop_in = true;
	if (!file->broken_path)
		file->broken_path = path;
}

/* Drop-ins are merged in the order of their file names, whatever folder they come from. */
static void merge_drop_ins(struct load *load, struct load_file *file)
{
	struct arena *arena = &load->set->arena;
	struct drop_ins found = { 0 };

	find_all_drop_ins(load, file->name, &found);
	if (found.count)
		qsort(found.items, found.count, sizeof(found.items[0]), compare_drop_ins);
	for (size_t i = 0; i < found.count; i++) {
		auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
		struct syntax_file drop_in = { .path = found.items[i].path };

		if (!read_text(load, found.items[i].path, &text)) {
			mark_drop_in(file, found.items[i].path);
			continue;
		}
		syntax_read(&drop_in, arena, &load->set->diags, drop_in.path, buf_str(&text),
			    text.len);
		if (count_entries(&file->text) + count_entries(&drop_in) > UNIT_MAX_ENTRIES) {
			complain(load, drop_in.path,
				 "the unit and its drop-ins have more than 8192 assignments");
			drop_in.error_count++;
		}
		if (drop_in.error_count)
			mark_drop_in(file, drop_in.path);
		else
			syntax_merge(&file->text, arena, &drop_in);
	}
}

static int compare_files(const void *left, const void *right)
{
	return strcmp(((const struct load_file *)left)->name,
		      ((const struct load_file *)right)->name);
}

void load_sort(struct load *load)
{
	if (load->file_count)
		qsort(load->files, load->file_count, sizeof(load->files[0]), compare_files);
}

void load_read(struct load *load)
{
	for (size_t i = 0; i < load->folder_count; i++)
		read_folder(load, load->folders[i]);
	for (size_t i = 0; i < load->file_count; i++)
		merge_drop_ins(load, &load->files[i]);
}

void load_add_path(struct load *load, const char *path)
{
	struct arena *arena = &load->set->arena;
	const char *slash = strrchr(path, '/');
	const char *name = arena_strdup(arena, slash ? slash + 1 : path);

	if (load_suffix(name))
		load_path(load, name, arena_strdup(arena, path));
	else
		complain(
			load, path,
			"not a unit file: its name ends in none of .container .volume .network .pod .image .build .kube .artifact");
}
