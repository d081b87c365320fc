/* SPDX-License-Identifier: Apache-2.0 */
/* Address texts: what is taken, what is refused and what the refusal says. */
#include "unit_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/address.h"

static void takes_ipv4(void **state)
{
	struct net_address a;
	struct err err;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a.storage;

	(void)state;
	assert_int_equal(net_address_parse("127.0.0.1:80", &a, &err), 0);
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 80);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(a.length, sizeof(*v4));
	assert_string_equal(a.text, "127.0.0.1:80");
	assert_int_equal(net_address_parse("0.0.0.0:65535", &a, &err), 0);
	assert_int_equal(ntohs(v4->sin_port), 65535);
}

static void takes_ipv6_in_brackets(void **state)
{
	struct net_address a;
	struct err err;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a.storage;

	(void)state;
	assert_int_equal(net_address_parse("[::1]:8000", &a, &err), 0);
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6->sin6_port), 8000);
	assert_memory_equal(&v6->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback));
	assert_int_equal(a.length, sizeof(*v6));
	assert_int_equal(net_address_parse("[fe80:1111:2222:3333:4444:5555:6666:7777]:1", &a, &err),
			 0);
}

static void refuses_what_is_not_address_and_port(void **state)
{
	static const char *const texts[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		":80",
		"127.0.0.1:-1",
		"127.0.0.1:8 ",
		"127.0.0.1:80:",
		"localhost:80",
		"::1:80",
		"[::1:80",
		"::1]:80",
		"[::1]80",
		"[]:80",
		"[127.0.0.1]:80",
		"127.0.0:80",
		"127.0.0.256:80",
		" 127.0.0.1:80",
		"[::1%lo]:80",
		"1111111111111111111111111111111111111111111111111111111111111111:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct net_address a;
		struct err err = { 0 };

		if (net_address_parse(texts[i], &a, &err) == 0)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_int_equal(err.code, ERR_INPUT);
		assert_memory_equal(err.msg, texts[i], strlen(texts[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_ipv4),
		cmocka_unit_test(takes_ipv6_in_brackets),
		cmocka_unit_test(refuses_what_is_not_address_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
