/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's messages about the appliance's own links, and what routers say about name servers. */
#include "unit_test.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/uplink_internal.h"
#include "util/str.h"

static struct uplink_found found;
static struct uplink_ra ra;

static int fresh(void **state)
{
	(void)state;
	memset(&found, 0, sizeof(found));
	return 0;
}

/* Exactly its size, so that a read beyond it is seen. */
static bool give(struct buf *out, size_t cut)
{
	uint32_t len = (uint32_t)(out->len - cut);
	unsigned char *copy = malloc(len);
	struct netlink_span rest = { copy, len };
	struct netlink_message m;
	bool is_ra;

	memcpy(copy, out->data, len);
	memcpy(copy, &len, sizeof(len));
	assert_true(netlink_next(&rest, &m));
	uplink_found_message(&found, &m);
	is_ra = uplink_ra_read(&m, &ra);
	free(copy);
	return is_ra;
}

static void give_all(struct buf *out)
{
	give(out, 0);
	buf_fini(out);
}

static void put_link(const char *name, int index, unsigned type, uint32_t master)
{
	const struct ifinfomsg header = { .ifi_type = (unsigned short)type,
					  .ifi_index = index,
					  .ifi_flags = IFF_UP | IFF_RUNNING };
	const uint8_t mac[6] = { 10, 88, 0, 0, 0, 1 };
	struct buf out = BUF_INIT(4096);
	size_t begin = netlink_begin(&out, RTM_NEWLINK, 0, &header, sizeof(header)), families, six;

	netlink_put_text(&out, IFLA_IFNAME, name);
	netlink_put_u32(&out, IFLA_MTU, 1400);
	netlink_put(&out, IFLA_ADDRESS, mac, sizeof(mac));
	if (master)
		netlink_put_u32(&out, IFLA_MASTER, master);
	families = netlink_nest(&out, IFLA_AF_SPEC);
	six = netlink_nest(&out, AF_INET6);
	netlink_put_u32(&out, IFLA_INET6_FLAGS, 0x40);
	netlink_nest_end(&out, six);
	netlink_nest_end(&out, families);
	netlink_end(&out, begin);
	give_all(&out);
}

static void put_address(unsigned index, uint8_t family, const void *bytes, uint8_t prefix,
			uint8_t scope, uint32_t flags)
{
	const struct ifaddrmsg header = { .ifa_family = family,
					  .ifa_prefixlen = prefix,
					  .ifa_scope = scope,
					  .ifa_index = index };
	struct buf out = BUF_INIT(4096);
	size_t begin = netlink_begin(&out, RTM_NEWADDR, 0, &header, sizeof(header));

	netlink_put(&out, family == AF_INET ? IFA_LOCAL : IFA_ADDRESS, bytes,
		    family == AF_INET ? 4 : 16);
	netlink_put_u32(&out, IFA_FLAGS, flags);
	netlink_end(&out, begin);
	give_all(&out);
}

static void put_route(uint8_t table, uint8_t prefix, uint32_t index, const void *to,
		      const void *via)
{
	const struct rtmsg header = { .rtm_family = AF_INET,
				      .rtm_dst_len = prefix,
				      .rtm_table = table,
				      .rtm_protocol = UPLINK_PROTOCOL,
				      .rtm_type = RTN_UNICAST };
	struct buf out = BUF_INIT(4096);
	size_t begin = netlink_begin(&out, RTM_NEWROUTE, 0, &header, sizeof(header));

	if (to)
		netlink_put(&out, RTA_DST, to, 4);
	if (via)
		netlink_put(&out, RTA_GATEWAY, via, 4);
	netlink_put_u32(&out, RTA_OIF, index);
	netlink_put_u32(&out, RTA_PRIORITY, 101);
	netlink_end(&out, begin);
	give_all(&out);
}

static const uint8_t four[] = { 192, 0, 2, 7 }, gateway[] = { 192, 0, 2, 1 };
static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };

