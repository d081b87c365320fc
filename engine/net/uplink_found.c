/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink, reading: links that could be the appliance's own, what addresses and routes are on them. Every length is checked and every
 * table bounded: what is beyond is left out, because an appliance with too many routes still needs its first link. Must never change anything.
 */
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/domain_list.h"
#include "net/uplink_internal.h"
#include "util/bytes.h"
#include "util/str.h"

#define REQUEST_MAX 256
/* linux/if_link.h says only that these are flags; their names are the kernel's own: net/if_inet6.h. */
#define IF_RA_MANAGED 0x40
#define OPT_RDNSS 25 /* RFC 8106 */
#define OPT_DNSSL 31

static struct uplink_found_link *find_link(struct uplink_found *found, uint32_t index)
{
	for (unsigned i = 0; i < found->link_count; i++)
		if (found->links[i].index == index)
			return &found->links[i];
	return NULL;
}

static void read_families(struct uplink_found_link *link, struct netlink_span attrs)
{
	struct netlink_span families, family, value;
	uint32_t flags;

	if (netlink_find(attrs, IFLA_AF_SPEC, &families) &&
	    netlink_find(families, AF_INET6, &family) &&
	    netlink_find(family, IFLA_INET6_FLAGS, &value) && netlink_u32(value, &flags))
		link->ra_managed = flags & IF_RA_MANAGED;
}

static void add_link(struct uplink_found *found, const struct netlink_message *m)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct ifinfomsg)), value;
	struct uplink_found_link link = { 0 };
	struct ifinfomsg header;

	if (m->len < sizeof(header) || found->link_count == UPLINK_FOUND_LINKS)
		return;
	memcpy(&header, m->data, sizeof(header));
	link.index = (uint32_t)header.ifi_index;
	link.is_up = header.ifi_flags & IFF_UP;
	link.has_carrier = header.ifi_flags & IFF_RUNNING;
	/* a part of a bridge has no addresses of its own */
	if (header.ifi_type != ARPHRD_ETHER || netlink_find(attrs, IFLA_MASTER, &value) ||
	    !netlink_find(attrs, IFLA_IFNAME, &value) ||
	    !netlink_text(value, link.name, sizeof(link.name)) || uplink_is_containers(link.name))
		return;
	if (netlink_find(attrs, IFLA_MTU, &value))
		netlink_u32(value, &link.mtu);
	if (netlink_find(attrs, IFLA_ADDRESS, &value) && value.len == sizeof(link.mac))
		memcpy(link.mac, value.data, sizeof(link.mac));
	read_families(&link, attrs);
	found->links[found->link_count++] = link;
}

static bool read_ip(struct netlink_span attrs, uint16_t type, uint8_t family, struct net_ip *out)
{
	struct netlink_span value;
	size_t size = family == AF_INET ? 4 : 16;

	*out = (struct net_ip){ .family = family, .prefix = (uint8_t)(size * 8) };
	if (!netlink_find(attrs, type, &value) || value.len != size)
		return false;
	memcpy(out->bytes, value.data, size);
	return true;
}

static void add_address(struct uplink_found *found, const struct netlink_message *m)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct ifaddrmsg)), value;
	struct uplink_found_address a = { 0 };
	struct ifaddrmsg header;
	uint32_t flags;

	if (m->len < sizeof(header) || found->address_count == UPLINK_FOUND_ADDRESSES)
		return;
	memcpy(&header, m->data, sizeof(header));
	if ((header.ifa_family != AF_INET && header.ifa_family != AF_INET6) ||
	    !find_link(found, header.ifa_index))
		return;
	/* of IPv4 the address is IFA_LOCAL, of IPv6 it is that only where there is a peer */
	if (!read_ip(attrs, IFA_LOCAL, header.ifa_family, &a.ip) &&
	    !read_ip(attrs, IFA_ADDRESS, header.ifa_family, &a.ip))
		return;
	if (header.ifa_prefixlen > a.ip.prefix)
		return;
	a.ip.prefix = header.ifa_prefixlen;
	flags = header.ifa_flags;
	if (netlink_find(attrs, IFA_FLAGS, &value))
		netlink_u32(value, &flags);
	a.index = header.ifa_index;
	a.is_global = header.ifa_scope < RT_SCOPE_LINK;
	a.is_permanent = flags & IFA_F_PERMANENT;
	a.is_usable = !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
	found->addresses[found->address_count++] = a;
}

