/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random walk: worlds of 1 to 8 units with random policies and dependencies, a fake world that
 * answers at random but never against its own logic, a million steps in all. After every step the
 * core's invariants and those of the world hold; when the world calms down every unit is where it
 * is wanted or says why not; after SHUTDOWN everything ends. SIM_SEED=N takes another seed,
 * SIM_WORLD=N runs one world only and prints its trace.
 */
#include "unit_test.h"

#include <signal.h>
#include <unistd.h>

#include "sim_policy.h"
#include "util/str.h"

#define SEED UINT64_C(20240229)
#define STEPS 1000000
#define STEPS_PER_WORLD 2000
#define MAX_UNITS 8
#define MAX_DEPS 16
#define CALM_MAX 20000
#define SHUTDOWN_MAX 5000

enum phase { NOTHING, CREATING, RUNNING, DEAD /* ended, teardown not finished */ };

struct fake {
	enum phase phase;
	bool teardown; /* ordered, not finished */
	bool signalled, killed;
	unsigned images; /* unanswered image orders */
	uint64_t probe;	 /* in flight */
	uint64_t late;	 /* cancelled: its answer may still come */
	unsigned starts, teardowns;
};

struct world {
	uint64_t random;
	struct core *core;
	unsigned count, number;
	struct core_policy policies[MAX_UNITS];
	struct core_dep deps[MAX_UNITS][MAX_DEPS];
	struct fake fakes[MAX_UNITS];
	usec_t now;
	bool is_shut_down, is_all_down, is_traced;
	size_t steps;
};

static uint64_t first_seed;
static volatile unsigned present_world;

/* splitmix64 */
static uint64_t draw(struct world *w)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)(draw(w) % n);
}

static bool chance(struct world *w, unsigned percent)
{
	return below(w, 100) < percent;
}

