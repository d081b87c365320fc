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

/* First step of every start, whoever asked for it. The image comes before the dependencies, so
 * that all pulls of a boot run at once. */
static void begin(struct core *core, struct core_unit *unit, const char *why)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	unit->finished = false;
	unit->again = false;
	if (unit->policy.is_invalid) {
		give_up(core, unit, CORE_RESULT_INVALID,
			unit->invalid_why[0] ? unit->invalid_why : "the unit file has errors");
	} else if (start_limit_is_reached(&unit->limit, &unit->policy, core->now)) {
		snprintf(text, sizeof(text), "start limit reached: %u starts within %s%s%.400s",
			 unit->policy.start_limit_burst,
			 policy_format_span(span, unit->policy.start_limit_interval_usec),
			 unit->cause[0] ? "; last: " : "", unit->cause);
		give_up(core, unit, CORE_RESULT_START_LIMIT, text);
	} else {
		core_move(core, unit, CORE_PULLING, "%s", why);
		core_act(core, unit, CORE_ACT_IMAGE, 0);
	}
}

static void new_instance(struct core *core, struct core_unit *unit)
{
	unit->instance = true;
	unit->running = unit->stop_asked = unit->again = unit->force_restart = false;
	unit->killed = unit->has_exit = unit->dependency_lost = false;
	unit->kills = 0;
	unit->result = CORE_RESULT_NONE;
	unit->cause[0] = '\0';
	unit->up_at = USEC_NEVER;
	core->alive++;
}

static void try_start(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX];

	if (order_blocks_start(core, unit, text, sizeof(text))) {
		if (unit->state == CORE_PULLING)
			core_move(core, unit, CORE_WAITING, "%s", text);
		else if (!str_eq(text, unit->reason))
			core_set_reason(core, unit, "%s", text);
		return;
	}
	start_limit_count(&unit->limit, &unit->policy, core->now);
	new_instance(core, unit);
	core_move(core, unit, CORE_STARTING, "starting");
	timer_set(core, unit, CORE_TIMER_STATE,
		  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	core_act(core, unit, CORE_ACT_START, 0);
}

static void set_up(struct core *core, struct core_unit *unit, usec_t up_at, const char *why)
{
	core_move(core, unit, CORE_UP, "%s", why);
	unit->up_at = up_at;
	timer_set(core, unit, CORE_TIMER_RUNTIME,
		  policy_add_usec(up_at, unit->policy.runtime_max_usec));
}

void life_set_ready(struct core *core, struct core_unit *unit, const char *why)
{
	set_up(core, unit, core->now, why);
}

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
	return unit->policy.stop_timeout_usec < unit->policy.timeout_stop_usec ?
		       unit->policy.stop_timeout_usec :
		       unit->policy.timeout_stop_usec;
}

static void begin_stop(struct core *core, struct core_unit *unit, bool kill, const char *why)
{
	core_move(core, unit, CORE_STOPPING, "%s", why);
	/* Before execve there is nobody to ask. */
	if (kill || !unit->running || stop_limit(unit) == 0) {
		order_kill(core, unit);
		return;
	}
	core_act(core, unit, CORE_ACT_SIGNAL_STOP, 0);
	timer_set(core, unit, CORE_TIMER_STATE, policy_add_usec(core->now, stop_limit(unit)));
}

static void try_stop(struct core *core, struct core_unit *unit)
{
	const struct core_unit *first = order_blocks_stop(core, unit);

	if (first) {
		core_set_reason(core, unit, "%s; stops after %s", unit->stop_text,
				first->policy.name);
		return;
	}
	if (unit->dependency_lost)
		unit->result = CORE_RESULT_DEPENDENCY;
	begin_stop(core, unit, false, unit->stop_text);
}

void life_look(struct core *core, struct core_unit *unit)
{
	if (unit->state == CORE_WAITING)
		try_start(core, unit);
	else if (unit->stop_asked)
		try_stop(core, unit);
}

void life_break(struct core *core, struct core_unit *unit, enum core_result result, bool kill,
		const char *why)
{
	unit->result = result;
	begin_stop(core, unit, kill, why);
}

static void ask_stop(struct core *core, struct core_unit *unit, bool again, bool dependency_lost,
		     const char *why)
{
	unit->stop_asked = true;
	unit->again = again;
	unit->dependency_lost = dependency_lost;
	core_copy_text(unit->stop_text, sizeof(unit->stop_text), why);
	order_queue(core, unit);
}

