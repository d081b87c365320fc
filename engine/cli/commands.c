/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: a row is dispatch, usage and help. Command line, engine and the engine's workers are one program; workers exec it
 * anew, so that each starts with clean memory and gives up its rights before it reads anything.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "api/api.h"
#include "api/events.h"
#include "boot/boot.h"
#include "boot/config_watch.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/personality.h"
#include "image/worker.h"
#include "log/budget.h"
#include "log/log.h"
#include "log/ship.h"
#include "net/proxy.h"
#include "net/worker.h"
#include "status/status.h"
#include "supervise/commands.h"
#include "supervise/engine.h"
#include "supervise/last_good.h"
#include "supervise/watcher.h"
#include "util/str.h"

static int cmd_engine(int argc, char **argv)
{
	static const struct engine_hooks hooks = { api_open, api_close, api_is_waited_for,
						   api_hand_on };

	return engine_main(argc, argv, &hooks);
}

static int cmd_help(int argc, char **argv);

/* A name may be two words, "image ls": the first is then a group, which "cleat help image" lists, and argv[0] of the
 * command is the whole name. A word is never a command and a group at the same time. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage; /* what follows the name */
	const char *help;  /* one sentence; NULL: a process of the engine's own, not for typing */
};

static const struct command commands[] = {
	{ "ps", cmd_ps, "[-a] [--format table|json]",
	  "list containers with state, health and reasons" },
	{ "status", cmd_status, "[NAME...]",
	  "say how the appliance and its containers are, and why" },
	{ "events", cmd_events,
	  "[-f|--no-follow] [--since T] [--until T] [--filter KEY=VALUE]... [--format text|json]",
	  "say what has happened and what happens now" },
	{ "logs", cmd_logs, "[-f] [-t] [-n|--names] [--tail N] [--since T] [--until T] NAME...",
	  "print containers' output" },
	{ "start", cmd_start, "[--no-block] NAME...",
	  "start containers and wait until they are up" },
	{ "stop", cmd_stop, "[--no-block] [-t SECONDS] NAME...",
	  "stop containers and wait until they are down" },
	{ "restart", cmd_restart, "[--no-block] [-t SECONDS] NAME...", "stop and start again" },
	{ "kill", cmd_kill, "[-s SIGNAL] [--kill-whom main|all] NAME...",
	  "send a signal (KILL) to a container's first process, or to all of them" },
	{ "exec", cmd_exec,
	  "[-i] [-t] [-d] [-u USER[:GROUP]] [-w DIR] [-e NAME=VALUE]... NAME COMMAND...",
	  "run a program in a running container" },
	{ "healthcheck run", cmd_healthcheck_run, "[--ignore-result] NAME",
	  "run a container's health check now; 0 it passed, 1 it did not, 125 there was no result" },
	{ "reset-failed", cmd_reset_failed, "NAME...",
	  "forget failures, so that a unit may start again" },
	{ "reload", cmd_reload, "[--json] | [--no-block] UNIT...",
	  "read the unit files now; says what was started, restarted and stopped, and every error. Of units: their ExecReload= and its like" },
	{ "upgrade", cmd_upgrade, "[FILE]",
	  "go on with another engine: the one that lies at /usr/bin/cleat now, or at FILE of the appliance, after a look at it" },
	{ "enable", cmd_enable, "[--now] UNIT...",
	  "start units at boot, whatever their [Install] says" },
	{ "disable", cmd_disable, "[--now] UNIT...", "do not start units at boot" },
	{ "mask", cmd_mask, "[--now] UNIT...", "never start units, whoever asks" },
	{ "unmask", cmd_unmask, "UNIT...", "take back \"cleat mask\"" },
	{ "auto-update", cmd_auto_update,
	  "[--dry-run] [--rollback=true|false] [--format table|json] [UNIT...]",
	  "start units with AutoUpdate= from newer images, and go back where that is no good" },
	{ "rollback", cmd_rollback, "[--list] UNIT [DIGEST]",
	  "start a unit from the image before, or another one of its history" },
	{ "inspect", cmd_inspect, "NAME", "print everything about a container as JSON" },
	{ "pod ls", cmd_pod_ls, "[--format table|json]", "list pods and their containers" },
	{ "pod inspect", cmd_pod_inspect, "NAME...", "print what is known of pods as JSON" },
	{ "secret create", cmd_secret_create, "[--replace] [--env] [-l NAME=VALUE]... NAME FILE|-",
	  "keep a secret; prints its id" },
	{ "secret ls", cmd_secret_ls, "[-n] [-q] [--format json]", "list secrets" },
	{ "secret inspect", cmd_secret_inspect, "NAME...",
	  "print what is known of secrets as JSON, their values excepted" },
	{ "secret rm", cmd_secret_rm, "[-i] [-a|NAME...]", "remove secrets" },
	{ "pull", cmd_pull,
	  "[-q] [--policy always|missing|never|newer] [--authfile FILE] [--cert-dir DIR] [--creds USER:PASSWORD] [--tls-verify=BOOL] [--retry N] [--retry-delay TIME] [--config DIR] [--store DIR] [--images DIR] IMAGE...",
	  "take images from archives and registries into the store; prints their ids" },
	{ "images", cmd_images,
	  "[-q] [-n] [--no-trunc] [--digests] [--format table|json|TEMPLATE] [--store DIR] [NAME]",
	  "list the images in the store" },
	{ "load", cmd_load, "[-q] [--store DIR] -i FILE|DIR|-",
	  "take images from an OCI archive or layout, or from \"docker save\"" },
	{ "rmi", cmd_rmi, "[-f] [--store DIR] [--dir DIR] NAME|ID...",
	  "remove images that nobody uses" },
	{ "image ls", cmd_images,
	  "[-q] [-n] [--no-trunc] [--digests] [--format table|json|TEMPLATE] [--store DIR] [NAME]",
	  "list the images in the store" },
	{ "image inspect", cmd_image_inspect, "[--store DIR] NAME|ID...",
	  "print everything about images as JSON" },
	{ "image load", cmd_load, "[-q] [--store DIR] -i FILE|DIR|-",
	  "take images from an OCI archive or layout, or from \"docker save\"" },
	{ "image rm", cmd_rmi, "[-f] [--store DIR] [--dir DIR] NAME|ID...",
	  "remove images that nobody uses" },
	{ "image prune", cmd_image_prune, "[-a] [-f] [--store DIR] [--dir DIR]",
	  "remove what has no name; with -a all that nobody needs" },
	{ "volume ls", cmd_volume_ls, "[-n] [-q] [--format table|json]", "list volumes" },
	{ "volume inspect", cmd_volume_inspect, "-a|NAME...",
	  "print what is known of volumes as JSON" },
	{ "volume create", cmd_volume_create,
	  "[-l NAME=VALUE]... [-o OPTION]... [--uid ID] [--gid ID] [--ignore] [NAME]",
	  "make a volume; prints its name" },
	{ "volume rm", cmd_volume_rm, "[-f] -a|NAME...", "remove volumes and what is in them" },
	{ "volume prune", cmd_volume_prune, "[-f]",
	  "remove volumes that no unit names and no container has" },
	{ "volume export", cmd_volume_export, "[-o FILE] NAME",
	  "write what is in a volume to a tar archive" },
	{ "volume import", cmd_volume_import, "[--replace] NAME [FILE|-]",
	  "fill a volume from a tar archive, plain, gzip or zstd" },
	{ "check", cmd_check, "[--json] [--lint] [--config DIR] [DIR|FILE...]",
	  "name every problem of unit files with file and line" },
	{ "doctor", cmd_doctor, "[--json] [--probe] [--data-dir DIR]",
	  "say what the host withholds, what that costs and which setting to change; 0 nothing, 1 something is limited, 2 containers cannot start" },
	{ "quadlet", cmd_quadlet, "[--user] [-v] --dryrun [DIR|FILE...] | OUTDIR",
	  "convert units to services as podman's generator does" },
	{ "explain", cmd_explain, "[--json] [--dir DIR] UNIT|FILE | --history [--json] UNIT",
	  "say of each line of a unit what it became, and why; what has become of the unit so far" },
	{ "spec", cmd_spec, "[--oci] UNIT", "print what a unit becomes" },
	{ "keys", cmd_keys, "[KEY...]", "list the unit keys and what becomes of each" },
	{ "password", cmd_password, "",
	  "make of a password what RootPassword= of appliance.ini takes" },
	{ "greeting", cmd_greeting, "",
	  "print the three lines that a shell of the appliance begins with" },
	{ "states", cmd_states, "--dot", "print the supervisor's transition table" },
	{ "version", cmd_version, "", "print versions" },
	{ "help", cmd_help, "[COMMAND]", "print this" },
	{ "engine", cmd_engine, "", NULL },
	{ "boot", cmd_boot, "STEP", NULL },
	{ "import", cmd_import, "--store DIR --images DIR REF...", NULL },
	{ "fetch", cmd_fetch, "", NULL },
	{ "unpack", cmd_unpack, "", NULL },
	{ "status-server", cmd_status_server, "", NULL },
	{ "console", cmd_console, "--terminal PATH --status PLACE [--login] [--shared]", NULL },
	{ "console-shell", cmd_console_shell, "--terminal PATH [--password] [--refused N]", NULL },
	{ "log-stream", cmd_log_stream, "", NULL },
	{ "units-read", cmd_units_read, "", NULL },
	{ "config-watch", cmd_config_watch, "keys|disks", NULL },
	{ "units-watch", cmd_units_watch, "UNITS INPUTS", NULL },
	{ "units-keep", cmd_units_keep, "", NULL },
	{ "upgrade-check", cmd_upgrade_check, "FILE", NULL },
	{ "upgrade-ready", cmd_upgrade_ready, "", NULL },
	{ "run-commands", cmd_run_commands,
	  "NAME UMASK FOLDER (FLAGS LABEL PROGRAM COUNT WORD...)...", NULL },
	{ "check-conditions", cmd_check_conditions, "(FLAGS LABEL NAME TEXT)...", NULL },
	{ "log-budget", cmd_log_budget,
	  "[--bytes N] [--percent N] --root DIR... [--dir NAME=DIR]...", NULL },
	{ "log-ship", cmd_log_ship, "--url URL [--ca FILE] --root DIR... [--dir NAME=DIR]...",
	  NULL },
	{ "event-stream", cmd_event_stream, "", NULL },
	{ "net", cmd_net, "--socket FD --lock FD", NULL },
	{ "uplink", cmd_uplink, "--socket FD", NULL },
	{ "dhcp", cmd_dhcp, "--link NAME [--request ADDRESS]", NULL },
	{ "dhcp6", cmd_dhcp6, "--link NAME", NULL },
	{ "history-keep", cmd_history_keep, "", NULL },
	{ "health-log", cmd_health_log, "FOLDER NAME", NULL },
	{ "probe-https", cmd_probe_https, "SECONDS URL", NULL },
	{ "proxy", cmd_proxy, "(--listen[-udp] ADDR:PORT --connect ADDR:PORT)... [--netns PATH]",
	  NULL },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define MAX_DISTANCE 2

/* Length of the group's word in a name, 0 for a name of one word. */
static size_t group_length(const char *name)
{
	const char *blank = strchr(name, ' ');

	return blank ? (size_t)(blank - name) : 0;
}

static bool is_in_group(const struct command *command, const char *group)
{
	size_t length = group_length(command->name);

	return length && strlen(group) == length && strncmp(command->name, group, length) == 0;
}

static bool is_group(const char *word)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (is_in_group(&commands[i], word))
			return true;
	return false;
}

