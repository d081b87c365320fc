/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Relaying TCP connections between a listening socket and an address: small pieces by a copy, large ones by splice(2); a pipe a
 * direction, so that a slow reader holds back its writer. Bytes are never looked at. Half-closes are passed on; a refused or broken connection closes the
 * other end. No timeout for an established connection (TCP's own keep-alive finds peers that vanished). Bounded: more pairs than
 * max_pairs are refused by closing. Runs in a loop; nothing blocks.
 */
#include "net/address.h"
#include "util/loop.h"

#define RELAY_MAX 1024	   /* pairs that anybody should ask for */
#define RELAY_FDS_A_PAIR 6 /* two sockets, two pipes */
#define RELAY_CONNECT_USEC (10 * USEC_SEC)

struct relay;
struct relay *relay_new(struct loop *loop, unsigned max_pairs, struct err *err) MUST_CHECK;
/* Serves a listening, non-blocking socket (borrowed); target is copied. */
int relay_listen(struct relay *relay, int fd, const struct net_address *target,
		 struct err *err) MUST_CHECK;
unsigned relay_count(const struct relay *relay);
/* Closes what is connected; the listening sockets stay the caller's. */
void relay_free(struct relay *relay);
