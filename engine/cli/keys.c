/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat keys: the vocabulary of unit files, from the table that reads them. Must never say more of a key than its row does.
 */
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "unit/appliance.h"
#include "unit/keys.h"
#include "util/file.h"
#include "util/str.h"

#define KEYS_OUTPUT_MAX_BYTES (4 * 1024 * 1024)

static const char usage[] =
	"usage: cleat keys [KEY | SECTION.KEY]...\n"
	"       cleat keys --markdown | --json-schema | --fuzz-dictionary | --appliance\n"
	"\n"
	"Lists the keys of unit files and what becomes of each; KEY tells all about one, of appliance.ini as well.\n"
	"  --markdown         the table as a page\n"
	"  --json-schema      the table as a JSON schema of a unit as an object of its sections\n"
	"  --fuzz-dictionary  the same words for a fuzzer\n"
	"  --appliance        the keys of appliance.ini as a page\n";

/* The command whose options the keys of a section become. */
static const char *podman_command(const char *section)
{
	static const struct {
		const char *section, *command;
	} commands[] = {
		{ "Container", "podman run" },	      { "Pod", "podman pod create" },
		{ "Volume", "podman volume create" }, { "Network", "podman network create" },
		{ "Image", "podman image pull" },     { "Build", "podman build" },
		{ "Kube", "podman kube play" },	      { "Artifact", "podman artifact pull" },
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq(commands[i].section, section))
			return commands[i].command;
	return "podman";
}

static void write_list(struct buf *out)
{
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);

		buf_printf(out, "%-10s %-26s %c  %-9s %s\n", key->section, key->name,
			   key_kind_letter(key->kind), key_state_name(key->state), key->help);
	}
}

static void write_values(struct buf *out, const struct key *key)
{
	const struct key_values *values = key_values(key);

	buf_printf(out, "  %s\n", key_kind_text(key->kind));
	if (values && values->words[0])
		buf_printf(out, "  words: %s\n", values->words);
	if (values && values->preset[0])
		buf_printf(out, "  if not set: %s\n", values->preset);
}

static void write_key(struct buf *out, const struct key *key)
{
	buf_printf(out, "[%s] %s=\n  %s\n", key->section, key->name, key->help);
	write_values(out, key);
	buf_printf(out, "  %s", key_state_name(key->state));
	if (key->reason[0])
		buf_printf(out, ": %s", key->reason);
	if (key->flag[0])
		buf_printf(out, "\n  %s: %s", podman_command(key->section), key->flag);
	buf_printf(out, "\n  example: %s=%s\n", key->name, key->example);
}

/* "PublishPort", "publishport=", "Pod.PublishPort". */
static bool is_named(const struct key *key, const char *name)
{
	size_t section = strcspn(name, "."), len;

	if (name[section]) {
		if (strlen(key->section) != section ||
		    strncasecmp(key->section, name, section) != 0)
			return false;
		name += section + 1;
	}
	len = strcspn(name, "=");
	return strlen(key->name) == len && strncasecmp(key->name, name, len) == 0;
}

static void complain(const char *name)
{
	auto_buf hint = BUF_INIT(512), text = BUF_INIT(64 * 1024);
	const char *dot = strchr(name, '.');
	char section[64] = "";

	if (dot && (size_t)(dot - name) < sizeof(section))
		memcpy(section, name, (size_t)(dot - name));
	if (section[0] && !key_section_is_known(section))
		key_suggest_section(section, &hint);
	else
		key_suggest(section, dot ? dot + 1 : name, &hint);
	buf_printf(&text, "cleat keys: %s: unknown key%s", name, buf_str(&hint));
	if (text.data)
		cli_clean(text.data);
	fprintf(stderr, "%s\n", buf_str(&text));
}

static bool write_named_of_appliance(struct buf *out, const char *name)
{
	size_t count, section = strcspn(name, ".");
	const struct appliance_key *keys = appliance_keys(&count);
	const char *own = name[section] ? name + section + 1 : name;
	bool is_found = false;

	for (size_t i = 0; i < count; i++) {
		const struct appliance_key *key = &keys[i];

		if ((name[section] && (strcspn(key->section, " ") != section ||
				       strncasecmp(key->section, name, section) != 0)) ||
		    strlen(key->name) != strcspn(own, "=") ||
		    strncasecmp(key->name, own, strlen(key->name)) != 0)
			continue;
		buf_printf(out,
			   "appliance.ini [%s] %s=\n  %s\n  if not set: %s\n  example: %s=%s\n",
			   key->section, key->name, key->help, key->preset, key->name,
			   key->example);
		is_found = true;
	}
	return is_found;
}

static void write_appliance(struct buf *out)
{
	const char *section = "";
	size_t count;
	const struct appliance_key *keys = appliance_keys(&count);

	buf_printf(
		out,
		"<!-- written by \"cleat keys --appliance\": change the table, not this file -->\n"
		"# appliance.ini\n\n"
		"What concerns the whole appliance: `/config/appliance.ini`, in the syntax of unit files. An empty value is as if the key were not there. "
		"What is wrong is an error with file and line, all else counts all the same; `cleat check --config DIR` reads it, too.\n");
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(section, keys[i].section))
			buf_printf(
				out,
				"\n## [%s]\n\n| key | meaning | if not set | example |\n|---|---|---|---|\n",
				keys[i].section);
		section = keys[i].section;
		buf_printf(out, "| %s | %s | %s | `%s` |\n", keys[i].name, keys[i].help,
			   keys[i].preset, keys[i].example);
	}
}

static bool write_named(struct buf *out, const char *name)
{
	bool is_found = false;

	for (size_t i = 0; i < key_count(); i++)
		if (is_named(key_at(i), name)) {
			write_key(out, key_at(i));
			is_found = true;
		}
	is_found |= write_named_of_appliance(out, name);
	if (!is_found)
		complain(name);
	return is_found;
}

static int print(const struct buf *out, int status)
{
	struct err err;

	if (buf_check(out, "keys", &err) == 0 &&
	    file_write_all(STDOUT_FILENO, out->data, out->len, &err) == 0)
		return status;
	fprintf(stderr, "cleat keys: %s\n", err.msg);
	return CLI_FAILED;
}

int cmd_keys(int argc, char **argv)
{
	bool markdown = false, schema = false, dictionary = false, appliance = false, help = false;
	const struct cli_option options[] = {
		{ NULL, "--markdown", &markdown, NULL },
		{ NULL, "--json-schema", &schema, NULL },
		{ NULL, "--fuzz-dictionary", &dictionary, NULL },
		{ NULL, "--appliance", &appliance, NULL },
		{ "-h", "--help", &help, NULL },
	};
	auto_buf out = BUF_INIT(KEYS_OUTPUT_MAX_BYTES);
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	int status = CLI_OK;

	if (names < 0)
		return CLI_USAGE;
	if (markdown + schema + dictionary + appliance + (names > 0) > 1 || help) {
		fputs(usage, help ? stdout : stderr);
		return help ? CLI_OK : CLI_USAGE;
	}
	if (markdown)
		keys_write_markdown(&out);
	else if (schema)
		keys_write_schema(&out);
	else if (dictionary)
		keys_write_dictionary(&out);
	else if (appliance)
		write_appliance(&out);
	else if (!names)
		write_list(&out);
	for (int i = 1; i <= names; i++)
		if (!write_named(&out, argv[i]))
			status = CLI_FAILED;
	return print(&out, status);
}
