/* SPDX-License-Identifier: Apache-2.0 */
/* What should be on a link, of all that is known about it: as text. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/uplink_internal.h"
#include "util/str.h"

#define NOW 1000

static struct uplink_config config;
static struct uplink_found found;
static struct uplink_own own;
static struct uplink_wanted wanted;

static struct net_ip ip(const char *text)
{
	struct net_ip out;

	assert_true(net_ip_parse_prefix(text, &out));
	return out;
}

static int fresh(void **state)
{
	(void)state;
	config = (struct uplink_config){ 0 };
	own = (struct uplink_own){ .index = 2 };
	found = (struct uplink_found){
		.links = { { .index = 2,
			     .name = "eth0",
			     .mtu = 1500,
			     .mac = { 0x0a, 0x58, 0, 0, 0, 1 },
			     .is_up = true,
			     .has_carrier = true } },
		.link_count = 1,
	};
	return 0;
}

static void put_address(uint32_t index, const char *text, bool is_global, bool is_permanent)
{
	found.addresses[found.address_count++] =
		(struct uplink_found_address){ index, ip(text), is_global, is_permanent, true };
}

static void put_lease(const char *address, const char *router, uint64_t until)
{
	own.held[UPLINK_V4].is_there = true;
	own.held[UPLINK_V4].until = until;
	own.held[UPLINK_V4].lease.address = ip(address);
	own.held[UPLINK_V4].lease.routes[0].to = (struct net_ip){ .family = AF_INET };
	own.held[UPLINK_V4].lease.routes[0].via = ip(router);
	own.held[UPLINK_V4].lease.route_count = 1;
	own.held[UPLINK_V4].lease.dns[0] = ip("192.0.2.53");
	own.held[UPLINK_V4].lease.dns_count = 1;
	str_copy(own.held[UPLINK_V4].lease.search, sizeof(own.held[UPLINK_V4].lease.search),
		 "lease.example");
}

static void expect(const char *text)
{
	struct buf out = BUF_INIT(8192);
	char a[NET_IP_TEXT], b[NET_IP_TEXT];

	uplink_plan(&config, &found, &found.links[0], &own, NOW, &wanted);
	buf_printf(&out, "%s%s%s%s%s%s", wanted.method, wanted.is_ours ? " ours" : "",
		   wanted.wants_client[UPLINK_V4] ? " client" : "",
		   wanted.wants_client[UPLINK_V6] ? " client6" : "",
		   wanted.adverts ? " adverts" : "", wanted.no_autoconf ? " no-autoconf" : "");
	if (wanted.mtu)
		buf_printf(&out, " mtu %u", wanted.mtu);
	for (unsigned i = 0; i < wanted.address_count; i++) {
		net_ip_text(&wanted.addresses[i], true, a);
		buf_printf(&out, " %s", a);
		if (wanted.lifetimes[i] != LEASE_FOREVER)
			buf_printf(&out, "(%u)", wanted.lifetimes[i]);
	}
	for (unsigned i = 0; i < wanted.route_count; i++) {
		net_ip_text(&wanted.routes[i].route.to, true, a);
		net_ip_text(&wanted.routes[i].route.via, false, b);
		buf_printf(&out, " %s>%s%s", a, b, wanted.routes[i].onlink ? "!" : "");
	}
	for (unsigned i = 0; i < wanted.dns_count; i++) {
		net_ip_text(&wanted.dns[i], false, a);
		buf_printf(&out, " dns %s", a);
	}
	if (wanted.search[0])
		buf_printf(&out, " search %s", wanted.search);
	assert_string_equal(buf_str(&out), text);
	buf_fini(&out);
}

static struct uplink_link *choose(const char *name)
{
	struct uplink_link *link = &config.chosen[config.chosen_count++];

	*link = (struct uplink_link){ 0 };
	str_copy(link->name, sizeof(link->name), name);
	return link;
}

static struct uplink_link *write_link(const char *name)
{
	struct uplink_link *link = &config.written[config.written_count++];

	*link = (struct uplink_link){ 0 };
	str_copy(link->name, sizeof(link->name), name);
	return link;
}

static void a_link_that_nobody_spoke_of_asks_for_a_lease(void **state)
{
	(void)state;
	expect("dhcp ours client adverts");
	found.links[0].has_carrier = false;
	expect("dhcp ours adverts");
	found.links[0].has_carrier = true;
	found.links[0].is_up = false;
	expect("dhcp ours adverts");
	str_copy(found.links[0].name, UPLINK_NAME, "wlan0");
	expect("off");
}

static void a_lease_is_there_until_it_is_over(void **state)
{
	(void)state;
	put_lease("192.0.2.7/24", "192.0.2.1", NOW + 60);
	expect("dhcp ours client adverts 192.0.2.7/24(60) 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 search lease.example");
	own.held[UPLINK_V4].until = UPLINK_FOREVER;
	expect("dhcp ours client adverts 192.0.2.7/24 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 search lease.example");
	own.held[UPLINK_V4].until = NOW;
	expect("dhcp ours client adverts");
	own.held[UPLINK_V4].until = NOW - 1;
	expect("dhcp ours client adverts");
	own.held[UPLINK_V4].until = NOW + 60;
	own.held[UPLINK_V4].is_there = false;
	expect("dhcp ours client adverts");
}

static void a_gateway_outside_is_on_the_link(void **state)
{
	(void)state;
	put_lease("192.0.2.7/32", "198.51.100.1", UPLINK_FOREVER);
	own.held[UPLINK_V4].lease.dns_count = 0;
	own.held[UPLINK_V4].lease.search[0] = '\0';
	expect("dhcp ours client adverts 192.0.2.7/32 0.0.0.0/0>198.51.100.1!");
	/* unless a route says so already */
	own.held[UPLINK_V4].lease.routes[1].to = ip("198.51.100.1/32");
	own.held[UPLINK_V4].lease.route_count = 2;
	expect("dhcp ours client adverts 192.0.2.7/32 0.0.0.0/0>198.51.100.1 198.51.100.1/32>-");
}

