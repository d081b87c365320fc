/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's outer shell: its memory, its trace, and the step that turns one event into actions.
 * Must never read a clock, touch a descriptor, or allocate in a step but for growing the action
 * list.
 */
#include "supervise/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/core_internal.h"

void core_bug(const struct core *core, const struct core_unit *unit, const char *fmt, ...)
{
	char text[CORE_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "cleat: bug in the supervisor's core at %llu us: %s: %s\n",
		core ? (unsigned long long)core->now : 0, unit ? unit->policy.name : "core", text);
	abort();
}

static void *grow(struct core *core, void *old, size_t count, size_t size)
{
	void *new = reallocarray(old, count, size);

	if (!new)
		core_bug(core, NULL, "out of memory");
	return new;
}

struct core *core_new(core_trace_fn *trace, void *trace_arg)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		core_bug(NULL, NULL, "out of memory");
	core->trace = trace;
	core->trace_arg = trace_arg;
	return core;
}

void core_free(struct core *core)
{
	if (!core)
		return;
	for (unsigned i = 0; i < core->count; i++) {
		free((char *)core->units[i].policy.name);
		free((struct core_dep *)core->units[i].policy.deps);
	}
	free(core->units);
	free(core->edges);
	free(core->heap);
	free(core->queue);
	free(core->dirty);
	free(core->walk);
	free(core->actions);
	free(core);
}

unsigned core_count(const struct core *core)
{
	return core->count;
}

unsigned core_index(const struct core *core, const struct core_unit *unit)
{
	return (unsigned)(unit - core->units);
}

/* Copies what the policy only borrows. */
static void copy_policy(struct core *core, struct core_unit *unit, const struct core_policy *policy)
{
	struct core_dep *deps = NULL;

	unit->policy = *policy;
	unit->policy.name = strdup(policy->name);
	if (!unit->policy.name)
		core_bug(core, NULL, "out of memory");
	if (policy->dep_count > 0) {
		deps = grow(core, NULL, policy->dep_count, sizeof(*deps));
		memcpy(deps, policy->deps, policy->dep_count * sizeof(*deps));
	}
	unit->policy.deps = deps;
}

static void reserve(struct core *core)
{
	size_t capacity = core->capacity > 0 ? 2 * core->capacity : 8;

	if (core->count < core->capacity)
		return;
	core->units = grow(core, core->units, capacity, sizeof(*core->units));
	core->heap = grow(core, core->heap, capacity, sizeof(*core->heap));
	core->queue = grow(core, core->queue, capacity, sizeof(*core->queue));
	core->dirty = grow(core, core->dirty, capacity, sizeof(*core->dirty));
	core->walk = grow(core, core->walk, capacity, sizeof(*core->walk));
	core->capacity = capacity;
}

unsigned core_add(struct core *core, const struct core_policy *policy)
{
	unsigned index = core->count;
	struct core_unit *unit;

	if (core->count == CORE_MAX_UNITS)
		core_bug(core, NULL, "more than %d units", CORE_MAX_UNITS);
	reserve(core);
	unit = &core->units[index];
	*unit = (struct core_unit){
		.exit_code = -1, .heap_position = index, .up_at = USEC_NEVER, .since = core->now
	};
	for (size_t i = 0; i < CORE_TIMER_COUNT; i++)
		unit->timers[i] = USEC_NEVER;
	copy_policy(core, unit, policy);
	core->heap[index] = index;
	core->count++;
	core->is_linked = false;
	return index;
}

static struct core_unit *unit_at(struct core *core, unsigned index)
{
	if (index >= core->count)
		core_bug(core, NULL, "there is no unit %u", index);
	return &core->units[index];
}

void core_copy_text(char *dst, size_t size, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < size; n++)
		dst[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? ' ' : text[n];
	while (n > 0 && dst[n - 1] == ' ') /* a newline at the end of a probe's output */
		n--;
	dst[n] = '\0';
}

void core_act(struct core *core, const struct core_unit *unit, enum core_action_type type,
	      uint64_t order)
{
	if (core->action_count == core->action_capacity) {
		core->action_capacity = core->action_capacity > 0 ? 2 * core->action_capacity : 16;
		core->actions =
			grow(core, core->actions, core->action_capacity, sizeof(*core->actions));
	}
	core->actions[core->action_count++] = (struct core_action){
		.type = type,
		.unit = unit ? core_index(core, unit) : 0,
		.order = order,
	};
}

void core_touch(struct core *core, struct core_unit *unit)
{
	if (unit->is_dirty)
		return;
	unit->is_dirty = true;
	core->dirty[core->dirty_count++] = core_index(core, unit);
}

static void trace_line(struct core *core, const char *who, const char *fmt, va_list ap)
{
	char line[2 * CORE_TEXT_MAX];
	int n;

	if (!core->trace)
		return;
	n = snprintf(line, sizeof(line), "%.255s: ", who);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	core->trace(core->trace_arg, core->now, line);
}

