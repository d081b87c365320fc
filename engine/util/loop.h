/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The event loop: one thread, epoll, one-shot timers in a heap. "now" is read once per turn
 * and passed to callbacks; nobody else reads the clock. A source that is removed inside a turn is
 * freed when the turn ends, so callbacks may remove themselves and each other. Nothing here blocks
 * but loop_run().
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "util/err.h"

typedef uint64_t usec_t; /* CLOCK_MONOTONIC microseconds; the one typedef of the tree */
#define USEC_SEC UINT64_C(1000000)
#define USEC_MSEC UINT64_C(1000)
#define USEC_NEVER UINT64_MAX

struct loop;
struct loop_source; /* a watched descriptor or a timer */

typedef void loop_io_fn(struct loop *loop, uint32_t events, usec_t now, void *arg);
typedef void loop_timer_fn(struct loop *loop, usec_t now, void *arg);
/* Called before every wait: publish state here. late_usec is how long after its earliest
 * deadline the turn now ending began (0: in time, or nothing was due): far more than the loop's
 * own work means that the machine stood still (backup, suspend). */
typedef void loop_hook_fn(struct loop *loop, usec_t now, usec_t late_usec, void *arg);

struct loop *loop_new(struct err *err) MUST_CHECK;
void loop_free(struct loop *loop);
/* Watches fd (borrowed: the caller closes it after loop_remove). */
struct loop_source *loop_add(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *arg,
			     struct err *err) MUST_CHECK;
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err);
/* One-shot timer at an absolute time; fires once, then stays as an unarmed source until removed
 * or set. */
struct loop_source *loop_timer(struct loop *loop, usec_t at, loop_timer_fn *fn, void *arg);
/* USEC_NEVER disarms. */
void loop_timer_set(struct loop *loop, struct loop_source *timer, usec_t at);
void loop_remove(struct loop *loop, struct loop_source *source); /* NULL is fine */
void loop_before_sleep(struct loop *loop, loop_hook_fn *fn, void *arg);
/* Called first in a turn that begins late, before the descriptors and timers of that turn; what it removes or arms holds for them. */
void loop_when_late(struct loop *loop, loop_hook_fn *fn, void *arg);
/* Runs until loop_stop(). */
int loop_run(struct loop *loop, struct err *err) MUST_CHECK;
void loop_stop(struct loop *loop);
usec_t loop_now(const struct loop *loop); /* the time of this turn */
usec_t clock_now_usec(void);		  /* CLOCK_MONOTONIC; for mains and tests */
int64_t clock_real_usec(void);		  /* CLOCK_REALTIME microseconds since 1970 */
/* When this version was made; moved on together with VERSION in the Makefile. No clock that is right stands before it. */
#define CLOCK_RELEASE_SEC INT64_C(1795305600)
