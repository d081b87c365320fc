/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small languages in values. The first byte chooses one, the rest is its text: systemd's numbers (spans, sizes,
 * shares, modes, signals, exit sets, lists of processors), words in each mode, environment files, every key of the
 * table with any value, and specifiers. Oracles beside the sanitizers: what is refused sets nothing; what is accepted
 * is in range and, where it can be written, reads back as itself; any text, with its quotes, % and $ escaped, comes
 * through a whole unit unchanged.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "unit/env_file_internal.h"
#include "unit/keys.h"
#include "unit/machine.h"
#include "unit/span_internal.h"
#include "unit/unit.h"
#include "unit/unit_memory.h"
#include "unit/words_internal.h"
#include "util/signals.h"
#include "util/str.h"

#define MAX_TEXT ((size_t)64 * 1024)

static const struct unit_facts facts = { TEST_MACHINE };

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static void try_span(const char *text)
{
	const uint64_t unset = 0x5a5a5a5a5a5a5a5a;
	uint64_t usec = unset, again;
	char written[64];

	if (!span_parse(text, &usec)) {
		check(usec == unset, "a span that is refused sets nothing");
		return;
	}
	if (usec == USEC_NEVER)
		return;
	snprintf(written, sizeof(written), "%juus", (uintmax_t)usec);
	check(span_parse(written, &again) && again == usec, "a span reads back as itself");
}

static void try_sizes(const char *text)
{
	static const unsigned bases[] = { 1024, 1000 };

	for (size_t i = 0; i < 2; i++) {
		const uint64_t unset = 0x5a5a5a5a5a5a5a5a;
		uint64_t bytes = unset, again;
		char written[64];

		if (!size_parse(text, bases[i], &bytes)) {
			check(bytes == unset, "a size that is refused sets nothing");
			continue;
		}
		snprintf(written, sizeof(written), "%ju", (uintmax_t)bytes);
		check(size_parse(written, bases[i], &again) && again == bytes,
		      "a size reads back as itself");
	}
}

static void try_numbers(const char *text)
{
	uint64_t share = 77;
	unsigned mode = 077777;
	int number = 4711;
	bool value = false, other = true;

	if (share_parse(text, &share))
		check(share <= UINT32_MAX, "a share is in range");
	else
		check(share == 77, "a share that is refused sets nothing");
	if (mode_parse(text, &mode))
		check(mode <= 07777, "a mode is in range");
	else
		check(mode == 077777, "a mode that is refused sets nothing");
	if (signal_parse(text, SIGNAL_OF_SYSTEMD, &number))
		check(number >= 1 && number <= 64, "a signal is in range");
	else
		check(number == 4711, "a signal that is refused sets nothing");
	if (systemd_bool_parse(text, &value))
		check(systemd_bool_parse(text, &other) && value == other,
		      "a boolean is what it is");
	else
		check(!value, "a boolean that is refused sets nothing");
}

static size_t members(const struct exit_set *set)
{
	size_t count = (size_t)__builtin_popcountll(set->signals);

	for (size_t i = 0; i < 4; i++)
		count += (size_t)__builtin_popcountll(set->codes[i]);
	return count;
}

static void try_exit_set(const char *text)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, text, WORDS_PLAIN);
	struct exit_set set = { 0 }, again;
	size_t before = 0;

	for (size_t i = 0; i < words.count; i++) {
		bool is_added = exit_set_add(&set, words.items[i].text);
		size_t now = members(&set);

		check(is_added ? now == before || now == before + 1 : now == before,
		      "a word of an exit set is one member, or none");
		again = set;
		check(!is_added || (exit_set_add(&again, words.items[i].text) &&
				    memcmp(&again, &set, sizeof(set)) == 0),
		      "a member twice is once");
		before = now;
	}
	arena_fini(&arena);
}

