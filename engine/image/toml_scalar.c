/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML scalars: four kinds of strings, integers, floats, booleans, dates and times. The grammar is checked here byte by
 * byte; strtoll and strtod only see what is known to be a number. Must never read past r->end: the text has no NUL.
 */
#include "image/toml_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"

#define TOKEN_MAX 128 /* bytes of a number or date; strings have no bound of their own */

static size_t left(const struct toml_reader *r)
{
	return (size_t)(r->end - r->at);
}

static void put_utf8(struct buf *out, unsigned code)
{
	if (code < 0x80) {
		buf_putc(out, (char)code);
	} else if (code < 0x800) {
		buf_putc(out, (char)(0xc0 | code >> 6));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_putc(out, (char)(0xe0 | code >> 12));
		buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | code >> 18));
		buf_putc(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	}
}

static int read_unicode(struct toml_reader *r, size_t digits, struct buf *out)
{
	unsigned code = 0;

	if (left(r) < digits)
		return toml_fail(r, "torn escape");
	for (size_t i = 0; i < digits; i++) {
		int digit = str_hex_value(*r->at++);

		if (digit < 0)
			return toml_fail(r, "an escape of %zu hex digits expected", digits);
		code = code << 4 | (unsigned)digit;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return toml_fail(r, "escape U+%X is no character", code);
	put_utf8(out, code);
	return 0;
}

/* After the backslash. */
static int read_escape(struct toml_reader *r, struct buf *out)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	const char *found;
	char c;

	if (r->at == r->end)
		return toml_fail(r, "string without an end");
	c = *r->at++;
	if (c == 'u' || c == 'U')
		return read_unicode(r, c == 'u' ? 4 : 8, out);
	found = c ? strchr(names, c) : NULL;
	if (!found)
		return toml_fail(r,
				 "unknown escape \\%c: a backslash is written \\\\, or use '...'",
				 c > ' ' && c < 0x7f ? c : '?');
	buf_putc(out, values[found - names]);
	return 0;
}

/* A backslash at the end of a line: it, the line end and all blanks after it are not there. */
static bool skip_continuation(struct toml_reader *r)
{
	const char *p = r->at;

	while (p < r->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < r->end && *p == '\r')
		p++;
	if (p == r->end || *p != '\n')
		return false;
	for (; p < r->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'); p++) {
		if (*p == '\r' && (p + 1 == r->end || p[1] != '\n'))
			break;
		if (*p == '\n')
			r->line++;
	}
	r->at = p;
	return true;
}

static int finish_string(struct toml_reader *r, const struct buf *text, struct toml_value *out)
{
	if (buf_check(text, "string", r->err) < 0)
		return -1;
	out->kind = TOML_STRING;
	out->length = text->len;
	out->text = memcpy(arena_alloc(r->arena, text->len + 1), buf_str(text), text->len);
	return 0;
}

static int put_plain(struct toml_reader *r, struct buf *out)
{
	unsigned char c = (unsigned char)*r->at++;

	if ((c < ' ' && c != '\t') || c == 0x7f)
		return toml_fail(r, "control character 0x%02x in a string: write \\u%04X", c, c);
	buf_putc(out, (char)c);
	return 0;
}

int toml_read_quoted(struct toml_reader *r, struct toml_value *out)
{
	auto_buf text = BUF_INIT(TOML_MAX_BYTES);
	char quote = *r->at++;

	while (r->at < r->end && *r->at != quote) {
		if (*r->at == '\n' || *r->at == '\r')
			return toml_fail(r, "string without an end on its line");
		if (*r->at == '\\' && quote == '"') {
			r->at++;
			if (read_escape(r, &text) < 0)
				return -1;
		} else if (put_plain(r, &text) < 0) {
			return -1;
		}
	}
	if (r->at == r->end)
		return toml_fail(r, "string without an end");
	r->at++;
	return finish_string(r, &text, out);
}

/* Three quotes end it, and up to two more before them belong to it. */
static bool at_long_end(struct toml_reader *r, char quote, struct buf *text)
{
	size_t count = 0;

	while (count < left(r) && r->at[count] == quote && count < 5)
		count++;
	if (count < 3)
		return false;
	r->at += count;
	while (count-- > 3)
		buf_putc(text, quote);
	return true;
}

