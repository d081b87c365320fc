/* SPDX-License-Identifier: Apache-2.0 */
/* Time spans, and sets of exit codes and signals. */
#include "unit_fixture.h"

#include "unit/span_internal.h"

static void spans_that_systemd_reads(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} rows[] = {
		{ "90", 90 * USEC_SEC },
		{ "0", 0 },
		{ "5min 20s", 320 * USEC_SEC },
		{ "5min20s", 320 * USEC_SEC },
		{ " 1h ", 3600 * USEC_SEC },
		{ "500ms", 500 * USEC_MSEC },
		{ "1.5h", 5400 * USEC_SEC },
		{ "0.25s", 250 * USEC_MSEC },
		{ ".5s", 500 * USEC_MSEC },
		{ "2.5", 2500 * USEC_MSEC },
		{ "10 us", 10 },
		{ "1 day 2 hours", 26 * 3600 * USEC_SEC },
		{ "1w", 604800 * USEC_SEC },
		{ "1M", 2629800 * USEC_SEC },
		{ "1y", 31557600 * USEC_SEC },
		{ "1.0000001s", USEC_SEC },
		{ "infinity", USEC_NEVER },
		{ " infinity ", USEC_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t usec = 1;

		if (!span_parse(rows[i].text, &usec) || usec != rows[i].usec)
			fail_msg("'%s': %ju", rows[i].text, (uintmax_t)usec);
	}
}

static void spans_that_systemd_ignores(void **state)
{
	static const char *const bad[] = { "",
					   " ",
					   "abc",
					   "-5",
					   "5x",
					   "5 s s",
					   "1.2.3",
					   "5.",
					   "infinity5",
					   "1e3",
					   "999999999999999999999",
					   "20000000y",
					   "5min # x",
					   "s" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t usec = 7;

		if (span_parse(bad[i], &usec))
			fail_msg("'%s' was read as %ju", bad[i], (uintmax_t)usec);
		assert_int_equal(usec, 7);
	}
}

static void exit_codes_and_their_names(void **state)
{
	struct exit_set set = { 0 };

	(void)state;
	assert_true(exit_set_add(&set, "0"));
	assert_true(exit_set_add(&set, "255"));
	assert_true(exit_set_add(&set, "TEMPFAIL"));
	assert_true(set.codes[0] == 1);
	assert_true(set.codes[1] == UINT64_C(1) << (75 - 64));
	assert_true(set.codes[3] == UINT64_C(1) << 63);
	assert_true(set.signals == 0);
}

static void signals_in_every_spelling(void **state)
{
	static const struct {
		const char *name;
		unsigned number;
	} rows[] = { { "SIGTERM", 15 }, { "TERM", 15 },	       { "sigkill", 9 }, { "SIGRTMIN", 34 },
		     { "RTMIN+3", 37 }, { "SIGRTMIN+29", 63 }, { "SIGIOT", 6 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exit_set set = { 0 };

		assert_true(exit_set_add(&set, rows[i].name));
		assert_true(set.signals == UINT64_C(1) << rows[i].number);
	}
}

static void words_that_are_neither(void **state)
{
	static const char *const bad[] = { "",	      "256",	"-1",	    "SIGFOO", "RTMIN+30",
					   "RTMIN-1", "RTMIN3", "tempfail", "1 2" };
	struct exit_set set = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(exit_set_add(&set, bad[i]));
	assert_true(set.signals == 0 && set.codes[0] == 0 && set.codes[1] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_that_systemd_reads),
		cmocka_unit_test(spans_that_systemd_ignores),
		cmocka_unit_test(exit_codes_and_their_names),
		cmocka_unit_test(signals_in_every_spelling),
		cmocka_unit_test(words_that_are_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
