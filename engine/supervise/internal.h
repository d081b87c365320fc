/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the driver share; nobody outside this folder includes it. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/ref.h"
#include "image/store.h"
#include "image/worker.h"
#include "shim/protocol.h"
#include "supervise/engine.h"
#include "supervise/events.h"
#include "supervise/health.h"
#include "supervise/history.h"
#include "supervise/logs.h"
#include "supervise/respawn.h"
#include "unit/appliance.h"
#include "util/cgroup.h"
#include "util/ids.h"
#include "util/places.h"
#include "util/proc.h"

#define ENGINE_MAX_CHILDREN 4096

/* What must outlive the engine about one unit; CLEAT_RUN_DIR/units/NAME, replaced atomically, written before a
 * shim is asked for: an intent without a held lock is a failed start. Grows at the end only. */
#define UNIT_RECORD_MAGIC 0x31554c43u /* "CLU1" */
struct unit_record {
	uint32_t magic;
	uint16_t version, length;
	uint32_t want; /* enum core_want */
	uint32_t restarts;
	uint32_t failed; /* gave up */
	uint32_t health; /* enum core_health when last published */
	uint32_t ended;	 /* up without a container: RemainAfterExit= */
	char run_id[16]; /* "" : nothing runs */
	char boot_id[40];
	char container_name[128];
	char unit_name[128];		      /* the unit file */
	uint32_t public_state, public_health; /* as published */
	int64_t since_real_usec;	      /* when it came to be so */
	/* of the last end that was a failure, as published */
	uint64_t memory_max_bytes, memory_peak_bytes, max_rss_bytes;
	int64_t last_output_real_usec;
	uint32_t oom_kills, reserved_oom;
	char last_output[1024];
	/* of the run; what ADOPTED and the NOTIFY after it say */
	uint32_t was_up, startup_passed; /* core view */
	uint32_t said_ready;		 /* READY=1 was heard, whether it is up yet or not */
	uint32_t reserved_said;
	uint64_t said_watchdog_usec; /* WATCHDOG_USEC= of the program; 0: not said */
	char status_text[256];	     /* STATUS= of the program */
	/* files.h; all zero: not known */
	uint8_t source[32]; /* of the version of the unit that this is about */
	uint8_t effect[32],
		inputs[32]; /* of what the run was made by: engine_entry.effect, inputs.h */
	uint8_t copied[32]; /* source of the last good copy that is on the disk */
	/* core_restore() */
	uint32_t core_state, core_result;
	int32_t exit_code, exit_signal;
	uint32_t growth, limit_count;
	uint64_t limit_begin, deadline;
	char reason[256];
	char image_digest[80]; /* of the image that the run was made from; "": not known */
	uint32_t had_member;   /* core view: a pod that has had a member */
	uint32_t finished;     /* core_restore() */
	uint64_t job_deadline; /* core_restore(): of a start that had not come to its container; CLOCK_MONOTONIC, 0: none */
	uint8_t taken[32]; /* part of inputs: inputs_digest_taken() */
	uint32_t end;	   /* core_restore() */
	uint32_t reserved_end;
};

/* What stands in the record of a unit and nowhere else; the rest is put together when it is written. */
struct unit_kept {
	bool said_ready;
	uint64_t said_watchdog_usec;
	uint8_t effect[32], inputs[32], copied[32], taken[32];
	char image_digest[80];
};

/* Of struct shim_status what the engine asks for; texts as long as they are: str_keep(). */
struct run_status {
	uint32_t phase; /* enum shim_phase; 0: nothing was heard */
	int32_t container_pid;
	uint64_t container_start_ticks;
	int32_t exit_code, exit_signal;
	bool oom_killed;
	uint32_t error_code;
	int64_t started_real_usec, exited_real_usec;
	uint64_t started_monotonic_usec;
	uint64_t log_dropped_lines;
	uint64_t memory_max_bytes, memory_peak_bytes, max_rss_bytes;
	uint32_t oom_kills, lost;
	const char *error, *log_error, *unenforced, *last_output;
};