#define CHECK(w, unit, holds)                                                                   \
	do {                                                                                    \
		if (!(holds))                                                                   \
			fail_msg("seed %llu world %u step %zu unit %u: %s",                     \
				 (unsigned long long)first_seed, (w)->number, (w)->steps, unit, \
				 #holds);                                                       \
	} while (0)

static void on_trace(void *arg, usec_t now, const char *line)
{
	const struct world *w = arg;

	CHECK(w, 0u, strchr(line, '\n') == NULL);
	if (w->is_traced)
		fprintf(stderr, "%12.6f %s\n", (double)now / 1e6, line);
}

/* --- building -------------------------------------------------------------------------------- */

static void random_health(struct world *w, struct core_policy *policy)
{
	if (chance(w, 50))
		return;
	policy->health.is_set = true;
	policy->health.interval_usec = (1 + below(w, 60)) * USEC_SEC;
	policy->health.timeout_usec = (1 + below(w, 10)) * USEC_SEC;
	policy->health.start_period_usec = chance(w, 50) ? 0 : below(w, 100) * USEC_SEC;
	policy->health.retries = below(w, 4);
	policy->health.action = (enum core_on_unhealthy)below(w, 5);
	policy->ready_when_healthy = chance(w, 30);
}

static void random_policy(struct world *w, struct core_policy *policy, unsigned index)
{
	static const char *const names[MAX_UNITS] = {
		"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"
	};

	*policy = sim_policy(names[index]);
	policy->restart = (enum service_restart)below(w, 7);
	policy->restart_usec = below(w, 20) * 100 * USEC_MSEC;
	if (chance(w, 30)) {
		policy->restart_steps = 1 + below(w, 10);
		policy->restart_max_usec = below(w, 60) * USEC_SEC;
	}
	if (chance(w, 50))
		policy->start_limit_burst = below(w, 8);
	if (chance(w, 20)) {
		policy->type = SERVICE_ONESHOT;
		policy->timeout_start_usec = USEC_NEVER;
	}
	policy->remain_after_exit = chance(w, 15);
	policy->is_invalid = chance(w, 5);
	policy->stop_timeout_usec = below(w, 20) * USEC_SEC;
	if (chance(w, 20))
		policy->runtime_max_usec = (3600 + below(w, 3600)) * USEC_SEC;
	if (chance(w, 20))
		policy->success.codes[0] = 1u << below(w, 4);
	if (chance(w, 20))
		policy->restart_prevent.codes[0] = 1u << below(w, 4);
	if (chance(w, 10))
		policy->restart_force.codes[0] = 2u << below(w, 3);
	random_health(w, policy);
}

/* Ordering only from later to earlier units, so that it has no cycle; everything else at random. */
static void random_deps(struct world *w, unsigned index)
{
	struct core_policy *policy = &w->policies[index];
	size_t count = chance(w, 60) ? below(w, 4) : 0;

	policy->deps = w->deps[index];
	for (size_t i = 0; i < count; i++) {
		struct core_dep *dep = &w->deps[index][policy->dep_count++];

		dep->kind = (enum service_dep_kind)below(w, 6);
		dep->target = below(w, w->count);
		if (dep->kind == SERVICE_DEP_AFTER)
			dep->target = below(w, index + 1);
		if (dep->kind == SERVICE_DEP_BEFORE)
			dep->target = index + below(w, w->count - index);
		if (dep->target == index && dep->kind <= SERVICE_DEP_BEFORE) {
			policy->dep_count--;
		} else if (dep->target < index && dep->kind >= SERVICE_DEP_WANTS && chance(w, 60)) {
			w->deps[index][policy->dep_count++] =
				(struct core_dep){ SERVICE_DEP_AFTER, dep->target };
		}
	}
}

static void build(struct world *w, uint64_t seed, unsigned number)
{
	struct err err = { 0 };

	*w = (struct world){ .random = seed + number * UINT64_C(0x5851f42d4c957f2d),
			     .number = number };
	w->is_traced = getenv("SIM_WORLD") != NULL;
	w->core = core_new(on_trace, w);
	w->count = 1 + below(w, MAX_UNITS);
	for (unsigned i = 0; i < w->count; i++) {
		random_policy(w, &w->policies[i], i);
		random_deps(w, i);
		core_add(w->core, &w->policies[i]);
	}
	if (core_link(w->core, &err) < 0)
		fail_msg("world %u: %s", number, err.msg);
}

/* --- what the core orders -------------------------------------------------------------------- */

static void on_start(struct world *w, unsigned u, const struct core_unit_view *view)
{
	struct fake *f = &w->fakes[u];

	CHECK(w, u, f->phase == NOTHING && !f->teardown);
	CHECK(w, u, !w->is_shut_down && view->want == CORE_WANT_UP && view->state == CORE_STARTING);
	CHECK(w, u, !w->policies[u].is_invalid);
	f->phase = CREATING;
	f->signalled = f->killed = false;
	f->starts++;
}

static void on_probe(struct world *w, unsigned u, uint64_t order)
{
	struct fake *f = &w->fakes[u];

	CHECK(w, u,
	      f->phase == RUNNING && f->probe == 0 && order != 0 && w->policies[u].health.is_set);
	f->probe = order;
}

static void on_action(struct world *w, const struct core_action *action)
{
	struct fake *f = &w->fakes[action->unit];
	unsigned u = action->unit;
	struct core_unit_view view;

	core_view(w->core, u, &view);
	if (action->type != CORE_ACT_PUBLISH && action->type != CORE_ACT_ALL_DOWN)
		CHECK(w, u,
		      view.state != CORE_DOWN && view.state != CORE_FAILED &&
			      view.state != CORE_BACKOFF);
	switch (action->type) {
	case CORE_ACT_IMAGE:
		CHECK(w, u, view.state == CORE_PULLING && f->phase == NOTHING && !w->is_shut_down);
		f->images++;
		return;
	case CORE_ACT_START:
		on_start(w, u, &view);
		return;
	case CORE_ACT_SIGNAL_STOP:
		CHECK(w, u, f->phase == RUNNING && !f->signalled && view.state == CORE_STOPPING);
		f->signalled = true;
		return;
	case CORE_ACT_KILL:
		CHECK(w, u, f->phase != NOTHING && !f->teardown);
		f->killed = true;
		return;
	case CORE_ACT_TEARDOWN:
		CHECK(w, u, f->phase == DEAD && !f->teardown && view.state == CORE_CLEANING);
		f->teardown = true;
		f->teardowns++;
		CHECK(w, u, f->teardowns == f->starts);
		return;
	case CORE_ACT_PROBE:
		on_probe(w, u, action->order);
		return;
	case CORE_ACT_PROBE_CANCEL:
		CHECK(w, u, f->probe == action->order || f->phase == DEAD);
		f->late = action->order;
		f->probe = 0;
		return;
	case CORE_ACT_PUBLISH:
		return;
	case CORE_ACT_ALL_DOWN:
		CHECK(w, u, w->is_shut_down && !w->is_all_down);
		for (unsigned i = 0; i < w->count; i++)
			CHECK(w, i, w->fakes[i].phase == NOTHING);
		w->is_all_down = true;
		return;
	}
}

static void check_views(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		const struct fake *f = &w->fakes[i];
		struct core_unit_view view;
		bool has_deadline;

		core_view(w->core, i, &view);
		has_deadline = view.state == CORE_STARTING || view.state == CORE_STOPPING ||
			       view.state == CORE_BACKOFF;
		CHECK(w, i, has_deadline || view.deadline == USEC_NEVER);
		CHECK(w, i, (view.state == CORE_CLEANING) == f->teardown);
		CHECK(w, i, f->probe == 0 || view.state == CORE_STARTING || view.state == CORE_UP);
		CHECK(w, i, view.state != CORE_FAILED || view.reason[0] != '\0');
		CHECK(w, i,
		      f->phase == NOTHING || view.state == CORE_STARTING || view.state == CORE_UP ||
			      view.state == CORE_STOPPING || view.state == CORE_CLEANING);
	}
}

