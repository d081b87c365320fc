/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics: the GNU format, counting, and what hostile text may not do to a line. */
#include "unit_test.h"

#include "util/diag.h"

static void check_format(const struct diag *diag, const char *expected)
{
	auto_buf b = BUF_INIT(4096);

	diag_format(diag, &b);
	assert_string_equal(buf_str(&b), expected);
}

static void formats_like_a_compiler(void **state)
{
	struct diags d = { 0 };

	(void)state;
	diag_add(&d, DIAG_ERROR, "web.container", 7, 13, "Container.PublishPort",
		 "port %d is above 65535", 70000);
	diag_add(&d, DIAG_WARNING, "web.container", 7, 0, "", "odd");
	diag_add(&d, DIAG_NOTE, "web.container", 0, 5, "Container.Label", "noted");
	diag_add(&d, DIAG_NOTE, "", 3, 4, NULL, "no file");
	diag_add(&d, DIAG_NOTE, NULL, 0, 0, "Key", "no file either");
	check_format(&d.items[0],
		     "web.container:7:13: error: Container.PublishPort: port 70000 is above 65535");
	check_format(&d.items[1], "web.container:7: warning: odd");
	check_format(&d.items[2], "web.container: note: Container.Label: noted");
	check_format(&d.items[3], "note: no file");
	check_format(&d.items[4], "note: Key: no file either");
	diags_fini(&d);
}

static void counts_errors_only(void **state)
{
	struct diags d = { 0 };

	(void)state;
	diag_add(&d, DIAG_NOTE, "f", 1, 1, "", "a");
	diag_add(&d, DIAG_WARNING, "f", 1, 1, "", "b");
	assert_int_equal(d.error_count, 0);
	diag_add(&d, DIAG_ERROR, "f", 1, 1, "", "c");
	assert_int_equal(d.error_count, 1);
	assert_int_equal(d.count, 3);
	diags_fini(&d);
	assert_int_equal(d.count, 0);
	assert_int_equal(d.error_count, 0);
	diag_add(&d, DIAG_ERROR, "f", 1, 1, "", "again");
	assert_int_equal(d.count, 1);
	diags_fini(&d);
}

static void beyond_the_bound_is_counted_not_kept(void **state)
{
	struct diags d = { 0 };

	(void)state;
	for (unsigned i = 0; i < DIAG_MAX + 25; i++)
		diag_add(&d, DIAG_ERROR, "f", i + 1, 0, "", "e");
	assert_int_equal(d.count, DIAG_MAX);
	assert_int_equal(d.dropped, 25);
	assert_int_equal(d.error_count, DIAG_MAX + 25);
	assert_int_equal(d.items[DIAG_MAX - 1].line, DIAG_MAX);
	diags_fini(&d);
}

static void a_thousand_notes_hide_no_error(void **state)
{
	struct diags d = { 0 };

	(void)state;
	for (unsigned i = 0; i < DIAG_MAX + 3; i++)
		diag_add(&d, DIAG_NOTE, "f", i + 1, 0, "", "n");
	diag_add(&d, DIAG_ERROR, "f", 1, 0, "", "e");
	assert_int_equal(d.count, DIAG_MAX + 1);
	assert_int_equal(d.items[DIAG_MAX].severity, DIAG_ERROR);
	assert_int_equal(d.severity_count[DIAG_NOTE], DIAG_MAX + 3);
	assert_int_equal(d.severity_count[DIAG_WARNING], 0);
	assert_int_equal(d.severity_count[DIAG_ERROR], 1);
	assert_int_equal(d.dropped, 3);
	diags_fini(&d);
}

static void advice_names_its_rule(void **state)
{
	const struct diag place = {
		.severity = DIAG_WARNING, .file = "f", .line = 2, .key = "Container.User"
	};
	struct diags d = { 0 };

	(void)state;
	diag_add_advice(&d, &place, "root-user", "runs as %s", "root");
	check_format(&d.items[0], "f:2: warning: Container.User: runs as root [root-user]");
	assert_string_equal(d.items[0].rule, "root-user");
	diags_fini(&d);
}

