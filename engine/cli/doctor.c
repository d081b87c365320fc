/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat doctor": what the host gives and what it withholds, with what that costs and which setting to change. With an engine it prints what
 * that found; without one it looks itself. "--record" is the engine's own child. Must never change anything on the machine.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "supervise/host_probe.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/places.h"
#include "util/str.h"

#define INDENT 9
#define MIN_WIDTH 40

/* Exit codes of its own: scripts ask whether containers can run. */
enum { DOCTOR_FINE = 0, DOCTOR_LIMITED = 1, DOCTOR_MISSING = 2 };

struct doctor {
	struct host_record record;
	struct host_finding findings[HOST_MAX_FINDINGS];
	size_t count;
	bool is_engines; /* the engine's, not looked for just now */
	unsigned width;	 /* of the terminal; 0: none, lines are as long as they are */
};

static const char *result_text(enum host_level worst)
{
	return worst == HOST_MISSING ? "missing" : worst == HOST_LIMITED ? "limited" : "ok";
}

static int exit_code(enum host_level worst)
{
	return worst == HOST_MISSING ? DOCTOR_MISSING :
	       worst == HOST_LIMITED ? DOCTOR_LIMITED :
				       DOCTOR_FINE;
}

/* --- for programs ------------------------------------------------------------------------------------------------------- */

static void json_check(struct json *j, const struct host_finding *f, uint32_t allowed)
{
	json_object(j, NULL);
	json_str(j, "id", f->check->id);
	json_str(j, "level", host_level_name(f->level));
	json_str(j, "title", f->check->title);
	json_str(j, "loss", f->level >= HOST_NOTE ? host_loss_text(f->check, allowed) : "");
	json_str(j, "evidence", f->evidence);
	json_str(j, "remedy", f->remedy);
	json_object_end(j);
}

static void print_json(const struct doctor *d)
{
	auto_buf out = BUF_INIT(256u * 1024);
	struct json j = { .out = &out, .pretty = true, .first = true };
	char losses[HOST_LOSSES_SIZE];

	host_loss_names(d->record.allowed, losses);
	json_object(&j, NULL);
	json_str(&j, "result", result_text(host_worst(d->findings, d->count)));
	json_str(&j, "kind", host_kind_name(d->record.kind));
	json_str(&j, "kernel", d->record.kernel);
	json_str(&j, "label", d->record.label);
	json_bool(&j, "of_the_engine", d->is_engines);
	json_int(&j, "looked_real_usec", d->record.real_usec);
	json_str(&j, "allowed_losses", losses);
	json_array(&j, "checks");
	for (size_t i = 0; i < d->count; i++)
		json_check(&j, &d->findings[i], d->record.allowed);
	json_array_end(&j);
	json_object_end(&j);
	puts(buf_str(&out));
}

/* --- for people --------------------------------------------------------------------------------------------------------- */

static unsigned terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
}

/* Words of a text behind what stands on the line already, each further line behind as many blanks. */
static void print_wrapped(const struct doctor *d, unsigned indent, const char *text)
{
	unsigned column = indent;
	bool is_first = true;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");

		if (!is_first && d->width && column + 1 + len > d->width) {
			printf("\n%*s", (int)indent, "");
			column = indent;
			is_first = true;
		}
		printf("%s%.*s", is_first ? "" : " ", (int)len, text);
		column += (unsigned)len + !is_first;
		is_first = false;
		text += len;
	}
	putchar('\n');
}

static void print_part(const struct doctor *d, const char *title, const char *text)
{
	if (!text[0])
		return;
	printf("%*s%-4s ", INDENT, "", title);
	print_wrapped(d, INDENT + 5, text);
}

static void print_level(enum host_level level)
{
	static const char *const codes[HOST_LEVELS] = {
		[HOST_FINE] = "\033[32m",    [HOST_UNKNOWN] = "",	  [HOST_NOTE] = "",
		[HOST_LIMITED] = "\033[33m", [HOST_MISSING] = "\033[31m",
	};
	bool coloured = cli_wants_colours(stdout) && codes[level][0];

	printf("%s%-*s%s", coloured ? codes[level] : "", INDENT, host_level_name(level),
	       coloured ? "\033[0m" : "");
}

static void print_finding(const struct doctor *d, const struct host_finding *f)
{
	char text[sizeof(f->evidence)];

	print_level(f->level);
	str_copy(text, sizeof(text), f->check->id);
	printf("%s: ", text);
	print_wrapped(d, INDENT + (unsigned)strlen(text) + 2, f->check->title);
	print_part(d, "so", host_loss_text(f->check, d->record.allowed));
	str_copy(text, sizeof(text), f->evidence);
	cli_clean(text);
	print_part(d, "why", text);
	print_part(d, "do", f->remedy);
}

