/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman ..." and "docker ...": what people's scripts and ExecStartPre= lines ask of them, done by our own commands. A container is always
 * a unit here: rm is stop, and what would make a container is refused with what to write. Must never stop the unit whose own command line
 * is being run: before a start there is nothing of it to take away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/personality.h"
#include "unit/unit.h"
#include "util/places.h"
#include "util/str.h"

#define PODMAN_FAILED 125

static bool is_docker(const struct personality_call *call)
{
	return str_eq(call->program, "docker");
}

int personality_failure(const struct personality_call *call)
{
	return is_docker(call) ? CLI_FAILED : PODMAN_FAILED;
}

/* "-f", "--force", "-fv" (letters of known) */
static bool is_letters(const char *word, const char *known)
{
	return word[0] == '-' && word[1] && strspn(word + 1, known) == strlen(word + 1);
}

static bool is_own(const char *name)
{
	const char *caller = personality_caller();
	struct published_header header;
	struct published_unit *units = NULL;
	const struct published_unit *unit;
	unsigned count;
	struct err err;
	bool is_it = false;

	if (!caller)
		return false;
	if (str_eq(caller, name))
		return true;
	if (cli_read_published(&header, &units, &count, &err) == 0) {
		unit = cli_find_unit(units, count, name, &err);
		is_it = unit && str_eq(unit->name, caller);
	}
	free(units);
	return is_it;
}

static int exists(const char *name)
{
	struct published_header header;
	struct published_unit *units = NULL;
	unsigned count;
	struct err err;
	int result = PODMAN_FAILED;

	if (cli_read_published(&header, &units, &count, &err) < 0)
		fprintf(stderr, "cleat: %s\n", err.msg);
	else
		result = cli_find_unit(units, count, name, &err) ? 0 : 1;
	free(units);
	return result;
}

/* The one word that is expected; NULL after saying so. */
static const char *only_name(const struct personality_call *call)
{
	if (call->argc == 2 && call->argv[1][0] != '-')
		return call->argv[1];
	fprintf(stderr, "%s %s: one name and no option is expected\n", call->program,
		call->row->words);
	return NULL;
}

static int container_exists(const struct personality_call *call)
{
	const char *name = only_name(call);

	return name ? exists(name) : PODMAN_FAILED;
}

/* image, volume, secret: whether our inspect finds it. The row's words begin with the group. */
static int thing_exists(const struct personality_call *call)
{
	char *arguments[] = { (char *)(uintptr_t)only_name(call), NULL };
	char command[64];
	int result;

	if (!arguments[0])
		return PODMAN_FAILED;
	snprintf(command, sizeof(command), "%.*s inspect", (int)strcspn(call->row->words, " "),
		 call->row->words);
	result = personality_quietly(command, arguments);
	return result == CLI_OK ? 0 : result == CLI_FAILED ? 1 : PODMAN_FAILED;
}

/* How long may it take: "-t 5" wherever it stands, as an argument of our stop. False: another word. */
static bool read_limit(const struct personality_call *call, int *i, char limit[40])
{
	const char *seconds = personality_value(call, i, "--time", "-t");

	if (!seconds)
		seconds = personality_value(call, i, "--timeout", NULL);
	if (!seconds)
		return false;
	snprintf(limit, 40, "--time=%s", seconds);
	return true;
}

struct removal {
	bool force, ignore;
	char limit[40]; /* of the stop */
	int count;	/* argv[1...]: the names */
};

static bool read_removal(const struct personality_call *call, struct removal *out)
{
	*out = (struct removal){ 0 };
	for (int i = 1; i < call->argc; i++) {
		char *word = call->argv[i];

		if (read_limit(call, &i, out->limit)) {
			continue;
		} else if (word[0] != '-') {
			call->argv[++out->count] = word;
		} else if (str_eq(word, "--force") || str_eq(word, "--ignore") ||
			   str_eq(word, "--volumes") || is_letters(word, "fiv")) {
			out->force |= str_eq(word, "--force") ||
				      (word[1] != '-' && strchr(word, 'f'));
			out->ignore |= str_eq(word, "--ignore") ||
				       (word[1] != '-' && strchr(word, 'i'));
		} else {
			fprintf(stderr,
				"%s rm: %s: not known here; \"cleat stop NAME\" stops a unit, and taking its file away removes it\n",
				call->program, word);
			return false;
		}
	}
	if (!out->count)
		fprintf(stderr, "%s rm: which container?\n", call->program);
	return out->count > 0;
}

