/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, containers and ports in; the wanted state as text out. The same input gives the same bytes. */
#include "unit_test.h"

#include <arpa/inet.h>

#include "net/plan.h"
#include "util/str.h"

#define MAX 8

struct fixture {
	struct net_network networks[MAX];
	size_t network_count;
	struct net_container containers[MAX];
	size_t container_count;
	struct net_attached *list[MAX];
	struct net_block routes[MAX];
	struct net_plan_facts facts;
	struct net_leases leases;
	struct net_taken wishes;
	struct arena arena;
	struct err err;
	struct buf said;
};

static struct in_addr ip(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return address;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->facts = (struct net_plan_facts){ .routes = f->routes,
					    .port_first = 32768,
					    .port_last = 60999 };
	f->said = (struct buf)BUF_INIT(4096);
	f->networks[f->network_count++] =
		(struct net_network){ .name = NET_DEFAULT, .label = "the default network" };
	assert_true(net_block_parse("10.88.0.0/16", &f->networks[0].subnet));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MAX; i++) {
		if (f->list[i])
			net_attached_fini(f->list[i]);
		free(f->list[i]);
	}
	net_leases_fini(&f->leases);
	arena_fini(&f->arena);
	buf_fini(&f->said);
	free(f);
	return 0;
}

static struct net_network *network(struct fixture *f, const char *name, const char *subnet)
{
	struct net_network *n = &f->networks[f->network_count++];

	*n = (struct net_network){ .name = name,
				   .label = arena_printf(&f->arena, "%s.network", name) };
	if (subnet)
		assert_true(net_block_parse(subnet, &n->subnet));
	return n;
}

static void plan(struct fixture *f)
{
	net_plan_networks(f->networks, f->network_count, &f->leases, &f->facts, &f->arena);
}

static struct net_container *container(struct fixture *f, const char *name, const char *network)
{
	struct net_container *c = &f->containers[f->container_count++];
	struct net_join *join = arena_new(&f->arena, struct net_join);

	join->network = network;
	*c = (struct net_container){ .name = name,
				     .label = arena_printf(&f->arena, "%s.container", name),
				     .boot = true,
				     .joins = join,
				     .join_count = network ? 1 : 0 };
	return c;
}

static struct net_join *join(struct fixture *f, struct net_container *c, const char *network)
{
	struct net_join *joins = arena_alloc(&f->arena, (c->join_count + 1) * sizeof(*joins));

	if (c->join_count)
		memcpy(joins, c->joins, c->join_count * sizeof(*joins));
	joins[c->join_count].network = network;
	c->joins = joins;
	return &joins[c->join_count++];
}

/* "127.0.0.1" or "", host port (0: chosen), port inside, how many. */
static void publish(struct fixture *f, struct net_container *c, bool udp, const char *host,
		    uint16_t from, uint16_t to, uint16_t count)
{
	struct net_publish *ports = arena_alloc(&f->arena, (c->port_count + 1) * sizeof(*ports));

	if (c->port_count)
		memcpy(ports, c->ports, c->port_count * sizeof(*ports));
	ports[c->port_count] = (struct net_publish){
		.label = arena_printf(&f->arena, "%s:%zu", c->label, c->port_count + 5),
		.udp = udp,
		.host_first = from,
		.first = to,
		.count = count
	};
	if (strchr(host, ':')) {
		ports[c->port_count].is_v6 = true;
		assert_int_equal(inet_pton(AF_INET6, host, &ports[c->port_count].host_address6), 1);
	} else if (host[0]) {
		ports[c->port_count].host_address = ip(host);
		ports[c->port_count].is_v4_only = !ip(host).s_addr;
	}
	c->ports = ports;
	c->port_count++;
}

static struct net_attached_list in_force(struct fixture *f)
{
	return (struct net_attached_list){ f->list, MAX };
}

