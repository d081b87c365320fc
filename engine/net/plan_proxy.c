/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ports of a container the kernel does not forward: the words of its "cleat proxy". Pure.
 */
#include "net/plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct proxied {
	struct buf *out;
	const char *target;
	unsigned left;
	bool is_whole;
};

static void add_pair(struct proxied *p, bool udp, const char *host, unsigned from, unsigned to)
{
	if (!p->left) {
		p->is_whole = false;
		return;
	}
	p->left--;
	buf_printf(p->out, "%s\n%s:%u\n--connect\n%s:%u\n", udp ? "--listen-udp" : "--listen", host,
		   from, p->target, to);
}

static void add_port(struct proxied *p, const struct net_publish *port, bool has_nat, bool has_ipv6)
{
	char host[INET_ADDRSTRLEN], text[INET6_ADDRSTRLEN] = "::", six[INET6_ADDRSTRLEN + 2];
	bool is_any = net_publish_is_any(port);

	net_address_text(port->host_address, host);
	if (port->is_v6 && !inet_ntop(AF_INET6, &port->host_address6, text, sizeof(text)))
		return;
	snprintf(six, sizeof(six), "[%s]", text);
	for (unsigned i = 0; i < port->count; i++) {
		if (!port->is_v6 && !has_nat)
			add_pair(p, port->udp, host, port->host_first + i, port->first + i);
		if (port->is_v6 || (is_any && has_ipv6))
			add_pair(p, port->udp, six, port->host_first + i, port->first + i);
	}
}

bool net_proxy_words(const struct net_attached *attached, bool has_nat, bool has_ipv6,
		     struct buf *out)
{
	char target[INET_ADDRSTRLEN];
	struct proxied p = {
		.out = out, .target = target, .left = NET_MAX_PROXIED, .is_whole = true
	};

	if (!attached->has_target)
		return true;
	net_address_text(attached->target, target);
	for (size_t i = 0; i < attached->port_count; i++)
		add_port(&p, &attached->ports[i], has_nat, has_ipv6);
	return p.is_whole;
}
