/* SPDX-License-Identifier: Apache-2.0 */
/* A client of DHCPv6 against servers of good and bad will, in virtual time. */
#include "unit_test.h"

#include <string.h>
#include <sys/socket.h>

#include "net/dhcp6.h"
#include "net/lease.h"

enum { SOLICIT = 1, ADVERTISE = 2, REQUEST = 3, RENEW = 5, REBIND = 6, REPLY = 7 };

#define DUID 0, 3, 0, 1, 0x0a, 0x58, 0, 0, 0, 7
#define IAID 0, 0, 0, 7
#define SERVER 's', 'e', 'r', 'v'
#define ADDRESS 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7

static const uint8_t mac[6] = { 0x0a, 0x58, 0, 0, 0, 7 };
static struct dhcp6 c;
static usec_t now;
static uint8_t said[DHCP6_PACKET_BYTES];
static size_t said_len;
static struct dhcp6_lease lease;

static int fresh(void **state)
{
	(void)state;
	now = 1000 * USEC_SEC;
	dhcp6_start(&c, mac, 4711, now);
	return 0;
}

/* Up to the next message, which has to be of this type. */
static void expect_next(int type, unsigned least_sec, unsigned most_sec)
{
	usec_t began = now;

	for (said_len = 0; !said_len;) {
		assert_true(dhcp6_due(&c) != USEC_NEVER);
		if (dhcp6_due(&c) > now)
			now = dhcp6_due(&c);
		said_len = dhcp6_turn(&c, now, said);
	}
	assert_int_equal(said[0], type);
	assert_in_range((now - began) / USEC_SEC, least_sec, most_sec);
}

/* The first option of this code in what was said; NULL: there is none. */
static const uint8_t *option(unsigned code, size_t *len)
{
	for (size_t at = 4; at + 4 <= said_len;) {
		*len = (size_t)(said[at + 2] << 8 | said[at + 3]);
		assert_true(at + 4 + *len <= said_len);
		if ((unsigned)(said[at] << 8 | said[at + 1]) == code)
			return said + at + 4;
		at += 4 + *len;
	}
	return NULL;
}

static void expect_option(unsigned code, const void *data, size_t size)
{
	size_t len = 0;
	const uint8_t *at = option(code, &len);

	assert_non_null(at);
	assert_int_equal(len, size);
	assert_memory_equal(at, data, size);
}

struct offer {
	uint8_t type, status, ia_status;
	uint32_t t1, t2, preferred, valid;
	bool without_ia, without_address, without_id, without_server, cut;
	size_t server_len; /* 0: four bytes */
};

static void put32(uint8_t **at, uint32_t n)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*(*at)++ = (uint8_t)(n >> shift);
}

static void put(uint8_t **at, unsigned code, const void *data, size_t len)
{
	put32(at, (uint32_t)(code << 16 | len));
	memcpy(*at, data, len);
	*at += len;
}

static size_t put_ia(const struct offer *o, uint8_t *out)
{
	static const uint8_t iaid[] = { IAID }, address[] = { ADDRESS };
	uint8_t *at = out, *before;

	memcpy(at, iaid, 4);
	at += 4;
	put32(&at, o->t1);
	put32(&at, o->t2);
	if (!o->without_address) {
		before = at + 4;
		put(&at, 5, address, 16);
		put32(&at, o->preferred);
		put32(&at, o->valid);
		before[-1] = (uint8_t)(at - before);
	}
	if (o->ia_status)
		put(&at, 13, (uint8_t[]){ 0, o->ia_status }, 2);
	return (size_t)(at - out);
}

static enum dhcp6_event answer(struct offer o)
{
	static const uint8_t id[] = { DUID }, server[DHCP6_ID_BYTES + 1] = { SERVER },
			     dns[] = { ADDRESS }, search[] = "\3lan\0\7example\3org";
	uint8_t packet[512], ia[128], *at = packet;

	*at++ = o.type;
	memcpy(at, said + 1, 3);
	at += 3;
	if (!o.without_id)
		put(&at, 1, id, sizeof(id));
	if (!o.without_server)
		put(&at, 2, server, o.server_len ? o.server_len : 4);
	if (!o.without_ia)
		put(&at, 3, ia, put_ia(&o, ia));
	if (o.status)
		put(&at, 13, (uint8_t[]){ 0, o.status, 'n', 'o' }, 4);
	put(&at, 23, dns, sizeof(dns));
	put(&at, 24, search, sizeof(search));
	return dhcp6_take(&c, packet, (size_t)(at - packet) - o.cut, now, &lease);
}

