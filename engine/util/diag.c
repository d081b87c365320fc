/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting what is wrong with files. Texts quote hostile input, so each is kept to one line
 * when it is added; the number is bounded, and what is beyond it is counted, so that a file of
 * a million errors costs no more than one of a thousand. Must never end the program.
 */
#include "util/diag.h"

static char *one_line(char *s)
{
	for (char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return s;
}

void diag_add(struct diags *d, enum diag_severity severity, const char *file, unsigned line,
	      unsigned column, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (severity == DIAG_ERROR)
		d->error_count++;
	if (d->count >= DIAG_MAX) {
		d->dropped++;
		return;
	}

	struct diag *diag = arena_push(&d->arena, d->items, d->count);

	diag->severity = severity;
	diag->file = one_line(arena_strdup(&d->arena, file ? file : ""));
	diag->line = line;
	diag->column = column;
	diag->key = one_line(arena_strdup(&d->arena, key ? key : ""));
	va_start(ap, fmt);
	diag->text = one_line(arena_vprintf(&d->arena, fmt, ap));
	va_end(ap);
}

const char *diag_severity_name(enum diag_severity severity)
{
	switch (severity) {
	case DIAG_NOTE:
		return "note";
	case DIAG_WARNING:
		return "warning";
	case DIAG_ERROR:
		return "error";
	}
	return "unknown";
}

void diag_format(const struct diag *diag, struct buf *out)
{
	if (diag->file[0]) {
		buf_puts(out, diag->file);
		if (diag->line)
			buf_printf(out, ":%u", diag->line);
		if (diag->line && diag->column)
			buf_printf(out, ":%u", diag->column);
		buf_puts(out, ": ");
	}
	buf_printf(out, "%s: ", diag_severity_name(diag->severity));
	if (diag->key[0])
		buf_printf(out, "%s: ", diag->key);
	buf_puts(out, diag->text);
}

void diags_fini(struct diags *d)
{
	arena_fini(&d->arena);
	d->items = NULL;
	d->count = 0;
	d->error_count = 0;
	d->dropped = 0;
}
