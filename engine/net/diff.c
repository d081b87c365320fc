/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The differ. First what goes (its subnet may be another one's now), then bridges, then what hangs on them. Must never ask anybody
 * anything.
 */
#include "net/diff.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/plan.h"
#include "util/cleanup.h"
#include "util/str.h"

struct differ {
	const struct net_wanted *wanted;
	const struct net_found *found;
	struct net_ops *ops;
	struct err *err;
	bool failed; /* err says why */
};

bool net_is_ours(const char *name)
{
	return str_eq(name, "cleat0") || str_starts(name, "cleat-");
}

void net_found_fini(struct net_found *found)
{
	free(found->links);
	free(found->addresses);
	free(found->routes);
	*found = (struct net_found){ 0 };
}

void net_ops_fini(struct net_ops *ops)
{
	free(ops->items);
	*ops = (struct net_ops){ 0 };
}

/* The new one, or a place to write to when memory is out. */
static struct net_op *add(struct differ *d, enum net_op_kind kind, const char *link, int wanted)
{
	static struct net_op lost;
	struct net_ops *ops = d->ops;
	struct net_op *op;

	if (ops->count == ops->cap) {
		size_t cap = ops->cap ? 2 * ops->cap : 32;

		op = reallocarray(ops->items, cap, sizeof(*op));
		if (!op) {
			d->failed = true;
			err_sys(d->err, "operations");
			return &lost;
		}
		ops->items = op;
		ops->cap = cap;
	}
	op = &ops->items[ops->count++];
	*op = (struct net_op){ .kind = kind, .wanted = wanted };
	str_copy(op->link, sizeof(op->link), link);
	return op;
}

static const struct net_found_link *link_named(const struct net_found *found, const char *name)
{
	for (size_t i = 0; found->links && i < found->link_count; i++)
		if (str_eq(found->links[i].name, name))
			return &found->links[i];
	return NULL;
}

static const struct net_found_link *link_at(const struct net_found *found, uint32_t index)
{
	for (size_t i = 0; i < found->link_count; i++)
		if (found->links[i].index == index)
			return &found->links[i];
	return NULL;
}

static bool is_our_bridge(const struct net_found_link *link)
{
	return link && net_is_ours(link->name) && str_eq(link->kind, "bridge");
}

bool net_link_is_ours(const struct net_found *found, uint32_t index)
{
	const struct net_found_link *link = link_at(found, index);

	if (!link)
		return false;
	return is_our_bridge(link) || (link->master && is_our_bridge(link_at(found, link->master)));
}

bool net_has_other_bridge(const struct net_found *found)
{
	for (size_t i = 0; i < found->link_count; i++)
		if (str_eq(found->links[i].kind, "bridge") && !net_is_ours(found->links[i].name))
			return true;
	return false;
}

static int wanted_bridge(const struct net_wanted *wanted, const char *name)
{
	for (size_t i = 0; i < wanted->bridge_count; i++)
		if (str_eq(wanted->bridges[i].name, name))
			return (int)i;
	return -1;
}

bool net_is_wanted_end(const struct net_wanted *wanted, const char *name)
{
	for (size_t i = 0; i < wanted->endpoint_count; i++)
		if (str_eq(wanted->endpoints[i].link, name))
			return true;
	return false;
}

/* --- what goes ---------------------------------------------------------------------------------- */

/* What somebody else has put on a bridge of ours is nothing that answers for a container: it goes with the sweep. */
static void leave_ends(struct differ *d, bool sweep)
{
	const struct net_found *f = d->found;

	for (size_t i = 0; i < f->link_count; i++) {
		const struct net_found_link *link = &f->links[i];

		if (!link->master || !is_our_bridge(link_at(f, link->master)) ||
		    net_is_wanted_end(d->wanted, link->name))
			continue;
		if (sweep)
			add(d, NET_OP_LINK_DELETE, link->name, -1);
		else if (link->up && str_eq(link->kind, "veth"))
			add(d, NET_OP_DOWN, link->name, -1);
	}
}

static bool has_ends(const struct differ *d, const struct net_found_link *bridge, bool sweep)
{
	for (size_t i = 0; i < d->found->link_count; i++) {
		const struct net_found_link *link = &d->found->links[i];

		if (link->master == bridge->index &&
		    !(sweep && !net_is_wanted_end(d->wanted, link->name)))
			return true;
	}
	return false;
}

static void leave_bridges(struct differ *d, bool sweep)
{
	for (size_t i = 0; i < d->found->link_count; i++) {
		const struct net_found_link *link = &d->found->links[i];

		if (is_our_bridge(link) && wanted_bridge(d->wanted, link->name) < 0 &&
		    !has_ends(d, link, sweep))
			add(d, NET_OP_LINK_DELETE, link->name, -1);
	}
}

/* Those of a bridge that goes now are as good as gone. */
static bool is_leaving(const struct differ *d, const char *name)
{
	for (size_t i = 0; i < d->ops->count; i++)
		if (d->ops->items[i].kind == NET_OP_LINK_DELETE &&
		    str_eq(d->ops->items[i].link, name))
			return true;
	return false;
}

/* --- bridges -------------------------------------------------------------------------------------- */

static uint32_t mask_of(uint8_t prefix)
{
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

static bool overlap(struct in_addr a, uint8_t a_prefix, struct in_addr b, uint8_t b_prefix)
{
	uint32_t mask = mask_of(a_prefix < b_prefix ? a_prefix : b_prefix);

	return ((ntohl(a.s_addr) ^ ntohl(b.s_addr)) & mask) == 0;
}

static void subnet_text(struct in_addr address, uint8_t prefix, char out[INET_ADDRSTRLEN + 4])
{
	struct in_addr net = { htonl(ntohl(address.s_addr) & mask_of(prefix)) };
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &net, text, sizeof(text));
	snprintf(out, INET_ADDRSTRLEN + 4, "%s/%u", text, prefix);
}

static void refuse(struct differ *d, int number, const char *fmt, const char *other,
		   const char *name)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	struct net_op *op = add(d, NET_OP_REFUSE, b->name, number);
	char subnet[INET_ADDRSTRLEN + 4];

	subnet_text(b->address, b->prefix, subnet);
	if (fmt)
		snprintf(op->text, sizeof(op->text), "%s: %s overlaps %s %s of %s", b->name, subnet,
			 fmt, other, name);
	else
		snprintf(op->text, sizeof(op->text),
			 "%s: a link of this name is there, and it is no bridge", b->name);
}