/* The command that words (NULL-terminated) begin with; *taken_out: how many of them are its name. */
static const struct command *find_command(char **words, int *taken_out)
{
	bool group = is_group(words[0]);

	*taken_out = group ? 2 : 1;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const char *name = commands[i].name;

		if (!group && str_eq(name, words[0]))
			return &commands[i];
		if (group && words[1] && is_in_group(&commands[i], words[0]) &&
		    str_eq(name + group_length(name) + 1, words[1]))
			return &commands[i];
	}
	return NULL;
}

/* The nearest name to what was typed: inside a group to its second word, else to the first word of every name. */
static const char *suggest(const char *group, const char *word)
{
	const char *best = NULL;
	unsigned best_distance = MAX_DISTANCE + 1;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const char *name = commands[i].name;
		char first[64];
		unsigned distance;

		if (!commands[i].help || (group && !is_in_group(&commands[i], group)))
			continue;
		str_copy(first, sizeof(first), name);
		first[strcspn(first, " ")] = '\0';
		distance = str_distance(word, group ? name + group_length(name) + 1 : first,
					MAX_DISTANCE);
		if (distance < best_distance) {
			best_distance = distance;
			best = name;
		}
	}
	return best;
}

static int unknown_command(char **words)
{
	const char *group = is_group(words[0]) ? words[0] : NULL;
	const char *word = group ? words[1] : words[0];
	const char *best = suggest(group, word);

	if (personality_advise(words))
		return CLI_USAGE;
	fprintf(stderr, "cleat: unknown command \"%s%s%s\"", group ? group : "", group ? " " : "",
		word);
	if (best && !group && group_length(best))
		fprintf(stderr, "; did you mean \"%.*s\"?", (int)group_length(best), best);
	else if (best)
		fprintf(stderr, "; did you mean \"%s\"?", best);
	fprintf(stderr, "\n\"cleat help%s%s\" lists the commands\n", group ? " " : "",
		group ? group : "");
	return CLI_USAGE;
}

