/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wanted state -> elements of sets and maps. A range of ports becomes an element a port: the kernel's NAT cannot move a range by an
 * offset from a map. Must never depend on the order of the wanted state.
 */
#include "net/nft_elements.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Numbers of nft's types; of a concatenation: six bits each. */
enum { LLADDR_ETHER = 9, IPADDR = 7, INET_PROTOCOL = 12, INET_SERVICE = 13, IFNAME = 41 };
#define JOIN2(a, b) ((uint32_t)(a) << 6 | (b))
#define JOIN3(a, b, c) (JOIN2(a, b) << 6 | (c))

/* clang-format off */
const struct nft_set_kind nft_set_kinds[NFT_SETS] = {
	[NFT_SET_BRIDGES] =	{ "bridges", NFT_TABLE_INET, IFNAME, 16, 0, 0 },
	[NFT_SET_INTERNAL] =	{ "internal", NFT_TABLE_INET, IFNAME, 16, 0, 0 },
	[NFT_SET_SHARED] =	{ "shared", NFT_TABLE_INET, IFNAME, 16, 0, 0 },
	[NFT_SET_SAME] =	{ "same", NFT_TABLE_INET, JOIN2(IFNAME, IFNAME), 32, 0, 0 },
	[NFT_SET_GATEWAYS] =	{ "gateways", NFT_TABLE_INET, IPADDR, 4, 0, 0 },
	[NFT_SET_HOME] =	{ "home", NFT_TABLE_INET, JOIN2(IPADDR, IFNAME), 20, 0, 0 },
	[NFT_MAP_PORTS] =	{ "ports", NFT_TABLE_INET, JOIN2(INET_PROTOCOL, INET_SERVICE), 8,
				  JOIN2(IPADDR, INET_SERVICE), 8 },
	[NFT_MAP_PORTS_AT] =	{ "ports_at", NFT_TABLE_INET, JOIN3(IPADDR, INET_PROTOCOL, INET_SERVICE), 12,
				  JOIN2(IPADDR, INET_SERVICE), 8 },
	[NFT_SET_LINKS] =	{ "links", NFT_TABLE_BRIDGE, IFNAME, 16, 0, 0 },
	[NFT_SET_ETHERS] =	{ "ethers", NFT_TABLE_BRIDGE, JOIN2(IFNAME, LLADDR_ETHER), 24, 0, 0 },
	[NFT_SET_ARPS] =	{ "arps", NFT_TABLE_BRIDGE, JOIN3(IFNAME, LLADDR_ETHER, IPADDR), 28, 0, 0 },
	[NFT_SET_SOURCES] =	{ "sources", NFT_TABLE_BRIDGE, JOIN3(IFNAME, LLADDR_ETHER, IPADDR), 28, 0, 0 },
};
/* clang-format on */

static struct nft_element *add(struct nft_elements *list, enum nft_set set, struct err *err)
{
	struct nft_element *e;

	if (list->count == NFT_MAX_ELEMENTS) {
		err_set(err, ERR_LIMIT, "more than %d published ports and addresses",
			NFT_MAX_ELEMENTS);
		return NULL;
	}
	if (list->count == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;

		e = reallocarray(list->items, cap, sizeof(*e));
		if (!e) {
			err_sys(err, "elements");
			return NULL;
		}
		list->items = e;
		list->cap = cap;
	}
	e = &list->items[list->count++];
	*e = (struct nft_element){ .set = (uint8_t)set };
	return e;
}

/* Names are padded with zeros to 16 bytes. */
static void put_name(struct nft_element *e, size_t at, const char *name)
{
	memcpy(e->key + at, name, strnlen(name, NET_LINK_NAME));
}

static int add_name(struct nft_elements *list, enum nft_set set, const char *name, struct err *err)
{
	struct nft_element *e = add(list, set, err);

	if (!e)
		return -1;
	put_name(e, 0, name);
	return 0;
}

static int add_bridge(struct nft_elements *list, const struct net_bridge *b, struct err *err)
{
	struct nft_element *e;

	if (add_name(list, NFT_SET_BRIDGES, b->name, err) < 0)
		return -1;
	if (b->internal && add_name(list, NFT_SET_INTERNAL, b->name, err) < 0)
		return -1;
	if (!b->internal && !b->isolate && add_name(list, NFT_SET_SHARED, b->name, err) < 0)
		return -1;
	e = add(list, NFT_SET_SAME, err);
	if (!e)
		return -1;
	put_name(e, 0, b->name);
	put_name(e, NET_LINK_NAME, b->name);
	e = add(list, NFT_SET_GATEWAYS, err);
	if (!e)
		return -1;
	memcpy(e->key, &b->address, 4);
	return 0;
}

