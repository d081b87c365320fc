/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bytes of one output stream -> whole lines in CRI form in the ring (log.h has the form). What has
 * not seen its newline yet waits here. One time a batch; no system call a line.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log.h"
#include "log/ring.h"
#include "log/stamp.h"

#define LOG_FRAMER_BYTES (64u * 1024) /* of the buffer; must exceed LOG_LINE_MAX */
#define LOG_FRAMER_SPARE 512u /* of the ring: for what two streams have to say at their end */

struct log_framer {
	const char *stream;		       /* "stdout" or "stderr" */
	char *buf;			       /* borrowed, LOG_FRAMER_BYTES */
	size_t len;			       /* bytes that wait in buf */
	bool in_piece;			       /* a P piece is in the ring, its F is not */
	bool skipping;			       /* the rest of a line whose beginning was dropped */
	uint64_t dropped_lines, dropped_bytes; /* since the beginning */
	uint64_t untold_lines, untold_bytes;   /* not yet said by a line in the log */
};

/* Turns what was read (framer->len has been raised by the caller) into frames. Returns false when
 * the ring has no room and may_drop is not set: call again with the rest still in buf. With
 * may_drop whole lines are dropped and counted; the next line that fits is preceded by one that
 * says how many. */
bool log_framer_push(struct log_framer *framer, struct log_ring *ring, const char *stamp,
		     bool may_drop);
/* End of the stream: an unfinished line is a line. Same result; with may_drop what was dropped is
 * told in any case, because LOG_FRAMER_SPARE bytes of the ring were left free for that. */
bool log_framer_finish(struct log_framer *framer, struct log_ring *ring, const char *stamp,
		       bool may_drop);
/* Says what was dropped as soon as there is room, without waiting for the next line; true: nothing
 * is left to say. */
bool log_framer_tell(struct log_framer *framer, struct log_ring *ring, const char *stamp);
