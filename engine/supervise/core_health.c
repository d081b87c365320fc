/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedule and verdict of health probes; the shim only runs what is ordered here. At most one
 * probe of a unit is in flight, and only while its container runs. Must never count what a frozen
 * machine could not have answered.
 */
#include <stdio.h>

#include "supervise/core_internal.h"
#include "util/str.h"

/* The startup probe stands in for the other one until it has passed. */
static bool is_startup(const struct core_unit *unit)
{
	return !unit->startup_passed;
}

static usec_t interval(const struct core_unit *unit)
{
	usec_t usec = is_startup(unit) ? unit->policy.startup.interval_usec :
					 unit->policy.health.interval_usec;

	return usec < CORE_PROBE_MIN_INTERVAL_USEC ? CORE_PROBE_MIN_INTERVAL_USEC : usec;
}

static usec_t timeout(const struct core_unit *unit)
{
	return is_startup(unit) ? unit->policy.startup.timeout_usec :
				  unit->policy.health.timeout_usec;
}

bool health_decides_ready(const struct core_unit *unit)
{
	return unit->policy.ready_when_healthy && unit->policy.health.is_set;
}

static void order_probe(struct core *core, struct core_unit *unit)
{
	unit->probe_order = ++core->orders;
	unit->probe_is_void = false;
	core_act(core, unit, CORE_ACT_PROBE, unit->probe_order)->startup = is_startup(unit);
	timer_set(core, unit, CORE_TIMER_PROBE,
		  policy_add_usec(core->now,
				  policy_add_usec(timeout(unit), CORE_PROBE_ANSWER_USEC)));
}

/*
 * podman waits one interval before its first probe. We look at once and then ever more slowly
 * until that interval (or the start period) is over, so that a quick service is healthy quickly;
 * what fails in that time does not count, so that nothing is called unhealthy earlier than podman
 * would.
 */
static void schedule_next(struct core *core, struct core_unit *unit)
{
	usec_t at = health_gather(unit, policy_add_usec(core->now, interval(unit)), interval(unit));

	if (unit->health == CORE_HEALTH_STARTING && core->now < unit->grace_end) {
		usec_t quick = policy_add_usec(core->now, unit->probe_step);

		unit->probe_step *= 2;
		if (!is_startup(unit) && unit->policy.health.start_interval_usec != 0 &&
		    unit->probe_step > unit->policy.health.start_interval_usec)
			unit->probe_step = unit->policy.health.start_interval_usec;
		if (quick > unit->grace_end)
			quick = unit->grace_end;
		if (quick < at)
			at = quick;
	}
	timer_set(core, unit, CORE_TIMER_PROBE, at);
}

/* Of those that come at their interval. */
static void schedule_first(struct core *core, struct core_unit *unit)
{
	usec_t at = policy_add_usec(core->now, health_spread(core, unit, interval(unit)));

	timer_set(core, unit, CORE_TIMER_PROBE, health_gather(unit, at, interval(unit)));
}

/* Until one interval of the probe has gone by, or the start period if that ends later, no failure counts.
 * The start period of a unit with a startup probe counts from the container's start too. */
static void prepare(struct core *core, struct core_unit *unit)
{
	usec_t first = policy_add_usec(is_startup(unit) ? unit->started_at : core->now,
				       interval(unit)),
	       period = is_startup(unit) ? 0 :
					   policy_add_usec(unit->started_at,
							   unit->policy.health.start_period_usec);

	unit->probe_failures = 0;
	unit->probe_order = 0;
	unit->probe_step = CORE_PROBE_QUICK_USEC;
	unit->grace_end = period > first ? period : first;
}

void health_begin(struct core *core, struct core_unit *unit)
{
	unit->started_at = core->now;
	unit->startup_passes = 0;
	str_drop(&unit->probe_output);
	if (!unit->policy.health.is_set)
		return;
	prepare(core, unit);
	unit->health = CORE_HEALTH_STARTING;
	order_probe(core, unit);
}