static void only_links_that_could_be_ours_count(void **state)
{
	(void)state;
	put_link("lo", 1, ARPHRD_LOOPBACK, 0);
	put_link("eth0", 2, ARPHRD_ETHER, 0);
	put_link("cleat0", 3, ARPHRD_ETHER, 0);
	put_link("v0123456789ab0", 4, ARPHRD_ETHER, 0);
	put_link("eth1", 5, ARPHRD_ETHER, 9);
	put_link("tun0", 6, ARPHRD_NONE, 0);
	put_link("wan", 7, ARPHRD_ETHER, 0);
	assert_int_equal(found.link_count, 2);
	assert_string_equal(found.links[0].name, "eth0");
	assert_int_equal(found.links[0].mtu, 1400);
	assert_int_equal(found.links[0].mac[1], 88);
	assert_true(found.links[0].is_up && found.links[0].has_carrier &&
		    found.links[0].ra_managed);
	assert_string_equal(found.links[1].name, "wan");
	put_address(1, AF_INET, four, 24, RT_SCOPE_UNIVERSE, 0);
	put_address(3, AF_INET, four, 24, RT_SCOPE_UNIVERSE, 0);
	assert_int_equal(found.address_count, 0);
}

static void addresses_say_where_they_come_from(void **state)
{
	(void)state;
	put_link("eth0", 2, ARPHRD_ETHER, 0);
	put_address(2, AF_INET, four, 24, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT);
	put_address(2, AF_INET6, six, 64, RT_SCOPE_UNIVERSE, IFA_F_MANAGETEMPADDR);
	put_address(2, AF_INET6, six, 64, RT_SCOPE_LINK, IFA_F_PERMANENT | IFA_F_TENTATIVE);
	put_address(2, AF_INET, four, 33, RT_SCOPE_UNIVERSE, 0);
	assert_int_equal(found.address_count, 3);
	assert_true(found.addresses[0].is_global && found.addresses[0].is_permanent &&
		    found.addresses[0].is_usable);
	assert_true(found.addresses[1].is_global && !found.addresses[1].is_permanent);
	assert_true(!found.addresses[2].is_global && !found.addresses[2].is_usable);
	assert_int_equal(found.addresses[1].ip.prefix, 64);
}

static void routes_of_the_main_table_count(void **state)
{
	(void)state;
	put_link("eth0", 2, ARPHRD_ETHER, 0);
	put_route(RT_TABLE_LOCAL, 0, 2, NULL, gateway);
	assert_false(found.has_default_route);
	put_route(RT_TABLE_MAIN, 24, 2, four, NULL);
	assert_false(found.has_default_route);
	put_route(RT_TABLE_MAIN, 0, 9, NULL, gateway);
	assert_true(found.has_default_route);
	assert_int_equal(found.route_count, 1);
	put_route(RT_TABLE_MAIN, 0, 2, NULL, gateway);
	assert_int_equal(found.route_count, 2);
	assert_int_equal(found.routes[1].metric, 101);
	assert_int_equal(found.routes[1].protocol, UPLINK_PROTOCOL);
	assert_int_equal(found.routes[1].to.prefix, 0);
	assert_int_equal(found.routes[1].via.family, AF_INET);
	assert_int_equal(found.routes[0].via.family, 0);
}

static void tables_have_ends(void **state)
{
	(void)state;
	for (int i = 1; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "eth%d", i);
		put_link(name, i, ARPHRD_ETHER, 0);
	}
	assert_int_equal(found.link_count, UPLINK_FOUND_LINKS);
	for (int i = 0; i < UPLINK_FOUND_ADDRESSES + 5; i++)
		put_address(1, AF_INET, four, 24, RT_SCOPE_UNIVERSE, 0);
	assert_int_equal(found.address_count, UPLINK_FOUND_ADDRESSES);
	for (int i = 0; i < UPLINK_FOUND_ROUTES + 5; i++)
		put_route(RT_TABLE_MAIN, 24, 1, four, NULL);
	assert_int_equal(found.route_count, UPLINK_FOUND_ROUTES);
	put_route(RT_TABLE_MAIN, 0, 1, NULL, gateway);
	assert_true(found.has_default_route);
}

