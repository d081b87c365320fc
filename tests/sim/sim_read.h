/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reads tests/sim/scenarios/NAME.sim into a struct sim; the language is described in tests/sim/README.md. Header-only
 * because each .c in this folder is a program of its own; only test_scenarios.c includes it. A word that is not
 * understood fails the test with its line.
 */
#include <errno.h>

#include "sim_policy.h"
#include "sim_world.h"
#include "util/cleanup.h"
#include "util/str.h"

#define SIM_FILE_MAX_BYTES (256 * 1024)

static _Noreturn void bad(const struct sim *sim, const char *what, const char *word)
{
	fail_msg("%s:%u: %s: %s", sim->path, sim->line, what, word ? word : "(nothing)");
	abort();
}

static usec_t span(const struct sim *sim, const char *word)
{
	static const struct {
		const char *suffix;
		double usec;
	} suffixes[] = { { "us", 1 },  { "ms", 1e3 },  { "s", 1e6 },
			 { "m", 6e7 }, { "h", 3.6e9 }, { "d", 8.64e10 } };
	char *end = NULL;
	double value;

	if (!word)
		bad(sim, "a time is missing", word);
	if (str_eq(word, "never"))
		return USEC_NEVER;
	value = strtod(word, &end);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (end != word && str_eq(end, suffixes[i].suffix))
			return (usec_t)(value * suffixes[i].usec + 0.5);
	bad(sim, "not a time", word);
}

static unsigned number(const struct sim *sim, const char *word)
{
	uint64_t value;

	if (!word || !str_to_u64(word, UINT32_MAX, &value))
		bad(sim, "not a number", word);
	return (unsigned)value;
}

/* Cuts a line into words in place; "..." is one word. */
static size_t split(const struct sim *sim, char *line, char **words)
{
	size_t count = 0;

	for (;;) {
		char stop = ' ';

		while (*line == ' ' || *line == '\t')
			line++;
		if (*line == '\0' || *line == '#')
			break;
		if (count == SIM_MAX_WORDS - 1)
			bad(sim, "too many words", line);
		if (*line == '"') {
			stop = '"';
			line++;
		}
		words[count++] = line;
		while (*line != '\0' && *line != stop && !(stop == ' ' && *line == '\t'))
			line++;
		if (*line == '\0')
			break;
		*line++ = '\0';
	}
	words[count] = NULL;
	return count;
}

static const char *option(char **words, const char *name, const char *otherwise)
{
	for (; *words; words++)
		if (str_eq(*words, name))
			return words[1];
	return otherwise;
}

static bool has_word(char **words, const char *name)
{
	for (; *words; words++)
		if (str_eq(*words, name))
			return true;
	return false;
}

static unsigned choice(const struct sim *sim, const char *word, const char *const *names)
{
	for (unsigned i = 0; names[i]; i++)
		if (word && str_eq(word, names[i]))
			return i;
	bad(sim, "unknown word", word);
}

static struct sim_unit *unit_named(struct sim *sim, const char *name)
{
	for (size_t i = 0; i < sim->unit_count; i++)
		if (name && str_eq(sim->units[i].name, name))
			return &sim->units[i];
	bad(sim, "no such unit", name);
}

static struct sim_rule *add_rule(const struct sim *sim, struct sim_rules *rules, char **words)
{
	struct sim_rule *rule;
	const char *text = option(words, "says", "");

	if (rules->count == SIM_MAX_RULES)
		bad(sim, "too many rules", words[0]);
	rule = &rules->items[rules->count++];
	rule->after = span(sim, option(words, "after", "1ms"));
	str_copy(rule->text, sizeof(rule->text), text);
	return rule;
}

