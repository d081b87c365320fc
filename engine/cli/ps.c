/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat ps" and "cleat status": what the engine published last. Both read the shared mapping, so they answer without an engine too, and say
 * so then.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/host.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/str.h"

static int read_state(struct published_header *header, struct published_unit **units,
		      unsigned *count)
{
	char span[24];
	struct err err;

	if (cli_read_published(header, units, count, &err) < 0) {
		fprintf(stderr, "cleat: no appliance has published its state here: %s\n", err.msg);
		return CLI_NO_ENGINE;
	}
	if (cli_engine_answers(CLI_PING_GLANCE_MSEC))
		return CLI_OK;
	cli_span((int64_t)(clock_now_usec() - header->heartbeat_monotonic_usec), span);
	fprintf(stderr,
		"cleat: the engine does not answer; this is what it published last, %s ago (containers run on without it)\n",
		span);
	return CLI_OK;
}

static const char *exit_text(const struct published_unit *u, char out[24])
{
	if (u->exit_signal)
		snprintf(out, 24, "signal %d", u->exit_signal);
	else if (u->exit_code >= 0)
		snprintf(out, 24, "%d", u->exit_code);
	else
		str_copy(out, 24, "-");
	return out;
}

static enum cli_colour state_colour(const struct published_unit *u)
{
	switch ((enum published_state)u->state) {
	case PUBLISHED_UP:
		return u->health == PUBLISHED_UNHEALTHY ? CLI_RED : CLI_GREEN;
	case PUBLISHED_INVALID:
	case PUBLISHED_FAILED:
	case PUBLISHED_NO_IMAGE:
	case PUBLISHED_START_LIMIT:
		return CLI_RED;
	case PUBLISHED_WAITING:
	case PUBLISHED_PULLING:
	case PUBLISHED_STARTING:
	case PUBLISHED_STOPPING:
	case PUBLISHED_BACKOFF:
		return CLI_YELLOW;
	case PUBLISHED_DOWN:
		break;
	}
	return CLI_PLAIN;
}

/* "running" beside "up" says nothing; why something is not up does, what the failing probe said, and what is less than was asked for. */
static const char *detail_text(const struct published_unit *u)
{
	if (u->state != PUBLISHED_UP)
		return u->detail;
	if (u->health == PUBLISHED_UNHEALTHY)
		return u->probe_output;
	if (u->lost)
		return u->lost == HOST_LOSS_PROC ? "isolation lost: private-proc" :
		       u->lost == HOST_LOSS_SYS	 ? "isolation lost: private-sys" :
						   "isolation lost: private-proc private-sys";
	if (u->client_lost)
		return "client addresses are lost: ports go through a proxy";
	return u->status_text;
}

static bool is_shown(const struct published_unit *u, bool all)
{
	return all || u->wanted || u->pid || u->state == PUBLISHED_INVALID;
}

static const char *state_text(const struct published_unit *u, char out[64])
{
	snprintf(out, 64, "%s%s", published_state_name(u->state), published_state_remark(u));
	return out;
}

static void add_row(struct cli_table *table, const struct published_unit *u, bool with_pods)
{
	char state[64];
	char since[24], pid[16], restarts[16], code[24];

	cli_span(clock_real_usec() - u->since_real_usec, since);
	snprintf(pid, sizeof(pid), "%d", u->pid);
	snprintf(restarts, sizeof(restarts), "%u", u->restarts);
	cli_table_cell(table, CLI_PLAIN, u->name);
	cli_table_cell(table, state_colour(u), state_text(u, state));
	cli_table_cell(table, CLI_PLAIN, u->health ? published_health_name(u->health) : "-");
	cli_table_cell(table, CLI_PLAIN, since);
	cli_table_cell(table, CLI_PLAIN, u->pid ? pid : "-");
	cli_table_cell(table, CLI_PLAIN, exit_text(u, code));
	cli_table_cell(table, CLI_PLAIN, restarts);
	cli_table_cell(table, CLI_PLAIN, u->ports[0] ? u->ports : "-");
	if (with_pods)
		cli_table_cell(table, CLI_PLAIN, u->pod[0] ? u->pod : "-");
	cli_table_cell(table, CLI_PLAIN,
		       u->image[0]		 ? u->image :
		       str_ends(u->unit, ".pod") ? "(pod)" :
						   "-");
	cli_table_cell(table, CLI_PLAIN, detail_text(u));
}