static void hostile_text_stays_one_line(void **state)
{
	struct diags d = { 0 };

	(void)state;
	diag_add(&d, DIAG_ERROR, "a\nb", 1, 0, "k\x1b[2J", "x\r\ny\x7f %s", "\xc3\xa4\n");
	check_format(&d.items[0], "a?b:1: error: k?[2J: x??y? \xc3\xa4?");
	diags_fini(&d);
}

static void strings_are_copied(void **state)
{
	struct diags d = { 0 };
	char file[] = "file", key[] = "key";

	(void)state;
	diag_add(&d, DIAG_NOTE, file, 1, 0, key, "t");
	file[0] = 'X';
	key[0] = 'X';
	check_format(&d.items[0], "file:1: note: key: t");
	diags_fini(&d);
}

static void moving_is_as_if_each_had_been_added(void **state)
{
	struct diags d = { 0 }, from = { 0 };
	const struct diag place = { .severity = DIAG_NOTE, .file = "g", .line = 2, .key = "K" };

	(void)state;
	diag_add(&d, DIAG_WARNING, "f", 1, 0, "", "first");
	diag_add_advice(&from, &place, "rule", "%s", "100%s");
	for (unsigned i = 0; i < DIAG_MAX + 7; i++)
		diag_add(&from, DIAG_ERROR, "g", i + 1, 0, "", "e");
	diags_move(&d, &from);
	assert_int_equal(from.count, 0);
	assert_int_equal(from.error_count, 0);
	check_format(&d.items[1], "g:2: note: K: 100%s [rule]");
	assert_int_equal(d.count, DIAG_MAX + 2);
	assert_int_equal(d.error_count, DIAG_MAX + 7);
	assert_int_equal(d.severity_count[DIAG_ERROR], DIAG_MAX + 7);
	assert_int_equal(d.severity_count[DIAG_NOTE], 1);
	assert_int_equal(d.dropped, 7);
	/* There is no room for more errors. */
	diag_add(&from, DIAG_ERROR, "h", 1, 0, "", "late");
	diags_move(&d, &from);
	assert_int_equal(d.count, DIAG_MAX + 2);
	assert_int_equal(d.error_count, DIAG_MAX + 8);
	assert_int_equal(d.dropped, 8);
	diags_fini(&d);
}

static void memory_may_be_lent(void **state)
{
	struct arena lender = { 0 };
	struct diags d[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		d[i].lender = &lender;
		diag_add(&d[i], DIAG_ERROR, "file", (unsigned)i, 0, "key", "%zu", i);
	}
	for (size_t i = 0; i < 3; i++)
		diags_fini(&d[i]);
	/* The lender's until its end. */
	assert_null(d[2].items);
	assert_true(lender.total_bytes > 3 * sizeof(struct diag));
	d[0].lender = &lender;
	diag_add(&d[0], DIAG_ERROR, "f", 1, 0, "k", "t");
	check_format(&d[0].items[0], "f:1: error: k: t");
	assert_int_equal(d[0].arena.total_bytes, 0);
	arena_fini(&lender);
}

static void severity_names(void **state)
{
	(void)state;
	assert_string_equal(diag_severity_name(DIAG_NOTE), "note");
	assert_string_equal(diag_severity_name(DIAG_WARNING), "warning");
	assert_string_equal(diag_severity_name(DIAG_ERROR), "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_like_a_compiler),
		cmocka_unit_test(counts_errors_only),
		cmocka_unit_test(beyond_the_bound_is_counted_not_kept),
		cmocka_unit_test(a_thousand_notes_hide_no_error),
		cmocka_unit_test(advice_names_its_rule),
		cmocka_unit_test(hostile_text_stays_one_line),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(moving_is_as_if_each_had_been_added),
		cmocka_unit_test(memory_may_be_lent),
		cmocka_unit_test(severity_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
