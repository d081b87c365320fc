/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances of templates that have no file: "Wants=web@a.service" where there is a web@.container, its [Install]
 * DefaultInstance=, and those that the caller names. An instance may ask for another, so this goes on until nothing new is
 * asked for; UNIT_MAX_FILES and the length of names end what would not. podman's generator leaves all this to systemd. Must
 * never make an instance whose name is masked or taken.
 */
#include "unit/kinds_internal.h"
#include "unit/load_internal.h"
#include "unit/names_internal.h"
#include "util/str.h"

/* Its set takes what is complained of in here: who reads the files later says the same. */
struct search {
	struct load *load;
	struct unit_set quiet;
	const struct unit_facts *facts;
	struct lookup services; /* into load->files */
};

static const struct unit_names no_names = { .count = 0 };

static struct reading start(struct search *s, size_t index, struct unit *unit)
{
	const struct load_file *file = &s->load->files[index];
	const struct kind *kind = kind_of(file->name);
	struct reading r = {
		.set = &s->quiet,
		.arena = &s->quiet.arena,
		.kept = &s->quiet.arena,
		.facts = s->facts,
		.names = &no_names,
		.unit = unit,
		.file = &file->text,
		.kind = kind,
		.own = syntax_group(&file->text, kind->section),
	};

	*unit = (struct unit){ .kind = kind->id,
			       .name = file->name,
			       .path = file->text.path,
			       .folder = file->folder->resolved };
	unit->service_name = file->service ? file->service : name_service(&r);
	return r;
}

/* "web@.service" of "web@a.service"; NULL: no instance. */
static const char *template_of(struct arena *arena, const char *service)
{
	const char *at = strchr(service, '@');

	if (!at || !name_is_valid(service) || !str_ends(service, ".service") ||
	    str_eq(at, "@.service"))
		return NULL;
	return arena_printf(arena, "%.*s@.service", (int)(at - service), service);
}

/* "web@a.container" of "web@.container"; of a template by its ServiceName= only: "web@a.container" of "web.container". */
static const char *instance_file(struct arena *arena, const struct load_file *template,
				 const char *service)
{
	const char *suffix = kind_of(template->name)->suffix, *instance = strchr(service, '@');
	size_t base = strlen(template->name) - strlen(suffix);

	if (base && template->name[base - 1] == '@')
		base--;
	return arena_printf(arena, "%.*s%.*s%s", (int)base, template->name,
			    (int)(strlen(instance) - strlen(".service")), instance, suffix);
}

static void drop_install(struct syntax_file *text)
{
	struct syntax_group *install = syntax_group(text, "Install");
	size_t index;

	if (!install)
		return;
	index = (size_t)(install - text->groups);
	memmove(install, install + 1, (text->group_count - index - 1) * sizeof(*install));
	text->group_count--;
}

/* [Install] is for instances that were enabled: one that is only asked for does not start with the appliance. */
static void add_instance(struct search *s, size_t template_index, const char *service,
			 bool is_enabled, const struct origin *origin)
{
	struct load *load = s->load;
	struct arena *arena = &load->scratch;
	const struct load_file *template = &load->files[template_index];
	const char *name = instance_file(arena, template, service);
	struct load_file *file;

	if (load_taken(load, name) || template->is_unreadable)
		return;
	load_take(load, name, template->folder, template->text.path);
	file = load_new_file(load, name, template->folder, origin->file, origin->line);
	if (!file)
		return;
	/* The files may have moved. */
	template = &load->files[template_index];
	file->service = arena_strdup(arena, service);
	syntax_copy(&file->text, arena, template->bare ? template->bare : &template->text);
	if (template->text.error_count)
		file->broken_path = template->broken_path;
	file->first_error = template->first_error;
	load_merge_drop_ins(load, file);
	if (!is_enabled)
		drop_install(&file->text);
	lookup_add(&s->services, &s->quiet.arena, file->service, load->file_count - 1);
}

