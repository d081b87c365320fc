/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * memcpy(3) for pieces of a few bytes: names, words, short vectors. musl's begins a string instruction for each of them, which
 * costs more than all of the copying.
 */
#include <stddef.h>
#include <string.h>

#define COPY_SHORT_BYTES 128

/* to and from must not overlap. */
static inline void copy_bytes(void *to, const void *from, size_t len)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (len > COPY_SHORT_BYTES) {
		memcpy(to, from, len);
		return;
	}
	/* Fixed sizes become single instructions. */
	for (; len >= 8; len -= 8, out += 8, in += 8)
		memcpy(out, in, 8);
	if (len >= 4) {
		memcpy(out, in, 4);
		out += 4;
		in += 4;
		len -= 4;
	}
	for (; len; len--)
		*out++ = *in++;
}
