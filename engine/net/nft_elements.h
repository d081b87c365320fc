/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What changes in our tables: the rules stand still and ask sets and maps, whose elements come from the wanted state. Pure: the same state
 * gives the same list, sorted, so that two of them can be compared.
 */
#include <stddef.h>
#include <stdint.h>

#include "net/wanted.h"
#include "util/err.h"

enum nft_table { NFT_TABLE_INET, NFT_TABLE_BRIDGE, NFT_TABLES };

/* net/nft_rules.c says what each is for. */
enum nft_set {
	NFT_SET_BRIDGES,
	NFT_SET_INTERNAL,
	NFT_SET_SHARED,
	NFT_SET_SAME,
	NFT_SET_GATEWAYS,
	NFT_SET_HOME,
	NFT_MAP_PORTS,
	NFT_MAP_PORTS_AT,
	NFT_SET_LINKS,
	NFT_SET_ETHERS,
	NFT_SET_ARPS,
	NFT_SET_SOURCES,
	NFT_SETS
};

#define NFT_KEY_MAX 32 /* link and bridge name */
#define NFT_DATA_MAX 8 /* address and port */
#define NFT_MAX_ELEMENTS 262144

struct nft_set_kind {
	const char *name;
	enum nft_table table;
	uint32_t key_type, key_len;   /* nft(8)'s numbers of types, so that it can print them */
	uint32_t data_type, data_len; /* a map; 0: a set */
};
extern const struct nft_set_kind nft_set_kinds[NFT_SETS];

struct nft_element {
	uint8_t set; /* enum nft_set */
	uint8_t key[NFT_KEY_MAX], data[NFT_DATA_MAX];
};

struct nft_elements {
	struct nft_element *items; /* owned */
	size_t count, cap;
};

/* ERR_LIMIT: ranges of ports add up to more than NFT_MAX_ELEMENTS. ERR_INPUT: two entries contradict each other. */
int nft_elements_make(const struct net_wanted *wanted, struct nft_elements *out,
		      struct err *err) MUST_CHECK;
void nft_elements_fini(struct nft_elements *elements);

/* What to take away from old and to add to it for new, in this order; a changed value is both. */
typedef int nft_element_fn(const struct nft_element *element, void *arg, struct err *err);
int nft_elements_diff(const struct nft_elements *old, const struct nft_elements *new,
		      enum nft_table table, nft_element_fn *gone, nft_element_fn *added, void *arg,
		      struct err *err) MUST_CHECK;
