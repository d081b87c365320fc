/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "core_fixture.h"

static unsigned add(struct fixture *f, const char *name, size_t count, const struct core_dep *deps)
{
	struct core_policy policy = sim_policy(name);

	policy.deps = deps;
	policy.dep_count = count;
	return core_add(f->core, &policy);
}

static void link_ok(struct fixture *f)
{
	struct err err = { 0 };

	if (core_link(f->core, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_cycle_is_refused_with_its_path(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	add(f, "a", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 1 } });
	add(f, "b", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 2 } });
	add(f, "c", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 1 } });
	add(f, "d", 0, NULL);
	assert_int_equal(core_link(f->core, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_string_equal(err.msg, "After=/Before= go in a circle: b -> c -> b");
	link_ok(f);
}

static void units_of_a_cycle_fail_and_the_others_run(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 1, (struct core_dep[]){ { SERVICE_DEP_BEFORE, 1 } });
	add(f, "b", 1, (struct core_dep[]){ { SERVICE_DEP_BEFORE, 0 } });
	add(f, "self", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 2 } });
	add(f, "web", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 0 } });
	/* the caller does not even ask: the first step links */
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_INVALID);
	assert_non_null(strstr(fixture_view(f, 0).reason, "go in a circle: "));
	fixture_do(f, 0, 2, CORE_EV_START);
	assert_string_equal(fixture_view(f, 2).reason,
			    "After=/Before= go in a circle: self -> self");
	fixture_run(f, 0, 3);
	assert_int_equal(fixture_view(f, 3).state, CORE_UP);
}

static void a_cycle_of_the_longest_chain_does_not_eat_the_stack(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	for (unsigned i = 0; i < CORE_MAX_UNITS; i++)
		add(f, "unit-with-a-long-name-so-that-the-path-does-not-fit", 1,
		    (struct core_dep[]){ { SERVICE_DEP_AFTER, (i + 1) % CORE_MAX_UNITS } });
	assert_int_equal(core_link(f->core, &err), -1);
	link_ok(f);
}

static void a_dependency_on_nothing_is_our_bug(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	add(f, "a", 1, (struct core_dep[]){ { SERVICE_DEP_WANTS, 7 } });
	assert_int_equal(core_link(f->core, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_string_equal(err.msg, "a: dependency on unit 7, which does not exist");
}

static void pulling_in_is_no_order_and_may_be_circular(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 2,
	    (struct core_dep[]){ { SERVICE_DEP_REQUIRES, 1 }, { SERVICE_DEP_REQUIRES, 0 } });
	add(f, "b", 1, (struct core_dep[]){ { SERVICE_DEP_BINDS_TO, 0 } });
	link_ok(f);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_START), "image a, image b");
	assert_string_equal(fixture_do(f, 0, 1, CORE_EV_IMAGE_READY), "start b");
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "start a");
	fixture_do(f, 0, 0, CORE_EV_RUNNING);
	fixture_do(f, 0, 1, CORE_EV_RUNNING);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_STOP), "signal-stop a, signal-stop b");
}

static void units_bound_to_each_other_come_back_together(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("a");

	policy.restart = SERVICE_RESTART_ALWAYS;
	policy.deps = (struct core_dep[]){ { SERVICE_DEP_BINDS_TO, 1 } };
	policy.dep_count = 1;
	core_add(f->core, &policy);
	policy.name = "b";
	policy.deps = (struct core_dep[]){ { SERVICE_DEP_BINDS_TO, 0 } };
	core_add(f->core, &policy);
	link_ok(f);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 1, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 0, CORE_EV_RUNNING);
	fixture_do(f, 0, 1, CORE_EV_RUNNING);
	fixture_step(f, USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_EXITED, .unit = 0, .code = 1 });
	assert_string_equal(buf_str(&f->actions), "teardown a, signal-stop b");
	fixture_do(f, USEC_SEC, 0, CORE_EV_CLEANED);
	fixture_step(f, USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_EXITED, .unit = 1, .signal = 15 });
	fixture_do(f, USEC_SEC, 1, CORE_EV_CLEANED);
	fixture_do(f, USEC_SEC, 1, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_view(f, 1).reason, "waiting for a (backoff)");
	/* when a's delay is over, a is on its way again, which is enough for b */
	assert_string_equal(fixture_do(f, 2 * USEC_SEC, 0, CORE_EV_TIMER), "image a, start b");
	assert_string_equal(fixture_do(f, 2 * USEC_SEC, 0, CORE_EV_IMAGE_READY), "start a");
}

