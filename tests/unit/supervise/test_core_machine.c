/* SPDX-License-Identifier: Apache-2.0 */
/* FailureAction= and its like in the core: what the scenarios of tests/sim do not reach. */
#include "unit_test.h"

#include "core_fixture.h"

static unsigned add(struct fixture *f, const char *name, enum core_machine_why why,
		    enum service_action action)
{
	struct core_policy policy = sim_policy(name);

	policy.machine[why] = action;
	return core_add(f->core, &policy);
}

static void let_fail(struct fixture *f, usec_t now, unsigned unit)
{
	fixture_run(f, now, unit);
	fixture_step(f, now,
		     &(struct core_event){ .type = CORE_EV_EXITED, .unit = unit, .code = 3 });
	fixture_do(f, now, unit, CORE_EV_CLEANED);
}

static void an_action_says_what_and_why_and_with_which_code(void **state)
{
	struct fixture *f = *state;
	unsigned unit = add(f, "web", CORE_MACHINE_FAILURE, SERVICE_ACTION_EXIT_FORCE);
	const struct core_action *actions;
	size_t count;

	fixture_run(f, 0, unit);
	fixture_step(f, 1, &(struct core_event){ .type = CORE_EV_EXITED, .unit = unit, .code = 3 });
	count = core_step(f->core, &(struct core_event){ .type = CORE_EV_CLEANED, .unit = unit }, 2,
			  &actions);
	assert_true(count >= 1);
	assert_int_equal(actions[0].type, CORE_ACT_MACHINE);
	assert_int_equal(actions[0].unit, unit);
	assert_int_equal(actions[0].machine, SERVICE_ACTION_EXIT_FORCE);
	assert_int_equal(actions[0].machine_why, CORE_MACHINE_FAILURE);
	assert_int_equal(actions[0].code, 3);
}

/* The record that says so is written after the order: an engine that is killed before it asks again. */
static void the_order_comes_before_the_unit_is_published(void **state)
{
	struct fixture *f = *state;
	unsigned unit = add(f, "web", CORE_MACHINE_FAILURE, SERVICE_ACTION_REBOOT);
	const struct core_action *actions;
	size_t count, at = 0;

	fixture_run(f, 0, unit);
	fixture_step(f, 1, &(struct core_event){ .type = CORE_EV_EXITED, .unit = unit, .code = 3 });
	count = core_step(f->core, &(struct core_event){ .type = CORE_EV_CLEANED, .unit = unit }, 2,
			  &actions);
	while (at < count && actions[at].type != CORE_ACT_MACHINE)
		assert_int_not_equal(actions[at++].type, CORE_ACT_PUBLISH);
	assert_true(at < count);
}

static void what_is_asked_is_asked_once_unless_it_is_refused(void **state)
{
	struct fixture *f = *state;
	unsigned a = add(f, "a", CORE_MACHINE_FAILURE, SERVICE_ACTION_REBOOT),
		 b = add(f, "b", CORE_MACHINE_FAILURE, SERVICE_ACTION_POWEROFF);

	let_fail(f, 0, a);
	assert_string_equal(buf_str(&f->actions), "machine a");
	let_fail(f, 1, b);
	assert_string_equal(buf_str(&f->actions), "");
	assert_non_null(strstr(buf_str(&f->trace),
			       "b: FailureAction=poweroff: the appliance has been asked"));
	core_machine_refused(f->core);
	let_fail(f, 2, a);
	assert_string_equal(buf_str(&f->actions), "machine a");
}

static void what_an_earlier_engine_has_left_failed_fails_no_second_time(void **state)
{
	struct fixture *f = *state;
	unsigned failed = add(f, "failed", CORE_MACHINE_FAILURE, SERVICE_ACTION_REBOOT),
		 pause = add(f, "pause", CORE_MACHINE_FAILURE, SERVICE_ACTION_REBOOT);

	core_restore(f->core, failed,
		     &(struct core_rest){ .state = CORE_FAILED,
					  .result = CORE_RESULT_EXIT_CODE,
					  .reason = "exited with code 1" });
	core_restore(f->core, pause,
		     &(struct core_rest){ .state = CORE_BACKOFF,
					  .result = CORE_RESULT_EXIT_CODE,
					  .deadline = 100 * USEC_SEC,
					  .reason = "exited with code 1" });
	assert_string_equal(fixture_do(f, 1, failed, CORE_EV_TIMER), "");
	assert_string_equal(fixture_do(f, 2, failed, CORE_EV_RESET_FAILED), "");
	let_fail(f, 3, failed);
	assert_string_equal(buf_str(&f->actions), "machine failed");
}

/* An overdue start that an earlier engine has told of is not told of again. */
static void a_start_that_is_overdue_already_asks_no_second_time(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");
	unsigned unit;

	policy.job_timeout_usec = 5 * USEC_SEC;
	policy.machine[CORE_MACHINE_JOB_TIMEOUT] = SERVICE_ACTION_REBOOT;
	unit = core_add(f->core, &policy);
	core_restore(f->core, unit,
		     &(struct core_rest){ .state = CORE_PULLING,
					  .job_deadline = CORE_JOB_IS_OVER,
					  .reason = "" });
	assert_string_equal(fixture_do(f, 1, unit, CORE_EV_START), "image web");
	assert_string_equal(fixture_do(f, 60 * USEC_SEC, unit, CORE_EV_TIMER), "");
	assert_string_equal(fixture_do(f, 61 * USEC_SEC, unit, CORE_EV_STOP), "");
	assert_string_equal(fixture_do(f, 62 * USEC_SEC, unit, CORE_EV_START), "image web");
	assert_string_equal(fixture_do(f, 67 * USEC_SEC, unit, CORE_EV_TIMER), "machine web");
}

static void keys_are_systemds(void **state)
{
	(void)state;
	assert_string_equal(core_machine_key(CORE_MACHINE_FAILURE), "FailureAction");
	assert_string_equal(core_machine_key(CORE_MACHINE_SUCCESS), "SuccessAction");
	assert_string_equal(core_machine_key(CORE_MACHINE_START_LIMIT), "StartLimitAction");
	assert_string_equal(core_machine_key(CORE_MACHINE_JOB_TIMEOUT), "JobTimeoutAction");
}

#define FIXTURE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE(an_action_says_what_and_why_and_with_which_code),
		FIXTURE(the_order_comes_before_the_unit_is_published),
		FIXTURE(what_is_asked_is_asked_once_unless_it_is_refused),
		FIXTURE(what_an_earlier_engine_has_left_failed_fails_no_second_time),
		FIXTURE(a_start_that_is_overdue_already_asks_no_second_time),
		cmocka_unit_test(keys_are_systemds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
