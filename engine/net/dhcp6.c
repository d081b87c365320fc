/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCPv6 as a machine of five states. Answers are whatever anybody on the link says: every length is checked before what it is about is
 * read, and one that is not the answer to the last question changes nothing. Must never be made
 * to ask without a pause by a server that offers and refuses, or whose leases are short.
 */
#include "net/dhcp6.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/domain_list.h"
#include "util/bytes.h"

#define MESSAGE_HEAD 4
#define OPTION_HEAD 4
#define IA_HEAD 12 /* IAID, T1, T2 */
#define ADDRESS_BYTES 24

#define FIRST_USEC USEC_SEC /* SOL_MAX_DELAY */
#define SOLICIT_MAX_SEC 3600
#define REQUEST_MAX_SEC 30
#define REQUEST_TRIES 10
#define RENEW_FIRST_SEC 10
#define RENEW_MAX_SEC 600
#define REFUSED_SEC 10	   /* before another try with a server that offers and refuses */
#define RENEW_LEAST_SEC 10 /* a server that wants us to ask all the time does not get it */
#define VALID_LEAST_SEC 30

enum { SOLICIT = 1, ADVERTISE = 2, REQUEST = 3, RENEW = 5, REBIND = 6, REPLY = 7 };
enum {
	OPT_CLIENT = 1,
	OPT_SERVER = 2,
	OPT_IA_NA = 3,
	OPT_ADDRESS = 5,
	OPT_ORO = 6,
	OPT_ELAPSED = 8,
	OPT_STATUS = 13,
	OPT_DNS = 23,
	OPT_SEARCH = 24,
	OPT_SOLICIT_MAX = 82,
};
enum { STATUS_SUCCESS = 0, STATUS_NO_BINDING = 3 };

static const struct {
	uint8_t message;
	bool has_server;
	unsigned first_sec, max_sec;
} exchanges[] = {
	[DHCP6_SOLICIT] = { SOLICIT, false, 1, SOLICIT_MAX_SEC },
	[DHCP6_REQUEST] = { REQUEST, true, 1, REQUEST_MAX_SEC },
	[DHCP6_RENEW] = { RENEW, true, RENEW_FIRST_SEC, RENEW_MAX_SEC },
	[DHCP6_REBIND] = { REBIND, false, RENEW_FIRST_SEC, RENEW_MAX_SEC },
};

/* Transactions and delays have to differ from the neighbour's, no more: xorshift. */
static uint32_t draw(struct dhcp6 *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 17;
	c->random ^= c->random << 5;
	return c->random;
}

/* The nine to eleven tenths of RFC 8415 15. */
static usec_t about(struct dhcp6 *c, usec_t wait)
{
	return wait - wait / 10 + draw(c) % (wait / 5 + 1);
}

static usec_t after(usec_t now, uint32_t sec)
{
	return sec == DHCP6_FOREVER ? USEC_NEVER : now + sec * USEC_SEC;
}

static void begin(struct dhcp6 *c, enum dhcp6_state state, usec_t now)
{
	uint32_t xid = draw(c);

	c->state = state;
	c->sent = 0;
	c->began = c->next = now;
	for (unsigned i = 0; i < sizeof(c->xid); i++)
		c->xid[i] = (uint8_t)(xid >> (8 * i));
}

static void begin_solicit(struct dhcp6 *c, usec_t at)
{
	c->renew = c->rebind = c->end = USEC_NEVER;
	c->server_len = 0;
	begin(c, DHCP6_SOLICIT, at);
}

void dhcp6_start(struct dhcp6 *c, const uint8_t mac[6], uint32_t random, usec_t now)
{
	*c = (struct dhcp6){ .random = random ? random : 1, .solicit_max_sec = SOLICIT_MAX_SEC };
	memcpy(c->mac, mac, sizeof(c->mac));
	begin_solicit(c, now + draw(c) % FIRST_USEC);
}

usec_t dhcp6_due(const struct dhcp6 *c)
{
	return c->next;
}

void dhcp6_hurry(struct dhcp6 *c, usec_t now)
{
	if (c->state == DHCP6_BOUND)
		begin(c, DHCP6_RENEW, now);
	else if (c->state == DHCP6_SOLICIT)
		c->next = now;
}

/* --- what is said ------------------------------------------------------------------------------------------------ */

struct writer {
	uint8_t *at;
};

static void put_u16(struct writer *w, unsigned value)
{
	*w->at++ = (uint8_t)(value >> 8);
	*w->at++ = (uint8_t)value;
}

