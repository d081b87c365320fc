/* SPDX-License-Identifier: Apache-2.0 */
/* "systemctl show": properties of units as systemd names them, as far as what is published tells them. An unknown unit is not-found, as with systemd. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/personality.h"
#include "util/str.h"

struct shown {
	const struct published_unit *unit; /* NULL: there is no such unit */
	const char *name;		   /* as asked for */
};

static void put_service(const struct shown *s, char *out, size_t size)
{
	if (s->unit)
		personality_service(s->unit, out, size);
	else
		snprintf(out, size, "%s%s", s->name, strchr(s->name, '.') ? "" : ".service");
}

static void put_load(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size,
		 !s->unit			     ? "not-found" :
		 s->unit->state == PUBLISHED_INVALID ? "bad-setting" :
						       "loaded");
}

static void put_active(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size, s->unit ? personality_state_of(s->unit).active : "inactive");
}

static void put_sub(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size, s->unit ? personality_state_of(s->unit).sub : "dead");
}

static void put_result(const struct shown *s, char *out, size_t size)
{
	const struct published_unit *u = s->unit;

	str_copy(out, size,
		 !u				   ? "success" :
		 u->state == PUBLISHED_START_LIMIT ? "start-limit-hit" :
		 u->exit_code == 0		   ? "success" :
		 u->oom_killed			   ? "oom-kill" :
		 u->exit_signal			   ? "signal" :
		 u->exit_code > 0		   ? "exit-code" :
		 u->state == PUBLISHED_FAILED	   ? "resources" :
						     "success");
}

static void put_number(const struct shown *s, int64_t number, char *out, size_t size)
{
	snprintf(out, size, "%" PRId64, s->unit ? number : 0);
}

static void put_pid(const struct shown *s, char *out, size_t size)
{
	put_number(s, s->unit ? s->unit->pid : 0, out, size);
}

static void put_restarts(const struct shown *s, char *out, size_t size)
{
	put_number(s, s->unit ? s->unit->restarts : 0, out, size);
}

static void put_exit_code(const struct shown *s, char *out, size_t size)
{
	/* CLD_EXITED, CLD_KILLED */
	put_number(s,
		   !s->unit || s->unit->exit_code < 0 ? 0 :
		   s->unit->exit_signal		      ? 2 :
							1,
		   out, size);
}

static void put_exit_status(const struct shown *s, char *out, size_t size)
{
	put_number(s,
		   !s->unit || s->unit->exit_code < 0 ? 0 :
		   s->unit->exit_signal		      ? s->unit->exit_signal :
							s->unit->exit_code,
		   out, size);
}

static void put_file(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size, s->unit ? s->unit->source : "");
}

static void put_enabled(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size, s->unit ? personality_enabled(s->unit) : "");
}

static void put_status(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size, s->unit ? s->unit->status_text : "");
}

static void put_time(const struct shown *s, char *out, size_t size)
{
	time_t seconds = s->unit ? (time_t)(s->unit->since_real_usec / 1000000) : 0;
	struct tm tm;

	out[0] = '\0';
	if (seconds && gmtime_r(&seconds, &tm))
		strftime(out, size, "%a %Y-%m-%d %H:%M:%S UTC", &tm);
}

/* What podman's generator makes of such a unit. */
static void put_type(const struct shown *s, char *out, size_t size)
{
	str_copy(out, size,
		 !s->unit			 ? "" :
		 str_ends(s->unit->unit, ".pod") ? "forking" :
		 s->unit->oneshot		 ? "oneshot" :
						   "notify");
}

/* Of one that is not active it is not known any more. */
static void put_active_since(const struct shown *s, char *out, size_t size)
{
	out[0] = '\0';
	if (s->unit && str_eq(personality_state_of(s->unit).active, "active"))
		put_time(s, out, size);
}

