/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: a row is dispatch, usage and help. Command line, engine and the engine's workers are one program; workers exec it
 * anew, so that each starts with clean memory and gives up its rights before it reads anything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "api/api.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "image/worker.h"
#include "log/log.h"
#include "net/proxy.h"
#include "status/status.h"
#include "supervise/engine.h"
#include "util/str.h"

static int cmd_engine(int argc, char **argv)
{
	static const struct engine_hooks hooks = { api_open, api_close };

	return engine_main(argc, argv, &hooks);
}

static int cmd_help(int argc, char **argv);

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
	{ "logs", cmd_logs, "[-f] [-t] [--tail N] [--since T] [--until T] NAME",
	  "print a container's output" },
	{ "start", cmd_start, "NAME...", "start containers and wait until they are up" },
	{ "stop", cmd_stop, "NAME...", "stop containers and wait until they are down" },
	{ "restart", cmd_restart, "NAME...", "stop and start again" },
	{ "kill", cmd_kill, "[-s SIGNAL] NAME...",
	  "send a signal (KILL) to a container's first process" },
	{ "reset-failed", cmd_reset_failed, "NAME...",
	  "forget failures, so that a unit may start again" },
	{ "reload", cmd_reload, "", "read the unit files again; what runs is kept" },
	{ "inspect", cmd_inspect, "NAME", "print everything about a container as JSON" },
	{ "check", cmd_check, "[--json] [--lint] [DIR|FILE...]",
	  "name every problem of unit files with file and line" },
	{ "quadlet", cmd_quadlet, "[--user] [-v] --dryrun [DIR|FILE...] | OUTDIR",
	  "convert units to services as podman's generator does" },
	{ "explain", cmd_explain, "[--json] [--dir DIR] UNIT|FILE",
	  "say of each line of a unit what it became, and why" },
	{ "spec", cmd_spec, "[--oci] UNIT", "print what a unit becomes" },
	{ "keys", cmd_keys, "[KEY...]", "list the unit keys and what becomes of each" },
	{ "states", cmd_states, "--dot", "print the supervisor's transition table" },
	{ "version", cmd_version, "", "print versions" },
	{ "help", cmd_help, "[COMMAND]", "print this" },
	{ "engine", cmd_engine, "", NULL },
	{ "import", cmd_import, "--store DIR --images DIR REF...", NULL },
	{ "fetch", cmd_fetch, "", NULL },
	{ "unpack", cmd_unpack, "", NULL },
	{ "status-server", cmd_status_server, "", NULL },
	{ "log-stream", cmd_log_stream, "", NULL },
	{ "proxy", cmd_proxy, "(--listen ADDR:PORT --connect ADDR:PORT)... [--netns PATH]", NULL },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define MAX_DISTANCE 2

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = MAX_DISTANCE + 1;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		unsigned distance;

		if (!commands[i].help)
			continue;
		distance = str_distance(name, commands[i].name, MAX_DISTANCE);
		if (distance < best_distance) {
			best_distance = distance;
			best = commands[i].name;
		}
	}
	fprintf(stderr, "cleat: unknown command \"%s\"", name);
	if (best)
		fprintf(stderr, "; did you mean \"%s\"?", best);
	fprintf(stderr, "\n\"cleat help\" lists the commands\n");
	return CLI_USAGE;
}

static void print_usage(FILE *out)
{
	fprintf(out, "usage: cleat [--socket PATH] COMMAND ...\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].help)
			fprintf(out, "  %-13s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\n\"cleat help COMMAND\" prints a command's words\n");
}

static int cmd_help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_usage(stdout);
		return CLI_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	printf("usage: cleat %s%s%s\n%s\n", command->name, *command->usage ? " " : "",
	       command->usage, command->help ? command->help : "a process of the engine's own");
	return CLI_OK;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && !str_eq(argv[i], "--"); i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
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
	result = asks_for_help(argc, argv) ? cmd_help(2, (char *[]){ argv[0], argv[0], NULL }) :
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
			print_usage(stdout);
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
	print_usage(stderr);
	return 0;
}

int cli_main(int argc, char **argv)
{
	const struct command *command;
	int result, first = take_global(argc, argv, &result);

	if (!first)
		return result;
	command = find_command(argv[first]);
	return command ? run(command, argc - first, argv + first) : unknown_command(argv[first]);
}
