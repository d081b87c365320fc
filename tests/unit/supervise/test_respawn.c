/* SPDX-License-Identifier: Apache-2.0 */
/* When a worker is started again. What would come too late here would come after an hour. */
#include "unit_test.h"

#include "supervise/respawn.h"

#define HOUR_USEC (3600 * USEC_SEC)

static struct loop *loop;
static struct respawn worker;
static unsigned starts;

static void start(void *arg)
{
	assert_ptr_equal(arg, &starts);
	assert_null(worker.timer); /* so that it may ask for another start at once */
	starts++;
	loop_stop(loop);
}

static int make_loop(void **state)
{
	struct err err;

	(void)state;
	loop = loop_new(&err);
	starts = 0;
	return loop ? 0 : -1;
}

static int free_loop(void **state)
{
	(void)state;
	respawn_stop(&worker);
	loop_free(loop);
	return 0;
}

static void init(const struct respawn_policy *policy)
{
	respawn_init(&worker, policy, loop, &starts);
}

static void run(void)
{
	struct err err;

	assert_int_equal(loop_run(loop, &err), 0);
}

static usec_t again_usec(void)
{
	usec_t begin = clock_now_usec();
	unsigned before = starts;

	respawn_again(&worker);
	run();
	assert_int_equal(starts, before + 1);
	return clock_now_usec() - begin;
}

/* The loop's time is that of its last turn, which is a little earlier than now. */
static void each_delay_is_twice_the_one_before(void **state)
{
	static const struct respawn_policy policy = { start, 2 * USEC_MSEC, HOUR_USEC, HOUR_USEC };

	(void)state;
	init(&policy);
	respawn_later(&worker, 0);
	run();
	for (unsigned i = 0; i < 5; i++)
		assert_true(again_usec() >= (USEC_MSEC << i));
	assert_int_equal(worker.failures, 5);
}

static void no_delay_is_longer_than_the_longest(void **state)
{
	static const struct respawn_policy policy = { start, USEC_MSEC, 3 * USEC_MSEC, HOUR_USEC };

	(void)state;
	init(&policy);
	worker.failures = 1000;
	again_usec();
	assert_int_equal(worker.failures, 1001);
}

static void a_long_life_clears_the_slate(void **state)
{
	static const struct respawn_policy policy = { start, USEC_MSEC, HOUR_USEC, 0 };

	(void)state;
	init(&policy);
	worker.failures = 30;
	respawn_later(&worker, 0);
	run();
	respawn_began(&worker);
	again_usec();
	assert_int_equal(worker.failures, 1);
}

static void a_short_life_and_a_failed_start_do_not(void **state)
{
	static const struct respawn_policy is_short = { start, USEC_MSEC, 2 * USEC_MSEC,
							HOUR_USEC };
	static const struct respawn_policy is_failed = { start, USEC_MSEC, 2 * USEC_MSEC, 0 };

	(void)state;
	init(&is_short);
	respawn_later(&worker, 0);
	run();
	respawn_began(&worker);
	again_usec();
	again_usec();
	assert_int_equal(worker.failures, 2);
	init(&is_failed);
	again_usec();
	again_usec();
	assert_int_equal(worker.failures, 2);
}

static void what_ends_in_order_is_judged_too(void **state)
{
	static const struct respawn_policy policy = { start, USEC_MSEC, HOUR_USEC, 0 };

	(void)state;
	init(&policy);
	respawn_later(&worker, 0);
	run();
	worker.failures = 30;
	respawn_ended(&worker); /* it did not run */
	assert_int_equal(worker.failures, 30);
	respawn_began(&worker);
	respawn_ended(&worker);
	assert_int_equal(worker.failures, 0);
}

static void a_sign_of_life_clears_the_slate(void **state)
{
	static const struct respawn_policy policy = { start, USEC_MSEC, HOUR_USEC, HOUR_USEC };

	(void)state;
	init(&policy);
	worker.failures = 30;
	respawn_well(&worker);
	again_usec();
}

static void a_start_that_is_due_is_neither_doubled_nor_put_off(void **state)
{
	static const struct respawn_policy policy = { start, HOUR_USEC, HOUR_USEC, HOUR_USEC };

	(void)state;
	init(&policy);
	respawn_later(&worker, 0);
	respawn_later(&worker, HOUR_USEC);
	respawn_again(&worker);
	run();
	assert_int_equal(starts, 1);
	assert_null(worker.timer);
}

static void stop_tick(struct loop *from, usec_t now, void *arg)
{
	(void)now;
	(void)arg;
	loop_stop(from);
}

static void what_is_stopped_is_not_started(void **state)
{
	static const struct respawn_policy policy = { start, 0, 0, HOUR_USEC };
	struct respawn never = { 0 };
	struct loop_source *tick;

	(void)state;
	respawn_stop(&never);
	init(&policy);
	respawn_again(&worker);
	respawn_stop(&worker);
	tick = loop_timer(loop, loop_now(loop) + USEC_MSEC, stop_tick, NULL);
	run();
	loop_remove(loop, tick);
	assert_int_equal(starts, 0);
}

static unsigned put_off, busy_turns;

static void start_unless_busy(void *arg)
{
	if (respawn_puts_off(&worker, put_off < busy_turns, clock_now_usec() + HOUR_USEC)) {
		assert_non_null(worker.timer);
		put_off++;
		return;
	}
	start(arg);
}

static void others_have_the_processors_first(void **state)
{
	static const struct respawn_policy policy = { start_unless_busy, HOUR_USEC, HOUR_USEC,
						      HOUR_USEC };

	(void)state;
	init(&policy);
	put_off = 0;
	busy_turns = 3;
	respawn_later(&worker, 0);
	run();
	assert_int_equal(put_off, 3);
	assert_int_equal(starts, 1);
}

static void nobody_waits_for_others_beyond_the_time(void **state)
{
	static const struct respawn_policy policy = { start, HOUR_USEC, HOUR_USEC, HOUR_USEC };

	(void)state;
	init(&policy);
	respawn_later(&worker, 0);
	run();
	assert_false(respawn_puts_off(&worker, true, loop_now(loop)));
	assert_null(worker.timer);
	assert_true(respawn_puts_off(&worker, true, loop_now(loop) + 1));
	assert_non_null(worker.timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_delay_is_twice_the_one_before, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(no_delay_is_longer_than_the_longest, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(a_long_life_clears_the_slate, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(a_short_life_and_a_failed_start_do_not, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(what_ends_in_order_is_judged_too, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(a_sign_of_life_clears_the_slate, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(a_start_that_is_due_is_neither_doubled_nor_put_off,
						make_loop, free_loop),
		cmocka_unit_test_setup_teardown(what_is_stopped_is_not_started, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(others_have_the_processors_first, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(nobody_waits_for_others_beyond_the_time, make_loop,
						free_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