/* "KIND VERDICT [VALUE] [after TIME] [says TEXT] [permanent]" */
static bool parse_rule(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const struct {
		const char *kind, *verdict;
		enum core_event_type type;
		bool is_silent;
	} table[] = {
		{ "image", "ready", CORE_EV_IMAGE_READY, false },
		{ "image", "fails", CORE_EV_IMAGE_FAILED, false },
		{ "image", "silent", CORE_EV_IMAGE_READY, true },
		{ "start", "running", CORE_EV_RUNNING, false },
		{ "start", "fails", CORE_EV_START_FAILED, false },
		{ "start", "shim-lost", CORE_EV_SHIM_LOST, false },
		{ "start", "exit", CORE_EV_EXITED, false },
		{ "start", "silent", CORE_EV_RUNNING, true },
		{ "run", "exit", CORE_EV_EXITED, false },
		{ "run", "signal", CORE_EV_EXITED, false },
		{ "run", "shim-lost", CORE_EV_SHIM_LOST, false },
		{ "run", "forever", CORE_EV_EXITED, true },
		{ "stop", "exit", CORE_EV_EXITED, false },
		{ "stop", "signal", CORE_EV_EXITED, false },
		{ "stop", "ignored", CORE_EV_EXITED, true },
		{ "kill", "works", CORE_EV_EXITED, false },
		{ "kill", "ignored", CORE_EV_EXITED, true },
		{ "probe", "pass", CORE_EV_PROBE, false },
		{ "probe", "fail", CORE_EV_PROBE, false },
		{ "probe", "busy", CORE_EV_PROBE, false },
		{ "probe", "silent", CORE_EV_PROBE, true },
		{ "clean", "done", CORE_EV_CLEANED, false },
		{ "conditions", "pass", CORE_EV_CONDITIONS, false },
		{ "conditions", "skip", CORE_EV_CONDITIONS, false },
		{ "conditions", "assert", CORE_EV_CONDITIONS, false },
		{ "conditions", "silent", CORE_EV_CONDITIONS, true },
		{ "command-kill", "works", CORE_EV_COMMAND, false },
		{ "command-kill", "ignored", CORE_EV_COMMAND, true },
	};
	struct sim_rules *lists[] = { &unit->image, &unit->start,      &unit->run,
				      &unit->stop,  &unit->kill,       &unit->probe,
				      &unit->clean, &unit->conditions, &unit->command_kill };
	static const char *const kinds[] = { "image", "start", "run",	     "stop",	    "kill",
					     "probe", "clean", "conditions", "command-kill" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t k = 0; k < 9 && words[1] && str_eq(words[0], table[i].kind); k++) {
			struct sim_rule *rule;

			if (!str_eq(kinds[k], table[i].kind) || !str_eq(words[1], table[i].verdict))
				continue;
			rule = add_rule(sim, lists[k], words + 1);
			rule->is_silent = table[i].is_silent;
			rule->event.type = table[i].type;
			rule->event.permanent = has_word(words, "permanent") ||
						has_word(words, "assert");
			rule->event.oom = has_word(words, "oom");
			rule->event.pass = str_eq(words[1], "pass");
			rule->event.discarded = str_eq(words[1], "busy");
			if (str_eq(words[1], "exit"))
				rule->event.code = (int)number(sim, words[2]);
			else if (str_eq(words[1], "signal"))
				rule->event.signal = (int)number(sim, words[2]);
			else if (str_eq(words[1], "works"))
				rule->event.signal = 9;
			return true;
		}
	}
	return false;
}

/* "command LIST pass|exit CODE|signal N|silent [after TIME] [says TEXT]": the unit has this list. */
static void parse_command(const struct sim *sim, struct sim_unit *unit, char **words)
{
	for (unsigned which = 1; which < SIM_COMMANDS; which++) {
		struct sim_rule *rule;

		if (!words[1] || !words[2] ||
		    !str_eq(words[1], sim_command_name((enum core_command)which)))
			continue;
		unit->policy.commands |= 1u << which;
		rule = add_rule(sim, &unit->commands[which], words + 2);
		rule->event.type = CORE_EV_COMMAND;
		rule->event.pass = str_eq(words[2], "pass");
		rule->is_silent = str_eq(words[2], "silent");
		if (str_eq(words[2], "exit"))
			rule->event.code = (int)number(sim, words[3]);
		else if (str_eq(words[2], "signal"))
			rule->event.signal = (int)number(sim, words[3]);
		else if (!rule->event.pass && !rule->is_silent)
			bad(sim, "unknown word", words[2]);
		return;
	}
	bad(sim, "no such list of commands", words[1]);
}

