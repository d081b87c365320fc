/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's program says of itself (sd_notify(3)), and the watchdog that waits for it to say something.
 * Must never take a word for more than it is: the program only speaks for the instance that runs.
 */
#include <stdio.h>

#include "supervise/core_internal.h"
#include "util/str.h"

bool notify_decides_ready(const struct core_unit *unit)
{
	return unit->policy.ready_by_notify && unit->policy.type != SERVICE_ONESHOT;
}

static void arm_watchdog(struct core *core, struct core_unit *unit)
{
	timer_set(core, unit, CORE_TIMER_WATCHDOG,
		  unit->watchdog_usec > 0 ? policy_add_usec(core->now, unit->watchdog_usec) :
					    USEC_NEVER);
}

void notify_watchdog_begin(struct core *core, struct core_unit *unit)
{
	if (unit->running)
		arm_watchdog(core, unit);
}

void notify_watchdog_over(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	snprintf(text, sizeof(text), "no sign of life within WatchdogSec=%s",
		 policy_format_span(span, unit->watchdog_usec));
	stop_break(core, unit, CORE_RESULT_WATCHDOG, CORE_STOP_BY_WATCHDOG, text);
}

static void take_status(struct core *core, struct core_unit *unit, const char *text)
{
	char clean[CORE_TEXT_MAX / 2];

	core_copy_text(clean, sizeof(clean), text);
	if (str_eq(clean, unit->status_text))
		return;
	core_keep_text(&unit->status_text, CORE_TEXT_MAX / 2, clean);
	core_note(core, unit, "says: %s", unit->status_text);
}

/* The deadline that runs is moved, never shortened. */
static void extend(struct core *core, struct core_unit *unit, uint64_t usec)
{
	usec_t until = policy_add_usec(core->now, usec);
	char span[POLICY_SPAN_MAX];
	enum core_timer timer = unit->state == CORE_UP ? CORE_TIMER_RUNTIME : CORE_TIMER_STATE;

	if (unit->killed || unit->timers[timer] == USEC_NEVER || unit->timers[timer] >= until)
		return;
	timer_set(core, unit, timer, until);
	core_note(core, unit, "asks for %s more", policy_format_span(span, usec));
}

static void take_ready(struct core *core, struct core_unit *unit)
{
	unit->notified_ready = true;
	if (unit->state == CORE_STARTING) {
		if (unit->running && notify_decides_ready(unit))
			life_set_ready(core, unit, "said that it is ready");
	} else if (unit->is_reloading) {
		unit->is_reloading = false;
		if (unit->command == CORE_COMMAND_NONE)
			timer_set(core, unit, CORE_TIMER_RELOAD, USEC_NEVER);
		core_note(core, unit, "said that it has reloaded");
	}
}

static void take_reloading(struct core *core, struct core_unit *unit)
{
	if (unit->state != CORE_UP || unit->is_reloading)
		return;
	unit->is_reloading = true;
	if (unit->timers[CORE_TIMER_RELOAD] == USEC_NEVER)
		timer_set(core, unit, CORE_TIMER_RELOAD,
			  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	core_note(core, unit, "said that it reloads");
}

/* WATCHDOG_USEC= also switches on what the unit file did not ask for: sd_notify(3). */
static void take_life_sign(struct core *core, struct core_unit *unit,
			   const struct core_event *event)
{
	bool is_armed = unit->timers[CORE_TIMER_WATCHDOG] != USEC_NEVER;

	if (event->notify_watchdog_usec > 0)
		unit->watchdog_usec = event->notify_watchdog_usec;
	if (is_armed || (event->notify_watchdog_usec > 0 && unit->state == CORE_UP))
		arm_watchdog(core, unit);
}

bool notify_on_message(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	bool is_alive = unit->instance && !unit->ended;

	if (!is_alive || (unit->state != CORE_STARTING && unit->state != CORE_UP &&
			  unit->state != CORE_STOPPING))
		return false;
	if (event->text)
		take_status(core, unit, event->text);
	if (event->notify_extend_usec > 0)
		extend(core, unit, event->notify_extend_usec);
	if (unit->state == CORE_STOPPING)
		return true;
	if (event->notify_watchdog_trigger && unit->running) {
		stop_break(core, unit, CORE_RESULT_WATCHDOG, CORE_STOP_BY_WATCHDOG,
			   "said that its watchdog shall act");
		return true;
	}
	if (event->notify_stopping && unit->state == CORE_UP && !unit->stop_asked) {
		stop_begin(core, unit, CORE_STOP_BY_ITSELF, "said that it stops");
		return true;
	}
	if (event->notify_watchdog || event->notify_watchdog_usec > 0)
		take_life_sign(core, unit, event);
	if (event->notify_reloading)
		take_reloading(core, unit);
	if (event->notify_ready)
		take_ready(core, unit);
	return true;
}
