/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Output of several containers as one, by the time of each line. */
#include <stdbool.h>

#include "cli/cli.h"
#include "util/loop.h"

#define LOGS_MAX_STREAMS 32	    /* half of what the control socket serves at once */
#define LOGS_LINE_MAX (300u * 1024) /* of one line; the reader joins up to 256 KiB */

struct logs_stream {
	const char *name; /* borrowed */
	int fd;		  /* owned; -1: ended */
	struct cli_response response;
	struct buf in; /* frames as they came */
	usec_t heard;  /* when something came last */
	bool broke_off;
};

void logs_stream_init(struct logs_stream *stream, const char *name);
void logs_stream_fini(struct logs_stream *stream);
/* Prints until all have ended. Each stream has a time in front of its lines; with_times: it is printed. A line waits until each of the
 * others has a later one, has ended, or, of those that are followed, has been silent for a moment. An exit status. */
int logs_merge(struct logs_stream *streams, unsigned count, bool with_times, bool follows);