/* "[ready] [reloading] [stopping] [watchdog] [trigger] [extend T] [watchdog-usec T] [status TEXT]" */
static void parse_notify(const struct sim *sim, struct core_event *event, char **words)
{
	event->type = CORE_EV_NOTIFY;
	event->notify_ready = has_word(words, "ready");
	event->notify_reloading = has_word(words, "reloading");
	event->notify_stopping = has_word(words, "stopping");
	event->notify_watchdog = has_word(words, "watchdog");
	event->notify_watchdog_trigger = has_word(words, "trigger");
	event->notify_extend_usec = span(sim, option(words, "extend", "0s"));
	event->notify_watchdog_usec = span(sim, option(words, "watchdog-usec", "0s"));
	event->text = option(words, "status", NULL);
}

static void parse_startup(const struct sim *sim, struct core_startup_policy *startup, char **words)
{
	startup->is_set = true;
	startup->interval_usec = span(sim, option(words, "interval", "30s"));
	startup->timeout_usec = span(sim, option(words, "timeout", "30s"));
	startup->retries = number(sim, option(words, "retries", "0"));
	startup->success = number(sim, option(words, "success", "0"));
}

static void parse_health(const struct sim *sim, struct core_health_policy *health, char **words)
{
	static const char *const actions[] = { "default", "none", "kill", "restart", "stop", NULL };

	health->is_set = true;
	health->interval_usec = span(sim, option(words, "interval", "30s"));
	health->timeout_usec = span(sim, option(words, "timeout", "30s"));
	health->start_period_usec = span(sim, option(words, "start-period", "0s"));
	health->retries = number(sim, option(words, "retries", "3"));
	health->action =
		(enum core_on_unhealthy)choice(sim, option(words, "action", "default"), actions);
}

static void parse_exit_set(const struct sim *sim, struct exit_set *set, char **words)
{
	for (; *words; words++) {
		if (str_starts(*words, "signal:"))
			set->signals |= UINT64_C(1) << number(sim, *words + 7);
		else
			set->codes[number(sim, *words) / 64 % 4] |= UINT64_C(1)
								    << number(sim, *words) % 64;
	}
}

static bool parse_dep(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const kinds[] = {
		[SERVICE_DEP_AFTER] = "after",
		[SERVICE_DEP_BEFORE] = "before",
		[SERVICE_DEP_WANTS] = "wants",
		[SERVICE_DEP_REQUIRES] = "requires",
		[SERVICE_DEP_BINDS_TO] = "binds-to",
		[SERVICE_DEP_PART_OF] = "part-of",
		[SERVICE_DEP_REQUISITE] = "requisite",
		[SERVICE_DEP_UPHOLDS] = "upholds",
		[SERVICE_DEP_CONFLICTS] = "conflicts",
		[SERVICE_DEP_ON_FAILURE] = "on-failure",
		[SERVICE_DEP_ON_SUCCESS] = "on-success",
		[SERVICE_DEP_PROPAGATES_STOP_TO] = "propagates-stop-to",
		[SERVICE_DEP_STOP_PROPAGATED_FROM] = "stop-propagated-from",
		[SERVICE_DEP_PROPAGATES_RELOAD_TO] = "propagates-reload-to",
		[SERVICE_DEP_RELOAD_PROPAGATED_FROM] = "reload-propagated-from",
	};

	for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		if (!str_eq(words[0], kinds[kind]))
			continue;
		for (char **target = words + 1; *target; target++) {
			if (unit->dep_count == SIM_MAX_DEPS)
				bad(sim, "too many dependencies", *target);
			str_copy(unit->targets[unit->dep_count], SIM_NAME_MAX, *target);
			unit->deps[unit->dep_count++].kind = (enum service_dep_kind)kind;
		}
		return true;
	}
	return false;
}

