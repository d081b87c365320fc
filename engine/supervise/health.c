/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of the core to probe -> turns, messages to shims, and events. So many run at a time; the others wait in the order in which
 * they came, and that wait counts against nobody: neither the probe's own time nor the core's patience. Decides nothing about health.
 */
#include "supervise/health.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervise/health_log.h"
#include "supervise/internal.h"
#include "util/str.h"

static struct {
	unsigned unit;
	uint64_t order;
} queue[CORE_MAX_UNITS * 2];
#define QUEUE_MAX (sizeof(queue) / sizeof(queue[0]))
static size_t queue_head, queue_count;
static unsigned running;

static unsigned turns(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = cpus > 0 ? 2 * (unsigned)cpus : 0;

	return wanted < HEALTH_MIN_TURNS ? HEALTH_MIN_TURNS :
	       wanted > HEALTH_MAX_TURNS ? HEALTH_MAX_TURNS :
					   wanted;
}

/* --- which check is in force ------------------------------------------------------------------------------------------- */

void health_policy(const struct spec_health *health, struct core_health_policy *out,
		   struct core_startup_policy *startup)
{
	static const enum core_on_unhealthy actions[] = {
		[SPEC_ON_FAILURE_UNSET] = CORE_ON_UNHEALTHY_DEFAULT,
		[SPEC_ON_FAILURE_NONE] = CORE_ON_UNHEALTHY_NONE,
		[SPEC_ON_FAILURE_KILL] = CORE_ON_UNHEALTHY_KILL,
		[SPEC_ON_FAILURE_RESTART] = CORE_ON_UNHEALTHY_RESTART,
		[SPEC_ON_FAILURE_STOP] = CORE_ON_UNHEALTHY_STOP,
	};

	*out = (struct core_health_policy){
		.is_set = health->check.kind != SPEC_PROBE_NONE,
		.interval_usec = health->interval_usec,
		.timeout_usec = health->timeout_usec,
		.start_period_usec = health->start_period_usec,
		.start_interval_usec = health->start_interval_usec,
		.retries = health->retries,
		.action = actions[health->on_failure],
	};
	*startup = (struct core_startup_policy){
		.is_set = out->is_set && health->startup.check.kind != SPEC_PROBE_NONE,
		.interval_usec = health->startup.interval_usec,
		.timeout_usec = health->startup.timeout_usec,
		.retries = health->startup.retries,
		.success = health->startup.success ? health->startup.success : 1,
	};
}

static void join(struct engine *e, unsigned index, const struct spec_image_health *image)
{
	struct engine_entry *entry = &e->entries[index];

	arena_fini(&entry->health_arena);
	entry->health_problem =
		spec_health_join(&entry->spec->health, image, &entry->health_arena, &entry->health);
}

void health_load(struct engine *e, unsigned index)
{
	join(e, index, &(struct spec_image_health){ .retries = 0 });
}

static size_t count_of(const char *const *items)
{
	size_t count = 0;

	while (items && items[count])
		count++;
	return count;
}

static void take(struct engine *e, unsigned index, const struct store_image *from)
{
	struct engine_entry *entry = &e->entries[index];
	struct spec_image_health image = {
		.test = { .items = from->health_test, .count = count_of(from->health_test) },
		.interval_usec = from->health_interval_usec,
		.timeout_usec = from->health_timeout_usec,
		.start_period_usec = from->health_start_period_usec,
		.start_interval_usec = from->health_start_interval_usec,
		.retries = from->health_retries > UINT32_MAX ? UINT32_MAX :
							       (unsigned)from->health_retries,
	};
	struct core_startup_policy startup;
	struct core_health_policy health;

	join(e, index, &image);
	health_policy(&entry->health, &health, &startup);
	core_set_health(e->core, index, &health, &startup);
	if (entry->health_problem)
		log_msg(LOG_WARN, "health", "%s: %s", entry->name, entry->health_problem);
}

void health_take_image(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];

	/* what probes a container is what it was started with */
	if (entry->spec && entry->run.phase != RUN_ASKED && entry->run.phase != RUN_RUNNING)
		take(e, index, &entry->image);
}

/* The record does not say what the image said; the image still does. */
void health_adopt_image(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	struct store_image image;
	struct image_ref ref;
	auto_arena arena = { 0 };
	struct err err;

	if (!entry->spec || entry->spec->is_pod || !e->store || entry->health.is_off ||
	    entry->health.check.kind != SPEC_PROBE_NONE)
		return;
	image_queue_ref_of_run(e, index, &ref);
	if (store_find(e->store, &ref, &arena, &image, NULL, &err) == 0)
		take(e, index, &image);
	else
		log_msg(LOG_WARN, "health", "%s: whether its image has a health check: %s",
			entry->name, err.msg);
}

/* --- turns --------------------------------------------------------------------------------------------------------------- */

static void say_discarded(struct engine *e, unsigned index, uint64_t order, const char *text)
{
	engine_feed(e, &(struct core_event){ .type = CORE_EV_PROBE,
					     .unit = index,
					     .order = order,
					     .discarded = true,
					     .text = text });
}

