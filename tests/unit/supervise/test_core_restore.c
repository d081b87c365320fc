/* SPDX-License-Identifier: Apache-2.0 */
/* Units without a container, from one engine to the next: given up, waiting for their next start, with their counts. */
#include "unit_test.h"

#include "core_fixture.h"

#define T0 (100 * USEC_SEC)

static const struct core_policy policy = {
	.name = "web",
	.restart = SERVICE_RESTART_ON_FAILURE,
	.restart_usec = 10 * USEC_SEC,
	.restart_max_usec = USEC_NEVER,
	.start_limit_interval_usec = 100 * USEC_SEC,
	.start_limit_burst = 3,
	.timeout_start_usec = 90 * USEC_SEC,
	.timeout_stop_usec = 90 * USEC_SEC,
	.runtime_max_usec = USEC_NEVER,
	.stop_timeout_usec = 10 * USEC_SEC,
};

static void crash(struct fixture *f, usec_t now)
{
	fixture_do(f, now, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, now, 0, CORE_EV_RUNNING);
	fixture_step(f, now, &(struct core_event){ .type = CORE_EV_EXITED, .code = 7 });
	fixture_do(f, now, 0, CORE_EV_CLEANED);
}

/* The reason is borrowed of the core that is about to go. */
static struct core_rest rest_of(const struct fixture *f, char *reason, size_t size)
{
	struct core_rest rest;

	core_get_rest(f->core, 0, &rest);
	str_copy(reason, size, rest.reason);
	rest.reason = reason;
	return rest;
}

static void another_core(struct fixture *f)
{
	core_free(f->core);
	f->core = core_new(fixture_trace, f);
	core_add(f->core, &policy);
}

static void test_a_delay_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct core_rest rest;
	char reason[512];

	core_add(f->core, &policy);
	fixture_do(f, T0, 0, CORE_EV_START);
	crash(f, T0);
	assert_int_equal(fixture_view(f, 0).state, CORE_BACKOFF);
	rest = rest_of(f, reason, sizeof(reason));
	another_core(f);
	core_restore(f->core, 0, &rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_BACKOFF);
	assert_int_equal(fixture_view(f, 0).want, CORE_WANT_UP);
	assert_string_equal(fixture_view(f, 0).reason, reason);
	assert_int_equal(core_deadline(f->core), T0 + 10 * USEC_SEC);
	assert_string_equal(fixture_do(f, T0 + 9 * USEC_SEC, 0, CORE_EV_TIMER), "");
	assert_string_equal(fixture_do(f, T0 + 10 * USEC_SEC, 0, CORE_EV_TIMER), "image web");
}

static void go_on_after_cleaning(struct fixture *f, struct core_rest *rest, char reason[512])
{
	*rest = rest_of(f, reason, 512);
	assert_int_equal(rest->state, CORE_CLEANING);
	another_core(f);
	core_restore(f->core, 0, rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_CLEANING);
	assert_string_equal(fixture_view(f, 0).reason, reason);
}

static void test_an_end_that_nobody_has_answered_is_not_forgotten(void **state)
{
	struct fixture *f = *state;
	struct core_rest rest;
	char reason[512];

	core_add(f->core, &policy);
	fixture_do(f, T0, 0, CORE_EV_START);
	fixture_do(f, T0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, T0, 0, CORE_EV_RUNNING);
	fixture_step(f, T0, &(struct core_event){ .type = CORE_EV_EXITED, .code = 7 });
	go_on_after_cleaning(f, &rest, reason);
	assert_string_equal(fixture_do(f, T0, 0, CORE_EV_CLEANED), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_BACKOFF);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_EXIT_CODE);
	assert_int_equal(fixture_view(f, 0).exit_code, 7);
	/* an earlier engine has not said how it came to it */
	another_core(f);
	rest.end = 0;
	core_restore(f->core, 0, &rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
}

