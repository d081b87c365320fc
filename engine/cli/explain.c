/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat explain: from each line of a unit, drop-ins included, to what it became and why. Reads files, asks no engine and
 * changes nothing. Exit status 0: explained, 1: explained, and the unit has errors, 2: there is nothing to explain.
 */
#include "cli/explain_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

static const char *folder_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

/* What a name refers to lies in the whole directory; what a file refers to lies beside it. */
static int load(struct explain *e, const char *name, const char *dir, struct unit_facts *facts,
		struct err *err)
{
	unit_set_fini(&e->set);
	return strchr(name, '/') ?
		       unit_set_load_folder(&e->set, folder_of(&e->arena, name), facts, err) :
		       unit_set_load(&e->set, dir, facts, err);
}

/* "web.container", "web.service", "web", or the container's name: the first kind of name that fits a unit. */
static const struct unit *find_unit(const struct unit_set *set, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name) || str_eq(set->units[i].service_name, name))
			return &set->units[i];
	for (size_t i = 0; i < set->count; i++) {
		const char *file = set->units[i].name;

		if (strncmp(file, name, len) == 0 && strrchr(file, '.') == file + len)
			return &set->units[i];
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->units[i].kind == UNIT_CONTAINER &&
		    str_eq(set->units[i].container_name, name))
			return &set->units[i];
	return NULL;
}

static const struct unit *find(const struct explain *e, const char *name)
{
	const char *slash = strrchr(name, '/');

	return find_unit(&e->set, slash ? slash + 1 : name);
}

/* Why a file that is there became no unit stands in the diagnostics. */
static void print_why_not(const struct explain *e, const char *name)
{
	for (size_t i = 0; i < e->set.diags.count; i++) {
		auto_buf line = BUF_INIT(UNIT_MAX_LINE_BYTES);

		if (!str_eq(e->set.diags.items[i].file, name))
			continue;
		diag_format(&e->set.diags.items[i], &line);
		if (line.data)
			cli_clean(line.data);
		fprintf(stderr, "%s\n", buf_str(&line));
	}
}

/* "web@a", "web@a.container" or "web@a.service": an instance that no file and no unit names may be asked for. */
static const char *instance_of(struct explain *e, const char *name)
{
	size_t len = strlen(name);

	if (!strchr(name, '@') || strchr(name, '/'))
		return NULL;
	if (str_ends(name, ".service"))
		return name;
	if (str_ends(name, ".container"))
		len -= strlen(".container");
	return arena_printf(&e->arena, "%.*s.service", (int)len, name);
}

static int not_found(const struct explain *e, const char *name, const char *dir, struct err *err)
{
	print_why_not(e, name);
	return strchr(name, '/') ? err_set(err, ERR_NOT_FOUND, "%s is no unit file", name) :
				   err_set(err, ERR_NOT_FOUND, "no unit %s in %s", name, dir);
}

/* More than once: the first time tells which file it is, whose lines the last time keeps. */
static int find_all(struct explain *e, const char *name, const char *dir, struct err *err)
{
	const char *instance = instance_of(e, name);
	struct unit_facts facts;

	unit_facts_init(&facts, &e->arena, NULL);
	if (load(e, name, dir, &facts, err) < 0)
		return -1;
	e->unit = find(e, name);
	if (!e->unit && instance) {
		facts.instances = &instance;
		facts.instance_count = 1;
		if (load(e, name, dir, &facts, err) < 0)
			return -1;
		e->unit = find(e, name);
	}
	if (!e->unit)
		return not_found(e, name, dir, err);
	facts.lines_of = arena_strdup(&e->arena, e->unit->name);
	facts.wants_service_text = true;
	if (load(e, name, dir, &facts, err) < 0)
		return -1;
	e->unit = find_unit(&e->set, facts.lines_of);
	if (!e->unit)
		return err_set(err, ERR_NOT_FOUND, "%s has gone while it was read", facts.lines_of);
	e->index = (unsigned)(e->unit - e->set.units);
	return unit_graph_make(&e->graph, &e->set, err);
}

static int print(struct explain *e, bool is_json, struct err *err)
{
	auto_buf out = BUF_INIT(EXPLAIN_MAX_OUTPUT_BYTES);

	explain_find_effects(e);
	if (is_json)
		explain_write_json(e, &out);
	else
		explain_print(e, &out);
	return buf_check(&out, "the explanation", err) < 0 ?
		       -1 :
		       file_write_all(STDOUT_FILENO, out.data, out.len, err);
}

int cmd_explain(int argc, char **argv)
{
	const char *dir = CLEAT_UNIT_DIR;
	bool is_json = false, wants_history = false;
	const struct cli_option options[] = { { NULL, "--json", &is_json, NULL },
					      { NULL, "--history", &wants_history, NULL },
					      { NULL, "--dir", NULL, &dir } };
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	struct explain e = { 0 };
	struct err err;
	int result = CLI_USAGE;

	if (names != 1) {
		if (names >= 0)
			fprintf(stderr, "usage: cleat explain [--json] [--dir DIR] UNIT|FILE\n"
					"       cleat explain --history [--json] UNIT\n");
		return CLI_USAGE;
	}
	if (wants_history)
		return explain_history(argv[1], is_json);
	if (find_all(&e, argv[1], dir, &err) < 0 || print(&e, is_json, &err) < 0)
		fprintf(stderr, "cleat explain: %s\n", err.msg);
	else
		result = e.unit->is_valid && !e.diags.error_count ? CLI_OK : CLI_FAILED;
	unit_graph_fini(&e.graph);
	unit_set_fini(&e.set);
	diags_fini(&e.diags);
	arena_fini(&e.arena);
	return result;
}
