/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the units, again and again until everything that can stand in for a broken file does: an earlier version may refer to
 * others, collide with others, be broken itself. Each unit gets one substitute at most, so this ends. Must never take a
 * file that cannot be read, or a folder that is not there, for one that was removed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/files.h"
#include "supervise/inputs.h"
#include "supervise/last_good.h"
#include "supervise/signature.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/str.h"

#define MAX_PASSES 8
#define ERRORS_MAX_BYTES (256 * 1024)
#define RECORD_DIR CLEAT_RUN_DIR "/units"

int files_open(struct engine *e, struct err *err)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(err, ERR_LIMIT, "out of memory");
	f->watch.fd = f->check.fd = -1;
	f->errors.max = ERRORS_MAX_BYTES;
	e->files = f;
	files_keep_open(e);
	return 0;
}

void files_close(struct engine *e)
{
	files_forget_records(e);
	arena_fini(&e->files->arena);
	buf_fini(&e->files->errors);
	free(e->files);
	e->files = NULL;
}

static int compare_records(const void *left, const void *right)
{
	return strcmp(((const struct unit_record *)left)->container_name,
		      ((const struct unit_record *)right)->container_name);
}

static void load_records(struct engine *e)
{
	auto_dir DIR *dir = opendir(RECORD_DIR);
	struct files *f = e->files;
	struct dirent *d;
	struct err err;

	f->records = dir ? calloc(CORE_MAX_UNITS, sizeof(*f->records)) : NULL;
	f->claimed = calloc(CORE_MAX_UNITS, sizeof(*f->claimed));
	while (f->records && f->claimed && f->record_count < CORE_MAX_UNITS && (d = readdir(dir)))
		if (d->d_name[0] != '.' &&
		    record_load(d->d_name, e->boot_id, &f->records[f->record_count], &err) == 0 &&
		    str_eq(f->records[f->record_count].container_name, d->d_name))
			f->record_count++;
	if (f->records && f->record_count)
		qsort(f->records, f->record_count, sizeof(f->records[0]), compare_records);
}

void files_forget_records(struct engine *e)
{
	struct files *f = e->files;

	free(f->records);
	free(f->claimed);
	f->records = NULL;
	f->claimed = NULL;
	f->record_count = 0;
}

static struct unit_record *record_of_name(struct files *f, const char *name)
{
	size_t low = 0, high = f->record_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(f->records[middle].container_name, name);

		if (order == 0)
			return &f->records[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool is_entry_name(const struct engine *e, const char *name)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].spec && str_eq(e->entries[i].name, name))
			return true;
	return false;
}

/* By the name of its container, wherever the file lies now. A unit whose ContainerName= was changed, or whose name cannot be told,
 * by its file: what runs under the old name is its own, and ends before the new one begins. */
const struct unit_record *files_take_record(struct engine *e, const struct engine_entry *entry)
{
	struct files *f = e->files;
	struct unit_record *record = record_of_name(f, entry->name);

	if (record && entry->spec && !f->claimed[record - f->records]) {
		f->claimed[record - f->records] = true;
		return record;
	}
	for (size_t i = 0; i < f->record_count; i++) {
		record = &f->records[i];
		if (f->claimed[i] || !str_eq(record->unit_name, entry->unit->name) ||
		    is_entry_name(e, record->container_name) != entry->unit->is_removed)
			continue;
		f->claimed[i] = true;
		return record;
	}
	return NULL;
}

const char *files_fault(const struct engine *e, const struct unit *unit)
{
	const struct files *f = e->files;

	for (size_t i = 0; i < f->substitute_count; i++)
		if (str_eq(f->substitutes[i].name, unit->name))
			return f->faults[i];
	return NULL;
}

static bool is_substituted(const struct files *f, const char *name)
{
	for (size_t i = 0; i < f->substitute_count; i++)
		if (str_eq(f->substitutes[i].name, name))
			return true;
	return false;
}

/* fault NULL: the unit is gone. */
static void stand_in(struct files *f, const struct unit_substitute *copy, const char *fault)
{
	if (f->substitute_count == UNIT_MAX_FILES)
		return;
	*arena_push(&f->arena, f->faults, f->fault_count) = fault ? arena_strdup(&f->arena, fault) :
								    NULL;
	*arena_push(&f->arena, f->substitutes, f->substitute_count) = *copy;
	f->substitutes[f->substitute_count - 1].is_removed = !fault;
}

