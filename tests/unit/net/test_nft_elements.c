/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of sets and maps: what a wanted state becomes, and what differs between two. */
#include "net_fixture.h"

#include "net/nft_elements.h"
#include "util/buf.h"

/* "ports tcp 8000 -> 10.88.0.5 80": the keys as their sets have them. */
static void print_field(struct buf *out, const uint8_t **at, uint32_t type)
{
	char text[INET_ADDRSTRLEN];

	switch (type) {
	case 41:
		buf_printf(out, " %.16s", (const char *)*at);
		*at += 16;
		return;
	case 9:
		buf_printf(out, " %02x:%02x:%02x:%02x:%02x:%02x", (*at)[0], (*at)[1], (*at)[2],
			   (*at)[3], (*at)[4], (*at)[5]);
		if ((*at)[6])
			buf_printf(out, " type %02x%02x", (*at)[6], (*at)[7]);
		*at += 8;
		return;
	case 7:
		buf_printf(out, " %s", inet_ntop(AF_INET, *at, text, sizeof(text)));
		break;
	case 12:
		buf_printf(out, " %s", (*at)[0] == 6 ? "tcp" : (*at)[0] == 17 ? "udp" : "?");
		break;
	case 13:
		buf_printf(out, " %u", (*at)[0] << 8 | (*at)[1]);
		break;
	default:
		fail_msg("type %u", type);
	}
	*at += 4;
}

static void print_fields(struct buf *out, const uint8_t *at, uint32_t types, uint32_t len)
{
	const uint8_t *begin = at;

	for (int shift = 24; shift >= 0; shift -= 6)
		if ((types >> shift) & 63)
			print_field(out, &at, (types >> shift) & 63);
	assert_int_equal(at - begin, len);
}

static int print(struct buf *out, const char *sign, const struct nft_element *e)
{
	const struct nft_set_kind *kind = &nft_set_kinds[e->set];

	buf_printf(out, "%s%s", sign, kind->name);
	print_fields(out, e->key, kind->key_type, kind->key_len);
	if (kind->data_len) {
		buf_puts(out, " ->");
		print_fields(out, e->data, kind->data_type, kind->data_len);
	}
	buf_putc(out, '\n');
	return 0;
}

static int gone(const struct nft_element *e, void *arg, struct err *err)
{
	(void)err;
	return print(arg, "-", e);
}

static int added(const struct nft_element *e, void *arg, struct err *err)
{
	(void)err;
	return print(arg, "+", e);
}

static void assert_difference(const struct net_wanted *old, const struct net_wanted *new,
			      enum nft_table table, const char *expected)
{
	auto_buf text = BUF_INIT(65536);
	struct nft_elements a, b;
	struct err err;

	assert_int_equal(nft_elements_make(old, &a, &err), 0);
	assert_int_equal(nft_elements_make(new, &b, &err), 0);
	assert_int_equal(nft_elements_diff(&a, &b, table, gone, added, &text, &err), 0);
	assert_string_equal(buf_str(&text), expected);
	nft_elements_fini(&a);
	nft_elements_fini(&b);
}

static void everything_has_its_elements(void **state)
{
	static const struct net_wanted none;
	struct wish w;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	wish_bridge(&w, "cleat-in", "10.89.0.1", 24)->internal = true;
	wish_bridge(&w, "cleat-sh", "10.89.1.1", 24)->isolate = false;
	wish_endpoint(&w, "v1", "cleat0", "10.88.0.5");
	wish_port(&w, 8000, "10.88.0.5", 80)->count = 2;
	wish_port(&w, 53, "10.88.0.5", 5353)->udp = true;
	wish_port(&w, 9000, "10.88.0.5", 90)->host_address = ip("127.0.0.1");
	assert_difference(&none, &w.wanted, NFT_TABLE_INET,
			  "+bridges cleat-in\n"
			  "+bridges cleat-sh\n"
			  "+bridges cleat0\n"
			  "+internal cleat-in\n"
			  "+shared cleat-sh\n"
			  "+same cleat-in cleat-in\n"
			  "+same cleat-sh cleat-sh\n"
			  "+same cleat0 cleat0\n"
			  "+gateways 10.88.0.1\n"
			  "+gateways 10.89.0.1\n"
			  "+gateways 10.89.1.1\n"
			  "+home 10.88.0.5 cleat0\n"
			  "+ports tcp 8000 -> 10.88.0.5 80\n"
			  "+ports tcp 8001 -> 10.88.0.5 81\n"
			  "+ports udp 53 -> 10.88.0.5 5353\n"
			  "+ports_at 127.0.0.1 tcp 9000 -> 10.88.0.5 90\n");
	assert_difference(&none, &w.wanted, NFT_TABLE_BRIDGE,
			  "+links v1\n"
			  "+ethers v1 0a:58:0a:58:00:05\n"
			  "+arps v1 0a:58:0a:58:00:05 10.88.0.5\n"
			  "+sources v1 0a:58:0a:58:00:05 type 0800 10.88.0.5\n");
	assert_difference(&w.wanted, &w.wanted, NFT_TABLE_INET, "");
	assert_difference(&w.wanted, &none, NFT_TABLE_BRIDGE,
			  "-links v1\n"
			  "-ethers v1 0a:58:0a:58:00:05\n"
			  "-arps v1 0a:58:0a:58:00:05 10.88.0.5\n"
			  "-sources v1 0a:58:0a:58:00:05 type 0800 10.88.0.5\n");
}

