/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complaints about one unit, and the names by which units know each other. Must never count an error without
 * making its unit invalid.
 */
#include "unit/reading_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "unit/keep_internal.h"
#include "unit/kinds_internal.h"
#include "util/str.h"

/* The index of a complaint among those from begin to before end; end: it is not there. */
static size_t find_said(const struct diags *diags, size_t begin, size_t end,
			enum diag_severity severity, const struct origin *origin, const char *text)
{
	for (size_t i = begin; i < end; i++) {
		const struct diag *d = &diags->items[i];

		if (d->line == origin->line && d->column == origin->column &&
		    d->severity == severity && str_eq(d->text, text) &&
		    str_eq(d->file, origin->file))
			return i;
	}
	return end;
}

/* A value is looked at by several rules, and one line may speak for several units (of a drop-in, of a template): what is wrong
 * with it is said once. Otherwise only what was said of this unit is searched. Returns where it stands. */
static size_t say_once(struct reading *r, enum diag_severity severity, const struct origin *origin,
		       const char *text)
{
	struct diags *diags = &r->set->diags;
	const struct arg at = { .text = "", .origin = origin };
	bool is_shared = !str_eq(origin->file, r->file->path) || strchr(r->unit->name, '@');
	size_t podman_end = r->is_podman ? r->unit->podman_begin : r->unit->podman_end;
	size_t found;

	if (!is_shared) {
		found = find_said(diags, r->unit->podman_begin, podman_end, severity, origin, text);
		if (found < podman_end)
			return found;
	}
	found = find_said(diags, is_shared ? 0 : r->said_from, diags->count, severity, origin,
			  text);
	if (found == diags->count)
		arg_diag(diags, severity, &at, "%s", text);
	return found < diags->count ? found : diags->count - (diags->count > 0);
}

static void mark_invalid(struct reading *r, const struct origin *origin, const char *text,
			 size_t index)
{
	r->unit->is_valid = false;
	r->unit->first_error = index;
	r->unit->error_text = arena_printf(r->kept, "%s:%u:%u: %s: %s", origin->file, origin->line,
					   origin->column, origin->key, text);
}

bool reading_is_full(const struct reading *r, enum diag_severity severity)
{
	return r->set->diags.severity_count[severity] >= DIAG_MAX &&
	       (severity != DIAG_ERROR || !r->unit->is_valid);
}

bool reading_repeat(struct reading *r, const struct origin *origin, const char *begin)
{
	const struct diags *diags = &r->set->diags;

	if (str_eq(origin->file, r->file->path) && !strchr(r->unit->name, '@'))
		return false;
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		if (d->line != origin->line || d->column != origin->column ||
		    d->severity != DIAG_ERROR || !str_starts(d->text, begin) ||
		    !str_eq(d->file, origin->file))
			continue;
		if (r->unit->is_valid)
			mark_invalid(r, origin, d->text, i);
		return true;
	}
	return false;
}

static void put_down(struct reading *r, struct reading_effect effect)
{
	struct origin *origin = arena_new(r->lasting, struct origin);

	if (effect.origin)
		*origin = *effect.origin;
	if (origin->key && !keep_is_constant(origin->key))
		origin->key = arena_strdup(r->lasting, origin->key);
	effect.origin = origin;
	*arena_push(r->lasting, r->effects->items, r->effects->count) = effect;
}

static void say_text(struct reading *r, enum diag_severity severity, const struct origin *origin,
		     const char *text)
{
	size_t index;

	/* It is counted. */
	if (severity != DIAG_NOTE && reading_is_full(r, severity)) {
		diag_add(&r->set->diags, severity, "", 0, 0, "", "%s", "");
		return;
	}
	index = say_once(r, severity, origin, text);
	if (severity == DIAG_ERROR && r->unit->is_valid)
		mark_invalid(r, origin, text, index);
}

static void say(struct reading *r, enum diag_severity severity, const struct origin *origin,
		const char *fmt, va_list ap)
{
	auto_arena scratch = { 0 };

	if (reading_is_full(r, severity) && !r->effects) {
		say_text(r, severity, origin, "");
		return;
	}
	/* Words that no line asked for, as the name of a file with a % in it. */
	if (!origin->line)
		origin = reading_place(r, origin->key);
	if (r->effects)
		put_down(r, (struct reading_effect){ .origin = origin,
						     .severity = severity,
						     .text = arena_vprintf(r->lasting, fmt, ap) });
	else
		say_text(r, severity, origin, arena_vprintf(&scratch, fmt, ap));
}

void reading_add_member(struct reading *r, struct unit_name *pod, const char *service)
{
	if (r->effects)
		put_down(r, (struct reading_effect){ .pod = pod, .text = service });
	else
		*arena_push(r->lasting, pod->members, pod->member_count) = service;
}

