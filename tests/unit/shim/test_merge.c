/* SPDX-License-Identifier: Apache-2.0 */
/* Our lines in a file that a container writes to. */
#include "unit_test.h"

#include "shim/merge.h"

static void assert_merged(const char *now, const char *before, const char *next, bool is_whole,
			  const char *wanted)
{
	struct buf a = BUF_INIT(4096), b = BUF_INIT(4096), c = BUF_INIT(4096), out = BUF_INIT(8192);

	buf_puts(&a, now);
	buf_puts(&b, before);
	buf_puts(&c, next);
	if (shim_merge(&a, &b, &c, is_whole, &out) != (wanted != NULL))
		fail_msg("\"%s\" %s", now, wanted ? "is left alone" : "is changed");
	if (wanted)
		assert_string_equal(buf_str(&out), wanted);
	buf_fini(&a);
	buf_fini(&b);
	buf_fini(&c);
	buf_fini(&out);
}

static void what_was_given_is_replaced(void **state)
{
	(void)state;
	assert_merged("a\nb\n", "a\nb\n", "c\n", false, "c\n");
	assert_merged("x\na\nb\ny", "a\nb\n", "c\n", false, "x\nc\ny");
	assert_merged("a\n", "a\n", "", false, "");
	assert_merged("", "", "a\n", false, "a\n");
	assert_merged("x\n", "", "a\n", false, "a\nx\n");
	/* the first of two: it is as good as the other */
	assert_merged("a\na\n", "a\n", "b\n", false, "b\na\n");
}

static void what_is_somebody_elses_is_left_alone(void **state)
{
	(void)state;
	assert_merged("a\n", "a\nb\n", "c\n", false, NULL);
	assert_merged("", "a\n", "c\n", false, NULL);
	assert_merged("a\nx\nb\n", "a\nb\n", "c\n", false, NULL);
	/* parts of lines */
	assert_merged("xa\n", "a\n", "c\n", false, NULL);
	assert_merged("xa\na\n", "a\n", "c\n", false, "xa\nc\n");
	assert_merged("ab\n", "a", "c\n", false, NULL);
}

static void a_whole_is_a_whole(void **state)
{
	(void)state;
	assert_merged("a\n", "a\n", "c\n", true, "c\n");
	assert_merged("", "", "c\n", true, "c\n");
	assert_merged("x\n", "", "c\n", true, NULL);
	assert_merged("a\nx\n", "a\n", "c\n", true, NULL);
	assert_merged("b\n", "a\n", "c\n", true, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_given_is_replaced),
		cmocka_unit_test(what_is_somebody_elses_is_left_alone),
		cmocka_unit_test(a_whole_is_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
