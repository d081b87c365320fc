/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * strlen(3), strchr(3), strrchr(3), memchr(3), strcmp(3), strncmp(3), memcmp(3), memcpy(3) and memmove(3) for x86-64, sixteen bytes
 * at a time; SSE2 is part of every x86-64. The contracts are those of the C library. Only string_x86.c, its test, what copies words
 * (unit/words.c) and what looks for the ends of lines (unit/syntax.c) include this. An aligned load of sixteen bytes never crosses
 * into another page, so what lies beside a text may be loaded, but must never be looked at; the sanitizers are told.
 */
#ifdef __x86_64__
#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Loads what lies beside a text, too. */
#define X86_BESIDE __attribute__((no_sanitize("address")))

#define X86_STEP sizeof(__m128i)
#define X86_PAGE_BYTES 4096

/* A bit for each of the sixteen bytes at p, which is aligned, that is c or (of_text) ends the text. */
X86_BESIDE static inline unsigned x86_find(const char *p, __m128i c, bool of_text)
{
	__m128i bytes = _mm_load_si128((const __m128i *)(const void *)p);
	__m128i hits = _mm_cmpeq_epi8(bytes, c);

	if (of_text)
		hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
	return (unsigned)_mm_movemask_epi8(hits);
}

static inline const char *x86_align(const char *s)
{
	return s - (uintptr_t)s % X86_STEP;
}

/* The first c or end of the text. */
static inline const char *x86_scan(const char *s, __m128i c, bool of_text)
{
	const char *p = x86_align(s);
	unsigned hits = x86_find(p, c, of_text) >> (s - p);

	if (hits)
		return s + __builtin_ctz(hits);
	do {
		p += X86_STEP;
		hits = x86_find(p, c, of_text);
	} while (!hits);
	return p + __builtin_ctz(hits);
}

static inline size_t x86_strlen(const char *s)
{
	return (size_t)(x86_scan(s, _mm_setzero_si128(), false) - s);
}

static inline char *x86_strchrnul(const char *s, int c)
{
	return (char *)(uintptr_t)x86_scan(s, _mm_set1_epi8((char)c), true);
}

static inline char *x86_strchr(const char *s, int c)
{
	const char *at = x86_scan(s, _mm_set1_epi8((char)c), true);

	return *at == (char)c ? (char *)(uintptr_t)at : NULL;
}

static inline void *x86_memchr(const void *data, int c, size_t len)
{
	const char *s = data, *p = x86_align(s), *end;
	__m128i wanted = _mm_set1_epi8((char)c);
	unsigned hits;

	if (!len)
		return NULL;
	end = len < (size_t)(UINTPTR_MAX - (uintptr_t)s) ? s + len : (const char *)UINTPTR_MAX;
	hits = x86_find(p, wanted, false) >> (s - p) << (s - p);
	while (!hits) {
		p += X86_STEP;
		if (p >= end)
			return NULL;
		hits = x86_find(p, wanted, false);
	}
	p += __builtin_ctz(hits);
	return p < end ? (void *)(uintptr_t)p : NULL;
}

static inline bool x86_crosses_page(const char *s)
{
	return (uintptr_t)s % X86_PAGE_BYTES > X86_PAGE_BYTES - X86_STEP;
}

X86_BESIDE static inline int x86_strcmp(const char *left, const char *right)
{
	const unsigned char *a, *b;

	for (; !x86_crosses_page(left) && !x86_crosses_page(right);
	     left += X86_STEP, right += X86_STEP) {
		__m128i l = _mm_loadu_si128((const __m128i *)(const void *)left);
		__m128i r = _mm_loadu_si128((const __m128i *)(const void *)right);
		/* A byte that is the same in both and not 0 stays; the least of it and of the comparison's 0xff. */
		__m128i same = _mm_min_epu8(l, _mm_cmpeq_epi8(l, r));
		unsigned stops =
			(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(same, _mm_setzero_si128()));

		if (stops) {
			a = (const unsigned char *)left + __builtin_ctz(stops);
			b = (const unsigned char *)right + __builtin_ctz(stops);
			return *a - *b;
		}
	}
	for (a = (const unsigned char *)left, b = (const unsigned char *)right; *a && *a == *b; a++)
		b++;
	return *a - *b;
}

X86_BESIDE static inline unsigned x86_differ(const char *left, const char *right)
{
	__m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)left),
				      _mm_loadu_si128((const __m128i *)(const void *)right));

	return ~(unsigned)_mm_movemask_epi8(same) & 0xffff;
}

/* The bytes of both beyond len are loaded, but count for nothing. */
X86_BESIDE static inline int x86_memcmp(const void *left, const void *right, size_t len)
{
	const unsigned char *a = left, *b = right;

	for (; len && !x86_crosses_page((const char *)a) && !x86_crosses_page((const char *)b);
	     a += X86_STEP, b += X86_STEP) {
		unsigned differ = x86_differ((const char *)a, (const char *)b);
		size_t at = differ ? (size_t)__builtin_ctz(differ) : X86_STEP;

		if (at >= len)
			return 0;
		if (differ)
			return a[at] - b[at];
		len -= X86_STEP;
	}
	for (; len; a++, b++, len--)
		if (*a != *b)
			return *a - *b;
	return 0;
}

