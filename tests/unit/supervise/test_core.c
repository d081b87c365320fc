/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core_fixture.h"

static void one_step_publishes_each_unit_once(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	assert_int_equal(f->published, 1);
	fixture_do(f, 1, 0, CORE_EV_IMAGE_READY); /* late: changes nothing */
	assert_int_equal(f->published, 0);
	assert_int_equal(f->trace.len, 0);
}

static void a_passing_probe_of_a_healthy_unit_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.health.is_set = true;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
	fixture_step(
		f, 1,
		&(struct core_event){
			.type = CORE_EV_PROBE, .order = f->order, .pass = true, .text = "ok" });
	assert_int_equal(f->published, 1);
	assert_string_equal(buf_str(&f->trace), "web: health starting -> healthy: ok\n");
	assert_string_equal(fixture_do(f, core_deadline(f->core), 0, CORE_EV_TIMER), "probe web");
	fixture_step(
		f, 60 * USEC_SEC,
		&(struct core_event){
			.type = CORE_EV_PROBE, .order = f->order, .pass = true, .text = "ok" });
	assert_int_equal(f->published, 0);
	assert_int_equal(f->trace.len, 0);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
}

static void text_from_outside_stays_on_one_line_and_bounded(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	text[3] = '\n';
	text[4] = '\033';
	core_add(f->core, &policy);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_step(f, 0,
		     &(struct core_event){
			     .type = CORE_EV_IMAGE_FAILED, .permanent = true, .text = text });
	assert_memory_equal(fixture_view(f, 0).reason, "image: xxx  xxxx", 16);
	assert_true(strlen(fixture_view(f, 0).reason) < 512);
	assert_ptr_equal(strchr(buf_str(&f->trace), '\n'), buf_str(&f->trace) + f->trace.len - 1);
	free(text);
}

static void missing_texts_are_survived(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.health.is_set = true;
	core_add(f->core, &policy);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_FAILED);
	assert_string_equal(fixture_view(f, 0).reason, "image: unknown reason; next try in 1s");
	fixture_do(f, USEC_SEC, 0, CORE_EV_TIMER);
	fixture_do(f, USEC_SEC, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, USEC_SEC, 0, CORE_EV_START_FAILED);
	assert_string_equal(fixture_view(f, 0).reason, "unknown reason");
	fixture_do(f, USEC_SEC, 0, CORE_EV_CLEANED);
	fixture_run(f, 20 * USEC_SEC, 0);
	fixture_step(f, 20 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_PROBE, .order = f->order });
	assert_string_equal(fixture_view(f, 0).probe_output, "");
}

static void time_never_goes_back(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	core_add(f->core, &policy);
	fixture_do(f, 100 * USEC_SEC, 0, CORE_EV_START);
	fixture_do(f, 50 * USEC_SEC, 0, CORE_EV_IMAGE_READY);
	assert_int_equal(fixture_view(f, 0).since, 100 * USEC_SEC);
	assert_int_equal(core_deadline(f->core), 190 * USEC_SEC);
}

static void a_late_clock_fires_everything_that_is_due_and_leaves_no_deadline_behind(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.restart = SERVICE_RESTART_ALWAYS;
	for (unsigned i = 0; i < 20; i++)
		core_add(f->core, &policy);
	for (unsigned i = 0; i < 20; i++) {
		fixture_run(f, i * USEC_MSEC, i);
		fixture_step(f, i * USEC_MSEC,
			     &(struct core_event){ .type = CORE_EV_EXITED, .unit = i, .code = 1 });
		fixture_do(f, i * USEC_MSEC, i, CORE_EV_CLEANED);
	}
	assert_int_equal(core_deadline(f->core), 100 * USEC_MSEC);
	fixture_do(f, 90000 * USEC_SEC, 0, CORE_EV_TIMER);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(fixture_view(f, i).state, CORE_PULLING);
	assert_true(core_deadline(f->core) == USEC_NEVER);
}

static void an_empty_core_has_nothing_to_do(void **state)
{
	struct fixture *f = *state;

	assert_true(core_deadline(f->core) == USEC_NEVER);
	assert_int_equal(core_count(f->core), 0);
	fixture_do(f, 1, 0, CORE_EV_TIMER);
	fixture_do(f, 1, 0, CORE_EV_FREEZE);
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_SHUTDOWN), "all-down");
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_SHUTDOWN), "");
	core_free(NULL);
}

