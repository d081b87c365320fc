/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times and texts for people and programs. The calendar is our own arithmetic, because libc's would open time zone files, which
 * this process may not. Must never let a byte pass to a terminal that the terminal would obey.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/str.h"

#define DAY_SEC 86400
#define LAST_SEC INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct calendar {
	int year, month, day, hour, minute, second, weekday; /* month and day from 1; Sunday is 0 */
};

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static struct calendar calendar_of(int64_t real_usec)
{
	static const int lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t sec = real_usec < 0 ? 0 : real_usec / 1000000;

	if (sec > LAST_SEC)
		sec = LAST_SEC;

	int days = (int)(sec / DAY_SEC), rest = (int)(sec % DAY_SEC);
	struct calendar c = { .year = 1970, .month = 1, .weekday = (days + 4) % 7 };

	c.hour = rest / 3600;
	c.minute = rest / 60 % 60;
	c.second = rest % 60;
	for (; days >= 365 + is_leap(c.year); c.year++)
		days -= 365 + is_leap(c.year);
	for (; days >= lengths[c.month - 1] + (c.month == 2 && is_leap(c.year)); c.month++)
		days -= lengths[c.month - 1] + (c.month == 2 && is_leap(c.year));
	c.day = days + 1;
	return c;
}

void status_time(int64_t real_usec, bool fraction, char out[32])
{
	struct calendar c = calendar_of(real_usec);
	int msec = real_usec < 0 ? 0 : (int)(real_usec / 1000 % 1000);
	char part[8] = "";

	if (fraction)
		snprintf(part, sizeof(part), ".%03u", (unsigned)msec % 1000);
	snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", (unsigned)c.year % 10000,
		 (unsigned)c.month % 100, (unsigned)c.day % 100, (unsigned)c.hour % 100,
		 (unsigned)c.minute % 100, (unsigned)c.second % 100, part);
}

void status_http_date(int64_t real_usec, char out[40])
{
	static const char *const days[7] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[12] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
						"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct calendar c = calendar_of(real_usec);

	snprintf(out, 40, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[c.weekday],
		 (unsigned)c.day % 100, months[c.month - 1], (unsigned)c.year % 10000,
		 (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100);
}

void status_span(uint64_t usec, char out[32])
{
	uint64_t sec = usec / 1000000;

	if (sec < 120)
		snprintf(out, 32, "%" PRIu64 " s", sec);
	else if (sec < 7200)
		snprintf(out, 32, "%" PRIu64 " min", sec / 60);
	else if (sec < UINT64_C(2) * DAY_SEC)
		snprintf(out, 32, "%" PRIu64 " h", sec / 3600);
	else
		snprintf(out, 32, "%" PRIu64 " d", sec / DAY_SEC);
}

/* C0, DEL, C1 (U+0080 to U+009F: CSI in one character) and what turns the reading direction of the rest of the line. */
static bool is_harmless(const char *s, size_t len)
{
	const unsigned char *b = (const unsigned char *)s;

	if (len == 1)
		return b[0] >= ' ' && b[0] != 0x7f;
	if (len == 2)
		return b[0] != 0xc2 || b[1] > 0x9f;
	if (len == 3 && b[0] == 0xe2 && b[1] == 0x80)
		return b[2] < 0xa8 || b[2] > 0xae; /* U+2028 to U+202E */
	if (len == 3 && b[0] == 0xe2 && b[1] == 0x81)
		return b[2] < 0xa6 || b[2] > 0xa9; /* U+2066 to U+2069 */
	return len > 0;
}

/* out may be NULL: only measured. Returns the columns. */
static size_t clean(struct buf *out, const char *text)
{
	size_t left = strlen(text), columns = 0;

	while (left > 0) {
		size_t len = str_utf8_len(text, left);
		bool is_plain = is_harmless(text, len);

		if (len == 0)
			len = 1;
		if (is_plain && out)
			buf_add(out, text, len);
		for (size_t i = 0; !is_plain && out && i < len; i++)
			buf_printf(out, "\\x%02x", (unsigned char)text[i]);
		columns += is_plain ? 1 : 4 * len;
		text += len;
		left -= len;
	}
	return columns;
}

size_t status_put_clean(struct buf *out, const char *text)
{
	return clean(out, text);
}

size_t status_clean_width(const char *text)
{
	return clean(NULL, text);
}

const char *status_note_level(unsigned level)
{
	return level == 0 ? "note" : level == 1 ? "warning" : "error";
}
