/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others say about the appliance's own links: /etc/network/interfaces, answers of DHCPv6 servers, what a DHCP client wrote down, the record of our own, messages of
 * the kernel with a router's words in them, resolv.conf and hosts. Oracle beside the sanitizers: counts stay within their tables, texts are
 * terminated, nothing but names reaches a search list, what is accepted of our own record comes back from its own text, a hosts file that was written is as
 * it should be.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/dhcp6.h"
#include "net/uplink_internal.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

static void check_search(const char *search)
{
	check(strlen(search) < UPLINK_SEARCH, "a search list is terminated");
	check(search[strspn(search,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")] ==
		      0,
	      "a search list is names");
}

static void check_ip(const struct net_ip *ip)
{
	check(ip->family == 0 || (ip->family == AF_INET && ip->prefix <= 32) ||
		      (ip->family == AF_INET6 && ip->prefix <= 128),
	      "an address has a family and a length that fits");
}

static void try_interfaces(const char *text)
{
	static struct interfaces out;

	interfaces_parse(text, &out);
	check(out.count <= UPLINK_MAX_LINKS, "links fit");
	for (unsigned i = 0; i < out.count; i++) {
		const struct uplink_link *link = &out.links[i];

		check(strlen(link->name) < UPLINK_NAME && !strpbrk(link->name, " \t\n"),
		      "a link has a name");
		check(link->address_count <= UPLINK_MAX_ADDRESSES &&
			      link->route_count <= UPLINK_MAX_ROUTES &&
			      link->dns_count <= UPLINK_MAX_SERVERS && link->mtu <= 65535,
		      "lists fit");
		for (unsigned k = 0; k < link->address_count; k++)
			check_ip(&link->addresses[k]);
		for (unsigned k = 0; k < link->route_count; k++) {
			check_ip(&link->routes[k].to);
			check_ip(&link->routes[k].via);
			check(link->routes[k].to.family, "a route leads somewhere");
		}
		check_search(link->search);
	}
	for (unsigned i = 0; i < out.ignored_count && i < INTERFACES_MAX_IGNORED; i++)
		check(strlen(out.ignored[i].text) < sizeof(out.ignored[i].text) &&
			      !strchr(out.ignored[i].text, '\n'),
		      "what was left out is a line");
}

static void try_lease(const char *text, int family)
{
	struct lease lease;
	struct err err;

	if (lease_parse(text, family, &lease, &err) < 0) {
		check(err.msg[0], "a refusal has a reason");
		return;
	}
	check(lease.is_lost || (net_ip_is_host(&lease.address) && lease.address.prefix),
	      "a lease is about a host");
	check(lease.route_count <= UPLINK_MAX_ROUTES && lease.dns_count <= UPLINK_MAX_SERVERS &&
		      lease.ntp_count <= UPLINK_MAX_SERVERS,
	      "lists fit");
	for (unsigned i = 0; i < lease.dns_count; i++)
		check(net_ip_is_host(&lease.dns[i]), "a server is a host");
	for (unsigned i = 0; i < lease.route_count; i++)
		check_ip(&lease.routes[i].to);
	check_search(lease.search);
}

static void try_own(const char *text)
{
	static struct uplink_owns one, two;
	auto_buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);

	uplink_own_parse(text, &one);
	check(one.count <= UPLINK_MAX_LINKS, "links fit");
	uplink_own_format(&one, &first);
	uplink_own_parse(buf_str(&first), &two);
	uplink_own_format(&two, &second);
	check(str_eq(buf_str(&first), buf_str(&second)), "its text is the same");
}

static void try_messages(const uint8_t *data, size_t size)
{
	static struct uplink_found found;
	struct netlink_span rest = { data, size };
	struct netlink_message m;
	struct uplink_own own = { 0 };
	struct uplink_ra ra;

	memset(&found, 0, sizeof(found));
	while (netlink_next(&rest, &m)) {
		uplink_found_message(&found, &m);
		if (!uplink_ra_read(&m, &ra))
			continue;
		check(ra.server_count <= UPLINK_RA_SERVERS, "servers fit");
		check_search(ra.search);
		uplink_own_heard(&own, &ra, 1000);
		check(own.server_count <= UPLINK_RA_SERVERS, "servers fit");
	}
	for (unsigned i = 0; i < found.link_count; i++) {
		static const struct uplink_config config;
		struct uplink_wanted wanted;
		auto_buf line = BUF_INIT(1 << 16);

		check(memchr(found.links[i].name, 0, UPLINK_NAME), "names are terminated");
		uplink_plan(&config, &found, &found.links[i], &own, 1000, &wanted);
		uplink_state_line(&found, &found.links[i], wanted.method, 0, &line);
	}
	for (unsigned i = 0; i < found.address_count; i++)
		check_ip(&found.addresses[i].ip);
	for (unsigned i = 0; i < found.route_count; i++)
		check_ip(&found.routes[i].to);
}

static void try_files(const char *text)
{
	auto_buf once = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);

	(void)uplink_resolv_is_others(text, true);
	uplink_hosts_text(text, "web", &once);
	check(!uplink_hosts_text(buf_str(&once), "web", &twice), "what was written holds");
}

static void try_report(const uint8_t *data, size_t size)
{
	static struct uplink_report report;

	memset(&report, 0, sizeof(report));
	memcpy(&report, data, size < sizeof(report) ? size : sizeof(report));
	report.version = UPLINK_VERSION;
	report.length = sizeof(report);
	if (!uplink_report_check(&report, sizeof(report)))
		return;
	for (unsigned i = 0; i < report.client_count; i++)
		check(report.clients[i].link[0] != '-' &&
			      memchr(report.clients[i].link, 0, UPLINK_NAME),
		      "a client's link is a word");
}

/* The first byte says how far the client has come; the rest is a datagram, with the number that it waits for. */
static void try_dhcp6(uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = { 0x0a, 0x58, 0, 0, 0, 7 };
	uint8_t said[DHCP6_PACKET_BYTES];
	struct dhcp6_lease lease;
	struct dhcp6 c;

	if (size < 5)
		return;
	dhcp6_start(&c, mac, 1, 0);
	c.state = data[0] % (DHCP6_REBIND + 1);
	c.server_len = data[0] % (DHCP6_ID_BYTES + 1);
	check(dhcp6_turn(&c, USEC_SEC, said) <= sizeof(said), "a message fits");
	memcpy(data + 2, c.xid, sizeof(c.xid));
	if (dhcp6_take(&c, data + 1, size - 1, USEC_SEC, &lease) == DHCP6_HAS_LEASE) {
		check(net_ip_is_host(&lease.address) && lease.dns_count <= UPLINK_MAX_SERVERS &&
			      lease.valid_sec >= 30,
		      "a lease is about a host");
		check_search(lease.search);
	}
	check(c.server_len <= DHCP6_ID_BYTES, "a server's name fits");
	check(dhcp6_turn(&c, 3 * USEC_SEC, said) <= sizeof(said), "a message fits");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly this size and alignment: what reads beyond it is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	char *text = malloc(size + 1);

	if (size)
		memcpy(copy, data, size);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	try_messages(copy, size);
	try_report(copy, size);
	try_interfaces(text);
	try_lease(text, AF_INET);
	try_lease(text, AF_INET6);
	try_own(text);
	try_files(text);
	try_dhcp6(copy, size);
	free(text);
	free(copy);
	return 0;
}
