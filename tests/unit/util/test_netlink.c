/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink: what is built, what is refused while reading, and the kernel's answers to real requests. */
#include "unit_test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include "util/netlink.h"

static struct netlink_span span_of(const struct buf *b)
{
	return (struct netlink_span){ (const unsigned char *)b->data, b->len };
}

static void what_is_built_is_read_again(void **state)
{
	const struct ifinfomsg header = { .ifi_index = 7 };
	auto_buf out = BUF_INIT(4096);
	struct netlink_span rest, value, inner;
	struct netlink_message m;
	char text[16];
	uint32_t number;
	size_t begin = netlink_begin(&out, RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header)), nest;

	(void)state;
	netlink_put_text(&out, IFLA_IFNAME, "eth0");
	netlink_put_u32(&out, IFLA_MTU, 1500);
	netlink_put_be32(&out, 100, 1);
	netlink_put_u8(&out, 101, 9);
	nest = netlink_nest(&out, IFLA_LINKINFO);
	netlink_put_text(&out, IFLA_INFO_KIND, "veth");
	netlink_nest_end(&out, nest);
	netlink_end(&out, begin);
	begin = netlink_begin(&out, RTM_DELLINK, 0, &header, sizeof(header));
	netlink_end(&out, begin);
	assert_false(out.failed);

	rest = span_of(&out);
	assert_true(netlink_next(&rest, &m));
	assert_int_equal(m.type, RTM_NEWLINK);
	assert_int_equal(m.flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_memory_equal(m.data, &header, sizeof(header));
	assert_true(netlink_find(netlink_attrs(&m, sizeof(header)), IFLA_IFNAME, &value));
	assert_true(netlink_text(value, text, sizeof(text)));
	assert_string_equal(text, "eth0");
	assert_false(netlink_text(value, text, 4));
	assert_true(netlink_find(netlink_attrs(&m, sizeof(header)), IFLA_MTU, &value));
	assert_true(netlink_u32(value, &number));
	assert_int_equal(number, 1500);
	assert_true(netlink_find(netlink_attrs(&m, sizeof(header)), 100, &value));
	assert_memory_equal(value.data, "\0\0\0\1", 4);
	assert_true(netlink_find(netlink_attrs(&m, sizeof(header)), 101, &value));
	assert_int_equal(value.len, 1);
	assert_false(netlink_u32(value, &number));
	assert_true(netlink_find(netlink_attrs(&m, sizeof(header)), IFLA_LINKINFO, &value));
	assert_true(netlink_find(value, IFLA_INFO_KIND, &inner));
	assert_true(netlink_text(inner, text, sizeof(text)));
	assert_string_equal(text, "veth");
	assert_false(netlink_find(netlink_attrs(&m, sizeof(header)), IFLA_MASTER, &value));
	assert_true(netlink_next(&rest, &m));
	assert_int_equal(m.type, RTM_DELLINK);
	assert_int_equal(m.len, sizeof(header));
	assert_false(netlink_next(&rest, &m));
}

static void the_last_of_several_counts(void **state)
{
	auto_buf out = BUF_INIT(4096);
	struct netlink_span value;
	uint32_t number = 0;

	(void)state;
	netlink_put_u32(&out, 1, 10);
	netlink_put_u32(&out, 1, 20);
	assert_true(netlink_find(span_of(&out), 1, &value));
	assert_true(netlink_u32(value, &number));
	assert_int_equal(number, 20);
}

static void what_does_not_fit_fails_the_buffer(void **state)
{
	static char large[70000];
	auto_buf out = BUF_INIT(1 << 20);
	struct err err;
	size_t nest;

	(void)state;
	netlink_put(&out, 1, large, 65531);
	assert_false(out.failed);
	netlink_put(&out, 1, large, 65532);
	assert_true(out.failed);
	assert_int_equal(buf_check(&out, "request", &err), -1);
	buf_clear(&out);
	nest = netlink_nest(&out, 1);
	netlink_put(&out, 2, large, 40000);
	netlink_put(&out, 2, large, 40000);
	assert_false(out.failed);
	netlink_nest_end(&out, nest);
	assert_true(out.failed);
	netlink_nest_end(&out, nest);
	netlink_end(&out, nest);
}

