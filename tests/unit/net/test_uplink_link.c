/* SPDX-License-Identifier: Apache-2.0 */
/* Lists with an end, and a report that the engine can build commands of. */
#include "uplink_fixture.h"

static struct net_ip ip(const char *text)
{
	struct net_ip out;

	assert_true(net_ip_parse_prefix(text, &out));
	return out;
}

static void nothing_is_listed_twice(void **state)
{
	struct uplink_link link = { .name = "eth0" };
	struct net_ip a = ip("192.0.2.7/24"), same = ip("192.0.2.7/25"), gateway = ip("192.0.2.1"),
		      net = ip("10.1.2.3/8");
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_true(uplink_add_address(&link, &a) && uplink_add_address(&link, &same));
	assert_true(uplink_add_gateway(&link, &gateway) && uplink_add_gateway(&link, &gateway));
	assert_true(uplink_add_route(&link, &net, &gateway));
	assert_true(uplink_add_dns(&link, &gateway) && uplink_add_dns(&link, &gateway));
	print_link(&link, &out);
	assert_string_equal(
		buf_str(&out),
		"eth0 192.0.2.7/24 0.0.0.0/0>192.0.2.1 10.0.0.0/8>192.0.2.1 dns 192.0.2.1\n");
	buf_fini(&out);
}

static void lists_have_ends(void **state)
{
	struct uplink_link link = { 0 };
	unsigned addresses = 0, routes = 0, servers = 0;

	(void)state;
	for (unsigned i = 1; i < 40; i++) {
		char text[32];
		struct net_ip a;

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		a = ip(text);
		addresses += uplink_add_address(&link, &a);
		routes += uplink_add_gateway(&link, &a);
		servers += uplink_add_dns(&link, &a);
	}
	assert_int_equal(addresses, UPLINK_MAX_ADDRESSES);
	assert_int_equal(routes, UPLINK_MAX_ROUTES);
	assert_int_equal(servers, UPLINK_MAX_SERVERS);
}

static struct uplink_report report(const char *link, const char *request)
{
	struct uplink_report r = { .version = UPLINK_VERSION,
				   .length = sizeof(r),
				   .client_count = 1,
				   .clients = { { .index = 2 } } };

	memcpy(r.clients[0].link, link, strlen(link));
	memcpy(r.clients[0].request, request, strlen(request));
	return r;
}

static void reports_are_what_they_say(void **state)
{
	struct uplink_report r = report("eth0", "192.0.2.7");

	(void)state;
	memset(r.state, 'x', sizeof(r.state));
	memset(r.notes, 'x', sizeof(r.notes));
	assert_true(uplink_report_check(&r, sizeof(r)));
	assert_int_equal(strlen(r.state), sizeof(r.state) - 1);
	assert_int_equal(strlen(r.notes), sizeof(r.notes) - 1);
	assert_false(uplink_report_check(&r, sizeof(r) - 1));
	r.client_count = UPLINK_MAX_CLIENTS + 1;
	assert_false(uplink_report_check(&r, sizeof(r)));
	r = report("eth0", "");
	assert_true(uplink_report_check(&r, sizeof(r)));
	r.version = UPLINK_VERSION + 1;
	assert_false(uplink_report_check(&r, sizeof(r)));
}

static void no_word_of_a_report_becomes_more_than_a_word(void **state)
{
	static const char *const names[] = { "", "-x", "a/b", "..", "a b", "a\nb" };
	static const char *const requests[] = { "-r", "192.0.2", "2001:db8::1", "192.0.2.7 x",
						"192.0.2.7\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct uplink_report r = report(names[i], "");

		if (uplink_report_check(&r, sizeof(r)))
			fail_msg("link '%s' was taken", names[i]);
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct uplink_report r = report("eth0", requests[i]);

		if (uplink_report_check(&r, sizeof(r)))
			fail_msg("request '%s' was taken", requests[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_listed_twice),
		cmocka_unit_test(lists_have_ends),
		cmocka_unit_test(reports_are_what_they_say),
		cmocka_unit_test(no_word_of_a_report_becomes_more_than_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
