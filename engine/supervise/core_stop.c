/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way down: ExecStop=, the stop signal, SIGKILL, the teardown, ExecStopPost=. Every end of a container comes through
 * here, also one that nobody asked for. Must never decide what comes afterwards: that is life_settle().
 */
#include <stdio.h>

#include "supervise/core_internal.h"

static void order_kill(struct core *core, struct core_unit *unit)
{
	usec_t again = CORE_KILL_AGAIN_USEC << (unit->kills < 6 ? unit->kills : 6);

	unit->killed = true;
	unit->kills++;
	core_act(core, unit, CORE_ACT_KILL, 0);
	timer_set(core, unit, CORE_TIMER_STATE,
		  core->now +
			  (again < CORE_KILL_AGAIN_MAX_USEC ? again : CORE_KILL_AGAIN_MAX_USEC));
}

static usec_t stop_limit(const struct core_unit *unit)
{
	if (unit->stop_how == CORE_STOP_BY_WATCHDOG)
		return unit->policy.timeout_abort_usec;
	return unit->policy.stop_timeout_usec < unit->policy.timeout_stop_usec ?
		       unit->policy.stop_timeout_usec :
		       unit->policy.timeout_stop_usec;
}

static bool is_container_alive(const struct core_unit *unit)
{
	return unit->instance && !unit->ended;
}

static void signal_container(struct core *core, struct core_unit *unit)
{
	unit->stage = CORE_STAGE_SIGNAL;
	/* Before execve there is nobody to ask. */
	if (unit->stop_how == CORE_STOP_BY_KILL || !unit->running || stop_limit(unit) == 0) {
		order_kill(core, unit);
		return;
	}
	if (unit->stop_how == CORE_STOP_BY_WATCHDOG)
		core_act(core, unit, CORE_ACT_SIGNAL_WATCHDOG, 0);
	else if (unit->stop_how != CORE_STOP_BY_ITSELF)
		core_act(core, unit, CORE_ACT_SIGNAL_STOP, 0);
	timer_set(core, unit, CORE_TIMER_STATE, policy_add_usec(core->now, stop_limit(unit)));
}

void stop_next(struct core *core, struct core_unit *unit)
{
	if (unit->stage == CORE_STAGE_STOP) {
		if (unit->command != CORE_COMMAND_NONE)
			return; /* it runs, or the one before it is still dying */
		if (!unit->stop_ran) {
			unit->stop_ran = true;
			if (unit->traced_step != core->step)
				core_note(core, unit, "now ExecStop=");
			command_order(core, unit, CORE_COMMAND_STOP);
			return;
		}
	}
	if (!is_container_alive(unit)) {
		stop_clean(core, unit, unit->cause);
		return;
	}
	if (unit->stage == CORE_STAGE_STOP) {
		if (unit->traced_step != core->step)
			core_note(core, unit, "ExecStop= is done, now the stop signal");
		signal_container(core, unit);
	}
}

void stop_begin(struct core *core, struct core_unit *unit, enum core_stop_how how, const char *why)
{
	bool was_up = unit->state == CORE_UP;

	if (!is_container_alive(unit))
		core_keep_text(&unit->cause, CORE_TEXT_MAX, why);
	core_move(core, unit, CORE_STOPPING, "%s", why);
	unit->stop_how = how;
	command_kill(core, unit);
	if ((how == CORE_STOP_GENTLY || (how == CORE_STOP_BY_ITSELF && unit->ended)) && was_up &&
	    command_is_there(unit, CORE_COMMAND_STOP)) {
		unit->stage = CORE_STAGE_STOP;
		timer_set(core, unit, CORE_TIMER_STATE,
			  policy_add_usec(core->now, unit->policy.timeout_stop_usec));
		stop_next(core, unit);
	} else if (is_container_alive(unit)) {
		signal_container(core, unit);
	} else {
		stop_clean(core, unit, unit->cause);
	}
}

void stop_break(struct core *core, struct core_unit *unit, enum core_result result,
		enum core_stop_how how, const char *why)
{
	unit->result = result;
	stop_begin(core, unit, how, why);
}