/* Containers have the run id 00000000000N. */
static int attach(struct fixture *f, size_t index)
{
	struct net_attached *a = calloc(1, sizeof(*a));
	struct net_attached_list list = in_force(f);
	char id[16];

	snprintf(id, sizeof(id), "%012zx", index);
	if (net_plan_attach(f->networks, f->network_count, &f->containers[index], id, &list,
			    &f->wishes, &f->facts, &f->leases, a, &f->err) < 0) {
		net_attached_fini(a);
		free(a);
		return -1;
	}
	f->list[index] = a;
	return 0;
}

static void detach(struct fixture *f, size_t index)
{
	net_attached_fini(f->list[index]);
	free(f->list[index]);
	f->list[index] = NULL;
}

static void bridge_text(const struct net_bridge *bridge, struct buf *out)
{
	char address[INET_ADDRSTRLEN];

	net_address_text(bridge->address, address);
	buf_printf(out, "bridge %s %s/%u", bridge->name, address, bridge->prefix);
	if (bridge->internal)
		buf_puts(out, " internal");
	if (!bridge->isolate)
		buf_puts(out, " not-isolated");
	if (bridge->mtu)
		buf_printf(out, " mtu=%u", bridge->mtu);
	buf_putc(out, '\n');
}

static void wanted_text(const struct net_wanted *w, struct buf *out)
{
	char address[INET_ADDRSTRLEN], host[INET_ADDRSTRLEN], mac[18];

	for (size_t i = 0; i < w->bridge_count; i++)
		bridge_text(&w->bridges[i], out);
	for (size_t i = 0; i < w->endpoint_count; i++) {
		net_address_text(w->endpoints[i].address, address);
		net_mac_text(w->endpoints[i].mac, mac);
		buf_printf(out, "endpoint %s %s %s %s\n", w->endpoints[i].link,
			   w->endpoints[i].bridge, mac, address);
	}
	for (size_t i = 0; i < w->port_count; i++) {
		const struct net_port *p = &w->ports[i];

		net_address_text(p->address, address);
		net_address_text(p->host_address, host);
		buf_printf(out, "port %s %s:%u -> %s:%u x%u %s\n", p->udp ? "udp" : "tcp", host,
			   p->host_first, address, p->first, p->count, p->bridge);
	}
}

static void expect_wanted(struct fixture *f, const char *expected)
{
	struct net_attached_list list = in_force(f);
	auto_buf text = BUF_INIT(16384);
	struct net_wanted wanted;

	assert_int_equal(net_plan_wanted(&list, &f->arena, &wanted, &f->err), 0);
	wanted_text(&wanted, &text);
	assert_string_equal(buf_str(&text), expected);
}

static void nothing_attached_wants_nothing(void **state)
{
	struct fixture *f = *state;

	plan(f);
	expect_wanted(f, "");
}

static void one_container_on_the_default_network(void **state)
{
	struct fixture *f = *state;
	struct net_container *c = container(f, "web", NET_DEFAULT);

	publish(f, c, false, "", 8000, 80, 1);
	publish(f, c, true, "192.0.2.1", 53, 5353, 1);
	publish(f, c, false, "", 0, 9000, 2);
	publish(f, c, false, "::1", 8080, 80, 1); /* the proxy's */
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	expect_wanted(f, "bridge cleat0 10.88.0.1/16\n"
			 "endpoint v0000000000000 cleat0 0a:58:0a:58:00:02 10.88.0.2\n"
			 "port tcp 0.0.0.0:8000 -> 10.88.0.2:80 x1 cleat0\n"
			 "port tcp 0.0.0.0:60998 -> 10.88.0.2:9000 x2 cleat0\n"
			 "port udp 192.0.2.1:53 -> 10.88.0.2:5353 x1 cleat0\n");
	detach(f, 0);
	expect_wanted(f, "");
}

