/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions of the core -> I/O, results -> events. Decides nothing: whatever goes wrong here becomes an event and the core decides.
 * Events may cause actions whose failure is an event again; they are queued, never nested, so the core is not entered twice.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/commands.h"
#include "supervise/files.h"
#include "supervise/health.h"
#include "supervise/internal.h"
#include "supervise/machine.h"
#include "supervise/update.h"
#include "util/signals.h"
#include "util/str.h"

#define QUEUE_MAX 2048
#define PULSE_MIN_USEC (500 * USEC_MSEC)
#define PULSE_MAX_USEC (10 * USEC_SEC)

struct queued {
	struct core_event event;
	char text[600];
};
static struct queued queue[QUEUE_MAX];
static size_t queue_head, queue_count;
static bool is_draining;

void engine_trace(void *arg, usec_t now, const char *line)
{
	struct engine *e = arg;

	if (e->history)
		history_add(e->history, now, line);
	log_msg(LOG_DEBUG, "core", "%s", line);
}

static void enqueue(const struct core_event *event)
{
	struct queued *q;

	if (queue_count == QUEUE_MAX) {
		log_msg(LOG_ERROR, "supervise", "event queue overflow");
		abort();
	}
	q = &queue[(queue_head + queue_count++) % QUEUE_MAX];
	q->event = *event;
	str_copy(q->text, sizeof(q->text), event->text ? event->text : "");
	/* of NOTIFY, no text is not an empty one */
	q->event.text = event->text || event->type != CORE_EV_NOTIFY ? q->text : NULL;
}

void engine_fail_start(struct engine *e, unsigned index, const struct err *err)
{
	log_msg(LOG_ERROR, "supervise", "%s: start: %s", e->entries[index].name, err->msg);
	event_emit(e, EVENT_START_FAILED, index, &(struct event_details){ .text = err->msg });
	e->entries[index].run.phase = RUN_ENDED;
	engine_feed(e, &(struct core_event){ .type = CORE_EV_START_FAILED,
					     .unit = index,
					     .permanent = err->code == ERR_INPUT ||
							  err->code == ERR_UNSUPPORTED,
					     .text = err->msg });
}

static void do_start(struct engine *e, unsigned index)
{
	struct err err;

	engine_not_at_rest(e);
	if (e->layout_unknown || !e->cgroup_mount[0] || e->shims_cgroup < 0) {
		err_set(&err, ERR_UNSUPPORTED,
			"the appliance cannot run containers: \"cleat doctor\" and the notes of /status say why");
		engine_fail_start(e, index, &err);
	} else if (run_start(e, index, &err) < 0) {
		engine_fail_start(e, index, &err);
	}
}

static int stop_signal(const struct engine_entry *entry)
{
	int number;

	if (entry->spec->stop_signal &&
	    signal_parse(entry->spec->stop_signal, SIGNAL_OF_PODMAN, &number))
		return number;
	if (entry->has_image && entry->image.stop_signal &&
	    signal_parse(entry->image.stop_signal, SIGNAL_OF_PODMAN, &number))
		return number;
	return SIGTERM;
}

enum receivers { FIRST_PROCESS, ALL_PROCESSES };

static int send_signal(struct engine *e, unsigned index, int number, enum receivers receivers,
		       struct err *err)
{
	struct shim_signal message = {
		.header = { SHIM_PROTOCOL_VERSION, SHIM_SIGNAL, sizeof(message) },
		.number = number,
		.all = receivers == ALL_PROCESSES,
	};

	if (run_send(e, index, &message, sizeof(message), err) < 0)
		return -1;
	event_emit(e, EVENT_KILL, index, &(struct event_details){ .signal = number });
	return 0;
}

static int watchdog_signal(const struct engine_entry *entry)
{
	unsigned number = entry->unit->service.kill.watchdog_signal;

	return number ? (int)number : SIGABRT;
}

static void do_teardown(struct engine *e, unsigned index)
{
	struct err err;

	if (!e->entries[index].run.id[0]) /* never got as far as a run directory */
		engine_feed(e, &(struct core_event){ .type = CORE_EV_CLEANED, .unit = index });
	else if (run_teardown(e, index, &err) < 0)
		log_msg(LOG_ERROR, "supervise", "%s: teardown: %s", e->entries[index].name,
			err.msg);
}

static void act(struct engine *e, const struct core_action *action)
{
	struct err err = { 0 };

	switch (action->type) {
	case CORE_ACT_IMAGE:
		image_queue_want(e, action->unit);
		break;
	case CORE_ACT_START:
		do_start(e, action->unit);
		break;
	case CORE_ACT_SIGNAL_STOP:
		if (send_signal(e, action->unit, stop_signal(&e->entries[action->unit]),
				FIRST_PROCESS, &err) < 0)
			log_msg(LOG_WARN, "supervise", "%s: stop signal: %s",
				e->entries[action->unit].name, err.msg);
		break;
	case CORE_ACT_KILL:
		if (run_kill(e, action->unit, &err) < 0)
			log_msg(LOG_WARN, "supervise", "%s: kill: %s",
				e->entries[action->unit].name, err.msg);
		break;
	case CORE_ACT_TEARDOWN:
		do_teardown(e, action->unit);
		break;
	case CORE_ACT_PROBE:
		health_probe(e, action->unit, action->order, action->startup);
		break;
	case CORE_ACT_PROBE_CANCEL:
		health_cancel(e, action->unit);
		break;
	case CORE_ACT_CONDITIONS:
		commands_check_conditions(e, action->unit, action->order);
		break;
	case CORE_ACT_COMMAND:
		commands_run(e, action->unit, action->which, action->order);
		break;
	case CORE_ACT_COMMAND_KILL:
		commands_kill(e, action->unit, action->order);
		if (action->at_once)
			commands_kill(e, action->unit, action->order); /* the second one means it */
		break;
	case CORE_ACT_SIGNAL_WATCHDOG:
		if (send_signal(e, action->unit, watchdog_signal(&e->entries[action->unit]),
				FIRST_PROCESS, &err) < 0)
			log_msg(LOG_WARN, "supervise", "%s: watchdog: %s",
				e->entries[action->unit].name, err.msg);
		break;
	case CORE_ACT_MACHINE:
		machine_do(e, action);
		break;
	case CORE_ACT_PUBLISH:
		console_state(e, action->unit);
		events_of_state(e, action->unit);
		publish_unit(e, action->unit);
		record_later(e, action->unit);
		files_on_publish(e, action->unit);
		update_on_publish(e, action->unit);
		break;
	case CORE_ACT_ALL_DOWN:
		loop_stop(e->loop);
		break;
	}
}

