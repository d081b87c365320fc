/* SPDX-License-Identifier: Apache-2.0 */
/* appliance.ini: every key, and every way to get it wrong. */
#include "appliance_fixture.h"

#include <unistd.h>

static void keys_are_applied(void **state)
{
	(void)state;
	read_text("[Log]\nBudget=512m\nMaxSize=50m\nMaxFiles=5\nShip=tls://logs:6514\n"
		  "ShipCA=/config//certs.d/x.crt\n[Units]\nUnknownKeys=warning\n");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.log_budget_bytes, 512 << 20);
	assert_int_equal(config.log_max_bytes, 50 << 20);
	assert_int_equal(config.log_max_files, 5);
	assert_string_equal(config.log_ship, "tls://logs:6514");
	assert_string_equal(config.log_ship_ca, "/config/certs.d/x.crt");
	assert_true(config.unknown_keys_are_warnings);
	read_text("[Log]\nBudget=512m\nBudget=20%\n");
	assert_int_equal(config.log_budget_bytes, 0);
	assert_int_equal(config.log_budget_percent, 20);
}

static void the_time_to_stop_has_bounds(void **state)
{
	(void)state;
	read_text("[Stop]\nBudget=1min 30s\n");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.stop_budget_usec, UINT64_C(90000000));
	read_text("[Stop]\nBudget=10\n");
	assert_int_equal(config.stop_budget_usec, UINT64_C(10000000));
	read_text("[Stop]\nBudget=1h\n");
	assert_int_equal(config.stop_budget_usec, APPLIANCE_STOP_MAX_USEC);
	assert_int_equal(diags.count, 0);
	read_text("[Stop]\nBudget=9s\n");
	assert_int_equal(config.stop_budget_usec, 0);
	expect_complaint(
		0,
		"appliance.ini:2:8: error: Stop.Budget: '9s': a time from 10s to 1h is expected");
	read_text("[Stop]\nBudget=infinity\n");
	assert_int_equal(diags.count, 2);
	assert_int_equal(config.stop_budget_usec, 0);
}

static void nothing_is_the_default(void **state)
{
	struct err err;

	(void)state;
	read_text("# nothing\n[Log]\nShip=\n");
	assert_int_equal(diags.count, 0);
	assert_null(config.log_ship);
	assert_int_equal(
		appliance_load(&config, &arena, &diags, "/tmp/cleat-test-no-such-file", &err), 0);
	assert_int_equal(diags.count, 0);
	assert_int_equal(appliance_load(&config, &arena, &diags, "/tmp", &err), -1);
	assert_non_null(strstr(err.msg, "/tmp"));
}

static void a_wrong_line_is_named_and_the_others_count(void **state)
{
	(void)state;
	read_text(
		"[Log]\nBuget=1m\nMaxFiles=0\nMaxSize=100k\n[Lgo]\nX=1\n[Unit]\nUnknownKeys=warning\n[Units]\nUnknownKeys=maybe\nMaxSize=1\n");
	expect_complaint(0,
			 "appliance.ini:2:1: error: Log.Buget: unknown key; did you mean Budget=?");
	expect_complaint(
		1,
		"appliance.ini:3:10: error: Log.MaxFiles: '0': a number from 1 to 100 is expected");
	expect_complaint(2,
			 "appliance.ini:5:1: error: [Lgo]: unknown section; did you mean [Log]?");
	expect_complaint(
		3, "appliance.ini:7:1: error: [Unit]: unknown section; did you mean [Units]?");
	expect_complaint(
		4,
		"appliance.ini:10:13: error: Units.UnknownKeys: 'maybe': error or warning is expected");
	expect_complaint(
		5,
		"appliance.ini:11:1: error: Units.MaxSize: unknown key; did you mean Log.MaxSize=?");
	assert_int_equal(diags.count, 6);
	assert_int_equal(config.log_max_bytes, 100 * 1024);
	assert_false(config.unknown_keys_are_warnings);
}

static void each_row_takes_its_example_and_refuses_its_bad_value(void **state)
{
	size_t count;
	const struct appliance_key *keys = appliance_keys(&count);

	for (size_t i = 0; i < count; i++) {
		char text[256];

		reset(state);
		snprintf(text, sizeof(text), "[%s]\n%s=%s\n", keys[i].section, keys[i].name,
			 keys[i].example);
		read_text(text);
		assert_int_equal(diags.count, 0);
		snprintf(text, sizeof(text), "[%s]\n%s=%s\n", keys[i].section, keys[i].name,
			 keys[i].bad);
		read_text(text);
		assert_int_equal(diags.count, 1);
		assert_true(keys[i].help[0] && keys[i].preset[0]);
	}
}

static void budgets_out_of_range_are_refused(void **state)
{
	static const char *const bad[] = { "0%", "91%", "%", "1023k", "-1", "5 %", "100000%" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		reset(state);
		snprintf(text, sizeof(text), "[Log]\nBudget=%s\n", bad[i]);
		read_text(text);
		if (diags.count != 1)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(config.log_budget_bytes + config.log_budget_percent, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_are_applied, reset, reset),
		cmocka_unit_test_setup_teardown(the_time_to_stop_has_bounds, reset, reset),
		cmocka_unit_test_setup_teardown(nothing_is_the_default, reset, reset),
		cmocka_unit_test_setup_teardown(a_wrong_line_is_named_and_the_others_count, reset,
						reset),
		cmocka_unit_test_setup_teardown(
			each_row_takes_its_example_and_refuses_its_bad_value, reset, reset),
		cmocka_unit_test_setup_teardown(budgets_out_of_range_are_refused, reset, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