static int remove_one(const struct personality_call *call, struct removal *how, char *name)
{
	char *arguments[] = { name, how->limit[0] ? how->limit : NULL, NULL };
	int found;

	if (is_own(name)) {
		printf("%s\n", name); /* each start makes it anew: there is nothing to take away */
		return 0;
	}
	found = exists(name);
	if (found == 1 && (how->force || how->ignore))
		return 0;
	if (found != 0) {
		fprintf(stderr, "%s rm: no container \"%s\"\n", call->program, name);
		return found;
	}
	if (!how->force) {
		fprintf(stderr,
			"%s rm: %s: a container is removed when its unit stops: write rm -f, or \"cleat stop %s\"\n",
			call->program, name, name);
		return 2; /* podman's for one that runs */
	}
	return personality_cleat("stop", arguments) == CLI_OK ? 0 : personality_failure(call);
}

static int podman_rm(const struct personality_call *call)
{
	struct removal how;
	int result = 0;

	if (!read_removal(call, &how))
		return PODMAN_FAILED;
	for (int i = 1; i <= how.count; i++) {
		int one = remove_one(call, &how, call->argv[i]);

		result = one ? one : result;
	}
	return result;
}

static int stop_one(const struct personality_call *call, bool ignore, char *name, char *limit)
{
	char *arguments[] = { name, limit[0] ? limit : NULL, NULL };

	/* in the unit's own command lines there is nothing to do, its own stop does it */
	if (is_own(name)) {
		puts(name);
		return 0;
	}
	if (ignore && exists(name) == 1)
		return 0;
	return personality_cleat("stop", arguments) == CLI_OK ? 0 : personality_failure(call);
}

static int podman_stop(const struct personality_call *call)
{
	char limit[40] = "";
	bool ignore = false;
	int result = 0, count = 0;

	for (int i = 1; i < call->argc; i++) {
		char *word = call->argv[i];

		if (read_limit(call, &i, limit)) {
			continue;
		} else if (str_eq(word, "-i") || str_eq(word, "--ignore")) {
			ignore = true;
		} else if (word[0] == '-') {
			fprintf(stderr, "%s stop: %s: not known here; \"cleat stop NAME...\"\n",
				call->program, word);
			return PODMAN_FAILED;
		} else {
			call->argv[++count] = word;
		}
	}
	for (int i = 1; i <= count; i++) {
		int one = stop_one(call, ignore, call->argv[i], limit);

		result = one ? one : result;
	}
	if (!count)
		fprintf(stderr, "%s stop: which container?\n", call->program);
	return count ? result : PODMAN_FAILED;
}

/* An option to them that is none of ours: how lines look on a terminal. */
static bool is_of_looks(const char *word)
{
	return str_eq(word, "--details") || str_eq(word, "--color");
}

static int podman_logs(const struct personality_call *call)
{
	int count = 1, result;

	for (int i = 1; i < call->argc; i++)
		if (!is_of_looks(call->argv[i]))
			call->argv[count++] = call->argv[i];
	result = cli_logs(count, call->argv, is_docker(call));
	if (result == CLI_USAGE || result == CLI_NO_ENGINE)
		return PODMAN_FAILED;
	return result == CLI_OK ? 0 : personality_failure(call);
}

/* To docker one that is there already is no error. */
static int volume_create(const struct personality_call *call)
{
	struct personality_row row = *call->row;
	struct personality_call renamed = *call;

	row.run = NULL;
	row.to = is_docker(call) ? "volume create --ignore" : "volume create";
	renamed.row = &row;
	return personality_run(&renamed, PODMAN_FAILED, personality_failure(call));
}

/* --- networks: units, and nothing else ---------------------------------------------------------------------------------------- */

static bool find_network(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->units[i].kind == UNIT_NETWORK && set->units[i].is_valid &&
		    (str_eq(set->units[i].resource_name, name) || str_eq(set->units[i].name, name)))
			return true;
	return str_eq(name, "podman") || str_eq(name, "bridge");
}