/* "failure-action reboot" */
static bool parse_machine(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const keys[] = {
		[CORE_MACHINE_FAILURE] = "failure-action",
		[CORE_MACHINE_SUCCESS] = "success-action",
		[CORE_MACHINE_START_LIMIT] = "start-limit-action",
		[CORE_MACHINE_JOB_TIMEOUT] = "job-timeout-action",
	};

	for (unsigned i = 0; i < CORE_MACHINE_WHY_COUNT; i++) {
		if (!str_eq(words[0], keys[i]))
			continue;
		for (int at = 0; at <= SERVICE_ACTION_HALT_IMMEDIATE; at++)
			if (words[1] &&
			    str_eq(words[1], service_action_name((enum service_action)at))) {
				unit->policy.machine[i] = (enum service_action)at;
				return true;
			}
		bad(sim, "unknown word", words[1]);
	}
	return false;
}

static bool parse_policy(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const restarts[] = { "no",	       "on-success", "on-failure",
						"on-abnormal", "on-abort",   "on-watchdog",
						"always",      NULL };
	struct core_policy *policy = &unit->policy;
	const struct {
		const char *name;
		uint64_t *value;
	} spans[] = {
		{ "restart-sec", &policy->restart_usec },
		{ "restart-max", &policy->restart_max_usec },
		{ "timeout-start", &policy->timeout_start_usec },
		{ "job-timeout", &policy->job_timeout_usec },
		{ "job-running-timeout", &policy->job_running_timeout_usec },
		{ "timeout-stop", &policy->timeout_stop_usec },
		{ "runtime-max", &policy->runtime_max_usec },
		{ "stop-timeout", &policy->stop_timeout_usec },
		{ "watchdog", &policy->watchdog_usec },
		{ "timeout-abort", &policy->timeout_abort_usec },
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (str_eq(words[0], spans[i].name)) {
			*spans[i].value = span(sim, words[1]);
			return true;
		}
	}
	if (str_eq(words[0], "restart")) {
		policy->restart = (enum service_restart)choice(sim, words[1], restarts);
	} else if (str_eq(words[0], "restart-steps")) {
		policy->restart_steps = number(sim, words[1]);
	} else if (str_eq(words[0], "start-limit")) {
		policy->start_limit_burst = number(sim, words[1]);
		policy->start_limit_interval_usec = span(sim, words[2]);
	} else if (str_eq(words[0], "success")) {
		parse_exit_set(sim, &policy->success, words + 1);
	} else if (str_eq(words[0], "restart-prevent")) {
		parse_exit_set(sim, &policy->restart_prevent, words + 1);
	} else if (str_eq(words[0], "restart-force")) {
		parse_exit_set(sim, &policy->restart_force, words + 1);
	} else if (str_eq(words[0], "health")) {
		parse_health(sim, &policy->health, words);
	} else if (str_eq(words[0], "startup")) {
		parse_startup(sim, &policy->startup, words);
	} else {
		return false;
	}
	return true;
}

static bool parse_flag(struct sim_unit *unit, char **words)
{
	struct core_policy *policy = &unit->policy;
	const struct {
		const char *name;
		bool *value;
	} flags[] = {
		{ "remain-after-exit", &policy->remain_after_exit },
		{ "notify-healthy", &policy->ready_when_healthy },
		{ "notify", &policy->ready_by_notify },
		{ "invalid", &policy->is_invalid },
		{ "restart-direct", &policy->restart_is_direct },
		{ "kills-at-start-timeout", &policy->kills_at_start_timeout },
		{ "kills-at-stop-timeout", &policy->kills_at_stop_timeout },
		{ "never-kills", &policy->never_kills },
		{ "stops-when-alone", &policy->stops_when_alone },
	};

	if (str_eq(words[0], "oneshot")) {
		unit->policy.type = SERVICE_ONESHOT;
		unit->policy.timeout_start_usec = USEC_NEVER;
		return true;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!str_eq(words[0], flags[i].name) || words[1])
			continue;
		*flags[i].value = true;
		return true;
	}
	return false;
}

