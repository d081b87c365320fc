/* SPDX-License-Identifier: Apache-2.0 */
/* Words: splitting by quotes and escapes, and writing back. */
#include "unit_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#include "unit/words_internal.h"

/* Splits text; expected holds the words with | between. */
static void assert_words(enum words_mode mode, const char *text, const char *expected)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, text, mode);
	char got[512] = "";
	size_t len = 0;

	if (words.problem)
		fail_msg("%s: %s", text, words.problem);
	for (size_t i = 0; i < words.count; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i ? "|" : "",
					words.items[i].text);
	assert_string_equal(got, expected);
	arena_fini(&arena);
}

static void assert_problem(enum words_mode mode, const char *text, size_t offset,
			   const char *problem)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, text, mode);

	assert_int_equal(words.count, 0);
	assert_non_null(words.problem);
	assert_string_equal(words.problem, problem);
	assert_int_equal(words.problem_offset, offset);
	arena_fini(&arena);
}

static void blanks_part_words(void **state)
{
	(void)state;
	assert_words(WORDS_ESCAPES, "", "");
	assert_words(WORDS_ESCAPES, " \t\r\n", "");
	assert_words(WORDS_ESCAPES, " a\tb\r\nc ", "a|b|c");
	assert_words(WORDS_ESCAPES, "a\vb", "a\vb");
}

static void quotes_hold_words_together_anywhere(void **state)
{
	(void)state;
	assert_words(WORDS_ESCAPES, "a\"b c\"d", "ab cd");
	assert_words(WORDS_ESCAPES, "'a \"b' \"c 'd\"", "a \"b|c 'd");
	assert_words(WORDS_PLAIN, "\"a b\" c", "a b|c");
}

static void empty_quoted_words_are_words(void **state)
{
	(void)state;
	assert_words(WORDS_ESCAPES, "a \"\" b ''", "a||b|");
}

static void open_quotes_run_to_the_end_or_are_refused(void **state)
{
	(void)state;
	assert_words(WORDS_ESCAPES, "a 'b c", "a|b c");
	assert_problem(WORDS_PLAIN, "a 'b c", 2, "the quote is not closed");
}

static void c_escapes_are_applied(void **state)
{
	(void)state;
	assert_words(WORDS_ESCAPES, "\\a\\b\\f\\n\\r\\t\\v", "\a\b\f\n\r\t\v");
	assert_words(WORDS_ESCAPES, "\\\\ \\\" \\' a\\sb", "\\|\"|'|a b");
	assert_words(WORDS_ESCAPES, "\\x41\\101\\u00e9\\U0001F600", "AA\xc3\xa9\xf0\x9f\x98\x80");
	assert_words(WORDS_ESCAPES, "\\xe9", "\xc3\xa9"); /* the code point, not the byte */
	assert_words(WORDS_ESCAPES, "\"\\x20\" '\\x20'", " | ");
	assert_words(WORDS_ESCAPES, "\\377", "\xc3\xbf");
	assert_words(WORDS_ESCAPES, "a\\", "a");
}

static void unknown_escapes_are_problems_with_their_place(void **state)
{
	static const char *const bad[] = { "\\q",	  "\\x4",    "\\x00",	    "\\000",
					   "\\400",	  "\\18",    "\\u12",	    "\\u0000",
					   "\\U00110000", "\\ud800", "\\U0000dfff", "\\xg0",
					   "\\ " };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "ab %s c", bad[i]);
		assert_problem(WORDS_ESCAPES, text, 3, "unsupported escape char");
	}
}

static void backslashes_are_letters_in_plain_words(void **state)
{
	(void)state;
	assert_words(WORDS_PLAIN, "a\\n \\q \\", "a\\n|\\q|\\");
	assert_words(WORDS_PLAIN, "\"a\\\" b", "a\\|b");
}

static void variables_lose_quotes_and_single_backslashes(void **state)
{
	(void)state;
	assert_words(WORDS_VARIABLE, "a\\ b \"c d\" 'e \\' f'", "a b|c d|e ' f");
	assert_words(WORDS_VARIABLE, "\\n \\\\ a\\", "n|\\|a");
	assert_words(WORDS_VARIABLE, "a 'b c", "a|b c");
}

static void offsets_are_those_of_the_source(void **state)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, " \\x41 'b c' d", WORDS_ESCAPES);

	(void)state;
	assert_int_equal(words.count, 3);
	assert_int_equal(words.items[0].offset, 1);
	assert_int_equal(words.items[1].offset, 6);
	assert_int_equal(words.items[2].offset, 12);
	arena_fini(&arena);
}

