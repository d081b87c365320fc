/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's outer shell: its memory, its trace, and the step that turns one event into actions.
 * Must never read a clock, touch a descriptor, or allocate in a step but for growing the action
 * list and for the units' texts.
 */
#include "supervise/core.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/core_internal.h"
#include "util/str.h"

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

static_assert(sizeof(struct core_unit) <= 1024, "there are many of them: texts are no arrays");

struct core *core_new(core_trace_fn *trace, void *trace_arg)
{
	struct core *core = calloc(1, sizeof(*core));

	if (!core)
		core_bug(NULL, NULL, "out of memory");
	core->trace = trace;
	core->trace_arg = trace_arg;
	core->cut_at = USEC_NEVER;
	return core;
}

static void drop_texts(struct core_unit *unit)
{
	str_drop(&unit->reason);
	str_drop(&unit->probe_output);
	str_drop(&unit->stop_text);
	str_drop(&unit->status_text);
	str_drop(&unit->cause);
	str_drop(&unit->invalid_why);
}

void core_free(struct core *core)
{
	if (!core)
		return;
	for (unsigned i = 0; i < core->count; i++) {
		struct core_unit *unit = &core->units[i];

		free((char *)unit->policy.name);
		free((struct core_dep *)unit->policy.deps);
		drop_texts(unit);
	}
	free(core->units);
	free(core->edges);
	free(core->heap);
	free(core->queue);
	free(core->told);
	free(core->dirty);
	free(core->walk);
	free(core->stop_walk);
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
	core->told = grow(core, core->told, capacity, sizeof(*core->told));
	core->dirty = grow(core, core->dirty, capacity, sizeof(*core->dirty));
	core->walk = grow(core, core->walk, capacity, sizeof(*core->walk));
	core->stop_walk = grow(core, core->stop_walk, capacity, sizeof(*core->stop_walk));
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
	drop_texts(unit);
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

void core_keep_text(const char **kept, size_t size, const char *text)
{
	char line[CORE_TEXT_MAX];

	core_copy_text(line, size, text);
	str_keep(kept, line);
}

struct core_action *core_act(struct core *core, const struct core_unit *unit,
			     enum core_action_type type, uint64_t order)
{
	/* What is at rest wants nothing done. */
	if (unit && type != CORE_ACT_PUBLISH && type != CORE_ACT_MACHINE &&
	    (unit->state == CORE_DOWN || unit->state == CORE_FAILED || unit->state == CORE_BACKOFF))
		core_bug(core, unit, "order %d while it is %s", (int)type,
			 core_state_name(unit->state));
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
	return &core->actions[core->action_count - 1];
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
	core_keep_text(&unit->reason, CORE_TEXT_MAX, text);
	core_touch(core, unit);
}

static void on_start(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	if (core->is_shutting_down) {
		core_note(core, unit, "asked to start, refused: everything is being stopped");
		return;
	}
	if (!core->transaction_open)
		core->transactions++;
	core->transaction_open = core->transaction_open || event->more;
	bonds_start(core, unit, event->goes_on ? LIFE_START_GOES_ON : LIFE_START_ASKED,
		    "asked to start");
	if (core->transaction_open && !event->more) {
		core->transaction_open = false;
		for (unsigned i = 0; i < core->count; i++)
			order_queue(core, &core->units[i]);
	}
}

static void on_restart(struct core *core, struct core_unit *unit, const char *text)
{
	char why[CORE_TEXT_MAX];

	core_copy_text(why, sizeof(why), text && text[0] ? text : "asked to restart");
	if (core->is_shutting_down)
		core_note(core, unit, "asked to restart, refused: everything is being stopped");
	else
		bonds_restart(core, unit, why);
}

static void on_reload(struct core *core, struct core_unit *unit)
{
	if (core->is_shutting_down)
		core_note(core, unit, "asked to reload, refused: everything is being stopped");
	else
		bonds_reload(core, unit, "asked to reload");
}

static void settle(struct core *core)
{
	struct core_unit *unit;

	for (;;) {
		if (bonds_tell_next(core))
			continue;
		unit = order_next_queued(core);
		if (!unit)
			return;
		life_look(core, unit);
	}
}

/* All levels at once: order is for those who stop, not for those who are stopped dead. */
static void on_cut(struct core *core)
{
	core->cut_at = USEC_NEVER;
	core->is_cut = true;
	note_all(core, "no time is left, %u to kill", core->alive);
	for (unsigned i = 0; i < core->count; i++)
		stop_cut(core, &core->units[i]);
}

static void on_shutdown(struct core *core, usec_t cut_at)
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
	if (core->alive == 0 || cut_at == 0)
		return;
	core->cut_at = cut_at;
	if (core->now >= cut_at) { /* an earlier engine has used it up */
		settle(core);	   /* first what needs no time */
		on_cut(core);
	}
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
			if (unit->state != CORE_BACKOFF && j != CORE_TIMER_UPHOLD)
				unit->timers[j] = policy_add_usec(unit->timers[j], gap_usec);
		if (unit->timers[CORE_TIMER_JOB] != USEC_NEVER)
			core_touch(core, unit); /* the next engine has to know */
		health_on_freeze(core, unit, gap_usec);
	}
	timer_rebuild(core);
}