static void step(struct world *w, const struct core_event *event)
{
	const struct core_action *actions;
	size_t count = core_step(w->core, event, w->now, &actions);

	w->steps++;
	core_check(w->core);
	for (size_t i = 0; i < count; i++)
		on_action(w, &actions[i]);
	check_views(w);
}

static void step_unit(struct world *w, unsigned unit, enum core_event_type type)
{
	step(w, &(struct core_event){ .type = type, .unit = unit });
}

/* --- what the world does --------------------------------------------------------------------- */

static void end(struct world *w, unsigned u, struct core_event event)
{
	w->fakes[u].phase = DEAD;
	w->fakes[u].probe = 0;
	event.unit = u;
	event.text = "some error\nin two lines";
	step(w, &event);
}

static void end_somehow(struct world *w, unsigned u)
{
	static const int signals[] = { 1, 6, 9, 11, 15 };

	if (w->fakes[u].killed)
		end(w, u, (struct core_event){ .type = CORE_EV_EXITED, .signal = 9 });
	else if (chance(w, 10))
		end(w, u, (struct core_event){ .type = CORE_EV_SHIM_LOST });
	else if (chance(w, 30))
		end(w, u,
		    (struct core_event){ .type = CORE_EV_EXITED,
					 .signal = signals[below(w, 5)],
					 .oom = chance(w, 20) });
	else
		end(w, u, (struct core_event){ .type = CORE_EV_EXITED, .code = (int)below(w, 4) });
}

static void answer_image(struct world *w, unsigned u, bool is_calm)
{
	w->fakes[u].images--;
	if (is_calm || chance(w, 70))
		step_unit(w, u, CORE_EV_IMAGE_READY);
	else
		step(w, &(struct core_event){ .type = CORE_EV_IMAGE_FAILED,
					      .unit = u,
					      .permanent = chance(w, 30),
					      .text = "no route to host" });
}

static void answer_start(struct world *w, unsigned u, bool is_calm)
{
	if (is_calm || chance(w, 70)) {
		w->fakes[u].phase = RUNNING;
		step_unit(w, u, CORE_EV_RUNNING);
	} else if (chance(w, 60)) {
		end(w, u,
		    (struct core_event){ .type = CORE_EV_START_FAILED,
					 .permanent = chance(w, 50) });
	} else {
		end_somehow(w, u);
	}
}

static void answer_probe(struct world *w, unsigned u, bool is_calm)
{
	struct core_event event = {
		.type = CORE_EV_PROBE, .unit = u, .order = w->fakes[u].probe, .text = "said\nthis"
	};

	w->fakes[u].probe = 0;
	event.pass = is_calm || chance(w, 60);
	event.discarded = !is_calm && chance(w, 10);
	step(w, &event);
}

/* Events that do not fit: too late, twice, of another life. They must change nothing. */
static void stray(struct world *w, unsigned u)
{
	const struct fake *f = &w->fakes[u];

	switch (below(w, 5)) {
	case 0:
		step(w, &(struct core_event){ .type = CORE_EV_PROBE,
					      .unit = u,
					      .order = f->late,
					      .pass = chance(w, 50) });
		return;
	case 1:
		if (f->phase == NOTHING || f->phase == DEAD)
			step(w,
			     &(struct core_event){ .type = CORE_EV_EXITED, .unit = u, .code = 1 });
		return;
	case 2:
		if (!f->teardown)
			step_unit(w, u, CORE_EV_CLEANED);
		return;
	case 3:
		if (f->phase == NOTHING || f->phase == DEAD || f->phase == RUNNING)
			step_unit(w, u, CORE_EV_RUNNING);
		return;
	default:
		step_unit(w, u, CORE_EV_IMAGE_READY); /* images were put there */
		return;
	}
}

