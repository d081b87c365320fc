/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0: every kind of value, what may be defined where, every bound, and the line of each error. */
#include "unit_test.h"

#include <math.h>

#include "image/toml.h"
#include "util/buf.h"

/* The document as one line: tables {k:v}, arrays [v], strings 's', the rest plain. */
static void print_value(struct buf *out, const struct toml_value *value);

static void print_table(struct buf *out, const struct toml_table *table)
{
	buf_puts(out, "{");
	for (size_t i = 0; i < table->count; i++) {
		buf_printf(out, "%s%s:", i ? "," : "", table->entries[i].key);
		print_value(out, &table->entries[i].value);
	}
	buf_puts(out, "}");
}

static void print_value(struct buf *out, const struct toml_value *value)
{
	switch (value->kind) {
	case TOML_STRING:
		buf_printf(out, "'%s'", value->text);
		break;
	case TOML_INTEGER:
		buf_printf(out, "%lld", (long long)value->integer);
		break;
	case TOML_FLOAT:
		buf_printf(out, "%g", value->number);
		break;
	case TOML_BOOL:
		buf_puts(out, value->boolean ? "true" : "false");
		break;
	case TOML_DATETIME:
		buf_printf(out, "@%s", value->text);
		break;
	case TOML_ARRAY:
		buf_puts(out, "[");
		for (size_t i = 0; i < value->array->count; i++) {
			buf_puts(out, i ? "," : "");
			print_value(out, &value->array->items[i]);
		}
		buf_puts(out, "]");
		break;
	case TOML_TABLE:
		print_table(out, value->table);
		break;
	}
}

static const char *read_doc(struct arena *arena, const char *text, size_t length)
{
	auto_buf out = BUF_INIT(64 * 1024);
	char *copy = malloc(length ? length : 1); /* no NUL behind it: reading on is seen */
	struct toml_table *root;
	struct err err;
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, length);
	rc = toml_parse("f", copy, length, arena, &root, &err);
	free(copy);
	if (rc < 0)
		return arena_printf(arena, "%s", err.msg);
	print_table(&out, root);
	return arena_strdup(arena, buf_str(&out));
}

struct example {
	const char *text, *expected;
};

static void check_examples(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_arena arena = { 0 };
		const char *got = read_doc(&arena, examples[i].text, strlen(examples[i].text));

		if (strcmp(got, examples[i].expected) != 0)
			fail_msg("%s\n  gives   %s\n  and not %s", examples[i].text, got,
				 examples[i].expected);
	}
}
#define CHECK(examples) check_examples(examples, sizeof(examples) / sizeof((examples)[0]))

static void strings_have_four_forms(void **state)
{
	static const struct example examples[] = {
		{ "a = \"b\"", "{a:'b'}" },
		{ "a=\"\"", "{a:''}" },
		{ "a = \"\\b\\t\\f\\r\\\"\\\\\\u00e9\\U0001F600\\u0800\"",
		  "{a:'\b\t\f\r\"\\\xc3\xa9\xf0\x9f\x98\x80\xe0\xa0\x80'}" },
		{ "a = 'c:\\x \"'", "{a:'c:\\x \"'}" },
		{ "a = \"\"\"\nx\r\n\"\"y\"\"\"", "{a:'x\n\"\"y'}" },
		{ "a = \"\"\"x \\\n\n\t  y\\\r\n z\"\"\"", "{a:'x yz'}" },
		{ "a = \"\"\"\"x\"\"\"\"\"", "{a:'\"x\"\"'}" },
		{ "a = '''\nx\\\n'y'''", "{a:'x\\\n'y'}" },
		{ "a = ''''''", "{a:''}" },
		{ "a = \"\xc3\xa9\"", "{a:'\xc3\xa9'}" },
	};

	(void)state;
	CHECK(examples);
}

