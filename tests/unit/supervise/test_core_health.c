/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "core_fixture.h"

static unsigned add_probed(struct fixture *f, enum service_restart restart)
{
	struct core_policy policy = sim_policy("web");

	policy.restart = restart;
	policy.health.is_set = true;
	policy.health.interval_usec = 10 * USEC_SEC;
	policy.health.timeout_usec = 5 * USEC_SEC;
	policy.health.retries = 2;
	return core_add(f->core, &policy);
}

static const char *answer(struct fixture *f, usec_t now, uint64_t order, bool pass)
{
	return fixture_step(
		f, now,
		&(struct core_event){
			.type = CORE_EV_PROBE, .order = order, .pass = pass, .text = "t" });
}

/* The next probe comes due and is ordered. */
static usec_t next_probe(struct fixture *f)
{
	usec_t at = core_deadline(f->core);

	assert_string_equal(fixture_do(f, at, 0, CORE_EV_TIMER), "probe web");
	return at;
}

static const char *answer_next(struct fixture *f, bool pass)
{
	usec_t at = next_probe(f);

	return answer(f, at, f->order, pass);
}

static void an_answer_to_another_order_is_no_verdict(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_NO);
	fixture_run(f, 0, 0);
	answer(f, 1, f->order + 1, true);
	answer(f, 1, 0, true);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTH_STARTING);
	answer(f, 1, f->order, true);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
	answer(f, 2, f->order, false); /* the same answer once more */
	assert_int_equal(fixture_view(f, 0).probe_failures, 0);
}

static void probes_never_overlap(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_NO);
	fixture_run(f, 0, 0);
	answer(f, 1, f->order, true);
	next_probe(f);
	/* far beyond the interval, but its timeout and the shim's own time are not over yet */
	assert_string_equal(fixture_do(f, 24 * USEC_SEC, 0, CORE_EV_TIMER), "");
	assert_string_equal(fixture_do(f, 26 * USEC_SEC, 0, CORE_EV_TIMER), "probe-cancel web");
}

static void a_stop_cancels_the_probe_in_flight(void **state)
{
	struct fixture *f = *state;
	uint64_t order;

	add_probed(f, SERVICE_RESTART_ALWAYS);
	fixture_run(f, 0, 0);
	order = f->order;
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_STOP), "probe-cancel web, signal-stop web");
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTH_NONE);
	assert_string_equal(answer(f, 2, order, false), "");
}

static void two_freezes_cancel_once_and_probe_once(void **state)
{
	struct fixture *f = *state;
	struct core_event freeze = { .type = CORE_EV_FREEZE, .gap_usec = 60 * USEC_SEC };
	uint64_t order;

	add_probed(f, SERVICE_RESTART_NO);
	fixture_run(f, 0, 0);
	order = f->order;
	assert_string_equal(fixture_step(f, 60 * USEC_SEC, &freeze), "probe-cancel web");
	assert_string_equal(fixture_step(f, 120 * USEC_SEC, &freeze), "");
	/* whatever it says: it was asked before the freeze */
	assert_string_equal(answer(f, 120 * USEC_SEC, order, false), "probe web");
	assert_int_equal(fixture_view(f, 0).probe_failures, 0);
	assert_true(f->order > order);
}

static void a_cancelled_probe_that_never_answers_is_replaced(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_NO);
	fixture_run(f, 0, 0);
	fixture_step(f, 60 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 60 * USEC_SEC });
	assert_int_equal(core_deadline(f->core), 70 * USEC_SEC);
	assert_string_equal(fixture_do(f, 70 * USEC_SEC, 0, CORE_EV_TIMER), "probe web");
	assert_int_equal(fixture_view(f, 0).probe_failures, 0);
}

static void a_freeze_extends_the_time_that_does_not_count(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_NO);
	fixture_run(f, 0, 0);
	answer(f, 1, f->order, false);
	fixture_step(f, 60 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 60 * USEC_SEC });
	next_probe(f);
	answer(f, 65 * USEC_SEC, f->order, false);
	assert_int_equal(fixture_view(f, 0).probe_failures, 0);
}

static void retries_of_zero_mean_the_first_failure(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.health.is_set = true;
	policy.health.retries = 0;
	policy.health.interval_usec = 0; /* clamped: no probing without pause */
	policy.health.timeout_usec = USEC_NEVER;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	answer(f, 0, f->order, true);
	assert_int_equal(core_deadline(f->core), 100 * USEC_MSEC);
	answer_next(f, false);
	assert_int_equal(fixture_view(f, 0).health, CORE_UNHEALTHY);
}

static void a_healthy_adopted_container_needs_all_retries_to_fall(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_ALWAYS);
	fixture_step(f, 1000 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_ADOPTED,
					   .adopted_health = CORE_HEALTHY });
	assert_int_equal(core_deadline(f->core), 1010 * USEC_SEC);
	answer_next(f, false);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
	assert_string_equal(answer_next(f, false), "signal-stop web");
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_UNHEALTHY);
}

static void an_unhealthy_adopted_container_is_judged_anew(void **state)
{
	struct fixture *f = *state;

	add_probed(f, SERVICE_RESTART_ALWAYS);
	fixture_step(f, 1000 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_ADOPTED,
					   .adopted_health = CORE_UNHEALTHY });
	assert_int_equal(fixture_view(f, 0).health, CORE_UNHEALTHY);
	assert_string_equal(answer_next(f, false), "");
	assert_string_equal(answer_next(f, false), "signal-stop web");
}

static void a_unit_without_a_probe_is_never_probed(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.ready_when_healthy = true; /* can never come true: counts as not set */
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTH_NONE);
	assert_true(core_deadline(f->core) == USEC_NEVER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_answer_to_another_order_is_no_verdict),
		TEST(probes_never_overlap),
		TEST(a_stop_cancels_the_probe_in_flight),
		TEST(two_freezes_cancel_once_and_probe_once),
		TEST(a_cancelled_probe_that_never_answers_is_replaced),
		TEST(a_freeze_extends_the_time_that_does_not_count),
		TEST(retries_of_zero_mean_the_first_failure),
		TEST(a_healthy_adopted_container_needs_all_retries_to_fall),
		TEST(an_unhealthy_adopted_container_is_judged_anew),
		TEST(a_unit_without_a_probe_is_never_probed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