static void bind_with(struct offer o)
{
	expect_next(SOLICIT, 0, 1);
	o.type = ADVERTISE;
	assert_int_equal(answer(o), DHCP6_NOTHING);
	expect_next(REQUEST, 0, 0);
	o.type = REPLY;
	assert_int_equal(answer(o), DHCP6_HAS_LEASE);
	assert_int_equal(c.state, DHCP6_BOUND);
}

static void an_address_is_asked_for_and_recorded(void **state)
{
	static const uint8_t duid[] = { DUID }, ia[] = { IAID, 0, 0, 0, 0, 0, 0, 0, 0 },
			     server[] = { SERVER }, words[] = { 0, 23, 0, 24, 0, 82 },
			     with[] = { IAID, 0,  0,	   0, 0, 0, 0, 0, 0, 0, 5,
					0,    24, ADDRESS, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct buf text = BUF_INIT(LEASE_MAX_BYTES);
	struct lease read;
	struct err err;
	size_t len;

	(void)state;
	expect_next(SOLICIT, 0, 1);
	expect_option(1, duid, sizeof(duid));
	expect_option(3, ia, sizeof(ia));
	expect_option(6, words, sizeof(words));
	expect_option(8, "\0\0", 2);
	assert_null(option(2, &len));
	assert_int_equal(answer((struct offer){ .type = ADVERTISE, .valid = 600 }), DHCP6_NOTHING);
	expect_next(REQUEST, 0, 0);
	expect_option(1, duid, sizeof(duid));
	expect_option(2, server, sizeof(server));
	expect_option(3, with, sizeof(with));
	assert_int_equal(answer((struct offer){ .type = REPLY, .valid = 600 }), DHCP6_HAS_LEASE);
	dhcp6_record(DHCP6_HAS_LEASE, &lease, &text);
	assert_string_equal(
		buf_str(&text),
		"event=bound\nip=2001:db8::7\nlease=600\ndns=2001:db8::7\nsearch=lan example.org\n");
	assert_int_equal(lease_parse(buf_str(&text), AF_INET6, &read, &err), 0);
	assert_int_equal(read.lease_sec, 600);
	buf_clear(&text);
	dhcp6_record(DHCP6_HAS_LOST, &lease, &text);
	assert_int_equal(lease_parse(buf_str(&text), AF_INET6, &read, &err), 0);
	assert_true(read.is_lost);
	buf_fini(&text);
}

static void the_same_link_is_the_same_client_after_a_restart(void **state)
{
	uint8_t before[DHCP6_PACKET_BYTES];

	(void)state;
	expect_next(SOLICIT, 0, 1);
	memcpy(before, said, sizeof(before));
	dhcp6_start(&c, mac, 99, now);
	expect_next(SOLICIT, 0, 1);
	assert_memory_not_equal(before, said, 4);
	assert_memory_equal(before + 4, said + 4, said_len - 4);
}

static void without_an_answer_it_asks_less_and_less_often(void **state)
{
	(void)state;
	expect_next(SOLICIT, 0, 1);
	expect_next(SOLICIT, 0, 1);
	expect_next(SOLICIT, 1, 2);
	for (int i = 0; i < 20; i++)
		expect_next(SOLICIT, 2, 3960);
	expect_next(SOLICIT, 3240, 3960);
	/* not the first: it says how long it has been asking */
	size_t len;
	const uint8_t *elapsed = option(8, &len);

	assert_non_null(elapsed);
	assert_int_equal(elapsed[0] << 8 | elapsed[1], 0xffff);
}

static void a_server_that_falls_silent_is_left(void **state)
{
	(void)state;
	expect_next(SOLICIT, 0, 1);
	answer((struct offer){ .type = ADVERTISE, .valid = 600 });
	for (int i = 0; i < 10; i++)
		expect_next(REQUEST, 0, 33);
	expect_next(SOLICIT, 0, 33);
}

static void a_server_that_offers_and_refuses_is_not_asked_without_a_pause(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		expect_next(SOLICIT, i ? 9 : 0, i ? 11 : 1);
		answer((struct offer){ .type = ADVERTISE, .valid = 600 });
		expect_next(REQUEST, 0, 0);
		assert_int_equal(answer((struct offer){
					 .type = REPLY, .ia_status = 2, .without_address = true }),
				 DHCP6_NOTHING);
	}
}

