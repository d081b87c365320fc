/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unit's commands are told: the variables that systemd sets for them, and the words with which they are named to people. The engine's own
 * environment is never handed on.
 */
#include <string.h>

#include "supervise/commands.h"
#include "util/signals.h"
#include "util/str.h"

/* systemd's words for $SERVICE_RESULT (systemd.exec(5), "$SERVICE_RESULT"). */
static const char *result_word(enum core_result result)
{
	switch (result) {
	case CORE_RESULT_NONE:
	case CORE_RESULT_SUCCESS:
		return "success";
	case CORE_RESULT_EXIT_CODE:
	case CORE_RESULT_START_ERROR:
	case CORE_RESULT_IMAGE:
	case CORE_RESULT_INVALID:
		return "exit-code";
	case CORE_RESULT_SIGNAL:
	case CORE_RESULT_SHIM_LOST:
		return "signal";
	case CORE_RESULT_OOM:
		return "oom-kill";
	case CORE_RESULT_TIMEOUT:
		return "timeout";
	case CORE_RESULT_UNHEALTHY:
	case CORE_RESULT_WATCHDOG:
		return "watchdog";
	case CORE_RESULT_START_LIMIT:
		return "start-limit-hit";
	case CORE_RESULT_DEPENDENCY:
	case CORE_RESULT_ASSERT:
		return "resources";
	case CORE_RESULT_CONDITION:
		return "exec-condition";
	case CORE_RESULT_PROTOCOL:
		return "protocol";
	}
	return "resources";
}

static const char *signal_word(struct arena *arena, int number)
{
	const char *name = signal_name(number);

	if (name)
		return name;
	return arena_printf(arena, "%d", number);
}

struct environment {
	struct arena *arena;
	char **items;
	size_t count;
};

static void set(struct environment *env, const char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;
	char *text = arena_strdup(env->arena, assignment);

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], assignment, name) == 0) {
			env->items[i] = text;
			return;
		}
	*arena_push(env->arena, env->items, env->count) = text;
}

static void set_result(struct environment *env, const struct command_facts *facts)
{
	struct arena *arena = env->arena;

	set(env, arena_printf(arena, "SERVICE_RESULT=%s", result_word(facts->result)));
	if (facts->exit_signal > 0) {
		set(env, "EXIT_CODE=killed");
		set(env,
		    arena_printf(arena, "EXIT_STATUS=%s", signal_word(arena, facts->exit_signal)));
	} else if (facts->exit_code >= 0) {
		set(env, "EXIT_CODE=exited");
		set(env, arena_printf(arena, "EXIT_STATUS=%d", facts->exit_code));
	}
}

char **commands_environment(struct arena *arena, const struct service *service,
			    const struct command_facts *facts)
{
	static const char *const always[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"USER=root",
		"LOGNAME=root",
		"SHELL=/bin/sh",
		"LANG=C.UTF-8",
	};
	struct environment env = { .arena = arena };

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		set(&env, always[i]);
	if (facts->invocation_id && facts->invocation_id[0])
		set(&env, arena_printf(arena, "INVOCATION_ID=%s", facts->invocation_id));
	/* systemd, too, lets a unit's own lines win over these, and what only the moment knows over those */
	for (size_t i = 0; i < service->environment.count; i++)
		set(&env, service->environment.items[i].text);
	if (facts->main_pid > 0)
		set(&env, arena_printf(arena, "MAINPID=%d", facts->main_pid));
	if (facts->has_result)
		set_result(&env, facts);
	set(&env, arena_printf(arena, COMMANDS_OF_VARIABLE "=%s", facts->name));
	(void)arena_push(arena, env.items, env.count);
	return env.items;
}

/* The last part of the file's path; of "web.container.d/10-x.conf" both. */
static const char *short_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len;

	if (!slash)
		return path;
	for (len = (size_t)(slash - path); len && path[len - 1] != '/';)
		len--;
	return slash - path > 2 && strncmp(slash - 2, ".d", 2) == 0 ? path + len : slash + 1;
}

void commands_write_label(const struct origin *origin, const char *what, struct buf *out)
{
	const char *dot = strchr(origin->key, '.');

	buf_printf(out, "%s:%u: %s=%s", short_path(origin->file), origin->line,
		   dot ? dot + 1 : origin->key, what);
}
