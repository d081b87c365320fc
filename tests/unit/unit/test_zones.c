/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones: names, rules, and the file that libc reads. */
#include "unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "unit/zones.h"

static char rule[ZONE_MAX_BYTES];

static void names_have_rules(void **state)
{
	(void)state;
	assert_true(zone_rule("Europe/Berlin", rule, sizeof(rule)));
	assert_string_equal(rule, "CET-1CEST,M3.5.0,M10.5.0/3");
	assert_true(zone_rule("Asia/Kolkata", rule, sizeof(rule)));
	assert_string_equal(rule, "IST-5:30");
	assert_true(zone_rule("UTC", rule, sizeof(rule)));
	assert_string_equal(rule, "UTC0");
	assert_true(zone_rule("Africa/Abidjan", rule, sizeof(rule))); /* the table's first line */
	assert_string_equal(rule, "GMT0");
	assert_false(zone_rule("Europe/Berli", rule, sizeof(rule)));
	assert_string_equal(rule, "");
	assert_false(zone_rule("Europe/Berlin ", rule, sizeof(rule)));
	assert_false(zone_rule("", rule, sizeof(rule)));
	assert_false(zone_rule("/etc/passwd", rule, sizeof(rule)));
	assert_false(zone_rule("../Berlin", rule, sizeof(rule)));
	assert_false(zone_rule("Europe/Berlin", rule, 5)); /* it does not fit: no half of it */
}

static void every_rule_of_the_table_is_one(void **state)
{
	static const char zones[] =
#include <cleat-zones.def>
		;
	unsigned count = 0;

	(void)state;
	for (const char *at = zones; *at; count++) {
		char name[64], want[ZONE_MAX_BYTES];
		size_t name_len = strcspn(at, " "), rule_len = strcspn(at + name_len + 1, "\n");

		assert_true(name_len < sizeof(name) && rule_len < sizeof(want));
		snprintf(name, sizeof(name), "%.*s", (int)name_len, at);
		snprintf(want, sizeof(want), "%.*s", (int)rule_len, at + name_len + 1);
		if (!zone_is_rule(want))
			fail_msg("%s: %s", name, want);
		assert_true(zone_rule(name, rule, sizeof(rule)));
		assert_string_equal(rule, want);
		at += name_len + rule_len + 2;
	}
	assert_true(count > 300);
}

