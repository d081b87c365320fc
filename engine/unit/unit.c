/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files to units: names that units know each other by, then each unit twice through the table (as podman's
 * generator, as the engine). A unit with an error stays in the set, is listed as invalid, and disturbs no other.
 */
#include "unit/unit.h"

#include <stdint.h>
#include <stdlib.h>

#include "unit/canonical_internal.h"
#include "unit/graph.h"
#include "unit/keep_internal.h"
#include "unit/kinds_internal.h"
#include "unit/load_internal.h"
#include "unit/names_internal.h"
#include "util/str.h"

#define DESK_TEXT_BYTES ((size_t)32 * 1024)
#define DESK_WORK_BYTES ((size_t)32 * 1024)

/* What one thread reads units with. */
struct desk {
	char apart[SPLIT_APART_BYTES];
	struct arena work; /* of one unit's pass, emptied after it */
	struct buf text;
	size_t most_work_bytes;
	struct arena *scratch, *kept; /* until the set is made; as long as the set */
};

/* What a unit does to others than itself while it is read in no order. */
struct attempt {
	struct reading_effects effects;
	bool is_made, has_failed;
};

/* Everything that is carried from file to file while a set is made. */
struct making {
	struct unit_set *set;
	struct load load;
	const struct unit_facts *facts;
	struct unit_names names;
	struct desk desks[SPLIT_MAX_WORKERS];
};

static struct reading start_reading_at(struct making *m, struct desk *desk, size_t index)
{
	const struct load_file *file = &m->load.files[index];
	const struct kind *kind = file->kind;

	return (struct reading){
		.set = m->set,
		.arena = desk->scratch,
		.lasting = desk->scratch,
		.kept = desk->kept,
		.text = &desk->text,
		.facts = m->facts,
		.names = &m->names,
		.unit = &m->set->units[index],
		.file = &file->text,
		.kind = kind,
		.own = syntax_group(&file->text, kind->section),
		.has_failed = file->text.error_count > 0 || file->is_unreadable ||
			      file->has_bad_name,
		.said_from = m->set->diags.count,
	};
}

static struct reading start_reading(struct making *m, size_t index)
{
	return start_reading_at(m, &m->desks[0], index);
}

/* The complaint about the file stands in the diagnostics already. */
static void mark_broken(struct making *m, struct unit *unit, const struct load_file *file)
{
	const struct diags *diags = &m->set->diags;
	auto_buf text = BUF_INIT(UNIT_MAX_LINE_BYTES);

	unit->is_valid = false;
	unit->first_error = file->first_error;
	if (file->first_error < diags->count &&
	    str_eq(diags->items[file->first_error].file, file->broken_path))
		diag_format(&diags->items[file->first_error], &text);
	else
		buf_printf(&text, "%s: the file has errors", file->broken_path);
	unit->error_text = arena_strdup(&m->set->arena, buf_str(&text));
}

static void begin_unit(struct making *m, size_t index)
{
	const struct load_file *file = &m->load.files[index];
	struct unit *unit = &m->set->units[index];

	unit->name = file->name;
	unit->path = file->substitute ? file->substitute->path : file->text.path;
	unit->is_substituted = file->substitute != NULL;
	unit->is_removed = file->substitute && file->substitute->is_removed;
	unit->is_remnant = file->substitute && file->substitute->is_remnant;
	unit->folder = file->folder->resolved;
	unit->is_valid = true;
	unit->error_text = unit->service_text = unit->symlink_text = unit->container_name = "";
	unit->kind = file->kind->id;
}

static void name_unit(struct making *m, size_t index, struct reading *r)
{
	struct load_file *file = &m->load.files[index];
	struct unit_name *name = &m->names.items[index];
	struct unit *unit = r->unit;

	r->is_podman = true;
	unit->service_name = file->service ? file->service : name_service(r);
	file->has_bad_name = r->has_failed;
	unit->is_template = name_is_template(unit->service_name);
	unit->resource_name = r->kind->resource(r);
	if (unit->kind == UNIT_CONTAINER && !unit->is_template)
		unit->container_name =
			arena_join(r->arena, "systemd-", kind_base_name(r->arena, unit->name));
	name->file = unit->name;
	name->service = unit->service_name;
	name->resource = unit->resource_name;
}

