/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces of a container. One message a pair, because moving an interface into a namespace costs 14-22 ms (RCU grace
 * periods), being born there 0.6 ms. Must never touch an interface of the appliance but the pair that it makes.
 */
#include "runtime/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

#include "runtime/child.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/netlink.h"

#define MESSAGES_MAX 65536
#define LOOPBACK_INDEX 1 /* in every network namespace */
#define METRIC_FIRST 100 /* as podman's: the first network's gateway wins */

static void put_peer(struct buf *out, const struct plan_network *n, pid_t pid)
{
	/* Not up: while it is made it has no other end yet (veth_open() says ENOTCONN). */
	const struct ifinfomsg peer = { .ifi_family = AF_UNSPEC };
	size_t nest = netlink_nest(out, VETH_INFO_PEER);

	/* Not an attribute: the header of the peer, attributes behind it. */
	buf_add(out, &peer, sizeof(peer));
	netlink_put_text(out, IFLA_IFNAME, n->name);
	netlink_put(out, IFLA_ADDRESS, n->mac, sizeof(n->mac));
	netlink_put_u32(out, IFLA_NET_NS_PID, (uint32_t)pid);
	if (n->mtu)
		netlink_put_u32(out, IFLA_MTU, n->mtu);
	netlink_nest_end(out, nest);
}

static void put_pair(struct buf *out, const struct plan_network *n, unsigned bridge, pid_t pid)
{
	const struct ifinfomsg here = { .ifi_family = AF_UNSPEC,
					.ifi_flags = IFF_UP,
					.ifi_change = IFF_UP };
	size_t begin = netlink_begin(out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &here,
				     sizeof(here));
	size_t info, data;

	netlink_put_text(out, IFLA_IFNAME, n->link);
	netlink_put_u32(out, IFLA_MASTER, bridge);
	if (n->mtu)
		netlink_put_u32(out, IFLA_MTU, n->mtu);
	info = netlink_nest(out, IFLA_LINKINFO);
	netlink_put_text(out, IFLA_INFO_KIND, "veth");
	data = netlink_nest(out, IFLA_INFO_DATA);
	put_peer(out, n, pid);
	netlink_nest_end(out, data);
	netlink_nest_end(out, info);
	netlink_end(out, begin);
}

static int connect_all(const struct plan *plan, pid_t pid, struct err *err)
{
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(MESSAGES_MAX);

	for (size_t i = 0; i < plan->network_count; i++) {
		const struct plan_network *n = &plan->networks[i];
		unsigned bridge = if_nametoindex(n->bridge);

		if (!bridge)
			return err_sys(err, "%s: bridge %s", n->name, n->bridge);
		put_pair(&out, n, bridge, pid);
	}
	if (netlink_open(&nl, NETLINK_ROUTE, err) < 0)
		return -1;
	if (netlink_request(&nl, &out, err) < 0) {
		const struct plan_network *n =
			&plan->networks[nl.failed < plan->network_count ? nl.failed : 0];

		return err_wrap(err, "%s: %s on %s", n->name, n->link, n->bridge);
	}
	return 0;
}

int network_connect(const struct plan *plan, pid_t pid, struct err *err)
{
	if (plan->network_count == 0)
		return 0;
	return connect_all(plan, pid, err) < 0 ? err_wrap(err, "network") : 0;
}

static void put_up(struct buf *out, unsigned index)
{
	const struct ifinfomsg up = { .ifi_family = AF_UNSPEC,
				      .ifi_index = (int)index,
				      .ifi_flags = IFF_UP,
				      .ifi_change = IFF_UP };

	netlink_end(out, netlink_begin(out, RTM_NEWLINK, NLM_F_ACK, &up, sizeof(up)));
}

static void put_address(struct buf *out, const struct plan_network *n, unsigned index)
{
	const struct ifaddrmsg header = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = n->prefix,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = index,
	};
	const uint32_t broadcast = n->address.s_addr | htonl(UINT32_MAX >> n->prefix);
	size_t begin = netlink_begin(out, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				     &header, sizeof(header));

	netlink_put(out, IFA_LOCAL, &n->address, sizeof(n->address));
	netlink_put(out, IFA_ADDRESS, &n->address, sizeof(n->address));
	netlink_put(out, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	netlink_end(out, begin);
}