/* Every cut of a message, in memory of exactly its size. */
static void cut_messages_are_not_read(void **state)
{
	const struct ifinfomsg header = { 0 };
	auto_buf out = BUF_INIT(4096);
	size_t begin = netlink_begin(&out, RTM_NEWLINK, 0, &header, sizeof(header));

	(void)state;
	netlink_put_text(&out, IFLA_IFNAME, "eth0");
	netlink_put_text(&out, IFLA_IFALIAS, "x");
	netlink_end(&out, begin);
	for (size_t len = 0; len <= out.len; len++) {
		unsigned char *copy = malloc(len ? len : 1);
		struct netlink_span rest = { copy, len }, value;
		struct netlink_message m;

		memcpy(copy, out.data, len);
		assert_int_equal(netlink_next(&rest, &m), len == out.len);
		/* and a shorter one that says so has fewer attributes */
		if (len >= sizeof(struct nlmsghdr)) {
			uint32_t said = (uint32_t)len;

			memcpy(copy, &said, sizeof(said));
			rest = (struct netlink_span){ copy, len };
			assert_true(netlink_next(&rest, &m));
			assert_int_equal(netlink_find(netlink_attrs(&m, sizeof(header)),
						      IFLA_IFALIAS, &value),
					 len >= out.len - 2);
		}
		free(copy);
	}
}

static void wrong_lengths_end_the_reading(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 3, 9, 65535 };
	struct netlink_attr attr;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct nlattr raw[2] = { { .nla_len = lengths[i], .nla_type = 1 } };
		struct netlink_span rest = { (unsigned char *)raw, sizeof(raw) };

		assert_false(netlink_attr_next(&rest, &attr));
	}
	for (uint32_t len = 0; len < sizeof(struct nlmsghdr); len++) {
		struct nlmsghdr raw = { .nlmsg_len = len };
		struct netlink_span rest = { (unsigned char *)&raw, sizeof(raw) };
		struct netlink_message m;

		assert_false(netlink_next(&rest, &m));
	}
}

static void text_needs_its_end(void **state)
{
	const struct netlink_span open = { (const unsigned char *)"abc", 3 }, none = { NULL, 0 };
	char text[8];

	(void)state;
	assert_false(netlink_text(open, text, sizeof(text)));
	assert_false(netlink_text(none, text, sizeof(text)));
}

/* --- with the kernel ----------------------------------------------------------------------------- */

struct seen {
	int links, begun;
	bool loopback;
	bool give_up;
};

static void again(void *arg)
{
	struct seen *seen = arg;

	seen->begun++;
	seen->links = 0;
}

static int on_link(const struct netlink_message *m, void *arg, struct err *err)
{
	struct seen *seen = arg;
	struct netlink_span value;
	char name[IFNAMSIZ];

	if (seen->give_up)
		return err_set(err, ERR_LIMIT, "enough");
	seen->links++;
	if (netlink_find(netlink_attrs(m, sizeof(struct ifinfomsg)), IFLA_IFNAME, &value) &&
	    netlink_text(value, name, sizeof(name)) && strcmp(name, "lo") == 0)
		seen->loopback = true;
	return 0;
}

static void a_dump_is_read_to_its_end(void **state)
{
	const struct ifinfomsg header = { 0 };
	struct seen seen = { 0 };
	const struct netlink_reader reader = { again, on_link, &seen };
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(4096);
	struct err err;

	(void)state;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, &err), 0);
	netlink_end(&out, netlink_begin(&out, RTM_GETLINK, 0, &header, sizeof(header)));
	assert_int_equal(netlink_dump(&nl, &out, &reader, &err), 0);
	assert_true(seen.loopback);
	assert_true(seen.begun >= 1);

	/* given up in the middle: the next one does not get the rest of it */
	seen = (struct seen){ .give_up = true };
	assert_int_equal(netlink_dump(&nl, &out, &reader, &err), -1);
	assert_string_equal(err.msg, "enough");
	seen = (struct seen){ 0 };
	assert_int_equal(netlink_dump(&nl, &out, &reader, &err), 0);
	assert_true(seen.loopback);
}

static void a_refused_dump_says_why(void **state)
{
	const struct ifinfomsg header = { 0 };
	struct seen seen = { 0 };
	const struct netlink_reader reader = { again, on_link, &seen };
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(4096);
	struct err err;

	(void)state;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, &err), 0);
	netlink_end(&out, netlink_begin(&out, 0xffff, 0, &header, sizeof(header)));
	assert_int_equal(netlink_dump(&nl, &out, &reader, &err), -1);
	assert_int_equal(err.sys_errno, EOPNOTSUPP);
}

