/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks as units ask for them -> bridges; what cannot be, before anything runs; what is attached -> the wanted state. Pure: must
 * never ask the machine, and never give another answer for the same input.
 */
#include "net/plan_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"

#define POOL_FIRST 0x0a590000u /* 10.89.0.0/24 upwards, as podman */
#define POOL_LAST 0x0affff00u  /* 10.255.255.0/24 */
#define POOL_STEP 256u
#define POOL_PREFIX 24
#define PREFIX_MAX 30 /* room for a gateway and a container */

void net_bridge_name(const char *network, unsigned salt, char out[NET_LINK_NAME])
{
	uint32_t hash = 2166136261u + salt;

	if (str_eq(network, NET_DEFAULT)) {
		str_copy(out, NET_LINK_NAME, NET_DEFAULT_BRIDGE);
		return;
	}
	for (const char *p = network; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	snprintf(out, NET_LINK_NAME, "cleat-%08x", hash);
}

void net_address_mac(struct in_addr address, uint8_t out[6])
{
	out[0] = 0x0a;
	out[1] = 0x58;
	memcpy(out + 2, &address.s_addr, 4);
}

void net_mac_text(const uint8_t mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool net_mac_parse(const char *text, uint8_t out[6])
{
	uint8_t any = 0;

	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
		any |= out[i];
	}
	return any && !(out[0] & 1); /* nobody has a multicast address */
}

const struct net_network *net_network_find(const struct net_network *networks, size_t count,
					   const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(networks[i].name, name))
			return &networks[i];
	return NULL;
}

static struct in_addr host_first(const struct net_block *block)
{
	return net_address_of(net_address_number(block->address) + 1);
}

static struct in_addr host_last(const struct net_block *block)
{
	return net_address_of(net_address_number(net_block_last(block)) - 1);
}

/* Somebody could have it: neither the block's own address nor its broadcast. */
static bool is_host(const struct net_block *block, struct in_addr address)
{
	return net_address_number(address) >= net_address_number(host_first(block)) &&
	       net_address_number(address) <= net_address_number(host_last(block));
}

static const struct net_network *overlap(const struct net_network *networks, size_t count,
					 const struct net_network *self,
					 const struct net_block *block)
{
	for (size_t i = 0; i < count; i++)
		if (&networks[i] != self && networks[i].subnet.prefix &&
		    net_block_overlaps(&networks[i].subnet, block))
			return &networks[i];
	return NULL;
}

static bool is_routed(const struct net_plan_facts *facts, const struct net_block *block)
{
	for (size_t i = 0; i < facts->route_count; i++)
		if (net_block_overlaps(&facts->routes[i], block))
			return true;
	return false;
}

static bool choose_subnet(const struct net_network *networks, size_t count,
			  struct net_network *self, struct net_leases *leases,
			  const struct net_plan_facts *facts)
{
	const struct net_lease_subnet *lease = net_lease_subnet(leases, self->name);

	if (lease && lease->block.prefix <= PREFIX_MAX &&
	    !overlap(networks, count, self, &lease->block) && !is_routed(facts, &lease->block)) {
		self->subnet = lease->block;
		return true;
	}
	for (uint32_t at = POOL_FIRST; at <= POOL_LAST; at += POOL_STEP) {
		struct net_block block = { net_address_of(at), POOL_PREFIX };
		bool is_leased = false;

		for (size_t i = 0; i < leases->subnet_count && !is_leased; i++)
			is_leased = net_block_overlaps(&leases->subnets[i].block, &block) &&
				    net_network_find(networks, count, leases->subnets[i].network);
		if (is_leased || overlap(networks, count, self, &block) || is_routed(facts, &block))
			continue;
		self->subnet = block;
		net_lease_subnet_put(leases, self->name, &block);
		return true;
	}
	return false;
}

static bool is_bridge_of_other(const struct net_network *networks, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (str_eq(networks[i].bridge.name, networks[index].bridge.name))
			return true;
	return false;
}

/* Two names may have one hash. */
static void choose_bridge(struct net_network *networks, size_t index)
{
	unsigned salt = 0;

	do {
		net_bridge_name(networks[index].name, salt++, networks[index].bridge.name);
	} while (is_bridge_of_other(networks, index) && salt <= NET_MAX_BRIDGES);
}

