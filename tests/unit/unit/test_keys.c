/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys: looking up, what is suggested for unknown ones, and the
 * pages that are written from it. */
#include "unit_test.h"

#include <yyjson.h>

#include "unit/keys.h"
#include "util/buf.h"
#include "util/str.h"

#define PAGE_BYTES ((size_t)4 * 1024 * 1024)

static void every_row_is_found_by_its_own_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);

		assert_ptr_equal(key_find(key->section, key->name), key);
	}
	assert_null(key_at(key_count()));
}

static void only_the_exact_name_is_found(void **state)
{
	(void)state;
	assert_non_null(key_find("Container", "Image"));
	assert_null(key_find("Container", "image"));
	assert_null(key_find("container", "Image"));
	assert_null(key_find("Container", ""));
	assert_null(key_find("", "Image"));
	assert_null(key_find("ContainerI", "mage"));
	assert_null(key_find("Service", "Image"));
	assert_false(key_section_is_known("service"));
	assert_true(key_section_is_known("Service"));
}

/* A hash says where to look, and not what is there. */
static void another_name_with_the_same_hash_is_not_the_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		int section = key_section_number(key->section);
		size_t len = strlen(key->name);
		uint32_t hash = key_hash(key->name);
		char name[64];

		assert_true(len < sizeof(name) - 1);
		assert_ptr_equal(key_find_hashed(section, key->name, len, hash), key);
		assert_null(key_find_hashed(section, key->name, len - 1, hash));
		for (size_t at = 0; at < len; at++) {
			memcpy(name, key->name, len + 1);
			name[at]++;
			assert_null(key_find_hashed(section, name, len, hash));
		}
		memcpy(name, key->name, len);
		memcpy(name + len, "s", 2);
		assert_null(key_find_hashed(section, name, len + 1, hash));
	}
}

/* quadlet.md counts 236 keys of Quadlet's own. */
static void sections_have_all_their_keys(void **state)
{
	static const struct {
		const char *name;
		size_t count;
	} expected[] = {
		{ "Container", 94 }, { "Pod", 29 },	 { "Volume", 16 },
		{ "Network", 18 },   { "Image", 18 },	 { "Build", 28 },
		{ "Kube", 19 },	     { "Artifact", 13 }, { "Quadlet", 1 },
	};
	size_t total = 0, sections = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		size_t count;

		assert_non_null(key_section(expected[i].name, &count));
		if (count != expected[i].count)
			fail_msg("[%s] has %zu keys, not %zu", expected[i].name, count,
				 expected[i].count);
	}
	for (; key_section_at(sections); sections++) {
		size_t count;
		const struct key *rows = key_section(key_section_at(sections), &count);

		for (size_t i = 0; i < count; i++)
			assert_string_equal(rows[i].section, key_section_at(sections));
		total += count;
	}
	assert_int_equal(sections, 12);
	assert_int_equal(total, key_count());
}

static void an_unknown_section_has_no_rows(void **state)
{
	size_t count = 7;

	(void)state;
	assert_null(key_section("Nope", &count));
	assert_int_equal(count, 0);
}

static void rows_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);

		if (!key->help[0] || !key->example[0] || !key_kind_text(key->kind)[0])
			fail_msg("%s.%s: help or example is missing", key->section, key->name);
		if (key->state != KEY_ACTED && !key->reason[0])
			fail_msg("%s.%s: %s without a reason", key->section, key->name,
				 key_state_name(key->state));
	}
}

static void known_values_are_of_keys_that_exist(void **state)
{
	(void)state;
	for (size_t i = 0; key_values_at(i); i++) {
		const struct key_values *values = key_values_at(i);
		const struct key *key = key_find(values->section, values->name);

		if (!key)
			fail_msg("%s.%s: no such key", values->section, values->name);
		assert_ptr_equal(key_values(key), values);
		if (key->kind == KEY_BOOL && values->preset[0])
			assert_true(str_eq(values->preset, "true") ||
				    str_eq(values->preset, "false"));
	}
	assert_null(key_values(key_find("Container", "Image")));
}