struct notify;

/* How far the engine is with a run directory. */
enum run_phase {
	RUN_NONE,  /* no run id */
	RUN_ASKED, /* shim spawned, has not said RUNNING */
	RUN_RUNNING,
	RUN_ENDED, /* death event seen; teardown follows */
};

struct run {
	enum run_phase phase;
	char id[16];
	pid_t shim_pid; /* 0: adopted; then status.shim_pid */
	int ctl_fd;	/* -1 */
	struct loop_source *ctl_source;
	struct run_status status; /* the latest that the shim reported */
	struct notify *notify;	  /* notify.c; NULL: no NOTIFY_SOCKET */
};

/* What is left of the run that ended last. */
struct last_words {
	int64_t real_usec; /* 0: no run has ended */
	uint64_t memory_max_bytes, memory_peak_bytes, max_rss_bytes;
	uint32_t oom_kills;
	bool is_new; /* not yet on the console */
	char *text;  /* owned; NULL: nothing was said */
};

struct engine_entry {
	const struct unit *unit;
	struct container_spec *spec; /* arena of the unit set; NULL: invalid */
	char name[128];		     /* container name, unique */
	struct pull_want want;	     /* how the image is had; strings in that arena */
	bool waits_for_image_unit; /* its .image unit has not been asked for in this life of the engine */
	enum pull_policy unit_policy; /* of that .image unit */
	const char *image_progress; /* while pulling: for people; "" when there is nothing to tell */
	bool has_image;
	struct arena image_arena;
	struct store_image image;
	bool image_wanted;			/* the core waits for IMAGE_READY / IMAGE_FAILED */
	const struct import_slot *image_import; /* who has been asked for it; NULL: nobody yet */
	struct run run;
	/* Never NULL once units_load() has been: a draft, then what readers see. */
	const struct published_unit *published;
	enum core_state shown_state; /* last one on the console */
	enum core_health shown_health;
	bool start_at_boot_pending; /* held back until adoption has finished */
	bool end_pending;	    /* likewise: what its end leads to */
	bool stop_pending;	    /* the same: it is not wanted any more */
	bool restart_pending;	    /* the same: an earlier engine was about to */
	bool has_ended;		    /* while no engine looked, and the core has not been told */
	const char *remarks;	    /* of the last start: what is not enforced; lines; "" */
	const char *invalid_reason; /* NULL: the file is fine */
	int64_t adopted_since;	    /* of the record that was found, until it is used; 0 */
	uint32_t adopted_state, adopted_health; /* likewise */
	unsigned restarts_before;		/* counted by earlier engines of this boot */
	const struct unit_record *
		found; /* of an earlier engine, while it is being adopted; NULL: there was none, or it is over */
	struct unit_kept record;
	struct arena health_arena;  /* what the image adds to health */
	struct spec_health health;  /* the check in force: the unit's, or its image's */
	const char *health_problem; /* why the image's is not run; NULL */
	struct health_turn turn;
	struct last_words end;
	/* what the last events said: event_emit.c */
	enum core_state event_state;
	enum core_health event_health;
	unsigned event_restarts;
	/* files.h */
	uint8_t effect
		[32]; /* of what a container of this unit is made by, the files that it reads left out */
	const char *masked_by; /* the file that a mask names, its own or its template's; NULL */
	const struct choice *choice; /* enabled, disabled, masked; NULL: nothing was chosen */
	bool was_running; /* and wanted, when an earlier engine of this boot wrote it down */
	bool was_waiting; /* or on its way to a start */
	bool goes_on;	  /* that engine has begun with this version of it */
	bool wants_copy, is_copied; /* has come up well */
	unsigned outcome;	    /* enum files_outcome */
	usec_t outcome_at;
	bool is_pinned; /* image is what update_pin() says, not what the name means */
	unsigned pod;	/* pods.h: index of its pod's entry plus one; 0: it is in none */
};

