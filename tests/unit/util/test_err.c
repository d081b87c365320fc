/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values: texts, codes, truncation, and that errno survives. */
#include "unit_test.h"

#include <errno.h>
#include <limits.h>

#include "util/err.h"
#include "util/str.h"

static void set_keeps_code_and_text(void **state)
{
	struct err err = { .sys_errno = 5 };

	(void)state;
	assert_int_equal(err_set(&err, ERR_INPUT, "line %d: %s", 7, "no"), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(err.sys_errno, 0);
	assert_false(err.cut);
	assert_string_equal(err.msg, "line 7: no");
}

static void set_is_never_empty(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_BUG, "%s", "");
	assert_string_equal(err.msg, "no reason given");
}

static void control_bytes_become_question_marks(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_INPUT, "a\nb\tc\x1b[31m\x7f\xc3\xa4");
	assert_string_equal(err.msg, "a?b?c?[31m?\xc3\xa4");
	err_wrap(&err, "x\ry");
	assert_string_equal(err.msg, "x?y: a?b?c?[31m?\xc3\xa4");
}

static void sys_takes_errno_and_maps_not_found(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = EACCES;
	assert_int_equal(err_sys(&err, "%s: open", "/data"), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(err.sys_errno, EACCES);
	assert_string_equal(err.msg, "/data: open: Permission denied");
	errno = ENOENT;
	err_sys(&err, "open");
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(err.sys_errno, ENOENT);
}

static void errno_by_number(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = EIO;
	assert_int_equal(err_errno(&err, EBUSY, "mount"), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(err.sys_errno, EBUSY);
	assert_string_equal(err.msg, "mount: Device or resource busy");
	assert_int_equal(errno, EIO);
}

static void wrap_prefixes_and_keeps_the_code(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_errno(&err, ENOENT, "openat2");
	assert_int_equal(err_wrap(&err, "mounts: %s", "/data"), -1);
	assert_int_equal(err_wrap(&err, "container web"), -1);
	assert_string_equal(err.msg,
			    "container web: mounts: /data: openat2: No such file or directory");
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(err.sys_errno, ENOENT);
}

static void wrap_of_nothing_is_our_bug(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_wrap(&err, "unit");
	assert_int_equal(err.code, ERR_BUG);
	assert_string_equal(err.msg, "unit: no reason given");
}

static void arguments_may_point_into_the_error(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_INPUT, "cause");
	err_set(&err, ERR_LIMIT, "new and %s", err.msg);
	assert_string_equal(err.msg, "new and cause");
	err_wrap(&err, "%s", err.msg);
	assert_string_equal(err.msg, "new and cause: new and cause");
}

static void long_text_is_cut_and_says_so(void **state)
{
	char longer[2 * sizeof(((struct err *)0)->msg)];
	struct err err = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, ERR_INPUT, "%s", longer);
	assert_true(err.cut);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_set(&err, ERR_INPUT, "short");
	assert_false(err.cut);
	err_wrap(&err, "%s", longer);
	assert_true(err.cut);
	err_errno(&err, EIO, "%s", longer);
	assert_true(err.cut);
	assert_int_equal(err.sys_errno, EIO);
	/* cut stays when a cut text is wrapped */
	err_wrap(&err, "a");
	assert_true(err.cut);
	assert_memory_equal(err.msg, "a: xxx", 6);
}

static void exactly_fitting_text_is_not_cut(void **state)
{
	char exact[sizeof(((struct err *)0)->msg)];
	struct err err = { 0 };

	(void)state;
	memset(exact, 'x', sizeof(exact) - 1);
	exact[sizeof(exact) - 1] = '\0';
	err_set(&err, ERR_INPUT, "%s", exact);
	assert_false(err.cut);
	assert_string_equal(err.msg, exact);
}

static bool is_utf8(const char *s)
{
	size_t left = strlen(s);

	while (left > 0) {
		size_t n = str_utf8_len(s, left);

		if (n == 0)
			return false;
		s += n;
		left -= n;
	}
	return true;
}

static void cutting_keeps_utf8_whole(void **state)
{
	static const char *const letters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x8b" };

	(void)state;
	for (size_t l = 0; l < 3; l++) {
		for (size_t shift = 0; shift < 4; shift++) {
			char text[1024] = "";
			struct err err = { 0 };

			memset(text, '.', shift);
			for (size_t n = shift; n + 4 < sizeof(text); n += strlen(letters[l]))
				strncat(text, letters[l], sizeof(text) - n - 1);
			err_set(&err, ERR_INPUT, "%s", text);
			assert_true(err.cut);
			assert_true(strlen(err.msg) > sizeof(err.msg) - 5);
			assert_true(is_utf8(err.msg));
		}
	}
}

static void null_error_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_BUG, "x"), -1);
	assert_int_equal(err_sys(NULL, "x"), -1);
	assert_int_equal(err_errno(NULL, EIO, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
}

static void errno_survives(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = EXDEV;
	err_set(&err, ERR_INPUT, "a");
	err_sys(&err, "b");
	err_wrap(&err, "c");
	assert_int_equal(errno, EXDEV);
}

static void every_code_has_its_own_name(void **state)
{
	const char *names[ERR_BUG + 1];

	(void)state;
	for (int code = ERR_NONE; code <= ERR_BUG; code++) {
		names[code] = err_code_name((enum err_code)code);
		assert_string_not_equal(names[code], "unknown");
		for (int other = 0; other < code; other++)
			assert_string_not_equal(names[code], names[other]);
	}
	assert_string_equal(err_code_name(ERR_INPUT), "input");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_keeps_code_and_text),
		cmocka_unit_test(set_is_never_empty),
		cmocka_unit_test(control_bytes_become_question_marks),
		cmocka_unit_test(sys_takes_errno_and_maps_not_found),
		cmocka_unit_test(errno_by_number),
		cmocka_unit_test(wrap_prefixes_and_keeps_the_code),
		cmocka_unit_test(wrap_of_nothing_is_our_bug),
		cmocka_unit_test(arguments_may_point_into_the_error),
		cmocka_unit_test(long_text_is_cut_and_says_so),
		cmocka_unit_test(exactly_fitting_text_is_not_cut),
		cmocka_unit_test(cutting_keeps_utf8_whole),
		cmocka_unit_test(null_error_is_allowed),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(every_code_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
