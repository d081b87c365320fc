/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting what is wrong with files. Texts quote hostile input, so each is kept to one line
 * when it is added; the number is bounded, and what is beyond it is counted, so that a file of
 * a million errors costs no more than one of a thousand. Must never end the program.
 */
#include "util/diag.h"

#include <string.h>

#include "util/str.h"

static char *one_line(char *s)
{
	const char *first = str_find_control(s);

	for (char *p = first ? s + (first - s) : NULL; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return s;
}

void diag_vadd(struct diags *d, const struct diag *place, const char *fmt, va_list ap)
{
	if (place->severity == DIAG_ERROR)
		d->error_count++;
	if (d->severity_count[place->severity]++ >= DIAG_MAX) {
		d->dropped++;
		return;
	}

	struct arena *arena = d->lender ? d->lender : &d->arena;
	struct diag *diag = arena_push(arena, d->items, d->count);

	*diag = *place;
	diag->file = one_line(arena_strdup(arena, place->file ? place->file : ""));
	diag->key = one_line(arena_strdup(arena, place->key ? place->key : ""));
	diag->rule = place->rule ? arena_strdup(arena, place->rule) : "";
	diag->text = one_line(arena_vprintf(arena, fmt, ap));
}

void diag_add(struct diags *d, enum diag_severity severity, const char *file, unsigned line,
	      unsigned column, const char *key, const char *fmt, ...)
{
	const struct diag place = {
		.severity = severity, .file = file, .line = line, .column = column, .key = key
	};
	va_list ap;

	va_start(ap, fmt);
	diag_vadd(d, &place, fmt, ap);
	va_end(ap);
}

void diag_add_advice(struct diags *d, const struct diag *place, const char *rule, const char *fmt,
		     ...)
{
	struct diag advice = *place;
	va_list ap;

	advice.rule = rule;
	va_start(ap, fmt);
	diag_vadd(d, &advice, fmt, ap);
	va_end(ap);
}

void diags_move(struct diags *d, struct diags *from)
{
	size_t lost[DIAG_ERROR + 1];

	memcpy(lost, from->severity_count, sizeof(lost));
	for (size_t i = 0; i < from->count; i++) {
		diag_add_advice(d, &from->items[i], from->items[i].rule, "%s", from->items[i].text);
		lost[from->items[i].severity]--;
	}
	for (size_t i = 0; i <= DIAG_ERROR; i++)
		d->severity_count[i] += lost[i];
	d->error_count += lost[DIAG_ERROR];
	d->dropped += from->dropped;
	diags_fini(from);
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

static void put_number(struct buf *out, unsigned number)
{
	char digits[12];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buf_putc(out, ':');
	buf_add(out, digits + at, sizeof(digits) - at);
}

void diag_format(const struct diag *diag, struct buf *out)
{
	if (diag->file[0]) {
		buf_puts(out, diag->file);
		if (diag->line)
			put_number(out, diag->line);
		if (diag->line && diag->column)
			put_number(out, diag->column);
		buf_puts(out, ": ");
	}
	buf_puts(out, diag_severity_name(diag->severity));
	buf_puts(out, ": ");
	if (diag->key[0]) {
		buf_puts(out, diag->key);
		buf_puts(out, ": ");
	}
	buf_puts(out, diag->text);
	if (diag->rule && diag->rule[0])
		buf_printf(out, " [%s]", diag->rule);
}

void diags_fini(struct diags *d)
{
	arena_fini(&d->arena);
	d->items = NULL;
	d->count = 0;
	d->error_count = 0;
	d->dropped = 0;
	memset(d->severity_count, 0, sizeof(d->severity_count));
}