static void faults_in_strings_name_their_line(void **state)
{
	static const struct example examples[] = {
		{ "\na = \"b", "f:2: string without an end" },
		{ "a = \"b\n\"", "f:1: string without an end on its line" },
		{ "a = 'b\n", "f:1: string without an end on its line" },
		{ "a = '''b\n", "f:2: string without an end, begun in line 1" },
		{ "a = \"\"\"", "f:1: string without an end, begun in line 1" },
		{ "a = \"\"\"b\\\"\"\"", "f:1: string without an end, begun in line 1" },
		{ "a = \"\"\"b\\", "f:1: string without an end" },
		{ "a = \"\\q\"",
		  "f:1: unknown escape \\q: a backslash is written \\\\, or use '...'" },
		{ "a = \"\\\xc3\xa9\"",
		  "f:1: unknown escape \\?: a backslash is written \\\\, or use '...'" },
		{ "a = \"\\u12", "f:1: torn escape" },
		{ "a = \"\\u12x4\"", "f:1: an escape of 4 hex digits expected" },
		{ "a = \"\\ud800\"", "f:1: escape U+D800 is no character" },
		{ "a = \"\\U00110000\"", "f:1: escape U+110000 is no character" },
		{ "a = \"\x01\"", "f:1: control character 0x01 in a string: write \\u0001" },
		{ "a = '''\x7f'''", "f:1: control character 0x7f in a string: write \\u007F" },
		{ "a = \"\"\"x\ry\"\"\"",
		  "f:1: control character 0x0d in a string: write \\u000D" },
		{ "a = 1\nb = \"\xff\"", "f:2: not UTF-8" },
		{ "a = 'b' 'c'", "f:1: end of line expected, not '''" },
	};

	(void)state;
	CHECK(examples);
}

static void numbers_booleans_and_dates(void **state)
{
	static const struct example examples[] = {
		{ "a = 0\nb = +99\nc = -17\nd = 1_000", "{a:0,b:99,c:-17,d:1000}" },
		{ "a = 0xDEAD_beef\nb = 0o755\nc = 0b1101", "{a:3735928559,b:493,c:13}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
		  "{a:9223372036854775807,b:-9223372036854775808}" },
		{ "a = 1.5\nb = -0.01\nc = 5e+22\nd = 1E06\ne = 6.626e-3\nf = 1_0.0_1",
		  "{a:1.5,b:-0.01,c:5e+22,d:1e+06,e:0.006626,f:10.01}" },
		{ "a = inf\nb = -inf", "{a:inf,b:-inf}" },
		{ "a = true\nb = false", "{a:true,b:false}" },
		{ "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.99-07:00\nc = 2024-02-29\n"
		  "d = 07:32:00.5\ne = 1979-05-27t07:32:60 # leap",
		  "{a:@1979-05-27T07:32:00Z,b:@1979-05-27 07:32:00.99-07:00,c:@2024-02-29,"
		  "d:@07:32:00.5,e:@1979-05-27t07:32:60}" },
	};

	(void)state;
	CHECK(examples);
}

static void nan_is_a_float(void **state)
{
	auto_arena arena = { 0 };
	struct toml_table *root;
	struct err err;

	(void)state;
	assert_int_equal(toml_parse("f", "a = -nan", 8, &arena, &root, &err), 0);
	assert_true(isnan(toml_find(root, "a")->number));
	assert_null(toml_find(root, "b"));
}

