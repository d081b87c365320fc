/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One arena per parsed document: everything in it dies together. Allocation never returns NULL:
 * without memory the program ends with a message (the engine is respawned and adopts; a worker
 * is reported as failed). Memory comes zeroed.
 */
#include <stdarg.h>
#include <stddef.h>

#include "util/err.h"

struct arena_block;
struct arena {
	struct arena_block *head; /* owned */
	size_t total_bytes;
};

void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n); /* n bytes at most, NUL added */
char *arena_printf(struct arena *a, const char *fmt, ...) ERR_PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) ERR_PRINTF(2, 0);
void arena_fini(struct arena *a); /* frees all; the arena may be used again */

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define auto_arena __attribute__((cleanup(arena_fini))) struct arena

/*
 * Appends one element to a vector kept as (pointer, count) in an arena: grows by doubling at
 * powers of two, so (pointer, count) is the whole state. Evaluates to a pointer to the new,
 * zeroed element.
 */
void *arena_grow(struct arena *a, void *vec, size_t count, size_t elem_size);
#define arena_push(a, vec, count)                                                    \
	(((vec) = (__typeof__(vec))arena_grow((a), (vec), (count), sizeof(*(vec)))), \
	 &(vec)[(count)++])