static void set_timeout(struct core_unit *unit)
{
	if (unit->result == CORE_RESULT_NONE || unit->result == CORE_RESULT_SUCCESS)
		unit->result = CORE_RESULT_TIMEOUT;
}

/* ExecStop= takes too long: the container has to go without its help. */
static void stop_command_timeout(struct core *core, struct core_unit *unit)
{
	char span[POLICY_SPAN_MAX];

	if (unit->stop_ran && !unit->command_is_void) {
		set_timeout(unit);
		policy_format_span(span, unit->policy.timeout_stop_usec);
		core_set_reason(core, unit, "%.400s; ExecStop= not finished within %s",
				unit->reason, span);
		if (unit->ended)
			core_keep_text(&unit->cause, CORE_TEXT_MAX, unit->reason);
		core_note(core, unit, "ExecStop= not finished within %s, killed", span);
	} else {
		core_note(core, unit, "a command is still there, killed again");
	}
	unit->stop_ran = true; /* no time is left for it */
	command_kill(core, unit);
	if (!is_container_alive(unit)) {
		timer_set(core, unit, CORE_TIMER_STATE, core->now + CORE_KILL_AGAIN_USEC);
		return;
	}
	if (unit->policy.kills_at_stop_timeout)
		unit->stop_how = CORE_STOP_BY_KILL;
	signal_container(core, unit);
}

void stop_on_timer(struct core *core, struct core_unit *unit)
{
	char span[POLICY_SPAN_MAX];

	if (unit->stage == CORE_STAGE_STOP) {
		stop_command_timeout(core, unit);
		return;
	}
	if (unit->killed) {
		core_note(core, unit, "still there after SIGKILL, killed again");
		order_kill(core, unit);
		return;
	}
	set_timeout(unit);
	policy_format_span(span, stop_limit(unit));
	if (unit->policy.never_kills && !core->is_shutting_down) {
		core_set_reason(core, unit,
				"%.400s; no end within %s, left alone by SendSIGKILL=no",
				unit->reason, span);
		core_note(core, unit, "no end within %s, left alone by SendSIGKILL=no", span);
		unit->left_alone = true;
		return;
	}
	core_set_reason(core, unit, "%.400s; no end within %s, killed", unit->reason, span);
	core_note(core, unit, "no end within %s, killed", span);
	order_kill(core, unit);
}

void stop_clean(struct core *core, struct core_unit *unit, const char *why)
{
	enum core_state old = unit->state;

	core_move(core, unit, CORE_CLEANING, "%s", why);
	if (old != CORE_STOPPING)
		command_kill(core, unit);
	if (unit->instance)
		core_act(core, unit, CORE_ACT_TEARDOWN, 0);
	else
		stop_clean_next(core, unit);
}

static void leave_out_stop_post(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX];

	unit->stop_post_ran = true;
	snprintf(text, sizeof(text), "%.400s; no time is left for ExecStopPost=", unit->cause);
	core_keep_text(&unit->cause, CORE_TEXT_MAX, text);
	core_note(core, unit, "no time is left for ExecStopPost=");
}

void stop_clean_next(struct core *core, struct core_unit *unit)
{
	if (unit->instance)
		return;
	if (unit->command != CORE_COMMAND_NONE) { /* killed: its end is on its way */
		if (unit->timers[CORE_TIMER_STATE] == USEC_NEVER)
			timer_set(core, unit, CORE_TIMER_STATE, core->now + CORE_KILL_AGAIN_USEC);
		return;
	}
	if (!unit->stop_post_ran && command_is_there(unit, CORE_COMMAND_STOP_POST) &&
	    !life_will_remain(unit) && core->is_cut)
		leave_out_stop_post(core, unit);
	if (!unit->stop_post_ran && command_is_there(unit, CORE_COMMAND_STOP_POST) &&
	    !life_will_remain(unit)) {
		unit->stop_post_ran = true;
		timer_set(core, unit, CORE_TIMER_STATE,
			  policy_add_usec(core->now, unit->policy.timeout_stop_usec));
		if (unit->traced_step != core->step)
			core_note(core, unit, "now ExecStopPost=");
		command_order(core, unit, CORE_COMMAND_STOP_POST);
		return;
	}
	life_settle(core, unit);
}

