/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the routes do: ask the engine, and for start, stop and restart hold the answer back until the unit has come to rest. An answer is
 * never held back for something that may never come: each wait ends with the unit's own time limits, with somebody else's
 * contrary order, or at once with a reason. Must never wait here: whoever calls asks again after each change.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "util/str.h"

#define HURRY_MIN_USEC (100 * USEC_MSEC)
#define ID_PREFIX_MIN 4

static int status_of(const struct err *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
		return 404;
	case ERR_INPUT:
		return 400;
	case ERR_BUSY:
		return 409;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_NONE:
	case ERR_SYS:
	case ERR_LIMIT:
	case ERR_INTEGRITY:
	case ERR_BUG:
		break;
	}
	return 500;
}

/* Docker's clients show and send the first twelve digits of an id. */
static unsigned find_ids(struct api_call *call, unsigned *index)
{
	unsigned hits = 0;

	if (strlen(call->order->name) < ID_PREFIX_MIN)
		return 0;
	for (unsigned i = 0; i < engine_unit_count(call->engine); i++) {
		struct engine_unit unit;
		char id[API_ID_LEN + 1];

		engine_unit(call->engine, i, &unit);
		api_id(unit.published->name, id);
		if (str_starts(id, call->order->name)) {
			*index = i;
			hits++;
		}
	}
	return hits;
}

bool api_find(struct api_call *call, unsigned *index)
{
	unsigned hits;
	struct err err;

	if (engine_find(call->engine, call->order->name, index, &err) == 0)
		return true;
	hits = err.code == ERR_NOT_FOUND ? find_ids(call, index) : 0;
	if (hits == 1)
		return true;
	if (hits > 1)
		api_fail(call->answer, 400, "\"%s\" is the beginning of several ids",
			 call->order->name);
	else
		api_fail(call->answer, status_of(&err), "%s", err.msg);
	return false;
}

void api_ping(struct api_call *call)
{
	call->answer->status = 200;
	call->answer->content_type = "text/plain; charset=utf-8";
	buf_puts(&call->answer->body, "OK");
	snprintf(
		call->answer->extra, sizeof(call->answer->extra),
		"API-Version: %s\r\nDocker-Experimental: false\r\nOSType: linux\r\nCache-Control: no-cache\r\n",
		API_VERSION);
}

void api_version(struct api_call *call)
{
	call->answer->status = 200;
	api_render_version(&call->answer->body);
}

void api_info(struct api_call *call)
{
	call->answer->status = 200;
	api_render_info(call->engine, &call->answer->body);
}

void api_list(struct api_call *call)
{
	call->answer->status = 200;
	api_render_list(call->engine, call->order->all, &call->answer->body);
}

void api_inspect(struct api_call *call)
{
	unsigned index;

	if (!api_find(call, &index))
		return;
	call->answer->status = 200;
	api_render_inspect(call->engine, index, &call->answer->body);
}

void api_status(struct api_call *call)
{
	call->answer->status = 200;
	api_render_status(call->engine, &call->answer->body);
}

void api_logs(struct api_call *call)
{
	struct err err;

	if (!api_find(call, &call->answer->index))
		return;
	/* as Docker has it for such drivers */
	if (engine_log_is_kept(call->engine, call->answer->index, &err) < 0) {
		api_fail(call->answer, 501, "%s", err.msg);
		return;
	}
	call->answer->log_args = call->order->log_args;
	call->answer->is_stream = true;
}

void api_reload(struct api_call *call)
{
	call->answer->status = 202;
	call->answer->reload = true;
	buf_puts(&call->answer->body, "{}\n");
}

void api_images_changed(struct api_call *call)
{
	engine_images_changed(call->engine);
	call->answer->status = 204;
}

void api_kill(struct api_call *call)
{
	struct err err;
	unsigned index;

	if (!api_find(call, &index))
		return;
	if (engine_signal(call->engine, index, call->order->signal, call->order->all, &err) < 0)
		api_fail(call->answer, err.code == ERR_INPUT ? 409 : 500, "%s", err.msg);
	else
		call->answer->status = 204;
}

static bool is_down(const struct core_unit_view *view)
{
	return view->state == CORE_DOWN || view->state == CORE_FAILED;
}

/* Feeds the request and holds the answer back until the unit rests. 304: it is so already, and may be. */
static void ask(struct api_call *call, enum engine_verb verb)
{
	struct api_answer *answer = call->answer;
	struct engine_unit unit;
	struct err err;
	unsigned index;

	if (!api_find(call, &index))
		return;
	engine_unit(call->engine, index, &unit);
	if ((verb == ENGINE_START && unit.view.state == CORE_UP && unit.view.want == CORE_WANT_UP &&
	     !unit.published->masked) ||
	    (verb == ENGINE_STOP && is_down(&unit.view) && unit.view.want == CORE_WANT_DOWN)) {
		answer->status = 304;
		return;
	}
	answer->asked_at = loop_now(engine_loop(call->engine));
	if (engine_request(call->engine, index, verb, &err) < 0) {
		api_fail(answer, status_of(&err), "%s", err.msg);
		return;
	}
	answer->index = index;
	answer->verb = verb;
	answer->stop_usec = call->order->stop_usec;
	answer->has_caller =
		call->order->caller[0] &&
		engine_find(call->engine, call->order->caller, &answer->caller, &err) == 0;
	answer->is_pending = !call->order->no_wait &&
			     !(answer->has_caller && answer->caller == index);
	if (!answer->is_pending)
		answer->status = 202;
}

