/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between toml.c (keys, tables, arrays) and toml_scalar.c (strings, numbers, dates). */
#include "image/toml.h"

struct toml_reader {
	const char *name; /* of the file, for messages */
	const char *at, *end;
	unsigned line, depth;
	size_t entries;
	struct arena *arena;
	struct err *err;
	struct toml_table *root, *current;
};

/* "NAME:LINE: ..."; returns -1. */
int toml_fail(struct toml_reader *r, const char *fmt, ...) ERR_PRINTF(2, 3);
/* Are the next bytes this text? Then steps over it. */
bool toml_accept(struct toml_reader *r, const char *text);
/* Any scalar value, at r->at. */
int toml_read_scalar(struct toml_reader *r, struct toml_value *out) MUST_CHECK;
/* "..." or '...' on one line, as keys are quoted. */
int toml_read_quoted(struct toml_reader *r, struct toml_value *out) MUST_CHECK;
