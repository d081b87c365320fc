/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the engine publishes for everybody else to read: one shared mapping of a file on tmpfs
 * (CLEAT_PUBLISHED), a header and one fixed record per unit. The engine is the only writer; the
 * status server and "cleat ps" without an engine map it read-only. Every record (and the header's
 * text part) is guarded by a sequence counter: odd while it is written; a reader copies and
 * retries when it changed. The file outlives the engine: it carries a version and sizes, readers
 * check both, and a reader older than the writer still understands the front of each record
 * (fields are only ever appended; record_size tells). Strings are NUL-terminated, truncated with
 * "..." when too long, valid UTF-8.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define PUBLISHED_MAGIC 0x31544143u /* "CAT1" */
#define PUBLISHED_MAJOR 1
#define PUBLISHED_MAX_UNITS 1024
#define PUBLISHED_MAX_NOTES 32
#define PUBLISHED_MAX_FINDINGS 16

/* Numbers are part of the format: append only. */
enum published_state {
	PUBLISHED_INVALID,  /* the unit file has errors */
	PUBLISHED_DOWN,	    /* not wanted, not running */
	PUBLISHED_WAITING,  /* for another unit or for the image; detail says for what */
	PUBLISHED_PULLING,  /* image on its way (also: being unpacked from an archive) */
	PUBLISHED_STARTING, /* shim asked for, no execve yet, or not ready yet */
	PUBLISHED_UP,
	PUBLISHED_STOPPING,
	PUBLISHED_BACKOFF,     /* waits for its next start */
	PUBLISHED_FAILED,      /* gave up: policy, or an error that a retry cannot cure */
	PUBLISHED_NO_IMAGE,    /* image is in no archive and not in the store */
	PUBLISHED_START_LIMIT, /* gave up: StartLimitBurst= starts; "cleat reset-failed" */
};
enum published_health {
	PUBLISHED_HEALTH_NONE,
	PUBLISHED_HEALTH_STARTING,
	PUBLISHED_HEALTHY,
	PUBLISHED_UNHEALTHY
};

const char *published_state_name(unsigned state);   /* "up", "backoff", ... "unknown" */
const char *published_health_name(unsigned health); /* "", "starting", "healthy", "unhealthy" */

struct published_unit;
/* What is said behind the name of a state: " (running last good)", " (masked)" and the like, or "". */
const char *published_state_remark(const struct published_unit *u);

/* Why a unit keeps the appliance from being ready (/readyz): a word or two; NULL: it does not. */
const char *published_unit_fault(const struct published_unit *unit);

struct published_unit {
	uint32_t sequence;
	uint8_t state;		/* enum published_state */
	uint8_t health;		/* enum published_health */
	uint8_t wanted;		/* 1: should be up */
	uint8_t operator_fault; /* 1: /readyz is 503 (invalid, no image, bad volume) */
	int32_t pid;		/* container's init in the appliance's pid namespace, 0 */
	int32_t exit_code;	/* of the last run; -1: none yet */
	int32_t exit_signal;	/* 0, or the signal that ended it */
	uint8_t oom_killed;	/* last run */
	uint8_t boot_start;	/* 1: has [Install] for boot */
	uint8_t client_lost; /* 1: its ports go through a proxy, clients have the gateway's address */
	uint8_t startup_probe;	 /* 1: up, and its startup probe has not passed yet */
	uint32_t restarts;	 /* since the engine first saw it */
	uint32_t probe_failures; /* in a row */
	uint64_t log_dropped_lines;
	int64_t since_real_usec;      /* entered this state, CLOCK_REALTIME */
	int64_t started_real_usec;    /* last start of the running container, 0 */
	uint64_t next_monotonic_usec; /* deadline of BACKOFF, 0 */
	char name[128];		      /* container name, e.g. systemd-web or moe-orchestrator */
	char unit[128];		      /* unit file's name, e.g. moe-orchestrator.container */
	char run_id[16];
	char image[256];
	char image_digest[80];
	char detail[512]; /* why: error text, last probe output, what it waits for; one line */
	char notes[512];  /* noted keys, unenforced settings; lines separated by \n */
	char ports[128];  /* "8000/tcp" ..., display only */
	char source[256]; /* path of the unit file */
	char probe_output[512];
	char addresses[136]; /* in its networks: "10.88.0.5 10.89.0.2" */
	/* of the last end that was a failure; 0: not known, or no memory controller */
	uint64_t memory_max_bytes, memory_peak_bytes;
	uint64_t max_rss_bytes; /* of the largest process of it */
	uint32_t oom_kills;
	uint32_t reserved_oom;
	int64_t last_output_real_usec; /* when that was */
	char log_tag[64];	       /* of what is shipped; "": the container's name */
	char last_output
		[1024]; /* its last lines, or those of one that is unhealthy; newlines between them */
	char status_text[256]; /* STATUS= of the program; "": none */
	char pod[128]; /* name of the pod that it is in; "": none. A pod is a unit whose file ends in .pod */
	uint8_t last_good; /* 1: the file has errors (state invalid), and its last good version is what this is about */
	uint8_t masked;	 /* 1: never started ("cleat mask") */
	uint8_t choice;	 /* of an operator over [Install]: 0 none, 1 enabled, 2 disabled */
	uint8_t oneshot; /* 1: Type=oneshot */
	uint8_t reserved_choice[4];
	char update[240]; /* what the last update of its image came to: "rolled back: it is unhealthy"; "" */
	uint32_t lost; /* enum host_loss of util/host.h: runs with less isolation than usual, as appliance.ini allows */
	uint32_t reserved_lost;
};