void api_start(struct api_call *call)
{
	ask(call, ENGINE_START);
}

void api_stop(struct api_call *call)
{
	ask(call, ENGINE_STOP);
}

void api_restart(struct api_call *call)
{
	ask(call, ENGINE_RESTART);
}

void api_reset(struct api_call *call)
{
	ask(call, ENGINE_RESET_FAILED);
}

void api_reload_unit(struct api_call *call)
{
	struct engine_unit unit;
	unsigned index;

	if (!api_find(call, &index))
		return;
	engine_unit(call->engine, index, &unit);
	if (unit.spec && unit.view.state != CORE_UP)
		api_fail(call->answer, 409, "%s is not active, cannot reload",
			 unit.unit->service_name);
	else
		ask(call, ENGINE_RELOAD);
}

void api_healthcheck(struct api_call *call)
{
	unsigned index;

	if (!api_find(call, &index))
		return;
	call->answer->results_before = engine_health_results(call->engine, index);
	ask(call, ENGINE_HEALTHCHECK);
}

static bool is_on_its_way(const struct core_unit_view *view)
{
	return view->state == CORE_PULLING || view->state == CORE_STARTING ||
	       view->state == CORE_STOPPING || view->state == CORE_CLEANING ||
	       (view->state == CORE_UP && view->want == CORE_WANT_DOWN);
}

static bool find_service(struct engine *engine, const char *service, unsigned *index)
{
	for (unsigned i = 0; i < engine_unit_count(engine); i++) {
		struct engine_unit unit;

		engine_unit(engine, i, &unit);
		if (str_eq(unit.unit->service_name, service)) {
			*index = i;
			return true;
		}
	}
	return false;
}

struct walk {
	struct engine *engine;
	unsigned todo[CORE_MAX_UNITS];
	size_t count;
	bool seen[CORE_MAX_UNITS];
};

static void walk_add(struct walk *walk, unsigned index)
{
	if (index >= CORE_MAX_UNITS || walk->seen[index])
		return;
	walk->seen[index] = true;
	walk->todo[walk->count++] = index;
}

/* Whom the unit may be waiting for: its own dependencies, and those that are said on the other side (Before=). */
static void walk_neighbours(struct walk *walk, const struct engine_unit *unit)
{
	unsigned target;

	for (size_t i = 0; i < unit->unit->service.dep_count; i++) {
		const struct service_dep *dep = &unit->unit->service.deps[i];

		if (dep->kind != SERVICE_DEP_BEFORE &&
		    find_service(walk->engine, dep->target, &target))
			walk_add(walk, target);
	}
	for (unsigned i = 0; i < engine_unit_count(walk->engine); i++) {
		struct engine_unit other;

		engine_unit(walk->engine, i, &other);
		for (size_t k = 0; k < other.unit->service.dep_count; k++)
			if (other.unit->service.deps[k].kind == SERVICE_DEP_BEFORE &&
			    str_eq(other.unit->service.deps[k].target, unit->unit->service_name))
				walk_add(walk, i);
	}
}

/* A unit that waits is worth waiting for as long as something that it waits for moves. What backs off or gave up does not. */
static bool is_wait_hopeful(struct engine *engine, unsigned index, const struct api_answer *answer,
			    bool *is_for_caller)
{
	static struct walk walk; /* too large for a frame; one thread */

	memset(&walk, 0, sizeof(walk));
	walk.engine = engine;
	walk_add(&walk, index);
	for (size_t at = 0; at < walk.count; at++) {
		struct engine_unit unit;

		engine_unit(engine, walk.todo[at], &unit);
		*is_for_caller |= answer->has_caller && walk.todo[at] == answer->caller;
		if (is_on_its_way(&unit.view))
			return true;
		if (unit.view.state == CORE_WAITING)
			walk_neighbours(&walk, &unit);
	}
	return false;
}

static bool settle(struct api_answer *answer, int status)
{
	answer->is_pending = false;
	answer->status = status;
	return true;
}

/* The core's own reason: the published one may be about to follow in this very turn. */
static bool settle_failure(struct api_answer *answer, int status, const struct engine_unit *unit)
{
	const char *reason = unit->view.reason && unit->view.reason[0] ? unit->view.reason :
									 "no reason is known";

	answer->is_pending = false;
	api_fail(answer, status, "container %s is %s: %s", unit->published->name,
		 core_state_name(unit->view.state), reason);
	return true;
}

