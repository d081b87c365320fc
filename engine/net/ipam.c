/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets which address. An address that was given back is handed out again as late as possible: neighbours and clients
 * may still hold it in a cache. Must never give one address to two owners that both run.
 */
#include "net/ipam.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"

#define HEAD "cleat-leases 1\n"
#define LINE_WORDS 5

static uint32_t mask_of(uint8_t prefix)
{
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

bool net_block_parse(const char *text, struct net_block *out)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];
	uint64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof(address) ||
	    !str_to_u64(slash + 1, 32, &prefix) || !prefix)
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &out->address) != 1)
		return false;
	out->prefix = (uint8_t)prefix;
	out->address = net_address_of(net_address_number(out->address) & mask_of(out->prefix));
	return true;
}

bool net_block_has(const struct net_block *block, struct in_addr address)
{
	return block->prefix &&
	       (net_address_number(address) & mask_of(block->prefix)) ==
		       (net_address_number(block->address) & mask_of(block->prefix));
}

bool net_block_overlaps(const struct net_block *a, const struct net_block *b)
{
	return net_block_has(a, b->address) || net_block_has(b, a->address);
}

struct in_addr net_block_last(const struct net_block *block)
{
	return net_address_of(net_address_number(block->address) | ~mask_of(block->prefix));
}

void net_block_text(const struct net_block *block, char out[20])
{
	char address[INET_ADDRSTRLEN];
	struct buf text = BUF_INIT(19);

	net_address_text(block->address, address);
	buf_printf(&text, "%s/%u", address, block->prefix);
	str_copy(out, 20, buf_str(&text));
	buf_fini(&text);
}

void net_address_text(struct in_addr address, char out[INET_ADDRSTRLEN])
{
	if (!inet_ntop(AF_INET, &address, out, INET_ADDRSTRLEN))
		out[0] = '\0';
}

const struct net_lease_subnet *net_lease_subnet(const struct net_leases *leases,
						const char *network)
{
	for (size_t i = 0; i < leases->subnet_count; i++)
		if (str_eq(leases->subnets[i].network, network))
			return &leases->subnets[i];
	return NULL;
}

void net_lease_subnet_put(struct net_leases *leases, const char *network,
			  const struct net_block *block)
{
	for (size_t i = 0; i < leases->subnet_count; i++)
		if (str_eq(leases->subnets[i].network, network)) {
			leases->subnets[i].block = *block;
			return;
		}
	if (leases->subnet_count == NET_LEASES_MAX)
		memmove(leases->subnets, leases->subnets + 1,
			--leases->subnet_count * sizeof(*leases->subnets));
	*arena_push(&leases->arena, leases->subnets, leases->subnet_count) =
		(struct net_lease_subnet){ arena_strdup(&leases->arena, network), *block };
}

static bool is_taken(const struct net_taken *taken, struct in_addr address)
{
	for (size_t i = 0; i < taken->count; i++)
		if (taken->items[i].s_addr == address.s_addr)
			return true;
	return false;
}

static struct net_lease_address *lease_of(struct net_leases *leases, const char *network,
					  const char *owner)
{
	for (size_t i = 0; i < leases->address_count; i++)
		if (str_eq(leases->addresses[i].network, network) &&
		    str_eq(leases->addresses[i].owner, owner))
			return &leases->addresses[i];
	return NULL;
}

