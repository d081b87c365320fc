/* SPDX-License-Identifier: Apache-2.0 */
/* cleat by another name: which one, what the tables share. Must never pass over a word in silence. */
#include "cli/personality.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "supervise/commands.h"
#include "util/arena.h"
#include "util/str.h"

bool personality_main(int argc, char **argv, int *result)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} names[] = {
		{ "podman", personality_podman },
		{ "docker", personality_podman },
		{ "systemctl", personality_systemctl },
		{ "journalctl", personality_journalctl },
		{ "reboot", personality_end },
		{ "poweroff", personality_end },
		{ "halt", personality_end },
	};
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!str_eq(name, names[i].name))
			continue;
		argv[0] = (char *)(uintptr_t)names[i].name;
		*result = names[i].run(argc, argv);
		if (fflush(stdout) != 0 && *result == 0)
			*result = CLI_FAILED;
		return true;
	}
	return false;
}

const char *personality_caller(void)
{
	const char *name = getenv(COMMANDS_OF_VARIABLE);

	return name && name[0] ? name : NULL;
}

/* How many of words the name is made of when they begin with it; 0: they do not. */
static int begins_with(char *const *words, const char *name)
{
	int taken = 0;

	for (const char *p = name; *p; p += p[0] == ' ') {
		size_t len = strcspn(p, " ");

		if (!words[taken] || strlen(words[taken]) != len ||
		    strncmp(words[taken], p, len) != 0)
			return 0;
		taken++;
		p += len;
	}
	return taken;
}

const struct personality_row *personality_find(const struct personality_row *rows, size_t count,
					       char *const *words, int *taken)
{
	const struct personality_row *best = NULL;

	*taken = 0;
	for (size_t i = 0; i < count; i++) {
		int length = begins_with(words, rows[i].words);

		if (length > *taken) {
			*taken = length;
			best = &rows[i];
		}
	}
	return best;
}

bool personality_advise(char *const *words)
{
	const struct personality_row *podman = personality_podman_row(words);
	const struct personality_row *row = podman ? podman : personality_systemctl_row(words);

	if (row && row->refusal)
		fprintf(stderr, "cleat: there is no \"%s\" here: %s\n", row->words, row->refusal);
	else if (row)
		fprintf(stderr, "cleat: unknown command \"%s\"; in the appliance: \"%s %s\"\n",
			row->words, podman ? "podman" : "systemctl", row->words);
	return row != NULL;
}

struct words {
	struct arena arena;
	char **items;
	size_t count;
};

static void add(struct words *words, const char *text)
{
	*arena_push(&words->arena, words->items, words->count) = (char *)(uintptr_t)text;
}

static void add_command(struct words *words, const char *command)
{
	for (const char *p = command; *p; p += *p == ' ') {
		size_t len = strcspn(p, " ");

		add(words, arena_strndup(&words->arena, p, len));
		p += len;
	}
}

static int run_words(struct words *words)
{
	int result;

	(void)arena_push(&words->arena, words->items, words->count);
	result = cli_run((int)words->count - 1, words->items);
	arena_fini(&words->arena);
	return result;
}

int personality_cleat(const char *command, char *const *arguments)
{
	struct words words = { 0 };

	add_command(&words, command);
	for (; arguments && *arguments; arguments++)
		add(&words, *arguments);
	return run_words(&words);
}

int personality_quietly(const char *command, char *const *arguments)
{
	int saved[2], result;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
		if (nowhere >= 0)
			dup2(nowhere, i + 1);
	}
	result = personality_cleat(command, arguments);
	fflush(stdout);
	for (int i = 0; i < 2; i++)
		if (saved[i] >= 0) {
			dup2(saved[i], i + 1);
			close(saved[i]);
		}
	if (nowhere >= 0)
		close(nowhere);
	return result;
}

/* Is the word one of the options that are left out? *has_value: its value is the next word. */
static bool is_dropped(const char *drops, const char *word, bool *has_value)
{
	*has_value = false;
	for (const char *p = drops; p && *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		bool takes = p[len - 1] == '=';
		size_t name = len - takes;

		if (strncmp(word, p, name) == 0) {
			if (!word[name]) {
				*has_value = takes;
				return true;
			}
			/* "--time=10", "-t10" */
			if (takes && (word[name] == '=' || name == 2))
				return true;
		}
		p += len;
	}
	return false;
}

static int translate(const struct personality_call *call)
{
	struct words words = { 0 };
	bool is_over = false, has_value;

	add_command(&words, call->row->to);
	for (int i = 1; i < call->argc; i++) {
		const char *word = call->argv[i];

		/* behind the first name stand, for exec, somebody else's options */
		is_over |= str_eq(word, "--") || (str_eq(call->row->to, "exec") && word[0] != '-');
		if (!is_over && is_dropped(call->row->drops, word, &has_value))
			i += has_value;
		else
			add(&words, word);
	}
	return run_words(&words);
}

int personality_run(const struct personality_call *call, int usage, int failed)
{
	int result;

	if (!call->row->to && !call->row->run) {
		fprintf(stderr, "%s %s: %s\n", call->program, call->row->words, call->row->refusal);
		return usage;
	}
	if (call->row->run)
		return call->row->run(call);
	result = translate(call);
	if (str_eq(call->row->to, "exec")) /* its own codes are podman's */
		return result == CLI_USAGE ? usage : result;
	if (result == CLI_USAGE || result == CLI_NO_ENGINE)
		return usage;
	return result == CLI_FAILED ? (call->row->failed ? call->row->failed : failed) : result;
}

const char *personality_value(const struct personality_call *call, int *i, const char *longer,
			      const char *shorter)
{
	const char *word = call->argv[*i];
	size_t len = strlen(longer);

	if (strncmp(word, longer, len) == 0 && word[len] == '=')
		return word + len + 1;
	if ((str_eq(word, longer) || (shorter && str_eq(word, shorter))) && *i + 1 < call->argc &&
	    call->argv[*i + 1])
		return call->argv[++*i];
	if (shorter && str_starts(word, shorter) && word[1] != '-' && word[2]) /* "-t5" */
		return word + 2 + (word[2] == '=');
	return NULL;
}
