/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML documents: lines, keys, tables and arrays; what a table may be extended by is most of it. Recursion is bounded by
 * TOML_MAX_DEPTH, memory by TOML_MAX_ENTRIES. Must never accept what another reader would understand differently: a
 * configuration that two programs read in two ways is worse than one that is refused.
 */
#include "image/toml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image/toml_internal.h"
#include "util/str.h"

struct toml_key {
	const char *parts[TOML_MAX_DEPTH];
	size_t count;
};

int toml_fail(struct toml_reader *r, const char *fmt, ...)
{
	char reason[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_INPUT, "%s:%u: %s", r->name, r->line, reason);
}

bool toml_accept(struct toml_reader *r, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
		return false;
	r->at += len;
	return true;
}

const struct toml_value *toml_find(const struct toml_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++)
		if (str_eq(table->entries[i].key, key))
			return &table->entries[i].value;
	return NULL;
}

const char *toml_kind_name(const struct toml_value *value)
{
	switch (value->kind) {
	case TOML_STRING:
		return "a string";
	case TOML_INTEGER:
		return "an integer";
	case TOML_FLOAT:
		return "a float";
	case TOML_BOOL:
		return "a boolean";
	case TOML_DATETIME:
		return "a date or time";
	case TOML_ARRAY:
		return value->array->of_tables ? "an array of tables" : "an array";
	case TOML_TABLE:
		return "a table";
	}
	return "nothing";
}

static int count_entry(struct toml_reader *r)
{
	if (++r->entries > TOML_MAX_ENTRIES)
		return err_set(r->err, ERR_LIMIT, "%s:%u: more than %d keys and elements", r->name,
			       r->line, TOML_MAX_ENTRIES);
	return 0;
}

/* A new, zeroed value under the key; NULL past the limit. The key is known not to be there. */
static struct toml_value *add_entry(struct toml_reader *r, struct toml_table *table,
				    const char *key)
{
	struct toml_entry *entry;

	if (count_entry(r) < 0)
		return NULL;
	entry = arena_push(r->arena, table->entries, table->count);
	entry->key = key;
	entry->value.line = r->line;
	return &entry->value;
}

static struct toml_table *add_table(struct toml_reader *r, struct toml_table *parent,
				    const char *key)
{
	struct toml_value *value = add_entry(r, parent, key);

	if (!value)
		return NULL;
	value->kind = TOML_TABLE;
	value->table = arena_new(r->arena, struct toml_table);
	return value->table;
}

