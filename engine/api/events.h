/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Docker's GET /events. */
#include <yyjson.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/events.h"

/* One line of Docker's stream; nothing for an event that Docker does not have. */
void api_event_render(const struct event *event, struct buf *out);
/* Docker's filters={"event":["die"]}; "" is none. The filter borrows from *doc, which is the caller's in any case (may be NULL). */
int api_event_filters(const char *json, struct event_filter *filter, yyjson_doc **doc,
		      struct err *err) MUST_CHECK;
/* The ring, for the worker. */
int api_events_open(struct err *err) MUST_CHECK;
/* "cleat event-stream": descriptor 3 is the ring, 0 and 1 are the client. Options: --filters=JSON --since=USEC --until=USEC. */
int cmd_event_stream(int argc, char **argv);