static void several_networks_each_with_an_end(void **state)
{
	struct fixture *f = *state;
	struct net_network *n = network(f, "back", "10.70.0.0/24");
	struct net_container *c;
	struct net_join *j;

	n->internal = n->no_isolation = n->no_names = true;
	n->mtu = 1400;
	n->gateway = ip("10.70.0.254");
	n->first = ip("10.70.0.16");
	n->last = ip("10.70.0.31");
	network(f, "front", NULL);
	c = container(f, "web", "back");
	j = join(f, c, "front");
	j->has_mac = true;
	memcpy(j->mac, "\x02\x00\x00\x00\x00\x07", 6);
	j->interface = "eth0";
	publish(f, c, false, "", 80, 8080, 1);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	/* ports lead to the first network that is open */
	expect_wanted(f, "bridge cleat-5bb421a2 10.70.0.254/24 internal not-isolated mtu=1400\n"
			 "bridge cleat-e179dbd8 10.89.0.1/24\n"
			 "endpoint v0000000000000 cleat-5bb421a2 0a:58:0a:46:00:10 10.70.0.16\n"
			 "endpoint v0000000000001 cleat-e179dbd8 02:00:00:00:00:07 10.89.0.2\n"
			 "port tcp 0.0.0.0:80 -> 10.89.0.2:8080 x1 cleat-e179dbd8\n");
	/* the name that was asked for is not given out */
	assert_string_equal(f->list[0]->ends[0].interface, "eth1");
	assert_string_equal(f->list[0]->ends[1].interface, "eth0");
	assert_int_equal(net_attached_default(f->list[0]), 1);
	assert_true(f->list[0]->ends[0].no_names);
}

static void internal_networks_publish_nothing(void **state)
{
	struct fixture *f = *state;
	struct net_container *c;

	network(f, "vault", NULL)->internal = true;
	c = container(f, "db", "vault");
	publish(f, c, false, "", 80, 80, 1);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_false(f->list[0]->has_target);
	assert_int_equal(net_attached_default(f->list[0]), -1);
	expect_wanted(f, "bridge cleat-45496baf 10.89.0.1/24 internal\n"
			 "endpoint v0000000000000 cleat-45496baf 0a:58:0a:59:00:02 10.89.0.2\n");
}

static void the_words_of_an_end(void **state)
{
	struct fixture *f = *state;
	auto_buf words = BUF_INIT(512);

	container(f, "web", NET_DEFAULT);
	f->networks[0].mtu = 9000;
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	net_end_words(&f->list[0]->ends[0], true, &words);
	assert_string_equal(buf_str(&words),
			    "bridge=cleat0 link=v0000000000000 name=eth0 mac=0a:58:0a:58:00:02 "
			    "address=10.88.0.2/16 gateway=10.88.0.1 mtu=9000");
}

static void chosen_subnets_avoid_routes_and_others_and_stay(void **state)
{
	struct fixture *f = *state;
	char text[20];

	assert_true(net_block_parse("10.89.0.0/23", &f->routes[0]));
	f->facts.route_count = 1;
	network(f, "a", "10.89.2.0/24");
	network(f, "b", NULL);
	network(f, "c", NULL);
	plan(f);
	net_block_text(&f->networks[2].subnet, text);
	assert_string_equal(text, "10.89.3.0/24");
	net_block_text(&f->networks[3].subnet, text);
	assert_string_equal(text, "10.89.4.0/24");
	/* "b" goes, "c" stays where it was */
	f->network_count = 1;
	network(f, "c", NULL);
	plan(f);
	net_block_text(&f->networks[1].subnet, text);
	assert_string_equal(text, "10.89.4.0/24");
	/* until somebody asks for that one */
	f->network_count = 1;
	network(f, "d", "10.89.4.0/24");
	network(f, "c", NULL);
	plan(f);
	net_block_text(&f->networks[2].subnet, text);
	assert_string_equal(text, "10.89.2.0/24");
}

static void the_default_network_gives_way(void **state)
{
	struct fixture *f = *state;

	assert_true(net_block_parse("10.88.5.0/24", &f->routes[0]));
	f->facts.route_count = 1;
	plan(f);
	assert_true(f->networks[0].is_moved);
	assert_null(f->networks[0].problem);
	assert_string_equal(f->networks[0].bridge.name, "cleat0");
	assert_int_equal(f->networks[0].bridge.address.s_addr, ip("10.89.0.1").s_addr);
}

