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

enum core_timer {
	CORE_TIMER_STATE,   /* STARTING: start timeout; STOPPING: SIGKILL; BACKOFF: next start */
	CORE_TIMER_RUNTIME, /* UP: RuntimeMaxSec= */
	CORE_TIMER_PROBE,   /* running: next probe, or the answer to the one in flight is overdue */
	CORE_TIMER_COUNT,
};

struct core_edge {
	unsigned unit;
	enum service_dep_kind kind; /* never BEFORE: that is the other unit's AFTER */
};

struct core_edges {
	const struct core_edge *items; /* borrowed from struct core */
	size_t count;
};

struct core_unit {
	struct core_policy policy; /* name, deps: owned */
	enum core_want want;
	enum core_state state;
	enum core_health health;
	enum core_result result;

	bool instance;	    /* START was ordered, CLEANED has not come yet */
	bool running;	    /* execve happened and no end is known */
	bool stop_asked;    /* instance shall stop; waits for dependants to go first */
	bool again;	    /* begins anew when the instance is gone, whatever Restart= says */
	bool force_restart; /* HealthOnFailure=restart: whatever Restart= says */
	bool killed;	    /* SIGKILL was ordered for this instance */
	bool has_exit;	    /* this instance left an exit status */
	bool finished; /* the last start ended as a success: what waits for "started" may go on */
	bool dependency_lost; /* stop_asked because a BindsTo= target went away */
	unsigned kills;

	int exit_code, exit_signal;
	bool oom;
	unsigned restarts;	 /* automatic ones, ever */
	unsigned growth;	 /* automatic ones in a row: RestartSteps= */
	unsigned start_errors;	 /* in a row */
	unsigned image_failures; /* in a row */
	struct start_limit limit;

	usec_t since, up_at;
	usec_t timers[CORE_TIMER_COUNT];
	size_t heap_position;

	uint64_t probe_order; /* in flight; 0: none */
	bool probe_is_void;   /* in flight across a freeze: its verdict does not count */
	unsigned probe_failures;
	usec_t probe_step, grace_end;

	struct core_edges out, in; /* what it depends on; what depends on it */
	bool is_queued, is_dirty;
	uint64_t mark;	      /* visited by the walk of this number */
	uint64_t traced_step; /* last step that wrote a line about it */

	char reason[CORE_TEXT_MAX];
	char probe_output[CORE_TEXT_MAX];
	char stop_text[CORE_TEXT_MAX / 2]; /* why the stop was asked for */
	char cause[CORE_TEXT_MAX];	   /* why the last instance ended */
	char invalid_why[CORE_TEXT_MAX];   /* "": the unit file has errors */
};

struct core {
	core_trace_fn *trace;
	void *trace_arg;
	struct core_unit *units; /* owned */
	unsigned count;
	size_t capacity;
	usec_t now;
	uint64_t step;
	uint64_t orders; /* last probe order number */
	uint64_t walks;
	unsigned alive; /* units with an instance */
	bool is_linked, is_shutting_down, all_down_sent, transaction_open;

	struct core_edge *edges; /* owned; both directions */
	unsigned *heap;		 /* owned, count: unit indices by earliest timer */
	unsigned *queue;	 /* owned, ring of count: units to look at again */
	size_t queue_head, queue_length;
	unsigned *dirty; /* owned, count: touched in this step */
	size_t dirty_count;
	unsigned *walk;		     /* owned, count: result of core_walk() */
	struct core_action *actions; /* owned */
	size_t action_count, action_capacity;
};

/* core.c */
_Noreturn void core_bug(const struct core *core, const struct core_unit *unit, const char *fmt, ...)
	ERR_PRINTF(3, 4);
unsigned core_index(const struct core *core, const struct core_unit *unit);
void core_act(struct core *core, const struct core_unit *unit, enum core_action_type type,
	      uint64_t order);
void core_touch(struct core *core, struct core_unit *unit);
void core_note(struct core *core, struct core_unit *unit, const char *fmt, ...) ERR_PRINTF(3, 4);
void core_set_reason(struct core *core, struct core_unit *unit, const char *fmt, ...)
	ERR_PRINTF(3, 4);