static const char *judge_block(const struct net_network *n, struct arena *arena)
{
	char subnet[20], address[INET_ADDRSTRLEN];

	net_block_text(&n->subnet, subnet);
	if (n->subnet.prefix > PREFIX_MAX)
		return arena_printf(arena, "subnet %s has no room: at least /%d is needed", subnet,
				    PREFIX_MAX);
	if (n->gateway.s_addr && !is_host(&n->subnet, n->gateway)) {
		net_address_text(n->gateway, address);
		return arena_printf(arena, "the gateway %s is no host's address in %s", address,
				    subnet);
	}
	if ((n->first.s_addr && !net_block_has(&n->subnet, n->first)) ||
	    (n->last.s_addr && !net_block_has(&n->subnet, n->last)) ||
	    net_address_number(n->first) > net_address_number(n->last))
		return arena_printf(arena, "the range of addresses is outside of %s", subnet);
	return NULL;
}

static void fill_bridge(struct net_network *n)
{
	if (!n->gateway.s_addr)
		n->gateway = host_first(&n->subnet);
	if (!n->first.s_addr || !is_host(&n->subnet, n->first))
		n->first = host_first(&n->subnet);
	if (!n->last.s_addr || !is_host(&n->subnet, n->last))
		n->last = host_last(&n->subnet);
	n->bridge.address = n->gateway;
	n->bridge.prefix = n->subnet.prefix;
	n->bridge.internal = n->internal;
	n->bridge.isolate = !n->no_isolation;
	n->bridge.mtu = n->mtu;
}

static void judge_given(struct net_network *networks, size_t count, size_t index,
			const struct net_plan_facts *facts, struct arena *arena)
{
	struct net_network *n = &networks[index];
	const struct net_network *other = overlap(networks, index, n, &n->subnet);
	char mine[20], theirs[20];

	(void)count;
	if (!n->subnet.prefix)
		return;
	/* Nobody asked for this one: it gives way. */
	if (str_eq(n->name, NET_DEFAULT) &&
	    (is_routed(facts, &n->subnet) || overlap(networks, count, n, &n->subnet))) {
		n->subnet = (struct net_block){ .prefix = 0 };
		n->gateway = n->first = n->last = (struct in_addr){ INADDR_ANY };
		n->is_moved = true;
		return;
	}
	n->problem = judge_block(n, arena);
	if (n->problem || !other)
		return;
	net_block_text(&n->subnet, mine);
	net_block_text(&other->subnet, theirs);
	n->problem = arena_printf(arena, "subnet %s overlaps %s of %s", mine, theirs, other->label);
}

void net_plan_networks(struct net_network *networks, size_t count, struct net_leases *leases,
		       const struct net_plan_facts *facts, struct arena *arena)
{
	for (size_t i = 0; i < count; i++) {
		networks[i].bridge = (struct net_bridge){ 0 };
		choose_bridge(networks, i);
		if (!networks[i].problem)
			judge_given(networks, count, i, facts, arena);
	}
	for (size_t i = 0; i < count; i++) {
		struct net_network *n = &networks[i];

		if (!n->problem && !n->subnet.prefix &&
		    !choose_subnet(networks, count, n, leases, facts))
			n->problem =
				"no subnet between 10.89.0.0/24 and 10.255.255.0/24 is free: write Subnet=";
		if (!n->problem)
			fill_bridge(n);
	}
}

static bool bridge_is(const struct net_bridge *a, const struct net_bridge *b)
{
	return str_eq(a->name, b->name) && a->address.s_addr == b->address.s_addr &&
	       a->prefix == b->prefix && a->internal == b->internal && a->isolate == b->isolate &&
	       a->mtu == b->mtu;
}

static const struct net_end *end_in(const struct net_attached_list *attached, const char *network)
{
	for (size_t i = 0; i < attached->count; i++)
		for (size_t k = 0; attached->items[i] && k < attached->items[i]->end_count; k++)
			if (str_eq(attached->items[i]->ends[k].network, network))
				return &attached->items[i]->ends[k];
	return NULL;
}

