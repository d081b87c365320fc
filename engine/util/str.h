/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small string and number helpers; every parser takes the whole string or fails. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/err.h"

static inline bool str_eq(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}
/* Inline, so that the length of a literal costs nothing. */
static inline bool str_starts(const char *s, const char *prefix)
{
	return (*s == *prefix || !*prefix) && strncmp(s, prefix, strlen(prefix)) == 0;
}

static inline bool str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), tail = strlen(suffix);

	return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}
/* The first control byte (below 0x20, or 0x7f) of a text, NULL when it has none, as most. */
const char *str_find_control(const char *s);
/* Decimal digits only, no sign, no blank; false when empty, other bytes, or above max. */
bool str_to_u64(const char *s, uint64_t max, uint64_t *out);
/* Optional '-' and decimal digits inside [min, max]. */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out);
/* Bytes with the suffix letters podman takes: b k m g t p, any case, optional trailing b or ib
 * ("64m", "1GiB", "1.5 GB"). At most INT64_MAX, as the kernel's own limits. */
bool str_to_bytes(const char *s, uint64_t *out);
/* Octal mode, at most 07777. */
bool str_to_mode(const char *s, unsigned *out);
/* The value of a hex digit in either case, -1 when it is none. */
static inline int str_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* n bytes as lower-case hex; out has 2 * n + 1 bytes. */
void str_hex(const void *data, size_t n, char *out);
bool str_is_hex(const char *s, size_t n); /* exactly n lower-case hex digits and then NUL */
/* Copies with truncation, always terminates; returns false when it was cut. */
bool str_copy(char *dst, size_t size, const char *src);
/* Length (1-4) of the well-formed UTF-8 sequence that the n bytes begin with, 0 when there is
 * none. */
size_t str_utf8_len(const char *s, size_t n);
/* For fixed-size text that people read: the result is well-formed UTF-8 (bytes that are not become
 * '?') and ends in "..." when src did not fit; then false is returned. */
bool str_copy_text(char *dst, size_t size, const char *src);
/* A text that takes no more than it is long: *kept is owned and becomes a copy; NULL before the first one, never NULL afterwards, and "" takes
 * nothing. Without memory the program ends, as with arenas. */
void str_keep(const char **kept, const char *text);
void str_drop(const char **kept); /* becomes "" */
/* Damerau-Levenshtein distance, bounded: returns bound + 1 when larger. For "did you mean". Strings
 * above 128 bytes are only compared for equality. */
unsigned str_distance(const char *a, const char *b, unsigned bound);
#define STR_HINT_BYTES 96
/* ": did you mean always?" of the word (the list ends with NULL) that a text resembles: written in other letters, or with one or two of
 * them wrong; "" when it resembles none. out has STR_HINT_BYTES. */
const char *str_hint(char *out, const char *text, const char *const *words);
