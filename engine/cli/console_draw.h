/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The status screen as text: published records, links and the size of a terminal in, lines and bytes out. Pure. Nothing that a unit, a
 * container or a link is called or has said reaches the terminal but as printable Latin letters, each one column wide.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/published.h"

#define CONSOLE_MAX_COLUMNS 300u
#define CONSOLE_MAX_ROWS 200u
/* A terminal that does not know its size. */
#define CONSOLE_COLUMNS 80u
#define CONSOLE_ROWS 24u
#define CONSOLE_SHARED_LINES 8u /* at least this much is left to the lines of the boot */

struct console_view {
	const struct published_header *header;
	/* Unit INDEX into out; false: it is being changed just now, or is none. */
	bool (*get)(void *arg, unsigned index, struct published_unit *out);
	void *arg;
	const char *links; /* text of UPLINK_STATE; "" */
	const char *
		status; /* "25328", or what to put before "/status" when it listens on one address */
	unsigned columns, rows; /* 0: not known */
	unsigned min_lines;	/* of a shared terminal: what an earlier frame took */
	bool is_shared;		/* boot lines scroll below it */
	bool is_first;		/* nothing of ours is on the terminal yet */
	bool can_log_in, with_colours;
};

/* At most that many lines, each ended by a newline, at most as wide as the terminal. Returns how many. */
unsigned console_lines(const struct console_view *view, struct buf *out);
/* The same as bytes for a terminal that obeys ECMA-48. Returns how many lines it takes. */
unsigned console_frame(const struct console_view *view, struct buf *out);
/* What gives a terminal back: all of it scrolls, the cursor shows, below what was drawn. */
void console_leave(const struct console_view *view, struct buf *out);
