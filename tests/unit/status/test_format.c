/* SPDX-License-Identifier: Apache-2.0 */
/* Times against libc's calendar; text that a terminal would obey. */
#include "unit_test.h"

#include <time.h>

#include "status/internal.h"

static const int64_t moments[] = {
	0,	    951782399,	951782400,   951868800,	   1078012800, 1582934400,
	1709164799, 1709164800, 1709251199,  1709251200,   1772356087, 2147483648,
	4102444800, 4107542400, 13569465600, 253402300799,
};

static void times_are_those_of_the_calendar(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		time_t t = (time_t)moments[i];
		char out[40], wanted[64];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%SZ", &tm);
		status_time(moments[i] * 1000000 + 999999, false, out);
		assert_string_equal(out, wanted);
		strftime(wanted, sizeof(wanted), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		status_http_date(moments[i] * 1000000, out);
		assert_string_equal(out, wanted);
	}
}

static void fractions_are_milliseconds(void **state)
{
	char out[32];

	(void)state;
	status_time(INT64_C(1772356087007999), true, out);
	assert_string_equal(out, "2026-03-01T09:08:07.007Z");
}

static void times_out_of_range_are_bounded(void **state)
{
	char out[32];

	(void)state;
	status_time(INT64_MIN, true, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	status_time(INT64_MAX, false, out);
	assert_string_equal(out, "9999-12-31T23:59:59Z");
}

static void spans(void **state)
{
	char out[32];

	(void)state;
	status_span(0, out);
	assert_string_equal(out, "0 s");
	status_span(UINT64_C(119999999), out);
	assert_string_equal(out, "119 s");
	status_span(UINT64_C(120000000), out);
	assert_string_equal(out, "2 min");
	status_span(UINT64_C(7200) * 1000000, out);
	assert_string_equal(out, "2 h");
	status_span(UINT64_C(172800) * 1000000, out);
	assert_string_equal(out, "2 d");
}

static void assert_clean(const char *in, const char *wanted, size_t columns)
{
	struct buf out = BUF_INIT(256);

	assert_int_equal(status_put_clean(&out, in), columns);
	assert_int_equal(status_clean_width(in), columns);
	assert_string_equal(buf_str(&out), wanted);
	buf_fini(&out);
}

static void nothing_that_a_terminal_obeys_passes(void **state)
{
	(void)state;
	assert_clean("", "", 0);
	assert_clean("plain ~", "plain ~", 7);
	assert_clean("\x1b[2J\r\n\t\x7f", "\\x1b[2J\\x0d\\x0a\\x09\\x7f", 23);
	assert_clean("gr\xc3\xb6\xc3\x9f", "gr\xc3\xb6\xc3\x9f", 4);
	assert_clean("\xc2\x9b"
		     "2J",
		     "\\xc2\\x9b2J", 10); /* CSI as one character */
	assert_clean("\xe2\x80\xae"
		     "x",
		     "\\xe2\\x80\\xaex", 13); /* right-to-left override */
	assert_clean("\xe2\x81\xa6"
		     "x",
		     "\\xe2\\x81\\xa6x", 13);		 /* isolate */
	assert_clean("\xe2\x80\xa6", "\xe2\x80\xa6", 1); /* an ellipsis is harmless */
	assert_clean("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 1);
	assert_clean("\xff"
		     "a\xc3",
		     "\\xffa\\xc3", 9);
}

static void levels_of_notes(void **state)
{
	(void)state;
	assert_string_equal(status_note_level(0), "note");
	assert_string_equal(status_note_level(1), "warning");
	assert_string_equal(status_note_level(2), "error");
	assert_string_equal(status_note_level(99), "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_those_of_the_calendar),
		cmocka_unit_test(fractions_are_milliseconds),
		cmocka_unit_test(times_out_of_range_are_bounded),
		cmocka_unit_test(spans),
		cmocka_unit_test(nothing_that_a_terminal_obeys_passes),
		cmocka_unit_test(levels_of_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
