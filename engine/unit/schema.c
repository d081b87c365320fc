/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys as a JSON schema (draft 2020-12): a unit is an object of its sections, {"Container": {"Image": ".."}}. For
 * editors and programs that write units. Must never allow a key that has no row.
 */
#include "unit/kinds_internal.h"
#include "util/json.h"
#include "util/str.h"

/* Kinds of values; the names are those of "$defs". */
static const struct form {
	const char *name, *about, *rule; /* rule: members of a JSON object */
} forms[] = {
	[KEY_STRING] = { "text", "the last assignment wins", "\"type\": \"string\"" },
	[KEY_BOOL] = { "truth", "true or false",
		       "\"anyOf\": [{\"type\": \"boolean\"}, {\"type\": \"string\", \"pattern\": "
		       "\"^([01]|[Yy][Ee][Ss]|[Tt][Rr][Uu][Ee]|[Oo][Nn]|[Nn][Oo]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Ff][Ff])$\"}]" },
	[KEY_LIST] = { "lines", "one value a line, taken as it stands", "" },
	[KEY_WORDS] = { "words", "words with blanks between, a backslash is a letter", "" },
	[KEY_ARGS] = { "arguments", "words as on a command line", "" },
	[KEY_LAST_ARGS] = { "command", "a command line; the last assignment wins",
			    "\"type\": \"string\"" },
	[KEY_PAIRS] = { "pairs", "NAME=VALUE words", "" },
	[KEY_NUMBER] = { "number", "decimal, 0x.. or octal with a leading 0",
			 "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", \"pattern\": "
			 "\"^(0[xX][0-9a-fA-F]+|[0-9]+)$\"}]" },
	[KEY_SPAN] = { "span", "seconds, or a time span as 5min 20s",
		       "\"anyOf\": [{\"type\": \"number\", \"minimum\": 0}, {\"type\": \"string\", \"pattern\": "
		       "\"^ *(infinity|[0-9.]+ *[a-zA-Zµμ]*( *[0-9.]+ *[a-zA-Zµμ]*)*) *$\"}]" },
	[KEY_EXIT_SET] = { "exit-set", "exit codes and signal names", "" },
};

/* A key that may be repeated: one line, or several. */
static const char lines_rule[] =
	"\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": {\"type\": \"string\"}}]";

static void write_forms(struct json *j)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		auto_buf text = BUF_INIT(4096);

		buf_printf(&text, "{\"description\": \"%s\", %s}", forms[i].about,
			   forms[i].rule[0] ? forms[i].rule : lines_rule);
		json_raw(j, forms[i].name, buf_str(&text));
	}
}

static void write_words(struct json *j, const char *words)
{
	json_array(j, NULL);
	while (*words) {
		size_t len = strcspn(words, " ");

		json_strn(j, NULL, words, len);
		words += len + (words[len] == ' ');
	}
	json_array_end(j);
}

/* A few words, or something that is only known when the unit is started. */
static void write_choice(struct json *j, enum key_kind kind, const char *words)
{
	auto_buf list = BUF_INIT(4096);
	struct json inner = JSON_TO(&list);

	write_words(&inner, words);
	json_array(j, "anyOf");
	if (kind == KEY_BOOL)
		json_raw(j, NULL, "{\"$ref\": \"#/$defs/truth\"}");
	json_object(j, NULL);
	json_raw(j, "enum", buf_str(&list));
	json_object_end(j);
	json_raw(j, NULL, "{\"type\": \"string\", \"pattern\": \"[%$]\"}");
	json_array_end(j);
}

static void write_preset(struct json *j, const struct key *key, const char *preset)
{
	if (key->kind == KEY_BOOL)
		json_bool(j, "default", str_eq(preset, "true"));
	else
		json_str(j, "default", preset);
}

static void write_key(struct json *j, const struct key *key)
{
	const struct key_values *values = key_values(key);

	json_object(j, key->name);
	if (values && values->words[0]) {
		write_choice(j, key->kind, values->words);
	} else {
		auto_buf ref = BUF_INIT(64);

		buf_printf(&ref, "#/$defs/%s", forms[key->kind].name);
		json_str(j, "$ref", buf_str(&ref));
	}
	json_str(j, "description", key->help);
	if (values && values->preset[0])
		write_preset(j, key, values->preset);
	json_array(j, "examples");
	json_str(j, NULL, key->example);
	json_array_end(j);
	json_str(j, "x-state", key_state_name(key->state));
	if (key->reason[0])
		json_str(j, "x-reason", key->reason);
	if (key->flag[0])
		json_str(j, "x-podman", key->flag);
	json_object_end(j);
}

static void write_section(struct json *j, const char *section)
{
	size_t count;
	const struct key *rows = key_section(section, &count);

	json_object(j, section);
	json_str(j, "type", "object");
	json_object(j, "properties");
	for (size_t i = 0; i < count; i++)
		write_key(j, &rows[i]);
	json_object_end(j);
	json_bool(j, "additionalProperties", false);
	json_object_end(j);
}

/* Sections share names with forms: they have a level of their own. */
static void write_defs(struct json *j)
{
	json_object(j, "$defs");
	write_forms(j);
	for (size_t i = 0; key_section_at(i); i++)
		write_section(j, key_section_at(i));
	json_object_end(j);
}

static void write_properties(struct json *j)
{
	json_object(j, "properties");
	for (size_t i = 0; key_section_at(i); i++) {
		auto_buf ref = BUF_INIT(128);

		buf_printf(&ref, "{\"$ref\": \"#/$defs/%s\"}", key_section_at(i));
		json_raw(j, key_section_at(i), buf_str(&ref));
	}
	json_object_end(j);
	json_raw(j, "patternProperties", "{\"^X-\": {\"type\": \"object\"}}");
	json_bool(j, "additionalProperties", false);
}

/* What makes it a .container, a .pod and so on. */
static void write_kinds(struct json *j)
{
	json_array(j, "oneOf");
	for (size_t i = 0; kind_at(i); i++) {
		json_object(j, NULL);
		json_array(j, "required");
		json_str(j, NULL, kind_at(i)->section);
		json_array_end(j);
		json_object_end(j);
	}
	json_array_end(j);
}

void keys_write_schema(struct buf *out)
{
	struct json j = { .out = out, .pretty = true, .first = true };

	json_object(&j, NULL);
	json_str(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_str(&j, "$comment",
		 "written by \"cleat keys --json-schema\": change the table, not this file");
	json_str(&j, "title", "unit file");
	json_str(
		&j, "description",
		"A Quadlet unit as an object of its sections. A key that is repeated has an array.");
	json_str(&j, "type", "object");
	write_properties(&j);
	write_kinds(&j);
	write_defs(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}