static void wrong_scalars_are_refused(void **state)
{
	static const char *const values[] = {
		"01",	"1__0", "_1",	  "1_",	   "+",	    "0x",     "0xg",   "+0x1",
		"1.",	".5",	"1e",	  "1.e5",  "1e1.5", "0x_1",   "truee", "True",
		"nano", "yes",	"alpine", "1.2.3", "--1",   "0b1102", "1e5_",  "0o_7",
	};
	static const char *const dates[] = {
		"1979-13-01",  "1979-02-29", "1979-05-27T24:00:00",
		"07:60:00",    "07:32:61",   "1979-05-27T07:32:00+25:00",
		"1979-05-27x", "1979-05-2",  "07:32",
		"07:32:00.",   "07:32:00Z",  "1979-05-27T07:32Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		auto_arena arena = { 0 };
		const char *text = arena_join(&arena, "\n\na = ", values[i], "\n");

		assert_string_equal(
			read_doc(&arena, text, strlen(text)),
			arena_printf(&arena,
				     "f:3: \"%s\" is not a value: a string stands in quotes",
				     values[i]));
	}
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		auto_arena arena = { 0 };
		const char *text = arena_join(&arena, "a = ", dates[i]);

		assert_string_equal(read_doc(&arena, text, strlen(text)),
				    arena_printf(&arena, "f:1: \"%s\" is no date or time",
						 dates[i]));
	}
}

static void numbers_beyond_64_bits_are_refused(void **state)
{
	static const struct example examples[] = {
		{ "a = 9223372036854775808", "f:1: 9223372036854775808 does not fit 64 bits" },
		{ "a = 0xffffffffffffffff", "f:1: 0xffffffffffffffff does not fit 64 bits" },
	};
	auto_arena arena = { 0 };
	char text[256] = "a = ";

	(void)state;
	CHECK(examples);
	memset(text + 4, '1', 200);
	assert_string_equal(read_doc(&arena, text, 204),
			    "f:1: a value of more than 127 bytes: a string stands in quotes");
}

static void keys_are_bare_quoted_or_dotted(void **state)
{
	static const struct example examples[] = {
		{ "", "{}" },
		{ "\xef\xbb\xbf"
		  "a=1",
		  "{a:1}" },
		{ "a-b_C1 = 1 # comment \xc3\xa9\r\n\r\n# x\n\t\"q r\" = 2\n'' = 3",
		  "{a-b_C1:1,q r:2,:3}" },
		{ "a.b.c = 1\na . \"b\" . d = 2\n3.14 = 4", "{a:{b:{c:1,d:2}},3:{14:4}}" },
		{ "a\n= 1", "f:1: = expected, not the end of the line" },
		{ "a", "f:1: = expected, not the end of the file" },
		{ "= 1", "f:1: a key expected, not '='" },
		{ "a. = 1", "f:1: a key expected, not '='" },
		{ "a b = 1", "f:1: = expected, not 'b'" },
		{ "a = ", "f:1: a value expected" },
		{ "a = # x", "f:1: a value expected" },
		{ "a = 1 b = 2", "f:1: end of line expected, not 'b'" },
		{ "a = 1 \x01", "f:1: end of line expected, not the byte 0x01" },
		{ "a = 1 # \x01", "f:1: control character 0x01 in a comment" },
		{ "# x\ry", "f:1: end of line expected, not the end of the line" },
		{ "\"a\\u0000\" = 1", "f:1: NUL in a key" },
		{ "\"a\nb\" = 1", "f:1: string without an end on its line" },
		{ "\"\"\"a\"\"\" = 1", "f:1: = expected, not '\"'" },
		{ "a = 1\n\na = 2", "f:3: a is there already, since line 1" },
		{ "a = 1\na.b = 2", "f:2: a is there already, since line 1" },
		{ "a.b = 1\na.b.c = 2", "f:2: b is there already, since line 1" },
		{ "a.b.c = 1\na.b = 2", "f:2: b is there already, since line 1" },
	};

	(void)state;
	CHECK(examples);
}

