/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat check: every problem of unit files in one run, values of options included. Reads files, starts nothing, changes
 * nothing. Exit status 0: no errors, 1: errors, 2: it could not look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "spec/spec.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/places.h"
#include "util/str.h"

#define CHECK_ERRORS 1
#define CHECK_UNREADABLE 2
#define CHECK_MAX_OUTPUT_BYTES (16 * 1024 * 1024)
#define CHECK_MAX_PATHS 1024

static const char usage[] =
	"usage: cleat check [--json] [DIR|FILE]...\n"
	"\n"
	"Prints every problem of the unit files as file:line:column. Without DIR or FILE: " CLEAT_UNIT_DIR
	"\n"
	"Exit status: 0 no errors, 1 errors, 2 a path could not be read.\n";

struct check {
	bool is_json;
	const char *dirs[CHECK_MAX_PATHS], *files[CHECK_MAX_PATHS];
	size_t dir_count, file_count;
};

/* Problems of all sets, copied: a set's own go with it. */
struct findings {
	struct diags diags;
	size_t unit_count, valid_count;
	struct buf units; /* JSON array of units */
	struct json json;
};

static int add_path(struct check *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		struct err err;

		err_sys(&err, "%s", path);
		fprintf(stderr, "cleat check: %s\n", err.msg);
		return -1;
	}
	if (c->dir_count == CHECK_MAX_PATHS || c->file_count == CHECK_MAX_PATHS) {
		fprintf(stderr, "cleat check: more than %d paths\n", CHECK_MAX_PATHS);
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		c->dirs[c->dir_count++] = path;
	else
		c->files[c->file_count++] = path;
	return 0;
}

static int parse(int argc, char **argv, struct check *c)
{
	bool is_over = false;

	for (int i = 1; i < argc; i++) {
		if (!is_over && str_eq(argv[i], "--json")) {
			c->is_json = true;
		} else if (!is_over && str_eq(argv[i], "--")) {
			is_over = true;
		} else if (!is_over && argv[i][0] == '-') {
			fputs(usage, stderr);
			return -1;
		} else if (add_path(c, argv[i]) < 0) {
			return -1;
		}
	}
	return c->dir_count || c->file_count ? 0 : add_path(c, CLEAT_UNIT_DIR);
}

static bool is_known(const struct diags *diags, const struct diag *diag)
{
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		if (d->severity == diag->severity && d->line == diag->line &&
		    d->column == diag->column && str_eq(d->file, diag->file))
			return true;
	}
	return false;
}

static size_t count_severity(const struct diags *diags, enum diag_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < diags->count; i++)
		count += diags->items[i].severity == severity;
	return count;
}

static void take_diag(struct findings *f, const struct diag *d)
{
	diag_add(&f->diags, d->severity, d->file, d->line, d->column, d->key, "%s", d->text);
}

/* The option table's opinion, at the lines that the words came from. What the unit's own reading said at the same place is
 * not said again, nor, of a unit that is refused already, what has no line. Returns whether it agrees. */
static bool check_spec(struct findings *f, const struct unit *unit)
{
	struct diags diags = { 0 };
	struct container_spec spec;
	auto_arena arena = { 0 };
	bool is_fine;

	if (unit->image_index >= unit->spec_args.count)
		return false;
	is_fine = spec_from_args(&spec, &arena, &unit->spec_args, &diags) == 0;
	for (size_t i = 0; i < diags.count; i++) {
		struct diag d = diags.items[i];

		if (!unit->is_valid && !d.line)
			continue;
		if (!d.file[0])
			d.file = unit->path;
		if (!is_known(&f->diags, &d))
			take_diag(f, &d);
	}
	diags_fini(&diags);
	return is_fine;
}

static void check_set(struct findings *f, const struct unit_set *set)
{
	for (size_t i = 0; i < set->diags.count; i++)
		take_diag(f, &set->diags.items[i]);
	/* Beyond DIAG_MAX only the numbers are known. */
	f->diags.dropped += set->diags.dropped;
	f->diags.error_count += set->diags.error_count - count_severity(&set->diags, DIAG_ERROR);
	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];
		bool is_fine = str_ends(unit->name, ".container") && check_spec(f, unit) &&
			       unit->is_valid;

		f->unit_count++;
		f->valid_count += is_fine;
		json_object(&f->json, NULL);
		json_str(&f->json, "name", unit->name);
		json_str(&f->json, "path", unit->path);
		json_str(&f->json, "service", unit->service_name);
		json_bool(&f->json, "valid", is_fine);
		json_object_end(&f->json);
	}
}