static void put_bytes(struct writer *w, const void *data, size_t len)
{
	memcpy(w->at, data, len);
	w->at += len;
}

static void put_option(struct writer *w, unsigned code, size_t len)
{
	put_u16(w, code);
	put_u16(w, (unsigned)len);
}

/* DUID-LL of Ethernet: what "id:00:03:00:01:MAC" of a server's reservation is. */
static void put_duid(const struct dhcp6 *c, uint8_t out[10])
{
	static const uint8_t kind[] = { 0, 3, 0, 1 };

	memcpy(out, kind, sizeof(kind));
	memcpy(out + sizeof(kind), c->mac, sizeof(c->mac));
}

/* The end of the MAC address tells the links of a machine apart as well. */
static void put_ia(struct writer *w, const struct dhcp6 *c)
{
	bool has_address = c->state != DHCP6_SOLICIT;

	put_option(w, OPT_IA_NA, IA_HEAD + (has_address ? OPTION_HEAD + ADDRESS_BYTES : 0));
	put_bytes(w, c->mac + 2, 4);
	memset(w->at, 0, 8); /* T1, T2: as the server likes */
	w->at += 8;
	if (!has_address)
		return;
	put_option(w, OPT_ADDRESS, ADDRESS_BYTES);
	put_bytes(w, c->address.bytes, 16);
	memset(w->at, 0, 8);
	w->at += 8;
}

static void put_elapsed(struct writer *w, const struct dhcp6 *c, usec_t now)
{
	usec_t hundredths = c->sent ? (now - c->began) / (10 * USEC_MSEC) : 0;

	put_option(w, OPT_ELAPSED, 2);
	put_u16(w, hundredths < UINT16_MAX ? (unsigned)hundredths : UINT16_MAX);
}

static size_t put_message(const struct dhcp6 *c, usec_t now, uint8_t *packet)
{
	struct writer w = { packet };
	uint8_t duid[10];

	*w.at++ = exchanges[c->state].message;
	put_bytes(&w, c->xid, sizeof(c->xid));
	put_duid(c, duid);
	put_option(&w, OPT_CLIENT, sizeof(duid));
	put_bytes(&w, duid, sizeof(duid));
	if (exchanges[c->state].has_server) {
		put_option(&w, OPT_SERVER, c->server_len);
		put_bytes(&w, c->server, c->server_len);
	}
	put_elapsed(&w, c, now);
	put_ia(&w, c);
	put_option(&w, OPT_ORO, 6);
	put_u16(&w, OPT_DNS);
	put_u16(&w, OPT_SEARCH);
	put_u16(&w, OPT_SOLICIT_MAX);
	return (size_t)(w.at - packet);
}

/* --- when ----------------------------------------------------------------------------------------------------------- */

/* Twice as long after each message, up to the limit; the lease's own times come first. */
static void set_next(struct dhcp6 *c, usec_t now)
{
	usec_t max = exchanges[c->state].max_sec * USEC_SEC;
	usec_t limit = c->state == DHCP6_RENEW ? c->rebind : c->end;

	if (c->state == DHCP6_SOLICIT)
		max = c->solicit_max_sec * USEC_SEC;
	c->wait = c->sent == 1 ? about(c, exchanges[c->state].first_sec * USEC_SEC) :
				 about(c, 2 * c->wait);
	if (c->wait > max)
		c->wait = about(c, max);
	c->next = now + c->wait;
	if (c->next > limit)
		c->next = limit;
}

/* What is over by now. */
static void move_on(struct dhcp6 *c, usec_t now)
{
	if (c->end <= now)
		begin_solicit(c, now);
	else if (c->rebind <= now && (c->state == DHCP6_BOUND || c->state == DHCP6_RENEW))
		begin(c, DHCP6_REBIND, now);
	else if (c->renew <= now && c->state == DHCP6_BOUND)
		begin(c, DHCP6_RENEW, now);
	else if (c->state == DHCP6_REQUEST && c->sent == REQUEST_TRIES)
		begin_solicit(c, now);
}

size_t dhcp6_turn(struct dhcp6 *c, usec_t now, uint8_t packet[DHCP6_PACKET_BYTES])
{
	size_t len;

	if (now < c->next)
		return 0;
	move_on(c, now);
	if (c->state == DHCP6_BOUND)
		return 0;
	if (c->sent == 0)
		c->began = now;
	len = put_message(c, now, packet);
	c->sent++;
	set_next(c, now);
	return len;
}