static void ask_for(struct search *s, const char *service, const struct origin *origin)
{
	const char *template = template_of(&s->quiet.arena, service);
	size_t index;

	if (template && !lookup_find(&s->services, service, &index) &&
	    lookup_find(&s->services, template, &index))
		add_instance(s, index, service, false, origin);
}

/* Whether [Install] says who would start the template's default instance. */
static bool is_wanted(struct reading *r)
{
	static const char *const keys[] = { "WantedBy", "RequiredBy", "UpheldBy" };
	const struct syntax_group *install = syntax_group(r->file, "Install");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (value_words(r, install, keys[i]).count)
			return true;
	return false;
}

static void add_default(struct search *s, size_t index)
{
	struct unit unit;
	struct reading r = start(s, index, &unit);
	struct arg instance;
	const char *service;
	size_t other;

	if (!name_is_template(unit.service_name) || !is_wanted(&r) ||
	    !value_text(&r, syntax_group(r.file, "Install"), "DefaultInstance", &instance))
		return;
	service = arena_printf(r.arena, "%.*s%s.service",
			       (int)(strlen(unit.service_name) - strlen(".service")),
			       unit.service_name, instance.text);
	if (!template_of(r.arena, service))
		diag_add(&s->load->set->diags, DIAG_ERROR, instance.origin->file,
			 instance.origin->line, instance.origin->column, instance.origin->key,
			 "'%s' is no name of an instance: letters, digits and :-_.\\@",
			 instance.text);
	else if (!lookup_find(&s->services, service, &other))
		add_instance(s, index, service, true, instance.origin);
}

/* Whatever names a unit makes systemd load it. */
static void add_asked_for(struct search *s, size_t index)
{
	struct unit unit;
	struct reading r = start(s, index, &unit);
	const struct syntax_group *group = syntax_group(r.file, "Unit");

	if (name_is_template(unit.service_name))
		return;
	for (size_t i = 0; i < DEPENDENCY_KEY_COUNT; i++) {
		struct arg_list words = value_words(&r, group, dependency_keys[i]);

		for (size_t j = 0; j < words.count; j++) {
			const struct arg *word = &words.items[j];
			const char *text = strchr(word->text, '@') ?
						   expand_specifiers(&r, word->text, word->origin) :
						   NULL;

			if (text)
				ask_for(s, text, word->origin);
		}
	}
}

/* Those that the caller names: a name that is no instance of a template here is complained of. */
static void add_named(struct search *s)
{
	static const struct origin caller = { .file = "", .key = "" };

	for (size_t i = 0; i < s->facts->instance_count; i++) {
		const char *service = s->facts->instances[i];
		size_t index;

		ask_for(s, service, &caller);
		if (!lookup_find(&s->services, service, &index))
			diag_add(&s->load->set->diags, DIAG_ERROR, "", 0, 0, "",
				 "%s: there is no template for it", service);
	}
}

/* Most sets have no template, and nothing to look for: no name of one without its sign. */
static bool may_have_template(const struct search *s)
{
	for (size_t i = 0; i < s->load->file_count; i++) {
		const struct load_file *file = &s->load->files[i];
		const struct syntax_group *own = syntax_group(&file->text, file->kind->section);
		const struct syntax_entry *name = syntax_last(own, "ServiceName");

		if (strchr(file->name, '@') || (name && strchr(name->value, '@')))
			return true;
	}
	return s->facts->instance_count > 0;
}

static void find_services(struct search *s)
{
	for (size_t i = 0; i < s->load->file_count; i++) {
		struct unit unit;
		struct reading r = start(s, i, &unit);

		lookup_add(&s->services, r.arena, unit.service_name, i);
	}
}

void load_add_instances(struct load *load, const struct unit_facts *facts)
{
	struct search s = { .load = load, .facts = facts };
	size_t file_count = load->file_count;

	if (may_have_template(&s)) {
		find_services(&s);
		for (size_t i = 0; i < file_count; i++)
			add_default(&s, i);
		add_named(&s);
		for (size_t i = 0; i < load->file_count; i++)
			add_asked_for(&s, i);
		load_sort(load);
	}
	unit_set_fini(&s.quiet);
}