static void put_default_route(struct buf *out, const struct plan_network *n, unsigned index,
			      uint32_t metric)
{
	const struct rtmsg header = {
		.rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	size_t begin = netlink_begin(out, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				     &header, sizeof(header));

	netlink_put(out, RTA_GATEWAY, &n->gateway, sizeof(n->gateway));
	netlink_put_u32(out, RTA_OIF, index);
	netlink_put_u32(out, RTA_PRIORITY, metric);
	netlink_end(out, begin);
}

/* Whose message was refused: loopback is the first, then each interface has its address, is up, and perhaps
 * has a route. */
static int refused(const struct plan *plan, uint32_t place, struct err *err)
{
	uint32_t at = 0;

	for (size_t i = 0; i < plan->network_count; i++) {
		const struct plan_network *n = &plan->networks[i];

		if (place == ++at)
			return err_wrap(err, "%s: address", n->name);
		if (place == ++at)
			return err_wrap(err, "%s: up", n->name);
		if (n->has_gateway && place == ++at)
			return err_wrap(err, "%s: default route", n->name);
	}
	return err_wrap(err, "lo");
}

static int bring_up(const struct plan *plan, struct err *err)
{
	auto_netlink nl = { .fd = -1 };
	auto_buf out = BUF_INIT(MESSAGES_MAX);

	put_up(&out, LOOPBACK_INDEX);
	for (size_t i = 0; i < plan->network_count; i++) {
		const struct plan_network *n = &plan->networks[i];
		unsigned index = if_nametoindex(n->name);

		if (!index)
			return err_sys(err, "%s", n->name);
		put_address(&out, n, index);
		put_up(&out, index); /* a route needs a way that is up */
		if (n->has_gateway)
			put_default_route(&out, n, index, METRIC_FIRST + (uint32_t)i);
	}
	if (netlink_open(&nl, NETLINK_ROUTE, err) < 0)
		return -1;
	return netlink_request(&nl, &out, err) < 0 ? refused(plan, nl.failed, err) : 0;
}

/*
 * /proc is still the appliance's, but files below net are those of the reader's namespace. A kernel without IPv6 has none of its
 * files, and a manager's profile may forbid these writes (openat of a file of /proc/sys in LXC): a container then has the kernel's
 * defaults, with which nearly all programs run.
 */
static int set(const char *path, const char *value, struct err *err)
{
	struct err reason;

	if (file_write_text_at(AT_FDCWD, path, value, &reason) == 0)
		return 0;
	switch (reason.sys_errno) {
	case ENOENT:
	case EACCES:
	case EPERM:
	case EROFS:
		return 0;
	default:
		*err = reason;
		return -1;
	}
}

/* Before lo is up, so that it gets its ::1. Networks are IPv4; without this an interface would speak IPv6 to its neighbours. */
static int leave_ipv6(struct err *err)
{
	if (set("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1", err) < 0)
		return -1;
	return set("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0", err);
}

int network_set_up(const struct plan *plan, struct err *err)
{
	if (plan->network_count && leave_ipv6(err) < 0)
		return -1;
	/* Port 80 for whoever runs in it, ping for its root, as podman has it; the unit's own sysctls come later. */
	if (set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", err) < 0 ||
	    set("/proc/sys/net/ipv4/ping_group_range", "0 0", err) < 0)
		return -1;
	return bring_up(plan, err);
}

static int tell_maker(int maker, struct err *err)
{
	const struct sync_message mapped = { .type = SYNC_MAPPED };
	struct err reason;

	if (sync_send(maker, &mapped, -1, &reason) == 0)
		return 0;
	/* one that was killed is noticed where the network is entered, whenever it was killed */
	if (reason.sys_errno == EPIPE)
		return 0;
	*err = reason;
	return -1;
}

int network_configure(struct child *c, struct err *err)
{
	if (c->network >= 0)
		return tell_maker(c->network, err);
	return c->plan->namespaces & CLONE_NEWNET ? network_set_up(c->plan, err) : 0;
}
