/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The same work for each of many things, shared among the processors. Who does which of them is left to chance, so each call may
 * write only to what belongs to its index, and to what belongs to its worker (an arena); the caller puts the results together in
 * the order of the indexes. What the caller has open when the crew begins is open in there, too; what a worker opens afterwards
 * is its own, and closed when the crew ends. Tables that are filled at their first use must be full.
 */
#include <pthread.h>
#include <stdbool.h>
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

struct split_crew;
struct split_worker {
	struct split_crew *crew;
	unsigned number;
	pthread_t thread;
};

/* Threads that do one round of work after the other. All zeroes is a crew of the caller alone. Must not move after
 * split_begin(). */
struct split_crew {
	unsigned workers; /* the caller is one of them */
	pthread_mutex_t lock;
	pthread_cond_t more, all_done;
	/* Under the lock: */
	void (*work)(void *context, unsigned worker, size_t index);
	void *context;
	size_t next, count; /* indexes: handed out, and of this round */
	unsigned busy;	    /* threads that are at work */
	bool is_over;
	struct split_worker others[SPLIT_MAX_WORKERS];
};

/* How many workers are worth their while: 1 for little work, and never more than there are processors for this process. */
unsigned split_workers(size_t count);
/* Starts the threads; one that cannot be started is done without. */
void split_begin(struct split_crew *crew, unsigned workers);
void split_end(struct split_crew *crew); /* one that never began, too */

/* A round: calls work for each index below count, and returns when all calls have. worker, below crew->workers, is 0 for the thread
 * that called. */
void split_run(struct split_crew *crew, size_t count,
	       void (*work)(void *context, unsigned worker, size_t index), void *context);
/* The same in two halves, of a crew that has begun: between them the caller does something else, and takes its share only when it
 * waits. */
void split_start(struct split_crew *crew, size_t count,
		 void (*work)(void *context, unsigned worker, size_t index), void *context);
void split_wait(struct split_crew *crew);
/* Whether a round of so many is shared, and not done by the caller alone. */
bool split_is_shared(const struct split_crew *crew, size_t count);
