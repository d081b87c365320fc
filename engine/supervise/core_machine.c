/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unit's lot asks of the whole appliance: FailureAction=, SuccessAction=, StartLimitAction=, JobTimeoutAction=, where systemd's
 * unit_notify(), unit_test_start_limit() and job_dispatch_timer() have them. Must never ask while everything is being stopped, and never a
 * second time: what was asked for first is under way.
 */
#include "supervise/core_internal.h"

const char *core_machine_key(enum core_machine_why why)
{
	static const char *const keys[] = {
		[CORE_MACHINE_FAILURE] = "FailureAction",
		[CORE_MACHINE_SUCCESS] = "SuccessAction",
		[CORE_MACHINE_START_LIMIT] = "StartLimitAction",
		[CORE_MACHINE_JOB_TIMEOUT] = "JobTimeoutAction",
	};

	_Static_assert(sizeof(keys) / sizeof(keys[0]) == CORE_MACHINE_WHY_COUNT, "one a reason");
	return keys[why];
}

/* What "exit" hands on, as in systemd: the program's code, 255 when a signal has ended it, -1 when there was none. */
static int exit_code_of(const struct core_unit *unit, enum core_machine_why why)
{
	if (!unit->has_exit || (why != CORE_MACHINE_FAILURE && why != CORE_MACHINE_SUCCESS))
		return -1;
	return unit->exit_signal != 0 ? 255 : unit->exit_code;
}

void machine_ask(struct core *core, struct core_unit *unit, enum core_machine_why why)
{
	enum service_action what = unit->policy.machine[why];
	struct core_action *action;

	if (what == SERVICE_ACTION_NONE || core->is_shutting_down)
		return;
	if (core->machine_is_asked) {
		core_note(core, unit, "%s=%s: the appliance has been asked for something already",
			  core_machine_key(why), service_action_name(what));
		return;
	}
	core->machine_is_asked = true;
	core_note(core, unit, "%s=%s is asked of the appliance", core_machine_key(why),
		  service_action_name(what));
	action = core_act(core, unit, CORE_ACT_MACHINE, 0);
	action->machine = what;
	action->machine_why = why;
	action->code = exit_code_of(unit, why);
}

/* Failed without having been begun: in systemd a job has failed then, the unit is inactive as before. */
static bool is_only_job(const struct core_unit *unit, enum core_state old)
{
	return unit->result == CORE_RESULT_DEPENDENCY || unit->result == CORE_RESULT_INVALID ||
	       (unit->result == CORE_RESULT_TIMEOUT &&
		(old == CORE_WAITING || old == CORE_PULLING));
}

void machine_on_end(struct core *core, struct core_unit *unit, enum core_state old)
{
	bool is_good = unit->result == CORE_RESULT_SUCCESS || unit->result == CORE_RESULT_NONE ||
		       unit->result == CORE_RESULT_CONDITION;

	if (unit->never_began || is_only_job(unit, old))
		return;
	machine_ask(core, unit, is_good ? CORE_MACHINE_SUCCESS : CORE_MACHINE_FAILURE);
}

void core_machine_refused(struct core *core)
{
	core->machine_is_asked = false;
}
