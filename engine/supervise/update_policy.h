/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an update of one unit's image goes through, as a pure function (state, event) -> step: no clock, no descriptor, no store. The driver
 * (update.c) asks registries, writes the record and restarts the unit.
 *
 * The pin is the digest that a start of the unit takes, whatever the image's name means in the store; "": the name decides. What is newer
 * is fetched with the pin on what runs, started with the pin on the newer one, and the pin goes when that has proved good. Each pin is on
 * the disk before what relies on it is done, so an engine that ends at any moment leaves the unit with one of the two digests.
 */
#include "supervise/core.h"
#include "supervise/update_record.h"

enum update_phase {
	UPDATE_IDLE,
	UPDATE_PINNING,	   /* the record that holds it to what runs is being written */
	UPDATE_FETCHING,   /* the newer image is on its way */
	UPDATE_ARMING,	   /* the record that makes it start the newer one is being written */
	UPDATE_STARTING,   /* restarted; the newer one is not up yet */
	UPDATE_TRIAL,	   /* it is up */
	UPDATE_RETREATING, /* the record that makes it start the older one is being written */
	UPDATE_RETURNING,  /* restarted; the older one is not up yet */
};

/* What podman's column UPDATED says. */
enum update_outcome {
	UPDATE_UNKNOWN,
	UPDATE_FALSE,
	UPDATE_TRUE,
	UPDATE_PENDING,
	UPDATE_FAILED,
	UPDATE_WENT_BACK
};
const char *update_outcome_name(enum update_outcome outcome); /* "rolled back" */

struct update_state {
	struct update_record kept; /* what survives the engine; valid at any time */
	enum update_phase phase;
	enum update_outcome outcome; /* of the last time that somebody asked */
	char text[200];		     /* more of it, "" */
	char next[80];		     /* fetched, or to be */
	char pin_before[80];
	char run_id[16];   /* TRIAL: of the run that is judged */
	bool keeps_failed; /* --rollback=false */
	usec_t deadline;   /* when UPDATE_EV_UNIT is due without a change; USEC_NEVER */
};

enum update_event_type {
	UPDATE_EV_FOUND,     /* digest: what the name means now; in_store: it is here already */
	UPDATE_EV_NOT_FOUND, /* text: why that is not known */
	UPDATE_EV_SAVED,
	UPDATE_EV_NOT_SAVED,  /* text */
	UPDATE_EV_PULLED,     /* digest */
	UPDATE_EV_NOT_PULLED, /* text */
	UPDATE_EV_UNIT,	      /* something has changed, or the deadline has come */
	UPDATE_EV_ROLLBACK,   /* digest: somebody wants this one */
	UPDATE_EV_ADOPTED,    /* an engine has begun, and what runs is known to it */
};

struct update_event {
	enum update_event_type type;
	usec_t now;
	int64_t real_usec;
	const char *digest, *text;
	bool in_store;
	bool is_dry;	   /* FOUND */
	bool keeps_failed; /* FOUND */
	/* the unit as it is now */
	const char *run_digest, *run_id; /* of the run under way, or the last one; "": not known */
	enum core_state state;
	enum core_health health;
	enum core_result result;
	bool is_wanted, is_oneshot;
	usec_t since;
	uint64_t healthy_after_usec; /* up for so long counts as good without a health check */
	uint64_t start_limit_usec;   /* from the container's start until it is up */
	uint64_t health_limit_usec; /* from then until it is healthy; 0: there is no health check */
};

/* What the driver does next, in this order; its answers are events. */
struct update_step {
	bool save; /* kept; then SAVED or NOT_SAVED */
	bool pull; /* then PULLED or NOT_PULLED */
	enum { UPDATE_TELL_NOTHING, UPDATE_TELL_UPDATE, UPDATE_TELL_ROLLBACK } tell;
	bool restart;
	char text[240]; /* why, and what is told */
};
void update_step(struct update_state *state, const struct update_event *event,
		 struct update_step *out);

/* What an engine finds. An update that is cut off by more than two boots goes back. step_out: save and tell only. */
void update_restore(struct update_state *state, const struct update_record *record,
		    const char *image, const char *boot_id, int64_t real_usec,
		    struct update_step *step_out);

/* Somebody who waits for the outcome goes on waiting: it will come without his doing. */
bool update_is_busy(const struct update_state *state, bool is_wanted);

/* What "cleat rollback UNIT [DIGEST]" means; NULL: err says what there is. wanted: NULL, or a digest or its beginning. The result is
 * borrowed from the record. */
const char *update_rollback_target(const struct update_record *record, const char *run_digest,
				   const char *wanted, struct err *err);

/* When the timer is due next, seen from now (CLOCK_REALTIME), in microseconds. last: 0 when there was no check; random: any. */
uint64_t update_next_check(uint64_t interval_usec, int64_t last_real_usec, int64_t now_real_usec,
			   uint64_t random);