static void a_moved_port_is_taken_away_first(void **state)
{
	struct wish a, b;

	(void)state;
	wish_init(&a);
	wish_init(&b);
	wish_port(&a, 8000, "10.88.0.5", 80);
	wish_port(&a, 9000, "10.88.0.5", 90);
	wish_port(&b, 9000, "10.88.0.5", 90); /* the order is of no account */
	wish_port(&b, 8000, "10.88.0.6", 80);
	assert_difference(&a.wanted, &b.wanted, NFT_TABLE_INET,
			  "-ports tcp 8000 -> 10.88.0.5 80\n"
			  "+ports tcp 8000 -> 10.88.0.6 80\n");
}

static void contradictions_are_named(void **state)
{
	struct nft_elements list;
	struct wish w;
	struct err err;

	(void)state;
	wish_init(&w);
	wish_port(&w, 8000, "10.88.0.5", 80)->count = 10;
	wish_port(&w, 8009, "10.88.0.5", 89);
	assert_int_equal(nft_elements_make(&w.wanted, &list, &err), 0); /* says the same */
	assert_int_equal(list.count, 10);
	nft_elements_fini(&list);
	wish_port(&w, 8004, "10.88.0.6", 80);
	assert_int_equal(nft_elements_make(&w.wanted, &list, &err), -1);
	assert_string_equal(err.msg, "port 8004 is published twice");
	assert_null(list.items);
	wish_init(&w);
	wish_port(&w, 22, "10.88.0.5", 22)->host_address = ip("192.0.2.1");
	wish_port(&w, 22, "10.88.0.6", 22)->host_address = ip("192.0.2.1");
	assert_int_equal(nft_elements_make(&w.wanted, &list, &err), -1);
	assert_string_equal(err.msg, "port 22 is published twice");
}

static int refuse(const struct nft_element *e, void *arg, struct err *err)
{
	(void)e;
	(void)arg;
	return err_set(err, ERR_LIMIT, "no more");
}

static void whoever_is_told_may_give_up(void **state)
{
	struct nft_elements list, none = { 0 };
	struct wish w;
	struct err err;

	(void)state;
	wish_init(&w);
	wish_port(&w, 8000, "10.88.0.5", 80);
	assert_int_equal(nft_elements_make(&w.wanted, &list, &err), 0);
	assert_int_equal(nft_elements_diff(&list, &none, NFT_TABLE_INET, refuse, added, NULL, &err),
			 -1);
	assert_int_equal(nft_elements_diff(&none, &list, NFT_TABLE_INET, gone, refuse, NULL, &err),
			 -1);
	nft_elements_fini(&list);
}

static void ranges_are_bounded_together(void **state)
{
	struct nft_elements list;
	struct wish w;
	struct err err;

	(void)state;
	wish_init(&w);
	for (int i = 0; i < 5; i++) {
		struct net_port *p = wish_port(&w, 1, "10.88.0.5", 1);

		p->count = 65535;
		p->host_address.s_addr = htonl(0x0a000000u + (uint32_t)i);
	}
	assert_int_equal(nft_elements_make(&w.wanted, &list, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_has_its_elements),
		cmocka_unit_test(a_moved_port_is_taken_away_first),
		cmocka_unit_test(contradictions_are_named),
		cmocka_unit_test(whoever_is_told_may_give_up),
		cmocka_unit_test(ranges_are_bounded_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
