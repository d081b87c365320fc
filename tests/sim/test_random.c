/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random walks: worlds of 1 to 8 units with random policies, commands and dependencies of every kind, a fake
 * world that answers at random but never against its own logic, a million steps for each seed. After every step the
 * core's invariants and those of the world hold; when the world calms down every unit is where it
 * is wanted or says why not; after SHUTDOWN everything ends. SIM_SEED=N takes another seed,
 * SIM_WORLD=N runs one world only and prints its trace.
 */
#include "unit_test.h"

#include <signal.h>
#include <unistd.h>

#include "sim_random.h"
#include "util/str.h"

static const uint64_t seeds[] = { 20240229, 2, 5 };
#define STEPS 1000000
#define STEPS_PER_WORLD 2000
#define CALM_MAX 20000
#define SHUTDOWN_MAX 8000
/* Orders that one step may give for each unit: Upholds= and its like start one 16 times, then time has to pass. */
#define ORDERS_MAX 200

static uint64_t first_seed;
static volatile unsigned present_world;

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
	w->may_swing = may_swing(w);
	for (unsigned i = 0; w->is_traced && i < w->count; i++)
		for (size_t j = 0; j < w->policies[i].dep_count; j++)
			fprintf(stderr, "u%u: dependency of kind %d on u%u\n", i,
				(int)w->deps[i][j].kind, w->deps[i][j].target);
	if (core_link(w->core, &err) < 0)
		fail_msg("world %u: %s", number, err.msg);
}

/* --- what the core orders -------------------------------------------------------------------- */

static void on_start(struct world *w, unsigned u, const struct core_unit_view *view)
{
	struct fake *f = &w->fakes[u];

	CHECK(w, u, f->phase == NOTHING && !f->teardown);
	CHECK(w, u, !w->is_shut_down);
	CHECK(w, u,
	      view->state == CORE_STOPPING ||
		      (view->state == CORE_STARTING && view->want == CORE_WANT_UP));
	CHECK(w, u, !w->policies[u].is_invalid);
	f->phase = CREATING;
	f->signalled = f->killed = f->quits = false;
	f->starts++;
}

static void on_probe(struct world *w, unsigned u, uint64_t order)
{
	struct fake *f = &w->fakes[u];

	CHECK(w, u,
	      f->phase == RUNNING && f->probe == 0 && order != 0 && w->policies[u].health.is_set);
	f->probe = order;
}

static enum core_state state_of(enum core_command which)
{
	static const enum core_state states[] = {
		[CORE_COMMAND_CONDITION] = CORE_STARTING,  [CORE_COMMAND_START_PRE] = CORE_STARTING,
		[CORE_COMMAND_START_POST] = CORE_STARTING, [CORE_COMMAND_RELOAD] = CORE_UP,
		[CORE_COMMAND_STOP] = CORE_STOPPING,	   [CORE_COMMAND_STOP_POST] = CORE_CLEANING,
	};

	return states[which];
}

static void check_place(struct world *w, unsigned u, enum core_command which,
			const struct core_unit_view *view)
{
	const struct fake *f = &w->fakes[u];

	if (which == CORE_COMMAND_START_POST)
		CHECK(w, u,
		      f->phase == RUNNING ||
			      (f->phase == DEAD && w->policies[u].type == SERVICE_ONESHOT));
	else if (which == CORE_COMMAND_RELOAD)
		CHECK(w, u, f->phase == RUNNING && view->is_reloading);
	else if (which == CORE_COMMAND_STOP)
		CHECK(w, u,
		      !f->signalled && !f->killed &&
			      (view->was_up || f->phase == NOTHING)); /* RemainAfterExit= */
	else
		CHECK(w, u, f->phase == NOTHING);
}

static void on_command(struct world *w, const struct core_action *action,
		       const struct core_unit_view *view)
{
	unsigned u = action->unit;
	struct fake *f = &w->fakes[u];

	CHECK(w, u, f->command == 0 && action->order != 0 && !f->teardown);
	CHECK(w, u, (w->policies[u].commands & 1u << action->which) != 0);
	CHECK(w, u, view->command == action->which);
	f->command = f->last_command = action->order;
	f->which = action->which;
	f->command_killed = false;
	if (view->command == CORE_COMMAND_NONE || view->state != state_of(action->which))
		f->is_stillborn = true; /* it has to be killed in this step */
	else
		check_place(w, u, action->which, view);
}

