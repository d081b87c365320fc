/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's small value languages: time spans (systemd.time(7)) and sets of exit codes and signals
 * (systemd.service(5)). Must never guess: what systemd would ignore is not read.
 */
#include <signal.h>
#include <strings.h>

#include "unit/span_internal.h"
#include "util/str.h"

static const struct {
	const char *name;
	uint64_t usec;
} units[] = {
	/* clang-format off */
	{ "usec", 1 }, { "us", 1 }, { "\xc2\xb5s", 1 }, { "\xce\xbcs", 1 },
	{ "msec", USEC_MSEC }, { "ms", USEC_MSEC },
	{ "seconds", USEC_SEC }, { "second", USEC_SEC }, { "sec", USEC_SEC }, { "s", USEC_SEC },
	{ "minutes", 60 * USEC_SEC }, { "minute", 60 * USEC_SEC }, { "min", 60 * USEC_SEC }, { "m", 60 * USEC_SEC },
	{ "hours", 3600 * USEC_SEC }, { "hour", 3600 * USEC_SEC }, { "hr", 3600 * USEC_SEC }, { "h", 3600 * USEC_SEC },
	{ "days", 86400 * USEC_SEC }, { "day", 86400 * USEC_SEC }, { "d", 86400 * USEC_SEC },
	{ "weeks", 604800 * USEC_SEC }, { "week", 604800 * USEC_SEC }, { "w", 604800 * USEC_SEC },
	{ "months", 2629800 * USEC_SEC }, { "month", 2629800 * USEC_SEC }, { "M", 2629800 * USEC_SEC },
	{ "years", 31557600 * USEC_SEC }, { "year", 31557600 * USEC_SEC }, { "y", 31557600 * USEC_SEC },
	/* clang-format on */
};

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t\n\r");
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The unit at *at, seconds when there is none; *at moves behind it. False for an unknown one. */
static bool read_unit(const char **at, uint64_t *usec)
{
	size_t len = strcspn(*at, " \t\n\r0123456789.");

	*usec = USEC_SEC;
	if (len == 0)
		return **at != '.';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].name) == len && strncmp(*at, units[i].name, len) == 0) {
			*usec = units[i].usec;
			*at += len;
			return true;
		}
	return false;
}

/* "12", "12.5": whole part and millionths; more digits are cut, as systemd cuts them. */
static bool read_decimal(const char **at, uint64_t *whole, uint64_t *millionths)
{
	uint64_t scale = 100000;
	const char *p = *at;

	*whole = *millionths = 0;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
		    __builtin_add_overflow(*whole, (uint64_t)(*p - '0'), whole))
			return false;
	if (*p == '.') {
		if (!is_digit(p[1]))
			return false;
		for (p++; is_digit(*p); p++, scale /= 10)
			*millionths += scale * (uint64_t)(*p - '0');
	} else if (p == *at) {
		return false;
	}
	*at = p;
	return true;
}

bool span_parse(const char *text, uint64_t *usec)
{
	uint64_t total = 0;
	const char *at = skip_blanks(text);

	if (str_starts(at, "infinity") && !*skip_blanks(at + strlen("infinity"))) {
		*usec = USEC_NEVER;
		return true;
	}
	if (!*at)
		return false;
	while (*at) {
		uint64_t whole, millionths, unit, part;

		if (!read_decimal(&at, &whole, &millionths))
			return false;
		at = skip_blanks(at);
		if (!read_unit(&at, &unit) || __builtin_mul_overflow(whole, unit, &part) ||
		    __builtin_add_overflow(total, part, &total) ||
		    __builtin_add_overflow(total,
					   unit / USEC_SEC * millionths +
						   unit % USEC_SEC * millionths / USEC_SEC,
					   &total))
			return false;
		at = skip_blanks(at);
	}
	*usec = total;
	return total != USEC_NEVER;
}

static const struct {
	const char *name;
	unsigned code;
} exit_names[] = {
	/* clang-format off */
	{ "SUCCESS", 0 }, { "FAILURE", 1 },
	{ "INVALIDARGUMENT", 2 }, { "NOTIMPLEMENTED", 3 }, { "NOPERMISSION", 4 }, { "NOTINSTALLED", 5 },
	{ "NOTCONFIGURED", 6 }, { "NOTRUNNING", 7 },
	{ "USAGE", 64 }, { "DATAERR", 65 }, { "NOINPUT", 66 }, { "NOUSER", 67 }, { "NOHOST", 68 },
	{ "UNAVAILABLE", 69 }, { "SOFTWARE", 70 }, { "OSERR", 71 }, { "OSFILE", 72 }, { "CANTCREAT", 73 },
	{ "IOERR", 74 }, { "TEMPFAIL", 75 }, { "PROTOCOL", 76 }, { "NOPERM", 77 }, { "CONFIG", 78 },
	{ "EXCEPTION", 255 },
	/* clang-format on */
};

static const struct {
	const char *name;
	unsigned number;
} signal_names[] = {
	/* clang-format off */
	{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL }, { "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT }, { "IOT", SIGABRT }, { "BUS", SIGBUS }, { "FPE", SIGFPE }, { "KILL", SIGKILL },
	{ "USR1", SIGUSR1 }, { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM },
	{ "TERM", SIGTERM }, { "STKFLT", SIGSTKFLT }, { "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG }, { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO },
	{ "POLL", SIGIO }, { "PWR", SIGPWR }, { "SYS", SIGSYS },
	/* clang-format on */
};

/* 34 in every program but musl's own: what glibc programs, and so systemd and the world, call SIGRTMIN. */
#define WORLD_SIGRTMIN 34u
#define LAST_SIGNAL 63u

static bool signal_parse(const char *name, unsigned *number)
{
	uint64_t offset = 0;

	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof(signal_names) / sizeof(signal_names[0]); i++)
		if (strcasecmp(name, signal_names[i].name) == 0) {
			*number = signal_names[i].number;
			return true;
		}
	if (strncasecmp(name, "RTMIN", 5) != 0)
		return false;
	if (name[5] &&
	    (name[5] != '+' || !str_to_u64(name + 6, LAST_SIGNAL - WORLD_SIGRTMIN, &offset)))
		return false;
	*number = WORLD_SIGRTMIN + (unsigned)offset;
	return true;
}

bool exit_set_add(struct exit_set *set, const char *word)
{
	uint64_t code;
	unsigned number;

	if (str_to_u64(word, 255, &code)) {
		set->codes[code / 64] |= UINT64_C(1) << (code % 64);
		return true;
	}
	for (size_t i = 0; i < sizeof(exit_names) / sizeof(exit_names[0]); i++)
		if (str_eq(word, exit_names[i].name)) {
			code = exit_names[i].code;
			set->codes[code / 64] |= UINT64_C(1) << (code % 64);
			return true;
		}
	if (!signal_parse(word, &number))
		return false;
	set->signals |= UINT64_C(1) << number;
	return true;
}