static void networks_that_cannot_be_say_why(void **state)
{
	struct fixture *f = *state;

	network(f, "a", "10.1.0.0/16");
	network(f, "b", "10.1.2.0/24");
	network(f, "c", "10.2.0.0/31");
	network(f, "d", "10.3.0.0/24")->gateway = ip("10.3.0.255");
	network(f, "e", "10.4.0.0/24")->first = ip("10.5.0.1");
	plan(f);
	assert_null(f->networks[1].problem);
	assert_string_equal(f->networks[2].problem,
			    "subnet 10.1.2.0/24 overlaps 10.1.0.0/16 of a.network");
	assert_string_equal(f->networks[3].problem,
			    "subnet 10.2.0.0/31 has no room: at least /30 is needed");
	assert_string_equal(f->networks[4].problem,
			    "the gateway 10.3.0.255 is no host's address in 10.3.0.0/24");
	assert_string_equal(f->networks[5].problem,
			    "the range of addresses is outside of 10.4.0.0/24");
	container(f, "web", "b");
	assert_int_equal(attach(f, 0), -1);
	assert_int_equal(f->err.code, ERR_INPUT);
	assert_string_equal(f->err.msg,
			    "network b: subnet 10.1.2.0/24 overlaps 10.1.0.0/16 of a.network");
}

static void say(void *arg, const void *place, bool is_error, const char *text)
{
	(void)place;
	buf_printf(arg, "%s: %s\n", is_error ? "error" : "warning", text);
}

static void expect_said(struct fixture *f, const char *expected)
{
	plan(f);
	buf_clear(&f->said);
	net_plan_check(f->networks, f->network_count, f->containers, f->container_count, say,
		       &f->said);
	assert_string_equal(buf_str(&f->said), expected);
}

static void ports_that_two_publish_name_both(void **state)
{
	struct fixture *f = *state;
	struct net_container *a = container(f, "a", NET_DEFAULT),
			     *b = container(f, "b", NET_DEFAULT);

	publish(f, a, false, "", 8000, 80, 3);
	publish(f, b, false, "127.0.0.1", 8002, 80, 1);
	publish(f, b, true, "", 8000, 80, 1);
	publish(f, b, false, "", 0, 80, 1);
	expect_said(f, "error: port 8002/tcp is published by a.container:5 and b.container:5\n");
	b->boot = false; /* they may take turns */
	expect_said(f, "warning: port 8002/tcp is published by a.container:5 and b.container:5\n");
}

static void ports_of_different_addresses_do_not_meet(void **state)
{
	struct fixture *f = *state;
	struct net_container *a = container(f, "a", NET_DEFAULT),
			     *b = container(f, "b", NET_DEFAULT);

	publish(f, a, false, "192.0.2.1", 80, 80, 1);
	publish(f, b, false, "192.0.2.2", 80, 80, 1);
	publish(f, b, false, "fd00::1", 80, 80, 1);
	publish(f, b, false, "fd00::2", 80, 80, 1);
	expect_said(f, "");
	publish(f, b, false, "::", 80, 80, 1);
	expect_said(f, "error: port 80/tcp is published by b.container:6 and b.container:8\n"
		       "error: port 80/tcp is published by b.container:7 and b.container:8\n");
}

static void every_address_of_one_family_leaves_the_other_free(void **state)
{
	struct fixture *f = *state;
	struct net_container *a = container(f, "a", NET_DEFAULT),
			     *b = container(f, "b", NET_DEFAULT);

	publish(f, a, false, "0.0.0.0", 80, 80, 1);
	publish(f, a, false, "::", 80, 80, 1);
	publish(f, b, false, "0.0.0.0", 81, 80, 1);
	publish(f, b, false, "fd00::1", 81, 80, 1);
	expect_said(f, "");
	publish(f, b, false, "192.0.2.1", 81, 80, 1);
	publish(f, b, false, "", 80, 80, 1);
	expect_said(f, "error: port 81/tcp is published by b.container:5 and b.container:7\n"
		       "error: port 80/tcp is published by a.container:5 and b.container:8\n"
		       "error: port 80/tcp is published by a.container:6 and b.container:8\n");
}

