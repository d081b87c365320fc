/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "supervise/policy.h"
#include "tests/sim/sim_policy.h"

static void restart_table_is_systemds(void **state)
{
	/* columns: no on-success on-failure on-abnormal on-abort on-watchdog always
	 * (systemd.service(5), table "Exit causes") */
	static const struct {
		enum core_result result;
		const char *row;
	} table[] = {
		{ CORE_RESULT_SUCCESS, "-x----x" },	{ CORE_RESULT_EXIT_CODE, "--x---x" },
		{ CORE_RESULT_SIGNAL, "--xxx-x" },	{ CORE_RESULT_OOM, "--xxx-x" },
		{ CORE_RESULT_TIMEOUT, "--xx--x" },	{ CORE_RESULT_UNHEALTHY, "--xx-xx" },
		{ CORE_RESULT_START_ERROR, "--x---x" }, { CORE_RESULT_SHIM_LOST, "--xxx-x" },
		{ CORE_RESULT_IMAGE, "-------" },	{ CORE_RESULT_START_LIMIT, "-------" },
		{ CORE_RESULT_DEPENDENCY, "-------" },	{ CORE_RESULT_INVALID, "-------" },
		{ CORE_RESULT_NONE, "-------" },	{ CORE_RESULT_WATCHDOG, "--xx-xx" },
		{ CORE_RESULT_PROTOCOL, "--xx--x" },	{ CORE_RESULT_CONDITION, "-------" },
		{ CORE_RESULT_ASSERT, "-------" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (unsigned restart = 0; restart < 7; restart++)
			assert_int_equal(policy_restart_covers((enum service_restart)restart,
							       table[i].result),
					 table[i].row[restart] == 'x');
}

static void clean_ends_are_code_0_and_four_signals(void **state)
{
	struct core_policy policy = sim_policy("web");

	(void)state;
	assert_int_equal(policy_exit_result(&policy, 0, 0, false), CORE_RESULT_SUCCESS);
	assert_int_equal(policy_exit_result(&policy, 1, 0, false), CORE_RESULT_EXIT_CODE);
	assert_int_equal(policy_exit_result(&policy, 255, 0, false), CORE_RESULT_EXIT_CODE);
	for (int signal = 1; signal < 64; signal++) {
		bool clean = signal == 1 || signal == 2 || signal == 13 || signal == 15;

		assert_int_equal(policy_exit_result(&policy, 128 + signal, signal, false),
				 clean ? CORE_RESULT_SUCCESS : CORE_RESULT_SIGNAL);
	}
}

static void out_of_memory_counts_only_when_the_end_was_not_clean(void **state)
{
	struct core_policy policy = sim_policy("web");

	(void)state;
	assert_int_equal(policy_exit_result(&policy, 0, 9, true), CORE_RESULT_OOM);
	assert_int_equal(policy_exit_result(&policy, 1, 0, true), CORE_RESULT_OOM);
	assert_int_equal(policy_exit_result(&policy, 0, 0, true), CORE_RESULT_SUCCESS);
}

static void exit_sets_match_codes_signals_and_podmans_128(void **state)
{
	struct exit_set set = { 0 };

	(void)state;
	set.codes[2] |= UINT64_C(1) << (143 - 128);
	set.codes[3] |= UINT64_C(1) << 63;
	set.signals |= UINT64_C(1) << 9;
	assert_true(policy_exit_in_set(&set, 143, 0));
	assert_true(policy_exit_in_set(&set, 255, 0));
	assert_true(policy_exit_in_set(&set, 0, 15));
	assert_true(policy_exit_in_set(&set, 0, 9));
	assert_false(policy_exit_in_set(&set, 0, 0));
	assert_false(policy_exit_in_set(&set, 137, 0));
	assert_false(policy_exit_in_set(&set, 0, 11));
	assert_false(policy_exit_in_set(&set, 256, 0));
	assert_false(policy_exit_in_set(&set, -1, 0));
	assert_false(policy_exit_in_set(&set, 0, 64));
	assert_false(policy_exit_in_set(&set, 0, -3));
}

static void success_exit_status_widens_success(void **state)
{
	struct core_policy policy = sim_policy("web");

	(void)state;
	policy.success.codes[0] = UINT64_C(1) << 42;
	policy.success.signals = UINT64_C(1) << 9;
	assert_int_equal(policy_exit_result(&policy, 42, 0, false), CORE_RESULT_SUCCESS);
	assert_int_equal(policy_exit_result(&policy, 0, 9, false), CORE_RESULT_SUCCESS);
	assert_int_equal(policy_exit_result(&policy, 43, 0, false), CORE_RESULT_EXIT_CODE);
}

static void prevent_beats_force_beats_restart(void **state)
{
	struct core_policy policy = sim_policy("web");

	(void)state;
	policy.restart = SERVICE_RESTART_ALWAYS;
	policy.restart_prevent.codes[0] = 1u << 3;
	assert_false(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 3, 0));
	assert_true(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 4, 0));
	assert_true(policy_shall_restart(&policy, CORE_RESULT_TIMEOUT, false, 3, 0));
	policy.restart_force.codes[0] = 1u << 3 | 1u << 5;
	assert_false(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 3, 0));
	policy.restart = SERVICE_RESTART_NO;
	assert_true(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 5, 0));
	assert_false(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 6, 0));
}

