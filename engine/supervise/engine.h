/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The engine as the control socket and the main program see it: one thread, one loop. Everything here is
 * called from the loop and never blocks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log.h"
#include "spec/spec.h"
#include "supervise/choices.h"
#include "supervise/core.h"
#include "unit/unit.h"
#include "util/err.h"
#include "util/loop.h"
#include "util/published.h"

struct engine;
struct net_attached;

struct loop *engine_loop(struct engine *engine);
unsigned engine_unit_count(const struct engine *engine);

/* Everything that somebody may ask about one unit; pointers are borrowed until the next turn of the loop. */
struct engine_unit {
	unsigned index;
	const struct unit *unit;
	const struct container_spec *spec; /* NULL when the unit is invalid */
	struct core_unit_view view;
	const struct published_unit *published;
	const struct net_attached
		*attached; /* its ends and ports; NULL: none are in force (net/plan.h) */
};
void engine_unit(struct engine *engine, unsigned index, struct engine_unit *out);
/* By container name, unit file ("web.container", "web"), service ("web.service"), run id or a prefix of at least 4 digits of it.
 * ERR_NOT_FOUND names the nearest one; ERR_INPUT when a prefix fits several. */
int engine_find(struct engine *engine, const char *name, unsigned *index,
		struct err *err) MUST_CHECK;

enum engine_verb {
	ENGINE_START,
	ENGINE_STOP,
	ENGINE_RESTART,
	ENGINE_RESET_FAILED,
	ENGINE_HEALTHCHECK, /* the next result of its health check, now */
	ENGINE_RELOAD /* ExecReload= and its like, of a unit that is up; ERR_UNSUPPORTED: it has none */
};
/* Feeds the request to the core; the outcome shows in the unit's view. ERR_INPUT for a unit whose file has errors. */
int engine_request(struct engine *engine, unsigned index, enum engine_verb verb,
		   struct err *err) MUST_CHECK;
/* Results of health checks that came in this life of the engine; which check is in force (kind NONE: none), borrowed. */
uint64_t engine_health_results(const struct engine *engine, unsigned index);
const struct spec_health *engine_health(const struct engine *engine, unsigned index);
/* Why the last reload of a unit failed, "" when it did not. Borrowed. */
const char *engine_reload_error(const struct engine *engine, unsigned index);
/* Something was put into the image store: units that had no image look again. */
void engine_images_changed(struct engine *engine);
/* Signal to the container's first process, or to all of its cgroup. ERR_INPUT when it does not run. */
int engine_signal(struct engine *engine, unsigned index, int number, bool to_all,
		  struct err *err) MUST_CHECK;
/* Exec (shim/protocol.h): an order (struct shim_exec with the client's connection, which stays the caller's; struct
 * shim_exec_resize with -1) to the shim. ERR_BUSY: the container does not run. */
int engine_exec_is_possible(struct engine *engine, unsigned index, struct err *err) MUST_CHECK;
int engine_exec(struct engine *engine, unsigned index, const void *message, size_t length,
		int client, struct err *err) MUST_CHECK;
/* What the shim has written down about a session; id: SHIM_EXEC_ID_LEN digits. ERR_NOT_FOUND. */
struct shim_exec_record;
int engine_exec_record(struct engine *engine, unsigned index, const char *id,
		       struct shim_exec_record *out, struct err *err) MUST_CHECK;
/* Of the run under way; "": none. Borrowed. */
const char *engine_run_id(const struct engine *engine, unsigned index);
/* Path of the container's log directory. */
int engine_log_is_kept(const struct engine *engine, unsigned index,
		       struct err *err) MUST_CHECK; /* -1: LogDriver=none, passthrough */
void engine_log_dir(const struct engine *engine, unsigned index, char *out, size_t size);
/* The word with which "cleat log-stream" makes that directory itself; false: no container of the unit will ever write there. */
bool engine_log_make_word(const struct engine *engine, unsigned index, char *out, size_t size);
/* Directory descriptor of the cgroup for short-lived workers (log streams), -1 when there is none; borrowed. */
int engine_work_cgroup(const struct engine *engine);
/* Called after every change of a unit's published record; one listener (the control socket). */
typedef void engine_watch_fn(void *arg, unsigned index, usec_t now);
void engine_watch(struct engine *engine, engine_watch_fn *fn, void *arg);
/* A child that somebody else spawned: calls back once when it has been reaped. */
typedef void engine_child_fn(void *arg, pid_t pid, int wait_status);
int engine_watch_child(struct engine *engine, pid_t pid, engine_child_fn *fn, void *arg,
		       struct err *err) MUST_CHECK;
