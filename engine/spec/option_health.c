/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks: podman's and Docker's ways to write a command, and our own three that need no
 * program in the image; the startup check; where results are kept. Only what the shim's prober can
 * do is accepted (numeric addresses or localhost): a check that can never pass is an error at its
 * line. Source of the forms: podman's makeHealthCheckFromCli() and runHealthCheck(); keywords count
 * in either case, what stands behind CMD-SHELL is joined by blanks.
 */
#include "spec/options.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "util/str.h"

#define URL_MAX_BYTES 1024

struct scheme {
	const char *prefix;
	enum spec_probe kind;
	bool port_needed;
	const char *form;
};

static const struct scheme schemes[] = {
	{ "http://", SPEC_PROBE_HTTP, false, "http://HOST[:PORT][/PATH]" },
	{ "https://", SPEC_PROBE_HTTPS, false, "https://HOST[:PORT][/PATH]" },
	{ "tcp://", SPEC_PROBE_TCP, true, "tcp://HOST:PORT" },
};

/* Bounded by what one message to the shim holds. */
static void set_argv(struct options *o, struct spec_check *check, const struct strv *words)
{
	size_t bytes = 0;

	for (size_t i = 0; i < words->count; i++)
		bytes += strlen(words->items[i]) + 1;
	if (bytes > SPEC_HEALTH_MAX_BYTES || words->count > SPEC_HEALTH_MAX_WORDS) {
		option_error(o, "the health command has more than %d bytes or %d words",
			     SPEC_HEALTH_MAX_BYTES, SPEC_HEALTH_MAX_WORDS);
		return;
	}
	check->kind = SPEC_PROBE_EXEC;
	check->argv = *words;
}

static void set_shell(struct options *o, struct spec_check *check, const char *text)
{
	struct strv words = { 0 };

	if (!text[strspn(text, " \t")]) {
		option_error(o, "the health command is empty");
		return;
	}
	strv_push(o->arena, &words, "/bin/sh");
	strv_push(o->arena, &words, "-c");
	strv_push(o->arena, &words, arena_strdup(o->arena, text));
	set_argv(o, check, &words);
}

static void set_words(struct options *o, struct spec_check *check, const struct strv *from,
		      size_t first)
{
	struct strv words = { 0 };

	if (first >= from->count || !from->items[first][0]) {
		option_error(o, "the health command is empty");
		return;
	}
	for (size_t i = first; i < from->count; i++)
		strv_push(o->arena, &words, from->items[i]);
	set_argv(o, check, &words);
}

static const char *join(struct arena *arena, const struct strv *words, size_t first)
{
	const char *text = "";

	for (size_t i = first; i < words->count; i++)
		text = arena_printf(arena, "%s%s%s", text, i > first ? " " : "", words->items[i]);
	return text;
}

/*
 * Docker's array form: CMD, CMD-SHELL or NONE first; without them two or more words are a command,
 * one is for the shell. False: NONE.
 */
static bool set_array(struct options *o, struct spec_check *check, const struct strv *words)
{
	const char *first = words->count ? words->items[0] : "";

	if (strcasecmp(first, "NONE") == 0)
		return false;
	if (strcasecmp(first, "CMD") == 0)
		set_words(o, check, words, 1);
	else if (strcasecmp(first, "CMD-SHELL") == 0)
		set_shell(o, check, join(o->arena, words, 1));
	else if (words->count == 1)
		set_shell(o, check, first);
	else
		set_words(o, check, words, 0);
	return true;
}

static void set_fields(struct options *o, struct spec_check *check, const char *text)
{
	struct strv words = { 0 };

	while (*(text += strspn(text, " \t\n\r"))) {
		size_t len = strcspn(text, " \t\n\r");

		strv_push(o->arena, &words, arena_strndup(o->arena, text, len));
		text += len;
	}
	set_words(o, check, &words, 0);
}

static bool is_probe_host(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	return str_eq(host, "localhost") || inet_pton(AF_INET, host, &v4) == 1 ||
	       inet_pton(AF_INET6, host, &v6) == 1;
}

/* HOST:PORT, [V6]:PORT, and without a port where one is implied. authority ends at the path. */
static bool check_authority(char *authority, bool port_needed)
{
	char *host = authority, *port = NULL;
	uint64_t number;

	if (*host == '[') {
		char *end = strchr(host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
		host++;
	} else {
		char *colon = strchr(host, ':');

		if (colon) {
			*colon = '\0';
			port = colon + 1;
		}
	}
	if (port ? !str_to_u64(port, 65535, &number) || number == 0 : port_needed)
		return false;
	return is_probe_host(host);
}

static void set_url(struct options *o, struct spec_check *check, const char *url,
		    const struct scheme *scheme)
{
	const char *rest = url + strlen(scheme->prefix);
	size_t len = strcspn(rest, "/?#");
	char *authority = arena_strndup(o->arena, rest, len);
	bool is_tcp = scheme->kind == SPEC_PROBE_TCP;

	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f) {
			option_error(
				o,
				"\"%s\": a URL has no blanks, control bytes or other letters than ASCII",
				option_shown(o, url));
			return;
		}
	if (strlen(url) > URL_MAX_BYTES || (rest[len] && (is_tcp || rest[len] != '/')) ||
	    strchr(rest, '#') || !check_authority(authority, scheme->port_needed)) {
		option_error(o, "\"%s\" is no %s with a numeric address or localhost",
			     option_shown(o, url), scheme->form);
		return;
	}
	check->kind = scheme->kind;
	check->url = arena_strdup(o->arena, url);
}

