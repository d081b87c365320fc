/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer. State is one flag and a depth: the caller's nesting is the document's nesting.
 * What it writes is always well-formed for balanced calls, whatever bytes the strings hold; a
 * buffer that overflows is found by the owner with buf_check(). Must never read JSON.
 */
#include "util/json.h"

#include <inttypes.h>
#include <string.h>

#include "util/str.h"

static void json_newline(struct json *j)
{
	if (!j->pretty)
		return;
	buf_putc(j->out, '\n');
	for (unsigned i = 0; i < j->depth; i++)
		buf_puts(j->out, "  ");
}

static void json_escape_byte(struct buf *out, unsigned char c)
{
	static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	const char *pair = short_forms;

	while (*pair && (unsigned char)pair[0] != c)
		pair += 2;
	if (*pair)
		buf_printf(out, "\\%c", pair[1]);
	else
		buf_printf(out, "\\u%04x", c);
}

static bool json_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void json_quote(struct buf *out, const char *s, size_t len)
{
	buf_putc(out, '"');
	while (len > 0) {
		size_t n = 0;

		while (n < len && json_is_plain((unsigned char)s[n]))
			n++;
		if (n > 0) {
			buf_add(out, s, n);
		} else if ((unsigned char)*s < 0x80) {
			json_escape_byte(out, (unsigned char)*s);
			n = 1;
		} else {
			n = str_utf8_len(s, len);
			buf_add(out, n ? s : "\xef\xbf\xbd", n ? n : 3);
			n += n == 0;
		}
		s += n;
		len -= n;
	}
	buf_putc(out, '"');
}

/* Everything that stands before a value: comma, indentation, key. */
static void json_begin(struct json *j, const char *key)
{
	if (!j->first)
		buf_putc(j->out, ',');
	if (j->depth > 0)
		json_newline(j);
	j->first = false;
	if (key) {
		json_quote(j->out, key, strlen(key));
		buf_puts(j->out, j->pretty ? ": " : ":");
	}
}

static void json_open(struct json *j, const char *key, char bracket)
{
	json_begin(j, key);
	buf_putc(j->out, bracket);
	j->depth++;
	j->first = true;
}

static void json_close(struct json *j, char bracket)
{
	bool empty = j->first;

	if (j->depth > 0)
		j->depth--;
	if (!empty)
		json_newline(j);
	buf_putc(j->out, bracket);
	j->first = false;
}

void json_object(struct json *j, const char *key)
{
	json_open(j, key, '{');
}

void json_object_end(struct json *j)
{
	json_close(j, '}');
}

void json_array(struct json *j, const char *key)
{
	json_open(j, key, '[');
}

void json_array_end(struct json *j)
{
	json_close(j, ']');
}

void json_raw(struct json *j, const char *key, const char *value)
{
	json_begin(j, key);
	buf_puts(j->out, value ? value : "null");
}

void json_null(struct json *j, const char *key)
{
	json_raw(j, key, NULL);
}

void json_strn(struct json *j, const char *key, const char *value, size_t len)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	json_begin(j, key);
	json_quote(j->out, value, len);
}

void json_str(struct json *j, const char *key, const char *value)
{
	json_strn(j, key, value, value ? strlen(value) : 0);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	json_begin(j, key);
	buf_printf(j->out, "%" PRId64, value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	json_begin(j, key);
	buf_printf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_raw(j, key, value ? "true" : "false");
}
