/* SPDX-License-Identifier: Apache-2.0 */
/* Number and string parsers at and beyond their bounds. */
#include "unit_test.h"

#include "util/str.h"

static void prefixes_and_suffixes(void **state)
{
	(void)state;
	assert_true(str_starts("foobar", "foo"));
	assert_true(str_starts("foo", ""));
	assert_false(str_starts("fo", "foo"));
	assert_true(str_ends("foobar", "bar"));
	assert_true(str_ends("bar", ""));
	assert_false(str_ends("ar", "bar"));
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "ab"));
}

static void u64_takes_digits_only(void **state)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1x",
					   "0x10",
					   "1.0",
					   "18446744073709551616",
					   "99999999999999999999999" };
	uint64_t value = 77;

	(void)state;
	assert_true(str_to_u64("0", UINT64_MAX, &value));
	assert_int_equal(value, 0);
	assert_true(str_to_u64("18446744073709551615", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_true(str_to_u64("007", 7, &value));
	assert_int_equal(value, 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_to_u64(bad[i], UINT64_MAX, &value));
	assert_int_equal(value, 7);
}

static void u64_keeps_its_bound(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_true(str_to_u64("65535", 65535, &value));
	assert_false(str_to_u64("65536", 65535, &value));
	assert_false(str_to_u64("5", 4, &value));
	assert_true(str_to_u64("0", 0, &value));
	assert_false(str_to_u64("1", 0, &value));
}

static void i64_at_its_ends(void **state)
{
	int64_t value = 77;

	(void)state;
	assert_true(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
	assert_true(value == INT64_MIN);
	assert_true(str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &value));
	assert_true(value == INT64_MAX);
	assert_false(str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &value));
	assert_false(str_to_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &value));
	assert_true(str_to_i64("-1", -1, 0, &value));
	assert_int_equal(value, -1);
	assert_false(str_to_i64("-2", -1, 0, &value));
	assert_false(str_to_i64("1", -1, 0, &value));
	assert_false(str_to_i64("-", -1, 0, &value));
	assert_false(str_to_i64("--1", -5, 5, &value));
	assert_false(str_to_i64("+1", -5, 5, &value));
	assert_false(str_to_i64("", -5, 5, &value));
	assert_int_equal(value, -1);
}

static void bytes_with_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "64", 64 },
		{ "64b", 64 },
		{ "64m", UINT64_C(64) << 20 },
		{ "64M", UINT64_C(64) << 20 },
		{ "64mb", UINT64_C(64) << 20 },
		{ "1GiB", UINT64_C(1) << 30 },
		{ "1gib", UINT64_C(1) << 30 },
		{ "2k", 2048 },
		{ "2KB", 2048 },
		{ "3t", UINT64_C(3) << 40 },
		{ "3p", UINT64_C(3) << 50 },
		{ "8191p", UINT64_C(8191) << 50 },
		{ "1.5g", UINT64_C(3) << 29 },
		{ "0.5GiB", UINT64_C(1) << 29 },
		{ "0.1k", 102 },
		{ "1.9", 1 },
		{ "64 MB", UINT64_C(64) << 20 },
		{ "1 m", UINT64_C(1) << 20 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = { "",
					   "m",
					   ".5g",
					   "-1m",
					   " 1m",
					   "1  m",
					   "1 ",
					   "1.",
					   "1.k",
					   "1.5.5k",
					   "8191.99999999999999999999p",
					   "1,5g",
					   "1mm",
					   "1ib",
					   "1kx",
					   "1ki",
					   "1kbb",
					   "1e3",
					   "8192p",
					   "9223372036854775808",
					   "1bk",
					   "18446744073709551615k",
					   "1kib " };
	uint64_t value = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(str_to_bytes(good[i].text, &value));
		assert_true(value == good[i].bytes);
	}
	value = 5;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (str_to_bytes(bad[i], &value))
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(value, 5);
}

