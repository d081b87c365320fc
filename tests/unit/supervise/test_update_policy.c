/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "supervise/update_policy.h"
#include "unit_test.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define IMAGE "registry.example/app:1"
#define BOOT "boot-1"
#define HEALTHY_AFTER (60 * USEC_SEC)
#define LIMIT (100 * USEC_SEC)

#define SAVE 1u
#define PULL 2u
#define UPDATE 4u
#define ROLLBACK 8u
#define RESTART 16u

static struct update_state state;
static struct update_step last;

/* Takes a step and checks what it wants done, in which phase it leaves the update. */
static void expect_(struct update_event ev, unsigned wanted, enum update_phase phase, int line)
{
	unsigned got;

	if (!ev.run_digest)
		ev.run_digest = A;
	if (!ev.run_id)
		ev.run_id = "0123456789ab";
	ev.real_usec = 1000;
	ev.healthy_after_usec = HEALTHY_AFTER;
	ev.start_limit_usec = LIMIT;
	update_step(&state, &ev, &last);
	got = (last.save ? SAVE : 0) | (last.pull ? PULL : 0) | (last.restart ? RESTART : 0) |
	      (last.tell == UPDATE_TELL_UPDATE	 ? UPDATE :
	       last.tell == UPDATE_TELL_ROLLBACK ? ROLLBACK :
						   0);
	if (got != wanted || state.phase != phase)
		fail_msg("line %d: actions %u, expected %u; phase %d, expected %d", line, got,
			 wanted, (int)state.phase, (int)phase);
}
#define EXPECT(wanted, phase, ...) \
	expect_((struct update_event){ __VA_ARGS__ }, wanted, phase, __LINE__)
#define UNIT .type = UPDATE_EV_UNIT, .is_wanted = true
#define NEW .run_digest = B

static void begin(void)
{
	const struct update_record none = { 0 };

	update_restore(&state, &none, IMAGE, BOOT, 0, &last);
	assert_false(last.save);
}

static void begin_starting(void)
{
	begin();
	EXPECT(SAVE, UPDATE_ARMING, .type = UPDATE_EV_FOUND, .digest = B, .in_store = true);
	EXPECT(UPDATE | RESTART, UPDATE_STARTING, .type = UPDATE_EV_SAVED);
}

static void begin_trial(void)
{
	begin_starting();
	EXPECT(0, UPDATE_TRIAL, UNIT, NEW, .state = CORE_UP, .since = 10, .now = 10);
}

static void expect_result(enum update_outcome outcome, const char *pin, const char *bad)
{
	assert_int_equal(state.outcome, outcome);
	assert_string_equal(state.kept.pin, pin);
	assert_string_equal(state.kept.bad, bad);
	assert_string_equal(state.kept.old, "");
}

static void each_pin_is_written_before_what_relies_on_it(void **unused)
{
	(void)unused;
	begin();
	EXPECT(SAVE, UPDATE_PINNING, .type = UPDATE_EV_FOUND, .digest = B);
	assert_string_equal(state.kept.pin, A);
	EXPECT(0, UPDATE_PINNING, UNIT, .state = CORE_BACKOFF, .result = CORE_RESULT_EXIT_CODE);
	EXPECT(PULL, UPDATE_FETCHING, .type = UPDATE_EV_SAVED);
	EXPECT(SAVE, UPDATE_ARMING, .type = UPDATE_EV_PULLED, .digest = B);
	assert_string_equal(state.kept.pin, B);
	assert_string_equal(state.kept.old, A);
	EXPECT(0, UPDATE_ARMING, UNIT, .state = CORE_UP);
	EXPECT(UPDATE | RESTART, UPDATE_STARTING, .type = UPDATE_EV_SAVED);
	/* the old one stops */
	EXPECT(0, UPDATE_STARTING, UNIT, .state = CORE_STOPPING);
	EXPECT(0, UPDATE_STARTING, UNIT, .state = CORE_CLEANING);
	EXPECT(0, UPDATE_STARTING, UNIT, .state = CORE_PULLING);
	EXPECT(0, UPDATE_STARTING, UNIT, .state = CORE_WAITING, .now = 1000 * LIMIT);
	EXPECT(0, UPDATE_STARTING, UNIT, NEW, .state = CORE_STARTING, .since = 5, .now = 5);
	assert_int_equal(state.deadline, 5 + LIMIT);
	EXPECT(0, UPDATE_TRIAL, UNIT, NEW, .state = CORE_UP, .since = 10, .now = 10);
	assert_int_equal(state.deadline, 10 + HEALTHY_AFTER);
	EXPECT(0, UPDATE_TRIAL, UNIT, NEW, .state = CORE_UP, .since = 10, .now = 9 + HEALTHY_AFTER);
	EXPECT(SAVE, UPDATE_IDLE, UNIT, NEW, .state = CORE_UP, .since = 10,
	       .now = 10 + HEALTHY_AFTER);
	expect_result(UPDATE_TRUE, "", "");
	assert_int_equal(state.kept.count, 2);
	assert_int_equal(state.kept.history[0].result, UPDATE_WAS_BEFORE);
	assert_string_equal(state.kept.history[0].digest, A);
	assert_int_equal(state.kept.history[1].result, UPDATE_WAS_UPDATED);
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_SAVED);
}

