/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The appliance's links, addresses and routes: reading them, and carrying out the differ's operations. The socket is one of NETLINK_ROUTE;
 * sysctls lie below a descriptor of /proc/sys/net.
 */
#include "net/diff.h"
#include "util/netlink.h"

int net_found_read(struct netlink *nl, struct net_found *out, struct err *err) MUST_CHECK;
/* One message of a dump (RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE); others are passed over. Links have to come first. */
int net_found_message(struct net_found *found, const struct netlink_message *message,
		      struct err *err) MUST_CHECK;

/* The error begins with the bridge's or link's name. A link to delete that is gone is fine. */
int net_op_run(struct netlink *nl, int sysctl_fd, const struct net_op *op,
	       struct err *err) MUST_CHECK;

/* net.ipv4.ip_forward: whether it is on. */
int net_forwarding(int sysctl_fd, bool *on, struct err *err) MUST_CHECK;
/* net.bridge.bridge-nf-call-iptables; false where there is no such thing. */
bool net_br_netfilter(int sysctl_fd);
int net_br_netfilter_off(int sysctl_fd, struct err *err) MUST_CHECK;
int net_set_forwarding(int sysctl_fd, bool on, struct err *err) MUST_CHECK;
/* Whether the appliance passes on what comes from this link, and takes packets of 127.0.0.0/8 on it. */
int net_set_link_ways(int sysctl_fd, const char *link, bool on, struct err *err) MUST_CHECK;
