/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedule and verdict of health probes; the shim only runs what is ordered here. At most one
 * probe of a unit is in flight, and only while its container runs. Must never count what a frozen
 * machine could not have answered.
 */
#include <stdio.h>

#include "supervise/core_internal.h"
#include "util/str.h"

static usec_t interval(const struct core_unit *unit)
{
	usec_t usec = unit->policy.health.interval_usec;

	return usec < CORE_PROBE_MIN_INTERVAL_USEC ? CORE_PROBE_MIN_INTERVAL_USEC : usec;
}

bool health_decides_ready(const struct core_unit *unit)
{
	return unit->policy.ready_when_healthy && unit->policy.health.is_set;
}

static void order_probe(struct core *core, struct core_unit *unit)
{
	unit->probe_order = ++core->orders;
	unit->probe_is_void = false;
	core_act(core, unit, CORE_ACT_PROBE, unit->probe_order);
	timer_set(core, unit, CORE_TIMER_PROBE,
		  policy_add_usec(core->now, policy_add_usec(unit->policy.health.timeout_usec,
							     CORE_PROBE_ANSWER_USEC)));
}

/*
 * podman waits one interval before its first probe. We look at once and then ever more slowly
 * until that interval (or the start period) is over, so that a quick service is healthy quickly;
 * what fails in that time does not count, so that nothing is called unhealthy earlier than podman
 * would.
 */
static void schedule_next(struct core *core, struct core_unit *unit)
{
	usec_t at = policy_add_usec(core->now, interval(unit));

	if (unit->health == CORE_HEALTH_STARTING && core->now < unit->grace_end) {
		usec_t quick = policy_add_usec(core->now, unit->probe_step);

		unit->probe_step *= 2;
		if (quick > unit->grace_end)
			quick = unit->grace_end;
		if (quick < at)
			at = quick;
	}
	timer_set(core, unit, CORE_TIMER_PROBE, at);
}

static void prepare(struct core_unit *unit, usec_t started_at)
{
	unit->probe_failures = 0;
	unit->probe_order = 0;
	unit->probe_step = CORE_PROBE_QUICK_USEC;
	unit->grace_end =
		policy_add_usec(started_at, unit->policy.health.start_period_usec > interval(unit) ?
						    unit->policy.health.start_period_usec :
						    interval(unit));
	unit->probe_output[0] = '\0';
}

void health_begin(struct core *core, struct core_unit *unit)
{
	if (!unit->policy.health.is_set)
		return;
	prepare(unit, core->now);
	unit->health = CORE_HEALTH_STARTING;
	order_probe(core, unit);
}

void health_adopt(struct core *core, struct core_unit *unit, enum core_health health,
		  usec_t started_at)
{
	if (!unit->policy.health.is_set)
		return;
	prepare(unit, started_at);
	unit->health = health == CORE_HEALTH_NONE ? CORE_HEALTH_STARTING : health;
	timer_set(core, unit, CORE_TIMER_PROBE, policy_add_usec(core->now, interval(unit)));
}

/* After a freeze it has been cancelled already, and only its answer is waited for. */
static void drop_probe(struct core *core, struct core_unit *unit)
{
	if (unit->probe_order != 0 && !unit->probe_is_void)
		core_act(core, unit, CORE_ACT_PROBE_CANCEL, unit->probe_order);
	unit->probe_order = 0;
}

void health_end(struct core *core, struct core_unit *unit)
{
	drop_probe(core, unit);
	unit->health = CORE_HEALTH_NONE;
	timer_set(core, unit, CORE_TIMER_PROBE, USEC_NEVER);
}

static void set_health(struct core *core, struct core_unit *unit, enum core_health health)
{
	if (unit->health == health)
		return;
	core_note(core, unit, "health %s -> %s%s%s", core_health_name(unit->health),
		  core_health_name(health), unit->probe_output[0] ? ": " : "", unit->probe_output);
	unit->health = health;
	core_touch(core, unit);
}

/* Our default acts only where Restart= then brings the container back: stopping what merely looks
 * ill helps nobody. */
