/* SPDX-License-Identifier: Apache-2.0 */
/* SHUTDOWN with an end: what is cut at it in each state, and what the core says of it. */
#include "unit_test.h"

#include "core_fixture.h"

#define SEC USEC_SEC

static unsigned add(struct fixture *f, const char *name, unsigned commands)
{
	struct core_policy policy = sim_policy(name);

	policy.commands = commands;
	policy.stop_timeout_usec = policy.timeout_stop_usec = 3600 * SEC;
	return core_add(f->core, &policy);
}

static const char *shut_down(struct fixture *f, usec_t now, usec_t cut_at)
{
	return fixture_step(f, now,
			    &(struct core_event){ .type = CORE_EV_SHUTDOWN, .cut_at = cut_at });
}

static const char *tick(struct fixture *f, usec_t now)
{
	return fixture_step(f, now, &(struct core_event){ .type = CORE_EV_TIMER });
}

static const char *end_by_kill(struct fixture *f, usec_t now, unsigned unit)
{
	return fixture_step(
		f, now, &(struct core_event){ .type = CORE_EV_EXITED, .unit = unit, .signal = 9 });
}

static void without_an_end_every_unit_has_its_own_time(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 0);

	fixture_run(f, 0, web);
	assert_string_equal(shut_down(f, SEC, 0), "signal-stop web");
	assert_int_equal(core_deadline(f->core), 3601 * SEC);
}

static void the_end_is_a_deadline_and_gone_when_all_are_down(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 0);

	fixture_run(f, 0, web);
	shut_down(f, SEC, 20 * SEC);
	assert_int_equal(core_deadline(f->core), 20 * SEC);
	assert_string_equal(tick(f, 19 * SEC), "");
	end_by_kill(f, 19 * SEC, web);
	assert_string_equal(fixture_do(f, 19 * SEC, web, CORE_EV_CLEANED), "all-down");
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
	assert_string_equal(tick(f, 20 * SEC), "");
	assert_string_equal(buf_str(&f->trace), "");
}

static void with_nothing_alive_it_is_over_at_once(void **state)
{
	struct fixture *f = *state;

	add(f, "web", 0);
	assert_string_equal(shut_down(f, SEC, 2), "all-down");
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
}

static void an_end_in_the_past_is_now(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 0);

	fixture_run(f, 0, web);
	assert_string_equal(shut_down(f, 9 * SEC, SEC), "signal-stop web, kill web");
	assert_int_equal(fixture_view(f, web).result, CORE_RESULT_TIMEOUT);
	assert_true(core_deadline(f->core) > 9 * SEC);
}

static void a_second_shutdown_changes_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 0);

	fixture_run(f, 0, web);
	shut_down(f, SEC, 20 * SEC);
	assert_string_equal(shut_down(f, 2 * SEC, 3 * SEC), "");
	assert_int_equal(core_deadline(f->core), 20 * SEC);
}

static void a_list_that_stops_is_killed_at_once_with_the_container(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 1u << CORE_COMMAND_STOP | 1u << CORE_COMMAND_STOP_POST);

	fixture_run(f, 0, web);
	assert_string_equal(shut_down(f, SEC, 20 * SEC), "command web stop");
	assert_string_equal(tick(f, 20 * SEC), "command-kill web stop at-once, kill web");
	assert_string_equal(buf_str(&f->trace), "all: no time is left, 1 to kill\n"
						"web: no time is left for ExecStop=, killed\n");
	end_by_kill(f, 20 * SEC + 1, web);
	/* the list has not ended yet; then ExecStopPost= is left out */
	assert_string_equal(fixture_do(f, 20 * SEC + 2, web, CORE_EV_CLEANED), "");
	assert_string_equal(fixture_command(f, 20 * SEC + 3, web, false), "all-down");
	assert_int_equal(fixture_view(f, web).state, CORE_DOWN);
	assert_string_equal(
		fixture_view(f, web).reason,
		"shutdown; no time was left for ExecStop=, killed; ended by SIGKILL; no time is left for ExecStopPost=");
}

static void a_list_after_the_end_of_the_container_is_killed(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 1u << CORE_COMMAND_STOP_POST);

	fixture_run(f, 0, web);
	shut_down(f, SEC, 20 * SEC);
	fixture_step(f, 2 * SEC, &(struct core_event){ .type = CORE_EV_EXITED, .unit = web });
	assert_string_equal(fixture_do(f, 2 * SEC, web, CORE_EV_CLEANED), "command web stop-post");
	assert_string_equal(tick(f, 20 * SEC), "command-kill web stop-post at-once");
	assert_string_equal(fixture_command(f, 21 * SEC, web, false), "all-down");
	assert_string_equal(
		fixture_view(f, web).reason,
		"shutdown; exited with code 0; no time was left for ExecStopPost=, killed");
	assert_int_equal(fixture_view(f, web).result, CORE_RESULT_TIMEOUT);
}

static void what_is_left_alone_is_killed_after_all(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");
	unsigned web;

	policy.never_kills = true;
	policy.stop_timeout_usec = 10 * SEC;
	web = core_add(f->core, &policy);
	fixture_run(f, 0, web);
	fixture_do(f, SEC, web, CORE_EV_STOP);
	assert_string_equal(tick(f, 11 * SEC), "");
	assert_string_equal(shut_down(f, 12 * SEC, 20 * SEC), "kill web");
	assert_string_equal(tick(f, 20 * SEC), "kill web");
}

static void a_freeze_does_not_move_the_end(void **state)
{
	struct fixture *f = *state;
	unsigned web = add(f, "web", 0);

	fixture_run(f, 0, web);
	shut_down(f, SEC, 20 * SEC);
	fixture_step(f, 19 * SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 17 * SEC });
	assert_int_equal(core_deadline(f->core), 20 * SEC);
	assert_string_equal(tick(f, 20 * SEC), "kill web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_an_end_every_unit_has_its_own_time,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_end_is_a_deadline_and_gone_when_all_are_down,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(with_nothing_alive_it_is_over_at_once,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(an_end_in_the_past_is_now, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_second_shutdown_changes_nothing, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_list_that_stops_is_killed_at_once_with_the_container, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_list_after_the_end_of_the_container_is_killed,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_is_left_alone_is_killed_after_all,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_freeze_does_not_move_the_end, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
