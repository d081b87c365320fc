/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink. What the kernel tells is read with every length checked and every table bounded. Must never change a link but the one that an
 * operation names.
 */
#include "net/links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define REQUEST_MAX 4096
/* linux/ipv6.h, which no C library's headers stand beside. */
#define DISABLE_IPV6_INDEX 26
#define DIGEST_START UINT64_C(0xcbf29ce484222325) /* FNV-1a */
#define DIGEST_PRIME UINT64_C(0x100000001b3)

static void digest(struct net_found *found, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		found->foreign = (found->foreign ^ p[i]) * DIGEST_PRIME;
}

static void digest_attr(struct net_found *found, struct netlink_span attrs, uint16_t type)
{
	struct netlink_span value;

	digest(found, &type, sizeof(type));
	if (netlink_find(attrs, type, &value))
		digest(found, value.data, value.len);
}

/* --- reading -------------------------------------------------------------------------------------- */

/* Room for one more of size bytes; powers of two. */
static int grow(void *list, size_t count, size_t size, struct err *err)
{
	void **items = list, *p;

	if (count && (count & (count - 1)))
		return 0;
	if (count >= NET_MAX_FOUND)
		return err_set(err, ERR_LIMIT, "more than %d links, addresses or routes",
			       NET_MAX_FOUND);
	p = reallocarray(*items, count ? 2 * count : 1, size);
	if (!p)
		return err_sys(err, "links");
	*items = p;
	return 0;
}

/* Entry of an array of 32-bit numbers. */
static bool conf_value(struct netlink_span array, size_t index)
{
	uint32_t value;

	if (array.len < (index + 1) * sizeof(value))
		return false;
	memcpy(&value, array.data + index * sizeof(value), sizeof(value));
	return value != 0;
}

static void read_info(struct net_found_link *link, struct netlink_span info)
{
	struct netlink_span value, mode;

	if (netlink_find(info, IFLA_INFO_KIND, &value))
		netlink_text(value, link->kind, sizeof(link->kind));
	if (netlink_find(info, IFLA_INFO_SLAVE_DATA, &value) &&
	    netlink_find(value, IFLA_BRPORT_MODE, &mode))
		link->hairpin = mode.len == 1 && mode.data[0];
}

/* A kernel without IPv6 has nothing to say about it. */
static void read_families(struct net_found_link *link, struct netlink_span attrs)
{
	struct netlink_span families, family, conf;

	link->ipv6_off = true;
	if (!netlink_find(attrs, IFLA_AF_SPEC, &families))
		return;
	if (netlink_find(families, AF_INET, &family) && netlink_find(family, IFLA_INET_CONF, &conf))
		link->route_localnet = conf_value(conf, IPV4_DEVCONF_ROUTE_LOCALNET - 1);
	if (netlink_find(families, AF_INET6, &family) &&
	    netlink_find(family, IFLA_INET6_CONF, &conf))
		link->ipv6_off = conf_value(conf, DISABLE_IPV6_INDEX);
}

static int add_link(struct net_found *found, const struct netlink_message *m, struct err *err)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct ifinfomsg)), value;
	struct net_found_link link = { 0 };
	struct ifinfomsg header;

	if (m->len < sizeof(header))
		return 0;
	memcpy(&header, m->data, sizeof(header));
	link.index = (uint32_t)header.ifi_index;
	link.up = header.ifi_flags & IFF_UP;
	if (!netlink_find(attrs, IFLA_IFNAME, &value) ||
	    !netlink_text(value, link.name, sizeof(link.name)))
		return 0;
	if (netlink_find(attrs, IFLA_MASTER, &value))
		netlink_u32(value, &link.master);
	if (netlink_find(attrs, IFLA_MTU, &value))
		netlink_u32(value, &link.mtu);
	if (netlink_find(attrs, IFLA_ADDRESS, &value) && value.len == sizeof(link.mac))
		memcpy(link.mac, value.data, sizeof(link.mac));
	if (netlink_find(attrs, IFLA_LINKINFO, &value))
		read_info(&link, value);
	read_families(&link, attrs);
	if (grow(&found->links, found->link_count, sizeof(link), err) < 0)
		return -1;
	found->links[found->link_count++] = link;
	return 0;
}

