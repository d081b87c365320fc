/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of each line of a unit, as far as the lines themselves tell: which of several counts, and, for those whose words stand
 * at another line's place (Group=, ReloadCmd=), what would be missing without them. The latter is found by
 * converting the unit once more without the line. Must never change the unit or what is said of it.
 */
#include "unit/lines.h"

#include "unit/kinds_internal.h"
#include "util/str.h"

bool unit_line_has(const struct unit_line *line, const struct origin *origin)
{
	return origin && origin->line >= line->origin->line && origin->line <= line->last_line &&
	       (origin->file == line->origin->file || str_eq(origin->file, line->origin->file)) &&
	       (origin->key == line->origin->key || str_eq(origin->key, line->origin->key));
}

/* systemd passes over a value that it does not understand, and what came before stands; so does service.c, or it refuses the
 * unit. */
static bool is_passed_over(const struct reading *r, const struct syntax_group *group,
			   const struct syntax_entry *entry)
{
	const struct diags *diags = &r->set->diags;

	if (!entry->row || !key_last_counts(entry->row->kind) ||
	    (!str_eq(group->name, "Unit") && !str_eq(group->name, "Service")))
		return false;
	for (size_t i = 0; i < r->ignored_count; i++)
		if (r->ignored[i]->line == entry->origin->line &&
		    str_eq(r->ignored[i]->key, entry->origin->key) &&
		    str_eq(r->ignored[i]->file, entry->origin->file))
			return true;
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		if (d->severity == DIAG_ERROR && d->line == entry->origin->line &&
		    str_eq(d->key, entry->origin->key) && str_eq(d->file, entry->origin->file))
			return true;
	}
	return false;
}

static void find_fate(const struct reading *r, const struct syntax_group *group, size_t index,
		      struct unit_line *line)
{
	const struct syntax_entry *entry = &group->entries[index];

	if (!line->row)
		return;
	for (size_t i = group->entry_count - 1; i > index; i--) {
		const struct syntax_entry *later = &group->entries[i];

		if (later->row != line->row ||
		    (later->value[0] && !key_last_counts(line->row->kind)) ||
		    is_passed_over(r, group, later))
			continue;
		line->fate = later->value[0] ? UNIT_LINE_OVERRIDDEN : UNIT_LINE_CLEARED;
		line->by = later->origin;
		return;
	}
	if (!entry->value[0])
		line->fate = UNIT_LINE_CLEARS;
	else if (is_passed_over(r, group, entry))
		line->fate = UNIT_LINE_PASSED_OVER;
}

static bool has_words(const struct arg_list *words, const struct unit_line *line)
{
	for (size_t i = 0; i < words->count; i++)
		if (unit_line_has(line, words->items[i].origin))
			return true;
	return false;
}

/* Texts that are in one list and not in the other, each as often as it is missing. */
struct texts {
	struct arena *arena;
	const char **items;
	size_t count;
};

static void push_text(struct texts *texts, const char *text)
{
	*arena_push(texts->arena, texts->items, texts->count) = text;
}

/* The lines of a service that podman made; of the command each word by itself, because most stay as they are. */
static void push_service(struct texts *texts, const char *text)
{
	bool is_passed_on = false;

	while (*text) {
		bool is_command = str_starts(text, "ExecStart=");
		size_t line = strcspn(text, "\n"), len = is_command ? strcspn(text, " \n") : line;

		if (text[0] == '[')
			is_passed_on = str_starts(text, "[X-");
		else if (len && text[0] != '#' && !is_passed_on && !is_command)
			push_text(texts, arena_strndup(texts->arena, text, line));
		for (size_t at = len; is_command && at < line; at += len) {
			at++;
			len = strcspn(text + at, " \n");
			push_text(texts, arena_strndup(texts->arena, text + at, len));
		}
		text += line + (text[line] == '\n');
	}
}

static void write_missing(struct buf *out, const struct texts *from, const struct texts *in)
{
	bool *is_taken = arena_alloc(from->arena, in->count + 1);

	for (size_t i = 0; i < from->count; i++) {
		size_t j = 0;

		while (j < in->count && (is_taken[j] || !str_eq(from->items[i], in->items[j])))
			j++;
		if (j < in->count)
			is_taken[j] = true;
		else
			buf_printf(out, "%s%s", out->len ? " " : "", from->items[i]);
	}
}

