/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands beside the container: ExecStartPre= and its like, by systemd.service(5), "Command lines". Runs nothing. A line
 * that systemd refuses refuses the unit, too. Words are split first; specifiers and variables come when all of
 * [Service] was read, because a command may stand above the line that sets its variable.
 */
#include "unit/kinds_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

static void clear(struct service *service, enum service_exec_which which)
{
	size_t kept = 0;

	for (size_t i = 0; i < service->exec_count; i++)
		if (service->execs[i].which != which)
			service->execs[kept++] = service->execs[i];
	service->exec_count = kept;
}

/* The signs before the program, each at most once, in any order; returns what stands behind them. */
static const char *take_prefixes(const char *text, struct service_exec *exec, bool *has_argv0)
{
	for (;; text++) {
		if (*text == '-' && !exec->ignores_failure)
			exec->ignores_failure = true;
		else if (*text == '@' && !*has_argv0)
			*has_argv0 = true;
		else if (*text == ':' && !exec->has_no_variables)
			exec->has_no_variables = true;
		else if (*text == '|' && !exec->is_for_shell)
			exec->is_for_shell = true;
		else if (*text == '+' && exec->privileges == SERVICE_EXEC_AS_SERVICE)
			exec->privileges = SERVICE_EXEC_FULL;
		else if (*text == '!' && exec->privileges == SERVICE_EXEC_AS_SERVICE)
			exec->privileges = SERVICE_EXEC_ROOT;
		else if (*text == '!' && exec->privileges == SERVICE_EXEC_ROOT)
			exec->privileges = SERVICE_EXEC_ROOT_AMBIENT;
		else
			return text;
	}
}

static bool is_program(const char *text)
{
	size_t len = strlen(text);

	/* systemd.service(5): the program may not be a variable */
	if (!len || len >= 4096 || text[0] == '$' || text[len - 1] == '/' || str_eq(text, ".") ||
	    str_eq(text, ".."))
		return false;
	return text[0] == '/' || !strchr(text, '/');
}

/* One command, its words not expanded but for the program. */
static void add_command(struct reading *r, enum service_exec_which which, const struct arg *words,
			size_t count)
{
	struct service *service = &r->unit->service;
	struct service_exec exec = { .which = which, .origin = words[0].origin };
	bool has_argv0 = false;
	const char *program = take_prefixes(words[0].text, &exec, &has_argv0);

	exec.program = expand_specifiers(r, program, words[0].origin);
	if (!exec.program)
		return;
	if (!is_program(exec.program)) {
		reading_refuse(
			r, words[0].origin,
			"'%s' is neither an absolute path nor the bare name of a program: systemd refuses the unit",
			exec.program);
		return;
	}
	if (has_argv0 && count < 2) {
		reading_refuse(
			r, words[0].origin,
			"@ wants a name for the program behind its path: systemd refuses the unit");
		return;
	}
	if (exec.program[0] != '/')
		reading_note(r, words[0].origin,
			     arena_printf(r->arena, "%s is looked for in PATH", exec.program));
	if (!has_argv0)
		arg_push(r->arena, &exec.argv, exec.program, words[0].origin);
	for (size_t i = 1; i < count; i++)
		arg_push(r->arena, &exec.argv, words[i].text, words[i].origin);
	*(struct service_exec *)arena_push(r->arena, service->execs, service->exec_count) = exec;
}

void service_read_exec(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	enum service_exec_which which = (enum service_exec_which)rule->low;
	struct arg_list args;
	struct words words;
	size_t begin = 0;

	if (!entry->value[0]) {
		clear(&r->unit->service, which);
		return;
	}
	words = words_split(r->arena, entry->value, WORDS_COMMAND);
	if (words.problem) {
		reading_refuse(r, syntax_origin(r->arena, entry, words.problem_offset),
			       "%s: systemd refuses the unit", words.problem);
		return;
	}
	args = (struct arg_list){ 0 };
	for (size_t i = 0; i < words.count; i++)
		arg_push(r->arena, &args, words.items[i].text,
			 syntax_origin(r->arena, entry, words.items[i].offset));
	for (size_t i = 0; i <= words.count; i++) {
		if (i < words.count && !words.items[i].is_separator)
			continue;
		if (i > begin)
			add_command(r, which, &args.items[begin], i - begin);
		begin = i + 1;
	}
}