/* --- what is answered ------------------------------------------------------------------------------------------------- */

struct span {
	const uint8_t *at;
	size_t len;
};

/* The next option of *rest; false at the end, or where it has more than there is. */
static bool next_option(struct span *rest, unsigned *code, struct span *value)
{
	size_t len;

	if (rest->len < OPTION_HEAD)
		return false;
	*code = (unsigned)(rest->at[0] << 8 | rest->at[1]);
	len = (size_t)(rest->at[2] << 8 | rest->at[3]);
	if (len > rest->len - OPTION_HEAD)
		return false;
	*value = (struct span){ rest->at + OPTION_HEAD, len };
	rest->at += OPTION_HEAD + len;
	rest->len -= OPTION_HEAD + len;
	return true;
}

struct answer {
	uint8_t type;
	bool is_ours; /* our id stands in it */
	struct span server;
	unsigned status;
	bool has_ia;
	unsigned ia_status;
	uint32_t t1, t2, preferred;
	uint32_t solicit_max_sec; /* 0: not said */
	struct dhcp6_lease lease; /* address.family 0: there is none */
};

static unsigned status_of(struct span value)
{
	return value.len < 2 ? STATUS_SUCCESS : (unsigned)(value.at[0] << 8 | value.at[1]);
}

/* The first that could be an address of a link, with whatever time is left of it. */
static void read_address(struct span value, struct answer *out)
{
	struct net_ip ip = { .family = AF_INET6, .prefix = 128 };

	if (value.len < ADDRESS_BYTES || out->lease.address.family)
		return;
	memcpy(ip.bytes, value.at, 16);
	if (!net_ip_is_host(&ip) || net_ip_is_link_local(&ip))
		return;
	out->lease.address = ip;
	out->preferred = get_be32(value.at + 16);
	out->lease.valid_sec = get_be32(value.at + 20);
}

static void read_ia(const struct dhcp6 *c, struct span value, struct answer *out)
{
	struct span rest, inner;
	unsigned code;

	if (value.len < IA_HEAD || out->has_ia || memcmp(value.at, c->mac + 2, 4) != 0)
		return;
	rest = (struct span){ value.at + IA_HEAD, value.len - IA_HEAD };
	out->has_ia = true;
	out->t1 = get_be32(value.at + 4);
	out->t2 = get_be32(value.at + 8);
	while (next_option(&rest, &code, &inner))
		if (code == OPT_ADDRESS)
			read_address(inner, out);
		else if (code == OPT_STATUS)
			out->ia_status = status_of(inner);
}

static void read_servers(struct span value, struct dhcp6_lease *lease)
{
	for (; value.len >= 16; value.at += 16, value.len -= 16) {
		struct net_ip ip = { .family = AF_INET6, .prefix = 128 };

		memcpy(ip.bytes, value.at, 16);
		if (net_ip_is_host(&ip) && lease->dns_count < UPLINK_MAX_SERVERS)
			lease->dns[lease->dns_count++] = ip;
	}
}

static void read_option(const struct dhcp6 *c, unsigned code, struct span value, struct answer *out)
{
	uint8_t duid[10];

	switch (code) {
	case OPT_CLIENT:
		put_duid(c, duid);
		out->is_ours = value.len == sizeof(duid) && memcmp(value.at, duid, value.len) == 0;
		break;
	case OPT_SERVER:
		out->server = value;
		break;
	case OPT_IA_NA:
		read_ia(c, value, out);
		break;
	case OPT_STATUS:
		out->status = status_of(value);
		break;
	case OPT_DNS:
		read_servers(value, &out->lease);
		break;
	case OPT_SEARCH:
		domain_list_read(value.at, value.len, out->lease.search, sizeof(out->lease.search));
		break;
	case OPT_SOLICIT_MAX:
		if (value.len == 4)
			out->solicit_max_sec = get_be32(value.at);
		break;
	default:
		break;
	}
}

static bool read_answer(const struct dhcp6 *c, const uint8_t *packet, size_t len,
			struct answer *out)
{
	struct span rest, value;
	unsigned code;

	*out = (struct answer){ 0 };
	if (len < MESSAGE_HEAD || memcmp(packet + 1, c->xid, sizeof(c->xid)) != 0)
		return false;
	rest = (struct span){ packet + MESSAGE_HEAD, len - MESSAGE_HEAD };
	out->type = packet[0];
	while (next_option(&rest, &code, &value))
		read_option(c, code, value, out);
	return rest.len == 0 && out->is_ours && out->server.len > 0 &&
	       out->server.len <= DHCP6_ID_BYTES;
}