static void assert_hint(const char *own, const char *section, const char *name,
			const char *expected)
{
	auto_buf out = BUF_INIT(1024);

	key_suggest_in(own, section, name, &out);
	if (!str_eq(buf_str(&out), expected))
		fail_msg("[%s] %s: '%s', expected '%s'", section, name, buf_str(&out), expected);
}

static void slips_of_the_pen_are_recognized(void **state)
{
	(void)state;
	assert_hint("Container", "Container", "image", ": did you mean Image=?");
	assert_hint("Container", "Container", "Imag", ": did you mean Image=?");
	assert_hint("Container", "Container", "PublishPorts", ": did you mean PublishPort=?");
	assert_hint("Container", "Container", "Hostname", ": did you mean HostName=?");
	assert_hint("Container", "Container", "read_only", ": did you mean ReadOnly=?");
	assert_hint("Container", "Container", "DropCapabilty", ": did you mean DropCapability=?");
	assert_hint("Container", "Container", "Syxcwl", ": did you mean Sysctl=?");
	assert_hint("Container", "Service", "RestartSecs", ": did you mean RestartSec=?");
	assert_hint("Container", "Install", "WantedBY", ": did you mean WantedBy=?");
}

static void keys_of_other_sections_are_sent_there(void **state)
{
	(void)state;
	assert_hint("Container", "Container", "Restart", ": it belongs in [Service]");
	assert_hint("Container", "Container", "CPUQuota", ": it belongs in [Service]");
	assert_hint("Container", "Container", "CPUAccounting", ": it belongs in [Service]");
	assert_hint("Container", "Container", "AllowedCPUs", ": it belongs in [Service]");
	assert_hint("Container", "Container", "MemoryMax", ": it belongs in [Service]");
	assert_hint("Container", "Container", "Description", ": it belongs in [Unit]");
	assert_hint("Container", "Container", "WantedBy", ": it belongs in [Install]");
	assert_hint("Container", "Container", "restart", ": did you mean Restart= in [Service]?");
	assert_hint("Container", "Container", "RestartSecs",
		    ": did you mean RestartSec= in [Service]?");
	assert_hint("Container", "Service", "Image", ": it belongs in [Container]");
	assert_hint("Pod", "Service", "PublishPort", ": it belongs in [Pod]");
	assert_hint("Container", "Unit", "WantedBy", ": it belongs in [Install]");
	/* [Volume] has a Type=, too: the section that may stand in the file is the
   * likelier one. */
	assert_hint("Container", "Container", "Type", ": it belongs in [Service]");
}

static void keys_of_other_kinds_are_sent_there(void **state)
{
	(void)state;
	assert_hint("Container", "Container", "PodName", ": it belongs in [Pod] of a .pod unit");
	assert_hint("Container", "Container", "Subnet",
		    ": it belongs in [Network] of a .network unit");
	assert_hint("Pod", "Pod", "HealthCmd", ": it belongs in [Container] of a .container unit");
	assert_hint("Container", "Service", "Yaml", ": it belongs in [Kube] of a .kube unit");
	assert_hint(NULL, "Service", "ExposeHostPort",
		    ": it belongs in [Container] of a .container unit");
	assert_hint("Volume", "Volume", "DNSSearch",
		    ": it belongs in [Container] of a .container unit, or [Pod] of a "
		    ".pod unit, or [Build] of a .build unit");
}

static void words_of_docker_and_compose_are_translated(void **state)
{
	(void)state;
	assert_hint("Container", "Container", "ports", ": write PublishPort=");
	assert_hint("Container", "Container", "depends_on",
		    ": write Requires= and After= in [Unit]");
	assert_hint("Container", "Container", "ExecStart", ": write Exec=");
	assert_hint("Container", "Install", "Enabled", ": write WantedBy=default.target");
	assert_hint("Pod", "Pod", "Containers",
		    ": write Pod=NAME.pod in the unit of each container");
	assert_hint("Network", "Network", "Name", ": write NetworkName=");
	assert_hint("Pod", "Pod", "ports", ": write PublishPort=");
	assert_hint("Build", "Build", "dockerfile", ": write File=");
}

