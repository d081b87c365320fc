/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One event as people and programs read it. Pure. */
#include "util/buf.h"
#include "util/events.h"

/* "2026-11-22 08:30:00.123456789 +0000 UTC container die 3f... (image=..., name=web, exit_code=1)", no newline. */
void cli_event_text(const struct event *event, struct buf *out);
/* One line of JSON with podman's members and ours, no newline. */
void cli_event_json(const struct event *event, struct buf *out);
