/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The chains and rules of our tables, which never change, as messages of one batch. */
#include <stdbool.h>

#include "net/nft_elements.h"
#include "util/buf.h"

#define NFT_TABLE_NAME "cleat"
/* Exists while traffic that is none of ours is not forwarded; see nft_rules.c. */
#define NFT_STRANGERS_CHAIN "strangers"

unsigned nft_table_family(enum nft_table table);
/* Sets, chains, rules, but not the table. */
void nft_rules_write(struct buf *out, enum nft_table table, bool drop_strangers);