static void load_networks(struct unit_set *set, struct arena *arena)
{
	struct unit_facts facts = { 0 };
	struct err ignored;

	unit_facts_init(&facts, arena, CLEAT_HOME_DIR);
	if (unit_set_load(set, CLEAT_UNIT_DIR, &facts, &ignored) < 0)
		fprintf(stderr, "cleat: %s\n", ignored.msg);
}

static int network_exists(const struct personality_call *call)
{
	const char *name = only_name(call);
	auto_arena arena = { 0 };
	struct unit_set set = { 0 };
	bool found;

	if (!name)
		return PODMAN_FAILED;
	load_networks(&set, &arena);
	found = find_network(&set, name);
	unit_set_fini(&set);
	return found ? 0 : 1;
}

static int network_ls(const struct personality_call *call)
{
	auto_arena arena = { 0 };
	struct unit_set set = { 0 };
	bool quiet = call->argc == 2 &&
		     (str_eq(call->argv[1], "-q") || str_eq(call->argv[1], "--quiet"));

	if (call->argc > 1 && !quiet) {
		fprintf(stderr, "%s network ls: %s: only -q is known here\n", call->program,
			call->argv[1]);
		return PODMAN_FAILED;
	}
	load_networks(&set, &arena);
	if (!quiet)
		puts("NAME                             UNIT");
	puts("podman");
	for (size_t i = 0; i < set.count; i++)
		if (set.units[i].kind == UNIT_NETWORK && set.units[i].is_valid)
			printf(quiet ? "%s\n" : "%-32s %s\n", set.units[i].resource_name,
			       set.units[i].name);
	unit_set_fini(&set);
	return 0;
}

/* A network that a unit describes is there as soon as a container needs it; no other can be made. */
static int network_create(const struct personality_call *call)
{
	const char *name = call->argc > 1 ? call->argv[call->argc - 1] : "";
	auto_arena arena = { 0 };
	struct unit_set set = { 0 };
	bool ignore = false, found;

	for (int i = 1; i < call->argc; i++)
		ignore |= str_eq(call->argv[i], "--ignore");
	load_networks(&set, &arena);
	found = name[0] && name[0] != '-' && find_network(&set, name);
	unit_set_fini(&set);
	if (found && ignore) {
		puts(name);
		return 0;
	}
	if (found)
		fprintf(stderr, "%s network create: network %s already exists\n", call->program,
			name);
	else
		fprintf(stderr,
			"%s network create: networks are made from units: put %s.network with [Network] and NetworkName=%s into %s, and write Network=%s.network in the container\n",
			call->program, name, name, CLEAT_UNIT_DIR, name);
	return PODMAN_FAILED;
}

static int network_rm(const struct personality_call *call)
{
	bool force = false;
	int result = 0;
	auto_arena arena = { 0 };
	struct unit_set set = { 0 };

	load_networks(&set, &arena);
	for (int i = 1; i < call->argc; i++)
		force |= str_eq(call->argv[i], "-f") || str_eq(call->argv[i], "--force");
	for (int i = 1; i < call->argc; i++) {
		if (call->argv[i][0] == '-')
			continue;
		if (find_network(&set, call->argv[i])) {
			fprintf(stderr,
				"%s network rm: %s: it goes with its last container; take its .network unit away\n",
				call->program, call->argv[i]);
			result = 2; /* podman's for one in use */
		} else if (!force) {
			fprintf(stderr, "%s network rm: no network \"%s\"\n", call->program,
				call->argv[i]);
			result = result ? result : 1;
		}
	}
	unit_set_fini(&set);
	return result;
}

static int podman_version(const struct personality_call *call)
{
	/* what scripts look for is a number that they can compare */
	if (call->argc == 1 || str_eq(call->argv[1], "--version"))
		return personality_cleat("version", NULL) == CLI_OK ? 0 : personality_failure(call);
	fprintf(stderr, "%s version: %s: not known here; \"cleat version\"\n", call->program,
		call->argv[1]);
	return PODMAN_FAILED;
}

