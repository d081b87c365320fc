/* SPDX-License-Identifier: Apache-2.0 */
/* Words of "podman network create", and what units say together. */
#include "spec_test.h"

#include <arpa/inet.h>

#include "spec/networks.h"

static int create(struct fixture *f, struct net_network *out, const char *const *words)
{
	struct arg_list list = { 0 };

	for (unsigned i = 0; words[i]; i++) {
		struct origin *origin = arena_new(&f->arena, struct origin);
		struct arg *arg = arena_push(&f->arena, list.items, list.count);

		*origin = (struct origin){
			.file = "app.network", .line = 2 + i, .column = 1, .key = "Network.X"
		};
		arg->text = words[i];
		arg->origin = origin;
	}
	return spec_network_from_args(out, &f->arena, &list, "app.network", &f->diags);
}
#define CREATE(f, out, ...) create((f), (out), (const char *const[]){ __VA_ARGS__, NULL })

static void a_network_with_everything(void **state)
{
	struct net_network n;
	struct fixture f;
	char text[INET_ADDRSTRLEN];

	(void)state;
	setup(&f);
	assert_int_equal(CREATE(&f, &n, "--ignore", "--subnet", "10.70.0.9/24", "--gateway",
				"10.70.0.254", "--ip-range", "10.70.0.16/28", "--disable-dns",
				"--internal=true", "--ipv6=false", "--driver", "bridge",
				"--ipam-driver=host-local", "--opt", "mtu=1400", "-o",
				"isolate=false", "--label", "a=b", "systemd-app"),
			 0);
	assert_string_equal(n.name, "systemd-app");
	assert_int_equal(n.subnet.prefix, 24);
	net_address_text(n.last, text);
	assert_string_equal(text, "10.70.0.31");
	assert_true(n.internal && n.no_names && n.no_isolation);
	assert_int_equal(n.mtu, 1400);
	assert_int_equal(((const struct origin *)n.place)->line, 3);
	teardown(&f);
}

static void a_name_alone_is_enough(void **state)
{
	struct net_network n;
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(CREATE(&f, &n, "app"), 0);
	assert_int_equal(n.subnet.prefix, 0);
	assert_false(n.internal || n.no_names || n.no_isolation);
	assert_int_equal(
		CREATE(&f, &n, "--subnet=10.0.0.0/24", "--ip-range=10.0.0.5-10.0.0.9", "app"), 0);
	assert_int_equal(net_address_number(n.first), 0x0a000005);
	assert_int_equal(net_address_number(n.last), 0x0a000009);
	teardown(&f);
}