static int add_address(struct net_found *found, const struct netlink_message *m, struct err *err)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct ifaddrmsg)), value;
	struct net_found_address address = { 0 };
	struct ifaddrmsg header;

	if (m->len < sizeof(header))
		return 0;
	memcpy(&header, m->data, sizeof(header));
	if (!net_link_is_ours(found, header.ifa_index)) {
		digest(found, &header.ifa_index, sizeof(header.ifa_index));
		digest_attr(found, attrs, IFA_ADDRESS);
		digest_attr(found, attrs, IFA_LOCAL);
	}
	if (header.ifa_family != AF_INET || !netlink_find(attrs, IFA_LOCAL, &value) ||
	    value.len != sizeof(address.address))
		return 0;
	memcpy(&address.address, value.data, sizeof(address.address));
	address.index = header.ifa_index;
	address.prefix = header.ifa_prefixlen;
	if (address.prefix > 32)
		return 0;
	if (grow(&found->addresses, found->address_count, sizeof(address), err) < 0)
		return -1;
	found->addresses[found->address_count++] = address;
	return 0;
}

static int add_route(struct net_found *found, const struct netlink_message *m, struct err *err)
{
	struct netlink_span attrs = netlink_attrs(m, sizeof(struct rtmsg)), value;
	struct net_found_route route = { 0 };
	struct rtmsg header;

	if (m->len < sizeof(header))
		return 0;
	memcpy(&header, m->data, sizeof(header));
	if (header.rtm_table != RT_TABLE_MAIN || header.rtm_type != RTN_UNICAST ||
	    (header.rtm_flags & RTM_F_CLONED) ||
	    (header.rtm_family != AF_INET && header.rtm_family != AF_INET6))
		return 0;
	if (netlink_find(attrs, RTA_OIF, &value))
		netlink_u32(value, &route.index);
	if (!net_link_is_ours(found, route.index)) {
		digest(found, &header.rtm_dst_len, sizeof(header.rtm_dst_len));
		digest_attr(found, attrs, RTA_DST);
		digest_attr(found, attrs, RTA_GATEWAY);
		digest_attr(found, attrs, RTA_OIF);
		found->has_default_route |= header.rtm_dst_len == 0;
	}
	if (header.rtm_family != AF_INET || header.rtm_dst_len == 0 || header.rtm_dst_len > 32 ||
	    !netlink_find(attrs, RTA_DST, &value) || value.len != sizeof(route.to))
		return 0;
	memcpy(&route.to, value.data, sizeof(route.to));
	route.prefix = header.rtm_dst_len;
	if (grow(&found->routes, found->route_count, sizeof(route), err) < 0)
		return -1;
	found->routes[found->route_count++] = route;
	return 0;
}

int net_found_message(struct net_found *found, const struct netlink_message *message,
		      struct err *err)
{
	switch (message->type) {
	case RTM_NEWLINK:
		return add_link(found, message, err);
	case RTM_NEWADDR:
		return add_address(found, message, err);
	case RTM_NEWROUTE:
		return add_route(found, message, err);
	default:
		return 0;
	}
}

struct reading {
	struct net_found *found;
	size_t *count; /* of what this dump brings */
	uint64_t foreign;
};

static int on_message(const struct netlink_message *message, void *arg, struct err *err)
{
	return net_found_message(((struct reading *)arg)->found, message, err);
}

static void on_again(void *arg)
{
	struct reading *r = arg;

	*r->count = 0;
	r->found->foreign = r->foreign;
	r->found->has_default_route = false; /* the last dump's word counts: routes */
}

static int dump(struct netlink *nl, uint16_t type, const void *header, size_t len,
		struct net_found *found, size_t *count, struct err *err)
{
	struct reading reading = { .found = found, .count = count, .foreign = found->foreign };
	const struct netlink_reader reader = { .again = on_again,
					       .message = on_message,
					       .arg = &reading };
	auto_buf request = BUF_INIT(REQUEST_MAX);

	netlink_end(&request, netlink_begin(&request, type, 0, header, len));
	return netlink_dump(nl, &request, &reader, err);
}

static void digest_links(struct net_found *found)
{
	for (size_t i = 0; i < found->link_count; i++) {
		const struct net_found_link *link = &found->links[i];

		if (net_link_is_ours(found, link->index))
			continue;
		digest(found, link->name, strlen(link->name) + 1);
		digest(found, &link->up, sizeof(link->up));
	}
}

static int read_all(struct netlink *nl, struct net_found *out, struct err *err)
{
	const struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	const struct ifaddrmsg addresses = { .ifa_family = AF_UNSPEC };
	const struct rtmsg routes = { .rtm_family = AF_UNSPEC };

	if (dump(nl, RTM_GETLINK, &links, sizeof(links), out, &out->link_count, err) < 0 ||
	    dump(nl, RTM_GETADDR, &addresses, sizeof(addresses), out, &out->address_count, err) <
		    0 ||
	    dump(nl, RTM_GETROUTE, &routes, sizeof(routes), out, &out->route_count, err) < 0)
		return -1;
	digest_links(out);
	return 0;
}

