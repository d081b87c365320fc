/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of a container. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

#include "shim/tail.h"

static struct shim_tail tail;

static void add(unsigned stream, const char *text)
{
	shim_tail_add(&tail, stream, text, strlen(text));
}

static void expect(const char *text)
{
	char out[1024];

	shim_tail_text(&tail, out, sizeof(out));
	assert_string_equal(out, text);
}

static int reset(void **state)
{
	(void)state;
	memset(&tail, 0, sizeof(tail));
	return 0;
}

static void nothing_said_is_nothing(void **state)
{
	(void)state;
	expect("");
	add(0, "");
	add(0, "\n\n");
	expect("");
}

static void the_last_five_lines_stay(void **state)
{
	char line[32];

	(void)state;
	add(0, "one\ntwo");
	expect("one\ntwo");
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		add(0, line);
	}
	expect("line 495\nline 496\nline 497\nline 498\nline 499");
}

static void a_change_of_the_stream_begins_a_line(void **state)
{
	(void)state;
	add(0, "half");
	add(1, "error\n");
	add(0, "more");
	expect("half\nerror\nmore");
}

static void what_a_terminal_would_obey_is_shown_as_question_marks(void **state)
{
	(void)state;
	add(0, "\033[31mred\033[0m\ta\r\n\xff\xc2\x9b gr\xc3\xbcn\x7f");
	expect("?[31mred?[0m a?\n?? gr\xc3\xbcn?");
}

static void a_long_line_is_cut_at_its_beginning_and_between_characters(void **state)
{
	char long_line[3000], out[1024];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(long_line); i += 2)
		memcpy(long_line + i, "\xc3\xbc", 2);
	shim_tail_add(&tail, 0, long_line, sizeof(long_line));
	shim_tail_text(&tail, out, sizeof(out));
	assert_memory_equal(out, "...\xc3\xbc", 5);
	assert_null(strchr(out, '?'));
	assert_true(strlen(out) > 900);
}

static void text_is_cut_to_the_room_there_is(void **state)
{
	char out[16];

	(void)state;
	add(0, "abcdefghijklmnopqrstuvwxyz");
	shim_tail_text(&tail, out, sizeof(out));
	assert_string_equal(out, "...pqrstuvwxyz");
}

static void whatever_the_pieces_the_end_is_the_same(void **state)
{
	struct shim_tail whole = { 0 };
	char text[5000], a[1024], b[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 26);
	shim_tail_add(&whole, 0, text, sizeof(text));
	for (size_t at = 0, n = 1; at < sizeof(text); at += n, n = n % 97 + 1)
		shim_tail_add(&tail, 0, text + at, n < sizeof(text) - at ? n : sizeof(text) - at);
	shim_tail_text(&whole, a, sizeof(a));
	shim_tail_text(&tail, b, sizeof(b));
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_said_is_nothing, reset),
		cmocka_unit_test_setup(the_last_five_lines_stay, reset),
		cmocka_unit_test_setup(a_change_of_the_stream_begins_a_line, reset),
		cmocka_unit_test_setup(what_a_terminal_would_obey_is_shown_as_question_marks,
				       reset),
		cmocka_unit_test_setup(a_long_line_is_cut_at_its_beginning_and_between_characters,
				       reset),
		cmocka_unit_test_setup(text_is_cut_to_the_room_there_is, reset),
		cmocka_unit_test_setup(whatever_the_pieces_the_end_is_the_same, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
