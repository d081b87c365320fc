/* SPDX-License-Identifier: Apache-2.0 */
/* podman, docker, systemctl and journalctl as names of our command line: exit codes, what they ask the engine, what they refuse. */
#include "unit_test.h"

#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "canned_server.h"
#include "capture.h"
#include "cli/cli.h"
#include "cli/personality.h"
#include "supervise/commands.h"
#include "util/published.h"
#include "util/str.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define FAILED "HTTP/1.1 500 Failed\r\nContent-Length: 19\r\n\r\n{\"message\":\"no so\"}"
#define JSON(length, text) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" text

/* An engine of paper with four units: up, failed, down, backing off. */
struct place {
	struct canned server;
	struct published *published;
	char path[128];
};

static void put_unit(struct published *p, unsigned index, const char *name, const char *unit,
		     enum published_state state)
{
	struct published_unit u = {
		.state = (uint8_t)state,
		.exit_code = state == PUBLISHED_FAILED ? 3 : -1,
		.pid = state == PUBLISHED_UP ? 42 : 0,
		.boot_start = state != PUBLISHED_DOWN,
		.restarts = index,
		.oneshot = state == PUBLISHED_DOWN,
		.since_real_usec = 5 * 1000000,
	};

	str_copy(u.name, sizeof(u.name), name);
	str_copy(u.unit, sizeof(u.unit), unit);
	snprintf(u.source, sizeof(u.source), "/config/units/%s", unit);
	published_put_unit(p, index, &u);
}

static void begin(struct place *place, const char *const *answers)
{
	struct published_header header = { .settled = 1 };
	struct err err;

	*place = (struct place){ 0 };
	canned_start(&place->server, answers);
	snprintf(place->path, sizeof(place->path), "%s/published", place->server.folder);
	place->published = published_create(place->path, &err);
	assert_non_null(place->published);
	published_put_header(place->published, &header);
	put_unit(place->published, 0, "systemd-web", "web.container", PUBLISHED_UP);
	put_unit(place->published, 1, "db", "data base.container", PUBLISHED_FAILED);
	put_unit(place->published, 2, "systemd-idle", "idle.container", PUBLISHED_DOWN);
	put_unit(place->published, 3, "systemd-app", "app.pod", PUBLISHED_BACKOFF);
}

static void end(struct place *place)
{
	published_close(place->published);
	unlink(place->path);
	canned_stop(&place->server);
}

static int by_name(int argc, char **argv)
{
	int result = -1;

	assert_true(personality_main(argc, argv, &result));
	return result;
}

/* The words, and what became of them without asking the engine anything. */
static void ask(struct captured *c, const char *const *words)
{
	struct place place;

	begin(&place, ANSWERS(NULL));
	capture(c, by_name, words);
	end(&place);
}

static void only_these_names_are_meant(void **state)
{
	char cleat[] = "/usr/bin/cleat", *argv[] = { cleat, NULL };
	int result;

	(void)state;
	assert_false(personality_main(1, argv, &result));
	assert_false(personality_main(0, argv, &result));
}

static void is_active_has_systemctls_codes(void **state)
{
	static const struct {
		const char *name, *word;
		int code;
	} rows[] = {
		{ "web", "active\n", 0 },	  { "web.service", "active\n", 0 },
		{ "systemd-web", "active\n", 0 }, { "db", "failed\n", 3 },
		{ "idle", "inactive\n", 3 },	  { "app-pod.service", "activating\n", 3 },
		{ "nothing", "inactive\n", 4 },	  { "default.target", "active\n", 0 },
	};
	struct captured c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(&c, WORDS("/usr/bin/systemctl", "is-active", rows[i].name));
		if (c.result != rows[i].code || !str_eq(c.out, rows[i].word))
			fail_msg("%s: %d %s", rows[i].name, c.result, c.out);
	}
	ask(&c, WORDS("systemctl", "is-active", "--quiet", "idle"));
	assert_int_equal(c.result, 3);
	assert_string_equal(c.out, "");
	ask(&c, WORDS("systemctl", "-q", "is-active", "idle", "web"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "is-failed", "db"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "is-failed", "web"));
	assert_int_equal(c.result, 1);
}

