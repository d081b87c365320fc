/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container about to start: its ends and ports beside those that are in force, and the record of it that the next engine
 * reads. Must never give out what somebody has who still runs.
 */
#include "net/plan_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"

struct attaching {
	const struct net_container *container;
	const struct net_attached_list *attached;
	const struct net_taken *static_wishes;
	const struct net_plan_facts *facts;
	struct net_leases *leases;
	struct net_attached *out;
};

/* Who has an address, NULL: nobody. */
static const char *holder_of(const struct net_attached_list *attached, const char *network,
			     struct in_addr address)
{
	for (size_t i = 0; i < attached->count; i++)
		for (size_t k = 0; attached->items[i] && k < attached->items[i]->end_count; k++) {
			const struct net_end *end = &attached->items[i]->ends[k];

			if (end->address.s_addr == address.s_addr && str_eq(end->network, network))
				return attached->items[i]->owner;
		}
	return NULL;
}

static void gather_taken(const struct attaching *a, const struct net_network *network,
			 struct arena *arena, struct net_taken *out)
{
	struct in_addr *items = NULL;
	size_t count = 0;

	*arena_push(arena, items, count) = network->gateway;
	for (size_t i = 0; i < a->attached->count; i++) {
		const struct net_attached *other = a->attached->items[i];

		for (size_t k = 0; other && k < other->end_count; k++)
			if (str_eq(other->ends[k].network, network->name))
				*arena_push(arena, items, count) = other->ends[k].address;
	}
	for (size_t i = 0; i < a->static_wishes->count; i++)
		if (net_block_has(&network->subnet, a->static_wishes->items[i]))
			*arena_push(arena, items, count) = a->static_wishes->items[i];
	*out = (struct net_taken){ items, count };
}

static int take_address(const struct attaching *a, const struct net_network *network,
			const struct net_join *join, struct net_end *end, struct err *err)
{
	static const struct net_taken nothing = { 0 };
	auto_arena arena = { 0 };
	struct net_taken taken;
	const char *holder;
	char text[INET_ADDRSTRLEN];

	if (!join->address.s_addr) {
		gather_taken(a, network, &arena, &taken);
		return net_ipam_take(a->leases, network->name, a->container->name, network->first,
				     network->last, join->address, &taken, &end->address, err);
	}
	net_address_text(join->address, text);
	if (!net_block_has(&network->subnet, join->address))
		return err_set(err, ERR_INPUT, "network %s: the address %s is outside of it",
			       network->name, text);
	holder = holder_of(a->attached, network->name, join->address);
	if (holder)
		return err_set(err, ERR_BUSY, "network %s: the address %s is that of %s",
			       network->name, text, holder);
	return net_ipam_take(a->leases, network->name, a->container->name, network->first,
			     network->last, join->address, &nothing, &end->address, err);
}

static bool has_interface(const struct net_container *c, const struct net_attached *out,
			  const char *name)
{
	for (size_t i = 0; i < c->join_count; i++)
		if (c->joins[i].interface && str_eq(c->joins[i].interface, name))
			return true;
	for (size_t i = 0; i < out->end_count; i++)
		if (str_eq(out->ends[i].interface, name))
			return true;
	return false;
}

/* eth0, eth1 ..., past names that were asked for. */
static void name_interface(const struct attaching *a, const struct net_join *join,
			   struct net_end *end)
{
	unsigned number = 0;

	if (join->interface) {
		str_copy(end->interface, sizeof(end->interface), join->interface);
		return;
	}
	do {
		snprintf(end->interface, sizeof(end->interface), "eth%u", number++);
	} while (has_interface(a->container, a->out, end->interface));
}

static int attach_end(struct attaching *a, const struct net_network *networks, size_t count,
		      const struct net_join *join, struct err *err)
{
	const struct net_network *network = net_network_find(networks, count, join->network);
	struct net_end end = { 0 };

	if (!network)
		return err_set(err, ERR_INPUT, "there is no network \"%s\"", join->network);
	if (network->problem)
		return err_set(err, ERR_INPUT, "network %s: %s", network->name, network->problem);
	if (a->out->end_count == NET_MAX_ENDS)
		return err_set(err, ERR_LIMIT, "more than %d networks", NET_MAX_ENDS);
	str_copy(end.network, sizeof(end.network), network->name);
	end.bridge = network->bridge;
	end.no_names = network->no_names;
	snprintf(end.link, sizeof(end.link), "v%.12s%zu", a->out->run_id, a->out->end_count);
	name_interface(a, join, &end);
	if (take_address(a, network, join, &end, err) < 0)
		return -1;
	if (join->has_mac)
		memcpy(end.mac, join->mac, sizeof(end.mac));
	else
		net_address_mac(end.address, end.mac);
	for (size_t i = 0; i < join->alias_count; i++)
		*arena_push(&a->out->arena, end.aliases, end.alias_count) =
			arena_strdup(&a->out->arena, join->aliases[i]);
	a->out->ends[a->out->end_count++] = end;
	return 0;
}