static void on_timer(struct core *core)
{
	while (core->count > 0) {
		struct core_unit *unit = &core->units[core->heap[0]];

		if (timer_earliest(unit) > core->now)
			break;
		for (unsigned i = 0; i < CORE_TIMER_COUNT; i++) {
			if (unit->timers[i] <= core->now) {
				life_on_timer(core, unit, (enum core_timer)i);
				break;
			}
		}
		settle(core); /* before the next one: it may be about what has just been stopped */
	}
	if (core->now >= core->cut_at)
		on_cut(core);
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
		on_start(core, unit, event);
		return "asked to start";
	case CORE_EV_STOP:
		bonds_stop(core, unit, "asked to stop");
		return "asked to stop";
	case CORE_EV_RESTART:
		on_restart(core, unit, event->text);
		return "asked to restart";
	case CORE_EV_RESET_FAILED:
		life_reset(core, unit);
		return "failures forgotten";
	case CORE_EV_IMAGE_READY:
		life_on_image_ready(core, unit, event->text);
		return NULL;
	case CORE_EV_IMAGE_FAILED:
		life_on_image_failed(core, unit, event);
		return NULL;
	case CORE_EV_RUNNING:
		life_on_running(core, unit);
		return NULL;
	case CORE_EV_START_FAILED:
		stop_on_start_failed(core, unit, event);
		return NULL;
	case CORE_EV_EXITED:
		stop_on_exited(core, unit, event);
		return NULL;
	case CORE_EV_SHIM_LOST:
		stop_on_shim_lost(core, unit);
		return NULL;
	case CORE_EV_CLEANED:
		stop_on_cleaned(core, unit);
		return NULL;
	case CORE_EV_PROBE:
		health_on_probe(core, unit, event);
		return NULL;
	case CORE_EV_ADOPTED:
		life_on_adopted(core, unit, event);
		return NULL;
	case CORE_EV_RELOAD:
		on_reload(core, unit);
		return "asked to reload";
	case CORE_EV_CONDITIONS:
		command_on_conditions(core, unit, event);
		return NULL;
	case CORE_EV_COMMAND:
		command_on_done(core, unit, event);
		return NULL;
	case CORE_EV_NOTIFY:
		notify_on_message(core, unit, event);
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
		on_shutdown(core, event->cut_at);
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
		core->cut_at = USEC_NEVER;
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
	usec_t earliest = core->count > 0 ? timer_earliest(&core->units[core->heap[0]]) :
					    USEC_NEVER;

	return core->cut_at < earliest ? core->cut_at : earliest;
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
		.status_text = u->status_text,
		.command = u->command,
		.is_reloading = u->is_reloading || u->command == CORE_COMMAND_RELOAD,
		.startup_passed = u->startup_passed,
		.was_up = u->was_up,
		.had_member = u->had_member,
		.job_is_over = u->job_is_over,
	};
}

void core_check(const struct core *core)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < core->count; i++) {
		core_check_unit(core, &core->units[i]);
		alive += core_is_alive(core->units[i].state) ? 1 : 0;
	}
	if (alive != core->alive)
		core_bug(core, NULL, "%u units alive, counted %u", alive, core->alive);
	timer_check(core);
}
