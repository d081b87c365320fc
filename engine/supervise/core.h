/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The brain: (state, event, now) -> (state, actions). Pure: no clock, no descriptor, no allocation
 * outside the core's own arrays. The driver turns the world into events and actions into I/O and
 * decides nothing. Every transition, and every event that changes something without one, leaves
 * exactly one line of trace, which is what the simulation compares and what people read: "web: up
 * -> stopping: asked to stop". What changes nothing that people could see (a passing probe of a
 * healthy unit, an answer that came too late) leaves none.
 *
 * A unit's state is three small enums, never their product: want, state, health.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/service.h"
#include "util/buf.h"
#include "util/loop.h"

#define CORE_MAX_UNITS 1024

enum core_want { CORE_WANT_DOWN, CORE_WANT_UP };

enum core_state {
	CORE_DOWN,
	CORE_WAITING, /* for dependencies */
	CORE_PULLING, /* for its image; outside TimeoutStartSec */
	/* conditions and ExecStartPre=; shim asked for; running and not yet ready (Notify=); ExecStartPost= */
	CORE_STARTING,
	CORE_UP,       /* also while it reloads */
	CORE_STOPPING, /* ExecStop=; stop signal sent, then SIGKILL at the deadline */
	CORE_CLEANING, /* process gone, teardown and ExecStopPost= under way */
	CORE_BACKOFF,  /* waits for restart_usec */
	CORE_FAILED,   /* gave up: only an operator or a new unit file helps */
};

enum core_health { CORE_HEALTH_NONE, CORE_HEALTH_STARTING, CORE_HEALTHY, CORE_UNHEALTHY };

/* Why a unit is where it is: decides Restart=, names the reason for people. */
enum core_result {
	CORE_RESULT_NONE,
	CORE_RESULT_SUCCESS, /* exit counted as success */
	CORE_RESULT_EXIT_CODE,
	CORE_RESULT_SIGNAL,
	CORE_RESULT_OOM,	 /* counts as signal */
	CORE_RESULT_TIMEOUT,	 /* start or stop deadline, RuntimeMaxSec */
	CORE_RESULT_UNHEALTHY,	 /* counts as a failure */
	CORE_RESULT_START_ERROR, /* never reached execve */
	CORE_RESULT_SHIM_LOST,	 /* the shim died under it: counts as a failure */
	CORE_RESULT_IMAGE,	 /* no usable image */
	CORE_RESULT_START_LIMIT,
	CORE_RESULT_DEPENDENCY,
	CORE_RESULT_INVALID, /* the unit file has errors */
	CORE_RESULT_WATCHDOG, /* WatchdogSec= went by without a sign of life, or the program asked for it */
	CORE_RESULT_CONDITION, /* a Condition*= or ExecCondition= did not hold: skipped, no failure */
	CORE_RESULT_ASSERT,    /* an Assert*= did not hold */
	CORE_RESULT_PROTOCOL, /* Notify=true: ended before READY=1 */
};

/* The commands of [Service] around a container, one list each; a list is run in order by the driver and is one
 * action. A bit set of (1u << which) says which lists a unit has. */
enum core_command {
	CORE_COMMAND_NONE,
	CORE_COMMAND_CONDITION, /* ExecCondition=: 1 to 254 skips the unit, 255 and signals fail it */
	CORE_COMMAND_START_PRE,	 /* before the container; a failure is a failed start */
	CORE_COMMAND_START_POST, /* when it is ready, before it is UP */
	CORE_COMMAND_RELOAD, /* ExecReload=, ReloadCmd= and the driver's own signal of ReloadSignal= */
	CORE_COMMAND_STOP, /* only for what had come up; then the stop signal */
	CORE_COMMAND_STOP_POST, /* after every end, also of a start that failed, when the container is gone */
};

struct core_health_policy {
	bool is_set;
	uint64_t interval_usec, timeout_usec, start_period_usec;
	uint64_t start_interval_usec; /* in the start period no longer than this between probes; 0: not said */
	unsigned retries;
	/* Our default: unhealthy is a failure under Restart=; with Restart=no or on-failure "none"
	 * it is only reported. */
	enum core_on_unhealthy {
		CORE_ON_UNHEALTHY_DEFAULT,
		CORE_ON_UNHEALTHY_NONE,
		CORE_ON_UNHEALTHY_KILL,
		CORE_ON_UNHEALTHY_RESTART,
		CORE_ON_UNHEALTHY_STOP
	} action;
};