static void wishes_for_networks_and_addresses_are_checked(void **state)
{
	struct fixture *f = *state;
	struct net_container *a = container(f, "a", NULL), *b = container(f, "b", NULL);

	network(f, "bad", "10.2.0.0/31");
	join(f, a, "nowhere");
	join(f, a, "Host");
	join(f, a, "bad");
	join(f, a, NET_DEFAULT)->address = ip("10.88.0.9");
	join(f, b, NET_DEFAULT)->address = ip("10.88.0.9");
	expect_said(
		f,
		"error: there is no network \"nowhere\": write the name of a .network unit, or of one that it makes\n"
		"error: there is no network \"Host\": write the name of a .network unit, or of one that it makes: did you mean host?\n"
		"error: network bad: subnet 10.2.0.0/31 has no room: at least /30 is needed\n"
		"error: the address 10.88.0.9 is that of a.container, too\n");
	f->container_count = 0;
	a = container(f, "a", NULL);
	join(f, a, NET_DEFAULT)->address = ip("10.89.0.9");
	b = container(f, "b", NULL);
	join(f, b, NET_DEFAULT)->address = ip("10.88.0.1");
	expect_said(f, "error: 10.89.0.9 is no host's address in 10.88.0.0/16 of network podman\n"
		       "error: 10.88.0.1 is the gateway of network podman\n");
}

static void starts_fail_while_another_has_it(void **state)
{
	struct fixture *f = *state;
	struct net_container *a = container(f, "a", NULL), *b = container(f, "b", NULL);

	join(f, a, NET_DEFAULT)->address = ip("10.88.0.9");
	join(f, b, NET_DEFAULT)->address = ip("10.88.0.9");
	publish(f, container(f, "c", NET_DEFAULT), false, "", 80, 80, 1);
	publish(f, container(f, "d", NET_DEFAULT), false, "192.0.2.1", 80, 80, 1);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_int_equal(attach(f, 1), -1);
	assert_int_equal(f->err.code, ERR_BUSY);
	assert_string_equal(f->err.msg, "network podman: the address 10.88.0.9 is that of a");
	assert_int_equal(attach(f, 2), 0);
	assert_int_equal(attach(f, 3), -1);
	assert_int_equal(f->err.code, ERR_BUSY);
	assert_string_equal(f->err.msg, "port 80/tcp (d.container:5) is published by c already");
	/* of a range the port that is meant */
	publish(f, container(f, "e", NET_DEFAULT), false, "", 78, 78, 5);
	assert_int_equal(attach(f, 4), -1);
	assert_string_equal(f->err.msg, "port 80/tcp (e.container:5) is published by c already");
	detach(f, 0);
	detach(f, 2);
	assert_int_equal(attach(f, 1), 0);
	assert_int_equal(attach(f, 3), 0);
}

static void ports_of_other_programs_are_not_chosen(void **state)
{
	struct net_publish busy = { .host_first = 60999, .count = 1 };
	struct fixture *f = *state;

	publish(f, container(f, "a", NET_DEFAULT), false, "", 0, 80, 1);
	f->facts.busy = &busy;
	f->facts.busy_count = 1;
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_int_equal(f->list[0]->ports[0].host_first, 60998);
}

static void wishes_of_others_are_not_given_out(void **state)
{
	struct in_addr wish = ip("10.88.0.2");
	struct fixture *f = *state;

	f->wishes = (struct net_taken){ &wish, 1 };
	container(f, "a", NET_DEFAULT);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_int_equal(f->list[0]->ends[0].address.s_addr, ip("10.88.0.3").s_addr);
}

static void a_network_keeps_its_bridge_while_somebody_is_in_it(void **state)
{
	struct fixture *f = *state;
	struct net_attached_list list = in_force(f);
	struct net_network *n = network(f, "app", "10.70.0.0/24");

	container(f, "a", "app");
	container(f, "b", "app");
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_false(net_plan_keep(n, &list));
	f->network_count = 1;
	n = network(f, "app", "10.71.0.0/24");
	n->internal = true;
	plan(f);
	assert_true(net_plan_keep(n, &list));
	assert_int_equal(attach(f, 1), 0);
	assert_int_equal(f->list[1]->ends[0].address.s_addr, ip("10.70.0.3").s_addr);
	assert_false(f->list[1]->ends[0].bridge.internal);
}

