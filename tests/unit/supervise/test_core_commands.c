/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of commands and conditions: what the scenarios of tests/sim do not reach. */
#include "unit_test.h"

#include <signal.h>

#include "core_fixture.h"

#define HAS(which) (1u << CORE_COMMAND_##which)

static void add_web(struct fixture *f, unsigned commands)
{
	struct core_policy policy = sim_policy("web");

	policy.commands = commands;
	core_add(f->core, &policy);
}

static void lists_that_a_unit_does_not_have_are_skipped(void **state)
{
	struct fixture *f = *state;

	add_web(f, 0);
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "start web");
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_RUNNING), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_STOP), "signal-stop web");
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_EXITED), "teardown web");
	fixture_do(f, 1, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
}

static void only_the_answer_to_the_present_order_counts(void **state)
{
	struct fixture *f = *state;
	struct core_event event = { .type = CORE_EV_COMMAND, .pass = true };

	add_web(f, HAS(START_PRE));
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "command web start-pre");
	event.order = f->command + 1;
	assert_string_equal(fixture_step(f, 0, &event), "");
	event.order = 0;
	assert_string_equal(fixture_step(f, 0, &event), "");
	assert_int_equal(f->trace.len, 0);
	assert_int_equal(fixture_view(f, 0).command, CORE_COMMAND_START_PRE);
	assert_string_equal(fixture_command(f, 0, 0, true), "start web");
	assert_string_equal(fixture_command(f, 0, 0, true), ""); /* twice */
	assert_int_equal(fixture_view(f, 0).command, CORE_COMMAND_NONE);
}

static void conditions_may_answer_without_an_order_but_not_with_another(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");
	struct core_event event = { .type = CORE_EV_CONDITIONS, .pass = true, .order = 999 };

	policy.has_conditions = true;
	core_add(f->core, &policy);
	assert_string_equal(fixture_step(f, 0, &event), ""); /* nobody asked */
	fixture_do(f, 0, 0, CORE_EV_START);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_IMAGE_READY), "conditions web");
	assert_string_equal(fixture_step(f, 0, &event), "");
	event.order = 0;
	assert_string_equal(fixture_step(f, 0, &event), "start web");
	assert_string_equal(fixture_step(f, 0, &event), "");
	assert_int_equal(f->trace.len, 0);
}

static void a_condition_without_a_text_still_gives_a_reason(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.has_conditions = true;
	core_add(f->core, &policy);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 0, CORE_EV_CONDITIONS);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_CONDITION);
	assert_string_equal(fixture_view(f, 0).reason, "skipped: a condition does not hold");
}

/* 1 and 254 skip, 255 and a signal fail: systemd.service(5). */
static void the_codes_of_exec_condition(void **state)
{
	static const struct {
		int code, signal;
		enum core_result result;
		enum core_state state;
	} rows[] = {
		{ 1, 0, CORE_RESULT_CONDITION, CORE_DOWN },
		{ 254, 0, CORE_RESULT_CONDITION, CORE_DOWN },
		{ 255, 0, CORE_RESULT_EXIT_CODE, CORE_FAILED },
		{ 0, SIGTERM, CORE_RESULT_SIGNAL, CORE_FAILED },
		{ 1, SIGKILL, CORE_RESULT_SIGNAL, CORE_FAILED },
		{ 0, 0, CORE_RESULT_EXIT_CODE, CORE_FAILED }, /* it could not even be run */
	};
	struct fixture *f = *state;

	add_web(f, HAS(CONDITION));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		usec_t now = i * 60 * USEC_SEC;

		fixture_do(f, now, 0, CORE_EV_START);
		assert_string_equal(fixture_do(f, now, 0, CORE_EV_IMAGE_READY),
				    "command web condition");
		fixture_step(f, now,
			     &(struct core_event){ .type = CORE_EV_COMMAND,
						   .order = f->command,
						   .code = rows[i].code,
						   .signal = rows[i].signal });
		assert_int_equal(fixture_view(f, 0).result, rows[i].result);
		assert_int_equal(fixture_view(f, 0).state, rows[i].state);
	}
}

static void a_list_is_not_begun_while_another_one_is_dying(void **state)
{
	struct fixture *f = *state;

	add_web(f, HAS(RELOAD) | HAS(STOP) | HAS(STOP_POST));
	fixture_run(f, 0, 0);
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_RELOAD), "command web reload");
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_STOP), "command-kill web reload");
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_EXITED), ""); /* ExecStop= is still due */
	assert_int_equal(fixture_view(f, 0).state, CORE_STOPPING);
	assert_string_equal(fixture_command(f, 4, 0, false), "command web stop");
	assert_string_equal(fixture_command(f, 5, 0, true), "teardown web");
	assert_string_equal(fixture_do(f, 6, 0, CORE_EV_CLEANED), "command web stop-post");
	assert_string_equal(fixture_command(f, 7, 0, true), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_SUCCESS);
}

/* A container that ends while its reload is killed is torn down at once; ExecStopPost= waits for the command. */
/* The driver learns only from the end of the list which line took so long. */
static void what_took_too_long_is_named_when_its_end_is_known(void **state)
{
	struct fixture *f = *state;
	struct core_event end = {
		.type = CORE_EV_COMMAND,
		.signal = 15,
		.text = "web.container:7: ExecStartPre=/bin/x: ended by signal 15: step 2"
	};

	add_web(f, HAS(START_PRE));
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_do(f, core_deadline(f->core), 0, CORE_EV_TIMER),
			    "command-kill web start-pre");
	end.order = f->command;
	fixture_step(f, core_deadline(f->core) - 1, &end);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_TIMEOUT);
	assert_non_null(strstr(fixture_view(f, 0).reason, "ExecStartPre= not finished within "));
	assert_non_null(strstr(fixture_view(f, 0).reason, end.text));
}