/* Once, by a unit that says so, never while everything is being stopped. */
static void on_machine(struct world *w, const struct core_action *action,
		       const struct core_unit_view *view)
{
	unsigned u = action->unit;

	CHECK(w, u, !w->is_shut_down && !w->machine_asked);
	CHECK(w, u, action->machine != SERVICE_ACTION_NONE);
	CHECK(w, u, action->machine == w->policies[u].machine[action->machine_why]);
	CHECK(w, u, action->code >= -1 && action->code <= 255);
	CHECK(w, u,
	      action->machine_why != CORE_MACHINE_SUCCESS ||
		      (view->result != CORE_RESULT_EXIT_CODE && view->state != CORE_FAILED));
	w->machine_asked = chance(w, 50);
	if (!w->machine_asked)
		core_machine_refused(w->core);
}

static void on_action(struct world *w, const struct core_action *action)
{
	struct fake *f = &w->fakes[action->unit];
	unsigned u = action->unit;
	struct core_unit_view view;

	core_view(w->core, u, &view);
	/* The core itself holds this for the moment of the order; here it is for the end of the step. What may have been
	 * asked for just before a unit was stopped again are questions that need no end. */
	if (action->type != CORE_ACT_PUBLISH && action->type != CORE_ACT_ALL_DOWN &&
	    action->type != CORE_ACT_IMAGE && action->type != CORE_ACT_CONDITIONS &&
	    action->type != CORE_ACT_MACHINE)
		CHECK(w, u,
		      view.state != CORE_DOWN && view.state != CORE_FAILED &&
			      view.state != CORE_BACKOFF);
	switch (action->type) {
	case CORE_ACT_IMAGE:
		CHECK(w, u, f->phase == NOTHING && !w->is_shut_down);
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
	case CORE_ACT_CONDITIONS:
		CHECK(w, u, w->policies[u].has_conditions && f->phase == NOTHING);
		CHECK(w, u, f->command == 0 && !w->is_shut_down);
		f->conditions = action->order;
		return;
	case CORE_ACT_COMMAND:
		on_command(w, action, &view);
		return;
	case CORE_ACT_COMMAND_KILL:
		CHECK(w, u, f->command != 0 && f->command == action->order);
		f->command_killed = true;
		f->is_stillborn = false;
		return;
	case CORE_ACT_SIGNAL_WATCHDOG:
		CHECK(w, u, f->phase == RUNNING && !f->signalled && view.state == CORE_STOPPING);
		f->signalled = true;
		return;
	case CORE_ACT_MACHINE:
		on_machine(w, action, &view);
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
			       view.state == CORE_BACKOFF ||
			       (view.state == CORE_CLEANING && f->command != 0);
		CHECK(w, i, has_deadline || view.deadline == USEC_NEVER);
		CHECK(w, i, !f->teardown || view.state == CORE_CLEANING);
		CHECK(w, i, view.state != CORE_CLEANING || f->teardown || f->command != 0);
		CHECK(w, i, (f->command != 0) == (view.command != CORE_COMMAND_NONE));
		CHECK(w, i, !f->is_stillborn);
		CHECK(w, i, f->command == 0 || view.state >= CORE_STARTING);
		CHECK(w, i, f->command == 0 || view.state <= CORE_CLEANING);
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
	CHECK(w, 0u, count <= ORDERS_MAX * w->count);
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

static void answer_command(struct world *w, unsigned u, bool is_calm)
{
	struct fake *f = &w->fakes[u];
	struct core_event event = {
		.type = CORE_EV_COMMAND, .unit = u, .order = f->command, .text = "a line\nfailed"
	};

	f->command = 0;
	event.pass = is_calm || chance(w, 70);
	if (f->command_killed && chance(w, 80)) {
		event.pass = false;
		event.signal = SIGKILL;
	} else if (!event.pass) {
		event.code = chance(w, 20) ? 255 : 1 + (int)below(w, 3);
		event.text = chance(w, 50) ? NULL : event.text;
	}
	step(w, &event);
}

static void answer_conditions(struct world *w, unsigned u, bool is_calm)
{
	struct core_event event = { .type = CORE_EV_CONDITIONS,
				    .unit = u,
				    .order = w->fakes[u].conditions,
				    .text = "ConditionPathExists=/x" };

	w->fakes[u].conditions = 0;
	event.pass = is_calm || chance(w, 70);
	event.permanent = chance(w, 30);
	step(w, &event);
}

/* A program may say anything at any time. */
static void say_something(struct world *w, unsigned u)
{
	struct core_event event = {
		.type = CORE_EV_NOTIFY,
		.unit = u,
		.notify_ready = chance(w, 50),
		.notify_reloading = chance(w, 20),
		.notify_stopping = chance(w, 5),
		.notify_watchdog = chance(w, 50),
		.notify_watchdog_trigger = chance(w, 3),
		.notify_extend_usec = chance(w, 10) ? below(w, 100) * USEC_SEC : 0,
		.notify_watchdog_usec = chance(w, 5) ? (1 + below(w, 60)) * USEC_SEC : 0,
		.text = chance(w, 30) ? "busy with\nsomething" : NULL,
	};

	if (w->fakes[u].phase == RUNNING && event.notify_stopping)
		w->fakes[u].quits = true; /* it keeps its word */
	step(w, &event);
}

/* Events that do not fit: too late, twice, of another life. They must change nothing. */
static void stray(struct world *w, unsigned u)
{
	const struct fake *f = &w->fakes[u];

	switch (below(w, 8)) {
	case 5:
		if (f->command == 0)
			step(w, &(struct core_event){ .type = CORE_EV_COMMAND,
						      .unit = u,
						      .order = f->last_command,
						      .pass = chance(w, 50) });
		return;
	case 6:
		if (f->conditions == 0)
			step(w, &(struct core_event){ .type = CORE_EV_CONDITIONS,
						      .unit = u,
						      .order = f->last_command + 1,
						      .pass = chance(w, 50) });
		return;
	case 7:
		say_something(w, u);
		return;
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
	} else if (f->conditions != 0) {
		answer_conditions(w, u, false);
	} else if (f->command != 0 && chance(w, f->command_killed ? 70 : 30)) {
		answer_command(w, u, false);
	} else if (f->phase == CREATING && f->killed && chance(w, 70)) {
		end_somehow(w, u);
	} else if (f->phase == CREATING) {
		answer_start(w, u, false);
	} else if (f->phase == RUNNING &&
		   (f->killed || f->quits || (f->signalled && chance(w, 60)))) {
		end_somehow(w, u);
	} else if (f->phase == RUNNING && f->probe != 0 && chance(w, 80)) {
		answer_probe(w, u, false);
	} else if (f->phase == RUNNING && chance(w, 10)) {
		end_somehow(w, u);
	} else if (f->phase == RUNNING && chance(w, 30)) {
		say_something(w, u);
	} else if (chance(w, 20)) {
		stray(w, u);
	}
}

static void operator_event(struct world *w, unsigned u)
{
	static const enum core_event_type types[] = { CORE_EV_START,	    CORE_EV_START,
						      CORE_EV_STOP,	    CORE_EV_RESTART,
						      CORE_EV_RESET_FAILED, CORE_EV_RELOAD };

	step(w,
	     &(struct core_event){ .type = types[below(w, 6)], .unit = u, .more = chance(w, 10) });
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
		event.was_up = chance(w, 50);
		event.startup_passed = chance(w, 50);
		event.had_member = chance(w, 50);
		event.ended = w->policies[i].remain_after_exit && chance(w, 30);
		if (!event.ended) {
			w->fakes[i].phase = event.starting ? CREATING : RUNNING;
			w->fakes[i].starts++;
		}
		step(w, &event);
	}
}

/* --- the end of a walk ----------------------------------------------------------------------- */

/* READY=1 where it is waited for. */
static bool calm_word(struct world *w, unsigned u)
{
	struct core_unit_view view;

	core_view(w->core, u, &view);
	if (w->fakes[u].phase != RUNNING || view.command != CORE_COMMAND_NONE ||
	    !(view.is_reloading || (view.state == CORE_STARTING && w->policies[u].ready_by_notify)))
		return false;
	step(w, &(struct core_event){ .type = CORE_EV_NOTIFY, .unit = u, .notify_ready = true });
	return true;
}

/* One answer of a world in which everything works; false: nothing was open. */
static bool calm_event(struct world *w, unsigned u)
{
	struct fake *f = &w->fakes[u];

	if (f->conditions != 0) {
		answer_conditions(w, u, true);
	} else if (f->command != 0) {
		answer_command(w, u, true);
	} else if (f->teardown ||
		   (f->phase == RUNNING && (f->killed || f->signalled || f->quits))) {
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
		return calm_word(w, u);
	}
	return true;
}

static bool is_quiet(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct core_unit_view view;

		core_view(w->core, i, &view);
		if (view.deadline != USEC_NEVER || view.state == CORE_PULLING ||
		    view.state == CORE_STARTING || view.is_reloading)
			return false;
		if (view.health != CORE_HEALTH_NONE && view.health != CORE_HEALTHY)
			return false;
	}
	return true;
}