static void begin(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct health_turn *turn = &entry->turn;
	const struct spec_health *health = &entry->health;
	uint64_t order = turn->order;
	struct err err;

	turn->is_running = true;
	running++;
	core_probe_begins(e->core, index, order, loop_now(e->loop));
	if (run_probe(e, index, order, turn->startup ? &health->startup.check : &health->check,
		      turn->startup ? health->startup.timeout_usec : health->timeout_usec,
		      &err) == 0)
		return;
	turn->order = 0;
	turn->is_running = false;
	running--;
	say_discarded(e, index, order, err.msg);
}

static void next(struct engine *e)
{
	while (queue_count && running < turns()) {
		unsigned index = queue[queue_head].unit;
		uint64_t order = queue[queue_head].order;

		queue_head = (queue_head + 1) % QUEUE_MAX;
		queue_count--;
		/* cancelled meanwhile, or asked anew behind */
		if (e->entries[index].turn.order == order && !e->entries[index].turn.is_running)
			begin(e, index);
	}
	if (!queue_count)
		queue_head = 0;
	engine_arm(e);
}

/* The place is free again; the next one's turn comes. */
static void leave(struct engine *e, unsigned index)
{
	struct health_turn *turn = &e->entries[index].turn;
	bool was_running = turn->is_running;

	turn->order = 0;
	turn->is_running = false;
	if (!was_running)
		return;
	running--;
	if (queue_count)
		next(e);
}

void health_probe(struct engine *e, unsigned index, uint64_t order, bool startup)
{
	struct health_turn *turn = &e->entries[index].turn;

	/* an earlier one that was given up: its shim never answered */
	leave(e, index);
	turn->order = order;
	turn->startup = startup;
	if (running < turns() && !queue_count) {
		begin(e, index);
		return;
	}
	if (queue_count ==
	    QUEUE_MAX) { /* each unit waits once, but for the cancelled ones that nobody has passed yet */
		turn->order = 0;
		say_discarded(e, index, order, "too many probes wait");
		return;
	}
	queue[(queue_head + queue_count) % QUEUE_MAX].unit = index;
	queue[(queue_head + queue_count++) % QUEUE_MAX].order = order;
	core_probe_waits(e->core, index, order);
}

void health_cancel(struct engine *e, unsigned index)
{
	const struct shim_header message = { SHIM_PROTOCOL_VERSION, SHIM_PROBE_CANCEL,
					     sizeof(message) };
	struct health_turn *turn = &e->entries[index].turn;
	uint64_t order = turn->order;
	bool was_running = turn->is_running;
	struct err err;

	if (order == 0)
		return;
	leave(e, index);
	if (!was_running) /* nobody else would answer */
		say_discarded(e, index, order, "cancelled");
	else if (run_send(e, index, &message, sizeof(message), &err) < 0)
		log_msg(LOG_DEBUG, "supervise", "%s: cancel probe: %s", e->entries[index].name,
			err.msg);
}

bool health_is_probing(void)
{
	return running > 0;
}

void health_over(struct engine *e, unsigned index)
{
	if (e->entries[index].turn.is_running)
		leave(e, index);
}

/* --- results --------------------------------------------------------------------------------------------------------------- */

static void clean(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

void health_on_result(struct engine *e, unsigned index, const struct shim_probe_result *result)
{
	struct health_turn *turn = &e->entries[index].turn;
	char output[SHIM_PROBE_OUTPUT_MAX + 1], text[SHIM_PROBE_OUTPUT_MAX + 32];
	uint32_t length = result->output_length;
	struct core_event event = { .type = CORE_EV_PROBE, .unit = index, .order = result->order };

	if (length > SHIM_PROBE_OUTPUT_MAX)
		length = SHIM_PROBE_OUTPUT_MAX;
	memcpy(output, result->output, length);
	output[length] = '\0';
	snprintf(text, sizeof(text), "%s%s",
		 result->verdict == SHIM_PROBE_TIMEOUT ? "timed out: " : "", output);
	clean(text);
	event.pass = result->verdict == SHIM_PROBE_PASS;
	event.discarded = result->verdict == SHIM_PROBE_CANCELLED ||
			  result->verdict == SHIM_PROBE_BUSY;
	event.code = result->exit_code;
	event.text = text;
	/* an answer to an order that was taken back is nobody's result */
	if (!event.discarded && turn->order == result->order) {
		turn->results++;
		health_keep(e, index, result, output);
	}
	if (turn->order == result->order)
		leave(e, index);
	engine_feed(e, &event);
	if (e->watch_fn)
		e->watch_fn(e->watch_arg, index, loop_now(e->loop));
}

int health_now(struct engine *e, unsigned index, struct err *err)
{
	const struct engine_entry *entry = &e->entries[index];

	if (!entry->spec)
		return err_set(err, ERR_INPUT, "%s", entry->invalid_reason);
	if (entry->health.check.kind == SPEC_PROBE_NONE)
		return err_set(err, ERR_INPUT, "container %s has no health check", entry->name);
	if (entry->run.phase != RUN_RUNNING || !core_probe_now(e->core, index))
		return err_set(err, ERR_BUSY, "container %s is not running", entry->name);
	engine_feed(e, &(struct core_event){ .type = CORE_EV_TIMER });
	return 0;
}

uint64_t engine_health_results(const struct engine *e, unsigned index)
{
	return e->entries[index].turn.results;
}

const struct spec_health *engine_health(const struct engine *e, unsigned index)
{
	return &e->entries[index].health;
}