/* One that never came up well has no copy: enough of it to stop it by. */
static void make_remnant(struct files *f, const struct unit_record *record,
			 struct unit_substitute *out)
{
	const char *path = arena_printf(&f->arena, "%s/%s", CLEAT_UNIT_DIR, record->unit_name);

	*out = (struct unit_substitute){ .name = arena_strdup(&f->arena, record->unit_name),
					 .path = path,
					 .folder = CLEAT_UNIT_DIR,
					 .copy_path = path,
					 .is_remnant = true };
	out->text = arena_printf(
		&f->arena,
		str_ends(record->unit_name, ".pod") ?
			"[Pod]\nPodName=%s\n" :
			"[Container]\nImage=localhost/removed:latest\nContainerName=%s\n",
		record->container_name);
	out->length = strlen(out->text);
}

/* Of a run that is under way. */
static const struct unit_record *running_record(const struct engine *e, const char *unit_name)
{
	const struct files *f = e->files;

	for (size_t i = 0; i < f->record_count; i++)
		if (f->records[i].run_id[0] && str_eq(f->records[i].unit_name, unit_name) &&
		    !is_entry_name(e, f->records[i].container_name))
			return &f->records[i];
	return NULL;
}

static void stand_in_for_invalid(struct engine *e)
{
	struct files *f = e->files;

	for (size_t i = 0; i < e->resource_begin; i++) {
		const struct unit *unit = &e->units.units[i];
		const struct unit_record *record;
		struct unit_substitute copy;
		struct err err;

		if (unit->is_valid || unit->is_template || is_substituted(f, unit->name))
			continue;
		if (last_good_read(CLEAT_LAST_GOOD_DIR, unit->name, &f->arena, &copy, &err) == 0)
			stand_in(f, &copy, units_invalid_reason(e, unit));
		else if (err.code != ERR_NOT_FOUND)
			log_msg(LOG_WARN, "units", "%s", err.msg);
		/* what runs goes on, and can be stopped */
		record = running_record(e, unit->name);
		if (record && unit->kind == UNIT_CONTAINER && !is_substituted(f, unit->name)) {
			make_remnant(f, record, &copy);
			stand_in(f, &copy, units_invalid_reason(e, unit));
		}
	}
}

/* "Network=app.network", "Volume=app.volume:/data": the name is a word of a line. */
static bool refers_to(const char *text, const char *name)
{
	size_t length = strlen(name);

	if (str_ends(name, ".container"))
		return false;
	for (const char *at = text; (at = strstr(at, name)); at += length)
		if (at > text && strchr("=, ", at[-1]) && strchr(":,\n ", at[length]))
			return true;
	return false;
}

/* A network, volume, image or pod that went alone, and a unit that needs it: the version that ran had it. */
static void stand_in_for_needed(struct engine *e)
{
	struct files *f = e->files;
	size_t kept = 0;

	for (size_t i = 0; i < f->stale_count; i++) {
		const char *name = f->stale[i], *needed_by = NULL;
		struct unit_substitute copy;
		struct err err;

		for (size_t k = 0; k < f->substitute_count && !needed_by; k++)
			if (!f->substitutes[k].is_removed && f->faults[k] &&
			    refers_to(f->substitutes[k].text, name))
				needed_by = f->substitutes[k].name;
		if (needed_by && !is_substituted(f, name) &&
		    last_good_read(CLEAT_LAST_GOOD_DIR, name, &f->arena, &copy, &err) == 0)
			stand_in(f, &copy,
				 arena_printf(&f->arena, "%s: its file is gone, and %s needs it",
					      copy.path, needed_by));
		else
			f->stale[kept++] = name;
	}
	f->stale_count = kept;
}

static bool is_in_set(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->units.count; i++)
		if (str_eq(e->units.units[i].name, name))
			return true;
	return false;
}

/* Why a unit is not there, though nobody has removed it: its file (one of several units), or the folder that it lies in, cannot be
 * read. NULL: it is gone. */
static const char *why_missing(struct engine *e, const char *path)
{
	struct files *f = e->files;

	if (f->is_unreadable)
		return f->unreadable_why;
	for (size_t i = 0; i < e->units.diags.count; i++) {
		const struct diag *diag = &e->units.diags.items[i];
		size_t length = strlen(diag->file);
		auto_buf line = BUF_INIT(2048);

		if (diag->severity != DIAG_ERROR || !length ||
		    strncmp(path, diag->file, length) != 0 || (path[length] && path[length] != '/'))
			continue;
		diag_format(diag, &line);
		return arena_strdup(&f->arena, buf_str(&line));
	}
	return NULL;
}