static void put_rename(struct buf *out, int index, uint16_t flags)
{
	const struct ifinfomsg header = { .ifi_index = index };

	netlink_end(out, netlink_begin(out, RTM_SETLINK, flags, &header, sizeof(header)));
}

static void the_message_that_is_refused_is_known(void **state)
{
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(4096);
	struct err err;

	(void)state;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, &err), 0);
	put_rename(&out, 1, NLM_F_ACK);
	assert_int_equal(netlink_request(&nl, &out, &err), 0);
	put_rename(&out, 12345, NLM_F_ACK);
	put_rename(&out, 1, NLM_F_ACK);
	assert_int_equal(netlink_request(&nl, &out, &err), -1);
	assert_int_equal(err.sys_errno, ENODEV);
	assert_int_equal(nl.failed, 1);
	/* its answers have been read: the next request gets its own */
	buf_clear(&out);
	put_rename(&out, 1, NLM_F_ACK);
	assert_int_equal(netlink_request(&nl, &out, &err), 0);
	buf_clear(&out);
	put_rename(&out, 1, 0);
	assert_int_equal(netlink_request(&nl, &out, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
}

static void too_large_requests_are_refused(void **state)
{
	static char large[60000];
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(NETLINK_MESSAGES_MAX), small = BUF_INIT(8);
	const struct ifinfomsg header = { 0 };
	struct err err;
	const int bytes = 4096;
	size_t begin;

	(void)state;
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, &err), 0);
	setsockopt(nl.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	begin = netlink_begin(&out, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));
	netlink_put(&out, IFLA_IFALIAS, large, sizeof(large));
	netlink_end(&out, begin);
	assert_int_equal(netlink_request(&nl, &out, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	netlink_begin(&small, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));
	assert_int_equal(netlink_request(&nl, &small, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void notifications_are_heard(void **state)
{
	auto_netlink nl = { .fd = -1 }, ears = { .fd = -1 };
	auto_buf out = BUF_INIT(4096);
	const struct ifinfomsg up = { .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	const unsigned char *data;
	struct netlink_span rest;
	struct netlink_message m;
	struct err err;
	size_t len;

	(void)state;
	assert_int_equal(netlink_open(&ears, NETLINK_ROUTE, &err), 0);
	assert_int_equal(netlink_join(&ears, RTNLGRP_LINK, 65536, &err), 0);
	assert_int_equal(netlink_heard(&ears, &data, &len, &err), 0);
	assert_int_equal(netlink_open(&nl, NETLINK_ROUTE, &err), 0);
	netlink_end(&out, netlink_begin(&out, RTM_NEWLINK, NLM_F_ACK, &up, sizeof(up)));
	assert_int_equal(netlink_request(&nl, &out, &err), 0);
	assert_int_equal(netlink_heard(&ears, &data, &len, &err), 1);
	rest = (struct netlink_span){ data, len };
	assert_true(netlink_next(&rest, &m));
	assert_int_equal(m.type, RTM_NEWLINK);
	assert_int_equal(netlink_join(&ears, 100000, 0, &err), -1);
}

static void a_strange_family_is_refused(void **state)
{
	auto_netlink nl = { .fd = -1 };
	struct err err;

	(void)state;
	assert_int_equal(netlink_open(&nl, 200, &err), -1);
	assert_non_null(strstr(err.msg, "netlink socket 200"));
	netlink_close(&nl);
	netlink_close(&nl);
}

/* A network of our own, where what is asked for may be done. */
static int own_network(void **state)
{
	(void)state;
	return unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_is_read_again),
		cmocka_unit_test(the_last_of_several_counts),
		cmocka_unit_test(what_does_not_fit_fails_the_buffer),
		cmocka_unit_test(cut_messages_are_not_read),
		cmocka_unit_test(wrong_lengths_end_the_reading),
		cmocka_unit_test(text_needs_its_end),
		cmocka_unit_test(a_dump_is_read_to_its_end),
		cmocka_unit_test(a_refused_dump_says_why),
		cmocka_unit_test(the_message_that_is_refused_is_known),
		cmocka_unit_test(too_large_requests_are_refused),
		cmocka_unit_test(notifications_are_heard),
		cmocka_unit_test(a_strange_family_is_refused),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