static void try_cpu_list(const char *text)
{
	struct buf list = BUF_INIT(MAX_TEXT), again = BUF_INIT(MAX_TEXT);

	if (cpu_list_parse(text, &list) && list.len) {
		check(cpu_list_parse(buf_str(&list), &again),
		      "a list of processors can be read again");
		check(str_eq(buf_str(&list), buf_str(&again)), "sorted once is sorted");
		check(strspn(buf_str(&list), "0123456789,-") == list.len,
		      "the kernel can read a list of processors");
	}
	buf_fini(&list);
	buf_fini(&again);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static void try_words(const char *text, enum words_mode mode)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, text, mode), again;
	struct buf line = BUF_INIT(8 * MAX_TEXT);
	size_t len = strlen(text), at = 0;

	check(!words.problem || (words.count == 0 && words.problem_offset <= len),
	      "where words cannot be split there are none");
	for (size_t i = 0; i < words.count; i++) {
		check(words.items[i].offset < len && (i == 0 || words.items[i].offset > at),
		      "words stand one behind the other");
		at = words.items[i].offset;
		check(strlen(words.items[i].text) <= len, "a word is no longer than its line");
		if (words.items[i].text[0]) {
			words_escape(&line, words.items[i].text);
			buf_putc(&line, ' ');
		}
	}
	again = words_split(&arena, buf_str(&line), WORDS_ESCAPES);
	check(!again.problem, "what was written can be split");
	for (size_t i = 0, j = 0; i < words.count; i++) {
		if (!words.items[i].text[0])
			continue;
		check(j < again.count && str_eq(words.items[i].text, again.items[j].text),
		      "a word comes back from text");
		j++;
	}
	buf_fini(&line);
	arena_fini(&arena);
}

static void try_env_file(const char *text)
{
	static const struct origin origin = {
		.file = "fuzz.env", .line = 1, .column = 1, .key = "Service.EnvironmentFile"
	};
	struct arena arena = { 0 };
	struct arg_list list = { 0 };
	struct err err;

	if (env_file_parse(&arena, text, &origin, &list, &err) < 0)
		check(err.msg[0] != '\0', "a file that is refused has a reason");
	for (size_t i = 0; i < list.count; i++)
		check(strchr(list.items[i].text, '=') != NULL && list.items[i].text[0] != '=',
		      "a variable has a name");
	arena_fini(&arena);
}

/* --- whole units -------------------------------------------------------------------------------------------------- */

static struct unit_set load(const char *name, const struct buf *text)
{
	struct unit_set set = { 0 };
	struct err err;
	char path[128];

	check(!text->failed, "a unit fits");
	snprintf(path, sizeof(path), "/u/%s", name);
	check(unit_set_load_text(&set, name, path, text->data, text->len, &facts, &err) == 0,
	      "text can be loaded");
	check(set.count == 1, "a unit is a unit");
	check(set.units[0].is_valid == (set.diags.error_count == 0),
	      "a unit is valid when nothing was refused");
	for (size_t i = 0; i < set.diags.count; i++)
		check(set.diags.items[i].line > 0 && set.diags.items[i].text[0],
		      "a complaint has a place and a text");
	return set;
}

/* A unit of the kind that has the section, with what it cannot do without. */
static void put_unit(struct buf *out, const char *section, const char **name)
{
	static const struct {
		const char *section, *name, *needs;
	} kinds[] = {
		{ "Pod", "web.pod", "" },
		{ "Volume", "web.volume", "" },
		{ "Network", "web.network", "" },
		{ "Image", "web.image", "Image=registry.example/web:1\n" },
		{ "Build", "web.build", "ImageTag=localhost/web\nSetWorkingDirectory=unit\n" },
		{ "Kube", "web.kube", "Yaml=web.yaml\n" },
		{ "Artifact", "web.artifact", "Artifact=registry.example/web:1\n" },
		{ "Container", "web.container", "Image=registry.example/web:1\nNetwork=none\n" },
	};
	size_t i = 0;

	while (i + 1 < sizeof(kinds) / sizeof(kinds[0]) && !str_eq(kinds[i].section, section))
		i++;
	*name = kinds[i].name;
	buf_printf(out, "[%s]\n%s[%s]\n", kinds[i].section, kinds[i].needs, section);
}

