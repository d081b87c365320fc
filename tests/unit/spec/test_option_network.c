/* SPDX-License-Identifier: Apache-2.0 */
/* Network modes and the forms of ports. */
#include "spec_test.h"

#include "net/plan.h"

static void host_and_none(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--net=none", "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.network, SPEC_NETWORK_NONE);
	assert_int_equal(f.spec.join_count, 0);
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=host", "--network=host", "localhost/app");
	assert_good(&f);
	teardown(&f);
}

static void modes_exclude_each_other(void **state)
{
	static const char *const pairs[][2] = { { "--network=host", "--network=none" },
						{ "--network=host", "--network=app" },
						{ "--network=app", "--network=none" } };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE(&f, pairs[i][0], pairs[i][1], "localhost/app");
		assert_error(&f, "exclude each other");
		teardown(&f);
	}
}

static void networks_by_name_with_options(void **state)
{
	const struct spec_join *join;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=bridge",
	      "--network=back:ip=10.0.0.5,mac=02:00:00:00:00:05,alias=a,alias=b,interface_name=net0",
	      "--network=c,d", "--network-alias=all", "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.network, SPEC_NETWORK_DEFAULT);
	assert_int_equal(f.spec.join_count, 4);
	assert_string_equal(f.spec.joins[0].network, "podman");
	join = &f.spec.joins[1];
	assert_string_equal(join->network, "back");
	assert_string_equal(join->ip, "10.0.0.5");
	assert_string_equal(join->mac, "02:00:00:00:00:05");
	assert_string_equal(join->interface, "net0");
	assert_int_equal(join->aliases.count, 3);
	assert_string_equal(join->aliases.items[1], "b");
	assert_string_equal(join->aliases.items[2], "all");
	assert_string_equal(f.spec.joins[3].network, "d");
	assert_int_equal(f.spec.joins[3].aliases.count, 1);
	assert_int_equal(join->origin->line, 11);
	teardown(&f);
}

static void expect_network_refused(const char *value, const char *part)
{
	struct fixture f;
	const char *word;

	setup(&f);
	word = arena_printf(&f.arena, "--network=%s", value);
	PARSE(&f, word, "localhost/app");
	assert_error(&f, part);
	teardown(&f);
}

static void what_is_no_network_is_refused_with_the_reason(void **state)
{
	(void)state;
	expect_network_refused("container:db", "sharing another container's network");
	expect_network_refused("ns:/run/netns/x", "namespaces of somebody else");
	expect_network_refused("slirp4netns", "rootless networking has no place here");
	expect_network_refused("pasta:-t,80", "rootless networking has no place here");
	expect_network_refused("private", "the default network is a bridge of its own");
	expect_network_refused("", "is no name of a network");
	expect_network_refused("-x", "is no name of a network");
	expect_network_refused("a b", "is no name of a network");
	expect_network_refused("a,a", "named twice");
	expect_network_refused("a,b,c,d,e,f,g,h,i", "more than 8 networks");
	expect_network_refused("a:ip=10.0.0", "is no IPv4 address");
	expect_network_refused("a:ip=0.0.0.0", "is no IPv4 address");
	expect_network_refused("a:ip6=fd00::1", "no IPv6 addresses");
	expect_network_refused("a:mac=01:00:00:00:00:01", "is no MAC address of one station");
	expect_network_refused("a:alias=a b", "is no name of a host");
	expect_network_refused("a:interface_name=lo", "is no name of an interface");
	expect_network_refused("a:interface_name=sixteen-bytes-xx", "is no name of an interface");
	expect_network_refused("a:host_interface_name=x", "a name of ours");
	expect_network_refused("a:bclim=1", "is no option of a network");
	expect_network_refused("a:", "is no option of a network");
}

static void addresses_are_of_the_only_network(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--ip=10.88.0.9", "--mac-address=02:00:00:00:00:09", "localhost/app");
	assert_good(&f);
	assert_string_equal(f.spec.joins[0].network, "podman");
	assert_string_equal(f.spec.joins[0].ip, "10.88.0.9");
	assert_string_equal(f.spec.joins[0].mac, "02:00:00:00:00:09");
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=a", "--network=b", "--ip=10.88.0.9", "localhost/app");
	assert_error(&f, "is for a single network: write NAME:ip=10.88.0.9");
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=a:ip=10.0.0.1", "--ip=10.88.0.9", "localhost/app");
	assert_error(&f, "is said of the network already");
	teardown(&f);
	expect_refused("--ip=10.88.0.9", "has no meaning with Network=host");
	expect_refused("--mac-address=02:00:00:00:00:09", "has no meaning with Network=host");
}

