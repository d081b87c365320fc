/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When has a change come to rest? Pure; the process that watches ("cleat units-watch UNITS INPUTS": the signatures that the
 * engine knows, in hex; on descriptor 0 paths of further files, on 1 a byte for each change) feeds it.
 */
#include <stdbool.h>

#include "util/loop.h"

#define WATCHER_QUIET_USEC (300 * USEC_MSEC)   /* nothing may have happened for so long */
#define WATCHER_LONGEST_USEC (5 * USEC_SEC)    /* but who never stops writing is not waited for */
#define WATCHER_POLL_USEC (60 * USEC_SEC)      /* between looks where events come */
#define WATCHER_QUICK_POLL_USEC (5 * USEC_SEC) /* where they do not */

struct watcher {
	usec_t first, last; /* events since the last look; 0: none */
	bool is_by_poll;    /* a look without events has found the change */
	usec_t next_poll;
	usec_t poll_usec;
};

void watcher_init(struct watcher *w, usec_t now, usec_t poll_usec);
void watcher_event(struct watcher *w, usec_t now);
/* When to look. */
usec_t watcher_deadline(const struct watcher *w);
/* The time to look has come, and this was found: it differs from what the engine knows, and from what the look before has found;
 * is_blind: some place gives no events, so that only a second look tells whether it moves still. True: tell the engine. */
struct watcher_look {
	bool differs, differs_from_last, is_blind;
};
bool watcher_looked(struct watcher *w, usec_t now, struct watcher_look look);

int cmd_units_watch(int argc, char **argv);