static void what_is_attached_survives_as_text(void **state)
{
	static const char *const aliases[] = { "www", "front" };
	struct fixture *f = *state;
	struct net_container *c;
	struct net_join *j;
	struct net_attached again = { 0 };
	auto_buf text = BUF_INIT(NET_ATTACHED_MAX_BYTES), second = BUF_INIT(NET_ATTACHED_MAX_BYTES);

	network(f, "vault", NULL)->internal = true;
	f->networks[1].no_names = true;
	c = container(f, "web", "vault");
	j = join(f, c, NET_DEFAULT);
	j->aliases = aliases;
	j->alias_count = 2;
	publish(f, c, false, "", 80, 8080, 1);
	publish(f, c, true, "::1", 53, 53, 2);
	publish(f, c, true, "0.0.0.0", 54, 54, 1);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	net_attached_format(f->list[0], &text);
	assert_string_equal(
		buf_str(&text),
		"cleat-network 1\n"
		"owner web 000000000000\n"
		"end vault v0000000000000 eth0 0a:58:0a:59:00:02 10.89.0.2 cleat-45496baf 10.89.0.1 24 -isn 0\n"
		"end podman v0000000000001 eth1 0a:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 16 -s 0 www front\n"
		"target 10.88.0.2 cleat0\n"
		"port tcp 0.0.0.0 80 8080 1\n"
		"port udp ::1 53 53 2\n"
		"port udp 0.0.0.0 54 54 1 4\n");
	assert_int_equal(net_attached_parse(buf_str(&text), &again, &f->err), 0);
	net_attached_format(&again, &second);
	assert_string_equal(buf_str(&text), buf_str(&second));
	net_attached_fini(&again);
}

