/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks as arithmetic; leases that stay, are reused last and survive as text. */
#include "unit_test.h"

#include <arpa/inet.h>

#include "net/ipam.h"
#include "util/buf.h"
#include "util/str.h"

static struct in_addr ip(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return address;
}

static void blocks_are_cut_to_their_prefix(void **state)
{
	struct net_block block;
	char text[20];

	(void)state;
	assert_true(net_block_parse("10.89.3.77/24", &block));
	net_block_text(&block, text);
	assert_string_equal(text, "10.89.3.0/24");
	assert_int_equal(net_block_last(&block).s_addr, ip("10.89.3.255").s_addr);
	assert_true(net_block_parse("192.0.2.1/32", &block));
	assert_int_equal(net_block_last(&block).s_addr, ip("192.0.2.1").s_addr);
	assert_true(net_block_parse("255.255.255.255/1", &block));
	net_block_text(&block, text);
	assert_string_equal(text, "128.0.0.0/1");
}

static void what_is_no_block_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "10.0.0.0",
					   "10.0.0.0/",
					   "10.0.0.0/0",
					   "10.0.0.0/33",
					   "10.0.0/24",
					   "/24",
					   "fd00::/64",
					   "10.0.0.0/ 24",
					   "10.0.0.0/-1",
					   "a.b.c.d/24",
					   "10.0.0.0/24/1",
					   "1111.222.333.444555/24" };
	struct net_block block;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (net_block_parse(bad[i], &block))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void blocks_overlap_or_not(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlaps;
	} rows[] = {
		{ "10.0.0.0/8", "10.89.0.0/24", true },
		{ "10.89.0.0/24", "10.0.0.0/8", true },
		{ "10.89.0.0/24", "10.89.1.0/24", false },
		{ "10.89.0.0/24", "10.89.0.0/24", true },
		{ "10.89.0.128/25", "10.89.0.0/25", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_block a, b;

		assert_true(net_block_parse(rows[i].a, &a) && net_block_parse(rows[i].b, &b));
		assert_int_equal(net_block_overlaps(&a, &b), rows[i].overlaps);
	}
}

struct fixture {
	struct net_leases leases;
	struct in_addr taken[16];
	size_t taken_count;
	struct err err;
};

/* One address of 10.0.0.2 to 10.0.0.4. */
static const char *take(struct fixture *f, const char *owner, const char *wanted)
{
	static char text[INET_ADDRSTRLEN];
	struct net_taken taken = { f->taken, f->taken_count };
	struct in_addr out;

	if (net_ipam_take(&f->leases, "net", owner, ip("10.0.0.2"), ip("10.0.0.4"),
			  wanted ? ip(wanted) : (struct in_addr){ 0 }, &taken, &out, &f->err) < 0)
		return "";
	net_address_text(out, text);
	return text;
}

static void addresses_stay_with_their_owner(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	assert_string_equal(take(&f, "a", NULL), "10.0.0.2");
	assert_string_equal(take(&f, "b", NULL), "10.0.0.3");
	assert_string_equal(take(&f, "a", NULL), "10.0.0.2");
	net_leases_fini(&f.leases);
}

static void what_was_given_back_longest_ago_is_reused_first_and_last_of_all(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	take(&f, "a", NULL);
	take(&f, "b", NULL);
	take(&f, "a", NULL); /* used later than b */
	assert_string_equal(take(&f, "c", NULL), "10.0.0.4");
	assert_string_equal(take(&f, "d", NULL), "10.0.0.3");
	/* b has lost its own and takes the next one */
	assert_string_equal(take(&f, "b", NULL), "10.0.0.2");
	assert_int_equal(f.leases.address_count, 4);
	net_leases_fini(&f.leases);
}

static void what_is_in_use_is_nobodys(void **state)
{
	struct fixture f = { .taken = { ip("10.0.0.2"), ip("10.0.0.4") }, .taken_count = 2 };

	(void)state;
	assert_string_equal(take(&f, "a", NULL), "10.0.0.3");
	f.taken[f.taken_count++] = ip("10.0.0.3");
	assert_string_equal(take(&f, "b", NULL), "");
	assert_int_equal(f.err.code, ERR_LIMIT);
	assert_string_equal(f.err.msg, "network net: every address is in use");
	net_leases_fini(&f.leases);
}

