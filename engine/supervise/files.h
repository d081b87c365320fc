/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The unit files of an engine: what was read and what stands in for it, what differs from what an earlier engine started, and how
 * changes come to be known. Internal to supervise.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervise/choices.h"
#include "supervise/internal.h"

#define FILES_MAX_INPUTS 4096 /* files that are watched besides units */

/* What was done because the files have changed. */
enum files_outcome {
	FILES_UNCHANGED,
	FILES_STARTED, /* new */
	FILES_RESTARTED,
	FILES_RELOADED, /* ReloadCmd=, ReloadSignal=, ExecReload= */
	FILES_STOPPED,	/* its file is gone */
};

struct files_watch {
	pid_t pid; /* 0: none */
	int fd;	   /* -1 */
	struct loop_source *source;
	struct respawn respawn;
};

/* A child that reads everything before the engine does: it may hang where the engine must not. */
struct files_check {
	pid_t pid;		   /* 0: none */
	int fd;			   /* -1 */
	bool is_forced;		   /* a new engine follows even if nothing has changed */
	bool again;		   /* something has changed since it began */
	struct loop_source *timer; /* says that it takes long */
	struct loop_source
		*hold; /* a new engine is due, when nobody waits for this one's answer any more */
	usec_t held_since;
};

struct files_keep {
	pid_t pid; /* 0: none */
	struct respawn respawn;
	bool is_wanted;	 /* copies are to be made or removed */
	bool has_news;	 /* and some of them have not been tried yet */
	bool wants_sync; /* choices */
	/* of the child that runs */
	bool is_dropping, is_syncing;
};

struct files {
	struct arena arena;
	struct choices choices;
	struct unit_substitute *substitutes;
	const char **faults; /* what is wrong with the new version; NULL: the unit is gone */
	size_t substitute_count, fault_count;
	const char **
		known; /* units that the engine before this one had started or not, as it should; sorted */
	size_t known_count;
	const char **stale; /* copies of units that are gone */
	size_t stale_count;
	struct unit_record
		*records; /* of an earlier engine, until they are adopted; by container name */
	bool *claimed;	  /* which of them */
	size_t record_count;
	unsigned all_count;	/* entries, those included that were forgotten */
	unsigned removed_begin; /* e->entries[] from here to all_count have no file any more */
	size_t entry_capacity;
	uint8_t digest[32];				   /* of everything that was read */
	uint8_t units_signature[32], inputs_signature[32]; /* before it was read */
	bool is_unreadable;				   /* the directory */
	bool is_check; /* this is no engine, but a child that reads for it */
	char unreadable_why[480];
	struct buf errors;     /* lines */
	char check_error[480]; /* of the last check; "" */
	struct files_watch watch;
	struct files_check check;
	struct files_keep keep;
};

/* substitute.c: everything is read, with what stands in for units that have errors or are gone. */
int files_open(struct engine *e, struct err *err) MUST_CHECK;
void files_close(struct engine *e); /* memory only */
void files_read(struct engine *e);
/* The record that an earlier engine has left of the entry, claimed; NULL. */
const struct unit_record *files_take_record(struct engine *e, const struct engine_entry *entry);
/* After the entries have taken theirs: those of units that are gone. */
void files_drop_records(struct engine *e);
void files_forget_records(struct engine *e);
/* What is wrong with the file while the entry is an earlier version of it; NULL. */
const char *files_fault(const struct engine *e, const struct unit *unit);

/* units.c, for files_read(): one pass, and undoing it. */
int units_read_once(struct engine *e, struct err *err) MUST_CHECK;
void units_forget(struct engine *e);
const char *units_invalid_reason(struct engine *e, const struct unit *unit);

/* difference.c */
void files_digest_entry(struct engine *e, unsigned index);
/* After records were loaded, before anything is adopted. */
void files_adopt(struct engine *e, unsigned index);
/* The same of a run that nothing is left of: how it ended is in the record. */
void files_restore(struct engine *e, unsigned index);
/* An earlier engine was stopping it to start it again. */
bool files_starts_again(const struct engine_entry *entry);
/* After everything was adopted and started: what has changed is restarted, reloaded, stopped. */
void files_apply(struct engine *e);
bool files_was_known(const struct engine *e,
		     const char *unit); /* to an earlier engine of this boot */
/* It was told to restart for a change, and what runs is the earlier version still. */
bool files_is_due(const struct engine *e, unsigned index);
void files_started(struct engine *e, unsigned index); /* a run begins: what it is made by */
void files_on_publish(struct engine *e, unsigned index);
const char *files_outcome_name(enum files_outcome outcome); /* "started" */

/* watch.c, reload.c, keep.c */
/* When the boot has started what it starts. A change meanwhile is not lost: the watcher is told what was read. */
void files_watch_soon(struct engine *e);
/* Reads everything in a child and, if it has changed or this is forced, becomes a new engine. */
void files_check(struct engine *e, bool is_forced);
void files_keep_open(struct engine *e);
/* What is to be copied, removed, synced is, after this delay, and again for as long as it fails. */
void files_keep(struct engine *e, usec_t delay);
