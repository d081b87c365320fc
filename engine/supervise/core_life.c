/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one unit through its states: what an operator's word, an end of the container or a
 * deadline leads to. Must never look at the world or at another unit but through core_order.c;
 * every change of state goes through core_move().
 */
#include <stdarg.h>
#include <stdio.h>

#include "supervise/core_internal.h"
#include "util/str.h"

static void forget_failures(struct core_unit *unit)
{
	unit->growth = 0;
	unit->start_errors = 0;
	unit->image_failures = 0;
	unit->lacks_image = false;
}

static void give_up(struct core *core, struct core_unit *unit, enum core_result result,
		    const char *why)
{
	unit->result = result;
	if (unit->state == CORE_FAILED) {
		core_set_reason(core, unit, "%s", why);
		core_note(core, unit, "still failed: %s", why);
	} else {
		core_move(core, unit, CORE_FAILED, "%s", why);
	}
}

/* An engine before this one may have begun to count. */
static void job_begin(struct core *core, struct core_unit *unit)
{
	usec_t at = unit->job_deadline ? unit->job_deadline :
					 policy_job_deadline(&unit->policy, core->now, USEC_NEVER);

	unit->job_deadline = 0;
	unit->job_is_over = at == CORE_JOB_IS_OVER;
	timer_set(core, unit, CORE_TIMER_JOB, unit->job_is_over ? USEC_NEVER : at);
}

/* Nothing has to be waited for any more. */
static void job_runs(struct core *core, struct core_unit *unit)
{
	usec_t whole = unit->timers[CORE_TIMER_JOB],
	       running = policy_job_deadline(&unit->policy, USEC_NEVER, core->now);

	if (!unit->job_is_over)
		timer_set(core, unit, CORE_TIMER_JOB, whole < running ? whole : running);
}

/* systemd takes the job away and leaves the unit as it is. What only waits for others is nothing but its job. */
static void job_give_up(struct core *core, struct core_unit *unit, const char *waits)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	str_drop(&unit->cause);
	snprintf(text, sizeof(text), "not started within JobTimeoutSec=%s: %.400s",
		 policy_format_span(span, unit->policy.job_timeout_usec), waits);
	give_up(core, unit, CORE_RESULT_TIMEOUT, text);
}

static void job_over(struct core *core, struct core_unit *unit)
{
	unit->job_is_over = true;
	if (unit->state == CORE_WAITING) {
		job_give_up(core, unit, unit->reason);
	} else {
		core_set_reason(core, unit,
				"%.400s; takes longer than JobTimeoutSec= or JobRunningTimeoutSec=",
				unit->reason);
		core_note(core, unit, "%s", unit->reason);
		bonds_add_news(core, unit, CORE_NEWS_FAILED);
	}
	machine_ask(core, unit, CORE_MACHINE_JOB_TIMEOUT);
}

/* First step of every start, whoever asked for it. The image comes before the dependencies, so
 * that all pulls of a boot run at once. */
static void begin(struct core *core, struct core_unit *unit, const char *why)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	unit->finished = false;
	unit->again = false;
	unit->never_began = false;
	if (unit->policy.is_invalid) {
		give_up(core, unit, CORE_RESULT_INVALID,
			unit->invalid_why[0] ? unit->invalid_why : "the unit file has errors");
	} else if (start_limit_is_reached(&unit->limit, &unit->policy, core->now)) {
		snprintf(text, sizeof(text), "start limit reached: %u starts within %s%s%.400s",
			 unit->policy.start_limit_burst,
			 policy_format_span(span, unit->policy.start_limit_interval_usec),
			 unit->cause[0] ? "; last: " : "", unit->cause);
		machine_ask(core, unit, CORE_MACHINE_START_LIMIT);
		give_up(core, unit, CORE_RESULT_START_LIMIT, text);
	} else {
		core_move(core, unit, CORE_PULLING, "%s", why);
		job_begin(core, unit);
		core_act(core, unit, CORE_ACT_IMAGE, 0);
	}
}

void life_begin_instance(struct core *core, struct core_unit *unit)
{
	(void)core;
	unit->instance = unit->running = unit->ended = unit->was_up = false;
	unit->stop_asked = unit->again = unit->force_restart = false;
	unit->killed = unit->has_exit = unit->dependency_lost = unit->left_alone = false;
	unit->stop_ran = unit->stop_post_ran = unit->notified_ready = false;
	unit->is_reloading = unit->reload_again = unit->will_tell_bound = false;
	unit->kills = 0;
	unit->stop_how = CORE_STOP_GENTLY;
	unit->watchdog_usec = unit->policy.watchdog_usec;
	unit->had_member = false;
	unit->job_deadline = 0;
	unit->result = CORE_RESULT_NONE;
	str_drop(&unit->cause);
	str_drop(&unit->status_text);
	unit->up_at = USEC_NEVER;
}