static int podman_info(const struct personality_call *call)
{
	struct cli_response response = { 0 };
	struct err err;
	int result = 0;

	if (call->argc > 1 && !str_eq(call->argv[1], "--debug")) {
		fprintf(stderr, "%s info: %s: not known here\n", call->program, call->argv[1]);
		return PODMAN_FAILED;
	}
	if (cli_request("GET", "/info", &response, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		result = personality_failure(call);
	} else {
		printf("%s\n", buf_str(&response.body));
	}
	buf_fini(&response.body);
	return result;
}

/* clang-format off */
#define NO_MAKING "containers are made from units: put NAME.container into " CLEAT_UNIT_DIR " (\"cleat check\" says what is wrong with it)"
#define NO_BUILD "nothing is built here: build the image elsewhere, and put its archive into " CLEAT_IMAGE_DIR " or push it to a registry"
#define NO_FILES "there is no copying into a container here: write Volume= in its unit, or \"cleat volume import\""

/* podman's groups and short names alike; "container cp" is "cp" where it has no row of its own. */
static const struct personality_row rows[] = {
	{ "ps", NULL, personality_ps, NULL, 0, NULL },
	{ "container ls", NULL, personality_ps, NULL, 0, NULL },
	{ "container list", NULL, personality_ps, NULL, 0, NULL },
	{ "logs", NULL, podman_logs, NULL, 0, NULL },
	{ "exec", "exec", NULL, "", 0, NULL },
	{ "inspect", NULL, personality_inspect, NULL, 0, NULL },
	{ "container inspect", NULL, personality_inspect, NULL, 0, NULL },
	{ "start", "start", NULL, "", 0, NULL },
	{ "stop", NULL, podman_stop, NULL, 0, NULL },
	{ "restart", "restart", NULL, "", 0, NULL },
	{ "kill", "kill", NULL, "", 0, NULL },
	{ "rm", NULL, podman_rm, NULL, 0, NULL },
	{ "container exists", NULL, container_exists, NULL, 0, NULL },
	{ "events", "events", NULL, "", 0, NULL },
	{ "healthcheck run", "healthcheck run", NULL, "", CLI_FAILED, NULL },
	{ "auto-update", "auto-update", NULL, "", 0, NULL },
	{ "images", "images", NULL, "-a --all", 0, NULL },
	{ "image ls", "images", NULL, "-a --all", 0, NULL },
	{ "image list", "images", NULL, "-a --all", 0, NULL },
	{ "image inspect", NULL, personality_inspect, NULL, 0, NULL },
	{ "image exists", NULL, thing_exists, NULL, 0, NULL },
	{ "image pull", "pull", NULL, "", 0, NULL },
	{ "pull", "pull", NULL, "", 0, NULL },
	{ "load", "load", NULL, "", 0, NULL },
	{ "image load", "load", NULL, "", 0, NULL },
	{ "rmi", "rmi", NULL, "", CLI_FAILED, NULL },
	{ "image rm", "rmi", NULL, "", CLI_FAILED, NULL },
	{ "image prune", "image prune", NULL, "", 0, NULL },
	{ "volume ls", "volume ls", NULL, "", 0, NULL },
	{ "volume list", "volume ls", NULL, "", 0, NULL },
	{ "volume inspect", "volume inspect", NULL, "", 0, NULL },
	{ "volume create", NULL, volume_create, "--driver=local", 0, NULL },
	{ "volume exists", NULL, thing_exists, NULL, 0, NULL },
	{ "volume rm", "volume rm", NULL, "", CLI_FAILED, NULL },
	{ "volume prune", "volume prune", NULL, "", 0, NULL },
	{ "volume export", "volume export", NULL, "", 0, NULL },
	{ "volume import", "volume import", NULL, "", 0, NULL },
	{ "secret ls", "secret ls", NULL, "", 0, NULL },
	{ "secret list", "secret ls", NULL, "", 0, NULL },
	{ "secret create", "secret create", NULL, "", 0, NULL },
	{ "secret inspect", "secret inspect", NULL, "", 0, NULL },
	{ "secret exists", NULL, thing_exists, NULL, 0, NULL },
	{ "secret rm", "secret rm", NULL, "", CLI_FAILED, NULL },
	{ "network ls", NULL, network_ls, NULL, 0, NULL },
	{ "network list", NULL, network_ls, NULL, 0, NULL },
	{ "network exists", NULL, network_exists, NULL, 0, NULL },
	{ "network create", NULL, network_create, NULL, 0, NULL },
	{ "network rm", NULL, network_rm, NULL, 0, NULL },
	{ "version", NULL, podman_version, NULL, 0, NULL },
	{ "info", NULL, podman_info, NULL, 0, NULL },
	{ "system info", NULL, podman_info, NULL, 0, NULL },
	{ "run", NULL, NULL, NULL, 0, NO_MAKING },
	{ "create", NULL, NULL, NULL, 0, NO_MAKING },
	{ "pod ls", "pod ls", NULL, "--noheading --no-trunc", 0, NULL },
	{ "pod list", "pod ls", NULL, "--noheading --no-trunc", 0, NULL },
	{ "pod ps", "pod ls", NULL, "--noheading --no-trunc", 0, NULL },
	{ "pod inspect", "pod inspect", NULL, "", 0, NULL },
	{ "pod exists", NULL, container_exists, NULL, 0, NULL },
	{ "pod start", "start", NULL, "", 0, NULL },
	{ "pod stop", NULL, podman_stop, NULL, 0, NULL },
	{ "pod restart", "restart", NULL, "", 0, NULL },
	{ "pod rm", NULL, NULL, NULL, 0, "nothing is left of a pod that has stopped: write \"cleat stop NAME\", and take its file away" },
	{ "pod kill", NULL, NULL, NULL, 0, "write \"cleat stop -t 0 NAME\", or \"cleat kill\" with its containers" },
	{ "pod logs", NULL, NULL, NULL, 0, "write \"cleat logs\" with its containers: \"cleat pod ls\" has their names" },
	{ "pod top", NULL, NULL, NULL, 0, "write \"cleat exec NAME ps\" of one of its containers" },
	{ "pod stats", NULL, NULL, NULL, 0, "what a pod takes stands in its cgroup; a monitor reads /status" },
	{ "pod", NULL, NULL, NULL, 0, "pods are made from units: put NAME.pod into " CLEAT_UNIT_DIR },
	{ "play", NULL, NULL, NULL, 0, NO_MAKING },
	{ "kube", NULL, NULL, NULL, 0, NO_MAKING },
	{ "compose", NULL, NULL, NULL, 0, NO_MAKING },
	{ "build", NULL, NULL, NULL, 0, NO_BUILD },
	{ "commit", NULL, NULL, NULL, 0, NO_BUILD },
	{ "tag", NULL, NULL, NULL, 0, NO_BUILD },
	{ "push", NULL, NULL, NULL, 0, NO_BUILD },
	{ "cp", NULL, NULL, NULL, 0, NO_FILES },
	{ "login", NULL, NULL, NULL, 0, "put auth.json, as podman login writes it, into " CLEAT_CONFIG_DIR },
	{ "generate", NULL, NULL, NULL, 0, "units are what is written here in the first place" },
	{ "unshare", NULL, NULL, NULL, 0, "the command runs as root of the appliance already: write it without podman unshare" },
	{ "system prune", NULL, NULL, NULL, 0, "write \"cleat image prune\" and \"cleat volume prune\"" },
	{ "update", NULL, NULL, NULL, 0, "limits stand in the unit: change it there" },
	{ "pause", NULL, NULL, NULL, 0, "containers are not paused here" },
	{ "unpause", NULL, NULL, NULL, 0, "containers are not paused here" },
	{ "top", NULL, NULL, NULL, 0, "write \"cleat exec NAME ps\"; \"cleat ps\" has the first process of each" },
	{ "stats", NULL, NULL, NULL, 0, "what a container takes stands in its cgroup; a monitor reads /status" },
	{ "port", NULL, NULL, NULL, 0, "\"cleat ps\" lists the ports" },
	{ "diff", NULL, NULL, NULL, 0, "a container's root is thrown away at each stop; what has to stay is in volumes" },
	{ "attach", NULL, NULL, NULL, 0, "write \"cleat logs -f NAME\", or \"cleat exec -it NAME sh\"" },
	{ "rename", NULL, NULL, NULL, 0, "the name stands in the unit: ContainerName=" },
	{ "export", NULL, NULL, NULL, 0, "write \"cleat volume export\"; a container's root is its image" },
	{ "save", NULL, NULL, NULL, 0, "images are saved where they are built, and pulled or loaded here" },
	{ "history", NULL, NULL, NULL, 0, "\"cleat image inspect\" lists an image's layers, \"cleat rollback --list\" a unit's images" },
	{ "search", NULL, NULL, NULL, 0, "write the whole name of the image into its unit" },
	{ "logout", NULL, NULL, NULL, 0, "take the login out of auth.json in " CLEAT_CONFIG_DIR },
	{ "mount", NULL, NULL, NULL, 0, "write \"cleat exec NAME\", or Volume= in the unit" },
	{ "umount", NULL, NULL, NULL, 0, "containers' roots are not mounted elsewhere" },
	{ "init", NULL, NULL, NULL, 0, "write \"cleat start\"" },
	{ "container prune", NULL, NULL, NULL, 0, "nothing is left of a container that has stopped" },
	{ "network inspect", NULL, NULL, NULL, 0, "\"cleat explain NAME.network\" prints what its unit becomes, \"cleat inspect\" a container's addresses" },
	{ "network", NULL, NULL, NULL, 0, "networks are made from units, and go with their last container: put NAME.network into " CLEAT_UNIT_DIR },
	{ "system df", NULL, NULL, NULL, 0, "write \"cleat images\" and \"cleat volume ls\"" },
	{ "system", NULL, NULL, NULL, 0, "\"cleat status\" and \"cleat doctor\" say how the appliance is" },
	{ "machine", NULL, NULL, NULL, 0, "the appliance is the machine" },
	{ "quadlet", NULL, NULL, NULL, 0, "units are files in " CLEAT_UNIT_DIR ": \"cleat ps -a\" lists them, \"cleat check\" their problems" },
	{ "swarm", NULL, NULL, NULL, 0, "there is one appliance, and units" },
	{ "stack", NULL, NULL, NULL, 0, NO_MAKING },
	{ "service", NULL, NULL, NULL, 0, NO_MAKING },
	{ "wait", NULL, NULL, NULL, 0, "write After= and Requires= in the unit that has to wait, or \"cleat events\"" },
};
/* clang-format on */

/* *taken: of the words. "container cp" is "cp"; of "image history" only the advice is that of "history". */
static const struct personality_row *find_row(char *const *words, int *taken)
{
	const size_t count = sizeof(rows) / sizeof(rows[0]);
	const struct personality_row *row = personality_find(rows, count, words, taken);
	bool is_image = str_eq(words[0], "image");

	if (row || !words[1] || (!is_image && !str_eq(words[0], "container")))
		return row;
	row = personality_find(rows, count, words + 1, taken);
	++*taken;
	return row && is_image && !row->refusal ? NULL : row;
}

const struct personality_row *personality_podman_row(char *const *words)
{
	int taken;

	return find_row(words, &taken);
}

/* "volume" of "volume ls": to say of what else begins so that it is the second word that is not known. */
static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(rows[i].words, word, len) == 0 && rows[i].words[len] == ' ')
			return true;
	return false;
}