bool net_plan_keep(struct net_network *n, const struct net_attached_list *attached)
{
	const struct net_end *end = end_in(attached, n->name);
	bool differs = end && !bridge_is(&end->bridge, &n->bridge);
	struct in_addr mask;

	if (!differs)
		return false;
	n->problem = NULL;
	n->bridge = end->bridge;
	mask = net_address_of(UINT32_MAX << (32 - end->bridge.prefix));
	n->subnet.prefix = end->bridge.prefix;
	n->subnet.address.s_addr = end->bridge.address.s_addr & mask.s_addr;
	n->gateway = end->bridge.address;
	if (!net_block_has(&n->subnet, n->first) || !net_block_has(&n->subnet, n->last)) {
		n->first = host_first(&n->subnet);
		n->last = host_last(&n->subnet);
	}
	return true;
}

struct checking {
	const struct net_container *containers;
	size_t count;
	net_problem_fn *say;
	void *arg;
};

static void say(const struct checking *c, const void *place, bool is_error, const char *fmt, ...)
	ERR_PRINTF(4, 5);

static void say(const struct checking *c, const void *place, bool is_error, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->say(c->arg, place, is_error, text);
}

static void check_join(const struct checking *c, const struct net_network *n,
		       const struct net_join *join)
{
	static const char *const modes[] = { "host", "none", "bridge", NULL };
	char address[INET_ADDRSTRLEN], subnet[20];

	if (!n) {
		say(c, join->place, true,
		    "there is no network \"%s\": write the name of a .network unit, or of one that it makes%s",
		    join->network, str_hint((char[STR_HINT_BYTES]){ 0 }, join->network, modes));
		return;
	}
	if (n->problem) {
		say(c, join->place, true, "network %s: %s", n->name, n->problem);
		return;
	}
	if (!join->address.s_addr)
		return;
	net_address_text(join->address, address);
	net_block_text(&n->subnet, subnet);
	if (!is_host(&n->subnet, join->address))
		say(c, join->place, true, "%s is no host's address in %s of network %s", address,
		    subnet, n->name);
	else if (join->address.s_addr == n->gateway.s_addr)
		say(c, join->place, true, "%s is the gateway of network %s", address, n->name);
}

/* With both starting by themselves one of them never comes up; otherwise they may take turns. */
static void check_address_twice(const struct checking *c, size_t index, const struct net_join *join)
{
	const struct net_container *self = &c->containers[index];
	char address[INET_ADDRSTRLEN];

	net_address_text(join->address, address);
	for (size_t i = 0; join->address.s_addr && i < index; i++)
		for (size_t k = 0; k < c->containers[i].join_count; k++)
			if (c->containers[i].joins[k].address.s_addr == join->address.s_addr &&
			    str_eq(c->containers[i].joins[k].network, join->network))
				say(c, join->place, self->boot && c->containers[i].boot,
				    "the address %s is that of %s, too", address,
				    c->containers[i].label);
}

bool net_publish_is_any(const struct net_publish *port)
{
	return !port->is_v6 && !port->is_v4_only && !port->host_address.s_addr;
}

static bool hosts_meet(const struct net_publish *a, const struct net_publish *b)
{
	if (net_publish_is_any(a) || net_publish_is_any(b))
		return true;
	if (a->is_v6 != b->is_v6)
		return false;
	if (!a->is_v6)
		return a->is_v4_only || b->is_v4_only ||
		       a->host_address.s_addr == b->host_address.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&a->host_address6) ||
	       IN6_IS_ADDR_UNSPECIFIED(&b->host_address6) ||
	       IN6_ARE_ADDR_EQUAL(&a->host_address6, &b->host_address6);
}

bool net_publish_meets(const struct net_publish *a, const struct net_publish *b)
{
	return a->host_first && b->host_first && a->udp == b->udp &&
	       (uint32_t)a->host_first < (uint32_t)b->host_first + b->count &&
	       (uint32_t)b->host_first < (uint32_t)a->host_first + a->count && hosts_meet(a, b);
}

static void check_port(const struct checking *c, size_t index, size_t port)
{
	const struct net_container *self = &c->containers[index];
	const struct net_publish *mine = &self->ports[port];

	for (size_t i = 0; i <= index; i++) {
		const struct net_container *other = &c->containers[i];
		size_t count = i == index ? port : other->port_count;

		for (size_t k = 0; k < count; k++) {
			const struct net_publish *theirs = &other->ports[k];

			if (net_publish_meets(mine, theirs))
				say(c, mine->place, i == index || (self->boot && other->boot),
				    "port %u/%s is published by %s and %s",
				    mine->host_first > theirs->host_first ? mine->host_first :
									    theirs->host_first,
				    mine->udp ? "udp" : "tcp", theirs->label, mine->label);
		}
	}
}