static void tables_are_defined_once(void **state)
{
	static const struct example examples[] = {
		{ "[a]\nb = 1\n[a.c]\nd = 2", "{a:{b:1,c:{d:2}}}" },
		{ "[a.b.c]\nz = 1\n[a]\nx = 2", "{a:{b:{c:{z:1}},x:2}}" },
		{ "[ a . 'b' ] # c\nx = 1", "{a:{b:{x:1}}}" },
		{ "[f]\na.c = 1\n[f.a.t]\nx = 2", "{f:{a:{c:1,t:{x:2}}}}" },
		{ "[a.b.c]\nz=1\n[a]\nb.d=1", "{a:{b:{c:{z:1},d:1}}}" },
		{ "[a]\n[a]", "f:2: a is there already, since line 1" },
		{ "[a]\nb = 1\n[a.b]", "f:3: b is there already, since line 2" },
		{ "a = 1\n[a.b]", "f:2: a is an integer since line 1 and cannot be extended" },
		{ "[f]\na.c = 1\n[f.a]", "f:3: a is there already, since line 2" },
		{ "[a.b.c]\nz=1\n[a]\nb.c.t=1", "f:4: c is there already, since line 1" },
		{ "a = {}\n[a.b]",
		  "f:2: a is an inline table since line 1 and cannot be extended" },
		{ "a = {b.c = 1}\n[a.b.d]",
		  "f:2: a is an inline table since line 1 and cannot be extended" },
		{ "a = {}\na.b = 1", "f:2: a is there already, since line 1" },
		{ "[]", "f:1: a key expected, not ']'" },
		{ "[a", "f:1: ] expected, not the end of the file" },
		{ "[a]x = 1", "f:1: end of line expected, not 'x'" },
		{ "[[a]", "f:1: ]] expected, not ']'" },
		{ "[a]]", "f:1: end of line expected, not ']'" },
	};

	(void)state;
	CHECK(examples);
}

static void arrays_of_tables_grow_by_headers(void **state)
{
	static const struct example examples[] = {
		{ "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 2\n[[a.e]]\n[[a.e]]\nf = 3",
		  "{a:[{b:1},{c:{d:2},e:[{},{f:3}]}]}" },
		{ "a = []\n[[a]]", "f:2: a is an array since line 1, not an array of tables" },
		{ "a = [{}]\n[[a]]", "f:2: a is an array since line 1, not an array of tables" },
		{ "[a]\n[[a]]", "f:2: a is a table since line 1, not an array of tables" },
		{ "[[a]]\n[a]", "f:2: a is there already, since line 1" },
		{ "[[a.b]]\n[a]\nb.y = 2", "f:3: b is there already, since line 1" },
		{ "a = [{}]\n[a.b]", "f:2: a is an array since line 1 and cannot be extended" },
	};

	(void)state;
	CHECK(examples);
}

static void arrays_and_inline_tables(void **state)
{
	static const struct example examples[] = {
		{ "a = []\nb = [1, 'x', [true],]", "{a:[],b:[1,'x',[true]]}" },
		{ "a = [ # c\n 1 # d\n ,\r\n 2 ]\nb = 3", "{a:[1,2],b:3}" },
		{ "a = {}\nb = { c = 1, d.e = 2, 'f' = {} }", "{a:{},b:{c:1,d:{e:2},f:{}}}" },
		{ "a = [{b = 1}, {b = 2}]", "{a:[{b:1},{b:2}]}" },
		{ "a = [,]", "f:1: a value expected" },
		{ "a = [1,,2]", "f:1: a value expected" },
		{ "a = [1\n\n 2]", "f:3: ',' or ']' expected, not '2'" },
		{ "a = [1,\n", "f:2: a value expected" },
		{ "a = {b = 1,}", "f:1: a key expected, not '}'" },
		{ "a = {b = 1\n}", "f:1: ',' or '}' expected, not the end of the line" },
		{ "a = {b = 1 c = 2}", "f:1: ',' or '}' expected, not 'c'" },
		{ "a = {b = 1, b = 2}", "f:1: b is there already, since line 1" },
		{ "a = {b = {c = 1}, b.d = 2}", "f:1: b is there already, since line 1" },
	};

	(void)state;
	CHECK(examples);
}