static const char *compare(struct arena *arena, const struct texts *with,
			   const struct texts *without)
{
	auto_buf more = BUF_INIT(UNIT_MAX_LINE_BYTES), less = BUF_INIT(UNIT_MAX_LINE_BYTES);

	write_missing(&more, with, without);
	write_missing(&less, without, with);
	if (!more.len && !less.len)
		return "";
	return arena_printf(arena, "%s%s%s", more.len ? buf_str(&more) : "nothing",
			    less.len ? " instead of " : "", buf_str(&less));
}

static void leave_out(struct syntax_file *file, const char *group_name, size_t index)
{
	struct syntax_group *group = syntax_group(file, group_name);

	memmove(&group->entries[index], &group->entries[index + 1],
		(group->entry_count - index - 1) * sizeof(group->entries[0]));
	group->entry_count--;
}

/* Pods learn their members while containers are converted. The copies have room for arena_push(). */
static struct unit_names copy_names(struct arena *arena, const struct unit_names *from)
{
	struct unit_names names = *from;

	names.items = arena_alloc(arena, (names.count + 1) * sizeof(names.items[0]));
	for (size_t i = 0; i < names.count; i++) {
		struct unit_name *name = &names.items[i];

		*name = from->items[i];
		name->members = NULL;
		name->member_count = 0;
		for (size_t j = 0; j < from->items[i].member_count; j++)
			*arena_push(arena, name->members, name->member_count) =
				from->items[i].members[j];
	}
	return names;
}

/* podman's pass once more, without the line. Everything that it may write to is a copy. */
static const char *change_without(const struct reading *r, const char *group, size_t index)
{
	auto_arena scratch = { 0 };
	struct unit_set set = { .units = r->set->units, .count = r->set->count };
	struct unit unit = *r->unit;
	struct unit_names names = copy_names(&scratch, r->names);
	struct texts with = { .arena = &scratch }, without = { .arena = &scratch };
	struct syntax_file file, service;
	struct reading again = *r;
	size_t image_index = 0;

	syntax_copy(&file, &scratch, r->file);
	leave_out(&file, group, index);
	again.set = &set;
	again.arena = &scratch;
	again.kept = &set.arena;
	again.names = &names;
	again.unit = &unit;
	again.file = &file;
	again.own = syntax_group(&file, r->kind->section);
	again.is_podman = true;
	again.has_failed = false;
	service_text_begin(&again, &service);

	struct arg_list words = r->kind->convert(&again, &image_index);

	again.kind->service(&again, &words);
	service_text_end(&again);
	diags_fini(&set.diags);
	push_service(&with, r->unit->service_text);
	push_service(&without, unit.service_text);

	/* Without a text there is no other service to compare with. */
	const char *change = unit.service_text[0] ? compare(r->arena, &with, &without) : "";

	arena_fini(&set.arena);
	return change;
}

/* What the line means to podman is of interest whatever the engine makes of it. */
static bool is_podmans(const struct reading *r, const struct unit_line *line)
{
	return line->row &&
	       (str_eq(line->section, r->kind->section) || str_eq(line->section, "Quadlet"));
}

static unsigned last_line_of(const struct syntax_entry *entry)
{
	unsigned line = entry->origin->line;

	for (size_t i = 0; i < entry->piece_count; i++)
		if (entry->pieces[i].line > line)
			line = entry->pieces[i].line;
	return line;
}

void unit_lines_keep(struct reading *r)
{
	struct unit_line *lines = NULL;
	size_t count = 0, changes = 0;

	for (size_t i = 0; i < r->file->group_count; i++) {
		const struct syntax_group *group = &r->file->groups[i];

		for (size_t j = 0; j < group->entry_count; j++) {
			const struct syntax_entry *entry = &group->entries[j];

			if (!entry->key)
				continue;

			struct unit_line *line = arena_push(r->arena, lines, count);

			*line = (struct unit_line){ .section = group->name,
						    .key = entry->key,
						    .value = entry->value,
						    .origin = entry->origin,
						    .last_line = last_line_of(entry),
						    .row = entry->row,
						    .change = "" };
			find_fate(r, group, j, line);
			if (is_podmans(r, line) && line->fate == UNIT_LINE_STANDS &&
			    r->unit->service_text[0] && !has_words(&r->unit->run_args, line) &&
			    changes++ < UNIT_LINES_MAX_CHANGES)
				line->change = change_without(r, group->name, j);
		}
	}
	r->unit->lines = lines;
	r->unit->line_count = count;
}
