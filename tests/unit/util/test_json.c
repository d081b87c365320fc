/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer: exact text, and everything it writes read back by yyjson. */
#include "unit_test.h"

#include <yyjson.h>

#include "util/json.h"
#include "util/str.h"

static void empty_containers(void **state)
{
	auto_buf b = BUF_INIT(1000);
	struct json j = JSON_TO(&b);

	(void)state;
	json_object(&j, NULL);
	json_object(&j, "o");
	json_object_end(&j);
	json_array(&j, "a");
	json_array_end(&j);
	json_object_end(&j);
	assert_string_equal(buf_str(&b), "{\"o\":{},\"a\":[]}");
}

static void write_sample(struct json *j)
{
	json_object(j, NULL);
	json_str(j, "s", "text");
	json_str(j, "none", NULL);
	json_strn(j, "part", "abcdef", 3);
	json_strn(j, "no part", NULL, 3);
	json_int(j, "i", INT64_MIN);
	json_uint(j, "u", UINT64_MAX);
	json_bool(j, "yes", true);
	json_bool(j, "no", false);
	json_null(j, "n");
	json_raw(j, "raw", "[1,2]");
	json_raw(j, "no raw", NULL);
	json_array(j, "list");
	json_int(j, NULL, 1);
	json_object(j, NULL);
	json_str(j, "k", "v");
	json_object_end(j);
	json_array(j, NULL);
	json_array_end(j);
	json_str(j, NULL, "end");
	json_array_end(j);
	json_object_end(j);
}

static const char compact[] =
	"{\"s\":\"text\",\"none\":null,\"part\":\"abc\",\"no part\":null,"
	"\"i\":-9223372036854775808,\"u\":18446744073709551615,\"yes\":true,\"no\":false,"
	"\"n\":null,\"raw\":[1,2],\"no raw\":null,\"list\":[1,{\"k\":\"v\"},[],\"end\"]}";

static void every_kind_of_value(void **state)
{
	auto_buf b = BUF_INIT(1000);
	struct json j = JSON_TO(&b);

	(void)state;
	write_sample(&j);
	assert_string_equal(buf_str(&b), compact);
}

static void pretty_form_is_the_same_document(void **state)
{
	auto_buf b = BUF_INIT(1000);
	struct json j = JSON_TO(&b);
	yyjson_doc *pretty, *plain;

	(void)state;
	j.pretty = true;
	write_sample(&j);
	pretty = yyjson_read(b.data, b.len, 0);
	plain = yyjson_read(compact, strlen(compact), 0);
	assert_non_null(pretty);
	assert_non_null(plain);
	assert_true(yyjson_equals(yyjson_doc_get_root(pretty), yyjson_doc_get_root(plain)));
	yyjson_doc_free(pretty);
	yyjson_doc_free(plain);
	assert_non_null(strstr(b.data, "{\n  \"s\": \"text\",\n"));
	assert_non_null(strstr(
		b.data, "  \"list\": [\n    1,\n    {\n      \"k\": \"v\"\n    },\n    [],\n"));
	assert_true(str_ends(b.data, "\n  ]\n}"));
}

static void scalar_document(void **state)
{
	auto_buf b = BUF_INIT(100);
	struct json j = JSON_TO(&b);

	(void)state;
	json_str(&j, NULL, "x");
	assert_string_equal(buf_str(&b), "\"x\"");
}

/* Writes one string and reads it back. */
static void check_string(const char *bytes, size_t len, const char *expected, size_t expected_len)
{
	auto_buf b = BUF_INIT(100000);
	struct json j = JSON_TO(&b);
	yyjson_doc *doc;
	yyjson_val *root;

	json_strn(&j, NULL, bytes, len);
	doc = yyjson_read(b.data, b.len, 0);
	assert_non_null(doc);
	root = yyjson_doc_get_root(doc);
	assert_int_equal(yyjson_get_len(root), expected_len);
	assert_memory_equal(yyjson_get_str(root), expected, expected_len);
	for (size_t i = 0; i < b.len; i++)
		assert_true((unsigned char)b.data[i] >= 0x20);
	yyjson_doc_free(doc);
}

static void every_byte_value_below_128_survives(void **state)
{
	char all[128];

	(void)state;
	for (int c = 0; c < 128; c++)
		all[c] = (char)c;
	check_string(all, sizeof(all), all, sizeof(all));
}

static void short_escapes(void **state)
{
	auto_buf b = BUF_INIT(100);
	struct json j = JSON_TO(&b);

	(void)state;
	json_str(&j, NULL, "\"\\/\b\f\n\r\t\x01\x1f");
	assert_string_equal(buf_str(&b), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\"");
}

static void keys_are_escaped_too(void **state)
{
	auto_buf b = BUF_INIT(100);
	struct json j = JSON_TO(&b);

	(void)state;
	json_object(&j, NULL);
	json_int(&j, "a\"\n\xff", 1);
	json_object_end(&j);
	assert_string_equal(buf_str(&b), "{\"a\\\"\\n\xef\xbf\xbd\":1}");
}

static void utf8_is_kept(void **state)
{
	static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8b";

	(void)state;
	check_string(text, strlen(text), text, strlen(text));
}

static void broken_utf8_becomes_replacement_characters(void **state)
{
#define R "\xef\xbf\xbd"
	static const struct {
		const char *bytes, *expected;
	} cases[] = {
		{ "a\xff"
		  "b",
		  "a" R "b" },
		{ "\xc3", R },
		{ "\xed\xa0\x80", R R R },
		{ "\xc0\xaf", R R },
		{ "\xf4\x90\x80\x80", R R R R },
		{ "\xe2\x82\"", R R "\"" },
		{ "\x80\xc3\xa4", R "\xc3\xa4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_string(cases[i].bytes, strlen(cases[i].bytes), cases[i].expected,
			     strlen(cases[i].expected));
#undef R
}

static void sequence_cut_by_the_length_is_broken(void **state)
{
	(void)state;
	check_string("x\xc3\xa4", 2, "x\xef\xbf\xbd", 4);
}

/* A fixed generator: the same bytes in every run. */
static void any_bytes_give_a_readable_document(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		auto_buf b = BUF_INIT(10000);
		struct json j = JSON_TO(&b);
		char bytes[40];
		yyjson_doc *doc;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		j.pretty = round % 2;
		json_object(&j, NULL);
		json_strn(&j, "k", bytes, sizeof(bytes));
		json_object_end(&j);
		doc = yyjson_read(b.data, b.len, 0);
		assert_non_null(doc);
		yyjson_doc_free(doc);
	}
}

static void overflow_is_found_by_the_buffer(void **state)
{
	auto_buf b = BUF_INIT(20);
	struct json j = JSON_TO(&b);
	struct err err = { 0 };

	(void)state;
	json_object(&j, NULL);
	json_str(&j, "key", "a text that is longer than twenty");
	json_object_end(&j);
	assert_int_equal(buf_check(&b, "status", &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_containers),
		cmocka_unit_test(every_kind_of_value),
		cmocka_unit_test(pretty_form_is_the_same_document),
		cmocka_unit_test(scalar_document),
		cmocka_unit_test(every_byte_value_below_128_survives),
		cmocka_unit_test(short_escapes),
		cmocka_unit_test(keys_are_escaped_too),
		cmocka_unit_test(utf8_is_kept),
		cmocka_unit_test(broken_utf8_becomes_replacement_characters),
		cmocka_unit_test(sequence_cut_by_the_length_is_broken),
		cmocka_unit_test(any_bytes_give_a_readable_document),
		cmocka_unit_test(overflow_is_found_by_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
