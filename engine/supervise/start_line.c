/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's errors begin with the step that failed (runtime/child.c) and what it was about. Must never name a line that
 * says something else: what the image has brought has no line.
 */
#include <string.h>

#include "supervise/start_line.h"
#include "util/str.h"

/* The last one, which counts: "--user" "bob", "--user=bob", "-u" "bob" or "-ubob". What follows the image is the program's. */
static const struct origin *option(const struct arg_list *words, const char *name, char letter)
{
	const struct origin *found = NULL;
	size_t len = strlen(name);

	for (size_t i = 0; i < words->count; i++) {
		const char *text = words->items[i].text;

		if (str_eq(words->items[i].origin->key, "Container.Exec"))
			break;
		if ((str_starts(text, name) && (!text[len] || text[len] == '=')) ||
		    (letter && text[0] == '-' && text[1] == letter))
			found = words->items[i].origin;
	}
	return found;
}

/* Does it go on with this name and a colon? */
static bool is_about(const char *rest, const char *name)
{
	size_t len = strlen(name);

	return len && strncmp(rest, name, len) == 0 && rest[len] == ':';
}

static const struct origin *mount(const struct container_spec *spec, const char *rest)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (is_about(rest, spec->mounts[i].target))
			return spec->mounts[i].origin;
	return NULL;
}

static const struct origin *sysctl(const struct container_spec *spec, const char *rest)
{
	for (size_t i = 0; i < spec->sysctl_count; i++)
		if (is_about(rest, spec->sysctls[i].name))
			return spec->sysctls[i].origin;
	return NULL;
}

/* "/bin/app: No such file", "not in PATH (/bin): app: No such file" */
static const struct origin *program(const struct arg_list *words, const struct container_spec *spec,
				    const char *rest)
{
	const char *behind_path = str_starts(rest, "not in PATH (") ? strstr(rest, "): ") : NULL;
	const char *name = behind_path ? behind_path + 3 : rest;

	if (spec->entrypoint.count)
		return is_about(name, spec->entrypoint.items[0]) ?
			       option(words, "--entrypoint", 0) :
			       NULL;
	if (!spec->command.count || !is_about(name, spec->command.items[0]))
		return NULL;
	for (size_t i = words->count; i > 0; i--)
		if (str_eq(words->items[i - 1].text, spec->command.items[0]))
			return words->items[i - 1].origin;
	return NULL;
}

const struct origin *start_line_of(const struct arg_list *words, const struct container_spec *spec,
				   const char *error)
{
	const struct origin *found = NULL;

	if (str_starts(error, "mounts: "))
		found = mount(spec, error + strlen("mounts: "));
	else if (str_starts(error, "sysctl: "))
		found = sysctl(spec, error + strlen("sysctl: "));
	else if (str_starts(error, "user: "))
		found = option(words, "--user", 'u');
	else if (str_starts(error, "workdir: "))
		found = option(words, "--workdir", 'w');
	else if (str_starts(error, "exec: "))
		found = program(words, spec, error + strlen("exec: "));
	return found && found->file[0] ? found : NULL;
}