static const char *const stage_names[] = {
	[CORE_STAGE_NONE] = "starting",
	[CORE_STAGE_CONDITIONS] = "looking at its conditions",
	[CORE_STAGE_CONDITION] = "ExecCondition=",
	[CORE_STAGE_START_PRE] = "ExecStartPre=",
	[CORE_STAGE_CONTAINER] = "starting",
	[CORE_STAGE_START_POST] = "ExecStartPost=",
	[CORE_STAGE_STOP] = "ExecStop=",
	[CORE_STAGE_SIGNAL] = "stopping",
};

/* The first one at or behind this stage that the unit has; START_POST is not reached by it. */
static enum core_stage next_stage(const struct core_unit *unit, enum core_stage stage)
{
	if (stage <= CORE_STAGE_CONDITIONS && unit->policy.has_conditions)
		return CORE_STAGE_CONDITIONS;
	if (stage <= CORE_STAGE_CONDITION && command_is_there(unit, CORE_COMMAND_CONDITION))
		return CORE_STAGE_CONDITION;
	if (stage <= CORE_STAGE_START_PRE && command_is_there(unit, CORE_COMMAND_START_PRE))
		return CORE_STAGE_START_PRE;
	return CORE_STAGE_CONTAINER;
}

static void enter_stage(struct core *core, struct core_unit *unit, enum core_stage stage)
{
	bool is_first = unit->stage == CORE_STAGE_NONE; /* the move to STARTING has said it */

	unit->stage = stage;
	if (!is_first) {
		core_set_reason(core, unit, "%s", stage_names[stage]);
		core_note(core, unit, "%s", unit->reason);
	}
	if (stage == CORE_STAGE_CONDITIONS) {
		command_ask_conditions(core, unit);
	} else if (stage == CORE_STAGE_CONDITION) {
		command_order(core, unit, CORE_COMMAND_CONDITION);
	} else if (stage == CORE_STAGE_START_PRE) {
		command_order(core, unit, CORE_COMMAND_START_PRE);
	} else if (stage == CORE_STAGE_START_POST) {
		command_order(core, unit, CORE_COMMAND_START_POST);
	} else {
		unit->instance = true;
		unit->startup_passed = !unit->policy.startup.is_set || !unit->policy.health.is_set;
		core_act(core, unit, CORE_ACT_START, 0);
	}
}

void life_start_next(struct core *core, struct core_unit *unit)
{
	if (unit->stage == CORE_STAGE_CONTAINER &&
	    command_is_there(unit, CORE_COMMAND_START_POST)) {
		enter_stage(core, unit, CORE_STAGE_START_POST);
	} else if (unit->stage < CORE_STAGE_CONTAINER) {
		enter_stage(core, unit, next_stage(unit, (enum core_stage)((int)unit->stage + 1)));
	} else if (unit->ended) { /* a oneshot */
		stop_clean(core, unit, unit->cause);
	} else {
		life_set_up(core, unit, core->now, unit->ready_why);
	}
}

static void try_start(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX];
	enum order_block block = order_blocks_start(core, unit, text, sizeof(text));

	if (block == ORDER_NEVER) {
		give_up(core, unit, CORE_RESULT_DEPENDENCY, text);
		return;
	}
	if (block == ORDER_BLOCKED) {
		if (unit->job_is_over)
			job_give_up(core, unit, text);
		else if (unit->state == CORE_PULLING)
			core_move(core, unit, CORE_WAITING, "%s", text);
		else if (!str_eq(text, unit->reason))
			core_set_reason(core, unit, "%s", text);
		return;
	}
	start_limit_count(&unit->limit, &unit->policy, core->now);
	life_begin_instance(core, unit);
	core_move(core, unit, CORE_STARTING, "%s", stage_names[next_stage(unit, CORE_STAGE_NONE)]);
	timer_set(core, unit, CORE_TIMER_STATE,
		  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	job_runs(core, unit);
	life_start_next(core, unit);
}