static void a_lease_is_renewed_then_rebound_then_over(void **state)
{
	(void)state;
	bind_with((struct offer){ .t1 = 300, .t2 = 480, .preferred = 600, .valid = 900 });
	assert_int_equal(dhcp6_turn(&c, now, said), 0);
	expect_next(RENEW, 299, 301);
	assert_int_equal(
		answer((struct offer){
			.type = REPLY, .t1 = 300, .t2 = 480, .preferred = 600, .valid = 900 }),
		DHCP6_HAS_LEASE);
	expect_next(RENEW, 299, 301);
	/* ten seconds, then twice as long, and T2 ends it */
	expect_next(RENEW, 9, 11);
	expect_next(RENEW, 17, 23);
	for (int i = 0; i < 20 && c.state == DHCP6_RENEW; i++) {
		now = dhcp6_due(&c);
		said_len = dhcp6_turn(&c, now, said);
	}
	assert_int_equal(said[0], REBIND);
	assert_int_equal(now, c.rebind);
	size_t len;

	assert_null(option(2, &len));
	for (int i = 0; i < 20 && c.state == DHCP6_REBIND; i++) {
		now = dhcp6_due(&c);
		said_len = dhcp6_turn(&c, now, said);
	}
	assert_int_equal(said[0], SOLICIT);
}

static void another_server_may_take_over_while_it_rebinds(void **state)
{
	(void)state;
	bind_with((struct offer){ .t1 = 300, .t2 = 310, .valid = 900 });
	expect_next(RENEW, 299, 301);
	expect_next(REBIND, 9, 11);
	assert_int_equal(answer((struct offer){ .type = REPLY, .valid = 900 }), DHCP6_HAS_LEASE);
	assert_int_equal(c.state, DHCP6_BOUND);
}

static void a_server_that_has_forgotten_is_asked_for_the_same_address(void **state)
{
	(void)state;
	bind_with((struct offer){ .valid = 900 });
	expect_next(RENEW, 449, 451);
	assert_int_equal(
		answer((struct offer){ .type = REPLY, .ia_status = 3, .without_address = true }),
		DHCP6_NOTHING);
	expect_next(REQUEST, 0, 0);
	assert_int_equal(answer((struct offer){ .type = REPLY, .valid = 900 }), DHCP6_HAS_LEASE);
}

static void a_server_may_take_the_address_back(void **state)
{
	(void)state;
	bind_with((struct offer){ .valid = 900 });
	expect_next(RENEW, 449, 451);
	assert_int_equal(answer((struct offer){ .type = REPLY, .valid = 0 }), DHCP6_HAS_LOST);
	expect_next(SOLICIT, 0, 0);
}

