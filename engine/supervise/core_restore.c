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

/* What life_settle() goes by, besides the result and the code. */
#define END_KNOWN (1u << 0)
#define END_AGAIN (1u << 1)
#define END_FORCED (1u << 2)
#define END_HAS_EXIT (1u << 3)
#define END_NEVER_BEGAN (1u << 4)
/* Of every other state: goes on until the image comes, or stops to start again. */
#define LACKS_IMAGE (1u << 5)
#define STARTS_AGAIN (1u << 6)

static unsigned end_of(const struct core_unit *unit)
{
	if (unit->state != CORE_CLEANING)
		return (unit->lacks_image ? LACKS_IMAGE : 0) | (unit->again ? STARTS_AGAIN : 0);
	return END_KNOWN | (unit->again ? END_AGAIN : 0) | (unit->force_restart ? END_FORCED : 0) |
	       (unit->has_exit ? END_HAS_EXIT : 0) | (unit->never_began ? END_NEVER_BEGAN : 0);
}

bool core_rest_starts_again(const struct core_rest *rest)
{
	return rest->state != CORE_CLEANING && rest->is_wanted && (rest->end & STARTS_AGAIN);
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
		.is_wanted = unit->want == CORE_WANT_UP,
		.end = end_of(unit),
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

/* Nothing of it is left, but what its end means for Restart= or FailureAction= nobody has said yet. */
static void restore_end(struct core *core, struct core_unit *unit, const struct core_rest *rest)
{
	unit->want = rest->is_wanted ? CORE_WANT_UP : CORE_WANT_DOWN;
	unit->instance = unit->ended = true;
	unit->again = rest->is_wanted && (rest->end & END_AGAIN);
	unit->force_restart = rest->end & END_FORCED;
	unit->has_exit = rest->end & END_HAS_EXIT;
	/* ExecStopPost= was in the middle of it, or had nothing to clean up after */
	unit->stop_post_ran = unit->never_began = rest->end & END_NEVER_BEGAN;
	core_keep_text(&unit->cause, CORE_TEXT_MAX, rest->reason);
	core->is_restoring = true;
	core_move(core, unit, CORE_CLEANING, "%s", rest->reason[0] ? rest->reason : "has ended");
	core->is_restoring = false;
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
	unit->lacks_image = rest->end & LACKS_IMAGE ||
			    (rest->state == CORE_FAILED && rest->result == CORE_RESULT_IMAGE);
	if (rest->state == CORE_PULLING || rest->state == CORE_WAITING)
		unit->job_deadline = rest->job_deadline;
	if (rest->state != CORE_FAILED && rest->state != CORE_BACKOFF && rest->state != CORE_DOWN &&
	    !(rest->state == CORE_CLEANING && rest->end))
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
	if (rest->state == CORE_CLEANING) {
		restore_end(core, unit, rest);
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