static void an_address_of_dhcp6_comes_besides(void **state)
{
	struct uplink_link *link = choose("eth0");

	(void)state;
	link->dhcp6 = link->adverts = true;
	expect("dhcp ours adverts");
	/* not before the link can be heard from */
	put_address(2, "fe80::1/64", false, true);
	found.addresses[0].is_usable = false;
	expect("dhcp ours adverts");
	found.addresses[0].is_usable = true;
	expect("dhcp ours client6 adverts");
	found.addresses[0].index = 3;
	expect("dhcp ours adverts");
	found.addresses[0].index = 2;
	own.held[UPLINK_V6].is_there = true;
	own.held[UPLINK_V6].until = NOW + 60;
	own.held[UPLINK_V6].lease.address = ip("2001:db8::7/128");
	own.held[UPLINK_V6].lease.dns[0] = ip("2001:db8::53");
	own.held[UPLINK_V6].lease.dns_count = 1;
	expect("dhcp ours client6 adverts 2001:db8::7/128(60) dns 2001:db8::53");
	link->dhcp = true;
	put_lease("192.0.2.7/24", "192.0.2.1", NOW + 90);
	expect("dhcp ours client client6 adverts 192.0.2.7/24(90) 2001:db8::7/128(60) 0.0.0.0/0>192.0.2.1 "
	       "dns 192.0.2.53 dns 2001:db8::53 search lease.example");
	own.held[UPLINK_V6].until = NOW;
	expect("dhcp ours client client6 adverts 192.0.2.7/24(90) 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 search lease.example");
	found.links[0].has_carrier = false;
	expect("dhcp ours adverts 192.0.2.7/24(90) 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 search lease.example");
}

static void what_a_lease_says_of_the_mtu_goes_with_it(void **state)
{
	(void)state;
	put_lease("192.0.2.7/24", "192.0.2.1", NOW + 60);
	own.held[UPLINK_V4].lease.dns_count = own.held[UPLINK_V4].lease.route_count = 0;
	own.held[UPLINK_V4].lease.search[0] = '\0';
	own.held[UPLINK_V4].lease.mtu = 1400;
	expect("dhcp ours client adverts mtu 1400 192.0.2.7/24(60)");
	own.mtu_was = 1500;
	own.held[UPLINK_V4].until = 0;
	expect("dhcp ours client adverts mtu 1500");
	choose("eth0")->mtu = 1300;
	expect("manual ours mtu 1300");
}

static void addresses_of_the_host_are_left_alone(void **state)
{
	(void)state;
	put_address(2, "192.0.2.77/24", true, true);
	expect("host");
	/* whatever interfaces says */
	write_link("eth0")->dhcp = true;
	expect("host");
	/* not when they are of another link, of the link itself, or of a router's advertisement */
	found.address_count = 0;
	put_address(3, "192.0.2.77/24", true, true);
	put_address(2, "fe80::1/64", false, true);
	put_address(2, "2001:db8::77/64", true, false);
	expect("dhcp ours client");
	/* one that ends, of a client of the host's */
	put_address(2, "192.0.2.78/24", true, false);
	expect("host");
	found.address_count = 0;
	put_address(2, "2001:db8::77/64", true, true);
	expect("host");
	/* once something of ours is there, others only come beside it */
	own.addresses[own.address_count++] = ip("192.0.2.7/24");
	expect("dhcp ours client");
}