/* Options in front of the command that change nothing here. */
static int skip_global(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (str_eq(argv[i], "--log-level") || str_eq(argv[i], "-l"))
			i++;
		else if (!str_starts(argv[i], "--log-level=") && !str_eq(argv[i], "--remote") &&
			 !str_eq(argv[i], "-r") && !str_eq(argv[i], "--noout"))
			break;
	}
	return i;
}

int personality_podman(int argc, char **argv)
{
	int first = skip_global(argc, argv), taken;
	struct personality_call call = { .program = argv[0] };

	if (first < argc && (str_eq(argv[first], "--version") || str_eq(argv[first], "-v"))) {
		printf("%s version 5.0.0 (cleat %s)\n", argv[0], CLEAT_VERSION);
		return 0;
	}
	if (first >= argc || str_eq(argv[first], "--help") || str_eq(argv[first], "help")) {
		printf("usage: %s COMMAND ...\nThis is cleat; these commands of %s are known:\n",
		       argv[0], argv[0]);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (rows[i].to || rows[i].run)
				printf("  %s\n", rows[i].words);
		return first >= argc ? PODMAN_FAILED : 0;
	}
	call.row = find_row(argv + first, &taken);
	if (!call.row) {
		bool has_second = first + 1 < argc && is_group(argv[first]);

		fprintf(stderr, "%s: \"%s%s%s\" is not known here; \"%s --help\" lists what is\n",
			argv[0], argv[first], has_second ? " " : "",
			has_second ? argv[first + 1] : "", argv[0]);
		return PODMAN_FAILED;
	}
	call.argv = argv + first + taken - 1;
	call.argc = argc - (first + taken - 1);
	call.argv[0] = (char *)(uintptr_t)call.row->words;
	return personality_run(&call, PODMAN_FAILED, personality_failure(&call));
}
