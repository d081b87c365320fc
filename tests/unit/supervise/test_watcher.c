/* SPDX-License-Identifier: Apache-2.0 */
/* When the watcher looks and when it tells, in virtual time. */
#include "unit_test.h"

#include "supervise/watcher.h"

#define T0 (100 * USEC_SEC)
static const struct watcher_look same = { .differs = false };
static const struct watcher_look moving = { .differs = true, .differs_from_last = true };
static const struct watcher_look settled = { .differs = true };
static const struct watcher_look blind_moving = { .differs = true,
						  .differs_from_last = true,
						  .is_blind = true };
static const struct watcher_look blind_settled = { .differs = true, .is_blind = true };

static struct watcher begin(void)
{
	struct watcher w;

	watcher_init(&w, T0, WATCHER_POLL_USEC);
	return w;
}

static void test_without_events_it_looks_now_and_then(void **state)
{
	struct watcher w = begin();

	(void)state;
	assert_int_equal(watcher_deadline(&w), T0 + WATCHER_POLL_USEC);
	assert_false(watcher_looked(&w, T0 + WATCHER_POLL_USEC, same));
	assert_int_equal(watcher_deadline(&w), T0 + 2 * WATCHER_POLL_USEC);
}

static void test_an_event_is_followed_by_a_quiet_while(void **state)
{
	struct watcher w = begin();

	(void)state;
	watcher_event(&w, T0 + 10);
	watcher_event(&w, T0 + 20);
	assert_int_equal(watcher_deadline(&w), T0 + 20 + WATCHER_QUIET_USEC);
	assert_true(watcher_looked(&w, T0 + 20 + WATCHER_QUIET_USEC, moving));
	assert_int_equal(watcher_deadline(&w), T0 + 20 + WATCHER_QUIET_USEC + WATCHER_POLL_USEC);
}

static void test_an_event_about_nothing_is_forgotten(void **state)
{
	struct watcher w = begin();

	(void)state;
	watcher_event(&w, T0);
	assert_false(watcher_looked(&w, T0 + WATCHER_QUIET_USEC, same));
	assert_int_equal(watcher_deadline(&w), T0 + WATCHER_QUIET_USEC + WATCHER_POLL_USEC);
}

static void test_who_never_stops_writing_is_not_waited_for(void **state)
{
	struct watcher w = begin();

	(void)state;
	for (usec_t t = T0; t < T0 + 2 * WATCHER_LONGEST_USEC; t += WATCHER_QUIET_USEC / 2)
		watcher_event(&w, t);
	assert_int_equal(watcher_deadline(&w), T0 + WATCHER_LONGEST_USEC);
	assert_true(watcher_looked(&w, T0 + WATCHER_LONGEST_USEC, blind_moving));
}

static void test_what_is_seen_by_chance_has_to_be_seen_twice(void **state)
{
	struct watcher w = begin();
	usec_t now = T0 + WATCHER_POLL_USEC;

	(void)state;
	assert_false(watcher_looked(&w, now, moving));
	assert_int_equal(watcher_deadline(&w), now + WATCHER_QUIET_USEC);
	now += WATCHER_QUIET_USEC;
	assert_false(watcher_looked(&w, now, moving));
	now += WATCHER_QUIET_USEC;
	assert_true(watcher_looked(&w, now, settled));
}

static void test_where_events_do_not_come_an_event_is_no_proof(void **state)
{
	struct watcher w = begin();

	(void)state;
	watcher_event(&w, T0);
	assert_false(watcher_looked(&w, T0 + WATCHER_QUIET_USEC, blind_moving));
	assert_int_equal(watcher_deadline(&w), T0 + 2 * WATCHER_QUIET_USEC);
	assert_true(watcher_looked(&w, T0 + 2 * WATCHER_QUIET_USEC, blind_settled));
}

static void test_a_change_that_is_taken_back_is_none(void **state)
{
	struct watcher w = begin();

	(void)state;
	assert_false(watcher_looked(&w, T0 + WATCHER_POLL_USEC, moving));
	assert_false(watcher_looked(&w, T0 + WATCHER_POLL_USEC + WATCHER_QUIET_USEC, same));
	assert_int_equal(watcher_deadline(&w), T0 + 2 * WATCHER_POLL_USEC + WATCHER_QUIET_USEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_events_it_looks_now_and_then),
		cmocka_unit_test(test_an_event_is_followed_by_a_quiet_while),
		cmocka_unit_test(test_an_event_about_nothing_is_forgotten),
		cmocka_unit_test(test_who_never_stops_writing_is_not_waited_for),
		cmocka_unit_test(test_what_is_seen_by_chance_has_to_be_seen_twice),
		cmocka_unit_test(test_where_events_do_not_come_an_event_is_no_proof),
		cmocka_unit_test(test_a_change_that_is_taken_back_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