/* group NULL: all */
static void print_list(FILE *out, const char *group)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].help && (!group || is_in_group(&commands[i], group)))
			fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].help);
}

static void print_usage(FILE *out, const char *group)
{
	fprintf(out, "usage: cleat [--socket PATH] %s%sCOMMAND ...\n\n", group ? group : "",
		group ? " " : "");
	print_list(out, group);
	fprintf(out, "\n\"cleat help %s%sCOMMAND\" prints a command's words\n", group ? group : "",
		group ? " " : "");
}

static int print_help(const struct command *command)
{
	printf("usage: cleat %s%s%s\n%s\n", command->name, *command->usage ? " " : "",
	       command->usage, command->help ? command->help : "a process of the engine's own");
	return CLI_OK;
}

static int cmd_help(int argc, char **argv)
{
	const struct command *command;
	int taken;

	if (argc < 2 || (argc == 2 && is_group(argv[1]))) {
		print_usage(stdout, argc < 2 ? NULL : argv[1]);
		return CLI_OK;
	}
	command = find_command(argv + 1, &taken);
	return command ? print_help(command) : unknown_command(argv + 1);
}

static bool asks_for_help(const struct command *command, int argc, char **argv)
{
	for (int i = 1; i < argc && !str_eq(argv[i], "--"); i++)
		/* behind the container's name stand the words of somebody else's program */
		if (command->run == cmd_exec && argv[i][0] != '-')
			return false;
		else if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return true;
	return false;
}

