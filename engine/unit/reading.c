/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complaints about one unit, and the names by which units know each other. Must never count an error without
 * making its unit invalid.
 */
#include "unit/reading_internal.h"
#include "util/str.h"

/* A value is looked at by several rules; what is wrong with it is said once. */
static bool is_said(const struct diags *diags, enum diag_severity severity,
		    const struct origin *origin, const char *text)
{
	for (size_t i = diags->count; i > 0; i--) {
		const struct diag *d = &diags->items[i - 1];

		if (d->line == origin->line && d->column == origin->column &&
		    d->severity == severity && str_eq(d->text, text) &&
		    str_eq(d->file, origin->file))
			return true;
	}
	return false;
}

static void say(struct reading *r, enum diag_severity severity, const struct origin *origin,
		const char *fmt, va_list ap)
{
	auto_arena scratch = { 0 };
	struct diags *diags = &r->set->diags;
	const struct arg at = { .text = "", .origin = origin };
	const char *text = arena_vprintf(&scratch, fmt, ap);

	if (is_said(diags, severity, origin, text))
		return;
	if (severity == DIAG_ERROR && r->unit->is_valid) {
		r->unit->is_valid = false;
		r->unit->first_error = diags->count < DIAG_MAX ? diags->count : DIAG_MAX - 1;
		r->unit->error_text = arena_printf(r->arena, "%s:%u:%u: %s: %s", origin->file,
						   origin->line, origin->column, origin->key, text);
	}
	arg_diag(diags, severity, &at, "%s", text);
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

void reading_note(struct reading *r, const struct origin *origin, const char *text)
{
	const struct arg at = { .text = "", .origin = origin };

	if (r->is_podman)
		return;
	arg_diag(&r->set->diags, DIAG_NOTE, &at, "%s", text);

	struct unit_note *note = arena_push(r->arena, r->unit->notes, r->unit->note_count);

	note->key = origin->key;
	note->text = arena_strdup(r->arena, text);
	note->origin = origin;
}

const struct origin *reading_place(struct reading *r, const char *key)
{
	struct origin *origin = arena_new(r->arena, struct origin);

	*origin = (struct origin){ .file = r->file->path, .line = 1, .column = 1, .key = key };
	if (r->container) {
		origin->file = r->container->origin->file;
		origin->line = r->container->origin->line;
		origin->column = r->container->origin->column;
	}
	return origin;
}

const struct unit_name *unit_name_find(const struct unit_names *names, const char *file)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->items[i].file, file))
			return &names->items[i];
	return NULL;
}

const struct unit_name *unit_name_find_service(const struct unit_names *names, const char *service)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->items[i].service, service))
			return &names->items[i];
	return NULL;
}