static int read_long_string(struct toml_reader *r, char quote, struct toml_value *out)
{
	auto_buf text = BUF_INIT(TOML_MAX_BYTES);

	r->at += 3;
	if (toml_accept(r, "\n") || toml_accept(r, "\r\n"))
		r->line++;
	while (r->at < r->end) {
		if (at_long_end(r, quote, &text))
			return finish_string(r, &text, out);
		if (toml_accept(r, "\n") || toml_accept(r, "\r\n")) {
			r->line++;
			buf_putc(&text, '\n');
		} else if (*r->at == '\\' && quote == '"') {
			r->at++;
			if (!skip_continuation(r) && read_escape(r, &text) < 0)
				return -1;
		} else if (put_plain(r, &text) < 0) {
			return -1;
		}
	}
	return toml_fail(r, "string without an end, begun in line %u", out->line);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits of a base with single underscores between them: their number without the underscores into plain, 0 when wrong. */
static size_t take_digits(const char **at, unsigned base, char *plain)
{
	const char *p = *at;
	size_t count = 0;

	for (; *p; p++) {
		int value = str_hex_value(*p);

		if (*p == '_' && count > 0 && p[-1] != '_')
			continue;
		if (value < 0 || (unsigned)value >= base)
			break;
		plain[count++] = *p;
	}
	if (count > 0 && p[-1] == '_')
		return 0;
	plain[count] = '\0';
	*at = p;
	return count;
}

static int fail_value(struct toml_reader *r, const char *token)
{
	return toml_fail(r, "\"%.64s\" is not a value: a string stands in quotes", token);
}

static int read_based(struct toml_reader *r, const char *token, struct toml_value *out)
{
	unsigned base = token[1] == 'x' ? 16 : token[1] == 'o' ? 8 : 2;
	const char *p = token + 2;
	char plain[TOKEN_MAX] = "";

	if (take_digits(&p, base, plain) == 0 || *p)
		return fail_value(r, token);
	errno = 0;
	out->kind = TOML_INTEGER;
	out->integer = strtoll(plain, NULL, (int)base);
	return errno ? toml_fail(r, "%.64s does not fit 64 bits", token) : 0;
}

/* [+-]digits[.digits][e[+-]digits]: an integer or a float; zeros do not lead. */
static int read_decimal(struct toml_reader *r, const char *token, struct toml_value *out)
{
	char plain[2 * TOKEN_MAX] = "", *to = plain;
	const char *p = token;
	bool fraction = false;
	size_t digits;

	if (*p == '+' || *p == '-')
		*to++ = *p++;
	digits = take_digits(&p, 10, to);
	if (digits == 0 || (digits > 1 && *to == '0'))
		return fail_value(r, token);
	to += digits;
	for (const char *mark = ".e"; *mark; mark++) {
		if ((*p | 0x20) != (*mark | 0x20) || (*mark == '.' && *p != '.'))
			continue;
		fraction = true;
		*to++ = *mark;
		p++;
		if (*mark == 'e' && (*p == '+' || *p == '-'))
			*to++ = *p++;
		digits = take_digits(&p, 10, to);
		if (digits == 0)
			return fail_value(r, token);
		to += digits;
	}
	if (*p)
		return fail_value(r, token);
	errno = 0;
	if (fraction) {
		out->kind = TOML_FLOAT;
		out->number = strtod(plain, NULL);
		return 0;
	}
	out->kind = TOML_INTEGER;
	out->integer = strtoll(plain, NULL, 10);
	return errno ? toml_fail(r, "%.64s does not fit 64 bits", token) : 0;
}

/* n digits, in [low, high]; steps over them. */
static bool take_field(const char **at, size_t n, unsigned low, unsigned high, unsigned *out)
{
	unsigned value = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_digit((*at)[i]))
			return false;
		value = value * 10 + (unsigned)((*at)[i] - '0');
	}
	*at += n;
	*out = value;
	return value >= low && value <= high;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, last;

	if (!take_field(at, 4, 0, 9999, &year) || !take_char(at, '-') ||
	    !take_field(at, 2, 1, 12, &month) || !take_char(at, '-') ||
	    !take_field(at, 2, 1, 31, &day))
		return false;
	last = days[month - 1];
	if (month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		last = 29;
	return day <= last;
}

