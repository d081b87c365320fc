/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The same work for each of many things, shared among the processors. Who does which of them is left to chance, so each call may
 * write only to what belongs to its index, and to what belongs to its worker (an arena); the caller puts the results together in
 * the order of the indexes. What the caller has open is open in there, too; what a call opens it has to close.
 */
#include <stddef.h>

#include "util/arena.h"

#define SPLIT_MAX_WORKERS 4
/* What each worker writes to all the time lies so far from what others write to: sharing a line of the cache costs more than a
 * second processor brings. */
#define SPLIT_APART_BYTES 128

struct split_arena {
	char apart[SPLIT_APART_BYTES];
	struct arena arena;
};

/* How many workers are worth their while: 1 for little work, and never more than there are processors for this process. */
unsigned split_workers(size_t count);
/* Calls work for each index below count, and returns when all calls have. worker, below workers, is 0 for the thread that
 * called; a thread that cannot be started is done without. Tables that are filled at their first use must be full. */
void split_run(unsigned workers, size_t count,
	       void (*work)(void *context, unsigned worker, size_t index), void *context);