/* What the unit's program says by itself: "says WORD... [after TIME]" once for each run in turn, "beats every TIME
 * [times N]" all the time. */
static bool parse_program(const struct sim *sim, struct sim_unit *unit, char **words)
{
	if (str_eq(words[0], "command")) {
		parse_command(sim, unit, words);
	} else if (str_eq(words[0], "says")) {
		struct sim_rule *rule = add_rule(sim, &unit->notify, words + 1);

		parse_notify(sim, &rule->event, words + 1);
		rule->is_silent = has_word(words, "nothing");
	} else if (str_eq(words[0], "beats")) {
		unit->beats_every = span(sim, option(words, "every", NULL));
		unit->beats = number(sim, option(words, "times", "1000000"));
	} else {
		return false;
	}
	return true;
}

static void parse_unit(struct sim *sim, const char *name)
{
	struct sim_unit *unit;

	if (!name || sim->unit_count == SIM_MAX_UNITS)
		bad(sim, "unit without a name, or too many", name);
	unit = &sim->units[sim->unit_count++];
	str_copy(unit->name, sizeof(unit->name), name);
	unit->policy = sim_policy(unit->name);
}

static void parse_at(struct sim *sim, char **words, size_t count)
{
	struct sim_line *line = &sim->script[sim->script_count];

	if (sim->script_count++ == SIM_MAX_SCRIPT || count < 3)
		bad(sim, "at TIME WHAT ...", words[1]);
	line->at = span(sim, words[1]);
	if (sim->script_count > 1 && line->at < line[-1].at)
		bad(sim, "goes back in time", words[1]);
	line->number = sim->line;
	line->word_count = count - 2;
	memcpy(line->words, words + 2, (count - 1) * sizeof(*words));
}

static void parse_line(struct sim *sim, char *line)
{
	char *words[SIM_MAX_WORDS];
	size_t count = split(sim, line, words);
	struct sim_unit *unit = sim->unit_count > 0 ? &sim->units[sim->unit_count - 1] : NULL;

	if (count == 0)
		return;
	if (str_eq(words[0], "unit"))
		parse_unit(sim, words[1]);
	else if (str_eq(words[0], "at"))
		parse_at(sim, words, count);
	else if (str_eq(words[0], "until"))
		sim->until = span(sim, words[1]);
	else if (str_eq(words[0], "quiet"))
		sim->is_quiet = true;
	else if (str_eq(words[0], "machine-refused"))
		sim->refuses_machine = true;
	else if (!unit || !(parse_program(sim, unit, words) || parse_rule(sim, unit, words) ||
			    parse_policy(sim, unit, words) || parse_dep(sim, unit, words) ||
			    parse_machine(sim, unit, words) || parse_flag(unit, words)))
		bad(sim, "unknown line", words[0]);
}

static char *read_whole(const char *path)
{
	auto_file FILE *file = fopen(path, "re");
	char *text = calloc(1, SIM_FILE_MAX_BYTES);
	size_t length;

	if (!file || !text)
		fail_msg("%s: %s", path, strerror(errno));
	length = fread(text, 1, SIM_FILE_MAX_BYTES - 1, file);
	assert_true(length < SIM_FILE_MAX_BYTES - 1);
	return text;
}

static void parse(struct sim *sim)
{
	char *at = sim->text = read_whole(sim->path);

	while (*at) {
		char *end = strchr(at, '\n');

		sim->line++;
		if (end)
			*end = '\0';
		if (str_eq(at, "expect-trace")) {
			char *last = end ? strstr(end + 1, "end\n") : NULL;

			while (last && last[-1] != '\n' && last != end + 1)
				last = strstr(last + 1, "end\n");
			if (!last)
				bad(sim, "expect-trace without end", NULL);
			sim->expected = end + 1;
			sim->expected_offset = (size_t)(sim->expected - sim->text);
			sim->expected_length = (size_t)(last - sim->expected);
			at = last + 4;
			continue;
		}
		parse_line(sim, at);
		if (!end)
			break;
		at = end + 1;
	}
}
