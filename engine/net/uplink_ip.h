/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Addresses of both families with a length of prefix. Pure. */
#include <stdbool.h>
#include <stdint.h>

#define NET_IP_TEXT 52 /* with prefix and NUL */

struct net_ip {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t prefix;
	uint8_t bytes[16]; /* network order; IPv4 in the first four, the others 0 */
};

/* "192.0.2.1", "2001:db8::1"; the prefix is 32 or 128. */
bool net_ip_parse(const char *text, struct net_ip *out);
/* The same with "/24" behind it; without one the prefix is 32 or 128. */
bool net_ip_parse_prefix(const char *text, struct net_ip *out);
void net_ip_text(const struct net_ip *ip, bool with_prefix, char out[NET_IP_TEXT]);
unsigned net_ip_bytes(const struct net_ip *ip);			  /* 4 or 16 */
bool net_ip_same(const struct net_ip *a, const struct net_ip *b); /* prefix included */
bool net_ip_same_address(const struct net_ip *a, const struct net_ip *b);
/* Whether the network of net (its first prefix bits) holds the address. */
bool net_ip_covers(const struct net_ip *net, const struct net_ip *address);
void net_ip_mask(struct net_ip *ip); /* clears what is behind the prefix */
/* Not 0.0.0.0, no loopback, multicast or broadcast address. */
bool net_ip_is_host(const struct net_ip *ip);
bool net_ip_is_link_local(const struct net_ip *ip);
/* 255.255.255.0 -> 24; false when it has holes or is none. */
bool net_ip_netmask(const char *text, uint8_t *prefix);
