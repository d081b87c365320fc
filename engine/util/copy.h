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

	/* Fixed sizes become single instructions; the last of them may copy some bytes a second time. */
	if (len > COPY_SHORT_BYTES) {
		memcpy(to, from, len);
	} else if (len >= 8) {
		for (size_t i = 0; i < len - 8; i += 8)
			memcpy(out + i, in + i, 8);
		memcpy(out + len - 8, in + len - 8, 8);
	} else if (len >= 4) {
		memcpy(out, in, 4);
		memcpy(out + len - 4, in + len - 4, 4);
	} else {
		for (; len; len--)
			*out++ = *in++;
	}
}
