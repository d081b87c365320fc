/* SPDX-License-Identifier: Apache-2.0 */
/* Flat records: what goes in comes out, and nothing torn, foreign or forged gets through. */
#include "unit_test.h"

#include "image/flat.h"

static void read_all(char *text, size_t len, const char *kind, struct flat_line *lines, size_t max,
		     size_t *count)
{
	struct flat_reader reader;
	struct err err;

	*count = 0;
	if (flat_open(text, len, kind, &reader, &err) < 0)
		fail_msg("%s", err.msg);
	for (;;) {
		struct flat_line line;

		assert_int_equal(flat_next(&reader, &line, &err), 0);
		if (!line.key)
			return;
		assert_true(*count < max);
		lines[(*count)++] = line;
	}
}

static void values_of_any_bytes_survive(void **state)
{
	static const char nasty[] = "a\nb%c\x7f\x01 d\xc3\xa9 =\t";
	auto_buf body = BUF_INIT(10000);
	auto_buf text = BUF_INIT(10000);
	struct flat_line lines[4];
	struct err err;
	size_t count;

	(void)state;
	flat_put(&body, "env", nasty);
	flat_put(&body, "empty", "");
	flat_put_u64(&body, "big", UINT64_MAX);
	flat_putn(&body, "part", "abcdef", 3);
	assert_int_equal(flat_seal("facts", &body, &text, &err), 0);
	assert_non_null(strstr(text.data, "cleat-facts 1 "));
	read_all(text.data, text.len, "facts", lines, 4, &count);
	assert_int_equal(count, 4);
	assert_string_equal(lines[0].value, nasty);
	assert_int_equal(lines[0].len, strlen(nasty));
	assert_string_equal(lines[1].key, "empty");
	assert_string_equal(lines[1].value, "");
	assert_string_equal(lines[2].value, "18446744073709551615");
	assert_string_equal(lines[3].value, "abc");
}

static int try_open(const char *text, enum err_code *code)
{
	char copy[512];
	struct flat_reader reader;
	struct err err = { 0 };
	size_t len = strlen(text);
	int rc;

	memcpy(copy, text, len + 1);
	rc = flat_open(copy, len, "ref", &reader, &err);
	*code = err.code;
	return rc;
}

static void a_torn_or_foreign_head_is_refused(void **state)
{
	static const char *const integrity[] = { "",
						 "cleat-ref",
						 "cleat-ref 1",
						 "cleat-ref 1 5",
						 "cleat-facts 1 4\na b\n",
						 "cleat-ref 1 5\na b\n",
						 "cleat-ref 1 3\na b\n",
						 "cleat-ref x 4\na b\n",
						 "cleat-ref 1 -4\na b\n",
						 "cleat-ref 1 99999999999999999999\na b\n" };
	enum err_code code;

	(void)state;
	for (size_t i = 0; i < sizeof(integrity) / sizeof(integrity[0]); i++) {
		if (try_open(integrity[i], &code) == 0)
			fail_msg("accepted: %s", integrity[i]);
		assert_int_equal(code, ERR_INTEGRITY);
	}
	assert_int_equal(try_open("cleat-ref 2 4\na b\n", &code), -1);
	assert_int_equal(code, ERR_UNSUPPORTED);
	assert_int_equal(try_open("cleat-ref 1 4\na b\n", &code), 0);
	assert_int_equal(try_open("cleat-ref 1 0\n", &code), 0);
}

static void malformed_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"",	" x",	 "KEY x", "k%ey x", "a %",
		"a %4", "a %zz", "a %0a", "a %00",  "abcdefghijklmnopqrstuvwxyzabcdefghijk x"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct flat_line line;
		struct err err;
		char copy[128];

		snprintf(copy, sizeof(copy), "%s", lines[i]);
		if (flat_decode(copy, &line, &err) == 0)
			fail_msg("accepted: %s", lines[i]);
		assert_int_equal(err.code, ERR_INTEGRITY);
	}
}

static void a_line_without_its_end_or_with_a_nul_is_torn(void **state)
{
	char cut[] = "cleat-ref 1 3\na b";
	char nul[] = "cleat-ref 1 4\na \0\n";
	struct flat_reader reader;
	struct flat_line line;
	struct err err;

	(void)state;
	assert_int_equal(flat_open(cut, sizeof(cut) - 1, "ref", &reader, &err), 0);
	assert_int_equal(flat_next(&reader, &line, &err), -1);
	assert_int_equal(flat_open(nul, sizeof(nul) - 1, "ref", &reader, &err), 0);
	assert_int_equal(flat_next(&reader, &line, &err), -1);
}

static void a_full_buffer_is_an_error_not_a_shorter_record(void **state)
{
	auto_buf body = BUF_INIT(8);
	auto_buf text = BUF_INIT(10000);
	auto_buf small = BUF_INIT(12);
	auto_buf fits = BUF_INIT(100);
	struct err err;

	(void)state;
	flat_put(&body, "key", "much too long");
	assert_int_equal(flat_seal("ref", &body, &text, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	flat_put(&fits, "key", "value");
	assert_int_equal(flat_seal("ref", &fits, &small, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_any_bytes_survive),
		cmocka_unit_test(a_torn_or_foreign_head_is_refused),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(a_line_without_its_end_or_with_a_nul_is_torn),
		cmocka_unit_test(a_full_buffer_is_an_error_not_a_shorter_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