static void what_is_found_decides(void **unused)
{
	(void)unused;
	begin();
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_FOUND, .digest = A);
	expect_result(UPDATE_FALSE, "", "");
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_FOUND, .digest = B, .is_dry = true);
	expect_result(UPDATE_PENDING, "", "");
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_NOT_FOUND, .text = "no route");
	expect_result(UPDATE_FAILED, "", "");
	assert_string_equal(state.text, "no route");
	memcpy(state.kept.bad, B, sizeof(B));
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_FOUND, .digest = B);
	expect_result(UPDATE_FALSE, "", B);
	assert_non_null(strstr(state.text, "found bad"));
	/* the name means again what it is pinned to: no pin is needed */
	memcpy(state.kept.pin, A, sizeof(A));
	EXPECT(SAVE, UPDATE_IDLE, .type = UPDATE_EV_FOUND, .digest = A);
	expect_result(UPDATE_FALSE, "", B);
	/* another update is under way */
	begin_trial();
	EXPECT(0, UPDATE_TRIAL, .type = UPDATE_EV_FOUND, .digest = C);
	EXPECT(0, UPDATE_TRIAL, .type = UPDATE_EV_NOT_FOUND, .text = "x");
	assert_int_equal(state.outcome, UPDATE_PENDING);
}

static void fetching_may_fail_or_bring_something_else(void **unused)
{
	const struct {
		const char *digest;
		unsigned wanted;
		enum update_phase phase;
		const char *pin;
		enum update_outcome outcome;
	} rows[] = {
		{ NULL, SAVE, UPDATE_IDLE, "", UPDATE_FAILED },
		{ A, SAVE, UPDATE_IDLE, "", UPDATE_FALSE }, /* moved back */
		{ C, SAVE, UPDATE_IDLE, A,
		  UPDATE_FALSE }, /* known to be bad: what runs stays pinned */
		{ B, SAVE, UPDATE_ARMING, B, UPDATE_PENDING },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		memcpy(state.kept.bad, C, sizeof(C));
		EXPECT(SAVE, UPDATE_PINNING, .type = UPDATE_EV_FOUND, .digest = B);
		EXPECT(PULL, UPDATE_FETCHING, .type = UPDATE_EV_SAVED);
		EXPECT(rows[i].wanted, rows[i].phase,
		       .type = rows[i].digest ? UPDATE_EV_PULLED : UPDATE_EV_NOT_PULLED,
		       .digest = rows[i].digest, .text = "gone");
		assert_string_equal(state.kept.pin, rows[i].pin);
		assert_int_equal(state.outcome, rows[i].outcome);
	}
	/* answers that nobody waits for */
	begin();
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_PULLED, .digest = B);
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_NOT_PULLED, .text = "x");
}

