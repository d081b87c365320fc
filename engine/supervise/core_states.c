/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of states and the only function that walks along it. Whatever a state must not have (a
 * timer, a probe, a pending stop) is taken away here, so that no handler can forget it; the
 * invariants that this gives are checked after every step. Must never decide where to go.
 */
#include <stdarg.h>
#include <stdio.h>

#include "supervise/core_internal.h"
#include "util/str.h"

#define TO(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next;
	const char *help;
} states[] = {
	[CORE_DOWN] = { "down",
			TO(CORE_PULLING) | TO(CORE_FAILED) | TO(CORE_STARTING) | TO(CORE_UP) |
				TO(CORE_BACKOFF) | TO(CORE_CLEANING),
			"not wanted" },
	[CORE_WAITING] = { "waiting",
			   TO(CORE_STARTING) | TO(CORE_DOWN) | TO(CORE_UP) | TO(CORE_FAILED),
			   "for another unit" },
	[CORE_PULLING] = { "pulling",
			   TO(CORE_WAITING) | TO(CORE_STARTING) | TO(CORE_BACKOFF) |
				   TO(CORE_FAILED) | TO(CORE_DOWN) | TO(CORE_UP),
			   "for its image" },
	[CORE_STARTING] = { "starting", TO(CORE_UP) | TO(CORE_STOPPING) | TO(CORE_CLEANING),
			    "conditions, commands, container not ready yet" },
	[CORE_UP] = { "up",
		      TO(CORE_STOPPING) | TO(CORE_CLEANING) | TO(CORE_DOWN) | TO(CORE_PULLING) |
			      TO(CORE_FAILED),
		      "started, or finished and RemainAfterExit=" },
	[CORE_STOPPING] = { "stopping", TO(CORE_CLEANING), "ExecStop=, stop signal, SIGKILL" },
	[CORE_CLEANING] = { "cleaning",
			    TO(CORE_DOWN) | TO(CORE_UP) | TO(CORE_BACKOFF) | TO(CORE_FAILED) |
				    TO(CORE_PULLING),
			    "teardown, ExecStopPost=" },
	[CORE_BACKOFF] = { "backoff", TO(CORE_PULLING) | TO(CORE_DOWN) | TO(CORE_FAILED),
			   "until the next try" },
	[CORE_FAILED] = { "failed", TO(CORE_DOWN) | TO(CORE_PULLING), "gave up" },
};
#define STATE_COUNT (sizeof(states) / sizeof(states[0]))
_Static_assert(STATE_COUNT == CORE_FAILED + 1, "one row per state");

const char *core_state_name(enum core_state state)
{
	return (size_t)state < STATE_COUNT ? states[state].name : "unknown";
}

const char *core_health_name(enum core_health health)
{
	static const char *const names[] = {
		[CORE_HEALTH_NONE] = "none",
		[CORE_HEALTH_STARTING] = "starting",
		[CORE_HEALTHY] = "healthy",
		[CORE_UNHEALTHY] = "unhealthy",
	};

	return (size_t)health < sizeof(names) / sizeof(names[0]) ? names[health] : "unknown";
}

const char *core_result_name(enum core_result result)
{
	static const char *const names[] = {
		[CORE_RESULT_NONE] = "none",
		[CORE_RESULT_SUCCESS] = "success",
		[CORE_RESULT_EXIT_CODE] = "exit-code",
		[CORE_RESULT_SIGNAL] = "signal",
		[CORE_RESULT_OOM] = "oom-kill",
		[CORE_RESULT_TIMEOUT] = "timeout",
		[CORE_RESULT_UNHEALTHY] = "unhealthy",
		[CORE_RESULT_START_ERROR] = "start-error",
		[CORE_RESULT_SHIM_LOST] = "shim-lost",
		[CORE_RESULT_IMAGE] = "image",
		[CORE_RESULT_START_LIMIT] = "start-limit",
		[CORE_RESULT_DEPENDENCY] = "dependency",
		[CORE_RESULT_INVALID] = "invalid",
		[CORE_RESULT_WATCHDOG] = "watchdog",
		[CORE_RESULT_CONDITION] = "condition",
		[CORE_RESULT_ASSERT] = "assert",
		[CORE_RESULT_PROTOCOL] = "protocol",
	};

	return (size_t)result < sizeof(names) / sizeof(names[0]) ? names[result] : "unknown";
}