/* The first two bytes choose the key. */
static void try_key(const char *text)
{
	struct buf unit = BUF_INIT(4 * MAX_TEXT);
	struct unit_set set;
	const struct key *key;
	const char *name;
	size_t index;

	if (!text[0] || !text[1])
		return;
	index = ((size_t)(unsigned char)text[0] << 8 | (unsigned char)text[1]) % key_count();
	key = key_at(index);
	put_unit(&unit, key->section, &name);
	buf_printf(&unit, "%s=%s\n", key->name, text + 2);
	set = load(name, &unit);
	check(memory_of(&set) <= memory_limit(unit.len, 1, true),
	      "memory is bounded by what was read");
	unit_set_fini(&set);
	buf_fini(&unit);
}

/* The text as one word of Exec=, escaped by the rules for quotes, specifiers and variables. */
static void try_round_trip(const char *text)
{
	struct buf unit = BUF_INIT(8 * MAX_TEXT), word = BUF_INIT(4 * MAX_TEXT);
	const struct arg_list *words;
	struct unit_set set;

	if (!text[0] || strlen(text) > UNIT_MAX_LINE_BYTES / 8)
		return;
	for (const char *p = text; *p; p++) {
		buf_putc(&word, *p);
		if (*p == '%' || *p == '$')
			buf_putc(&word, *p);
	}
	buf_puts(&unit, "[Container]\nImage=registry.example/web:1\nNetwork=none\nExec=/bin/x ");
	words_escape(&unit, buf_str(&word));
	buf_puts(&unit, " end\n");
	set = load("web.container", &unit);
	words = &set.units[0].spec_args;
	if (!set.units[0].is_valid) {
		/* Bytes that are no characters cannot be said by escapes either. */
		check(strstr(set.units[0].error_text, "not valid UTF-8") != NULL,
		      "a word that is escaped is accepted");
		unit_set_fini(&set);
		buf_fini(&unit);
		buf_fini(&word);
		return;
	}
	check(words->count >= 2 && str_eq(words->items[words->count - 1].text, "end") &&
		      str_eq(words->items[words->count - 2].text, text),
	      "a word that is escaped comes through");
	unit_set_fini(&set);
	buf_fini(&unit);
	buf_fini(&word);
}

/* Specifiers and variables wherever they are expanded, in a unit that has some. */
static void try_specifiers(const char *text)
{
	struct buf unit = BUF_INIT(4 * MAX_TEXT);
	struct unit_set set;

	buf_printf(
		&unit,
		"[Unit]\nDescription=%s\n[Container]\nImage=registry.example/web:1\nNetwork=none\n"
		"Exec=/bin/x %s\n[Service]\nEnvironment=A=1 B='two words' C=\nExecStartPre=/bin/y %s\n",
		text, text, text);
	set = load("web@one\\x2dtwo.container", &unit);
	check(memory_of(&set) <= memory_limit(unit.len, 1, true),
	      "memory is bounded by what was read");
	unit_set_fini(&set);
	buf_fini(&unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *) = {
		try_span,     try_sizes, try_numbers,	 try_exit_set,	 try_cpu_list,
		try_env_file, try_key,	 try_round_trip, try_specifiers,
	};
	static const enum words_mode modes[] = { WORDS_PLAIN, WORDS_VARIABLE, WORDS_ESCAPES,
						 WORDS_COMMAND };
	const size_t count = sizeof(tries) / sizeof(tries[0]);
	char *text;
	size_t which;

	if (size < 1 || size > MAX_TEXT)
		return 0;
	/* Letters, so that seeds can be written by hand. */
	which = (size_t)(data[0] - (uint8_t)'a') % (count + 4);
	text = strndup((const char *)data + 1, size - 1);
	check(text != NULL, "memory");
	if (which < count)
		tries[which](text);
	else
		try_words(text, modes[which - count]);
	free(text);
	return 0;
}
