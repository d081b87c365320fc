/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command: options in any place and form, names left over, each mistake named. */
#include "unit_test.h"

#include "capture.h"
#include "cli/cli.h"

static bool follow, all;
static const char *tail, *since;
static char names[256];

static int run(int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "-f", "--follow", &follow, NULL },
		{ "-a", "--all", &all, NULL },
		{ "-n", "--tail", NULL, &tail },
		{ NULL, "--since", NULL, &since },
	};
	int count;

	follow = all = false;
	tail = since = NULL;
	names[0] = '\0';
	count = cli_options(argc, argv, options, 4);
	for (int i = 1; i <= count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s,", argv[i]);
	if (tail)
		printf("%s", tail);
	if (since)
		printf("|%s", since);
	return count;
}

static void options_stand_anywhere(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, run, WORDS("logs", "web", "-f", "db", "--all"));
	assert_int_equal(c.result, 2);
	assert_string_equal(names, "web,db,");
	assert_true(follow && all);
	assert_string_equal(c.err, "");
}

static void values_come_in_every_form(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, run, WORDS("logs", "--tail", "5", "--since=10m", "web"));
	assert_string_equal(c.out, "5|10m");
	capture(&c, run, WORDS("logs", "-n", "5", "web"));
	assert_string_equal(c.out, "5");
	capture(&c, run, WORDS("logs", "-n5", "web"));
	assert_string_equal(c.out, "5");
	capture(&c, run, WORDS("logs", "-fan5", "web"));
	assert_string_equal(c.out, "5");
	assert_true(follow && all);
	capture(&c, run, WORDS("logs", "--tail=", "web"));
	assert_int_equal(c.result, 1);
	capture(&c, run,
		WORDS("logs", "--tail", "-1", "web")); /* a value may look like an option */
	assert_string_equal(c.out, "-1");
}

static void two_dashes_end_the_options(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, run, WORDS("logs", "-f", "--", "-a", "--tail"));
	assert_int_equal(c.result, 2);
	assert_string_equal(names, "-a,--tail,");
	assert_true(follow && !all);
	capture(&c, run, WORDS("logs", "-"));
	assert_string_equal(names, "-,");
	capture(&c, run, WORDS("logs"));
	assert_int_equal(c.result, 0);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *const words[4];
		const char *message;
	} cases[] = {
		{ { "logs", "--foo" },
		  "cleat logs: unknown option --foo; see \"cleat help logs\"\n" },
		{ { "logs", "-x" }, "cleat logs: unknown option -x; see \"cleat help logs\"\n" },
		{ { "logs", "-fx" }, "cleat logs: unknown option -fx; see \"cleat help logs\"\n" },
		{ { "logs", "web", "--tail" },
		  "cleat logs: a value is missing: --tail; see \"cleat help logs\"\n" },
		{ { "logs", "-n" },
		  "cleat logs: a value is missing: -n; see \"cleat help logs\"\n" },
		{ { "logs", "--follow=1" },
		  "cleat logs: no value is expected: --follow=1; see \"cleat help logs\"\n" },
		{ { "logs", "--foll" },
		  "cleat logs: unknown option --foll; see \"cleat help logs\"\n" },
		{ { "logs", "--tailor", "5" },
		  "cleat logs: unknown option --tailor; see \"cleat help logs\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct captured c;

		capture(&c, run, cases[i].words);
		assert_int_equal(c.result, -1);
		assert_string_equal(c.err, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(values_come_in_every_form),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