static void begin_advert(struct buf *out, size_t *begin, size_t options)
{
	const struct nduseroptmsg header = { .nduseropt_family = AF_INET6,
					     .nduseropt_opts_len = (unsigned short)options,
					     .nduseropt_ifindex = 2 };

	*begin = netlink_begin(out, RTM_NEWNDUSEROPT, 0, &header, sizeof(header));
}

static bool advertise(const void *options, size_t len, size_t said, size_t cut)
{
	struct buf out = BUF_INIT(4096);
	size_t begin;
	bool is_ra;

	begin_advert(&out, &begin, said);
	buf_add(&out, options, len);
	netlink_end(&out, begin);
	is_ra = give(&out, cut);
	buf_fini(&out);
	return is_ra;
}

static void name_servers_and_domains_of_routers_are_read(void **state)
{
	static const uint8_t servers[40] = {
		25, 5,	  0,	0,	     0,		  0, 2,	   0x58, 0x20,
		1,  0x0d, 0xb8, [23] = 0x53, [24] = 0x20, 1, 0x0d, 0xb8, [39] = 0x54
	};
	static const uint8_t loopback[24] = { 25, 3, [4] = 1, [23] = 1 };
	static const uint8_t names[] = { 31,  4,   0,	0,   0xff, 0xff, 0xff, 0xff, 7,	  'e', 'x',
					 'a', 'm', 'p', 'l', 'e',  3,	 'n',  'e',  't', 0,   3,
					 'l', 'a', 'n', 0,   0,	   0,	 0,    0,    0,	  0 };
	char text[NET_IP_TEXT];

	(void)state;
	assert_true(advertise(servers, sizeof(servers), sizeof(servers), 0));
	assert_int_equal(ra.index, 2);
	assert_int_equal(ra.server_count, 2);
	assert_int_equal(ra.servers_sec, 600);
	net_ip_text(&ra.servers[1], false, text);
	assert_string_equal(text, "2001:db8::54");
	assert_true(advertise(names, sizeof(names), sizeof(names), 0));
	assert_string_equal(ra.search, "example.net lan");
	assert_true(ra.search_sec == UINT32_MAX);
	assert_false(advertise(loopback, sizeof(loopback), sizeof(loopback), 0));
	/* cut anywhere, and lengths that lie */
	for (size_t cut = 0; cut < sizeof(names); cut++)
		advertise(names, sizeof(names), sizeof(names) - cut, cut);
	assert_false(advertise(names, sizeof(names), sizeof(names) + 4, 0));
	assert_false(advertise(names, 8, 8, 0));
}

static void names_in_advertisements_are_names(void **state)
{
	static const uint8_t bad[][16] = {
		{ 31, 2, [8] = 3, 'a', '\n', 'b', 0 },
		{ 31, 2, [8] = 64, 'a', 'b', 'c', 0 },
		{ 31, 2, [8] = 7, 'a', 'b', 'c', 'd', 'e', 'f', 'g' },
		{ 31, 2, [8] = 3, 'a', 0, 'b', 0 },
		{ 31, 2, [8] = 0 },
		{ 25, 1 },
		{ 25, 0 },
		{ 31, 9, [8] = 1, 'a', 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (advertise(bad[i], 16, 16, 0))
			fail_msg("option %zu was taken: '%s'", i, ra.search);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_links_that_could_be_ours_count, fresh),
		cmocka_unit_test_setup(addresses_say_where_they_come_from, fresh),
		cmocka_unit_test_setup(routes_of_the_main_table_count, fresh),
		cmocka_unit_test_setup(tables_have_ends, fresh),
		cmocka_unit_test_setup(name_servers_and_domains_of_routers_are_read, fresh),
		cmocka_unit_test_setup(names_in_advertisements_are_names, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
