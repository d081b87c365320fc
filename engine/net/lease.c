/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease as text -> a lease. Servers are not to be trusted with more than an address and the ways from it: what could not be a host, a
 * name or a sensible MTU is left out. Must never let a text through to resolv.conf that is more than names.
 */
#include "net/lease.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/str.h"

#define VALUE_MAX_BYTES 1024
#define MASK_DEFAULT 24
#define MTU_MIN 576
#define MTU_MAX 65535
#define LEASE_MIN_SEC 30

struct record {
	char event[16], ip[32], mask[8], mtu[8], lease[16];
	char router[VALUE_MAX_BYTES], dns[VALUE_MAX_BYTES], ntp[VALUE_MAX_BYTES],
		routes[VALUE_MAX_BYTES];
	char domain[UPLINK_SEARCH], search[UPLINK_SEARCH];
};

struct place {
	const char *key;
	char *value;
	size_t size;
};

bool lease_is_domain(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 253 || name[0] == '.' || name[0] == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

/* What is too long is as good as not said: half an address could be another one. */
static void read_record(const char *text, struct record *r)
{
	const struct place places[] = {
		{ "event", r->event, sizeof(r->event) },
		{ "ip", r->ip, sizeof(r->ip) },
		{ "mask", r->mask, sizeof(r->mask) },
		{ "mtu", r->mtu, sizeof(r->mtu) },
		{ "lease", r->lease, sizeof(r->lease) },
		{ "router", r->router, sizeof(r->router) },
		{ "dns", r->dns, sizeof(r->dns) },
		{ "ntpsrv", r->ntp, sizeof(r->ntp) },
		{ "staticroutes", r->routes, sizeof(r->routes) },
		{ "domain", r->domain, sizeof(r->domain) },
		{ "search", r->search, sizeof(r->search) },
	};

	while (*text) {
		size_t len = strcspn(text, "\n"), key = strcspn(text, "=\n");

		for (size_t i = 0; key < len && i < sizeof(places) / sizeof(places[0]); i++) {
			const struct place *p = &places[i];
			size_t size = len - key - 1;

			/* the first one counts: a line break in a value cannot change what stood before it */
			if (strlen(p->key) == key && memcmp(p->key, text, key) == 0 &&
			    size < p->size && !p->value[0]) {
				memcpy(p->value, text + key + 1, size);
				p->value[size] = '\0';
			}
		}
		text += len + (text[len] == '\n');
	}
}

/* The next word of the list, NULL at its end. */
static char *next_word(char **list)
{
	char *word = *list + strspn(*list, " \t");

	if (!*word)
		return NULL;
	*list = word + strcspn(word, " \t");
	if (**list)
		*(*list)++ = '\0';
	return word;
}

static bool parse_host(const char *text, int family, struct net_ip *out)
{
	return net_ip_parse(text, out) && out->family == family && net_ip_is_host(out);
}

static unsigned read_servers(char *list, int family, struct net_ip *out)
{
	unsigned count = 0;
	char *word;

	while ((word = next_word(&list)) && count < UPLINK_MAX_SERVERS)
		if (parse_host(word, family, &out[count]))
			count++;
	return count;
}

static void add_route(struct lease *out, struct net_ip to, struct net_ip via)
{
	if (out->route_count == UPLINK_MAX_ROUTES)
		return;
	net_ip_mask(&to);
	out->routes[out->route_count++] = (struct uplink_route){ to, via };
}

/* RFC 3442: pairs; a gateway of 0.0.0.0 is the link itself. With these, the routers do not count. */
static void read_routes(char *list, struct lease *out)
{
	char *word, *gateway;

	while ((word = next_word(&list)) && (gateway = next_word(&list))) {
		struct net_ip to, via;

		if (!net_ip_parse_prefix(word, &to) || to.family != AF_INET ||
		    !net_ip_parse(gateway, &via) || via.family != AF_INET)
			continue;
		if (str_eq(gateway, "0.0.0.0") && to.prefix)
			add_route(out, to, (struct net_ip){ 0 });
		else if (net_ip_is_host(&via))
			add_route(out, to, via);
	}
}

/* One default route: further routers are for when the first is gone, which nobody here would notice. */
static void read_router(char *list, struct lease *out)
{
	const struct net_ip everything = { .family = AF_INET };
	struct net_ip via;
	char *word;

	while ((word = next_word(&list)))
		if (parse_host(word, AF_INET, &via)) {
			add_route(out, everything, via);
			return;
		}
}

static void read_search(struct record *r, char out[UPLINK_SEARCH])
{
	char *list = r->search[0] ? r->search : r->domain, *word;
	size_t len = 0;

	while ((word = next_word(&list))) {
		if (!lease_is_domain(word) || len + strlen(word) + 2 > UPLINK_SEARCH)
			continue;
		len += (size_t)snprintf(out + len, UPLINK_SEARCH - len, "%s%s", len ? " " : "",
					word);
	}
}

/* What only servers of IPv4 say: routers of IPv6 tell of themselves. */
static void read_v4(struct record *r, struct lease *out)
{
	uint64_t n;

	out->address.prefix = MASK_DEFAULT;
	if (str_to_u64(r->mask, 32, &n) && n)
		out->address.prefix = (uint8_t)n;
	read_routes(r->routes, out);
	if (!out->route_count)
		read_router(r->router, out);
	out->ntp_count = read_servers(r->ntp, AF_INET, out->ntp);
	if (str_to_u64(r->mtu, MTU_MAX, &n) && n >= MTU_MIN)
		out->mtu = (unsigned)n;
}

int lease_parse(const char *text, int family, struct lease *out, struct err *err)
{
	struct record r = { 0 };
	uint64_t n;

	*out = (struct lease){ 0 };
	read_record(text, &r);
	if (str_eq(r.event, "nak")) {
		out->is_lost = true;
		return 0;
	}
	if (!str_eq(r.event, "bound") && !str_eq(r.event, "renew"))
		return err_set(err, ERR_INPUT, "lease: event '%s'", r.event);
	if (!parse_host(r.ip, family, &out->address) || net_ip_is_link_local(&out->address))
		return err_set(err, ERR_INPUT, "lease: '%s' is no address for a link", r.ip);
	if (family == AF_INET)
		read_v4(&r, out);
	out->dns_count = read_servers(r.dns, family, out->dns);
	read_search(&r, out->search);
	out->lease_sec = LEASE_FOREVER;
	if (r.lease[0] && str_to_u64(r.lease, LEASE_FOREVER, &n))
		out->lease_sec = n < LEASE_MIN_SEC ? LEASE_MIN_SEC : (uint32_t)n;
	return 0;
}
