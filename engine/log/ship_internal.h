/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of cleat log-ship share; nobody else includes it. */
#include "log/ship.h"
#include "log/stamp.h"
#include "util/events.h"
#include "util/loop.h"
#include "util/published.h"

#define SHIP_MAX_SOURCES 1100 /* one a unit, and some that have lost theirs */
#define SHIP_MAX_ROOTS 4
#define SHIP_MAX_DIRS 64

struct ship {
	/* words */
	struct syslog_url url;
	const char *ca_path;
	const char *roots[SHIP_MAX_ROOTS];
	const char *dirs[SHIP_MAX_DIRS]; /* NAME=PATH */
	unsigned root_count, dir_count;
	/* opened as root */
	int root_fds[SHIP_MAX_ROOTS];
	struct timespec root_times[SHIP_MAX_ROOTS];
	int folder, run_folder; /* places of logs, and of events */
	int inotify_fd;
	char hostname[256];
	struct published *published; /* NULL: there is none */
	/* what is sent */
	struct ship_source sources[SHIP_MAX_SOURCES];
	unsigned source_count;
	struct ship_source *source; /* under way */
	struct ship_facts {
		bool is_known;
		char unit[128], run_id[16], tag[64];
		char started[LOG_STAMP_LEN + 1];
	} facts; /* of source */
	struct event_reader events;
	bool has_events;
	uint64_t events_pending, events_committed, events_saved, events_lost;
	/* the server */
	struct ship_wire wire;
	bool has_pending;
	uint64_t pending_total;
	usec_t retry_at, retry_usec, saved_at;
	struct buf message;
	char buffer[64 * 1024]; /* LOG_SCAN_BYTES */
	struct ship_report report, told;
};

/* ship.c */
int ship_send(struct ship *ship, const struct ship_message *message, struct err *err) MUST_CHECK;

/* ship_setup.c: words, descriptors, rights, directories */
int ship_prepare(struct ship *ship, int argc, char **argv, struct err *err) MUST_CHECK;
void ship_finish(struct ship *ship);
/* New directories below the roots become sources. */
void ship_find_sources(struct ship *ship);
/* What is published of the container, into ship->facts. */
void ship_facts_of(struct ship *ship, const char *container);

/* ship_events.c */
void ship_events_open(struct ship *ship, int fd);
int ship_events_pump(struct ship *ship, struct err *err) MUST_CHECK;
void ship_events_rewind(struct ship *ship);
void ship_events_save(struct ship *ship);
