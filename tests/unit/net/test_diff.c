/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted and found -> operations, as text. */
#include "unit_test.h"

#include <arpa/inet.h>

#include "net/diff.h"
#include "net/plan.h"

static struct in_addr ip(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static struct net_bridge bridge(const char *name, const char *address, uint8_t prefix)
{
	struct net_bridge b = { .address = ip(address), .prefix = prefix, .isolate = true };

	snprintf(b.name, sizeof(b.name), "%s", name);
	return b;
}

static struct net_found_link link_of(uint32_t index, const char *name, const char *kind,
				     uint32_t master)
{
	struct net_found_link l = { .index = index, .master = master, .mtu = 1500, .up = true };

	snprintf(l.name, sizeof(l.name), "%s", name);
	snprintf(l.kind, sizeof(l.kind), "%s", kind);
	return l;
}

/* As we would have left it. */
static struct net_found_link our_bridge(uint32_t index, const char *name, const char *address)
{
	struct net_found_link l = link_of(index, name, "bridge", 0);

	net_address_mac(ip(address), l.mac);
	l.route_localnet = l.ipv6_off = true;
	return l;
}

static struct net_endpoint end_of(const char *link, const char *on)
{
	struct net_endpoint e = { .mac = { 0x0a } };

	snprintf(e.link, sizeof(e.link), "%s", link);
	snprintf(e.bridge, sizeof(e.bridge), "%s", on);
	return e;
}

static void assert_ops(const struct net_wanted *w, const struct net_found *f, bool sweep,
		       const char *expected)
{
	auto_buf text = BUF_INIT(65536);
	struct net_ops ops;
	struct err err;

	assert_int_equal(net_diff(w, f, sweep, &ops, &err), 0);
	for (size_t i = 0; i < ops.count; i++)
		net_op_print(&ops.items[i], &text);
	net_ops_fini(&ops);
	assert_string_equal(buf_str(&text), expected);
}

static void a_new_bridge(void **state)
{
	struct net_bridge b = bridge("cleat0", "10.88.0.1", 16);
	struct net_wanted w = { .bridges = &b, .bridge_count = 1 };
	struct net_found_link links[] = { link_of(1, "lo", "", 0), link_of(2, "eth0", "", 0) };
	struct net_found f = { .links = links, .link_count = 2 };

	(void)state;
	assert_ops(&w, &f, false,
		   "add bridge cleat0 mac 0a:58:0a:58:00:01\n"
		   "ipv6 off cleat0\n"
		   "route_localnet cleat0\n"
		   "add address cleat0 10.88.0.1/16\n"
		   "up cleat0\n");
	b.mtu = 1400;
	assert_ops(&w, &f, false,
		   "add bridge cleat0 mac 0a:58:0a:58:00:01\n"
		   "set cleat0 mtu 1400\n"
		   "ipv6 off cleat0\n"
		   "route_localnet cleat0\n"
		   "add address cleat0 10.88.0.1/16\n"
		   "up cleat0\n");
}

static void what_stands_is_left_alone(void **state)
{
	struct net_bridge b = bridge("cleat0", "10.88.0.1", 16);
	struct net_endpoint e = end_of("v1", "cleat0");
	struct net_wanted w = {
		.bridges = &b, .bridge_count = 1, .endpoints = &e, .endpoint_count = 1
	};
	struct net_found_link links[] = { our_bridge(3, "cleat0", "10.88.0.1"),
					  link_of(4, "v1", "veth", 3) };
	struct net_found_address addresses[] = { { 3, ip("10.88.0.1"), 16 } };
	struct net_found_route routes[] = { { 3, ip("10.88.0.0"), 16 } };
	struct net_found f = { .links = links,
			       .link_count = 2,
			       .addresses = addresses,
			       .address_count = 1,
			       .routes = routes,
			       .route_count = 1 };

	(void)state;
	assert_ops(&w, &f, false, "");
	assert_ops(&w, &f, true, "");
	/* an end that the runtime has yet to make */
	f.link_count = 1;
	assert_ops(&w, &f, false, "");
}

static void what_was_changed_is_put_right(void **state)
{
	struct net_bridge b = bridge("cleat0", "10.88.0.1", 16);
	struct net_endpoint e = end_of("v1", "cleat0");
	struct net_wanted w = {
		.bridges = &b, .bridge_count = 1, .endpoints = &e, .endpoint_count = 1
	};
	struct net_found_link links[] = { link_of(3, "cleat0", "bridge", 0),
					  link_of(4, "v1", "veth", 0) };
	struct net_found_address addresses[] = { { 3, ip("10.1.0.1"), 24 },
						 { 3, ip("10.88.0.1"), 24 },
						 { 2, ip("10.9.0.1"), 24 } };
	struct net_found f = { .links = links,
			       .link_count = 2,
			       .addresses = addresses,
			       .address_count = 3,
			       .br_netfilter = true };

	(void)state;
	b.mtu = 9000;
	links[0].up = links[1].up = false;
	assert_ops(&w, &f, false,
		   "delete address cleat0 10.1.0.1/24\n"
		   "delete address cleat0 10.88.0.1/24\n"
		   "set cleat0 mac 0a:58:0a:58:00:01\n"
		   "set cleat0 mtu 9000\n"
		   "ipv6 off cleat0\n"
		   "route_localnet cleat0\n"
		   "add address cleat0 10.88.0.1/16\n"
		   "up cleat0\n"
		   "join v1 cleat0\n"
		   "up v1\n"
		   "hairpin v1\n");
	links[1].hairpin = true;
	f.br_netfilter = false;
	links[1].master = 3;
	links[0] = our_bridge(3, "cleat0", "10.88.0.1");
	links[0].mtu = 9000;
	addresses[0] = (struct net_found_address){ 3, ip("10.88.0.1"), 16 };
	f.address_count = 1;
	assert_ops(&w, &f, false, "up v1\n");
}

static void what_nobody_wants_goes(void **state)
{
	struct net_bridge b = bridge("cleat-1", "10.89.0.1", 24);
	struct net_wanted w = { .bridges = &b, .bridge_count = 1 };
	struct net_found_link links[] = {
		our_bridge(3, "cleat0", "10.88.0.1"), our_bridge(4, "cleat-old", "10.89.9.1"),
		link_of(5, "v1", "veth", 3),	      our_bridge(6, "cleat-1", "10.89.0.1"),
		link_of(7, "other0", "bridge", 0),    link_of(8, "v2", "veth", 7),
		link_of(9, "cleat-not", "dummy", 0)
	};
	struct net_found_address addresses[] = { { 6, ip("10.89.0.1"), 24 } };
	struct net_found f = {
		.links = links, .link_count = 7, .addresses = addresses, .address_count = 1
	};

	assert_true(net_has_other_bridge(&f));
	f.link_count = 4;
	assert_false(net_has_other_bridge(&f));
	f.link_count = 7;
	static const struct net_wanted none;

	(void)state;
	/* a bridge on which something hangs stays until that has gone; it says nothing any more */
	assert_ops(&w, &f, false, "down v1\ndelete link cleat-old\n");
	links[2].up = false;
	assert_ops(&w, &f, false, "delete link cleat-old\n");
	assert_ops(&w, &f, true, "delete link v1\ndelete link cleat0\ndelete link cleat-old\n");
	assert_ops(
		&none, &f, true,
		"delete link v1\ndelete link cleat0\ndelete link cleat-old\ndelete link cleat-1\n");
}

static void overlaps_name_both(void **state)
{
	struct net_bridge b[] = { bridge("cleat0", "10.88.0.1", 16),
				  bridge("cleat-1", "10.89.0.1", 24),
				  bridge("cleat-2", "10.89.0.129", 25) };
	struct net_wanted w = { .bridges = b, .bridge_count = 3 };
	struct net_found_link links[] = { link_of(2, "eth0", "", 0) };
	struct net_found_route routes[] = { { 2, ip("10.88.7.0"), 24 },
					    { 2, ip("192.0.2.0"), 24 } };
	struct net_found f = { .links = links, .link_count = 1, .routes = routes, .route_count = 2 };

	(void)state;
	assert_ops(
		&w, &f, false,
		"refuse cleat0: cleat0: 10.88.0.0/16 overlaps the route 10.88.7.0/24 of eth0\n"
		"add bridge cleat-1 mac 0a:58:0a:59:00:01\n"
		"ipv6 off cleat-1\n"
		"route_localnet cleat-1\n"
		"add address cleat-1 10.89.0.1/24\n"
		"up cleat-1\n"
		"refuse cleat-2: cleat-2: 10.89.0.128/25 overlaps the subnet 10.89.0.0/24 of cleat-1\n");
	w.bridge_count = 1;
	routes[0] = (struct net_found_route){ 0, ip("10.0.0.0"), 8 };
	assert_ops(
		&w, &f, false,
		"refuse cleat0: cleat0: 10.88.0.0/16 overlaps the route 10.0.0.0/8 of this machine\n");
}

static void a_subnet_may_move_from_one_bridge_to_another(void **state)
{
	struct net_bridge b = bridge("cleat-2", "10.89.0.1", 24);
	struct net_endpoint e = end_of("v1", "cleat-1");
	struct net_wanted w = { .bridges = &b, .bridge_count = 1 };
	struct net_found_link links[] = { our_bridge(3, "cleat-1", "10.89.0.1"),
					  link_of(4, "v1", "veth", 3) };
	struct net_found_address addresses[] = { { 3, ip("10.89.0.1"), 24 } };
	struct net_found_route routes[] = { { 3, ip("10.89.0.0"), 24 } };
	struct net_found f = { .links = links,
			       .link_count = 1,
			       .addresses = addresses,
			       .address_count = 1,
			       .routes = routes,
			       .route_count = 1 };

	(void)state;
	assert_ops(&w, &f, false,
		   "delete link cleat-1\n"
		   "add bridge cleat-2 mac 0a:58:0a:59:00:01\n"
		   "ipv6 off cleat-2\n"
		   "route_localnet cleat-2\n"
		   "add address cleat-2 10.89.0.1/24\n"
		   "up cleat-2\n");
	/* it does not wait for what is left of the old one */
	f.link_count = 2;
	assert_ops(&w, &f, false,
		   "down v1\n"
		   "delete link v1\n"
		   "delete link cleat-1\n"
		   "add bridge cleat-2 mac 0a:58:0a:59:00:01\n"
		   "ipv6 off cleat-2\n"
		   "route_localnet cleat-2\n"
		   "add address cleat-2 10.89.0.1/24\n"
		   "up cleat-2\n");
	/* but for a container that is still on it */
	w.endpoints = &e;
	w.endpoint_count = 1;
	assert_ops(
		&w, &f, false,
		"refuse cleat-2: cleat-2: 10.89.0.0/24 overlaps the route 10.89.0.0/24 of cleat-1\n");
}

static void somebody_elses_link_is_left_alone(void **state)
{
	struct net_bridge b = bridge("cleat0", "10.88.0.1", 16);
	struct net_endpoint e = end_of("v1", "cleat0");
	struct net_wanted w = {
		.bridges = &b, .bridge_count = 1, .endpoints = &e, .endpoint_count = 1
	};
	struct net_found_link links[] = { link_of(3, "cleat0", "dummy", 0),
					  link_of(4, "v1", "vlan", 0) };
	struct net_found f = { .links = links, .link_count = 2 };

	(void)state;
	assert_ops(&w, &f, true,
		   "refuse cleat0: cleat0: a link of this name is there, and it is no bridge\n");
	assert_false(net_link_is_ours(&f, 3));
	assert_false(net_link_is_ours(&f, 99));
}

static void names_of_ours(void **state)
{
	(void)state;
	assert_true(net_is_ours("cleat0"));
	assert_true(net_is_ours("cleat-abc"));
	assert_false(net_is_ours("cleat1"));
	assert_false(net_is_ours("cleat"));
	assert_false(net_is_ours("eth0"));
}

/* The most that may be asked for. */
static void many_ends(void **state)
{
	struct net_bridge b = bridge("cleat0", "10.88.0.1", 16);
	struct net_endpoint *ends = calloc(1000, sizeof(*ends));
	struct net_found_link *links = calloc(1001, sizeof(*links));
	struct net_found_address addresses[] = { { 1, ip("10.88.0.1"), 16 } };
	struct net_wanted w = {
		.bridges = &b, .bridge_count = 1, .endpoints = ends, .endpoint_count = 1000
	};
	struct net_found f = {
		.links = links, .link_count = 1001, .addresses = addresses, .address_count = 1
	};
	struct net_ops ops;
	struct err err;

	(void)state;
	links[0] = our_bridge(1, "cleat0", "10.88.0.1");
	for (int i = 0; i < 1000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		ends[i] = end_of(name, "cleat0");
		links[i + 1] = link_of((uint32_t)i + 2, name, "veth", 0);
	}
	assert_int_equal(net_diff(&w, &f, false, &ops, &err), 0);
	assert_int_equal(ops.count, 1000);
	assert_int_equal(ops.items[999].kind, NET_OP_MASTER);
	assert_string_equal(ops.items[999].link, "v999");
	assert_int_equal(ops.items[999].wanted, 0);
	net_ops_fini(&ops);
	free(ends);
	free(links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_bridge),
		cmocka_unit_test(what_stands_is_left_alone),
		cmocka_unit_test(what_was_changed_is_put_right),
		cmocka_unit_test(what_nobody_wants_goes),
		cmocka_unit_test(overlaps_name_both),
		cmocka_unit_test(a_subnet_may_move_from_one_bridge_to_another),
		cmocka_unit_test(somebody_elses_link_is_left_alone),
		cmocka_unit_test(names_of_ours),
		cmocka_unit_test(many_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
