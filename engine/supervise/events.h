/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The engine's side of the ring of events (util/events.h): one call says that something has happened. Never blocks. */
#include "supervise/core.h"
#include "util/events.h"

struct engine;

struct event_details {
	int code, signal;
	const char *text;  /* NULL: none; cut where it does not fit */
	const char *image; /* NULL: the unit's */
	const char *unit;  /* for what has no entry (any more): file and container; NULL */
};

#define EVENT_OF_APPLIANCE UINT32_MAX

/* index: of the entry, or EVENT_OF_APPLIANCE. details may be NULL. Without a ring (it could not be made) nothing happens. */
void event_emit(struct engine *e, enum event_kind kind, unsigned index,
		const struct event_details *details);
/* What a change of a unit's state or health means: health_status, restart, stop, failed. After every CORE_ACT_PUBLISH. */
void events_of_state(struct engine *e, unsigned index);
/* Before the core hears of a container that an earlier engine has started: that it is up and healthy is nothing new. */
void events_adopted(struct engine *e, unsigned index, enum core_health health);
/* A ring that cannot be made is a note in /status, no reason not to run. */
void events_open(struct engine *e);
void events_close(struct engine *e);