static bool is_within(struct in_addr address, struct in_addr first, struct in_addr last)
{
	return net_address_number(address) >= net_address_number(first) &&
	       net_address_number(address) <= net_address_number(last);
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The lowest that is neither taken nor anybody's lease: a walk along the sorted ones, however large the block is. */
static bool find_fresh(const struct net_leases *leases, const char *network, struct in_addr first,
		       struct in_addr last, const struct net_taken *taken, struct in_addr *out)
{
	uint64_t next = net_address_number(first);
	size_t count = 0, all = leases->address_count + taken->count;
	struct arena arena = { 0 };
	uint32_t *busy = arena_alloc(&arena, (all + 1) * sizeof(*busy));

	for (size_t i = 0; i < leases->address_count; i++)
		if (str_eq(leases->addresses[i].network, network))
			busy[count++] = net_address_number(leases->addresses[i].address);
	for (size_t i = 0; i < taken->count; i++)
		busy[count++] = net_address_number(taken->items[i]);
	qsort(busy, count, sizeof(*busy), by_number);
	for (size_t i = 0; i < count && busy[i] <= next; i++)
		if (busy[i] == next)
			next++;
	arena_fini(&arena);
	*out = net_address_of((uint32_t)next);
	return next <= net_address_number(last);
}

/* What was given back longest ago. */
static struct net_lease_address *find_old(struct net_leases *leases, const char *network,
					  struct in_addr first, struct in_addr last,
					  const struct net_taken *taken)
{
	struct net_lease_address *best = NULL;

	for (size_t i = 0; i < leases->address_count; i++) {
		struct net_lease_address *lease = &leases->addresses[i];

		if (str_eq(lease->network, network) && is_within(lease->address, first, last) &&
		    !is_taken(taken, lease->address) && (!best || lease->used < best->used))
			best = lease;
	}
	return best;
}

static void forget_oldest(struct net_leases *leases)
{
	size_t oldest = 0;

	for (size_t i = 1; i < leases->address_count; i++)
		if (leases->addresses[i].used < leases->addresses[oldest].used)
			oldest = i;
	leases->addresses[oldest] = leases->addresses[--leases->address_count];
}

/* One owner an address; who lost his keeps an empty lease, so that owners who take turns need no new memory. */
static void keep(struct net_leases *leases, const char *network, const char *owner,
		 struct in_addr address)
{
	struct net_lease_address *lease = lease_of(leases, network, owner);

	for (size_t i = 0; i < leases->address_count; i++)
		if (leases->addresses[i].address.s_addr == address.s_addr &&
		    str_eq(leases->addresses[i].network, network))
			leases->addresses[i].address.s_addr = INADDR_ANY;
	if (!lease) {
		if (leases->address_count == NET_LEASES_MAX)
			forget_oldest(leases);
		lease = arena_push(&leases->arena, leases->addresses, leases->address_count);
		lease->network = arena_strdup(&leases->arena, network);
		lease->owner = arena_strdup(&leases->arena, owner);
	}
	lease->address = address;
	lease->used = ++leases->turn;
}

int net_ipam_take(struct net_leases *leases, const char *network, const char *owner,
		  struct in_addr first, struct in_addr last, struct in_addr wanted,
		  const struct net_taken *taken, struct in_addr *out, struct err *err)
{
	struct net_lease_address *mine = lease_of(leases, network, owner), *old;
	char text[INET_ADDRSTRLEN];

	if (wanted.s_addr) {
		net_address_text(wanted, text);
		if (is_taken(taken, wanted))
			return err_set(err, ERR_INPUT, "network %s: the address %s is taken",
				       network, text);
		*out = wanted;
	} else if (mine && is_within(mine->address, first, last) &&
		   !is_taken(taken, mine->address)) {
		*out = mine->address;
	} else if (!find_fresh(leases, network, first, last, taken, out)) {
		old = find_old(leases, network, first, last, taken);
		if (!old)
			return err_set(err, ERR_LIMIT, "network %s: every address is in use",
				       network);
		*out = old->address;
	}
	keep(leases, network, owner, *out);
	return 0;
}

static struct net_lease_port *port_lease(struct net_leases *leases, const char *owner, bool udp,
					 uint16_t inside, uint16_t count)
{
	for (size_t i = 0; i < leases->port_count; i++) {
		struct net_lease_port *lease = &leases->ports[i];

		if (lease->udp == udp && lease->inside == inside && lease->count == count &&
		    str_eq(lease->owner, owner))
			return lease;
	}
	return NULL;
}

/* Of others: theirs while there is room. */
static bool is_leased(const struct net_leases *leases, const char *owner, bool udp, uint32_t first,
		      uint32_t count)
{
	for (size_t i = 0; i < leases->port_count; i++) {
		const struct net_lease_port *lease = &leases->ports[i];

		if (lease->udp == udp && first < (uint32_t)lease->host + lease->count &&
		    lease->host < first + count && !str_eq(lease->owner, owner))
			return true;
	}
	return false;
}

static bool find_port(const struct net_leases *leases, const char *owner, bool udp, uint16_t count,
		      uint16_t first, uint16_t last, net_port_taken_fn *is_busy, const void *arg,
		      uint16_t *out)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t at = (uint32_t)last + 1 - count; at >= first && at + count > at;
		     at--) {
			if (is_busy(arg, udp, (uint16_t)at, count) ||
			    (!pass && is_leased(leases, owner, udp, at, count)))
				continue;
			*out = (uint16_t)at;
			return true;
		}
	}
	return false;
}