/* What was printed has to have arrived: "cleat inspect web > /full/disk" is a failure. */
static int run(const struct command *command, int argc, char **argv)
{
	int result;

	if (!command->help) {
		prctl(PR_SET_NAME,
		      "cleat"); /* started as /proc/self/exe, it would be "exe" for ps and top */
		return command->run(argc, argv);
	}
	result = asks_for_help(command, argc, argv) ? print_help(command) :
						      command->run(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return result;
	fprintf(stderr, "cleat: standard output: %s\n", strerror(errno));
	return result == CLI_OK ? CLI_FAILED : result;
}

/* The words before the command. Returns where the command stands; 0: *result is the program's. */
static int take_global(int argc, char **argv, int *result)
{
	int i;

	*result = CLI_USAGE;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (str_eq(argv[i], "--socket") && i + 1 < argc) {
			cli_set_socket(argv[++i]);
		} else if (str_starts(argv[i], "--socket=")) {
			cli_set_socket(argv[i] + strlen("--socket="));
		} else if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			print_usage(stdout, NULL);
			*result = CLI_OK;
			return 0;
		} else if (str_eq(argv[i], "--version")) {
			printf("cleat %s\n", CLEAT_VERSION);
			*result = CLI_OK;
			return 0;
		} else {
			fprintf(stderr,
				str_eq(argv[i], "--socket") ? "cleat: a value is missing: %s\n" :
							      "cleat: unknown option %s\n",
				argv[i]);
			return 0;
		}
	}
	if (i < argc)
		return i;
	print_usage(stderr, NULL);
	return 0;
}

/* "cleat image", "cleat image --help": what is there to be had. */
static int run_group(int argc, char **argv)
{
	bool asked = argc > 1 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h"));

	if (argc > 1 && !asked)
		return unknown_command(argv);
	print_usage(asked ? stdout : stderr, argv[0]);
	return asked ? CLI_OK : CLI_USAGE;
}

int cli_run(int argc, char **argv)
{
	int taken;
	const struct command *command = find_command(argv, &taken);

	if (!command && is_group(argv[0]))
		return run_group(argc, argv);
	if (!command)
		return unknown_command(argv);
	argv[taken - 1] = (char *)(uintptr_t)command->name;
	return run(command, argc - (taken - 1), argv + (taken - 1));
}

int cli_main(int argc, char **argv)
{
	int result, first;

	if (personality_main(argc, argv, &result))
		return result;
	first = take_global(argc, argv, &result);
	return first ? cli_run(argc - first, argv + first) : result;
}