static void a_oneshot_that_succeeded_is_never_restarted(void **state)
{
	struct core_policy policy = sim_policy("job");

	(void)state;
	policy.type = SERVICE_ONESHOT;
	policy.restart = SERVICE_RESTART_ALWAYS;
	assert_false(policy_shall_restart(&policy, CORE_RESULT_SUCCESS, true, 0, 0));
	assert_true(policy_shall_restart(&policy, CORE_RESULT_EXIT_CODE, true, 1, 0));
}

static void restart_delay_without_steps_is_constant(void **state)
{
	struct core_policy policy = sim_policy("web");

	(void)state;
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(policy_restart_delay_usec(&policy, n), 100 * USEC_MSEC);
	policy.restart_steps = 5; /* RestartSteps= without RestartMaxDelaySec= */
	assert_int_equal(policy_restart_delay_usec(&policy, 50), 100 * USEC_MSEC);
	policy.restart_max_usec = 50 * USEC_MSEC; /* below RestartSec= */
	assert_int_equal(policy_restart_delay_usec(&policy, 50), 100 * USEC_MSEC);
	policy.restart_usec = 0;
	policy.restart_max_usec = USEC_SEC;
	assert_int_equal(policy_restart_delay_usec(&policy, 50), 0);
}

static void restart_delay_grows_geometrically(void **state)
{
	struct core_policy policy = sim_policy("web");
	usec_t previous = 0;

	(void)state;
	policy.restart_usec = USEC_SEC;
	policy.restart_max_usec = 1000 * USEC_SEC;
	policy.restart_steps = 3;
	assert_int_equal(policy_restart_delay_usec(&policy, 1), 1 * USEC_SEC);
	assert_int_equal(policy_restart_delay_usec(&policy, 2), 10 * USEC_SEC);
	assert_int_equal(policy_restart_delay_usec(&policy, 3), 100 * USEC_SEC);
	assert_int_equal(policy_restart_delay_usec(&policy, 4), 1000 * USEC_SEC);
	assert_int_equal(policy_restart_delay_usec(&policy, UINT32_MAX), 1000 * USEC_SEC);
	policy.restart_usec = 1;
	policy.restart_max_usec = USEC_NEVER - 1;
	policy.restart_steps = 4000000000u; /* absurd values stay in order */
	for (unsigned n = 1; n < 4000000000u - 300000000u; n += 300000000u) {
		usec_t delay = policy_restart_delay_usec(&policy, n);

		assert_true(delay >= previous && delay < policy.restart_max_usec);
		previous = delay;
	}
}

static void retry_delay_doubles_to_a_minute(void **state)
{
	static const unsigned seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

	(void)state;
	for (unsigned n = 1; n <= 8; n++)
		assert_int_equal(policy_retry_delay_usec(n), seconds[n - 1] * USEC_SEC);
	assert_int_equal(policy_retry_delay_usec(0), USEC_SEC);
	assert_int_equal(policy_retry_delay_usec(UINT32_MAX), 60 * USEC_SEC);
}

