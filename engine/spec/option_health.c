/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks: podman's and Docker's ways to write a command, and our own two that need no
 * program in the image. Only what the shim's prober can do is accepted (numeric addresses or
 * localhost): a check that can never pass is an error at its line.
 */
#include "spec/options.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "util/str.h"

#define URL_MAX_BYTES 1024

static void set_shell(struct options *o, const char *text)
{
	struct spec_health *health = &o->spec->health;

	if (!text[strspn(text, " \t")]) {
		option_error(o, "the health command is empty");
		return;
	}
	health->kind = SPEC_PROBE_EXEC;
	health->argv = (struct strv){ 0 };
	strv_push(o->arena, &health->argv, "/bin/sh");
	strv_push(o->arena, &health->argv, "-c");
	strv_push(o->arena, &health->argv, arena_strdup(o->arena, text));
}

static void set_words(struct options *o, const char *const *words, size_t count)
{
	struct spec_health *health = &o->spec->health;

	if (!count || !words[0][0]) {
		option_error(o, "the health command is empty");
		return;
	}
	health->kind = SPEC_PROBE_EXEC;
	health->argv = (struct strv){ 0 };
	for (size_t i = 0; i < count; i++)
		strv_push(o->arena, &health->argv, words[i]);
}

static void set_none(struct options *o)
{
	o->spec->health.kind = SPEC_PROBE_NONE;
	o->no_healthcheck = true;
}

/*
 * Docker's array form: CMD, CMD-SHELL or NONE first; without them two or more words are a command,
 * one is for the shell.
 */
static void set_array(struct options *o, const struct strv *words)
{
	const char *first = words->count ? words->items[0] : "";

	if (strcasecmp(first, "NONE") == 0 && words->count == 1)
		set_none(o);
	else if (strcasecmp(first, "CMD") == 0)
		set_words(o, words->items + 1, words->count - 1);
	else if (strcasecmp(first, "CMD-SHELL") == 0 && words->count == 2)
		set_shell(o, words->items[1]);
	else if (strcasecmp(first, "CMD-SHELL") == 0)
		option_error(o, "CMD-SHELL takes one text");
	else if (words->count == 1)
		set_shell(o, first);
	else
		set_words(o, words->items, words->count);
}

static void set_fields(struct options *o, const char *text)
{
	struct strv words = { 0 };

	while (*(text += strspn(text, " \t\n\r"))) {
		size_t len = strcspn(text, " \t\n\r");

		strv_push(o->arena, &words, arena_strndup(o->arena, text, len));
		text += len;
	}
	set_words(o, words.items, words.count);
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

static void set_url(struct options *o, const char *url, bool http)
{
	const char *rest = url + (http ? strlen("http://") : strlen("tcp://"));
	size_t len = strcspn(rest, "/?#");
	char *authority = arena_strndup(o->arena, rest, len);

	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f) {
			option_error(
				o,
				"\"%s\": a URL has no blanks, control bytes or other letters than ASCII",
				option_shown(o, url));
			return;
		}
	if (strlen(url) > URL_MAX_BYTES || (rest[len] && (!http || rest[len] != '/')) ||
	    !check_authority(authority, !http)) {
		option_error(o, "\"%s\" is no %s with a numeric address or localhost",
			     option_shown(o, url),
			     http ? "http://HOST[:PORT][/PATH]" : "tcp://HOST:PORT");
		return;
	}
	o->spec->health.kind = http ? SPEC_PROBE_HTTP : SPEC_PROBE_TCP;
	o->spec->health.url = arena_strdup(o->arena, url);
}

void parse_health_cmd(struct options *o, const char *value)
{
	struct strv words;

	o->health_word = o->word;
	o->health_command_seen = true;
	o->no_healthcheck = false;
	o->spec->health.kind = SPEC_PROBE_NONE;
	if (str_eq(value, "none") || str_eq(value, "NONE"))
		set_none(o);
	else if (str_starts(value, "http://"))
		set_url(o, value, true);
	else if (str_starts(value, "tcp://"))
		set_url(o, value, false);
	else if (str_starts(value, "https://"))
		option_error(o,
			     "https:// checks are not supported: use http://, tcp:// or a command");
	else if (value[0] == '[' && parse_json_strings(o->arena, value, &words))
		set_array(o, &words);
	else if (str_starts(value, "CMD ") || str_eq(value, "CMD"))
		set_fields(o, value + strlen("CMD"));
	else if (str_starts(value, "CMD-SHELL ") || str_eq(value, "CMD-SHELL"))
		set_shell(o,
			  value + strlen("CMD-SHELL") + strspn(value + strlen("CMD-SHELL"), " "));
	else
		set_shell(o, value);
}

static bool health_duration(struct options *o, const char *value, uint64_t min_usec, uint64_t *out)
{
	uint64_t usec;

	if (!o->health_word)
		o->health_word = o->word;
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

void parse_health_interval(struct options *o, const char *value)
{
	uint64_t usec;

	o->health_interval_off = str_eq(value, "disable") ||
				 (option_to_usec(value, &usec) && usec == 0);
	if (o->health_interval_off) {
		if (!o->health_word)
			o->health_word = o->word;
		return;
	}
	health_duration(o, value, 100000, &o->spec->health.interval_usec);
}

void parse_health_timeout(struct options *o, const char *value)
{
	health_duration(o, value, 1000000, &o->spec->health.timeout_usec);
}

void parse_health_start_period(struct options *o, const char *value)
{
	health_duration(o, value, 0, &o->spec->health.start_period_usec);
}

void parse_health_retries(struct options *o, const char *value)
{
	uint64_t retries;

	if (!o->health_word)
		o->health_word = o->word;
	if (!str_to_u64(value, 1000000, &retries) || retries == 0)
		option_error(o, "\"%s\" is no number from 1 to 1000000", option_shown(o, value));
	else
		o->spec->health.retries = (unsigned)retries;
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
	option_error(o, "\"%s\" is none of none, kill, restart, stop", option_shown(o, value));
}

void parse_no_healthcheck(struct options *o, const char *value)
{
	o->no_healthcheck = str_eq(value, "true");
}