void life_set_up(struct core *core, struct core_unit *unit, usec_t up_at, const char *why)
{
	core_move(core, unit, CORE_UP, "%s", why);
	unit->up_at = up_at;
	unit->was_up = true;
	timer_set(core, unit, CORE_TIMER_RUNTIME,
		  policy_add_usec(up_at, unit->policy.runtime_max_usec));
	command_reload_pending(core, unit);
}

void life_set_ready(struct core *core, struct core_unit *unit, const char *why)
{
	if (unit->stage != CORE_STAGE_CONTAINER)
		return;
	unit->ready_why = why;
	if (notify_decides_ready(unit))
		notify_watchdog_begin(core, unit);
	life_start_next(core, unit);
}

/* Nothing of a container is there yet; what a command has begun, ExecStopPost= cleans up. */
void life_fail_start(struct core *core, struct core_unit *unit, enum core_result result,
		     const char *why)
{
	unit->result = result;
	core_keep_text(&unit->cause, CORE_TEXT_MAX, why);
	/* A look at conditions is nothing to clean up after. */
	unit->stop_post_ran = unit->never_began = unit->stage == CORE_STAGE_CONDITIONS;
	stop_clean(core, unit, unit->cause);
}

/* systemd: a skipped unit is down, and who waits for its start goes on. */
static void skip(struct core *core, struct core_unit *unit)
{
	unit->want = CORE_WANT_DOWN;
	unit->finished = true;
	forget_failures(unit);
	core_move(core, unit, CORE_DOWN, "skipped: %s", unit->cause);
}

static void try_stop(struct core *core, struct core_unit *unit)
{
	const struct core_unit *first = order_blocks_stop(core, unit);

	if (unit->state == CORE_STARTING && !unit->instance) {
		/* It has not come to its container: there is nothing that a dependant could lean on. */
		life_fail_start(core, unit,
				unit->dependency_lost ? CORE_RESULT_DEPENDENCY : CORE_RESULT_NONE,
				unit->stop_text);
		return;
	}
	if (first) {
		core_set_reason(core, unit, "%s; stops after %s", unit->stop_text,
				first->policy.name);
		return;
	}
	if (unit->dependency_lost)
		unit->result = CORE_RESULT_DEPENDENCY;
	stop_begin(core, unit, CORE_STOP_GENTLY, unit->stop_text);
}

void life_look(struct core *core, struct core_unit *unit)
{
	if (unit->state == CORE_WAITING)
		try_start(core, unit);
	else if (unit->stop_asked)
		try_stop(core, unit);
	else if (unit->state == CORE_DOWN || unit->state == CORE_FAILED)
		bonds_uphold(core, unit);
	else if (unit->policy.stops_when_alone)
		bonds_look_alone(core, unit);
}

static void ask_stop(struct core *core, struct core_unit *unit, bool again, bool dependency_lost,
		     const char *why)
{
	unit->stop_asked = true;
	unit->again = again;
	unit->dependency_lost = dependency_lost;
	core_keep_text(&unit->stop_text, CORE_TEXT_MAX / 2, why);
	order_queue(core, unit);
}

/* What has finished and stays up (RemainAfterExit=) has something to do on its way down only with
 * commands. */
static bool stops_in_steps(const struct core_unit *unit)
{
	return unit->state == CORE_STARTING || unit->instance ||
	       command_is_there(unit, CORE_COMMAND_STOP) ||
	       command_is_there(unit, CORE_COMMAND_STOP_POST);
}

void life_start(struct core *core, struct core_unit *unit, enum life_start how, const char *why)
{
	bool was_wanted = unit->want == CORE_WANT_UP;

	unit->want = CORE_WANT_UP;
	unit->is_settled = false;
	core_touch(core, unit);
	switch (unit->state) {
	case CORE_DOWN:
	case CORE_FAILED:
		if (how != LIFE_START_BOND && how != LIFE_START_GOES_ON)
			forget_failures(unit);
		begin(core, unit, why);
		break;
	case CORE_BACKOFF:
		if (how == LIFE_START_ASKED) {
			forget_failures(unit);
			begin(core, unit, why);
		}
		break;
	case CORE_STARTING:
	case CORE_UP:
		if (!was_wanted)
			unit->stop_asked = false; /* its stop has not begun yet */
		break;
	case CORE_STOPPING:
	case CORE_CLEANING:
		unit->again = true;
		break;
	case CORE_WAITING:
	case CORE_PULLING:
		break;
	}
}

static void stop_started(struct core *core, struct core_unit *unit, const char *why)
{
	if (stops_in_steps(unit)) {
		ask_stop(core, unit, false, false, why);
	} else {
		unit->finished = false;
		core_move(core, unit, CORE_DOWN, "%s", why);
	}
}

