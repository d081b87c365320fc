/* SPDX-License-Identifier: Apache-2.0 */
/* What is ours on the links as text, and what routers said of name servers. */
#include "unit_test.h"

#include <string.h>
#include <sys/socket.h>

#include "net/uplink_internal.h"
#include "util/str.h"

static const char full[] =
	"link eth0 2\nmtu 1500\naddress 192.0.2.7/24\naddress 2001:db8::7/64\nlease 4711 29-1-2\nlease6 4712 30-1-2\n"
	"server 5000 2001:db8::53\nserver 18446744073709551615 2001:db8::54\nsearch 99 example.org lan\n"
	"link eth1 7\naddress 10.0.0.1/8\n";

static void expect(const char *text, const char *wanted)
{
	struct uplink_owns owns;
	struct buf out = BUF_INIT(UPLINK_OWN_MAX_BYTES);
	char *copy = strdup(text);

	uplink_own_parse(copy, &owns);
	free(copy);
	uplink_own_format(&owns, &out);
	assert_string_equal(buf_str(&out), wanted);
	buf_fini(&out);
}

static void a_record_survives_its_text(void **state)
{
	struct uplink_owns owns;
	struct net_ip ours, other;

	(void)state;
	expect(full, full);
	uplink_own_parse(full, &owns);
	assert_int_equal(owns.count, 2);
	assert_true(net_ip_parse_prefix("192.0.2.7/24", &ours));
	assert_true(net_ip_parse_prefix("192.0.2.7/25", &other));
	assert_true(uplink_own_has(&owns.links[0], &ours));
	assert_false(uplink_own_has(&owns.links[0], &other));
	assert_true(uplink_own_get(&owns, "eth0", 2) == &owns.links[0]);
	/* another link under the same name */
	assert_true(uplink_own_get(&owns, "eth0", 3) == &owns.links[2]);
}

static void lines_that_make_no_sense_are_left_out(void **state)
{
	(void)state;
	expect("address 192.0.2.7/24\nlink eth0\nmtu 1\nlink eth0 x\nmtu 1\nlink averyverylongname0 3\nmtu 9\n"
	       "link eth0 2\nmtu 65536\nmtu -1\naddress\naddress x\naddress 1.2.3.4/33\nlease\nlease x y\nlease 5\nlease6 5\nlease7 5 x\nserver 5 x\n"
	       "server 2001:db8::1\nnonsense 1 2\n\n \nlink\n",
	       "link eth0 2\n");
	expect("", "");
}

static void tables_have_ends(void **state)
{
	struct uplink_owns owns;
	struct buf text = BUF_INIT(UPLINK_OWN_MAX_BYTES);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		buf_printf(&text, "link eth%u %u\n", i, i);
		for (unsigned k = 0; k < 20; k++)
			buf_printf(&text, "address 10.0.%u.%u/8\nserver 9 2001:db8::%u\n", i, k,
				   k + 1);
	}
	uplink_own_parse(buf_str(&text), &owns);
	assert_int_equal(owns.count, UPLINK_MAX_LINKS);
	assert_int_equal(owns.links[0].address_count, UPLINK_MOST_ADDRESSES);
	assert_int_equal(owns.links[7].server_count, UPLINK_RA_SERVERS);
	assert_null(uplink_own_get(&owns, "eth9", 9));
	buf_fini(&text);
}

static struct uplink_ra advert(const char *server, uint32_t sec)
{
	struct uplink_ra ra = { .server_count = 1, .servers_sec = sec };

	assert_true(net_ip_parse(server, &ra.servers[0]));
	return ra;
}

static void what_routers_say_is_kept_until_it_ends_or_is_taken_back(void **state)
{
	struct uplink_own own = { 0 };
	struct uplink_ra ra = advert("2001:db8::53", 100);

	(void)state;
	str_copy(ra.search, sizeof(ra.search), "example.org");
	ra.search_sec = UINT32_MAX;
	uplink_own_heard(&own, &ra, 1000);
	assert_int_equal(own.server_count, 1);
	assert_int_equal(own.servers[0].until, 1100);
	assert_string_equal(own.search, "example.org");
	assert_true(own.search_until == UPLINK_FOREVER);
	/* again: longer; another one: beside it */
	ra = advert("2001:db8::53", 200);
	uplink_own_heard(&own, &ra, 1000);
	ra = advert("2001:db8::54", 300);
	uplink_own_heard(&own, &ra, 1000);
	assert_int_equal(own.server_count, 2);
	assert_int_equal(own.servers[0].until, 1200);
	/* not said is not taken back */
	assert_string_equal(own.search, "example.org");
	ra = advert("2001:db8::53", 0);
	str_copy(ra.search, sizeof(ra.search), "example.org");
	uplink_own_heard(&own, &ra, 1000);
	assert_int_equal(own.server_count, 1);
	assert_int_equal(own.servers[0].until, 1300);
	assert_string_equal(own.search, "");
	for (unsigned i = 0; i < 10; i++) {
		char text[32];

		snprintf(text, sizeof(text), "2001:db8::%u", i + 1);
		ra = advert(text, 5);
		uplink_own_heard(&own, &ra, 1000);
	}
	assert_int_equal(own.server_count, UPLINK_RA_SERVERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_survives_its_text),
		cmocka_unit_test(lines_that_make_no_sense_are_left_out),
		cmocka_unit_test(tables_have_ends),
		cmocka_unit_test(what_routers_say_is_kept_until_it_ends_or_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