static void test_a_restart_that_was_asked_for_is_not_forgotten(void **state)
{
	struct fixture *f = *state;
	struct core_policy once = policy;
	struct core_rest rest;
	char reason[512];

	once.restart = SERVICE_RESTART_NO;
	core_add(f->core, &once);
	fixture_do(f, T0, 0, CORE_EV_START);
	fixture_do(f, T0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, T0, 0, CORE_EV_RUNNING);
	fixture_do(f, T0, 0, CORE_EV_RESTART);
	fixture_step(f, T0, &(struct core_event){ .type = CORE_EV_EXITED, .signal = 15 });
	go_on_after_cleaning(f, &rest, reason);
	assert_string_equal(fixture_do(f, T0, 0, CORE_EV_CLEANED), "image web");
	/* nor is a stop */
	rest.is_wanted = false;
	another_core(f);
	core_restore(f->core, 0, &rest);
	assert_string_equal(fixture_do(f, T0, 0, CORE_EV_CLEANED), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
}

static void test_starts_that_were_used_up_stay_so(void **state)
{
	struct fixture *f = *state;
	struct core_rest rest;
	char reason[512];
	usec_t now = T0;

	core_add(f->core, &policy);
	fixture_do(f, now, 0, CORE_EV_START);
	crash(f, now);
	for (unsigned i = 1; i < 3; i++) {
		now = core_deadline(f->core);
		fixture_do(f, now, 0, CORE_EV_TIMER);
		rest = rest_of(f, reason, sizeof(reason));
		assert_int_equal(rest.limit_count, i);
		crash(f, now);
	}
	rest = rest_of(f, reason, sizeof(reason));
	another_core(f);
	core_restore(f->core, 0, &rest);
	now = core_deadline(f->core);
	fixture_do(f, now, 0, CORE_EV_TIMER);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_START_LIMIT);
}

static void test_what_gave_up_stays_given_up_until_somebody_asks(void **state)
{
	struct fixture *f = *state;
	const struct core_rest rest = { .state = CORE_FAILED,
					.result = CORE_RESULT_EXIT_CODE,
					.exit_code = 3,
					.reason = "exited with code 3",
					.deadline = USEC_NEVER };

	core_add(f->core, &policy);
	core_restore(f->core, 0, &rest);
	assert_int_equal(f->trace.len, 0); /* an earlier engine has said it */
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).exit_code, 3);
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
	assert_string_equal(fixture_do(f, T0, 0, CORE_EV_START), "image web");
}

static void test_what_has_ended_well_is_said_and_stays_down(void **state)
{
	struct fixture *f = *state;
	const struct core_rest rest = { .state = CORE_DOWN,
					.result = CORE_RESULT_SUCCESS,
					.exit_code = 42,
					.reason = "finished: exited with code 42",
					.deadline = USEC_NEVER };

	core_add(f->core, &policy);
	core_restore(f->core, 0, &rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_int_equal(fixture_view(f, 0).want, CORE_WANT_DOWN);
	assert_int_equal(fixture_view(f, 0).exit_code, 42);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_SUCCESS);
	assert_string_equal(fixture_view(f, 0).reason, "finished: exited with code 42");
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
	assert_string_equal(fixture_do(f, T0, 0, CORE_EV_START), "image web");
}

static void test_what_has_a_container_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const struct core_rest rest = { .state = CORE_FAILED, .reason = "x" };

	core_add(f->core, &policy);
	fixture_run(f, T0, 0);
	core_restore(f->core, 0, &rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
}

static void test_other_states_bring_only_their_counts(void **state)
{
	struct fixture *f = *state;
	const struct core_rest rest = {
		.state = CORE_UP, .reason = "x", .limit_begin = T0, .limit_count = 3
	};

	core_add(f->core, &policy);
	core_restore(f->core, 0, &rest);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	fixture_do(f, T0, 0, CORE_EV_START);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_START_LIMIT);
}

