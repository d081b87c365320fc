/* SPDX-License-Identifier: Apache-2.0 */
/* The appliance's own links in /status: lines in, JSON out. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/json.h"
#include "util/str.h"

static void expect(const char *lines, bool is_online, const char *wanted)
{
	static struct published_header header;
	struct buf out = BUF_INIT(65536);
	struct json j = JSON_TO(&out);

	memset(&header, 0, sizeof(header));
	str_copy(header.links, sizeof(header.links), lines);
	header.is_online = is_online;
	json_object(&j, NULL);
	status_put_links(&j, &header);
	json_object_end(&j);
	assert_string_equal(buf_str(&out), wanted);
	buf_fini(&out);
}

static void a_line_is_a_link(void **state)
{
	(void)state;
	expect("eth0 up dhcp 192.0.2.7/24,fe80::1/64 gateway 192.0.2.1,fe80::9 mtu 1400 until 1772356087\n"
	       "eth1 no-carrier static - gateway - mtu 1500\n"
	       "dns: 192.0.2.53 2001:db8::53\nsearch: example.org lan\nonline: yes\n",
	       true,
	       "{\"network\":{\"online\":true,\"dns\":[\"192.0.2.53\",\"2001:db8::53\"],\"search\":[\"example.org\",\"lan\"],\"links\":["
	       "{\"name\":\"eth0\",\"state\":\"up\",\"method\":\"dhcp\",\"addresses\":[\"192.0.2.7/24\",\"fe80::1/64\"],"
	       "\"gateways\":[\"192.0.2.1\",\"fe80::9\"],\"mtu\":1400,\"lease_until\":\"2026-03-01T09:08:07.000Z\"},"
	       "{\"name\":\"eth1\",\"state\":\"no-carrier\",\"method\":\"static\",\"addresses\":[],\"gateways\":[],\"mtu\":1500,\"lease_until\":null}]}}");
}

static void nothing_is_known_yet(void **state)
{
	(void)state;
	expect("", false, "{\"network\":{\"online\":false,\"dns\":[],\"search\":[],\"links\":[]}}");
}

static void a_line_that_is_none_or_was_cut_is_left_out(void **state)
{
	char longest[600];

	(void)state;
	expect("eth0 up\n\n   \nwhat: ever\ndns:\neth1 up dhcp - gateway\neth2 up dhcp - mtu x until y\neth3 up dh...",
	       false,
	       "{\"network\":{\"online\":false,\"dns\":[],\"search\":[],\"links\":["
	       "{\"name\":\"eth1\",\"state\":\"up\",\"method\":\"dhcp\",\"addresses\":[],\"gateways\":[],\"mtu\":0,\"lease_until\":null},"
	       "{\"name\":\"eth2\",\"state\":\"up\",\"method\":\"dhcp\",\"addresses\":[],\"gateways\":[],\"mtu\":0,\"lease_until\":null}]}}");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	expect(longest, false,
	       "{\"network\":{\"online\":false,\"dns\":[],\"search\":[],\"links\":[]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_link),
		cmocka_unit_test(nothing_is_known_yet),
		cmocka_unit_test(a_line_that_is_none_or_was_cut_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
