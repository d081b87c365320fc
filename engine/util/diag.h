/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is wrong with somebody's files: collected, never fatal by itself. Printed GNU style
 * ("file:line:column: error: Container.PublishPort: text") so that editors jump there.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/buf.h"

enum diag_severity {
	DIAG_NOTE,    /* accepted; behaves in a way worth knowing (a "noted" key) */
	DIAG_WARNING, /* accepted, but probably not what was meant */
	DIAG_ERROR,   /* the unit is not started */
};

struct diag {
	enum diag_severity severity;
	const char *file; /* "" when the problem has no file */
	unsigned line;	  /* 1-based; 0: the whole file */
	unsigned column;  /* 1-based; 0: unknown */
	const char *key;  /* "Container.PublishPort" or "" */
	const char *text;
	const char *rule; /* name of the advice, shown in brackets; "" or NULL: none */
};

struct diags {
	struct arena arena; /* owns all strings */
	struct arena *
		lender; /* owns them instead, when there is one: for many that live and die together */
	struct diag *items;
	size_t count;
	size_t error_count;
	size_t severity_count[DIAG_ERROR + 1]; /* kept or not */
	size_t dropped;			       /* not kept */
};

/* How many of each severity are kept, so that a thousand notes hide no error. */
#define DIAG_MAX 1000

void diag_add(struct diags *d, enum diag_severity severity, const char *file, unsigned line,
	      unsigned column, const char *key, const char *fmt, ...) ERR_PRINTF(7, 8);
/* At the place's severity, file, line, column and key, with its rule. */
void diag_vadd(struct diags *d, const struct diag *place, const char *fmt, va_list ap)
	ERR_PRINTF(3, 0);
/* The same with the name of a rule of advice. */
void diag_add_advice(struct diags *d, const struct diag *place, const char *rule, const char *fmt,
		     ...) ERR_PRINTF(4, 5);
/* Adds all of from, as if each had been added here; what from has not kept is counted. from is empty then. */
void diags_move(struct diags *d, struct diags *from);
const char *diag_severity_name(enum diag_severity severity);
/* One line without newline into out. */
void diag_format(const struct diag *diag, struct buf *out);
void diags_fini(struct diags *d);
