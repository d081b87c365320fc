/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them. Strict: a word that is not wholly understood is refused, a 31st of February too. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "util/str.h"

#define SEC INT64_C(1000000)
#define MAX_SEC INT64_C(253402300799) /* end of the year 9999 */

/* Exactly digits decimal digits. */
static bool take_digits(const char **text, unsigned digits, int min, int max, int *value)
{
	*value = 0;
	for (unsigned i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*value = *value * 10 + (**text - '0');
	}
	return *value >= min && *value <= max;
}

static bool take_char(const char **text, const char *any_of)
{
	if (!**text || !strchr(any_of, **text))
		return false;
	(*text)++;
	return true;
}

/* ".5" as microseconds; nothing is 0. */
static bool take_fraction(const char **text, int64_t *usec)
{
	int64_t unit = SEC / 10;
	size_t digits;

	*usec = 0;
	if (!take_char(text, "."))
		return true;
	digits = strspn(*text, "0123456789");
	for (size_t i = 0; i < digits; i++, unit /= 10)
		*usec += ((*text)[i] - '0') * unit;
	*text += digits;
	return digits > 0 && digits <= 9;
}

static bool take_date(const char **text, struct tm *tm)
{
	int year, month;

	if (!take_digits(text, 4, 1970, 9999, &year) || !take_char(text, "-") ||
	    !take_digits(text, 2, 1, 12, &month) || !take_char(text, "-") ||
	    !take_digits(text, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return true;
}

static bool take_clock(const char **text, struct tm *tm, int64_t *usec)
{
	*usec = 0;
	if (!take_digits(text, 2, 0, 23, &tm->tm_hour) || !take_char(text, ":") ||
	    !take_digits(text, 2, 0, 59, &tm->tm_min))
		return false;
	if (!take_char(text, ":"))
		return true;
	return take_digits(text, 2, 0, 59, &tm->tm_sec) && take_fraction(text, usec);
}

/* "Z", "+02:00", or nothing, which is UTC: an appliance knows no other. */
static bool take_zone(const char **text, int64_t *offset_sec)
{
	bool is_west = **text == '-';
	int hours, minutes;

	*offset_sec = 0;
	if (!**text || take_char(text, "Zz"))
		return true;
	if (!take_char(text, "+-") || !take_digits(text, 2, 0, 14, &hours) ||
	    !take_char(text, ":") || !take_digits(text, 2, 0, 59, &minutes))
		return false;
	*offset_sec = (hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
	return true;
}

static bool parse_date(const char *text, int64_t *usec)
{
	struct tm tm = { 0 }, asked;
	int64_t fraction = 0, offset_sec = 0;
	time_t seconds;

	if (!take_date(&text, &tm))
		return false;
	if (*text && (!take_char(&text, "Tt ") || !take_clock(&text, &tm, &fraction) ||
		      !take_zone(&text, &offset_sec)))
		return false;
	asked = tm;
	seconds = timegm(&tm);
	if (*text || tm.tm_mday != asked.tm_mday || seconds - offset_sec < 0)
		return false;
	*usec = ((int64_t)seconds - offset_sec) * SEC + fraction;
	return true;
}

/* "1h30m": numbers with their units. */
static bool parse_ago(const char *text, int64_t now_usec, int64_t *usec)
{
	static const char letters[] = "smhd";
	static const int64_t factors[] = { 1, 60, 3600, 86400 };
	int64_t total = 0;

	while (*text) {
		size_t digits = strspn(text, "0123456789");
		const char *letter = text[digits] ? strchr(letters, text[digits]) : NULL;
		int number;

		if (!digits || digits > 9 || !letter ||
		    !take_digits(&text, (unsigned)digits, 0, 999999999, &number))
			return false;
		total += number * factors[letter - letters];
		text++;
	}
	*usec = now_usec - total * SEC;
	return *usec >= 0;
}

static bool parse_seconds(const char *text, int64_t *usec)
{
	size_t digits = strspn(text, "0123456789");
	const char *rest = text + digits;
	char number[24];
	int64_t seconds, fraction;

	if (!digits || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (!str_to_i64(number, 0, MAX_SEC, &seconds) || !take_fraction(&rest, &fraction) || *rest)
		return false;
	*usec = seconds * SEC + fraction;
	return true;
}

bool cli_parse_time(const char *text, int64_t now_usec, int64_t *usec)
{
	return *text && (parse_seconds(text, usec) || parse_ago(text, now_usec, usec) ||
			 parse_date(text, usec));
}
