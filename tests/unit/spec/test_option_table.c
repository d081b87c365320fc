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

	if (str_eq(row->name, "network") || str_eq(row->name, "ip") || str_eq(row->name, "pod") ||
	    str_eq(row->name, "mac-address"))
		PARSE(f, word, "localhost/app");
	else
		PARSE_OPTIONS(f, word);
}

static void check_texts(const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option *row = &table->rows[i];

		assert_non_null(row->text);
		assert_true(strlen(row->text) > 3 || row->state == OPTION_ACTED);
		assert_non_null(row->example);
		assert_true((row->parse != NULL) == (row->state == OPTION_ACTED));
		if (row->letter)
			assert_true(isalpha((unsigned char)row->letter));
	}
}

static void every_row_has_its_texts(void **state)
{
	(void)state;
	assert_true(options_of_run.count > 150);
	assert_true(options_of_podman.count > 30);
	check_texts(&options_of_run);
	check_texts(&options_of_podman);
}

static void check_order(const struct option_table *table)
{
	const struct option *rows = table->rows;

	for (size_t i = 1; i < table->count; i++)
		if (strcmp(rows[i - 1].name, rows[i].name) >= 0)
			fail_msg("%s is out of order", rows[i].name);
	for (size_t i = 0; i < table->count; i++)
		for (size_t k = i + 1; k < table->count; k++)
			if (rows[i].letter && rows[i].letter == rows[k].letter)
				fail_msg("-%c is used twice", rows[i].letter);
}

static void rows_are_sorted_and_letters_are_unique(void **state)
{
	(void)state;
	check_order(&options_of_run);
	check_order(&options_of_podman);
}

static void examples_of_acted_rows_are_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		struct fixture f;

		if (options_of_run.rows[i].state != OPTION_ACTED)
			continue;
		setup(&f);
		parse_row(&f, &options_of_run.rows[i], options_of_run.rows[i].example);
		if (f.result != 0)
			fprintf(stderr, "--%s=%s\n", options_of_run.rows[i].name,
				options_of_run.rows[i].example);
		assert_good(&f);
		teardown(&f);
	}
}

static void bad_values_of_acted_rows_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		struct fixture f;

		if (!options_of_run.rows[i].bad)
			continue;
		assert_int_equal(options_of_run.rows[i].state, OPTION_ACTED);
		setup(&f);
		parse_row(&f, &options_of_run.rows[i], options_of_run.rows[i].bad);
		if (f.result != -1)
			fprintf(stderr, "--%s=%s was accepted\n", options_of_run.rows[i].name,
				options_of_run.rows[i].bad);
		assert_int_equal(f.result, -1);
		assert_true(f.diags.error_count > 0);
		teardown(&f);
	}
}

static void noted_rows_leave_a_note_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		struct fixture f;

		if (options_of_run.rows[i].state != OPTION_NOTED)
			continue;
		setup(&f);
		parse_row(&f, &options_of_run.rows[i], options_of_run.rows[i].example);
		assert_good(&f);
		assert_note(&f, options_of_run.rows[i].text);
		assert_int_equal(f.diags.items[0].line, 11);
		teardown(&f);
	}
}

static void refused_rows_give_their_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		struct fixture f;

		if (options_of_run.rows[i].state != OPTION_REFUSED)
			continue;
		setup(&f);
		parse_row(&f, &options_of_run.rows[i], options_of_run.rows[i].example);
		assert_error(&f, options_of_run.rows[i].text);
		assert_error(&f, "refused: ");
		teardown(&f);
	}
}

static void switches_that_are_not_acted_on_may_be_off(void **state)
{
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < options_of_run.count; i++) {
		struct fixture f;

		if (options_of_run.rows[i].arg != OPTION_BOOL ||
		    options_of_run.rows[i].state == OPTION_ACTED)
			continue;
		seen++;
		setup(&f);
		parse_row(&f, &options_of_run.rows[i], "false");
		assert_good(&f);
		assert_int_equal(f.diags.count, 0);
		teardown(&f);
	}
	assert_true(seen > 5);
}

static void old_spellings_lead_to_their_rows(void **state)
{
	(void)state;
	assert_ptr_equal(option_find(&options_of_run, "net", 3),
			 option_find(&options_of_run, "network", 7));
	assert_ptr_equal(option_find(&options_of_run, "healthcheck-command", 19),
			 option_find(&options_of_run, "health-cmd", 10));
	assert_null(option_find(&options_of_run, "netw", 4));
	assert_null(option_find_letter(&options_of_run, '\0'));
	assert_null(option_find_letter(&options_of_run, 'Z'));
}

/* One row of podman's own options, given as GlobalArgs= gives it. */
static int check_global(const char *word, struct diags *diags)
{
	static const struct origin origin = {
		.file = "web.container", .line = 3, .column = 12, .key = "Container.GlobalArgs"
	};
	auto_arena arena = { 0 };
	struct arg_list args = { 0 };

	arg_push(&arena, &args, word, &origin);
	return spec_check_global_args(&args, diags);
}

static void global_options_are_noted_or_refused(void **state)
{
	auto_arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < options_of_podman.count; i++) {
		const struct option *row = &options_of_podman.rows[i];
		struct diags diags = { 0 };
		const char *word = arena_printf(&arena, "--%s=%s", row->name, row->example);
		int result = check_global(word, &diags);

		assert_true(row->state != OPTION_ACTED);
		assert_int_equal(result, row->state == OPTION_NOTED ? 0 : -1);
		assert_int_equal(diags.count, 1);
		assert_int_equal(diags.items[0].line, 3);
		assert_int_equal(diags.items[0].severity,
				 row->state == OPTION_NOTED ? DIAG_NOTE : DIAG_ERROR);
		assert_non_null(strstr(diags.items[0].text, row->text));
		assert_non_null(strstr(diags.items[0].text, row->name));
		diags_fini(&diags);
	}
}

static void global_words_that_are_no_options_are_errors(void **state)
{
	static const struct {
		const char *word, *text;
	} cases[] = {
		{ "run", "\"run\" is no option" },
		{ "--log-levle=debug", "unknown option --log-levle: did you mean --log-level?" },
		{ "--memory=1g", "unknown option --memory" },
		{ "--log-level", "needs a value" },
		{ "--remote=maybe", "neither true nor false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct diags diags = { 0 };

		assert_int_equal(check_global(cases[i].word, &diags), -1);
		assert_non_null(strstr(diags.items[0].text, cases[i].text));
		diags_fini(&diags);
	}
}

static void markdown_has_a_line_for_every_row(void **state)
{
	struct buf out = BUF_INIT(1024 * 1024);
	size_t lines = 0;

	(void)state;
	spec_options_markdown(&out);
	for (const char *p = out.data; (p = strstr(p, "\n| `--")); p++)
		lines++;
	assert_int_equal(lines,
			 options_of_run.count + options_of_podman.count + options_of_pod.count);
	assert_non_null(
		strstr(out.data, "| `--volume`, `-v` | acted on | SOURCE:/TARGET[:OPTIONS], "));
	assert_non_null(strstr(out.data, "type=bind\\|volume\\|tmpfs"));
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
		cmocka_unit_test(global_options_are_noted_or_refused),
		cmocka_unit_test(global_words_that_are_no_options_are_errors),
		cmocka_unit_test(markdown_has_a_line_for_every_row),
		cmocka_unit_test(dictionary_quotes_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
