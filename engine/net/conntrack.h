/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Connections that the kernel remembers wrongly: NAT is decided for a connection's first packet and kept. A container that is gone, or a UDP
 * port that became another's (UDP senders go on from the same port for ever), has to be forgotten.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/netlink.h"

#define CONNTRACK_MAX_ADDRESSES 4096

struct conntrack_wish {
	struct in_addr addresses[CONNTRACK_MAX_ADDRESSES]; /* of containers that are gone */
	size_t address_count;
	uint8_t udp_ports[65536 / 8]; /* bit n: published port n came, went or moved */
	bool any_udp;
};
void conntrack_add_address(struct conntrack_wish *wish, struct in_addr address);
void conntrack_add_udp_port(struct conntrack_wish *wish, uint16_t port);

/* Forgets the connections that begin or end at an address, and those to such a UDP port. The socket is one of NETLINK_NETFILTER.
 * Nothing wished for: nothing is asked. */
int conntrack_forget(struct netlink *nl, const struct conntrack_wish *wish,
		     struct err *err) MUST_CHECK;

/* A message of the kernel's list: whether it has to go; tuple: its attribute CTA_TUPLE_ORIG. */
bool conntrack_is_wished(const struct conntrack_wish *wish, const struct netlink_message *message,
			 struct netlink_span *tuple);