void core_note(struct core *core, struct core_unit *unit, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	trace_line(core, unit->policy.name, fmt, ap);
	va_end(ap);
	unit->traced_step = core->step;
	core_touch(core, unit);
}

static void ERR_PRINTF(2, 3) note_all(struct core *core, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	trace_line(core, "all", fmt, ap);
	va_end(ap);
}

void core_set_reason(struct core *core, struct core_unit *unit, const char *fmt, ...)
{
	char text[CORE_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	core_copy_text(unit->reason, sizeof(unit->reason), text);
	core_touch(core, unit);
}

/* Asked for at one unit, passed on to what it pulls in. */
static void on_start(struct core *core, struct core_unit *unit, bool more)
{
	char why[CORE_TEXT_MAX];
	size_t count;

	if (core->is_shutting_down) {
		core_note(core, unit, "asked to start, refused: everything is being stopped");
		return;
	}
	core->transaction_open = core->transaction_open || more;
	snprintf(why, sizeof(why), "wanted by %s", unit->policy.name);
	count = order_walk(core, unit, false, CORE_KINDS_PULL);
	for (size_t i = 0; i < count; i++)
		life_start(core, &core->units[core->walk[i]], i == 0,
			   i == 0 ? "asked to start" : why);
	if (core->transaction_open && !more) {
		core->transaction_open = false;
		for (unsigned i = 0; i < core->count; i++)
			order_queue(core, &core->units[i]);
	}
}

static void on_stop(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];
	size_t count = order_walk(core, unit, true, CORE_KINDS_PASS_ON);

	snprintf(why, sizeof(why), "stopped with %s", unit->policy.name);
	/* All of them first: who goes along must not begin anew because another one goes. */
	for (size_t i = 0; i < count; i++)
		core->units[core->walk[i]].want = CORE_WANT_DOWN;
	for (size_t i = 0; i < count; i++)
		life_stop(core, &core->units[core->walk[i]], i == 0 ? "asked to stop" : why);
}

static void on_restart(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];
	size_t count;

	if (core->is_shutting_down) {
		core_note(core, unit, "asked to restart, refused: everything is being stopped");
		return;
	}
	snprintf(why, sizeof(why), "restarted with %s", unit->policy.name);
	count = order_walk(core, unit, true, CORE_KINDS_PASS_ON);
	for (size_t i = 0; i < count; i++)
		life_restart(core, &core->units[core->walk[i]], i == 0,
			     i == 0 ? "asked to restart" : why);
}

static void on_shutdown(struct core *core)
{
	if (core->is_shutting_down)
		return;
	core->is_shutting_down = true;
	core->transaction_open = false;
	note_all(core, "shutdown, %u to stop", core->alive);
	for (unsigned i = 0; i < core->count; i++)
		core->units[i].want = CORE_WANT_DOWN;
	for (unsigned i = 0; i < core->count; i++)
		life_stop(core, &core->units[i], "shutdown");
}

/* The container was frozen with us (or we alone were): no deadline of its may count the gap. Only
 * what waits for its next start does not wait longer for it. */
static void on_freeze(struct core *core, uint64_t gap_usec)
{
	char span[POLICY_SPAN_MAX];

	note_all(core, "frozen for %s: deadlines moved, probes in flight discarded",
		 policy_format_span(span, gap_usec));
	for (unsigned i = 0; i < core->count; i++) {
		struct core_unit *unit = &core->units[i];

		for (size_t j = 0; j < CORE_TIMER_COUNT; j++)
			if (unit->state != CORE_BACKOFF)
				unit->timers[j] = policy_add_usec(unit->timers[j], gap_usec);
		health_on_freeze(core, unit, gap_usec);
	}
	timer_rebuild(core);
}

static void settle(struct core *core)
{
	struct core_unit *unit;

	while ((unit = order_next_queued(core)))
		life_look(core, unit);
}

static void on_timer(struct core *core)
{
	while (core->count > 0) {
		struct core_unit *unit = &core->units[core->heap[0]];

		if (timer_earliest(unit) > core->now)
			return;
		for (unsigned i = 0; i < CORE_TIMER_COUNT; i++) {
			if (unit->timers[i] <= core->now) {
				life_on_timer(core, unit, (enum core_timer)i);
				break;
			}
		}
		settle(core); /* before the next one: it may be about what has just been stopped */
	}
}

/* What an operator asks for is always answered by a line, also where nothing is to be done. */
static void answer_operator(struct core *core, struct core_unit *unit, const char *what)
{
	if (unit->traced_step != core->step)
		core_note(core, unit, "%s: is %s%s%s", what, core_state_name(unit->state),
			  unit->reason[0] ? ", " : "", unit->reason);
}

