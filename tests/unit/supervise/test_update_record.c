/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "supervise/update_record.h"
#include "unit_test.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HEAD "#cleat update 1\nimage a/b:1\n"

static void what_is_written_is_read(void **state)
{
	struct update_record in = { .image = "a/b:1",
				    .pin = B,
				    .bad = C,
				    .old = A,
				    .keeps_failed = true,
				    .boot_id = "id.123",
				    .boots = 2 };
	struct update_record out;
	auto_buf text = BUF_INIT(UPDATE_RECORD_MAX_BYTES);
	struct err err;

	(void)state;
	/* the oldest make room; what an image's registry says cannot break a line */
	for (unsigned i = 0; i < UPDATE_HISTORY_MAX + 5; i++)
		update_record_add(&in, 1000 + i, UPDATE_WAS_ROLLED_BACK, A, "why not");
	assert_int_equal(in.count, UPDATE_HISTORY_MAX);
	assert_int_equal(in.history[0].real_usec, 1005);
	update_record_write(&in, &text);
	assert_false(text.failed);
	assert_int_equal(update_record_read(text.data, &out, &err), 0);
	assert_memory_equal(&in, &out, sizeof(in));
}

static void the_largest_record_fits(void **state)
{
	struct update_record in = {
		.pin = B, .bad = C, .old = A, .keeps_failed = true, .boots = 1000
	};
	auto_buf text = BUF_INIT(UPDATE_RECORD_MAX_BYTES);
	char why[400];

	(void)state;
	memset(in.image, 'i', sizeof(in.image) - 1);
	memset(in.boot_id, 'b', sizeof(in.boot_id) - 1);
	memset(why, 'w', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	for (unsigned i = 0; i < UPDATE_HISTORY_MAX; i++)
		update_record_add(&in, INT64_MAX, UPDATE_WAS_ROLLED_BACK, A, why);
	update_record_write(&in, &text);
	assert_false(text.failed);
}

static void a_line_break_in_a_reason_does_not_make_a_line(void **state)
{
	struct update_record in = { .image = "a/b:1" }, out;
	auto_buf text = BUF_INIT(UPDATE_RECORD_MAX_BYTES);
	struct err err;

	(void)state;
	update_record_add(&in, 1, UPDATE_WAS_ROLLED_BACK, A, "one\npin " B);
	update_record_write(&in, &text);
	assert_int_equal(update_record_read(text.data, &out, &err), 0);
	assert_string_equal(out.pin, "");
	assert_int_equal(out.count, 1);
}

static void half_a_record_is_none(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "not a record" },
		{ "#cleat update 2\nimage a/b:1\n", "not a record" },
		{ "#cleat update 1\n", "too early" },
		{ HEAD "pin\n", "line 3" },
		{ HEAD "pin nonsense\n", "line 3" },
		{ HEAD "pin " A " \n", "line 3" },
		{ HEAD "old " A "\n", "too early" }, /* under way, but to where? */
		{ HEAD "keep it\n", "line 3" },
		{ HEAD "boot id\n", "line 3" },
		{ HEAD "boot id -1\n", "line 3" },
		{ HEAD "boot id 1001\n", "line 3" },
		{ HEAD "\n", "line 3" },
		{ HEAD "pin " A "\nh 1 updated nonsense x\n", "line 4" },
		{ HEAD "h x updated " A " \n", "line 3" },
		{ HEAD "h 1 improved " A " \n", "line 3" },
		{ HEAD "h 9223372036854775808 updated " A " \n", "line 3" },
		{ HEAD "colour blue\n", "line 3" },
		{ "#cleat update 1\nimage \n", "line 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct update_record out;
		char text[400];
		struct err err = { 0 };

		snprintf(text, sizeof(text), "%s", rows[i].text);
		if (update_record_read(text, &out, &err) == 0)
			fail_msg("row %zu was read", i);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_string_equal(out.pin, ""); /* nothing of it counts */
		assert_int_equal(out.count, 0);
	}
}

static void too_long_a_history_is_refused(void **state)
{
	auto_buf text = BUF_INIT(64 * 1024);
	struct update_record out;
	struct err err;

	(void)state;
	buf_puts(&text, HEAD);
	for (unsigned i = 0; i <= UPDATE_HISTORY_MAX; i++)
		buf_puts(&text, "h 1 updated " A " \n");
	assert_int_equal(update_record_read(text.data, &out, &err), -1);
}

static void what_may_be_needed_again_is_kept(void **state)
{
	struct update_record r = { .image = "a/b:1" };
	const char *keeps[UPDATE_KEEPS_MAX];

	(void)state;
	assert_int_equal(update_record_keeps(&r, keeps), 0);
	update_record_add(&r, 1, UPDATE_WAS_BEFORE, A, "");
	update_record_add(&r, 2, UPDATE_WAS_UPDATED, B, "");
	update_record_add(&r, 3, UPDATE_WAS_ROLLED_BACK, C, "");
	update_record_add(&r, 4, UPDATE_WAS_KEPT, C, "");
	assert_int_equal(update_record_keeps(&r, keeps), 2);
	assert_string_equal(keeps[0], B);
	assert_string_equal(keeps[1], A);
	memcpy(r.pin, C, sizeof(C));
	memcpy(r.old, B, sizeof(B));
	assert_int_equal(update_record_keeps(&r, keeps), 4);
	assert_string_equal(keeps[0], C);
	assert_string_equal(keeps[1], B);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_largest_record_fits),
		cmocka_unit_test(a_line_break_in_a_reason_does_not_make_a_line),
		cmocka_unit_test(half_a_record_is_none),
		cmocka_unit_test(too_long_a_history_is_refused),
		cmocka_unit_test(what_may_be_needed_again_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