static void semicolons_part_commands_when_they_stand_alone(void **state)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, "a ; b; ;c ';' \\; ;", WORDS_COMMAND);

	(void)state;
	assert_null(words.problem);
	assert_int_equal(words.count, 7);
	for (size_t i = 0; i < words.count; i++)
		assert_int_equal(words.items[i].is_separator, i == 1 || i == 6);
	assert_string_equal(words.items[3].text, ";c");
	assert_string_equal(words.items[4].text, ";");
	assert_string_equal(words.items[5].text, ";");
	assert_int_equal(words.items[6].offset, 17);
	words = words_split(&arena, "a 'b \\x41", WORDS_COMMAND);
	assert_string_equal(words.problem, "the quote is not closed");
	assert_int_equal(words.problem_offset, 2);
	assert_string_equal(words_split(&arena, "'\\x41 b'", WORDS_COMMAND).items[0].text, "A b");
	assert_false(words_split(&arena, "a ; b", WORDS_ESCAPES).items[1].is_separator);
	arena_fini(&arena);
}

static void assert_escaped(const char *word, const char *expected)
{
	struct buf out = BUF_INIT(256);

	words_escape(&out, word);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void words_are_written_as_podman_writes_them(void **state)
{
	(void)state;
	assert_escaped("plain-word=%h$x", "plain-word=%h$x");
	assert_escaped("", "");
	assert_escaped("a b", "\"a\\x20b\"");
	assert_escaped("it's", "\"it's\"");
	assert_escaped("\"\\", "\"\\\"\\\\\"");
	assert_escaped("\a\b\n\r\t\v\f\x01\x7f", "\"\\a\\b\\n\\r\\t\\v\\f\\x01\\x7f\"");
	assert_escaped("\xc3\xa9", "\xc3\xa9");
}

static void what_is_written_is_read_back(void **state)
{
	char word[256];
	struct arena arena = { 0 };
	struct buf out = BUF_INIT(2048);

	(void)state;
	for (int i = 1; i < 128; i++)
		word[i - 1] = (char)i;
	word[127] = '\0';
	words_escape(&out, word);

	struct words words = words_split(&arena, buf_str(&out), WORDS_ESCAPES);

	assert_null(words.problem);
	assert_int_equal(words.count, 1);
	assert_string_equal(words.items[0].text, word);
	buf_fini(&out);
	arena_fini(&arena);
}

static void what_needs_quotes_is_known(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		const char word[] = { 'a', (char)c, '\0' };
		auto_buf out = BUF_INIT(64);

		words_escape(&out, word);
		assert_int_equal(words_is_plain(word), strcmp(buf_str(&out), word) == 0);
	}
	assert_true(words_is_plain(""));
}

/* The only letter that is not plain, at each place of words of each length: none is passed over, and none is taken for one. */
static void one_letter_anywhere_needs_quotes(void **state)
{
	static const char odd[] = " \t\"'\\\x7f\x01";
	char word[41];

	(void)state;
	for (size_t len = 0; len < sizeof(word); len++)
		for (size_t at = 0; at <= len; at++)
			for (size_t k = 0; k < sizeof(odd) - 1; k++) {
				const struct arg arg = { word, NULL };
				const struct arg_list words = { (struct arg *)(uintptr_t)&arg, 1 };
				auto_buf out = BUF_INIT(1024);

				memset(word, '\xff', len);
				word[len / 2] = '!';
				word[len] = '\0';
				if (at < len)
					word[at] = odd[k];
				words_append(&out, &words);
				if (at < len) {
					assert_memory_equal(buf_str(&out), " \"", 2);
					assert_int_equal(buf_str(&out)[out.len - 1], '"');
				} else {
					assert_int_equal(out.len, len + 1);
					assert_string_equal(buf_str(&out) + 1, word);
				}
			}
}

/* Nothing is mapped behind the words, and what stands before them is odd. */
static void words_may_end_where_memory_ends(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *edge =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(edge, MAP_FAILED);
	edge += page;
	assert_int_equal(mprotect(edge, page, PROT_NONE), 0);
	for (size_t len = 0; len < 40; len++)
		for (size_t gap = 0; gap < 20; gap++) {
			char *word = edge - gap - len - 1;
			struct arg arg = { word, NULL };
			const struct arg_list words = { &arg, 1 };
			auto_buf out = BUF_INIT(1024);

			memset(edge - 64, '\\', 64);
			memset(word, 'a', len);
			word[len] = '\0';
			words_append(&out, &words);
			assert_int_equal(out.len, len + 1);
			assert_string_equal(buf_str(&out) + 1, word);
		}
	assert_int_equal(munmap(edge - page, 2 * page), 0);
}

