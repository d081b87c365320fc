/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When a worker that is to be there for as long as the engine is started again: each time it ends, or cannot be started, twice as long
 * after that as the time before. Its owner starts it, watches it and says what has happened.
 */
#include <stdbool.h>

#include "util/loop.h"

struct respawn_policy {
	void (*start)(void *arg);
	usec_t first_usec, max_usec; /* the first delay and the longest */
	usec_t steady_usec;	     /* whoever has lived so long begins with a clean slate */
};

struct respawn {
	const struct respawn_policy *policy;
	struct loop *loop;
	void *arg;		   /* of start() */
	struct loop_source *timer; /* NULL: no start is due */
	usec_t began;		   /* 0: it does not run */
	unsigned failures;	   /* in a row, each after a short life */
};

/* loop and arg are borrowed until respawn_stop(). */
void respawn_init(struct respawn *k, const struct respawn_policy *policy, struct loop *loop,
		  void *arg);
/* It runs. */
void respawn_began(struct respawn *k);
/* What it does shows that it is well: a clean slate. */
void respawn_well(struct respawn *k);
/* It has ended: the slate is clean after a long life. Only for what is not followed by respawn_again(). */
void respawn_ended(struct respawn *k);
/* It has ended, or could not be started: start() is called after the next delay. */
void respawn_again(struct respawn *k);
/* start() is called after this delay, unless that is due already. */
void respawn_later(struct respawn *k, usec_t delay);
/* For start(): as long as others are to have the processors first it comes again a moment later, but not after that time. True: not now. */
bool respawn_puts_off(struct respawn *k, bool is_busy, usec_t until);
/* No start is due any more. All zero is fine. */
void respawn_stop(struct respawn *k);