struct published_header {
	uint32_t magic, major;
	uint32_t header_size, record_size; /* bytes; records begin at header_size */
	uint32_t capacity;		   /* records that fit the file */
	uint32_t sequence;		   /* guards what follows here */
	uint32_t unit_count;
	uint32_t note_count;
	uint64_t generation; /* bumped after every change of anything: cache key for readers */
	int64_t engine_pid;
	uint64_t engine_start_ticks; /* with engine_pid: is the engine alive? */
	int64_t engine_started_real_usec;
	int64_t boot_real_usec;
	uint64_t heartbeat_monotonic_usec; /* of the last loop turn that published */
	uint8_t draining;		   /* 1: the appliance is stopping */
	uint8_t data_state;		   /* 0 ok, 1 read-only, 2 absent */
	uint8_t settled;		   /* 1: the first pass over units and images is over */
	uint8_t safe_mode;		   /* 1: nothing is started or watched (supervise/boot.h) */
	uint8_t reserved[4];
	char version[32];
	char boot_id[40];
	char hostname[64];
	/* appliance-wide remarks ("no memory controller: Memory= is not enforced"), worst first */
	struct published_note {
		uint8_t level; /* 0 note, 1 warning, 2 error (makes /readyz 503) */
		char text[247];
	} notes[PUBLISHED_MAX_NOTES];
	/* shipping of logs (log/ship.h) */
	char ship_url[272];		  /* "": nothing is shipped */
	uint64_t ship_sent, ship_dropped; /* lines and events since the engine began */
	char ship_error[200];		  /* why it is not connected; "" */
	uint8_t ship_connected;
	uint8_t reserved_ship[7];
	/* what the host withholds (util/host.h), worst first, without what is fine or not known; "cleat doctor" knows all */
	uint32_t finding_count;
	uint32_t host_kind;	 /* enum host_kind */
	uint32_t allowed_losses; /* enum host_loss */
	uint8_t host_tried; /* 1: all has been tried out; 0: so far only what can be read is known */
	uint8_t reserved_host[3];
	struct published_finding {
		uint8_t level;	     /* enum host_level */
		uint8_t is_filtered; /* host_remedy() */
		uint8_t reserved[6];
		char id[24];	    /* row of the table */
		char evidence[144]; /* the call and its error, or what a file says */
	} findings[PUBLISHED_MAX_FINDINGS];
	/* the appliance's own links: lines as net/uplink.h has them, without the last one */
	char links[1400];
	uint8_t is_online; /* a default route, and a name server */
	uint8_t reserved_links[7];
	char status_address[48]; /* where the status server listens; "": everywhere */
	uint16_t status_port;	 /* 0: not known yet */
	uint8_t reserved_status[6];
};

/* Writer: creates or takes over the file; an unknown major is ERR_UNSUPPORTED and nothing is
 * written. */
struct published;
struct published *published_create(const char *path, struct err *err) MUST_CHECK;
/* Copies the record under its sequence counter and bumps the generation if anything changed;
 * unit_count becomes at least index + 1. Texts: str_copy_text() of util/str.h. */
void published_put_unit(struct published *p, unsigned index, const struct published_unit *unit);
void published_set_unit_count(struct published *p, unsigned count);
/* Writer: the record as readers have it, for as long as p lives; it changes with published_put_unit(). NULL: it has found no
 * room, because tmpfs is full or the index past PUBLISHED_MAX_UNITS; those before it may have. */
const struct published_unit *published_unit_at(const struct published *p, unsigned index);
/* header: its engine_*, boot_*, flags, version, texts and notes are copied; sizes, sequence,
 * generation are kept. */
void published_put_header(struct published *p, const struct published_header *header);
void published_heartbeat(struct published *p, uint64_t monotonic_usec); /* no new generation */
/* Reader (blocking only on page faults of tmpfs). ERR_NOT_FOUND when there is no file. */
struct published *published_open(const char *path, struct err *err) MUST_CHECK;
struct published *published_open_fd(int fd,
				    struct err *err) MUST_CHECK; /* fd is borrowed; mapping only */
uint64_t published_generation(const struct published *p);
int published_get_header(const struct published *p, struct published_header *out,
			 struct err *err) MUST_CHECK;
/* 0 and out filled; -1 with ERR_NOT_FOUND past unit_count; ERR_BUSY after 1000 torn reads (a
 * writer that died half-way). */
int published_get_unit(const struct published *p, unsigned index, struct published_unit *out,
		       struct err *err) MUST_CHECK;
void published_close(struct published *p);