static void world_event(struct world *w, unsigned u)
{
	struct fake *f = &w->fakes[u];

	if (f->teardown) {
		f->teardown = false;
		f->phase = NOTHING;
		step_unit(w, u, CORE_EV_CLEANED);
	} else if (f->images > 0) {
		answer_image(w, u, false);
	} else if (f->phase == CREATING && f->killed && chance(w, 70)) {
		end_somehow(w, u);
	} else if (f->phase == CREATING) {
		answer_start(w, u, false);
	} else if (f->phase == RUNNING && (f->killed || (f->signalled && chance(w, 60)))) {
		end_somehow(w, u);
	} else if (f->phase == RUNNING && f->probe != 0 && chance(w, 80)) {
		answer_probe(w, u, false);
	} else if (f->phase == RUNNING && chance(w, 10)) {
		end_somehow(w, u);
	} else if (chance(w, 20)) {
		stray(w, u);
	}
}

static void operator_event(struct world *w, unsigned u)
{
	static const enum core_event_type types[] = { CORE_EV_START, CORE_EV_START, CORE_EV_STOP,
						      CORE_EV_RESTART, CORE_EV_RESET_FAILED };

	step(w,
	     &(struct core_event){ .type = types[below(w, 5)], .unit = u, .more = chance(w, 10) });
}

static void pass_time(struct world *w)
{
	usec_t deadline = core_deadline(w->core);

	if (chance(w, 50) || deadline == USEC_NEVER) {
		w->now += below(w, 2000000);
		if (core_deadline(w->core) > w->now)
			return;
	} else if (deadline > w->now) {
		w->now = deadline;
	}
	step(w, &(struct core_event){ .type = CORE_EV_TIMER });
	CHECK(w, 0u, core_deadline(w->core) > w->now);
}

static void random_step(struct world *w)
{
	unsigned what = below(w, 100), u = below(w, w->count);

	if (what < 8) {
		operator_event(w, u);
	} else if (what < 9) {
		usec_t gap = below(w, 1000) * USEC_SEC;

		w->now += gap;
		step(w, &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = gap });
	} else if (what < 35) {
		pass_time(w);
	} else {
		world_event(w, u);
	}
}

static void adopt_some(struct world *w)
{
	w->now = 1000 * USEC_SEC;
	for (unsigned i = 0; i < w->count; i++) {
		struct core_event event = { .type = CORE_EV_ADOPTED,
					    .unit = i,
					    .started_at = below(w, 1100) * USEC_SEC,
					    .adopted_health = (enum core_health)below(w, 4) };

		if (chance(w, 70))
			continue;
		event.starting = chance(w, 30);
		w->fakes[i].phase = event.starting ? CREATING : RUNNING;
		w->fakes[i].starts++;
		step(w, &event);
	}
}

/* --- the end of a walk ----------------------------------------------------------------------- */

/* One answer of a world in which everything works; false: nothing was open. */
static bool calm_event(struct world *w, unsigned u)
{
	struct fake *f = &w->fakes[u];

	if (f->teardown || (f->phase == RUNNING && (f->killed || f->signalled))) {
		if (f->teardown)
			world_event(w, u);
		else
			end_somehow(w, u);
	} else if (f->images > 0) {
		answer_image(w, u, true);
	} else if (f->phase == CREATING) {
		answer_start(w, u, true);
	} else if (f->phase == RUNNING && f->probe != 0) {
		answer_probe(w, u, true);
	} else if (f->phase == RUNNING && w->policies[u].type == SERVICE_ONESHOT) {
		end(w, u, (struct core_event){ .type = CORE_EV_EXITED });
	} else {
		return false;
	}
	return true;
}

static bool is_quiet(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct core_unit_view view;

		core_view(w->core, i, &view);
		if (view.deadline != USEC_NEVER || view.state == CORE_PULLING ||
		    view.state == CORE_STARTING)
			return false;
		if (view.health != CORE_HEALTH_NONE && view.health != CORE_HEALTHY)
			return false;
	}
	return true;
}

/* A unit that waits is explained when what it waits for is not to come, or itself waits with an
 * explanation. */