int net_port_take(struct net_leases *leases, const char *owner, bool udp, uint16_t inside,
		  uint16_t count, uint16_t first, uint16_t last, net_port_taken_fn *is_busy,
		  const void *arg, uint16_t *out, struct err *err)
{
	struct net_lease_port *lease = port_lease(leases, owner, udp, inside, count);

	if (lease && lease->host >= first && !is_busy(arg, udp, lease->host, count)) {
		*out = lease->host;
		return 0;
	}
	if (!count || first > last || (uint32_t)last - first + 1 < count ||
	    !find_port(leases, owner, udp, count, first, last, is_busy, arg, out))
		return err_set(err, ERR_LIMIT, "no %u free port%s between %u and %u for %u/%s",
			       count, count == 1 ? "" : "s in a row", first, last, inside,
			       udp ? "udp" : "tcp");
	if (!lease) {
		if (leases->port_count == NET_LEASES_MAX)
			memmove(leases->ports, leases->ports + 1,
				--leases->port_count * sizeof(*leases->ports));
		lease = arena_push(&leases->arena, leases->ports, leases->port_count);
		*lease = (struct net_lease_port){ .owner = arena_strdup(&leases->arena, owner),
						  .udp = udp,
						  .inside = inside,
						  .count = count };
	}
	lease->host = *out;
	return 0;
}

void net_leases_format(const struct net_leases *leases, bool only_subnets, struct buf *out)
{
	char text[20];

	buf_puts(out, HEAD);
	for (size_t i = 0; i < leases->subnet_count; i++) {
		net_block_text(&leases->subnets[i].block, text);
		buf_printf(out, "subnet %s %s\n", leases->subnets[i].network, text);
	}
	for (size_t i = 0; !only_subnets && i < leases->address_count; i++) {
		const struct net_lease_address *lease = &leases->addresses[i];

		if (lease->address.s_addr == INADDR_ANY)
			continue;
		net_address_text(lease->address, text);
		buf_printf(out, "address %s %s %s %u\n", lease->network, lease->owner, text,
			   lease->used);
	}
	for (size_t i = 0; !only_subnets && i < leases->port_count; i++) {
		const struct net_lease_port *lease = &leases->ports[i];

		buf_printf(out, "port %s %u/%s %u %u\n", lease->owner, lease->inside,
			   lease->udp ? "udp" : "tcp", lease->count, lease->host);
	}
}

/* A blank parts words; none may be empty. */
static unsigned split(char *line, const char *words[LINE_WORDS])
{
	unsigned count = 0;

	for (char *word = line; word && count < LINE_WORDS; count++) {
		char *blank = strchr(word, ' ');

		if (blank)
			*blank++ = '\0';
		if (!*word || strlen(word) >= NET_NAME_BYTES)
			return 0;
		words[count] = word;
		if (!(word = blank))
			return count + 1;
	}
	return 0;
}

