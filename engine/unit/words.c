/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of a value. One pass, no look-back; a word is never longer than its source (an escape of n letters gives
 * at most n-2 bytes), so one buffer as long as the value holds them all. Must never let a NUL into a word.
 */
#include "unit/words_internal.h"

#include <stdint.h>
#include <string.h>

#include "util/copy.h"
#include "util/str.h"
#include "util/string_x86.h"

/* What a byte is to a splitter, or to whoever writes a word: 0 for most. */
enum { IS_END = 1, IS_BLANK = 2, IS_QUOTE = 4, IS_BACKSLASH = 8, IS_CONTROL = 16 };

#define BLANK (IS_BLANK | IS_CONTROL)
/* clang-format off */
static const unsigned char classes[256] = {
	[0] = IS_END,
	[1 ... 8] = IS_CONTROL, ['\t'] = BLANK, ['\n'] = BLANK, [11 ... 12] = IS_CONTROL, ['\r'] = BLANK, [14 ... 31] = IS_CONTROL,
	[' '] = BLANK, ['"'] = IS_QUOTE, ['\''] = IS_QUOTE, ['\\'] = IS_BACKSLASH, [0x7f] = IS_CONTROL,
};
/* clang-format on */

static bool is_blank(char c)
{
	return classes[(unsigned char)c] & IS_BLANK;
}

