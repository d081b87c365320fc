/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A client of DHCPv6 (RFC 8415) for one link and one address (IA_NA), name servers and search domains (RFC 3646): what it says and when, what
 * it makes of answers. Pure: the caller has the clock, the socket and the record of the lease; it listens on a link-local address, port
 * DHCP6_CLIENT_PORT, and sends to ff02::1:2, port DHCP6_SERVER_PORT. Client and address go by the link's MAC address (DUID-LL, IAID), so that a
 * restarted machine gets the address that it had. busybox udhcpc6 invents an IAID at each start, which costs it its address.
 *
 * Not done, and what follows: prefixes, Rapid Commit, Reconfigure, Information-request (a router's advertisements tell of name servers as
 * well); Release (the address is kept for the next start); Decline (the kernel does not use an address that somebody else has). The first server with an address is taken.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/uplink.h"
#include "util/buf.h"
#include "util/loop.h"

#define DHCP6_CLIENT_PORT 546
#define DHCP6_SERVER_PORT 547
#define DHCP6_PACKET_BYTES 512 /* of what is sent: an id, an address, a few words */
#define DHCP6_READ_BYTES 4096  /* of what is read; longer ones are not understood */
#define DHCP6_ID_BYTES 130     /* of a server, RFC 8415 11.1 */
#define DHCP6_FOREVER UINT32_MAX

enum dhcp6_state {
	DHCP6_SOLICIT, /* is there a server? */
	DHCP6_REQUEST, /* one has offered an address */
	DHCP6_BOUND,
	DHCP6_RENEW,  /* of the server that gave it */
	DHCP6_REBIND, /* of any */
};

struct dhcp6_lease {
	struct net_ip address;
	uint32_t valid_sec; /* DHCP6_FOREVER */
	struct net_ip dns[UPLINK_MAX_SERVERS];
	unsigned dns_count;
	char search[UPLINK_SEARCH];
};

struct dhcp6 {
	enum dhcp6_state state;
	uint8_t mac[6];
	uint8_t xid[3];
	uint32_t random; /* never 0 */
	uint8_t server[DHCP6_ID_BYTES];
	size_t server_len;
	struct net_ip address;	   /* offered or held */
	unsigned sent;		   /* messages of this exchange */
	usec_t began, wait, next;  /* of the exchange; between messages; the next thing to do */
	usec_t renew, rebind, end; /* of the lease; USEC_NEVER */
	uint32_t solicit_max_sec;
};

enum dhcp6_event {
	DHCP6_NOTHING,
	DHCP6_HAS_LEASE, /* *lease is to be used from now on */
	DHCP6_HAS_LOST,	 /* the server has taken it back */
};

void dhcp6_start(struct dhcp6 *c, const uint8_t mac[6], uint32_t random, usec_t now);
/* When dhcp6_turn() wants to be called next. */
usec_t dhcp6_due(const struct dhcp6 *c);
/* What is to be sent now; 0: nothing. */
size_t dhcp6_turn(struct dhcp6 *c, usec_t now, uint8_t packet[DHCP6_PACKET_BYTES]);
/* A datagram. What is not for this client, or cannot be understood, is DHCP6_NOTHING. */
enum dhcp6_event dhcp6_take(struct dhcp6 *c, const uint8_t *packet, size_t len, usec_t now,
			    struct dhcp6_lease *lease);
/* Renews now what it has; asks now for what it has not. */
void dhcp6_hurry(struct dhcp6 *c, usec_t now);
/* The record of it (net/lease.h). */
void dhcp6_record(enum dhcp6_event event, const struct dhcp6_lease *lease, struct buf *out);

/* "cleat dhcp6": a process without privileges once it listens, which writes into UPLINK_LEASES6_DIR. Returns on errors, and 0 when it is asked to end. */
int dhcp6_run(const char *link, struct err *err) MUST_CHECK;