/* Whether all of its lines are of its own file: what is wrong with a line that speaks for others may be said already. */
static bool is_alone(const struct making *m, size_t index)
{
	const struct load_file *file = &m->load.files[index];

	return !file->has_drop_ins && !strchr(file->name, '@');
}

struct naming {
	struct making *m;
	struct attempt *attempts;
};

static void try_name(void *context, unsigned worker, size_t index)
{
	struct naming *naming = context;
	struct making *m = naming->m;
	struct attempt *attempt = &naming->attempts[index];
	struct reading r;

	if (!is_alone(m, index) || m->load.files[index].broken_path)
		return;
	begin_unit(m, index);
	r = start_reading_at(m, &m->desks[worker], index);
	r.effects = &attempt->effects;
	name_unit(m, index, &r);
	attempt->is_made = true;
}

static void name_in_turn(struct making *m, size_t index, const struct attempt *attempt)
{
	const struct load_file *file = &m->load.files[index];
	struct reading r;

	if (attempt && attempt->is_made && !attempt->effects.count)
		return;
	if (!attempt || !attempt->is_made) {
		begin_unit(m, index);
		if (file->broken_path)
			mark_broken(m, &m->set->units[index], file);
	}
	r = start_reading(m, index);
	if (attempt && attempt->is_made)
		reading_settle(&r, &attempt->effects);
	else
		name_unit(m, index, &r);
}

static void name_all(struct making *m)
{
	struct naming naming = { .m = m };

	if (split_is_shared(&m->load.crew, m->set->count)) {
		naming.attempts =
			arena_alloc(&m->load.scratch, m->set->count * sizeof(naming.attempts[0]));
		split_run(&m->load.crew, m->set->count, try_name, &naming);
	}
	for (size_t i = 0; i < m->set->count; i++)
		name_in_turn(m, i, naming.attempts ? &naming.attempts[i] : NULL);
}

/* Two units with one name: the later one, by file name, is refused. */
static void check_service(struct making *m, struct lookup *services, size_t index)
{
	const struct unit *unit = &m->set->units[index];
	size_t other;

	if (lookup_add(services, &m->load.scratch, unit->service_name, index) ||
	    !lookup_find(services, unit->service_name, &other))
		return;

	struct reading r = start_reading(m, index);

	reading_refuse(&r, reading_place(&r, "ServiceName"), "%s is %s, too",
		       m->set->units[other].path, unit->service_name);
}

static void check_container(struct making *m, struct lookup *containers, size_t index)
{
	const struct unit *unit = &m->set->units[index];
	size_t other;

	if (!unit->container_name[0] ||
	    lookup_add(containers, &m->load.scratch, unit->container_name, index) ||
	    !lookup_find(containers, unit->container_name, &other))
		return;

	struct reading r = start_reading(m, index);

	reading_refuse(&r, reading_place(&r, "Container.ContainerName"),
		       "the container of %s is called %s, too", m->set->units[other].path,
		       unit->container_name);
}

static void check_names(struct making *m)
{
	struct lookup services = { .count = 0 }, containers = { .count = 0 };

	lookup_reserve(&services, &m->load.scratch, m->set->count);
	lookup_reserve(&containers, &m->load.scratch, m->set->count);
	for (size_t i = 0; i < m->set->count; i++) {
		if (m->set->units[i].is_removed)
			continue;
		check_service(m, &services, i);
		check_container(m, &containers, i);
	}
}

static void forget_work(struct desk *desk)
{
	if (desk->work.total_bytes > desk->most_work_bytes)
		desk->most_work_bytes = desk->work.total_bytes;
	arena_reset(&desk->work);
}

/* A set that is brief is not copied out of what it was made in: that takes longer than the memory is worth. */
static void keep_unit(struct making *m, struct unit *unit, struct desk *desk)
{
	if (!m->facts->is_brief)
		unit_keep(unit, desk->kept);
}