static int check_all(const struct check *c, struct findings *f, const struct unit_facts *facts)
{
	for (size_t i = 0; i < c->dir_count; i++) {
		struct unit_set set = { 0 };
		struct err err;
		int rc = unit_set_load(&set, c->dirs[i], facts, &err);

		if (rc == 0)
			check_set(f, &set);
		else
			fprintf(stderr, "cleat check: %s\n", err.msg);
		unit_set_fini(&set);
		if (rc < 0)
			return -1;
	}
	if (c->file_count) {
		struct unit_set set = { 0 };

		unit_set_load_files(&set, c->files, c->file_count, facts);
		check_set(f, &set);
		unit_set_fini(&set);
	}
	return 0;
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
	return strcmp(a->text, b->text);
}

static void write_json(const struct findings *f, struct buf *out)
{
	struct json j = { .out = out, .pretty = true, .first = true };

	json_object(&j, NULL);
	json_array(&j, "problems");
	for (size_t i = 0; i < f->diags.count; i++) {
		const struct diag *d = &f->diags.items[i];

		json_object(&j, NULL);
		json_str(&j, "severity", diag_severity_name(d->severity));
		json_str(&j, "file", d->file);
		json_uint(&j, "line", d->line);
		json_uint(&j, "column", d->column);
		json_str(&j, "key", d->key);
		json_str(&j, "text", d->text);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_raw(&j, "units", buf_str(&f->units));
	json_uint(&j, "errors", f->diags.error_count);
	json_uint(&j, "warnings", count_severity(&f->diags, DIAG_WARNING));
	json_uint(&j, "notes", count_severity(&f->diags, DIAG_NOTE));
	json_object_end(&j);
	buf_putc(out, '\n');
}

static void write_text(const struct findings *f, struct buf *out)
{
	for (size_t i = 0; i < f->diags.count; i++) {
		diag_format(&f->diags.items[i], out);
		buf_putc(out, '\n');
	}
	if (f->diags.dropped)
		buf_printf(out, "and %zu more problems\n", f->diags.dropped);
	buf_printf(out, "%zu of %zu unit%s can be started: %zu errors, %zu warnings, %zu notes\n",
		   f->valid_count, f->unit_count, f->unit_count == 1 ? "" : "s",
		   f->diags.error_count, count_severity(&f->diags, DIAG_WARNING),
		   count_severity(&f->diags, DIAG_NOTE));
}

static int finish(const struct check *c, struct findings *f)
{
	auto_buf out = BUF_INIT(CHECK_MAX_OUTPUT_BYTES);
	struct err err;

	json_array_end(&f->json);
	if (f->diags.count)
		qsort(f->diags.items, f->diags.count, sizeof(f->diags.items[0]), compare_diags);
	if (c->is_json)
		write_json(f, &out);
	else
		write_text(f, &out);
	if (buf_check(&out, "output", &err) < 0 ||
	    file_write_all(STDOUT_FILENO, out.data, out.len, &err) < 0) {
		fprintf(stderr, "cleat check: %s\n", err.msg);
		return CHECK_UNREADABLE;
	}
	return f->diags.error_count ? CHECK_ERRORS : 0;
}

int cmd_check(int argc, char **argv)
{
	struct check *c = calloc(1, sizeof(*c));
	struct findings f = { .units = BUF_INIT(CHECK_MAX_OUTPUT_BYTES) };
	struct unit_facts facts;
	auto_arena arena = { 0 };
	int rc = CHECK_UNREADABLE;

	if (argc == 2 && str_eq(argv[1], "--help")) {
		fputs(usage, stdout);
		free(c);
		return 0;
	}
	f.json = (struct json)JSON_TO(&f.units);
	json_array(&f.json, NULL);
	unit_facts_init(&facts, &arena, NULL);
	if (c && parse(argc, argv, c) == 0 && check_all(c, &f, &facts) == 0)
		rc = finish(c, &f);
	buf_fini(&f.units);
	diags_fini(&f.diags);
	free(c);
	return rc;
}
