/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking keys up, and everything that is made from the table. Must never know a key that has no row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "unit/keys_internal.h"
#include "util/str.h"

/* Keys that people write and nobody knows, and what says it. */
static const struct {
	const char *name, *hint;
} wishes[] = {
	{ "CPUs", "write PodmanArgs=--cpus=.." },
	{ "CPUShares", "write PodmanArgs=--cpu-shares=.." },
	{ "CapAdd", "write AddCapability=" },
	{ "CapDrop", "write DropCapability=" },
	{ "Command", "write Exec=" },
	{ "Devices", "write AddDevice=" },
	{ "Env", "write Environment=" },
	{ "Hostname", "write HostName=" },
	{ "MemorySwap", "write PodmanArgs=--memory-swap=.." },
	{ "Name", "write ContainerName=" },
	{ "Port", "write PublishPort=" },
	{ "Ports", "write PublishPort=" },
	{ "Privileged", "write PodmanArgs=--privileged" },
	{ "Volumes", "write Volume=" },
};

size_t key_count(void)
{
	return keys_container_count + keys_systemd_count;
}

const struct key *key_at(size_t index)
{
	return index < keys_container_count ? &keys_container[index] :
					      &keys_systemd[index - keys_container_count];
}

const struct key *key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < key_count(); i++)
		if (str_eq(key_at(i)->section, section) && str_eq(key_at(i)->name, name))
			return key_at(i);
	return NULL;
}

bool key_section_is_known(const char *section)
{
	for (size_t i = 0; i < key_count(); i++)
		if (str_eq(key_at(i)->section, section))
			return true;
	return false;
}

char key_kind_letter(enum key_kind kind)
{
	return "SBLWAXKNTE"[kind];
}

const char *key_state_name(enum key_state state)
{
	switch (state) {
	case KEY_ACTED:
		return "acted on";
	case KEY_NOTED:
		return "noted";
	case KEY_REFUSED:
		return "refused";
	case KEY_NOT_YET:
		return "not yet";
	}
	return "unknown";
}

/* Distance of two names; case counts for nothing, because keys are case sensitive and people are not. */
static unsigned distance(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0 ? 0 : str_distance(a, b, 2);
}

void key_suggest(const char *section, const char *name, struct buf *out)
{
	const struct key *best = NULL;
	unsigned best_distance = 3;

	for (size_t i = 0; i < key_count(); i++)
		if (str_eq(key_at(i)->name, name) && !str_eq(key_at(i)->section, section)) {
			buf_printf(out, ": it belongs in [%s]", key_at(i)->section);
			return;
		}
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		if (str_eq(section, "Container") && strcasecmp(wishes[i].name, name) == 0) {
			buf_printf(out, ": %s", wishes[i].hint);
			return;
		}
	for (size_t i = 0; strlen(name) < 64 && i < key_count(); i++) {
		unsigned d = distance(key_at(i)->name, name);

		/* A near name of the same section is likelier than a nearer one elsewhere. */
		if (str_eq(key_at(i)->section, section) && d < best_distance) {
			best = key_at(i);
			best_distance = d;
		}
	}
	if (best)
		buf_printf(out, ": did you mean %s=?", best->name);
}

void key_suggest_section(const char *section, struct buf *out)
{
	for (size_t i = 0; strlen(section) < 64 && i < key_count(); i++)
		if (distance(key_at(i)->section, section) <= 2) {
			buf_printf(out, ": did you mean [%s]?", key_at(i)->section);
			return;
		}
}

static int compare_rows(const void *left, const void *right)
{
	const struct key *a = *(const struct key *const *)left,
			 *b = *(const struct key *const *)right;

	return strcmp(a->name, b->name);
}

static void write_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '<')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static void write_row(struct buf *out, const struct key *key)
{
	buf_printf(out, "| %s | %c | %s | ", key->name, key_kind_letter(key->kind),
		   key_state_name(key->state));
	write_cell(out, key->help);
	if (key->reason[0]) {
		buf_printf(out, " *%s:* ",
			   key->state == KEY_ACTED ? "values" : key_state_name(key->state));
		write_cell(out, key->reason);
	}
	buf_puts(out, " | ");
	if (key->flag[0])
		buf_printf(out, "`%s`", key->flag);
	buf_printf(out, " | `%s` |\n", key->example);
}

static void write_section(struct buf *out, const char *section)
{
	const struct key *rows[512];
	size_t count = 0;

	for (size_t i = 0; i < key_count() && count < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(key_at(i)->section, section))
			rows[count++] = key_at(i);
	qsort(rows, count, sizeof(rows[0]), compare_rows);
	buf_printf(
		out,
		"\n## [%s]\n\n| key | kind | state | meaning | podman | example |\n|---|---|---|---|---|---|\n",
		section);
	for (size_t i = 0; i < count; i++)
		write_row(out, rows[i]);
}

void keys_write_markdown(struct buf *out)
{
	static const char *const sections[] = { "Container", "Quadlet", "Unit", "Service",
						"Install" };

	buf_puts(
		out,
		"<!-- written by \"cleat keys --markdown\": change the table, not this file -->\n"
		"# Keys of unit files\n\n"
		"Kinds: S text, last one wins, one pair of double quotes round the whole is taken off · "
		"B boolean (1, yes, true, on) · L one raw value a line, an empty one clears · "
		"W words, quotes off · A words as on a command line, C escapes · X the same, last line only · "
		"K NAME=VALUE words · N number · T time span · E exit codes and signals.\n\n"
		"States: *acted on*; *noted*: accepted and shown, leaving it out weakens nothing; "
		"*refused*: will not be done, the unit is not started; "
		"*not yet*: understood, not done by this version, the unit is not started. "
		"Any other key is an error.\n");
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		write_section(out, sections[i]);
}

static void write_token(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_puts(out, "\"\n");
}

void keys_write_dictionary(struct buf *out)
{
	static const char *const syntax[] = { "[Quadlet]", "[Unit]",	   "[Service]", "[Install]",
					      "Image=x",   "Network=host", "$$",	"${A}",
					      "%%",	   "%h",	   "\"\"",	"infinity",
					      "5min 20s",  ".network",	   ".volume" };

	buf_puts(
		out,
		"# written by \"cleat keys --fuzz-dictionary\": change the table, not this file\n");
	for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
		write_token(out, syntax[i]);
	buf_puts(out, "\"[Container]\\x0a\"\n\"\\x5c\\x0a\"\n\"\\x5cx41\"\n");
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		char line[256];

		/* Conditions differ in their name only: one stands for all. */
		if ((str_starts(key->name, "Condition") || str_starts(key->name, "Assert")) &&
		    !str_ends(key->name, "PathExists"))
			continue;
		snprintf(line, sizeof(line), "%s=%s", key->name, key->example);
		write_token(out, line);
	}
}
