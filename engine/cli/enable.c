/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat enable", "disable", "mask", "unmask": choices that count for more than a unit's [Install], kept in /data by the engine. As
 * with systemctl they start and stop nothing, unless --now says so. Each unit's choice is in force when the command ends.
 */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/reload.h"
#include "util/str.h"

static int post(const char *prefix, const char *name, const char *suffix)
{
	auto_buf path = BUF_INIT(2048);
	struct cli_response response = { 0 };
	int result = CLI_OK;
	char message[700];
	struct err err;

	buf_puts(&path, prefix);
	cli_encode(name, &path);
	buf_puts(&path, suffix);
	if (buf_check(&path, "the name", &err) < 0 ||
	    cli_request("POST", buf_str(&path), &response, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		result = CLI_NO_ENGINE;
	} else if (response.status / 100 != 2 && response.status != 304) {
		cli_message(&response, message, sizeof(message));
		fprintf(stderr, "cleat: %s\n", message);
		result = CLI_FAILED;
	}
	buf_fini(&response.body);
	return result;
}

/* now: "/start", "/stop"; NULL: nothing. */
static int choose_one(const char *name, const char *suffix, const char *now)
{
	int64_t before = reload_engine_began();
	int result = post("/cleat/v1/units/", name, suffix);

	if (result == CLI_OK)
		result = reload_wait(before, false, NULL);
	if (result == CLI_OK && now) {
		result = post("/containers/", name, now);
		if (result == CLI_FAILED)
			fprintf(stderr,
				"cleat: what was chosen for %s is kept; what --now asks for was not done (of a template: name its instances)\n",
				name);
	}
	if (result == CLI_OK)
		puts(name);
	return result;
}

static int choose(int argc, char **argv, const char *suffix, const char *now)
{
	bool is_now = false;
	const struct cli_option options[] = { { NULL, "--now", &is_now, NULL } };
	int count = cli_options(argc, argv, options, now ? 1 : 0), result = CLI_OK;

	if (count < 0)
		return CLI_USAGE;
	if (!count)
		return cli_usage(argv[0], "which unit?");
	for (int i = 1; i <= count; i++) {
		int one = argv[i][0] ? choose_one(argv[i], suffix, is_now ? now : NULL) :
				       cli_usage(argv[0], "an empty name");

		if (one == CLI_NO_ENGINE)
			return one;
		if (one != CLI_OK)
			result = one;
	}
	return result;
}

int cmd_enable(int argc, char **argv)
{
	return choose(argc, argv, "/enable", "/start");
}

int cmd_disable(int argc, char **argv)
{
	return choose(argc, argv, "/disable", "/stop");
}

int cmd_mask(int argc, char **argv)
{
	return choose(argc, argv, "/mask", "/stop");
}

int cmd_unmask(int argc, char **argv)
{
	return choose(argc, argv, "/unmask", NULL);
}
