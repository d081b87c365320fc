/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The HTTP/1.1 and websocket (RFC 6455) that a container manager's guest socket speaks to us: answers of bounded size and frames whose
 * contents nobody reads. Pure functions over bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define GUEST_MAX_HEAD_BYTES (16u * 1024)
#define GUEST_MAX_BODY_BYTES (1024u * 1024)
#define GUEST_MAX_ANSWER_BYTES \
	(GUEST_MAX_HEAD_BYTES + 2 * GUEST_MAX_BODY_BYTES) /* with the sizes of chunks */
#define GUEST_MAX_FRAME_BYTES (64u * 1024)

enum guest_parse { GUEST_MORE, GUEST_DONE, GUEST_BAD };

/* One answer at the front of the bytes. DONE: its status, its body (appended) and how many bytes it took. Content-Length, chunks, or no
 * body (1xx, 204, 304); a body that only ends with the connection is BAD. */
enum guest_parse guest_answer_parse(const char *data, size_t len, int *status, struct buf *body,
				    size_t *used, struct err *err);

/* A server's frame at the front of the bytes. Its payload has at most GUEST_MAX_FRAME_BYTES and is not masked. */
enum guest_opcode {
	GUEST_TEXT = 1,
	GUEST_BINARY = 2,
	GUEST_CLOSE = 8,
	GUEST_PING = 9,
	GUEST_PONG = 10
};
struct guest_frame {
	unsigned opcode;     /* enum guest_opcode, or 0: the middle of a message */
	const char *payload; /* borrowed */
	size_t len;
};
enum guest_parse guest_frame_parse(const char *data, size_t len, struct guest_frame *out,
				   size_t *used, struct err *err);
/* A client's frame: masked, as each must be. len at most 125 (control frames). */
void guest_frame_write(struct buf *out, unsigned opcode, const void *payload, size_t len,
		       uint32_t mask);
/* "/1.0/config/KEY", everything but letters, digits and "-._~" percent-encoded. */
void guest_path(struct buf *out, const char *key);