void stop_clean_on_timer(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	if (unit->command_is_void) {
		core_note(core, unit, "a command is still there, killed again");
	} else {
		set_timeout(unit);
		policy_format_span(span, unit->policy.timeout_stop_usec);
		snprintf(text, sizeof(text), "%.400s; ExecStopPost= not finished within %s",
			 unit->cause, span);
		core_keep_text(&unit->cause, CORE_TEXT_MAX, text);
		core_set_reason(core, unit, "%s", text);
		core_note(core, unit, "ExecStopPost= not finished within %s, killed", span);
	}
	command_kill(core, unit);
	timer_set(core, unit, CORE_TIMER_STATE, core->now + CORE_KILL_AGAIN_USEC);
}

/* A list in CLEANING: ExecStopPost=, or one that was killed before. */
static void cut_cleaning(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX];

	if (unit->command == CORE_COMMAND_NONE)
		return;
	if (unit->command_is_void) {
		core_note(core, unit, "a command is still there, killed again");
	} else {
		set_timeout(unit);
		snprintf(text, sizeof(text), "%.400s; no time was left for ExecStopPost=, killed",
			 unit->cause);
		core_keep_text(&unit->cause, CORE_TEXT_MAX, text);
		core_set_reason(core, unit, "%s", text);
		core_note(core, unit, "no time is left for ExecStopPost=, killed");
	}
	command_kill(core, unit);
	timer_set(core, unit, CORE_TIMER_STATE, core->now + CORE_KILL_AGAIN_USEC);
}

static void cut_stopping(struct core *core, struct core_unit *unit)
{
	const char *what = unit->stage == CORE_STAGE_STOP ? " for ExecStop=" : "";

	if (unit->killed) {
		core_note(core, unit, "still there after SIGKILL, killed again");
		order_kill(core, unit);
		return;
	}
	set_timeout(unit);
	core_set_reason(core, unit, "%.400s; no time was left%s, killed", unit->reason, what);
	if (!is_container_alive(unit))
		core_keep_text(&unit->cause, CORE_TEXT_MAX, unit->reason);
	core_note(core, unit, "no time is left%s, killed", what);
	unit->stop_how = CORE_STOP_BY_KILL;
	unit->left_alone = false;
	unit->stop_ran = true;
	command_kill(core, unit);
	if (is_container_alive(unit))
		signal_container(core, unit);
	else
		timer_set(core, unit, CORE_TIMER_STATE, core->now + CORE_KILL_AGAIN_USEC);
}

void stop_cut(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX];

	if (unit->state == CORE_STARTING || unit->state == CORE_UP) { /* others had to go first */
		set_timeout(unit);
		unit->stop_ran = true;
		snprintf(text, sizeof(text), "%.240s; no time was left, killed",
			 unit->stop_text[0] ? unit->stop_text : "shutdown");
		stop_begin(core, unit, CORE_STOP_BY_KILL, text);
	} else if (unit->state == CORE_STOPPING) {
		cut_stopping(core, unit);
	} else if (unit->state == CORE_CLEANING) {
		cut_cleaning(core, unit);
	}
}

/* The container has ended (or never came to be): what it counts as, and why. */
static void record_end(struct core *core, struct core_unit *unit, enum core_result result,
		       const char *text)
{
	bool was_stopped = unit->state == CORE_STOPPING && unit->stop_how != CORE_STOP_BY_ITSELF;
	char cause[CORE_TEXT_MAX];

	if (unit->state == CORE_STOPPING)
		snprintf(cause, sizeof(cause), "%.240s; %.240s", unit->reason, text);
	else
		core_copy_text(cause, sizeof(cause), text);
	if (!was_stopped && unit->result != CORE_RESULT_TIMEOUT)
		unit->result = result;
	else if (unit->result == CORE_RESULT_NONE)
		unit->result = unit->has_exit ? CORE_RESULT_SUCCESS : result;
	core_keep_text(&unit->cause, CORE_TEXT_MAX, cause);
	unit->running = false;
	unit->ended = true;
	health_end(core, unit);
	timer_set(core, unit, CORE_TIMER_WATCHDOG, USEC_NEVER);
}