void life_stop(struct core *core, struct core_unit *unit, const char *why)
{
	unit->want = CORE_WANT_DOWN;
	unit->again = false;
	forget_failures(unit);
	core_touch(core, unit);
	switch (unit->state) {
	case CORE_DOWN:
		unit->finished = false;
		break;
	case CORE_FAILED:
		/* What failed should still be seen while the appliance stops. */
		if (!core->is_shutting_down)
			core_move(core, unit, CORE_DOWN, "%s", why);
		break;
	case CORE_WAITING:
	case CORE_PULLING:
	case CORE_BACKOFF:
		core_move(core, unit, CORE_DOWN, "%s", why);
		break;
	case CORE_STARTING:
	case CORE_UP:
		stop_started(core, unit, why);
		break;
	case CORE_STOPPING:
		if (unit->left_alone && core->is_shutting_down)
			stop_on_timer(core, unit); /* nothing outlives the appliance */
		break;
	case CORE_CLEANING:
		break;
	}
}

void life_restart(struct core *core, struct core_unit *unit, const char *why)
{
	if (unit->state != CORE_STARTING && unit->state != CORE_UP)
		return;
	unit->want = CORE_WANT_UP;
	forget_failures(unit);
	core_touch(core, unit);
	if (stops_in_steps(unit))
		ask_stop(core, unit, true, false, why);
	else
		begin(core, unit, why);
}

void life_lose_dependency(struct core *core, struct core_unit *unit, const struct core_unit *lost)
{
	char why[CORE_TEXT_MAX];

	if ((unit->state != CORE_STARTING && unit->state != CORE_UP) || unit->stop_asked ||
	    unit == lost)
		return;
	snprintf(why, sizeof(why), "%s went away", lost->policy.name);
	if (stops_in_steps(unit))
		ask_stop(core, unit, unit->want == CORE_WANT_UP, true, why);
	else if (unit->want == CORE_WANT_UP)
		begin(core, unit, why);
}

void life_reset(struct core *core, struct core_unit *unit)
{
	forget_failures(unit);
	unit->limit = (struct start_limit){ 0 };
	if (unit->state != CORE_FAILED)
		return;
	unit->want = CORE_WANT_DOWN;
	unit->result = CORE_RESULT_NONE;
	core_move(core, unit, CORE_DOWN, "failure reset");
}

static void back_off(struct core *core, struct core_unit *unit)
{
	const struct core_policy *policy = &unit->policy;
	char span[POLICY_SPAN_MAX];
	usec_t delay, retry;

	/* systemd never forgets until a manual start; something that runs for years would end at
	 * its longest delay for good. */
	if (unit->up_at != USEC_NEVER && core->now - unit->up_at >= policy->restart_max_usec)
		unit->growth = 0;
	unit->growth++;
	delay = policy_restart_delay_usec(policy, unit->growth);
	/* A start error is no fault of the program and may go away by itself (a volume that is
	 * mounted later): slower and slower, so that the start limit is not used up by it. */
	retry = policy_retry_delay_usec(unit->start_errors);
	if (unit->result == CORE_RESULT_START_ERROR && delay < retry)
		delay = retry;
	core_move(core, unit, CORE_BACKOFF, "%s; next start in %s", unit->cause,
		  policy_format_span(span, delay));
	timer_set(core, unit, CORE_TIMER_STATE, policy_add_usec(core->now, delay));
}

bool life_on_image_ready(struct core *core, struct core_unit *unit, const char *why)
{
	bool was_missing = (unit->state == CORE_FAILED || unit->state == CORE_BACKOFF) &&
			   unit->result == CORE_RESULT_IMAGE && unit->want == CORE_WANT_UP;

	if (was_missing) {
		begin(core, unit, why && why[0] ? why : "the image has come");
	} else if (unit->state == CORE_PULLING) {
		unit->image_failures = 0;
		unit->lacks_image = false;
		try_start(core, unit);
	} else {
		return false;
	}
	return true;
}

bool life_on_image_failed(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];
	usec_t delay;

	if (unit->state != CORE_PULLING)
		return false;
	core_copy_text(text, sizeof(text), event->text ? event->text : "unknown reason");
	unit->result = CORE_RESULT_IMAGE;
	str_drop(&unit->cause);
	if (event->permanent) {
		core_move(core, unit, CORE_FAILED, "image: %s", text);
		unit->lacks_image = true;
		return true;
	}
	unit->image_failures++;
	delay = policy_retry_delay_usec(unit->image_failures);
	core_move(core, unit, CORE_BACKOFF, "image: %s; next try in %s", text,
		  policy_format_span(span, delay));
	timer_set(core, unit, CORE_TIMER_STATE, core->now + delay);
	return true;
}

