/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String and number helpers. Every parser here is total: it takes the whole string and checks
 * each multiplication, or it says no; none depends on the locale. Must never guess at a value.
 */
#include "util/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Of eight bytes at once: not zero when one is below 0x20, or 0x7f. What follows the first such byte may be wrong. */
static uint64_t find_controls(const char *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t word, del;

	memcpy(&word, s, sizeof(word));
	del = word ^ ones * 0x7f;
	return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
}

const char *str_find_control(const char *s)
{
	const char *end = s + strlen(s);

	while (end - s >= 8 && !find_controls(s))
		s += 8;
	for (; s < end; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return s;
	return NULL;
}

/* Reads digits of the base up to max; returns the first byte that is none, NULL on overflow or
 * when there is no digit at all. */
static const char *scan_number(const char *s, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	const char *p = s;

	for (; *p >= '0' && *p < (char)('0' + base); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (digit > max || value > (max - digit) / base)
			return NULL;
		value = value * base + digit;
	}
	if (p == s)
		return NULL;
	*out = value;
	return p;
}

bool str_to_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t value;
	const char *end = scan_number(s, 10, max, &value);

	if (!end || *end)
		return false;
	*out = value;
	return true;
}

bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = *s == '-';
	uint64_t size;

	if (!str_to_u64(s + negative, (uint64_t)INT64_MAX + negative, &size))
		return false;

	/* -(2^63) has no positive twin: negate in unsigned arithmetic. */
	int64_t value = (int64_t)(negative ? 0 - size : size);

	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ".5": the digits behind the point, which are cut where a double ends. */
static const char *scan_fraction(const char *s, double *out)
{
	double place = 1;

	*out = 0;
	if (*s != '.' || s[1] < '0' || s[1] > '9')
		return s;
	for (s++; *s >= '0' && *s <= '9'; s++)
		*out += (*s - '0') * (place /= 10);
	return s;
}

bool str_to_bytes(const char *s, uint64_t *out)
{
	static const char units[] = "kmgtp";
	uint64_t value, rest;
	unsigned shift = 0;
	const char *p = scan_number(s, 10, INT64_MAX, &value);
	double fraction;

	if (!p)
		return false;
	p = scan_fraction(p, &fraction);
	p += *p == ' ' && p[1]; /* "64 MB" */

	char letter = lower(*p);
	const char *unit = letter ? strchr(units, letter) : NULL;

	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		p++;
		if (lower(p[0]) == 'i' && lower(p[1]) == 'b')
			p++;
	}
	if (lower(*p) == 'b')
		p++;
	if (*p || value > (uint64_t)INT64_MAX >> shift)
		return false;
	rest = (uint64_t)(fraction * (double)(UINT64_C(1) << shift));
	if (rest > (uint64_t)INT64_MAX - (value << shift))
		return false;
	*out = (value << shift) + rest;
	return true;
}

bool str_to_mode(const char *s, unsigned *out)
{
	uint64_t value;
	const char *end = scan_number(s, 8, 07777, &value);

	if (!end || *end)
		return false;
	*out = (unsigned)value;
	return true;
}

void str_hex(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

bool str_is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	return s[n] == '\0';
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);
	bool fits = len < size;

	if (size == 0)
		return false;
	if (!fits)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return fits;
}

void str_drop(const char **kept)
{
	if (*kept && **kept) /* an empty one is nobody's */
		free((char *)(uintptr_t)*kept);
	*kept = "";
}

void str_keep(const char **kept, const char *text)
{
	char *copy = NULL;

	if (*kept && str_eq(*kept, text))
		return;
	if (text[0]) {
		copy = strdup(text);
		if (!copy) {
			fputs("out of memory: text\n", stderr);
			abort();
		}
	}
	str_drop(kept); /* not before: text may be a part of it */
	if (copy)
		*kept = copy;
}

/* Table 3-7 of the Unicode standard: the second byte's range excludes overlong forms,
 * surrogates and what lies above U+10FFFF. */
size_t str_utf8_len(const char *s, size_t n)
{
	const unsigned char *b = (const unsigned char *)s;

	if (n == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;

	size_t len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;

	if (b[0] < 0xc2 || b[0] > 0xf4 || n < len)
		return 0;

	unsigned low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
	unsigned high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;

	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool str_copy_text(char *dst, size_t size, const char *src)
{
	size_t left = strlen(src), used = 0, dots = 0;

	if (size == 0)
		return false;
	while (left > 0) {
		size_t len = str_utf8_len(src, left);
		size_t step = len ? len : 1;

		if (used + step >= size)
			break;
		memcpy(dst + used, len ? src : "?", step);
		used += step;
		src += step;
		left -= step;
		if (used + 3 < size)
			dots = used;
	}
	if (left > 0 && size > 3) {
		memcpy(dst + dots, "...", 3);
		used = dots + 3;
	}
	dst[used] = '\0';
	return left == 0;
}

static unsigned min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

#define DISTANCE_MAX_LEN 128

/* The restricted ("optimal string alignment") form: three rows, no table. */
unsigned str_distance(const char *a, const char *b, unsigned bound)
{
	unsigned rows[3][DISTANCE_MAX_LEN + 1];
	size_t la = strlen(a), lb = strlen(b);
	size_t gap = la > lb ? la - lb : lb - la;

	if (gap > bound || la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return str_eq(a, b) ? 0 : bound + 1;
	for (unsigned j = 0; j <= lb; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned swap = up[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min_of(swap, min_of(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_of(row[j], up2[j - 2] + 1);
		}
	}

	unsigned distance = rows[la % 3][lb];

	return distance > bound ? bound + 1 : distance;
}

/* Small letters, with - for _ and blanks. */
static bool simplify(const char *text, char *out, size_t size)
{
	size_t len = 0;

	for (; text[len]; len++) {
		if (len + 1 >= size)
			return false;
		out[len] = text[len] >= 'A' && text[len] <= 'Z' ? (char)(text[len] + ('a' - 'A')) :
			   text[len] == '_' || text[len] == ' ' ? '-' :
								  text[len];
	}
	out[len] = '\0';
	return len > 0;
}

const char *str_hint(char *out, const char *text, const char *const *words)
{
	char simple[64], other[64];
	const char *best = NULL;
	unsigned nearest;

	out[0] = '\0';
	if (!simplify(text, simple, sizeof(simple)))
		return out;
	/* Short words are near to everything. */
	nearest = strlen(simple) < 4 ? 1 : strlen(simple) < 6 ? 2 : 3;
	for (; *words; words++) {
		unsigned distance = simplify(*words, other, sizeof(other)) ?
					    str_distance(simple, other, nearest) :
					    nearest;

		if (distance >= nearest)
			continue;
		best = *words;
		nearest = distance;
	}
	if (best)
		snprintf(out, STR_HINT_BYTES, ": did you mean %s?", best);
	return out;
}
