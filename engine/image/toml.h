/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * TOML 1.0 (https://toml.io/en/v1.0.0), reading only, for files that an operator writes: strict (what the specification calls
 * invalid is an error), bounded, every value with its line. Pure: a text in, a tree in the arena out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/err.h"

#define TOML_MAX_BYTES (1024 * 1024)
#define TOML_MAX_DEPTH \
	32 /* of arrays and inline tables in each other, and of the parts of a dotted key */
#define TOML_MAX_ENTRIES 8192 /* keys and array elements of a whole document */

enum toml_kind {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_DATETIME, /* of any of the four kinds: checked, kept as text */
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_value {
	enum toml_kind kind;
	unsigned line; /* from 1; of a [table] or [[array]]: of its first header */
	size_t length; /* bytes of text; a string may hold NUL bytes */
	union {
		const char *text; /* string, datetime: NUL added */
		int64_t integer;
		double number;
		bool boolean;
		struct toml_array *array;
		struct toml_table *table;
	};
};

struct toml_entry {
	const char *key; /* never holds NUL bytes */
	struct toml_value value;
};

struct toml_table {
	struct toml_entry *entries; /* in the order of the file */
	size_t count;
	bool defined, dotted, closed; /* the reader's own: by [header], by a dotted key, inline */
};

struct toml_array {
	struct toml_value *items;
	size_t count;
	bool of_tables; /* made by [[header]] */
};

/* text needs no NUL and may be freed afterwards. Errors: ERR_INPUT or ERR_LIMIT, "NAME:LINE: REASON". */
int toml_parse(const char *name, const char *text, size_t length, struct arena *arena,
	       struct toml_table **out, struct err *err) MUST_CHECK;
/* NULL when absent. */
const struct toml_value *toml_find(const struct toml_table *table, const char *key);
/* "a string", "an array of tables": for messages. */
const char *toml_kind_name(const struct toml_value *value);
