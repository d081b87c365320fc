/* SPDX-License-Identifier: Apache-2.0 */
/* The record of what was enabled, disabled and masked. */
#include "unit_test.h"

#include <fcntl.h>

#include "../util/scratch.h"
#include "supervise/choices.h"
#include "util/file.h"
#include "util/str.h"

static struct choices choices, other;

static const char *file_of(const struct scratch *s)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/choices", s->path);
	return path;
}

static void make(const char *unit, enum choices_verb verb)
{
	struct err err;

	if (choices_make(&choices, unit, verb, &err) < 0)
		fail_msg("%s", err.msg);
}

static int reset(void **state)
{
	memset(&choices, 0, sizeof(choices));
	memset(&other, 0, sizeof(other));
	return scratch_setup(state);
}

static void test_a_file_that_is_not_there_is_no_choice(void **state)
{
	struct err err;

	choices.count = 7;
	assert_int_equal(choices_load(&choices, file_of(*state), &err), 0);
	assert_int_equal(choices.count, 0);
}

static void test_choices_come_back_as_they_were_made(void **state)
{
	struct err err;

	make("web.container", CHOICES_ENABLE);
	make("db.container", CHOICES_MASK);
	make("app.pod", CHOICES_DISABLE);
	make("app.pod", CHOICES_MASK);
	assert_int_equal(choices_save(&choices, file_of(*state), &err), 0);
	assert_int_equal(choices_load(&other, file_of(*state), &err), 0);
	assert_int_equal(other.count, 3);
	assert_true(choices_find(&other, "web.container")->is_enabled);
	assert_true(choices_find(&other, "db.container")->is_masked);
	assert_true(choices_find(&other, "app.pod")->is_disabled);
	assert_true(choices_find(&other, "app.pod")->is_masked);
	assert_null(choices_find(&other, "web"));
}

static void test_the_last_of_enable_and_disable_counts(void **state)
{
	(void)state;
	make("web.container", CHOICES_ENABLE);
	make("web.container", CHOICES_DISABLE);
	assert_false(choices_find(&choices, "web.container")->is_enabled);
	assert_true(choices_find(&choices, "web.container")->is_disabled);
}

static void test_what_is_masked_cannot_be_enabled(void **state)
{
	struct err err;

	(void)state;
	make("web.container", CHOICES_MASK);
	assert_int_equal(choices_make(&choices, "web.container", CHOICES_ENABLE, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_non_null(strstr(err.msg, "cleat unmask"));
	make("web.container", CHOICES_UNMASK);
	make("web.container", CHOICES_ENABLE);
	assert_true(choices_find(&choices, "web.container")->is_enabled);
}

static void test_unmasking_leaves_nothing_behind(void **state)
{
	(void)state;
	make("web.container", CHOICES_MASK);
	make("web.container", CHOICES_UNMASK);
	make("never.container", CHOICES_UNMASK);
	assert_int_equal(choices.count, 0);
}

static void test_no_more_than_the_bound_are_kept(void **state)
{
	struct err err;
	char name[32];

	for (unsigned i = 0; i < CHOICES_MAX; i++) {
		snprintf(name, sizeof(name), "u%u.container", i * 7919 % CHOICES_MAX);
		make(name, CHOICES_DISABLE);
	}
	assert_int_equal(choices.count, CHOICES_MAX);
	assert_int_equal(choices_make(&choices, "z.container", CHOICES_MASK, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(choices_save(&choices, file_of(*state), &err), 0);
	assert_int_equal(choices_load(&other, file_of(*state), &err), 0);
	assert_int_equal(other.count, CHOICES_MAX);
	for (unsigned i = 0; i < CHOICES_MAX; i++) {
		snprintf(name, sizeof(name), "u%u.container", i);
		assert_non_null(choices_find(&other, name));
	}
}

static void test_names_that_are_none_are_refused(void **state)
{
	static const char *const names[] = { "", "a/b.container", "a\nb.container" };
	char longest[200];
	struct err err;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(choices_make(&choices, names[i], CHOICES_MASK, &err), -1);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(choices_make(&choices, longest, CHOICES_MASK, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(choices.count, 0);
}

static void test_a_damaged_file_chooses_nothing_and_says_where(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "mask web.container\n", "not a record" },
		{ "#cleat choices 1\nmask web.container\nhide db.container\n", ":3: " },
		{ "#cleat choices 1\nmask\n", ":2: " },
		{ "#cleat choices 1\nenable a.container\ndisable a.container\n", ":3: " },
		{ "#cleat choices 1\nmask a/b\n", ":2: " },
		{ "#cleat choices 2\n", "not a record" },
		{ "", "not a record" },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scratch_write(*state, "choices", cases[i].text);
		assert_int_equal(choices_load(&choices, file_of(*state), &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_non_null(strstr(err.msg, cases[i].said));
		assert_int_equal(choices.count, 0);
	}
}

static void test_what_stands_behind_a_nul_is_not_passed_over(void **state)
{
	static const char text[] = "#cleat choices 1\nenable a.container\n\0mask b.container\n";
	struct err err;

	assert_int_equal(file_write_atomic(AT_FDCWD, file_of(*state), text, sizeof(text) - 1, 0600,
					   false, &err),
			 0);
	assert_int_equal(choices_load(&choices, file_of(*state), &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	assert_int_equal(choices.count, 0);
}

static void test_a_place_that_cannot_be_written_is_said(void **state)
{
	struct err err;

	(void)state;
	make("web.container", CHOICES_MASK);
	assert_int_equal(choices_save(&choices, "/nowhere/choices", &err), -1);
	assert_non_null(strstr(err.msg, "/nowhere/choices"));
}

#define in_scratch(fn) cmocka_unit_test_setup_teardown(fn, reset, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(test_a_file_that_is_not_there_is_no_choice),
		in_scratch(test_choices_come_back_as_they_were_made),
		in_scratch(test_the_last_of_enable_and_disable_counts),
		in_scratch(test_what_is_masked_cannot_be_enabled),
		in_scratch(test_unmasking_leaves_nothing_behind),
		in_scratch(test_no_more_than_the_bound_are_kept),
		in_scratch(test_names_that_are_none_are_refused),
		in_scratch(test_a_damaged_file_chooses_nothing_and_says_where),
		in_scratch(test_what_stands_behind_a_nul_is_not_passed_over),
		in_scratch(test_a_place_that_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
