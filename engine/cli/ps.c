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
	if (cli_engine_answers())
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
	return u->client_lost ? "client addresses are lost: ports go through a proxy" : "";
}

static bool is_shown(const struct published_unit *u, bool all)
{
	return all || u->wanted || u->pid || u->state == PUBLISHED_INVALID;
}

static void add_row(struct cli_table *table, const struct published_unit *u)
{
	char since[24], pid[16], restarts[16], code[24];

	cli_span(clock_real_usec() - u->since_real_usec, since);
	snprintf(pid, sizeof(pid), "%d", u->pid);
	snprintf(restarts, sizeof(restarts), "%u", u->restarts);
	cli_table_cell(table, CLI_PLAIN, u->name);
	cli_table_cell(table, state_colour(u), published_state_name(u->state));
	cli_table_cell(table, CLI_PLAIN, u->health ? published_health_name(u->health) : "-");
	cli_table_cell(table, CLI_PLAIN, since);
	cli_table_cell(table, CLI_PLAIN, u->pid ? pid : "-");
	cli_table_cell(table, CLI_PLAIN, exit_text(u, code));
	cli_table_cell(table, CLI_PLAIN, restarts);
	cli_table_cell(table, CLI_PLAIN, u->ports[0] ? u->ports : "-");
	cli_table_cell(table, CLI_PLAIN, u->image[0] ? u->image : "-");
	cli_table_cell(table, CLI_PLAIN, detail_text(u));
}

static void print_table(const struct published_unit *units, unsigned count, bool all)
{
	static const char *const titles[] = { "NAME", "STATE",	  "HEALTH", "SINCE", "PID",
					      "EXIT", "RESTARTS", "PORTS",  "IMAGE", "DETAIL" };
	struct cli_table table = { .columns = sizeof(titles) / sizeof(titles[0]) };

	for (size_t i = 0; i < table.columns; i++)
		cli_table_cell(&table, CLI_PLAIN, titles[i]);
	for (unsigned i = 0; i < count; i++)
		if (is_shown(&units[i], all))
			add_row(&table, &units[i]);
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
}

static void json_unit(struct json *json, const struct published_unit *u)
{
	json_object(json, NULL);
	json_str(json, "name", u->name);
	json_str(json, "unit", u->unit);
	json_str(json, "state", published_state_name(u->state));
	json_str(json, "health", published_health_name(u->health));
	json_bool(json, "wanted", u->wanted);
	json_int(json, "pid", u->pid);
	json_int(json, "exit_code", u->exit_code);
	json_int(json, "exit_signal", u->exit_signal);
	json_uint(json, "restarts", u->restarts);
	json_str(json, "run_id", u->run_id);
	json_str(json, "image", u->image);
	json_str(json, "image_digest", u->image_digest);
	json_str(json, "addresses", u->addresses);
	json_str(json, "ports", u->ports);
	json_bool(json, "client_address_lost", u->client_lost);
	json_str(json, "detail", u->detail);
	json_str(json, "probe_output", u->probe_output);
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

static void print_notes(const struct published_unit *u)
{
	char notes[sizeof(u->notes)];

	str_copy(notes, sizeof(notes), u->notes);
	for (char *line = notes, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		print_line("note", line);
	}
}

static void print_unit(const struct published_unit *u)
{
	char since[24], code[24], text[128];

	cli_span(clock_real_usec() - u->since_real_usec, since);
	printf("%s: %s%s%s for %s\n", u->name, published_state_name(u->state),
	       u->health ? ", " : "", u->health ? published_health_name(u->health) : "", since);
	print_line("why", u->detail);
	print_line("unit", u->source);
	print_line("image", u->image);
	print_line("digest", u->image_digest);
	if (u->pid) {
		snprintf(text, sizeof(text), "%d, run %s", u->pid, u->run_id);
		print_line("pid", text);
	}
	print_line("last exit", exit_text(u, code));
	snprintf(text, sizeof(text), "%u", u->restarts);
	print_line("restarts", text);
	print_line("probe", u->probe_output);
	print_line("addresses", u->addresses);
	print_line("ports", u->ports);
	if (u->log_dropped_lines) {
		snprintf(text, sizeof(text), "%" PRIu64 " log lines", u->log_dropped_lines);
		print_line("dropped", text);
	}
	print_notes(u);
}

static void print_appliance(const struct published_header *header)
{
	static const char *const titles[] = { "note", "warning", "error" };

	printf("cleat %s on %s%s\n", header->version, header->hostname,
	       header->draining ? ", stopping" : "");
	for (unsigned i = 0; i < header->note_count; i++)
		print_line(header->notes[i].level < 3 ? titles[header->notes[i].level] : titles[2],
			   header->notes[i].text);
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