static void a_number_that_is_asked_for_takes_the_lease_of_others(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	assert_string_equal(take(&f, "a", NULL), "10.0.0.2");
	assert_string_equal(take(&f, "b", "10.0.0.2"), "10.0.0.2");
	f.taken[f.taken_count++] = ip("10.0.0.2");
	assert_string_equal(take(&f, "a", NULL), "10.0.0.3");
	assert_string_equal(take(&f, "c", "10.0.0.2"), "");
	assert_int_equal(f.err.code, ERR_INPUT);
	net_leases_fini(&f.leases);
}

static void other_networks_are_not_looked_at(void **state)
{
	struct net_taken nobody = { 0 };
	struct fixture f = { 0 };
	struct in_addr out;

	(void)state;
	take(&f, "a", NULL);
	assert_int_equal(net_ipam_take(&f.leases, "other", "b", ip("10.0.0.2"), ip("10.0.0.2"),
				       (struct in_addr){ 0 }, &nobody, &out, &f.err),
			 0);
	assert_int_equal(out.s_addr, ip("10.0.0.2").s_addr);
	net_leases_fini(&f.leases);
}

static bool is_busy(const void *arg, bool udp, uint16_t first, uint16_t count)
{
	const uint16_t *busy = arg;

	(void)udp;
	return *busy >= first && *busy < first + count;
}

static void ports_are_chosen_from_above_and_stay(void **state)
{
	struct fixture f = { 0 };
	uint16_t busy = 60998, out;

	(void)state;
	assert_int_equal(net_port_take(&f.leases, "a", false, 80, 1, 60990, 60999, is_busy, &busy,
				       &out, &f.err),
			 0);
	assert_int_equal(out, 60999);
	assert_int_equal(net_port_take(&f.leases, "b", false, 80, 1, 60990, 60999, is_busy, &busy,
				       &out, &f.err),
			 0);
	assert_int_equal(out, 60997);
	assert_int_equal(net_port_take(&f.leases, "a", false, 80, 1, 60990, 60999, is_busy, &busy,
				       &out, &f.err),
			 0);
	assert_int_equal(out, 60999);
	/* in a row, past what is taken */
	assert_int_equal(net_port_take(&f.leases, "c", false, 70, 3, 60990, 60999, is_busy, &busy,
				       &out, &f.err),
			 0);
	assert_int_equal(out, 60994);
	/* udp has ports of its own */
	assert_int_equal(net_port_take(&f.leases, "c", true, 70, 1, 60990, 60999, is_busy, &busy,
				       &out, &f.err),
			 0);
	assert_int_equal(out, 60999);
	net_leases_fini(&f.leases);
}

static void ports_may_run_out(void **state)
{
	struct fixture f = { 0 };
	uint16_t busy = 1001, out;

	(void)state;
	assert_int_equal(net_port_take(&f.leases, "a", false, 80, 2, 1000, 1002, is_busy, &busy,
				       &out, &f.err),
			 -1);
	assert_int_equal(f.err.code, ERR_LIMIT);
	assert_non_null(strstr(f.err.msg, "no 2 free ports in a row between 1000 and 1002"));
	assert_int_equal(net_port_take(&f.leases, "a", false, 80, 4, 1, 3, is_busy, &busy, &out,
				       &f.err),
			 -1);
	/* the whole range, from 1 */
	busy = 9;
	assert_int_equal(
		net_port_take(&f.leases, "a", false, 80, 3, 1, 3, is_busy, &busy, &out, &f.err), 0);
	assert_int_equal(out, 1);
	net_leases_fini(&f.leases);
}