static void what_resembles_nothing_has_no_hint(void **state)
{
	char longest[10000];

	(void)state;
	assert_hint("Container", "Container", "Nope", "");
	assert_hint("Container", "Container", "Foo", "");
	assert_hint("Container", "Container", "x", "");
	assert_hint("Container", "Container", "", "");
	assert_hint("Container", "Container", "___", "");
	memset(longest, 'I', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_hint("Container", "Container", longest, "");
	assert_hint(NULL, "", longest, "");
}

static void a_key_without_a_section_may_be_any(void **state)
{
	(void)state;
	assert_hint(NULL, "", "PublishPorts", ": did you mean PublishPort= in [Container]?");
	assert_hint(NULL, "", "Subnett", ": did you mean Subnet= in [Network]?");
}

static void sections_are_suggested(void **state)
{
	static const struct {
		const char *name, *hint;
	} cases[] = {
		{ "container", ": did you mean [Container]?" },
		{ "Contaner", ": did you mean [Container]?" },
		{ "Unti", ": did you mean [Unit]?" },
		{ "Foo", "" }, /* as near to pod as to kube */
		{ "Something", "" },
		{ "Ports", ": write PublishPort= in [Container]" },
		{ "Volumes", ": write Volume= in [Container]" },
		{ "Timer", ": there are no timers" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_buf out = BUF_INIT(256);

		key_suggest_section(cases[i].name, &out);
		assert_string_equal(buf_str(&out), cases[i].hint);
	}
}

static void the_page_has_a_row_for_every_key(void **state)
{
	auto_buf page = BUF_INIT(PAGE_BYTES);
	size_t rows = 0;

	(void)state;
	keys_write_markdown(&page);
	assert_false(page.failed);
	for (size_t i = 0; i < key_count(); i++) {
		char cell[128];

		snprintf(cell, sizeof(cell), "\n| %s | %c | %s | ", key_at(i)->name,
			 key_kind_letter(key_at(i)->kind), key_state_name(key_at(i)->state));
		assert_non_null(strstr(buf_str(&page), cell));
	}
	/* A row has seven cells; every one that is not a heading or the list of kinds
   * is a key. */
	for (const char *p = buf_str(&page); (p = strstr(p, "` |\n")) != NULL; p++)
		rows++;
	assert_int_equal(rows, key_count());
}

static void the_dictionary_is_one_token_a_line(void **state)
{
	auto_buf page = BUF_INIT(PAGE_BYTES);

	(void)state;
	keys_write_dictionary(&page);
	assert_false(page.failed);
	for (const char *p = buf_str(&page); *p; p += strcspn(p, "\n") + 1) {
		size_t len = strcspn(p, "\n");

		if (p[0] != '#' && (len < 3 || p[0] != '"' || p[len - 1] != '"'))
			fail_msg("%.*s", (int)len, p);
	}
	assert_non_null(strstr(buf_str(&page), "\"[Artifact]\\x0a\"\n"));
	assert_non_null(strstr(buf_str(&page), "\"Restart=on-abort\"\n"));
	assert_non_null(strstr(buf_str(&page), "\"HealthInterval=30s\"\n"));
}

/* --- the schema --- */

static yyjson_doc *read_schema(void)
{
	auto_buf page = BUF_INIT(PAGE_BYTES);
	yyjson_doc *doc;

	keys_write_schema(&page);
	assert_false(page.failed);
	doc = yyjson_read(page.data, page.len, 0);
	assert_non_null(doc);
	return doc;
}

static yyjson_val *at(yyjson_val *object, const char *name)
{
	yyjson_val *value = yyjson_obj_get(object, name);

	if (!value)
		fail_msg("the schema has no %s", name);
	return value;
}

static void the_schema_has_every_key_and_no_other(void **state)
{
	yyjson_doc *doc = read_schema();
	yyjson_val *root = yyjson_doc_get_root(doc), *defs = at(root, "$defs");
	size_t total = 0;

	(void)state;
	assert_string_equal(yyjson_get_str(at(root, "$schema")),
			    "https://json-schema.org/draft/2020-12/schema");
	assert_false(yyjson_get_bool(at(root, "additionalProperties")));
	assert_int_equal(yyjson_arr_size(at(root, "oneOf")), 8);
	for (size_t i = 0; key_section_at(i); i++) {
		yyjson_val *section = at(defs, key_section_at(i));

		at(at(root, "properties"), key_section_at(i));
		assert_false(yyjson_get_bool(at(section, "additionalProperties")));
		total += yyjson_obj_size(at(section, "properties"));
	}
	assert_int_equal(total, key_count());
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		yyjson_val *row = at(at(at(defs, key->section), "properties"), key->name);

		assert_string_equal(yyjson_get_str(at(row, "description")), key->help);
		assert_string_equal(yyjson_get_str(at(row, "x-state")), key_state_name(key->state));
		assert_string_equal(yyjson_get_str(yyjson_arr_get_first(at(row, "examples"))),
				    key->example);
	}
	yyjson_doc_free(doc);
}

static void check_refs(yyjson_val *value, yyjson_val *defs)
{
	size_t index, max;
	yyjson_val *name, *item;

	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, index, max, item) check_refs(item, defs);
	}
	if (!yyjson_is_obj(value))
		return;
	yyjson_obj_foreach(value, index, max, name, item)
	{
		const char *text = yyjson_get_str(item);

		if (yyjson_equals_str(name, "$ref")) {
			assert_non_null(text);
			assert_true(str_starts(text, "#/$defs/"));
			at(defs, text + strlen("#/$defs/"));
		}
		check_refs(item, defs);
	}
}

