/* SPDX-License-Identifier: Apache-2.0 */
/* The text of /etc/hosts and /etc/resolv.conf, and what names may look like. */
#include "unit_test.h"

#include <arpa/inet.h>

#include "net/names.h"

static struct in_addr ip(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return address;
}

static void hosts_in_podmans_order(void **state)
{
	static const char *const mine[] = { "www", "web" }, *const theirs[] = { "db", "store" };
	struct names_host hosts[] = { { ip("10.88.0.5"), mine, 2 },
				      { ip("10.88.0.6"), theirs, 2 } };
	struct names_extra extras[] = { { "printer", "192.0.2.9" },
					{ "six", "fd00::9" },
					{ "appliance", NULL } };
	struct names_hosts h = { .gateway = ip("10.88.0.1"),
				 .extras = extras,
				 .extra_count = 3,
				 .hosts = hosts,
				 .host_count = 2 };
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);

	(void)state;
	names_hosts_text(&h, &text);
	assert_string_equal(buf_str(&text),
			    "192.0.2.9\tprinter\n"
			    "fd00::9\tsix\n"
			    "10.88.0.1\tappliance\n"
			    "127.0.0.1\tlocalhost\n"
			    "::1\tlocalhost\n"
			    "10.88.0.1\thost.containers.internal host.docker.internal\n"
			    "10.88.0.5\twww web\n"
			    "10.88.0.6\tdb store\n");
}

static void without_a_way_out_there_is_no_name_for_the_appliance(void **state)
{
	struct names_extra extra = { "appliance", NULL };
	struct names_hosts h = { .extras = &extra, .extra_count = 1 };
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);

	(void)state;
	names_hosts_text(&h, &text);
	assert_string_equal(buf_str(&text), "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
}

static void the_appliances_own_hosts_file_is_taken_as_it_is(void **state)
{
	struct names_hosts h = { .base = "127.0.0.1 localhost\n192.0.2.1 cleat" };
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);

	(void)state;
	names_hosts_text(&h, &text);
	assert_string_equal(buf_str(&text), "127.0.0.1 localhost\n192.0.2.1 cleat\n");
}

static void expect_resolv(struct names_resolv wish, unsigned dropped, const char *expected)
{
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);

	assert_int_equal(names_resolv_text(&wish, &text), dropped);
	assert_string_equal(buf_str(&text), expected);
}

static void the_appliances_resolvers_are_taken(void **state)
{
	(void)state;
	expect_resolv(
		(struct names_resolv){
			.base = "# comment\n  nameserver 192.0.2.7 # here\n"
				"domain old\nsearch lan home\t; two\r\n"
				"options ndots:2 rotate\noptions edns0\nsortlist x\n" },
		0, "nameserver 192.0.2.7\nsearch lan home\noptions ndots:2 rotate edns0\n");
	/* resolvers read three */
	expect_resolv((struct names_resolv){ .base = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
						     "nameserver 192.0.2.3\nnameserver 192.0.2.4" },
		      0, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
}

static void what_cannot_be_reached_is_left_out(void **state)
{
	const char *base = "nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\n"
			   "nameserver fd00::1\nnameserver 192.0.2.7\n";

	(void)state;
	expect_resolv((struct names_resolv){ .base = base },
		      NAMES_DROPPED_LOOPBACK | NAMES_DROPPED_IPV6, "nameserver 192.0.2.7\n");
	expect_resolv((struct names_resolv){ .base = base, .keep_loopback = true }, 0,
		      "nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\n");
	expect_resolv((struct names_resolv){ .base = "nameserver 0.0.0.0\nnameserver\n" },
		      NAMES_DROPPED_LOOPBACK | NAMES_NO_SERVER, "");
	expect_resolv((struct names_resolv){ .base = "" }, NAMES_NO_SERVER, "");
}

static void what_the_unit_says_comes_first(void **state)
{
	static const char *const servers[] = { "192.0.2.53" },
				 *const search[] = { "example.org", "." },
				 *const options[] = { "ndots:1" };
	struct names_resolv wish = { .base = "nameserver 127.0.0.1\nsearch lan\noptions rotate\n",
				     .servers = { servers, 1 },
				     .search = { search, 2 },
				     .options = { options, 1 } };

	(void)state;
	expect_resolv(wish, 0,
		      "nameserver 192.0.2.53\nsearch example.org\noptions rotate ndots:1\n");
	wish.search = (struct names_list){ search + 1, 1 };
	expect_resolv(wish, 0, "nameserver 192.0.2.53\noptions rotate ndots:1\n");
}

static void hostile_lines_stay_lines(void **state)
{
	char base[2048];

	(void)state;
	memset(base, 'a', sizeof(base));
	memcpy(base, "search ", 7);
	base[1999] = '\n';
	memcpy(base + 2000,
	       "search b\x01"
	       "c\n",
	       12);
	expect_resolv((struct names_resolv){ .base = base }, NAMES_NO_SERVER, "search b?c\n");
}

static void names_of_hosts(void **state)
{
	static const char *const good[] = { "a", "web-1", "a.b.c", "my_app", "9" };
	static const char *const bad[] = { "",	  "-a",	  "a-",	 ".a",	    "a.",
					   "a b", "a\nb", "a:b", "\xc3\xa4" };
	char longest[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(net_name_is_host(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(net_name_is_host(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[254] = '\0';
	assert_false(net_name_is_host(longest));
	longest[253] = '\0';
	assert_true(net_name_is_host(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_in_podmans_order),
		cmocka_unit_test(without_a_way_out_there_is_no_name_for_the_appliance),
		cmocka_unit_test(the_appliances_own_hosts_file_is_taken_as_it_is),
		cmocka_unit_test(the_appliances_resolvers_are_taken),
		cmocka_unit_test(what_cannot_be_reached_is_left_out),
		cmocka_unit_test(what_the_unit_says_comes_first),
		cmocka_unit_test(hostile_lines_stay_lines),
		cmocka_unit_test(names_of_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
