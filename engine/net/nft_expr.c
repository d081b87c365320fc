/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of nftables, one function each, in the layout that nft(8) gives to the kernel. Must never allocate but in the buffer. */
#include "net/nft_expr.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "util/netlink.h"

#define FIRST_WORD NFT_REG32_00

size_t nft_begin(struct buf *out, unsigned type, uint16_t flags, unsigned family)
{
	const struct nfgenmsg header = { .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0 };

	return netlink_begin(out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header,
			     sizeof(header));
}

struct nft_rule nft_rule_begin(struct buf *out, unsigned family, const char *table,
			       const char *chain)
{
	struct nft_rule rule = { .out = out };

	rule.message = nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
	netlink_put_text(out, NFTA_RULE_TABLE, table);
	netlink_put_text(out, NFTA_RULE_CHAIN, chain);
	rule.list = netlink_nest(out, NFTA_RULE_EXPRESSIONS);
	return rule;
}

void nft_rule_end(struct nft_rule *rule)
{
	netlink_nest_end(rule->out, rule->list);
	netlink_end(rule->out, rule->message);
}

struct expression {
	size_t element, data;
};

static struct expression begin(struct nft_rule *rule, const char *name)
{
	struct expression e = { .element = netlink_nest(rule->out, NFTA_LIST_ELEM) };

	netlink_put_text(rule->out, NFTA_EXPR_NAME, name);
	e.data = netlink_nest(rule->out, NFTA_EXPR_DATA);
	return e;
}

static void end(struct nft_rule *rule, const struct expression *e)
{
	netlink_nest_end(rule->out, e->data);
	netlink_nest_end(rule->out, e->element);
}

static void put_word(struct nft_rule *rule, uint16_t type, unsigned word)
{
	netlink_put_be32(rule->out, type, FIRST_WORD + word);
}

static void put_value(struct nft_rule *rule, uint16_t type, const void *value, size_t len)
{
	size_t nest = netlink_nest(rule->out, type);

	netlink_put(rule->out, NFTA_DATA_VALUE, value, len);
	netlink_nest_end(rule->out, nest);
}

void nft_meta(struct nft_rule *rule, unsigned key, unsigned word)
{
	struct expression e = begin(rule, "meta");

	put_word(rule, NFTA_META_DREG, word);
	netlink_put_be32(rule->out, NFTA_META_KEY, key);
	end(rule, &e);
}

void nft_payload(struct nft_rule *rule, unsigned base, unsigned offset, unsigned len, unsigned word)
{
	struct expression e = begin(rule, "payload");

	put_word(rule, NFTA_PAYLOAD_DREG, word);
	netlink_put_be32(rule->out, NFTA_PAYLOAD_BASE, base);
	netlink_put_be32(rule->out, NFTA_PAYLOAD_OFFSET, offset);
	netlink_put_be32(rule->out, NFTA_PAYLOAD_LEN, len);
	end(rule, &e);
}

void nft_ct(struct nft_rule *rule, unsigned key, unsigned word)
{
	struct expression e = begin(rule, "ct");

	put_word(rule, NFTA_CT_DREG, word);
	netlink_put_be32(rule->out, NFTA_CT_KEY, key);
	end(rule, &e);
}

void nft_fib_daddr_type(struct nft_rule *rule, unsigned word)
{
	struct expression e = begin(rule, "fib");

	put_word(rule, NFTA_FIB_DREG, word);
	netlink_put_be32(rule->out, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	netlink_put_be32(rule->out, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(rule, &e);
}

static void compare(struct nft_rule *rule, unsigned op, unsigned word, const void *value,
		    size_t len)
{
	struct expression e = begin(rule, "cmp");

	put_word(rule, NFTA_CMP_SREG, word);
	netlink_put_be32(rule->out, NFTA_CMP_OP, op);
	put_value(rule, NFTA_CMP_DATA, value, len);
	end(rule, &e);
}

void nft_is(struct nft_rule *rule, unsigned word, const void *value, size_t len)
{
	compare(rule, NFT_CMP_EQ, word, value, len);
}

void nft_is_not(struct nft_rule *rule, unsigned word, const void *value, size_t len)
{
	compare(rule, NFT_CMP_NEQ, word, value, len);
}

/* Bits of conntrack are in the machine's order. */
void nft_has_bits(struct nft_rule *rule, unsigned word, uint32_t bits)
{
	static const uint32_t zero;
	struct expression e = begin(rule, "bitwise");

	put_word(rule, NFTA_BITWISE_SREG, word);
	put_word(rule, NFTA_BITWISE_DREG, word);
	netlink_put_be32(rule->out, NFTA_BITWISE_LEN, sizeof(bits));
	put_value(rule, NFTA_BITWISE_MASK, &bits, sizeof(bits));
	put_value(rule, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	end(rule, &e);
	nft_is_not(rule, word, &zero, sizeof(zero));
}

static void lookup(struct nft_rule *rule, const char *set, unsigned word, uint32_t flags)
{
	struct expression e = begin(rule, "lookup");

	netlink_put_text(rule->out, NFTA_LOOKUP_SET, set);
	put_word(rule, NFTA_LOOKUP_SREG, word);
	netlink_put_be32(rule->out, NFTA_LOOKUP_FLAGS, flags);
	end(rule, &e);
}

void nft_in_set(struct nft_rule *rule, const char *set, unsigned word)
{
	lookup(rule, set, word, 0);
}

void nft_not_in_set(struct nft_rule *rule, const char *set, unsigned word)
{
	lookup(rule, set, word, NFT_LOOKUP_F_INV);
}

void nft_map(struct nft_rule *rule, const char *map, unsigned word, unsigned to_word)
{
	struct expression e = begin(rule, "lookup");

	netlink_put_text(rule->out, NFTA_LOOKUP_SET, map);
	put_word(rule, NFTA_LOOKUP_SREG, word);
	put_word(rule, NFTA_LOOKUP_DREG, to_word);
	end(rule, &e);
}

void nft_dnat(struct nft_rule *rule, unsigned address_word, unsigned port_word)
{
	struct expression e = begin(rule, "nat");

	netlink_put_be32(rule->out, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	netlink_put_be32(rule->out, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	put_word(rule, NFTA_NAT_REG_ADDR_MIN, address_word);
	put_word(rule, NFTA_NAT_REG_PROTO_MIN, port_word);
	end(rule, &e);
}

void nft_masquerade(struct nft_rule *rule)
{
	struct expression e = begin(rule, "masq");

	end(rule, &e);
}

void nft_verdict(struct nft_rule *rule, int code, const char *chain)
{
	struct expression e = begin(rule, "immediate");
	size_t data, verdict;

	netlink_put_be32(rule->out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = netlink_nest(rule->out, NFTA_IMMEDIATE_DATA);
	verdict = netlink_nest(rule->out, NFTA_DATA_VERDICT);
	netlink_put_be32(rule->out, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		netlink_put_text(rule->out, NFTA_VERDICT_CHAIN, chain);
	netlink_nest_end(rule->out, verdict);
	netlink_nest_end(rule->out, data);
	end(rule, &e);
}