static void what_cannot_be_made_is_refused(void **state)
{
	static const struct {
		const char *words[4], *said;
	} rows[] = {
		{ { "--subnet=fd00::/64", "app" }, "IPv6 inside networks is not supported" },
		{ { "--subnet=10.0.0.0", "app" }, "is not ADDRESS/BITS" },
		{ { "--subnet=10.0.0.0/31", "app" }, "has no room for containers" },
		{ { "--subnet=10.0.0.0/24", "--subnet=10.1.0.0/24", "app" }, "has one subnet" },
		{ { "--subnet=10.0.0.0/24", "--gateway=10.0.1.1", "app" },
		  "the gateway is outside" },
		{ { "--gateway=gw", "app" }, "is no IPv4 address" },
		{ { "--subnet=10.0.0.0/24", "--ip-range=10.0.1.0/28", "app" },
		  "the range is outside" },
		{ { "--subnet=10.0.0.0/24", "--ip-range=10.0.0.9-10.0.0.1", "app" },
		  "the range is outside" },
		{ { "--ip-range=10.0.0.1", "app" }, "neither ADDRESS/BITS nor FIRST-LAST" },
		{ { "--ipv6", "app" }, "IPv6 inside networks is not supported" },
		{ { "--driver=macvlan", "app" }, "only bridge is" },
		{ { "--ipam-driver=dhcp", "app" }, "only host-local is" },
		{ { "--interface-name=br0", "app" }, "the bridge has a name of ours" },
		{ { "--dns=192.0.2.1", "app" }, "write DNS=192.0.2.1 in each container" },
		{ { "--opt=vlan=5", "app" }, "the option 'vlan=5' is not supported" },
		{ { "--opt=mtu=12", "app" }, "68 to 65535 bytes are possible" },
		{ { "--route=10.7.0.0/16,10.0.0.1", "app" },
		  "the option --route of podman network create" },
		{ { "--subnet" }, "--subnet needs a value" },
		{ { "a", "b" }, "a second name: 'b'" },
		{ { "podman" }, "is the default network" },
		{ { "--internal" }, "a name of 1 to 127 bytes is needed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_network n;
		struct fixture f;

		setup(&f);
		assert_int_equal(create(&f, &n, rows[i].words), -1);
		if (!has_diag(&f, DIAG_ERROR, rows[i].said)) {
			dump_diags(&f);
			fail_msg("%s", rows[i].said);
		}
		teardown(&f);
	}
}

static void containers_in_the_plans_terms(void **state)
{
	struct net_container c;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=bridge:ip=10.88.0.9,mac=02:00:00:00:00:09,alias=x", "-p",
	      "127.0.0.1:8000-8001:80-81", "-p", "[::1]:53:53/udp", "-p", "99", "-p",
	      "0.0.0.0:70:70", "localhost/app");
	assert_good(&f);
	assert_true(spec_to_net_container(&f.spec, "web", "web.container", true, &f.arena, &c));
	assert_string_equal(c.name, "web");
	assert_int_equal(c.joins[0].address.s_addr, htonl(0x0a580009));
	assert_true(c.joins[0].has_mac);
	assert_int_equal(c.joins[0].alias_count, 1);
	assert_int_equal(c.port_count, 4);
	assert_true(!c.ports[0].is_v4_only && !c.ports[2].is_v4_only && c.ports[3].is_v4_only);
	assert_string_equal(c.ports[0].label, "web.container:11");
	assert_int_equal(c.ports[0].host_address.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(c.ports[0].count, 2);
	assert_true(c.ports[1].is_v6 && c.ports[1].udp);
	assert_int_equal(c.ports[2].host_first, 0);
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=host", "-p", "80:80", "localhost/app");
	assert_false(spec_to_net_container(&f.spec, "web", "web.container", true, &f.arena, &c));
	teardown(&f);
}

static void sets_are_judged_as_a_whole(void **state)
{
	struct net_network networks[4];
	struct net_container c;
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(CREATE(&f, &networks[0], "--subnet=10.1.0.0/16", "one"), 0);
	assert_int_equal(CREATE(&f, &networks[1], "--subnet=10.1.5.0/24", "two"), 0);
	assert_int_equal(CREATE(&f, &networks[2], "one"), 0);
	PARSE(&f, "--network=one,nowhere", "localhost/app");
	assert_good(&f);
	assert_true(spec_to_net_container(&f.spec, "web", "web.container", true, &f.arena, &c));
	assert_int_equal(spec_networks_judge(networks, 3, &c, 1, &f.diags), 4);
	assert_int_equal(f.diags.error_count, 3);
	assert_true(
		has_diag(&f, DIAG_ERROR, "subnet 10.1.5.0/24 overlaps 10.1.0.0/16 of app.network"));
	assert_true(has_diag(&f, DIAG_ERROR, "its name is that of app.network, too"));
	assert_true(has_diag(&f, DIAG_ERROR, "there is no network \"nowhere\""));
	assert_string_equal(networks[0].name, "podman");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_with_everything),
		cmocka_unit_test(a_name_alone_is_enough),
		cmocka_unit_test(what_cannot_be_made_is_refused),
		cmocka_unit_test(containers_in_the_plans_terms),
		cmocka_unit_test(sets_are_judged_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