static void read_as_podman(struct making *m, struct desk *desk, struct reading *r)
{
	struct unit *unit = r->unit;
	struct syntax_file service;
	size_t image_index = 0;

	/* The engine's pass adds to a unit that has a text: it is kept after that, or where it is. */
	if (!m->facts->wants_service_text || (m->facts->is_generator && !m->facts->is_brief))
		r->arena = &desk->work;
	judge_unit(r);
	service_text_begin(r, &service);
	unit->run_args = r->kind->convert(r, &image_index);
	r->kind->service(r, &unit->run_args);
	service_text_end(r);
	/* podman has none for what systemd would make of a template, nor for keys that it does not know. */
	if (m->load.files[unit - m->set->units].service || r->has_unknown_key) {
		unit->service_text = unit->symlink_text = "";
		unit->service_text_bytes = 0;
	}
	if (!m->facts->wants_service_text)
		unit->run_args = (struct arg_list){ 0 };
	if (m->facts->is_generator)
		keep_unit(m, unit, desk);
	forget_work(desk);
}

static void read_container(struct reading *r)
{
	struct unit *unit = r->unit;

	if (unit->spec_args.count > 1 && unit->image_index > 1)
		unit->container_name = unit->spec_args.items[1].text;
	if (strlen(unit->container_name) >= UNIT_MAX_NAME_BYTES)
		reading_refuse(r, reading_place(r, "Container.ContainerName"),
			       "the name is longer than %d bytes", UNIT_MAX_NAME_BYTES - 1);
}

static void read_values(struct reading *r)
{
	struct unit *unit = r->unit;
	size_t no_image = SIZE_MAX;

	service_read(r);
	/* Listed as invalid, so that nobody waits for it. */
	if (r->kind->not_yet[0])
		reading_refuse(r, reading_place(r, r->kind->section),
			       "%s units are not supported yet: %s", r->kind->suffix,
			       r->kind->not_yet);

	struct arg_list words = r->kind->convert(r, &unit->image_index);

	expand_words(r, &words, &unit->spec_args, &unit->image_index);
	words = value_args(r, r->own, "GlobalArgs");
	expand_words(r, &words, &unit->global_args, &no_image);
	if (unit->kind == UNIT_CONTAINER) {
		read_container(r);
		service_read_reload(r);
	}
	service_judge_commands(r);
}

/* Of a template only the keys are judged: its values say something for an instance only. */
static void read_as_engine(struct making *m, struct desk *desk, struct reading *r)
{
	r->arena = m->facts->is_brief ? desk->kept : &desk->work;
	judge_unit(r);
	if (!r->unit->is_template)
		read_values(r);
	if (m->facts->lines_of && str_eq(m->facts->lines_of, r->unit->name))
		unit_lines_keep(r);
	keep_unit(m, r->unit, desk);
	if (!m->facts->lacks_digests)
		canonical_note(r->unit, &m->load.files[r->unit - m->set->units],
			       m->facts->keeps_sources, desk->kept);
	forget_work(desk);
}

/* One pass through some units. */
struct pass {
	struct making *m;
	bool is_podman;
	size_t *units; /* their indexes, in the order of their turns */
	size_t count;
	struct attempt *attempts; /* one a turn, of a unit that was read before it */
};

static void read_unit(struct pass *pass, struct desk *desk, struct reading *r)
{
	if (pass->is_podman)
		read_as_podman(pass->m, desk, r);
	else
		read_as_engine(pass->m, desk, r);
}

static void try_unit(void *context, unsigned worker, size_t turn)
{
	struct pass *pass = context;
	struct attempt *attempt = &pass->attempts[turn];
	struct desk *desk = &pass->m->desks[worker];
	struct reading r;

	if (!is_alone(pass->m, pass->units[turn]))
		return;
	r = start_reading_at(pass->m, desk, pass->units[turn]);
	r.is_podman = pass->is_podman;
	r.effects = &attempt->effects;
	read_unit(pass, desk, &r);
	attempt->has_failed = r.has_failed;
	attempt->is_made = true;
}

