/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of a value. One pass, no look-back; a word is never longer than its source (an escape of n letters gives
 * at most n-2 bytes), so one buffer as long as the value holds them all. Must never let a NUL into a word.
 */
#include "unit/words_internal.h"

#include <stdint.h>
#include <string.h>

#include "util/str.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | (c >> 6));
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | (c >> 12));
		out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | (c >> 18));
	out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
	out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static bool read_number(const char *s, unsigned digits, uint32_t base, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < digits; i++) {
		int digit = str_hex_value(s[i]);

		if (digit < 0 || (uint32_t)digit >= base)
			return false;
		value = value * base + (uint32_t)digit;
	}
	*out = value;
	return true;
}

/* The escape whose letter stands at s: bytes used (0: unknown), its bytes appended at *out. */
static size_t unescape(const char *s, char **out)
{
	static const char letters[] = "abfnrtv\\\"'s", meaning[] = "\a\b\f\n\r\t\v\\\"' ";
	static const struct {
		char letter;
		unsigned digits;
	} hex[] = { { 'x', 2 }, { 'u', 4 }, { 'U', 8 } };
	const char *simple = *s ? strchr(letters, *s) : NULL;
	uint32_t c = 0;
	size_t used = 0;

	if (simple) {
		*(*out)++ = meaning[simple - letters];
		return 1;
	}
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
		if (*s == hex[i].letter && read_number(s + 1, hex[i].digits, 16, &c))
			used = hex[i].digits + 1;
	if (!used && read_number(s, 3, 8, &c) && c <= 0377)
		used = 3;
	/* Surrogates are no characters, and no bytes that could be written back. */
	if (!used || c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out += utf8_put(*out, c);
	return used;
}

struct splitter {
	const char *text;
	size_t at;
	enum words_mode mode;
	char *out;
};

/* Reads one word; NULL or what is wrong. */
static const char *read_word(struct splitter *s, size_t *problem_offset)
{
	char quote = 0;
	size_t open = 0;

	for (char c; (c = s->text[s->at]) != '\0'; s->at++) {
		if (c == '\\' && (s->mode == WORDS_ESCAPES || s->mode == WORDS_COMMAND)) {
			if (!s->text[s->at + 1])
				continue; /* a backslash at the very end is dropped */

			size_t used = unescape(s->text + s->at + 1, &s->out);

			if (!used) {
				*problem_offset = s->at;
				return "unsupported escape char";
			}
			s->at += used;
		} else if (c == '\\' && s->mode == WORDS_VARIABLE) {
			if (s->text[s->at + 1])
				*s->out++ = s->text[++s->at];
		} else if (quote && c == quote) {
			quote = 0;
		} else if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			open = s->at;
		} else if (!quote && is_blank(c)) {
			break;
		} else {
			*s->out++ = c;
		}
	}
	*s->out++ = '\0';
	if (quote && (s->mode == WORDS_PLAIN || s->mode == WORDS_COMMAND)) {
		*problem_offset = open;
		return "the quote is not closed";
	}
	return NULL;
}

/* A semicolon that stands alone, outside of quotes: its bytes, 0 when it is none. */
static size_t lone_semicolon(const char *s)
{
	size_t len = s[0] == ';' ? 1 : s[0] == '\\' && s[1] == ';' ? 2 : 0;

	return len && (!s[len] || is_blank(s[len])) ? len : 0;
}

struct words words_split(struct arena *arena, const char *text, enum words_mode mode)
{
	struct words words = { 0 };
	struct splitter s = { .text = text,
			      .mode = mode,
			      .out = arena_alloc(arena, strlen(text) + 2) };

	for (;;) {
		while (is_blank(text[s.at]))
			s.at++;
		if (!text[s.at])
			return words;

		struct word word = { .text = s.out, .offset = s.at };
		size_t semicolon = mode == WORDS_COMMAND ? lone_semicolon(text + s.at) : 0;

		if (semicolon) {
			word.text = ";";
			word.is_separator = semicolon == 1;
			s.at += semicolon;
			*arena_push(arena, words.items, words.count) = word;
			continue;
		}
		words.problem = read_word(&s, &words.problem_offset);
		if (words.problem) {
			words.count = 0;
			return words;
		}
		*arena_push(arena, words.items, words.count) = word;
	}
}

static bool needs_escape(unsigned char c)
{
	return c <= ' ' || c == 0x7f || c == '"' || c == '\'' || c == '\\';
}

void words_escape(struct buf *out, const char *word)
{
	static const char letters[] = "\a\b\n\r\t\v\f\\\"", names[] = "abnrtvf\\\"";
	const char *p = word;

	while (*p && !needs_escape((unsigned char)*p))
		p++;
	if (!*p) {
		buf_add(out, word, (size_t)(p - word));
		return;
	}
	buf_putc(out, '"');
	for (p = word; *p; p++) {
		const char *letter = strchr(letters, *p);

		if (letter)
			buf_printf(out, "\\%c", names[letter - letters]);
		else if (needs_escape((unsigned char)*p) && *p != '\'')
			buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*p);
		else
			buf_putc(out, *p);
	}
	buf_putc(out, '"');
}