static void policies_are_copied(void **state)
{
	struct fixture *f = *state;
	char name[] = "db";
	struct core_dep dep = { SERVICE_DEP_REQUIRES, 0 };
	struct core_policy db = sim_policy(name), app = sim_policy("app");

	app.deps = &dep;
	app.dep_count = 1;
	core_add(f->core, &db);
	core_add(f->core, &app);
	memset(name, 'z', 2);
	memset(&dep, 0xff, sizeof(dep));
	assert_string_equal(fixture_do(f, 0, 1, CORE_EV_START), "image app, image db");
}

static void infinite_times_never_fire(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.timeout_start_usec = USEC_NEVER;
	policy.timeout_stop_usec = USEC_NEVER;
	policy.stop_timeout_usec = USEC_NEVER;
	policy.restart_usec = USEC_NEVER;
	policy.restart = SERVICE_RESTART_ALWAYS;
	core_add(f->core, &policy);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	assert_true(core_deadline(f->core) == USEC_NEVER);
	fixture_do(f, 0, 0, CORE_EV_RUNNING);
	fixture_do(f, 0, 0, CORE_EV_RESTART);
	assert_true(core_deadline(f->core) == USEC_NEVER);
	fixture_step(f, 0, &(struct core_event){ .type = CORE_EV_EXITED, .code = 0 });
	fixture_do(f, 0, 0, CORE_EV_CLEANED);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_do(f, 0, 0, CORE_EV_RUNNING);
	fixture_step(f, 0, &(struct core_event){ .type = CORE_EV_EXITED, .code = 0 });
	fixture_do(f, 0, 0, CORE_EV_CLEANED);
	assert_string_equal(fixture_view(f, 0).reason, "exited with code 0; next start in forever");
	assert_true(core_deadline(f->core) == USEC_NEVER);
}

static void the_view_tells_the_last_end(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");
	struct core_unit_view view;

	core_add(f->core, &policy);
	view = fixture_view(f, 0);
	assert_int_equal(view.exit_code, -1);
	assert_int_equal(view.exit_signal, 0);
	assert_int_equal(view.result, CORE_RESULT_NONE);
	fixture_run(f, 5, 0);
	fixture_step(f, 6,
		     &(struct core_event){ .type = CORE_EV_EXITED, .signal = 9, .oom = true });
	view = fixture_view(f, 0);
	assert_int_equal(view.exit_code, 137);
	assert_int_equal(view.exit_signal, 9);
	assert_true(view.oom);
	assert_int_equal(view.result, CORE_RESULT_OOM);
	assert_string_equal(view.reason, "ended by SIGKILL (out of memory)");
	assert_int_equal(view.since, 6);
}

/* Our own mistakes end the engine with a message: it is respawned, and the containers live on
 * meanwhile. */
static void expect_abort(void (*mistake)(struct fixture *f), struct fixture *f)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		mistake(f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void unknown_unit(struct fixture *f)
{
	fixture_do(f, 0, 7, CORE_EV_START);
}

static void unknown_event(struct fixture *f)
{
	struct core_policy policy = sim_policy("web");

	core_add(f->core, &policy);
	fixture_do(f, 0, 0, (enum core_event_type)77);
}

static void too_many_units(struct fixture *f)
{
	struct core_policy policy = sim_policy("web");

	for (unsigned i = 0; i <= CORE_MAX_UNITS; i++)
		core_add(f->core, &policy);
}

static void our_own_mistakes_abort(void **state)
{
	expect_abort(unknown_unit, *state);
	expect_abort(unknown_event, *state);
	expect_abort(too_many_units, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_step_publishes_each_unit_once, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_passing_probe_of_a_healthy_unit_changes_nothing,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(text_from_outside_stays_on_one_line_and_bounded,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(missing_texts_are_survived, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(time_never_goes_back, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_late_clock_fires_everything_that_is_due_and_leaves_no_deadline_behind,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(an_empty_core_has_nothing_to_do, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(policies_are_copied, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(infinite_times_never_fire, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(the_view_tells_the_last_end, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(our_own_mistakes_abort, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
