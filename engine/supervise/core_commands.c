/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands and conditions of [Service] and [Unit] around a container: which list is in flight, and where its end leads.
 * At most one list of a unit is in flight; one that is not wanted any more is killed and its end still waited for, so
 * that two never overlap. Must never know what a command does.
 */
#include <stdio.h>

#include "supervise/core_internal.h"

bool command_is_there(const struct core_unit *unit, enum core_command which)
{
	return (unit->policy.commands & 1u << which) != 0;
}

const char *command_name(enum core_command which)
{
	static const char *const names[] = {
		[CORE_COMMAND_NONE] = "no command",
		[CORE_COMMAND_CONDITION] = "ExecCondition=",
		[CORE_COMMAND_START_PRE] = "ExecStartPre=",
		[CORE_COMMAND_START_POST] = "ExecStartPost=",
		[CORE_COMMAND_RELOAD] = "reload",
		[CORE_COMMAND_STOP] = "ExecStop=",
		[CORE_COMMAND_STOP_POST] = "ExecStopPost=",
	};

	return (size_t)which < sizeof(names) / sizeof(names[0]) ? names[which] : "unknown command";
}

void command_order(struct core *core, struct core_unit *unit, enum core_command which)
{
	if (unit->command != CORE_COMMAND_NONE)
		core_bug(core, unit, "%s ordered during %s", command_name(which),
			 command_name(unit->command));
	unit->command = which;
	unit->command_is_void = false;
	unit->command_order = ++core->orders;
	core_act(core, unit, CORE_ACT_COMMAND, unit->command_order)->which = which;
	core_touch(core, unit);
}

void command_kill(struct core *core, struct core_unit *unit)
{
	struct core_action *action;

	if (unit->command == CORE_COMMAND_NONE)
		return;
	unit->command_is_void = true;
	action = core_act(core, unit, CORE_ACT_COMMAND_KILL, unit->command_order);
	action->which = unit->command;
	action->at_once = core->is_cut;
}

void command_ask_conditions(struct core *core, struct core_unit *unit)
{
	unit->conditions_order = ++core->orders;
	core_act(core, unit, CORE_ACT_CONDITIONS, unit->conditions_order);
}

/* An order number of 0 is an answer at once, which cannot be about an earlier question. */
bool command_on_conditions(struct core *core, struct core_unit *unit,
			   const struct core_event *event)
{
	const char *text = event->text && event->text[0] ? event->text :
							   "a condition does not hold";

	if (unit->state != CORE_STARTING || unit->stage != CORE_STAGE_CONDITIONS ||
	    (event->order != 0 && event->order != unit->conditions_order))
		return false;
	unit->conditions_order = 0;
	if (event->pass)
		life_start_next(core, unit);
	else
		life_fail_start(core, unit,
				event->permanent ? CORE_RESULT_ASSERT : CORE_RESULT_CONDITION,
				text);
	return true;
}

struct outcome {
	enum core_result result;
	char text[CORE_TEXT_MAX];
};

static void judge(enum core_command which, const struct core_event *event, struct outcome *out)
{
	char name[POLICY_SPAN_MAX];

	out->result = event->pass	 ? CORE_RESULT_SUCCESS :
		      event->signal != 0 ? CORE_RESULT_SIGNAL :
					   CORE_RESULT_EXIT_CODE;
	if (event->text && event->text[0])
		core_copy_text(out->text, sizeof(out->text), event->text);
	else if (event->signal != 0)
		snprintf(out->text, sizeof(out->text), "%s ended by %s", command_name(which),
			 policy_format_signal(name, event->signal));
	else
		snprintf(out->text, sizeof(out->text), "%s exited with code %d",
			 command_name(which), event->code);
}

static void done_in_start(struct core *core, struct core_unit *unit, enum core_command which,
			  const struct core_event *event, const struct outcome *outcome)
{
	if (event->pass) {
		life_start_next(core, unit);
	} else if (which == CORE_COMMAND_CONDITION && event->signal == 0 && event->code > 0 &&
		   event->code < 255) {
		life_fail_start(core, unit, CORE_RESULT_CONDITION, outcome->text);
	} else if (which == CORE_COMMAND_START_POST && !unit->ended) {
		stop_break(core, unit, outcome->result, CORE_STOP_BY_SIGNAL, outcome->text);
	} else {
		life_fail_start(core, unit, outcome->result, outcome->text);
	}
}

