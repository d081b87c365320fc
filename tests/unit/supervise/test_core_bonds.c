/* SPDX-License-Identifier: Apache-2.0 */
/* What units mean for each other: the edges that the scenarios of tests/sim do not reach. */
#include "unit_test.h"

#include "core_fixture.h"

/* One unit with one dependency. */
static void add(struct fixture *f, const char *name, enum service_dep_kind kind, unsigned target)
{
	struct core_policy policy = sim_policy(name);
	struct core_dep dep = { kind, target };

	policy.deps = &dep;
	policy.dep_count = 1;
	core_add(f->core, &policy);
}

static void add_plain(struct fixture *f, const char *name)
{
	struct core_policy policy = sim_policy(name);

	core_add(f->core, &policy);
}

static void a_unit_may_name_itself_in_every_kind(void **state)
{
	struct fixture *f = *state;

	for (int kind = SERVICE_DEP_WANTS; kind <= SERVICE_DEP_RELOAD_PROPAGATED_FROM; kind++) {
		unsigned unit = core_count(f->core);

		add(f, "self", (enum service_dep_kind)kind, unit);
		if (kind == SERVICE_DEP_REQUISITE)
			continue; /* it is never up before it is */
		fixture_run(f, 0, unit);
		assert_int_equal(fixture_view(f, unit).state, CORE_UP);
		fixture_step(
			f, 1,
			&(struct core_event){ .type = CORE_EV_EXITED, .unit = unit, .code = 1 });
		fixture_do(f, 1, unit, CORE_EV_CLEANED);
		assert_int_equal(fixture_view(f, unit).state, CORE_FAILED);
	}
}

static void the_opposites_are_the_other_units_edges(void **state)
{
	struct fixture *f = *state;

	add_plain(f, "lead");
	add(f, "stopped", SERVICE_DEP_STOP_PROPAGATED_FROM, 0);
	fixture_run(f, 0, 0);
	fixture_run(f, 0, 1);
	assert_string_equal(fixture_do(f, 1, 1, CORE_EV_STOP), "signal-stop stopped");
	fixture_do(f, 1, 1, CORE_EV_EXITED);
	fixture_do(f, 1, 1, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	fixture_run(f, 2, 1);
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_STOP),
			    "signal-stop lead, signal-stop stopped");
}

static void propagation_goes_along_chains_and_round_circles(void **state)
{
	struct fixture *f = *state;

	add(f, "a", SERVICE_DEP_PROPAGATES_STOP_TO, 1);
	add(f, "b", SERVICE_DEP_PROPAGATES_STOP_TO, 2);
	add(f, "c", SERVICE_DEP_PROPAGATES_STOP_TO, 0);
	for (unsigned i = 0; i < 3; i++)
		fixture_run(f, 0, i);
	assert_string_equal(fixture_do(f, 1, 1, CORE_EV_STOP),
			    "signal-stop b, signal-stop c, signal-stop a");
	for (unsigned i = 0; i < 3; i++) {
		fixture_do(f, 1, i, CORE_EV_EXITED);
		fixture_do(f, 1, i, CORE_EV_CLEANED);
		assert_int_equal(fixture_view(f, i).want, CORE_WANT_DOWN);
	}
}

/* The start limit of systemd's own for such starts: 16 in 10 s, whatever the unit's is. */
static void upheld_starts_are_bounded_in_one_instant(void **state)
{
	struct fixture *f = *state;
	struct core_policy job = sim_policy("job");
	unsigned starts = 0;

	job.start_limit_burst = 0;
	add(f, "watch", SERVICE_DEP_UPHOLDS, 1);
	core_add(f->core, &job);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 0, CORE_EV_RUNNING);
	while (starts < 100 && fixture_view(f, 1).state == CORE_PULLING) {
		fixture_do(f, 0, 1, CORE_EV_IMAGE_READY);
		fixture_do(f, 0, 1, CORE_EV_RUNNING);
		fixture_do(f, 0, 1, CORE_EV_EXITED);
		fixture_do(f, 0, 1, CORE_EV_CLEANED);
		starts++;
	}
	assert_int_equal(starts, 17); /* the first was wanted */
	assert_non_null(strstr(buf_str(&f->trace), "upheld by watch, started 16 times in 10 s"));
	assert_int_equal(core_deadline(f->core), 10 * USEC_SEC + 1);
	assert_string_equal(fixture_do(f, 10 * USEC_SEC + 1, 0, CORE_EV_TIMER), "image job");
}

