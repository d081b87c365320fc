/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the programs of a container say about themselves (sd_notify(3)): a datagram socket in the run
 * directory, bound into the container; its shim keeps it open while there is no engine.
 *
 *   CLEAT_CONTAINER_DIR/RUNID/notify/in/notify.sock    "notify" is for the appliance's root alone,
 *                                                      "in" is bound as /run/notify in the container
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "unit/service.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/loop.h"

#define NOTIFY_MESSAGE_MAX 4096 /* systemd's own bound, PIPE_BUF */
#define NOTIFY_STATUS_MAX 256
#define NOTIFY_BUS_ERROR_MAX 96
/* A hundred years: longer spans are taken for this, so that sums of times stay numbers. */
#define NOTIFY_SPAN_MAX_USEC (UINT64_C(36525) * 86400 * USEC_SEC)

/* What is understood, or not, and has no effect; numbers of bits. */
enum notify_noted {
	NOTIFY_NOTED_MAINPID,
	NOTIFY_NOTED_FDSTORE,	  /* FDSTORE, FDSTOREREMOVE, FDNAME, FDPOLL */
	NOTIFY_NOTED_EXIT_STATUS, /* systemd does not use it either */
	NOTIFY_NOTED_STATUS,	  /* not UTF-8 */
	NOTIFY_NOTED_NUMBER,	  /* a value that is no number */
	NOTIFY_NOTED_WORD,	  /* a value that the name does not have */
	NOTIFY_NOTED_UNKNOWN,	  /* other names, but for X_... */
	NOTIFY_NOTED_COUNT
};

struct notify_message {
	bool ready, reloading, stopping, watchdog, watchdog_trigger;
	bool has_status, has_error, has_bus_error;
	uint64_t extend_usec;	/* 0: not said; at most NOTIFY_SPAN_MAX_USEC */
	uint64_t watchdog_usec; /* 0: not said; "0" is NOTIFY_SPAN_MAX_USEC: never */
	unsigned error;		/* ERRNO=; 0 to 4095 */
	unsigned noted;		/* bit set: 1u << enum notify_noted */
	char unknown[32];	/* the first name that is not known; printable */
	/* Without control bytes, well-formed UTF-8; "" takes back what was said. */
	char status[NOTIFY_STATUS_MAX], bus_error[NOTIFY_BUS_ERROR_MAX];
};

/* One datagram: lines NAME=VALUE, of a name that comes twice the first. ERR_LIMIT: longer than
 * NOTIFY_MESSAGE_MAX; ERR_INPUT: a NUL inside. Everything else has a meaning or is noted. */
int notify_parse(const char *bytes, size_t length, struct notify_message *out,
		 struct err *err) MUST_CHECK;
/* What a noted bit means for people: "MAINPID= is not used: ...". Static. */
const char *notify_noted_text(enum notify_noted which);
/* Does a message of this process count? systemd's NotifyAccess=; "none" cannot be asked for where
 * the socket is needed, so it means main, as there; and a container has no control processes, so exec does. */
bool notify_is_allowed(enum service_notify_access access, pid_t sender, pid_t main_pid);

/* --- the driver's half --- */

struct engine;
struct engine_entry;
struct unit_kept;
struct unit_record;
struct host_facts;
struct container_spec;

/* Does the container of this unit get a socket: Notify=true or WatchdogSec=, but for Type=oneshot. */
bool notify_is_wanted(const struct container_spec *spec, const struct service *service);
/* The fields of policy that are of this. */
struct core_policy;
void notify_policy(const struct container_spec *spec, const struct service *service,
		   struct core_policy *policy);
/* What config.json has to say of it: sets the facts of host; strings in the arena. */
void notify_facts(const struct engine_entry *entry, struct arena *arena, struct host_facts *host);
/* Makes folder and socket of the run that is about to start. Nothing to do is a success. */
int notify_make(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
/* For the shim to inherit; borrowed; -1: the run has none. */
int notify_descriptor(const struct engine *e, unsigned index);
/* An adopted run: asks its shim for the socket, if it has one. */
void notify_ask(struct engine *e, unsigned index);
/* The shim's answer; takes the descriptor (-1: there is none). */
void notify_given(struct engine *e, unsigned index, int fd);
/* A new run: what the last one said does not hold for it. */
void notify_forget(struct unit_kept *record);
/* What earlier engines have heard of the run, after its ADOPTED. */
void notify_adopted(struct engine *e, unsigned index, const struct unit_record *before);
/* The program runs: from now on what it says is read. */
void notify_begin(struct engine *e, unsigned index);
/* It has ended: what it said before is heard before its end. */
void notify_drain(struct engine *e, unsigned index);
void notify_close(struct engine *e, unsigned index);
/* Lines for people about what was said to no effect; one of them a line. */
void notify_notes(const struct engine *e, unsigned index, struct buf *out);