/* What the reason of a waiting unit names. */
static unsigned waits_for(struct world *w, unsigned u)
{
	struct core_unit_view view;

	core_view(w->core, u, &view);
	CHECK(w, u, str_starts(view.reason, "waiting for u"));
	CHECK(w, u, view.reason[13] >= '0' && view.reason[13] < (char)('0' + (int)w->count));
	return (unsigned)(view.reason[13] - '0');
}

/* Who waits names whom it waits for, and at the end of that chain is one that is not to come: down or failed, or up
 * where it must not be. A circle would be a wait without an end. */
static void check_wait(struct world *w, unsigned u)
{
	struct core_unit_view view;
	unsigned at = u, hops = 0;

	for (core_view(w->core, at, &view); view.state == CORE_WAITING; hops++) {
		if (w->is_traced)
			fprintf(stderr, "u%u %s\n", at, view.reason);
		CHECK(w, u, hops < w->count);
		at = waits_for(w, at);
		core_view(w->core, at, &view);
	}
	CHECK(w, u, view.state == CORE_DOWN || view.state == CORE_FAILED || view.state == CORE_UP);
}

/* Every want is reached or explained. */
static void check_rest(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct core_unit_view view;

		core_view(w->core, i, &view);
		if (view.want == CORE_WANT_DOWN) {
			CHECK(w, i, view.state == CORE_DOWN);
			continue;
		}
		CHECK(w, i, view.reason[0] != '\0');
		CHECK(w, i,
		      view.state == CORE_UP || view.state == CORE_FAILED ||
			      view.state == CORE_WAITING);
		if (view.state == CORE_WAITING)
			check_wait(w, i);
		CHECK(w, i,
		      view.state != CORE_UP || !w->policies[i].health.is_set ||
			      w->fakes[i].phase != RUNNING || view.health == CORE_HEALTHY);
	}
}

