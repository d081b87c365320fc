/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of units, read: by the next engine and by "cleat explain --history". The file may be torn, old or somebody else's; must
 * never read outside its bytes or believe a number in it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/history_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

int history_file_open(struct history_file *file, const void *data, size_t len, struct err *err)
{
	struct history_header *h = &file->header;
	size_t need;

	*file = (struct history_file){ .data = data, .len = len };
	if (len < sizeof(*h))
		return err_set(err, ERR_INTEGRITY, "too short for a history");
	memcpy(h, data, sizeof(*h));
	if (h->magic != HISTORY_MAGIC)
		return err_set(err, ERR_INTEGRITY, "not a history");
	if (h->version != HISTORY_VERSION || h->length != sizeof(*h) ||
	    h->unit_size != sizeof(struct history_unit) ||
	    h->record_size != sizeof(struct history_record) ||
	    (h->lines != HISTORY_LINES && h->lines != HISTORY_LINES_MANY) ||
	    h->slots != history_slots(h->lines))
		return err_set(
			err, ERR_UNSUPPORTED,
			"version %u of the history is unknown to this program; use the one of the engine",
			h->version);
	need = sizeof(*h) + (size_t)h->slots * sizeof(struct history_unit) +
	       (size_t)h->slots * h->lines * sizeof(struct history_record);
	if (len < need)
		return err_set(err, ERR_INTEGRITY, "cut off: %zu bytes of %zu", len, need);
	return 0;
}

void history_file_unit(const struct history_file *file, uint32_t slot, struct history_unit *out)
{
	memcpy(out, file->data + sizeof(file->header) + slot * sizeof(*out), sizeof(*out));
	out->name[sizeof(out->name) - 1] = out->unit[sizeof(out->unit) - 1] = '\0';
}

bool history_file_find(const struct history_file *file, const char *name, uint32_t *slot)
{
	struct history_unit unit;

	for (uint32_t i = 0; i < file->header.slots; i++) {
		history_file_unit(file, i, &unit);
		if (unit.name[0] && str_eq(unit.name, name)) {
			*slot = i;
			return true;
		}
	}
	return false;
}

static void get(const struct history_file *file, uint32_t slot, uint64_t place,
		struct history_record *out)
{
	size_t begin = sizeof(file->header) + file->header.slots * sizeof(struct history_unit);

	memcpy(out, file->data + begin + (slot * file->header.lines + place) * sizeof(*out),
	       sizeof(*out));
}

/* UINT64_MAX would have no number behind it. */
static bool is_whole(const struct history_file *file, const struct history_record *r,
		     uint64_t place)
{
	return r->sequence > 0 && r->sequence < UINT64_MAX / 2 && r->sequence == r->sequence_end &&
	       r->sequence % file->header.lines == place && r->order < UINT64_MAX / 2;
}

bool history_file_record(const struct history_file *file, uint32_t slot, uint64_t sequence,
			 struct history_record *out)
{
	uint64_t place = sequence % file->header.lines;
	char text[sizeof(out->text)];

	get(file, slot, place, out);
	if (!is_whole(file, out, place) || out->sequence != sequence)
		return false;
	out->text[sizeof(out->text) - 1] = '\0';
	memcpy(text, out->text, sizeof(text));
	str_copy_text(out->text, sizeof(out->text), text);
	return true;
}

uint64_t history_file_next(const struct history_file *file, uint32_t slot)
{
	struct history_record record;
	uint64_t next = 1;

	for (uint32_t place = 0; place < file->header.lines; place++) {
		get(file, slot, place, &record);
		if (is_whole(file, &record, place) && record.sequence >= next)
			next = record.sequence + 1;
	}
	return next;
}

/* "web", "web.container", "web.service", the container's name; the last one first, because it is the only one that is unique. */
static bool fits(const struct history_unit *unit, const char *name, unsigned round)
{
	const char *dot = strrchr(unit->unit, '.');
	size_t stem = dot ? (size_t)(dot - unit->unit) : strlen(unit->unit);

	if (!unit->name[0])
		return false;
	if (round == 0)
		return str_eq(unit->name, name);
	if (round == 1)
		return unit->unit[0] && str_eq(unit->unit, name);
	return stem > 0 && strncmp(unit->unit, name, stem) == 0 &&
	       (!name[stem] || str_eq(name + stem, ".service"));
}

static bool find_any(const struct history_file *file, const char *name, uint32_t *slot)
{
	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < file->header.slots; i++) {
			struct history_unit unit;

			history_file_unit(file, i, &unit);
			if (fits(&unit, name, round)) {
				*slot = i;
				return true;
			}
		}
	}
	return false;
}

/* Returns how many lines are missing between those that are there, and before them. */
static uint64_t add_lines(const struct history_file *file, uint32_t slot, bool is_of_all,
			  struct arena *arena, struct history_view *out)
{
	uint64_t next = history_file_next(file, slot), found = 0;
	uint64_t first = next > file->header.lines ? next - file->header.lines : 1;

	for (uint64_t n = first; n < next; n++) {
		struct history_record r;
		struct history_line *line;

		if (!history_file_record(file, slot, n, &r))
			continue;
		line = arena_push(arena, out->lines, out->count);
		*line = (struct history_line){ .order = r.order,
					       .real_usec = r.real_usec,
					       .monotonic_usec = r.monotonic_usec,
					       .is_of_all = is_of_all,
					       .text = arena_strdup(arena, r.text) };
		found++;
	}
	return next - 1 - found;
}

static int by_order(const void *a, const void *b)
{
	const struct history_line *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

int history_parse(const void *data, size_t len, const char *name, struct arena *arena,
		  struct history_view *out, struct err *err)
{
	struct history_file file;
	struct history_unit unit;
	uint32_t slot, all;

	*out = (struct history_view){ .count = 0 };
	if (history_file_open(&file, data, len, err) < 0)
		return -1;
	if (!find_any(&file, name, &slot))
		return err_set(err, ERR_NOT_FOUND, "nothing is known of a unit %s", name);
	history_file_unit(&file, slot, &unit);
	out->name = arena_strdup(arena, unit.name);
	out->unit = arena_strdup(arena, unit.unit);
	out->lost = add_lines(&file, slot, str_eq(unit.name, HISTORY_OF_ALL), arena, out);
	if (out->count && !str_eq(unit.name, HISTORY_OF_ALL) &&
	    history_file_find(&file, HISTORY_OF_ALL, &all)) {
		uint64_t first = out->lines[0].order;
		size_t own = out->count, kept = own;

		add_lines(&file, all, true, arena, out);
		for (size_t i = own; i < out->count;
		     i++) /* what was before its first line does not concern it */
			if (out->lines[i].order > first)
				out->lines[kept++] = out->lines[i];
		out->count = kept;
	}
	if (out->count)
		qsort(out->lines, out->count, sizeof(out->lines[0]), by_order);
	return 0;
}

int history_read(const char *path, const char *name, struct arena *arena, struct history_view *out,
		 struct err *err)
{
	auto_buf text = BUF_INIT(HISTORY_MAX_BYTES);

	if (file_read_at(AT_FDCWD, path, HISTORY_MAX_BYTES, &text, err) < 0)
		return -1;
	if (history_parse(text.data, text.len, name, arena, out, err) < 0)
		return err->code == ERR_NOT_FOUND ? -1 : err_wrap(err, "%s", path);
	return 0;
}
