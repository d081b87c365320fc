/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "systemctl ...": units by their service names. Exit codes are those of systemctl(1), "Exit status", because scripts depend on them: is-active
 * 0, 3 (not active), 4 (no such unit); status the same; start and its like 1 and, without such a unit, 5. Must never claim a state that was not published.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/personality.h"
#include "cli/reload.h"
#include "unit/unit.h"
#include "util/places.h"
#include "util/str.h"
#include "yyjson.h"

#define NOT_ACTIVE 3
#define NO_SUCH_UNIT 4
#define NOT_LOADED 5
#define NAMES_MAX 256u

struct options {
	bool quiet, no_block, all, no_legend, failed_only;
	const char *state;
	const char *signal;
	const char *whom; /* "main" or "all" */
	const char *lines;
	char *names[NAMES_MAX];
	int count;
};

/* Options that change nothing here, or nothing that anybody waits for. */
static bool is_idle(const char *word)
{
	static const char *const words[] = {
		"--system",    "--user",  "--no-pager",	       "--full",
		"-l",	       "--now",	  "--force",	       "-f",
		"--no-reload", "--plain", "--no-ask-password", "--type=service",
		"-t=service",  "--wait",  "--global",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(word, words[i]))
			return true;
	return str_starts(word, "--job-mode=");
}