static void texts_that_are_no_record_are_refused_whole(void **state)
{
#define HEAD "cleat-network 1\nowner web 000000000000\n"
#define END "end podman v0 eth0 0a:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 16 -s 0\n"
	static const char *const bad[] = {
		"",
		"cleat-network 2\n",
		HEAD,
		"cleat-network 1\n" END,
		HEAD "end podman v0 eth0\n",
		HEAD "end podman v0 eth0 01:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 16 -s 0\n",
		HEAD "end podman v0 eth0 0a:58:0a:58:00:02 10.88.0 cleat0 10.88.0.1 16 -s 0\n",
		HEAD
		"end podman v0 eth0 0a:58:0a:58:00:02 10.88.0.2 a-name-that-is-long 10.88.0.1 16 -s 0\n",
		HEAD "end podman v0 eth0 0a:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 33 -s 0\n",
		HEAD "end podman v0 eth0 0a:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 16 -x 0\n",
		HEAD "end podman v0 eth0 0a:58:0a:58:00:02 10.88.0.2 cleat0 10.88.0.1 16 s 0\n",
		HEAD END "port sctp 0.0.0.0 80 80 1\n",
		HEAD END "port tcp 0.0.0.0 0 80 1\n",
		HEAD END "port tcp 0.0.0.0 65535 80 2\n",
		HEAD END "port tcp nowhere 80 80 1\n",
		HEAD END "port tcp 0.0.0.0 80 80 1 6\n",
		HEAD END "target 10.88.0 cleat0\n",
		HEAD END "\n",
		HEAD END "port tcp 0.0.0.0 80 80 1",
		HEAD END "what 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct net_attached out = { 0 };
		struct err err;

		if (net_attached_parse(bad[i], &out, &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_int_equal(out.end_count, 0);
	}
}

static void expect_proxied(struct fixture *f, bool has_nat, bool has_ipv6, const char *expected)
{
	auto_buf words = BUF_INIT(16384);

	assert_true(net_proxy_words(f->list[0], has_nat, has_ipv6, &words));
	assert_string_equal(buf_str(&words), expected);
}

static void the_proxy_serves_what_the_kernel_does_not(void **state)
{
#define SIX "--listen\n[fd00::1]:90\n--connect\n10.88.0.2:91\n"
	struct fixture *f = *state;
	struct net_container *c = container(f, "web", NET_DEFAULT);

	publish(f, c, false, "", 80, 8080, 2);
	publish(f, c, true, "192.0.2.1", 53, 53, 1);
	publish(f, c, false, "fd00::1", 90, 91, 1);
	publish(f, c, false, "0.0.0.0", 95, 95, 1);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	expect_proxied(f, true, false, SIX);
	expect_proxied(f, true, true,
		       "--listen\n[::]:80\n--connect\n10.88.0.2:8080\n"
		       "--listen\n[::]:81\n--connect\n10.88.0.2:8081\n" SIX);
	expect_proxied(f, false, false,
		       "--listen\n0.0.0.0:80\n--connect\n10.88.0.2:8080\n"
		       "--listen\n0.0.0.0:81\n--connect\n10.88.0.2:8081\n"
		       "--listen-udp\n192.0.2.1:53\n--connect\n10.88.0.2:53\n" SIX
		       "--listen\n0.0.0.0:95\n--connect\n10.88.0.2:95\n");
	f->list[0]->has_target = false;
	expect_proxied(f, false, true, "");
}

static void the_proxy_takes_so_many_ports(void **state)
{
	struct fixture *f = *state;
	struct net_container *c = container(f, "web", NET_DEFAULT);
	auto_buf words = BUF_INIT(512 * 1024);

	publish(f, c, false, "", 1000, 1000, NET_MAX_PROXIED);
	plan(f);
	assert_int_equal(attach(f, 0), 0);
	assert_true(net_proxy_words(f->list[0], false, false, &words));
	assert_false(net_proxy_words(f->list[0], false, true, &words));
	assert_false(words.failed);
}

static void mac_addresses(void **state)
{
	static const char *const bad[] = { "",
					   "02:00:00:00:00",
					   "02:00:00:00:00:0g",
					   "02-00-00-00-00-01",
					   "01:00:00:00:00:01",
					   "00:00:00:00:00:00",
					   "02:00:00:00:00:011" };
	uint8_t mac[6];
	char text[18];

	(void)state;
	assert_true(net_mac_parse("0A:58:0a:58:00:fF", mac));
	net_mac_text(mac, text);
	assert_string_equal(text, "0a:58:0a:58:00:ff");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(net_mac_parse(bad[i], mac));
}

static void bridges_of_one_hash_get_two_names(void **state)
{
	char first[NET_LINK_NAME], second[NET_LINK_NAME];
	struct fixture *f = *state;

	net_bridge_name("app", 0, first);
	net_bridge_name("app", 1, second);
	assert_string_not_equal(first, second);
	assert_true(strlen(first) < NET_LINK_NAME && str_starts(first, "cleat-"));
	/* two of one name, which the units' reader refuses: even then no bridge is shared */
	network(f, "app", NULL);
	network(f, "app", NULL);
	plan(f);
	assert_string_not_equal(f->networks[1].bridge.name, f->networks[2].bridge.name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_attached_wants_nothing),
		TEST(one_container_on_the_default_network),
		TEST(several_networks_each_with_an_end),
		TEST(internal_networks_publish_nothing),
		TEST(the_words_of_an_end),
		TEST(chosen_subnets_avoid_routes_and_others_and_stay),
		TEST(the_default_network_gives_way),
		TEST(networks_that_cannot_be_say_why),
		TEST(ports_that_two_publish_name_both),
		TEST(ports_of_different_addresses_do_not_meet),
		TEST(every_address_of_one_family_leaves_the_other_free),
		TEST(wishes_for_networks_and_addresses_are_checked),
		TEST(starts_fail_while_another_has_it),
		TEST(ports_of_other_programs_are_not_chosen),
		TEST(wishes_of_others_are_not_given_out),
		TEST(a_network_keeps_its_bridge_while_somebody_is_in_it),
		TEST(what_is_attached_survives_as_text),
		TEST(texts_that_are_no_record_are_refused_whole),
		TEST(the_proxy_serves_what_the_kernel_does_not),
		TEST(the_proxy_takes_so_many_ports),
		TEST(mac_addresses),
		TEST(bridges_of_one_hash_get_two_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
