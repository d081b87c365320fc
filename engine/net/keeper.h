/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeping the kernel as it is wanted: what "cleat net" does between a request and its report. Level-triggered: each call reads what is there,
 * carries out the difference, and tells what came of it. Blocks for the time of the system calls (some ms).
 */
#include <stdbool.h>
#include <stdint.h>

#include "net/conntrack.h"
#include "net/diff.h"
#include "net/nft_elements.h"
#include "net/wanted.h"
#include "util/netlink.h"

struct keeper_table {
	struct nft_elements elements; /* what the kernel holds, while stands */
	bool stands;
	char reason[160]; /* why not; "" */
};

/* What passes our bridges besides frames: only with rules that keep it in its ways. */
enum keeper_ways { KEEPER_WAYS_UNKNOWN, KEEPER_WAYS_SHUT, KEEPER_WAYS_OPEN };

struct keeper {
	struct netlink route, nft;
	int sysctl_fd; /* /proc/sys/net */
	struct net_wanted wanted;
	bool has_wanted;     /* nothing is touched before the first request */
	bool is_known;	     /* whether our tables were there when we began has been looked up */
	bool drop_strangers; /* forwarding is switched on by us alone */
	enum keeper_ways ways;
	struct keeper_table tables[NFT_TABLES];
	struct conntrack_wish forget; /* left for keeper_finish() */
};

struct keeper_result {
	bool ok, nat, spoof_guard, has_default_route;
	uint64_t failed_bridges;
	char done[160];	   /* the first thing that had to be done; "" */
	char text[480];	   /* why one of them is not so; else what was repaired; "" */
	bool changed;	   /* something had to be done */
	bool has_unwanted; /* ends on our bridges that nobody wants are still there */
	uint64_t foreign;  /* digest of the links, addresses and routes of others */
};

int keeper_init(struct keeper *k, struct err *err) MUST_CHECK;
void keeper_fini(struct keeper *k);
/* Takes the arrays over. */
void keeper_want(struct keeper *k, struct net_wanted *wanted);
/* sweep: as in net_diff(). */
void keeper_settle(struct keeper *k, bool sweep, struct keeper_result *out);
/* What may wait until the result has been told: forgetting the connections of containers that are gone, for which the kernel walks all
 * of its table (5 ms and more). */
void keeper_finish(struct keeper *k);
/* Somebody changed a table: it is put again with the next call. */
void keeper_doubt_table(struct keeper *k, enum nft_table table);
