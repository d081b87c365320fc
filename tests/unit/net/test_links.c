/* SPDX-License-Identifier: Apache-2.0 */
/* What is read out of the kernel's messages about links, addresses and routes. */
#include "net_fixture.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "net/links.h"

static struct net_found found;

static int fresh(void **state)
{
	(void)state;
	found = (struct net_found){ 0 };
	return 0;
}

static int done(void **state)
{
	(void)state;
	net_found_fini(&found);
	return 0;
}

/* Exactly its size, so that a read beyond it is seen. */
static int read_message(const struct buf *out, size_t cut)
{
	struct netlink_span rest;
	struct netlink_message m;
	struct err err;
	unsigned char *copy = malloc(out->len - cut);
	uint32_t len = (uint32_t)(out->len - cut);
	int rc;

	memcpy(copy, out->data, len);
	memcpy(copy, &len, sizeof(len));
	rest = (struct netlink_span){ copy, len };
	assert_true(netlink_next(&rest, &m));
	rc = net_found_message(&found, &m, &err);
	free(copy);
	return rc;
}

static void put_link(struct buf *out, int index, const char *name, const char *kind,
		     uint32_t master)
{
	const struct ifinfomsg header = { .ifi_index = index, .ifi_flags = IFF_UP };
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	const uint32_t ipv4[32] = { [25] = 1 }, ipv6[32] = { [26] = 1 };
	size_t begin = netlink_begin(out, RTM_NEWLINK, 0, &header, sizeof(header)), info, family,
	       data;

	netlink_put_text(out, IFLA_IFNAME, name);
	netlink_put_u32(out, IFLA_MTU, 1400);
	netlink_put(out, IFLA_ADDRESS, mac, sizeof(mac));
	if (master)
		netlink_put_u32(out, IFLA_MASTER, master);
	info = netlink_nest(out, IFLA_LINKINFO);
	netlink_put_text(out, IFLA_INFO_KIND, kind);
	if (master) {
		data = netlink_nest(out, IFLA_INFO_SLAVE_DATA);
		netlink_put_u8(out, IFLA_BRPORT_MODE, 1);
		netlink_nest_end(out, data);
	}
	netlink_nest_end(out, info);
	info = netlink_nest(out, IFLA_AF_SPEC);
	family = netlink_nest(out, AF_INET);
	netlink_put(out, IFLA_INET_CONF, ipv4, sizeof(ipv4));
	netlink_nest_end(out, family);
	family = netlink_nest(out, AF_INET6);
	netlink_put(out, IFLA_INET6_CONF, ipv6, sizeof(ipv6));
	netlink_nest_end(out, family);
	netlink_nest_end(out, info);
	netlink_end(out, begin);
}

static void put_address(struct buf *out, uint8_t family, uint32_t index, const void *address,
			size_t len, uint8_t prefix)
{
	const struct ifaddrmsg header = { .ifa_family = family,
					  .ifa_index = index,
					  .ifa_prefixlen = prefix };
	size_t begin = netlink_begin(out, RTM_NEWADDR, 0, &header, sizeof(header));

	netlink_put(out, IFA_LOCAL, address, len);
	netlink_put(out, IFA_ADDRESS, address, len);
	netlink_end(out, begin);
}

static void put_route(struct buf *out, const struct rtmsg *header, const void *to, size_t len,
		      uint32_t index)
{
	size_t begin = netlink_begin(out, RTM_NEWROUTE, 0, header, sizeof(*header));

	if (len)
		netlink_put(out, RTA_DST, to, len);
	if (index)
		netlink_put_u32(out, RTA_OIF, index);
	netlink_end(out, begin);
}

static void links_are_read(void **state)
{
	auto_buf out = BUF_INIT(4096);

	(void)state;
	put_link(&out, 3, "cleat0", "bridge", 0);
	assert_int_equal(read_message(&out, 0), 0);
	buf_clear(&out);
	put_link(&out, 4, "v1", "veth", 3);
	assert_int_equal(read_message(&out, 0), 0);
	assert_int_equal(found.link_count, 2);
	assert_string_equal(found.links[0].name, "cleat0");
	assert_string_equal(found.links[0].kind, "bridge");
	assert_true(found.links[0].up && found.links[0].route_localnet && found.links[0].ipv6_off);
	assert_false(found.links[0].hairpin);
	assert_int_equal(found.links[0].mtu, 1400);
	assert_int_equal(found.links[0].mac[5], 1);
	assert_int_equal(found.links[1].master, 3);
	assert_true(found.links[1].hairpin);
	assert_true(net_link_is_ours(&found, 3) && net_link_is_ours(&found, 4));
}

/* Cut anywhere: fewer facts, never more, never a read outside. */
static void cut_links_are_harmless(void **state)
{
	auto_buf out = BUF_INIT(4096);

	(void)state;
	put_link(&out, 4, "v1", "veth", 3);
	for (size_t cut = 0; cut <= out.len - sizeof(struct nlmsghdr); cut++) {
		assert_int_equal(read_message(&out, cut), 0);
		for (size_t i = 0; i < found.link_count; i++)
			assert_string_equal(found.links[i].name, "v1");
		net_found_fini(&found);
	}
}