static void before_is_the_other_units_after(void **state)
{
	struct fixture *f = *state;

	add(f, "db", 1, (struct core_dep[]){ { SERVICE_DEP_BEFORE, 1 } });
	add(f, "app", 0, NULL);
	link_ok(f);
	fixture_do(f, 0, 1, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 1, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_view(f, 1).reason, "waiting for db (pulling)");
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "start db");
	assert_string_equal(fixture_view(f, 1).reason, "waiting for db (starting)");
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_RUNNING), "start app");
}

static void a_start_takes_back_a_stop_that_has_not_begun(void **state)
{
	struct fixture *f = *state;

	add(f, "db", 0, NULL);
	add(f, "app", 1, (struct core_dep[]){ { SERVICE_DEP_AFTER, 0 } });
	link_ok(f);
	fixture_run(f, 0, 0);
	fixture_run(f, 0, 1);
	assert_string_equal(fixture_do(f, 1, 1, CORE_EV_STOP), "signal-stop app");
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_STOP), "");
	assert_string_equal(buf_str(&f->trace),
			    "db: asked to stop: is up, asked to stop; stops after app\n");
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_START), "");
	assert_int_equal(fixture_view(f, 0).want, CORE_WANT_UP);
	fixture_step(f, 4, &(struct core_event){ .type = CORE_EV_EXITED, .unit = 1, .signal = 15 });
	fixture_do(f, 5, 1, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_int_equal(fixture_view(f, 1).state, CORE_DOWN);
}

static void units_may_be_added_and_linked_again(void **state)
{
	struct fixture *f = *state;

	add(f, "db", 0, NULL);
	link_ok(f);
	fixture_run(f, 0, 0);
	add(f, "app", 2,
	    (struct core_dep[]){ { SERVICE_DEP_AFTER, 0 }, { SERVICE_DEP_REQUIRES, 0 } });
	link_ok(f);
	fixture_run(f, 1, 1);
	assert_int_equal(fixture_view(f, 1).state, CORE_UP);
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_STOP), "signal-stop app");
}

static void a_dense_graph_is_linked_in_no_time(void **state)
{
	struct fixture *f = *state;

	/* more paths than anybody could walk one by one */
	for (unsigned i = 0; i < 300; i++)
		add(f, "web", 2,
		    (struct core_dep[]){ { SERVICE_DEP_AFTER, i + 1 },
					 { SERVICE_DEP_AFTER, i + 2 } });
	add(f, "web", 0, NULL);
	add(f, "web", 0, NULL);
	link_ok(f);
}

static void who_is_bound_is_not_probed_in_the_instant_in_which_it_goes(void **state)
{
	struct fixture *f = *state;
	struct core_policy db = sim_policy("db"), app = sim_policy("app");

	db.runtime_max_usec = 10 * USEC_SEC;
	app.deps = (struct core_dep[]){ { SERVICE_DEP_BINDS_TO, 1 } };
	app.dep_count = 1;
	app.health.is_set = true;
	app.health.interval_usec = 10 * USEC_SEC;
	core_add(f->core, &app); /* the first unit's first interval is whole */
	core_add(f->core, &db);
	fixture_run(f, 0, 1);
	fixture_run(f, 0, 0);
	fixture_step(f, 0,
		     &(struct core_event){
			     .type = CORE_EV_PROBE, .unit = 0, .order = f->order, .pass = true });
	assert_string_equal(fixture_do(f, 10 * USEC_SEC, 0, CORE_EV_TIMER),
			    "signal-stop db, signal-stop app");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cycle_is_refused_with_its_path, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(units_of_a_cycle_fail_and_the_others_run,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_cycle_of_the_longest_chain_does_not_eat_the_stack,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_dependency_on_nothing_is_our_bug, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(pulling_in_is_no_order_and_may_be_circular,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(units_bound_to_each_other_come_back_together,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(before_is_the_other_units_after, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_start_takes_back_a_stop_that_has_not_begun,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_dense_graph_is_linked_in_no_time, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			who_is_bound_is_not_probed_in_the_instant_in_which_it_goes, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(units_may_be_added_and_linked_again, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
