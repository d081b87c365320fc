/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last words of a container: raw bytes as they were read, kept beside the ring, so that nobody has to read a log to say why
 * something failed. Costs one copy of at most SHIM_TAIL_BYTES a read.
 */
#include <stddef.h>

#define SHIM_TAIL_BYTES 1024u /* raw; what is shown is at most as long */
#define SHIM_TAIL_LINES 5

struct shim_tail {
	char data[2 * SHIM_TAIL_BYTES];
	unsigned len;
	unsigned stream; /* whose bytes were the last: a change of the stream begins a line */
};

void shim_tail_add(struct shim_tail *tail, unsigned stream, const char *data, size_t len);
/* The last SHIM_TAIL_LINES lines, without the last newline, well-formed UTF-8 without control bytes ("?" stands for them, a blank
 * for a tab); a line whose beginning is no longer there begins with "...". "" when there was no output. */
void shim_tail_text(const struct shim_tail *tail, char *out, size_t size);