/* A status asks first whether the engine lives. */
#define ALIVE JSON("2", "OK")

static void status_has_them_too(void **state)
{
	struct captured c;
	struct place place;

	(void)state;
	begin(&place, ANSWERS(ALIVE));
	capture(&c, by_name, WORDS("systemctl", "status", "web"));
	assert_int_equal(c.result, 0);
	assert_non_null(strstr(c.out, "systemd-web"));
	assert_string_equal(c.err, "");
	end(&place);
	begin(&place, ANSWERS(ALIVE));
	capture(&c, by_name, WORDS("systemctl", "status", "db"));
	assert_int_equal(c.result, 3);
	end(&place);
	ask(&c, WORDS("systemctl", "status", "nothing"));
	assert_int_equal(c.result, 4);
	assert_non_null(strstr(c.err, "Unit nothing not found."));
}

static void status_shows_as_many_lines_as_it_is_asked_for(void **state)
{
	static const char *const words[][3] = { { "-n", "5", "web" },
						{ "--lines=5", "web", NULL },
						{ "-n5", "web", NULL } };
	struct captured c;
	struct place place;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(&place, ANSWERS(ALIVE, JSON("0", "")));
		capture(&c, by_name,
			WORDS("systemctl", "status", words[i][0], words[i][1], words[i][2]));
		assert_int_equal(c.result, 0);
		end(&place);
		assert_int_equal(place.server.count, 2);
		assert_non_null(strstr(place.server.requests[1], "/containers/systemd-web/logs?"));
		assert_non_null(strstr(place.server.requests[1], "&tail=5 "));
	}
	begin(&place, ANSWERS(ALIVE));
	capture(&c, by_name, WORDS("systemctl", "status", "-n", "0", "web"));
	assert_int_equal(c.result, 0);
	end(&place);
	begin(&place, ANSWERS(ALIVE));
	capture(&c, by_name, WORDS("systemctl", "status", "-n", "few", "web"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "-n few: a number of lines is expected"));
	end(&place);
}

static void is_enabled_knows_choices_and_masks(void **state)
{
	static const struct {
		uint8_t masked, choice, boot;
		const char *word;
		int code;
	} rows[] = {
		{ 0, 0, 1, "enabled\n", 0 }, { 0, 0, 0, "static\n", 0 },
		{ 0, 1, 0, "enabled\n", 0 }, { 0, 2, 1, "disabled\n", 1 },
		{ 1, 1, 1, "masked\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct published_unit u = { .state = PUBLISHED_DOWN,
					    .masked = rows[i].masked,
					    .choice = rows[i].choice,
					    .boot_start = rows[i].boot };
		struct captured c;
		struct place place;

		str_copy(u.name, sizeof(u.name), "x");
		str_copy(u.unit, sizeof(u.unit), "x.container");
		begin(&place, ANSWERS(NULL));
		published_put_unit(place.published, 4, &u);
		capture(&c, by_name, WORDS("systemctl", "is-enabled", "x"));
		end(&place);
		if (c.result != rows[i].code || !str_eq(c.out, rows[i].word))
			fail_msg("%zu: %d %s", i, c.result, c.out);
	}
}

static void one_that_is_enabled_is_enough(void **state)
{
	struct captured c;

	(void)state;
	ask(&c, WORDS("systemctl", "is-enabled", "nothing", "idle"));
	assert_int_equal(c.result, 0);
	assert_string_equal(c.out, "not-found\nstatic\n");
	ask(&c, WORDS("systemctl", "is-enabled", "-q", "nothing"));
	assert_int_equal(c.result, 4);
	assert_string_equal(c.out, "");
}

