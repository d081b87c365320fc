/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The control socket: HTTP over CLEAT_SOCKET (unix stream, mode 0600, uid 0 only by SO_PEERCRED), with Docker Engine API routes where
 * Docker has them, and our own below /cleat/v1/. Lives in the engine's loop and never blocks; logs are streamed by a child.
 */
#include "supervise/engine.h"
#include "util/err.h"

#define API_ID_LEN 64

/* Docker's id of a container: 64 hex digits made of its name, so that it outlives restarts and engines. */
void api_id(const char *name, char out[API_ID_LEN + 1]);

/* Binds the socket (a stale file is replaced: the caller holds the engine lock), or takes the one that was handed on, and serves until api_close. */
int api_open(struct engine *engine, void **state, struct err *err) MUST_CHECK;
void api_close(void *state);
/* Is there a client that has not had its answer, or has yet to say what it wants? */
bool api_is_waited_for(const void *state);
/* Leaves the socket open for the engine that this one becomes by exec, with whoever comes meanwhile; on false: it has not become one. */
void api_hand_on(void *state, bool on);