static void stand_in_for_missing(struct engine *e)
{
	struct files *f = e->files;
	const char **names;
	size_t count;
	struct err err;

	if (last_good_list(CLEAT_LAST_GOOD_DIR, &f->arena, &names, &count, &err) < 0)
		log_msg(LOG_WARN, "units", "%s", err.msg);
	for (size_t i = 0; i < count; i++) {
		struct unit_substitute copy;
		const char *fault = NULL;

		if (is_in_set(e, names[i]))
			continue;
		if (last_good_read(CLEAT_LAST_GOOD_DIR, names[i], &f->arena, &copy, &err) == 0)
			fault = why_missing(e, copy.path);
		else
			log_msg(LOG_WARN, "units", "%s", err.msg);
		if (fault)
			stand_in(f, &copy, fault);
		else
			*arena_push(&f->arena, f->stale, f->stale_count) = names[i];
	}
}

/* What it refers to has often gone with it, and it cannot be understood without: all that is gone is there until it has stopped. */
static void stand_in_for_stale(struct engine *e)
{
	struct files *f = e->files;

	for (size_t i = 0; i < f->stale_count; i++) {
		struct unit_substitute copy;
		struct err err;

		if (!is_substituted(f, f->stale[i]) &&
		    last_good_read(CLEAT_LAST_GOOD_DIR, f->stale[i], &f->arena, &copy, &err) == 0)
			stand_in(f, &copy, NULL);
	}
}

static bool has_to_stop(const struct unit_record *record)
{
	return (record->run_id[0] || record->ended) &&
	       (str_ends(record->unit_name, ".container") || str_ends(record->unit_name, ".pod"));
}

/* Its container still runs, or its ExecStop= is due, and it is stopped as the unit says. */
static void stand_in_for_removed(struct engine *e)
{
	struct files *f = e->files;
	size_t before = f->substitute_count;

	for (size_t i = 0; i < f->record_count; i++) {
		const struct unit_record *record = &f->records[i];
		struct unit_substitute copy;
		struct err err;

		if (!has_to_stop(record) || is_entry_name(e, record->container_name) ||
		    is_in_set(e, record->unit_name) || is_substituted(f, record->unit_name))
			continue;
		if (last_good_read(CLEAT_LAST_GOOD_DIR, record->unit_name, &f->arena, &copy, &err) <
		    0)
			make_remnant(f, record, &copy);
		stand_in(f, &copy, NULL);
	}
	if (f->substitute_count > before)
		stand_in_for_stale(e);
}

/* A copy that cannot be used, because what it needs is another thing today: it is stopped all the same, by its signal at least. */
static bool replace_broken_removed(struct engine *e)
{
	struct files *f = e->files;
	bool has_replaced = false;

	for (size_t i = 0; i < f->substitute_count; i++) {
		const struct unit_record *record = NULL;
		unsigned k = f->removed_begin;

		while (k < e->count && !str_eq(e->entries[k].unit->name, f->substitutes[i].name))
			k++;
		if (!f->substitutes[i].is_removed || f->substitutes[i].is_remnant ||
		    k == e->count || e->entries[k].spec)
			continue;
		for (size_t n = 0; n < f->record_count && !record; n++)
			if (has_to_stop(&f->records[n]) &&
			    str_eq(f->records[n].unit_name, f->substitutes[i].name))
				record = &f->records[n];
		if (!record)
			continue;
		make_remnant(f, record, &f->substitutes[i]);
		f->substitutes[i].is_removed = true;
		has_replaced = true;
	}
	return has_replaced;
}

/* Every file could be read, and told of each unit that is in it. */
static bool is_complete(const struct engine *e)
{
	for (size_t i = 0; i < e->units.diags.count; i++) {
		const struct diag *diag = &e->units.diags.items[i];

		if (diag->severity == DIAG_ERROR && !str_ends(diag->file, ".container") &&
		    !str_ends(diag->file, ".pod") && !str_ends(diag->file, ".conf"))
			return false;
	}
	return !e->files->is_unreadable;
}

/* Of units that are gone and do not run: a file of that name that comes tomorrow is a new unit, and nobody has stopped it yet. */
void files_drop_records(struct engine *e)
{
	struct files *f = e->files;

	for (size_t i = 0; i < f->record_count && is_complete(e); i++)
		if (!f->claimed[i] && !f->records[i].run_id[0] &&
		    !is_in_set(e, f->records[i].unit_name))
			record_forget(f->records[i].container_name);
}

/* Nobody can mend what is gone, and of a unit with a file of its own that file's errors count. */
static bool is_copy(const struct files *f, const char *path)
{
	for (size_t i = 0; i < f->substitute_count; i++)
		if (str_eq(f->substitutes[i].copy_path, path))
			return true;
	return false;
}

