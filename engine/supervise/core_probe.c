/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver tells the core about health checks between the steps: which check a unit has, that
 * a probe has to wait for its turn, that somebody wants one now. Changes timers and policy and
 * nothing else: no state, no action, no trace. And how probes of many units are kept apart.
 */
#include "supervise/core_internal.h"

void core_set_health(struct core *core, unsigned index, const struct core_health_policy *health,
		     const struct core_startup_policy *startup)
{
	struct core_unit *unit = &core->units[index];

	/* a probe in flight, its deadlines and its verdict belong to the check that is there */
	if (unit->instance)
		return;
	unit->policy.health = *health;
	unit->policy.startup = *startup;
}

static bool is_in_flight(const struct core_unit *unit, uint64_t order)
{
	return order != 0 && unit->probe_order == order && !unit->probe_is_void;
}

void core_probe_waits(struct core *core, unsigned index, uint64_t order)
{
	struct core_unit *unit = &core->units[index];

	if (is_in_flight(unit, order))
		timer_set(core, unit, CORE_TIMER_PROBE, USEC_NEVER);
}

void core_probe_begins(struct core *core, unsigned index, uint64_t order, usec_t now)
{
	struct core_unit *unit = &core->units[index];
	usec_t timeout = unit->startup_passed ? unit->policy.health.timeout_usec :
						unit->policy.startup.timeout_usec;

	if (is_in_flight(unit, order))
		timer_set(core, unit, CORE_TIMER_PROBE,
			  policy_add_usec(now, policy_add_usec(timeout, CORE_PROBE_ANSWER_USEC)));
}

bool core_probe_now(struct core *core, unsigned index)
{
	struct core_unit *unit = &core->units[index];

	if (unit->health == CORE_HEALTH_NONE)
		return false;
	if (unit->probe_order == 0)
		timer_set(core, unit, CORE_TIMER_PROBE, core->now);
	return true;
}

/*
 * Units that became well, or were adopted, in the same instant would be probed in the same instant for
 * ever. Each takes another part of its first interval (the golden ratio's multiples lie evenly), the
 * first unit all of it; from then on each keeps its own time.
 */
usec_t health_spread(const struct core *core, const struct core_unit *unit, usec_t interval)
{
	uint32_t part = core_index(core, unit) * UINT32_C(2654435769);

	return interval - interval / 4 * 3 / 65536 * (part >> 16);
}

/*
 * A probe that comes alone finds little in the processor's caches and costs a third more than one that follows another: those of
 * a second come together, as podman's timers let them (AccuracySec=1s). Each takes the second that is nearest, so that on average
 * none comes late; who asks more often than every ten seconds, the nearest tenth of the interval. The
 * first whose failure counts stays where it is: before the end of the grace it would not count.
 */
usec_t health_gather(const struct core_unit *unit, usec_t at, usec_t interval)
{
	usec_t grid = interval / 10 < CORE_PROBE_GRID_USEC ? interval / 10 : CORE_PROBE_GRID_USEC;
	usec_t over = grid > 0 ? at % grid : 0;

	if (at == USEC_NEVER || (at >= unit->grace_end && at - over < unit->grace_end))
		return at;
	return over < grid - over ? at - over : policy_add_usec(at, grid - over);
}
