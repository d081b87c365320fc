/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them, against times from date(1). */
#include "unit_test.h"

#include "cli/cli.h"

#define NOW INT64_C(1800000000500000)
#define SEC INT64_C(1000000)

static void expect_time(const char *text, int64_t usec)
{
	int64_t got = -1;

	if (!cli_parse_time(text, NOW, &got))
		fail_msg("\"%s\" is refused", text);
	if (got != usec)
		fail_msg("\"%s\" is %lld, not %lld", text, (long long)got, (long long)usec);
}

static void ago(void **state)
{
	(void)state;
	expect_time("0s", NOW);
	expect_time("90s", NOW - 90 * SEC);
	expect_time("10m", NOW - 600 * SEC);
	expect_time("2h", NOW - 7200 * SEC);
	expect_time("1d", NOW - 86400 * SEC);
	expect_time("1h30m", NOW - 5400 * SEC);
	expect_time("1d2h3m4s", NOW - (86400 + 7200 + 180 + 4) * SEC);
}

static void seconds_since_1970(void **state)
{
	(void)state;
	expect_time("0", 0);
	expect_time("1700000000", 1700000000 * SEC);
	expect_time("1700000000.5", 1700000000 * SEC + 500000);
	expect_time("1700000000.123456789", 1700000000 * SEC + 123456);
	expect_time("253402300799", INT64_C(253402300799) * SEC);
}

static void dates(void **state)
{
	(void)state;
	expect_time("1970-01-01", 0);
	expect_time("2026-11-21", 1795219200 * SEC);
	expect_time("2026-11-21T10:00:00Z", 1795255200 * SEC);
	expect_time("2026-11-21 10:00:00", 1795255200 * SEC);
	expect_time("2026-11-21t10:00z", 1795255200 * SEC);
	expect_time("2026-11-21T10:00:00.25Z", 1795255200 * SEC + 250000);
	expect_time("2026-11-21T10:00:00+02:00", (1795255200 - 7200) * SEC);
	expect_time("2026-11-21T10:00:00-05:30", (1795255200 + 19800) * SEC);
	expect_time("2028-02-29", 1835395200 * SEC);
	/* as "docker logs -t" and "cleat logs -t" print it */
	expect_time("2026-11-21T10:00:00.123456789Z", 1795255200 * SEC + 123456);
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"yesterday",
		"10x",
		"m",
		"10m5",
		"-5m",
		"1.5h",
		"10 m",
		"1h30",
		"9999999999s",
		"1000000d",
		"2026-11",
		"2026-13-01",
		"2026-00-01",
		"2026-02-30",
		"2026-02-29",
		"2026-11-31",
		"2026-11-21T",
		"2026-11-21T10",
		"2026-11-21T24:00",
		"2026-11-21T10:60",
		"2026-11-21T10:00:60",
		"2026-11-21T10:00:00.Z",
		"2026-11-21T10:00:00ZZ",
		"2026-11-21T10:00:00+2",
		"2026-11-21T10:00:00+0200",
		"2026-11-21Z",
		"26-11-21",
		"1969-12-31",
		"1970-01-01T00:00:00+01:00",
		"253402300800",
		"1.",
		"1.1234567890",
		"1.5.5",
		"0x10",
		"+5",
		"99999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t usec;

		if (cli_parse_time(texts[i], NOW, &usec))
			fail_msg("\"%s\" is taken as %lld", texts[i], (long long)usec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ago),
		cmocka_unit_test(seconds_since_1970),
		cmocka_unit_test(dates),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
