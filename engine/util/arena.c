/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: a list of zeroed blocks, freed together. There is no per-object free and no NULL: a
 * parser that cannot get memory has nothing sensible left to do, so the process ends with one
 * line and its parent decides. Must never hand out memory twice or move what it handed out.
 */
#include "util/arena.h"

#include "util/copy.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_FIRST_BYTES ((size_t)512)
#define ARENA_MAPPED_BYTES ((size_t)64 * 1024)
#define ARENA_LARGEST_BYTES ((size_t)1024 * 1024)
#define ARENA_TEXT_BYTES 256
#define ARENA_BRIEF_MAPPED_BYTES ((size_t)16 * 1024)
#define ARENA_JOINED 8
#define ARENA_HUGE_BYTES ((size_t)2 * 1024 * 1024)
#define ARENA_HUGE_FROM_BYTES ((size_t)256 * 1024)

struct arena_block {
	struct arena_block *next; /* owned */
	size_t size;		  /* bytes of data */
	size_t mapped_bytes;	  /* of the mapping that the block is; 0: from malloc, or lent */
	bool is_lent;
	alignas(ARENA_ALIGN) unsigned char data[];
};

static _Noreturn void arena_die(size_t size)
{
	fprintf(stderr, "out of memory: arena: %zu bytes\n", size);
	abort();
}

/* Zeroed by the kernel already, and all pages at once: a fault for each of them costs more than to fill it, and calloc(3)
 * would look at every byte first. */
static struct arena_block *arena_block_map(size_t bytes)
{
	bool is_huge = bytes == ARENA_HUGE_BYTES;
	struct arena_block *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | (is_huge ? 0 : MAP_POPULATE),
					 -1, 0);

	if (block == MAP_FAILED)
		return NULL;
	/* Linux 6.7 and later put a mapping of this size where such a page can be. Elsewhere there is a fault for each small one. */
	if (is_huge)
		madvise(block, bytes, MADV_HUGEPAGE);
	block->mapped_bytes = bytes;
	return block;
}

/* What a brief arena is asked for at once it soon fills, however small. */
static struct arena_block *arena_block_new(const struct arena *a, size_t size)
{
	struct arena_block *block = NULL;
	size_t mapped_from = a->is_brief ? ARENA_BRIEF_MAPPED_BYTES : ARENA_MAPPED_BYTES;

	if (size >= mapped_from - sizeof(*block) && size <= PTRDIFF_MAX - sizeof(*block))
		block = arena_block_map(sizeof(*block) + size);
	else if (size <= PTRDIFF_MAX - sizeof(*block))
		block = calloc(1, sizeof(*block) + size);
	if (!block)
		arena_die(size);
	block->size = size;
	return block;
}

static void arena_block_free(struct arena_block *block)
{
	if (block->mapped_bytes)
		munmap(block, block->mapped_bytes);
	else if (!block->is_lent)
		free(block);
}

/* A piece too large for the shared block gets a block of its own behind the head, so that the
 * rest of the head stays in use. */
static void *arena_alloc_alone(struct arena *a, size_t size)
{
	struct arena_block *block = arena_block_new(a, size);

	struct arena_block **link = a->head ? &a->head->next : &a->head;

	block->next = *link;
	*link = block;
	return block->data;
}

/* Doubled up to what is mapped; from there on an eighth of what there is, so that a large arena is few mappings and little of
 * it is unused. */
static size_t next_bytes(const struct arena *a)
{
	size_t next = a->head ? a->head->size * 2 : ARENA_FIRST_BYTES;

	if (next <= ARENA_MAPPED_BYTES / 2 && a->is_brief)
		return ARENA_MAPPED_BYTES - sizeof(struct arena_block);
	if (next <= ARENA_MAPPED_BYTES / 2)
		return next;
	/* A large page costs as much as 50 to 140 small ones, which what has grown so far will need, too. */
	if (a->is_brief && a->total_bytes >= ARENA_HUGE_FROM_BYTES)
		return ARENA_HUGE_BYTES - sizeof(struct arena_block);
	next = a->total_bytes / 8 / ARENA_MAPPED_BYTES * ARENA_MAPPED_BYTES;
	if (next < ARENA_MAPPED_BYTES)
		next = ARENA_MAPPED_BYTES;
	if (next > ARENA_LARGEST_BYTES)
		next = ARENA_LARGEST_BYTES;
	return next - sizeof(struct arena_block);
}

static void put_head(struct arena *a, struct arena_block *head)
{
	head->next = a->head;
	a->head = head;
	a->free = head->data;
	a->free_bytes = head->size;
}

static void take_head(struct arena *a, size_t size)
{
	put_head(a, arena_block_new(a, size));
}

void arena_lend(struct arena *a, struct arena *lender, size_t bytes)
{
	size_t size = bytes / ARENA_ALIGN * ARENA_ALIGN;
	struct arena_block *block = arena_alloc(lender, sizeof(*block) + size);

	block->size = size;
	block->is_lent = true;
	put_head(a, block);
}

