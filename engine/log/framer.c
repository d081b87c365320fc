/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting and stamping. A line goes into the ring whole or not at all; only lines longer than
 * LOG_LINE_MAX travel in pieces, and when a later piece finds no room, an empty last piece ends
 * what is there, so that a reader never joins the beginning of one line with the end of another.
 * Must never block and never allocate.
 */
#include "log/framer.h"

#include <stdio.h>
#include <string.h>

#define HEAD_LEN (LOG_STAMP_LEN + 10) /* "STAMP stdout F " */
#define NOTE_MAX 160
_Static_assert(2 * (2 * HEAD_LEN + NOTE_MAX + 2) <= LOG_FRAMER_SPARE, "both streams' last words");

static void put_head(char *out, const struct log_framer *f, const char *stamp, char tag)
{
	memcpy(out, stamp, LOG_STAMP_LEN);
	out[LOG_STAMP_LEN] = ' ';
	memcpy(out + LOG_STAMP_LEN + 1, f->stream, 6);
	out[LOG_STAMP_LEN + 7] = ' ';
	out[LOG_STAMP_LEN + 8] = tag;
	out[LOG_STAMP_LEN + 9] = ' ';
}

static void put_frame(char *out, const struct log_framer *f, const char *stamp, char tag,
		      const char *text, size_t len)
{
	put_head(out, f, stamp, tag);
	memcpy(out + HEAD_LEN, text, len);
	out[HEAD_LEN + len] = '\n';
}

/* How much of what waits is looked at for the end of a line. */
static size_t window_of(size_t left)
{
	return left <= LOG_LINE_MAX ? left : LOG_LINE_MAX + 1;
}

/* Room for len bytes that leaves spare bytes free. */
static char *reserve(struct log_ring *ring, size_t len, size_t spare)
{
	return log_ring_room(ring) < len + spare ? NULL : log_ring_reserve(ring, len);
}

/* The torn line's end, if there is one, and the sentence about what is missing. */
static bool tell(struct log_framer *f, struct log_ring *ring, const char *stamp, size_t spare)
{
	char note[NOTE_MAX];
	/* No piece is put before everything untold was told: a piece in the ring now is a torn
	 * line's. */
	size_t torn = f->in_piece ? HEAD_LEN + 1 : 0;

	if (f->untold_lines == 0)
		return true;

	int n = snprintf(
		note, sizeof(note),
		"cleat: %llu lines dropped (%llu bytes): the log could not be written fast enough",
		(unsigned long long)f->untold_lines, (unsigned long long)f->untold_bytes);
	size_t len = n > 0 && (size_t)n < sizeof(note) ? (size_t)n : 0;
	char *out = reserve(ring, torn + HEAD_LEN + len + 1, spare);

	if (!out)
		return false;
	if (torn) {
		put_frame(out, f, stamp, 'F', "", 0);
		f->in_piece = false;
	}
	put_frame(out + torn, f, stamp, 'F', note, len);
	log_ring_commit(ring, torn + HEAD_LEN + len + 1);
	f->untold_lines = f->untold_bytes = 0;
	return true;
}

bool log_framer_tell(struct log_framer *f, struct log_ring *ring, const char *stamp)
{
	return tell(f, ring, stamp, LOG_FRAMER_SPARE);
}

static void count_drop(struct log_framer *f, size_t len, bool first_of_line)
{
	f->dropped_bytes += len;
	f->untold_bytes += len;
	if (first_of_line) {
		f->dropped_lines++;
		f->untold_lines++;
	}
}

/* One line, or one piece of one. False: no room and not allowed to drop. */
static bool put_line(struct log_framer *f, struct log_ring *ring, const char *stamp,
		     const char *text, size_t len, bool is_end, bool may_drop)
{
	char *out = NULL;

	if (f->skipping) {
		count_drop(f, len, false);
		f->skipping = !is_end;
		return true;
	}
	if (log_framer_tell(f, ring, stamp))
		out = reserve(ring, HEAD_LEN + len + 1, LOG_FRAMER_SPARE);
	if (!out) {
		if (!may_drop)
			return false;
		count_drop(f, len, true);
		f->skipping = !is_end;
		return true;
	}
	put_frame(out, f, stamp, is_end ? 'F' : 'P', text, len);
	log_ring_commit(ring, HEAD_LEN + len + 1);
	f->in_piece = !is_end;
	return true;
}

/* What nearly every turn consists of: whole lines that find room, with nothing dropped before them. Returns how much of text is in the
 * ring now; what does not fit this is left to put_line(). */
static size_t put_whole_lines(struct log_framer *f, struct log_ring *ring, const char *stamp,
			      const char *text, size_t len)
{
	size_t room = log_ring_room(ring), used = 0, filled = 0;
	char *out = log_ring_reserve(ring, 0);
	char head[HEAD_LEN];

	if (f->untold_lines > 0 || f->skipping || room < LOG_FRAMER_SPARE)
		return 0;
	room -= LOG_FRAMER_SPARE;
	put_head(head, f, stamp, 'F');
	while (used < len) {
		const char *end = memchr(text + used, '\n', window_of(len - used));
		size_t line = end ? (size_t)(end - text) + 1 - used : 0;

		if (!end || HEAD_LEN + line > room - filled)
			break;
		memcpy(out + filled, head, HEAD_LEN);
		memcpy(out + filled + HEAD_LEN, text + used, line);
		filled += HEAD_LEN + line;
		used += line;
	}
	log_ring_commit(ring, filled);
	f->in_piece = f->in_piece && used == 0;
	return used;
}

static void keep_rest(struct log_framer *f, size_t used)
{
	if (used > 0)
		memmove(f->buf, f->buf + used, f->len - used);
	f->len -= used;
}

bool log_framer_push(struct log_framer *f, struct log_ring *ring, const char *stamp, bool may_drop)
{
	size_t used = 0;
	bool done = true;

	while (done) {
		used += put_whole_lines(f, ring, stamp, f->buf + used, f->len - used);
		if (used == f->len)
			break;

		const char *text = f->buf + used;
		size_t left = f->len - used;
		const char *end = memchr(text, '\n', window_of(left));

		if (!end && left <= LOG_LINE_MAX)
			break;

		size_t len = end ? (size_t)(end - text) : LOG_LINE_MAX;

		done = put_line(f, ring, stamp, text, len, end != NULL, may_drop);
		if (done)
			used += len + (end != NULL);
	}
	keep_rest(f, used);
	return done;
}

bool log_framer_finish(struct log_framer *f, struct log_ring *ring, const char *stamp,
		       bool may_drop)
{
	if (!log_framer_push(f, ring, stamp, may_drop))
		return false;
	if ((f->len > 0 || f->in_piece) &&
	    !put_line(f, ring, stamp, f->buf, f->len, true, may_drop))
		return false;
	f->len = 0;
	/* Nothing comes after this: a full ring must not keep the last word away. */
	return tell(f, ring, stamp, may_drop ? 0 : LOG_FRAMER_SPARE) || may_drop;
}
