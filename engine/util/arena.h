/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One arena per parsed document: everything in it dies together. Allocation never returns NULL:
 * without memory the program ends with a message (the engine is respawned and adopts; a worker
 * is reported as failed). Memory comes zeroed.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/err.h"

struct arena_block;
struct arena {
	struct arena_block *head; /* owned */
	unsigned char *free;	  /* what is left of the head: zeroed, aligned */
	size_t free_bytes;
	size_t total_bytes;
	bool is_brief; /* set by its owner when all of it is given back soon: large pages where the kernel has them, see arena.c */
};

#define ARENA_ALIGN alignof(uint64_t) /* nothing here needs more */

/* From a new block. */
void *arena_alloc_slow(struct arena *a, size_t size);

/* Inline, because a parser does little else. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
	size_t want = (size + (size == 0) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	void *piece = a->free;

	/* want is less than size when that is next to SIZE_MAX */
	if (__builtin_expect(want > a->free_bytes || want < size, 0))
		return arena_alloc_slow(a, size);
	a->free += want;
	a->free_bytes -= want;
	a->total_bytes += want;
	return piece;
}

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n); /* n bytes at most, NUL added */
char *arena_printf(struct arena *a, const char *fmt, ...) ERR_PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) ERR_PRINTF(2, 0);
/* Texts, one behind the other: what arena_printf("%s%s") says, at a tenth of its cost. */
#define arena_join(a, ...) arena_join_texts((a), (const char *const[]){ __VA_ARGS__, NULL })
char *arena_join_texts(struct arena *a, const char *const *texts); /* up to NULL */
/* Empties the arena and keeps a block of it: for work that is done again and again. */
void arena_reset(struct arena *a);
/* About so much will be asked for, piece by piece: a brief arena begins with a large page when that is worth it. */
void arena_expect(struct arena *a, size_t bytes);
/* The arena goes on with this much of the lender's memory, which has to last longer than it. */
void arena_lend(struct arena *a, struct arena *lender, size_t bytes);
/* What from holds is to's, which goes on with from's room; from is empty then. */
void arena_absorb(struct arena *to, struct arena *from);
void arena_fini(struct arena *a); /* frees all; the arena may be used again */

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define auto_arena __attribute__((cleanup(arena_fini))) struct arena

/* A longer vector with the same elements. */
void *arena_grow_vector(struct arena *a, void *vec, size_t count, size_t elem_size);
#define ARENA_FIRST_ELEMS 4 /* a power of two */

static inline void *arena_grow(struct arena *a, void *vec, size_t count, size_t elem_size)
{
	if (count == 0 || (count >= ARENA_FIRST_ELEMS && (count & (count - 1)) == 0))
		vec = arena_grow_vector(a, vec, count, elem_size);
	/* An element that was dropped by lowering the count may be used again. */
	memset((char *)vec + count * elem_size, 0, elem_size);
	return vec;
}

/*
 * Appends one element to a vector kept as (pointer, count) in an arena: grows by doubling at
 * powers of two, so (pointer, count) is the whole state. Evaluates to a pointer to the new,
 * zeroed element.
 */
#define arena_push(a, vec, count)                                                    \
	(((vec) = (__typeof__(vec))arena_grow((a), (vec), (count), sizeof(*(vec)))), \
	 &(vec)[(count)++])
