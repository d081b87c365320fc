/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include <signal.h>

#include "util/signals.h"

#define NONE (-1)

/* podman: what others read; systemd: what its files may say. */
static const struct {
	const char *text;
	int podman, systemd;
} rows[] = {
	{ "SIGTERM", 15, 15 },	   { "TERM", 15, 15 },	       { "15", 15, 15 },
	{ "SIGHUP", 1, 1 },	   { "SIGKILL", 9, 9 },	       { "SIGSTKFLT", 16, 16 },
	{ "SIGPWR", 30, 30 },	   { "SIGSYS", 31, 31 },       { "64", 64, 64 },
	{ "SIGRTMIN", 34, 34 },	   { "RTMIN+3", 37, 37 },      { "SIGRTMIN+30", 64, 64 },
	{ "RTMAX", 64, 64 },	   { "SIGRTMAX-1", 63, 63 },   { "RTMAX-30", 34, 34 },
	{ "term", 15, NONE },	   { "Int", 2, NONE },	       { "sigrtmin+30", 64, NONE },
	{ "SIGCLD", 17, NONE },	   { "IOT", 6, NONE },	       { "SIGPOLL", 29, NONE },
	{ "", NONE, NONE },	   { "0", NONE, NONE },	       { "65", NONE, NONE },
	{ "-1", NONE, NONE },	   { "SIG", NONE, NONE },      { "SIGSIGTERM", NONE, NONE },
	{ "TERMX", NONE, NONE },   { "TER", NONE, NONE },      { "SIGRTMIN+31", NONE, NONE },
	{ "RTMIN-1", NONE, NONE }, { "RTMIN+", NONE, NONE },   { "SIGRTMINX", NONE, NONE },
	{ "RTMAX+1", NONE, NONE }, { "RTMAX-31", NONE, NONE }, { "NULL", NONE, NONE },
};

static void check(const char *text, enum signal_spelling spelling, int wanted)
{
	int number = NONE;
	bool rc = signal_parse(text, spelling, &number);

	if (rc != (wanted != NONE) || number != wanted)
		fail_msg("'%s' is %d, not %d", text, number, wanted);
}

static void texts_are_signals_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(rows[i].text, SIGNAL_OF_PODMAN, rows[i].podman);
		check(rows[i].text, SIGNAL_OF_SYSTEMD, rows[i].systemd);
	}
}

/* The table against the C library's. */
static void names_and_numbers_belong_together(void **state)
{
	int number;

	(void)state;
	for (int i = 1; i < 32; i++) {
		assert_non_null(signal_name(i));
		if (i != SIGPOLL) /* which is IO by its other name */
			assert_string_equal(signal_name(i), sigabbrev_np(i));
		assert_true(signal_parse(signal_name(i), SIGNAL_OF_SYSTEMD, &number));
		assert_int_equal(number, i);
	}
	assert_null(signal_name(-1));
	assert_null(signal_name(0));
	assert_null(signal_name(32));
	assert_null(signal_name(64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_signals_or_not),
		cmocka_unit_test(names_and_numbers_belong_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
