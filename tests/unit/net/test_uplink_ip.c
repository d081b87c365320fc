/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses with a length: what is taken, what is not, and what they hold. */
#include "unit_test.h"

#include <string.h>
#include <sys/socket.h>

#include "net/uplink_ip.h"

static struct net_ip ip(const char *text)
{
	struct net_ip out;

	assert_true(net_ip_parse_prefix(text, &out));
	return out;
}

static void texts_come_back(void **state)
{
	static const char *const good[] = { "192.0.2.1/24",   "0.0.0.0/0", "10.0.0.1/32",
					    "2001:db8::1/64", "::/0",	   "fe80::1/128" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct net_ip a = ip(good[i]);
		char text[NET_IP_TEXT];

		net_ip_text(&a, true, text);
		assert_string_equal(text, good[i]);
	}
	assert_int_equal(ip("192.0.2.1").prefix, 32);
	assert_int_equal(ip("2001:db8::1").prefix, 128);
}

static void what_is_no_address_is_refused_and_leaves_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"192.0.2",
		"192.0.2.1/",
		"192.0.2.1/33",
		"192.0.2.1/-1",
		"192.0.2.1/24/",
		"192.0.2.1 /24",
		" 192.0.2.1",
		"2001:db8::/129",
		"/24",
		"eth0",
		"192.0.2.256",
		"1.2.3.4/0x10",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct net_ip a;

		if (net_ip_parse_prefix(bad[i], &a))
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(a.family, 0);
	}
}

static void networks_hold_what_is_in_them(void **state)
{
	struct net_ip net = ip("192.0.2.77/26"), in = ip("192.0.2.127"), out = ip("192.0.2.128");
	struct net_ip all = ip("0.0.0.0/0"), six = ip("2001:db8::/33");
	struct net_ip none = { 0 };

	(void)state;
	assert_true(net_ip_covers(&net, &in));
	assert_false(net_ip_covers(&net, &out));
	assert_true(net_ip_covers(&all, &out));
	assert_false(net_ip_covers(&all, &six));
	in = ip("2001:db8:7fff::1");
	out = ip("2001:db8:8000::1");
	assert_true(net_ip_covers(&six, &in));
	assert_false(net_ip_covers(&six, &out));
	assert_false(net_ip_covers(&none, &none));
	net_ip_mask(&net);
	in = ip("192.0.2.64/26");
	assert_true(net_ip_same(&net, &in));
}

static void what_cannot_be_a_host_is_known(void **state)
{
	static const char *const bad[] = { "0.0.0.0",	      "0.1.2.3",   "127.0.0.1", "224.0.0.1",
					   "255.255.255.255", "240.0.0.1", "::",	"::1",
					   "ff02::1" };
	static const char *const good[] = { "10.0.0.1", "223.255.255.255", "fe80::1",
					    "2001:db8::1" };
	struct net_ip a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = ip(bad[i]);
		if (net_ip_is_host(&a))
			fail_msg("%s is none", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		a = ip(good[i]);
		assert_true(net_ip_is_host(&a));
	}
	a = ip("febf::1");
	assert_true(net_ip_is_link_local(&a));
	a = ip("fec0::1");
	assert_false(net_ip_is_link_local(&a));
}

static void netmasks_have_no_holes(void **state)
{
	uint8_t prefix = 77;

	(void)state;
	assert_true(net_ip_netmask("255.255.255.0", &prefix) && prefix == 24);
	assert_true(net_ip_netmask("255.255.255.255", &prefix) && prefix == 32);
	assert_true(net_ip_netmask("0.0.0.0", &prefix) && prefix == 0);
	assert_true(net_ip_netmask("255.254.0.0", &prefix) && prefix == 15);
	assert_false(net_ip_netmask("255.0.255.0", &prefix));
	assert_false(net_ip_netmask("0.0.0.255", &prefix));
	assert_false(net_ip_netmask("ffff::", &prefix));
	assert_false(net_ip_netmask("24", &prefix));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_come_back),
		cmocka_unit_test(what_is_no_address_is_refused_and_leaves_nothing),
		cmocka_unit_test(networks_hold_what_is_in_them),
		cmocka_unit_test(what_cannot_be_a_host_is_known),
		cmocka_unit_test(netmasks_have_no_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
