/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules say. They ask sets, so that a container that comes or goes changes elements and no rule.
 *
 * inet cleat
 *   bridges    all of ours            internal   those that nothing passes         shared    those that may talk to each other
 *   same       bridge . bridge        gateways   our addresses on them             home      container's address . its bridge
 *   ports      protocol . port -> address . port, on every address of the appliance
 *   ports_at   address . protocol . port -> address . port
 * bridge cleat
 *   links      the containers' ends   ethers, arps, sources   what may come out of each
 *
 * br_netfilter, where it is switched on, shows frames that a bridge passes within itself to the inet hooks: "same" lets them pass, and
 * no rule behind routing looks at iifname in postrouting, which is not there for them.
 *
 * Each packet passes the filter chains, only the first of a connection those of type nat. There what most packets miss stands first: bytes of
 * a packet before the family that gives them a meaning, so that a packet is through after one look.
 */
#include "net/nft_rules.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/nft_expr.h"
#include "util/netlink.h"

/* Of nf_tables and its users: nft(8), "priority". */
enum { PRIORITY_RAW = -300, PRIORITY_DSTNAT = -100, PRIORITY_FILTER = 0, PRIORITY_SRCNAT = 100 };
enum { IP_SADDR = 12, IP_DADDR = 16, PORT_DESTINATION = 2, ETHER_SOURCE = 6, ETHER_TYPE = 12 };
enum { ARP_SENDER_ETHER = 8, ARP_SENDER_IP = 14 }; /* of Ethernet and IPv4, RFC 826 */
#define NO_HOOK (-1)
#define LOOPBACK_NET 127
/* A neighbour is asked for once in some ten seconds; starting programs ask for a handful at once. */
#define ARP_PER_SECOND 100
#define ARP_BURST 200
#define NAME_WORDS (NET_LINK_NAME / 4)

/* lo in every network namespace (LOOPBACK_IFINDEX of the kernel): comparing a number costs less than fetching a name. */
static const uint32_t lo_index = 1;

unsigned nft_table_family(enum nft_table table)
{
	return table == NFT_TABLE_INET ? NFPROTO_INET : NFPROTO_BRIDGE;
}

static const char *set_name(enum nft_set set)
{
	return nft_set_kinds[set].name;
}

/* --- parts of rules --------------------------------------------------------------------------- */

static struct nft_rule rule_in(struct buf *out, const char *chain)
{
	return nft_rule_begin(out, NFPROTO_INET, NFT_TABLE_NAME, chain);
}

static void finish(struct nft_rule *r, int verdict, const char *chain)
{
	nft_verdict(r, verdict, chain);
	nft_rule_end(r);
}

static void is_ipv4(struct nft_rule *r)
{
	const uint8_t family = NFPROTO_IPV4;

	nft_meta(r, NFT_META_NFPROTO, 0);
	nft_is(r, 0, &family, sizeof(family));
}

static void in_set(struct nft_rule *r, unsigned meta, enum nft_set set)
{
	nft_meta(r, meta, 0);
	nft_in_set(r, set_name(set), 0);
}

static void not_in_set(struct nft_rule *r, unsigned meta, enum nft_set set)
{
	nft_meta(r, meta, 0);
	nft_not_in_set(r, set_name(set), 0);
}

static void is_loopback_net(struct nft_rule *r, unsigned field)
{
	const uint8_t net = LOOPBACK_NET;

	nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, field, sizeof(net), 0);
	nft_is(r, 0, &net, sizeof(net));
}

static void is_not_lo(struct nft_rule *r)
{
	nft_meta(r, NFT_META_IIF, 0);
	nft_is_not(r, 0, &lo_index, sizeof(lo_index));
}

/* One number to compare, where a question to a set takes several times as long. */
static void is_not_of_group(struct nft_rule *r)
{
	static const uint32_t group = NET_BRIDGE_GROUP;

	nft_meta(r, NFT_META_IIFGROUP, 0);
	nft_is_not(r, 0, &group, sizeof(group));
}

static void is_dnat(struct nft_rule *r)
{
	nft_ct(r, NFT_CT_STATUS, 0);
	nft_has_bits(r, 0, IPS_DST_NAT);
}

/* --- inet ------------------------------------------------------------------------------------- */

/* Leaves address and port that it leads to. */
static void is_published(struct nft_rule *r, enum nft_set map)
{
	unsigned word = 0;

	if (map == NFT_MAP_PORTS_AT)
		nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP_DADDR, 4, word++);
	nft_meta(r, NFT_META_L4PROTO, word++);
	nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, word);
	nft_map(r, set_name(map), 0, 0);
}

/* Our address on a bridge is for its containers. Linux would take packets for it on any interface, so what listens there would be the
 * neighbours' as well. What is published is not there but in a container. */
