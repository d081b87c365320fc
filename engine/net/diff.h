/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Wanted and found -> operations, in an order that works. Pure: no kernel here, so that every case can be tested as text. Ours are
 * the bridges "cleat0" and "cleat-*" and what hangs on them; nothing else is ever named in an operation.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wanted.h"
#include "util/buf.h"
#include "util/err.h"

#define NET_MAX_FOUND 16384 /* links, addresses or routes: more is somebody's mistake */

struct net_found_link {
	uint32_t index, master;
	char name[NET_LINK_NAME], kind[NET_LINK_NAME]; /* kind: "bridge", "veth", "" */
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
	bool hairpin;		       /* of a bridge's port */
	bool route_localnet, ipv6_off; /* sysctls of the interface */
};
struct net_found_address {
	uint32_t index;
	struct in_addr address; /* IPv4 only */
	uint8_t prefix;
};
/* Unicast routes of the main table with a destination; IPv4 only. */
struct net_found_route {
	uint32_t index; /* 0: several ways */
	struct in_addr to;
	uint8_t prefix;
};
struct net_found {
	struct net_found_link *links; /* owned */
	struct net_found_address *addresses;
	struct net_found_route *routes;
	size_t link_count, address_count, route_count;
	bool has_default_route; /* of IPv4 or IPv6 */
	bool br_netfilter;	/* bridges show their frames to the inet hooks */
	uint64_t foreign; /* digest of links, addresses and routes (IPv6 as well) that are not ours */
};
void net_found_fini(struct net_found *found);

enum net_op_kind {
	NET_OP_REFUSE,	    /* bridge cannot be: see text */
	NET_OP_LINK_DELETE, /* link */
	NET_OP_BRIDGE_ADD,  /* link, mac */
	NET_OP_IPV6_OFF,    /* link */
	NET_OP_LOCALNET,    /* link */
	NET_OP_MAC,	    /* link, mac */
	NET_OP_MTU,	    /* link, mtu */
	NET_OP_ADDRESS_DELETE,
	NET_OP_ADDRESS_ADD, /* link, address, prefix */
	NET_OP_UP,	    /* link */
	NET_OP_DOWN,	    /* link */
	NET_OP_MASTER,	    /* link, bridge */
	NET_OP_HAIRPIN,	    /* link */
};
struct net_op {
	enum net_op_kind kind;
	char link[NET_LINK_NAME], bridge[NET_LINK_NAME];
	int wanted; /* number of the bridge in the wanted state that it is for, -1: none */
	uint8_t mac[6];
	uint8_t prefix;
	struct in_addr address;
	uint32_t mtu;
	char text[160]; /* NET_OP_REFUSE: why */
};
struct net_ops {
	struct net_op *items; /* owned */
	size_t count, cap;
};

/* sweep: ends of ours that nobody wants are deleted; otherwise they are put down, so that they answer for no address, and left to the end of
 * their namespace, which is near when a container has just ended. A bridge stays while anything hangs on it. -1: out of memory. */
int net_diff(const struct net_wanted *wanted, const struct net_found *found, bool sweep,
	     struct net_ops *out, struct err *err) MUST_CHECK;
void net_ops_fini(struct net_ops *ops);
/* "add bridge cleat0 mac 0a:58:0a:58:00:01\n": a line. */
void net_op_print(const struct net_op *op, struct buf *out);

/* "cleat0", "cleat-*". */
bool net_is_ours(const char *name);
bool net_is_wanted_end(const struct net_wanted *wanted, const char *link);
/* The bridge is ours, or the link hangs on such a bridge. */
bool net_link_is_ours(const struct net_found *found, uint32_t index);
/* Somebody else has a bridge here. */
bool net_has_other_bridge(const struct net_found *found);
