/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Updates of images: the driver around update_policy.h. Internal to supervise; what others may ask is in engine.h.
 */
#include "supervise/internal.h"
#include "supervise/update_policy.h"

struct update_unit {
	struct update_state state;
	const char *policy; /* "registry", "local"; NULL: none, it only has a record */
	bool is_local;	    /* archives and the store answer, no registry */
	bool save_due, is_saving;
	bool is_asked;	   /* the import under way answers for it */
	bool wants_answer; /* what its name means now is to be asked */
	bool wants_pull;
};

struct updates {
	struct update_unit *units[CORE_MAX_UNITS]; /* NULL: neither policy nor record */
	struct loop_source *check_timer, *judge_timer, *retry_timer;
	/* the import process; one at a time */
	struct proc proc; /* pid 0: none */
	int fd;
	struct loop_source *source;
	bool is_taking, is_done;
	bool is_local;		   /* the round is about such units, and only about them */
	bool is_dry, keeps_failed; /* of what was asked last */
	bool is_full_pass;	   /* of all units: counts for the timer */
	int64_t checked_real_usec;
	bool checked_due; /* that is to be written */
	pid_t saver;	  /* 0: none */
};

/* update.c. After the units were read; before any is adopted or started. */
void update_open(struct engine *e);
void update_start(struct engine *e); /* the loop is about to run */
/* The digest that a start takes; NULL: what the image's name means. Borrowed. */
const char *update_pin(const struct engine *e, unsigned index);
/* Digests that have to stay in the store, as references. */
void update_keeps(const struct engine *e, unsigned index, struct arena *arena,
		  struct pull_request *request);
/* After every CORE_ACT_PUBLISH. */
void update_on_publish(struct engine *e, unsigned index);
/* One line for people: what the last update came to; "". */
void update_text(const struct engine *e, unsigned index, char *out, size_t size);
void update_feed(struct engine *e, unsigned index, struct update_event *event);

/* update_import.c: asks for everybody who wants an answer or a pull, one process after the other. */
void update_import_next(struct engine *e);

/* update_save.c: records, by a child, because the disk may stall. */
void update_save_next(struct engine *e);
int64_t update_last_check(void);
int cmd_history_keep(int argc, char **argv);
