/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* systemd's small value languages. */
#include <stdbool.h>
#include <stdint.h>

#include "unit/service.h"
#include "util/loop.h"

/* "5min 20s", "1.5h", "90" (seconds), "infinity" (USEC_NEVER). False: systemd would ignore it, too. */
bool span_parse(const char *text, uint64_t *usec);
/* Adds an exit code (0-255, or a name like TEMPFAIL) or a signal (SIGTERM, TERM, SIGRTMIN+3 is 37). */
bool exit_set_add(struct exit_set *set, const char *word);