void arena_expect(struct arena *a, size_t bytes)
{
	if (a->is_brief && bytes >= ARENA_HUGE_FROM_BYTES && a->free_bytes < ARENA_HUGE_FROM_BYTES)
		take_head(a, ARENA_HUGE_BYTES - sizeof(struct arena_block));
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
	if (size > PTRDIFF_MAX - ARENA_ALIGN)
		arena_die(size);

	size_t want = (size + (size == 0) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;

	/* A large arena will need the rest of such a page, too. */
	bool fits_huge =
		a->is_brief &&
		(want >= ARENA_HUGE_FROM_BYTES || a->total_bytes >= ARENA_HUGE_FROM_BYTES) &&
		want <= ARENA_HUGE_BYTES - sizeof(struct arena_block);

	if (want > ARENA_MAPPED_BYTES / 4 && !fits_huge) {
		a->total_bytes += want;
		return arena_alloc_alone(a, want);
	}

	size_t next = fits_huge ? ARENA_HUGE_BYTES - sizeof(struct arena_block) : next_bytes(a);
	take_head(a, next < want ? want : next);
	return arena_alloc(a, size);
}

static char *arena_copy(struct arena *a, const char *s, size_t len)
{
	if (len == SIZE_MAX)
		arena_die(len);

	char *copy = arena_alloc(a, len + 1);

	copy_bytes(copy, s, len);
	return copy;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	return arena_copy(a, s, strnlen(s, n));
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_copy(a, s, strlen(s));
}

/* Most texts only join others. Adds up what literals and %s say; SIZE_MAX when the format has anything else, which is left to
 * printf(3), as are texts that are NULL. */
static size_t arena_joined_bytes(const char *fmt, va_list ap)
{
	size_t bytes = 0;

	for (const char *at; (at = strchr(fmt, '%')) != NULL; fmt = at + 2) {
		const char *text = at[1] == 's' ? va_arg(ap, const char *) : NULL;

		if (!text)
			return SIZE_MAX;
		bytes += (size_t)(at - fmt) + strlen(text);
	}
	return bytes + strlen(fmt);
}

static void arena_put_joined(char *to, const char *fmt, va_list ap)
{
	for (const char *at; (at = strchr(fmt, '%')) != NULL; fmt = at + 2) {
		const char *text = va_arg(ap, const char *);
		size_t len = strlen(text);

		copy_bytes(to, fmt, (size_t)(at - fmt));
		to += at - fmt;
		copy_bytes(to, text, len);
		to += len;
	}
	copy_bytes(to, fmt, strlen(fmt));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char first[ARENA_TEXT_BYTES] __attribute__((uninitialized)); /* most texts are shorter */
	va_list again;

	va_copy(again, ap);

	size_t bytes = arena_joined_bytes(fmt, again);
	char *text;

	va_end(again);
	if (bytes != SIZE_MAX) {
		text = arena_alloc(a, bytes + 1);
		arena_put_joined(text, fmt, ap);
		return text;
	}
	va_copy(again, ap);

	int n = vsnprintf(first, sizeof(first), fmt, ap);

	if (n < 0)
		arena_die(0);
	text = arena_alloc(a, (size_t)n + 1);

	if ((size_t)n < sizeof(first))
		copy_bytes(text, first, (size_t)n);
	else
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	char *text = arena_vprintf(a, fmt, ap);

	va_end(ap);
	return text;
}

char *arena_join_texts(struct arena *a, const char *const *texts)
{
	size_t lens[ARENA_JOINED], len = 0; /* of the first ones, which are nearly always all */

	for (size_t i = 0; texts[i]; i++) {
		size_t bytes = strlen(texts[i]);

		if (i < ARENA_JOINED)
			lens[i] = bytes;
		len += bytes;
	}

	char *text = arena_alloc(a, len + 1), *to = text;

	for (size_t i = 0; texts[i]; i++) {
		size_t bytes = i < ARENA_JOINED ? lens[i] : strlen(texts[i]);

		copy_bytes(to, texts[i], bytes);
		to += bytes;
	}
	return text;
}

void arena_reset(struct arena *a)
{
	struct arena_block *head = a->head;
	size_t used;

	if (!head || !a->free || head->size > ARENA_MAPPED_BYTES) {
		arena_fini(a);
		return;
	}
	used = head->size - a->free_bytes;
	a->head = head->next;
	arena_fini(a);
	memset(head->data, 0, used);
	head->next = NULL;
	a->head = head;
	a->free = head->data;
	a->free_bytes = head->size;
}

void arena_fini(struct arena *a)
{
	struct arena_block *block = a->head;

	while (block) {
		struct arena_block *next = block->next;

		arena_block_free(block);
		block = next;
	}
	*a = (struct arena){ .is_brief = a->is_brief };
}

void arena_absorb(struct arena *to, struct arena *from)
{
	struct arena_block **link = &from->head;

	if (!from->head)
		return;
	while (*link)
		link = &(*link)->next;
	*link = to->head;
	to->head = from->head;
	to->free = from->free;
	to->free_bytes = from->free_bytes;
	to->total_bytes += from->total_bytes;
	*from = (struct arena){ .is_brief = from->is_brief };
}

void *arena_grow_vector(struct arena *a, void *vec, size_t count, size_t elem_size)
{
	size_t cap = count * 2;

	if (!count && elem_size <= ARENA_FIRST_BYTES)
		return arena_alloc(a, ARENA_FIRST_ELEMS * elem_size);
	if (!count)
		cap = ARENA_FIRST_ELEMS;
	if (count > SIZE_MAX / 2 || (elem_size && cap > PTRDIFF_MAX / elem_size))
		arena_die(SIZE_MAX);

	void *elems = arena_alloc(a, cap * elem_size);

	if (count)
		copy_bytes(elems, vec, count * elem_size);
	return elems;
}
