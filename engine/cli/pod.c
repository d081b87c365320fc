/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat pod ls" and "cleat pod inspect": pods and who is in them, from what the engine published last. Like "cleat ps" they answer
 * without an engine, and say so then.
 */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/str.h"

#define OUTPUT_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct pods {
	struct published_header header;
	struct published_unit *units; /* owned */
	unsigned count;
};

static int read_pods(struct pods *p)
{
	struct err err;

	if (cli_read_published(&p->header, &p->units, &p->count, &err) < 0) {
		fprintf(stderr, "cleat: no appliance has published its state here: %s\n", err.msg);
		return CLI_NO_ENGINE;
	}
	if (!cli_engine_answers(CLI_PING_GLANCE_MSEC))
		fprintf(stderr,
			"cleat: the engine does not answer; this is what it published last\n");
	return CLI_OK;
}

static bool is_pod(const struct published_unit *u)
{
	return str_ends(u->unit, ".pod");
}

static bool is_member(const struct published_unit *u, const struct published_unit *pod)
{
	return u->pod[0] && str_eq(u->pod, pod->name);
}

static void add_row(struct cli_table *table, const struct pods *p, const struct published_unit *pod)
{
	auto_buf members = BUF_INIT(65536);
	char since[24], pid[16];

	for (unsigned i = 0; i < p->count; i++)
		if (is_member(&p->units[i], pod))
			buf_printf(&members, "%s%s", members.len ? " " : "", p->units[i].name);
	cli_span(clock_real_usec() - pod->since_real_usec, since);
	snprintf(pid, sizeof(pid), "%d", pod->pid);
	cli_table_cell(table, CLI_PLAIN, pod->name);
	cli_table_cell(table, CLI_PLAIN, published_state_name(pod->state));
	cli_table_cell(table, CLI_PLAIN, since);
	cli_table_cell(table, CLI_PLAIN, pod->pid ? pid : "-");
	cli_table_cell(table, CLI_PLAIN, pod->addresses[0] ? pod->addresses : "-");
	cli_table_cell(table, CLI_PLAIN, pod->ports[0] ? pod->ports : "-");
	cli_table_cell(table, CLI_PLAIN, members.len ? buf_str(&members) : "-");
}

static void print_table(const struct pods *p)
{
	static const char *const titles[] = { "NAME",	   "STATE", "SINCE",	 "PID",
					      "ADDRESSES", "PORTS", "CONTAINERS" };
	struct cli_table table = { .columns = sizeof(titles) / sizeof(titles[0]) };

	for (size_t i = 0; i < table.columns; i++)
		cli_table_cell(&table, CLI_PLAIN, titles[i]);
	for (unsigned i = 0; i < p->count; i++)
		if (is_pod(&p->units[i]))
			add_row(&table, p, &p->units[i]);
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
}

static void json_pod(struct json *json, const struct pods *p, const struct published_unit *pod)
{
	json_object(json, NULL);
	json_str(json, "name", pod->name);
	json_str(json, "unit", pod->unit);
	json_str(json, "source", pod->source);
	json_str(json, "state", published_state_name(pod->state));
	json_bool(json, "wanted", pod->wanted);
	json_int(json, "pid", pod->pid);
	json_str(json, "run_id", pod->run_id);
	json_uint(json, "restarts", pod->restarts);
	json_str(json, "addresses", pod->addresses);
	json_str(json, "ports", pod->ports);
	json_str(json, "detail", pod->detail);
	json_array(json, "containers");
	for (unsigned i = 0; i < p->count; i++) {
		if (!is_member(&p->units[i], pod))
			continue;
		json_object(json, NULL);
		json_str(json, "name", p->units[i].name);
		json_str(json, "state", published_state_name(p->units[i].state));
		json_str(json, "health", published_health_name(p->units[i].health));
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

/* pods NULL: all. */
static int print_json(const struct pods *p, const struct published_unit *const *pods, size_t count)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);
	struct json json = { .out = &out, .pretty = true, .first = true };
	struct err err;

	json_array(&json, NULL);
	for (size_t i = 0; pods && i < count; i++)
		json_pod(&json, p, pods[i]);
	for (unsigned i = 0; !pods && i < p->count; i++)
		if (is_pod(&p->units[i]))
			json_pod(&json, p, &p->units[i]);
	json_array_end(&json);
	if (buf_check(&out, "output", &err) < 0) {
		fprintf(stderr, "cleat pod: %s\n", err.msg);
		return CLI_FAILED;
	}
	puts(buf_str(&out));
	return CLI_OK;
}

int cmd_pod_ls(int argc, char **argv)
{
	const char *format = "table";
	const struct cli_option options[] = { { NULL, "--format", NULL, &format } };
	int words = cli_options(argc, argv, options, 1), result;
	struct pods p = { .count = 0 };

	if (words < 0)
		return CLI_USAGE;
	if (words > 0 || (!str_eq(format, "table") && !str_eq(format, "json"))) {
		fprintf(stderr,
			"cleat pod ls: \"%s\" is not understood; see \"cleat help pod ls\"\n",
			words > 0 ? argv[1] : format);
		return CLI_USAGE;
	}
	result = read_pods(&p);
	if (result == CLI_OK && str_eq(format, "json"))
		result = print_json(&p, NULL, 0);
	else if (result == CLI_OK)
		print_table(&p);
	free(p.units);
	return result;
}

int cmd_pod_inspect(int argc, char **argv)
{
	const struct published_unit *pods[64];
	int words = cli_options(argc, argv, NULL, 0), result;
	struct pods p = { .count = 0 };

	if (words < 0)
		return CLI_USAGE;
	if (words == 0 || words > 64) {
		fprintf(stderr, "cleat pod inspect: needs 1 to 64 names\n");
		return CLI_USAGE;
	}
	result = read_pods(&p);
	for (int i = 0; result == CLI_OK && i < words; i++) {
		struct err err;

		pods[i] = cli_find_unit(p.units, p.count, argv[1 + i], &err);
		if (pods[i] && is_pod(pods[i]))
			continue;
		fprintf(stderr, "cleat pod inspect: %s%s\n", pods[i] ? argv[1 + i] : err.msg,
			pods[i] ? ": is a container" : "");
		result = CLI_FAILED;
	}
	if (result == CLI_OK)
		result = print_json(&p, pods, (size_t)words);
	free(p.units);
	return result;
}
