/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded buffer. Growth doubles and is capped by the stated maximum, so neither a hostile
 * length nor a loop that appends can take more memory than the owner allowed. Must never hold
 * half of an append: a piece that does not fit leaves the contents as they were.
 */
#include "util/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/copy.h"

#define BUF_FIRST_BYTES 64

void buf_fini(struct buf *b)
{
	if (b->data && !b->is_lent)
		free(b->data);
	b->data = NULL;
	b->is_lent = false;
	b->len = 0;
	b->cap = 0;
	b->failed = false;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

/* Makes room for extra bytes and the terminator. */
static int buf_reserve(struct buf *b, size_t extra)
{
	if (b->failed)
		return -1;
	if (b->len > b->max || extra > b->max - b->len || extra >= SIZE_MAX - b->len) {
		b->failed = true;
		return -1;
	}

	size_t need = b->len + extra + 1;

	if (need <= b->cap)
		return 0;

	size_t cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;

	if (cap < BUF_FIRST_BYTES)
		cap = BUF_FIRST_BYTES;
	if (b->max < SIZE_MAX && cap > b->max + 1)
		cap = b->max + 1;
	if (cap < need)
		cap = need;

	char *data = realloc(b->is_lent ? NULL : b->data, cap);

	if (!data) {
		b->failed = true;
		return -1;
	}
	if (b->is_lent)
		memcpy(data, b->data, b->len);
	b->is_lent = false;
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

char *buf_extend(struct buf *b, size_t len)
{
	bool fits = !b->failed && len < b->cap - b->len && b->cap && len <= b->max - b->len;

	if (!fits && buf_reserve(b, len) < 0)
		return NULL;

	char *at = b->data + b->len;

	b->len += len;
	at[len] = '\0';
	return at;
}

char *buf_room_slow(struct buf *b, size_t len)
{
	return buf_reserve(b, len) == 0 ? b->data + b->len : NULL;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	char *at = buf_room(b, len);

	if (!at)
		return -1;
	copy_bytes(at, data, len);
	buf_took(b, len);
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;

	if (buf_reserve(b, 0) < 0)
		return -1;
	va_copy(again, ap);

	int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	bool fits = n >= 0 && (size_t)n < b->cap - b->len && (size_t)n <= b->max - b->len;

	if (!fits) {
		b->data[b->len] = '\0';
		if (n < 0)
			b->failed = true;
		else if (buf_reserve(b, (size_t)n) == 0)
			vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	if (b->failed)
		return -1;
	b->len += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int rc = buf_vprintf(b, fmt, ap);

	va_end(ap);
	return rc;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0 || !b->data)
		return;
	if (n > b->len)
		n = b->len;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

int buf_check(const struct buf *b, const char *what, struct err *err)
{
	if (!b->failed)
		return 0;
	return err_set(err, ERR_LIMIT, "%s: more than %zu bytes, or out of memory", what, b->max);
}
