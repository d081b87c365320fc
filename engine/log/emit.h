/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Chosen lines -> the client: joins pieces, puts frames and times around them, batches writes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/line.h"
#include "util/buf.h"

#define LOG_EMIT_BYTES (64u * 1024)
#define LOG_JOIN_MAX (256u * 1024) /* a longer line goes out in parts */

struct log_emit {
	const struct log_query *query;				 /* borrowed */
	char since[LOG_STAMP_LEN + 1], until[LOG_STAMP_LEN + 1]; /* "" no limit */
	int fd;							 /* borrowed */
	uint64_t skip; /* lines to leave out at the beginning */
	char *out;     /* borrowed, LOG_EMIT_BYTES */
	size_t len;
	struct log_joined {
		struct buf text;
		char stamp[LOG_STAMP_LEN + 1]; /* of the first piece; "" nothing is joined */
		bool is_shown_in_part;
	} joined[2]; /* stdout, stderr */
};

void log_emit_init(struct log_emit *emit, const struct log_query *query, int fd, char *out);
void log_emit_fini(struct log_emit *emit);
/* The query's answer for a whole line or a last piece: is it counted, is it shown. */
bool log_emit_wants(const struct log_emit *emit, const struct log_line *line);
/* 0, or -1 when the client has gone or cannot be written to (errno in err). */
int log_emit_line(struct log_emit *emit, const struct log_line *line, struct err *err) MUST_CHECK;
/* A line of our own. */
int log_emit_note(struct log_emit *emit, const char *text, struct err *err) MUST_CHECK;
int log_emit_flush(struct log_emit *emit, struct err *err) MUST_CHECK;