/* Which lot of a unit asks something of the whole appliance, by the key that says what. */
enum core_machine_why {
	CORE_MACHINE_FAILURE, /* a failure, also one that Restart= mends (not with restart_is_direct) */
	CORE_MACHINE_SUCCESS, /* down without one, by itself or because it was asked to, not to begin anew */
	CORE_MACHINE_START_LIMIT, /* a start that the start limit refuses */
	CORE_MACHINE_JOB_TIMEOUT, /* job_timeout_usec or job_running_timeout_usec */
	CORE_MACHINE_WHY_COUNT,
};

struct core_dep {
	enum service_dep_kind kind;
	unsigned target; /* unit index */
};

/* Everything the core needs to know of a unit; copied in (deps and name too). */
struct core_policy {
	const char *name;
	enum service_type type;
	enum service_restart restart;
	uint64_t restart_usec, restart_max_usec;
	unsigned restart_steps;
	uint64_t start_limit_interval_usec;
	unsigned start_limit_burst;
	uint64_t timeout_start_usec, timeout_stop_usec, runtime_max_usec;
	/* JobTimeoutSec=, JobRunningTimeoutSec=: of a start, from the word to it and from the order to its first command or its
	 * container; 0 and USEC_NEVER: none. A start that still waits is given up then; one under way goes on, and OnFailure= hears of it. */
	uint64_t job_timeout_usec, job_running_timeout_usec;
	bool remain_after_exit;
	struct exit_set success, restart_prevent, restart_force;
	uint64_t stop_timeout_usec; /* the container's own: signal to SIGKILL */
	bool ready_when_healthy;    /* Notify=healthy */
	bool is_invalid;	    /* the file has errors: never started */
	struct core_health_policy health;
	/* HealthStartupCmd=: probed instead of the other until it has passed success times in a row; the other one begins then.
	 * retries failures in a row (0: never) restart the container as podman does (kill, result UNHEALTHY, whatever Restart= says). */
	struct core_startup_policy {
		bool is_set;
		uint64_t interval_usec, timeout_usec;
		unsigned retries, success;
	} startup;
	bool ready_by_notify; /* Notify=true: CORE_EV_NOTIFY with ready */
	uint64_t watchdog_usec; /* WatchdogSec=; 0: off. From READY (or RUNNING without ready_by_notify) on */
	uint64_t timeout_abort_usec; /* between the watchdog's signal and SIGKILL */
	unsigned commands;	     /* bit set of enum core_command */
	bool has_conditions;	     /* Condition*= or Assert*= */
	bool restart_is_direct; /* RestartMode=direct: dependants notice nothing of a restart */
	bool kills_at_start_timeout,
		kills_at_stop_timeout; /* Timeout*FailureMode=kill: SIGKILL without the stop signal */
	bool never_kills; /* SendSIGKILL=no: what outlives the stop signal is left alone and named */
	/* A pod with ExitPolicy=stop: asked to stop when none of the units that are bound to it (BINDS_TO) is wanted or alive
	 * any more, once there was one. */
	bool stops_when_alone;
	enum service_action machine[CORE_MACHINE_WHY_COUNT]; /* FailureAction= and its like */
	const struct core_dep *deps;
	size_t dep_count;
};

enum core_event_type {
	CORE_EV_START,	 /* operator or boot wants it up */
	CORE_EV_STOP,	 /* operator wants it down */
	CORE_EV_RESTART, /* text: why, NULL for "asked to restart" */
	CORE_EV_RELOAD, /* operator: RELOAD commands of a unit that is UP; passed on along PROPAGATES_RELOAD_TO */
	CORE_EV_RESET_FAILED,
	CORE_EV_IMAGE_READY, /* or it is time to look for it again; text: why; NULL or "": the image has come */
	CORE_EV_IMAGE_FAILED, /* text; permanent until the images change */
	CORE_EV_RUNNING,      /* execve happened */
	CORE_EV_START_FAILED, /* text; permanent when input is wrong */
	CORE_EV_EXITED,	      /* code, signal, oom */
	CORE_EV_SHIM_LOST,    /* death event without an exit record */
	CORE_EV_CLEANED,      /* teardown finished */
	CORE_EV_PROBE,	      /* verdict of the probe that was ordered */
	CORE_EV_CONDITIONS,   /* pass; else text and permanent: an Assert*= did not hold */
	CORE_EV_COMMAND, /* order; pass, else code or signal, and text: which line and how it ended */
	CORE_EV_NOTIFY, /* what a container's program said: the fields notify_* */
	CORE_EV_TIMER,	/* time passed: core_deadline() was reached */
	CORE_EV_FREEZE, /* the loop was late by gap_usec: suspended, frozen, overloaded */
	/* A new engine found it running; started_at given. Before any START of the unit, at the
	 * latest before its image is ready; ignored once it has a container or gave up. */
	CORE_EV_ADOPTED,
	/* all: stop in reverse order, start nothing any more (unit ignored). At cut_at, if it is given, whatever is left gets
	 * SIGKILL at once, lists too, and no ExecStop= or ExecStopPost= begins any more. A FREEZE does not move it: who waits for
	 * the appliance has not stood still. */
	CORE_EV_SHUTDOWN,
};

