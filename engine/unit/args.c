/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Argument lists: words with the line that asked for them. Must never lose an origin: every later
 * complaint about a word is said at the line that it came from.
 */
#include "unit/args.h"

void arg_push(struct arena *arena, struct arg_list *list, const char *text,
	      const struct origin *origin)
{
	struct arg *arg = arena_push(arena, list->items, list->count);

	arg->text = text;
	arg->origin = origin;
}

void arg_diag(struct diags *diags, enum diag_severity severity, const struct arg *arg,
	      const char *fmt, ...)
{
	const struct origin *o = arg->origin;
	auto_arena scratch = { 0 };
	va_list ap;

	va_start(ap, fmt);

	const char *text = arena_vprintf(&scratch, fmt, ap);

	va_end(ap);
	diag_add(diags, severity, o->file, o->line, o->column, o->key, "%s", text);
}