static void take_turn(struct pass *pass, size_t turn)
{
	struct making *m = pass->m;
	const struct attempt *attempt = pass->attempts ? &pass->attempts[turn] : NULL;
	size_t index = pass->units[turn];
	struct unit *unit = &m->set->units[index];
	bool has_failed = attempt && attempt->has_failed;

	/* Most sets have nothing to complain of: then the unit, which another processor has written, is left alone. */
	if (pass->is_podman && m->set->diags.count)
		unit->podman_begin = m->set->diags.count;
	if (!attempt || !attempt->is_made || attempt->effects.count) {
		struct reading r = start_reading(m, index);

		r.is_podman = pass->is_podman;
		if (attempt && attempt->is_made) {
			r.has_failed = has_failed;
			reading_settle(&r, &attempt->effects);
		} else {
			read_unit(pass, &m->desks[0], &r);
		}
		has_failed = r.has_failed;
	}
	if (!pass->is_podman)
		return;
	if (has_failed)
		m->names.items[index].has_failed = true;
	if (m->set->diags.count)
		unit->podman_end = m->set->diags.count;
}

/* Units know each other's names and, in podman's pass, which of those before them have failed: what else they do to each other
 * is done in the order of their turns. */
static void run_pass(struct pass *pass)
{
	struct making *m = pass->m;

	pass->attempts = NULL;
	if (split_is_shared(&m->load.crew, pass->count)) {
		pass->attempts =
			arena_alloc(&m->load.scratch, pass->count * sizeof(pass->attempts[0]));
		split_run(&m->load.crew, pass->count, try_unit, pass);
	}
	for (size_t i = 0; i < pass->count; i++)
		take_turn(pass, i);
}

/* Names with specifiers, and those that podman makes up for instances, were podman's for its pass: whoever refers to such a
 * unit has other specifiers, and of an instance's name podman cuts a letter off. */
static void name_as_engine(struct making *m)
{
	for (size_t i = 0; i < m->set->count; i++) {
		struct reading r = start_reading(m, i);

		if (!strchr(r.unit->name, '@') && !strchr(r.unit->resource_name, '%'))
			continue;
		r.unit->resource_name = r.kind->resource(&r);
		unit_name_find(&m->names, r.unit->name)->resource = r.unit->resource_name;
	}
}

/* podman's order: what others refer to comes first. Instances that have no file are none of its business: they come last. */
static void read_all_as_podman(struct making *m)
{
	struct pass pass = {
		.m = m,
		.is_podman = true,
		.units = arena_alloc(&m->load.scratch, (m->set->count + 1) * sizeof(size_t)),
	};

	for (unsigned order = 1, left = 1; left; order++) {
		left = 0;
		pass.count = 0;
		for (size_t i = 0; i < m->set->count; i++) {
			unsigned own = m->load.files[i].kind->order;

			if (own == order && !m->load.files[i].service)
				pass.units[pass.count++] = i;
			left += own > order;
		}
		run_pass(&pass);
	}
	pass.count = 0;
	for (size_t i = 0; i < m->set->count; i++)
		if (m->load.files[i].service)
			pass.units[pass.count++] = i;
	run_pass(&pass);
}

static void read_all_as_engine(struct making *m)
{
	struct pass pass = {
		.m = m,
		.units = arena_alloc(&m->load.scratch, (m->set->count + 1) * sizeof(size_t)),
		.count = m->set->count,
	};

	for (size_t i = 0; i < m->set->count; i++)
		pass.units[i] = i;
	run_pass(&pass);
}

/* For the engine's pass: podman's knows units by their files. */
static void index_names(struct making *m)
{
	lookup_reserve(&m->names.by_service, &m->load.scratch, m->names.count);
	for (size_t i = 0; i < m->names.count; i++)
		lookup_add(&m->names.by_service, &m->load.scratch, m->names.items[i].service, i);
}

static const struct unit *unit_named(const struct unit_set *set, const char *file)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, file))
			return &set->units[i];
	return NULL;
}

static void refuse_reference_to(struct unit_set *set, struct unit *unit, const struct unit_ref *ref,
				const struct unit *broken)
{
	const struct origin *at = ref->origin;

	diag_add(&set->diags, DIAG_ERROR, at->file, at->line, at->column, at->key,
		 "%s has errors, so this unit cannot run%s%s", ref->file,
		 broken->error_text[0] ? ": " : "", broken->error_text);
	unit->is_valid = false;
	unit->first_error = set->diags.count - 1; /* or the last one that was kept */
	unit->error_text = arena_printf(&set->arena, "%s:%u:%u: %s: %s has errors", at->file,
					at->line, at->column, at->key, ref->file);
}