static bool settle_contradicted(struct api_answer *answer, const struct engine_unit *unit,
				const char *what)
{
	answer->is_pending = false;
	api_fail(answer, 409, "container %s was asked to %s meanwhile", unit->published->name,
		 what);
	return true;
}

static bool stop_settled(struct api_answer *answer, const struct engine_unit *unit)
{
	if (is_down(&unit->view))
		return settle(answer, 204);
	/* it stops when those that need it have, and the one whose command this is may be among them */
	if (answer->has_caller && unit->view.state == CORE_UP)
		return settle(answer, 202);
	return unit->view.want == CORE_WANT_UP && settle_contradicted(answer, unit, "start");
}

static bool start_settled(struct engine *engine, struct api_answer *answer,
			  const struct engine_unit *unit)
{
	const struct core_unit_view *view = &unit->view;
	bool is_for_caller = false, is_hopeful;

	switch (view->state) {
	case CORE_STOPPING:
	case CORE_CLEANING:
		return view->want == CORE_WANT_DOWN && settle_contradicted(answer, unit, "stop");
	case CORE_STARTING:
		answer->has_run = true;
		return view->job_is_over && settle_failure(answer, 504, unit);
	case CORE_PULLING:
		return view->job_is_over && settle_failure(answer, 504, unit);
	case CORE_WAITING:
		is_hopeful = is_wait_hopeful(engine, answer->index, answer, &is_for_caller);
		if (is_for_caller)
			return settle(answer, 202);
		return !is_hopeful && settle_failure(answer, 409, unit);
	case CORE_UP:
		/* A restart has not begun yet while others that need this unit stop first. */
		if (answer->verb == ENGINE_RESTART && view->since <= answer->asked_at) {
			if (answer->has_caller)
				return settle(answer, 202);
			return view->want == CORE_WANT_DOWN &&
			       settle_contradicted(answer, unit, "stop");
		}
		return settle(answer, 204);
	case CORE_DOWN:
		/* A one-shot that has finished; the result alone may be an earlier run's. */
		if (view->result == CORE_RESULT_SUCCESS && answer->has_run)
			return settle(answer, 204);
		break;
	case CORE_BACKOFF:
	case CORE_FAILED:
		break;
	}
	return settle_failure(answer, 500, unit);
}

/* The result of the check that was asked for, or of the one that was under way then. */
static bool health_settled(struct engine *engine, struct api_answer *answer,
			   const struct engine_unit *unit)
{
	if (engine_health_results(engine, answer->index) != answer->results_before) {
		api_render_health(engine, answer->index, &answer->body);
		return settle(answer, 200);
	}
	if (unit->view.health != CORE_HEALTH_NONE)
		return false;
	return settle_failure(answer, 409, unit);
}

static bool reload_settled(struct engine *engine, struct api_answer *answer,
			   const struct engine_unit *unit)
{
	const char *failure = engine_reload_error(engine, answer->index);

	if (unit->view.is_reloading)
		return false;
	if (!failure[0])
		return settle(answer, 204);
	answer->is_pending = false;
	api_fail(answer, 500, "container %s: reload: %s", unit->published->name, failure);
	return true;
}

bool api_settled(struct engine *engine, struct api_answer *answer)
{
	struct engine_unit unit;

	engine_unit(engine, answer->index, &unit);
	switch (answer->verb) {
	case ENGINE_STOP:
		return stop_settled(answer, &unit);
	case ENGINE_START:
	case ENGINE_RESTART:
		return start_settled(engine, answer, &unit);
	case ENGINE_HEALTHCHECK:
		return health_settled(engine, answer, &unit);
	case ENGINE_RELOAD:
		return reload_settled(engine, answer, &unit);
	case ENGINE_RESET_FAILED:
		break;
	}
	return settle(answer, 204);
}

bool api_concerns(struct engine *engine, const struct api_answer *answer, unsigned changed)
{
	struct engine_unit unit;

	if (answer->index == changed)
		return true;
	engine_unit(engine, answer->index, &unit);
	return unit.view.state == CORE_WAITING;
}

usec_t api_hurry(struct engine *engine, const struct api_answer *answer, usec_t now)
{
	usec_t limit = answer->stop_usec > HURRY_MIN_USEC ? answer->stop_usec : HURRY_MIN_USEC;
	struct engine_unit unit;
	struct err err;

	if (answer->stop_usec == USEC_NEVER)
		return USEC_NEVER;
	engine_unit(engine, answer->index, &unit);
	if (unit.view.state != CORE_STOPPING) /* others stop first; or it is over */
		return unit.view.since <= answer->asked_at ? now + limit : USEC_NEVER;
	if (now < unit.view.since + answer->stop_usec)
		return unit.view.since + answer->stop_usec;
	if (engine_signal(engine, answer->index, SIGKILL, false, &err) < 0)
		log_msg(LOG_DEBUG, "api", "%s: kill: %s", unit.published->name, err.msg);
	return USEC_NEVER;
}
