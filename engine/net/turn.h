/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One worker at a time. An engine that is replaced, or that gives its worker up, leaves one behind that may still be in the middle of an
 * earlier request: it would take a bridge away of which its successor has just said that it stands. So a worker does nothing before it has
 * the lock that its predecessor gives back with its life.
 */
#include "util/err.h"
#include "util/loop.h"

/* Takes the lock of lock_fd (open for writing, util/lock.h) as soon as nobody else has it. Who has it is given patience_usec to end by
 * itself and killed then; that needs CAP_KILL. Blocks until the lock is there, or the other end of engine_fd, a socket, has been closed:
 * 1: it is ours; 0: nobody wants it any more. -1: it cannot be had. */
int net_turn_take(int lock_fd, int engine_fd, usec_t patience_usec, struct err *err) MUST_CHECK;
