/* SPDX-License-Identifier: Apache-2.0 */
/* What a DHCP client wrote down, as a server of good or bad will told it. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/lease.h"
#include "util/buf.h"

static struct lease lease;
static int family = AF_INET;

static int parse(const char *text)
{
	struct err err = { 0 };
	char *copy = strdup(text);
	int rc = lease_parse(copy, family, &lease, &err);

	free(copy);
	assert_true(rc == 0 || err.msg[0]);
	return rc;
}

static void expect_route(unsigned i, const char *text)
{
	char to[NET_IP_TEXT], via[NET_IP_TEXT], both[2 * NET_IP_TEXT];

	assert_true(i < lease.route_count);
	net_ip_text(&lease.routes[i].to, true, to);
	net_ip_text(&lease.routes[i].via, false, via);
	snprintf(both, sizeof(both), "%s>%s", to, via);
	assert_string_equal(both, text);
}

static void expect_ip(const struct net_ip *ip, const char *text)
{
	char shown[NET_IP_TEXT];

	net_ip_text(ip, true, shown);
	assert_string_equal(shown, text);
}

static void a_lease_is_read(void **state)
{
	(void)state;
	assert_int_equal(
		parse("event=bound\nip=192.0.2.7\nmask=26\nrouter=192.0.2.1 192.0.2.2\nstaticroutes=\n"
		      "dns=192.0.2.53 192.0.2.54\ndomain=example.org\nsearch=\nntpsrv=192.0.2.123\nmtu=1400\nlease=3600\n"),
		0);
	expect_ip(&lease.address, "192.0.2.7/26");
	assert_int_equal(lease.route_count, 1);
	expect_route(0, "0.0.0.0/0>192.0.2.1");
	assert_int_equal(lease.dns_count, 2);
	expect_ip(&lease.dns[1], "192.0.2.54/32");
	assert_int_equal(lease.ntp_count, 1);
	assert_string_equal(lease.search, "example.org");
	assert_int_equal(lease.mtu, 1400);
	assert_int_equal(lease.lease_sec, 3600);
	assert_false(lease.is_lost);
}

static void what_is_not_said_has_its_preset(void **state)
{
	(void)state;
	assert_int_equal(parse("event=renew\nip=10.0.0.1\n"), 0);
	expect_ip(&lease.address, "10.0.0.1/24");
	assert_int_equal(lease.route_count + lease.dns_count + lease.ntp_count + lease.mtu, 0);
	assert_int_equal(lease.lease_sec, LEASE_FOREVER);
	assert_int_equal(parse("event=bound\nip=10.0.0.1\nmask=32\nlease=1"), 0);
	expect_ip(&lease.address, "10.0.0.1/32");
	assert_int_equal(lease.lease_sec, 30);
	assert_int_equal(parse("event=bound\nip=10.0.0.1\nlease=4294967295"), 0);
	assert_int_equal(lease.lease_sec, LEASE_FOREVER);
}

static void classless_routes_replace_routers(void **state)
{
	(void)state;
	assert_int_equal(
		parse("event=bound\nip=10.0.0.1\nrouter=10.0.0.254\n"
		      "staticroutes=10.1.2.3/16 10.0.0.2 172.16.0.0/12 0.0.0.0 0.0.0.0/0 10.0.0.3 0.0.0.0/0 0.0.0.0 10.9.0.0/16 127.0.0.1 x y 10.8.0.0/16\n"),
		0);
	assert_int_equal(lease.route_count, 3);
	expect_route(0, "10.1.0.0/16>10.0.0.2");
	expect_route(1, "172.16.0.0/12>-");
	expect_route(2, "0.0.0.0/0>10.0.0.3");
}

static void a_lease_that_was_taken_back_is_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(parse("event=nak\nip=192.0.2.7\ndns=192.0.2.53\n"), 0);
	assert_true(lease.is_lost);
	assert_int_equal(lease.address.family, 0);
	assert_int_equal(lease.dns_count, 0);
}

static void records_without_an_address_for_a_link_are_refused(void **state)
{
	static const char *const bad[] = { "",
					   "event=bound\n",
					   "ip=192.0.2.7\n",
					   "event=deconfig\nip=192.0.2.7\n",
					   "event=bound\nip=0.0.0.0\n",
					   "event=bound\nip=127.0.0.1\n",
					   "event=bound\nip=224.0.0.9\n",
					   "event=bound\nip=255.255.255.255\n",
					   "event=bound\nip=2001:db8::1\n",
					   "event=bound\nip=192.0.2.7/24\n",
					   "event=bound\nip=192.0.2.7 192.0.2.8\n",
					   "event=boundbutmuchtoolong\nip=192.0.2.7\n",
					   "event=bound ip=192.0.2.7\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) == 0)
			fail_msg("taken: %s", bad[i]);
}

static void what_a_server_should_not_say_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(
		parse("event=bound\nip=192.0.2.7\nmask=0\nrouter=0.0.0.0 224.0.0.1 nonsense 192.0.2.1\n"
		      "dns=127.0.0.1 192.0.2.53/24 192.0.2.54 ::1\ndomain=a;b .c good.example $(x)\nmtu=575\nlease=x\n"),
		0);
	expect_ip(&lease.address, "192.0.2.7/24");
	assert_int_equal(lease.route_count, 1);
	expect_route(0, "0.0.0.0/0>192.0.2.1");
	assert_int_equal(lease.dns_count, 1);
	assert_string_equal(lease.search, "good.example");
	assert_int_equal(lease.mtu, 0);
	assert_int_equal(lease.lease_sec, LEASE_FOREVER);
}

static void a_line_break_in_a_value_changes_nothing_before_it(void **state)
{
	(void)state;
	assert_int_equal(
		parse("event=bound\nip=192.0.2.7\nmask=24\nrouter=192.0.2.1\ndomain=x\nip=10.6.6.6\nrouter=10.6.6.1\n"),
		0);
	expect_ip(&lease.address, "192.0.2.7/24");
	expect_route(0, "0.0.0.0/0>192.0.2.1");
}

static void lists_have_ends(void **state)
{
	struct buf text = BUF_INIT(LEASE_MAX_BYTES);

	(void)state;
	buf_puts(&text, "event=bound\nip=192.0.2.7\ndns=");
	for (unsigned i = 1; i < 40; i++)
		buf_printf(&text, "10.0.0.%u ", i);
	buf_puts(&text, "\nstaticroutes=");
	for (unsigned i = 1; i < 40; i++)
		buf_printf(&text, "10.%u.0.0/16 192.0.2.1 ", i);
	buf_puts(&text, "\nsearch=");
	for (unsigned i = 1; i < 20; i++)
		buf_printf(&text, "domain%u.example ", i);
	assert_int_equal(parse(buf_str(&text)), 0);
	assert_int_equal(lease.dns_count, UPLINK_MAX_SERVERS);
	assert_int_equal(lease.route_count, UPLINK_MAX_ROUTES);
	/* longer than there is room for: as good as not said */
	assert_string_equal(lease.search, "");
	buf_fini(&text);
}