/* Where an end leads: mostly to the teardown; a command that belongs to it comes first. */
static void ended(struct core *core, struct core_unit *unit, enum core_result result,
		  const char *text)
{
	bool is_clean;

	record_end(core, unit, result, text);
	is_clean = unit->result == CORE_RESULT_SUCCESS;
	if (unit->state == CORE_STOPPING && unit->stage == CORE_STAGE_STOP) {
		core_note(core, unit, "%s during ExecStop=", text);
	} else if (unit->state == CORE_STARTING && unit->policy.type == SERVICE_ONESHOT &&
		   unit->stage == CORE_STAGE_CONTAINER && is_clean &&
		   command_is_there(unit, CORE_COMMAND_START_POST)) {
		life_set_ready(core, unit, "finished");
	} else if (unit->state == CORE_UP && is_clean && !life_will_remain(unit) &&
		   command_is_there(unit, CORE_COMMAND_STOP)) {
		stop_begin(core, unit, CORE_STOP_BY_ITSELF, unit->cause);
	} else {
		stop_clean(core, unit, unit->cause);
	}
}

static bool is_starting_or_stopping(const struct core_unit *unit)
{
	return unit->instance && !unit->ended &&
	       (unit->state == CORE_STARTING || unit->state == CORE_STOPPING);
}

bool stop_on_start_failed(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	char text[CORE_TEXT_MAX];

	if (unit->running || !is_starting_or_stopping(unit))
		return false;
	unit->start_errors++;
	core_copy_text(text, sizeof(text), event->text ? event->text : "unknown reason");
	ended(core, unit, CORE_RESULT_START_ERROR, text);
	return true;
}

/* What a clean end counts as when the unit was not ready yet. */
static enum core_result early_result(const struct core_unit *unit, const char **why)
{
	*why = "";
	if (unit->state != CORE_STARTING || unit->stage != CORE_STAGE_CONTAINER ||
	    unit->policy.type == SERVICE_ONESHOT)
		return CORE_RESULT_SUCCESS;
	if (notify_decides_ready(unit)) {
		*why = " before it said that it is ready";
		return CORE_RESULT_PROTOCOL;
	}
	if (health_decides_ready(unit)) {
		*why = " before it was healthy";
		return CORE_RESULT_EXIT_CODE;
	}
	return CORE_RESULT_SUCCESS;
}

bool stop_on_exited(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	enum core_result result =
		policy_exit_result(&unit->policy, event->code, event->signal, event->oom);
	char text[CORE_TEXT_MAX], name[POLICY_SPAN_MAX], oom[200] = "", figures[180];
	const char *early = "";

	if (!unit->instance || unit->ended)
		return false;
	unit->has_exit = true;
	unit->exit_code = event->signal != 0 ? 128 + event->signal : event->code;
	unit->exit_signal = event->signal;
	unit->oom = event->oom;
	if (result == CORE_RESULT_SUCCESS)
		result = early_result(unit, &early);
	core_copy_text(figures, sizeof(figures),
		       event->text && event->text[0] ? event->text : "out of memory");
	if (event->oom) /* with its figures, where they are known */
		snprintf(oom, sizeof(oom), " (%s)", figures);
	if (event->signal != 0)
		snprintf(text, sizeof(text), "ended by %s%s%s",
			 policy_format_signal(name, event->signal), oom, early);
	else
		snprintf(text, sizeof(text), "exited with code %d%s%s", event->code, oom, early);
	ended(core, unit, result, text);
	return true;
}

bool stop_on_shim_lost(struct core *core, struct core_unit *unit)
{
	if (!unit->instance || unit->ended)
		return false;
	/* Nobody looks after the container any more, so it must not live on. */
	core_act(core, unit, CORE_ACT_KILL, 0);
	ended(core, unit, CORE_RESULT_SHIM_LOST, "its shim died");
	return true;
}

bool stop_on_cleaned(struct core *core, struct core_unit *unit)
{
	if (unit->state != CORE_CLEANING || !unit->instance)
		return false;
	unit->instance = unit->ended = false;
	stop_clean_next(core, unit);
	return true;
}