struct core_event {
	enum core_event_type type;
	unsigned unit;
	int code, signal;
	bool oom;
	bool permanent; /* IMAGE_FAILED: no retry cures it; START_FAILED is retried all the same */
	bool pass;	/* PROBE */
	bool discarded; /* PROBE: could not be judged (cancelled, frozen): no verdict */
	uint64_t order; /* PROBE, COMMAND: the order number of the action */
	/* NOTIFY: each is one message's meaning; text: STATUS= (NULL: unchanged) */
	bool notify_ready, notify_reloading, notify_stopping;
	bool notify_watchdog;	      /* a sign of life */
	bool notify_watchdog_trigger; /* the program says that it is stuck */
	uint64_t notify_extend_usec; /* EXTEND_TIMEOUT_USEC=: the running deadline is at least so far away; 0: not said */
	uint64_t notify_watchdog_usec; /* WATCHDOG_USEC=: new interval; 0: not said */
	uint64_t gap_usec;	       /* FREEZE */
	usec_t started_at;	       /* ADOPTED */
	enum core_health adopted_health;
	bool ended; /* ADOPTED: it finished well and RemainAfterExit= keeps it up; nothing runs */
	/* ADOPTED: its shim lives but has not come to execve; then RUNNING, START_FAILED or
	 * SHIM_LOST, as after the START of an earlier engine */
	bool starting;
	bool was_up; /* ADOPTED: it had been UP, so it is ready and ExecStartPost= has been run */
	bool startup_passed; /* ADOPTED: its startup probe is over */
	bool had_member; /* ADOPTED: of a pod: there has been one; text: its reason, if it had been UP */
	/* START: more STARTs of the same boot follow; no container starts before one without it,
	 * so that After= holds whatever the order of the events. */
	bool more;
	/* START: an earlier engine has begun with it: of what it pulls in, nothing that has had its turn there is started again */
	bool goes_on;
	const char *text; /* borrowed during the call: error or probe output */
	usec_t cut_at;	  /* SHUTDOWN: now or earlier is at once; 0: every unit has its own time */
};

enum core_action_type {
	CORE_ACT_IMAGE,	      /* make sure of the image, then IMAGE_READY or IMAGE_FAILED */
	CORE_ACT_START,	      /* new run id, shim; then RUNNING, START_FAILED or SHIM_LOST */
	CORE_ACT_SIGNAL_STOP, /* the container's stop signal */
	CORE_ACT_KILL,	      /* SIGKILL to the whole cgroup */
	CORE_ACT_TEARDOWN,    /* then CLEANED */
	CORE_ACT_PROBE,	      /* order number; then PROBE */
	CORE_ACT_PROBE_CANCEL,
	CORE_ACT_CONDITIONS, /* look at Condition*= and Assert*= now; then CONDITIONS */
	CORE_ACT_COMMAND,    /* which, order; then COMMAND */
	CORE_ACT_COMMAND_KILL, /* order: it took too long, or is not wanted any more; COMMAND still comes */
	CORE_ACT_SIGNAL_WATCHDOG, /* WatchdogSignal= to the container's first process */
	CORE_ACT_MACHINE, /* something of the whole appliance; SHUTDOWN follows, or core_machine_refused() */
	CORE_ACT_PUBLISH,  /* this unit's published record changed */
	CORE_ACT_ALL_DOWN, /* after SHUTDOWN: nothing runs any more (unit ignored) */
};

struct core_action {
	enum core_action_type type;
	unsigned unit;
	uint64_t order;
	enum core_command which;	   /* COMMAND */
	bool startup;			   /* PROBE: of the startup probe */
	bool at_once;			   /* COMMAND_KILL: no time is left for an end of its own */
	enum service_action machine;	   /* MACHINE: never NONE */
	enum core_machine_why machine_why; /* MACHINE */
	int code; /* MACHINE: the program's exit code, 255: a signal; -1: it has not run, or it is not about its end */
};

