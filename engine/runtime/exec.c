/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step: find the program as a shell inside would, and become it. Its error messages are
 * what people see most often, so they say which of the usual mistakes it is.
 */
#include "runtime/child.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int exec_workdir(struct child *c, struct err *err)
{
	char now[PATH_MAX];

	if (chdir(c->plan->cwd) < 0) {
		err_sys(err, "%s", c->plan->cwd);
		err->code = ERR_INPUT;
		return -1;
	}
	/* "(unreachable)/..." would be a directory outside the root. */
	if (!getcwd(now, sizeof(now)) || now[0] != '/')
		return err_set(err, ERR_INPUT, "%s leads out of the container", c->plan->cwd);
	return 0;
}

static const char *env_get(const struct strings *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
			return env->items[i] + len + 1;
	return NULL;
}

bool exec_has_variable(const struct strings *env, const char *name)
{
	return env_get(env, name) != NULL;
}

/* Known only now that the user is. */
int exec_environment(struct child *c, struct err *err)
{
	struct strings *env = &c->plan->env;
	const char **items;

	if (env_get(env, "HOME"))
		return 0;
	items = plan_alloc(c->plan, env->count + 2, sizeof(*items), err);
	if (!items)
		return -1;
	if (env->count)
		memcpy(items, env->items, env->count * sizeof(*items));
	items[env->count] = plan_printf(c->plan, err, "HOME=%s", c->id.home[0] ? c->id.home : "/");
	if (!items[env->count])
		return -1;
	env->items = items;
	env->count++;
	return 0;
}

/* The decision to retry belongs to others: whatever is wrong here is wrong in the image or the
 * unit. */
static int fail(struct err *err, int number, const char *program)
{
	err_errno(err, number, "%s", program);
	err->code = ERR_INPUT;
	return -1;
}

static int explain(const char *program, int number, struct err *err)
{
	char text[PATH_MAX];

	if (number == ENOENT && access(program, F_OK) == 0) {
		snprintf(text, sizeof(text), "%.*s: its loader or the program of its #! line",
			 PATH_MAX / 2, program);
		return fail(err, number, text);
	}
	if (number == ENOEXEC) {
		snprintf(text, sizeof(text), "%.*s: for another machine, or a script without #!",
			 PATH_MAX / 2, program);
		return fail(err, number, text);
	}
	return fail(err, number, program);
}

static void try_exec(struct child *c, const char *program)
{
	execve(program, (char *const *)(uintptr_t)c->plan->args.items,
	       (char *const *)(uintptr_t)c->plan->env.items);
}

/* One entry of PATH. True when the search ends here, with the reason in err. */
static bool try_entry(struct child *c, const char *dir, size_t len, const char *name, int *number,
		      struct err *err)
{
	char program[PATH_MAX];
	int n = snprintf(program, sizeof(program), "%.*s/%s", (int)len, dir, name);
	int failure;

	if (n < 0 || (size_t)n >= sizeof(program))
		return false;
	try_exec(c, program);
	failure = errno;
	if (failure == EACCES) {
		*number = EACCES;
		return false;
	}
	if ((failure == ENOENT || failure == ENOTDIR) && access(program, F_OK) < 0)
		return false;
	explain(program, failure, err);
	return true;
}

/* Like execvp(3), with the container's PATH; a file that may not be executed does not end the
 * search. An empty entry, which means the working directory, is not followed. */
static int search_path(struct child *c, const char *name, struct err *err)
{
	const char *path = env_get(&c->plan->env, "PATH");
	int number = ENOENT;

	if (!path)
		path = DEFAULT_PATH;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, ":");

		if (len > 0 && try_entry(c, p, len, name, &number, err))
			return -1;
		p += len + (p[len] == ':');
	}
	fail(err, number, name);
	return number == ENOENT ? err_wrap(err, "not in PATH (%.200s)", path) : -1;
}

int exec_program(struct child *c, struct err *err)
{
	const char *name = c->plan->args.items[0];

	if (!strchr(name, '/'))
		return search_path(c, name, err);
	try_exec(c, name);
	return explain(name, errno, err);
}