/* Those that are written at once, and between them those that are not. */
static void long_and_short_words_follow_each_other(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	for (unsigned mask = 0; mask < 64; mask++) {
		auto_buf out = BUF_INIT(1024), expected = BUF_INIT(1024);
		char texts[6][40];
		struct arg items[6];
		const struct arg_list words = { items, 6 };

		for (unsigned i = 0; i < 6; i++) {
			size_t len = mask & 1u << i ? 20 + i : i;

			memcpy(texts[i], letters + i, len);
			texts[i][len] = '\0';
			items[i] = (struct arg){ texts[i], NULL };
			buf_printf(&expected, " %s", texts[i]);
		}
		words_append(&out, &words);
		assert_string_equal(buf_str(&out), buf_str(&expected));
		assert_int_equal(out.len, expected.len);
	}
}

static void signs_are_found_anywhere(void **state)
{
	char word[42];

	(void)state;
	for (size_t len = 0; len < sizeof(word); len++) {
		memset(word, '\xff', len);
		memset(word, '#', len / 3);
		memset(word + len / 3, '&', len / 3);
		word[len] = '%'; /* not a part of it any more */
		assert_false(words_has_sign(word, len));
		for (size_t at = 0; at < len; at++) {
			char c = word[at];

			word[at] = '%';
			assert_true(words_has_sign(word, len));
			word[at] = '$';
			assert_true(words_has_sign(word, len));
			word[at] = c;
		}
	}
}

static void a_command_is_each_word_behind_a_blank(void **state)
{
	struct arg items[] = { { "run", NULL }, { "a b", NULL }, { "", NULL }, { "\x01", NULL } };
	const struct arg_list words = { items, 4 }, none = { NULL, 0 };
	auto_buf out = BUF_INIT(256), small = BUF_INIT(8);

	(void)state;
	buf_puts(&out, "podman");
	words_append(&out, &none);
	words_append(&out, &words);
	assert_string_equal(buf_str(&out), "podman run \"a\\x20b\"  \"\\x01\"");
	words_append(&small, &words);
	assert_true(small.failed);
	assert_string_equal(buf_str(&small), "");
}

/* A word each of whose letters becomes four uses up all that it asked for. */
static void short_words_behind_a_long_one_have_room(void **state)
{
	enum { LONG = 300, SHORT = 100 };
	auto_arena arena = { 0 };
	auto_buf out = BUF_INIT(64 * 1024);
	struct arg_list words = { 0 };
	char odd[LONG + 1];

	(void)state;
	memset(odd, 1, LONG);
	odd[LONG] = '\0';
	arg_push(&arena, &words, odd, NULL);
	for (size_t i = 0; i < SHORT; i++)
		arg_push(&arena, &words, "fifteen-letters", NULL);
	words_append(&out, &words);
	assert_int_equal(out.len, 1 + 2 + 4 * LONG + SHORT * 16);
	assert_memory_equal(out.data + 3 + 4 * LONG, " fifteen-letters fift", 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_part_words),
		cmocka_unit_test(quotes_hold_words_together_anywhere),
		cmocka_unit_test(empty_quoted_words_are_words),
		cmocka_unit_test(open_quotes_run_to_the_end_or_are_refused),
		cmocka_unit_test(c_escapes_are_applied),
		cmocka_unit_test(unknown_escapes_are_problems_with_their_place),
		cmocka_unit_test(backslashes_are_letters_in_plain_words),
		cmocka_unit_test(variables_lose_quotes_and_single_backslashes),
		cmocka_unit_test(semicolons_part_commands_when_they_stand_alone),
		cmocka_unit_test(offsets_are_those_of_the_source),
		cmocka_unit_test(words_are_written_as_podman_writes_them),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(what_needs_quotes_is_known),
		cmocka_unit_test(one_letter_anywhere_needs_quotes),
		cmocka_unit_test(words_may_end_where_memory_ends),
		cmocka_unit_test(long_and_short_words_follow_each_other),
		cmocka_unit_test(signs_are_found_anywhere),
		cmocka_unit_test(a_command_is_each_word_behind_a_blank),
		cmocka_unit_test(short_words_behind_a_long_one_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