static bool has_address(const struct answer *a)
{
	return a->status == STATUS_SUCCESS && a->has_ia && a->ia_status == STATUS_SUCCESS &&
	       a->lease.address.family && a->lease.valid_sec;
}

/* RFC 8415 21.4: times of 0 are ours to choose, and so are those that make no sense. */
static void set_times(struct dhcp6 *c, const struct answer *a, usec_t now)
{
	uint32_t valid = a->lease.valid_sec, base = a->preferred;
	uint32_t t1 = a->t1, t2 = a->t2;

	if (!base || base > valid)
		base = valid;
	if (!t1 || !t2 || t1 > t2 || t2 > valid) {
		t1 = base == DHCP6_FOREVER ? base : base / 2;
		t2 = base == DHCP6_FOREVER ? base : base - base / 5;
	}
	if (t1 < RENEW_LEAST_SEC)
		t1 = RENEW_LEAST_SEC;
	if (t2 < t1)
		t2 = t1;
	c->renew = after(now, t1);
	c->rebind = after(now, t2);
	c->end = after(now, valid);
}

static enum dhcp6_event take_lease(struct dhcp6 *c, struct answer *a, usec_t now,
				   struct dhcp6_lease *lease)
{
	if (a->lease.valid_sec < VALID_LEAST_SEC)
		a->lease.valid_sec = VALID_LEAST_SEC;
	memcpy(c->server, a->server.at, a->server.len);
	c->server_len = a->server.len;
	c->address = a->lease.address;
	set_times(c, a, now);
	c->state = DHCP6_BOUND;
	c->next = c->renew;
	*lease = a->lease;
	return DHCP6_HAS_LEASE;
}

static enum dhcp6_event take_reply(struct dhcp6 *c, struct answer *a, usec_t now,
				   struct dhcp6_lease *lease)
{
	bool is_asking = c->state == DHCP6_REQUEST;

	if (has_address(a))
		return take_lease(c, a, now, lease);
	if (is_asking) {
		begin_solicit(c, now + about(c, REFUSED_SEC * USEC_SEC));
		return DHCP6_NOTHING;
	}
	if (a->status != STATUS_SUCCESS || !a->has_ia)
		return DHCP6_NOTHING; /* it is asked again */
	if (a->ia_status == STATUS_NO_BINDING) {
		/* a server that has lost its memory may give the same address again */
		memcpy(c->server, a->server.at, a->server.len);
		c->server_len = a->server.len;
		begin(c, DHCP6_REQUEST, now);
		return DHCP6_NOTHING;
	}
	if (a->ia_status != STATUS_SUCCESS || !a->lease.address.family)
		return DHCP6_NOTHING;
	begin_solicit(c, now);
	return DHCP6_HAS_LOST;
}

enum dhcp6_event dhcp6_take(struct dhcp6 *c, const uint8_t *packet, size_t len, usec_t now,
			    struct dhcp6_lease *lease)
{
	struct answer a;

	if (c->state == DHCP6_BOUND || !c->sent || !read_answer(c, packet, len, &a))
		return DHCP6_NOTHING;
	if (a.solicit_max_sec >= 60 && a.solicit_max_sec <= 86400)
		c->solicit_max_sec = a.solicit_max_sec;
	if (c->state != DHCP6_SOLICIT)
		return a.type == REPLY ? take_reply(c, &a, now, lease) : DHCP6_NOTHING;
	if (a.type != ADVERTISE || !has_address(&a))
		return DHCP6_NOTHING;
	memcpy(c->server, a.server.at, a.server.len);
	c->server_len = a.server.len;
	c->address = a.lease.address;
	begin(c, DHCP6_REQUEST, now);
	return DHCP6_NOTHING;
}

void dhcp6_record(enum dhcp6_event event, const struct dhcp6_lease *lease, struct buf *out)
{
	char text[NET_IP_TEXT];

	if (event != DHCP6_HAS_LEASE) {
		buf_puts(out, "event=nak\n");
		return;
	}
	net_ip_text(&lease->address, false, text);
	buf_printf(out, "event=bound\nip=%s\nlease=%" PRIu32 "\ndns=", text, lease->valid_sec);
	for (unsigned i = 0; i < lease->dns_count; i++) {
		net_ip_text(&lease->dns[i], false, text);
		buf_printf(out, "%s%s", i ? " " : "", text);
	}
	buf_printf(out, "\nsearch=%s\n", lease->search);
}