/* Signs of life come in time. */
static void beat(struct world *w)
{
	for (unsigned u = 0; u < w->count; u++)
		if (w->fakes[u].phase == RUNNING)
			step(w, &(struct core_event){ .type = CORE_EV_NOTIFY,
						      .unit = u,
						      .notify_watchdog = true });
}

/* Everything works now and nobody asks for anything: what is wanted comes up, or says why not. */
static void calm_down(struct world *w)
{
	step_unit(w, 0, CORE_EV_RESET_FAILED);
	step_unit(w, 0, CORE_EV_START); /* ends whatever boot is still announced */
	for (size_t i = 0; i < (w->may_swing ? 500 : CALM_MAX); i++) {
		bool moved = false;

		for (unsigned u = 0; u < w->count; u++)
			moved = calm_event(w, u) || moved;
		if (moved)
			continue;
		if (is_quiet(w)) {
			check_rest(w);
			return;
		}
		CHECK(w, 0u, core_deadline(w->core) != USEC_NEVER);
		if (core_deadline(w->core) > w->now)
			w->now = core_deadline(w->core);
		beat(w);
		step(w, &(struct core_event){ .type = CORE_EV_TIMER });
		CHECK(w, 0u, core_deadline(w->core) > w->now);
	}
	if (!w->may_swing)
		fail_msg("seed %llu world %u: does not come to rest",
			 (unsigned long long)first_seed, w->number);
}

/* The time for all is over: no container lives that has not been killed, no list that has not been. */
static void check_cut(struct world *w, usec_t cut_at)
{
	if (cut_at == 0 || w->now < cut_at || core_deadline(w->core) <= w->now)
		return;
	for (unsigned u = 0; u < w->count; u++) {
		const struct fake *f = &w->fakes[u];

		CHECK(w, u, f->command == 0 || f->command_killed);
		CHECK(w, u, (f->phase != RUNNING && f->phase != CREATING) || f->killed);
	}
}

static void shut_down(struct world *w)
{
	usec_t cut_at = chance(w, 50) ? w->now + below(w, 30000000) : 0;

	w->is_shut_down = true;
	step(w, &(struct core_event){ .type = CORE_EV_SHUTDOWN, .cut_at = cut_at });
	check_cut(w, cut_at);
	for (size_t i = 0; i < SHUTDOWN_MAX && !w->is_all_down; i++) {
		if (chance(w, 10))
			operator_event(w, below(w, w->count));
		else if (chance(w, 30))
			pass_time(w);
		else
			world_event(w, below(w, w->count));
		check_cut(w, cut_at);
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

	first_seed = *(const uint64_t *)*state;
	printf("seed %llu\n", (unsigned long long)first_seed);
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
	uint64_t only = seed ? strtoull(seed, NULL, 10) : 0;
	const size_t count = seed ? 1 : sizeof(seeds) / sizeof(seeds[0]);
	struct CMUnitTest tests[sizeof(seeds) / sizeof(seeds[0])];

	for (size_t i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = "a_million_random_steps_keep_every_promise",
			.test_func = a_million_random_steps_keep_every_promise,
			.teardown_func = drop_world,
			.initial_state = seed ? &only : (void *)(uintptr_t)&seeds[i],
		};
	signal(SIGABRT, on_abort);
	return _cmocka_run_group_tests("random walks", tests, count, NULL, NULL);
}
