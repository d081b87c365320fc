/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command lines of [Service] around a container (ExecCondition= to ExecStopPost=) and Condition*=, Assert*=. Source:
 * systemd.service(5) "Command lines", systemd.unit(5) "Conditions and Asserts", systemd.exec(5), systemd.kill(5).
 *
 * Each list is run by one short-lived child of the engine, "cleat run-commands", born in a cgroup of its own
 * (CLEAT_CGROUP_WORK/x-NAME): root of the appliance, in the appliance's own root, a session for each command. When the list ends, whatever
 * it left behind is killed with that cgroup. Conditions are looked at by "cleat check-conditions" in the same cgroup, because a
 * path below /data may be on a disk that stalls. Nothing here waits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervise/core.h"
#include "unit/unit.h"
#include "util/buf.h"
#include "util/err.h"

struct engine;

/* Set for every command of a unit, its value is the container's name: our own command line then does not wait for what can only come when
 * the command has ended. */
#define COMMANDS_OF_VARIABLE "CLEAT_COMMAND_OF"

/* Which lists the unit has: a bit set of (1u << enum core_command). */
unsigned commands_of(const struct service *service);
/* Answered by CORE_EV_COMMAND or CORE_EV_CONDITIONS, also when nothing could be started. One thing a unit at a time: what is asked for
 * while something runs ends that. */
void commands_run(struct engine *e, unsigned index, enum core_command which, uint64_t order);
void commands_check_conditions(struct engine *e, unsigned index, uint64_t order);
/* SIGTERM to the command that runs and no further one; SIGKILL to all of the cgroup 2 s later, or when asked again. */
void commands_kill(struct engine *e, unsigned index, uint64_t order);
/* True, with the reason: the unit has nothing that a reload would do. */
bool commands_cannot_reload(const struct engine *e, unsigned index, struct err *err);
/* Before anything is started: what an earlier engine's lists left is killed. */
void commands_sweep(struct engine *e);

/* What commands are told of the unit beside its own Environment= (systemd.exec(5)). Empty or 0: not said. */
struct command_facts {
	const char *name, *service_name;
	const char *invocation_id; /* 32 hex digits */
	int main_pid;
	bool has_result; /* ExecStop=, ExecStopPost=: the next three */
	enum core_result result;
	int exit_code, exit_signal; /* -1: it never ran */
};
/* NAME=VALUE words, NULL-terminated, in the arena: ours first, the unit's own lines win. */
char **commands_environment(struct arena *arena, const struct service *service,
			    const struct command_facts *facts);
/* "web.container:12: ExecStartPre=/bin/x" (of a drop-in with its folder). */
void commands_write_label(const struct origin *origin, const char *what, struct buf *out);

/* What the children say on descriptor 3: one of these; none when they were killed. */
#define COMMAND_RESULT_MAGIC 0x31584c43u /* "CLX1" */
/* One, or, of a list that was asked to end, a second one that replaces it. */
struct command_result {
	uint32_t magic;
	uint32_t permanent; /* an Assert*= did not hold */
	int32_t code, signal;
	char text[480];
};

/* "cleat run-commands NAME UMASK FOLDER (FLAGS LABEL PROGRAM COUNT WORD...)...". FLAGS: '-' a failure does not matter, 'l' words have
 * variables of this moment, 's' for the shell, 'c' of an ExecCondition=, '.' nothing. FOLDER: "-/x" may be missing. The environment is the commands' own.
 * Exit code 0: all went well. */
int cmd_run_commands(int argc, char **argv);
/* "cleat check-conditions (FLAGS LABEL NAME TEXT)...": FLAGS: 'a' an assertion, '!' negated, '|' a trigger, '.' nothing. */
int cmd_check_conditions(int argc, char **argv);
/* For both children: the record onto descriptor 3; returns the exit code, 1. */
int command_report(const struct command_result *result);

/* commands_words.c: $NAME alone becomes the words of its value (none when it is empty), ${NAME} its value, $$ a dollar sign. Values come
 * from getenv(). argv[0] stays. */
char **commands_expand(struct arena *arena, char *const *words, size_t count);

/* conditions.c. 1: it holds, 0: it does not, -1: nobody can tell (err). Blocking: disk. Negation is the caller's. */
int condition_holds(const char *name, const char *text, struct err *err) MUST_CHECK;
/* systemd's order of versions (uapi-group.org, version format): -1, 0, 1. */
int condition_compare_versions(const char *a, const char *b);