static bool overlaps_wanted(struct differ *d, int number)
{
	const struct net_bridge *b = &d->wanted->bridges[number];

	for (int i = 0; i < number; i++) {
		const struct net_bridge *other = &d->wanted->bridges[i];
		char subnet[INET_ADDRSTRLEN + 4];

		if (!overlap(b->address, b->prefix, other->address, other->prefix))
			continue;
		subnet_text(other->address, other->prefix, subnet);
		refuse(d, number, "the subnet", subnet, other->name);
		return true;
	}
	return false;
}

/* A network that nobody wants, with ends of containers that are gone: it does not wait for their namespaces when its subnet is
 * wanted elsewhere. */
static bool makes_room(struct differ *d, const struct net_found_link *bridge)
{
	const struct net_found *f = d->found;

	if (!is_our_bridge(bridge) || wanted_bridge(d->wanted, bridge->name) >= 0 ||
	    has_ends(d, bridge, true))
		return false;
	for (size_t i = 0; i < f->link_count; i++)
		if (f->links[i].master == bridge->index)
			add(d, NET_OP_LINK_DELETE, f->links[i].name, -1);
	add(d, NET_OP_LINK_DELETE, bridge->name, -1);
	return true;
}

static bool overlaps_route(struct differ *d, int number, uint32_t own_index)
{
	const struct net_bridge *b = &d->wanted->bridges[number];

	for (size_t i = 0; i < d->found->route_count; i++) {
		const struct net_found_route *route = &d->found->routes[i];
		const struct net_found_link *link = link_at(d->found, route->index);
		char subnet[INET_ADDRSTRLEN + 4];

		if ((own_index && route->index == own_index) ||
		    (link && is_leaving(d, link->name)) ||
		    !overlap(b->address, b->prefix, route->to, route->prefix) ||
		    makes_room(d, link))
			continue;
		subnet_text(route->to, route->prefix, subnet);
		refuse(d, number, "the route", subnet, link ? link->name : "this machine");
		return true;
	}
	return false;
}

/* Whether the address is there; others of the bridge go. */
static bool has_address(struct differ *d, int number, const struct net_found_link *link)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	bool found = false;

	for (size_t i = 0; i < d->found->address_count; i++) {
		const struct net_found_address *a = &d->found->addresses[i];

		if (a->index != link->index)
			continue;
		if (a->address.s_addr == b->address.s_addr && a->prefix == b->prefix) {
			found = true;
			continue;
		}

		struct net_op *op = add(d, NET_OP_ADDRESS_DELETE, b->name, number);

		op->address = a->address;
		op->prefix = a->prefix;
	}
	return found;
}

static void add_address(struct differ *d, int number)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	struct net_op *op = add(d, NET_OP_ADDRESS_ADD, b->name, number);

	op->address = b->address;
	op->prefix = b->prefix;
}

static void new_bridge(struct differ *d, int number)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	struct net_op *op = add(d, NET_OP_BRIDGE_ADD, b->name, number);

	net_address_mac(b->address, op->mac);
	/* One that it is born with would be lost as soon as something hangs on it. */
	if (b->mtu)
		add(d, NET_OP_MTU, b->name, number)->mtu = b->mtu;
	add(d, NET_OP_IPV6_OFF, b->name, number);
	add(d, NET_OP_LOCALNET, b->name, number);
	add_address(d, number);
	add(d, NET_OP_UP, b->name, number);
}

