/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * IPv4 blocks, and who had which address, subnet and ephemeral port: leases, so that things stay as they were while there is room. Pure;
 * strings live in the arena of the leases. Addresses are struct in_addr (network order), arithmetic is in host order.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define NET_NAME_BYTES 128	     /* of a network or a container, with the NUL */
#define NET_LEASES_MAX 4096	     /* of each sort; the oldest are forgotten */
#define NET_LEASES_MAX_BYTES 4194304 /* of their text */

struct net_block {
	struct in_addr address; /* the first of it once net_block_parse() has seen it */
	uint8_t prefix;		/* 0: no block */
};

/* "10.89.0.0/24"; bits behind the prefix are cleared. false: not ADDRESS/1..32. */
bool net_block_parse(const char *text, struct net_block *out);
bool net_block_has(const struct net_block *block, struct in_addr address);
bool net_block_overlaps(const struct net_block *a, const struct net_block *b);
struct in_addr net_block_last(const struct net_block *block);
/* "10.89.0.0/24" */
void net_block_text(const struct net_block *block, char out[20]);
void net_address_text(struct in_addr address, char out[INET_ADDRSTRLEN]);
static inline uint32_t net_address_number(struct in_addr address)
{
	return ntohl(address.s_addr);
}
static inline struct in_addr net_address_of(uint32_t number)
{
	return (struct in_addr){ .s_addr = htonl(number) };
}

struct net_lease_subnet {
	const char *network;
	struct net_block block;
};
struct net_lease_address {
	const char *network, *owner;
	struct in_addr address;
	uint32_t used; /* turn of the last use: larger is later */
};
struct net_lease_port {
	const char *owner; /* the container */
	bool udp;
	uint16_t inside, host, count;
};
struct net_leases {
	struct arena arena;
	struct net_lease_subnet *subnets;
	size_t subnet_count;
	struct net_lease_address *addresses;
	size_t address_count;
	struct net_lease_port *ports;
	size_t port_count;
	uint32_t turn;
};

const struct net_lease_subnet *net_lease_subnet(const struct net_leases *leases,
						const char *network);
void net_lease_subnet_put(struct net_leases *leases, const char *network,
			  const struct net_block *block);
/* Addresses that nobody may get: those in use, and those that units ask for by number. */
struct net_taken {
	const struct in_addr *items;
	size_t count;
};
/* The address that owner gets: the one it had, else the lowest that nobody has had, else the one that was given back longest
 * ago. first to last: the range to choose from. wanted: INADDR_ANY: any. Keeps it as a lease. ERR_LIMIT: there is none;
 * ERR_INPUT: wanted is taken. */
int net_ipam_take(struct net_leases *leases, const char *network, const char *owner,
		  struct in_addr first, struct in_addr last, struct in_addr wanted,
		  const struct net_taken *taken, struct in_addr *out, struct err *err) MUST_CHECK;
/* The same for count ephemeral ports of the host, from last downwards; is_taken is asked about each range. */
typedef bool net_port_taken_fn(const void *arg, bool udp, uint16_t first, uint16_t count);
int net_port_take(struct net_leases *leases, const char *owner, bool udp, uint16_t inside,
		  uint16_t count, uint16_t first, uint16_t last, net_port_taken_fn *is_taken,
		  const void *arg, uint16_t *out, struct err *err) MUST_CHECK;

/* One lease a line behind "cleat-leases 1". Only subnets: what outlives a boot. */
void net_leases_format(const struct net_leases *leases, bool only_subnets, struct buf *out);
/* Adds what the text says; ERR_INTEGRITY names the line, nothing of it is kept then. */
int net_leases_parse(struct net_leases *leases, const char *text, struct err *err) MUST_CHECK;
void net_leases_fini(struct net_leases *leases);