int net_found_read(struct netlink *nl, struct net_found *out, struct err *err)
{
	*out = (struct net_found){ .foreign = DIGEST_START };
	if (read_all(nl, out, err) == 0)
		return 0;
	net_found_fini(out);
	return err_wrap(err, "links");
}

/* --- changing --------------------------------------------------------------------------------------- */

static int set_sysctl(int sysctl_fd, const char *path, const char *value, struct err *err)
{
	if (file_write_text_at(sysctl_fd, path, value, err) < 0)
		return err_wrap(err, "/proc/sys/net");
	return 0;
}

static int set_link_sysctl(int sysctl_fd, const char *family, const char *link, const char *name,
			   bool on, struct err *err)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/conf/%s/%s", family, link, name);
	return set_sysctl(sysctl_fd, path, on ? "1" : "0", err);
}

/* A kernel without IPv6 has no such file. */
static int ipv6_off(int sysctl_fd, const char *link, struct err *err)
{
	if (set_link_sysctl(sysctl_fd, "ipv6", link, "disable_ipv6", true, err) == 0 ||
	    err->sys_errno == ENOENT)
		return 0;
	return -1;
}

int net_forwarding(int sysctl_fd, bool *on, struct err *err)
{
	auto_buf text = BUF_INIT(64);

	if (file_read_at(sysctl_fd, "ipv4/ip_forward", 64, &text, err) < 0)
		return err_wrap(err, "/proc/sys/net");
	*on = buf_str(&text)[0] != '0';
	return 0;
}

bool net_br_netfilter(int sysctl_fd)
{
	auto_buf text = BUF_INIT(64);

	return file_read_at(sysctl_fd, "bridge/bridge-nf-call-iptables", 64, &text, NULL) == 0 &&
	       buf_str(&text)[0] == '1';
}

int net_br_netfilter_off(int sysctl_fd, struct err *err)
{
	return set_sysctl(sysctl_fd, "bridge/bridge-nf-call-iptables", "0", err);
}

int net_set_forwarding(int sysctl_fd, bool on, struct err *err)
{
	return set_sysctl(sysctl_fd, "ipv4/ip_forward", on ? "1" : "0", err);
}

int net_set_link_ways(int sysctl_fd, const char *link, bool on, struct err *err)
{
	if (set_link_sysctl(sysctl_fd, "ipv4", link, "forwarding", on, err) < 0)
		return -1;
	return set_link_sysctl(sysctl_fd, "ipv4", link, "route_localnet", on, err);
}

static int find_index(struct netlink *nl, const char *name, uint32_t *out, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct net_found found = { 0 };
	int rc = dump(nl, RTM_GETLINK, &header, sizeof(header), &found, &found.link_count, err);

	*out = 0;
	for (size_t i = 0; rc == 0 && i < found.link_count; i++)
		if (str_eq(found.links[i].name, name))
			*out = found.links[i].index;
	net_found_fini(&found);
	if (rc == 0 && !*out)
		return err_errno(err, ENODEV, "%s", name);
	return rc;
}

/* Of the link that is named, not numbered. */
static size_t begin_link(struct buf *out, uint16_t type, uint16_t flags, const char *name)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	size_t begin = netlink_begin(out, type, flags | NLM_F_ACK, &header, sizeof(header));

	netlink_put_text(out, IFLA_IFNAME, name);
	return begin;
}

/* No spanning tree, no snooping of multicast: there is no loop and nobody who asks. */
static void put_bridge_info(struct buf *out)
{
	size_t info = netlink_nest(out, IFLA_LINKINFO), data;

	netlink_put_text(out, IFLA_INFO_KIND, "bridge");
	data = netlink_nest(out, IFLA_INFO_DATA);
	netlink_put_u32(out, IFLA_BR_STP_STATE, 0);
	netlink_put_u8(out, IFLA_BR_MCAST_SNOOPING, 0);
	netlink_nest_end(out, data);
	netlink_nest_end(out, info);
}

/* A fixed address: a bridge without one takes the least of what hangs on it, and the containers' neighbour tables would be wrong with
 * each that comes and goes. */
static int add_bridge(struct netlink *nl, const struct net_op *op, struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin = begin_link(&out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, op->link);

	netlink_put(&out, IFLA_ADDRESS, op->mac, sizeof(op->mac));
	netlink_put_u32(&out, IFLA_GROUP, NET_BRIDGE_GROUP);
	put_bridge_info(&out);
	netlink_end(&out, begin);
	return netlink_request(nl, &out, err);
}