void core_states_dot(struct buf *out)
{
	buf_puts(out, "digraph states {\n\trankdir=LR;\n");
	buf_puts(out, "\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
	for (size_t i = 0; i < STATE_COUNT; i++)
		buf_printf(out, "\t%s [label=\"%s\\n%s\"];\n", states[i].name, states[i].name,
			   states[i].help);
	for (size_t i = 0; i < STATE_COUNT; i++)
		for (size_t j = 0; j < STATE_COUNT; j++)
			if (states[i].next & TO(j))
				buf_printf(out, "\t%s -> %s;\n", states[i].name, states[j].name);
	buf_puts(out, "}\n");
}

static bool is_started(enum core_state state)
{
	return state == CORE_STARTING || state == CORE_UP;
}

/* What systemd has a start job for. */
static bool is_on_its_way(enum core_state state)
{
	return state == CORE_PULLING || state == CORE_WAITING || state == CORE_STARTING;
}

bool core_is_alive(enum core_state state)
{
	return is_started(state) || state == CORE_STOPPING || state == CORE_CLEANING;
}

/* BindsTo=: whoever is bound to this unit goes when it goes. */
static void tell_bound(struct core *core, struct core_unit *unit)
{
	for (size_t i = 0; i < unit->in.count; i++)
		if (unit->in.items[i].kind == SERVICE_DEP_BINDS_TO)
			life_lose_dependency(core, &core->units[unit->in.items[i].unit], unit);
	unit->will_tell_bound = false;
	if (!unit->again)
		bonds_add_news(core, unit, CORE_NEWS_GONE);
}

static void leave_started(struct core *core, struct core_unit *unit, enum core_state state)
{
	health_end(core, unit);
	timer_set(core, unit, CORE_TIMER_RUNTIME, USEC_NEVER);
	timer_set(core, unit, CORE_TIMER_WATCHDOG, USEC_NEVER);
	timer_set(core, unit, CORE_TIMER_RELOAD, USEC_NEVER);
	unit->is_reloading = unit->reload_again = false;
	unit->stop_asked = false;
	/* A container that ended well and counts as up by RemainAfterExit= is only passing through
	 * CLEANING. */
	if (state == CORE_CLEANING && life_will_remain(unit))
		return;
	/* RestartMode=direct: not before it is clear that it does not come back by itself. */
	if (unit->policy.restart_is_direct && unit->want == CORE_WANT_UP && !unit->again)
		unit->will_tell_bound = true;
	else
		tell_bound(core, unit);
}

/* Where OnFailure=, OnSuccess=, FailureAction= and SuccessAction= look: systemd's failed and inactive, through which a unit also goes on
 * the way to an automatic restart (RestartMode=normal). */
static void note_fate(struct core *core, struct core_unit *unit, enum core_state old,
		      enum core_state state)
{
	bool is_end = state == CORE_DOWN && (core_is_alive(old));
	bool is_pause = state == CORE_BACKOFF && old == CORE_CLEANING &&
			!unit->policy.restart_is_direct;

	if (state != CORE_FAILED && !is_end && !is_pause)
		return;
	/* every change in /config asks for the image again: that it is still not there is no news */
	if (state == CORE_FAILED && unit->lacks_image && unit->result == CORE_RESULT_IMAGE)
		return;
	machine_on_end(core, unit, old);
	if (state == CORE_FAILED)
		bonds_add_news(core, unit, CORE_NEWS_FAILED);
	else if (unit->result == CORE_RESULT_SUCCESS || unit->result == CORE_RESULT_NONE)
		bonds_add_news(core, unit, CORE_NEWS_SUCCEEDED);
	else if (unit->result != CORE_RESULT_CONDITION && unit->result != CORE_RESULT_DEPENDENCY)
		bonds_add_news(core, unit, CORE_NEWS_FAILED);
}

static void enter(struct core *core, struct core_unit *unit, enum core_state old,
		  enum core_state state)
{
	if (is_started(old) && !is_started(state))
		leave_started(core, unit, state);
	if (unit->will_tell_bound && (state == CORE_DOWN || state == CORE_FAILED))
		tell_bound(core, unit);
	if (!core->is_restoring)
		note_fate(core, unit, old, state);
	if (state == CORE_DOWN || state == CORE_FAILED)
		order_queue(core, unit);
	order_queue_neighbours(core, unit);
}

void core_move(struct core *core, struct core_unit *unit, enum core_state state, const char *fmt,
	       ...)
{
	char why[CORE_TEXT_MAX];
	enum core_state old = unit->state;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (!(states[old].next & TO(state)))
		core_bug(core, unit, "no way from %s to %s (%s)", states[old].name,
			 states[state].name, why);
	timer_set(core, unit, CORE_TIMER_STATE, USEC_NEVER);
	timer_set(core, unit, CORE_TIMER_UPHOLD, USEC_NEVER);
	if (!is_on_its_way(state)) {
		timer_set(core, unit, CORE_TIMER_JOB, USEC_NEVER);
		unit->job_is_over = false;
	}
	core->alive += core_is_alive(state) ? 1 : 0;
	core->alive -= core_is_alive(old) ? 1 : 0;
	unit->state = state;
	unit->stage = CORE_STAGE_NONE;
	unit->since = core->now;
	core_set_reason(core, unit, "%s", why);
	if (!core->is_restoring)
		core_note(core, unit, "%s -> %s: %s", states[old].name, states[state].name, why);
	enter(core, unit, old, state);
}

static void require(const struct core *core, const struct core_unit *unit, bool holds,
		    const char *what)
{
	if (!holds)
		core_bug(core, unit, "%s", what);
}

/* Which flags and timers each state may have. */
static void check_instance(const struct core *core, const struct core_unit *u)
{
	bool started = is_started(u->state);

	if (u->state == CORE_UP)
		require(core, u, u->instance || u->finished,
			"up without a container that runs or has finished");
	else if (u->state == CORE_STARTING)
		require(core, u, u->instance == (u->stage >= CORE_STAGE_CONTAINER),
			"its container does not fit how far its start is");
	else
		require(core, u, !u->instance || core_is_alive(u->state),
			"its state and its container do not fit");
	require(core, u, !u->running || (u->instance && !u->ended && u->state != CORE_CLEANING),
		"runs without a container");
	require(core, u, u->state != CORE_UP || u->running == u->instance, "up and not running");
	require(core, u, !u->ended || u->instance, "ended without a container");
	require(core, u, u->state != CORE_CLEANING || u->ended == u->instance,
		"cleans up after what still lives");
	require(core, u, !u->stop_asked || started, "a stop is pending where nothing runs");
	require(core, u, !u->again || u->want == CORE_WANT_UP, "starts again and is not wanted");
	require(core, u,
		!u->again || u->stop_asked || u->state == CORE_STOPPING ||
			u->state == CORE_CLEANING,
		"starts again without having been stopped");
}

static void check_stage(const struct core *core, const struct core_unit *u)
{
	bool in_start = u->stage >= CORE_STAGE_CONDITIONS && u->stage <= CORE_STAGE_START_POST;
	bool in_stop = u->stage == CORE_STAGE_STOP || u->stage == CORE_STAGE_SIGNAL;

	require(core, u, in_start == (u->state == CORE_STARTING), "its start is at no place");
	require(core, u, in_stop == (u->state == CORE_STOPPING), "its stop is at no place");
	require(core, u, u->command == CORE_COMMAND_NONE || core_is_alive(u->state),
		"a command outlived its state");
	require(core, u,
		u->state != CORE_UP || u->command == CORE_COMMAND_NONE ||
			u->command == CORE_COMMAND_RELOAD,
		"a command that does not belong to a unit that is up");
	require(core, u, (u->command != CORE_COMMAND_NONE) == (u->command_order != 0),
		"a command without an order");
	require(core, u,
		u->state != CORE_CLEANING || u->instance || u->command != CORE_COMMAND_NONE,
		"cleans up and waits for nothing");
}

static bool is_watched(const struct core_unit *u)
{
	return u->running && is_started(u->state);
}

static void check_probes(const struct core *core, const struct core_unit *u)
{
	bool probed = is_watched(u) && u->policy.health.is_set;

	require(core, u, (u->health != CORE_HEALTH_NONE) == probed,
		"its health does not fit its state");
	require(core, u, probed || u->probe_order == 0,
		"a probe is in flight while it is not probed");
	require(core, u, probed || u->timers[CORE_TIMER_PROBE] == USEC_NEVER,
		"a probe is due while it is not probed");
	require(core, u,
		u->probe_order != 0 || !probed || u->timers[CORE_TIMER_PROBE] != USEC_NEVER ||
			u->policy.health.interval_usec == USEC_NEVER ||
			u->policy.startup.interval_usec == USEC_NEVER,
		"no next probe is due");
}

static void check_timers(const struct core *core, const struct core_unit *u)
{
	bool has_deadline = u->state == CORE_STARTING || u->state == CORE_STOPPING ||
			    u->state == CORE_BACKOFF ||
			    (u->state == CORE_CLEANING && u->command != CORE_COMMAND_NONE);

	require(core, u, has_deadline || u->timers[CORE_TIMER_STATE] == USEC_NEVER,
		"a deadline outlived its state");
	require(core, u, is_on_its_way(u->state) || u->timers[CORE_TIMER_JOB] == USEC_NEVER,
		"the time for a start outlived it");
	require(core, u, !u->job_is_over || u->state == CORE_PULLING || u->state == CORE_STARTING,
		"waits longer than JobTimeoutSec=");
	require(core, u, u->state == CORE_UP || u->timers[CORE_TIMER_RUNTIME] == USEC_NEVER,
		"RuntimeMaxSec= outlived its state");
	require(core, u, is_watched(u) || u->timers[CORE_TIMER_WATCHDOG] == USEC_NEVER,
		"the watchdog outlived its container");
	require(core, u,
		u->timers[CORE_TIMER_RELOAD] == USEC_NEVER ||
			(u->state == CORE_UP &&
			 (u->is_reloading || u->command == CORE_COMMAND_RELOAD)),
		"the time for a reload outlived it");
	require(core, u,
		u->timers[CORE_TIMER_UPHOLD] == USEC_NEVER || u->state == CORE_DOWN ||
			u->state == CORE_FAILED ||
			(u->policy.stops_when_alone &&
			 (u->state == CORE_STARTING || u->state == CORE_UP)),
		"a start by Upholds= is due while it is not down");
}

static void check_want(const struct core *core, const struct core_unit *u)
{
	bool going = u->state == CORE_STOPPING || u->state == CORE_CLEANING || u->stop_asked;

	if (u->want == CORE_WANT_DOWN)
		require(core, u, u->state == CORE_DOWN || u->state == CORE_FAILED || going,
			"not wanted and not going");
	else
		require(core, u, u->state != CORE_DOWN, "wanted and down");
	require(core, u, !core->is_shutting_down || u->want == CORE_WANT_DOWN,
		"wanted during shutdown");
	require(core, u, u->state == CORE_DOWN || u->reason[0] != '\0', "no reason given");
}

void core_check_unit(const struct core *core, const struct core_unit *unit)
{
	check_instance(core, unit);
	check_stage(core, unit);
	check_probes(core, unit);
	check_timers(core, unit);
	check_want(core, unit);
}
