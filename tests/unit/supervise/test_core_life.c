/* SPDX-License-Identifier: Apache-2.0 */
/* What the scenarios of tests/sim do not reach: answers that do not fit, and the edges of adoption. */
#include "unit_test.h"

#include "core_fixture.h"

static void add_web(struct fixture *f, enum service_restart restart)
{
	struct core_policy policy = sim_policy("web");

	policy.restart = restart;
	core_add(f->core, &policy);
}

static const char *adopt(struct fixture *f, usec_t now)
{
	return fixture_step(f, now, &(struct core_event){ .type = CORE_EV_ADOPTED });
}

static void answers_that_do_not_fit_the_state_are_ignored(void **state)
{
	static const enum core_event_type types[] = { CORE_EV_IMAGE_READY, CORE_EV_IMAGE_FAILED,
						      CORE_EV_RUNNING,	   CORE_EV_START_FAILED,
						      CORE_EV_EXITED,	   CORE_EV_SHIM_LOST,
						      CORE_EV_CLEANED,	   CORE_EV_PROBE };
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_string_equal(fixture_do(f, 0, 0, types[i]), "");
		assert_int_equal(f->trace.len, 0);
		assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	}
	fixture_run(f, 0, 0);
	fixture_do(f, 1, 0, CORE_EV_START_FAILED); /* it runs */
	fixture_do(f, 1, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	fixture_do(f, 1, 0, CORE_EV_EXITED);
	assert_int_equal(fixture_view(f, 0).state, CORE_CLEANING);
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_EXITED), "");
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_SHIM_LOST), "");
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_START_FAILED), "");
}

static void adoption_is_for_units_without_a_container(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	adopt(f, 10);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	adopt(f, 20);
	assert_int_equal(f->trace.len, 0);
	fixture_do(f, 30, 0, CORE_EV_EXITED);
	fixture_do(f, 30, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_BACKOFF);
	adopt(f, 40);
	assert_int_equal(f->trace.len, 0);
}

static void a_start_that_is_still_pulling_may_be_adopted(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_do(f, 0, 0, CORE_EV_START);
	adopt(f, 1);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_IMAGE_READY), ""); /* no second container */
}

static void a_start_that_an_earlier_engine_ordered_is_not_ordered_again(void **state)
{
	const struct core_event creating = { .type = CORE_EV_ADOPTED, .starting = true };
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	assert_string_equal(fixture_step(f, 10, &creating), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_STARTING);
	assert_string_equal(fixture_do(f, 11, 0, CORE_EV_START), "");
	assert_string_equal(fixture_do(f, 11, 0, CORE_EV_IMAGE_READY), "");
	fixture_do(f, 12, 0, CORE_EV_RUNNING);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
}

static void an_adopted_start_may_fail_and_hang(void **state)
{
	const struct core_event creating = { .type = CORE_EV_ADOPTED, .starting = true };
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_NO);
	add_web(f, SERVICE_RESTART_NO);
	fixture_step(f, 10, &creating);
	fixture_step(f, 11,
		     &(struct core_event){ .type = CORE_EV_START_FAILED, .text = "mounts: no" });
	fixture_do(f, 12, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_non_null(strstr(fixture_view(f, 0).reason, "mounts: no"));
	fixture_step(f, 20,
		     &(struct core_event){ .type = CORE_EV_ADOPTED, .unit = 1, .starting = true });
	assert_true(core_deadline(f->core) < USEC_NEVER);
}

static void what_is_adopted_during_shutdown_is_stopped(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_run(f, 0, 1);
	fixture_do(f, 1, 0, CORE_EV_SHUTDOWN);
	assert_string_equal(adopt(f, 2), "signal-stop web");
	fixture_step(f, 3, &(struct core_event){ .type = CORE_EV_EXITED, .unit = 0 });
	fixture_step(f, 3, &(struct core_event){ .type = CORE_EV_EXITED, .unit = 1 });
	assert_string_equal(fixture_do(f, 4, 0, CORE_EV_CLEANED), "");
	assert_string_equal(fixture_do(f, 4, 1, CORE_EV_CLEANED), "all-down");
}

static void an_adopted_container_that_was_not_wanted_stops_when_told(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	adopt(f, 10);
	assert_string_equal(fixture_do(f, 10, 0, CORE_EV_STOP), "signal-stop web");
	fixture_do(f, 11, 0, CORE_EV_SHIM_LOST);
	fixture_do(f, 12, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
}

static void an_adoption_in_the_future_counts_from_now(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_step(f, 10,
		     &(struct core_event){ .type = CORE_EV_ADOPTED, .started_at = 99 * USEC_SEC });
	assert_string_equal(fixture_view(f, 0).reason, "adopted, runs for 0s");
}

static void what_is_adopted_says_what_it_said(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_step(f, 10,
		     &(struct core_event){ .type = CORE_EV_ADOPTED,
					   .was_up = true,
					   .text = "said that it is ready" });
	assert_string_equal(fixture_view(f, 0).reason, "said that it is ready");
}

static void an_end_without_running_before_it_is_an_end(void **state)
{
	struct fixture *f = *state;

	/* so short-lived that only its record was seen */
	add_web(f, SERVICE_RESTART_NO);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_EXITED), "teardown web");
	fixture_do(f, 2, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_SUCCESS);
}

