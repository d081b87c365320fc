/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drop-ins: "NAME.d/X.conf" and the more general folders, as podman's generator looks for them. Of files with one name the
 * most specific folder's is read, and of one folder in several places the first in search order; what was kept is merged in
 * the order of file names, whatever folder it comes from. Must never read a file twice, however many units it is for.
 */
#include "unit/load_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/kinds_internal.h"
#include "util/str.h"

/* What one unit gets. */
struct found {
	struct load_drop_in *items[UNIT_MAX_DROP_INS];
	size_t count;
	const char *overflow;			/* the first that was one too many; NULL */
	const struct load_drop_ins *unreadable; /* a folder that cannot be listed; NULL */
};

void load_note_drop_ins(struct load *load, const char *name, const char *path)
{
	struct load_drop_ins *folder;

	if (load->drop_in_count == UNIT_MAX_DROP_IN_FOLDERS) {
		load_complain(load, path, 1,
			      "more than 4096 folders of drop-ins: this one is not read");
		return;
	}
	folder = arena_push(&load->scratch, load->drop_ins, load->drop_in_count);
	*folder =
		(struct load_drop_ins){ .name = name, .path = path, .order = load->drop_in_count };
}

static int compare_folders(const void *left, const void *right)
{
	const struct load_drop_ins *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

void load_sort_drop_ins(struct load *load)
{
	if (load->drop_in_count)
		qsort(load->drop_ins, load->drop_in_count, sizeof(load->drop_ins[0]),
		      compare_folders);
}

/* The first folder of this name; drop_in_count when there is none. */
static size_t find_first(const struct load *load, const char *name)
{
	size_t low = 0, high = load->drop_in_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(load->drop_ins[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < load->drop_in_count && str_eq(load->drop_ins[low].name, name) ?
		       low :
		       load->drop_in_count;
}

static void list_folder(struct load *load, struct load_drop_ins *folder)
{
	struct load_entry *entries;
	struct err err;
	size_t count;

	folder->is_listed = true;
	entries = load_list(load, folder->path, &count, &err);
	if (!entries) {
		folder->is_unreadable = true;
		folder->first_error = load->set->diags.count;
		load_complain(load, folder->path, 1, err.msg);
		folder->first_error = load_first_error(load, folder->first_error);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct load_drop_in *drop_in;

		if (!str_ends(entries[i].name, ".conf"))
			continue;
		drop_in = arena_push(&load->scratch, folder->items, folder->count);
		drop_in->name = entries[i].name;
		drop_in->path =
			arena_printf(&load->scratch, "%s/%s", folder->path, entries[i].name);
	}
}

static void add(struct found *found, struct load_drop_in *drop_in)
{
	for (size_t i = 0; i < found->count; i++)
		if (str_eq(found->items[i]->name, drop_in->name))
			return;
	if (found->count < UNIT_MAX_DROP_INS)
		found->items[found->count++] = drop_in;
	else if (!found->overflow)
		found->overflow = drop_in->path;
}

static void add_folder(struct load *load, const char *name, struct found *found)
{
	for (size_t i = find_first(load, name);
	     i < load->drop_in_count && str_eq(load->drop_ins[i].name, name); i++) {
		struct load_drop_ins *folder = &load->drop_ins[i];

		if (!folder->is_listed)
			list_folder(load, folder);
		if (folder->is_unreadable)
			found->unreadable = folder;
		for (size_t j = 0; j < folder->count; j++)
			add(found, &folder->items[j]);
	}
}

/* Most specific first: "a-b@i.container.d", "a-b@.container.d", "a-@.container.d", "a-.container.d", "container.d". */
static void find_all(struct load *load, const char *name, struct found *found)
{
	const char *suffix = kind_of(name)->suffix;
	char folder[UNIT_MAX_NAME_BYTES + 16];
	int base = (int)(strlen(name) - strlen(suffix)), len = (int)strcspn(name, "@");
	bool is_template = len < base;

	len = is_template ? len : base;
	snprintf(folder, sizeof(folder), "%s.d", name);
	add_folder(load, folder, found);
	if (is_template && len + 1 < base) {
		snprintf(folder, sizeof(folder), "%.*s@%s.d", len, name, suffix);
		add_folder(load, folder, found);
	}
	while (len > 0) {
		if (name[--len] != '-')
			continue;
		if (is_template) {
			snprintf(folder, sizeof(folder), "%.*s-@%s.d", len, name, suffix);
			add_folder(load, folder, found);
		}
		snprintf(folder, sizeof(folder), "%.*s-%s.d", len, name, suffix);
		add_folder(load, folder, found);
	}
	snprintf(folder, sizeof(folder), "%s.d", suffix + 1);
	add_folder(load, folder, found);
}

static int compare_drop_ins(const void *left, const void *right)
{
	return strcmp((*(struct load_drop_in *const *)left)->name,
		      (*(struct load_drop_in *const *)right)->name);
}

static void read_drop_in(struct load *load, struct load_drop_in *drop_in)
{
	size_t first_diag = load->set->diags.count;

	drop_in->is_read = true;
	drop_in->text.path = drop_in->path;
	drop_in->is_broken = !load_read_text(load, drop_in->path);
	if (!drop_in->is_broken)
		syntax_read(&drop_in->text, &load->scratch, &load->set->diags, drop_in->path,
			    buf_str(&load->text), load->text.len);
	drop_in->is_broken |= drop_in->text.error_count > 0;
	drop_in->first_error = load_first_error(load, first_diag);
}

static void mark(struct load_file *file, const char *path, size_t first_error)
{
	file->has_broken_drop_in = true;
	if (file->broken_path)
		return;
	file->broken_path = path;
	file->first_error = first_error;
}

/* Complains of a drop-in that is fine by itself and is not merged. */
static void refuse(struct load *load, struct load_file *file, const char *path, const char *text)
{
	size_t first_diag = load->set->diags.count;

	load_complain(load, path, 1, text);
	mark(file, path, load_first_error(load, first_diag));
}

static void merge(struct load *load, struct load_file *file, struct load_drop_in *drop_in)
{
	size_t count;

	if (!drop_in->is_read)
		read_drop_in(load, drop_in);
	count = drop_in->text.entry_count;
	if (drop_in->is_broken) {
		mark(file, drop_in->path, drop_in->first_error);
	} else if (file->text.entry_count + count > UNIT_MAX_ENTRIES) {
		refuse(load, file, drop_in->path,
		       "the unit and its drop-ins have more than 8192 assignments");
	} else if (load->entry_count + count > UNIT_MAX_SET_ENTRIES) {
		refuse(load, file, drop_in->path,
		       "all units with their drop-ins have more than 262144 assignments");
	} else {
		load->entry_count += count;
		syntax_merge(&file->text, &load->scratch, &drop_in->text);
		file->has_drop_ins = true;
	}
}

/* What instances are made from. */
static bool is_template(const struct load_file *file)
{
	const struct kind *kind = kind_of(file->name);
	const struct syntax_entry *name =
		syntax_last(syntax_group(&file->text, kind->section), "ServiceName");

	return file->name[strlen(file->name) - strlen(kind->suffix) - 1] == '@' ||
	       (name && str_ends(name->value, "@"));
}

static void keep_bare(struct load *load, struct load_file *file)
{
	struct syntax_file *bare = arena_new(&load->scratch, struct syntax_file);

	syntax_copy(bare, &load->scratch, &file->text);
	file->bare = bare;
}

/* What a unit has of its own; a file that is one too many is as good as unreadable. */
static void count_own(struct load *load, struct load_file *file)
{
	size_t count = file->text.entry_count;

	if (load->entry_count + count <= UNIT_MAX_SET_ENTRIES) {
		load->entry_count += count;
		return;
	}
	refuse(load, file, file->text.path,
	       "all units with their drop-ins have more than 262144 assignments");
	file->text = (struct syntax_file){ .path = file->text.path, .is_empty = true };
	file->is_unreadable = true;
}

void load_merge_drop_ins(struct load *load, struct load_file *file)
{
	struct found found = { .count = 0 };

	count_own(load, file);
	if (!load->drop_in_count)
		return;
	find_all(load, file->name, &found);
	if (found.unreadable)
		mark(file, found.unreadable->path, found.unreadable->first_error);
	if (!found.count)
		return;
	if (is_template(file))
		keep_bare(load, file);
	qsort(found.items, found.count, sizeof(found.items[0]), compare_drop_ins);
	file->drop_ins = arena_alloc(&load->scratch, found.count * sizeof(file->drop_ins[0]));
	file->drop_in_count = found.count;
	for (size_t i = 0; i < found.count; i++) {
		file->drop_ins[i] = found.items[i]->path;
		merge(load, file, found.items[i]);
	}
	if (found.overflow)
		refuse(load, file, found.overflow,
		       "more than 64 drop-ins for one unit: this one is not read");
}