static bool take_time(const char **at)
{
	unsigned field;

	if (!take_field(at, 2, 0, 23, &field) || !take_char(at, ':') ||
	    !take_field(at, 2, 0, 59, &field) || !take_char(at, ':') ||
	    !take_field(at, 2, 0, 60, &field))
		return false;
	if (**at != '.')
		return true;
	(*at)++;
	if (!is_digit(**at))
		return false;
	while (is_digit(**at))
		(*at)++;
	return true;
}

static bool take_offset(const char **at)
{
	unsigned field;

	if (**at == 'Z' || **at == 'z') {
		(*at)++;
		return true;
	}
	if (**at != '+' && **at != '-')
		return **at == '\0';
	(*at)++;
	return take_field(at, 2, 0, 23, &field) && take_char(at, ':') &&
	       take_field(at, 2, 0, 59, &field);
}

static int read_datetime(struct toml_reader *r, const char *token, struct toml_value *out)
{
	const char *p = token;
	bool right;

	if (token[2] == ':') {
		right = take_time(&p);
	} else {
		right = take_date(&p);
		if (right && *p) {
			right = *p == 'T' || *p == 't' || *p == ' ';
			p++;
			right = right && take_time(&p) && take_offset(&p);
		}
	}
	if (!right || *p)
		return toml_fail(r, "\"%.64s\" is no date or time", token);
	out->kind = TOML_DATETIME;
	out->length = strlen(token);
	out->text = arena_strdup(r->arena, token);
	return 0;
}

static bool is_token(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("_+-.:", c));
}

/* A word of value characters; a date and its time may have one blank between them. */
static int take_token(struct toml_reader *r, char token[TOKEN_MAX])
{
	size_t len = 0;

	while (len < left(r) && is_token(r->at[len]))
		len++;
	if (len == 10 && r->at[4] == '-' && left(r) > 13 && r->at[10] == ' ' &&
	    is_digit(r->at[11]) && is_digit(r->at[12]) && r->at[13] == ':')
		for (len++; len < left(r) && is_token(r->at[len]);)
			len++;
	if (len == 0)
		return toml_fail(r, "a value expected");
	if (len >= TOKEN_MAX)
		return toml_fail(r, "a value of more than %d bytes: a string stands in quotes",
				 TOKEN_MAX - 1);
	memcpy(token, r->at, len);
	token[len] = '\0';
	r->at += len;
	return 0;
}

static bool is_special_float(const char *token, double *out)
{
	const char *word = token + (*token == '+' || *token == '-');

	if (!str_eq(word, "inf") && !str_eq(word, "nan"))
		return false;
	*out = strtod(token, NULL);
	return true;
}

int toml_read_scalar(struct toml_reader *r, struct toml_value *out)
{
	char token[TOKEN_MAX] = "";

	if (r->at < r->end && (*r->at == '"' || *r->at == '\'')) {
		if (left(r) >= 3 && r->at[1] == *r->at && r->at[2] == *r->at)
			return read_long_string(r, *r->at, out);
		return toml_read_quoted(r, out);
	}
	if (take_token(r, token) < 0)
		return -1;
	if (str_eq(token, "true") || str_eq(token, "false")) {
		out->kind = TOML_BOOL;
		out->boolean = token[0] == 't';
		return 0;
	}
	if (is_special_float(token, &out->number)) {
		out->kind = TOML_FLOAT;
		return 0;
	}
	if (token[0] == '0' && (token[1] == 'x' || token[1] == 'o' || token[1] == 'b'))
		return read_based(r, token, out);
	if (is_digit(token[0]) && strlen(token) > 4 && (token[2] == ':' || token[4] == '-') &&
	    !strchr("eE", token[3]))
		return read_datetime(r, token, out);
	return read_decimal(r, token, out);
}