static const char *waits_for(const struct core_unit *unit)
{
	if (unit->policy.type == SERVICE_ONESHOT)
		return "running; counts as started when it has finished";
	if (notify_decides_ready(unit) && !unit->notified_ready)
		return "running; counts as started when it says that it is ready";
	if (!notify_decides_ready(unit) && health_decides_ready(unit))
		return "running; counts as started when it is healthy";
	return NULL;
}

bool life_on_running(struct core *core, struct core_unit *unit)
{
	const char *text;

	if (!unit->instance || unit->running || unit->ended ||
	    (unit->state != CORE_STARTING && unit->state != CORE_STOPPING))
		return false;
	unit->running = true;
	unit->start_errors = 0;
	if (unit->state == CORE_STOPPING) {
		/* It was told to die before it was born; the first SIGKILL may have met an empty
		 * cgroup. */
		core_note(core, unit, "came up while stopping: killed");
		core_act(core, unit, CORE_ACT_KILL, 0);
		return true;
	}
	health_begin(core, unit);
	if (!notify_decides_ready(unit))
		notify_watchdog_begin(core, unit);
	text = waits_for(unit);
	if (text) {
		core_set_reason(core, unit, "%s", text);
		core_note(core, unit, "%s", unit->reason);
	} else {
		life_set_ready(core, unit,
			       notify_decides_ready(unit) ? "said that it is ready" : "running");
	}
	return true;
}

static void finish(struct core *core, struct core_unit *unit)
{
	unit->finished = true;
	forget_failures(unit);
	if (unit->policy.remain_after_exit) {
		core_move(core, unit, CORE_UP, "finished: %s", unit->cause);
		return;
	}
	unit->want = CORE_WANT_DOWN;
	core_move(core, unit, CORE_DOWN, "finished: %s", unit->cause);
}

bool life_will_remain(const struct core_unit *unit)
{
	return unit->policy.remain_after_exit && unit->result == CORE_RESULT_SUCCESS &&
	       unit->want == CORE_WANT_UP && !unit->again && !unit->finished;
}

void life_settle(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];

	snprintf(why, sizeof(why), "starts again; %.480s", unit->cause);
	if (unit->want == CORE_WANT_DOWN) {
		unit->finished = false;
		core_move(core, unit, CORE_DOWN, "%s", unit->cause);
	} else if (unit->again) {
		begin(core, unit, why);
	} else if (unit->result == CORE_RESULT_CONDITION) {
		skip(core, unit);
	} else if (life_will_remain(unit)) {
		finish(core, unit);
	} else if (unit->force_restart ||
		   policy_shall_restart(&unit->policy, unit->result, unit->has_exit,
					unit->exit_code, unit->exit_signal)) {
		back_off(core, unit);
	} else if (unit->result == CORE_RESULT_SUCCESS) {
		finish(core, unit);
	} else {
		core_move(core, unit, CORE_FAILED, "%s", unit->cause);
	}
}