static void old_bridge(struct differ *d, int number, const struct net_found_link *link,
		       bool addressed)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	uint8_t mac[6];

	net_address_mac(b->address, mac);
	if (memcmp(mac, link->mac, sizeof(mac)) != 0)
		memcpy(add(d, NET_OP_MAC, b->name, number)->mac, mac, sizeof(mac));
	if (b->mtu && b->mtu != link->mtu)
		add(d, NET_OP_MTU, b->name, number)->mtu = b->mtu;
	if (!link->ipv6_off)
		add(d, NET_OP_IPV6_OFF, b->name, number);
	if (!link->route_localnet)
		add(d, NET_OP_LOCALNET, b->name, number);
	if (!addressed)
		add_address(d, number);
	if (!link->up)
		add(d, NET_OP_UP, b->name, number);
}

/* A subnet is compared with routes only when it comes: what works goes on, whatever arrives later. */
static void one_bridge(struct differ *d, int number)
{
	const struct net_bridge *b = &d->wanted->bridges[number];
	const struct net_found_link *link = link_named(d->found, b->name);
	bool addressed = false;

	if (link && !str_eq(link->kind, "bridge")) {
		refuse(d, number, NULL, NULL, NULL);
		return;
	}
	if (link)
		addressed = has_address(d, number, link);
	if (!addressed &&
	    (overlaps_wanted(d, number) || overlaps_route(d, number, link ? link->index : 0)))
		return;
	if (link)
		old_bridge(d, number, link, addressed);
	else
		new_bridge(d, number);
}

/* --- ends ------------------------------------------------------------------------------------------- */

static void one_end(struct differ *d, const struct net_endpoint *end)
{
	const struct net_found_link *link = link_named(d->found, end->link);
	const struct net_found_link *bridge = link_named(d->found, end->bridge);
	int number = wanted_bridge(d->wanted, end->bridge);

	/* Not there: the runtime makes it. Something else of that name: not ours. */
	if (!link || !str_eq(link->kind, "veth") || number < 0)
		return;
	if (!bridge || link->master != bridge->index)
		str_copy(add(d, NET_OP_MASTER, end->link, number)->bridge, NET_LINK_NAME,
			 end->bridge);
	if (!link->up)
		add(d, NET_OP_UP, end->link, number);
	/* A container that asks for its own published port: br_netfilter sends the frame back to the port it came from as soon as it is
	 * translated, without the way through routing. */
	if (d->found->br_netfilter && !link->hairpin)
		add(d, NET_OP_HAIRPIN, end->link, number);
}

int net_diff(const struct net_wanted *wanted, const struct net_found *found, bool sweep,
	     struct net_ops *out, struct err *err)
{
	struct differ d = { .wanted = wanted, .found = found, .ops = out, .err = err };

	*out = (struct net_ops){ 0 };
	leave_ends(&d, sweep);
	leave_bridges(&d, sweep);
	for (size_t i = 0; i < wanted->bridge_count; i++)
		one_bridge(&d, (int)i);
	for (size_t i = 0; i < wanted->endpoint_count; i++)
		one_end(&d, &wanted->endpoints[i]);
	if (!d.failed)
		return 0;
	net_ops_fini(out);
	return -1;
}

/* --- text --------------------------------------------------------------------------------------------- */

static void print_mac(const uint8_t mac[6], struct buf *out)
{
	for (int i = 0; i < 6; i++)
		buf_printf(out, "%s%02x", i ? ":" : "", mac[i]);
}

void net_op_print(const struct net_op *op, struct buf *out)
{
	static const char *const words[] = {
		[NET_OP_REFUSE] = "refuse",
		[NET_OP_LINK_DELETE] = "delete link",
		[NET_OP_BRIDGE_ADD] = "add bridge",
		[NET_OP_IPV6_OFF] = "ipv6 off",
		[NET_OP_LOCALNET] = "route_localnet",
		[NET_OP_MAC] = "set",
		[NET_OP_MTU] = "set",
		[NET_OP_ADDRESS_DELETE] = "delete address",
		[NET_OP_ADDRESS_ADD] = "add address",
		[NET_OP_UP] = "up",
		[NET_OP_DOWN] = "down",
		[NET_OP_MASTER] = "join",
		[NET_OP_HAIRPIN] = "hairpin",
	};
	char address[INET_ADDRSTRLEN] = "";

	buf_printf(out, "%s %s", words[op->kind], op->link);
	if (op->kind == NET_OP_REFUSE)
		buf_printf(out, ": %s", op->text);
	if (op->kind == NET_OP_BRIDGE_ADD || op->kind == NET_OP_MAC) {
		buf_puts(out, " mac ");
		print_mac(op->mac, out);
	}
	if (op->mtu)
		buf_printf(out, " mtu %u", op->mtu);
	if (op->kind == NET_OP_ADDRESS_DELETE || op->kind == NET_OP_ADDRESS_ADD) {
		inet_ntop(AF_INET, &op->address, address, sizeof(address));
		buf_printf(out, " %s/%u", address, op->prefix);
	}
	if (op->kind == NET_OP_MASTER)
		buf_printf(out, " %s", op->bridge);
	buf_putc(out, '\n');
}
