/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as text, without the C library's time zones (which read files) and without its heap. One
 * call a batch of lines, so it is short but not clever. Must never depend on TZ or the locale.
 */
#include "log/stamp.h"

#include <time.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define SEC_PER_DAY 86400
#define DAYS_TO_YEAR_0 719468		/* from 1 March of year 0 to 1 January 1970 */
#define DAYS_PER_ERA 146097		/* 400 years */
#define FIRST_SEC INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_SEC INT64_C(253402300799)	/* 9999-12-31T23:59:59Z */

static void put_digits(char *out, unsigned width, uint32_t value)
{
	while (width-- > 0) {
		out[width] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* Years that begin in March have their leap day last: month and day follow from one division
 * each. */
static void put_date(char *out, int64_t days)
{
	uint32_t since =
		(uint32_t)(days + DAYS_TO_YEAR_0 + DAYS_PER_ERA); /* one era up: never negative */
	uint32_t era = since / DAYS_PER_ERA;
	uint32_t day_of_era = since % DAYS_PER_ERA;
	uint32_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint32_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint32_t march_month = (5 * day_of_year + 2) / 153;
	uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
	uint32_t year = year_of_era + era * 400 + (month <= 2) - 400;

	put_digits(out, 4, year);
	out[4] = '-';
	put_digits(out + 5, 2, month);
	out[7] = '-';
	put_digits(out + 8, 2, day_of_year - (153 * march_month + 2) / 5 + 1);
	out[10] = 'T';
}

void log_stamp_format(int64_t real_nsec, char out[LOG_STAMP_LEN + 1])
{
	int64_t sec = real_nsec / NSEC_PER_SEC;
	int64_t nsec = real_nsec % NSEC_PER_SEC;

	if (nsec < 0) {
		nsec += NSEC_PER_SEC;
		sec--;
	}
	if (sec < FIRST_SEC)
		sec = FIRST_SEC;
	if (sec > LAST_SEC)
		sec = LAST_SEC;

	int64_t days = sec / SEC_PER_DAY - (sec % SEC_PER_DAY < 0);
	uint32_t of_day = (uint32_t)(sec - days * SEC_PER_DAY);

	put_date(out, days);
	put_digits(out + 11, 2, of_day / 3600);
	out[13] = ':';
	put_digits(out + 14, 2, of_day / 60 % 60);
	out[16] = ':';
	put_digits(out + 17, 2, of_day % 60);
	out[19] = '.';
	put_digits(out + 20, 9, (uint32_t)nsec);
	out[29] = 'Z';
	out[LOG_STAMP_LEN] = '\0';
}

int64_t log_stamp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}
