/* SPDX-License-Identifier: Apache-2.0 */
/* How PID 1 is asked, and the record of what a unit has asked for last. */
#include "unit_test.h"

#include "supervise/machine.h"
#include "util/ending.h"
#include "util/str.h"

static void every_action_has_its_signal(void **state)
{
	static const struct {
		enum service_action action;
		int status, signal, value;
	} cases[] = {
		{ SERVICE_ACTION_NONE, 0, 0, 0 },
		{ SERVICE_ACTION_REBOOT, 3, 39, 0 },
		{ SERVICE_ACTION_REBOOT_FORCE, 3, 49, 0 },
		{ SERVICE_ACTION_REBOOT_IMMEDIATE, 3, 49, ENDING_AT_ONCE },
		{ SERVICE_ACTION_POWEROFF, 3, 38, 0 },
		{ SERVICE_ACTION_POWEROFF_FORCE, 3, 48, 0 },
		{ SERVICE_ACTION_POWEROFF_IMMEDIATE, 3, 48, ENDING_AT_ONCE },
		{ SERVICE_ACTION_EXIT, 3, 38, ENDING_HAS_STATUS | 3 },
		{ SERVICE_ACTION_EXIT, -1, 38, 0 },
		{ SERVICE_ACTION_EXIT, 0, 38, ENDING_HAS_STATUS },
		{ SERVICE_ACTION_EXIT_FORCE, 255, 48, ENDING_HAS_STATUS | 255 },
		{ SERVICE_ACTION_SOFT_REBOOT, 3, 39, 0 },
		{ SERVICE_ACTION_SOFT_REBOOT_FORCE, 3, 49, 0 },
		{ SERVICE_ACTION_KEXEC, 3, 39, 0 },
		{ SERVICE_ACTION_KEXEC_FORCE, 3, 49, 0 },
		{ SERVICE_ACTION_HALT, 3, 37, 0 },
		{ SERVICE_ACTION_HALT_FORCE, 3, 47, 0 },
		{ SERVICE_ACTION_HALT_IMMEDIATE, 3, 47, ENDING_AT_ONCE },
	};
	uint32_t seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int value = -1;

		assert_int_equal(machine_signal_of(cases[i].action, cases[i].status, &value),
				 cases[i].signal);
		assert_int_equal(value, cases[i].value);
		seen |= 1u << cases[i].action;
	}
	assert_int_equal(seen, (1u << (SERVICE_ACTION_HALT_IMMEDIATE + 1)) - 1);
}

static void a_record_comes_back_as_it_was(void **state)
{
	const struct machine_record record = {
		.count = 7,
		.real_sec = 1795385923,
		.boot = "6a1f3c58-7b7c-4d0e-9f37-0123456789ab+1795385923",
		.text = "web: FailureAction=reboot: exited with code 3",
	};
	char text[MACHINE_RECORD_MAX_BYTES];
	struct machine_record back;
	struct err err;

	(void)state;
	assert_true(machine_record_format(&record, text, sizeof(text)) > 0);
	assert_int_equal(machine_record_parse(text, &back, &err), 0);
	assert_int_equal(back.count, record.count);
	assert_int_equal(back.real_sec, record.real_sec);
	assert_string_equal(back.boot, record.boot);
	assert_string_equal(back.text, record.text);
}

static void the_longest_record_fits(void **state)
{
	struct machine_record record = { .count = UINT32_MAX, .real_sec = INT64_MAX }, back;
	char text[MACHINE_RECORD_MAX_BYTES];
	struct err err;

	(void)state;
	memset(record.boot, 'b', sizeof(record.boot) - 1);
	memset(record.text, 't', sizeof(record.text) - 1);
	assert_true(machine_record_format(&record, text, sizeof(text)) > 0);
	record.count = 1000000;
	assert_true(machine_record_format(&record, text, sizeof(text)) > 0);
	assert_int_equal(machine_record_parse(text, &back, &err), 0);
	assert_string_equal(back.text, record.text);
	assert_int_equal(machine_record_format(&record, text, 100), -1);
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"1",
		"1 ",
		"1 3",
		"1 3 4",
		"1 3 4 boot",
		"1 3 4 boot\n",
		"1 3 4 boot\ntext without an end",
		"1 0 4 boot\nnever counted\n",
		"1 1000001 4 boot\ntoo many\n",
		"1 x 4 boot\ntext\n",
		"1 3 -4 boot\ntext\n",
		"1 3 99999999999999999999 boot\ntext\n",
		"2 3 4 boot\na later form\n",
		"1 3 4 01234567890123456789012345678901234567890123456789012345678901234\na boot id that is too long\n",
		"1 3 4 boot\n\033[2Jwhat a terminal would obey\n",
		"1 3 4 bo\rot\ntext\n",
	};
	struct machine_record out;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = { 0 };

		if (machine_record_parse(texts[i], &out, &err) == 0)
			fail_msg("taken for a record: %s", texts[i]);
		assert_int_equal(err.code, ERR_INTEGRITY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_action_has_its_signal),
		cmocka_unit_test(a_record_comes_back_as_it_was),
		cmocka_unit_test(the_longest_record_fits),
		cmocka_unit_test(what_is_no_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
