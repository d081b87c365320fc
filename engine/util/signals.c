/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of signals. */
#include "util/signals.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

#define REALTIME_MIN 34
#define REALTIME_MAX 64

static const char *const names[] = {
	NULL,	"HUP",	"INT",	"QUIT", "ILL",	  "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
	"SEGV", "USR2", "PIPE", "ALRM", "TERM",	  "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
	"TTOU", "URG",	"XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS",
};
#define NAME_COUNT ((int)(sizeof(names) / sizeof(names[0])))

static const struct {
	const char *name, *of;
} aliases[] = { { "CLD", "CHLD" }, { "IOT", "ABRT" }, { "POLL", "IO" } };

typedef int compare_fn(const char *a, const char *b, size_t len);

static bool is_name(const char *text, const char *name, compare_fn *compare)
{
	size_t len = strlen(name);

	return compare(text, name, len) == 0 && text[len] == '\0';
}

static bool parse_name(const char *text, compare_fn *compare, int *number)
{
	for (int i = 1; i < NAME_COUNT; i++)
		if (is_name(text, names[i], compare)) {
			*number = i;
			return true;
		}
	return false;
}

static bool parse_alias(const char *text, compare_fn *compare, int *number)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (is_name(text, aliases[i].name, compare))
			return parse_name(aliases[i].of, compare, number);
	return false;
}

/* RTMIN, RTMIN+N, RTMAX, RTMAX-N */
static bool parse_realtime(const char *text, compare_fn *compare, int *number)
{
	bool is_max = compare(text, "RTMAX", 5) == 0;
	uint64_t offset = 0;

	if (!is_max && compare(text, "RTMIN", 5) != 0)
		return false;
	text += 5;
	if (*text && (*text != (is_max ? '-' : '+') ||
		      !str_to_u64(text + 1, REALTIME_MAX - REALTIME_MIN, &offset)))
		return false;
	*number = is_max ? REALTIME_MAX - (int)offset : REALTIME_MIN + (int)offset;
	return true;
}

bool signal_parse(const char *text, enum signal_spelling spelling, int *number)
{
	compare_fn *compare = spelling == SIGNAL_OF_PODMAN ? strncasecmp : strncmp;
	uint64_t value;

	if (str_to_u64(text, REALTIME_MAX, &value)) {
		if (value)
			*number = (int)value;
		return value > 0;
	}
	if (compare(text, "SIG", 3) == 0)
		text += 3;
	return parse_name(text, compare, number) ||
	       (spelling == SIGNAL_OF_PODMAN && parse_alias(text, compare, number)) ||
	       parse_realtime(text, compare, number);
}

const char *signal_name(int number)
{
	return number > 0 && number < NAME_COUNT ? names[number] : NULL;
}