static int set_link(struct netlink *nl, const struct net_op *op, struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);
	uint32_t bridge = 0;
	size_t begin;

	if (op->kind == NET_OP_MASTER && find_index(nl, op->bridge, &bridge, err) < 0)
		return -1;
	begin = begin_link(&out, RTM_SETLINK, 0, op->link);
	if (op->kind == NET_OP_MAC)
		netlink_put(&out, IFLA_ADDRESS, op->mac, sizeof(op->mac));
	if (op->kind == NET_OP_MTU)
		netlink_put_u32(&out, IFLA_MTU, op->mtu);
	if (op->kind == NET_OP_MASTER)
		netlink_put_u32(&out, IFLA_MASTER, bridge);
	netlink_end(&out, begin);
	return netlink_request(nl, &out, err);
}

static int set_up(struct netlink *nl, const struct net_op *op, bool up, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC,
					  .ifi_flags = up ? IFF_UP : 0,
					  .ifi_change = IFF_UP };
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin = netlink_begin(&out, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));

	netlink_put_text(&out, IFLA_IFNAME, op->link);
	netlink_end(&out, begin);
	return netlink_request(nl, &out, err);
}

static int set_hairpin(struct netlink *nl, const struct net_op *op, struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin = begin_link(&out, RTM_NEWLINK, 0, op->link);
	size_t info = netlink_nest(&out, IFLA_LINKINFO), data;

	netlink_put_text(&out, IFLA_INFO_SLAVE_KIND, "bridge");
	data = netlink_nest(&out, IFLA_INFO_SLAVE_DATA);
	netlink_put_u8(&out, IFLA_BRPORT_MODE, 1);
	netlink_nest_end(&out, data);
	netlink_nest_end(&out, info);
	netlink_end(&out, begin);
	return netlink_request(nl, &out, err);
}

static int delete_link(struct netlink *nl, const struct net_op *op, struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);

	netlink_end(&out, begin_link(&out, RTM_DELLINK, 0, op->link));
	if (netlink_request(nl, &out, err) == 0 || err->sys_errno == ENODEV)
		return 0;
	return -1;
}

static int change_address(struct netlink *nl, const struct net_op *op, struct err *err)
{
	struct ifaddrmsg header = { .ifa_family = AF_INET,
				    .ifa_prefixlen = op->prefix,
				    .ifa_scope = RT_SCOPE_UNIVERSE };
	const uint32_t broadcast = op->address.s_addr | htonl(UINT32_MAX >> op->prefix);
	bool is_new = op->kind == NET_OP_ADDRESS_ADD;
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin;

	if (find_index(nl, op->link, &header.ifa_index, err) < 0)
		return -1;
	begin = netlink_begin(&out, is_new ? RTM_NEWADDR : RTM_DELADDR,
			      is_new ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK : NLM_F_ACK, &header,
			      sizeof(header));
	netlink_put(&out, IFA_LOCAL, &op->address, sizeof(op->address));
	netlink_put(&out, IFA_ADDRESS, &op->address, sizeof(op->address));
	if (is_new)
		netlink_put(&out, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	netlink_end(&out, begin);
	return netlink_request(nl, &out, err);
}

static int run(struct netlink *nl, int sysctl_fd, const struct net_op *op, struct err *err)
{
	switch (op->kind) {
	case NET_OP_REFUSE:
		break;
	case NET_OP_LINK_DELETE:
		return delete_link(nl, op, err);
	case NET_OP_BRIDGE_ADD:
		return add_bridge(nl, op, err);
	case NET_OP_IPV6_OFF:
		return ipv6_off(sysctl_fd, op->link, err);
	case NET_OP_LOCALNET:
		return set_link_sysctl(sysctl_fd, "ipv4", op->link, "route_localnet", true, err);
	case NET_OP_MAC:
	case NET_OP_MTU:
	case NET_OP_MASTER:
		return set_link(nl, op, err);
	case NET_OP_UP:
	case NET_OP_DOWN:
		return set_up(nl, op, op->kind == NET_OP_UP, err);
	case NET_OP_ADDRESS_DELETE:
	case NET_OP_ADDRESS_ADD:
		return change_address(nl, op, err);
	case NET_OP_HAIRPIN:
		return set_hairpin(nl, op, err);
	}
	return err_set(err, ERR_BUG, "operation %d", (int)op->kind);
}

int net_op_run(struct netlink *nl, int sysctl_fd, const struct net_op *op, struct err *err)
{
	char line[128];
	auto_buf words = BUF_INIT(256);

	if (op->kind == NET_OP_REFUSE)
		return err_set(err, ERR_INPUT, "%s", op->text);
	if (run(nl, sysctl_fd, op, err) == 0)
		return 0;
	net_op_print(op, &words);
	str_copy(line, sizeof(line), buf_str(&words));
	line[strcspn(line, "\n")] = '\0';
	return err_wrap(err, "%s: %s", op->link, line);
}