/* An operator who stops a start knows why its command was killed. */
static void what_was_stopped_is_not_blamed(void **state)
{
	struct fixture *f = *state;
	struct core_event end = { .type = CORE_EV_COMMAND, .signal = 15, .text = "blamed" };

	add_web(f, HAS(START_PRE));
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 1, 0, CORE_EV_STOP);
	end.order = f->command;
	fixture_step(f, 2, &end);
	assert_int_equal(fixture_view(f, 0).state, CORE_DOWN);
	assert_null(strstr(fixture_view(f, 0).reason, "blamed"));
}

static void the_teardown_does_not_wait_for_a_command_but_exec_stop_post_does(void **state)
{
	struct fixture *f = *state;

	add_web(f, HAS(RELOAD) | HAS(STOP_POST));
	fixture_run(f, 0, 0);
	fixture_do(f, 1, 0, CORE_EV_RELOAD);
	assert_string_equal(fixture_step(f, 2,
					 &(struct core_event){ .type = CORE_EV_EXITED, .code = 1 }),
			    "command-kill web reload, teardown web");
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_CLEANED), "");
	assert_int_equal(fixture_view(f, 0).state, CORE_CLEANING);
	assert_int_equal(fixture_view(f, 0).deadline, 3 + 10 * USEC_SEC);
	assert_string_equal(fixture_do(f, 3 + 10 * USEC_SEC, 0, CORE_EV_TIMER),
			    "command-kill web reload");
	assert_string_equal(fixture_command(f, 11 * USEC_SEC, 0, false), "command web stop-post");
	fixture_command(f, 12 * USEC_SEC, 0, true);
	assert_int_equal(fixture_view(f, 0).state, CORE_FAILED);
	assert_int_equal(fixture_view(f, 0).result, CORE_RESULT_EXIT_CODE);
}

static void a_freeze_moves_the_deadlines_of_commands(void **state)
{
	struct fixture *f = *state;
	usec_t gap = 3600 * USEC_SEC;

	add_web(f, HAS(START_PRE) | HAS(RELOAD));
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_step(f, gap, &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = gap });
	assert_int_equal(core_deadline(f->core), gap + 90 * USEC_SEC);
	fixture_command(f, gap, 0, true);
	fixture_do(f, gap, 0, CORE_EV_RUNNING);
	fixture_do(f, gap, 0, CORE_EV_RELOAD);
	fixture_step(f, 2 * gap, &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = gap });
	assert_int_equal(core_deadline(f->core), 2 * gap + 90 * USEC_SEC);
	assert_string_equal(fixture_do(f, 2 * gap, 0, CORE_EV_TIMER), "");
}

static void a_reload_is_for_what_runs(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.commands = HAS(RELOAD);
	policy.type = SERVICE_ONESHOT;
	policy.remain_after_exit = true;
	core_add(f->core, &policy);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_RELOAD), "");
	assert_string_equal(buf_str(&f->trace), "web: asked to reload: is down\n");
	fixture_run(f, 0, 0);
	fixture_do(f, 1, 0, CORE_EV_EXITED);
	fixture_do(f, 1, 0, CORE_EV_CLEANED);
	assert_int_equal(fixture_view(f, 0).state, CORE_UP);
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_RELOAD), "");
	assert_non_null(strstr(buf_str(&f->trace), "asked to reload: is up, finished"));
	assert_false(fixture_view(f, 0).is_reloading);
	fixture_do(f, 3, 0, CORE_EV_SHUTDOWN);
	fixture_do(f, 3, 0, CORE_EV_RELOAD);
	assert_non_null(strstr(buf_str(&f->trace), "refused: everything is being stopped"));
}

/* "Loose ends": the text of a command is one line, however it was written. */
static void the_text_of_a_command_stays_on_one_line(void **state)
{
	struct fixture *f = *state;

	add_web(f, HAS(START_PRE));
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_step(f, 0,
		     &(struct core_event){ .type = CORE_EV_COMMAND,
					   .order = f->command,
					   .code = 1,
					   .text = "ExecStartPre=/bin/a\n\x1b[1mexited" });
	assert_string_equal(fixture_view(f, 0).reason, "ExecStartPre=/bin/a  [1mexited");
}

static void all_down_waits_for_commands(void **state)
{
	struct fixture *f = *state;

	add_web(f, HAS(START_PRE));
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_SHUTDOWN), "command-kill web start-pre");
	assert_string_equal(fixture_command(f, 2, 0, false), "all-down");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(lists_that_a_unit_does_not_have_are_skipped),
		TEST(only_the_answer_to_the_present_order_counts),
		TEST(conditions_may_answer_without_an_order_but_not_with_another),
		TEST(a_condition_without_a_text_still_gives_a_reason),
		TEST(the_codes_of_exec_condition),
		TEST(a_list_is_not_begun_while_another_one_is_dying),
		TEST(what_took_too_long_is_named_when_its_end_is_known),
		TEST(what_was_stopped_is_not_blamed),
		TEST(the_teardown_does_not_wait_for_a_command_but_exec_stop_post_does),
		TEST(a_freeze_moves_the_deadlines_of_commands),
		TEST(a_reload_is_for_what_runs),
		TEST(the_text_of_a_command_stays_on_one_line),
		TEST(all_down_waits_for_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