static void write_gateway(struct buf *out)
{
	static const enum nft_set maps[] = { NFT_MAP_PORTS_AT, NFT_MAP_PORTS };
	struct nft_rule r = rule_in(out, "early");

	/* The group only spares the containers' packets the questions, which let them pass as well: a bridge may be without it. */
	is_not_of_group(&r);
	is_not_lo(&r);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, IP_DADDR, 4, 0);
	nft_in_set(&r, set_name(NFT_SET_GATEWAYS), 0);
	is_ipv4(&r);
	not_in_set(&r, NFT_META_IIFNAME, NFT_SET_BRIDGES);
	finish(&r, NFT_GOTO, "gateway");

	for (size_t i = 0; i < 2; i++) {
		r = rule_in(out, "gateway");
		is_published(&r, maps[i]);
		finish(&r, NF_ACCEPT, NULL);
	}
	r = rule_in(out, "gateway");
	finish(&r, NF_DROP, NULL);
}

/* route_localnet lets 127.0.0.1 of the appliance talk to containers. Nothing that a container sends may use it: not to reach what
 * listens on the appliance's loopback (CVE-2020-8558), nor with a source from there. Before conntrack, where answers still
 * have the address they were sent to. */
static void write_early(struct buf *out)
{
	static const unsigned fields[] = { IP_DADDR, IP_SADDR };

	for (size_t i = 0; i < 2; i++) {
		struct nft_rule r = rule_in(out, "early");

		is_loopback_net(&r, fields[i]);
		is_ipv4(&r);
		is_not_lo(&r);
		in_set(&r, NFT_META_IIFNAME, NFT_SET_BRIDGES);
		finish(&r, NF_DROP, NULL);
	}
	write_gateway(out);
}

/* What is for the appliance itself may be for a container's port. */
static void write_local(struct buf *out, const char *chain)
{
	const uint32_t local = RTN_LOCAL;
	struct nft_rule r = rule_in(out, chain);

	is_ipv4(&r);
	nft_fib_daddr_type(&r, 0);
	nft_is(&r, 0, &local, sizeof(local));
	finish(&r, NFT_JUMP, "publish");
}

static void write_publish(struct buf *out)
{
	struct nft_rule r = rule_in(out, "publish");

	is_ipv4(&r);
	is_published(&r, NFT_MAP_PORTS_AT);
	nft_dnat(&r, 0, 1);
	nft_rule_end(&r);

	r = rule_in(out, "publish");
	is_published(&r, NFT_MAP_PORTS);
	nft_dnat(&r, 0, 1);
	nft_rule_end(&r);
}

/* From here on: new connections to another interface than the one they came by. */
static void write_forward_known(struct buf *out)
{
	struct nft_rule r = rule_in(out, "forward");

	nft_ct(&r, NFT_CT_STATE, 0);
	nft_has_bits(&r, 0, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	finish(&r, NF_ACCEPT, NULL);

	r = rule_in(out, "forward");
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_meta(&r, NFT_META_OIFNAME, NAME_WORDS);
	nft_in_set(&r, set_name(NFT_SET_SAME), 0);
	finish(&r, NF_ACCEPT, NULL);
}

static void write_forward_new(struct buf *out)
{
	static const unsigned ways[] = { NFT_META_IIFNAME, NFT_META_OIFNAME };
	struct nft_rule r;

	for (size_t i = 0; i < 2; i++) {
		r = rule_in(out, "forward");
		in_set(&r, ways[i], NFT_SET_INTERNAL);
		finish(&r, NF_DROP, NULL);
	}
	r = rule_in(out, "forward");
	in_set(&r, NFT_META_OIFNAME, NFT_SET_BRIDGES);
	is_dnat(&r);
	finish(&r, NF_ACCEPT, NULL);

	r = rule_in(out, "forward");
	in_set(&r, NFT_META_IIFNAME, NFT_SET_SHARED);
	in_set(&r, NFT_META_OIFNAME, NFT_SET_SHARED);
	finish(&r, NF_ACCEPT, NULL);

	r = rule_in(out, "forward");
	in_set(&r, NFT_META_OIFNAME, NFT_SET_BRIDGES);
	finish(&r, NF_DROP, NULL);

	r = rule_in(out, "forward");
	in_set(&r, NFT_META_IIFNAME, NFT_SET_BRIDGES);
	finish(&r, NF_ACCEPT, NULL);
}

/* Where we switched forwarding on, the appliance does not become a router for its neighbours by that. Other people's bridges go on as
 * before: they may be shown here for what they pass within themselves. */
static void write_strangers(struct buf *out)
{
	static const char bridge[NET_LINK_NAME] = "bridge";
	struct nft_rule r = rule_in(out, "forward");

	nft_verdict(&r, NFT_JUMP, NFT_STRANGERS_CHAIN);
	nft_rule_end(&r);

	r = rule_in(out, NFT_STRANGERS_CHAIN);
	nft_meta(&r, NFT_META_IIFKIND, 0);
	nft_is_not(&r, 0, bridge, sizeof(bridge));
	finish(&r, NF_DROP, NULL);
}

static void write_postrouting(struct buf *out)
{
	/* The appliance to a container through 127.0.0.1: no container could answer that. */
	struct nft_rule r = rule_in(out, "postrouting");

	in_set(&r, NFT_META_OIFNAME, NFT_SET_BRIDGES);
	is_ipv4(&r);
	is_loopback_net(&r, IP_SADDR);
	nft_masquerade(&r);
	nft_rule_end(&r);

	/* A container to a published port of its own network: the answer has to come back this way. */
	r = rule_in(out, "postrouting");
	is_ipv4(&r);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, IP_SADDR, 4, 0);
	nft_meta(&r, NFT_META_OIFNAME, 1);
	nft_in_set(&r, set_name(NFT_SET_HOME), 0);
	is_dnat(&r);
	nft_masquerade(&r);
	nft_rule_end(&r);

	/* Out into the world; forward let nothing else through. */
	r = rule_in(out, "postrouting");
	in_set(&r, NFT_META_IIFNAME, NFT_SET_BRIDGES);
	not_in_set(&r, NFT_META_OIFNAME, NFT_SET_BRIDGES);
	is_ipv4(&r);
	nft_masquerade(&r);
	nft_rule_end(&r);
}