static void another_that_waits(struct fixture *f, const struct core_rest *rest, struct err *err)
{
	const struct core_dep after = { SERVICE_DEP_AFTER, 1 };
	struct core_policy waits = policy, other = policy;

	waits.job_timeout_usec = 30 * USEC_SEC;
	waits.deps = &after;
	waits.dep_count = 1;
	other.name = "db";
	core_free(f->core);
	f->core = core_new(fixture_trace, f);
	core_add(f->core, &waits);
	core_add(f->core, &other);
	assert_int_equal(core_link(f->core, err), 0);
	if (rest)
		core_restore(f->core, 0, rest);
}

static void test_what_waits_has_no_more_time_than_it_had(void **state)
{
	struct fixture *f = *state;
	struct core_rest rest;
	char reason[512];
	struct err err;

	another_that_waits(f, NULL, &err);
	fixture_do(f, T0, 1, CORE_EV_START);
	fixture_do(f, T0, 0, CORE_EV_START);
	fixture_do(f, T0, 0, CORE_EV_IMAGE_READY);
	assert_int_equal(fixture_view(f, 0).state, CORE_WAITING);
	rest = rest_of(f, reason, sizeof(reason));
	assert_int_equal(rest.job_deadline, T0 + 30 * USEC_SEC);
	another_that_waits(f, &rest, &err);
	fixture_step(f, T0 + 10 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_START, .unit = 1, .more = true });
	fixture_do(f, T0 + 10 * USEC_SEC, 0, CORE_EV_START);
	fixture_do(f, T0 + 10 * USEC_SEC, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, T0 + 29 * USEC_SEC, 0, CORE_EV_TIMER);
	assert_int_equal(fixture_view(f, 0).state, CORE_WAITING);
	fixture_do(f, T0 + 30 * USEC_SEC, 0, CORE_EV_TIMER);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_TIMEOUT);
	assert_string_equal(fixture_view(f, 0).reason,
			    "not started within JobTimeoutSec=30s: waiting for db (pulling)");
	/* a later start is another one */
	fixture_do(f, T0 + 40 * USEC_SEC, 0, CORE_EV_START);
	assert_int_equal(core_deadline(f->core), T0 + 70 * USEC_SEC);
}

static void test_that_a_start_takes_too_long_is_said_once(void **state)
{
	struct fixture *f = *state;
	struct core_rest rest;
	char reason[512];
	struct err err;

	another_that_waits(f, NULL, &err);
	fixture_do(f, T0, 0, CORE_EV_START);
	fixture_do(f, T0 + 30 * USEC_SEC, 0, CORE_EV_TIMER);
	assert_int_equal(fixture_view(f, 0).state, CORE_PULLING);
	assert_true(fixture_view(f, 0).job_is_over);
	rest = rest_of(f, reason, sizeof(reason));
	assert_int_equal(rest.job_deadline, CORE_JOB_IS_OVER);
	another_that_waits(f, &rest, &err);
	fixture_do(f, T0 + 40 * USEC_SEC, 0, CORE_EV_START);
	assert_true(fixture_view(f, 0).job_is_over);
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
	fixture_do(f, T0 + 40 * USEC_SEC, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, T0 + 41 * USEC_SEC, 0, CORE_EV_RUNNING);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_false(fixture_view(f, 0).job_is_over);
}

#define in_core(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_core(test_a_delay_goes_on_where_it_was),
		in_core(test_an_end_that_nobody_has_answered_is_not_forgotten),
		in_core(test_a_restart_that_was_asked_for_is_not_forgotten),
		in_core(test_starts_that_were_used_up_stay_so),
		in_core(test_what_gave_up_stays_given_up_until_somebody_asks),
		in_core(test_what_has_ended_well_is_said_and_stays_down),
		in_core(test_what_has_a_container_is_left_alone),
		in_core(test_other_states_bring_only_their_counts),
		in_core(test_what_waits_has_no_more_time_than_it_had),
		in_core(test_that_a_start_takes_too_long_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
