/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problems of unit files on their way to the reader. Texts quote what stands in the files: must never print one
 * that is not made safe for a terminal.
 */
#include "cli/findings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/file.h"
#include "util/sort.h"
#include "util/str.h"

#define MAX_JSON_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_TEXT_BYTES ((size_t)4 * 1024 * 1024) /* of the lines that are written at once: */
#define WRITE_BYTES (16 * 1024)

static_assert(FINDINGS_PLACES > 2 * DIAG_MAX * (DIAG_ERROR + 1), "the table of places never fills");
static_assert(DIAG_MAX * (DIAG_ERROR + 1) < UINT16_MAX, "an index is 16 bits");

void findings_init(struct findings *f)
{
	f->diags.arena.is_brief = true;
	f->units = (struct buf)BUF_INIT(MAX_JSON_BYTES / 2);
	f->json = (struct json)JSON_TO(&f->units);
	json_array(&f->json, NULL);
}

void findings_fini(struct findings *f)
{
	diags_fini(&f->diags);
	buf_fini(&f->units);
}

static bool is_same_place(const struct diag *a, const struct diag *b)
{
	return a->severity == b->severity && a->line == b->line && a->column == b->column &&
	       str_eq(a->file, b->file);
}

static size_t place_hash(const struct diag *diag)
{
	size_t hash = diag->line * 31 + diag->column * 7 + diag->severity;

	for (const char *p = diag->file; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	return hash % FINDINGS_PLACES;
}

/* The slot of something that is said at the same place, of this text unless text is NULL; or the free slot. */
static uint16_t *find_place(struct findings *f, const struct diag *diag, const char *text)
{
	size_t slot = place_hash(diag);

	for (; f->places[slot]; slot = (slot + 1) % FINDINGS_PLACES) {
		const struct diag *other = &f->diags.items[f->places[slot] - 1];

		if (is_same_place(other, diag) && (!text || str_eq(other->text, text)))
			break;
	}
	return &f->places[slot];
}

static const char *as_typed(const struct findings *f, const char *path)
{
	return f->is_here && str_starts(path, "./") ? path + 2 : path;
}

static void take(struct findings *f, const struct diag *diag, const char *text)
{
	struct diag d = *diag;
	size_t before = f->diags.count;
	uint16_t *slot;

	d.file = as_typed(f, diag->file);
	slot = find_place(f, &d, text);
	if (*slot)
		return;
	diag_add_advice(&f->diags, &d, d.rule, "%s", d.text);
	if (f->diags.count > before)
		*slot = (uint16_t)f->diags.count;
}

void findings_add(struct findings *f, const struct diag *diag)
{
	take(f, diag, diag->text);
}

void findings_add_opinion(struct findings *f, const struct diag *diag)
{
	take(f, diag, NULL);
}

void findings_add_unseen(struct findings *f, const struct diags *diags)
{
	size_t kept[DIAG_ERROR + 1] = { 0 };

	for (size_t i = 0; i < diags->count; i++)
		kept[diags->items[i].severity]++;
	for (size_t i = 0; i <= DIAG_ERROR; i++)
		f->diags.severity_count[i] += diags->severity_count[i] - kept[i];
	f->diags.error_count += diags->severity_count[DIAG_ERROR] - kept[DIAG_ERROR];
	f->diags.dropped += diags->dropped;
}

void findings_add_hidden_error(struct findings *f)
{
	f->diags.severity_count[DIAG_ERROR]++;
	f->diags.error_count++;
	f->diags.dropped++;
}

/* JSON is looked at on terminals, too. */
static void write_clean(struct json *j, const char *key, const char *text)
{
	auto_buf copy = BUF_INIT(MAX_TEXT_BYTES);

	if (buf_puts(&copy, text) < 0)
		j->out->failed = true;
	if (copy.data)
		cli_clean(copy.data);
	json_str(j, key, buf_str(&copy));
}

void findings_add_unit(struct findings *f, const struct unit *unit, bool is_fine)
{
	f->unit_count++;
	f->fine_count += is_fine;
	if (!f->wants_units)
		return;
	json_object(&f->json, NULL);
	write_clean(&f->json, "name", unit->name);
	write_clean(&f->json, "path", as_typed(f, unit->path));
	write_clean(&f->json, "service", unit->service_name);
	json_bool(&f->json, "template", unit->is_template);
	json_bool(&f->json, "valid", is_fine);
	json_object_end(&f->json);
}

static int compare_diags(const void *left, const void *right)
{
	const struct diag *a = left, *b = right;
	int order = strcmp(a->file, b->file);

	if (order)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	return strcmp(a->text, b->text);
}

static int write_out(int fd, struct buf *out, struct err *err)
{
	if (buf_check(out, "output", err) < 0 || file_write_all(fd, out->data, out->len, err) < 0)
		return -1;
	buf_clear(out);
	return 0;
}

static void write_problem(struct json *j, const struct diag *d)
{
	json_object(j, NULL);
	json_str(j, "severity", diag_severity_name(d->severity));
	write_clean(j, "file", d->file);
	json_uint(j, "line", d->line);
	json_uint(j, "column", d->column);
	write_clean(j, "key", d->key);
	write_clean(j, "text", d->text);
	if (d->rule && d->rule[0])
		json_str(j, "rule", d->rule);
	json_object_end(j);
}

static int write_json(const struct findings *f, struct err *err)
{
	auto_buf out = BUF_INIT(MAX_JSON_BYTES);
	struct json j = { .out = &out, .pretty = true, .first = true };

	if (buf_check(&f->units, "list of units", err) < 0)
		return -1;
	json_object(&j, NULL);
	json_array(&j, "problems");
	for (size_t i = 0; i < f->diags.count; i++)
		write_problem(&j, &f->diags.items[i]);
	json_array_end(&j);
	json_raw(&j, "units", buf_str(&f->units));
	json_uint(&j, "errors", f->diags.severity_count[DIAG_ERROR]);
	json_uint(&j, "warnings", f->diags.severity_count[DIAG_WARNING]);
	json_uint(&j, "notes", f->diags.severity_count[DIAG_NOTE]);
	json_uint(&j, "not_listed", f->diags.dropped);
	json_bool(&j, "may_lack", f->may_lack);
	json_object_end(&j);
	buf_putc(&out, '\n');
	return write_out(STDOUT_FILENO, &out, err);
}

static void write_count(struct buf *out, const char *before, size_t count, const char *what)
{
	buf_printf(out, "%s%zu %s%s", before, count, what, count == 1 ? "" : "s");
}

static int write_sum(const struct findings *f, struct err *err)
{
	auto_buf out = BUF_INIT(1024);
	const size_t *counts = f->diags.severity_count;

	if (f->diags.dropped)
		buf_printf(&out, "and %zu more, not listed\n", f->diags.dropped);
	if (f->may_lack)
		buf_puts(&out, "there may be more: the folder has more problems than are kept\n");
	buf_printf(&out, "%zu of ", f->fine_count);
	write_count(&out, "", f->unit_count, "unit");
	write_count(&out, " can be started: ", counts[DIAG_ERROR], "error");
	write_count(&out, ", ", counts[DIAG_WARNING], "warning");
	write_count(&out, ", ", counts[DIAG_NOTE], "note");
	buf_putc(&out, '\n');
	return write_out(STDERR_FILENO, &out, err);
}

static int write_text(const struct findings *f, struct err *err)
{
	auto_buf out = BUF_INIT(MAX_TEXT_BYTES);

	for (size_t i = 0; i < f->diags.count; i++) {
		size_t begin = out.len;

		diag_format(&f->diags.items[i], &out);
		if (out.data)
			cli_clean(out.data + begin);
		buf_putc(&out, '\n');
		if (out.len >= WRITE_BYTES && write_out(STDOUT_FILENO, &out, err) < 0)
			return -1;
	}
	if (write_out(STDOUT_FILENO, &out, err) < 0)
		return -1;
	return write_sum(f, err);
}

int findings_write(struct findings *f, bool is_json, struct err *err)
{
	json_array_end(&f->json);
	if (f->diags.count)
		f->diags.items = sort_stable(&f->diags.arena, f->diags.items, f->diags.count,
					     sizeof(f->diags.items[0]), compare_diags);
	return is_json ? write_json(f, err) : write_text(f, err);
}