static void the_first_cause_is_what_counts(void **state)
{
	struct fixture *f = *state;

	/* stopped for its RuntimeMaxSec=, and told to stop meanwhile: down, and the reason stays */
	struct core_policy policy = sim_policy("web");

	policy.runtime_max_usec = USEC_SEC;
	policy.restart = SERVICE_RESTART_ALWAYS;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	fixture_do(f, USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, USEC_SEC, 0, CORE_EV_STOP);
	fixture_step(f, USEC_SEC, &(struct core_event){ .type = CORE_EV_EXITED, .code = 0 });
	fixture_do(f, USEC_SEC, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_TIMEOUT);
	assert_string_equal(fixture_view(f, 0).reason,
			    "ran for RuntimeMaxSec=1s; exited with code 0");
}

static void fail_once(struct fixture *f, usec_t now, enum core_event_type type)
{
	fixture_step(f, now, &(struct core_event){ .type = type, .code = 1, .text = "x" });
	fixture_do(f, now, 0, CORE_EV_CLEANED);
}

static void a_start_by_hand_forgets_the_growth_of_the_delay(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.restart = SERVICE_RESTART_ON_FAILURE;
	policy.restart_steps = 3;
	policy.restart_max_usec = 100 * USEC_SEC;
	policy.start_limit_burst = 2;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	fail_once(f, 0, CORE_EV_EXITED);
	fixture_do(f, USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, USEC_SEC, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, USEC_SEC, 0, CORE_EV_RUNNING);
	fail_once(f, USEC_SEC, CORE_EV_EXITED);
	assert_string_equal(fixture_view(f, 0).reason, "exited with code 1; next start in 1s");
	fixture_do(f, 3 * USEC_SEC, 0, CORE_EV_TIMER);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_START_LIMIT);
	fixture_run(f, 60 * USEC_SEC, 0);
	fail_once(f, 60 * USEC_SEC, CORE_EV_EXITED);
	assert_string_equal(fixture_view(f, 0).reason, "exited with code 1; next start in 100ms");
}

static void start_errors_in_a_row_end_with_a_container_that_runs(void **state)
{
	struct fixture *f = *state;
	usec_t now = 0;

	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_do(f, 0, 0, CORE_EV_START);
	for (unsigned i = 0; i < 3; i++) {
		fixture_do(f, now, 0, CORE_EV_IMAGE_READY);
		fail_once(f, now, CORE_EV_START_FAILED);
		now = core_deadline(f->core);
		fixture_do(f, now, 0, CORE_EV_TIMER);
	}
	assert_int_equal(now, 7 * USEC_SEC);
	fixture_do(f, now, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, now, 0, CORE_EV_RUNNING);
	fail_once(f, now += 60 * USEC_SEC, CORE_EV_EXITED);
	fixture_do(f, now += 60 * USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, now, 0, CORE_EV_IMAGE_READY);
	fail_once(f, now, CORE_EV_START_FAILED);
	assert_string_equal(fixture_view(f, 0).reason, "x; next start in 1s");
}

static void image_failures_in_a_row_end_with_an_image(void **state)
{
	struct fixture *f = *state;

	add_web(f, SERVICE_RESTART_ALWAYS);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_FAILED);
	fixture_do(f, USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, USEC_SEC, 0, CORE_EV_IMAGE_FAILED);
	assert_string_equal(fixture_view(f, 0).reason, "image: unknown reason; next try in 2s");
	fixture_do(f, 3 * USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, 3 * USEC_SEC, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 3 * USEC_SEC, 0, CORE_EV_RUNNING);
	fail_once(f, 3 * USEC_SEC, CORE_EV_EXITED);
	fixture_do(f, 4 * USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, 4 * USEC_SEC, 0, CORE_EV_IMAGE_FAILED);
	assert_string_equal(fixture_view(f, 0).reason, "image: unknown reason; next try in 1s");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(answers_that_do_not_fit_the_state_are_ignored),
		TEST(adoption_is_for_units_without_a_container),
		TEST(a_start_that_is_still_pulling_may_be_adopted),
		TEST(a_start_that_an_earlier_engine_ordered_is_not_ordered_again),
		TEST(an_adopted_start_may_fail_and_hang),
		TEST(what_is_adopted_during_shutdown_is_stopped),
		TEST(an_adopted_container_that_was_not_wanted_stops_when_told),
		TEST(what_is_adopted_says_what_it_said),
		TEST(an_adoption_in_the_future_counts_from_now),
		TEST(an_end_without_running_before_it_is_an_end),
		TEST(the_first_cause_is_what_counts),
		TEST(a_start_by_hand_forgets_the_growth_of_the_delay),
		TEST(start_errors_in_a_row_end_with_a_container_that_runs),
		TEST(image_failures_in_a_row_end_with_an_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