/* A start writes a record of its own, and a look at the store changes nothing. */
static void do_in_order(struct engine *e, const struct core_action *action)
{
	if (action->type != CORE_ACT_PUBLISH && action->type != CORE_ACT_START &&
	    action->type != CORE_ACT_IMAGE)
		record_save_due();
	act(e, action);
}

static void step(struct engine *e, const struct core_event *event)
{
	/* one unit may be asked for 16 times in a step (Upholds= against Conflicts=); untouched pages cost nothing */
	static struct core_action mine[32 * CORE_MAX_UNITS];
	const struct core_action *actions;
	size_t count = core_step(e->core, event, loop_now(e->loop), &actions);

	/* the core's list is valid until its next step, which an action may queue but not make */
	if (count >
	    sizeof(mine) / sizeof(mine[0])) { /* one that is lost is a unit that hangs for ever */
		log_msg(LOG_ERROR, "supervise", "%zu actions in one step", count);
		abort();
	}
	if (count)
		memcpy(mine, actions, count * sizeof(mine[0]));
	/* The end of a run is written down before its traces go: the next engine would know nothing of it. */
	for (size_t i = 0; i < count; i++)
		if (mine[i].type != CORE_ACT_TEARDOWN)
			do_in_order(e, &mine[i]);
	for (size_t i = 0; i < count; i++)
		if (mine[i].type == CORE_ACT_TEARDOWN)
			do_in_order(e, &mine[i]);
}

/*
 * A freeze shows only as a timer that comes late, and only by as much as it is late. So the loop wakes before the next deadline too, the
 * closer the oftener, and often while a probe may run out of time; with nothing to wait for it sleeps without end.
 */
void engine_arm(struct engine *e)
{
	usec_t now = loop_now(e->loop), at = core_deadline(e->core), pulse;

	if (at != USEC_NEVER && at > now) {
		pulse = (at - now) / 4;
		if (pulse > PULSE_MAX_USEC)
			pulse = PULSE_MAX_USEC;
		if (pulse < PULSE_MIN_USEC || health_is_probing())
			pulse = PULSE_MIN_USEC;
		at = now + pulse < at ? now + pulse : at;
	}
	loop_timer_set(e->loop, e->deadline_timer, at);
}

void engine_feed(struct engine *e, const struct core_event *event)
{
	enqueue(event);
	if (is_draining)
		return;
	is_draining = true;
	while (queue_count) {
		static struct queued q;

		q = queue[queue_head];
		q.event.text = q.event.text ? q.text : NULL;
		queue_head = (queue_head + 1) % QUEUE_MAX;
		if (!--queue_count)
			queue_head = 0; /* keeps touching the same few pages */
		step(e, &q.event);
	}
	is_draining = false;
	/* A run has ended, so nobody waits for an answer, and what is due at once, a start mostly, has a record of its own: else before_sleep()
	 * sees to this one. */
	if (event->type != CORE_EV_EXITED || core_deadline(e->core) > loop_now(e->loop))
		record_save_due();
	engine_arm(e);
}

int engine_signal(struct engine *e, unsigned index, int number, bool to_all, struct err *err)
{
	if (e->entries[index].run.phase != RUN_RUNNING)
		return err_set(err, ERR_INPUT, "container %s is not running",
			       e->entries[index].name);
	return send_signal(e, index, number, to_all ? ALL_PROCESSES : FIRST_PROCESS, err);
}

int engine_request(struct engine *e, unsigned index, enum engine_verb verb, struct err *err)
{
	static const enum core_event_type events[] = {
		[ENGINE_START] = CORE_EV_START,	    [ENGINE_STOP] = CORE_EV_STOP,
		[ENGINE_RESTART] = CORE_EV_RESTART, [ENGINE_RESET_FAILED] = CORE_EV_RESET_FAILED,
		[ENGINE_RELOAD] = CORE_EV_RELOAD,
	};

	if ((!e->entries[index].spec || e->entries[index].unit->is_remnant) && verb != ENGINE_STOP)
		return err_set(err, ERR_INPUT, "%s", e->entries[index].invalid_reason);
	if (e->stop_wanted)
		return err_set(err, ERR_BUSY, "the appliance is stopping");
	if (e->entries[index].masked_by && (verb == ENGINE_START || verb == ENGINE_RESTART))
		return err_set(err, ERR_INPUT,
			       "%s is masked: \"cleat unmask %s\" lets it start again",
			       e->entries[index].name, e->entries[index].masked_by);
	if (verb == ENGINE_RELOAD && commands_cannot_reload(e, index, err))
		return -1;
	if (verb == ENGINE_HEALTHCHECK)
		return health_now(e, index, err);
	engine_feed(e, &(struct core_event){ .type = events[verb], .unit = index });
	return 0;
}
