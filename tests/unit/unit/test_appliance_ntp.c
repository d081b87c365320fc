/* SPDX-License-Identifier: Apache-2.0 */
/* appliance.ini, [System] NTP=. */
#include "appliance_fixture.h"

static void read_value(const char *value)
{
	char text[1024];

	reset(NULL);
	snprintf(text, sizeof(text), "[System]\nNTP=%s\n", value);
	read_text(text);
}

static void servers_are_names_and_addresses(void **state)
{
	(void)state;
	read_value("ntp.example.com 192.0.2.1\t2001:db8::1");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.ntp.count, 3);
	assert_string_equal(config.ntp.text[0], "ntp.example.com");
	assert_string_equal(config.ntp.text[1], "192.0.2.1");
	assert_string_equal(config.ntp.text[2], "2001:db8::1");
	assert_false(config.ntp_off);
	read_value("off");
	assert_int_equal(diags.count, 0);
	assert_true(config.ntp_off);
	assert_int_equal(config.ntp.count, 0);
	read_value("off\nNTP=a");
	assert_false(config.ntp_off);
	assert_int_equal(config.ntp.count, 1);
}

static void what_ntpd_would_take_for_something_else_is_refused(void **state)
{
	static const char *const bad[] = { "-x", "keyno:1:host", "a b off",	     "host/name",
					   ".",	 "a,b",		 "1 2 3 4 5 6 7 8 9" };
	char longest[260] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_value(bad[i]);
		assert_int_equal(diags.count, 1);
		assert_int_equal(config.ntp.count, 0);
	}
	memset(longest, 'a', 254);
	read_value(longest);
	assert_int_equal(diags.count, 1);
	longest[253] = '\0';
	read_value(longest);
	assert_int_equal(diags.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(servers_are_names_and_addresses, reset),
		cmocka_unit_test_teardown(what_ntpd_would_take_for_something_else_is_refused,
					  reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
