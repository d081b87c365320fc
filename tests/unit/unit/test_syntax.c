/* SPDX-License-Identifier: Apache-2.0 */
/* Unit syntax: one test per rule of the reader, with the place of every complaint. */
#include "unit_fixture.h"

#include "unit/syntax_internal.h"

struct fixture {
	struct arena arena;
	struct diags diags;
	struct syntax_file file;
};

static struct fixture *read_bytes(const char *text, size_t len)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	syntax_read(&f->file, &f->arena, &f->diags, "web.container", text, len);
	return f;
}

static struct fixture *read_unit(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void done(struct fixture *f)
{
	arena_fini(&f->arena);
	diags_fini(&f->diags);
	free(f);
}

static const struct syntax_entry *last(const struct fixture *f, const char *group, const char *key)
{
	const struct syntax_entry *entry = syntax_last(syntax_group(&f->file, group), key);

	if (!entry)
		fail_msg("no %s in [%s]", key, group);
	return entry;
}

static void assert_value(const char *text, const char *key, const char *value)
{
	struct fixture *f = read_unit(text);

	assert_int_equal(f->file.error_count, 0);
	assert_string_equal(last(f, "A", key)->value, value);
	done(f);
}

static void assert_error(const char *text, size_t len, unsigned line, unsigned column,
			 const char *message)
{
	struct fixture *f = read_bytes(text, len);

	assert_int_equal(f->file.error_count, 1);
	assert_int_equal(f->diags.error_count, 1);
	assert_int_equal(f->diags.items[0].line, line);
	assert_int_equal(f->diags.items[0].column, column);
	if (!strstr(f->diags.items[0].text, message))
		fail_msg("'%s' does not say '%s'", f->diags.items[0].text, message);
	done(f);
}

#define ASSERT_ERROR(text, line, column, message) \
	assert_error(text, sizeof(text) - 1, line, column, message)

/* Keys and values of each length, also where the text ends without a newline: signs are looked for several at a time. */
static void signs_are_found_at_each_place(void **state)
{
	char key[42], value[41], text[200];

	(void)state;
	for (size_t keys = 1; keys < sizeof(key) - 1; keys++)
		for (size_t values = 0; values < sizeof(value); values++) {
			memset(key, 'K', keys);
			key[keys] = '\0';
			memset(value, 'v', values);
			value[values] = '\0';
			if (values > 2)
				memcpy(value + values / 2, "=:", 2);
			snprintf(text, sizeof(text), "[A]\n%s=%s\n%s2=%s", key, value, key, value);
			assert_value(text, key, value);
			strcat(key, "2");
			assert_value(text, key, value);
			key[keys] = '\0';
			snprintf(text, sizeof(text), "[A]\n%s:%s=", key, value);
			assert_error(text, strlen(text), 2, 1, "a key cannot hold a colon");
		}
}

static void lines_are_trimmed_on_both_sides(void **state)
{
	(void)state;
	assert_value("  [A] \t\r\n \tk = v \t \r\n", "k", "v");
	assert_value("[A]\n\xc2\xa0k=v\xe3\x80\x80\n", "k", "v");
	assert_value("[A]\nk=\xc3\xa0", "k", "\xc3\xa0");
}

static void comments_and_empty_lines_are_skipped_and_kept(void **state)
{
	struct fixture *f = read_unit("# top\n\n[A]\n; one\nk=v\n\n# two\n[B]\nl=w\n# end\n");
	const struct syntax_group *a = syntax_group(&f->file, "A"),
				  *b = syntax_group(&f->file, "B");

	(void)state;
	assert_int_equal(f->file.error_count, 0);
	assert_int_equal(a->comment_count, 1); /* lines that follow each other are one */
	assert_string_equal(a->comments[0].value, "# top\n");
	assert_int_equal(a->entry_count, 2);
	assert_string_equal(a->entries[0].value, "; one");
	assert_int_equal(b->comment_count, 1); /* the empty line before it goes */
	assert_string_equal(b->comments[0].value, "# two");
	assert_string_equal(b->entries[1].value, "# end");
	done(f);
}

static void a_hash_after_a_value_belongs_to_it(void **state)
{
	(void)state;
	assert_value("[A]\nk=v # w\n", "k", "v # w");
	assert_value("[A]\nk=v ; w\n", "k", "v ; w");
}

static void backslash_joins_with_nothing_between(void **state)
{
	(void)state;
	assert_value("[A]\nk=a\\\n  b\n", "k", "ab");
	assert_value("[A]\nk=a \\\nb\n", "k", "a b");
	assert_value("[A]\nk=a\\  \n\tb\\\r\n c\n", "k", "abc");
	assert_value("[A]\nk=a\\\\\nb\n", "k", "a\\b");
	assert_value("[A]\nk\\\n=v\n", "k", "v");
}

static void comments_and_empty_lines_do_not_end_joining(void **state)
{
	(void)state;
	assert_value("[A]\nk=a\\\n# no\n\n ; nor this\nb\n", "k", "ab");
}

static void backslash_on_the_last_line_is_dropped_with_a_warning(void **state)
{
	struct fixture *f = read_unit("[A]\nk=a \\");

	(void)state;
	assert_string_equal(last(f, "A", "k")->value, "a");
	assert_int_equal(f->diags.count, 1);
	assert_int_equal(f->diags.items[0].severity, DIAG_WARNING);
	assert_int_equal(f->diags.items[0].line, 2);
	done(f);
}

static void a_joined_header_is_warned_of(void **state)
{
	struct fixture *f = read_unit("[A]\nk=a \\\n\n[B]\nl=w\n");

	(void)state;
	assert_string_equal(last(f, "A", "k")->value, "a [B]");
	assert_string_equal(last(f, "A", "l")->value, "w");
	assert_int_equal(f->diags.count, 1);
	assert_int_equal(f->diags.items[0].line, 4);
	assert_non_null(strstr(f->diags.items[0].text, "on line 2"));
	done(f);
}

static void values_are_traced_to_their_physical_line_and_column(void **state)
{
	struct fixture *f = read_unit("[A]\n  key = ab \\\n# note\n   cd \\\n ef\n");
	const struct syntax_entry *entry = last(f, "A", "key");
	const struct origin *o;

	(void)state;
	assert_string_equal(entry->value, "ab cd ef");
	assert_string_equal(entry->origin->key, "A.key");
	assert_int_equal(entry->origin->line, 2);
	assert_int_equal(entry->origin->column, 9);
	o = syntax_origin(&f->arena, entry, 1);
	assert_int_equal(o->line, 2);
	assert_int_equal(o->column, 10);
	o = syntax_origin(&f->arena, entry, 4);
	assert_int_equal(o->line, 4);
	assert_int_equal(o->column, 5);
	o = syntax_origin(&f->arena, entry, 6);
	assert_int_equal(o->line, 5);
	assert_int_equal(o->column, 2);
	done(f);
}

static void repeated_sections_are_one(void **state)
{
	struct fixture *f = read_unit("[A]\nk=1\n[B]\nk=2\n[A]\nk=3\n");

	(void)state;
	assert_int_equal(f->file.group_count, 2);
	assert_int_equal(syntax_group(&f->file, "A")->entry_count, 2);
	assert_string_equal(last(f, "A", "k")->value, "3");
	assert_int_equal(syntax_group(&f->file, "A")->origin->line, 1);
	assert_string_equal(syntax_group(&f->file, "A")->origin->key, "A");
	done(f);
}

static void keys_may_hold_any_letter_but_the_separators(void **state)
{
	(void)state;
	assert_value("[A]\nk.x [y] \"z\"=v=w\n", "k.x [y] \"z\"", "v=w");
	ASSERT_ERROR("[A]\nk:x=v\n", 2, 1, "colon");
	ASSERT_ERROR("[A]\n =v\n", 2, 2, "without a key");
}

static void colons_and_semicolons_in_values_stay(void **state)
{
	(void)state;
	assert_value("[A]\nk=a:b;c ;d\n", "k", "a:b;c ;d");
	assert_value("[A]\nk=;v\n", "k", ";v");
}

static void a_line_that_is_nothing_is_an_error(void **state)
{
	(void)state;
	ASSERT_ERROR("[A]\nk=v\n  some words\n", 3, 3, "not a key=value line");
	ASSERT_ERROR("[A]\nk: v\n", 2, 1,
		     "not a key=value line, section header or comment: YAML says");
	ASSERT_ERROR("services:\n[A]\n", 1, 1, "units say Name=VALUE");
	ASSERT_ERROR("[A]\n// x\n", 2, 1, "comments begin with # or ;");
	ASSERT_ERROR("\xe2\x80\x8b[A]\n", 1, 1, "begins the line: U+200B");
}

static void bad_headers_are_errors(void **state)
{
	(void)state;
	ASSERT_ERROR("[A]\n[B\n", 2, 1, "closing bracket");
	ASSERT_ERROR("[A]\n[B] x\n", 2, 4, "after the section header");
	ASSERT_ERROR("[A]\n[]\n", 2, 1, "1 to 49 bytes");
	ASSERT_ERROR("[A]\n[b[c]\n", 2, 1, "brackets");
	ASSERT_ERROR("[A]\n[b\tc]\n", 2, 1, "control");
	ASSERT_ERROR("[A]\n[01234567890123456789012345678901234567890123456789]\n", 2, 1,
		     "1 to 49 bytes");
}

static void the_longest_header_is_kept_whole(void **state)
{
	struct fixture *f = read_unit("[0123456789012345678901234567890123456789012345678]\nk=v\n");

	(void)state;
	assert_int_equal(f->file.error_count, 0);
	assert_non_null(
		syntax_group(&f->file, "0123456789012345678901234567890123456789012345678"));
	done(f);
}

static void a_key_before_the_first_header_is_an_error(void **state)
{
	(void)state;
	ASSERT_ERROR("# c\nk=v\n[A]\n", 2, 1, "before the first section");
}

static void a_byte_order_mark_is_an_error(void **state)
{
	(void)state;
	ASSERT_ERROR("\xef\xbb\xbf[A]\nk=v\n", 1, 1, "byte order mark");
}

static void bytes_that_are_no_text_are_errors(void **state)
{
	(void)state;
	ASSERT_ERROR("[A]\nk=a\0b\n", 2, 0, "NUL");
	ASSERT_ERROR("[A]\nk=\xff\n", 2, 0, "UTF-8");
	ASSERT_ERROR("[A]\nk=\xc0\xaf\n", 2, 0, "UTF-8");
	ASSERT_ERROR("[A]\nk=\xed\xa0\x80\n", 2, 0, "UTF-8");
	ASSERT_ERROR("[A]\nk=\xf4\x90\x80\x80\n", 2, 0, "UTF-8");
	ASSERT_ERROR("[A]\nk=\xe2\x82\n", 2, 0, "UTF-8");
}

static void comments_may_hold_any_byte(void **state)
{
	static const char text[] = "# \xff\xfe \0 x\n[A]\nk=v\n";
	struct fixture *f = read_bytes(text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(f->file.error_count, 0);
	done(f);
}

static void reading_goes_on_after_an_error(void **state)
{
	struct fixture *f = read_unit("[A]\nnonsense\nk=1\n[B\nl=2\nmore nonsense\n");

	(void)state;
	assert_int_equal(f->file.error_count, 3);
	assert_string_equal(last(f, "A", "k")->value, "1");
	assert_string_equal(last(f, "A", "l")->value, "2");
	done(f);
}

/* "[A]\nk=" and n letters. */
static char *long_line(size_t n)
{
	char *text = malloc(n + 8);

	assert_non_null(text);
	memcpy(text, "[A]\nk=", 6);
	memset(text + 6, 'x', n);
	text[n + 6] = '\0';
	return text;
}

static void lines_up_to_the_bound_are_whole_and_longer_ones_refused(void **state)
{
	static const size_t sizes[] = { 1022 - 3, 1023 - 3,  1024 - 3,
					2047 - 3, 32767 - 2, UNIT_MAX_LINE_BYTES - 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = long_line(sizes[i]);

		assert_value(text, "k", text + 6);
		free(text);
	}

	char *text = long_line(UNIT_MAX_LINE_BYTES - 1);

	assert_error(text, strlen(text), 2, 0, "longer than");
	free(text);
}

static void joined_lines_are_bounded_together(void **state)
{
	size_t len = 0;
	char *text = malloc(80000);

	(void)state;
	assert_non_null(text);
	len += (size_t)snprintf(text, 80000, "[A]\nk=x\\\n");
	for (int i = 0; i < 400; i++) {
		memset(text + len, 'y', 98);
		memcpy(text + len + 98, "\\\n", 3);
		len += 100;
	}
	memcpy(text + len, "z\nl=1\n", 7);

	struct fixture *f = read_unit(text);

	assert_int_equal(f->file.error_count, 1);
	assert_int_equal(f->diags.items[0].line, 2);
	assert_string_equal(last(f, "A", "l")->value, "1");
	done(f);
	free(text);
}

static void files_sections_and_assignments_are_bounded(void **state)
{
	size_t len = UNIT_MAX_FILE_BYTES + 1;
	char *text = malloc(len);
	struct buf b = BUF_INIT(UNIT_MAX_FILE_BYTES);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	assert_error(text, len, 1, 0, "larger than");
	free(text);

	for (int i = 0; i <= UNIT_MAX_SECTIONS; i++)
		buf_printf(&b, "[s%d]\n", i);
	assert_error(buf_str(&b), b.len, UNIT_MAX_SECTIONS + 1, 0, "more than 64 sections");
	buf_clear(&b);
	buf_puts(&b, "[A]\n");
	for (int i = 0; i <= UNIT_MAX_ENTRIES; i++)
		buf_puts(&b, "k=v\n");
	assert_error(buf_str(&b), b.len, UNIT_MAX_ENTRIES + 2, 0, "more than 8192 assignments");
	buf_fini(&b);
}

static void a_file_without_anything_says_so(void **state)
{
	struct fixture *f = read_unit("\n# only a comment\n");

	(void)state;
	assert_true(f->file.is_empty);
	done(f);
	f = read_unit("[A]\n");
	assert_false(f->file.is_empty);
	done(f);
}

/* More than are looked ahead for, in a section that is met three times. */
static void every_assignment_of_a_long_section_is_found(void **state)
{
	auto_buf text = BUF_INIT(64 * 1024);

	(void)state;
	for (int i = 0; i < 300; i++)
		buf_printf(&text, "%sKey%d=v%d\n", i % 100 ? "" : "# c\n[A]\n", i, i);

	struct fixture *f = read_unit(buf_str(&text));

	assert_int_equal(f->file.group_count, 1);
	for (int i = 0; i < 300; i++) {
		char key[16], value[16];

		snprintf(key, sizeof(key), "Key%d", i);
		snprintf(value, sizeof(value), "v%d", i);
		assert_string_equal(last(f, "A", key)->value, value);
	}
	assert_null(syntax_last(syntax_group(&f->file, "A"), "Key300"));
	assert_null(syntax_last(NULL, "Key0"));
	done(f);
}

/* Comments, long sections and repeated ones: what was read before is written to its group in time. */
static void lines_keep_their_order(void **state)
{
	auto_buf text = BUF_INIT(64 * 1024);
	struct fixture *f;
	const struct syntax_group *a;

	(void)state;
	buf_puts(&text, "# first\n\n[A]\n");
	for (unsigned i = 0; i < 200; i++)
		buf_printf(&text, " # about %u \n\t; more\n\nKey%u = value %u \t\n", i, i, i);
	buf_puts(&text, "[B]\nX=1\n\n# of A\n[A]\nLast=end");
	f = read_unit(buf_str(&text));
	assert_int_equal(f->file.error_count, 0);
	a = syntax_group(&f->file, "A");
	assert_int_equal(a->comment_count, 2);
	assert_string_equal(a->comments[0].value, "# first\n");
	assert_string_equal(a->comments[1].value, "# of A");
	assert_int_equal(a->entry_count, 401);
	for (unsigned i = 0; i < 200; i++) {
		char about[64], value[64];
		const struct syntax_entry *comment = &a->entries[2 * i], *entry = comment + 1;

		snprintf(about, sizeof(about), "# about %u\n; more\n", i);
		snprintf(value, sizeof(value), "value %u", i);
		assert_null(comment->key);
		assert_string_equal(comment->value, about);
		assert_string_equal(entry->value, value);
		assert_int_equal(entry->value_bytes, strlen(value));
		assert_int_equal(entry->key_bytes, strlen(entry->key));
		assert_int_equal(entry->origin->line, 4 * i + 7);
	}
	assert_string_equal(a->entries[400].value, "end");
	done(f);
}

static void comments_beside_a_bad_line_stand_on_their_side(void **state)
{
	struct fixture *f = read_unit("[A]\n# before\nnothing\n# after\nX=1\n");
	const struct syntax_group *a = syntax_group(&f->file, "A");

	(void)state;
	assert_int_equal(f->file.error_count, 1);
	assert_int_equal(a->entry_count, 3);
	assert_string_equal(a->entries[0].value, "# before");
	assert_string_equal(a->entries[1].value, "# after");
	assert_string_equal(a->entries[2].value, "1");
	done(f);
}

static void what_is_added_later_is_found(void **state)
{
	struct fixture *f = read_unit("[A]\nx=1\n[B]\ny=2\n");
	struct syntax_group *group = syntax_group(&f->file, "A");
	const struct syntax_assignment zebra = syntax_assignment("Zebra", "3");

	(void)state;
	syntax_add(group, &f->arena, &zebra);
	syntax_add_all(group, &f->arena, syntax_group(&f->file, "B"));
	assert_string_equal(last(f, "A", "Zebra")->value, "3");
	assert_string_equal(last(f, "A", "y")->value, "2");
	assert_int_equal(group->entry_count, 3);
	done(f);
}

static void assert_line(const char *text, const char *line)
{
	struct fixture *f = read_unit(text);
	const struct syntax_entry *entry = last(f, "A", "key");

	assert_int_equal(entry->is_line, line != NULL);
	if (line)
		assert_string_equal(entry->value - entry->key_bytes - 1, line);
	done(f);
}

/* Only such a line is written back from where it stands. */
static void a_line_without_blanks_is_known_as_one(void **state)
{
	(void)state;
	assert_line("[A]\nkey=1\n", "key=1");
	assert_line("[A]\n\t key=a = b \t\r\nx=2", "key=a = b");
	assert_line("[A]\nkey=", "key=");
	assert_line("[A]\nkey =1\n", NULL);
	assert_line("[A]\nkey= 1\n", NULL);
	assert_line("[A]\nkey=1\\\n2\n", NULL);
	assert_line("[A]\nkey=1\\", NULL);
	assert_line("[A]\nkey\\\n=1\n", NULL);
}

/* What is no text is found wherever it stands in a text of any length. */
static void one_byte_anywhere_is_no_text(void **state)
{
	static const char odd[] = { '\0', '\x80', '\xff' };
	char text[80] = "[A]\nk=";

	(void)state;
	for (size_t len = 7; len < sizeof(text); len++)
		for (size_t at = 6; at < len; at++)
			for (size_t k = 0; k < sizeof(odd); k++) {
				memset(text + 6, 'x', len - 6);
				text[at] = odd[k];
				assert_error(text, len, 2, 0,
					     odd[k] ? "not valid UTF-8" : "a NUL byte");
			}
}

static void merging_appends_lines_and_keeps_their_origins(void **state)
{
	struct fixture *f = read_unit("[A]\nk=1\n");
	struct syntax_file more;

	(void)state;
	syntax_read(&more, &f->arena, &f->diags, "x.conf", "[B]\nl=3\n[A]\nk=2\n", 17);
	assert_int_equal(f->file.entry_count, 1);
	syntax_merge(&f->file, &f->arena, &more);
	assert_int_equal(f->file.entry_count, 3);
	assert_string_equal(last(f, "A", "k")->value, "2");
	assert_string_equal(last(f, "A", "k")->origin->file, "x.conf");
	assert_int_equal(last(f, "A", "k")->origin->line, 4);
	assert_string_equal(last(f, "B", "l")->value, "3");
	assert_int_equal(syntax_group(&f->file, "A")->origin->line, 1);
	done(f);
}

/* A copy for a service text: whatever is done to it, the unit's own lines stay what they were. */
static void borrowed_lines_stay_as_they_are(void **state)
{
	static const struct syntax_assignment more = { .key = "m", .value = "3", .key_bytes = 1 };
	struct fixture *f = read_unit("[A]\nk=1\nl=2\n[B]\n[C]\nn=4\n");
	struct syntax_file copy;
	struct syntax_group *group, *own = syntax_group(&f->file, "A");

	(void)state;
	syntax_own(own, &f->arena);
	assert_true(own->entry_room > own->entry_count); /* room that is not the copy's */
	syntax_borrow(&copy, &f->arena, &f->file);
	group = syntax_group(&copy, "A");
	assert_ptr_equal(group->entries, own->entries);
	syntax_own(group, &f->arena);
	group->entries[0].value = "changed";
	group->entry_count = 1;
	syntax_add(group, &f->arena, &more);
	syntax_add(syntax_group(&copy, "B"), &f->arena, &more);
	syntax_add(syntax_group(&copy, "C"), &f->arena, &more);
	syntax_add(syntax_group_ensure(&copy, &f->arena, "D"), &f->arena, &more);
	syntax_add_all(group, &f->arena, syntax_group(&copy, "C"));
	assert_int_equal(group->entry_count, 4);
	assert_string_equal(group->entries[1].value, "3");
	assert_string_equal(group->entries[3].value, "3");
	assert_int_equal(own->entry_count, 2);
	assert_string_equal(last(f, "A", "k")->value, "1");
	assert_string_equal(last(f, "A", "l")->value, "2");
	assert_int_equal(syntax_group(&f->file, "B")->entry_count, 0);
	assert_int_equal(syntax_group(&f->file, "C")->entry_count, 1);
	assert_null(syntax_group(&f->file, "D"));
	syntax_add(own, &f->arena, &(struct syntax_assignment){ .key = "o", .value = "5" });
	assert_string_equal(group->entries[1].value, "3");
	done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_are_found_at_each_place),
		cmocka_unit_test(lines_are_trimmed_on_both_sides),
		cmocka_unit_test(comments_and_empty_lines_are_skipped_and_kept),
		cmocka_unit_test(a_hash_after_a_value_belongs_to_it),
		cmocka_unit_test(backslash_joins_with_nothing_between),
		cmocka_unit_test(comments_and_empty_lines_do_not_end_joining),
		cmocka_unit_test(backslash_on_the_last_line_is_dropped_with_a_warning),
		cmocka_unit_test(a_joined_header_is_warned_of),
		cmocka_unit_test(values_are_traced_to_their_physical_line_and_column),
		cmocka_unit_test(repeated_sections_are_one),
		cmocka_unit_test(keys_may_hold_any_letter_but_the_separators),
		cmocka_unit_test(colons_and_semicolons_in_values_stay),
		cmocka_unit_test(a_line_that_is_nothing_is_an_error),
		cmocka_unit_test(bad_headers_are_errors),
		cmocka_unit_test(the_longest_header_is_kept_whole),
		cmocka_unit_test(a_key_before_the_first_header_is_an_error),
		cmocka_unit_test(a_byte_order_mark_is_an_error),
		cmocka_unit_test(bytes_that_are_no_text_are_errors),
		cmocka_unit_test(comments_may_hold_any_byte),
		cmocka_unit_test(reading_goes_on_after_an_error),
		cmocka_unit_test(lines_up_to_the_bound_are_whole_and_longer_ones_refused),
		cmocka_unit_test(joined_lines_are_bounded_together),
		cmocka_unit_test(files_sections_and_assignments_are_bounded),
		cmocka_unit_test(a_file_without_anything_says_so),
		cmocka_unit_test(every_assignment_of_a_long_section_is_found),
		cmocka_unit_test(lines_keep_their_order),
		cmocka_unit_test(comments_beside_a_bad_line_stand_on_their_side),
		cmocka_unit_test(what_is_added_later_is_found),
		cmocka_unit_test(a_line_without_blanks_is_known_as_one),
		cmocka_unit_test(one_byte_anywhere_is_no_text),
		cmocka_unit_test(merging_appends_lines_and_keeps_their_origins),
		cmocka_unit_test(borrowed_lines_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