/* Returns what an operator asked for, or NULL. */
static const char *dispatch_unit(struct core *core, struct core_unit *unit,
				 const struct core_event *event)
{
	switch (event->type) {
	case CORE_EV_START:
		on_start(core, unit, event->more);
		return "asked to start";
	case CORE_EV_STOP:
		on_stop(core, unit);
		return "asked to stop";
	case CORE_EV_RESTART:
		on_restart(core, unit);
		return "asked to restart";
	case CORE_EV_RESET_FAILED:
		life_reset(core, unit);
		return "failures forgotten";
	case CORE_EV_IMAGE_READY:
		life_on_image_ready(core, unit);
		return NULL;
	case CORE_EV_IMAGE_FAILED:
		life_on_image_failed(core, unit, event);
		return NULL;
	case CORE_EV_RUNNING:
		life_on_running(core, unit);
		return NULL;
	case CORE_EV_START_FAILED:
		life_on_start_failed(core, unit, event);
		return NULL;
	case CORE_EV_EXITED:
		life_on_exited(core, unit, event);
		return NULL;
	case CORE_EV_SHIM_LOST:
		life_on_shim_lost(core, unit);
		return NULL;
	case CORE_EV_CLEANED:
		life_on_cleaned(core, unit);
		return NULL;
	case CORE_EV_PROBE:
		health_on_probe(core, unit, event);
		return NULL;
	case CORE_EV_ADOPTED:
		life_on_adopted(core, unit, event);
		return NULL;
	case CORE_EV_RELOAD:
	case CORE_EV_CONDITIONS:
	case CORE_EV_COMMAND:
	case CORE_EV_NOTIFY:
		return NULL;
	case CORE_EV_TIMER:
	case CORE_EV_FREEZE:
	case CORE_EV_SHUTDOWN:
		break;
	}
	core_bug(core, unit, "unknown event %d", (int)event->type);
}

static void dispatch(struct core *core, const struct core_event *event, struct core_unit **asked,
		     const char **what)
{
	*what = NULL;
	*asked = NULL;
	if (event->type == CORE_EV_TIMER) {
		on_timer(core);
	} else if (event->type == CORE_EV_FREEZE) {
		on_freeze(core, event->gap_usec);
	} else if (event->type == CORE_EV_SHUTDOWN) {
		on_shutdown(core);
	} else {
		*asked = unit_at(core, event->unit);
		*what = dispatch_unit(core, *asked, event);
	}
}

static void finish_step(struct core *core)
{
	for (size_t i = 0; i < core->dirty_count; i++) {
		struct core_unit *unit = &core->units[core->dirty[i]];

		core_check_unit(core, unit);
		unit->is_dirty = false;
		core_act(core, unit, CORE_ACT_PUBLISH, 0);
	}
	core->dirty_count = 0;
	if (core->is_shutting_down && core->alive == 0 && !core->all_down_sent) {
		core->all_down_sent = true;
		note_all(core, "everything is down");
		core_act(core, NULL, CORE_ACT_ALL_DOWN, 0);
	}
}

/* A cycle that nobody asked about again: every round takes at least one unit's dependencies
 * away. */
static void link_rest(struct core *core)
{
	struct err err = { 0 };

	while (!core->is_linked)
		if (core_link(core, &err) < 0 && err.code != ERR_INPUT)
			core_bug(core, NULL, "%s", err.msg);
}

size_t core_step(struct core *core, const struct core_event *event, usec_t now,
		 const struct core_action **actions)
{
	struct core_unit *asked;
	const char *what;

	link_rest(core);
	if (now > core->now)
		core->now = now;
	core->step++;
	core->action_count = 0;
	dispatch(core, event, &asked, &what);
	settle(core);
	if (what)
		answer_operator(core, asked, what);
	finish_step(core);
	*actions = core->actions;
	return core->action_count;
}

usec_t core_deadline(const struct core *core)
{
	return core->count > 0 ? timer_earliest(&core->units[core->heap[0]]) : USEC_NEVER;
}

void core_view(const struct core *core, unsigned unit, struct core_unit_view *out)
{
	const struct core_unit *u = unit_at((struct core *)core, unit);

	*out = (struct core_unit_view){
		.name = u->policy.name,
		.want = u->want,
		.state = u->state,
		.health = u->health,
		.result = u->result,
		.exit_code = u->exit_code,
		.exit_signal = u->exit_signal,
		.oom = u->oom,
		.restarts = u->restarts,
		.probe_failures = u->probe_failures,
		.since = u->since,
		.deadline = u->timers[CORE_TIMER_STATE],
		.reason = u->reason,
		.probe_output = u->probe_output,
	};
}

void core_check(const struct core *core)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < core->count; i++) {
		core_check_unit(core, &core->units[i]);
		alive += core->units[i].instance ? 1 : 0;
	}
	if (alive != core->alive)
		core_bug(core, NULL, "%u containers, counted %u", alive, core->alive);
	timer_check(core);
}