static void refuse_broken(struct unit_set *set, bool pods)
{
	for (size_t i = 0; i < set->count; i++) {
		struct unit *unit = &set->units[i];

		if ((unit->kind == UNIT_POD) != pods)
			continue;
		for (size_t k = 0; k < unit->ref_count && unit->is_valid; k++) {
			const struct unit_ref *ref = &unit->refs[k];
			const struct unit *other =
				ref->kind == UNIT_CONTAINER ? NULL : unit_named(set, ref->file);

			if (other && !other->is_valid)
				refuse_reference_to(set, unit, ref, other);
		}
	}
}

/* Pods first: what a pod cannot have, its containers cannot have. */
void unit_set_refuse_broken_references(struct unit_set *set)
{
	refuse_broken(set, true);
	refuse_broken(set, false);
}

static void take_arena(struct arena *to, struct arena *from)
{
	*to = *from;
	*from = (struct arena){ .is_brief = from->is_brief };
}

/* Units add to each other's dependencies until the last one is read. */
static void finish_units(struct making *m)
{
	for (size_t i = 0; i < m->set->count && !m->facts->is_brief; i++)
		unit_keep_deps(&m->set->units[i], &m->set->arena);
	m->set->work_bytes = 0;
	for (size_t i = 0; i < SPLIT_MAX_WORKERS; i++) {
		struct desk *desk = &m->desks[i];

		m->set->work_bytes += desk->scratch->total_bytes + desk->most_work_bytes;
		arena_fini(&desk->work);
		buf_fini(&desk->text);
		if (m->facts->is_brief)
			take_arena(&m->set->read[i], desk->scratch);
	}
}

/* Threads that ask malloc(3) wait for each other, and small pages cost more than a part of a large one. */
static void lend_memory(struct desk *desk)
{
	arena_lend(&desk->work, desk->scratch, DESK_WORK_BYTES);
	desk->text.data = arena_alloc(desk->scratch, DESK_TEXT_BYTES);
	desk->text.cap = DESK_TEXT_BYTES;
	desk->text.is_lent = true;
}

static void set_desks(struct making *m)
{
	/* Many small folders are worth it, too. */
	load_begin_crew(&m->load, m->load.file_count);
	load_await_crew(&m->load);
	/* Of a set that is brief all is kept as long as it: one large page holds more than two that are half full. */
	for (unsigned i = 0; i < SPLIT_MAX_WORKERS; i++) {
		m->desks[i].scratch = load_arena(&m->load, i);
		m->desks[i].kept = m->facts->is_brief ? m->desks[i].scratch : &m->set->arena;
		m->desks[i].work.is_brief = m->facts->is_brief;
		if (i < m->load.crew.workers)
			lend_memory(&m->desks[i]);
	}
	syntax_prepare();
	convert_prepare();
	if (!m->facts->is_generator)
		service_rules_prepare();
}

/* Of the unit whose lines are kept. */
static void keep_drop_ins(struct making *m)
{
	struct arena *arena = &m->set->arena;

	for (size_t i = 0; m->facts->lines_of && i < m->set->count; i++) {
		const struct load_file *file = &m->load.files[i];
		struct unit *unit = &m->set->units[i];
		const char **paths;

		if (!file->drop_in_count || !str_eq(m->facts->lines_of, unit->name))
			continue;
		paths = arena_alloc(arena, file->drop_in_count * sizeof(paths[0]));
		for (size_t k = 0; k < file->drop_in_count; k++)
			paths[k] = arena_strdup(arena, file->drop_ins[k]);
		unit->drop_ins = paths;
		unit->drop_in_count = file->drop_in_count;
	}
}

