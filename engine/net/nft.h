/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Our tables "inet cleat" and "bridge cleat" in the kernel. Each call is one transaction (several, one behind the other, where elements are
 * more than fit into a message to the kernel: some thousand ports at once). The socket is one of NETLINK_NETFILTER that
 * nft_socket() has prepared.
 */
#include <stdbool.h>

#include "net/nft_elements.h"
#include "util/netlink.h"

int nft_socket(struct netlink *nl, struct err *err) MUST_CHECK;

/* Puts the whole table there in place of whatever has its name; traffic sees the old or the new one. */
int nft_table_put(struct netlink *nl, enum nft_table table, const struct nft_elements *elements,
		  bool drop_strangers, struct err *err) MUST_CHECK;
/* From one state of the elements to another; nothing is sent when nothing differs. -1 also when the table is not as old says:
 * put it again. */
int nft_table_change(struct netlink *nl, enum nft_table table, const struct nft_elements *old,
		     const struct nft_elements *new, struct err *err) MUST_CHECK;
/* Fine when there is none. */
int nft_table_remove(struct netlink *nl, enum nft_table table, struct err *err) MUST_CHECK;
/* The kernel has a table of ours with the chain that drops strangers' traffic. */
bool nft_drops_strangers(struct netlink *nl);

/* What a notification says of a table of ours. PUT: the socket with this port has put it, so whatever was told before is past. */
enum nft_news { NFT_NEWS_NONE, NFT_NEWS_FOREIGN, NFT_NEWS_PUT };
enum nft_news nft_news(const struct netlink_message *message, uint32_t own_port,
		       enum nft_table *table);
