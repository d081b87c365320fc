/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What should be on a link, of all that is known about it. Pure, so that every case can be tested without a kernel. Must never want anything
 * taken away that is not in the link's own record.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/diff.h"
#include "net/uplink_internal.h"
#include "util/str.h"

#define RUN_ID_LENGTH 12

bool uplink_is_default(const char *name)
{
	return str_starts(name, "eth") || str_starts(name, "en");
}

bool uplink_is_containers(const char *name)
{
	/* "v", a run id, a number */
	for (unsigned i = 1; name[0] == 'v' && i <= RUN_ID_LENGTH; i++)
		if (str_hex_value(name[i]) < 0)
			return false;
	return name[0] == 'v' || net_is_ours(name);
}

static bool is_mac_of(const char *name, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return str_eq(name, text);
}

static const struct uplink_link *find(const struct uplink_link *links, unsigned count,
				      const struct uplink_found_link *link)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(links[i].name, link->name) || is_mac_of(links[i].name, link->mac))
			return &links[i];
	return NULL;
}

/*
 * Addresses that neither we nor a router's advertisement brought. Once something of ours is on the link, whoever adds to it does so beside us.
 */
static bool is_hosts(const struct uplink_found *found, const struct uplink_found_link *link,
		     const struct uplink_own *own)
{
	for (unsigned i = 0; i < found->address_count && !own->address_count; i++) {
		const struct uplink_found_address *a = &found->addresses[i];

		if (a->index == link->index && a->is_global &&
		    (a->ip.family == AF_INET || a->is_permanent))
			return true;
	}
	return false;
}

static void add_address(struct uplink_wanted *out, const struct net_ip *ip, uint32_t lifetime_sec)
{
	if (out->address_count == UPLINK_MOST_ADDRESSES)
		return;
	out->lifetimes[out->address_count] = lifetime_sec;
	out->addresses[out->address_count++] = *ip;
}

static void add_routes(struct uplink_wanted *out, const struct uplink_route *routes, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned k = 0;

		while (k < out->route_count &&
		       !net_ip_same(&out->routes[k].route.to, &routes[i].to))
			k++;
		if (k == out->route_count && k < 2 * UPLINK_MAX_ROUTES)
			out->routes[out->route_count++].route = routes[i];
	}
}

/* A gateway that no network of the link holds (a /32 lease, a provider's gateway) is on it all the same. */
static void mark_onlink(struct uplink_wanted *out)
{
	for (unsigned i = 0; i < out->route_count; i++) {
		struct uplink_wanted_route *r = &out->routes[i];
		bool covered = !r->route.via.family || net_ip_is_link_local(&r->route.via);

		for (unsigned k = 0; k < out->address_count; k++)
			covered |= net_ip_covers(&out->addresses[k], &r->route.via);
		for (unsigned k = 0; k < out->route_count; k++)
			covered |= !out->routes[k].route.via.family &&
				   net_ip_covers(&out->routes[k].route.to, &r->route.via);
		r->onlink = !covered;
	}
}

static void add_names(struct uplink_wanted *out, const struct net_ip *servers, unsigned count,
		      const char *search)
{
	for (unsigned i = 0; i < count && out->dns_count < sizeof(out->dns) / sizeof(out->dns[0]);
	     i++)
		out->dns[out->dns_count++] = servers[i];
	if (!out->search[0])
		str_copy(out->search, sizeof(out->search), search);
}

static void add_lease(struct uplink_wanted *out, const struct uplink_held *held, uint64_t now_sec)
{
	const struct lease *lease = &held->lease;
	uint64_t left = held->until == UPLINK_FOREVER ? LEASE_FOREVER : held->until - now_sec;

	if (!held->is_there || held->until <= now_sec)
		return;
	if (held->until != UPLINK_FOREVER && left >= LEASE_FOREVER)
		left = LEASE_FOREVER - 1;
	add_address(out, &lease->address, (uint32_t)left);
	add_routes(out, lease->routes, lease->route_count);
	add_names(out, lease->dns, lease->dns_count, lease->search);
	if (!out->mtu)
		out->mtu = lease->mtu;
}

static void add_adverts(struct uplink_wanted *out, const struct uplink_own *own, uint64_t now_sec)
{
	for (unsigned i = 0; i < own->server_count; i++)
		if (own->servers[i].until > now_sec)
			add_names(out, &own->servers[i].ip, 1, "");
	if (own->search_until > now_sec)
		add_names(out, NULL, 0, own->search);
}

static const char *method_of(const struct uplink_link *c)
{
	if (c->dhcp || c->dhcp6)
		return "dhcp";
	if (c->address_count)
		return "static";
	return c->adverts ? "auto" : "manual";
}

/* Servers of IPv6 are asked from the link's own address, which takes a moment to be usable. */
static bool has_link_local(const struct uplink_found *found, uint32_t index)
{
	for (unsigned i = 0; i < found->address_count; i++)
		if (found->addresses[i].index == index && found->addresses[i].is_usable &&
		    net_ip_is_link_local(&found->addresses[i].ip))
			return true;
	return false;
}

static void want(const struct uplink_link *c, const struct uplink_found *found,
		 const struct uplink_found_link *link, const struct uplink_own *own,
		 uint64_t now_sec, struct uplink_wanted *out)
{
	bool can_ask = link->is_up && link->has_carrier;

	out->method = method_of(c);
	out->is_ours = true;
	out->wants_client[UPLINK_V4] = c->dhcp && can_ask;
	out->wants_client[UPLINK_V6] = c->dhcp6 && can_ask && has_link_local(found, link->index);
	out->adverts = c->adverts;
	out->dhcp6 = c->dhcp6;
	out->mtu = c->mtu;
	for (unsigned i = 0; i < c->address_count; i++) {
		add_address(out, &c->addresses[i], LEASE_FOREVER);
		out->no_autoconf |= c->addresses[i].family == AF_INET6 && !c->adverts;
	}
	add_routes(out, c->routes, c->route_count);
	add_names(out, c->dns, c->dns_count, c->search);
	if (c->dhcp)
		add_lease(out, &own->held[UPLINK_V4], now_sec);
	if (c->dhcp6)
		add_lease(out, &own->held[UPLINK_V6], now_sec);
	if (!out->no_autoconf)
		add_adverts(out, own, now_sec);
	mark_onlink(out);
	/* what a lease that is gone had asked for */
	if (!out->mtu)
		out->mtu = own->mtu_was;
}

void uplink_plan(const struct uplink_config *config, const struct uplink_found *found,
		 const struct uplink_found_link *link, const struct uplink_own *own,
		 uint64_t now_sec, struct uplink_wanted *out)
{
	const struct uplink_link preset = { .dhcp = true, .adverts = true };
	const struct uplink_link *c = find(config->chosen, config->chosen_count, link);

	*out = (struct uplink_wanted){ .method = "off" };
	if (!c && is_hosts(found, link, own)) {
		out->method = "host";
		return;
	}
	if (!c)
		c = find(config->written, config->written_count, link);
	if (!c && uplink_is_default(link->name))
		c = &preset;
	if (c && !c->is_off)
		want(c, found, link, own, now_sec, out);
}