/* Read-only view for publishing, tests and trace. */
struct core_unit_view {
	const char *name;
	enum core_want want;
	enum core_state state;
	enum core_health health;
	enum core_result result;
	int exit_code, exit_signal; /* last run; -1: none */
	bool oom;
	unsigned restarts, probe_failures;
	usec_t since, deadline;	  /* USEC_NEVER: none */
	const char *reason;	  /* one line for people: error text, what it waits for; borrowed */
	const char *probe_output; /* of the last probe, one line; borrowed */
	const char *status_text;  /* STATUS= of the program, "": none; borrowed */
	enum core_command command; /* the list that is being run */
	bool is_reloading;
	bool startup_passed; /* its startup probe is over, or it has none */
	bool was_up;	     /* this instance has been UP: for the record that ADOPTED comes from */
	bool had_member;     /* a pod that has had one: likewise */
	bool job_is_over; /* PULLING, STARTING: JobTimeoutSec= or JobRunningTimeoutSec= has gone by, and its start goes on */
};

struct core;
typedef void core_trace_fn(void *arg, usec_t now, const char *line);

struct core *core_new(core_trace_fn *trace, void *trace_arg); /* trace may be NULL */
void core_free(struct core *core);
/* Adds a unit (state DOWN); returns its index. Dependencies may name units added later: call
 * core_link when all are there. */
unsigned core_add(struct core *core, const struct core_policy *policy);
/* Takes the dependencies in. A cycle of After=/Before= is refused with its path (ERR_INPUT): its
 * units become invalid with that path as their reason and lose their dependencies, nobody else
 * suffers, and the caller asks again, for there may be another cycle. core_step() does the same
 * for a caller who did not ask again. ERR_BUG: a dependency on a unit that does not exist. */
int core_link(struct core *core, struct err *err) MUST_CHECK;
/* One step. now never goes back (an earlier one counts as the last). Actions are appended to the
 * core's list, valid until the next call; returns their number. */
size_t core_step(struct core *core, const struct core_event *event, usec_t now,
		 const struct core_action **actions);
/*
 * What is no event, because nothing has happened; all of it follows from a step, and core_deadline() may
 * have changed (core_probe.c). The check that a unit has, once its image is known; ignored while it has a
 * container. The probe of that order waits for its turn, and runs from now on: its answer is overdue
 * only after its own time. The next probe is due now, whoever asks; false: it has no check or does not run.
 */
void core_set_health(struct core *core, unsigned unit, const struct core_health_policy *health,
		     const struct core_startup_policy *startup);
void core_probe_waits(struct core *core, unsigned unit, uint64_t order);
void core_probe_begins(struct core *core, unsigned unit, uint64_t order, usec_t now);
bool core_probe_now(struct core *core, unsigned unit);
/* What the last MACHINE asked for is not done here: the next one may ask. Without this word the first is the only one. */
void core_machine_refused(struct core *core);
const char *core_machine_key(enum core_machine_why why); /* "FailureAction" */
/* A unit without a container as an earlier engine of this boot has left it (core_restore.c): FAILED and BACKOFF are wanted and go on
 * where they were; DOWN is what has ended, was skipped or stopped, and stays so until somebody asks for it; CLEANING is what has ended
 * and was not decided upon: CLEANED goes on with it. Of any other state only the counts are taken over, and how long its next start may
 * still take.
 * Before its first event; no event itself. */
#define CORE_JOB_IS_OVER 1 /* that moment has been, and the start went on */
struct core_rest {
	enum core_state state;
	enum core_result result;
	bool finished;	/* DOWN: counts as started for who waits for it */
	bool is_wanted; /* CLEANING */
	unsigned end; /* for core_restore() alone; CLEANING: how it came to it, 0: not known, and it is as any other state; else what goes on */
	int exit_code, exit_signal;
	unsigned growth; /* automatic restarts in a row */
	usec_t limit_begin;
	unsigned limit_count; /* starts in the window of the start limit */
	usec_t deadline;      /* BACKOFF; CLOCK_MONOTONIC */
	usec_t job_deadline; /* PULLING, WAITING: when its start has to be over; 0: no limit, CORE_JOB_IS_OVER */
	const char *reason; /* borrowed */
};
void core_get_rest(const struct core *core, unsigned unit, struct core_rest *out);
void core_restore(struct core *core, unsigned unit, const struct core_rest *rest);
/* It was being stopped, or was about to be, only to be started again. */
bool core_rest_starts_again(const struct core_rest *rest);
usec_t core_deadline(const struct core *core); /* when CORE_EV_TIMER is due next; USEC_NEVER */
unsigned core_count(const struct core *core);
void core_view(const struct core *core, unsigned unit, struct core_unit_view *out);
/* Aborts with a message when an invariant does not hold (our bug). Every step does this for the
 * units that it touched; this checks all of them and the timers. */
void core_check(const struct core *core);
const char *core_state_name(enum core_state state);
const char *core_health_name(enum core_health health);
const char *core_result_name(enum core_result result);
/* The transition table as Graphviz, for "cleat states --dot". */
void core_states_dot(struct buf *out);
