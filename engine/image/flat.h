/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Flat records: what the workers hand up and what the store keeps, as text that people can read too. One fact
 * a line, "KEY VALUE"; KEY is lower-case letters and hyphens, VALUE has '%' and control bytes as %XX and is never
 * parsed further by whoever is privileged. A record in a file starts with "cleat-KIND VERSION LENGTH", LENGTH being
 * the bytes that follow that line. Inside a pipe there is no head; the last line is "ok" or "error CODE TEXT", so a
 * worker that died is told from one that finished.
 */
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define FLAT_VERSION 1
#define FLAT_KEY_MAX 32
#define FLAT_FACTS_MAX_BYTES (1024 * 1024)   /* a facts file */
#define FLAT_SMALL_MAX_BYTES (64 * 1024)     /* completion and reference records */
#define FLAT_ARCHIVE_MAX_BYTES (1024 * 1024) /* what an archive holds */

void flat_put(struct buf *b, const char *key, const char *value);
void flat_putn(struct buf *b, const char *key, const char *value, size_t len);
void flat_put_u64(struct buf *b, const char *key, uint64_t value);
/* Head and body of a record file into out. */
int flat_seal(const char *kind, const struct buf *body, struct buf *out,
	      struct err *err) MUST_CHECK;

struct flat_line {
	const char *key;   /* NULL: no more lines */
	const char *value; /* decoded in place; "" when there is none; without NUL bytes inside */
	size_t len;
};

/* Decodes one line (without its newline, NUL-terminated) in place. */
int flat_decode(char *line, struct flat_line *out, struct err *err) MUST_CHECK;

struct flat_reader {
	char *at; /* borrowed text, modified while reading */
	char *end;
};

/* Checks the head; ERR_UNSUPPORTED for another version, ERR_INTEGRITY for anything torn. text[len] must be writable. */
int flat_open(char *text, size_t len, const char *kind, struct flat_reader *out,
	      struct err *err) MUST_CHECK;
int flat_next(struct flat_reader *reader, struct flat_line *out, struct err *err) MUST_CHECK;
