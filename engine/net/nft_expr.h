/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rules of nftables as netlink attributes (linux/netfilter/nf_tables.h). A rule is a list of expressions over 16 words of 32 bits;
 * an expression that does not fit ends the rule. Values that a set is asked for lie in adjacent words, each padded to whole words.
 * Failures stay in the buffer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

struct nft_rule {
	struct buf *out;
	size_t message, list;
};

/* A batch's message of the subsystem nftables (NFT_MSG_*) for a family (NFPROTO_*); close with netlink_end(). */
size_t nft_begin(struct buf *out, unsigned type, uint16_t flags, unsigned family);

struct nft_rule nft_rule_begin(struct buf *out, unsigned family, const char *table,
			       const char *chain);
void nft_rule_end(struct nft_rule *rule);

void nft_meta(struct nft_rule *rule, unsigned key, unsigned word);
void nft_payload(struct nft_rule *rule, unsigned base, unsigned offset, unsigned len,
		 unsigned word);
void nft_ct(struct nft_rule *rule, unsigned key, unsigned word);
void nft_fib_daddr_type(struct nft_rule *rule, unsigned word);
/* Goes on if word(s) == value, or != value. */
void nft_is(struct nft_rule *rule, unsigned word, const void *value, size_t len);
void nft_is_not(struct nft_rule *rule, unsigned word, const void *value, size_t len);
/* Goes on if a word has one of these bits. */
void nft_has_bits(struct nft_rule *rule, unsigned word, uint32_t bits);
void nft_in_set(struct nft_rule *rule, const char *set, unsigned word);
void nft_not_in_set(struct nft_rule *rule, const char *set, unsigned word);
void nft_map(struct nft_rule *rule, const char *map, unsigned word, unsigned to_word);
/* IPv4 destination and port out of two words. */
void nft_dnat(struct nft_rule *rule, unsigned address_word, unsigned port_word);
void nft_masquerade(struct nft_rule *rule);
/* NF_ACCEPT, NF_DROP; NFT_JUMP, NFT_GOTO with a chain. */
void nft_verdict(struct nft_rule *rule, int code, const char *chain);