void net_plan_check(const struct net_network *networks, size_t network_count,
		    const struct net_container *containers, size_t container_count,
		    net_problem_fn *fn, void *arg)
{
	struct checking c = { containers, container_count, fn, arg };

	for (size_t i = 0; i < container_count; i++) {
		for (size_t k = 0; k < containers[i].join_count; k++) {
			const struct net_join *join = &containers[i].joins[k];

			check_join(&c, net_network_find(networks, network_count, join->network),
				   join);
			check_address_twice(&c, i, join);
		}
		for (size_t k = 0; k < containers[i].port_count; k++)
			check_port(&c, i, k);
	}
}

static bool has_bridge(const struct net_wanted *w, const char *name)
{
	for (size_t i = 0; i < w->bridge_count; i++)
		if (str_eq(w->bridges[i].name, name))
			return true;
	return false;
}

static void add_attached(const struct net_attached *a, struct arena *arena, struct net_wanted *out)
{
	for (size_t i = 0; i < a->end_count; i++) {
		const struct net_end *end = &a->ends[i];
		struct net_endpoint *point = arena_push(arena, out->endpoints, out->endpoint_count);

		if (!has_bridge(out, end->bridge.name))
			*arena_push(arena, out->bridges, out->bridge_count) = end->bridge;
		str_copy(point->link, sizeof(point->link), end->link);
		str_copy(point->bridge, sizeof(point->bridge), end->bridge.name);
		memcpy(point->mac, end->mac, sizeof(point->mac));
		point->address = end->address;
	}
	for (size_t i = 0; a->has_target && i < a->port_count; i++) {
		const struct net_publish *p = &a->ports[i];
		struct net_port *port;

		if (p->is_v6) /* the proxy's */
			continue;
		port = arena_push(arena, out->ports, out->port_count);
		*port = (struct net_port){ .udp = p->udp,
					   .host_address = p->host_address,
					   .host_first = p->host_first,
					   .first = p->first,
					   .count = p->count,
					   .address = a->target };
		str_copy(port->bridge, sizeof(port->bridge), a->target_bridge);
	}
}

static int by_bridge(const void *a, const void *b)
{
	return strcmp(((const struct net_bridge *)a)->name, ((const struct net_bridge *)b)->name);
}

static int by_link(const void *a, const void *b)
{
	return strcmp(((const struct net_endpoint *)a)->link,
		      ((const struct net_endpoint *)b)->link);
}

static int by_port(const void *a, const void *b)
{
	const struct net_port *x = a, *y = b;
	uint32_t from = net_address_number(x->host_address),
		 to = net_address_number(y->host_address);

	if (x->udp != y->udp)
		return x->udp - y->udp;
	if (x->host_first != y->host_first)
		return x->host_first < y->host_first ? -1 : 1;
	return from < to ? -1 : from > to;
}

int net_plan_wanted(const struct net_attached_list *attached, struct arena *arena,
		    struct net_wanted *out, struct err *err)
{
	*out = (struct net_wanted){ 0 };
	for (size_t i = 0; i < attached->count; i++)
		if (attached->items[i])
			add_attached(attached->items[i], arena, out);
	if (out->bridge_count > NET_MAX_BRIDGES || out->endpoint_count > NET_MAX_ENDPOINTS ||
	    out->port_count > NET_MAX_PORTS)
		return err_set(
			err, ERR_LIMIT,
			"%zu networks, %zu addresses and %zu published ports; at most %d, %d and %d",
			out->bridge_count, out->endpoint_count, out->port_count, NET_MAX_BRIDGES,
			NET_MAX_ENDPOINTS, NET_MAX_PORTS);
	if (out->bridge_count)
		qsort(out->bridges, out->bridge_count, sizeof(*out->bridges), by_bridge);
	if (out->endpoint_count)
		qsort(out->endpoints, out->endpoint_count, sizeof(*out->endpoints), by_link);
	if (out->port_count)
		qsort(out->ports, out->port_count, sizeof(*out->ports), by_port);
	return 0;
}