static void domains_are_names(void **state)
{
	char longest[256];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[253] = '\0';
	assert_true(lease_is_domain("example.org"));
	assert_true(lease_is_domain("_dmarc.x-y.Z9"));
	assert_true(lease_is_domain(longest));
	longest[253] = 'a';
	longest[254] = '\0';
	assert_false(lease_is_domain(longest));
	assert_false(lease_is_domain(""));
	assert_false(lease_is_domain(".org"));
	assert_false(lease_is_domain("-x"));
	assert_false(lease_is_domain("a b"));
	assert_false(lease_is_domain("a\nnameserver"));
}

static void a_lease_of_ipv6_is_an_address_and_names(void **state)
{
	(void)state;
	family = AF_INET6;
	assert_int_equal(
		parse("event=bound\nip=2001:db8::7\nmask=64\nrouter=2001:db8::1\nlease=3600\n"
		      "dns=2001:db8::53 192.0.2.53 ::1 fe80::53\nsearch=example.org lan\nmtu=1400\nntpsrv=192.0.2.1\n"),
		0);
	expect_ip(&lease.address, "2001:db8::7/128");
	assert_int_equal(lease.lease_sec, 3600);
	assert_int_equal(lease.route_count + lease.ntp_count + lease.mtu, 0);
	assert_int_equal(lease.dns_count, 2);
	expect_ip(&lease.dns[1], "fe80::53/128");
	assert_string_equal(lease.search, "example.org lan");
	assert_int_equal(parse("event=nak\n"), 0);
	assert_true(lease.is_lost);
	assert_int_equal(parse("event=bound\nip=192.0.2.7\n"), -1);
	assert_int_equal(parse("event=bound\nip=fe80::7\n"), -1);
	assert_int_equal(parse("event=bound\nip=ff02::7\n"), -1);
	family = AF_INET;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_is_read),
		cmocka_unit_test(what_is_not_said_has_its_preset),
		cmocka_unit_test(classless_routes_replace_routers),
		cmocka_unit_test(a_lease_that_was_taken_back_is_nothing_else),
		cmocka_unit_test(records_without_an_address_for_a_link_are_refused),
		cmocka_unit_test(what_a_server_should_not_say_is_left_out),
		cmocka_unit_test(a_line_break_in_a_value_changes_nothing_before_it),
		cmocka_unit_test(lists_have_ends),
		cmocka_unit_test(a_lease_of_ipv6_is_an_address_and_names),
		cmocka_unit_test(domains_are_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