/* Those that are fine, or not known, need no line each. */
static void print_rest(const struct doctor *d, enum host_level level)
{
	auto_buf text = BUF_INIT(4096);

	for (size_t i = 0; i < d->count; i++)
		if (d->findings[i].level == level)
			buf_printf(&text, " %s", d->findings[i].check->id);
	if (!text.len)
		return;
	print_level(level);
	print_wrapped(d, INDENT, buf_str(&text));
}

static void print_text(const struct doctor *d)
{
	static const char *const sums[HOST_LEVELS] = {
		[HOST_FINE] = "all that containers need is there",
		[HOST_UNKNOWN] = "all that was looked at is there",
		[HOST_NOTE] = "all that containers need is there",
		[HOST_LIMITED] = "containers run, with limits",
		[HOST_MISSING] = "something that containers need is missing",
	};
	char text[256], kernel[sizeof(d->record.kernel)];

	str_copy(kernel, sizeof(kernel), d->record.kernel);
	cli_clean(kernel);
	snprintf(text, sizeof(text), "%s, Linux %s: %s", host_kind_title(d->record.kind), kernel,
		 sums[host_worst(d->findings, d->count)]);
	print_wrapped(d, 0, text);
	for (size_t i = 0; i < d->count; i++)
		if (d->findings[i].level >= HOST_NOTE)
			print_finding(d, &d->findings[i]);
	print_rest(d, HOST_UNKNOWN);
	print_rest(d, HOST_FINE);
}

/* --- looking ------------------------------------------------------------------------------------------------------------ */

/* The engine's record lies beside its socket. */
static int load(struct doctor *d, struct err *err)
{
	char path[512];
	char *slash;

	str_copy(path, sizeof(path), cli_socket());
	slash = strrchr(path, '/');
	if (!slash || !str_copy(slash, sizeof(path) - (size_t)(slash - path), "/host"))
		return err_set(err, ERR_INPUT, "%s: no path of a socket", path);
	if (host_record_load(path, &d->record, err) < 0)
		return -1;
	if (cli_is_inside() && !host_record_is_current(&d->record))
		return err_set(err, ERR_NOT_FOUND, "%s is of an earlier boot", path);
	return 0;
}

/* On a machine that is no appliance nobody expects a /data. */
static const char *default_data_dir(void)
{
	return access(CLEAT_DATA_DIR, F_OK) == 0 || access(CLEAT_CONFIG_DIR, F_OK) == 0 ?
		       CLEAT_DATA_DIR :
		       NULL;
}

static void look(struct host_record *record, const char *data_dir)
{
	if (!data_dir)
		data_dir = default_data_dir();
	host_record_init(record);
	host_look_here(record, data_dir);
	host_try_all(record, data_dir);
}

/* leaves_data: nothing is tried there, because nothing may be written. */
static int record_only(struct doctor *d, bool leaves_data)
{
	struct err err;

	host_record_init(&d->record);
	host_look_here(&d->record, CLEAT_DATA_DIR);
	host_try_all(&d->record, leaves_data ? NULL : CLEAT_DATA_DIR);
	if (file_write_all(STDOUT_FILENO, &d->record, sizeof(d->record), &err) < 0)
		return cli_fail("doctor", &err);
	return CLI_OK;
}

static int examine(struct doctor *d, bool afresh, const char *data_dir)
{
	struct err err;

	d->is_engines = !afresh && !data_dir && load(d, &err) == 0;
	if (d->is_engines)
		return 0;
	if (!cli_is_inside() && !afresh && !data_dir) {
		fprintf(stderr,
			"cleat doctor: %s; without --socket this machine itself is looked at\n",
			err.msg);
		return -1;
	}
	look(&d->record, data_dir);
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	bool as_json = false, afresh = false, record = false, leaves_data = false;
	const char *data_dir = NULL;
	const struct cli_option options[] = {
		{ NULL, "--json", &as_json, NULL },
		{ NULL, "--probe", &afresh, NULL },
		{ NULL, "--record", &record, NULL },
		{ NULL, "--leave-data", &leaves_data, NULL },
		{ NULL, "--data-dir", NULL, &data_dir },
	};
	int words = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	auto_free struct doctor *d = calloc(1, sizeof(*d));

	if (words < 0)
		return CLI_USAGE;
	if (words > 0)
		return cli_usage("doctor", "no name is expected");
	if (!d)
		return CLI_NO_ENGINE;
	if (record)
		return record_only(d, leaves_data);
	if (examine(d, afresh, data_dir) < 0)
		return CLI_NO_ENGINE;
	d->count = host_judge(&d->record, d->findings);
	d->width = terminal_width();
	if (as_json)
		print_json(d);
	else
		print_text(d);
	return exit_code(host_worst(d->findings, d->count));
}