static void a_trial_is_judged_by_what_the_unit_does(void **unused)
{
	static const struct {
		struct update_event ev;
		enum { GOOD, BAD, LATER, AGAIN } verdict;
	} rows[] = {
		{ { UNIT, NEW, .state = CORE_UP, .health = CORE_UNHEALTHY }, BAD },
		{ { UNIT, NEW, .state = CORE_UP, .health_limit_usec = LIMIT,
		    .health = CORE_HEALTHY },
		  GOOD },
		{ { UNIT, NEW, .state = CORE_UP, .health_limit_usec = LIMIT,
		    .health = CORE_HEALTH_STARTING, .now = HEALTHY_AFTER + 1 },
		  LATER },
		{ { UNIT, NEW, .state = CORE_UP, .health_limit_usec = LIMIT,
		    .health = CORE_HEALTH_STARTING, .now = LIMIT },
		  BAD },
		{ { UNIT, NEW, .state = CORE_UP, .now = HEALTHY_AFTER - 1 }, LATER },
		{ { UNIT, NEW, .state = CORE_UP, .now = HEALTHY_AFTER }, GOOD },
		/* it ended, whatever follows */
		{ { UNIT, NEW, .state = CORE_BACKOFF, .result = CORE_RESULT_EXIT_CODE }, BAD },
		{ { UNIT, NEW, .state = CORE_BACKOFF, .result = CORE_RESULT_SUCCESS }, BAD },
		{ { UNIT, NEW, .state = CORE_FAILED, .result = CORE_RESULT_OOM }, BAD },
		{ { UNIT, NEW, .state = CORE_CLEANING, .result = CORE_RESULT_EXIT_CODE }, BAD },
		{ { UNIT, NEW, .state = CORE_CLEANING, .result = CORE_RESULT_SUCCESS }, BAD },
		{ { UNIT, NEW, .state = CORE_UP, .run_id = "ba9876543210" }, BAD },
		{ { UNIT, NEW, .state = CORE_STARTING, .run_id = "ba9876543210" }, BAD },
		{ { UNIT, NEW, .state = CORE_STOPPING, .result = CORE_RESULT_UNHEALTHY }, BAD },
		{ { UNIT, NEW, .state = CORE_STOPPING, .result = CORE_RESULT_WATCHDOG }, BAD },
		{ { .type = UPDATE_EV_UNIT, NEW, .state = CORE_DOWN, .result = CORE_RESULT_SUCCESS },
		  BAD },
		{ { .type = UPDATE_EV_UNIT,
		    NEW,
		    .state = CORE_DOWN,
		    .result = CORE_RESULT_SUCCESS,
		    .is_oneshot = true },
		  GOOD },
		/* somebody's order */
		{ { UNIT, NEW, .state = CORE_STOPPING }, AGAIN },
		{ { .type = UPDATE_EV_UNIT, NEW, .state = CORE_STOPPING }, AGAIN },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct update_event ev = rows[i].ev;

		begin_trial();
		ev.since = 10;
		ev.now += 10;
		switch (rows[i].verdict) {
		case GOOD:
			expect_(ev, SAVE, UPDATE_IDLE, (int)i);
			expect_result(UPDATE_TRUE, "", "");
			break;
		case BAD:
			expect_(ev, SAVE | ROLLBACK, UPDATE_RETREATING, (int)i);
			expect_result(UPDATE_WENT_BACK, A, B);
			assert_int_equal(state.kept.history[0].result, UPDATE_WAS_ROLLED_BACK);
			break;
		case LATER:
			expect_(ev, 0, UPDATE_TRIAL, (int)i);
			break;
		case AGAIN:
			expect_(ev, 0, UPDATE_STARTING, (int)i);
			assert_string_equal(state.kept.old, A);
			break;
		}
	}
}