static void print_table(const struct published_unit *units, unsigned count, bool all)
{
	static const char *const titles[] = { "NAME", "STATE", "HEALTH",   "SINCE",
					      "PID",  "EXIT",  "RESTARTS", "PORTS",
					      "POD",  "IMAGE", "DETAIL" };
	const size_t column_count = sizeof(titles) / sizeof(titles[0]);
	struct cli_table table = { 0 };
	bool with_pods = false;

	for (unsigned i = 0; i < count; i++)
		with_pods |= units[i].pod[0] && is_shown(&units[i], all);
	table.columns = column_count - !with_pods;
	for (size_t i = 0; i < column_count; i++)
		if (with_pods || !str_eq(titles[i], "POD"))
			cli_table_cell(&table, CLI_PLAIN, titles[i]);
	for (unsigned i = 0; i < count; i++)
		if (is_shown(&units[i], all))
			add_row(&table, &units[i], with_pods);
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
}

static void json_unit(struct json *json, const struct published_unit *u)
{
	char losses[HOST_LOSSES_SIZE];

	json_object(json, NULL);
	json_str(json, "name", u->name);
	json_str(json, "unit", u->unit);
	json_str(json, "state", published_state_name(u->state));
	json_str(json, "health", published_health_name(u->health));
	json_bool(json, "last_good", u->last_good);
	json_bool(json, "masked", u->masked);
	json_str(json, "choice", u->choice == 1 ? "enabled" : u->choice == 2 ? "disabled" : "");
	json_bool(json, "wanted", u->wanted);
	json_int(json, "pid", u->pid);
	json_int(json, "exit_code", u->exit_code);
	json_int(json, "exit_signal", u->exit_signal);
	json_uint(json, "restarts", u->restarts);
	json_str(json, "run_id", u->run_id);
	json_str(json, "pod", u->pod);
	json_str(json, "image", u->image);
	json_str(json, "image_digest", u->image_digest);
	json_str(json, "addresses", u->addresses);
	json_str(json, "ports", u->ports);
	json_bool(json, "client_address_lost", u->client_lost);
	host_loss_names(u->lost, losses);
	json_str(json, "lost_isolation", losses);
	json_str(json, "detail", u->detail);
	json_str(json, "probe_output", u->probe_output);
	json_str(json, "status_text", u->status_text);
	json_str(json, "update", u->update);
	json_object_end(json);
}

static void print_json(const struct published_unit *units, unsigned count, bool all)
{
	auto_buf out = BUF_INIT(64 * 1024 * 1024);
	struct json json = { .out = &out, .pretty = true, .first = true };

	json_array(&json, NULL);
	for (unsigned i = 0; i < count; i++)
		if (is_shown(&units[i], all))
			json_unit(&json, &units[i]);
	json_array_end(&json);
	puts(buf_str(&out));
}

int cmd_ps(int argc, char **argv)
{
	struct published_header header;
	struct published_unit *units;
	const char *format = "table";
	bool all = false;
	const struct cli_option options[] = { { "-a", "--all", &all, NULL },
					      { NULL, "--format", NULL, &format } };
	int words = cli_options(argc, argv, options, 2), result;
	unsigned count;

	if (words < 0)
		return CLI_USAGE;
	if (words > 0 || (!str_eq(format, "table") && !str_eq(format, "json"))) {
		fprintf(stderr, "cleat ps: \"%s\" is not understood; see \"cleat help ps\"\n",
			words > 0 ? argv[1] : format);
		return CLI_USAGE;
	}
	result = read_state(&header, &units, &count);
	if (result != CLI_OK)
		return result;
	if (str_eq(format, "json"))
		print_json(units, count, all);
	else
		print_table(units, count, all);
	free(units);
	return CLI_OK;
}

static void print_line(const char *title, const char *text)
{
	if (text[0])
		printf("  %-10s %s\n", title, text);
}

/* Each line of a text with the same title. */
static void print_lines(const char *title, const char *text)
{
	char copy[sizeof(((struct published_unit *)NULL)->last_output)];

	str_copy(copy, sizeof(copy), text);
	for (char *line = copy, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		print_line(title, line);
	}
}

static void print_memory(const struct published_unit *u)
{
	char text[160];
	int n = 0;

	if (!u->oom_kills)
		return;
	n = snprintf(text, sizeof(text), "%" PRIu32 " killed", u->oom_kills);
	if (u->memory_max_bytes)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", limit %" PRIu64 " KiB",
			      u->memory_max_bytes / 1024);
	if (u->memory_peak_bytes)
		snprintf(text + n, sizeof(text) - (size_t)n, ", peak %" PRIu64 " KiB",
			 u->memory_peak_bytes / 1024);
	print_line("oom", text);
}