void life_start(struct core *core, struct core_unit *unit, bool is_direct, const char *why)
{
	bool was_wanted = unit->want == CORE_WANT_UP;

	unit->want = CORE_WANT_UP;
	core_touch(core, unit);
	switch (unit->state) {
	case CORE_DOWN:
	case CORE_FAILED:
		forget_failures(unit);
		begin(core, unit, why);
		break;
	case CORE_BACKOFF:
		if (is_direct) {
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
		if (unit->instance) {
			ask_stop(core, unit, false, false, why);
		} else {
			unit->finished = false;
			core_move(core, unit, CORE_DOWN, "%s", why);
		}
		break;
	case CORE_STOPPING:
	case CORE_CLEANING:
		break;
	}
}

void life_restart(struct core *core, struct core_unit *unit, bool is_direct, const char *why)
{
	bool is_started = unit->state == CORE_STARTING || unit->state == CORE_UP;

	if (!is_direct && (!is_started || unit->want == CORE_WANT_DOWN))
		return;
	if (!is_started) {
		life_start(core, unit, true, why);
		return;
	}
	unit->want = CORE_WANT_UP;
	forget_failures(unit);
	core_touch(core, unit);
	if (unit->instance)
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
	if (unit->instance)
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

/* The container has ended (or never came to be): the teardown is due, whatever comes after it. */
static void ended(struct core *core, struct core_unit *unit, enum core_result result,
		  const char *text)
{
	char cause[CORE_TEXT_MAX];
	bool was_asked = unit->state == CORE_STOPPING && unit->result == CORE_RESULT_NONE;

	if (unit->state == CORE_STOPPING)
		snprintf(cause, sizeof(cause), "%.240s; %.240s", unit->reason, text);
	else
		core_copy_text(cause, sizeof(cause), text);
	if (unit->state != CORE_STOPPING)
		unit->result = result;
	else if (was_asked)
		unit->result = unit->has_exit ? CORE_RESULT_SUCCESS : result;
	core_copy_text(unit->cause, sizeof(unit->cause), cause);
	unit->running = false;
	core_move(core, unit, CORE_CLEANING, "%s", cause);
	core_act(core, unit, CORE_ACT_TEARDOWN, 0);
}

bool life_on_image_ready(struct core *core, struct core_unit *unit)
{
	bool was_missing = (unit->state == CORE_FAILED || unit->state == CORE_BACKOFF) &&
			   unit->result == CORE_RESULT_IMAGE && unit->want == CORE_WANT_UP;

	if (was_missing) {
		begin(core, unit, "the image has come");
	} else if (unit->state == CORE_PULLING) {
		unit->image_failures = 0;
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
	unit->cause[0] = '\0';
	if (event->permanent) {
		core_move(core, unit, CORE_FAILED, "image: %s", text);
		return true;
	}
	unit->image_failures++;
	delay = policy_retry_delay_usec(unit->image_failures);
	core_move(core, unit, CORE_BACKOFF, "image: %s; next try in %s", text,
		  policy_format_span(span, delay));
	timer_set(core, unit, CORE_TIMER_STATE, core->now + delay);
	return true;
}

bool life_on_running(struct core *core, struct core_unit *unit)
{
	if (unit->running || (unit->state != CORE_STARTING && unit->state != CORE_STOPPING))
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
	if (unit->policy.type == SERVICE_ONESHOT)
		core_set_reason(core, unit, "running; counts as started when it has finished");
	else if (health_decides_ready(unit))
		core_set_reason(core, unit, "running; counts as started when it is healthy");
	else
		life_set_ready(core, unit, "running");
	if (unit->state == CORE_STARTING)
		core_note(core, unit, "%s", unit->reason);
	return true;
}

bool life_on_start_failed(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	char text[CORE_TEXT_MAX];

	if (unit->running || (unit->state != CORE_STARTING && unit->state != CORE_STOPPING))
		return false;
	unit->start_errors++;
	core_copy_text(text, sizeof(text), event->text ? event->text : "unknown reason");
	ended(core, unit, CORE_RESULT_START_ERROR, text);
	return true;
}

bool life_on_exited(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	enum core_result result =
		policy_exit_result(&unit->policy, event->code, event->signal, event->oom);
	char text[CORE_TEXT_MAX], name[POLICY_SPAN_MAX];
	bool is_early = unit->state == CORE_STARTING && unit->policy.type != SERVICE_ONESHOT &&
			health_decides_ready(unit) && result == CORE_RESULT_SUCCESS;

	if (!unit->instance || unit->state == CORE_CLEANING)
		return false;
	unit->has_exit = true;
	unit->exit_code = event->signal != 0 ? 128 + event->signal : event->code;
	unit->exit_signal = event->signal;
	unit->oom = event->oom;
	if (event->signal != 0)
		snprintf(text, sizeof(text), "ended by %s%s",
			 policy_format_signal(name, event->signal),
			 event->oom ? " (out of memory)" : "");
	else
		snprintf(text, sizeof(text), "exited with code %d%s%s", event->code,
			 event->oom ? " (out of memory)" : "",
			 is_early ? " before it was healthy" : "");
	ended(core, unit, is_early ? CORE_RESULT_EXIT_CODE : result, text);
	return true;
}

bool life_on_shim_lost(struct core *core, struct core_unit *unit)
{
	if (!unit->instance || unit->state == CORE_CLEANING)
		return false;
	/* Nobody looks after the container any more, so it must not live on. */
	core_act(core, unit, CORE_ACT_KILL, 0);
	ended(core, unit, CORE_RESULT_SHIM_LOST, "its shim died");
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

bool life_on_cleaned(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];

	if (unit->state != CORE_CLEANING)
		return false;
	unit->instance = false;
	core->alive--;
	snprintf(why, sizeof(why), "starts again; %.480s", unit->cause);
	if (unit->want == CORE_WANT_DOWN)
		core_move(core, unit, CORE_DOWN, "%s", unit->cause);
	else if (unit->again)
		begin(core, unit, why);
	else if (unit->result == CORE_RESULT_SUCCESS && unit->policy.remain_after_exit)
		finish(core, unit);
	else if (unit->force_restart ||
		 policy_shall_restart(&unit->policy, unit->result, unit->has_exit, unit->exit_code,
				      unit->exit_signal))
		back_off(core, unit);
	else if (unit->result == CORE_RESULT_SUCCESS)
		finish(core, unit);
	else
		core_move(core, unit, CORE_FAILED, "%s", unit->cause);
	return true;
}

static void adopt_running(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	usec_t started_at = event->started_at < core->now ? event->started_at : core->now;
	char span[POLICY_SPAN_MAX], why[CORE_TEXT_MAX];
	bool is_ready = unit->policy.type != SERVICE_ONESHOT &&
			(!health_decides_ready(unit) || event->adopted_health == CORE_HEALTHY);

	new_instance(core, unit);
	unit->running = true;
	snprintf(why, sizeof(why), "adopted, runs for %s",
		 policy_format_span(span, core->now - started_at));
	if (is_ready) {
		set_up(core, unit, started_at, why);
	} else {
		core_move(core, unit, CORE_STARTING, "%s", why);
		timer_set(core, unit, CORE_TIMER_STATE,
			  policy_add_usec(core->now, unit->policy.timeout_start_usec));
	}
	health_adopt(core, unit, event->adopted_health, started_at);
}

/* An earlier engine has ordered this start; ordering it again would make a second container. */
static void adopt_starting(struct core *core, struct core_unit *unit)
{
	new_instance(core, unit);
	core_move(core, unit, CORE_STARTING, "adopted, is being started");
	timer_set(core, unit, CORE_TIMER_STATE,
		  policy_add_usec(core->now, unit->policy.timeout_start_usec));
}

bool life_on_adopted(struct core *core, struct core_unit *unit, const struct core_event *event)
{
	if (unit->state != CORE_DOWN && unit->state != CORE_PULLING && unit->state != CORE_WAITING)
		return false;
	unit->want = CORE_WANT_UP;
	if (event->ended) {
		unit->finished = true;
		unit->result = CORE_RESULT_SUCCESS;
		core_move(core, unit, CORE_UP, "adopted, has finished");
	} else if (event->starting) {
		adopt_starting(core, unit);
	} else {
		adopt_running(core, unit, event);
	}
	if (core->is_shutting_down)
		life_stop(core, unit, "shutdown");
	return true;
}

static void start_timeout(struct core *core, struct core_unit *unit)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];
	const char *what = !unit->running			? "not started" :
			   unit->policy.type == SERVICE_ONESHOT ? "not finished" :
								  "not healthy";

	snprintf(text, sizeof(text), "%s within %s", what,
		 policy_format_span(span, unit->policy.timeout_start_usec));
	life_break(core, unit, CORE_RESULT_TIMEOUT, false, text);
}

static void stop_timeout(struct core *core, struct core_unit *unit)
{
	char span[POLICY_SPAN_MAX];

	if (unit->killed) {
		core_note(core, unit, "still there after SIGKILL, killed again");
	} else {
		if (unit->result == CORE_RESULT_NONE)
			unit->result = CORE_RESULT_TIMEOUT;
		policy_format_span(span, stop_limit(unit));
		core_set_reason(core, unit, "%.400s; no end within %s, killed", unit->reason, span);
		core_note(core, unit, "no end within %s, killed", span);
	}
	order_kill(core, unit);
}

static void backoff_over(struct core *core, struct core_unit *unit)
{
	bool was_image = unit->result == CORE_RESULT_IMAGE;

	begin(core, unit, was_image ? "next try" : "restart");
	if (!was_image && unit->state == CORE_PULLING)
		unit->restarts++;
}

void life_on_timer(struct core *core, struct core_unit *unit, enum core_timer timer)
{
	char text[CORE_TEXT_MAX], span[POLICY_SPAN_MAX];

	timer_set(core, unit, timer, USEC_NEVER);
	if (timer == CORE_TIMER_PROBE) {
		health_on_timer(core, unit);
	} else if (timer == CORE_TIMER_RUNTIME) {
		snprintf(text, sizeof(text), "ran for RuntimeMaxSec=%s",
			 policy_format_span(span, unit->policy.runtime_max_usec));
		life_break(core, unit, CORE_RESULT_TIMEOUT, false, text);
	} else if (unit->state == CORE_STARTING) {
		start_timeout(core, unit);
	} else if (unit->state == CORE_STOPPING) {
		stop_timeout(core, unit);
	} else {
		backoff_over(core, unit);
	}
}
