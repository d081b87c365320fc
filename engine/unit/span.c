/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's small value languages: time spans (systemd.time(7)), sizes and shares (systemd.resource-control(5)), booleans,
 * modes, lists of processors, signals, and sets of exit codes and signals (systemd.service(5)). Must never guess: what
 * systemd would ignore is not read.
 */
#include <strings.h>

#include "unit/span_internal.h"
#include "util/signals.h"
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

bool systemd_bool_parse(const char *text, bool *value)
{
	static const char *const words[][2] = {
		{ "1", "0" },	     { "yes", "no" }, { "y", "n" },
		{ "true", "false" }, { "t", "f" },    { "on", "off" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (unsigned k = 0; k < 2; k++)
			if (strcasecmp(text, words[i][k]) == 0) {
				*value = k == 0;
				return true;
			}
	return false;
}

/* "K" at *at, a factor smaller than the one before; none at all is one byte. */
static bool read_factor(const char **at, unsigned *power)
{
	static const char letters[] = "BKMGTPE";
	const char *letter = **at ? strchr(letters, **at) : NULL;
	unsigned before = *power;

	if (letter)
		++*at;
	*power = letter ? (unsigned)(letter - letters) : 0;
	return *power < before;
}

/* whole.fraction * base^power, cut to whole bytes. */
static bool scale_size(uint64_t whole, uint64_t millionths, unsigned base, unsigned power,
		       uint64_t *bytes)
{
	uint64_t factor = 1, fraction;

	for (unsigned i = 0; i < power; i++)
		factor *= base; /* 1024^6 is 2^60 */
	fraction = factor / 1000000 * millionths + factor % 1000000 * millionths / 1000000;
	return !__builtin_mul_overflow(whole, factor, bytes) &&
	       !__builtin_add_overflow(*bytes, fraction, bytes);
}

bool size_parse(const char *text, unsigned base, uint64_t *bytes)
{
	uint64_t total = 0;
	unsigned power = 7; /* of the first suffix: any */
	const char *at = skip_blanks(text);

	if (!is_digit(*at))
		return false;
	while (*at) {
		uint64_t whole, millionths, part;

		if (!read_decimal(&at, &whole, &millionths))
			return false;
		at = skip_blanks(at);
		if (!read_factor(&at, &power) ||
		    !scale_size(whole, millionths, base, power, &part) ||
		    __builtin_add_overflow(total, part, &total))
			return false;
		at = skip_blanks(at);
	}
	*bytes = total;
	return true;
}

bool share_parse(const char *text, uint64_t *permyriad)
{
	static const struct {
		const char *sign;
		uint64_t scale; /* ten-thousandths in one of them */
	} signs[] = { { "%", 100 }, { "\xe2\x80\xb0", 10 }, { "\xe2\x80\xb1", 1 } };
	uint64_t whole, millionths;
	const char *at = text;

	if (!is_digit(*at) || !read_decimal(&at, &whole, &millionths))
		return false;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		uint64_t fraction = millionths * signs[i].scale, sum;

		if (!str_eq(at, signs[i].sign))
			continue;
		if (fraction % 1000000 || __builtin_mul_overflow(whole, signs[i].scale, &sum) ||
		    __builtin_add_overflow(sum, fraction / 1000000, &sum) || sum > UINT32_MAX)
			return false;
		*permyriad = sum;
		return true;
	}
	return false;
}

bool mode_parse(const char *text, unsigned *mode)
{
	return text[0] && str_to_mode(text, mode);
}

#define CPU_WORDS (CPU_LIST_MAX / 64)

/* "3" or "0-3" at *at, set in bits. */
static bool read_cpus(const char **at, uint64_t bits[CPU_WORDS])
{
	uint64_t range[2];

	for (unsigned i = 0; i < 2; i++) {
		const char *from = *at;

		for (range[i] = 0; is_digit(**at); ++*at)
			if ((range[i] = range[i] * 10 + (uint64_t)(**at - '0')) >= CPU_LIST_MAX)
				return false;
		if (*at == from)
			return false;
		if (i == 0 && **at != '-') {
			range[1] = range[0];
			break;
		}
		if (i == 0)
			++*at;
	}
	for (uint64_t n = range[0]; n <= range[1]; n++)
		bits[n / 64] |= UINT64_C(1) << n % 64;
	return range[0] <= range[1];
}

static void write_cpus(const uint64_t bits[CPU_WORDS], struct buf *out)
{
	for (unsigned n = 0; n < CPU_LIST_MAX; n++) {
		unsigned last = n;

		if (!(bits[n / 64] >> n % 64 & 1))
			continue;
		while (last + 1 < CPU_LIST_MAX && (bits[(last + 1) / 64] >> (last + 1) % 64 & 1))
			last++;
		buf_printf(out, last > n ? "%s%u-%u" : "%s%u", out->len ? "," : "", n, last);
		n = last;
	}
}

bool cpu_list_parse(const char *text, struct buf *out)
{
	static const char between[] = " \t\n\r,";
	uint64_t bits[CPU_WORDS] = { 0 };
	const char *at = text + strspn(text, between);

	if (!*at)
		return false;
	while (*at) {
		if (!read_cpus(&at, bits) || (*at && !strchr(between, *at)))
			return false;
		at += strspn(at, between);
	}
	write_cpus(bits, out);
	return true;
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

/* What struct exit_set has room for. */
#define LAST_SIGNAL_OF_SET 63

bool exit_set_add(struct exit_set *set, const char *word)
{
	uint64_t code;
	int number;

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
	if (!signal_parse(word, SIGNAL_OF_SYSTEMD, &number) || number > LAST_SIGNAL_OF_SET)
		return false;
	set->signals |= UINT64_C(1) << number;
	return true;
}