static const struct property {
	const char *name;
	void (*put)(const struct shown *s, char *out, size_t size);
} properties[] = {
	{ "Id", put_service },
	{ "Names", put_service },
	{ "Type", put_type },
	{ "LoadState", put_load },
	{ "ActiveState", put_active },
	{ "SubState", put_sub },
	{ "Result", put_result },
	{ "MainPID", put_pid },
	{ "NRestarts", put_restarts },
	{ "ExecMainCode", put_exit_code },
	{ "ExecMainStatus", put_exit_status },
	{ "FragmentPath", put_file },
	{ "SourcePath", put_file },
	{ "UnitFileState", put_enabled },
	{ "StatusText", put_status },
	{ "StateChangeTimestamp", put_time },
	{ "ActiveEnterTimestamp", put_active_since },
};
#define PROPERTY_COUNT (sizeof(properties) / sizeof(properties[0]))

static void print_property(const struct property *property, const struct shown *s, bool only_value)
{
	char text[600];

	property->put(s, text, sizeof(text));
	if (only_value)
		puts(text);
	else
		printf("%s=%s\n", property->name, text);
}

/* Names between commas. As with systemd, one that is unknown prints nothing; it is said, so that nobody waits for it. */
static void print_named(const char *names, const struct shown *s, bool only_value)
{
	for (const char *p = names; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");
		bool is_known = false;

		for (size_t i = 0; i < PROPERTY_COUNT; i++)
			if (strlen(properties[i].name) == len &&
			    strncmp(properties[i].name, p, len) == 0) {
				print_property(&properties[i], s, only_value);
				is_known = true;
			}
		if (!is_known)
			fprintf(stderr, "systemctl show: property %.*s is not known here\n",
				(int)len, p);
		p += len;
	}
}

struct asked {
	const char *names[16];
	size_t count;
	bool only_value;
	int units; /* argv[1...] of the call */
};

static const char *property_at(const struct personality_call *call, int *i)
{
	const char *word = call->argv[*i];

	if (str_starts(word, "--property="))
		return word + strlen("--property=");
	if ((str_eq(word, "-p") || str_eq(word, "--property") || str_eq(word, "-P")) &&
	    *i + 1 < call->argc)
		return call->argv[++*i];
	return (str_starts(word, "-p") || str_starts(word, "-P")) && word[2] ? word + 2 : NULL;
}

static bool read_words(const struct personality_call *call, struct asked *out)
{
	for (int i = 1; i < call->argc; i++) {
		char *word = call->argv[i];
		const char *names = property_at(call, &i);

		out->only_value |= str_eq(word, "--value") || str_starts(word, "-P");
		if (names) {
			if (out->count == sizeof(out->names) / sizeof(out->names[0])) {
				fprintf(stderr, "systemctl show: more than %zu of -p\n",
					out->count);
				return false;
			}
			out->names[out->count++] = names;
		} else if (word[0] != '-') {
			call->argv[++out->units] = word;
		} else if (!str_eq(word, "--value") && !str_eq(word, "--no-pager") &&
			   !str_eq(word, "--all") && !str_eq(word, "-a") &&
			   !str_eq(word, "--system") && !str_eq(word, "--user")) {
			fprintf(stderr, "systemctl show: %s: not known here\n", word);
			return false;
		}
	}
	if (!out->units)
		fprintf(stderr, "systemctl show: which unit?\n");
	return out->units > 0;
}

int personality_show(const struct personality_call *call)
{
	struct published_header header;
	struct published_unit *units = NULL;
	struct asked asked = { 0 };
	unsigned count;
	struct err err;

	if (!read_words(call, &asked))
		return 1;
	if (cli_read_published(&header, &units, &count, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		return 1;
	}
	for (int i = 1; i <= asked.units; i++) {
		struct shown s = { personality_unit(units, count, call->argv[i], &err),
				   call->argv[i] };

		if (i > 1)
			putchar('\n');
		for (size_t k = 0; k < asked.count; k++)
			print_named(asked.names[k], &s, asked.only_value);
		for (size_t k = 0; !asked.count && k < PROPERTY_COUNT; k++)
			print_property(&properties[k], &s, false);
	}
	free(units);
	return 0;
}
