/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages that are written from the table of keys: KEYS.md and the fuzz dictionary. Must never say what no row says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/keys.h"
#include "util/str.h"

const char *key_kind_text(enum key_kind kind)
{
	switch (kind) {
	case KEY_STRING:
		return "text: the last assignment wins; one pair of double quotes round the whole value is taken off; empty is as if not set";
	case KEY_BOOL:
		return "boolean: 1, yes, true, on or 0, no, false, off in any case; the last assignment wins";
	case KEY_LIST:
		return "one value a line, taken as it stands, without quotes; repeat the key for more; an empty assignment clears";
	case KEY_WORDS:
		return "words with blanks between, quotes are taken off, a backslash is a letter; repeat the key for more; an empty assignment clears";
	case KEY_ARGS:
		return "words as on a command line, with quotes and C escapes; repeat the key for more; an empty assignment clears";
	case KEY_LAST_ARGS:
		return "a command line, with quotes and C escapes; the last assignment wins";
	case KEY_PAIRS:
		return "NAME=VALUE words, with quotes and C escapes; a later one of the same name wins; an empty assignment clears";
	case KEY_NUMBER:
		return "number: decimal, 0x.. or octal with a leading 0; the last assignment wins";
	case KEY_SPAN:
		return "time span: seconds, or 5min 20s, 1h, 500ms, infinity; the last assignment wins";
	case KEY_EXIT_SET:
		return "exit codes and signal names with blanks between; repeat the key for more; an empty assignment clears";
	}
	return "";
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
	const struct key_values *values = key_values(key);

	buf_printf(out, "| %s | %c | %s | ", key->name, key_kind_letter(key->kind),
		   key_state_name(key->state));
	write_cell(out, key->help);
	if (key->reason[0]) {
		buf_printf(out, " *%s:* ",
			   key->state == KEY_ACTED ? "values" : key_state_name(key->state));
		write_cell(out, key->reason);
	}
	buf_puts(out, " | ");
	if (values && values->preset[0])
		buf_printf(out, "`%s`", values->preset);
	buf_puts(out, " | ");
	if (key->flag[0])
		buf_printf(out, "`%s`", key->flag);
	buf_printf(out, " | `%s` |\n", key->example);
}

static void write_section(struct buf *out, const char *section)
{
	const struct key *sorted[512];
	size_t count;
	const struct key *rows = key_section(section, &count);

	if (count > sizeof(sorted) / sizeof(sorted[0])) {
		out->failed = true; /* said by whoever writes the page out */
		return;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = &rows[i];
	qsort(sorted, count, sizeof(sorted[0]), compare_rows);
	buf_printf(out,
		   "\n## [%s]\n\n| key | kind | state | meaning | default | podman | example |\n"
		   "|---|---|---|---|---|---|---|\n",
		   section);
	for (size_t i = 0; i < count; i++)
		write_row(out, sorted[i]);
}

static void write_kinds(struct buf *out)
{
	buf_puts(out, "| kind | value |\n|---|---|\n");
	for (int kind = KEY_STRING; kind <= KEY_EXIT_SET; kind++)
		buf_printf(out, "| %c | %s |\n", key_kind_letter((enum key_kind)kind),
			   key_kind_text((enum key_kind)kind));
}

void keys_write_markdown(struct buf *out)
{
	static const char *const sections[] = { "Container", "Pod",   "Volume",	 "Network",
						"Image",     "Build", "Kube",	 "Artifact",
						"Quadlet",   "Unit",  "Service", "Install" };

	buf_puts(out,
		 "<!-- written by \"cleat keys --markdown\": change the table, not this file -->\n"
		 "# Keys of unit files\n\n"
		 "States: *acted on*; *noted*: accepted and shown, leaving it out weakens nothing; "
		 "*refused*: will not be done, the unit is not started; "
		 "*not yet*: understood, not done by this version, the unit is not started. "
		 "Any other key is an error.\n\n");
	write_kinds(out);
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

/* Conditions differ in their name only: one stands for all. */
static bool is_one_of_many(const struct key *key)
{
	return (str_starts(key->name, "Condition") || str_starts(key->name, "Assert")) &&
	       !str_ends(key->name, "PathExists");
}

/* "[Container]" with its newline, so that a fuzzer gets into a section by one step. */
static void write_header(struct buf *out, const char *section)
{
	buf_printf(out, "\"[%s]\\x0a\"\n", section);
}

static void write_choices(struct buf *out, const struct key_values *values)
{
	for (const char *word = values->words; *word;) {
		size_t len = strcspn(word, " ");
		char line[256];

		snprintf(line, sizeof(line), "%s=%.*s", values->name, (int)len, word);
		write_token(out, line);
		word += len + (word[len] == ' ');
	}
}

void keys_write_dictionary(struct buf *out)
{
	static const char *const syntax[] = {
		"Image=x",  "Network=host", "$$",	    "${A}",	      "%%",
		"%h",	    "\"\"",	    "infinity",	    "5min 20s",	      ".network",
		".volume",  ".container",   ".image",	    ".build",	      ".pod",
		".service", "---",	    "# FileName=x", "=unless-stopped"
	};

	buf_puts(
		out,
		"# written by \"cleat keys --fuzz-dictionary\": change the table, not this file\n");
	for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
		write_token(out, syntax[i]);
	buf_puts(out, "\"\\x5c\\x0a\"\n\"\\x5cx41\"\n");
	for (size_t i = 0; key_section_at(i); i++)
		write_header(out, key_section_at(i));
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		char line[256];

		if (is_one_of_many(key))
			continue;
		snprintf(line, sizeof(line), "%s=%s", key->name, key->example);
		write_token(out, line);
	}
	for (size_t i = 0; key_values_at(i); i++)
		write_choices(out, key_values_at(i));
}