void reading_add_dep(struct reading *r, struct unit *unit, const struct service_dep *dep)
{
	struct service_dep copy = *dep;
	struct origin *place;

	if (r->effects) {
		put_down(r, (struct reading_effect){
				    .dependent = unit,
				    .dep = { .kind = dep->kind,
					     .target = arena_strdup(r->lasting, dep->target) },
				    .origin = dep->origin });
		return;
	}
	place = arena_new(r->lasting, struct origin);
	*place = *dep->origin;
	copy.target = arena_strdup(r->lasting, dep->target);
	copy.origin = place;
	*arena_push(r->lasting, unit->service.deps, unit->service.dep_count) = copy;
}

void reading_settle(struct reading *r, const struct reading_effects *effects)
{
	for (size_t i = 0; i < effects->count; i++) {
		const struct reading_effect *e = &effects->items[i];
		struct service_dep dep = e->dep;

		dep.origin = e->origin;
		if (e->dependent)
			*arena_push(r->lasting, e->dependent->service.deps,
				    e->dependent->service.dep_count) = dep;
		else if (e->pod)
			reading_add_member(r, e->pod, e->text);
		else
			say_text(r, e->severity, e->origin, e->text);
	}
}

void reading_fail(struct reading *r, const struct origin *origin, const char *fmt, ...)
{
	va_list ap;

	if (!r->is_podman)
		return;
	r->has_failed = true;
	va_start(ap, fmt);
	say(r, DIAG_ERROR, origin, fmt, ap);
	va_end(ap);
}

void reading_slip(struct reading *r, const struct origin *origin, const char *fmt, ...)
{
	va_list ap;

	if (!r->is_podman || !r->facts->is_generator)
		return;
	va_start(ap, fmt);
	say(r, DIAG_WARNING, origin, fmt, ap);
	va_end(ap);
}

void reading_refuse(struct reading *r, const struct origin *origin, const char *fmt, ...)
{
	va_list ap;

	if (r->is_podman)
		return;
	va_start(ap, fmt);
	say(r, DIAG_ERROR, origin, fmt, ap);
	va_end(ap);
}

void reading_warn(struct reading *r, const struct origin *origin, const char *fmt, ...)
{
	va_list ap;

	if (r->is_podman)
		return;
	va_start(ap, fmt);
	say(r, DIAG_WARNING, origin, fmt, ap);
	va_end(ap);
}

void reading_ignore(struct reading *r, const struct origin *origin, const char *fmt, ...)
{
	va_list ap;

	if (r->is_podman)
		return;
	*arena_push(r->arena, r->ignored, r->ignored_count) = origin;
	va_start(ap, fmt);
	say(r, DIAG_WARNING, origin, fmt, ap);
	va_end(ap);
}

void reading_note(struct reading *r, const struct origin *origin, const char *text)
{
	if (r->is_podman)
		return;
	if (r->effects)
		put_down(r, (struct reading_effect){ .origin = origin,
						     .severity = DIAG_NOTE,
						     .text = arena_strdup(r->lasting, text) });
	else
		say_text(r, DIAG_NOTE, origin, text);

	struct unit_note *note = arena_push(r->arena, r->unit->notes, r->unit->note_count);

	note->key = origin->key;
	note->text = arena_strdup(r->arena, text);
	note->origin = origin;
}

const struct origin *reading_place(struct reading *r, const char *key)
{
	struct origin *origin = arena_new(r->arena, struct origin);

	*origin = (struct origin){ .file = r->file->path, .line = 1, .column = 1, .key = key };
	if (r->own) {
		origin->file = r->own->origin->file;
		origin->line = r->own->origin->line;
		origin->column = r->own->origin->column;
	}
	return origin;
}

static int compare_file(const void *name, const void *item)
{
	return strcmp(name, ((const struct unit_name *)item)->file);
}

struct unit_name *unit_name_find(const struct unit_names *names, const char *file)
{
	/* What is asked for is a service more often than not. */
	return names->count && kind_of(file) ? bsearch(file, names->items, names->count,
						       sizeof(names->items[0]), compare_file) :
					       NULL;
}

struct unit_name *unit_name_find_service(const struct unit_names *names, const char *service)
{
	size_t index;

	return lookup_find(&names->by_service, service, &index) ? &names->items[index] : NULL;
}

#define HINT_MAX_NAMES 128

/* In other letters, or with one of them wrong; but web-1 is not meant by web-2. */
static bool is_near(const char *left, const char *right)
{
	size_t same = 0;

	if (strcasecmp(left, right) == 0)
		return true;
	while (left[same] && left[same] == right[same])
		same++;
	return !strchr("0123456789", left[same]) && !strchr("0123456789", right[same]) &&
	       str_distance(left, right, 1) <= 1;
}

const char *reading_name_hint(struct reading *r, const char *missing, char *out)
{
	bool is_file = kind_of(missing) != NULL;

	out[0] = '\0';
	for (size_t i = 0; i < r->names->count && r->names->count <= HINT_MAX_NAMES; i++) {
		const struct unit_name *name = &r->names->items[i];
		const char *text = is_file ? name->file : name->service;

		if (str_eq(name->service, r->unit->service_name) || !is_near(missing, text))
			continue;
		snprintf(out, STR_HINT_BYTES, ": did you mean %s?", text);
		break;
	}
	return out;
}