static bool read_flag(const char *word, struct options *out)
{
	const struct {
		const char *shorter, *longer;
		bool *flag;
	} flags[] = {
		{ "-q", "--quiet", &out->quiet },      { "", "--no-block", &out->no_block },
		{ "-a", "--all", &out->all },	       { "", "--no-legend", &out->no_legend },
		{ "", "--failed", &out->failed_only },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (str_eq(word, flags[i].longer) || str_eq(word, flags[i].shorter)) {
			*flags[i].flag = true;
			return true;
		}
	return str_eq(word, "--legend=no") || str_eq(word, "--legend=false") ?
		       (out->no_legend = true) :
		       is_idle(word);
}

static bool read_options(const struct personality_call *call, struct options *out)
{
	*out = (struct options){ .whom = "all" };
	for (int i = 1; i < call->argc; i++) {
		const char *value;

		if (call->argv[i][0] != '-') {
			if (out->count == (int)NAMES_MAX) {
				fprintf(stderr, "systemctl %s: more than %u names\n",
					call->row->words, NAMES_MAX);
				return false;
			}
			out->names[out->count++] = call->argv[i];
		} else if (str_eq(call->argv[i], "--")) {
			continue;
		} else if ((value = personality_value(call, &i, "--state", NULL))) {
			out->state = value;
		} else if ((value = personality_value(call, &i, "--signal", "-s"))) {
			out->signal = value;
		} else if ((value = personality_value(call, &i, "--kill-whom", NULL)) ||
			   (value = personality_value(call, &i, "--kill-who", NULL))) {
			out->whom = value;
		} else if (personality_value(call, &i, "--output", "-o")) {
			continue; /* of what "status" says there is one form */
		} else if ((value = personality_value(call, &i, "--lines", "-n"))) {
			out->lines = value;
		} else if ((value = personality_value(call, &i, "--type", "-t"))) {
			if (!str_eq(value, "service"))
				out->state = "none of the others";
		} else if (!read_flag(call->argv[i], out)) {
			fprintf(stderr,
				"systemctl %s: %s: not known here; \"cleat help\" lists what can be asked\n",
				call->row->words, call->argv[i]);
			return false;
		}
	}
	return true;
}

/* --- names and states --------------------------------------------------------------------------------------------------------- */

struct published_all {
	struct published_header header;
	struct published_unit *units;
	unsigned count;
};

static bool read_all(struct published_all *all)
{
	struct err err;

	*all = (struct published_all){ 0 };
	if (cli_read_published(&all->header, &all->units, &all->count, &err) == 0)
		return true;
	fprintf(stderr, "cleat: %s\n", err.msg);
	return false;
}

void personality_service(const struct published_unit *unit, char *out, size_t size)
{
	const char *dot = strrchr(unit->unit, '.');
	int stem = dot ? (int)(dot - unit->unit) : (int)strlen(unit->unit);
	const char *kind = dot && !str_eq(dot, ".container") ? dot + 1 : NULL;

	snprintf(out, size, "%.*s%s%s.service", stem, unit->unit, kind ? "-" : "",
		 kind ? kind : "");
}

const struct published_unit *personality_unit(const struct published_unit *units, unsigned count,
					      const char *name, struct err *err)
{
	char service[300], wanted[300];

	snprintf(wanted, sizeof(wanted), "%s%s", name, strchr(name, '.') ? "" : ".service");
	for (unsigned i = 0; i < count; i++) {
		personality_service(&units[i], service, sizeof(service));
		if (str_eq(service, wanted))
			return &units[i];
	}
	return cli_find_unit(units, count, name, err);
}

struct personality_state personality_state_of(const struct published_unit *unit)
{
	switch ((enum published_state)unit->state) {
	case PUBLISHED_UP:
		return (struct personality_state){ "active", unit->pid ? "running" : "exited", 0 };
	case PUBLISHED_WAITING:
	case PUBLISHED_PULLING:
	case PUBLISHED_NO_IMAGE:
		return (struct personality_state){ "activating", "start-pre", NOT_ACTIVE };
	case PUBLISHED_STARTING:
		return (struct personality_state){ "activating", "start", NOT_ACTIVE };
	case PUBLISHED_STOPPING:
		return (struct personality_state){ "deactivating", "stop", NOT_ACTIVE };
	case PUBLISHED_BACKOFF:
		return (struct personality_state){ "activating", "auto-restart", NOT_ACTIVE };
	case PUBLISHED_FAILED:
	case PUBLISHED_START_LIMIT:
		return (struct personality_state){ "failed", "failed", NOT_ACTIVE };
	case PUBLISHED_INVALID: /* systemd, too, goes on with what it has started from an earlier file */
		return unit->pid ? (struct personality_state){ "active", "running", 0 } :
				   (struct personality_state){ "failed", "failed", NOT_ACTIVE };
	case PUBLISHED_DOWN:
		break;
	}
	return (struct personality_state){ "inactive", "dead", NOT_ACTIVE };
}

/* What an appliance always has; the same that a unit may name in After=. */
static bool is_built_in(const char *name)
{
	static const char *const names[] = { "default.target",	      "multi-user.target",
					     "graphical.target",      "basic.target",
					     "sysinit.target",	      "network.target",
					     "network-online.target", "local-fs.target",
					     "remote-fs.target",      "time-sync.target" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

struct answer {
	const char *word;
	int code;
};

/* A word for each name. The exit code is that of the best, as systemctl has it: any active unit is 0, any enabled one. */
static int answer_each(const struct personality_call *call,
		       struct answer (*of)(const struct published_unit *unit, const char *name))
{
	struct options o;
	struct published_all all;
	int result = 1;

	if (!read_options(call, &o) || !read_all(&all))
		return 1;
	for (int i = 0; i < o.count; i++) {
		struct err err;
		struct answer answer =
			of(personality_unit(all.units, all.count, o.names[i], &err), o.names[i]);

		if (!o.quiet)
			puts(answer.word);
		result = i == 0 || answer.code < result ? answer.code : result;
	}
	if (!o.count) /* of everything */
		fprintf(stderr, "systemctl %s: which unit?\n", call->row->words);
	free(all.units);
	return result;
}

/* unit NULL: there is none of that name. */
static struct answer active_of(const struct published_unit *unit, const char *name)
{
	struct personality_state state;

	if (!unit)
		return is_built_in(name) ? (struct answer){ "active", 0 } :
					   (struct answer){ "inactive", NO_SUCH_UNIT };
	state = personality_state_of(unit);
	return (struct answer){ state.active, state.code };
}

static struct answer failed_of(const struct published_unit *unit, const char *name)
{
	struct answer answer = active_of(unit, name);

	answer.code = str_eq(answer.word, "failed") ? 0 : 1;
	return answer;
}

static struct answer enabled_of(const struct published_unit *unit, const char *name)
{
	const char *word = unit ? personality_enabled(unit) : "not-found";

	(void)name;
	return (struct answer){ word, !unit ? NO_SUCH_UNIT :
				      str_eq(word, "masked") || str_eq(word, "disabled") ? 1 :
											   0 };
}

static int is_active(const struct personality_call *call)
{
	return answer_each(call, active_of);
}

static int is_failed(const struct personality_call *call)
{
	return answer_each(call, failed_of);
}

/* --- orders ------------------------------------------------------------------------------------------------------------------- */

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

/* Of a template the engine knows what to write for it, and says so in its refusal. */
static void advise_instance(const char *name)
{
	yyjson_doc_free(personality_ask("/containers/", name, "/json"));
}

/* systemctl has a code of its own only where a job was asked for, and of status, whose caller sees to it. */
static int code_of_missing(const char *verb)
{
	static const char *const verbs[] = { "kill", "cat", "reset-failed" };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_eq(verb, verbs[i]))
			return 1;
	return NOT_LOADED;
}

/* Calls fn for each unit that the names mean. *result: the worst exit code. False: nothing could be asked. */
static int each(const struct personality_call *call,
		int (*fn)(const struct personality_call *call, const struct options *o,
			  const struct published_unit *unit))
{
	struct options o;
	struct published_all all;
	int result = 0;

	if (!read_options(call, &o) || !read_all(&all))
		return 1;
	for (int i = 0; i < o.count; i++) {
		struct err err;
		const struct published_unit *unit = NULL;
		char service[300];

		for (unsigned k = 0; all.units && is_pattern(o.names[i]) && k < all.count; k++) {
			personality_service(&all.units[k], service, sizeof(service));
			if (fnmatch(o.names[i], service, 0) == 0) {
				int one = fn(call, &o, &all.units[k]);

				result = one ? one : result;
			}
		}
		if (is_pattern(o.names[i]) || is_built_in(o.names[i]))
			continue;
		unit = personality_unit(all.units, all.count, o.names[i], &err);
		if (!unit) {
			fprintf(stderr, "Failed to %s %s: Unit %s not found.\n", call->row->words,
				o.names[i], o.names[i]);
			if (strchr(o.names[i], '@'))
				advise_instance(o.names[i]);
			result = code_of_missing(call->row->words);
		} else {
			int one = fn(call, &o, unit);

			result = one ? one : result;
		}
	}
	if (!o.count) {
		fprintf(stderr, "Too few arguments.\n");
		result = 1;
	}
	free(all.units);
	return result;
}

static int order(const char *command, const struct options *o, const struct published_unit *unit)
{
	char *arguments[] = { (char *)(uintptr_t)unit->name,
			      o->no_block ? (char *)(uintptr_t) "--no-block" : NULL, NULL };

	return personality_cleat(command, arguments) == CLI_OK ? 0 : 1;
}

static int order_row(const struct personality_call *call, const struct options *o,
		     const struct published_unit *unit)
{
	return order(call->row->words, o, unit);
}

static int order_if_active(const struct personality_call *call, const struct options *o,
			   const struct published_unit *unit)
{
	(void)call;
	/* one that waits for its next turn is "activating", too */
	return personality_state_of(unit).code == 0 || unit->state == PUBLISHED_STARTING ||
			       unit->state == PUBLISHED_BACKOFF ?
		       order("restart", o, unit) :
		       0;
}

/* Only what has no way to reload is restarted: a reload that fails leaves running what runs, as systemd does. */
static int order_reload_or_restart(const struct personality_call *call, const struct options *o,
				   const struct published_unit *unit)
{
	bool has_no_way;

	if (personality_state_of(unit).code != 0)
		return str_starts(call->row->words, "try-") ? 0 : order("start", o, unit);
	if (cli_reload_unit(unit->name, o->no_block, &has_no_way) == CLI_OK)
		return 0;
	return has_no_way ? order("restart", o, unit) : 1;
}

static int order_kill(const struct personality_call *call, const struct options *o,
		      const struct published_unit *unit)
{
	char *arguments[] = { (char *)(uintptr_t) "-s",
			      (char *)(uintptr_t)(o->signal ? o->signal : "TERM"),
			      (char *)(uintptr_t) "--kill-whom",
			      (char *)(uintptr_t)o->whom,
			      (char *)(uintptr_t)unit->name,
			      NULL };

	(void)call;
	return personality_cleat("kill", arguments) == CLI_OK ? 0 : 1;
}

static int systemctl_orders(const struct personality_call *call)
{
	return each(call, order_row);
}

static int systemctl_try_restart(const struct personality_call *call)
{
	return each(call, order_if_active);
}

static int systemctl_reload_or_restart(const struct personality_call *call)
{
	return each(call, order_reload_or_restart);
}

static int systemctl_kill(const struct personality_call *call)
{
	return each(call, order_kill);
}

/* Without a name: of all that have failed. */
static int systemctl_reset_failed(const struct personality_call *call)
{
	struct published_all all;
	int result = 0;

	if (call->argc > 1)
		return each(call, order_row);
	if (!read_all(&all))
		return 1;
	for (unsigned i = 0; i < all.count; i++)
		if (all.units[i].state == PUBLISHED_FAILED ||
		    all.units[i].state == PUBLISHED_START_LIMIT)
			result |= order("reset-failed", &(struct options){ 0 }, &all.units[i]);
	free(all.units);
	return result;
}

/* The files are watched; and a command of a unit that made the engine begin anew would be cut off by that. */
static int systemctl_daemon_reload(const struct personality_call *call)
{
	bool is_read;

	(void)call;
	if (personality_caller())
		return 0;
	/* to systemd a unit with errors is no error of the whole; what is wrong with it has been said */
	cli_reload_files(false, &is_read);
	return is_read ? 0 : 1;
}

/* -n: the last lines of its log, as systemctl has them below the state. */
static bool print_lines(const struct personality_call *call, const struct options *o,
			const struct published_unit *unit)
{
	char *arguments[] = { (char *)(uintptr_t) "--tail", (char *)(uintptr_t)o->lines,
			      (char *)(uintptr_t)unit->name, NULL };
	uint64_t count;

	if (!str_to_u64(o->lines, UINT32_MAX, &count)) {
		fprintf(stderr, "systemctl %s: -n %s: a number of lines is expected\n",
			call->row->words, o->lines);
		return false;
	}
	if (count && str_ends(unit->unit, ".container"))
		personality_cleat("logs", arguments);
	return true;
}

static int print_status(const struct personality_call *call, const struct options *o,
			const struct published_unit *unit)
{
	char *arguments[] = { (char *)(uintptr_t)unit->name, NULL };

	if (personality_cleat("status", arguments) != CLI_OK ||
	    (o->lines && !print_lines(call, o, unit)))
		return 1;
	return personality_state_of(unit).code;
}

static int systemctl_status(const struct personality_call *call)
{
	int result;

	if (call->argc == 1)
		return personality_cleat("status", NULL) == CLI_OK ? 0 : 1;
	result = each(call, print_status);
	return result == NOT_LOADED ? NO_SUCH_UNIT : result;
}

/* --- lists -------------------------------------------------------------------------------------------------------------------- */

/* "failed,active": states or sub-states, commas between. */
static bool is_in_states(const char *states, const struct personality_state *state)
{
	const char *const names[] = { state->active, state->sub };

	for (const char *p = states; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		for (size_t i = 0; i < 2; i++)
			if (strlen(names[i]) == len && strncmp(p, names[i], len) == 0)
				return true;
		p += len;
	}
	return false;
}

static bool is_listed(const struct options *o, const struct published_unit *unit)
{
	struct personality_state state = personality_state_of(unit);
	char service[300];
	bool named = !o->count;

	personality_service(unit, service, sizeof(service));
	for (int i = 0; i < o->count; i++)
		named |= fnmatch(o->names[i], service, 0) == 0;
	if (!named || (o->failed_only && !str_eq(state.active, "failed")))
		return false;
	if (o->state)
		return is_in_states(o->state, &state);
	return o->all || !str_eq(state.active, "inactive");
}

static int systemctl_list_units(const struct personality_call *call)
{
	struct published_all all;
	struct options o;
	unsigned listed = 0;

	if (!read_options(call, &o) || !read_all(&all))
		return 1;
	if (!o.no_legend)
		printf("%-40s %-9s %-12s %-13s %s\n", "UNIT", "LOAD", "ACTIVE", "SUB",
		       "DESCRIPTION");
	for (unsigned i = 0; i < all.count; i++) {
		struct personality_state state = personality_state_of(&all.units[i]);
		char service[300];

		if (!is_listed(&o, &all.units[i]))
			continue;
		personality_service(&all.units[i], service, sizeof(service));
		listed++;
		printf("%-40s %-9s %-12s %-13s %s\n", service,
		       all.units[i].state == PUBLISHED_INVALID ? "bad" : "loaded", state.active,
		       state.sub, all.units[i].name);
	}
	if (!o.no_legend)
		printf("\n%u units listed.\n", listed);
	free(all.units);
	return 0;
}

static int systemctl_is_system_running(const struct personality_call *call)
{
	struct published_all all;
	const char *word = "running";

	(void)call;
	if (!read_all(&all))
		return 1;
	for (unsigned i = 0; i < all.count; i++)
		if (str_eq(personality_state_of(&all.units[i]).active, "failed"))
			word = "degraded";
	if (!all.header.settled)
		word = "starting";
	if (all.header.draining)
		word = "stopping";
	puts(word);
	free(all.units);
	return str_eq(word, "running") ? 0 : 1;
}

/* A line ends where the next file begins. */
static int print_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char data[4096] = "\n";
	size_t n, last = 1;

	printf("# %s\n", path);
	while (file && (n = fread(data, 1, sizeof(data), file)) > 0)
		last = fwrite(data, 1, n, stdout);
	if (!file) {
		perror(path);
		return 1;
	}
	if (last && data[last - 1] != '\n')
		putchar('\n');
	fclose(file);
	return 0;
}

/* Of one unit, in the order in which they count; those of a folder that cannot be read are told by "cleat check". */
static int print_drop_ins(const struct unit *unit)
{
	int result = 0;

	for (size_t i = 0; i < unit->drop_in_count; i++) {
		putchar('\n');
		result |= print_file(unit->drop_ins[i]);
	}
	return result;
}

static int print_files(const struct personality_call *call, const struct options *o,
		       const struct published_unit *unit)
{
	struct unit_facts facts = { 0 };
	struct unit_set set = { 0 };
	auto_arena arena = { 0 };
	struct err ignored;
	int result;

	(void)call;
	(void)o;
	result = print_file(unit->source);
	unit_facts_init(&facts, &arena, CLEAT_HOME_DIR);
	facts.lines_of = unit->unit;
	if (result == 0 && unit_set_load(&set, CLEAT_UNIT_DIR, &facts, &ignored) == 0)
		for (size_t i = 0; i < set.count; i++)
			if (str_eq(set.units[i].name, unit->unit))
				result |= print_drop_ins(&set.units[i]);
	unit_set_fini(&set);
	return result;
}

static int systemctl_cat(const struct personality_call *call)
{
	return each(call, print_files);
}

/* "cleat enable" and its like, else [Install]. */
const char *personality_enabled(const struct published_unit *unit)
{
	if (unit->masked)
		return "masked";
	if (unit->choice)
		return unit->choice == 1 ? "enabled" : "disabled";
	return unit->boot_start ? "enabled" : "static";
}

static int systemctl_is_enabled(const struct personality_call *call)
{
	return answer_each(call, enabled_of);
}

/* A choice is in force when the engine has begun anew, which would cut the command off that asks for it. */
static int systemctl_choose(const struct personality_call *call)
{
	char *words[260] = { NULL };
	int count = 0;

	if (personality_caller()) {
		fprintf(stderr,
			"systemctl %s: not in the command line of a unit: write [Install] in the file\n",
			call->row->words);
		return 1;
	}
	for (int i = 1; i < call->argc && count < 259; i++)
		if (str_eq(call->argv[i], "--runtime")) {
			fprintf(stderr,
				"systemctl %s: --runtime: what is chosen here is kept over reboots; leave it out\n",
				call->row->words);
			return 1;
		} else if (str_eq(call->argv[i], "--now") || !is_idle(call->argv[i]))
			words[count++] = call->argv[i];
	return personality_cleat(call->row->words, words) == CLI_OK ? 0 : 1;
}

static const struct personality_row list_units = { "list-units", NULL, systemctl_list_units,
						   NULL,	 0,    NULL };

/* clang-format off */
#define NO_TARGETS "there are no targets to reach here"
static const struct personality_row rows[] = {
	{ "start", NULL, systemctl_orders, NULL, 0, NULL },
	{ "stop", NULL, systemctl_orders, NULL, 0, NULL },
	{ "restart", NULL, systemctl_orders, NULL, 0, NULL },
	{ "reload", NULL, systemctl_orders, NULL, 0, NULL },
	{ "try-restart", NULL, systemctl_try_restart, NULL, 0, NULL },
	{ "condrestart", NULL, systemctl_try_restart, NULL, 0, NULL },
	{ "reload-or-restart", NULL, systemctl_reload_or_restart, NULL, 0, NULL },
	{ "try-reload-or-restart", NULL, systemctl_reload_or_restart, NULL, 0, NULL },
	{ "force-reload", NULL, systemctl_reload_or_restart, NULL, 0, NULL },
	{ "kill", NULL, systemctl_kill, NULL, 0, NULL },
	{ "reset-failed", NULL, systemctl_reset_failed, NULL, 0, NULL },
	{ "is-active", NULL, is_active, NULL, 0, NULL },
	{ "is-failed", NULL, is_failed, NULL, 0, NULL },
	{ "is-enabled", NULL, systemctl_is_enabled, NULL, 0, NULL },
	{ "is-system-running", NULL, systemctl_is_system_running, NULL, 0, NULL },
	{ "status", NULL, systemctl_status, NULL, 0, NULL },
	{ "show", NULL, personality_show, NULL, 0, NULL },
	{ "cat", NULL, systemctl_cat, NULL, 0, NULL },
	{ "list-units", NULL, systemctl_list_units, NULL, 0, NULL },
	{ "daemon-reload", NULL, systemctl_daemon_reload, NULL, 0, NULL },
	{ "daemon-reexec", NULL, systemctl_daemon_reload, NULL, 0, NULL },
	{ "enable", NULL, systemctl_choose, NULL, 0, NULL },
	{ "disable", NULL, systemctl_choose, NULL, 0, NULL },
	{ "mask", NULL, systemctl_choose, NULL, 0, NULL },
	{ "unmask", NULL, systemctl_choose, NULL, 0, NULL },
	{ "isolate", NULL, NULL, NULL, 0, NO_TARGETS },
	{ "set-default", NULL, NULL, NULL, 0, NO_TARGETS },
	{ "get-default", NULL, NULL, NULL, 0, NO_TARGETS },
	{ "edit", NULL, NULL, NULL, 0, "change the file in the unit directory" },
	{ "set-property", NULL, NULL, NULL, 0, "change the file in the unit directory" },
	{ "link", NULL, NULL, NULL, 0, "put the file into the unit directory" },
	{ "list-unit-files", NULL, NULL, NULL, 0, "\"cleat check\" lists the unit files" },
	{ "list-timers", NULL, NULL, NULL, 0, "there are no timers here" },
	{ "list-sockets", NULL, NULL, NULL, 0, "there is no socket activation here" },
	{ "list-jobs", NULL, NULL, NULL, 0, "\"cleat ps\" shows what starts, stops or waits" },
	{ "freeze", NULL, NULL, NULL, 0, "containers are not paused here" },
	{ "thaw", NULL, NULL, NULL, 0, "containers are not paused here" },
	{ "clean", NULL, NULL, NULL, 0, "what has to stay is in volumes: write \"cleat volume rm\"" },
	{ "revert", NULL, NULL, NULL, 0, "take the drop-ins out of the unit directory; \"cleat unmask\" and \"cleat enable\" are choices" },
	{ "preset", NULL, NULL, NULL, 0, "[Install] in the file says what starts at boot, \"cleat enable\" what else" },
	{ "list-dependencies", NULL, NULL, NULL, 0, "\"cleat explain UNIT\" tells them" },
	{ "reboot", NULL, personality_end_call, NULL, 0, NULL },
	{ "poweroff", NULL, personality_end_call, NULL, 0, NULL },
	{ "halt", NULL, personality_end_call, NULL, 0, NULL },
};
/* clang-format on */

const struct personality_row *personality_systemctl_row(char *const *words)
{
	int taken;

	return personality_find(rows, sizeof(rows) / sizeof(rows[0]), words, &taken);
}

static int print_help(void)
{
	puts("usage: systemctl [OPTION...] COMMAND [UNIT...]\nThis is cleat; these commands of systemctl are known:");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].run)
			printf("  %s\n", rows[i].words);
	return 0;
}

