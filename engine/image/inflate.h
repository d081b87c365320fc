/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The plain bytes of a layer: gzip (also several members, as pigz and eStargz write), zstd (also several frames and
 * skippable ones) or nothing, told by the first bytes as media types are often wrong; hashed on the way for the diff id.
 * Bounded: more plain bytes than allowed are ERR_LIMIT, so a bomb costs at most that.
 */
#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"
#include "util/err.h"

struct inflate;

/* Reads from fd (borrowed). NULL with ERR_SYS without memory. */
struct inflate *inflate_open(int fd, uint64_t max_bytes, struct err *err) MUST_CHECK;
/* Asked once, before the first zstd frame whose window is larger than INFLATE_WINDOW_BYTES; so much memory is taken when it
 * returns 0. May block. Without it every window that is supported at all is taken without asking. */
#define INFLATE_WINDOW_BYTES (UINT64_C(8) << 20)
typedef int inflate_ask_fn(void *arg, struct err *err);
void inflate_ask_before_large_window(struct inflate *in, inflate_ask_fn *fn, void *arg);
/* The next piece; valid until the next call; *len 0 at the end. Errors stick. */
int inflate_read(struct inflate *in, const void **data, size_t *len, struct err *err) MUST_CHECK;
/* Reads what is left, so that the digest covers every byte (tar readers stop at the end mark). */
int inflate_drain(struct inflate *in, struct err *err) MUST_CHECK;
uint64_t inflate_total_bytes(const struct inflate *in);
/* "sha256:..." of all that was read; once, at the end. out has DIGEST_STR_LEN + 1 bytes. */
void inflate_digest(struct inflate *in, char *out);
void inflate_close(struct inflate *in);