static void a_start_is_over_at_the_earlier_of_its_two_limits(void **state)
{
	const struct core_policy none = { 0 }, never = { .job_timeout_usec = USEC_NEVER,
							 .job_running_timeout_usec = USEC_NEVER };
	const struct core_policy both = { .job_timeout_usec = 10 * USEC_SEC,
					  .job_running_timeout_usec = 3 * USEC_SEC };

	(void)state;
	assert_int_equal(policy_job_deadline(&none, 5, 5), USEC_NEVER);
	assert_int_equal(policy_job_deadline(&never, 5, 5), USEC_NEVER);
	assert_int_equal(policy_job_deadline(&both, USEC_SEC, USEC_NEVER), 11 * USEC_SEC);
	assert_int_equal(policy_job_deadline(&both, USEC_SEC, 2 * USEC_SEC), 5 * USEC_SEC);
	assert_int_equal(policy_job_deadline(&both, USEC_SEC, 9 * USEC_SEC), 11 * USEC_SEC);
	assert_int_equal(policy_job_deadline(&both, USEC_NEVER, 2 * USEC_SEC), 5 * USEC_SEC);
	assert_int_equal(policy_job_deadline(&both, USEC_NEVER - 1, USEC_NEVER), USEC_NEVER);
}

static void start_limit_counts_inside_its_window(void **state)
{
	struct core_policy policy = sim_policy("web");
	struct start_limit limit = { 0 };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_false(start_limit_is_reached(&limit, &policy, i * USEC_SEC));
		start_limit_count(&limit, &policy, i * USEC_SEC);
	}
	assert_true(start_limit_is_reached(&limit, &policy, 5 * USEC_SEC));
	assert_true(start_limit_is_reached(&limit, &policy, 10 * USEC_SEC));
	assert_false(start_limit_is_reached(&limit, &policy, 10 * USEC_SEC + 1));
	start_limit_count(&limit, &policy, 10 * USEC_SEC + 1);
	assert_int_equal(limit.count, 1);
}

static void start_limit_of_zero_is_none(void **state)
{
	struct core_policy policy = sim_policy("web");
	struct start_limit limit = { .begin = 0, .count = 1000 };

	(void)state;
	policy.start_limit_burst = 0;
	assert_false(start_limit_is_reached(&limit, &policy, 1));
	policy.start_limit_burst = 5;
	policy.start_limit_interval_usec = 0;
	assert_false(start_limit_is_reached(&limit, &policy, 1));
	policy.start_limit_interval_usec = USEC_NEVER; /* forever: no window ever closes */
	assert_true(start_limit_is_reached(&limit, &policy, USEC_NEVER - 1));
}

static void times_add_up_to_never(void **state)
{
	(void)state;
	assert_int_equal(policy_add_usec(1, 2), 3);
	assert_true(policy_add_usec(USEC_NEVER, 1) == USEC_NEVER);
	assert_true(policy_add_usec(1, USEC_NEVER) == USEC_NEVER);
	assert_true(policy_add_usec(USEC_NEVER - 1, 2) == USEC_NEVER);
}

static void spans_and_signals_read_well(void **state)
{
	static const struct {
		uint64_t usec;
		const char *text;
	} spans[] = {
		{ 0, "0s" },
		{ 7, "7us" },
		{ 100000, "100ms" },
		{ USEC_SEC, "1s" },
		{ 1500000, "1.500s" },
		{ 90 * USEC_SEC, "90s" },
		{ USEC_NEVER, "forever" },
		{ USEC_NEVER - 1, "18446744073709.551s" },
	};
	char out[POLICY_SPAN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		assert_string_equal(policy_format_span(out, spans[i].usec), spans[i].text);
	assert_string_equal(policy_format_signal(out, 9), "SIGKILL");
	assert_string_equal(policy_format_signal(out, 40), "signal 40");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_table_is_systemds),
		cmocka_unit_test(clean_ends_are_code_0_and_four_signals),
		cmocka_unit_test(out_of_memory_counts_only_when_the_end_was_not_clean),
		cmocka_unit_test(exit_sets_match_codes_signals_and_podmans_128),
		cmocka_unit_test(success_exit_status_widens_success),
		cmocka_unit_test(prevent_beats_force_beats_restart),
		cmocka_unit_test(a_oneshot_that_succeeded_is_never_restarted),
		cmocka_unit_test(restart_delay_without_steps_is_constant),
		cmocka_unit_test(restart_delay_grows_geometrically),
		cmocka_unit_test(retry_delay_doubles_to_a_minute),
		cmocka_unit_test(a_start_is_over_at_the_earlier_of_its_two_limits),
		cmocka_unit_test(start_limit_counts_inside_its_window),
		cmocka_unit_test(start_limit_of_zero_is_none),
		cmocka_unit_test(times_add_up_to_never),
		cmocka_unit_test(spans_and_signals_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
