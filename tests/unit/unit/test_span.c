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
					   "1000000000000000000000000000000s",
					   "0.5.5s",
					   "infinity infinity",
					   "1 parsec",
					   "\xc2\xb5",
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
	} rows[] = { { "SIGTERM", 15 }, { "TERM", 15 },	       { "SIGKILL", 9 }, { "SIGRTMIN", 34 },
		     { "RTMIN+3", 37 }, { "SIGRTMIN+29", 63 }, { "SIGSYS", 31 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exit_set set = { 0 };

		assert_true(exit_set_add(&set, rows[i].name));
		assert_true(set.signals == UINT64_C(1) << rows[i].number);
	}
}

static void words_that_are_neither(void **state)
{
	static const char *const bad[] = { "",	       "256",	  "-1",	      "SIGFOO",
					   "RTMIN+30", "RTMIN-1", "RTMIN3",   "tempfail",
					   "1 2",      "sigkill", "SIGRTMAX", "300" };
	struct exit_set set = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(exit_set_add(&set, bad[i]));
	assert_true(set.signals == 0 && set.codes[0] == 0 && set.codes[1] == 0);
}

/* A generator of its own: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void a_written_span_is_read_back(void **state)
{
	static const struct {
		const char *name;
		uint64_t usec;
	} units[] = { { "w", 604800 * USEC_SEC },
		      { "d", 86400 * USEC_SEC },
		      { "h", 3600 * USEC_SEC },
		      { "min", 60 * USEC_SEC },
		      { "s", USEC_SEC },
		      { "ms", USEC_MSEC },
		      { "us", 1 } };
	uint64_t random = 1;

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		uint64_t value = next_random(&random) >> (turn % 64), rest = value, read = 0;
		struct buf text = BUF_INIT(256);

		if (value == USEC_NEVER)
			continue;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (rest / units[i].usec || i == 6)
				buf_printf(&text, "%s%ju%s%s", turn % 2 ? " " : "",
					   (uintmax_t)(rest / units[i].usec), turn % 3 ? "" : " ",
					   units[i].name);
			rest %= units[i].usec;
		}
		if (!span_parse(buf_str(&text), &read) || read != value)
			fail_msg("'%s': %ju, not %ju", buf_str(&text), (uintmax_t)read,
				 (uintmax_t)value);
		buf_fini(&text);
	}
}

static void a_written_size_is_read_back(void **state)
{
	static const char letters[] = "EPTGMK";
	uint64_t random = 2;

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		uint64_t value = next_random(&random) >> (turn % 64), rest = value, read = 0;
		unsigned base = turn % 2 ? 1024 : 1000;
		uint64_t factor = 1;
		struct buf text = BUF_INIT(256);

		for (int i = 0; i < 6; i++)
			factor *= base;
		for (int i = 0; i < 6; i++, factor /= base) {
			if (rest / factor)
				buf_printf(&text, "%ju%c ", (uintmax_t)(rest / factor), letters[i]);
			rest %= factor;
		}
		buf_printf(&text, "%ju%s", (uintmax_t)rest, turn % 3 ? "" : "B");
		if (!size_parse(buf_str(&text), base, &read) || read != value)
			fail_msg("'%s': %ju, not %ju", buf_str(&text), (uintmax_t)read,
				 (uintmax_t)value);
		buf_fini(&text);
	}
}

static void sizes_with_fractions_and_blanks(void **state)
{
	static const struct {
		const char *text;
		unsigned base;
		uint64_t bytes;
	} rows[] = { { "1.5G", 1024, 1610612736 },
		     { "1.5M", 1000, 1500000 },
		     { " 64 K ", 1024, 65536 },
		     { "0", 1024, 0 },
		     { "1G 512M 7", 1024, 1610612743 },
		     { "0.001K", 1024, 1 },
		     { "18446744073709551615", 1024, UINT64_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bytes = 1;

		if (!size_parse(rows[i].text, rows[i].base, &bytes) || bytes != rows[i].bytes)
			fail_msg("'%s': %ju", rows[i].text, (uintmax_t)bytes);
	}
}

static void sizes_that_systemd_ignores(void **state)
{
	static const char *const bad[] = { "",	    " ",     "K",
					   "-1",    "1k",    "1KB",
					   "1Ki",   "1M 1G", "1K 1K",
					   "1.K",   "1e3",   "0x10",
					   "16E",   "20E",   "18446744073709551616",
					   "1 # x", "+5",    ".5G" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes = 7;

		if (size_parse(bad[i], 1024, &bytes))
			fail_msg("'%s' was read as %ju", bad[i], (uintmax_t)bytes);
		assert_int_equal(bytes, 7);
	}
}

static void shares_in_hundredths_and_less(void **state)
{
	static const struct {
		const char *text;
		uint64_t permyriad;
	} rows[] = { { "50%", 5000 },	      { "0%", 0 },
		     { "12.5%", 1250 },	      { "0.01%", 1 },
		     { "3\xe2\x80\xb0", 30 }, { "4\xe2\x80\xb1", 4 },
		     { "400%", 40000 },	      { "0.1\xe2\x80\xb0", 1 } };
	static const char *const bad[] = { "",
					   "50",
					   "%",
					   "-5%",
					   "50 %",
					   "0.001%",
					   "5%%",
					   "1.5\xe2\x80\xb1",
					   "99999999999%",
					   "50%x",
					   "fifty%",
					   "1.%",
					   "18446744073709551615%" };
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!share_parse(rows[i].text, &value) || value != rows[i].permyriad)
			fail_msg("'%s': %ju", rows[i].text, (uintmax_t)value);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (share_parse(bad[i], &value))
			fail_msg("'%s' was read as %ju", bad[i], (uintmax_t)value);
}

static void booleans_are_systemds(void **state)
{
	static const char *const yes[] = { "1", "yes", "Y", "TRUE", "t", "On" };
	static const char *const no[] = { "0", "no", "n", "False", "F", "off" };
	static const char *const bad[] = { "", "yess", "2", "enable", "true # x", "ja" };
	bool value;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_true(systemd_bool_parse(yes[i], &value) && value);
		assert_true(systemd_bool_parse(no[i], &value) && !value);
		assert_false(systemd_bool_parse(bad[i], &value));
	}
}

static void modes_are_octal(void **state)
{
	unsigned mode;

	(void)state;
	assert_true(mode_parse("0755", &mode) && mode == 0755);
	assert_true(mode_parse("7777", &mode) && mode == 07777);
	assert_false(mode_parse("", &mode));
	assert_false(mode_parse("0888", &mode));
	assert_false(mode_parse("10000", &mode));
	assert_false(mode_parse("u=rwx", &mode));
}

static void assert_cpus(const char *text, const char *expected)
{
	struct buf out = BUF_INIT(8 * CPU_LIST_MAX);

	if (!cpu_list_parse(text, &out))
		fail_msg("'%s' was not read", text);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void lists_of_processors_are_sorted_and_joined(void **state)
{
	static const char *const bad[] = { "",	  " , ", "a",	 "3-1",
					   "1-",  "-1",	 "8192", "0-99999999999999999999",
					   "1;2", "1--2" };
	struct buf out = BUF_INIT(64);

	(void)state;
	assert_cpus("0", "0");
	assert_cpus("3,1 0-1", "0-1,3");
	assert_cpus("5-6,7 8", "5-8");
	assert_cpus("0-8191", "0-8191");
	assert_cpus(" 63-64 ,", "63-64");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cpu_list_parse(bad[i], &out))
			fail_msg("'%s' was read", bad[i]);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_that_systemd_reads),
		cmocka_unit_test(spans_that_systemd_ignores),
		cmocka_unit_test(exit_codes_and_their_names),
		cmocka_unit_test(signals_in_every_spelling),
		cmocka_unit_test(words_that_are_neither),
		cmocka_unit_test(a_written_span_is_read_back),
		cmocka_unit_test(a_written_size_is_read_back),
		cmocka_unit_test(sizes_with_fractions_and_blanks),
		cmocka_unit_test(sizes_that_systemd_ignores),
		cmocka_unit_test(shares_in_hundredths_and_less),
		cmocka_unit_test(booleans_are_systemds),
		cmocka_unit_test(modes_are_octal),
		cmocka_unit_test(lists_of_processors_are_sorted_and_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
