/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Argument lists: words with the line that asked for them. Must never lose an origin: every later
 * complaint about a word is said at the line that it came from.
 */
#include "unit/args.h"

void arg_diag(struct diags *diags, enum diag_severity severity, const struct arg *arg,
	      const char *fmt, ...)
{
	const struct origin *o = arg->origin;
	const struct diag place = { .severity = severity,
				    .file = o->file,
				    .line = o->line,
				    .column = o->column,
				    .key = o->key };
	va_list ap;

	va_start(ap, fmt);
	diag_vadd(diags, &place, fmt, ap);
	va_end(ap);
}