static bool parse_port(struct net_leases *out, const char *const words[LINE_WORDS])
{
	const char *slash = strchr(words[2], '/');
	uint64_t inside, count, host;
	char number[8] = "";

	if (!slash || slash - words[2] > 5 || (!str_eq(slash, "/tcp") && !str_eq(slash, "/udp")))
		return false;
	memcpy(number, words[2], (size_t)(slash - words[2]));
	if (!str_to_u64(number, 65535, &inside) || !str_to_u64(words[3], 65535, &count) ||
	    !str_to_u64(words[4], 65535, &host) || !inside || !count || !host ||
	    host + count > 65536 || inside + count > 65536)
		return false;
	*arena_push(&out->arena, out->ports, out->port_count) =
		(struct net_lease_port){ arena_strdup(&out->arena, words[1]), slash[1] == 'u',
					 (uint16_t)inside, (uint16_t)host, (uint16_t)count };
	return true;
}

static bool parse_address(struct net_leases *out, const char *const words[LINE_WORDS])
{
	struct in_addr address;
	uint64_t used;

	if (inet_pton(AF_INET, words[3], &address) != 1 ||
	    !str_to_u64(words[4], UINT32_MAX - 1, &used) || lease_of(out, words[1], words[2]))
		return false;
	*arena_push(&out->arena, out->addresses, out->address_count) =
		(struct net_lease_address){ arena_strdup(&out->arena, words[1]),
					    arena_strdup(&out->arena, words[2]), address,
					    (uint32_t)used };
	if (used > out->turn)
		out->turn = (uint32_t)used;
	return true;
}

static bool parse_line(struct net_leases *out, char *line)
{
	const char *words[LINE_WORDS];
	unsigned count = split(line, words);
	struct net_block block;

	if (count == 3 && str_eq(words[0], "subnet") && net_block_parse(words[2], &block)) {
		net_lease_subnet_put(out, words[1], &block);
		return true;
	}
	if (count == 5 && str_eq(words[0], "address"))
		return out->address_count < NET_LEASES_MAX && parse_address(out, words);
	if (count == 5 && str_eq(words[0], "port"))
		return out->port_count < NET_LEASES_MAX && parse_port(out, words);
	return false;
}

static int parse_lines(struct net_leases *out, const char *text, struct err *err)
{
	char line[3 * NET_NAME_BYTES + 32];

	if (!str_starts(text, HEAD))
		return err_set(err, ERR_INTEGRITY, "line 1: no \"cleat-leases 1\"");
	text += strlen(HEAD);
	for (unsigned number = 2; *text; number++) {
		size_t len = strcspn(text, "\n");

		if (len >= sizeof(line) || text[len] != '\n')
			return err_set(err, ERR_INTEGRITY, "line %u: no lease", number);
		memcpy(line, text, len);
		line[len] = '\0';
		if (!parse_line(out, line))
			return err_set(err, ERR_INTEGRITY, "line %u: no lease", number);
		text += len + 1;
	}
	return 0;
}

static void merge(struct net_leases *to, const struct net_leases *from)
{
	for (size_t i = 0; i < from->subnet_count; i++)
		net_lease_subnet_put(to, from->subnets[i].network, &from->subnets[i].block);
	for (size_t i = 0; i < from->address_count && to->address_count < NET_LEASES_MAX; i++) {
		const struct net_lease_address *lease = &from->addresses[i];

		if (lease_of(to, lease->network, lease->owner))
			continue;
		*arena_push(&to->arena, to->addresses, to->address_count) =
			(struct net_lease_address){ arena_strdup(&to->arena, lease->network),
						    arena_strdup(&to->arena, lease->owner),
						    lease->address, lease->used };
	}
	for (size_t i = 0; i < from->port_count && to->port_count < NET_LEASES_MAX; i++) {
		struct net_lease_port *lease = arena_push(&to->arena, to->ports, to->port_count);

		*lease = from->ports[i];
		lease->owner = arena_strdup(&to->arena, from->ports[i].owner);
	}
	if (from->turn > to->turn)
		to->turn = from->turn;
}

int net_leases_parse(struct net_leases *leases, const char *text, struct err *err)
{
	struct net_leases found = { 0 };
	int rc = parse_lines(&found, text, err);

	if (rc == 0)
		merge(leases, &found);
	net_leases_fini(&found);
	return rc;
}

void net_leases_fini(struct net_leases *leases)
{
	arena_fini(&leases->arena);
	*leases = (struct net_leases){ 0 };
}
