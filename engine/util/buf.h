/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing byte buffer with a stated maximum. After a failed append the buffer is marked
 * "failed", keeps what it has, and every later append fails too: write a whole document, check
 * once. data is always terminated by a NUL that len does not count.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

struct buf {
	char *data; /* owned, unless it is lent; never NULL after the first append; use buf_str() to read */
	size_t len;
	size_t cap;
	size_t max; /* bytes, the terminator not counted */
	bool failed, is_lent;
};

#define BUF_INIT(maximum)        \
	{                        \
		.max = (maximum) \
	}

/* The same with the caller's array for what is short: most texts never ask for memory. It has to last as long as the buffer. */
#define BUF_IN(array, maximum)                                                                \
	{                                                                                     \
		.data = ((array)[0] = '\0', (array)), .cap = sizeof(array), .max = (maximum), \
		.is_lent = true                                                               \
	}

void buf_fini(struct buf *b);		  /* frees; the buffer may be used again */
void buf_clear(struct buf *b);		  /* empties and forgives, keeps the memory */
const char *buf_str(const struct buf *b); /* "" when empty */

int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
/* Appends len bytes for the caller to fill in; NULL: they do not fit. */
char *buf_extend(struct buf *b, size_t len);
char *buf_room_slow(struct buf *b, size_t len); /* for buf_room() only */
/* Room for len bytes at the end, which count once they are filled in: buf_took() with how many. NULL: they do not fit. */
static inline char *buf_room(struct buf *b, size_t len)
{
	bool fits = !b->failed && len < b->cap - b->len && b->cap && len <= b->max - b->len;

	return fits ? b->data + b->len : buf_room_slow(b, len);
}
static inline void buf_took(struct buf *b, size_t len)
{
	b->len += len;
	b->data[b->len] = '\0';
}
static inline int buf_putc(struct buf *b, char c)
{
	if (!b->data || b->failed || b->len >= b->max || b->cap < 2 || b->len > b->cap - 2)
		return buf_add(b, &c, 1);
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
	return 0;
}
int buf_printf(struct buf *b, const char *fmt, ...) ERR_PRINTF(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) ERR_PRINTF(2, 0);
/* Removes n bytes at the front (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* 0 if everything fitted, else ERR_LIMIT naming what. */
int buf_check(const struct buf *b, const char *what, struct err *err) MUST_CHECK;

static inline void buf_cleanup(struct buf *b)
{
	if (b->data)
		buf_fini(b);
}
#define auto_buf __attribute__((cleanup(buf_cleanup))) struct buf