/* first: where the ports of theirs begin that meet these. */
static bool find_meeting(const struct net_attached *attached, const struct net_publish *port,
			 uint16_t *first)
{
	for (size_t k = 0; k < attached->port_count; k++) {
		*first = attached->ports[k].host_first;
		if (net_publish_meets(&attached->ports[k], port))
			return true;
	}
	return false;
}

struct publisher {
	const char *owner;
	uint16_t first; /* of the ports of theirs that are meant */
};

/* Somebody publishes what meets this. */
static bool is_published(const struct attaching *a, const struct net_publish *port,
			 struct publisher *by)
{
	for (size_t i = 0; i < a->attached->count; i++) {
		const struct net_attached *other = a->attached->items[i];

		if (!other || !find_meeting(other, port, &by->first))
			continue;
		by->owner = other->owner;
		return true;
	}
	by->owner = a->out->owner;
	return find_meeting(a->out, port, &by->first);
}

static bool is_port_taken(const void *arg, bool udp, uint16_t first, uint16_t count)
{
	const struct attaching *a = arg;
	struct net_publish any = { .udp = udp, .host_first = first, .count = count };
	struct publisher by;

	for (size_t i = 0; i < a->facts->busy_count; i++)
		if (net_publish_meets(&a->facts->busy[i], &any))
			return true;
	return is_published(a, &any, &by);
}

static int attach_port(struct attaching *a, const struct net_publish *wish, struct err *err)
{
	struct net_publish port = *wish;
	struct publisher by = { .owner = NULL };

	port.place = port.label = NULL;
	if (a->out->port_count == NET_MAX_PUBLISHED)
		return err_set(err, ERR_LIMIT, "more than %d published ports", NET_MAX_PUBLISHED);
	if (!port.host_first && net_port_take(a->leases, a->out->owner, port.udp, port.first,
					      port.count, a->facts->port_first, a->facts->port_last,
					      is_port_taken, a, &port.host_first, err) < 0)
		return -1;
	if (is_published(a, &port, &by))
		return err_set(err, ERR_BUSY, "port %u/%s (%s) is published by %s already",
			       port.host_first > by.first ? port.host_first : by.first,
			       port.udp ? "udp" : "tcp", wish->label, by.owner);
	*arena_push(&a->out->arena, a->out->ports, a->out->port_count) = port;
	return 0;
}

int net_attached_default(const struct net_attached *attached)
{
	for (size_t i = 0; i < attached->end_count; i++)
		if (!attached->ends[i].bridge.internal)
			return (int)i;
	return -1;
}

static void set_target(struct net_attached *out)
{
	int index = net_attached_default(out);

	if (index < 0)
		return;
	out->has_target = true;
	out->target = out->ends[index].address;
	str_copy(out->target_bridge, sizeof(out->target_bridge), out->ends[index].bridge.name);
}

int net_plan_attach(const struct net_network *networks, size_t network_count,
		    const struct net_container *container, const char *run_id,
		    const struct net_attached_list *attached, const struct net_taken *static_wishes,
		    const struct net_plan_facts *facts, struct net_leases *leases,
		    struct net_attached *out, struct err *err)
{
	struct attaching a = { container, attached, static_wishes, facts, leases, out };

	str_copy(out->owner, sizeof(out->owner), container->name);
	str_copy(out->run_id, sizeof(out->run_id), run_id);
	for (size_t i = 0; i < container->join_count; i++)
		if (attach_end(&a, networks, network_count, &container->joins[i], err) < 0)
			return -1;
	set_target(out);
	for (size_t i = 0; i < container->port_count; i++)
		if (attach_port(&a, &container->ports[i], err) < 0)
			return -1;
	return 0;
}

void net_attached_fini(struct net_attached *attached)
{
	arena_fini(&attached->arena);
	*attached = (struct net_attached){ 0 };
}

void net_end_words(const struct net_end *end, bool has_gateway, struct buf *out)
{
	char address[INET_ADDRSTRLEN], mac[18];

	net_address_text(end->address, address);
	net_mac_text(end->mac, mac);
	buf_printf(out, "bridge=%s link=%s name=%s mac=%s address=%s/%u", end->bridge.name,
		   end->link, end->interface, mac, address, end->bridge.prefix);
	if (has_gateway) {
		net_address_text(end->bridge.address, address);
		buf_printf(out, " gateway=%s", address);
	}
	if (end->bridge.mtu)
		buf_printf(out, " mtu=%u", end->bridge.mtu);
}
