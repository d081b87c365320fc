/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of both families. Must never accept a text of which a part is left. */
#include "net/uplink_ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/str.h"

bool net_ip_parse(const char *text, struct net_ip *out)
{
	*out = (struct net_ip){ 0 };
	if (inet_pton(AF_INET, text, out->bytes) == 1) {
		out->family = AF_INET;
		out->prefix = 32;
		return true;
	}
	if (inet_pton(AF_INET6, text, out->bytes) == 1) {
		out->family = AF_INET6;
		out->prefix = 128;
		return true;
	}
	*out = (struct net_ip){ 0 };
	return false;
}

bool net_ip_parse_prefix(const char *text, struct net_ip *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint64_t prefix;

	if (!slash)
		return net_ip_parse(text, out);
	*out = (struct net_ip){ 0 };
	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!net_ip_parse(address, out))
		return false;
	if (str_to_u64(slash + 1, out->prefix, &prefix)) {
		out->prefix = (uint8_t)prefix;
		return true;
	}
	*out = (struct net_ip){ 0 };
	return false;
}

unsigned net_ip_bytes(const struct net_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

void net_ip_text(const struct net_ip *ip, bool with_prefix, char out[NET_IP_TEXT])
{
	char address[INET6_ADDRSTRLEN] = "-";

	if (ip->family)
		inet_ntop(ip->family, ip->bytes, address, sizeof(address));
	if (with_prefix && ip->family)
		snprintf(out, NET_IP_TEXT, "%s/%u", address, ip->prefix);
	else
		snprintf(out, NET_IP_TEXT, "%s", address);
}

bool net_ip_same_address(const struct net_ip *a, const struct net_ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool net_ip_same(const struct net_ip *a, const struct net_ip *b)
{
	return a->prefix == b->prefix && net_ip_same_address(a, b);
}

void net_ip_mask(struct net_ip *ip)
{
	for (unsigned i = 0; i < net_ip_bytes(ip); i++) {
		unsigned first = i * 8;

		if (first >= ip->prefix)
			ip->bytes[i] = 0;
		else if (first + 8 > ip->prefix)
			ip->bytes[i] &= (uint8_t)(0xff00 >> (ip->prefix - first));
	}
}

bool net_ip_covers(const struct net_ip *net, const struct net_ip *address)
{
	struct net_ip a = *net, b = *address;

	b.prefix = a.prefix;
	net_ip_mask(&a);
	net_ip_mask(&b);
	return a.family && net_ip_same(&a, &b);
}

static bool is_in(const struct net_ip *ip, const char *net)
{
	struct net_ip n;

	return net_ip_parse_prefix(net, &n) && net_ip_covers(&n, ip);
}

bool net_ip_is_host(const struct net_ip *ip)
{
	static const char *const others[] = { "0.0.0.0/8",   "127.0.0.0/8", "224.0.0.0/4",
					      "240.0.0.0/4", "::/128",	    "::1/128",
					      "ff00::/8" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_in(ip, others[i]))
			return false;
	return ip->family != 0;
}

bool net_ip_is_link_local(const struct net_ip *ip)
{
	return is_in(ip, "fe80::/10");
}

bool net_ip_netmask(const char *text, uint8_t *prefix)
{
	struct net_ip ip;
	uint32_t mask = 0;

	if (!net_ip_parse(text, &ip) || ip.family != AF_INET)
		return false;
	for (unsigned i = 0; i < 4; i++)
		mask = mask << 8 | ip.bytes[i];
	if (~mask & (~mask + 1))
		return false;
	*prefix = (uint8_t)__builtin_popcount(mask);
	return true;
}
