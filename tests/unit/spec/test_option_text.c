/* SPDX-License-Identifier: Apache-2.0 */
/* What an option word is for, as "cleat explain" tells it. */
#include "unit_test.h"

#include "spec/options.h"
#include "util/str.h"

static void every_row_is_found_by_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		const struct option *row = &options_of_run.rows[i];
		char word[128];

		snprintf(word, sizeof(word), "--%s", row->name);
		assert_ptr_equal(spec_option_text(word), row->text);
		snprintf(word, sizeof(word), "--%s=value", row->name);
		assert_ptr_equal(spec_option_text(word), row->text);
		if (!row->letter)
			continue;
		snprintf(word, sizeof(word), "-%c", row->letter);
		assert_ptr_equal(spec_option_text(word), row->text);
	}
}

static void other_words_are_no_options(void **state)
{
	static const char *const words[] = { "",     "-",     "--",	   "memory", "--nope",
					     "--=x", "-\x01", "--memoryx", "1g" };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (spec_option_text(words[i]))
			fail_msg("'%s' is an option", words[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_words),
		cmocka_unit_test(other_words_are_no_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
