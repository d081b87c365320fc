/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files to units: names that units know each other by, then each unit twice through the table (as podman's
 * generator, as the engine). A unit with an error stays in the set, is listed as invalid, and disturbs no other.
 */
#include "unit/unit.h"

#include <unistd.h>

#include "unit/load_internal.h"
#include "unit/reading_internal.h"
#include "util/path.h"
#include "util/str.h"

/* What a unit's suffix says. */
static const struct unit_kind {
	const char *suffix, *section, *service_suffix, *name_key;
} kinds[] = {
	{ ".container", "Container", "", "ContainerName" },
	{ ".volume", "Volume", "-volume", "VolumeName" },
	{ ".network", "Network", "-network", "NetworkName" },
	{ ".pod", "Pod", "-pod", "PodName" },
	{ ".image", "Image", "-image", "Image" },
	{ ".build", "Build", "-build", "ImageTag" },
	{ ".kube", "Kube", "", "" },
	{ ".artifact", "Artifact", "-artifact", "Artifact" },
};

static const struct unit_kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_ends(name, kinds[i].suffix))
			return &kinds[i];
	return NULL;
}

static bool is_container(const char *name)
{
	return str_ends(name, ".container");
}

static const char *base_name(struct arena *arena, const char *name)
{
	const char *dot = strrchr(name, '.');

	return arena_strndup(arena, name, dot ? (size_t)(dot - name) : strlen(name));
}