X86_BESIDE static inline int x86_strncmp(const char *left, const char *right, size_t len)
{
	const unsigned char *a = (const unsigned char *)left, *b = (const unsigned char *)right;

	for (; len && !x86_crosses_page((const char *)a) && !x86_crosses_page((const char *)b);
	     a += X86_STEP, b += X86_STEP) {
		unsigned stops = x86_differ((const char *)a, (const char *)b);
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)a);
		size_t at;

		stops |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
		at = stops ? (size_t)__builtin_ctz(stops) : X86_STEP;
		if (at >= len)
			return 0;
		if (stops)
			return a[at] - b[at];
		len -= X86_STEP;
	}
	for (; len && *a && *a == *b; a++, b++)
		len--;
	return len ? *a - *b : 0;
}

static inline char *x86_strrchr(const char *s, int c)
{
	const __m128i wanted = _mm_set1_epi8((char)c), end = _mm_setzero_si128();
	const char *p = x86_align(s), *last = NULL;
	unsigned beside = ~0u << (s - p), hits, ends;

	for (;; p += X86_STEP, beside = ~0u) {
		ends = x86_find(p, end, false) & beside;
		hits = x86_find(p, wanted, false) & beside;
		/* up to the end and with it, which may be what is looked for */
		if (ends)
			hits &= ends ^ (ends - 1);
		if (hits)
			last = p + (31 - __builtin_clz(hits));
		if (ends)
			return (char *)(uintptr_t)last;
	}
}

/* More than this is copied by the processor's own loop, which takes as long to begin as this takes to copy. */
#define X86_LONG_BYTES 1024

static inline __m128i x86_load(const char *from)
{
	return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static inline void x86_store(char *to, __m128i bytes)
{
	_mm_storeu_si128((__m128i *)(void *)to, bytes);
}

__attribute__((always_inline)) static inline void x86_copy_words(char *to, const char *from,
								 size_t len, size_t word)
{
	uint64_t first = 0, last = 0;

	/* Both are read before one is written: the pieces may overlap. */
	__builtin_memcpy(&first, from, word);
	__builtin_memcpy(&last, from + len - word, word);
	__builtin_memcpy(to, &first, word);
	__builtin_memcpy(to + len - word, &last, word);
}

static inline void x86_copy_few(char *to, const char *from, size_t len)
{
	if (len >= 8)
		x86_copy_words(to, from, len, 8);
	else if (len >= 4)
		x86_copy_words(to, from, len, 4);
	else if (len >= 2)
		x86_copy_words(to, from, len, 2);
	else if (len)
		*to = *from;
}

#define X86_STEPS (4 * (ptrdiff_t)X86_STEP)

static inline void x86_copy_steps(char *to, const char *from)
{
	__m128i a = x86_load(from), b = x86_load(from + X86_STEP);
	__m128i c = x86_load(from + 2 * X86_STEP), d = x86_load(from + 3 * X86_STEP);

	x86_store(to, a);
	x86_store(to + X86_STEP, b);
	x86_store(to + 2 * X86_STEP, c);
	x86_store(to + 3 * X86_STEP, d);
	/* The compiler would make a call of memcpy(3) of a loop of these. */
	__asm__ volatile("" ::: "memory");
}

/* Upwards; the last sixteen bytes are read first, so that they may lie below where the loop ends. */
static inline void x86_copy_up(char *to, const char *from, size_t len)
{
	char *end = to + len - X86_STEP;
	__m128i last = x86_load(from + len - X86_STEP);

	for (; end - to > X86_STEPS; to += X86_STEPS, from += X86_STEPS)
		x86_copy_steps(to, from);
	for (; to < end; to += X86_STEP, from += X86_STEP) {
		x86_store(to, x86_load(from));
		__asm__ volatile("" ::: "memory");
	}
	x86_store(end, last);
}

static inline void x86_copy_down(char *to, const char *from, size_t len)
{
	__m128i first = x86_load(from);

	for (size_t left = len; left > X86_STEP; left -= X86_STEP) {
		x86_store(to + left - X86_STEP, x86_load(from + left - X86_STEP));
		__asm__ volatile("" ::: "memory");
	}
	x86_store(to, first);
}

/* The pieces may overlap when to lies below from. */
static inline void *x86_copy(void *to, const void *from, size_t len)
{
	void *out = to;

	if (len <= X86_STEP)
		x86_copy_few(to, from, len);
	else if (len <= X86_LONG_BYTES)
		x86_copy_up(to, from, len);
	else
		__asm__ volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(len)::"memory");
	return to;
}

static inline void *x86_move(void *to, const void *from, size_t len)
{
	if (len <= X86_STEP || (uintptr_t)to - (uintptr_t)from >= len)
		return x86_copy(to, from, len);
	x86_copy_down(to, from, len);
	return to;
}
#endif