static void what_the_operator_chose_beats_the_host_and_interfaces(void **state)
{
	struct uplink_link *link = choose("eth0");
	struct net_ip address = ip("192.0.2.9/24"), gateway = ip("192.0.2.1"),
		      six = ip("2001:db8::9/64");

	(void)state;
	assert_true(uplink_add_address(link, &address));
	assert_true(uplink_add_gateway(link, &gateway));
	write_link("eth0")->dhcp = true;
	put_address(2, "192.0.2.77/24", true, true);
	expect("static ours 192.0.2.9/24 0.0.0.0/0>192.0.2.1");
	assert_true(uplink_add_address(link, &six));
	expect("static ours no-autoconf 192.0.2.9/24 2001:db8::9/64 0.0.0.0/0>192.0.2.1");
	link->is_off = true;
	expect("off");
	/* by MAC address */
	link->is_off = false;
	str_copy(link->name, sizeof(link->name), "0a:58:00:00:00:01");
	expect("static ours no-autoconf 192.0.2.9/24 2001:db8::9/64 0.0.0.0/0>192.0.2.1");
	str_copy(link->name, sizeof(link->name), "0a:58:00:00:00:02");
	expect("host");
}

static void a_link_of_any_name_may_be_chosen(void **state)
{
	(void)state;
	str_copy(found.links[0].name, UPLINK_NAME, "wan");
	choose("wan")->dhcp = true;
	expect("dhcp ours client");
}

static void addresses_beside_dhcp_come_on_top(void **state)
{
	struct uplink_link *link = choose("eth0");
	struct net_ip address = ip("10.0.0.9/8");

	(void)state;
	link->dhcp = true;
	assert_true(uplink_add_address(link, &address));
	put_lease("192.0.2.7/24", "192.0.2.1", UPLINK_FOREVER);
	expect("dhcp ours client 10.0.0.9/8 192.0.2.7/24 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 search lease.example");
	/* what is written beats what a lease says about the same destination */
	address = ip("10.0.0.1");
	assert_true(uplink_add_gateway(link, &address));
	expect("dhcp ours client 10.0.0.9/8 192.0.2.7/24 0.0.0.0/0>10.0.0.1 dns 192.0.2.53 search lease.example");
}

static void name_servers_of_advertisements_expire(void **state)
{
	(void)state;
	own.servers[0].ip = ip("2001:db8::53");
	own.servers[0].until = NOW + 10;
	own.servers[1].ip = ip("2001:db8::54");
	own.servers[1].until = NOW;
	own.server_count = 2;
	str_copy(own.search, sizeof(own.search), "ra.example");
	own.search_until = UPLINK_FOREVER;
	expect("dhcp ours client adverts dns 2001:db8::53 search ra.example");
	own.search_until = 0;
	expect("dhcp ours client adverts dns 2001:db8::53");
	/* of DHCP come first */
	put_lease("192.0.2.7/24", "192.0.2.1", UPLINK_FOREVER);
	expect("dhcp ours client adverts 192.0.2.7/24 0.0.0.0/0>192.0.2.1 dns 192.0.2.53 dns 2001:db8::53 search lease.example");
}

static void interfaces_are_told_apart_by_name(void **state)
{
	(void)state;
	write_link("eth0")->adverts = true;
	expect("auto ours adverts");
	config.written[0].adverts = false;
	expect("manual ours");
	config.written[0].is_off = true;
	expect("off");
	str_copy(config.written[0].name, sizeof(config.written[0].name), "eth1");
	expect("dhcp ours client adverts");
}

static void links_of_containers_are_none_of_ours(void **state)
{
	(void)state;
	assert_true(uplink_is_containers("cleat0"));
	assert_true(uplink_is_containers("cleat-0a1b2c3d"));
	assert_true(uplink_is_containers("v0123456789ab0"));
	assert_false(uplink_is_containers("veth0"));
	assert_false(uplink_is_containers("v0123456789a"));
	assert_false(uplink_is_containers("eth0"));
	assert_false(uplink_is_containers("v"));
	assert_true(uplink_is_default("eth0") && uplink_is_default("enp1s0") &&
		    uplink_is_default("ens3"));
	assert_false(uplink_is_default("lo") || uplink_is_default("wlan0") ||
		     uplink_is_default("e"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_link_that_nobody_spoke_of_asks_for_a_lease, fresh),
		cmocka_unit_test_setup(a_lease_is_there_until_it_is_over, fresh),
		cmocka_unit_test_setup(a_gateway_outside_is_on_the_link, fresh),
		cmocka_unit_test_setup(an_address_of_dhcp6_comes_besides, fresh),
		cmocka_unit_test_setup(what_a_lease_says_of_the_mtu_goes_with_it, fresh),
		cmocka_unit_test_setup(addresses_of_the_host_are_left_alone, fresh),
		cmocka_unit_test_setup(what_the_operator_chose_beats_the_host_and_interfaces,
				       fresh),
		cmocka_unit_test_setup(a_link_of_any_name_may_be_chosen, fresh),
		cmocka_unit_test_setup(addresses_beside_dhcp_come_on_top, fresh),
		cmocka_unit_test_setup(name_servers_of_advertisements_expire, fresh),
		cmocka_unit_test_setup(interfaces_are_told_apart_by_name, fresh),
		cmocka_unit_test_setup(links_of_containers_are_none_of_ours, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