/* Reads the unit files again: a child first, and when it could, this becomes a new engine, which adopts what runs and starts, restarts
 * and stops what differs. What has come of it is in engine_reload_report(), also of the new engine. */
void engine_reload(struct engine *engine);
/* JSON: {engine_started_usec, settled, reading, error (of the child), errors [lines], units [{name, unit, action, state,
 * reason, done}]}. */
void engine_reload_report(struct engine *engine, struct buf *out);
/* The file of a template, by that, without its suffix, or by its service: "job@.container"; NULL: it is none. Borrowed. */
const char *engine_template(const struct engine *engine, const char *name);
/* Keeps the choice about a unit's file, or a mask of a template's, which is one of all its instances; engine_apply_choices(), once the answer has gone out, makes it take effect by becoming a new engine. ERR_BUSY:
 * a masked unit cannot be enabled. */
int engine_choose(struct engine *engine, const char *unit, enum choices_verb verb,
		  struct err *err) MUST_CHECK;
void engine_apply_choices(struct engine *engine);
/* Auto-update, now: of one unit, or (NULL) of all that have AutoUpdate=. keeps_failed: what is bad stays. ERR_BUSY, ERR_INPUT. What comes of
 * it is in engine_update_report(): JSON {settled, units [{unit, service, name, image, digest, policy, updated, text, busy, pin, bad,
 * history [{time_usec, result, digest, text}], newest first}]}. */
int engine_update(struct engine *engine, const unsigned *index, bool is_dry, bool keeps_failed,
		  struct err *err) MUST_CHECK;
void engine_update_report(struct engine *engine, struct buf *out);
/* Back to a digest of the unit's history (or its beginning); NULL or "": the one before. */
int engine_rollback(struct engine *engine, unsigned index, const char *digest,
		    struct err *err) MUST_CHECK;
/* "cleat history-keep": writes records of updates (supervise/update_save.c). */
int cmd_history_keep(int argc, char **argv);
/* "cleat units-read": everything is read as the engine would; prints "d" and a digest of it, or "e" and why not. */
int cmd_units_read(int argc, char **argv);
/* The program at this path of the appliance is looked at by a child, and when it can go on here, this becomes it by exec; what has come of
 * it is in the report, also of the new engine. ERR_BUSY: the appliance is stopping, or another file is being looked at; ERR_INPUT: no path. */
int engine_upgrade(struct engine *engine, const char *path, struct err *err) MUST_CHECK;
/* JSON: {version, engine_started_usec, upgraded_from_usec (engine_started_usec of the one that gave way; 0: none did), settled, checking,
 * error (of the last one that was asked for)}. */
void engine_upgrade_report(struct engine *engine, struct buf *out);
/* "cleat upgrade-check FILE" looks at the file and becomes it as "cleat upgrade-ready", which looks whether it can go on with what is here.
 * The answer is one write: "u" and its version, or "e" and why not. */
int cmd_upgrade_check(int argc, char **argv);
int cmd_upgrade_ready(int argc, char **argv);
/* Asks for an orderly stop of everything, then the end of the loop. */
void engine_shutdown(struct engine *engine);

/* What the main program hands over: the control socket's life is api's business. */
struct engine_hooks {
	int (*control_open)(struct engine *engine, void **state, struct err *err);
	void (*control_close)(void *state);
	/* Somebody waits for what his order comes to: a bad moment for becoming another engine. */
	bool (*control_is_waited_for)(const void *state);
	/* The engine is about to become another one by exec, or has not become it. */
	void (*control_hand_on)(void *state, bool on);
};
/* "cleat engine": runs until it is told to stop. Exit code 0 after an orderly stop, 75 when another engine runs, 1 otherwise. */
int engine_main(int argc, char **argv, const struct engine_hooks *hooks);
