/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of the option table: its example does what its state says, its bad value is refused,
 * its text is there.
 */
#include "spec_test.h"

#include <ctype.h>

/* The examples may exclude each other with the words that are put around them. */
static void parse_row(struct fixture *f, const struct option *row, const char *value)
{
	const char *word = arena_printf(&f->arena, "--%s=%s", row->name, value);

	if (str_eq(row->name, "network"))
		PARSE(f, word, "localhost/app");
	else
		PARSE_OPTIONS(f, word);
}

static void every_row_has_its_texts(void **state)
{
	(void)state;
	assert_true(option_count > 150);
	for (size_t i = 0; i < option_count; i++) {
		const struct option *row = &option_table[i];

		assert_non_null(row->text);
		assert_true(strlen(row->text) > 3 || row->state == OPTION_ACTED);
		assert_non_null(row->example);
		assert_true((row->parse != NULL) == (row->state == OPTION_ACTED));
		if (row->letter)
			assert_true(isalpha((unsigned char)row->letter));
	}
}

static void rows_are_sorted_and_letters_are_unique(void **state)
{
	(void)state;
	for (size_t i = 1; i < option_count; i++)
		if (strcmp(option_table[i - 1].name, option_table[i].name) >= 0)
			fail_msg("%s is out of order", option_table[i].name);
	for (size_t i = 0; i < option_count; i++)
		for (size_t k = i + 1; k < option_count; k++)
			if (option_table[i].letter &&
			    option_table[i].letter == option_table[k].letter)
				fail_msg("-%c is used twice", option_table[i].letter);
}

static void examples_of_acted_rows_are_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct fixture f;

		if (option_table[i].state != OPTION_ACTED)
			continue;
		setup(&f);
		parse_row(&f, &option_table[i], option_table[i].example);
		if (f.result != 0)
			fprintf(stderr, "--%s=%s\n", option_table[i].name, option_table[i].example);
		assert_good(&f);
		teardown(&f);
	}
}

static void bad_values_of_acted_rows_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct fixture f;

		if (!option_table[i].bad)
			continue;
		assert_int_equal(option_table[i].state, OPTION_ACTED);
		setup(&f);
		parse_row(&f, &option_table[i], option_table[i].bad);
		if (f.result != -1)
			fprintf(stderr, "--%s=%s was accepted\n", option_table[i].name,
				option_table[i].bad);
		assert_int_equal(f.result, -1);
		assert_true(f.diags.error_count > 0);
		teardown(&f);
	}
}

static void noted_rows_leave_a_note_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct fixture f;

		if (option_table[i].state != OPTION_NOTED)
			continue;
		setup(&f);
		parse_row(&f, &option_table[i], option_table[i].example);
		assert_good(&f);
		assert_note(&f, option_table[i].text);
		assert_int_equal(f.diags.items[0].line, 11);
		teardown(&f);
	}
}

static void refused_rows_give_their_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct fixture f;

		if (option_table[i].state != OPTION_REFUSED)
			continue;
		setup(&f);
		parse_row(&f, &option_table[i], option_table[i].example);
		assert_error(&f, option_table[i].text);
		assert_error(&f, "refused: ");
		teardown(&f);
	}
}

static void switches_that_are_not_acted_on_may_be_off(void **state)
{
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < option_count; i++) {
		struct fixture f;

		if (option_table[i].arg != OPTION_BOOL || option_table[i].state == OPTION_ACTED)
			continue;
		seen++;
		setup(&f);
		parse_row(&f, &option_table[i], "false");
		assert_good(&f);
		assert_int_equal(f.diags.count, 0);
		teardown(&f);
	}
	assert_true(seen > 5);
}

static void old_spellings_lead_to_their_rows(void **state)
{
	(void)state;
	assert_ptr_equal(option_find("net", 3), option_find("network", 7));
	assert_ptr_equal(option_find("healthcheck-command", 19), option_find("health-cmd", 10));
	assert_null(option_find("netw", 4));
	assert_null(option_find_letter('\0'));
	assert_null(option_find_letter('Z'));
}

static void markdown_has_a_line_for_every_row(void **state)
{
	struct buf out = BUF_INIT(1024 * 1024);
	size_t lines = 0;

	(void)state;
	spec_options_markdown(&out);
	for (const char *p = out.data; (p = strstr(p, "\n| `--")); p++)
		lines++;
	assert_int_equal(lines, option_count);
	assert_non_null(
		strstr(out.data, "| `--volume`, `-v` | acted on | /SOURCE:/TARGET[:OPTIONS] |"));
	assert_non_null(strstr(out.data, "type=bind\\|tmpfs"));
	buf_fini(&out);
}

static void dictionary_quotes_its_words(void **state)
{
	struct buf out = BUF_INIT(1024 * 1024);

	(void)state;
	spec_options_dictionary(&out);
	assert_non_null(strstr(out.data, "\"--memory=\"\n\"256m\"\n\"12q\"\n"));
	assert_non_null(strstr(out.data, "\"[\\\"/bin/app\\\",\\\"-v\\\"]\"\n"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_its_texts),
		cmocka_unit_test(rows_are_sorted_and_letters_are_unique),
		cmocka_unit_test(examples_of_acted_rows_are_accepted),
		cmocka_unit_test(bad_values_of_acted_rows_are_refused),
		cmocka_unit_test(noted_rows_leave_a_note_and_nothing_else),
		cmocka_unit_test(refused_rows_give_their_reason),
		cmocka_unit_test(switches_that_are_not_acted_on_may_be_off),
		cmocka_unit_test(old_spellings_lead_to_their_rows),
		cmocka_unit_test(markdown_has_a_line_for_every_row),
		cmocka_unit_test(dictionary_quotes_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
