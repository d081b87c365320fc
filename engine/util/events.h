/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What has happened, for everybody to read: a ring of fixed records in one file on tmpfs (CLEAT_EVENTS). The engine is the only
 * writer; readers follow the file by inotify and ask nobody. It outlives the engine: the next one goes on with the numbers. A reader
 * that was too slow learns how many records it has missed, by their numbers.
 *
 * File: struct event_header, then EVENT_RING_COUNT records; record N lies at place N % count. A record is written with one
 * pwrite and carries its number at both ends, so that a reader that meets the writer sees a torn one. Fields are only appended.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define EVENT_RING_COUNT 1024u
#define EVENT_MAGIC 0x31564543u /* "CEV1" */

/* Numbers are part of the format: append only. */
enum event_kind {
	EVENT_NONE,
	EVENT_ENGINE_START,  /* an engine begins; text: its version */
	EVENT_ENGINE_STOP,   /* the appliance stops */
	EVENT_ADOPT,	     /* a container that an earlier engine has started */
	EVENT_CREATE,	     /* a run id was given, its configuration is written */
	EVENT_START,	     /* execve happened */
	EVENT_START_FAILED,  /* it never reached execve; text: why */
	EVENT_DIE,	     /* code, signal; text: how */
	EVENT_OOM,	     /* text: with which figures */
	EVENT_KILL,	     /* signal: sent by the engine or on order */
	EVENT_STOP,	     /* it is down because somebody wanted that */
	EVENT_RESTART,	     /* counted: it is started again by its policy */
	EVENT_FAILED,	     /* gave up; text: why */
	EVENT_HEALTH_STATUS, /* text: starting, healthy, unhealthy */
	EVENT_RELOAD,	     /* of the unit files, or of a unit */
	EVENT_PULL,	     /* image came into the store; unit: who wanted it */
	EVENT_PULL_FAILED,   /* text: why */
	EVENT_UNIT_ADD,	     /* a unit file appeared, changed, vanished, has errors (text) */
	EVENT_UNIT_CHANGE,
	EVENT_UNIT_REMOVE,
	EVENT_UNIT_INVALID,
	EVENT_UPDATE,	/* a newer image is used; text: digest */
	EVENT_ROLLBACK, /* back to the image before; text: why */
	EVENT_EXEC_CREATE,
	EVENT_EXEC_DIE,
	EVENT_ACTION, /* a unit asks something of the whole appliance; text: by which key, what and why */
	EVENT_KIND_COUNT
};

struct event {
	uint64_t sequence; /* 1, 2, ... since the appliance's boot */
	int64_t real_nsec; /* CLOCK_REALTIME */
	uint32_t kind;	   /* enum event_kind */
	int32_t code;	   /* DIE: exit code; else 0 */
	int32_t signal;	   /* DIE, KILL; else 0 */
	uint32_t reserved;
	char run_id[16];
	char name[128]; /* of the container; "": of the appliance */
	char unit[128]; /* file of the unit */
	char image[160];
	char text[232]; /* one line, UTF-8 */
	uint64_t sequence_end;
};

/* The row of a kind: what podman and docker call it. */
struct event_row {
	const char *name;   /* ours, which is docker's where docker has it: "die" */
	const char *other;  /* podman's: "died"; NULL: the same */
	const char *type;   /* docker's: "container", "image", "daemon"; ours: "unit" */
	const char *action; /* docker's; NULL: docker has no such event, its clients are not told */
	const char *text;   /* what an event's text says: "reason", "health_status" */
};
const struct event_row *event_row(unsigned kind); /* NULL: unknown */

/* Writer. Takes over a file of this format, else makes a new one (an unknown format is replaced: it holds nothing that anybody
 * would miss). */
struct event_writer;
struct event_writer *event_writer_open(const char *path, struct err *err) MUST_CHECK;
/* Fills sequence, sequence_end and, when 0, real_nsec. Never blocks (tmpfs); what cannot be written is lost, which readers are told. */
void event_write(struct event_writer *writer, struct event *event);
void event_writer_close(struct event_writer *writer);

/* Reader. */
struct event_reader {
	int fd;	       /* borrowed; the file, readable */
	uint64_t next; /* number of the record that comes next */
};
/* From the oldest record that is still there, or behind the newest one. */
int event_reader_init(struct event_reader *reader, int fd, bool at_end, struct err *err) MUST_CHECK;
/* 1: out is the next one, lost: how many before it are gone; 0: nothing yet; -1: the file is none of ours. */
int event_read(struct event_reader *reader, struct event *out, uint64_t *lost,
	       struct err *err) MUST_CHECK;

/* Which events somebody wants: any of the values of one key, all of the keys. */
#define EVENT_FILTER_MAX 32
struct event_filter {
	struct event_filter_term {
		const char *key;   /* "unit", "container", "event", "type", "image" */
		const char *value; /* borrowed */
	} terms[EVENT_FILTER_MAX];
	unsigned count;
	int64_t since_usec, until_usec; /* CLOCK_REALTIME; 0: no limit */
};
/* "event=die"; text is borrowed. ERR_INPUT names what is known. */
int event_filter_add(struct event_filter *filter, const char *key, const char *value,
		     struct err *err) MUST_CHECK;
bool event_filter_fits(const struct event_filter *filter, const struct event *event);
