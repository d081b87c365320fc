/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small wanted states, and a network namespace in which they may be tried. */
#include "unit_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>

#include "net/wanted.h"
#include "util/file.h"

struct wish {
	struct net_bridge bridges[8];
	struct net_endpoint endpoints[8];
	struct net_port ports[8];
	struct net_wanted wanted;
};

static inline struct in_addr ip(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static inline void wish_init(struct wish *w)
{
	*w = (struct wish){ 0 };
	w->wanted.bridges = w->bridges;
	w->wanted.endpoints = w->endpoints;
	w->wanted.ports = w->ports;
}

static inline struct net_bridge *wish_bridge(struct wish *w, const char *name, const char *address,
					     uint8_t prefix)
{
	struct net_bridge *b = &w->bridges[w->wanted.bridge_count++];

	*b = (struct net_bridge){ .address = ip(address), .prefix = prefix, .isolate = true };
	snprintf(b->name, sizeof(b->name), "%s", name);
	return b;
}

static inline struct net_endpoint *wish_endpoint(struct wish *w, const char *link,
						 const char *bridge, const char *address)
{
	struct net_endpoint *e = &w->endpoints[w->wanted.endpoint_count++];

	*e = (struct net_endpoint){ .mac = { 0x0a, 0x58 }, .address = ip(address) };
	memcpy(e->mac + 2, &e->address, 4);
	snprintf(e->link, sizeof(e->link), "%s", link);
	snprintf(e->bridge, sizeof(e->bridge), "%s", bridge);
	return e;
}

static inline struct net_port *wish_port(struct wish *w, uint16_t from, const char *address,
					 uint16_t to)
{
	struct net_port *p = &w->ports[w->wanted.port_count++];

	*p = (struct net_port){
		.host_first = from, .first = to, .count = 1, .address = ip(address)
	};
	snprintf(p->bridge, sizeof(p->bridge), "cleat0");
	return p;
}

/* For a group's setup: it forwards nothing, also where the machine does, whose setting a new network inherits. */
static inline int own_network(void **state)
{
	struct err err;

	(void)state;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	return file_write_text_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", "0", &err);
}
