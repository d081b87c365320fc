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

enum engine_verb { ENGINE_START, ENGINE_STOP, ENGINE_RESTART, ENGINE_RESET_FAILED };
/* Feeds the request to the core; the outcome shows in the unit's view. ERR_INPUT for a unit whose file has errors. */
int engine_request(struct engine *engine, unsigned index, enum engine_verb verb,
		   struct err *err) MUST_CHECK;
/* Something was put into the image store: units that had no image look again. */
void engine_images_changed(struct engine *engine);
/* Signal to the container's first process. ERR_INPUT when it does not run. */
int engine_signal(struct engine *engine, unsigned index, int number, struct err *err) MUST_CHECK;
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
void engine_log_dir(const struct engine *engine, unsigned index, char *out, size_t size);
/* Directory descriptor of the cgroup for short-lived workers (log streams), -1 when there is none; borrowed. */
int engine_work_cgroup(const struct engine *engine);
/* Called after every change of a unit's published record; one listener (the control socket). */
typedef void engine_watch_fn(void *arg, unsigned index, usec_t now);
void engine_watch(struct engine *engine, engine_watch_fn *fn, void *arg);
/* A child that somebody else spawned: calls back once when it has been reaped. */
typedef void engine_child_fn(void *arg, pid_t pid, int wait_status);
int engine_watch_child(struct engine *engine, pid_t pid, engine_child_fn *fn, void *arg,
		       struct err *err) MUST_CHECK;
/* Reads the unit files again by becoming a new engine that adopts what runs; does not return when it works. */
void engine_reload(struct engine *engine);
/* Asks for an orderly stop of everything, then the end of the loop. */
void engine_shutdown(struct engine *engine);

/* What the main program hands over: the control socket's life is api's business. */
struct engine_hooks {
	int (*control_open)(struct engine *engine, void **state, struct err *err);
	void (*control_close)(void *state);
};
/* "cleat engine": runs until it is told to stop. Exit code 0 after an orderly stop, 75 when another engine runs, 1 otherwise. */
int engine_main(int argc, char **argv, const struct engine_hooks *hooks);