static void a_start_is_judged_by_how_it_fails(void **unused)
{
	static const struct {
		struct update_event ev;
		bool goes_back, is_to_blame;
	} rows[] = {
		{ { UNIT, NEW, .state = CORE_BACKOFF, .result = CORE_RESULT_START_ERROR },
		  true,
		  true },
		{ { UNIT, NEW, .state = CORE_FAILED, .result = CORE_RESULT_TIMEOUT }, true, true },
		{ { UNIT, NEW, .state = CORE_FAILED, .result = CORE_RESULT_PROTOCOL }, true, true },
		{ { UNIT, .state = CORE_FAILED, .result = CORE_RESULT_IMAGE }, true, true },
		{ { UNIT, .state = CORE_FAILED, .result = CORE_RESULT_START_LIMIT }, true, false },
		{ { UNIT, NEW, .state = CORE_STARTING, .now = LIMIT }, true, true },
		{ { UNIT, NEW, .state = CORE_STARTING, .now = LIMIT - 1 }, false, false },
		/* the old one, or others, are no fault of the new one */
		{ { UNIT, .state = CORE_BACKOFF, .result = CORE_RESULT_EXIT_CODE }, false, false },
		{ { UNIT, .state = CORE_FAILED, .result = CORE_RESULT_DEPENDENCY }, false, false },
		{ { UNIT, NEW, .state = CORE_FAILED, .result = CORE_RESULT_ASSERT }, false, false },
		{ { UNIT, .state = CORE_UP, .now = 100 * LIMIT }, false, false },
		{ { .type = UPDATE_EV_UNIT, NEW, .state = CORE_UP }, false, false },
		{ { .type = UPDATE_EV_UNIT, NEW, .state = CORE_DOWN, .result = CORE_RESULT_SUCCESS },
		  false,
		  false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_starting();
		expect_(rows[i].ev, rows[i].goes_back ? SAVE | ROLLBACK : 0,
			rows[i].goes_back ? UPDATE_RETREATING : UPDATE_STARTING, (int)i);
		assert_string_equal(state.kept.bad, rows[i].is_to_blame ? B : "");
	}
}

static void back_means_restarted_and_up(void **unused)
{
	(void)unused;
	begin_trial();
	EXPECT(SAVE | ROLLBACK, UPDATE_RETREATING, UNIT, NEW, .state = CORE_BACKOFF,
	       .result = CORE_RESULT_SIGNAL);
	EXPECT(0, UPDATE_RETREATING, UNIT, NEW, .state = CORE_UP);
	EXPECT(RESTART, UPDATE_RETURNING, .type = UPDATE_EV_SAVED);
	EXPECT(0, UPDATE_RETURNING, UNIT, NEW, .state = CORE_STOPPING);
	EXPECT(0, UPDATE_RETURNING, UNIT, NEW, .state = CORE_UP);
	EXPECT(0, UPDATE_RETURNING, UNIT, .state = CORE_STARTING);
	EXPECT(0, UPDATE_IDLE, UNIT, .state = CORE_UP);
	expect_result(UPDATE_WENT_BACK, A, B);
}

static void a_full_disk_stops_an_update_and_not_the_way_back(void **unused)
{
	(void)unused;
	begin();
	EXPECT(SAVE, UPDATE_PINNING, .type = UPDATE_EV_FOUND, .digest = B);
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_NOT_SAVED, .text = "full");
	expect_result(UPDATE_FAILED, "", "");
	assert_non_null(strstr(state.text, "full"));
	begin();
	EXPECT(SAVE, UPDATE_ARMING, .type = UPDATE_EV_FOUND, .digest = B, .in_store = true);
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_NOT_SAVED, .text = "full");
	/* the name means the newer one already, and it is not to slip in */
	expect_result(UPDATE_FAILED, A, "");
	begin_trial();
	EXPECT(SAVE | ROLLBACK, UPDATE_RETREATING, UNIT, NEW, .state = CORE_FAILED,
	       .result = CORE_RESULT_EXIT_CODE);
	EXPECT(RESTART, UPDATE_RETURNING, .type = UPDATE_EV_NOT_SAVED, .text = "full");
	begin_trial();
	EXPECT(0, UPDATE_TRIAL, .type = UPDATE_EV_NOT_SAVED, .text = "full");
}

static void without_rollback_it_stays(void **unused)
{
	(void)unused;
	begin();
	EXPECT(SAVE, UPDATE_ARMING, .type = UPDATE_EV_FOUND, .digest = B, .in_store = true,
	       .keeps_failed = true);
	EXPECT(UPDATE | RESTART, UPDATE_STARTING, .type = UPDATE_EV_SAVED);
	EXPECT(SAVE, UPDATE_IDLE, UNIT, NEW, .state = CORE_BACKOFF,
	       .result = CORE_RESULT_EXIT_CODE);
	expect_result(UPDATE_FAILED, "", "");
	assert_int_equal(state.kept.history[0].result, UPDATE_WAS_KEPT);
}