static void modes_are_octal(void **state)
{
	unsigned mode = 1;

	(void)state;
	assert_true(str_to_mode("0755", &mode));
	assert_int_equal(mode, 0755);
	assert_true(str_to_mode("7777", &mode));
	assert_int_equal(mode, 07777);
	assert_true(str_to_mode("0", &mode));
	assert_false(str_to_mode("10000", &mode));
	assert_false(str_to_mode("8", &mode));
	assert_false(str_to_mode("0o755", &mode));
	assert_false(str_to_mode("u+x", &mode));
	assert_false(str_to_mode("", &mode));
	assert_false(str_to_mode("-1", &mode));
	assert_int_equal(mode, 0);
}

static void hex_both_ways(void **state)
{
	const unsigned char raw[] = { 0x00, 0x7f, 0x80, 0xff, 0xa5 };
	char out[11];

	(void)state;
	str_hex(raw, sizeof(raw), out);
	assert_string_equal(out, "007f80ffa5");
	assert_true(str_is_hex(out, 10));
	assert_false(str_is_hex(out, 9));
	assert_false(str_is_hex(out, 11));
	assert_false(str_is_hex("007F80FFA5", 10));
	assert_false(str_is_hex("007g", 4));
	assert_true(str_is_hex("", 0));
}

static void copy_truncates_and_tells(void **state)
{
	char out[5] = "zzzz";

	(void)state;
	assert_true(str_copy(out, sizeof(out), "abcd"));
	assert_string_equal(out, "abcd");
	assert_false(str_copy(out, sizeof(out), "abcde"));
	assert_string_equal(out, "abcd");
	assert_false(str_copy(out, 1, "a"));
	assert_string_equal(out, "");
	assert_true(str_copy(out, 1, ""));
	assert_false(str_copy(out, 0, ""));
}

static void utf8_well_formed_sequences(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xee\x80\x80", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		/* overlong, surrogate, beyond the last, stray, short */
		{ "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\x80", 0 },
		{ "\xc3", 0 },
		{ "\xe2\x82", 0 },
		{ "\xe2\x82x", 0 },
		{ "\xf0\x9f\x90", 0 },
		{ "\xc3x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(str_utf8_len(cases[i].bytes, strlen(cases[i].bytes)),
				 cases[i].len);
	assert_int_equal(str_utf8_len("", 0), 0);
	assert_int_equal(str_utf8_len("\xc3\xa4", 1), 0);
}

static void text_is_cut_at_a_letter_with_dots(void **state)
{
	char out[8];

	(void)state;
	assert_true(str_copy_text(out, sizeof(out), "1234567"));
	assert_string_equal(out, "1234567");
	assert_false(str_copy_text(out, sizeof(out), "12345678"));
	assert_string_equal(out, "1234...");
	assert_false(str_copy_text(out, sizeof(out),
				   "123\xe2\x82\xac"
				   "5678"));
	assert_string_equal(out, "123...");
	assert_false(str_copy_text(out, 3, "1234"));
	assert_string_equal(out, "12");
	assert_false(str_copy_text(out, 0, "1234"));
}

static void a_kept_text_is_a_copy(void **state)
{
	const char *kept = NULL;
	char text[] = "one two";

	(void)state;
	str_keep(&kept, text);
	text[0] = 'X';
	assert_string_equal(kept, "one two");
	str_keep(&kept, kept);
	assert_string_equal(kept, "one two");
	str_keep(&kept, kept + 4); /* a part of what is given up */
	assert_string_equal(kept, "two");
	str_keep(&kept, "");
	assert_string_equal(kept, "");
	str_keep(&kept, "three");
	str_drop(&kept);
	assert_string_equal(kept, "");
	str_drop(&kept);
	assert_string_equal(kept, "");
}

