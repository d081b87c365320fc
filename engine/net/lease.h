/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a DHCP client got, as usr/share/udhcpc/default.script writes it down: lines KEY=VALUE with busybox udhcpc's names (event, ip,
 * mask, router, dns, domain, search, ntpsrv, mtu, staticroutes, lease). Of DHCPv6 (dhcp6_record()) there are event, ip, lease, dns, search. The client is confined and reads what anybody on the network
 * says, so this is judged like anything from outside. Pure.
 */
#include "net/uplink.h"
#include "net/uplink_ip.h"

#define LEASE_MAX_BYTES 8192
#define LEASE_FOREVER UINT32_MAX

struct lease {
	bool is_lost; /* the server took it back (nak): nothing else is set */
	struct net_ip address;
	struct uplink_route routes[UPLINK_MAX_ROUTES];
	unsigned route_count;
	struct net_ip dns[UPLINK_MAX_SERVERS], ntp[UPLINK_MAX_SERVERS];
	unsigned dns_count, ntp_count;
	char search[UPLINK_SEARCH];
	unsigned mtu;	    /* 0: not said, or unfit */
	uint32_t lease_sec; /* LEASE_FOREVER */
};

/* family: AF_INET or AF_INET6. -1: there is no address in it that could be taken, or it is no such record. What is unfit otherwise is left out. */
int lease_parse(const char *text, int family, struct lease *out, struct err *err) MUST_CHECK;
/* Whether it may stand in resolv.conf: letters, digits, '-', '_' and dots. */
bool lease_is_domain(const char *name);
