/* SPDX-License-Identifier: Apache-2.0 */
/* Printing for people: columns, colours, and that no byte that a terminal obeys gets through. */
#include "unit_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"

static void expect_clean(const char *text, const char *clean)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", text);
	cli_clean(copy);
	assert_string_equal(copy, clean);
}

static void nothing_that_a_terminal_obeys_is_left(void **state)
{
	(void)state;
	expect_clean("", "");
	expect_clean("plain text ~!", "plain text ~!");
	expect_clean("\033[31mred\033[0m", "?[31mred?[0m");
	expect_clean("\033]0;title\a", "?]0;title?");
	expect_clean("a\tb\r\nc\177", "a?b??c?");
	expect_clean("\302\23331m", "??31m");			  /* U+009B, CSI in UTF-8 */
	expect_clean("\302\200\302\237\302\240", "????\302\240"); /* C1 ends at U+009F */
	expect_clean("\23331m", "?31m"); /* CSI in eight bits is no UTF-8 */
	expect_clean("gr\303\274\303\237 \342\202\254 \360\237\230\200",
		     "gr\303\274\303\237 \342\202\254 \360\237\230\200");
	expect_clean("\303", "?");
	expect_clean("\355\240\200", "???"); /* half of a surrogate pair */
	expect_clean("\300\233", "??");	     /* ESC, overlong */
}

static void no_byte_string_gets_a_control_through(void **state)
{
	(void)state;
	for (unsigned a = 1; a < 256; a++) {
		for (unsigned b = 1; b < 256; b++) {
			unsigned char text[4] = { (unsigned char)a, (unsigned char)b, 'x', 0 };

			cli_clean((char *)text);
			for (int i = 0; i < 3; i++) {
				assert_true(text[i] >= ' ' && text[i] != 0x7f);
				assert_false(text[i] == 0xc2 && text[i + 1] >= 0x80 &&
					     text[i + 1] < 0xa0);
			}
		}
	}
}

static void render(struct cli_table *table, bool with_colours, char *out, size_t size)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	cli_table_print(table, file, with_colours);
	rewind(file);
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void add_rows(struct cli_table *table)
{
	cli_table_cell(table, CLI_PLAIN, "NAME");
	cli_table_cell(table, CLI_PLAIN, "STATE");
	cli_table_cell(table, CLI_PLAIN, "DETAIL");
	cli_table_cell(table, CLI_PLAIN, "gr\303\274n");
	cli_table_cell(table, CLI_GREEN, "up");
	cli_table_cell(table, CLI_PLAIN, "");
	cli_table_cell(table, CLI_PLAIN, "a-longer-name");
	cli_table_cell(table, CLI_RED, "failed");
	cli_table_cell(table, CLI_PLAIN, "evil \033[2J\302\233J");
}

static void columns_line_up(void **state)
{
	struct cli_table table = { .columns = 3 };
	char text[512];

	(void)state;
	add_rows(&table);
	render(&table, false, text, sizeof(text));
	assert_string_equal(text, "NAME           STATE   DETAIL\n"
				  "gr\303\274n           up      \n"
				  "a-longer-name  failed  evil ?[2J??J\n");
}

static void colours_do_not_move_columns(void **state)
{
	struct cli_table table = { .columns = 3 };
	char text[512];

	(void)state;
	add_rows(&table);
	render(&table, true, text, sizeof(text));
	assert_string_equal(text, "NAME           STATE   DETAIL\n"
				  "gr\303\274n           \033[32mup\033[0m      \n"
				  "a-longer-name  \033[31mfailed\033[0m  evil ?[2J??J\n");
}

static void an_empty_table_prints_nothing(void **state)
{
	struct cli_table table = { .columns = 3 };
	char text[16];

	(void)state;
	render(&table, false, text, sizeof(text));
	assert_string_equal(text, "");
}

static void colours_are_for_terminals_that_want_them(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	FILE *file = tmpfile(), *terminal;
	char name[64];

	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_false(cli_wants_colours(file));
	fclose(file);
	assert_int_equal(grantpt(master) | unlockpt(master) | ptsname_r(master, name, sizeof(name)),
			 0);
	terminal = fopen(name, "w");
	assert_non_null(terminal);
	assert_true(cli_wants_colours(terminal));
	setenv("NO_COLOR", "", 1); /* empty does not count: no-color.org */
	assert_true(cli_wants_colours(terminal));
	setenv("NO_COLOR", "1", 1);
	assert_false(cli_wants_colours(terminal));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_false(cli_wants_colours(terminal));
	unsetenv("TERM");
	assert_false(cli_wants_colours(terminal));
	fclose(terminal);
	close(master);
}

static void spans(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -10, "0 s" },	     { 0, "0 s" },    { 119, "119 s" },	  { 120, "2 min" },
		{ 7199, "119 min" }, { 7200, "2 h" }, { 172799, "47 h" }, { 172800, "2 d" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[24];

		cli_span(cases[i].seconds * 1000000, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_a_terminal_obeys_is_left),
		cmocka_unit_test(no_byte_string_gets_a_control_through),
		cmocka_unit_test(columns_line_up),
		cmocka_unit_test(colours_do_not_move_columns),
		cmocka_unit_test(an_empty_table_prints_nothing),
		cmocka_unit_test(colours_are_for_terminals_that_want_them),
		cmocka_unit_test(spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