/* Copies text as one line: control bytes become blanks. */
void core_copy_text(char *dst, size_t size, const char *text);

/* core_states.c: the only writer of unit->state; disarms the state timer and whatever the new
 * state cannot have. */
void core_move(struct core *core, struct core_unit *unit, enum core_state state, const char *fmt,
	       ...) ERR_PRINTF(4, 5);
void core_check_unit(const struct core *core, const struct core_unit *unit);

/* core_life.c: the way of one unit through its states */
void life_start(struct core *core, struct core_unit *unit, bool is_direct, const char *why);
void life_stop(struct core *core, struct core_unit *unit, const char *why);
void life_restart(struct core *core, struct core_unit *unit, bool is_direct, const char *why);
void life_reset(struct core *core, struct core_unit *unit);
void life_lose_dependency(struct core *core, struct core_unit *unit, const struct core_unit *lost);
/* Stops a running instance at once for a reason of its own (deadline, health). */
void life_break(struct core *core, struct core_unit *unit, enum core_result result, bool kill,
		const char *why);
void life_look(struct core *core, struct core_unit *unit); /* something around it changed */
void life_set_ready(struct core *core, struct core_unit *unit, const char *why);
/* Events about one unit; false: did not fit the state and was ignored. */
bool life_on_image_ready(struct core *core, struct core_unit *unit);
bool life_on_image_failed(struct core *core, struct core_unit *unit,
			  const struct core_event *event);
bool life_on_running(struct core *core, struct core_unit *unit);
bool life_on_start_failed(struct core *core, struct core_unit *unit,
			  const struct core_event *event);
bool life_on_exited(struct core *core, struct core_unit *unit, const struct core_event *event);
bool life_on_shim_lost(struct core *core, struct core_unit *unit);
bool life_on_cleaned(struct core *core, struct core_unit *unit);
bool life_on_adopted(struct core *core, struct core_unit *unit, const struct core_event *event);
void life_on_timer(struct core *core, struct core_unit *unit, enum core_timer timer);

/* core_health.c */
void health_begin(struct core *core, struct core_unit *unit);
void health_adopt(struct core *core, struct core_unit *unit, enum core_health health,
		  usec_t started_at);
void health_end(struct core *core, struct core_unit *unit);
void health_on_timer(struct core *core, struct core_unit *unit);
bool health_on_probe(struct core *core, struct core_unit *unit, const struct core_event *event);
void health_on_freeze(struct core *core, struct core_unit *unit, uint64_t gap_usec);
/* Notify=healthy that can ever come true. */
bool health_decides_ready(const struct core_unit *unit);

/* core_order.c */
#define CORE_KINDS_PULL \
	(1u << SERVICE_DEP_WANTS | 1u << SERVICE_DEP_REQUIRES | 1u << SERVICE_DEP_BINDS_TO)
#define CORE_KINDS_PASS_ON \
	(1u << SERVICE_DEP_REQUIRES | 1u << SERVICE_DEP_BINDS_TO | 1u << SERVICE_DEP_PART_OF)
/* What keeps the unit from starting, as text for people; false: nothing. */
bool order_blocks_start(const struct core *core, const struct core_unit *unit, char *text,
			size_t size);
/* The unit that has to stop first, or NULL. */
const struct core_unit *order_blocks_stop(const struct core *core, const struct core_unit *unit);
/* The unit itself and all that it reaches along edges of these kinds, into core->walk; returns
 * their number. */
size_t order_walk(struct core *core, struct core_unit *unit, bool towards_dependants,
		  unsigned kinds);
void order_queue(struct core *core, struct core_unit *unit);
void order_queue_neighbours(struct core *core, struct core_unit *unit);
struct core_unit *order_next_queued(struct core *core); /* NULL: none */

/* core_timer.c */
void timer_set(struct core *core, struct core_unit *unit, enum core_timer timer, usec_t at);
usec_t timer_earliest(const struct core_unit *unit);
void timer_rebuild(struct core *core);
void timer_check(const struct core *core);
