/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that name other units, and paths that begin at the unit's folder. Must never turn a
 * reference to a missing unit into a name that podman would then invent.
 */
#include "unit/convert_internal.h"
#include "unit/kinds_internal.h"
#include "unit/names_internal.h"
#include "unit/words_internal.h"
#include "util/path.h"
#include "util/str.h"

void convert_flag(struct reading *r, struct arg_list *words, const char *flag, const char *text,
		  const struct origin *origin)
{
	arg_push(r->arena, words, flag, origin);
	if (text)
		arg_push(r->arena, words, text, origin);
}

void convert_add_sized(struct reading *r, const char *group, const struct syntax_assignment *line)
{
	if (r->service)
		syntax_add(syntax_group_ensure(r->service, r->arena, group), r->arena, line);
}

/* The generator names containers, pods and builds before it converts any unit, the others while
 * it does: what a refused volume is called it does not know. */
static bool is_known_early(enum unit_kind kind)
{
	return kind == UNIT_CONTAINER || kind == UNIT_POD || kind == UNIT_BUILD;
}

/* What podman could do and this version cannot is said of the reference, unless it is said of
 * the whole unit or key already. */
static void refuse_reference(struct reading *r, const char *file, const struct origin *origin)
{
	const struct kind *kind = kind_of(file);
	const char *dot = strrchr(origin->key, '.');
	const struct key *key = dot ? key_find(r->kind->section, dot + 1) : NULL;

	if (r->kind->not_yet[0] || (key && key->state == KEY_NOT_YET) ||
	    (kind->id != UNIT_CONTAINER && !kind->not_yet[0]))
		return;
	reading_refuse(r, origin, "%s: references to other units are not supported yet%s%s", file,
		       kind->not_yet[0] ? ": " : "", kind->not_yet);
}

static void record_reference(struct reading *r, const struct unit_name *name,
			     const struct origin *origin, enum service_dep_kind dependency)
{
	struct unit_ref *ref = arena_push(r->arena, r->unit->refs, r->unit->ref_count);

	*ref = (struct unit_ref){ .kind = kind_of(name->file)->id,
				  .file = name->file,
				  .service = name->service,
				  .resource = name->resource,
				  .origin = origin };
	service_add_dep(r, r->unit, dependency, name->service, origin);
	service_add_dep(r, r->unit, SERVICE_DEP_AFTER, name->service, origin);
}

const struct unit_name *convert_refer(struct reading *r, const char *file,
				      const struct origin *origin, enum service_dep_kind dependency)
{
	const struct unit_name *name = unit_name_find(r->names, file);
	struct unit_name *known;

	if (!name) {
		reading_fail(r, origin, "there is no unit %s%s", file,
			     reading_name_hint(r, file, (char[STR_HINT_BYTES]){ 0 }));
		return NULL;
	}
	convert_add(r, "Unit", dependency == SERVICE_DEP_BINDS_TO ? "BindsTo" : "Requires",
		    name->service);
	convert_add(r, "Unit", "After", name->service);
	known = arena_new(r->arena, struct unit_name);
	*known = *name;
	if (r->is_podman) {
		if (name->has_failed && !is_known_early(kind_of(file)->id))
			known->resource = "";
		return known;
	}
	if (!name->resource[0]) {
		reading_refuse(r, origin, "what %s is called cannot be told before it runs", file);
		return NULL;
	}
	refuse_reference(r, file, origin);
	record_reference(r, name, origin, dependency);
	return known;
}

/* Systemd's specifiers begin with % but %% is a percent sign. */
static bool starts_with_specifier(const char *path)
{
	return path[0] == '%' && path[1] != '%';
}

const char *convert_path(struct reading *r, const char *path, const struct origin *origin)
{
	if (path[0] == '/' || starts_with_specifier(path))
		return path;

	char clean[4096];
	const char *joined = arena_join(r->arena, r->unit->folder, "/", path);

	if (path_clean(joined, clean, sizeof(clean)))
		return arena_strdup(r->arena, clean);
	reading_fail(r, origin, "the path is longer than %zu bytes", sizeof(clean) - 1);
	return joined;
}

static void require_mount(struct reading *r, const char *path)
{
	auto_buf escaped = BUF_INIT(4 * UNIT_MAX_LINE_BYTES + 2);

	if (!r->service)
		return;
	if (!words_is_plain(path)) {
		words_escape(&escaped, path);
		path = arena_strdup(r->arena, buf_str(&escaped));
	}
	convert_add(r, "Unit", "RequiresMountsFor", path);
}

const char *convert_source(struct reading *r, const char *source, const struct origin *origin,
			   bool may_be_image)
{
	if (source[0] == '.')
		source = convert_path(r, source, origin);
	if (source[0] == '/') {
		require_mount(r, source);
		return source;
	}
	if (!str_ends(source, ".volume") && !str_ends(source, ".artifact") &&
	    !(may_be_image && str_ends(source, ".image")))
		return source;

	const struct unit_name *name = convert_refer(r, source, origin, SERVICE_DEP_REQUIRES);

	return name ? name->resource : source;
}

/* SOURCE:TARGET[:OPTIONS]; where there is no source (":/data", or of a unit whose name podman
 * does not know) podman writes the target alone, an anonymous volume. */