static void answer_unhealthy(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];
	bool covered = policy_restart_covers(unit->policy.restart, CORE_RESULT_UNHEALTHY);

	snprintf(why, sizeof(why), "unhealthy: %.480s",
		 unit->probe_output[0] ? unit->probe_output : "no output");
	switch (unit->policy.health.action) {
	case CORE_ON_UNHEALTHY_NONE:
		return;
	case CORE_ON_UNHEALTHY_DEFAULT:
		if (!covered)
			return;
		break;
	case CORE_ON_UNHEALTHY_RESTART:
		unit->force_restart = true;
		break;
	case CORE_ON_UNHEALTHY_KILL:
	case CORE_ON_UNHEALTHY_STOP:
		break;
	}
	life_break(core, unit, CORE_RESULT_UNHEALTHY,
		   unit->policy.health.action == CORE_ON_UNHEALTHY_KILL, why);
}

static void count_failure(struct core *core, struct core_unit *unit, bool output_changed)
{
	unsigned retries = unit->policy.health.retries > 0 ? unit->policy.health.retries : 1;

	unit->probe_failures++;
	core_touch(core, unit);
	if (unit->probe_failures < retries || (unit->health == CORE_UNHEALTHY && output_changed))
		core_note(core, unit, "probe failed (%u of %u): %s", unit->probe_failures, retries,
			  unit->probe_output);
	if (unit->probe_failures < retries)
		return;
	set_health(core, unit, CORE_UNHEALTHY);
	answer_unhealthy(core, unit);
}

static void judge(struct core *core, struct core_unit *unit, bool pass, const char *output)
{
	char text[CORE_TEXT_MAX];
	bool changed;

	core_copy_text(text, sizeof(text), output ? output : "");
	changed = !str_eq(text, unit->probe_output);
	if (changed) {
		core_copy_text(unit->probe_output, sizeof(unit->probe_output), text);
		core_touch(core, unit);
	}
	if (pass) {
		if (unit->probe_failures != 0 && unit->health == CORE_HEALTHY)
			core_note(core, unit, "probe passes again");
		unit->probe_failures = 0;
		set_health(core, unit, CORE_HEALTHY);
		schedule_next(core, unit);
		if (unit->state == CORE_STARTING && health_decides_ready(unit) &&
		    unit->policy.type != SERVICE_ONESHOT)
			life_set_ready(core, unit, "healthy");
		return;
	}
	if (core->now < unit->grace_end) {
		core_note(core, unit, "probe failed (does not count yet): %s", unit->probe_output);
		schedule_next(core, unit);
		return;
	}
	schedule_next(core, unit);
	count_failure(core, unit, changed);
}

bool health_on_probe(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	bool was_void = unit->probe_is_void;

	if (unit->probe_order == 0 || event->order != unit->probe_order)
		return false;
	unit->probe_order = 0;
	if (was_void) {
		core_note(core, unit, "probe across a freeze discarded, probed again");
		order_probe(core, unit);
	} else if (event->discarded) {
		core_note(core, unit, "probe without a verdict, probed again in a moment");
		timer_set(core, unit, CORE_TIMER_PROBE, core->now + CORE_PROBE_RETRY_USEC);
	} else {
		judge(core, unit, event->pass, event->text);
	}
	return true;
}

void health_on_timer(struct core *core, struct core_unit *unit)
{
	bool was_void = unit->probe_is_void;

	if (unit->probe_order == 0) {
		order_probe(core, unit);
		return;
	}
	/* The shim keeps the probe's deadline; that it says nothing at all must not end the watch
	 * over the container. */
	drop_probe(core, unit);
	if (was_void)
		order_probe(core, unit);
	else
		judge(core, unit, false, "no answer from the shim");
}

void health_on_freeze(struct core *core, struct core_unit *unit, uint64_t gap_usec)
{
	if (unit->health == CORE_HEALTH_NONE)
		return;
	unit->grace_end = policy_add_usec(unit->grace_end, gap_usec);
	if (unit->probe_order == 0)
		return;
	if (!unit->probe_is_void)
		core_act(core, unit, CORE_ACT_PROBE_CANCEL, unit->probe_order);
	unit->probe_is_void = true;
	unit->timers[CORE_TIMER_PROBE] = policy_add_usec(core->now, CORE_PROBE_ANSWER_USEC);
}