static void check_waiting(struct world *w)
{
	bool explained[MAX_UNITS] = { false };
	struct core_unit_view view;

	for (unsigned round = 0; round < w->count; round++) {
		for (unsigned i = 0; i < w->count; i++) {
			core_view(w->core, i, &view);
			if (view.state == CORE_DOWN || view.state == CORE_FAILED)
				explained[i] = true;
			for (size_t j = 0;
			     view.state == CORE_WAITING && j < w->policies[i].dep_count; j++)
				if (explained[w->deps[i][j].target])
					explained[i] = true;
			for (unsigned k = 0; view.state == CORE_WAITING && k < w->count; k++)
				for (size_t j = 0; j < w->policies[k].dep_count; j++)
					if (w->deps[k][j].kind == SERVICE_DEP_BEFORE &&
					    w->deps[k][j].target == i && explained[k])
						explained[i] = true;
		}
	}
	for (unsigned i = 0; i < w->count; i++) {
		core_view(w->core, i, &view);
		CHECK(w, i,
		      view.want == CORE_WANT_DOWN || view.state == CORE_UP ||
			      view.reason[0] != '\0');
		CHECK(w, i,
		      view.want == CORE_WANT_DOWN || view.state == CORE_UP ||
			      view.state == CORE_FAILED || view.state == CORE_WAITING);
		CHECK(w, i, view.want == CORE_WANT_UP || view.state == CORE_DOWN);
		CHECK(w, i,
		      view.state != CORE_WAITING ||
			      (explained[i] && str_starts(view.reason, "waiting for u")));
		CHECK(w, i,
		      view.state != CORE_UP || !w->policies[i].health.is_set ||
			      w->fakes[i].phase != RUNNING || view.health == CORE_HEALTHY);
	}
}

/* Everything works now and nobody asks for anything: what is wanted comes up, or says why not. */
static void calm_down(struct world *w)
{
	step_unit(w, 0, CORE_EV_RESET_FAILED);
	step_unit(w, 0, CORE_EV_START); /* ends whatever boot is still announced */
	for (size_t i = 0; i < CALM_MAX; i++) {
		bool moved = false;

		for (unsigned u = 0; u < w->count; u++)
			moved = calm_event(w, u) || moved;
		if (moved)
			continue;
		if (is_quiet(w)) {
			check_waiting(w);
			return;
		}
		CHECK(w, 0u, core_deadline(w->core) != USEC_NEVER);
		if (core_deadline(w->core) > w->now)
			w->now = core_deadline(w->core);
		step(w, &(struct core_event){ .type = CORE_EV_TIMER });
	}
	fail_msg("seed %llu world %u: does not come to rest", (unsigned long long)first_seed,
		 w->number);
}

static void shut_down(struct world *w)
{
	w->is_shut_down = true;
	step(w, &(struct core_event){ .type = CORE_EV_SHUTDOWN });
	for (size_t i = 0; i < SHUTDOWN_MAX && !w->is_all_down; i++) {
		if (chance(w, 10))
			operator_event(w, below(w, w->count));
		else if (chance(w, 30))
			pass_time(w);
		else
			world_event(w, below(w, w->count));
	}
	CHECK(w, 0u, w->is_all_down);
	for (unsigned i = 0; i < w->count; i++) {
		operator_event(w, i);
		stray(w, i);
		CHECK(w, i, w->fakes[i].starts == w->fakes[i].teardowns);
	}
}

static struct world present; /* freed by drop_world() however the test ends */

static int drop_world(void **state)
{
	(void)state;
	core_free(present.core);
	present.core = NULL;
	return 0;
}

static size_t run_world(uint64_t seed, unsigned number)
{
	struct world *w = &present;

	drop_world(NULL);
	present_world = number;
	build(w, seed, number);
	adopt_some(w);
	while (w->steps < STEPS_PER_WORLD)
		random_step(w);
	if (chance(w, 50))
		calm_down(w);
	shut_down(w);
	return w->steps;
}

static void a_million_random_steps_keep_every_promise(void **state)
{
	const char *world = getenv("SIM_WORLD");
	size_t steps = 0;

	(void)state;
	if (world) {
		run_world(first_seed, (unsigned)strtoul(world, NULL, 10));
		return;
	}
	for (unsigned number = 0; steps < STEPS; number++)
		steps += run_world(first_seed, number);
}

/* The core aborts where an invariant fails: say which walk it was. */
static void on_abort(int number)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "SIM_SEED=%llu SIM_WORLD=%u\n",
			 (unsigned long long)first_seed, present_world);

	(void)number;
	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(99);
	signal(SIGABRT, SIG_DFL);
}

int main(void)
{
	const char *seed = getenv("SIM_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_million_random_steps_keep_every_promise, drop_world),
	};

	first_seed = seed ? strtoull(seed, NULL, 10) : SEED;
	signal(SIGABRT, on_abort);
	printf("seed %llu\n", (unsigned long long)first_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