static void print_probe(const struct published_unit *u)
{
	char text[sizeof(u->probe_output) + 64];

	if (!u->probe_failures) {
		print_line("probe", u->probe_output);
		return;
	}
	snprintf(text, sizeof(text), "%sfailed %" PRIu32 " times in a row%s%s",
		 u->startup_probe ? "startup probe " : "", u->probe_failures,
		 u->probe_output[0] ? ": " : "", u->probe_output);
	print_line("probe", text);
}

static void print_unit(const struct published_unit *u)
{
	char state[64];
	char since[24], code[24], text[128];

	cli_span(clock_real_usec() - u->since_real_usec, since);
	printf("%s: %s%s%s for %s\n", u->name, state_text(u, state), u->health ? ", " : "",
	       u->health ? published_health_name(u->health) : "", since);
	print_line("why", u->detail);
	print_line("says", u->status_text);
	print_line("update", u->update);
	print_line("unit", u->source);
	print_line("at boot", u->masked	     ? "never, masked" :
			      u->choice == 1 ? "started, enabled" :
			      u->choice == 2 ? "not started, disabled" :
			      u->boot_start  ? "started" :
					       "");
	print_line("pod", u->pod);
	print_line("image", u->image);
	print_line("digest", u->image_digest);
	if (u->pid) {
		snprintf(text, sizeof(text), "%d, run %s", u->pid, u->run_id);
		print_line("pid", text);
	}
	print_line("last exit", exit_text(u, code));
	print_memory(u);
	snprintf(text, sizeof(text), "%u", u->restarts);
	print_line("restarts", text);
	print_probe(u);
	cli_print_checks(u->run_id);
	print_line("addresses", u->addresses);
	print_line("ports", u->ports);
	if (u->log_dropped_lines) {
		snprintf(text, sizeof(text), "%" PRIu64 " log lines", u->log_dropped_lines);
		print_line("dropped", text);
	}
	print_lines("output", u->last_output);
	print_lines("note", u->notes);
}

/* What the host withholds; "cleat doctor" has it with more room. */
static void print_findings(const struct published_header *header)
{
	char text[HOST_SENTENCE_SIZE];

	for (unsigned i = 0; i < header->finding_count; i++) {
		host_sentence(header, i, text);
		print_line(host_level_name(header->findings[i].level), text);
	}
}

static void print_appliance(const struct published_header *header)
{
	static const char *const titles[] = { "note", "warning", "error" };

	printf("cleat %s on %s%s\n", header->version, header->hostname,
	       header->draining ? ", stopping" : "");
	if (header->ship_url[0])
		printf("  %-10s %s: %s, %" PRIu64 " sent, %" PRIu64 " dropped%s%s\n", "shipping",
		       header->ship_url, header->ship_connected ? "connected" : "not connected",
		       header->ship_sent, header->ship_dropped, header->ship_error[0] ? ": " : "",
		       header->ship_error);
	for (unsigned i = 0; i < header->note_count; i++)
		print_line(header->notes[i].level < 3 ? titles[header->notes[i].level] : titles[2],
			   header->notes[i].text);
	print_findings(header);
}

static void print_members(const struct published_unit *pod, const struct published_unit *units,
			  unsigned count)
{
	if (!str_ends(pod->unit, ".pod"))
		return;
	for (unsigned i = 0; i < count; i++) {
		char text[sizeof(units->name) + 64];

		if (!str_eq(units[i].pod, pod->name))
			continue;
		snprintf(text, sizeof(text), "%s: %s%s%s", units[i].name,
			 published_state_name(units[i].state), units[i].health ? ", " : "",
			 units[i].health ? published_health_name(units[i].health) : "");
		print_line("container", text);
	}
}

static int print_named(const struct published_unit *units, unsigned count, char **names,
		       int name_count)
{
	int result = CLI_OK;

	for (int i = 0; i < name_count; i++) {
		struct err err;
		const struct published_unit *u = cli_find_unit(units, count, names[i], &err);

		if (u) {
			print_unit(u);
			print_members(u, units, count);
			continue;
		}
		fprintf(stderr, "cleat: %s\n", err.msg);
		result = CLI_FAILED;
	}
	return result;
}

int cmd_status(int argc, char **argv)
{
	struct published_header header;
	struct published_unit *units;
	int words = cli_options(argc, argv, NULL, 0), result;
	unsigned count;

	if (words < 0)
		return CLI_USAGE;
	result = read_state(&header, &units, &count);
	if (result != CLI_OK)
		return result;
	if (words > 0) {
		result = print_named(units, count, argv + 1, words);
	} else {
		print_appliance(&header);
		for (unsigned i = 0; i < count; i++)
			print_unit(&units[i]);
	}
	free(units);
	return result;
}