static void text_replaces_broken_bytes(void **state)
{
	char out[16];

	(void)state;
	assert_true(str_copy_text(out, sizeof(out),
				  "a\xff"
				  "b\xc3"));
	assert_string_equal(out, "a?b?");
	assert_true(str_copy_text(out, sizeof(out), "\xc3\xa4\xe2\x82"));
	assert_string_equal(out, "\xc3\xa4??");
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(str_distance("", "", 3), 0);
	assert_int_equal(str_distance("Image", "Image", 0), 0);
	assert_int_equal(str_distance("Image", "Imag", 3), 1);
	assert_int_equal(str_distance("Image", "Imgae", 3), 1);
	assert_int_equal(str_distance("kitten", "sitting", 5), 3);
	assert_int_equal(str_distance("ca", "abc", 5), 3);
	assert_int_equal(str_distance("", "abc", 5), 3);
	assert_int_equal(str_distance("abc", "", 5), 3);
	assert_int_equal(str_distance("PublishPort", "PublishPorts", 2), 1);
}

static void distance_is_bounded(void **state)
{
	char a[400], b[400];

	(void)state;
	assert_int_equal(str_distance("kitten", "sitting", 2), 3);
	assert_int_equal(str_distance("a", "abcdefgh", 2), 3);
	memset(a, 'a', sizeof(a));
	a[399] = '\0';
	memcpy(b, a, sizeof(b));
	assert_int_equal(str_distance(a, b, 2), 0);
	b[0] = 'b';
	assert_int_equal(str_distance(a, b, 2), 3);
}

/* Each letter at each place of texts of each length; two of them: the first. */
static void control_bytes_are_found_anywhere(void **state)
{
	char text[41];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++)
		for (size_t at = 0; at < len; at++)
			for (int c = 1; c < 256; c++) {
				bool is_control = c < 0x20 || c == 0x7f;

				memset(text, '\xff', len);
				text[len / 2] = ' ';
				text[len] = '\0';
				assert_null(str_find_control(text));
				text[at] = (char)c;
				assert_ptr_equal(str_find_control(text),
						 is_control ? text + at : NULL);
				text[len - 1] = '\x7f';
				assert_ptr_equal(str_find_control(text),
						 text + (is_control ? at : len - 1));
			}
	assert_null(str_find_control(""));
}

static void assert_hint(const char *text, const char *hint)
{
	static const char *const words[] = {
		"always", "on-failure", "no", "host", "k8s-file", NULL
	};
	char out[STR_HINT_BYTES];

	assert_string_equal(str_hint(out, text, words), hint);
}

static void a_word_in_other_letters_is_known_again(void **state)
{
	char out[STR_HINT_BYTES], longest[200];

	(void)state;
	assert_hint("Always", ": did you mean always?");
	assert_hint("on_failure", ": did you mean on-failure?");
	assert_hint("On Failure", ": did you mean on-failure?");
	assert_hint("allways", ": did you mean always?");
	assert_hint("HOST", ": did you mean host?");
	assert_hint("hots", ": did you mean host?");
	assert_hint("NO", ": did you mean no?");
	assert_hint("k8sfile", ": did you mean k8s-file?");
	assert_hint("", "");
	assert_hint("on", "");
	assert_hint("most-of", "");
	assert_hint("unless-stopped", "");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_hint(longest, "");
	assert_string_equal(str_hint(out, longest, (const char *const[]){ longest, NULL }), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_and_suffixes),
		cmocka_unit_test(u64_takes_digits_only),
		cmocka_unit_test(u64_keeps_its_bound),
		cmocka_unit_test(i64_at_its_ends),
		cmocka_unit_test(bytes_with_units),
		cmocka_unit_test(modes_are_octal),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(copy_truncates_and_tells),
		cmocka_unit_test(utf8_well_formed_sequences),
		cmocka_unit_test(text_is_cut_at_a_letter_with_dots),
		cmocka_unit_test(a_kept_text_is_a_copy),
		cmocka_unit_test(text_replaces_broken_bytes),
		cmocka_unit_test(distances),
		cmocka_unit_test(distance_is_bounded),
		cmocka_unit_test(control_bytes_are_found_anywhere),
		cmocka_unit_test(a_word_in_other_letters_is_known_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
