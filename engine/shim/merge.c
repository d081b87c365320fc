/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By what was given before, not by marks in the file: a mark is one more line that a program may not expect, and one that can be
 * forged. Must not fail on any bytes: a container has written them.
 */
#include "shim/merge.h"

#include <string.h>

/* Whole lines. Nothing is found at the beginning. */
static const char *find(const struct buf *now, const struct buf *before)
{
	const char *at = buf_str(now), *end = at + now->len;

	if (!before->len)
		return at;
	/* without an end the last line of ours could have become somebody else's */
	if (before->data[before->len - 1] != '\n')
		return NULL;
	while ((at = memmem(at, (size_t)(end - at), before->data, before->len)) != NULL) {
		if (at == buf_str(now) || at[-1] == '\n')
			return at;
		at++;
	}
	return NULL;
}

bool shim_merge(const struct buf *now, const struct buf *before, const struct buf *next,
		bool is_whole, struct buf *out)
{
	const char *at;

	size_t head;

	if (is_whole && now->len != before->len)
		return false;
	at = find(now, before);
	if (!at)
		return false;
	head = (size_t)(at - buf_str(now));
	buf_add(out, buf_str(now), head);
	buf_add(out, buf_str(next), next->len);
	buf_add(out, at + before->len, now->len - head - before->len);
	return !out->failed;
}