/* What stands behind the keyword; NULL: the text begins with another word. */
static const char *behind(const char *text, const char *keyword)
{
	size_t len = strlen(keyword);

	if (strncasecmp(text, keyword, len) != 0 || (text[len] && text[len] != ' '))
		return NULL;
	return text + len + strspn(text + len, " ");
}

/* False: "none" in one of its forms. */
static bool set_check(struct options *o, struct spec_check *check, const char *value)
{
	struct strv words;
	const char *rest;

	*check = (struct spec_check){ .kind = SPEC_PROBE_NONE };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (str_starts(value, schemes[i].prefix)) {
			set_url(o, check, value, &schemes[i]);
			return true;
		}
	if (behind(value, "NONE"))
		return false;
	if (value[0] == '[' && parse_json_strings(o->arena, value, &words))
		return set_array(o, check, &words);
	if ((rest = behind(value, "CMD")))
		set_fields(o, check, rest);
	else if ((rest = behind(value, "CMD-SHELL")))
		set_shell(o, check, rest);
	else
		set_shell(o, check, value);
	return true;
}

void parse_health_cmd(struct options *o, const char *value)
{
	o->health_word = o->word;
	o->no_healthcheck = false;
	/* As podman: an empty one is none of the unit's own, so the image's counts. */
	o->health_command_seen = value[0];
	if (!value[0])
		o->spec->health.check = (struct spec_check){ .kind = SPEC_PROBE_NONE };
	else if (!set_check(o, &o->spec->health.check, value))
		o->no_healthcheck = true;
}

void parse_startup_cmd(struct options *o, const char *value)
{
	struct spec_check *check = &o->spec->health.startup.check;

	o->startup_word = o->startup_cmd_word = NULL;
	*check = (struct spec_check){ .kind = SPEC_PROBE_NONE };
	if (!value[0] || !set_check(o, check, value))
		return;
	o->startup_word = o->startup_cmd_word = o->word;
}

static bool duration(struct options *o, const char *value, uint64_t min_usec, uint64_t *out)
{
	uint64_t usec;

	if (!option_to_usec(value, &usec)) {
		option_error(o, "\"%s\" is no duration with a unit, like 30s, 1m30s or 500ms",
			     option_shown(o, value));
		return false;
	}
	if (usec < min_usec) {
		option_error(o, "%s is too short: at least %llu ms are needed",
			     option_shown(o, value), (unsigned long long)(min_usec / 1000));
		return false;
	}
	*out = usec;
	return true;
}

static void health_duration(struct options *o, const char *value, uint64_t min_usec, uint64_t *out,
			    enum spec_health_said field)
{
	if (!o->health_word)
		o->health_word = o->word;
	if (duration(o, value, min_usec, out))
		o->spec->health.said |= (unsigned)field;
}

static void startup_duration(struct options *o, const char *value, uint64_t min_usec, uint64_t *out)
{
	if (!o->startup_word)
		o->startup_word = o->word;
	duration(o, value, min_usec, out);
}

static bool is_never(const char *value)
{
	uint64_t usec;

	return str_eq(value, "disable") || (option_to_usec(value, &usec) && usec == 0);
}

void parse_health_interval(struct options *o, const char *value)
{
	o->health_interval_off = is_never(value);
	if (!o->health_interval_off)
		health_duration(o, value, 100000, &o->spec->health.interval_usec,
				SPEC_HEALTH_INTERVAL);
	else if (!o->health_word)
		o->health_word = o->word;
}

void parse_health_timeout(struct options *o, const char *value)
{
	health_duration(o, value, 1000000, &o->spec->health.timeout_usec, SPEC_HEALTH_TIMEOUT);
}

void parse_health_start_period(struct options *o, const char *value)
{
	health_duration(o, value, 0, &o->spec->health.start_period_usec, SPEC_HEALTH_START_PERIOD);
}

void parse_startup_interval(struct options *o, const char *value)
{
	o->startup_interval_off = is_never(value);
	if (!o->startup_interval_off)
		startup_duration(o, value, 100000, &o->spec->health.startup.interval_usec);
	else if (!o->startup_word)
		o->startup_word = o->word;
}

void parse_startup_timeout(struct options *o, const char *value)
{
	startup_duration(o, value, 1000000, &o->spec->health.startup.timeout_usec);
}

static void count(struct options *o, const char *value, uint64_t min, uint64_t max, unsigned *out)
{
	uint64_t number;

	if (!str_to_u64(value, max, &number) || number < min)
		option_error(o, "\"%s\" is no number from %llu to %llu", option_shown(o, value),
			     (unsigned long long)min, (unsigned long long)max);
	else
		*out = (unsigned)number;
}

