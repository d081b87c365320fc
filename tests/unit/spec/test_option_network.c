/* SPDX-License-Identifier: Apache-2.0 */
/* Network modes and the forms of ports. */
#include "spec_test.h"

static void host_and_none_only(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--net=none", "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.network, SPEC_NETWORK_NONE);
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=web.network", "localhost/app");
	assert_error(&f, "\"web.network\" is not supported in this version: use host or none");
	assert_int_equal(f.diags.error_count, 1);
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=host", "--network=none", "localhost/app");
	assert_error(&f, "exclude each other");
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=host", "--network=host", "localhost/app");
	assert_good(&f);
	teardown(&f);
}

struct port_case {
	const char *text, *ip;
	unsigned host, inside, count;
	bool udp;
};

static void ports_in_podmans_forms(void **state)
{
	static const struct port_case cases[] = {
		{ "80", "", 0, 80, 1, false },
		{ "8080:80", "", 8080, 80, 1, false },
		{ "127.0.0.1:8080:80", "127.0.0.1", 8080, 80, 1, false },
		{ "127.0.0.1::80", "127.0.0.1", 0, 80, 1, false },
		{ ":80", "", 0, 80, 1, false },
		{ "[::1]:8080:80", "::1", 8080, 80, 1, false },
		{ "[::]:80", "::", 0, 80, 1, false },
		{ "53:53/udp", "", 53, 53, 1, true },
		{ "8000-8010:80-90/tcp", "", 8000, 80, 11, false },
		{ "80-90", "", 0, 80, 11, false },
		{ "::80", "", 0, 80, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct spec_port *port;
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "-p", cases[i].text);
		assert_good(&f);
		assert_int_equal(f.spec.port_count, 1);
		port = &f.spec.ports[0];
		assert_string_equal(port->host_ip, cases[i].ip);
		assert_int_equal(port->host_port, cases[i].host);
		assert_int_equal(port->container_port, cases[i].inside);
		assert_int_equal(port->count, cases[i].count);
		assert_int_equal(port->udp, cases[i].udp);
		teardown(&f);
	}
}

static void bad_ports_are_refused(void **state)
{
	static const char *const bad[] = { "",		 "0",		"65536",
					   "80:0",	 "80:80/sctp",	"a:80",
					   "80:80:80",	 "1.2.3:80:80", "[::1:80:80",
					   "[::1]80:80", "80-79:80-79", "80-90:80",
					   "-80",	 "80-",		"1:2:3:4:5",
					   "80:80/",	 "+80",		"[1.2.3.4]:80:80" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "-p", bad[i]);
		if (f.result == 0)
			fail_msg("port \"%s\" was accepted", bad[i]);
		teardown(&f);
	}
	expect_refused("--publish=x", "ports from 1 to 65535 and ranges of equal length");
}

static void files_of_names(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--no-hosts", "--no-hostname");
	assert_good(&f);
	assert_true(f.spec.no_hosts && f.spec.no_hostname);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_none_only),
		cmocka_unit_test(ports_in_podmans_forms),
		cmocka_unit_test(bad_ports_are_refused),
		cmocka_unit_test(files_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