static void values_know_their_lines(void **state)
{
	static const char text[] = "a = 1\n[[r]]\nb = [\n 'x',\n 'y' ]\n\n[[r]]\n";
	auto_arena arena = { 0 };
	const struct toml_array *rows;
	const struct toml_value *b;
	struct toml_table *root;
	struct err err;

	(void)state;
	assert_int_equal(toml_parse("f", text, strlen(text), &arena, &root, &err), 0);
	assert_int_equal(toml_find(root, "a")->line, 1);
	rows = toml_find(root, "r")->array;
	assert_int_equal(rows->items[0].line, 2);
	assert_int_equal(rows->items[1].line, 7);
	b = toml_find(rows->items[0].table, "b");
	assert_int_equal(b->line, 3);
	assert_int_equal(b->array->items[1].line, 5);
}

static void strings_may_hold_nul_and_say_their_length(void **state)
{
	static const char text[] = "a='xy'\nb=\"x\\u0000y\"";
	auto_arena arena = { 0 };
	struct toml_table *root;
	struct err err;

	(void)state;
	assert_int_equal(toml_parse("f", text, strlen(text), &arena, &root, &err), 0);
	assert_int_equal(toml_find(root, "a")->length, 2);
	assert_int_equal(toml_find(root, "b")->length, 3);
	assert_memory_equal(toml_find(root, "b")->text, "x\0y", 4);
}

static void nesting_is_bounded(void **state)
{
	auto_arena arena = { 0 };
	char text[256] = "a=";

	(void)state;
	memset(text + 2, '[', 32);
	memset(text + 34, ']', 32);
	assert_non_null(strstr(read_doc(&arena, text, 66), "{a:[[["));
	memset(text + 2, '[', 33);
	memset(text + 35, ']', 33);
	assert_string_equal(read_doc(&arena, text, 68), "f:1: more than 32 levels of brackets");
	for (size_t i = 0; i < 33; i++)
		memcpy(text + 2 * i, "a.", 2);
	memcpy(text + 65, "=1", 2);
	assert_string_equal(read_doc(&arena, text, 67), "f:1: key of more than 32 parts");
}

static void size_and_number_of_entries_are_bounded(void **state)
{
	auto_buf text = BUF_INIT(2 * TOML_MAX_BYTES);
	auto_arena arena = { 0 };
	struct toml_table *root;
	struct err err;

	(void)state;
	buf_puts(&text, "a = [");
	for (int i = 0; i < TOML_MAX_ENTRIES - 1; i++)
		buf_puts(&text, "1,");
	buf_puts(&text, "]");
	assert_int_equal(toml_parse("f", text.data, text.len, &arena, &root, &err), 0);
	buf_puts(&text, "\nb = 2");
	assert_int_equal(toml_parse("f", text.data, text.len, &arena, &root, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.msg, "f:2: more than 8192 keys and elements");
	while (text.len <= TOML_MAX_BYTES)
		buf_puts(&text, "# a long line for nothing, again and again\n");
	assert_int_equal(toml_parse("f", text.data, text.len, &arena, &root, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.msg, "f: larger than 1048576 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_have_four_forms),
		cmocka_unit_test(faults_in_strings_name_their_line),
		cmocka_unit_test(numbers_booleans_and_dates),
		cmocka_unit_test(nan_is_a_float),
		cmocka_unit_test(wrong_scalars_are_refused),
		cmocka_unit_test(numbers_beyond_64_bits_are_refused),
		cmocka_unit_test(keys_are_bare_quoted_or_dotted),
		cmocka_unit_test(tables_are_defined_once),
		cmocka_unit_test(arrays_of_tables_grow_by_headers),
		cmocka_unit_test(arrays_and_inline_tables),
		cmocka_unit_test(values_know_their_lines),
		cmocka_unit_test(strings_may_hold_nul_and_say_their_length),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(size_and_number_of_entries_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