/* Variables that only whoever runs the command can know (systemd.exec(5), "Environment Variables Set or Propagated"). */
static bool is_late_variable(const char *name, size_t len)
{
	static const char *const names[] = {
		"MAINPID",
		"MANAGERPID",
		"INVOCATION_ID",
		"SERVICE_RESULT",
		"EXIT_CODE",
		"EXIT_STATUS",
		"NOTIFY_SOCKET",
		"WATCHDOG_PID",
		"WATCHDOG_USEC",
		"SYSTEMD_EXEC_PID",
		"LISTEN_FDS",
		"LISTEN_PID",
		"LISTEN_FDNAMES",
		"JOURNAL_STREAM",
		"MONITOR_UNIT",
		"MONITOR_SERVICE_RESULT",
		"MONITOR_EXIT_CODE",
		"MONITOR_EXIT_STATUS",
		"MONITOR_INVOCATION_ID",
		"TRIGGER_UNIT",
		"TRIGGER_PATH",
		"TRIGGER_TIMER_REALTIME_USEC",
		"TRIGGER_TIMER_MONOTONIC_USEC",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return true;
	return false;
}

static bool names_late_variable(const char *text)
{
	if (text[0] == '$' && text[1] && text[1] != '{' && text[1] != '$')
		return is_late_variable(text + 1, strlen(text + 1));
	for (const char *p = text; (p = strchr(p, '$')); p++) {
		if (p[1] == '{' && is_late_variable(p + 2, strcspn(p + 2, "}")))
			return true;
		p += p[1] == '$';
	}
	return false;
}

static void expand_exec(struct reading *r, struct service_exec *exec)
{
	struct arg_list words = { 0 };

	/* argv[0] is the program, which was expanded already, or the name that @ gave it. */
	for (size_t i = 0; i < exec->argv.count; i++) {
		const struct arg *word = &exec->argv.items[i];
		const char *text = i == 0 && word->text == exec->program ?
					   word->text :
					   expand_specifiers(r, word->text, word->origin);

		if (text)
			arg_push(r->arena, &words, text, word->origin);
		exec->is_late |= text && i > 0 && !exec->has_no_variables &&
				 names_late_variable(text);
	}
	exec->argv = words;
	if (exec->is_late || exec->has_no_variables)
		return;
	exec->argv = (struct arg_list){ 0 };
	expand_command(r, &words, &exec->argv);
}

void service_expand_execs(struct reading *r)
{
	struct service *service = &r->unit->service;

	for (size_t i = 0; i < service->exec_count; i++)
		expand_exec(r, &service->execs[i]);
}

/* What Quadlet makes of ReloadCmd= and ReloadSignal=: "podman exec NAME WORDS", "podman kill --signal SIGNAL NAME", as the last
 * lines of ExecReload=. The unit's name is known by now. */
void service_read_reload(struct reading *r)
{
	struct service *service = &r->unit->service;
	struct arg_list command = value_last_args(r, r->own, "ReloadCmd");
	struct service_exec exec = { .which = SERVICE_EXEC_RELOAD, .program = "/usr/bin/podman" };
	struct arg signal = { 0 };

	if (command.count)
		exec.origin = command.items[0].origin;
	else if (value_text(r, r->own, "ReloadSignal", &signal))
		exec.origin = signal.origin;
	else
		return;
	arg_push(r->arena, &exec.argv, exec.program, exec.origin);
	arg_push(r->arena, &exec.argv, command.count ? "exec" : "kill", exec.origin);
	if (!command.count) {
		arg_push(r->arena, &exec.argv, "--signal", exec.origin);
		arg_push(r->arena, &exec.argv, signal.text, exec.origin);
	}
	arg_push(r->arena, &exec.argv, r->unit->container_name, exec.origin);
	for (size_t i = 0; i < command.count; i++)
		arg_push(r->arena, &exec.argv, command.items[i].text, command.items[i].origin);
	expand_exec(r, &exec);
	*(struct service_exec *)arena_push(r->arena, service->execs, service->exec_count) = exec;
}

/* Volumes, networks and images are made when a container needs them: nothing of theirs is started that commands could stand beside. */
void service_judge_commands(struct reading *r)
{
	const struct service *service = &r->unit->service;
	enum unit_kind kind = r->unit->kind;

	if (kind != UNIT_VOLUME && kind != UNIT_NETWORK && kind != UNIT_IMAGE)
		return;
	if (service->exec_count)
		reading_refuse(
			r, service->execs[0].origin,
			"a %s unit is made when a container needs it, and runs no commands: write them in the container's unit",
			r->kind->suffix);
	if (service->condition_count)
		reading_refuse(
			r, service->conditions[0].origin,
			"a %s unit is made when a container needs it, whatever holds: write the condition in the container's unit",
			r->kind->suffix);
}
