/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command: options in any place, as podman takes them. Must never take a word that no row names. */
#include <string.h>

#include "cli/cli.h"
#include "util/str.h"

struct words {
	int argc, at, names;
	char **argv;
	const struct cli_option *options;
	size_t count;
};

static bool complain(const struct words *w, const char *what, const char *word)
{
	fprintf(stderr, "cleat %s: %s %s; see \"cleat help %s\"\n", w->argv[0], what, word,
		w->argv[0]);
	return false;
}

static const char *next_word(struct words *w)
{
	return w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
}

/* attached: what stands behind "=" or a letter, NULL: nothing */
static bool take(struct words *w, const struct cli_option *option, const char *word,
		 const char *attached)
{
	if (option->flag) {
		if (attached)
			return complain(w, "no value is expected:", word);
		*option->flag = true;
		return true;
	}
	*option->value = attached ? attached : next_word(w);
	return *option->value || complain(w, "a value is missing:", word);
}

static bool take_long(struct words *w, const char *word)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < w->count; i++)
		if (strlen(w->options[i].longer) == length &&
		    strncmp(word, w->options[i].longer, length) == 0)
			return take(w, &w->options[i], word,
				    word[length] ? word + length + 1 : NULL);
	return complain(w, "unknown option", word);
}

static const struct cli_option *find_letter(const struct words *w, char letter)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->options[i].shorter && w->options[i].shorter[1] == letter)
			return &w->options[i];
	return NULL;
}

/* "-f", "-ft", "-n5", "-n 5" */
static bool take_short(struct words *w, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct cli_option *option = find_letter(w, *letter);

		if (!option)
			return complain(w, "unknown option", word);
		if (!option->flag)
			return take(w, option, word, letter[1] ? letter + 1 : NULL);
		*option->flag = true;
	}
	return true;
}

int cli_options(int argc, char **argv, const struct cli_option *options, size_t count)
{
	struct words w = { .argc = argc, .argv = argv, .options = options, .count = count };
	bool only_names = false;

	for (w.at = 1; w.at < argc; w.at++) {
		char *word = argv[w.at];

		if (only_names || word[0] != '-' || !word[1])
			argv[++w.names] = word;
		else if (str_eq(word, "--"))
			only_names = true;
		else if (!(word[1] == '-' ? take_long(&w, word) : take_short(&w, word)))
			return -1;
	}
	return w.names;
}