static void add_route(struct uplink_found *found, const struct netlink_message *m)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct rtmsg)), value;
	struct uplink_found_route r = { 0 };
	struct rtmsg header;

	if (m->len < sizeof(header))
		return;
	memcpy(&header, m->data, sizeof(header));
	if (header.rtm_table != RT_TABLE_MAIN || header.rtm_type != RTN_UNICAST ||
	    (header.rtm_flags & RTM_F_CLONED) ||
	    (header.rtm_family != AF_INET && header.rtm_family != AF_INET6))
		return;
	found->has_default_route |= header.rtm_dst_len == 0;
	if (netlink_find(attrs, RTA_OIF, &value))
		netlink_u32(value, &r.index);
	if (found->route_count == UPLINK_FOUND_ROUTES || !find_link(found, r.index))
		return;
	read_ip(attrs, RTA_DST, header.rtm_family, &r.to); /* none: the default route */
	if (header.rtm_dst_len > r.to.prefix)
		return;
	r.to.prefix = header.rtm_dst_len;
	if (!read_ip(attrs, RTA_GATEWAY, header.rtm_family, &r.via))
		r.via = (struct net_ip){ 0 };
	if (netlink_find(attrs, RTA_PRIORITY, &value))
		netlink_u32(value, &r.metric);
	r.protocol = header.rtm_protocol;
	found->routes[found->route_count++] = r;
}

void uplink_found_message(struct uplink_found *found, const struct netlink_message *message)
{
	if (message->type == RTM_NEWLINK)
		add_link(found, message);
	else if (message->type == RTM_NEWADDR)
		add_address(found, message);
	else if (message->type == RTM_NEWROUTE)
		add_route(found, message);
}

/* --- dumps ------------------------------------------------------------------------------------------- */

struct reading {
	struct uplink_found *found;
	unsigned *count; /* of what this dump brings */
};

static int on_message(const struct netlink_message *message, void *arg, struct err *err)
{
	(void)err;
	uplink_found_message(((struct reading *)arg)->found, message);
	return 0;
}

static void on_again(void *arg)
{
	struct reading *r = arg;

	*r->count = 0;
	if (r->count == &r->found->route_count)
		r->found->has_default_route = false;
}

static int dump(struct netlink *nl, uint16_t type, const void *header, size_t len,
		struct uplink_found *found, unsigned *count, struct err *err)
{
	struct reading reading = { found, count };
	const struct netlink_reader reader = { on_again, on_message, &reading };
	auto_buf request = BUF_INIT(REQUEST_MAX);

	netlink_end(&request, netlink_begin(&request, type, 0, header, len));
	return netlink_dump(nl, &request, &reader, err);
}

int uplink_found_read(struct netlink *nl, struct uplink_found *out, struct err *err)
{
	const struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	const struct ifaddrmsg addresses = { .ifa_family = AF_UNSPEC };
	const struct rtmsg routes = { .rtm_family = AF_UNSPEC };

	out->link_count = out->address_count = out->route_count = 0;
	out->has_default_route = false;
	if (dump(nl, RTM_GETLINK, &links, sizeof(links), out, &out->link_count, err) < 0 ||
	    dump(nl, RTM_GETADDR, &addresses, sizeof(addresses), out, &out->address_count, err) <
		    0 ||
	    dump(nl, RTM_GETROUTE, &routes, sizeof(routes), out, &out->route_count, err) < 0)
		return err_wrap(err, "links");
	return 0;
}

/* --- what routers say ---------------------------------------------------------------------------------- */

static void read_servers(const unsigned char *option, size_t len, struct uplink_ra *out)
{
	out->servers_sec = get_be32(option + 4);
	for (size_t at = 8; at + 16 <= len && out->server_count < UPLINK_RA_SERVERS; at += 16) {
		struct net_ip *ip = &out->servers[out->server_count];

		*ip = (struct net_ip){ .family = AF_INET6, .prefix = 128 };
		memcpy(ip->bytes, option + at, 16);
		if (net_ip_is_host(ip))
			out->server_count++;
	}
}

bool uplink_ra_read(const struct netlink_message *message, struct uplink_ra *out)
{
	struct nduseroptmsg header;
	const unsigned char *p;
	size_t left;

	*out = (struct uplink_ra){ 0 };
	if (message->type != RTM_NEWNDUSEROPT || message->len < sizeof(header))
		return false;
	memcpy(&header, message->data, sizeof(header));
	p = message->data + sizeof(header);
	left = message->len - sizeof(header);
	if (header.nduseropt_family != AF_INET6 || header.nduseropt_opts_len > left)
		return false;
	out->index = (uint32_t)header.nduseropt_ifindex;
	left = header.nduseropt_opts_len;
	while (left >= 8) {
		size_t len = (size_t)p[1] * 8;

		if (len == 0 || len > left)
			break;
		if (p[0] == OPT_RDNSS) {
			read_servers(p, len, out);
		} else if (p[0] == OPT_DNSSL) {
			out->search_sec = get_be32(p + 4);
			domain_list_read(p + 8, len - 8, out->search, sizeof(out->search));
		}
		p += len;
		left -= len;
	}
	return out->server_count || out->search[0];
}