static void skip_blanks(struct toml_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

static int skip_comment(struct toml_reader *r)
{
	if (r->at == r->end || *r->at != '#')
		return 0;
	while (r->at < r->end && *r->at != '\n' && *r->at != '\r') {
		unsigned char c = (unsigned char)*r->at++;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return toml_fail(r, "control character 0x%02x in a comment", c);
	}
	return 0;
}

static bool accept_newline(struct toml_reader *r)
{
	if (!toml_accept(r, "\n") && !toml_accept(r, "\r\n"))
		return false;
	r->line++;
	return true;
}

static int fail_unexpected(struct toml_reader *r, const char *wanted)
{
	unsigned char c;

	if (r->at == r->end)
		return toml_fail(r, "%s expected, not the end of the file", wanted);
	c = (unsigned char)*r->at;
	if (c == '\n' || c == '\r')
		return toml_fail(r, "%s expected, not the end of the line", wanted);
	if (c < ' ' || c >= 0x7f)
		return toml_fail(r, "%s expected, not the byte 0x%02x", wanted, c);
	return toml_fail(r, "%s expected, not '%c'", wanted, c);
}

/* Blanks, a comment, and then the end of the line or of the file. */
static int end_line(struct toml_reader *r)
{
	skip_blanks(r);
	if (skip_comment(r) < 0)
		return -1;
	if (r->at == r->end || accept_newline(r))
		return 0;
	return fail_unexpected(r, "end of line");
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int read_key_part(struct toml_reader *r, const char **out)
{
	const char *start = r->at;
	struct toml_value quoted;

	*out = "";
	if (r->at < r->end && (*r->at == '"' || *r->at == '\'')) {
		if (toml_read_quoted(r, &quoted) < 0)
			return -1;
		if (strlen(quoted.text) != quoted.length)
			return toml_fail(r, "NUL in a key");
		*out = quoted.text;
		return 0;
	}
	while (r->at < r->end && is_bare(*r->at))
		r->at++;
	if (r->at == start)
		return fail_unexpected(r, "a key");
	*out = arena_strndup(r->arena, start, (size_t)(r->at - start));
	return 0;
}

/* a . "b" . c, with blanks around */
static int read_key(struct toml_reader *r, struct toml_key *key)
{
	key->count = 0;
	do {
		if (key->count == TOML_MAX_DEPTH)
			return toml_fail(r, "key of more than %d parts", TOML_MAX_DEPTH);
		skip_blanks(r);
		if (read_key_part(r, &key->parts[key->count++]) < 0)
			return -1;
		skip_blanks(r);
	} while (toml_accept(r, "."));
	return 0;
}

/* The table that a [header]'s inner part leads to: made when missing, the last one of an array of tables. */
static struct toml_table *step_header(struct toml_reader *r, struct toml_table *table,
				      const char *part)
{
	const struct toml_value *found = toml_find(table, part);
	struct toml_array *array;

	if (!found)
		return add_table(r, table, part);
	if (found->kind == TOML_TABLE && !found->table->closed)
		return found->table;
	if (found->kind == TOML_ARRAY && found->array->of_tables) {
		array = found->array;
		return array->items[array->count - 1].table;
	}
	toml_fail(r, "%.64s is %s since line %u and cannot be extended", part,
		  found->kind == TOML_TABLE ? "an inline table" : toml_kind_name(found),
		  found->line);
	return NULL;
}

static int open_table(struct toml_reader *r, struct toml_table *parent, const char *part)
{
	const struct toml_value *found = toml_find(parent, part);

	if (!found)
		r->current = add_table(r, parent, part);
	else if (found->kind != TOML_TABLE || found->table->defined || found->table->dotted ||
		 found->table->closed)
		return toml_fail(r, "%.64s is there already, since line %u", part, found->line);
	else
		r->current = found->table;
	if (!r->current)
		return -1;
	r->current->defined = true;
	return 0;
}

static int open_array_item(struct toml_reader *r, struct toml_table *parent, const char *part)
{
	const struct toml_value *found = toml_find(parent, part);
	struct toml_array *array;
	struct toml_value *value;

	if (found && (found->kind != TOML_ARRAY || !found->array->of_tables))
		return toml_fail(r, "%.64s is %s since line %u, not an array of tables", part,
				 toml_kind_name(found), found->line);
	if (found) {
		array = found->array;
	} else {
		value = add_entry(r, parent, part);
		if (!value)
			return -1;
		value->kind = TOML_ARRAY;
		value->array = array = arena_new(r->arena, struct toml_array);
		array->of_tables = true;
	}
	if (count_entry(r) < 0)
		return -1;
	value = arena_push(r->arena, array->items, array->count);
	*value = (struct toml_value){ .kind = TOML_TABLE, .line = r->line };
	value->table = r->current = arena_new(r->arena, struct toml_table);
	r->current->defined = true;
	return 0;
}

static int read_header(struct toml_reader *r)
{
	struct toml_table *table = r->root;
	struct toml_key key = { .count = 0 };
	bool array;

	r->at++;
	array = toml_accept(r, "[");
	if (read_key(r, &key) < 0)
		return -1;
	if (!toml_accept(r, array ? "]]" : "]"))
		return fail_unexpected(r, array ? "]]" : "]");
	for (size_t i = 0; i + 1 < key.count; i++) {
		table = step_header(r, table, key.parts[i]);
		if (!table)
			return -1;
	}
	if (array ? open_array_item(r, table, key.parts[key.count - 1]) :
		    open_table(r, table, key.parts[key.count - 1]))
		return -1;
	return end_line(r);
}

/* The table that the inner part of a dotted key leads to. Dotted keys define tables, so those that a header or braces defined
 * are out of their reach. */
static struct toml_table *step_dotted(struct toml_reader *r, struct toml_table *table,
				      const char *part)
{
	const struct toml_value *found = toml_find(table, part);
	struct toml_table *next;

	if (found && (found->kind != TOML_TABLE || found->table->defined || found->table->closed)) {
		toml_fail(r, "%.64s is there already, since line %u", part, found->line);
		return NULL;
	}
	next = found ? found->table : add_table(r, table, part);
	if (next)
		next->dotted = true;
	return next;
}

static int read_value(struct toml_reader *r, struct toml_value *out);

static int read_pair(struct toml_reader *r, struct toml_table *table)
{
	const struct toml_value *found;
	struct toml_value value = { .line = r->line };
	struct toml_value *place;
	struct toml_key key = { .count = 0 };

	if (read_key(r, &key) < 0)
		return -1;
	for (size_t i = 0; i + 1 < key.count; i++) {
		table = step_dotted(r, table, key.parts[i]);
		if (!table)
			return -1;
	}
	found = toml_find(table, key.parts[key.count - 1]);
	if (found)
		return toml_fail(r, "%.64s is there already, since line %u",
				 key.parts[key.count - 1], found->line);
	if (!toml_accept(r, "="))
		return fail_unexpected(r, "=");
	skip_blanks(r);
	if (read_value(r, &value) < 0)
		return -1;
	place = add_entry(r, table, key.parts[key.count - 1]);
	if (!place)
		return -1;
	*place = value;
	return 0;
}

/* Between elements of an array anything blank may stand, line ends and comments too. */
static int skip_space(struct toml_reader *r)
{
	do {
		skip_blanks(r);
		if (skip_comment(r) < 0)
			return -1;
	} while (accept_newline(r));
	return 0;
}

static int read_array(struct toml_reader *r, struct toml_value *out)
{
	struct toml_array *array = arena_new(r->arena, struct toml_array);

	r->at++;
	out->kind = TOML_ARRAY;
	out->array = array;
	for (;;) {
		struct toml_value item;

		if (skip_space(r) < 0)
			return -1;
		if (toml_accept(r, "]"))
			return 0;
		if (read_value(r, &item) < 0 || count_entry(r) < 0)
			return -1;
		*arena_push(r->arena, array->items, array->count) = item;
		if (skip_space(r) < 0)
			return -1;
		if (toml_accept(r, ","))
			continue;
		if (!toml_accept(r, "]"))
			return fail_unexpected(r, "',' or ']'");
		return 0;
	}
}

/* Tables made by dotted keys inside braces end with them as well. */
static void close_table(struct toml_table *table)
{
	table->closed = true;
	for (size_t i = 0; i < table->count; i++)
		if (table->entries[i].value.kind == TOML_TABLE &&
		    !table->entries[i].value.table->closed)
			close_table(table->entries[i].value.table);
}

/* On one line and without a comma at the end, as 1.0 has it. */
static int read_inline_table(struct toml_reader *r, struct toml_value *out)
{
	struct toml_table *table = arena_new(r->arena, struct toml_table);

	r->at++;
	out->kind = TOML_TABLE;
	out->table = table;
	skip_blanks(r);
	if (!toml_accept(r, "}")) {
		do {
			skip_blanks(r);
			if (read_pair(r, table) < 0)
				return -1;
			skip_blanks(r);
		} while (toml_accept(r, ","));
		if (!toml_accept(r, "}"))
			return fail_unexpected(r, "',' or '}'");
	}
	close_table(table);
	return 0;
}

static int read_value(struct toml_reader *r, struct toml_value *out)
{
	int rc;

	*out = (struct toml_value){ .line = r->line };
	if (r->at == r->end || (*r->at != '[' && *r->at != '{'))
		return toml_read_scalar(r, out);
	if (++r->depth > TOML_MAX_DEPTH)
		return toml_fail(r, "more than %d levels of brackets", TOML_MAX_DEPTH);
	rc = *r->at == '[' ? read_array(r, out) : read_inline_table(r, out);
	r->depth--;
	return rc;
}

static int check_utf8(struct toml_reader *r)
{
	const char *p = r->at;

	while (p < r->end) {
		size_t len = str_utf8_len(p, (size_t)(r->end - p));

		if (len == 0)
			return toml_fail(r, "not UTF-8");
		if (*p == '\n')
			r->line++;
		p += len;
	}
	r->line = 1;
	return 0;
}

int toml_parse(const char *name, const char *text, size_t length, struct arena *arena,
	       struct toml_table **out, struct err *err)
{
	struct toml_reader r = {
		.name = name, .at = text, .end = text + length, .line = 1, .arena = arena, .err = err
	};

	if (length > TOML_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "%s: larger than %d bytes", name, TOML_MAX_BYTES);
	if (check_utf8(&r) < 0)
		return -1;
	toml_accept(&r, "\xef\xbb\xbf"); /* editors of Windows write it */
	r.root = r.current = arena_new(arena, struct toml_table);
	while (r.at < r.end) {
		skip_blanks(&r);
		if (r.at < r.end && *r.at == '[') {
			if (read_header(&r) < 0)
				return -1;
		} else if (r.at < r.end && *r.at != '#' && *r.at != '\n' && *r.at != '\r') {
			if (read_pair(&r, r.current) < 0 || end_line(&r) < 0)
				return -1;
		} else if (end_line(&r) < 0) {
			return -1;
		}
	}
	*out = r.root;
	return 0;
}