static void collect_errors(struct engine *e)
{
	struct files *f = e->files;

	for (size_t i = 0; i < e->units.diags.count; i++) {
		auto_buf line = BUF_INIT(4096);

		if (e->units.diags.items[i].severity != DIAG_ERROR ||
		    is_copy(e->files, e->units.diags.items[i].file))
			continue;
		diag_format(&e->units.diags.items[i], &line);
		buf_putc(&line, '\n');
		if (!strstr(buf_str(&f->errors), buf_str(&line)))
			buf_puts(&f->errors, buf_str(&line));
	}
}

static void hash_text(struct sha256 *sha, const char *text)
{
	sha256_update(sha, text, strlen(text) + 1);
}

/* Of the files as they are, not of what stands in for them. */
static void digest_units(const struct engine *e, struct sha256 *sha)
{
	hash_text(sha, e->files->unreadable_why);
	for (size_t i = 0; i < e->units.count; i++) {
		const struct unit *unit = &e->units.units[i];

		hash_text(sha, unit->name);
		hash_text(sha, unit->path);
		hash_text(sha, unit->error_text ? unit->error_text : "");
		sha256_update(sha, unit->source_digest, sizeof(unit->source_digest));
	}
	hash_text(sha, buf_str(&e->files->errors));
}

/* What the whole appliance is told; missing and unreadable count, too. */
static void digest_config(struct sha256 *sha)
{
	static const char *const paths[] = { CLEAT_APPLIANCE_INI, CLEAT_NETWORK_CONFIG };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		auto_buf text = BUF_INIT(APPLIANCE_MAX_BYTES);
		struct err err = { .code = ERR_NONE };

		if (file_read_at(AT_FDCWD, paths[i], APPLIANCE_MAX_BYTES, &text, &err) < 0)
			hash_text(sha, err.msg);
		else
			sha256_update(sha, buf_str(&text), text.len + 1);
	}
}

struct path_list {
	struct arena arena;
	const char **items;
	size_t count;
};

static void note_path(void *arg, const char *path)
{
	struct path_list *list = arg;

	if (list->count < FILES_MAX_INPUTS)
		*arena_push(&list->arena, list->items, list->count) =
			arena_strdup(&list->arena, path);
}

static void digest_inputs(struct engine *e, struct sha256 *sha)
{
	struct path_list list = { .count = 0 };

	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].spec)
			inputs_each(e->entries[i].spec, &secret_places, note_path, &list);
	signature_of_paths(list.items, list.count, e->files->inputs_signature);
	arena_fini(&list.arena);
	for (unsigned i = 0; i < e->count; i++) {
		uint8_t digest[32];

		if (!e->entries[i].spec || e->entries[i].unit->is_removed)
			continue;
		inputs_digest(e->entries[i].spec, &secret_places, digest);
		sha256_update(sha, digest, sizeof(digest));
	}
}

static void read_pass(struct engine *e)
{
	struct files *f = e->files;
	struct err err;

	e->unit_facts.substitutes = f->substitutes;
	e->unit_facts.substitute_count = f->substitute_count;
	f->is_unreadable = units_read_once(e, &err) < 0;
	if (f->is_unreadable)
		str_copy(f->unreadable_why, sizeof(f->unreadable_why), err.msg);
	collect_errors(e);
}

void files_read(struct engine *e)
{
	struct files *f = e->files;
	struct sha256 sha;
	struct err err;

	if (choices_load(&f->choices, CLEAT_CHOICES, &err) < 0)
		publish_note(e, 2, "%s: nothing counts as enabled, disabled or masked", err.msg);
	if (!f->is_check)
		load_records(e);
	signature_of_config(CLEAT_CONFIG_DIR, NULL, NULL, f->units_signature);
	sha256_init(&sha);
	read_pass(e);
	digest_units(e, &sha);
	for (unsigned pass = 1; pass < MAX_PASSES; pass++) {
		size_t before = f->substitute_count;

		stand_in_for_invalid(e);
		if (pass == 1)
			stand_in_for_missing(e);
		if (pass == 1)
			stand_in_for_needed(e);
		if (pass == 1 && !f->is_check)
			stand_in_for_removed(e);
		if (!replace_broken_removed(e) && f->substitute_count == before)
			break;
		units_forget(e);
		read_pass(e);
	}
	digest_inputs(e, &sha);
	digest_config(&sha);
	sha256_final(&sha, f->digest);
}