static const char *convert_volume(struct reading *r, const struct arg *value)
{
	const char *text = value->text, *colon = strchr(text, ':'), *source = "", *named;

	if (!colon)
		return text;
	if (colon != text) {
		named = arena_strndup(r->arena, text, (size_t)(colon - text));
		source = convert_source(r, named, value->origin, false);
		if (source == named)
			return text;
	}
	if (source[0])
		return arena_join(r->arena, source, colon);
	return arena_strndup(r->arena, colon + 1, strcspn(colon + 1, ":"));
}

void convert_volumes(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->own, "Volume");

	for (size_t i = 0; i < values.count; i++)
		convert_flag(r, words, "-v", convert_volume(r, &values.items[i]),
			     values.items[i].origin);
}

static bool ends_so(const char *text, size_t len, const char *suffix)
{
	size_t tail = strlen(suffix);

	return len >= tail && memcmp(text + len - tail, suffix, tail) == 0;
}

static const char *convert_network(struct reading *r, const struct arg *value)
{
	size_t len = strcspn(value->text, ":");
	const char *options = value->text + len, *file;
	bool is_container = ends_so(value->text, len, ".container");

	if (!is_container && !ends_so(value->text, len, ".network"))
		return value->text;
	if (is_container && *options)
		reading_fail(r, value->origin, "another container's network takes no options");
	file = arena_strndup(r->arena, value->text, len);

	const struct unit_name *name = convert_refer(r, file, value->origin, SERVICE_DEP_REQUIRES);

	if (!name)
		return value->text;
	if (!name->resource[0])
		reading_fail(r, value->origin, "what %s is called cannot be told before it runs",
			     file);
	return arena_join(r->arena, is_container ? "container:" : "", name->resource, options);
}

void convert_networks(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->own, "Network");

	for (size_t i = 0; i < values.count; i++)
		convert_flag(r, words, "--network", convert_network(r, &values.items[i]),
			     values.items[i].origin);
}

/* A build may be tagged "x.image": podman looks that up again. */
static const char *resolve_image(struct reading *r, const struct arg *image)
{
	static const char *const suffixes[] = { ".build", ".image" };
	const char *text = image->text;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (!str_ends(text, suffixes[i]))
			continue;

		const struct unit_name *name =
			convert_refer(r, text, image->origin, SERVICE_DEP_REQUIRES);

		if (!name)
			return text;
		text = name->resource;
	}
	return text;
}

void convert_image(struct reading *r, struct arg_list *words)
{
	struct arg image, rootfs;
	bool has_image = value_text(r, r->own, "Image", &image);
	bool has_rootfs = value_text(r, r->own, "Rootfs", &rootfs);

	if (!has_image && !has_rootfs)
		reading_fail(r, reading_place(r, "Container.Image"),
			     "no Image named: write Image=");
	if (has_image && has_rootfs)
		reading_fail(r, rootfs.origin, "Image and Rootfs exclude each other");
	if (!has_image) {
		if (has_rootfs)
			convert_flag(r, words, "--rootfs", rootfs.text, rootfs.origin);
		return;
	}
	image.text = resolve_image(r, &image);
	/* Of an image that podman does not know it writes "--rootfs" and nothing. */
	if (image.text[0])
		arg_push(r->arena, words, image.text, image.origin);
	else
		convert_flag(r, words, "--rootfs", "", image.origin);
}

/* "%N.pod" is the pod of the container's own name; other specifiers podman does not look into. */
static const char *pod_file(struct reading *r, const char *text)
{
	const char *file = name_expand(r, text);

	return file[0] ? file : text;
}

void convert_pod(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (!value_text(r, r->own, "Pod", &value))
		return;

	const char *file = pod_file(r, value.text);
	const struct unit_name *name;

	if (!str_ends(file, ".pod")) {
		reading_fail(r, value.origin, "%s is no .pod unit", file);
		return;
	}
	name = convert_refer(r, file, value.origin, SERVICE_DEP_BINDS_TO);
	if (name)
		convert_flag(r, words, "--pod", name->resource, value.origin);
}

/* A template has no instance that the pod could start. */
static bool starts_with_pod(struct reading *r)
{
	const char *base = kind_base_name(r->arena, r->unit->name);

	return value_bool(r, r->own, "StartWithPod") != VALUE_FALSE && !str_ends(base, "@");
}

void convert_join_pod(struct reading *r)
{
	struct arg value;
	struct unit_name *pod;
	struct unit *unit;

	if (r->has_failed || !value_text(r, r->own, "Pod", &value))
		return;
	pod = unit_name_find(r->names, pod_file(r, value.text));
	if (!pod || kind_of(pod->file)->id != UNIT_POD || !starts_with_pod(r))
		return;
	if (r->is_podman) {
		reading_add_member(r, pod, r->unit->service_name);
		return;
	}
	/* Names and units stand in the same order. */
	unit = &r->set->units[pod - r->names->items];
	service_add_dep(r, unit, SERVICE_DEP_WANTS, r->unit->service_name, value.origin);
	service_add_dep(r, unit, SERVICE_DEP_BEFORE, r->unit->service_name, value.origin);
}
