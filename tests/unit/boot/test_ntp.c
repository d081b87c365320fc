/* SPDX-License-Identifier: Apache-2.0 */
/* Which time servers are asked. */
#include "unit_test.h"

#include "boot/ntp.h"

static struct ntp_servers servers;

static void what_the_operator_says_comes_first(void **state)
{
	const struct appliance a = { .ntp = { { "time.example.com", "192.0.2.1" }, 2 } };

	(void)state;
	ntp_choose(&a, "198.51.100.1\n", &servers);
	assert_int_equal(servers.count, 2);
	assert_string_equal(servers.name[0], "time.example.com");
	assert_string_equal(servers.name[1], "192.0.2.1");
}

static void what_dhcp_says_comes_next(void **state)
{
	const struct appliance a = { 0 };

	(void)state;
	ntp_choose(&a, "198.51.100.1\n-x\nname.example.com\n2001:db8::1", &servers);
	assert_int_equal(servers.count, 2);
	assert_string_equal(servers.name[0], "198.51.100.1");
	assert_string_equal(servers.name[1], "2001:db8::1");
}

static void the_pool_is_left(void **state)
{
	const struct appliance a = { 0 };

	(void)state;
	ntp_choose(&a, "\n\nrubbish\n", &servers);
	assert_int_equal(servers.count, 3);
	assert_string_equal(servers.name[0], "0.pool.ntp.org");
}

static void off_is_nobody(void **state)
{
	const struct appliance a = { .ntp_off = true };

	(void)state;
	ntp_choose(&a, "198.51.100.1\n", &servers);
	assert_int_equal(servers.count, 0);
}

static void no_more_than_there_is_room_for(void **state)
{
	const struct appliance a = { 0 };
	char told[4096] = "";

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		snprintf(told + strlen(told), sizeof(told) - strlen(told), "198.51.100.%u\n", i);
	ntp_choose(&a, told, &servers);
	assert_int_equal(servers.count, NTP_MAX_SERVERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_operator_says_comes_first),
		cmocka_unit_test(what_dhcp_says_comes_next),
		cmocka_unit_test(the_pool_is_left),
		cmocka_unit_test(off_is_nobody),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