static void rules_of_ones_own(void **state)
{
	static const char *const good[] = { "UTC0",
					    "CET-1",
					    "<+0330>-3:30",
					    "EST5EDT,M3.2.0,M11.1.0",
					    "NZST-12NZDT,M9.5.0,M4.1.0/3",
					    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
					    "AAA24",
					    "AAA0:59:59BBB1,J60/2,J300/167",
					    "AAA0BBB,59,300" };
	static const char *const bad[] = { "",
					   "U0",
					   "UTC",
					   "Europe",
					   "CET-1CEST",
					   "CET-1CEST,M3.5.0",
					   "CET-25",
					   "CET-1:60",
					   "CET-1CEST,M13.5.0,M10.5.0",
					   "CET-1CEST,M3.6.0,M10.5.0",
					   "CET-1CEST,M3.5.7,M10.5.0",
					   "CET-1CEST,M3.5.0,M10.5.0/168",
					   "CET-1CEST,J0,J300",
					   "CET-1CEST,J366,J300",
					   "CET-1CEST,366,300",
					   "<+03-3",
					   "<+>0",
					   "UTC0 ",
					   "UTC0\n",
					   "CET-1CEST,M3.5.0,M10.5.0/3;rm",
					   ":UTC0",
					   "ABCDEFGHIJK0",
					   "UTC00000",
					   "CET--1" };
	char text[ZONE_MAX_BYTES + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!zone_is_rule(good[i]) || !zone_rule(good[i], rule, sizeof(rule)))
			fail_msg("%s was refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (zone_is_rule(bad[i]))
			fail_msg("%s was taken", bad[i]);
	memset(text, '0', sizeof(text));
	memcpy(text, "UTC", 3);
	text[sizeof(text) - 1] = '\0';
	assert_false(zone_is_rule(text));
}

static void slips_are_guessed(void **state)
{
	char near[64];

	(void)state;
	assert_true(zone_suggest("europe/berlin", near, sizeof(near)));
	assert_string_equal(near, "Europe/Berlin");
	assert_true(zone_suggest("Berlin", near, sizeof(near)));
	assert_string_equal(near, "Europe/Berlin");
	assert_true(zone_suggest("Europe/Berln", near, sizeof(near)));
	assert_string_equal(near, "Europe/Berlin");
	assert_true(zone_suggest("America/New York", near, sizeof(near)));
	assert_string_equal(near, "America/New_York");
	assert_false(zone_suggest("Middle-earth/Shire", near, sizeof(near)));
	assert_string_equal(near, "");
}

/* The file is judged by the one who reads it: libc. */
static void libc_takes_the_file_at_its_word(void **state)
{
	static const struct {
		const char *zone;
		time_t when;
		const char *shown;
	} cases[] = {
		{ "Europe/Berlin", 1764000000, "2025-11-24 17:00:00 CET +0100" },
		{ "Europe/Berlin", 1750000000, "2025-06-15 17:06:40 CEST +0200" },
		{ "Asia/Kolkata", 1764000000, "2025-11-24 21:30:00 IST +0530" },
		{ "America/Sao_Paulo", 4000000000, "2096-10-02 04:06:40 -03 -0300" },
		{ "EST5EDT,M3.2.0,M11.1.0", 1750000000, "2025-06-15 11:06:40 EDT -0400" },
	};
	char bytes[ZONE_FILE_BYTES], paths[sizeof(cases) / sizeof(cases[0])][32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char shown[64];
		/* another file each time, and none with an inode of before: libc does not look at a file twice */
		int fd = mkstemp(memcpy(paths[i], "/tmp/cleat-zone-XXXXXX", 23));
		struct tm tm;
		size_t len;

		assert_true(fd >= 0);
		assert_true(zone_rule(cases[i].zone, rule, sizeof(rule)));
		len = zone_file(rule, bytes, sizeof(bytes));
		assert_true(len > 0 && zone_is_our_file(bytes, len));
		assert_int_equal(write(fd, bytes, len), len);
		setenv("TZ", paths[i], 1);
		tzset();
		assert_non_null(localtime_r(&cases[i].when, &tm));
		strftime(shown, sizeof(shown), "%F %T %Z %z", &tm);
		assert_string_equal(shown, cases[i].shown);
		close(fd);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		unlink(paths[i]);
	unsetenv("TZ");
}

static void files_have_bounds_and_a_mark(void **state)
{
	char bytes[ZONE_FILE_BYTES], text[ZONE_MAX_BYTES + 1];
	size_t len;

	(void)state;
	memset(text, 'A', sizeof(text));
	text[ZONE_MAX_BYTES] = '\0';
	assert_int_equal(zone_file(text, bytes, sizeof(bytes)), 0);
	assert_int_equal(zone_file("UTC0", bytes, sizeof(bytes) - 1), 0);
	text[ZONE_MAX_BYTES - 1] = '\0';
	assert_int_equal(zone_file(text, bytes, sizeof(bytes)), ZONE_FILE_BYTES);
	len = zone_file("UTC0", bytes, sizeof(bytes));
	assert_true(zone_is_our_file(bytes, len));
	assert_false(zone_is_our_file(bytes, 20));
	assert_false(zone_is_our_file("", 0));
	bytes[40]++;
	assert_false(zone_is_our_file(bytes, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_rules),
		cmocka_unit_test(every_rule_of_the_table_is_one),
		cmocka_unit_test(rules_of_ones_own),
		cmocka_unit_test(slips_are_guessed),
		cmocka_unit_test(libc_takes_the_file_at_its_word),
		cmocka_unit_test(files_have_bounds_and_a_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
