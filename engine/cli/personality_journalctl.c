/* SPDX-License-Identifier: Apache-2.0 */
/* "journalctl -u UNIT": containers' logs by "cleat logs". There is no journal: what asks for all units' lines is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/personality.h"
#include "unit/service.h"
#include "util/arena.h"
#include "util/loop.h"
#include "util/str.h"

struct journal {
	struct arena arena;
	char **words; /* of "cleat logs" */
	size_t count;
	char **units;
	size_t unit_count;
	const char *tail; /* NULL: all */
	bool has_no_time;
};

static bool is_count(const char *word)
{
	return str_eq(word, "all") || (word[0] && !word[strspn(word, "0123456789")]);
}

static void add(struct journal *j, const char *word)
{
	*arena_push(&j->arena, j->words, j->count) = arena_strdup(&j->arena, word);
}

/* journalctl's times in our words: "10 min ago", "-1h", "today", "2026-11-21 10:00:00". */
static const char *translate_time(struct journal *j, const char *text)
{
	size_t len = strlen(text);
	char *copy = arena_strdup(&j->arena, text), seconds[32];
	time_t now = time(NULL);
	uint64_t usec;
	struct tm tm;

	if (str_eq(text, "now"))
		return "0s";
	if ((str_eq(text, "today") || str_eq(text, "yesterday")) && gmtime_r(&now, &tm)) {
		char day[32];

		if (text[0] == 'y') {
			now -= 86400;
			gmtime_r(&now, &tm);
		}
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		return arena_strdup(&j->arena, day);
	}
	if (text[0] == '-' || (len > 4 && str_ends(text, " ago"))) {
		if (text[0] != '-')
			copy[len - 4] = '\0';
		if (!span_parse(copy + (text[0] == '-'), &usec) || usec == USEC_NEVER)
			return text; /* refused by its own name */
		snprintf(seconds, sizeof(seconds), "%" PRIu64 "s", usec / 1000000);
		return arena_strdup(&j->arena, seconds);
	}
	if (text[0] == '@') /* seconds since 1970 */
		return copy + 1;
	if (len > 10 && copy[10] == ' ')
		copy[10] = 'T';
	return copy;
}

static const char *value_of(int argc, char **argv, int *i, const char *shorter, const char *longer)
{
	const char *word = argv[*i];
	size_t len = strlen(longer);

	if (strncmp(word, longer, len) == 0 && word[len] == '=')
		return word + len + 1;
	if (str_eq(word, longer) || str_eq(word, shorter))
		return *i + 1 < argc ? argv[++*i] : "";
	if (str_starts(word, shorter) && word[1] != '-' && word[2])
		return word + 2;
	return NULL;
}

static bool is_idle(const char *word)
{
	static const char *const words[] = { "--no-pager",    "-q",	  "--quiet",   "-e",
					     "--pager-end",   "-x",	  "--catalog", "-a",
					     "--all",	      "--system", "--user",    "--utc",
					     "--no-hostname", "-l",	  "--full",    "-b",
					     "--boot" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(word, words[i]))
			return true;
	return false;
}

static void add_unit(struct journal *j, const char *unit)
{
	for (size_t i = 0; i < j->unit_count; i++)
		if (str_eq(j->units[i], unit))
			return;
	*arena_push(&j->arena, j->units, j->unit_count) = arena_strdup(&j->arena, unit);
}

static void follow(struct journal *j)
{
	add(j, "--follow");
	j->tail = j->tail ? j->tail : "10";
}

/* "-fu web", "-xe": letters that take no value, and u as the last. False: it is none of these. */
static bool read_letters(struct journal *j, int argc, char **argv, int *i)
{
	const char *word = argv[*i];
	size_t flags = word[0] == '-' ? strspn(word + 1, "fexqalb") : 0;
	bool has_unit = word[1 + flags] == 'u' && !word[2 + flags] && *i + 1 < argc;

	if (!flags || (word[1 + flags] && !has_unit))
		return false;
	if (memchr(word + 1, 'f', flags))
		follow(j);
	if (has_unit)
		add_unit(j, argv[++*i]);
	return true;
}

/* False: said what was not understood. */
static bool read_word(struct journal *j, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *value;

	if (read_letters(j, argc, argv, i))
		return true;
	if ((value = value_of(argc, argv, i, "-u", "--unit")) ||
	    (value = value_of(argc, argv, i, "-t", "--identifier"))) {
		add_unit(j, value);
	} else if (str_starts(word, "_SYSTEMD_UNIT=") || str_starts(word, "CONTAINER_NAME=")) {
		add_unit(j, strchr(word, '=') + 1);
	} else if (str_eq(word, "-n") && (*i + 1 >= argc || !is_count(argv[*i + 1]))) {
		j->tail = "10"; /* -n alone */
	} else if ((value = value_of(argc, argv, i, "-n", "--lines"))) {
		j->tail = value;
	} else if ((value = value_of(argc, argv, i, "-S", "--since"))) {
		add(j, "--since");
		add(j, translate_time(j, value));
	} else if ((value = value_of(argc, argv, i, "-U", "--until"))) {
		add(j, "--until");
		add(j, translate_time(j, value));
	} else if ((value = value_of(argc, argv, i, "-o", "--output"))) {
		j->has_no_time = str_eq(value, "cat");
		if (!j->has_no_time && !str_starts(value, "short")) {
			fprintf(stderr, "journalctl: -o %s: short and cat are known here\n", value);
			return false;
		}
	} else if (str_eq(word, "-f") || str_eq(word, "--follow")) {
		follow(j);
	} else if (!is_idle(word)) {
		fprintf(stderr,
			"journalctl: %s: not known here: -u UNIT [-f] [-n N] [--since T] [--until T] [-o short|cat] is; \"cleat logs\" reads the same lines\n",
			word);
		return false;
	}
	return true;
}

int personality_journalctl(int argc, char **argv)
{
	struct journal j = { 0 };
	int result = CLI_FAILED;

	for (int i = 1; i < argc; i++)
		if (!read_word(&j, argc, argv, &i)) {
			arena_fini(&j.arena);
			return CLI_FAILED;
		}
	if (!j.unit_count || !j.units[0][0]) {
		fprintf(stderr,
			"journalctl: of which unit? write -u UNIT; there is no journal of the whole appliance\n");
		arena_fini(&j.arena);
		return CLI_FAILED;
	}
	if (j.tail) {
		add(&j, "--tail");
		add(&j, j.tail);
	}
	if (!j.has_no_time)
		add(&j, "--timestamps");
	if (j.unit_count > 1)
		add(&j, "--names");
	for (size_t i = 0; i < j.unit_count; i++)
		add(&j, j.units[i]);
	(void)arena_push(&j.arena, j.words, j.count);
	result = personality_cleat("logs", j.words);
	arena_fini(&j.arena);
	return result == CLI_OK ? 0 : CLI_FAILED;
}