struct child {
	pid_t pid;
	int pidfd;
	engine_child_fn *fn;
	void *arg;
};

/* One import process: whatever is wanted of one registry. */
#define ENGINE_MAX_IMPORTS 4
struct import_slot {
	struct engine *e;
	struct proc proc; /* pid 0: free */
	int fd;
	struct loop_source *source;
	bool is_done;	    /* its last record has come */
	char registry[256]; /* host[:port]; "": names without one */
};

struct engine {
	struct loop *loop;
	struct core *core;
	struct unit_set units;	      /* those with an entry first, at the same index */
	const struct unit *templates; /* patterns, which are none of the units */
	size_t template_count;
	size_t resource_begin; /* units.units[] from here on: valid .volume, .network, .image units */
	struct engine_entry *entries; /* one per unit, same index as in the core */
	unsigned count;
	struct arena arena;
	struct host_facts host;
	struct unit_facts unit_facts;
	char cgroup_mount[256];
	int shims_cgroup, work_cgroup; /* -1 */
	struct cgroup_controllers controllers;
	struct store *store; /* NULL: unusable, store_error says why */
	bool store_read_only;
	struct err store_error;
	bool data_writable, data_present, layout_unknown;
	bool run_layout_unknown; /* what lies in CLEAT_RUN_DIR is another version's */
	char boot_id[40], hostname[64];
	char log_root[64]; /* CLEAT_LOG_DIR or CLEAT_RUN_LOGS */
	int lock_fd;
	struct published *published;
	bool is_publishing; /* publish_all() has been */
	/* Owned; of all units, until publish_all() has shown them to readers; NULL then. */
	struct published_unit *drafts;
	struct published_header header;
	struct loop_source *deadline_timer;
	struct loop_source *rest_timer; /* NULL: it has not begun to watch over units */
	struct child children[ENGINE_MAX_CHILDREN];
	unsigned child_count;
	int signal_fd;
	/* images */
	struct import_slot imports[ENGINE_MAX_IMPORTS];
	/* status server */
	int status_listen_fd;
	pid_t status_pid;
	struct respawn status_respawn;
	struct loop_source *status_address_timer; /* no link has [Status] Address= yet */
	struct network *network;		  /* supervise/network.h */
	struct files *files;			  /* supervise/files.h */
	struct command_slot *commands; /* one per unit; NULL until the first list: commands.c */
	struct updates *updates;       /* supervise/update.h */
	struct appliance appliance;    /* appliance.ini; texts in arena */
	struct logs *logs;	       /* supervise/logs.h */
	struct sources *sources;       /* supervise/sources.h; NULL: nothing to watch */
	struct uplinks *uplinks; /* supervise/uplink.h; NULL: an unknown layout, or no memory */
	struct screen *screen;	 /* supervise/screen.h; NULL: there is no terminal for one */
	uint64_t ship_sent_before, ship_dropped_before; /* by workers that have ended */
	struct event_writer *events; /* supervise/events.h; NULL: it could not be made */
	struct history *history;     /* supervise/history.h; NULL: it could not be made */
	struct upgrade *upgrade;     /* upgrade.c; NULL: nobody has asked for one */
	bool is_header_held;	     /* publish_begin() has not been called yet */
	bool is_safe_mode;	     /* boot.h: status and control only */
	usec_t watchdog_usec;	     /* how often the loop has to turn; 0: nobody looks */
	struct loop_source *watchdog_timer;
	struct host_probe *host_probe; /* host_probe.c: what the host withholds; NULL: no memory */
	bool stop_wanted;	       /* somebody asked: no orders are taken any more */
	bool stopping;
	unsigned left_behind; /* units whose end did not come within the budget: shutdown.c */
	bool settled;
	usec_t boot_usec;	  /* when PID 1 began, CLOCK_MONOTONIC */
	usec_t first_starts_usec; /* until then containers have the processors first */
	engine_watch_fn *watch_fn;
	void *watch_arg;
	const struct engine_hooks *hooks;
	void *control;
};