/* systemd's alphabet of unit names. */
static bool is_service_name(const char *name)
{
	return name[0] && strlen(name) < UNIT_MAX_NAME_BYTES &&
	       !name[strspn(
		       name,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")];
}

static const char *service_name(struct reading *r, const struct unit_kind *kind)
{
	const char *base = base_name(r->arena, r->unit->name);
	const struct syntax_group *group = syntax_group(r->file, kind->section);
	size_t len = strlen(base);
	struct arg given;

	if (value_text(r, group, "ServiceName", &given)) {
		if (is_service_name(given.text))
			return arena_printf(r->arena, "%s.service", given.text);
		reading_fail(
			r, given.origin,
			"'%s' is no name of a service: letters, digits and :-_.\\@, at most %d of them",
			given.text, UNIT_MAX_NAME_BYTES - 1);
	}
	/* The template sign comes last: "web@-volume" would be an instance. */
	if (len && base[len - 1] == '@')
		return arena_printf(r->arena, "%.*s%s@.service", (int)(len - 1), base,
				    kind->service_suffix);
	return arena_printf(r->arena, "%s%s.service", base, kind->service_suffix);
}

static const char *container_resource(struct reading *r, const char *name)
{
	auto_buf out = BUF_INIT(UNIT_MAX_NAME_BYTES * 4);

	for (const char *p = name; *p; p++) {
		if (p[0] == '%' && p[1] == 'N') {
			buf_add(&out, r->unit->service_name,
				strlen(r->unit->service_name) - strlen(".service"));
			p++;
		} else {
			buf_putc(&out, *p);
		}
	}
	/* Other specifiers only systemd could resolve. */
	return strchr(buf_str(&out), '%') ? "" : arena_strdup(r->arena, buf_str(&out));
}

/* What podman calls the thing that the unit makes; "" when that cannot be told. */
static const char *resource_name(struct reading *r, const struct unit_kind *kind)
{
	const struct syntax_group *group = syntax_group(r->file, kind->section);
	bool is_template = strchr(r->unit->name, '@') != NULL;
	struct arg given;

	if (kind->name_key[0] && value_text(r, group, kind->name_key, &given) &&
	    strlen(given.text) < 2 * UNIT_MAX_NAME_BYTES)
		return is_container(r->unit->name) ? container_resource(r, given.text) : given.text;
	if (str_eq(kind->suffix, ".image") || str_eq(kind->suffix, ".build") ||
	    str_eq(kind->suffix, ".artifact") || str_eq(kind->suffix, ".kube"))
		return "";
	if (is_container(r->unit->name))
		return is_template ? "" : container_resource(r, "systemd-%N");

	const char *base = base_name(r->arena, r->unit->name);

	if (!is_template || str_eq(kind->suffix, ".pod"))
		return arena_printf(r->arena, "systemd-%s", base);
	/* podman cuts one letter, the @ of a template; of an instance it cuts a letter of the name. */
	return arena_printf(r->arena, "systemd-%.*s-%%i", (int)strlen(base) - 1, base);
}

/* .image units may give the image another name than the one that is pulled. */
static const char *image_tag(struct reading *r, const char *resource)
{
	struct arg given;

	if (str_ends(r->unit->name, ".image") &&
	    value_text(r, syntax_group(r->file, "Image"), "ImageTag", &given) &&
	    strlen(given.text) < 2 * UNIT_MAX_NAME_BYTES)
		return given.text;
	return resource;
}

/* The first ImageTag= names what a .build unit makes. */
static const char *build_tag(struct reading *r, const char *resource)
{
	if (!str_ends(r->unit->name, ".build"))
		return resource;

	struct arg_list tags = value_list(r, syntax_group(r->file, "Build"), "ImageTag");

	return tags.count && strlen(tags.items[0].text) < 2 * UNIT_MAX_NAME_BYTES ?
		       tags.items[0].text :
		       "";
}

static const char *absolute_folder(struct arena *arena, const char *folder)
{
	char here[4096], clean[4096];

	if (folder[0] != '/') {
		if (!getcwd(here, sizeof(here)))
			return "/";
		folder = arena_printf(arena, "%s/%s", here, folder);
	}
	return path_clean(folder, clean, sizeof(clean)) ? arena_strdup(arena, clean) : "/";
}

/* Everything that is carried from file to file while a set is made. */
struct making {
	struct unit_set *set;
	struct load load;
	const struct unit_facts *facts;
	struct unit_names names;
};

static struct reading start_reading(struct making *m, size_t index)
{
	const struct load_file *file = &m->load.files[index];

	return (struct reading){
		.set = m->set,
		.arena = &m->set->arena,
		.facts = m->facts,
		.names = &m->names,
		.unit = &m->set->units[index],
		.file = &file->text,
		.container = syntax_group(&file->text, "Container"),
		.has_failed = file->text.error_count > 0 || file->is_unreadable ||
			      file->has_bad_name,
	};
}

/* The complaint about the file stands in the diagnostics already. */
static void mark_broken(struct making *m, struct unit *unit, const char *path)
{
	const struct diags *diags = &m->set->diags;
	auto_buf text = BUF_INIT(UNIT_MAX_LINE_BYTES);

	unit->is_valid = false;
	for (size_t i = 0; i < diags->count; i++)
		if (diags->items[i].severity == DIAG_ERROR && str_eq(diags->items[i].file, path)) {
			diag_format(&diags->items[i], &text);
			unit->first_error = i;
			unit->error_text = arena_strdup(&m->set->arena, buf_str(&text));
			return;
		}
	unit->first_error = diags->count ? diags->count - 1 : 0;
	unit->error_text = arena_printf(&m->set->arena, "%s: the file has errors", path);
}

static void name_unit(struct making *m, size_t index)
{
	struct load_file *file = &m->load.files[index];
	struct unit *unit = &m->set->units[index];
	struct arena *arena = &m->set->arena;
	struct unit_name *name = &m->names.items[index];
	const struct unit_kind *kind = kind_of(file->name);
	static const struct origin nobody = { .file = "", .key = "" };

	unit->name = file->name;
	unit->path = file->text.path;
	unit->folder = absolute_folder(arena, file->folder);
	unit->is_valid = true;
	unit->error_text = unit->service_text = unit->symlink_text = "";
	if (file->broken_path)
		mark_broken(m, unit, file->broken_path);

	struct reading r = start_reading(m, index);

	r.is_podman = true;
	unit->service_name = service_name(&r, kind);
	file->has_bad_name = r.has_failed;
	unit->container_name = arena_printf(arena, "systemd-%s", base_name(arena, file->name));
	name->file = unit->name;
	name->service = unit->service_name;
	name->resource = build_tag(&r, image_tag(&r, resource_name(&r, kind)));
	name->origin = &nobody;
}

/* Two units with one name would be one service: the later one, by file name, is refused. */
static void check_names(struct making *m, size_t index)
{
	struct reading r = start_reading(m, index);
	const struct unit *unit = &m->set->units[index];

	for (size_t i = 0; i < index; i++) {
		const struct unit *other = &m->set->units[i];

		if (str_eq(other->service_name, unit->service_name))
			reading_refuse(&r, reading_place(&r, "Container.ServiceName"),
				       "%s is %s, too", other->path, unit->service_name);
		else if (is_container(other->name) &&
			 str_eq(other->container_name, unit->container_name))
			reading_refuse(&r, reading_place(&r, "Container.ContainerName"),
				       "the container of %s is called %s, too", other->path,
				       unit->container_name);
	}
}

static void read_as_podman(struct making *m, size_t index, struct reading *r)
{
	struct syntax_file service;
	size_t image_index;

	*r = start_reading(m, index);
	r->is_podman = true;
	r->unit->podman_begin = m->set->diags.count;
	judge_unit(r);
	service_text_begin(r, &service);

	struct arg_list words = convert_container(r, &image_index);

	service_text_end(r, &words);
	r->unit->run_args = words;
	r->unit->podman_end = m->set->diags.count;
}

static void read_as_engine(struct making *m, size_t index, struct reading *r)
{
	struct unit *unit = &m->set->units[index];

	*r = start_reading(m, index);
	judge_unit(r);
	service_read(r);
	if (strchr(unit->name, '@') && str_ends(unit->service_name, "@.service"))
		reading_refuse(
			r, reading_place(r, "Container"),
			"templates are not supported yet: link NAME@INSTANCE.container to it");

	struct arg_list words = convert_container(r, &unit->image_index);

	expand_words(r, &words, &unit->spec_args, &unit->image_index);
	if (unit->spec_args.count > 1 && unit->image_index > 1)
		unit->container_name = unit->spec_args.items[1].text;
	if (strlen(unit->container_name) >= UNIT_MAX_NAME_BYTES)
		reading_refuse(r, reading_place(r, "Container.ContainerName"),
			       "the name is longer than %d bytes", UNIT_MAX_NAME_BYTES - 1);
}

/* A kind that has no engine yet: listed as invalid, so that nobody waits for it. */
static void refuse_kind(struct making *m, size_t index)
{
	struct reading r = start_reading(m, index);
	const struct unit_kind *kind = kind_of(r.unit->name);
	struct origin *origin = arena_new(r.arena, struct origin);
	const struct syntax_group *group = syntax_group(r.file, kind->section);

	*origin = (struct origin){
		.file = r.file->path, .line = 1, .column = 1, .key = kind->section
	};
	if (group)
		origin->line = group->origin->line;
	reading_refuse(&r, origin, "%s units are not supported yet", kind->suffix);
}

static void mark_left_out(struct making *m)
{
	for (size_t i = 0; i < m->load.file_count; i++) {
		const struct load_file *broken = &m->load.files[i];

		if (!broken->text.error_count && !broken->is_unreadable)
			continue;
		for (size_t j = 0; j < m->load.file_count; j++)
			m->set->units[j].is_left_out |=
				str_eq(m->load.files[j].folder, broken->folder);
	}
}

static void make_units(struct making *m)
{
	struct unit_set *set = m->set;
	struct reading r;

	load_sort(&m->load);
	set->count = m->load.file_count;
	set->units = arena_alloc(&set->arena, (set->count + 1) * sizeof(set->units[0]));
	m->names.items = arena_alloc(&set->arena, (set->count + 1) * sizeof(m->names.items[0]));
	m->names.count = set->count;
	for (size_t i = 0; i < set->count; i++)
		name_unit(m, i);
	mark_left_out(m);
	set->load_diag_count = set->diags.count;
	for (size_t i = 0; i < set->count; i++) {
		if (!is_container(set->units[i].name)) {
			refuse_kind(m, i);
			continue;
		}
		read_as_podman(m, i, &r);
		read_as_engine(m, i, &r);
	}
	for (size_t i = 0; i < set->count; i++)
		check_names(m, i);
}

int unit_set_load_dirs(struct unit_set *set, const char *const *dirs, size_t dir_count,
		       const struct unit_facts *facts, struct err *err)
{
	struct making m = { .set = set, .load = { .set = set }, .facts = facts };

	for (size_t i = 0; i < dir_count; i++)
		if (load_add_dir(&m.load, dirs[i], err) < 0)
			return -1;
	load_read(&m.load);
	make_units(&m);
	return 0;
}

int unit_set_load(struct unit_set *set, const char *dir, const struct unit_facts *facts,
		  struct err *err)
{
	return unit_set_load_dirs(set, &dir, 1, facts, err);
}

void unit_set_load_files(struct unit_set *set, const char *const *paths, size_t path_count,
			 const struct unit_facts *facts)
{
	struct making m = { .set = set, .load = { .set = set }, .facts = facts };

	for (size_t i = 0; i < path_count; i++)
		load_add_path(&m.load, paths[i]);
	make_units(&m);
}

int unit_set_load_text(struct unit_set *set, const char *name, const char *path, const char *text,
		       size_t len, const struct unit_facts *facts, struct err *err)
{
	struct making m = { .set = set, .load = { .set = set }, .facts = facts };

	if (!load_suffix(name))
		return err_set(err, ERR_INPUT, "%s: no kind of unit file", name);
	load_add_text(&m.load, name, path, text, len);
	make_units(&m);
	return 0;
}

void unit_set_fini(struct unit_set *set)
{
	arena_fini(&set->arena);
	diags_fini(&set->diags);
	*set = (struct unit_set){ 0 };
}
