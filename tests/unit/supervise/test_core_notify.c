/* SPDX-License-Identifier: Apache-2.0 */
/* What a program says of itself, and its watchdog: the edges that the scenarios of tests/sim do not reach. */
#include "unit_test.h"

#include "core_fixture.h"

static void add_web(struct fixture *f)
{
	struct core_policy policy = sim_policy("web");

	policy.ready_by_notify = true;
	policy.watchdog_usec = 10 * USEC_SEC;
	policy.timeout_abort_usec = 5 * USEC_SEC;
	core_add(f->core, &policy);
}

static const char *say(struct fixture *f, usec_t now, struct core_event event)
{
	event.type = CORE_EV_NOTIFY;
	return fixture_step(f, now, &event);
}

static void run_ready(struct fixture *f)
{
	add_web(f);
	fixture_run(f, 0, 0);
	say(f, 0, (struct core_event){ .notify_ready = true });
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
}

static void a_sign_of_life_leaves_no_trace_and_publishes_nothing(void **state)
{
	struct fixture *f = *state;

	run_ready(f);
	assert_string_equal(say(f, 9 * USEC_SEC, (struct core_event){ .notify_watchdog = true }),
			    "");
	assert_int_equal(f->trace.len, 0);
	assert_int_equal(f->published, 0);
	assert_int_equal(core_deadline(f->core), 19 * USEC_SEC);
}

static void the_watchdog_begins_when_the_program_is_ready(void **state)
{
	struct fixture *f = *state;

	add_web(f);
	fixture_run(f, 0, 0);
	say(f, 1, (struct core_event){ .notify_watchdog = true }); /* early: nothing to feed yet */
	assert_int_equal(core_deadline(f->core), 90 * USEC_SEC);
	say(f, 2, (struct core_event){ .notify_ready = true });
	assert_int_equal(core_deadline(f->core), 2 + 10 * USEC_SEC);
}

static void a_sign_of_life_in_the_instant_of_the_deadline_is_in_time(void **state)
{
	struct fixture *f = *state;

	run_ready(f);
	say(f, 10 * USEC_SEC, (struct core_event){ .notify_watchdog = true });
	assert_string_equal(fixture_do(f, 10 * USEC_SEC, 0, CORE_EV_TIMER), "");
	assert_string_equal(fixture_do(f, 20 * USEC_SEC, 0, CORE_EV_TIMER), "signal-watchdog web");
	assert_int_equal(fixture_view(f, 0).deadline, 25 * USEC_SEC);
	assert_string_equal(fixture_do(f, 25 * USEC_SEC, 0, CORE_EV_TIMER), "kill web");
}

static void without_time_to_abort_it_is_killed_at_once(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.watchdog_usec = USEC_SEC;
	policy.timeout_abort_usec = 0;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	assert_string_equal(fixture_do(f, USEC_SEC, 0, CORE_EV_TIMER), "kill web");
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_WATCHDOG);
}

static void a_freeze_moves_the_watchdog(void **state)
{
	struct fixture *f = *state;

	run_ready(f);
	fixture_step(f, 1000 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 995 * USEC_SEC });
	assert_string_equal(fixture_do(f, 1000 * USEC_SEC, 0, CORE_EV_TIMER), "");
	assert_int_equal(core_deadline(f->core), 1005 * USEC_SEC);
}

static void the_status_is_one_bounded_line_and_told_once(void **state)
{
	struct fixture *f = *state;
	char text[5000];

	run_ready(f);
	say(f, 1, (struct core_event){ .text = "loading\n50 %\n" });
	assert_string_equal(fixture_view(f, 0).status_text, "loading 50 %");
	assert_string_equal(buf_str(&f->trace), "web: says: loading 50 %\n");
	assert_int_equal(f->published, 1);
	say(f, 2, (struct core_event){ .text = "loading 50 %" });
	assert_int_equal(f->trace.len + f->published, 0);
	say(f, 3, (struct core_event){ .text = NULL, .notify_watchdog = true });
	assert_string_equal(fixture_view(f, 0).status_text, "loading 50 %");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	say(f, 4, (struct core_event){ .text = text });
	assert_int_equal(strlen(fixture_view(f, 0).status_text), 255);
	say(f, 5, (struct core_event){ .text = "" });
	assert_string_equal(fixture_view(f, 0).status_text, "");
}

static void the_status_ends_with_the_next_start(void **state)
{
	struct fixture *f = *state;

	run_ready(f);
	say(f, 1, (struct core_event){ .text = "fine" });
	fixture_do(f, 2, 0, CORE_EV_STOP);
	fixture_do(f, 2, 0, CORE_EV_EXITED);
	fixture_do(f, 2, 0, CORE_EV_CLEANED);
	assert_string_equal(fixture_view(f, 0).status_text, "fine");
	fixture_run(f, 3, 0);
	assert_string_equal(fixture_view(f, 0).status_text, "");
	assert_int_equal(fixture_view(f, 0).state, CORE_STARTING); /* and so does READY=1 */
}

static void more_time_never_means_less(void **state)
{
	struct fixture *f = *state;

	add_web(f);
	fixture_run(f, 0, 0);
	say(f, 1, (struct core_event){ .notify_extend_usec = USEC_SEC });
	assert_int_equal(fixture_view(f, 0).deadline, 90 * USEC_SEC);
	say(f, 1, (struct core_event){ .notify_extend_usec = UINT64_MAX - 5 });
	assert_true(fixture_view(f, 0).deadline > 1000000 * USEC_SEC);
}

static void time_does_not_help_against_sigkill(void **state)
{
	struct fixture *f = *state;
	usec_t at;

	run_ready(f);
	fixture_do(f, 1, 0, CORE_EV_STOP);
	fixture_do(f, 1 + 10 * USEC_SEC, 0, CORE_EV_TIMER);
	at = fixture_view(f, 0).deadline;
	say(f, 11 * USEC_SEC, (struct core_event){ .notify_extend_usec = 3600 * USEC_SEC });
	assert_int_equal(fixture_view(f, 0).deadline, at);
}

static void ready_and_trigger_in_one_message_is_a_trigger(void **state)
{
	struct fixture *f = *state;

	add_web(f);
	fixture_run(f, 0, 0);
	assert_string_equal(
		say(f, 1,
		    (struct core_event){ .notify_ready = true, .notify_watchdog_trigger = true }),
		"signal-watchdog web");
	assert_false(fixture_view(f, 0).was_up);
}

static void ready_of_a_unit_that_nobody_asks_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.ready_when_healthy = true;
	policy.health.is_set = true;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	say(f, 1, (struct core_event){ .notify_ready = true });
	assert_int_equal(fixture_view(f, 0).state, CORE_STARTING);
	assert_int_equal(f->trace.len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_sign_of_life_leaves_no_trace_and_publishes_nothing),
		TEST(the_watchdog_begins_when_the_program_is_ready),
		TEST(a_sign_of_life_in_the_instant_of_the_deadline_is_in_time),
		TEST(without_time_to_abort_it_is_killed_at_once),
		TEST(a_freeze_moves_the_watchdog),
		TEST(the_status_is_one_bounded_line_and_told_once),
		TEST(the_status_ends_with_the_next_start),
		TEST(more_time_never_means_less),
		TEST(time_does_not_help_against_sigkill),
		TEST(ready_and_trigger_in_one_message_is_a_trigger),
		TEST(ready_of_a_unit_that_nobody_asks_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