/* The first byte that is anything of the sort. */
static size_t skip_plain(const char *s, unsigned sorts)
{
	size_t len = 0;

	while (!(classes[(unsigned char)s[len]] & sorts))
		len++;
	return len;
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
		size_t plain =
			skip_plain(s->text + s->at, IS_END | IS_BLANK | IS_QUOTE | IS_BACKSLASH);

		if (plain) {
			copy_bytes(s->out, s->text + s->at, plain);
			s->out += plain;
			s->at += plain - 1;
			continue;
		}
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

bool words_is_one(const char *text)
{
	size_t plain = skip_plain(text, IS_END | IS_BLANK | IS_QUOTE | IS_BACKSLASH);

	return plain && !text[plain] && text[0] != ';';
}

struct words words_split(struct arena *arena, const char *text, enum words_mode mode)
{
	struct words words = { 0 };
	struct splitter s = { .text = text, .mode = mode };
	size_t plain = skip_plain(text, IS_END | IS_BLANK | IS_QUOTE | IS_BACKSLASH);

	if (plain && !text[plain] && text[0] != ';') {
		*arena_push(arena, words.items, words.count) = (struct word){ .text = text };
		return words;
	}
	s.out = arena_alloc(arena, plain + strlen(text + plain) + 2);
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

bool words_is_plain(const char *word)
{
	return !word[skip_plain(word, 0xff)];
}

/* A letter as it stands between the quotes; at least four bytes are free at out. */
static char *escape_letter(char *out, char c)
{
	static const char letters[] = "\a\b\n\r\t\v\f\\\"", names[] = "abnrtvf\\\"";
	const char *letter = classes[(unsigned char)c] ? strchr(letters, c) : NULL;

	if (!classes[(unsigned char)c] || c == '\'') {
		*out++ = c;
		return out;
	}
	*out++ = '\\';
	if (letter) {
		*out++ = names[letter - letters];
		return out;
	}
	*out++ = 'x';
	*out++ = "0123456789abcdef"[(unsigned char)c >> 4];
	*out++ = "0123456789abcdef"[c & 0xf];
	return out;
}

/* Each letter may become four, between quotes. */
#define ESCAPED_BYTES(len) (4 * (len) + 2)

/* Sixteen letters at once, as the compiler has it for each machine. */
typedef unsigned char letters __attribute__((vector_size(16)));

/* All ones for each letter that has a class. */
static inline letters mark_classes(letters c)
{
	return (letters)((c <= ' ') | (c == '"') | (c == '\'') | (c == '\\') | (c == 0x7f));
}

static uint64_t find_classes(letters c)
{
	uint64_t found[2];

	c = mark_classes(c);
	memcpy(found, &c, sizeof(found));
	return found[0] | found[1];
}

bool words_has_sign(const char *word, size_t len)
{
	uint64_t found[2];
	letters c, signs = { 0 };

	if (len < 8) {
		bool has_sign = false;

		for (size_t i = 0; i < len; i++)
			has_sign |= word[i] == '%' || word[i] == '$';
		return has_sign;
	}
	/* Pieces of which some may be looked at twice. */
	for (size_t at = 0; at < len; at += sizeof(c)) {
		if (len < sizeof(c)) {
			memcpy(&c, word, 8);
			memcpy((char *)&c + 8, word + len - 8, 8);
		} else {
			size_t last = len - sizeof(c);

			memcpy(&c, word + (at < last ? at : last), sizeof(c));
		}
		signs |= (letters)((c == '%') | (c == '$'));
	}
	memcpy(found, &signs, sizeof(found));
	return found[0] | found[1];
}

/* The letters of two numbers; by way of memory the processor would wait. */
static inline letters join_letters(uint64_t first, uint64_t second)
{
	typedef uint64_t halves __attribute__((vector_size(16)));

	return (letters)(halves){ first, second };
}

/* Copies the word when all of it is plain, in pieces of which some may be looked at twice; false: only a part of it is there. */
static inline bool copy_plain(char *out, const char *word, size_t len)
{
	uint64_t found = 0;
	letters c;

	if (len > sizeof(c)) {
		for (size_t at = 0; at < len; at += sizeof(c)) {
			size_t piece = at < len - sizeof(c) ? at : len - sizeof(c);

			memcpy(&c, word + piece, sizeof(c));
			memcpy(out + piece, &c, sizeof(c));
			found |= find_classes(c);
		}
		return !found;
	}
	if (len >= 8) {
		uint64_t head, tail;

		memcpy(&head, word, 8);
		memcpy(&tail, word + len - 8, 8);
		memcpy(out, &head, 8);
		memcpy(out + len - 8, &tail, 8);
		return !find_classes(join_letters(head, tail));
	}
	if (len >= 4) {
		uint32_t head, tail;

		memcpy(&head, word, 4);
		memcpy(&tail, word + len - 4, 4);
		memcpy(out, &head, 4);
		memcpy(out + len - 4, &tail, 4);
		found = (uint64_t)tail << 32 | head;
		return !find_classes(join_letters(found, found));
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = word[i];
		found |= classes[(unsigned char)word[i]];
	}
	return !found;
}

static char *quote(char *out, const char *word, size_t len)
{
	*out++ = '"';
	for (size_t i = 0; i < len; i++)
		out = escape_letter(out, word[i]);
	*out++ = '"';
	return out;
}

static inline char *escape(char *out, const char *word, size_t len)
{
	return copy_plain(out, word, len) ? out + len : quote(out, word, len);
}

#define LONG_WORD SIZE_MAX

/* Copies a plain word of less than sixteen letters, as most are: its length. LONG_WORD: it is not one of them. Sixteen bytes are
 * written. */
#ifdef __x86_64__
X86_BESIDE static inline size_t copy_short(char *out, const char *word)
{
	__m128i c;
	unsigned found;
	size_t len;

	if (x86_crosses_page(word))
		return LONG_WORD;
	c = _mm_loadu_si128((const __m128i *)(const void *)word);
	x86_store(out, c);
	found = (unsigned)_mm_movemask_epi8((__m128i)mark_classes((letters)c));
	len = found ? (size_t)__builtin_ctz(found) : X86_STEP;
	return len < X86_STEP && !word[len] ? len : LONG_WORD;
}
#else
static inline size_t copy_short(char *out, const char *word)
{
	(void)out;
	(void)word;
	return LONG_WORD;
}
#endif

void words_escape(struct buf *out, const char *word)
{
	size_t len = strlen(word);
	char *begin = buf_room(out, ESCAPED_BYTES(len));

	if (begin)
		buf_took(out, (size_t)(escape(begin, word, len) - begin));
}

/* Short words are not even measured; for one that is not, and for those behind it, room is asked for anew. */
void words_append(struct buf *out, const struct arg_list *words)
{
	const size_t short_bytes = 1 + sizeof(letters);
	size_t left = words->count;
	char *begin = buf_room(out, left * short_bytes), *to = begin;

	for (const struct arg *word = words->items; begin && left; word++, left--) {
		size_t len = copy_short(to + 1, word->text);

		if (len == LONG_WORD) {
			len = strlen(word->text);
			buf_took(out, (size_t)(to - begin));
			begin = to = buf_room(out, 1 + ESCAPED_BYTES(len) + left * short_bytes);
			if (!begin)
				return;
			len = (size_t)(escape(to + 1, word->text, len) - to) - 1;
		}
		*to = ' ';
		to += 1 + len;
	}
	if (begin)
		buf_took(out, (size_t)(to - begin));
}
