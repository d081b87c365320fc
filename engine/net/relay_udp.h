/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Relaying datagrams: a client that sends to a listening socket gets a socket of its own towards the target, and what comes back
 * there goes to the client, from the address that it had sent to. A session is over when nothing has passed for
 * RELAY_UDP_IDLE_USEC. Bounded: beyond max_sessions the one that was silent longest makes room, if it was silent for
 * RELAY_UDP_SPARE_USEC; otherwise the datagram is dropped. Runs in a loop; nothing blocks.
 */
#include "net/address.h"
#include "util/loop.h"

#define RELAY_UDP_MAX 1024
#define RELAY_UDP_IDLE_USEC (60 * USEC_SEC)
#define RELAY_UDP_SPARE_USEC (5 * USEC_SEC)

struct relay_udp;
struct relay_udp *relay_udp_new(struct loop *loop, unsigned max_sessions,
				struct err *err) MUST_CHECK;
/* A non-blocking, bound socket on which relay_udp_prepare() was called (borrowed); target is copied. */
int relay_udp_listen(struct relay_udp *relay, int fd, const struct net_address *target,
		     struct err *err) MUST_CHECK;
/* Asks the kernel for the address that each datagram was sent to. */
int relay_udp_prepare(int fd, int family, struct err *err) MUST_CHECK;
void relay_udp_free(struct relay_udp *relay);