/* driver.c */
void engine_feed(struct engine *e, const struct core_event *event);
/* The core's next deadline may have changed (feeding does this by itself). */
void engine_arm(struct engine *e);
void engine_trace(void *arg, usec_t now, const char *line);
/* engine.c: what only watches, and the network, which nothing waits for, come when no container is on its way to its program any
 * more, or a moment after the engine's beginning. True: k is started later. */
bool engine_puts_off(const struct engine *e, struct respawn *k);
/* engine.c: something is begun that takes much of the program; its pages are given back a moment after the last one. */
void engine_not_at_rest(struct engine *e);
/* A start that failed after run_start() had returned. */
void engine_fail_start(struct engine *e, unsigned index, const struct err *err);

/* run.c: run directories and the wire to their shims */
int run_start(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
/* The second half of a start: its network stands. */
int run_launch(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
int run_send(struct engine *e, unsigned index, const void *message, size_t length,
	     struct err *err) MUST_CHECK;
int run_probe(struct engine *e, unsigned index, uint64_t order, const struct spec_check *check,
	      uint64_t timeout_usec, struct err *err) MUST_CHECK;
int run_kill(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
int run_teardown(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
int run_connect(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
int run_read_status(const char *run_id, struct run_status *out, struct err *err) MUST_CHECK;
/* No run. */
void run_clear(struct run *run);
/* 1: a shim lives behind this run id; 0: none. */
int run_is_alive(const char *run_id);
void run_forget(struct engine *e, unsigned index);
/* What is left of one that ended in order. */
void run_remove_cleared(struct engine *e);
void run_dead(struct engine *e, unsigned index);
void run_adopted(struct engine *e, unsigned index, enum core_health health);

/* secrets.c: ERR_INPUT names the line of the unit and the secret that is missing or unfit. */
int secrets_check(const struct container_spec *spec, struct err *err) MUST_CHECK;

/* last_words.c: the last output of a container that failed, and the figures of its memory */
void last_words_ended(struct engine *e, unsigned index); /* run.status is of the end */
/* "out of memory: limit 64.0 MiB, peak 64.0 MiB" */
void last_words_oom(const struct run_status *status, char *out, size_t size);
void last_words_ask(struct engine *e,
		    unsigned index); /* of one that runs: comes as a state of its shim */
void last_words_publish(struct engine *e, unsigned index, const struct core_unit_view *view,
			struct published_unit *p);
void last_words_console(struct engine *e, unsigned index, const struct core_unit_view *view);
void last_words_record(const struct engine_entry *entry, struct unit_record *record);
void last_words_adopt(struct engine *e, unsigned index);

/* record.c */
void record_save(struct engine *e, unsigned index);
/* The same, as it is now, but on the disk only before the next thing is done whose effect outlives the engine, and at the end of the turn at the
 * latest; a later one of the same unit takes its place. A restart goes through five states in one turn. */
void record_later(struct engine *e, unsigned index);
void record_save_due(void);
/* Bytes of a record of any version: texts end, names are names, and what this engine has no word for is as good as not told.
 * ERR_INTEGRITY: it is none, and *out is zero. */
int record_parse(const void *bytes, size_t length, struct unit_record *out,
		 struct err *err) MUST_CHECK;
int record_load(const char *name, const char *boot_id, struct unit_record *out,
		struct err *err) MUST_CHECK;

void record_forget(const char *name); /* of this container */

/* adopt.c */
void adopt_all(struct engine *e);
/* A run that nobody claims, by a process of its own. */
void adopt_tear_down(struct engine *e, const char *run_id);
/* When what was wanted has been begun: goes on with runs whose end nobody has answered. */
void adopt_ends(struct engine *e);

/* image_queue.c */
void image_queue_want(struct engine *e, unsigned index);
/* The configuration was read again or has changed: an archive may have come, a login, another registry. Units that had no image ask anew. */
void image_queue_ask_again(struct engine *e);
/* How the entry's image is had: its own words, and those of the .image unit that it names. -1: that unit's words are wrong; said in
 * the unit set's diagnostics. */
int image_queue_bind(struct engine *e, struct engine_entry *entry,
		     const struct image_ref *ref) MUST_CHECK;
/* What Image= of the entry says; nothing for one that has no image. */
void image_queue_ref(const struct engine_entry *entry, struct image_ref *out);
/* For a request to an import: what must not be collected because of the entry; a want that is not in it yet. */
void image_queue_keep(struct engine *e, unsigned index, struct arena *arena,
		      struct pull_request *request);
void image_queue_add_want(struct arena *arena, struct pull_request *request,
			  const struct pull_want *want);
/* The reference of the image that the run of an entry was made from, or, when that is not known, of what a start would take. */
void image_queue_ref_of_run(const struct engine *e, unsigned index, struct image_ref *out);

/* publish.c */
int publish_open(struct engine *e, struct err *err) MUST_CHECK;
/* From here on the header is written. An earlier engine's status server leaves when it sees the new one's: the port has to be open then. */
void publish_begin(struct engine *e);
/* Once, before any unit is published. */
void publish_draft(struct engine *e);
void publish_unit(struct engine *e, unsigned index);
/* What an earlier engine left is known now: from here on readers see what this one says, and until then what that one said. */
void publish_all(struct engine *e);
void publish_header(struct engine *e);
/* level as struct published_note has it; the same text is kept once. */
void publish_note(struct engine *e, unsigned level, const char *fmt, ...) ERR_PRINTF(3, 4);
void publish_drop_notes(struct engine *e, const char *prefix); /* what is no longer so */

/* volumes.c: makes the volumes that the container mounts and tells host of them; strings in the arena */
int volumes_prepare(struct engine *e, const struct engine_entry *entry, struct arena *arena,
		    struct host_facts *host, struct err *err) MUST_CHECK;

/* facts.c */
void facts_probe(struct engine *e);

/* host_probe.c. What is known of the host (supervise/host_probe.h), for facts.c to fill in; never NULL. */
struct host_record;
struct host_record *host_probe_record(struct engine *e);
/* appliance.ini has been read: adds what an earlier engine of this boot tried out, and publishes. */
void host_probe_open(struct engine *e);
/* Tries out what can only be tried, in a child, a moment later; once a boot. */
void host_probe_start(struct engine *e);
void host_probe_stop(struct engine *e);

/* units.c */
int units_load(struct engine *e, struct err *err) MUST_CHECK;

/* children.c */
int children_spawn(struct engine *e, const struct proc_spawn *spawn, engine_child_fn *fn, void *arg,
		   pid_t *pid_out, struct err *err) MUST_CHECK;
/* This very program, which reads input to its end. input is copied. */
int children_spawn_fed(struct engine *e, char **argv, const struct buf *input, engine_child_fn *fn,
		       void *arg, pid_t *pid_out, struct err *err) MUST_CHECK;
int children_watch(struct engine *e, pid_t pid, engine_child_fn *fn, void *arg,
		   struct err *err) MUST_CHECK;
void children_reap(struct engine *e);

/* status_server.c */
void status_server_start(struct engine *e);
void status_server_stop(struct engine *e);
/* Before execve: the program that this engine becomes listens on the same socket, so that nobody who asks meanwhile is refused. on false:
 * it did not come to it. */
void status_server_hand_on(struct engine *e, bool on);

/* console.c: the few lines that a person at the console reads */
void console_step(struct engine *e, const char *fmt, ...) ERR_PRINTF(2, 3);
void console_state(struct engine *e, unsigned index);

/* screen.c: the processes on the appliance's terminal (screen.h) */
void screen_start(struct engine *e);
void screen_wake(struct engine *e); /* before each sleep: something may have been published */
void screen_stop(struct engine *e);
