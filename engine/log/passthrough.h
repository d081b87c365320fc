/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lines out of the ring to the engine's own standard error, each with a name in front. */
#include "log/ring.h"

/* A descriptor of our own for standard error, which never blocks; -1. It is the console or a pipe: other processes keep theirs
 * as it is. */
int log_passthrough_open(struct err *err) MUST_CHECK;
/* Until the producer is gone and the ring is empty. Control bytes become '?': the console is somebody's terminal. What the reader does
 * not take within a second is lost and counted. */
void log_passthrough_run(struct log_ring *ring, int fd, const char *prefix);