/* --- bridge ----------------------------------------------------------------------------------- */

static struct nft_rule guard_rule(struct buf *out, const char *chain)
{
	return nft_rule_begin(out, NFPROTO_BRIDGE, NFT_TABLE_NAME, chain);
}

static void is_arp(struct nft_rule *r)
{
	const uint16_t type = htons(ETH_P_ARP);

	nft_payload(r, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, sizeof(type), 0);
	nft_is(r, 0, &type, sizeof(type));
}

/* Link, Ethernet source with the type behind it, IPv4 source, in one question: most frames need no other. */
static void write_guard_passes(struct buf *out)
{
	struct nft_rule r = guard_rule(out, "prerouting");

	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_payload(&r, NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, 6 + 2, NAME_WORDS);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, IP_SADDR, 4, NAME_WORDS + 2);
	nft_in_set(&r, set_name(NFT_SET_SOURCES), 0);
	finish(&r, NF_ACCEPT, NULL);

	r = guard_rule(out, "prerouting");
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_in_set(&r, set_name(NFT_SET_LINKS), 0);
	finish(&r, NFT_GOTO, "guard");
}

/* Only ARP and IPv4, only from the address that the container was given: no other protocol could be checked (tags of VLANs
 * would hide any of them), and none is offered. Before the bridge learns anything from the frame. */
static void write_guard(struct buf *out)
{
	struct nft_rule r;

	write_guard_passes(out);

	r = guard_rule(out, "guard");
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_payload(&r, NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, 6, NAME_WORDS);
	nft_not_in_set(&r, set_name(NFT_SET_ETHERS), 0);
	finish(&r, NF_DROP, NULL);

	r = guard_rule(out, "guard");
	is_arp(&r);
	nft_meta(&r, NFT_META_IIFNAME, 0);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_ETHER, 6, NAME_WORDS);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_IP, 4, NAME_WORDS + 2);
	nft_in_set(&r, set_name(NFT_SET_ARPS), 0);
	finish(&r, NF_ACCEPT, NULL);

	r = guard_rule(out, "guard");
	finish(&r, NF_DROP, NULL);
}

/* --- chains and sets ---------------------------------------------------------------------------- */