static void leases_survive_as_text(void **state)
{
	struct fixture f = { 0 };
	struct net_leases again = { 0 };
	auto_buf text = BUF_INIT(4096), second = BUF_INIT(4096);
	struct net_block block;
	uint16_t busy = 1, port;

	(void)state;
	assert_true(net_block_parse("10.89.0.0/24", &block));
	net_lease_subnet_put(&f.leases, "net", &block);
	take(&f, "a", NULL);
	take(&f, "b", NULL);
	take(&f, "a", NULL);
	assert_int_equal(net_port_take(&f.leases, "a", true, 53, 2, 40000, 50000, is_busy, &busy,
				       &port, &f.err),
			 0);
	net_leases_format(&f.leases, false, &text);
	assert_string_equal(buf_str(&text), "cleat-leases 1\n"
					    "subnet net 10.89.0.0/24\n"
					    "address net a 10.0.0.2 3\n"
					    "address net b 10.0.0.3 2\n"
					    "port a 53/udp 2 49999\n");
	assert_int_equal(net_leases_parse(&again, buf_str(&text), &f.err), 0);
	net_leases_format(&again, false, &second);
	assert_string_equal(buf_str(&text), buf_str(&second));
	assert_int_equal(again.turn, 3);
	buf_clear(&second);
	net_leases_format(&again, true, &second);
	assert_string_equal(buf_str(&second), "cleat-leases 1\nsubnet net 10.89.0.0/24\n");
	net_leases_fini(&f.leases);
	net_leases_fini(&again);
}

static void texts_that_are_no_leases_are_refused_whole(void **state)
{
	static const char *const bad[] = {
		"",
		"cleat-leases 2\n",
		"cleat-leases 1\nsubnet net\n",
		"cleat-leases 1\nsubnet net 10.0.0.0/24 x\n",
		"cleat-leases 1\nsubnet net 10.0.0.0/24",
		"cleat-leases 1\n\n",
		"cleat-leases 1\naddress net a 10.0.0 1\n",
		"cleat-leases 1\naddress net a 10.0.0.1 -1\n",
		"cleat-leases 1\naddress net a 10.0.0.1 4294967295\n",
		"cleat-leases 1\naddress net a 10.0.0.1 1\naddress net a 10.0.0.2 1\n",
		"cleat-leases 1\nport a 53 1 5\n",
		"cleat-leases 1\nport a 53/sctp 1 5\n",
		"cleat-leases 1\nport a 0/tcp 1 5\n",
		"cleat-leases 1\nport a 65535/tcp 2 5\n",
		"cleat-leases 1\nport a 53/tcp 1 65536\n",
		"cleat-leases 1\nport a 123456/tcp 1 5\n",
		"cleat-leases 1\nport a 53/tcp  5\n",
		"cleat-leases 1\nroute a 53/tcp 1 5\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct net_leases leases = { 0 };
		struct err err;

		if (net_leases_parse(&leases, bad[i], &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_int_equal(leases.address_count + leases.subnet_count + leases.port_count, 0);
		net_leases_fini(&leases);
	}
}

static void the_oldest_leases_are_forgotten(void **state)
{
	struct net_taken nobody = { 0 };
	struct net_leases leases = { 0 };
	struct in_addr out;
	struct err err;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < NET_LEASES_MAX + 10; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(net_ipam_take(&leases, "net", name, ip("10.0.0.1"),
					       ip("10.255.255.254"), (struct in_addr){ 0 }, &nobody,
					       &out, &err),
				 0);
	}
	assert_int_equal(leases.address_count, NET_LEASES_MAX);
	net_leases_fini(&leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_cut_to_their_prefix),
		cmocka_unit_test(what_is_no_block_is_refused),
		cmocka_unit_test(blocks_overlap_or_not),
		cmocka_unit_test(addresses_stay_with_their_owner),
		cmocka_unit_test(what_was_given_back_longest_ago_is_reused_first_and_last_of_all),
		cmocka_unit_test(what_is_in_use_is_nobodys),
		cmocka_unit_test(a_number_that_is_asked_for_takes_the_lease_of_others),
		cmocka_unit_test(other_networks_are_not_looked_at),
		cmocka_unit_test(ports_are_chosen_from_above_and_stay),
		cmocka_unit_test(ports_may_run_out),
		cmocka_unit_test(leases_survive_as_text),
		cmocka_unit_test(texts_that_are_no_leases_are_refused_whole),
		cmocka_unit_test(the_oldest_leases_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
