/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a unit without a container was, for the next engine of the same boot: given up, or waiting for its next start, and how
 * many starts it has used up. Must never bring back what had a container: that is what ADOPTED is for.
 */
#include "supervise/core_internal.h"

/* That it is over the next engine must not say once more. */
static usec_t job_deadline(const struct core_unit *unit)
{
	usec_t at = unit->job_is_over ? CORE_JOB_IS_OVER : unit->timers[CORE_TIMER_JOB];

	return at == USEC_NEVER ? 0 : at;
}

void core_get_rest(const struct core *core, unsigned index, struct core_rest *out)
{
	const struct core_unit *unit = &core->units[index];

	if (index >= core->count)
		core_bug(core, NULL, "there is no unit %u", index);
	*out = (struct core_rest){
		.state = unit->state,
		.result = unit->result,
		.finished = unit->finished,
		.exit_code = unit->exit_code,
		.exit_signal = unit->exit_signal,
		.growth = unit->growth,
		.limit_begin = unit->limit.begin,
		.limit_count = unit->limit.count,
		.deadline = unit->timers[CORE_TIMER_STATE],
		.job_deadline = job_deadline(unit),
		.reason = unit->reason,
	};
}

void core_restore(struct core *core, unsigned index, const struct core_rest *rest)
{
	struct core_unit *unit = &core->units[index];

	if (index >= core->count)
		core_bug(core, NULL, "there is no unit %u", index);
	if (unit->state != CORE_DOWN || unit->instance)
		return;
	unit->growth = rest->growth;
	unit->limit = (struct start_limit){ rest->limit_begin, rest->limit_count };
	if (rest->state == CORE_PULLING || rest->state == CORE_WAITING)
		unit->job_deadline = rest->job_deadline;
	if (rest->state != CORE_FAILED && rest->state != CORE_BACKOFF && rest->state != CORE_DOWN)
		return;
	unit->is_settled = true;
	unit->result = rest->result;
	unit->exit_code = rest->exit_code;
	unit->exit_signal = rest->exit_signal;
	if (rest->state ==
	    CORE_DOWN) { /* finished, skipped or stopped: what people see of it stays */
		unit->finished = rest->finished;
		core_set_reason(core, unit, "%s", rest->reason);
		return;
	}
	unit->want = CORE_WANT_UP;
	core->is_restoring = true;
	core_move(core, unit, rest->state, "%s", rest->reason);
	core->is_restoring = false;
	if (rest->state == CORE_BACKOFF)
		timer_set(core, unit, CORE_TIMER_STATE,
			  rest->deadline == USEC_NEVER ? core->now : rest->deadline);
}