static const struct chain {
	enum nft_table table;
	const char *name, *type;
	int hook, priority;
} chains[] = {
	{ NFT_TABLE_INET, "publish", NULL, NO_HOOK, 0 },
	{ NFT_TABLE_INET, "gateway", NULL, NO_HOOK, 0 },
	{ NFT_TABLE_INET, NFT_STRANGERS_CHAIN, NULL, NO_HOOK, 0 },
	{ NFT_TABLE_INET, "early", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW },
	{ NFT_TABLE_INET, "prerouting", "nat", NF_INET_PRE_ROUTING, PRIORITY_DSTNAT },
	{ NFT_TABLE_INET, "output", "nat", NF_INET_LOCAL_OUT, PRIORITY_DSTNAT },
	{ NFT_TABLE_INET, "forward", "filter", NF_INET_FORWARD, PRIORITY_FILTER },
	{ NFT_TABLE_INET, "postrouting", "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT },
	{ NFT_TABLE_BRIDGE, "guard", NULL, NO_HOOK, 0 },
	{ NFT_TABLE_BRIDGE, "prerouting", "filter", 0 /* NF_BR_PRE_ROUTING */, PRIORITY_RAW },
};

static void write_chain(struct buf *out, const struct chain *chain)
{
	size_t message =
		nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE, nft_table_family(chain->table));
	size_t hook;

	netlink_put_text(out, NFTA_CHAIN_TABLE, NFT_TABLE_NAME);
	netlink_put_text(out, NFTA_CHAIN_NAME, chain->name);
	if (chain->hook != NO_HOOK) {
		netlink_put_text(out, NFTA_CHAIN_TYPE, chain->type);
		hook = netlink_nest(out, NFTA_CHAIN_HOOK);
		netlink_put_be32(out, NFTA_HOOK_HOOKNUM, (uint32_t)chain->hook);
		netlink_put_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
		netlink_nest_end(out, hook);
	}
	netlink_end(out, message);
}

/* Each element gets a limit of its own, whose excess does not match. Every question of ARP goes to all containers of a bridge: one that
 * floods would have them all at work. */
static void put_limit(struct buf *out)
{
	size_t expression = netlink_nest(out, NFTA_SET_EXPR), data;
	const uint64_t rate = htobe64(ARP_PER_SECOND), unit = htobe64(1);

	netlink_put_text(out, NFTA_EXPR_NAME, "limit");
	data = netlink_nest(out, NFTA_EXPR_DATA);
	netlink_put(out, NFTA_LIMIT_RATE, &rate, sizeof(rate));
	netlink_put(out, NFTA_LIMIT_UNIT, &unit, sizeof(unit));
	netlink_put_be32(out, NFTA_LIMIT_BURST, ARP_BURST);
	netlink_put_be32(out, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	netlink_nest_end(out, data);
	netlink_nest_end(out, expression);
}

/* The kernel's fastest table for keys of four bytes is one whose size it knows. */
static void put_size(struct buf *out, unsigned most)
{
	size_t description = netlink_nest(out, NFTA_SET_DESC);

	netlink_put_be32(out, NFTA_SET_DESC_SIZE, most);
	netlink_nest_end(out, description);
}

static void write_set(struct buf *out, unsigned id, const struct nft_set_kind *kind)
{
	/* libnftnl's note of four bytes: the key is in the machine's order. */
	static const uint8_t host_order[] = { 0, 4, 1, 0, 0, 0 };
	size_t message =
		nft_begin(out, NFT_MSG_NEWSET, NLM_F_CREATE, nft_table_family(kind->table));

	netlink_put_text(out, NFTA_SET_TABLE, NFT_TABLE_NAME);
	netlink_put_text(out, NFTA_SET_NAME, kind->name);
	netlink_put_be32(out, NFTA_SET_ID, id + 1);
	netlink_put_be32(out, NFTA_SET_KEY_TYPE, kind->key_type);
	netlink_put_be32(out, NFTA_SET_KEY_LEN, kind->key_len);
	netlink_put_be32(out, NFTA_SET_FLAGS, kind->data_len ? NFT_SET_MAP : 0);
	if (kind->data_len) {
		netlink_put_be32(out, NFTA_SET_DATA_TYPE, kind->data_type);
		netlink_put_be32(out, NFTA_SET_DATA_LEN, kind->data_len);
	}
	/* Else nft(8) would print names of interfaces backwards. */
	if (kind->key_len == NET_LINK_NAME)
		netlink_put(out, NFTA_SET_USERDATA, host_order, sizeof(host_order));
	if (id == NFT_SET_ARPS)
		put_limit(out);
	if (id == NFT_SET_GATEWAYS)
		put_size(out, NET_MAX_BRIDGES);
	netlink_end(out, message);
}

void nft_rules_write(struct buf *out, enum nft_table table, bool drop_strangers)
{
	for (unsigned i = 0; i < NFT_SETS; i++)
		if (nft_set_kinds[i].table == table)
			write_set(out, i, &nft_set_kinds[i]);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		if (chains[i].table == table &&
		    (drop_strangers || strcmp(chains[i].name, NFT_STRANGERS_CHAIN) != 0))
			write_chain(out, &chains[i]);
	if (table == NFT_TABLE_BRIDGE) {
		write_guard(out);
		return;
	}
	write_early(out);
	write_publish(out);
	write_local(out, "prerouting");
	write_local(out, "output");
	write_forward_known(out);
	write_forward_new(out);
	if (drop_strangers)
		write_strangers(out);
	write_postrouting(out);
}
