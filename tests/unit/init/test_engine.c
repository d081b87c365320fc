/* SPDX-License-Identifier: Apache-2.0 */
/* How long PID 1 waits before it starts an engine that has ended, and when it gives up on a normal one. */
#include "unit_test.h"

#include <signal.h>
#include <sys/wait.h>

#include "../../init/init.h"

#define EXIT_CODE(code) ((code) << 8)

static uint64_t delay_after(struct engine_child *engine, uint64_t lived_usec)
{
	uint64_t now = now_usec();

	engine->pid = 7;
	engine->started_usec = now - lived_usec;
	engine_ended(engine, EXIT_CODE(1), GOAL_RUN);
	assert_int_equal(engine->pid, 0);
	return (engine->next_start_usec - now) /
	       100000; /* in tenths of a second: the call takes less */
}

static void delays_grow_to_a_bound(void **state)
{
	const uint64_t tenths[] = { 1, 2, 4, 8, 16, 32, 64, 100, 100, 100 };
	struct engine_child engine = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(tenths) / sizeof(tenths[0]); i++) {
		assert_int_equal(delay_after(&engine, 1000), tenths[i]);
		assert_int_equal(engine.failures, i + 1);
	}
}

static void a_long_life_begins_anew(void **state)
{
	struct engine_child engine = { .failures = SAFE_MODE_FAILURES };

	(void)state;
	assert_int_equal(delay_after(&engine, 11000000), 1);
	assert_int_equal(engine.failures, 1);
}

static void an_end_that_was_asked_for_is_no_failure(void **state)
{
	struct engine_child engine = { .pid = 7, .started_usec = now_usec() };

	(void)state;
	engine_ended(&engine, EXIT_CODE(0), GOAL_HALT);
	assert_int_equal(engine.failures, 0);
	engine.pid = 7;
	engine_ended(&engine, SIGSEGV, GOAL_HALT);
	assert_int_equal(engine.failures, 1);
}

/* It cannot happen with our engine; it would leave the appliance without one. */
static void an_end_that_nobody_asked_for_is_one_whatever_its_code(void **state)
{
	struct engine_child engine = { .pid = 7, .started_usec = now_usec() };

	(void)state;
	engine_ended(&engine, EXIT_CODE(0), GOAL_RUN);
	assert_int_equal(engine.failures, 1);
	assert_true(engine.next_start_usec > engine.started_usec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_grow_to_a_bound),
		cmocka_unit_test(a_long_life_begins_anew),
		cmocka_unit_test(an_end_that_was_asked_for_is_no_failure),
		cmocka_unit_test(an_end_that_nobody_asked_for_is_one_whatever_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