static void every_reference_of_the_schema_leads_somewhere(void **state)
{
	yyjson_doc *doc = read_schema();

	(void)state;
	check_refs(yyjson_doc_get_root(doc), at(yyjson_doc_get_root(doc), "$defs"));
	yyjson_doc_free(doc);
}

/* Where the schema lists words, the example is one of them, and so is the
 * default. */
static void examples_are_among_the_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		const struct key_values *values = key_values(key);
		char padded[512], word[512];

		if (!values || !values->words[0])
			continue;
		snprintf(padded, sizeof(padded), " %s ", values->words);
		snprintf(word, sizeof(word), " %s ", key->example);
		if (!strstr(padded, word))
			fail_msg("%s.%s: %s is none of %s", key->section, key->name, key->example,
				 values->words);
		snprintf(word, sizeof(word), " %s ", values->preset);
		if (values->preset[0] && !strstr(padded, word))
			fail_msg("%s.%s: %s is none of %s", key->section, key->name, values->preset,
				 values->words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_own_name),
		cmocka_unit_test(only_the_exact_name_is_found),
		cmocka_unit_test(another_name_with_the_same_hash_is_not_the_key),
		cmocka_unit_test(sections_have_all_their_keys),
		cmocka_unit_test(an_unknown_section_has_no_rows),
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(known_values_are_of_keys_that_exist),
		cmocka_unit_test(slips_of_the_pen_are_recognized),
		cmocka_unit_test(keys_of_other_sections_are_sent_there),
		cmocka_unit_test(keys_of_other_kinds_are_sent_there),
		cmocka_unit_test(words_of_docker_and_compose_are_translated),
		cmocka_unit_test(what_resembles_nothing_has_no_hint),
		cmocka_unit_test(a_key_without_a_section_may_be_any),
		cmocka_unit_test(sections_are_suggested),
		cmocka_unit_test(the_page_has_a_row_for_every_key),
		cmocka_unit_test(the_dictionary_is_one_token_a_line),
		cmocka_unit_test(the_schema_has_every_key_and_no_other),
		cmocka_unit_test(every_reference_of_the_schema_leads_somewhere),
		cmocka_unit_test(examples_are_among_the_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