static bool takes_value(const char *word)
{
	static const char *const words[] = { "-t",	   "--type", "--state",	    "-s",
					     "--signal",   "-n",     "--lines",	    "-p",
					     "--property", "-P",     "--kill-whom", "--kill-who",
					     "--output",   "-o",     "--host",	    "-H",
					     "--machine",  "-M",     "--root",	    "--job-mode" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(word, words[i]))
			return true;
	return false;
}

int personality_systemctl(int argc, char **argv)
{
	struct personality_call call = { "systemctl", &list_units, argc, argv };
	int verb = 1, taken;

	if (argc > 1 && str_eq(argv[1], "--version")) {
		printf("systemd 255 (cleat %s)\n", CLEAT_VERSION);
		return 0;
	}
	if (argc > 1 &&
	    (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")))
		return print_help();
	/* the value of "-t service" is no verb */
	while (verb < argc && argv[verb][0] == '-')
		verb += 1 + (verb + 1 < argc && takes_value(argv[verb]));
	if (verb >= argc)
		return systemctl_list_units(&call);
	call.row = personality_find(rows, sizeof(rows) / sizeof(rows[0]), argv + verb, &taken);
	if (!call.row) {
		fprintf(stderr, "systemctl: %s: not known here; \"cleat help\" lists what is\n",
			argv[verb]);
		return 1;
	}
	/* options may stand before the verb: it moves to the front */
	memmove(argv + 2, argv + 1, (size_t)(verb - 1) * sizeof(*argv));
	call.argv = argv + 1;
	call.argc = argc - 1;
	call.argv[0] = (char *)(uintptr_t)call.row->words;
	return personality_run(&call, 1, 1);
}