void parse_health_retries(struct options *o, const char *value)
{
	if (!o->health_word)
		o->health_word = o->word;
	count(o, value, 1, 1000000, &o->spec->health.retries);
	o->spec->health.said |= SPEC_HEALTH_RETRIES;
}

void parse_startup_retries(struct options *o, const char *value)
{
	if (!o->startup_word)
		o->startup_word = o->word;
	count(o, value, 0, 1000000, &o->spec->health.startup.retries);
}

void parse_startup_success(struct options *o, const char *value)
{
	if (!o->startup_word)
		o->startup_word = o->word;
	count(o, value, 0, 1000000, &o->spec->health.startup.success);
}

void parse_health_on_failure(struct options *o, const char *value)
{
	static const struct {
		const char *name;
		enum spec_on_failure action;
	} actions[] = {
		{ "none", SPEC_ON_FAILURE_NONE },
		{ "kill", SPEC_ON_FAILURE_KILL },
		{ "restart", SPEC_ON_FAILURE_RESTART },
		{ "stop", SPEC_ON_FAILURE_STOP },
	};

	if (!o->health_word)
		o->health_word = o->word;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcasecmp(value, actions[i].name) == 0) {
			o->spec->health.on_failure = actions[i].action;
			return;
		}
	option_error(o, "\"%s\" is none of none, kill, restart, stop%s", option_shown(o, value),
		     str_hint((char[STR_HINT_BYTES]){ 0 }, value,
			      (const char *const[]){ "none", "kill", "restart", "stop", NULL }));
}

void parse_no_healthcheck(struct options *o, const char *value)
{
	o->no_healthcheck = str_eq(value, "true");
}

void parse_health_log_destination(struct options *o, const char *value)
{
	struct spec_health *health = &o->spec->health;

	health->log_directory = NULL;
	health->log_to_engine = str_eq(value, "events_logger");
	if (str_eq(value, "local") || health->log_to_engine || !value[0])
		return;
	if (value[0] != '/')
		option_error(o, "\"%s\" is none of local, events_logger, and an absolute folder%s",
			     option_shown(o, value),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, value,
				      (const char *const[]){ "local", "events_logger", NULL }));
	else
		health->log_directory = option_path(o, "folder", value);
}

/* 0 is podman's "no limit". */
void parse_health_log_count(struct options *o, const char *value)
{
	unsigned number = SPEC_HEALTH_LOG_MAX_COUNT;

	count(o, value, 0, UINT32_MAX, &number);
	if (number == 0 || number > SPEC_HEALTH_LOG_MAX_COUNT) {
		option_note(o, "noted: the last %d results are kept", SPEC_HEALTH_LOG_MAX_COUNT);
		number = SPEC_HEALTH_LOG_MAX_COUNT;
	}
	o->spec->health.log_count = number;
}

void parse_health_log_size(struct options *o, const char *value)
{
	unsigned number = SPEC_HEALTH_LOG_MAX_BYTES;

	count(o, value, 0, UINT32_MAX, &number);
	if (number == 0 || number > SPEC_HEALTH_LOG_MAX_BYTES) {
		option_note(o, "noted: %d bytes of each result are kept",
			    SPEC_HEALTH_LOG_MAX_BYTES);
		number = SPEC_HEALTH_LOG_MAX_BYTES;
	}
	o->spec->health.log_bytes = number;
}

static void judge_startup(struct options *o)
{
	struct spec_health *health = &o->spec->health;
	bool is_set = health->startup.check.kind != SPEC_PROBE_NONE;

	if (!o->startup_word)
		return;
	option_point_to(o, o->startup_word, "health-startup-cmd");
	if (!is_set && !o->startup_cmd_word)
		option_note(o, "noted: there is no startup command, so this has no effect");
	if (is_set && o->startup_interval_off)
		option_error(
			o,
			"a startup check without an interval never runs, and the container would be starting for ever");
	if (is_set && health->is_off) {
		option_note(
			o,
			"noted: the health check is switched off, so the startup check is not run either");
		health->startup.check.kind = SPEC_PROBE_NONE;
	} else if (is_set && !o->health_command_seen) {
		option_note(o, "noted: runs only where the image has a health check of its own");
	}
}

void health_judge(struct options *o)
{
	struct spec_health *health = &o->spec->health;
	bool is_set = health->check.kind != SPEC_PROBE_NONE;

	health->is_off = o->no_healthcheck || o->health_interval_off;
	if (health->is_off)
		health->check.kind = SPEC_PROBE_NONE;
	if (o->health_interval_off && !o->no_healthcheck) {
		option_point_to(o, o->health_word, "health-interval");
		option_note(o, "noted: without an interval the health check never runs");
	} else if (o->health_word && !is_set && !o->health_command_seen && !o->no_healthcheck) {
		option_point_to(o, o->health_word, "health-cmd");
		option_note(
			o,
			"noted: there is no health command, so this counts only where the image has one");
	}
	judge_startup(o);
}
