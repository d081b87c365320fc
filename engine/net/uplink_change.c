/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink, changing: one thing a call, and what is so already is no error. Must never touch a link but the one of the number. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/uplink_internal.h"
#include "util/file.h"
#include "util/str.h"

#define REQUEST_MAX 1024

static int request(struct netlink *nl, struct buf *out, size_t begin, int fine, const char *what,
		   struct err *err)
{
	netlink_end(out, begin);
	if (buf_check(out, what, err) < 0)
		return -1;
	if (netlink_request(nl, out, err) == 0 || (fine && err->sys_errno == fine))
		return 0;
	return err_wrap(err, "%s", what);
}

int uplink_link_up(struct netlink *nl, uint32_t index, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC,
					  .ifi_index = (int)index,
					  .ifi_flags = IFF_UP,
					  .ifi_change = IFF_UP };
	auto_buf out = BUF_INIT(REQUEST_MAX);

	return request(nl, &out,
		       netlink_begin(&out, RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header)), 0,
		       "up", err);
}

int uplink_link_mtu(struct netlink *nl, uint32_t index, unsigned mtu, struct err *err)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin = netlink_begin(&out, RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header));
	char what[32];

	netlink_put_u32(&out, IFLA_MTU, mtu);
	snprintf(what, sizeof(what), "mtu %u", mtu);
	return request(nl, &out, begin, 0, what, err);
}

static size_t begin_address(struct buf *out, uint16_t type, uint16_t flags, uint32_t index,
			    const struct net_ip *ip)
{
	const struct ifaddrmsg header = { .ifa_family = ip->family,
					  .ifa_prefixlen = ip->prefix,
					  .ifa_scope = RT_SCOPE_UNIVERSE,
					  .ifa_index = index };
	size_t begin = netlink_begin(out, type, flags | NLM_F_ACK, &header, sizeof(header));

	netlink_put(out, IFA_LOCAL, ip->bytes, net_ip_bytes(ip));
	netlink_put(out, IFA_ADDRESS, ip->bytes, net_ip_bytes(ip));
	return begin;
}

int uplink_address_put(struct netlink *nl, uint32_t index, const struct net_ip *ip,
		       uint32_t lifetime_sec, struct err *err)
{
	const struct ifa_cacheinfo life = { .ifa_prefered = lifetime_sec,
					    .ifa_valid = lifetime_sec };
	auto_buf out = BUF_INIT(REQUEST_MAX);
	char text[NET_IP_TEXT];
	size_t begin = begin_address(&out, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, ip);

	if (ip->family == AF_INET && ip->prefix < 31) {
		struct net_ip last = *ip;

		for (unsigned bit = ip->prefix; bit < 32; bit++)
			last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		netlink_put(&out, IFA_BROADCAST, last.bytes, 4);
	}
	netlink_put(&out, IFA_CACHEINFO, &life, sizeof(life));
	net_ip_text(ip, true, text);
	return request(nl, &out, begin, 0, text, err);
}

int uplink_address_drop(struct netlink *nl, uint32_t index, const struct net_ip *ip,
			struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);
	char text[NET_IP_TEXT];

	net_ip_text(ip, true, text);
	return request(nl, &out, begin_address(&out, RTM_DELADDR, 0, index, ip), EADDRNOTAVAIL,
		       text, err);
}

static size_t begin_route(struct buf *out, uint16_t type, uint16_t flags, uint32_t index,
			  const struct uplink_route *route, uint32_t metric, unsigned rtm_flags)
{
	const struct rtmsg header = {
		.rtm_family = route->to.family,
		.rtm_dst_len = route->to.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = UPLINK_PROTOCOL,
		.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE :
			     route->via.family	  ? RT_SCOPE_UNIVERSE :
						    RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = rtm_flags,
	};
	size_t begin = netlink_begin(out, type, flags | NLM_F_ACK, &header, sizeof(header));

	if (route->to.prefix)
		netlink_put(out, RTA_DST, route->to.bytes, net_ip_bytes(&route->to));
	if (route->via.family)
		netlink_put(out, RTA_GATEWAY, route->via.bytes, net_ip_bytes(&route->via));
	netlink_put_u32(out, RTA_OIF, index);
	netlink_put_u32(out, RTA_PRIORITY, metric);
	return begin;
}

static void route_text(const struct uplink_route *route, char out[128])
{
	char to[NET_IP_TEXT], via[NET_IP_TEXT];

	net_ip_text(&route->to, true, to);
	net_ip_text(&route->via, false, via);
	snprintf(out, 128, "route %s%s%s", route->to.prefix ? to : "default",
		 route->via.family ? " via " : "", route->via.family ? via : "");
}

int uplink_route_put(struct netlink *nl, uint32_t index, const struct uplink_wanted_route *route,
		     uint32_t metric, struct err *err)
{
	auto_buf out = BUF_INIT(REQUEST_MAX);
	size_t begin = begin_route(&out, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index,
				   &route->route, metric, route->onlink ? RTNH_F_ONLINK : 0);
	char text[128];

	route_text(&route->route, text);
	return request(nl, &out, begin, EEXIST, text, err);
}

int uplink_route_drop(struct netlink *nl, const struct uplink_found_route *route, struct err *err)
{
	const struct uplink_route r = { route->to, route->via };
	auto_buf out = BUF_INIT(REQUEST_MAX);
	char text[128];

	route_text(&r, text);
	return request(nl, &out,
		       begin_route(&out, RTM_DELROUTE, 0, route->index, &r, route->metric, 0),
		       ESRCH, text, err);
}

int uplink_sysctl(int sysctl_fd, const char *path, unsigned value, struct err *err)
{
	auto_buf old = BUF_INIT(64);
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	if (file_read_at(sysctl_fd, path, 64, &old, err) < 0)
		return -1;
	if (str_starts(buf_str(&old), text) && buf_str(&old)[strlen(text)] == '\n')
		return 0;
	return file_write_text_at(sysctl_fd, path, text, err);
}