static void by_hand_it_is_pinned_until_something_newer_comes(void **unused)
{
	(void)unused;
	begin();
	EXPECT(SAVE | ROLLBACK, UPDATE_RETREATING, .type = UPDATE_EV_ROLLBACK, .digest = A, NEW);
	expect_result(UPDATE_WENT_BACK, A, B);
	EXPECT(RESTART, UPDATE_RETURNING, .type = UPDATE_EV_SAVED);
	EXPECT(0, UPDATE_IDLE, UNIT, .state = CORE_UP);
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_FOUND, .digest = B);
	expect_result(UPDATE_FALSE, A, B);
	EXPECT(SAVE, UPDATE_PINNING, .type = UPDATE_EV_FOUND, .digest = C);
	EXPECT(0, UPDATE_PINNING, .type = UPDATE_EV_ROLLBACK, .digest = A);
	/* to what was found bad: somebody knows better */
	begin();
	memcpy(state.kept.bad, B, sizeof(B));
	EXPECT(SAVE | ROLLBACK, UPDATE_RETREATING, .type = UPDATE_EV_ROLLBACK, .digest = B);
	expect_result(UPDATE_WENT_BACK, B, A);
}

static void an_engine_goes_on_with_what_it_finds(void **unused)
{
	struct update_record record = { .image = IMAGE, .pin = B, .old = A, .boot_id = BOOT };

	(void)unused;
	update_restore(&state, &record, IMAGE, BOOT, 0, &last);
	assert_false(last.save);
	assert_int_equal(state.phase, UPDATE_STARTING);
	EXPECT(0, UPDATE_TRIAL, UNIT, NEW, .state = CORE_UP);
	/* each boot is counted, and the third is one too many */
	for (unsigned boot = 1; boot <= 2; boot++) {
		update_restore(&state, &record, IMAGE, boot == 1 ? "boot-2" : "boot-3", 0, &last);
		assert_true(last.save && last.tell == UPDATE_TELL_NOTHING);
		assert_int_equal(state.phase, UPDATE_STARTING);
		record = state.kept;
		assert_int_equal(record.boots, boot);
	}
	update_restore(&state, &record, IMAGE, "boot-4", 0, &last);
	assert_true(last.save && last.tell == UPDATE_TELL_ROLLBACK);
	assert_false(last.restart);
	assert_int_equal(state.phase, UPDATE_IDLE);
	expect_result(UPDATE_WENT_BACK, A, B);
	/* a pin of another image is none */
	update_restore(&state, &record, "registry.example/other:1", BOOT, 0, &last);
	expect_result(UPDATE_UNKNOWN, "", "");
	assert_string_equal(state.kept.image, "registry.example/other:1");
}

static void who_waits_is_told_when_it_is_over(void **unused)
{
	(void)unused;
	begin();
	assert_false(update_is_busy(&state, true));
	begin_starting();
	assert_true(update_is_busy(&state, true));
	assert_false(
		update_is_busy(&state, false)); /* stopped by somebody: its next start goes on */
	begin_trial();
	assert_true(update_is_busy(&state, false));
}

