/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is ours on the links, as text that a successor reads. It is written before anything is set: an address that nobody knows to be ours would
 * count as the host's for ever. Must never grow beyond its table.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/uplink_internal.h"
#include "util/str.h"

struct uplink_own *uplink_own_get(struct uplink_owns *owns, const char *name, uint32_t index)
{
	struct uplink_own *own;

	for (unsigned i = 0; i < owns->count; i++)
		if (owns->links[i].index == index && str_eq(owns->links[i].name, name))
			return &owns->links[i];
	if (owns->count == UPLINK_MAX_LINKS)
		return NULL;
	own = &owns->links[owns->count++];
	*own = (struct uplink_own){ .index = index };
	str_copy(own->name, sizeof(own->name), name);
	return own;
}

bool uplink_own_has(const struct uplink_own *own, const struct net_ip *address)
{
	for (unsigned i = 0; i < own->address_count; i++)
		if (net_ip_same(&own->addresses[i], address))
			return true;
	return false;
}

static uint64_t end_of(uint32_t lifetime_sec, uint64_t now_sec)
{
	return lifetime_sec == UINT32_MAX ? UPLINK_FOREVER : now_sec + lifetime_sec;
}

/* A lifetime of 0 takes a server back. The newest router's word on a server counts, others stay until they expire. */
void uplink_own_heard(struct uplink_own *own, const struct uplink_ra *ra, uint64_t now_sec)
{
	for (unsigned i = 0; i < ra->server_count; i++) {
		unsigned k = 0;

		while (k < own->server_count &&
		       !net_ip_same_address(&own->servers[k].ip, &ra->servers[i]))
			k++;
		if (k == UPLINK_RA_SERVERS)
			continue;
		if (k == own->server_count)
			own->server_count++;
		own->servers[k].ip = ra->servers[i];
		own->servers[k].until = end_of(ra->servers_sec, now_sec);
		if (ra->servers_sec == 0)
			own->servers[k] = own->servers[--own->server_count];
	}
	if (!ra->search[0])
		return;
	str_copy(own->search, sizeof(own->search), ra->search_sec ? ra->search : "");
	own->search_until = end_of(ra->search_sec, now_sec);
}

static const char *const lease_keys[UPLINK_FAMILIES] = { "lease", "lease6" };

/* --- text -------------------------------------------------------------------------------------------- */

void uplink_own_format(const struct uplink_owns *owns, struct buf *out)
{
	char text[NET_IP_TEXT];

	for (unsigned i = 0; i < owns->count; i++) {
		const struct uplink_own *own = &owns->links[i];

		buf_printf(out, "link %s %" PRIu32 "\n", own->name, own->index);
		if (own->mtu_was)
			buf_printf(out, "mtu %u\n", own->mtu_was);
		for (unsigned k = 0; k < own->address_count; k++) {
			net_ip_text(&own->addresses[k], true, text);
			buf_printf(out, "address %s\n", text);
		}
		for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
			if (own->held[k].until)
				buf_printf(out, "%s %" PRIu64 " %s\n", lease_keys[k],
					   own->held[k].until, own->held[k].stamp);
		for (unsigned k = 0; k < own->server_count; k++) {
			net_ip_text(&own->servers[k].ip, false, text);
			buf_printf(out, "server %" PRIu64 " %s\n", own->servers[k].until, text);
		}
		if (own->search[0])
			buf_printf(out, "search %" PRIu64 " %s\n", own->search_until, own->search);
	}
}

static void take_timed(struct uplink_own *own, const char *key, uint64_t until, const char *value)
{
	struct net_ip ip;

	for (unsigned k = 0; k < UPLINK_FAMILIES; k++) {
		if (!str_eq(key, lease_keys[k]))
			continue;
		own->held[k].until = until;
		str_copy(own->held[k].stamp, sizeof(own->held[k].stamp), value);
		return;
	}
	if (str_eq(key, "search")) {
		own->search_until = until;
		str_copy(own->search, sizeof(own->search), value);
	} else if (str_eq(key, "server") && own->server_count < UPLINK_RA_SERVERS &&
		   net_ip_parse(value, &ip)) {
		own->servers[own->server_count].until = until;
		own->servers[own->server_count++].ip = ip;
	}
}

/* key, first word, what is behind it */
static void take_line(struct uplink_owns *out, struct uplink_own **own, const char *key,
		      const char *first, const char *rest)
{
	struct net_ip ip;
	uint64_t n;

	if (str_eq(key, "link")) {
		*own = NULL;
		if (first[0] && strlen(first) < UPLINK_NAME && str_to_u64(rest, UINT32_MAX, &n))
			*own = uplink_own_get(out, first, (uint32_t)n);
	} else if (!*own) {
		return;
	} else if (str_eq(key, "mtu") && str_to_u64(first, 65535, &n)) {
		(*own)->mtu_was = (unsigned)n;
	} else if (str_eq(key, "address") && net_ip_parse_prefix(first, &ip)) {
		if ((*own)->address_count < UPLINK_MOST_ADDRESSES)
			(*own)->addresses[(*own)->address_count++] = ip;
	} else if (str_to_u64(first, UPLINK_FOREVER, &n) && rest[0]) {
		take_timed(*own, key, n, rest);
	}
}

void uplink_own_parse(const char *text, struct uplink_owns *out)
{
	struct uplink_own *own = NULL;

	*out = (struct uplink_owns){ 0 };
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[512], *first, *rest;

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			first = line + strcspn(line, " ");
			first += *first ? (*first = '\0', 1) : 0;
			rest = first + strcspn(first, " ");
			rest += *rest ? (*rest = '\0', 1) : 0;
			take_line(out, &own, line, first, rest);
		}
		text += len + (text[len] == '\n');
	}
}