/* From what was loaded, which is gone afterwards. */
static void make_units(struct making *m)
{
	struct unit_set *set = m->set;

	set_desks(m);
	load_finish(&m->load);
	canonical_substitute(&m->load, m->facts);
	if (!m->facts->is_generator)
		load_add_instances(&m->load, m->facts);
	set->count = m->load.file_count;
	set->units = arena_alloc(m->desks[0].kept, (set->count + 1) * sizeof(set->units[0]));
	m->names.items =
		arena_alloc(&m->load.scratch, (set->count + 1) * sizeof(m->names.items[0]));
	m->names.count = set->count;
	name_all(m);
	set->load_diag_count = set->diags.count;
	read_all_as_podman(m);
	if (m->facts->is_generator) {
		finish_units(m);
		return;
	}
	index_names(m);
	name_as_engine(m);
	read_all_as_engine(m);
	keep_drop_ins(m);
	check_names(m);
	finish_units(m);
	unit_set_refuse_broken_references(set);
	if (m->facts->keeps_graph)
		set->graph = arena_new(&set->arena, struct unit_graph);
	unit_graph_refuse_cycles(set);
}

static struct making start_making(struct unit_set *set, const struct unit_facts *facts)
{
	set->arena.is_brief = facts->is_brief;
	return (struct making){ .set = set,
				.load = { .set = set,
					  .is_generator = facts->is_generator,
					  .scratch = { .is_brief = facts->is_brief } },
				.facts = facts };
}

int unit_set_load_dirs(struct unit_set *set, const char *const *dirs, size_t dir_count,
		       const struct unit_facts *facts, struct err *err)
{
	struct making m = start_making(set, facts);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < dir_count; i++)
		rc = load_add_dir(&m.load, &(struct unit_dir){ .path = dirs[i], .users = "" },
				  false, err);
	if (rc == 0 || facts->substitute_count)
		make_units(&m);
	load_fini(&m.load);
	return rc;
}

void unit_set_load_search(struct unit_set *set, const struct unit_dirs *dirs,
			  const struct unit_facts *facts)
{
	struct making m = start_making(set, facts);

	for (size_t i = 0; i < dirs->count; i++) {
		struct err err;

		/* What is not there, or no folder, is searched by nobody. */
		if (load_add_dir(&m.load, &dirs->items[i], false, &err) < 0 &&
		    err.code != ERR_NOT_FOUND && err.code != ERR_INPUT)
			load_complain(&m.load, dirs->items[i].path, 1, err.msg);
	}
	make_units(&m);
	load_fini(&m.load);
}

int unit_set_load(struct unit_set *set, const char *dir, const struct unit_facts *facts,
		  struct err *err)
{
	return unit_set_load_dirs(set, &dir, 1, facts, err);
}

int unit_set_load_folder(struct unit_set *set, const char *dir, const struct unit_facts *facts,
			 struct err *err)
{
	struct making m = start_making(set, facts);
	int rc = load_add_dir(&m.load, &(struct unit_dir){ .path = dir, .users = "" }, true, err);

	if (rc == 0)
		make_units(&m);
	load_fini(&m.load);
	return rc;
}

void unit_set_load_files(struct unit_set *set, const char *const *paths, size_t path_count,
			 const struct unit_facts *facts)
{
	struct making m = start_making(set, facts);

	for (size_t i = 0; i < path_count; i++)
		load_add_path(&m.load, paths[i]);
	make_units(&m);
	load_fini(&m.load);
}

int unit_set_load_text(struct unit_set *set, const char *name, const char *path, const char *text,
		       size_t len, const struct unit_facts *facts, struct err *err)
{
	struct making m = start_making(set, facts);

	if (!unit_is_file_name(name))
		return err_set(err, ERR_INPUT, "%s: no kind of unit file", name);
	load_add_text(&m.load, name, path, text, len);
	make_units(&m);
	load_fini(&m.load);
	return 0;
}

bool unit_is_file_name(const char *name)
{
	return kind_of(name) || load_is_quadlets(name);
}

void unit_set_fini(struct unit_set *set)
{
	if (set->graph)
		unit_graph_fini(set->graph);
	arena_fini(&set->arena);
	/* The first one has lent the others memory. */
	for (size_t i = SPLIT_MAX_WORKERS; i > 0; i--)
		arena_fini(&set->read[i - 1]);
	diags_fini(&set->diags);
	*set = (struct unit_set){ 0 };
}
