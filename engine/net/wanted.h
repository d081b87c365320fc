/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel should hold for the containers' networks: bridges, the containers' ends on them, published ports. Made by
 * one pure function (net/plan.h) out of networks, containers and ports; carried out by "cleat net" (net/worker.h), which
 * compares with what is there and changes only the difference. Flat and bounded: no pointers, addresses in network order.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MAX_BRIDGES 64
#define NET_MAX_ENDPOINTS 4096 /* a container has one on each of its networks */
#define NET_MAX_PORTS 4096     /* ranges count once */
#define NET_LINK_NAME 16       /* IFNAMSIZ */

/* The group of links (ip-link(8)) that our bridges are in. */
#define NET_BRIDGE_GROUP 0x636c6561

struct net_bridge {
	char name[NET_LINK_NAME]; /* "cleat0"; user networks "cleat-HEX" */
	struct in_addr address;	  /* the gateway, which the appliance holds */
	uint8_t prefix;		  /* of address and of the subnet: 16 */
	bool internal; /* nothing is forwarded in or out, no masquerade, no default route */
	bool isolate; /* nothing is forwarded to or from other bridges; podman's and our default: true */
	uint32_t mtu; /* 0: the kernel's */
};

/* A container's end: the veth "link" on "bridge". The peer is made inside the container's network namespace by the runtime
 * (annotation org.cleat.network.N); this half says what may come out of it: frames with another MAC, ARP or IPv4 from another
 * address are dropped, so that nobody is his neighbour. */
struct net_endpoint {
	char link[NET_LINK_NAME];
	char bridge[NET_LINK_NAME];
	uint8_t mac[6];
	struct in_addr address;
};

/* host_address:host_first.. -> address:first.., count ports. */
struct net_port {
	bool udp;
	struct in_addr
		host_address; /* INADDR_ANY: every address of the appliance, 127.0.0.1 included */
	uint16_t host_first, first, count;
	struct in_addr address;
	char bridge[NET_LINK_NAME];
};

struct net_wanted {
	struct net_bridge *bridges;
	size_t bridge_count;
	struct net_endpoint *endpoints;
	size_t endpoint_count;
	struct net_port *ports;
	size_t port_count;
};
