/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the kernel's connections have to be forgotten. */
#include "net_fixture.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "net/conntrack.h"

static struct conntrack_wish wish;

static void put_tuple(struct buf *out, uint16_t type, const char *from, const char *to,
		      uint8_t protocol, uint16_t port)
{
	const struct in_addr source = ip(from), target = ip(to);
	const uint16_t number = htons(port);
	size_t tuple = netlink_nest(out, type), nest = netlink_nest(out, CTA_TUPLE_IP);

	netlink_put(out, CTA_IP_V4_SRC, &source, 4);
	netlink_put(out, CTA_IP_V4_DST, &target, 4);
	netlink_nest_end(out, nest);
	nest = netlink_nest(out, CTA_TUPLE_PROTO);
	netlink_put_u8(out, CTA_PROTO_NUM, protocol);
	if (port)
		netlink_put(out, CTA_PROTO_DST_PORT, &number, 2);
	netlink_nest_end(out, nest);
	netlink_nest_end(out, tuple);
}

/* from -> to:port, answered by answer_from -> answer_to. */
static bool is_wished(uint8_t protocol, const char *from, const char *to, uint16_t port,
		      const char *answer_from, const char *answer_to)
{
	const struct nfgenmsg header = { .nfgen_family = AF_INET };
	auto_buf out = BUF_INIT(4096);
	struct netlink_span rest, tuple;
	struct netlink_message m;
	size_t begin = netlink_begin(&out, 0, 0, &header, sizeof(header));

	put_tuple(&out, CTA_TUPLE_ORIG, from, to, protocol, port);
	put_tuple(&out, CTA_TUPLE_REPLY, answer_from, answer_to, protocol, 5555);
	netlink_end(&out, begin);
	rest = (struct netlink_span){ (unsigned char *)out.data, out.len };
	assert_true(netlink_next(&rest, &m));
	return conntrack_is_wished(&wish, &m, &tuple);
}

static void connections_of_a_container_that_is_gone(void **state)
{
	(void)state;
	wish = (struct conntrack_wish){ 0 };
	conntrack_add_address(&wish, ip("10.88.0.5"));
	assert_true(
		is_wished(IPPROTO_TCP, "192.0.2.2", "192.0.2.1", 8000, "10.88.0.5", "192.0.2.2"));
	assert_true(is_wished(IPPROTO_TCP, "10.88.0.5", "1.1.1.1", 443, "1.1.1.1", "192.0.2.1"));
	assert_true(is_wished(IPPROTO_ICMP, "10.88.0.5", "1.1.1.1", 0, "1.1.1.1", "192.0.2.1"));
	assert_false(
		is_wished(IPPROTO_TCP, "192.0.2.2", "192.0.2.1", 8000, "10.88.0.6", "192.0.2.2"));
}

static void udp_to_a_port_that_changed(void **state)
{
	(void)state;
	wish = (struct conntrack_wish){ 0 };
	conntrack_add_udp_port(&wish, 53);
	/* to the appliance itself, or to a container that had the port */
	assert_true(is_wished(IPPROTO_UDP, "192.0.2.2", "192.0.2.1", 53, "192.0.2.1", "192.0.2.2"));
	assert_true(is_wished(IPPROTO_UDP, "192.0.2.2", "192.0.2.1", 53, "10.88.0.5", "192.0.2.2"));
	/* a container asks a name server in the world */
	assert_false(is_wished(IPPROTO_UDP, "10.88.0.5", "1.1.1.1", 53, "1.1.1.1", "192.0.2.1"));
	assert_false(
		is_wished(IPPROTO_TCP, "192.0.2.2", "192.0.2.1", 53, "10.88.0.5", "192.0.2.2"));
	assert_false(
		is_wished(IPPROTO_UDP, "192.0.2.2", "192.0.2.1", 54, "10.88.0.5", "192.0.2.2"));
	conntrack_add_udp_port(&wish, 65535);
	assert_true(
		is_wished(IPPROTO_UDP, "192.0.2.2", "192.0.2.1", 65535, "10.88.0.5", "192.0.2.2"));
}

static void half_a_message_is_not_believed(void **state)
{
	const struct nfgenmsg header = { .nfgen_family = AF_INET };
	struct netlink_span tuple;
	struct netlink_message m = { .data = (const unsigned char *)&header,
				     .len = sizeof(header) };
	auto_buf out = BUF_INIT(4096);
	struct netlink_span rest;
	size_t begin = netlink_begin(&out, 0, 0, &header, sizeof(header));

	(void)state;
	wish = (struct conntrack_wish){ 0 };
	conntrack_add_address(&wish, ip("10.88.0.5"));
	assert_false(conntrack_is_wished(&wish, &m, &tuple));
	m.len = 1;
	assert_false(conntrack_is_wished(&wish, &m, &tuple));
	put_tuple(&out, CTA_TUPLE_ORIG, "10.88.0.5", "10.88.0.5", IPPROTO_TCP, 1);
	netlink_put(&out, CTA_TUPLE_REPLY, "abcd", 4);
	netlink_end(&out, begin);
	rest = (struct netlink_span){ (unsigned char *)out.data, out.len };
	assert_true(netlink_next(&rest, &m));
	assert_false(conntrack_is_wished(&wish, &m, &tuple));
}

static void more_addresses_than_there_is_room_for(void **state)
{
	(void)state;
	wish = (struct conntrack_wish){ 0 };
	for (uint32_t i = 0; i < CONNTRACK_MAX_ADDRESSES + 10; i++)
		conntrack_add_address(&wish, (struct in_addr){ i });
	assert_int_equal(wish.address_count, CONNTRACK_MAX_ADDRESSES);
}

static void nothing_wished_is_nothing_asked(void **state)
{
	struct netlink nl = { .fd = -1 }; /* would fail */
	struct err err;

	(void)state;
	wish = (struct conntrack_wish){ 0 };
	assert_int_equal(conntrack_forget(&nl, &wish, &err), 0);
	conntrack_add_udp_port(&wish, 1);
	assert_int_equal(conntrack_forget(&nl, &wish, &err), -1);
	assert_non_null(strstr(err.msg, "conntrack: "));
}

static void the_kernels_list_is_read(void **state)
{
	auto_netlink nl = { .fd = -1 };
	struct err err;

	(void)state;
	wish = (struct conntrack_wish){ 0 };
	conntrack_add_udp_port(&wish, 1);
	assert_int_equal(netlink_open(&nl, NETLINK_NETFILTER, &err), 0);
	assert_int_equal(conntrack_forget(&nl, &wish, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_a_container_that_is_gone),
		cmocka_unit_test(udp_to_a_port_that_changed),
		cmocka_unit_test(half_a_message_is_not_believed),
		cmocka_unit_test(more_addresses_than_there_is_room_for),
		cmocka_unit_test(nothing_wished_is_nothing_asked),
		cmocka_unit_test(the_kernels_list_is_read),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