static void addresses_and_routes_are_read(void **state)
{
	auto_buf out = BUF_INIT(4096);
	const struct in_addr address = ip("10.88.0.1"), net = ip("10.88.0.0");
	const uint8_t six[16] = { 0x20, 1 };
	struct rtmsg header = { .rtm_family = AF_INET,
				.rtm_table = RT_TABLE_MAIN,
				.rtm_type = RTN_UNICAST,
				.rtm_dst_len = 16 };

	(void)state;
	put_address(&out, AF_INET, 3, &address, 4, 16);
	assert_int_equal(read_message(&out, 0), 0);
	buf_clear(&out);
	put_address(&out, AF_INET6, 3, six, 16, 64);
	assert_int_equal(read_message(&out, 0), 0);
	assert_int_equal(found.address_count, 1);
	assert_int_equal(found.addresses[0].index, 3);
	assert_int_equal(found.addresses[0].prefix, 16);
	buf_clear(&out);
	put_route(&out, &header, &net, 4, 3);
	assert_int_equal(read_message(&out, 0), 0);
	assert_int_equal(found.route_count, 1);
	assert_int_equal(found.routes[0].index, 3);
	assert_int_equal(found.routes[0].prefix, 16);
	assert_false(found.has_default_route);
	/* tables and types that do not lead anywhere */
	buf_clear(&out);
	header.rtm_table = RT_TABLE_LOCAL;
	put_route(&out, &header, &net, 4, 3);
	assert_int_equal(read_message(&out, 0), 0);
	header.rtm_table = RT_TABLE_MAIN;
	header.rtm_type = RTN_BLACKHOLE;
	buf_clear(&out);
	put_route(&out, &header, &net, 4, 3);
	assert_int_equal(read_message(&out, 0), 0);
	header.rtm_type = RTN_UNICAST;
	header.rtm_dst_len = 200;
	buf_clear(&out);
	put_route(&out, &header, &net, 4, 3);
	assert_int_equal(read_message(&out, 0), 0);
	header.rtm_dst_len = 16;
	buf_clear(&out);
	put_route(&out, &header, six, 16, 3);
	assert_int_equal(read_message(&out, 0), 0);
	assert_int_equal(found.route_count, 1);
	/* the default */
	header.rtm_dst_len = 0;
	buf_clear(&out);
	put_route(&out, &header, NULL, 0, 2);
	assert_int_equal(read_message(&out, 0), 0);
	assert_true(found.has_default_route);
	assert_int_equal(found.route_count, 1);
}

static void an_ipv6_default_route_is_one(void **state)
{
	auto_buf out = BUF_INIT(4096);
	const struct rtmsg header = { .rtm_family = AF_INET6,
				      .rtm_table = RT_TABLE_MAIN,
				      .rtm_type = RTN_UNICAST };

	(void)state;
	put_route(&out, &header, NULL, 0, 2);
	assert_int_equal(read_message(&out, 0), 0);
	assert_true(found.has_default_route);
}

static void only_what_others_have_counts_for_the_digest(void **state)
{
	auto_buf out = BUF_INIT(4096);
	const struct in_addr address = ip("10.88.0.1");
	uint64_t before;

	(void)state;
	put_link(&out, 3, "cleat0", "bridge", 0);
	assert_int_equal(read_message(&out, 0), 0);
	before = found.foreign;
	buf_clear(&out);
	put_address(&out, AF_INET, 3, &address, 4, 16);
	assert_int_equal(read_message(&out, 0), 0);
	assert_true(found.foreign == before);
	buf_clear(&out);
	put_address(&out, AF_INET, 2, &address, 4, 16);
	assert_int_equal(read_message(&out, 0), 0);
	assert_true(found.foreign != before);
}

static void what_cannot_be_is_passed_over(void **state)
{
	static const uint16_t types[] = { RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_DELLINK,
					  RTM_NEWNEIGH };
	const uint32_t zero = 0;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct netlink_message m = { .type = types[i],
						   .data = (const unsigned char *)&zero,
						   .len = 4 };

		assert_int_equal(net_found_message(&found, &m, &err), 0);
	}
	assert_int_equal(found.link_count + found.address_count + found.route_count, 0);
}

static void there_is_a_bound(void **state)
{
	auto_buf out = BUF_INIT(4096);
	const struct in_addr address = ip("10.88.0.1");
	int rc = 0;

	(void)state;
	put_address(&out, AF_INET, 3, &address, 4, 16);
	for (int i = 0; i < NET_MAX_FOUND && rc == 0; i++)
		rc = read_message(&out, 0);
	assert_int_equal(rc, 0);
	assert_int_equal(found.address_count, NET_MAX_FOUND);
	assert_int_equal(read_message(&out, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_are_read),
		TEST(cut_links_are_harmless),
		TEST(addresses_and_routes_are_read),
		TEST(an_ipv6_default_route_is_one),
		TEST(only_what_others_have_counts_for_the_digest),
		TEST(what_cannot_be_is_passed_over),
		TEST(there_is_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