static void what_would_be_kept_is_not_chosen_for_a_while(void **state)
{
	struct captured c;

	(void)state;
	ask(&c, WORDS("systemctl", "mask", "--runtime", "web"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "--runtime: what is chosen here is kept over reboots"));
}

static void show_prints_properties(void **state)
{
	struct captured c;

	(void)state;
	ask(&c,
	    WORDS("systemctl", "show", "-p", "ActiveState,SubState", "--property=MainPID", "web"));
	assert_int_equal(c.result, 0);
	assert_string_equal(c.out, "ActiveState=active\nSubState=running\nMainPID=42\n");
	ask(&c, WORDS("systemctl", "show", "--value", "-p", "Result", "db"));
	assert_string_equal(c.out, "exit-code\n");
	ask(&c, WORDS("systemctl", "show", "-pLoadState", "-pActiveState", "nothing"));
	assert_int_equal(c.result, 0);
	assert_string_equal(c.out, "LoadState=not-found\nActiveState=inactive\n");
	ask(&c, WORDS("systemctl", "show", "-p", "NRestarts", "-p", "Id", "app-pod"));
	assert_string_equal(c.out, "NRestarts=3\nId=app-pod.service\n");
	ask(&c, WORDS("systemctl", "show", "--value", "-p", "Type", "web", "idle", "app-pod"));
	assert_string_equal(c.out, "notify\n\noneshot\n\nforking\n");
	ask(&c, WORDS("systemctl", "show", "-p", "ActiveEnterTimestamp", "web", "db"));
	assert_string_equal(
		c.out,
		"ActiveEnterTimestamp=Thu 1970-01-01 00:00:05 UTC\n\nActiveEnterTimestamp=\n");
	ask(&c, WORDS("systemctl", "show", "-p", "NoSuch", "web"));
	assert_non_null(strstr(c.err, "property NoSuch is not known here"));
}

static void lists_leave_out_what_is_inactive(void **state)
{
	struct captured c;

	(void)state;
	ask(&c, WORDS("systemctl", "list-units"));
	assert_non_null(strstr(c.out, "web.service"));
	assert_null(strstr(c.out, "idle.service"));
	assert_non_null(strstr(c.out, "3 units listed."));
	ask(&c, WORDS("systemctl", "list-units", "--all", "--no-legend"));
	assert_non_null(strstr(c.out, "idle.service"));
	assert_null(strstr(c.out, "listed"));
	ask(&c, WORDS("systemctl", "--failed"));
	assert_non_null(strstr(c.out, "data base.service"));
	assert_null(strstr(c.out, "web.service"));
	ask(&c, WORDS("systemctl", "is-system-running"));
	assert_int_equal(c.result, 1);
	assert_string_equal(c.out, "degraded\n");
}

