/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, against the C library's calendar. */
#include "unit_test.h"

#include <time.h>

#include "log/stamp.h"

static void check(int64_t nsec, const char *want)
{
	char out[LOG_STAMP_LEN + 1];

	log_stamp_format(nsec, out);
	assert_string_equal(out, want);
}

static void known_times(void **state)
{
	(void)state;
	check(0, "1970-01-01T00:00:00.000000000Z");
	check(INT64_C(1000000000) * 1795255200 + 123456789, "2026-11-21T10:00:00.123456789Z");
	check(INT64_C(1000000000) * 951782400, "2000-02-29T00:00:00.000000000Z");
	check(INT64_C(1000000000) * 4107542399 + 999999999, "2100-02-28T23:59:59.999999999Z");
	check(INT64_C(1000000000) * 4107542400, "2100-03-01T00:00:00.000000000Z");
	check(-1, "1969-12-31T23:59:59.999999999Z");
}

static void every_day_of_500_years_agrees_with_the_c_library(void **state)
{
	char out[LOG_STAMP_LEN + 1], want[32];

	(void)state;
	for (int64_t day = -90000; day < 100000; day++) {
		time_t t = (time_t)(day * 86400 + day % 86400);
		struct tm tm;

		if (t > INT64_MAX / 1000000000 || t < INT64_MIN / 1000000000)
			continue;
		assert_non_null(gmtime_r(&t, &tm));
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		log_stamp_format((int64_t)t * 1000000000, out);
		assert_memory_equal(out, want, 19);
	}
}

static void extremes_stay_in_form(void **state)
{
	char out[LOG_STAMP_LEN + 1];

	(void)state;
	log_stamp_format(INT64_MAX, out);
	assert_int_equal(strlen(out), LOG_STAMP_LEN);
	log_stamp_format(INT64_MIN, out);
	assert_int_equal(strlen(out), LOG_STAMP_LEN);
}

static void now_is_after_this_was_written(void **state)
{
	(void)state;
	assert_true(log_stamp_now() > INT64_C(1700000000) * 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times),
		cmocka_unit_test(every_day_of_500_years_agrees_with_the_c_library),
		cmocka_unit_test(extremes_stay_in_form),
		cmocka_unit_test(now_is_after_this_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