static void begin_reload(struct core *core, struct core_unit *unit, const char *why)
{
	unit->reload_again = false;
	core_note(core, unit, "reloads: %s", why);
	timer_set(core, unit, CORE_TIMER_RELOAD,
		  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	command_order(core, unit, CORE_COMMAND_RELOAD);
}

static void done_in_up(struct core *core, struct core_unit *unit, bool was_void,
		       const struct core_event *event, const struct outcome *outcome)
{
	if (!unit->is_reloading)
		timer_set(core, unit, CORE_TIMER_RELOAD, USEC_NEVER);
	if (was_void) {
		core_note(core, unit, "the reload that took too long is gone");
	} else if (event->pass) {
		core_set_reason(core, unit, "reloaded");
		core_note(core, unit, "reloaded");
	} else {
		core_set_reason(core, unit, "running; reload failed: %s", outcome->text);
		core_note(core, unit, "reload failed: %s", outcome->text);
	}
	if (unit->reload_again)
		begin_reload(core, unit, "asked to while the last one was under way");
}

/* A failure on the way down counts when nothing failed before it. */
static void note_failure(struct core *core, struct core_unit *unit, const struct outcome *outcome)
{
	char text[2 * CORE_TEXT_MAX];

	if (unit->result == CORE_RESULT_NONE || unit->result == CORE_RESULT_SUCCESS)
		unit->result = outcome->result;
	snprintf(text, sizeof(text), "%.250s; %.250s", unit->cause[0] ? unit->cause : unit->reason,
		 outcome->text);
	if (unit->ended || unit->state == CORE_CLEANING)
		core_keep_text(&unit->cause, CORE_TEXT_MAX, text);
	core_set_reason(core, unit, "%s", text);
	core_note(core, unit, "%s", outcome->text);
}

/* What took too long has told which line of it, and what that said last. */
static void note_overdue(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	char text[2 * CORE_TEXT_MAX];

	if (unit->result != CORE_RESULT_TIMEOUT || !event->text || !event->text[0])
		return;
	snprintf(text, sizeof(text), "%.200s; %.300s", unit->cause[0] ? unit->cause : unit->reason,
		 event->text);
	if (unit->state == CORE_CLEANING)
		core_keep_text(&unit->cause, CORE_TEXT_MAX, text);
	core_set_reason(core, unit, "%s", text);
}

bool command_on_done(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	enum core_command which = unit->command;
	bool was_void = unit->command_is_void;
	struct outcome outcome;

	if (which == CORE_COMMAND_NONE || event->order != unit->command_order)
		return false;
	unit->command = CORE_COMMAND_NONE;
	unit->command_is_void = false;
	unit->command_order = 0;
	core_touch(core, unit);
	judge(which, event, &outcome);
	if (unit->state == CORE_STARTING) {
		done_in_start(core, unit, which, event, &outcome);
	} else if (unit->state == CORE_UP) {
		done_in_up(core, unit, was_void, event, &outcome);
	} else {
		if (!was_void && !event->pass)
			note_failure(core, unit, &outcome);
		else if (was_void)
			note_overdue(core, unit, event);
		if (unit->state == CORE_STOPPING)
			stop_next(core, unit);
		else
			stop_clean_next(core, unit);
	}
	return true;
}

void command_reload(struct core *core, struct core_unit *unit, bool is_direct, const char *why)
{
	bool has_it = command_is_there(unit, CORE_COMMAND_RELOAD);

	if (!has_it) {
		if (is_direct)
			core_note(core, unit,
				  "%s: there is no ExecReload=, ReloadCmd= or ReloadSignal=", why);
	} else if (unit->stop_asked) {
		core_note(core, unit, "%s: is about to stop", why);
	} else if (unit->state == CORE_STARTING && unit->stage >= CORE_STAGE_CONTAINER) {
		unit->reload_again = true;
		core_note(core, unit, "%s: when it is up", why);
	} else if (unit->state == CORE_UP && unit->running) {
		if (unit->command == CORE_COMMAND_NONE) {
			begin_reload(core, unit, why);
			return;
		}
		unit->reload_again = true;
		core_note(core, unit, "%s: once more when this reload is over", why);
	}
}

void command_reload_pending(struct core *core, struct core_unit *unit)
{
	if (unit->reload_again && unit->running && unit->command == CORE_COMMAND_NONE)
		begin_reload(core, unit, "asked to while it was starting");
}

void command_reload_timeout(struct core *core, struct core_unit *unit)
{
	char span[POLICY_SPAN_MAX];

	policy_format_span(span, unit->policy.timeout_start_usec);
	if (unit->command == CORE_COMMAND_NONE) {
		unit->is_reloading = false;
		core_set_reason(core, unit, "running; said RELOADING=1 and no READY=1 within %s",
				span);
		core_note(core, unit, "said RELOADING=1 and no READY=1 within %s", span);
		return;
	}
	if (!unit->command_is_void) {
		unit->is_reloading = false;
		core_set_reason(core, unit, "running; reload not finished within %s", span);
		core_note(core, unit, "reload not finished within %s, killed", span);
	} else {
		core_note(core, unit, "the reload is still there, killed again");
	}
	command_kill(core, unit);
	timer_set(core, unit, CORE_TIMER_RELOAD, core->now + CORE_KILL_AGAIN_USEC);
}