void health_adopt(struct core *core, struct core_unit *unit, const struct core_event *event,
		  usec_t started_at)
{
	unit->started_at = started_at;
	unit->startup_passes = 0;
	str_drop(&unit->probe_output);
	unit->startup_passed = unit->startup_passed || event->startup_passed;
	if (!unit->policy.health.is_set)
		return;
	prepare(core, unit);
	if (!is_startup(unit)) /* its grace is over with what an earlier engine has seen */
		unit->grace_end = policy_add_usec(
			started_at, unit->policy.health.start_period_usec > interval(unit) ?
					    unit->policy.health.start_period_usec :
					    interval(unit));
	unit->health = event->adopted_health == CORE_HEALTH_NONE || is_startup(unit) ?
			       CORE_HEALTH_STARTING :
			       event->adopted_health;
	/* one that was still being looked at quickly would else be "starting" for a whole interval more */
	if (unit->health == CORE_HEALTH_STARTING && core->now < unit->grace_end)
		schedule_next(core, unit);
	else
		schedule_first(core, unit);
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
	stop_break(core, unit, CORE_RESULT_UNHEALTHY,
		   unit->policy.health.action == CORE_ON_UNHEALTHY_KILL ? CORE_STOP_BY_KILL :
									  CORE_STOP_GENTLY,
		   why);
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

static void pass_startup(struct core *core, struct core_unit *unit)
{
	unsigned wanted = unit->policy.startup.success > 0 ? unit->policy.startup.success : 1;

	unit->probe_failures = 0;
	if (++unit->startup_passes < wanted) {
		core_note(core, unit, "startup probe passed (%u of %u)", unit->startup_passes,
			  wanted);
		schedule_next(core, unit);
		return;
	}
	core_note(core, unit, "startup probe passed");
	unit->startup_passed = true;
	prepare(core, unit);
	order_probe(core, unit);
}

/* podman restarts the container then, whatever its Restart= says; without retries it goes on asking. */
static void fail_startup(struct core *core, struct core_unit *unit)
{
	unsigned retries = unit->policy.startup.retries;
	char why[CORE_TEXT_MAX];

	unit->startup_passes = 0;
	unit->probe_failures++;
	schedule_next(core, unit);
	if (retries == 0) {
		core_note(core, unit, "startup probe failed: %s", unit->probe_output);
		return;
	}
	core_note(core, unit, "startup probe failed (%u of %u): %s", unit->probe_failures, retries,
		  unit->probe_output);
	if (unit->probe_failures < retries)
		return;
	unit->force_restart = true;
	snprintf(why, sizeof(why), "startup probe failed %u times: %.440s", retries,
		 unit->probe_output[0] ? unit->probe_output : "no output");
	stop_break(core, unit, CORE_RESULT_UNHEALTHY, CORE_STOP_BY_KILL, why);
}

static void pass_probe(struct core *core, struct core_unit *unit)
{
	bool is_first = unit->health == CORE_HEALTH_STARTING;

	if (unit->probe_failures != 0 && unit->health == CORE_HEALTHY)
		core_note(core, unit, "probe passes again");
	unit->probe_failures = 0;
	set_health(core, unit, CORE_HEALTHY);
	schedule_next(core, unit);
	if (is_first)
		schedule_first(core, unit);
	if (unit->state == CORE_STARTING && health_decides_ready(unit) &&
	    !notify_decides_ready(unit) && unit->policy.type != SERVICE_ONESHOT)
		life_set_ready(core, unit, "healthy");
}

static void judge(struct core *core, struct core_unit *unit, bool pass, const char *output)
{
	char text[CORE_TEXT_MAX];
	bool changed;

	core_copy_text(text, sizeof(text), output ? output : "");
	changed = !str_eq(text, unit->probe_output);
	if (changed) {
		core_keep_text(&unit->probe_output, CORE_TEXT_MAX, text);
		core_touch(core, unit);
	}
	if (pass && is_startup(unit)) {
		pass_startup(core, unit);
	} else if (pass) {
		pass_probe(core, unit);
	} else if (core->now < unit->grace_end) {
		unit->startup_passes = 0;
		core_note(core, unit, "%sprobe failed (does not count yet): %s",
			  is_startup(unit) ? "startup " : "", unit->probe_output);
		schedule_next(core, unit);
	} else if (is_startup(unit)) {
		fail_startup(core, unit);
	} else {
		schedule_next(core, unit);
		count_failure(core, unit, changed);
	}
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
	unit->started_at = policy_add_usec(unit->started_at, gap_usec);
	if (unit->probe_order == 0)
		return;
	if (!unit->probe_is_void)
		core_act(core, unit, CORE_ACT_PROBE_CANCEL, unit->probe_order);
	unit->probe_is_void = true;
	unit->timers[CORE_TIMER_PROBE] = policy_add_usec(core->now, CORE_PROBE_ANSWER_USEC);
}