static void hosts_that_are_added(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--add-host=a;b:192.0.2.1", "--add-host=six:fd00::1",
		      "--add-host=seven:[fd00::2]", "--add-host=gw:host-gateway");
	assert_good(&f);
	assert_int_equal(f.spec.add_host_count, 5);
	assert_string_equal(f.spec.add_hosts[1].name, "b");
	assert_string_equal(f.spec.add_hosts[1].address, "192.0.2.1");
	assert_string_equal(f.spec.add_hosts[2].address, "fd00::1");
	assert_string_equal(f.spec.add_hosts[3].address, "fd00::2");
	assert_null(f.spec.add_hosts[4].address);
	teardown(&f);
	expect_refused("--add-host=a", "is no NAME[;NAME]:ADDRESS");
	expect_refused("--add-host=a:b", "is no NAME[;NAME]:ADDRESS");
	expect_refused("--add-host=a b:192.0.2.1", "is no name of a host");
	expect_refused("--add-host=:192.0.2.1", "is no name of a host");
}

static void resolvers_of_ones_own(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--dns=192.0.2.53", "--dns=fd00::53", "--dns-search=example.org",
		      "--dns-search=.", "--dns-opt=ndots:1");
	assert_good(&f);
	assert_int_equal(f.spec.dns.count, 2);
	assert_int_equal(f.spec.dns_search.count, 2);
	assert_string_equal(f.spec.dns_options.items[0], "ndots:1");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--dns=none");
	assert_good(&f);
	assert_true(f.spec.keeps_resolv_conf);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--dns=none", "--dns-search=example.org");
	assert_error(&f, "nothing can be put into it");
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=none", "--dns=192.0.2.1", "localhost/app");
	assert_error(&f, "cannot be looked up with Network=none");
	teardown(&f);
	expect_refused("--dns=ns.example.org", "is no address of a name server");
	expect_refused("--dns-search=a b", "is no domain");
	expect_refused("--dns-option=a b", "is no option of a resolver");
	expect_refused("--dns-option=a;b", "is no option of a resolver");
}

static void ends_become_annotations(void **state)
{
	static const struct net_end ends[2] = {
		{ .network = "podman",
		  .bridge = { .name = "cleat0", .address = { 0x0100580a }, .prefix = 16 },
		  .link = "v0123456789ab0",
		  .interface = "eth0",
		  .mac = { 2, 0, 0, 0, 0, 1 },
		  .address = { 0x0500580a } },
		{ .network = "back",
		  .bridge = { .name = "cleat-1",
			      .address = { 0x0100590a },
			      .prefix = 24,
			      .internal = true },
		  .link = "v0123456789ab1",
		  .interface = "eth1",
		  .mac = { 2, 0, 0, 0, 0, 2 },
		  .address = { 0x0500590a } },
	};
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=bridge,back", "localhost/app");
	f.host.ends = ends;
	f.host.end_count = 2;
	f.host.hosts = "/run/hosts";
	f.host.hostname_file = "/run/hostname";
	MAKE(&f);
	assert_string_equal(str_at(&f, "/annotations/org.cleat.network.0"),
			    "bridge=cleat0 link=v0123456789ab0 name=eth0 mac=02:00:00:00:00:01 "
			    "address=10.88.0.5/16 gateway=10.88.0.1");
	assert_string_equal(str_at(&f, "/annotations/org.cleat.network.1"),
			    "bridge=cleat-1 link=v0123456789ab1 name=eth1 mac=02:00:00:00:00:02 "
			    "address=10.89.0.5/24");
	assert_non_null(mount_at(&f, "/etc/resolv.conf"));
	assert_non_null(mount_at(&f, "/etc/hosts"));
	assert_non_null(mount_at(&f, "/etc/hostname"));
	assert_string_equal(yyjson_get_str(yyjson_obj_get(mount_at(&f, "/sys"), "type")), "sysfs");
	teardown(&f);
}

static void an_images_own_resolv_conf_stays(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--dns=none", "localhost/app");
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/resolv.conf"));
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
		{ "53:53/UDP", "", 53, 53, 1, true },
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
	expect_refused("--publish=80:80/sctp", "sctp is not supported");
	expect_refused("--publish=x", "ports from 1 to 65535 and ranges of equal length");
	expect_refused("--publish=\"80:80\"", "equal length: quotes are a part of the value");
	expect_refused("--publish=80:80 90:90", "each port has a line of its own");
	expect_refused("--publish=localhost:80:80", "write 127.0.0.1 for localhost");
	expect_refused("--publish=80:80:tcp", "the protocol stands behind a slash");
	expect_refused("--publish=127.0.0.1:80", "write ADDRESS:HOST:PORT");
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
		cmocka_unit_test(host_and_none),
		cmocka_unit_test(modes_exclude_each_other),
		cmocka_unit_test(networks_by_name_with_options),
		cmocka_unit_test(what_is_no_network_is_refused_with_the_reason),
		cmocka_unit_test(addresses_are_of_the_only_network),
		cmocka_unit_test(hosts_that_are_added),
		cmocka_unit_test(resolvers_of_ones_own),
		cmocka_unit_test(ends_become_annotations),
		cmocka_unit_test(an_images_own_resolv_conf_stays),
		cmocka_unit_test(ports_in_podmans_forms),
		cmocka_unit_test(bad_ports_are_refused),
		cmocka_unit_test(files_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
