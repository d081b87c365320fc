/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of the core; included only by engine/supervise/core*.c. One step works like this: the
 * event's handler changes units through core_move() and the fields below, units whose neighbours
 * changed are queued, settle() looks at the queued ones until nothing changes any more, every
 * touched unit is checked and published. Cost depends on the units touched, not on the number of
 * units (FREEZE, SHUTDOWN and the end of a boot's START events excepted: they are about all).
 */
#include "supervise/core.h"
#include "supervise/policy.h"

#define CORE_TEXT_MAX 512
/* SIGKILL is repeated while nothing dies: the first one may have been too early for the cgroup, or
 * the process sleeps in the kernel. */
#define CORE_KILL_AGAIN_USEC (10 * USEC_SEC)
#define CORE_KILL_AGAIN_MAX_USEC (640 * USEC_SEC)
/* How long after the probe's own timeout the shim's answer may take. */
#define CORE_PROBE_ANSWER_USEC (10 * USEC_SEC)
/* A configured interval below this would keep the machine busy with probing. */
#define CORE_PROBE_MIN_INTERVAL_USEC (100 * USEC_MSEC)
/* First gap between the uncounted probes of a starting container; doubles up to the interval. */
#define CORE_PROBE_QUICK_USEC (250 * USEC_MSEC)
/* After a probe that could not be judged (busy, cancelled). */
#define CORE_PROBE_RETRY_USEC (1 * USEC_SEC)
/* probes of one such time come together, where that moves them by no more than a twentieth of their interval */
#define CORE_PROBE_GRID_USEC (1 * USEC_SEC)
/* How often other units (Upholds=, OnFailure=, OnSuccess=) may start one: systemd's numbers. */
#define CORE_BOND_STARTS 16
#define CORE_BOND_WINDOW_USEC (10 * USEC_SEC)
/* How long a new engine waits with that while it may still find containers. */
#define CORE_BOND_ADOPTION_USEC (1 * USEC_SEC)

enum core_timer {
	/* STARTING: start timeout; STOPPING: ExecStop= is overdue, SIGKILL; CLEANING: a command is
	 * overdue; BACKOFF: next start */
	CORE_TIMER_STATE,
	CORE_TIMER_RUNTIME, /* UP: RuntimeMaxSec= */
	CORE_TIMER_PROBE,   /* running: next probe, or the answer to the one in flight is overdue */
	CORE_TIMER_WATCHDOG, /* running: the next sign of life is overdue */
	CORE_TIMER_RELOAD,   /* UP: the reload is overdue */
	CORE_TIMER_UPHOLD, /* DOWN, FAILED: Upholds= tries again; STARTING, UP: an adopted pod looks for its members */
	CORE_TIMER_JOB, /* PULLING, WAITING, STARTING: its start may take so long */
	CORE_TIMER_COUNT,
};

struct core_edge {
	unsigned unit;
	/* never BEFORE, STOP_PROPAGATED_FROM, RELOAD_PROPAGATED_FROM: those are the other unit's */
	enum service_dep_kind kind;
};

struct core_edges {
	const struct core_edge *items; /* borrowed from struct core */
	size_t count;
};

/* How far a unit is inside STARTING or STOPPING. CLEANING needs none: the container is torn down while
 * there is one, then a command that still runs is waited for, then ExecStopPost= has its turn. */
enum core_stage {
	CORE_STAGE_NONE,
	CORE_STAGE_CONDITIONS, /* STARTING: Condition*= and Assert*= are looked at */
	CORE_STAGE_CONDITION,  /* STARTING: ExecCondition= */
	CORE_STAGE_START_PRE,  /* STARTING: ExecStartPre= */
	CORE_STAGE_CONTAINER,  /* STARTING: START was ordered, until it is ready */
	CORE_STAGE_START_POST, /* STARTING: ExecStartPost= */
	CORE_STAGE_STOP,       /* STOPPING: ExecStop= */
	CORE_STAGE_SIGNAL,     /* STOPPING: the signal was sent */
};

enum core_stop_how {
	CORE_STOP_GENTLY,    /* ExecStop= if it had come up, then the stop signal */
	CORE_STOP_BY_SIGNAL, /* the stop signal at once */
	CORE_STOP_BY_KILL,
	CORE_STOP_BY_WATCHDOG,
	CORE_STOP_BY_ITSELF, /* it said so, or has ended already */
};

/* What the units around it have to be told of: dealt with by bonds_tell_next() when the step settles. */
#define CORE_NEWS_FAILED (1u << 0)    /* OnFailure= */
#define CORE_NEWS_SUCCEEDED (1u << 1) /* OnSuccess= */
#define CORE_NEWS_GONE (1u << 2)      /* PropagatesStopTo= */

struct core_unit {
	struct core_policy policy; /* name, deps: owned */
	enum core_want want;
	enum core_state state;
	enum core_health health;
	enum core_result result;

	enum core_stage stage;
	enum core_stop_how stop_how;
	bool instance;	    /* START was ordered, CLEANED has not come yet */
	bool running;	    /* execve happened and no end is known */
	bool ended;	    /* the instance's process is gone */
	bool was_up;	    /* this instance has been UP */
	bool stop_asked;    /* instance shall stop; waits for dependants to go first */
	bool again;	    /* begins anew when the instance is gone, whatever Restart= says */
	bool force_restart; /* HealthOnFailure=restart: whatever Restart= says */
	bool killed;	    /* SIGKILL was ordered for this instance */
	bool has_exit;	    /* this instance left an exit status */
	bool finished; /* the last start ended as a success: what waits for "started" may go on */
	bool dependency_lost; /* stop_asked because a BindsTo= target went away */
	unsigned kills;
	bool left_alone;	      /* SendSIGKILL=no, and it has outlived the stop signal */
	bool stop_ran, stop_post_ran; /* ExecStop=, ExecStopPost= have had their turn */
	bool notified_ready;	      /* READY=1 came, maybe before we knew that it runs */
	bool is_reloading, reload_again;
	bool never_began;     /* its conditions have kept it from beginning */
	bool will_tell_bound; /* RestartMode=direct: who is bound hears of the end only if it is one */
	unsigned news;	      /* bits of CORE_NEWS_ */
	const char *ready_why; /* static text */

	enum core_command command; /* in flight */
	bool command_is_void;	   /* it was killed: how it ends means nothing */
	uint64_t command_order, conditions_order;

	bool had_member;	 /* a pod: somebody was bound to it */
	uint64_t transaction;	 /* in which a start was asked for last */
	bool loses, is_starting; /* Conflicts= inside the present one */
	bool is_settled; /* what an earlier engine has made of it stands: nobody has asked since */
	struct start_limit bonds; /* starts by Upholds= and its like */
	uint64_t watchdog_usec;	  /* of this instance */

	int exit_code, exit_signal;
	bool oom;
	unsigned restarts;	 /* automatic ones, ever */
	unsigned growth;	 /* automatic ones in a row: RestartSteps= */
	unsigned start_errors;	 /* in a row */
	unsigned image_failures; /* in a row */
	bool lacks_image; /* it has failed for that: the next answer of this kind is the same failure */
	struct start_limit limit;
	bool job_is_over;    /* of the start under way */
	usec_t job_deadline; /* of an earlier engine's start, for the next one; 0: none */

	usec_t since, up_at;
	usec_t timers[CORE_TIMER_COUNT];
	size_t heap_position;

	uint64_t probe_order; /* in flight; 0: none */
	bool probe_is_void;   /* in flight across a freeze: its verdict does not count */
	unsigned probe_failures;
	usec_t probe_step, grace_end;
	usec_t started_at;	 /* running since */
	bool startup_passed;	 /* the startup probe is over */
	unsigned startup_passes; /* in a row */

	struct core_edges out, in; /* what it depends on; what depends on it */
	bool is_queued, is_dirty;
	uint64_t mark;	      /* visited by the walk of this number */
	uint64_t traced_step; /* last step that wrote a line about it */

	/* Owned, never NULL, as long as what they say: most of them say nothing most of the time. core_keep_text(). */
	const char *reason;
	const char *probe_output;
	const char *stop_text; /* why the stop was asked for; half as long as the others at most */
	const char *status_text; /* STATUS=; likewise */
	const char *cause;	 /* why the last instance ended */
	const char *invalid_why; /* "": the unit file has errors */
};

struct core {
	core_trace_fn *trace;
	void *trace_arg;
	struct core_unit *units; /* owned */
	unsigned count;
	size_t capacity;
	usec_t now;
	uint64_t step;
	uint64_t orders; /* last order number */
	uint64_t walks, transactions;
	unsigned alive; /* units that are STARTING, UP, STOPPING or CLEANING */
	bool is_linked, is_shutting_down, all_down_sent, transaction_open;
	bool machine_is_asked; /* one unit has asked something of the appliance */
	bool is_restoring;     /* what is put back has been told by an earlier engine */
	usec_t cut_at; /* SHUTDOWN: when what is left is killed; USEC_NEVER: never, or it is done */
	bool is_cut;   /* it is over */

	struct core_edge *edges; /* owned; both directions */
	unsigned *heap;		 /* owned, count: unit indices by earliest timer */
	unsigned *queue;	 /* owned, ring of count: units to look at again */
	size_t queue_head, queue_length;
	unsigned *told; /* owned, count: units with news, dealt with before the queue */
	size_t told_count;
	unsigned *dirty; /* owned, count: touched in this step */
	size_t dirty_count;
	unsigned *walk, *stop_walk;  /* owned, count: results of order_walk() */
	struct core_action *actions; /* owned */
	size_t action_count, action_capacity;
};

/* core.c */
_Noreturn void core_bug(const struct core *core, const struct core_unit *unit, const char *fmt, ...)
	ERR_PRINTF(3, 4);
unsigned core_index(const struct core *core, const struct core_unit *unit);
/* The action is the caller's to fill until the next one. */
struct core_action *core_act(struct core *core, const struct core_unit *unit,
			     enum core_action_type type, uint64_t order);
void core_touch(struct core *core, struct core_unit *unit);
void core_note(struct core *core, struct core_unit *unit, const char *fmt, ...) ERR_PRINTF(3, 4);
void core_set_reason(struct core *core, struct core_unit *unit, const char *fmt, ...)
	ERR_PRINTF(3, 4);
/* Copies text as one line: control bytes become blanks. */
void core_copy_text(char *dst, size_t size, const char *text);
/* The same into one of the unit's texts; size as of an array, CORE_TEXT_MAX at most. */
void core_keep_text(const char **kept, size_t size, const char *text);

/* core_states.c: the only writer of unit->state; disarms the state timer and whatever the new
 * state cannot have. */
void core_move(struct core *core, struct core_unit *unit, enum core_state state, const char *fmt,
	       ...) ERR_PRINTF(4, 5);
void core_check_unit(const struct core *core, const struct core_unit *unit);
/* STARTING, UP, STOPPING, CLEANING */
bool core_is_alive(enum core_state state);

/* core_life.c: what is asked of a unit, its way up, and where it goes from an end */
enum life_start {
	LIFE_START_ASKED,
	LIFE_START_GOES_ON, /* asked of an earlier engine */
	LIFE_START_PULLED_IN,
	LIFE_START_BOND, /* Upholds= and its like: failures are not forgotten */
};
void life_start(struct core *core, struct core_unit *unit, enum life_start how, const char *why);
void life_stop(struct core *core, struct core_unit *unit, const char *why);
/* Does nothing to what is neither STARTING nor UP. */
void life_restart(struct core *core, struct core_unit *unit, const char *why);
void life_reset(struct core *core, struct core_unit *unit);
void life_lose_dependency(struct core *core, struct core_unit *unit, const struct core_unit *lost);
void life_look(struct core *core, struct core_unit *unit); /* something around it changed */
void life_begin_instance(struct core *core, struct core_unit *unit);
/* STARTING: the next of conditions, commands and container. */
void life_start_next(struct core *core, struct core_unit *unit);
/* STARTING: the container is as ready as its policy asks for. why: static text. */
void life_set_ready(struct core *core, struct core_unit *unit, const char *why);
void life_set_up(struct core *core, struct core_unit *unit, usec_t up_at, const char *why);
/* STARTING: a condition or command before the container failed; CONDITION: the unit is skipped. */
void life_fail_start(struct core *core, struct core_unit *unit, enum core_result result,
		     const char *why);
void life_settle(struct core *core, struct core_unit *unit); /* CLEANING is over */
/* RemainAfterExit=: counts as up though nothing runs any more. */
bool life_will_remain(const struct core_unit *unit);
/* Events about one unit; false: did not fit the state and was ignored. */
bool life_on_image_ready(struct core *core, struct core_unit *unit, const char *why);
bool life_on_image_failed(struct core *core, struct core_unit *unit,
			  const struct core_event *event);
bool life_on_running(struct core *core, struct core_unit *unit);
bool life_on_adopted(struct core *core, struct core_unit *unit, const struct core_event *event);
void life_on_timer(struct core *core, struct core_unit *unit, enum core_timer timer);

/* core_stop.c: the way down */
void stop_begin(struct core *core, struct core_unit *unit, enum core_stop_how how, const char *why);
/* Stops a running instance at once for a reason of its own (deadline, health). */
void stop_break(struct core *core, struct core_unit *unit, enum core_result result,
		enum core_stop_how how, const char *why);
void stop_next(struct core *core, struct core_unit *unit);
void stop_on_timer(struct core *core, struct core_unit *unit);
void stop_clean(struct core *core, struct core_unit *unit, const char *why); /* -> CLEANING */
void stop_clean_next(struct core *core, struct core_unit *unit);
void stop_clean_on_timer(struct core *core, struct core_unit *unit);
void stop_cut(struct core *core,
	      struct core_unit *unit); /* no time is left for anything but SIGKILL */
bool stop_on_start_failed(struct core *core, struct core_unit *unit,
			  const struct core_event *event);
bool stop_on_exited(struct core *core, struct core_unit *unit, const struct core_event *event);
bool stop_on_shim_lost(struct core *core, struct core_unit *unit);
bool stop_on_cleaned(struct core *core, struct core_unit *unit);

/* core_commands.c: at most one list of a unit's commands is in flight */
bool command_is_there(const struct core_unit *unit, enum core_command which);
const char *command_name(enum core_command which); /* "ExecStop=" */
void command_order(struct core *core, struct core_unit *unit, enum core_command which);
/* Kills what is in flight, or kills it again; its COMMAND still comes. */
void command_kill(struct core *core, struct core_unit *unit);
void command_ask_conditions(struct core *core, struct core_unit *unit);
bool command_on_conditions(struct core *core, struct core_unit *unit,
			   const struct core_event *event);
bool command_on_done(struct core *core, struct core_unit *unit, const struct core_event *event);
void command_reload(struct core *core, struct core_unit *unit, bool is_direct, const char *why);
void command_reload_pending(struct core *core, struct core_unit *unit); /* has just come up */
void command_reload_timeout(struct core *core, struct core_unit *unit);

/* core_notify.c: what the program says, and its watchdog */
bool notify_on_message(struct core *core, struct core_unit *unit, const struct core_event *event);
void notify_watchdog_begin(struct core *core, struct core_unit *unit);
void notify_watchdog_over(struct core *core, struct core_unit *unit);
bool notify_decides_ready(const struct core_unit *unit);

/* core_health.c */
void health_begin(struct core *core, struct core_unit *unit);
void health_adopt(struct core *core, struct core_unit *unit, const struct core_event *event,
		  usec_t started_at);
void health_end(struct core *core, struct core_unit *unit);
void health_on_timer(struct core *core, struct core_unit *unit);
bool health_on_probe(struct core *core, struct core_unit *unit, const struct core_event *event);
void health_on_freeze(struct core *core, struct core_unit *unit, uint64_t gap_usec);
/* Notify=healthy that can ever come true. */
bool health_decides_ready(const struct core_unit *unit);

/* core_probe.c: a part of the interval, another one for each unit. */
usec_t health_spread(const struct core *core, const struct core_unit *unit, usec_t interval);
usec_t health_gather(const struct core_unit *unit, usec_t at, usec_t interval);

/* core_bonds.c: what a word to one unit, or its fate, means for others */
void bonds_start(struct core *core, struct core_unit *unit, enum life_start how, const char *why);
void bonds_stop(struct core *core, struct core_unit *unit, const char *why);
void bonds_restart(struct core *core, struct core_unit *unit, const char *why);
void bonds_reload(struct core *core, struct core_unit *unit, const char *why);
void bonds_add_news(struct core *core, struct core_unit *unit, unsigned news);
bool bonds_tell_next(struct core *core);		      /* false: no unit has news */
void bonds_uphold(struct core *core, struct core_unit *unit); /* DOWN or FAILED: is it upheld? */
void bonds_look_alone(struct core *core, struct core_unit *unit); /* a pod */

/* core_machine.c: what a unit's lot asks of the appliance */
void machine_ask(struct core *core, struct core_unit *unit, enum core_machine_why why);
/* It is where systemd's unit is inactive or failed, with this result. */
void machine_on_end(struct core *core, struct core_unit *unit, enum core_state old);

/* core_order.c */
#define CORE_KIND(kind) (1u << SERVICE_DEP_##kind)
#define CORE_KINDS_PULL \
	(CORE_KIND(WANTS) | CORE_KIND(REQUIRES) | CORE_KIND(BINDS_TO) | CORE_KIND(UPHOLDS))
#define CORE_KINDS_PASS_ON \
	(CORE_KIND(REQUIRES) | CORE_KIND(BINDS_TO) | CORE_KIND(PART_OF) | CORE_KIND(REQUISITE))
/* What keeps the unit from starting, as text for people. NEVER: nothing will change it. */
enum order_block { ORDER_FREE, ORDER_BLOCKED, ORDER_NEVER };
enum order_block order_blocks_start(const struct core *core, const struct core_unit *unit,
				    char *text, size_t size);
/* The unit that has to stop first, or NULL. */
const struct core_unit *order_blocks_stop(const struct core *core, const struct core_unit *unit);
/* The unit itself and all that it reaches along edges of these kinds (in: to those who name it, out: to
 * those whom it names), into list, which has room for all; returns their number. */
size_t order_walk(struct core *core, struct core_unit *unit, unsigned in_kinds, unsigned out_kinds,
		  unsigned *list);
bool order_has_edge(const struct core_edges *edges, unsigned unit, unsigned kinds);
void order_queue(struct core *core, struct core_unit *unit);
void order_queue_neighbours(struct core *core, struct core_unit *unit);
struct core_unit *order_next_queued(struct core *core); /* NULL: none */

/* core_timer.c */
void timer_set(struct core *core, struct core_unit *unit, enum core_timer timer, usec_t at);
usec_t timer_earliest(const struct core_unit *unit);
void timer_rebuild(struct core *core);
void timer_check(const struct core *core);