static void nothing_is_upheld_by_what_goes_or_during_shutdown(void **state)
{
	struct fixture *f = *state;

	add(f, "watch", SERVICE_DEP_UPHOLDS, 1);
	add_plain(f, "job");
	fixture_run(f, 0, 0);
	fixture_do(f, 0, 1, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 1, CORE_EV_RUNNING);
	fixture_do(f, 1, 0, CORE_EV_STOP);
	fixture_do(f, 1, 1, CORE_EV_EXITED);
	assert_string_equal(fixture_do(f, 1, 1, CORE_EV_CLEANED), "");
	fixture_do(f, 1, 0, CORE_EV_EXITED);
	fixture_do(f, 1, 0, CORE_EV_CLEANED);
	fixture_run(f, 2, 0);
	assert_int_equal(fixture_view(f, 1).state, CORE_PULLING); /* wanted by it */
	fixture_do(f, 3, 0, CORE_EV_SHUTDOWN);
	assert_int_equal(fixture_view(f, 1).state, CORE_DOWN);
	fixture_do(f, 3, 0, CORE_EV_EXITED);
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_CLEANED), "all-down");
}

static void an_invalid_unit_is_not_upheld_for_ever(void **state)
{
	struct fixture *f = *state;
	struct core_policy job = sim_policy("job");

	job.is_invalid = true;
	add(f, "watch", SERVICE_DEP_UPHOLDS, 1);
	core_add(f->core, &job);
	fixture_run(f, 0, 0);
	assert_int_equal(fixture_view(f, 1).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 1).result, CORE_RESULT_INVALID);
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
}

static void a_rival_that_is_down_is_left_alone(void **state)
{
	struct fixture *f = *state;

	add(f, "new", SERVICE_DEP_CONFLICTS, 1);
	add_plain(f, "old");
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_null(strstr(buf_str(&f->trace), "old"));
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "start new");
}

static void requisite_fails_the_start_and_pulls_nothing_in(void **state)
{
	struct fixture *f = *state;

	add(f, "web", SERVICE_DEP_REQUISITE, 1);
	add_plain(f, "db");
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "");
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_DEPENDENCY);
	assert_string_equal(fixture_view(f, 0).reason, "Requisite=db is not up (down)");
	assert_int_equal(fixture_view(f, 1).state, CORE_DOWN); /* it is not pulled in */
	fixture_run(f, 1, 1);
	assert_int_equal(fixture_view(f, 0).state,
			 CORE_FAILED); /* nor does it come back by itself */
	fixture_run(f, 2, 0);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
}

static void a_pod_without_members_waits_for_the_first(void **state)
{
	struct fixture *f = *state;
	struct core_policy pod = sim_policy("pod");

	pod.stops_when_alone = true;
	core_add(f->core, &pod);
	add(f, "web", SERVICE_DEP_BINDS_TO, 0);
	add(f, "log", SERVICE_DEP_AFTER, 0); /* makes the pod look round, and is no member */
	fixture_run(f, 0, 0);
	fixture_run(f, 1, 2);
	fixture_do(f, 1, 1, CORE_EV_STOP); /* of what is down */
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	fixture_run(f, 2, 1);
	fixture_do(f, 3, 1, CORE_EV_STOP);
	fixture_do(f, 3, 1, CORE_EV_EXITED);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_string_equal(fixture_do(f, 3, 1, CORE_EV_CLEANED), "signal-stop pod");
}

/* A chain as long as there may be units, bound link by link, all of them starting: nothing may recurse along it. */
static void a_long_chain_of_bound_units_goes_at_once(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("u");
	struct core_dep dep = { SERVICE_DEP_BINDS_TO, 0 };

	policy.commands = 1u << CORE_COMMAND_START_PRE;
	for (unsigned i = 0; i < CORE_MAX_UNITS; i++) {
		dep.target = i - 1;
		policy.deps = &dep;
		policy.dep_count = i > 0 ? 1 : 0;
		core_add(f->core, &policy);
	}
	fixture_do(f, 0, CORE_MAX_UNITS - 1, CORE_EV_START);
	for (unsigned i = 0; i < CORE_MAX_UNITS; i++)
		fixture_do(f, 0, i, CORE_EV_IMAGE_READY);
	assert_int_equal(fixture_view(f, CORE_MAX_UNITS - 1).state, CORE_STARTING);
	fixture_do(f, 1, 0, CORE_EV_STOP);
	for (unsigned i = 0; i < CORE_MAX_UNITS; i++)
		assert_int_equal(fixture_view(f, i).state, CORE_CLEANING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_unit_may_name_itself_in_every_kind),
		TEST(the_opposites_are_the_other_units_edges),
		TEST(propagation_goes_along_chains_and_round_circles),
		TEST(upheld_starts_are_bounded_in_one_instant),
		TEST(nothing_is_upheld_by_what_goes_or_during_shutdown),
		TEST(an_invalid_unit_is_not_upheld_for_ever),
		TEST(a_rival_that_is_down_is_left_alone),
		TEST(requisite_fails_the_start_and_pulls_nothing_in),
		TEST(a_pod_without_members_waits_for_the_first),
		TEST(a_long_chain_of_bound_units_goes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