static int add_endpoint(struct nft_elements *list, const struct net_endpoint *p, struct err *err)
{
	const uint16_t ipv4 = htons(ETH_P_IP);
	struct nft_element *e = add(list, NFT_SET_HOME, err);

	if (!e)
		return -1;
	memcpy(e->key, &p->address, 4);
	put_name(e, 4, p->bridge);
	if (add_name(list, NFT_SET_LINKS, p->link, err) < 0)
		return -1;
	e = add(list, NFT_SET_ETHERS, err);
	if (!e)
		return -1;
	put_name(e, 0, p->link);
	memcpy(e->key + 16, p->mac, 6);
	e = add(list, NFT_SET_ARPS, err);
	if (!e)
		return -1;
	put_name(e, 0, p->link);
	memcpy(e->key + 16, p->mac, 6);
	memcpy(e->key + 24, &p->address, 4);
	e = add(list, NFT_SET_SOURCES, err);
	if (!e)
		return -1;
	put_name(e, 0, p->link);
	memcpy(e->key + 16, p->mac, 6);
	memcpy(e->key + 22, &ipv4,
	       2); /* what follows the source in a frame, in place of the padding */
	memcpy(e->key + 24, &p->address, 4);
	return 0;
}

static int add_port(struct nft_elements *list, const struct net_port *p, struct err *err)
{
	bool any = p->host_address.s_addr == htonl(INADDR_ANY);

	for (unsigned i = 0; i < p->count; i++) {
		struct nft_element *e = add(list, any ? NFT_MAP_PORTS : NFT_MAP_PORTS_AT, err);
		uint16_t from = htons((uint16_t)(p->host_first + i)),
			 to = htons((uint16_t)(p->first + i));
		uint8_t *key;

		if (!e)
			return -1;
		key = e->key;
		if (!any) {
			memcpy(key, &p->host_address, 4);
			key += 4;
		}
		key[0] = p->udp ? IPPROTO_UDP : IPPROTO_TCP;
		memcpy(key + 4, &from, 2);
		memcpy(e->data, &p->address, 4);
		memcpy(e->data + 4, &to, 2);
	}
	return 0;
}

static int compare_keys(const struct nft_element *a, const struct nft_element *b)
{
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	return memcmp(a->key, b->key, sizeof(a->key));
}

static int compare(const void *a, const void *b)
{
	const struct nft_element *x = a, *y = b;
	int order = compare_keys(x, y);

	return order ? order : memcmp(x->data, y->data, sizeof(x->data));
}

/* A map that is given two values for a key refuses all of the batch. */
static int unique(struct nft_elements *list, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct nft_element *e = &list->items[i];

		if (n == 0 || compare_keys(&list->items[n - 1], e) != 0) {
			list->items[n++] = *e;
			continue;
		}
		if (memcmp(list->items[n - 1].data, e->data, sizeof(e->data)) != 0) {
			const uint8_t *port = e->key + (e->set == NFT_MAP_PORTS_AT ? 8 : 4);

			return err_set(err, ERR_INPUT, "port %u is published twice",
				       port[0] << 8 | port[1]);
		}
	}
	list->count = n;
	return 0;
}

static int make(const struct net_wanted *wanted, struct nft_elements *out, struct err *err)
{
	for (size_t i = 0; i < wanted->bridge_count; i++)
		if (add_bridge(out, &wanted->bridges[i], err) < 0)
			return -1;
	for (size_t i = 0; i < wanted->endpoint_count; i++)
		if (add_endpoint(out, &wanted->endpoints[i], err) < 0)
			return -1;
	for (size_t i = 0; i < wanted->port_count; i++)
		if (add_port(out, &wanted->ports[i], err) < 0)
			return -1;
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), compare);
	return unique(out, err);
}

int nft_elements_make(const struct net_wanted *wanted, struct nft_elements *out, struct err *err)
{
	*out = (struct nft_elements){ 0 };
	if (make(wanted, out, err) == 0)
		return 0;
	nft_elements_fini(out);
	return -1;
}

void nft_elements_fini(struct nft_elements *elements)
{
	free(elements->items);
	*elements = (struct nft_elements){ 0 };
}

/* Calls fn for each of a that b has not. */
static int only_in(const struct nft_elements *a, const struct nft_elements *b, enum nft_table table,
		   nft_element_fn *fn, void *arg, struct err *err)
{
	size_t j = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct nft_element *e = &a->items[i];

		while (j < b->count && compare(&b->items[j], e) < 0)
			j++;
		if (nft_set_kinds[e->set].table != table ||
		    (j < b->count && compare(&b->items[j], e) == 0))
			continue;
		if (fn(e, arg, err) < 0)
			return -1;
	}
	return 0;
}

int nft_elements_diff(const struct nft_elements *old, const struct nft_elements *new,
		      enum nft_table table, nft_element_fn *gone, nft_element_fn *added, void *arg,
		      struct err *err)
{
	if (only_in(old, new, table, gone, arg, err) < 0)
		return -1;
	return only_in(new, old, table, added, arg, err);
}
