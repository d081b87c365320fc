/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small texts that people write: appliance.ini, the address of a syslog server, late variables of a command, conditions, filters of events,
 * Go's templates; and a container's line on its way to a syslog server. Each gets the same text. Oracle beside the sanitizers: a refusal
 * says where and why, versions have an order, a header of syslog has no byte that could end it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "cli/personality.h"
#include "log/ship.h"
#include "log/stamp.h"
#include "supervise/commands.h"
#include "supervise/conditions.h"
#include "unit/appliance.h"
#include "util/events.h"
#include "util/str.h"
#include "util/syslog_url.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static yyjson_doc *inspected;

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "does not hold: %s\n", what);
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char json[] = "{\"Id\":\"ab\",\"State\":{\"Status\":\"running\",\"Pid\":7,"
				   "\"Health\":null},\"Names\":[\"web\",\"x y\"]}";

	(void)argc;
	(void)argv;
	inspected = yyjson_read(json, strlen(json), 0);
	/* what templates print and refuse is nobody's; what the sanitizers say goes to descriptor 2 itself */
	check(inspected && freopen("/dev/null", "w", stdout) != NULL, "there is something to show");
	stderr = stdout;
	check(setenv("ONE", "a 'b c' \"d", 1) == 0 && setenv("NONE", "", 1) == 0, "variables");
	return 0;
}

static void try_appliance(const char *text, size_t size)
{
	struct appliance a = { 0 };
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	struct syslog_url url;
	struct err err;

	appliance_read(&a, &arena, &diags, "/config/appliance.ini", text, size);
	for (size_t i = 0; i < diags.count; i++)
		check(diags.items[i].text[0] && diags.items[i].line > 0,
		      "a complaint has a text and a place");
	check(a.log_budget_percent <= 90 && !(a.log_budget_percent && a.log_budget_bytes),
	      "a budget is one of two");
	check(!a.log_ship || syslog_url_parse(a.log_ship, &url, &err) == 0,
	      "an address that was taken is one");
	check(!a.log_ship_ca || a.log_ship_ca[0] == '/', "a file has an absolute path");
	diags_fini(&diags);
	arena_fini(&arena);
}

static void try_url(const char *text)
{
	struct syslog_url one, two;
	char again[512];
	struct err err = { 0 };
	static const char *const names[] = {
		[SYSLOG_UDP] = "udp", [SYSLOG_TCP] = "tcp", [SYSLOG_TLS] = "tls"
	};

	if (syslog_url_parse(text, &one, &err) < 0) {
		check(err.msg[0], "a refusal has a reason");
		return;
	}
	check(one.host[0] && one.port[0] && !strpbrk(one.host, "/ \n@"), "there is a host");
	snprintf(again, sizeof(again), strchr(one.host, ':') ? "%s://[%s]:%s" : "%s://%s:%s",
		 names[one.transport], one.host, one.port);
	check(syslog_url_parse(again, &two, &err) == 0 && str_eq(one.host, two.host) &&
		      str_eq(one.port, two.port) && one.transport == two.transport,
	      "an address is the same again");
}

/* Words are the lines of the text. */
static void try_command(char *text)
{
	struct arena arena = { 0 };
	char *words[64], **out;
	size_t count = 0, made = 0;
	bool is_plain = true;

	for (char *line = text; line && count < 64; count++) {
		words[count] = line;
		line = strchr(line, '\n');
		if (line)
			*line++ = '\0';
	}
	for (size_t i = 1; i < count; i++)
		is_plain &= !strchr(words[i], '$');
	out = commands_expand(&arena, words, count);
	while (out[made])
		made++;
	check(made > 0 && str_eq(out[0], words[0]), "the program stays");
	check(!is_plain || made == count, "without variables no word is lost or won");
	for (size_t i = 1; i < count && is_plain; i++)
		check(str_eq(out[i], words[i]), "what has no variable stays");
	arena_fini(&arena);
}

static void try_versions(const char *text)
{
	const char *half = text + strlen(text) / 2;
	const char *rest = half;
	char *one = strndup(text, (size_t)(half - text));
	int order;
	bool value;

	check(one != NULL, "memory");
	order = condition_compare_versions(one, half);
	check(order >= -1 && order <= 1 && order == -condition_compare_versions(half, one),
	      "versions have an order");
	check(condition_compare_versions(text, text) == 0, "a version is its own equal");
	condition_take_operator(&rest);
	check(rest >= half && rest <= half + strlen(half), "an operator is part of the text");
	(void)condition_read_bool(text, &value);
	free(one);
}

/* Those that ask about a path are left out: a pattern can mean the whole disk. */
static void try_conditions(const char *text)
{
	static const char *const names[] = {
		"Architecture",
		"Virtualization",
		"Host",
		"KernelCommandLine",
		"KernelVersion",
		"Version",
		"Security",
		"Capability",
		"Memory",
		"CPUs",
		"CPUFeature",
		"User",
		"ControlGroupController",
		"OSRelease",
		"Environment",
	};
	const char *which = names[strlen(text) % (sizeof(names) / sizeof(names[0]))];
	struct err err = { 0 };
	int rc = condition_holds(which, text, &err);

	check(rc >= -1 && rc <= 1, "a condition holds, or not, or nobody can tell");
	check(rc >= 0 || err.msg[0], "who cannot tell says why");
}

static void try_filter(const char *text)
{
	struct event_filter filter = { .count = 0 };
	struct event event = { .kind = EVENT_HEALTH_STATUS, .name = "web", .text = "healthy" };
	const char *equals = strchr(text, '=');
	struct err err = { 0 };
	char key[32];

	if (!equals || (size_t)(equals - text) >= sizeof(key))
		return;
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	if (event_filter_add(&filter, key, equals + 1, &err) < 0)
		check(err.msg[0] && filter.count == 0, "a refusal has a reason");
	else
		(void)event_filter_fits(&filter, &event);
}

static void try_syslog(const char *text, size_t size)
{
	auto_buf out = BUF_INIT(1024 * 1024);
	struct ship_message m = { .stamp = "2024-02-29T23:59:59.123456789Z",
				  .hostname = text,
				  .app = text,
				  .run_id = "0123456789ab",
				  .unit = text,
				  .container = text,
				  .msgid = text,
				  .text = text,
				  .len = size };
	unsigned blanks = 0;

	ship_format(&m, SHIP_MESSAGE_MAX, &out);
	check(!out.failed, "a message fits");
	for (const char *p = out.data; blanks < 6; p++) {
		check(p < out.data + out.len && *p >= ' ' && *p <= '~',
		      "a header is six fields of ASCII");
		blanks += *p == ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_appliance(text, size);
	try_url(text);
	try_versions(text);
	try_conditions(text);
	try_filter(text);
	try_syslog(text, size);
	(void)personality_template("podman", text, yyjson_doc_get_root(inspected));
	try_command(text);
	free(text);
	return 0;
}