static void times_that_make_no_sense_are_ours(void **state)
{
	static const struct {
		struct offer o;
		usec_t renew, rebind, end;
	} cases[] = {
		{ { .valid = 1000 }, 500, 800, 1000 },
		{ { .preferred = 100, .valid = 1000 }, 50, 80, 1000 },
		{ { .t1 = 900, .t2 = 100, .valid = 1000 }, 500, 800, 1000 },
		{ { .t1 = 1, .t2 = 1, .valid = 1000 }, 10, 10, 1000 },
		{ { .t1 = 500, .t2 = 2000, .valid = 1000 }, 500, 800, 1000 },
		{ { .valid = 1 }, 15, 24, 30 },
		{ { .valid = UINT32_MAX }, 0, 0, 0 },
		{ { .t1 = 500, .t2 = 800, .valid = UINT32_MAX }, 500, 800, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fresh(state);
		bind_with(cases[i].o);
		assert_int_equal(c.renew,
				 cases[i].renew ? now + cases[i].renew * USEC_SEC : USEC_NEVER);
		assert_int_equal(c.rebind,
				 cases[i].rebind ? now + cases[i].rebind * USEC_SEC : USEC_NEVER);
		assert_int_equal(c.end, cases[i].end ? now + cases[i].end * USEC_SEC : USEC_NEVER);
	}
}

static void what_is_no_answer_changes_nothing(void **state)
{
	static const struct offer bad[] = {
		{ .type = REPLY, .valid = 600 },
		{ .type = SOLICIT, .valid = 600 },
		{ .type = ADVERTISE, .valid = 0 },
		{ .type = ADVERTISE, .valid = 600, .status = 1 },
		{ .type = ADVERTISE, .valid = 600, .ia_status = 2 },
		{ .type = ADVERTISE, .valid = 600, .without_ia = true },
		{ .type = ADVERTISE, .valid = 600, .without_address = true },
		{ .type = ADVERTISE, .valid = 600, .without_id = true },
		{ .type = ADVERTISE, .valid = 600, .without_server = true },
		{ .type = ADVERTISE, .valid = 600, .server_len = DHCP6_ID_BYTES + 1 },
		{ .type = ADVERTISE, .valid = 600, .cut = true },
	};
	struct dhcp6 before;

	(void)state;
	assert_int_equal(answer((struct offer){ .type = ADVERTISE, .valid = 600 }), DHCP6_NOTHING);
	assert_int_equal(c.state, DHCP6_SOLICIT); /* nothing has been asked yet */
	expect_next(SOLICIT, 0, 1);
	before = c;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(answer(bad[i]), DHCP6_NOTHING);
		assert_memory_equal(&before, &c, sizeof(c));
	}
	said[1] ^= 1; /* of another exchange */
	assert_int_equal(answer((struct offer){ .type = ADVERTISE, .valid = 600 }), DHCP6_NOTHING);
	assert_memory_equal(&before, &c, sizeof(c));
	for (size_t len = 0; len < 4; len++)
		assert_int_equal(dhcp6_take(&c, said, len, now, &lease), DHCP6_NOTHING);
}

static void an_address_that_is_none_of_a_link_is_not_taken(void **state)
{
	static const uint8_t none[][2] = { { 0xfe, 0x80 }, { 0xff, 0x02 } };
	static const uint8_t id[] = { DUID }, server[] = { SERVER };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t packet[128], ia[40] = { IAID, [13] = 5, [15] = 24, [39] = 60 },
				     *at = packet;

		fresh(state);
		expect_next(SOLICIT, 0, 1);
		memcpy(ia + 16, none[i], 2);
		ia[31] = 9;
		*at++ = ADVERTISE;
		memcpy(at, said + 1, 3);
		at += 3;
		put(&at, 1, id, sizeof(id));
		put(&at, 2, server, sizeof(server));
		put(&at, 3, ia, sizeof(ia));
		dhcp6_take(&c, packet, (size_t)(at - packet), now, &lease);
		assert_int_equal(c.state, DHCP6_SOLICIT);
	}
}

static void it_hurries_when_told_to(void **state)
{
	(void)state;
	expect_next(SOLICIT, 0, 1);
	dhcp6_hurry(&c, now);
	expect_next(SOLICIT, 0, 0);
	answer((struct offer){ .type = ADVERTISE, .valid = 600 });
	expect_next(REQUEST, 0, 0);
	answer((struct offer){ .type = REPLY, .valid = 600 });
	dhcp6_hurry(&c, now);
	expect_next(RENEW, 0, 0);
	assert_int_equal(answer((struct offer){ .type = REPLY, .valid = 600 }), DHCP6_HAS_LEASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_address_is_asked_for_and_recorded, fresh),
		cmocka_unit_test_setup(the_same_link_is_the_same_client_after_a_restart, fresh),
		cmocka_unit_test_setup(without_an_answer_it_asks_less_and_less_often, fresh),
		cmocka_unit_test_setup(a_server_that_falls_silent_is_left, fresh),
		cmocka_unit_test_setup(
			a_server_that_offers_and_refuses_is_not_asked_without_a_pause, fresh),
		cmocka_unit_test_setup(a_lease_is_renewed_then_rebound_then_over, fresh),
		cmocka_unit_test_setup(another_server_may_take_over_while_it_rebinds, fresh),
		cmocka_unit_test_setup(a_server_that_has_forgotten_is_asked_for_the_same_address,
				       fresh),
		cmocka_unit_test_setup(a_server_may_take_the_address_back, fresh),
		cmocka_unit_test_setup(times_that_make_no_sense_are_ours, fresh),
		cmocka_unit_test_setup(what_is_no_answer_changes_nothing, fresh),
		cmocka_unit_test_setup(an_address_that_is_none_of_a_link_is_not_taken, fresh),
		cmocka_unit_test_setup(it_hurries_when_told_to, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