static void adopt_running(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	usec_t started_at = event->started_at < core->now ? event->started_at : core->now;
	char span[POLICY_SPAN_MAX], why[CORE_TEXT_MAX];
	bool waits_notify = notify_decides_ready(unit),
	     waits_health = !waits_notify && health_decides_ready(unit) &&
			    event->adopted_health != CORE_HEALTHY;
	bool waits = unit->policy.type == SERVICE_ONESHOT ||
		     (!event->was_up && (waits_notify || waits_health));

	unit->running = true;
	unit->instance = true;
	unit->startup_passed = !unit->policy.startup.is_set || !unit->policy.health.is_set;
	snprintf(why, sizeof(why), "adopted, runs for %s",
		 policy_format_span(span, core->now - started_at));
	if (!waits && (event->was_up || !command_is_there(unit, CORE_COMMAND_START_POST))) {
		life_set_up(core, unit, started_at, why);
	} else {
		core_move(core, unit, CORE_STARTING, "%s", why);
		unit->stage = CORE_STAGE_CONTAINER;
		timer_set(core, unit, CORE_TIMER_STATE,
			  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	}
	health_adopt(core, unit, event, started_at);
	if (event->was_up || !waits_notify)
		notify_watchdog_begin(core, unit);
	/* how it was found is said; what people see of it is what it was */
	if (unit->state == CORE_STARTING && waits_for(unit))
		core_set_reason(core, unit, "%s", waits_for(unit));
	else if (unit->state == CORE_UP && event->text && event->text[0])
		core_set_reason(core, unit, "%s", event->text);
	unit->ready_why = "adopted";
	if (!waits && unit->state == CORE_STARTING)
		life_start_next(core, unit);
}

/* An earlier engine has ordered this start; ordering it again would make a second container. */
static void adopt_starting(struct core *core, struct core_unit *unit)
{
	unit->instance = true;
	unit->startup_passed = !unit->policy.startup.is_set || !unit->policy.health.is_set;
	core_move(core, unit, CORE_STARTING, "adopted, is being started");
	unit->stage = CORE_STAGE_CONTAINER;
	timer_set(core, unit, CORE_TIMER_STATE,
		  policy_add_usec(core->now, unit->policy.timeout_start_usec));
}

bool life_on_adopted(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	if (unit->state != CORE_DOWN && unit->state != CORE_PULLING && unit->state != CORE_WAITING)
		return false;
	unit->want = CORE_WANT_UP;
	life_begin_instance(core, unit);
	unit->had_member = event->had_member;
	if (event->ended) {
		unit->finished = true;
		unit->result = CORE_RESULT_SUCCESS;
		core_move(core, unit, CORE_UP, "adopted, has finished");
	} else if (event->starting) {
		adopt_starting(core, unit);
	} else {
		adopt_running(core, unit, event);
	}
	order_queue(core, unit); /* its last member may have gone while nobody looked */
	if (core->is_shutting_down)
		life_stop(core, unit, "shutdown");
	return true;
}

static void start_timeout(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];
	const char *what = unit->command != CORE_COMMAND_NONE	? command_name(unit->command) :
			   unit->stage == CORE_STAGE_CONDITIONS ? "its conditions" :
								  "";
	const char *how = what[0]			       ? " not finished" :
			  !unit->running		       ? "not started" :
			  unit->policy.type == SERVICE_ONESHOT ? "not finished" :
			  notify_decides_ready(unit)	       ? "not ready" :
								 "not healthy";

	snprintf(text, sizeof(text), "%s%s within %s", what, how,
		 policy_format_span(span, unit->policy.timeout_start_usec));
	if (!unit->instance)
		life_fail_start(core, unit, CORE_RESULT_TIMEOUT, text);
	else
		stop_break(core, unit, CORE_RESULT_TIMEOUT,
			   unit->policy.kills_at_start_timeout ? CORE_STOP_BY_KILL :
								 CORE_STOP_BY_SIGNAL,
			   text);
}

static void backoff_over(struct core *core, struct core_unit *unit)
{
	bool was_image = unit->result == CORE_RESULT_IMAGE;

	begin(core, unit, was_image ? "next try" : "restart");
	if (!was_image && unit->state == CORE_PULLING)
		unit->restarts++;
}

static void on_state_timer(struct core *core, struct core_unit *unit)
{
	if (unit->state == CORE_STARTING)
		start_timeout(core, unit);
	else if (unit->state == CORE_STOPPING)
		stop_on_timer(core, unit);
	else if (unit->state == CORE_CLEANING)
		stop_clean_on_timer(core, unit);
	else
		backoff_over(core, unit);
}

void life_on_timer(struct core *core, struct core_unit *unit, enum core_timer timer)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	timer_set(core, unit, timer, USEC_NEVER);
	switch (timer) {
	case CORE_TIMER_STATE:
		on_state_timer(core, unit);
		return;
	case CORE_TIMER_PROBE:
		health_on_timer(core, unit);
		return;
	case CORE_TIMER_RUNTIME:
		snprintf(text, sizeof(text), "ran for RuntimeMaxSec=%s",
			 policy_format_span(span, unit->policy.runtime_max_usec));
		stop_break(core, unit, CORE_RESULT_TIMEOUT, CORE_STOP_GENTLY, text);
		return;
	case CORE_TIMER_WATCHDOG:
		notify_watchdog_over(core, unit);
		return;
	case CORE_TIMER_RELOAD:
		command_reload_timeout(core, unit);
		return;
	case CORE_TIMER_UPHOLD:
		core->transactions += core->transactions == 0 ? 1 : 0;
		order_queue(core, unit);
		return;
	case CORE_TIMER_JOB:
		job_over(core, unit);
		return;
	case CORE_TIMER_COUNT:
		break;
	}
}
