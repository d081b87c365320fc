/* SPDX-License-Identifier: Apache-2.0 */
/* [Network] and [Link NAME] of appliance.ini. */
#include "appliance_fixture.h"

static void names_are_lists(void **state)
{
	(void)state;
	read_text(
		"[Network]\nDNS=192.0.2.53, 2001:db8::53\nDNS=192.0.2.54\nSearch=example.org lan\n");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.dns.count, 3);
	assert_string_equal(config.dns.text[1], "2001:db8::53");
	assert_string_equal(config.dns.text[2], "192.0.2.54");
	assert_int_equal(config.search.count, 2);
	assert_string_equal(config.search.text[1], "lan");
}

static void links_are_told_apart(void **state)
{
	(void)state;
	read_text("[Link eth0]\nAddress=192.0.2.7/24 2001:db8::7/64\nGateway=192.0.2.1\nMTU=1400\n"
		  "[Link 0A:58:00:00:00:FF]\nMethod=auto\n"
		  "[Link eth0]\nAddress=10.0.0.1/8\nMethod=static\n");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.link_count, 2);
	assert_string_equal(config.links[1].name, "0a:58:00:00:00:ff");
	assert_true(config.links[1].has_method);
	assert_int_equal(config.links[1].method, APPLIANCE_METHOD_AUTO);
	assert_int_equal(config.links[1].addresses.count, 0);
	assert_string_equal(config.links[0].name, "eth0");
	assert_int_equal(config.links[0].addresses.count, 3);
	assert_string_equal(config.links[0].addresses.text[2], "10.0.0.1/8");
	assert_string_equal(config.links[0].gateways.text[0], "192.0.2.1");
	assert_int_equal(config.links[0].mtu, 1400);
	assert_int_equal(config.links[0].method, APPLIANCE_METHOD_STATIC);
	/* two ways to write one address */
	read_text(
		"[Link 0a:58:00:00:00:ff]\nMTU=1400\n[Link eth0]\nMTU=1300\n[Link 0A:58:00:00:00:FF]\nMethod=off\n");
	assert_int_equal(config.link_count, 2);
	assert_string_equal(config.links[1].name, "0a:58:00:00:00:ff");
	assert_int_equal(config.links[1].mtu, 1400);
	assert_int_equal(config.links[1].method, APPLIANCE_METHOD_OFF);
	assert_int_equal(config.links[0].mtu, 1300);
	read_text("[Link wan]\n");
	assert_int_equal(config.link_count, 1);
	assert_false(config.links[0].has_method);
}

static void what_is_no_link_is_said_and_its_lines_go_nowhere(void **state)
{
	(void)state;
	read_text(
		"[Link eth0]\nMethod=off\n[Link averyverylongname0]\nMethod=dhcp\n[Link a/b]\nMTU=1400\n[Link]\nMTU=1400\n");
	expect_complaint(
		0,
		"appliance.ini:3:1: error: [Link averyverylongname0]: the name of an interface, as eth0, or its MAC address is expected");
	expect_complaint(
		1,
		"appliance.ini:5:1: error: [Link a/b]: the name of an interface, as eth0, or its MAC address is expected");
	assert_int_equal(diags.count, 3);
	assert_int_equal(config.link_count, 1);
	assert_int_equal(config.links[0].method, APPLIANCE_METHOD_OFF);
	assert_int_equal(config.links[0].mtu, 0);
}

static void there_is_room_for_eight_links(void **state)
{
	struct buf text = BUF_INIT(1024);

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		buf_printf(&text, "[Link eth%u]\nMTU=1400\n", i);
	read_text(buf_str(&text));
	expect_complaint(0, "appliance.ini:17:1: error: [Link eth8]: at most 8 links are expected");
	assert_int_equal(diags.count, 1);
	assert_int_equal(config.link_count, 8);
	buf_fini(&text);
}

static void values_are_judged(void **state)
{
	static const char *const bad[] = {
		"[Network]\nDNS=dns.example.com\n",
		"[Network]\nDNS=192.0.2.53 192.0.2\n",
		"[Network]\nDNS=1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1\n",
		"[Network]\nSearch=.example\n",
		"[Network]\nSearch=a;b\n",
		"[Link eth0]\nMethod=DHCP\n",
		"[Link eth0]\nDHCPv6=true\n",
		"[Link eth0]\nAddress=192.0.2.7\n",
		"[Link eth0]\nAddress=192.0.2.7/33\n",
		"[Link eth0]\nAddress=192.0.2.7/0\n",
		"[Link eth0]\nAddress=0.0.0.0/8\n",
		"[Link eth0]\nAddress=224.0.0.1/24\n",
		"[Link eth0]\nAddress=2001:db8::1/129\n",
		"[Link eth0]\nAddress=ff02::1/64\n",
		"[Link eth0]\nGateway=192.0.2.0/24\n",
		"[Link eth0]\nMTU=575\n",
		"[Link eth0]\nMTU=65536\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reset(state);
		read_text(bad[i]);
		if (diags.count != 1)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(config.dns.count + config.search.count, 0);
	}
	reset(state);
	read_text("[Link eth0]\nMTU=576\nMTU=65535\nAddress=fe80::1/128\n");
	assert_int_equal(diags.count, 0);
}

static void a_word_that_is_nearly_one_is_named(void **state)
{
	(void)state;
	read_text("[Link eth0]\nAdress=192.0.2.7/24\n[Network]\nMethod=dhcp\n");
	expect_complaint(
		0,
		"appliance.ini:2:1: error: Link eth0.Adress: unknown key; did you mean Address=?");
	expect_complaint(
		1,
		"appliance.ini:4:1: error: Network.Method: unknown key; did you mean Link NAME.Method=?");
	assert_int_equal(diags.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_lists, reset, reset),
		cmocka_unit_test_setup_teardown(links_are_told_apart, reset, reset),
		cmocka_unit_test_setup_teardown(what_is_no_link_is_said_and_its_lines_go_nowhere,
						reset, reset),
		cmocka_unit_test_setup_teardown(there_is_room_for_eight_links, reset, reset),
		cmocka_unit_test_setup_teardown(values_are_judged, reset, reset),
		cmocka_unit_test_setup_teardown(a_word_that_is_nearly_one_is_named, reset, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