static void orders_reach_the_engine(void **state)
{
	static const struct {
		const char *words[5];
		const char *answer, *request;
		int code;
	} rows[] = {
		{ { "systemctl", "start", "web.service" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/start HTTP",
		  0 },
		{ { "systemctl", "start", "--no-block", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/start?nowait=1 HTTP",
		  0 },
		{ { "systemctl", "stop", "web" },
		  FAILED,
		  "POST /containers/systemd-web/stop HTTP",
		  1 },
		{ { "systemctl", "reload", "web" },
		  NO_CONTENT,
		  "POST /cleat/v1/units/systemd-web/reload HTTP",
		  0 },
		{ { "systemctl", "try-restart", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/restart HTTP",
		  0 },
		{ { "systemctl", "try-restart", "app-pod" },
		  NO_CONTENT,
		  "POST /containers/systemd-app/restart HTTP",
		  0 },
		{ { "systemctl", "kill", "-s", "HUP", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/kill?signal=1&all=1 HTTP",
		  0 },
		{ { "systemctl", "kill", "--kill-whom=all", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/kill?signal=15&all=1 HTTP",
		  0 },
		{ { "systemctl", "kill", "--kill-who=main", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/kill?signal=15 HTTP",
		  0 },
		{ { "systemctl", "--kill-whom", "main", "kill", "web" },
		  NO_CONTENT,
		  "POST /containers/systemd-web/kill?signal=15 HTTP",
		  0 },
		{ { "systemctl", "reset-failed" },
		  NO_CONTENT,
		  "POST /cleat/v1/units/db/reset-failed HTTP",
		  0 },
		{ { "podman", "restart", "-t5", "web" },
		  NO_CONTENT,
		  "POST /containers/web/restart?t=5 HTTP",
		  0 },
		{ { "podman", "stop", "--time=3", "web" },
		  NO_CONTENT,
		  "POST /containers/web/stop?t=3 HTTP",
		  0 },
		/* wherever the option stands */
		{ { "podman", "stop", "web", "-t", "4" },
		  NO_CONTENT,
		  "POST /containers/web/stop?t=4 HTTP",
		  0 },
		{ { "podman", "rm", "-f", "web", "--time=0" },
		  NO_CONTENT,
		  "POST /containers/web/stop?t=0 HTTP",
		  0 },
		{ { "podman", "stop", "web" }, FAILED, "POST /containers/web/stop HTTP", 125 },
		{ { "docker", "stop", "web" }, FAILED, "POST /containers/web/stop HTTP", 1 },
		{ { "podman", "rm", "-f", "web" }, NO_CONTENT, "POST /containers/web/stop HTTP", 0 },
		{ { "podman", "kill", "--signal=USR1", "web" },
		  NO_CONTENT,
		  "POST /containers/web/kill?signal=10 HTTP",
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[6] = { 0 };
		struct captured c;
		struct place place;

		memcpy(words, rows[i].words, sizeof(rows[i].words));
		begin(&place, ANSWERS(rows[i].answer));
		capture(&c, by_name, words);
		end(&place);
		if (c.result != rows[i].code ||
		    !str_starts(place.server.requests[0], rows[i].request))
			fail_msg("%s %s: %d %s %s", words[0], words[1], c.result,
				 place.server.requests[0], c.err);
	}
}

static void what_needs_no_order_gives_none(void **state)
{
	struct captured c;

	(void)state;
	ask(&c, WORDS("systemctl", "try-restart", "idle"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "start", "network-online.target"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "restart", "nothing"));
	assert_int_equal(c.result, 5);
	assert_string_equal(c.err, "Failed to restart nothing: Unit nothing not found.\n");
	/* no job was asked for */
	ask(&c, WORDS("systemctl", "kill", "nothing"));
	assert_int_equal(c.result, 1);
	ask(&c, WORDS("systemctl", "cat", "nothing"));
	assert_int_equal(c.result, 1);
	ask(&c, WORDS("systemctl", "--help"));
	assert_int_equal(c.result, 0);
	assert_non_null(strstr(c.out, "  is-active\n"));
	ask(&c, WORDS("podman", "rm", "-f", "nothing"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("podman", "rm", "nothing"));
	assert_int_equal(c.result, 1);
	ask(&c, WORDS("podman", "rm", "web"));
	assert_int_equal(c.result, 2);
	ask(&c, WORDS("podman", "container", "exists", "web"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("podman", "container", "exists", "nothing"));
	assert_int_equal(c.result, 1);
}

/* A unit's own lines take away what an earlier podman may have left: here it is the unit itself, which must go on. */
static void own_lines_do_not_stop_their_own_unit(void **state)
{
	struct captured c;

	(void)state;
	setenv(COMMANDS_OF_VARIABLE, "systemd-web", 1);
	ask(&c, WORDS("podman", "rm", "-f", "web"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("podman", "stop", "-t", "10", "systemd-web"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "daemon-reload"));
	assert_int_equal(c.result, 0);
	ask(&c, WORDS("systemctl", "enable", "web"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "not in the command line of a unit"));

	struct place place;

	begin(&place, ANSWERS(NO_CONTENT));
	capture(&c, by_name, WORDS("systemctl", "start", "db"));
	end(&place);
	assert_true(str_starts(place.server.requests[0],
			       "POST /containers/db/start?caller=systemd-web HTTP"));
	unsetenv(COMMANDS_OF_VARIABLE);
}

static void what_would_make_something_is_refused_with_what_to_write(void **state)
{
	static const struct {
		const char *words[5];
		const char *part;
		int code;
	} rows[] = {
		{ { "podman", "run", "--rm", "alpine" }, "NAME.container", 125 },
		{ { "docker", "run", "alpine" }, "NAME.container", 125 },
		{ { "podman", "build", "." }, "nothing is built here", 125 },
		{ { "podman", "cp", "a", "b:/c" }, "Volume=", 125 },
		{ { "podman", "network", "create", "net1" }, "net1.network", 125 },
		{ { "podman", "frobnicate" }, "\"frobnicate\" is not known here", 125 },
		{ { "podman", "volume", "mount", "v" }, "\"volume mount\" is not known here", 125 },
		{ { "podman", "image", "start", "web" }, "\"image start\" is not known here", 125 },
		{ { "docker", "image", "history", "x" }, "cleat rollback --list", 125 },
		{ { "podman", "container", "rename", "a", "b" }, "ContainerName=", 125 },
		{ { "podman", "pod", "rm", "p" }, "cleat stop NAME", 125 },
		{ { "podman", "stop", "--cidfile=x", "web" }, "--cidfile=x: not known here", 125 },
		{ { "podman", "rm", "--depend", "web" }, "--depend: not known here", 125 },
		{ { "podman", "ps", "--pod" }, "--pod: not known here", 125 },
		{ { "podman", "logs", "--nope", "web" }, "unknown option --nope", 125 },
		{ { "podman", "inspect" }, "which container or image?", 125 },
		{ { "podman", "inspect", "--type=network", "x" },
		  "container and image are known",
		  125 },
		{ { "systemctl", "frobnicate" }, "not known here", 1 },
		{ { "systemctl", "start" }, "Too few arguments.", 1 },
		{ { "systemctl", "kill", "--kill-whom=control", "web" },
		  "--kill-whom control: main (the first process) or all is expected",
		  1 },
		{ { "systemctl", "start", "--nope", "web" }, "--nope: not known here", 1 },
		{ { "systemctl", "isolate", "x.target" }, "no targets to reach", 1 },
		{ { "systemctl", "list-timers" }, "no timers", 1 },
		{ { "systemctl", "-M", "box", "start", "web" }, "-M: not known here", 1 },
		{ { "systemctl", "-o", "cat", "freeze", "web" }, "not paused here", 1 },
		{ { "journalctl", "-f" }, "of which unit?", 1 },
		{ { "journalctl", "-k" }, "-k: not known here", 1 },
		{ { "journalctl", "-u", "a", "-o", "json" }, "short and cat are known", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[6] = { 0 };
		struct captured c;

		memcpy(words, rows[i].words, sizeof(rows[i].words));
		ask(&c, words);
		if (c.result != rows[i].code || !strstr(c.err, rows[i].part))
			fail_msg("%s %s: %d %s", words[0], words[1], c.result, c.err);
	}
}

static void journalctl_is_logs(void **state)
{
	static const struct {
		const char *words[8];
		const char *part;
	} rows[] = {
		{ { "journalctl", "-u", "web", "-n", "7" }, "timestamps=1&tail=7 " },
		{ { "journalctl", "-uweb", "-o", "cat" }, "follow=0&timestamps=0 " },
		{ { "journalctl", "-fu", "web" }, "follow=1&timestamps=1&tail=10 " },
		{ { "journalctl", "-xeu", "web" }, "follow=0&timestamps=1 " },
		{ { "journalctl", "-f", "-u", "web" }, "follow=1&timestamps=1&tail=10 " },
		{ { "journalctl", "-n", "-u", "web" }, "tail=10 " },
		{ { "journalctl", "--unit=web", "--since", "2026-11-21 10:00:00", "--no-pager" },
		  "&since=1795255200.000000 " },
		{ { "journalctl", "-u", "web", "--since=10 min ago" }, "&since=" },
		{ { "journalctl", "-u", "web", "-S", "-1h" }, "&since=" },
		{ { "journalctl", "-u", "web", "-S", "@1700000000" }, "&since=1700000000.000000 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[9] = { 0 };
		struct captured c;
		struct place place;

		memcpy(words, rows[i].words, sizeof(rows[i].words));
		begin(&place, ANSWERS("HTTP/1.1 200 OK\r\n\r\n"));
		capture(&c, by_name, words);
		end(&place);
		if (c.result != 0 || !strstr(place.server.requests[0], rows[i].part))
			fail_msg("%zu: %d %s %s", i, c.result, place.server.requests[0], c.err);
	}
}

/* docker's -n is --tail, podman's --names, for which each line is asked for with its time. */
static void one_letter_of_logs_means_two_things(void **state)
{
	static const struct {
		const char *words[6];
		const char *part;
	} rows[] = {
		{ { "podman", "logs", "-n", "web" }, "timestamps=1 " },
		{ { "podman", "logs", "--color", "-n", "--tail=4", "web" },
		  "timestamps=1&tail=4 " },
		{ { "podman", "logs", "--tail", "-1", "web" }, "timestamps=0 " },
		{ { "docker", "logs", "-n", "5", "web" }, "timestamps=0&tail=5 " },
		{ { "docker", "logs", "--details", "-tn5", "web" }, "timestamps=1&tail=5 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[7] = { 0 };
		struct captured c;
		struct place place;

		memcpy(words, rows[i].words, sizeof(rows[i].words));
		begin(&place, ANSWERS("HTTP/1.1 200 OK\r\n\r\n"));
		capture(&c, by_name, words);
		end(&place);
		if (c.result != 0 || !strstr(place.server.requests[0], rows[i].part))
			fail_msg("%zu: %d %s %s", i, c.result, place.server.requests[0], c.err);
	}
}

/* "m" would be a minute. */
static void a_month_ago_is_a_month_ago(void **state)
{
	struct place place;
	struct captured c;
	const char *since;
	long long seconds;

	(void)state;
	begin(&place, ANSWERS("HTTP/1.1 200 OK\r\n\r\n"));
	capture(&c, by_name, WORDS("journalctl", "-u", "web", "--since", "1 month 2h ago"));
	end(&place);
	since = strstr(place.server.requests[0], "&since=");
	assert_non_null(since);
	seconds = atoll(since + strlen("&since=")) + 2629800 + 2 * 3600;
	assert_in_range(time(NULL) - seconds, 0, 600);
	ask(&c, WORDS("journalctl", "-u", "web", "--since", "2 fortnights ago"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "2 fortnights ago"));
}

#define LIST                                                                                                                                                                 \
	"[{\"Image\":\"localhost/a:latest\",\"ImageID\":\"sha256:feedfeedfeed01\",\"Id\":\"0123456789abcdef\",\"Names\":[\"/web\"],\"State\":\"running\",\"Created\":86400," \
	"\"Status\":\"Up 3 minutes (health: starting)\",\"Labels\":{\"a\":\"1\",\"b\":\"2\"},"                                                                               \
	"\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"                                                                           \
	"{\"IP\":\"::1\",\"PrivatePort\":53,\"PublicPort\":53,\"Type\":\"udp\"},{\"PrivatePort\":9,\"Type\":\"tcp\"}],"                                                      \
	"\"NetworkSettings\":{\"Networks\":{\"front\":{}}},\"Mounts\":[{\"Name\":\"v\",\"Destination\":\"/d\"}]},"                                                           \
	"{\"Id\":\"ffff\",\"Names\":[\"/db\"],\"State\":\"exited\",\"Status\":\"Exited (1) 2 hours ago\","                                                                   \
	"\"Labels\":{\"a\":\"1\"}}]"

/* longer than any name can be */
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG_NAME "name=" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

static void ps_filters_and_formats(void **state)
{
	static const struct {
		const char *words[8];
		const char *out;
		int code;
	} rows[] = {
		{ { "podman", "ps", "-aq" }, "0123456789ab\nffff\n", 0 },
		{ { "podman", "ps", "--format", "{{.Names}}: {{.State}}" },
		  "web: running\ndb: exited\n",
		  0 },
		{ { "podman", "ps", "-q", "--filter", "name=^db$" }, "ffff\n", 0 },
		{ { "podman", "ps", "-q", "-f", "status=running" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "label=x" }, "", 0 },
		{ { "podman", "ps", "--format", "{{range .X}}" }, "", 125 },
		/* alternatives of one key, but labels */
		{ { "podman", "ps", "-q", "-f", "name=web", "-f", "name=db" },
		  "0123456789ab\nffff\n",
		  0 },
		{ { "podman", "ps", "-q", "-f", "status=exited", "-f", "name=web" }, "", 0 },
		{ { "podman", "ps", "-q", "-f", "label=a", "-f", "label=b=2" },
		  "0123456789ab\n",
		  0 },
		{ { "podman", "ps", "-q", "-f", "health=starting" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "health=none" }, "ffff\n", 0 },
		{ { "podman", "ps", "-q", "-f", "network=front" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "volume=/d" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "volume=x" }, "", 0 },
		{ { "podman", "ps", "-q", "-f", "ancestor=localhost/a" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "ancestor=feedfeedfeed" }, "0123456789ab\n", 0 },
		{ { "podman", "ps", "-q", "-f", "ancestor=sha256:feedfeedfeed0" },
		  "0123456789ab\n",
		  0 },
		{ { "podman", "ps", "-q", "-f", "ancestor=localhost/a@sha256:feedfeedfeed01" },
		  "0123456789ab\n",
		  0 },
		{ { "podman", "ps", "-q", "-f", "ancestor=feedfeedfeed1" }, "", 0 },
		/* never more than was asked for */
		{ { "podman", "ps", "-q", "-f", "ancestor=feed" }, "", 0 },
		{ { "podman", "ps", "-q", "-f", LONG_NAME }, "", 125 },
		{ { "podman", "ps", "-q", "-f", "name=w.b" }, "", 125 },
		{ { "podman", "ps", "-q", "--no-trunc", "-f", "name=^web$" },
		  "0123456789abcdef\n",
		  0 },
		{ { "podman", "ps", "-f", "name=nothing", "--format", "json" }, "[]\n", 0 },
		{ { "podman", "ps", "-f", "name=web", "--format", "{{.Ports}}" },
		  "0.0.0.0:8080->80/tcp, [::1]:53->53/udp, 9/tcp\n",
		  0 },
		{ { "podman", "ps", "-f", "name=web", "--format",
		    "{{.Labels}} {{.Mounts}} {{.Networks}} {{.CreatedAt}}" },
		  "a=1,b=2 /d front 1970-01-02 00:00:00 +0000 UTC\n",
		  0 },
		{ { "podman", "ps", "-f", "name=db", "--format", "table {{.Names}}\\t{{.State}}" },
		  "NAMES\tSTATE\ndb\texited\n",
		  0 },
		{ { "podman", "ps", "-f", "name=db", "--noheading", "--format",
		    "table {{.Names}}" },
		  "db\n",
		  0 },
		{ { "podman", "ps", "--format", "{{.RunningFor}}" }, "", 125 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *words[9] = { 0 };
		struct captured c;
		struct place place;

		memcpy(words, rows[i].words, sizeof(rows[i].words));
		begin(&place, ANSWERS("HTTP/1.1 200 OK\r\n\r\n" LIST));
		capture(&c, by_name, words);
		end(&place);
		if (c.result != rows[i].code || !str_eq(c.out, rows[i].out))
			fail_msg("%zu: %d %s %s", i, c.result, c.out, c.err);
	}
	struct captured c;

	ask(&c, WORDS("podman", "ps", "-q", "-f", "publish=80"));
	assert_int_equal(c.result, 125);
	assert_non_null(strstr(c.err, "the filter publish=80 is not known here"));
}

static int print_template(int argc, char **argv)
{
	const char *text =
		"{\"A\":{\"B\":\"x\",\"N\":3,\"L\":[\"p\",\"q\"],\"M\":{\"k\":\"v\"}},\"Z\":null}";
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	int result;

	(void)argc;
	result = personality_template("podman", argv[1], yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return result;
}

static void templates_are_what_people_write_or_refused(void **state)
{
	static const struct {
		const char *text, *out; /* NULL: refused */
	} rows[] = {
		{ "{{.A.B}}", "x\n" },
		{ "{{ .A.N }}!", "3!\n" },
		{ "{{json .A.L}}", "[\"p\",\"q\"]\n" },
		{ "{{index .A.L 1}}", "q\n" },
		{ "{{index .A.M \"k\"}}", "v\n" },
		{ "{{.A.B}}-{{.A.N}}", "x-3\n" },
		{ "{{.A.Such}}", "<no value>\n" },
		{ "plain", "plain\n" },
		{ "{{.A.B", NULL },
		{ "{{range .A.L}}", NULL },
		{ "{{if .A}}x{{end}}", NULL },
		{ "{{(index .A.L 0)}}", NULL },
		{ "{{.A.B | upper}}", NULL },
		{ "{{.No.Such}}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct captured c;

		capture(&c, print_template, WORDS("template", rows[i].text));
		if (rows[i].out ? c.result != 0 || !str_eq(c.out, rows[i].out) :
				  c.result != 125 || (!strstr(c.err, "not understood") &&
						      !strstr(c.err, "no such field here")))
			fail_msg("%s: %d %s %s", rows[i].text, c.result, c.out, c.err);
	}
}

/* This machine's PID 1 is nobody's to end. */
static void the_end_is_for_an_appliance_only(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, by_name, WORDS("poweroff", "--now"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "poweroff: --now: not known here"));
	capture(&c, by_name, WORDS("reboot", "-f"));
	assert_int_equal(c.result, 1);
	assert_non_null(strstr(c.err, "reboot: this is no appliance of ours"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_these_names_are_meant),
		cmocka_unit_test(is_active_has_systemctls_codes),
		cmocka_unit_test(status_has_them_too),
		cmocka_unit_test(status_shows_as_many_lines_as_it_is_asked_for),
		cmocka_unit_test(is_enabled_knows_choices_and_masks),
		cmocka_unit_test(one_that_is_enabled_is_enough),
		cmocka_unit_test(what_would_be_kept_is_not_chosen_for_a_while),
		cmocka_unit_test(show_prints_properties),
		cmocka_unit_test(lists_leave_out_what_is_inactive),
		cmocka_unit_test(orders_reach_the_engine),
		cmocka_unit_test(what_needs_no_order_gives_none),
		cmocka_unit_test(own_lines_do_not_stop_their_own_unit),
		cmocka_unit_test(what_would_make_something_is_refused_with_what_to_write),
		cmocka_unit_test(journalctl_is_logs),
		cmocka_unit_test(one_letter_of_logs_means_two_things),
		cmocka_unit_test(a_month_ago_is_a_month_ago),
		cmocka_unit_test(ps_filters_and_formats),
		cmocka_unit_test(the_end_is_for_an_appliance_only),
		cmocka_unit_test(templates_are_what_people_write_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