static void the_way_back_is_the_last_good_one(void **unused)
{
	struct update_record r = { .image = IMAGE };
	struct err err;

	(void)unused;
	assert_null(update_rollback_target(&r, A, NULL, &err));
	assert_non_null(strstr(err.msg, "no update yet"));
	update_record_add(&r, 1, UPDATE_WAS_BEFORE, A, "");
	update_record_add(&r, 2, UPDATE_WAS_UPDATED, B, "");
	update_record_add(&r, 3, UPDATE_WAS_ROLLED_BACK, C, "it ended");
	assert_string_equal(update_rollback_target(&r, B, NULL, &err), A);
	assert_string_equal(update_rollback_target(&r, A, NULL, &err), B);
	assert_string_equal(update_rollback_target(&r, B, "sha256:cc", &err), C);
	assert_string_equal(update_rollback_target(&r, B, "cccc", &err), C);
	assert_null(update_rollback_target(&r, B, "sha256:bb", &err));
	assert_int_equal(err.code, ERR_INPUT);
	assert_null(update_rollback_target(&r, B, "sha256:dd", &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void the_timer_knows_when_it_was_last(void **unused)
{
	const uint64_t day = 86400 * USEC_SEC, most = 15 * 60 * USEC_SEC;
	const int64_t now = INT64_C(1700000000000000);

	(void)unused;
	/* never: soon, not all machines of a site at once */
	assert_true(update_next_check(day, 0, now, 123456789) < most);
	assert_int_equal(update_next_check(day, now, now, 0), day);
	assert_int_equal(update_next_check(day, now - (int64_t)day / 2, now, 7), day / 2 + 7);
	assert_int_equal(update_next_check(day, now - 3 * (int64_t)day, now, 7), 7);
	assert_int_equal(update_next_check(day, now + 5, now, most + 7), day + 7); /* set back */
	assert_true(update_next_check(USEC_SEC, now, now, UINT64_MAX) < USEC_SEC + USEC_SEC / 10);
	assert_int_equal(update_next_check(1, now, now, UINT64_MAX), 1);
}

static void what_an_engine_has_left_undone_the_next_one_does(void **unused)
{
	struct update_record record;

	(void)unused;
	/* the pin is on the disk, the unit not restarted */
	begin();
	EXPECT(SAVE, UPDATE_ARMING, .type = UPDATE_EV_FOUND, .digest = B, .in_store = true);
	record = state.kept;
	update_restore(&state, &record, IMAGE, BOOT, 0, &last);
	EXPECT(0, UPDATE_STARTING, UNIT, .state = CORE_UP);
	EXPECT(UPDATE | RESTART, UPDATE_STARTING, .type = UPDATE_EV_ADOPTED, .is_wanted = true,
	       .state = CORE_UP);
	/* it was */
	update_restore(&state, &record, IMAGE, BOOT, 0, &last);
	EXPECT(0, UPDATE_STARTING, .type = UPDATE_EV_ADOPTED, .is_wanted = true, NEW,
	       .state = CORE_UP);
	/* it will be by itself, with the pin, or nobody wants it */
	update_restore(&state, &record, IMAGE, BOOT, 0, &last);
	EXPECT(0, UPDATE_STARTING, .type = UPDATE_EV_ADOPTED, .is_wanted = true,
	       .state = CORE_BACKOFF);
	EXPECT(0, UPDATE_STARTING, .type = UPDATE_EV_ADOPTED, .state = CORE_UP);
	/* the same on the way back */
	begin_trial();
	EXPECT(SAVE | ROLLBACK, UPDATE_RETREATING, UNIT, NEW, .state = CORE_BACKOFF,
	       .result = CORE_RESULT_EXIT_CODE);
	record = state.kept;
	update_restore(&state, &record, IMAGE, BOOT, 0, &last);
	assert_int_equal(state.phase, UPDATE_IDLE);
	EXPECT(RESTART, UPDATE_RETURNING, .type = UPDATE_EV_ADOPTED, .is_wanted = true, NEW,
	       .state = CORE_UP);
	EXPECT(0, UPDATE_IDLE, UNIT, .state = CORE_UP);
	/* an older engine did not write down what runs */
	EXPECT(0, UPDATE_IDLE, .type = UPDATE_EV_ADOPTED, .is_wanted = true, .run_digest = "",
	       .state = CORE_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pin_is_written_before_what_relies_on_it),
		cmocka_unit_test(what_is_found_decides),
		cmocka_unit_test(fetching_may_fail_or_bring_something_else),
		cmocka_unit_test(a_trial_is_judged_by_what_the_unit_does),
		cmocka_unit_test(a_start_is_judged_by_how_it_fails),
		cmocka_unit_test(back_means_restarted_and_up),
		cmocka_unit_test(a_full_disk_stops_an_update_and_not_the_way_back),
		cmocka_unit_test(without_rollback_it_stays),
		cmocka_unit_test(by_hand_it_is_pinned_until_something_newer_comes),
		cmocka_unit_test(an_engine_goes_on_with_what_it_finds),
		cmocka_unit_test(who_waits_is_told_when_it_is_over),
		cmocka_unit_test(the_way_back_is_the_last_good_one),
		cmocka_unit_test(the_timer_knows_when_it_was_last),
		cmocka_unit_test(what_an_engine_has_left_undone_the_next_one_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
