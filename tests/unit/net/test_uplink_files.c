/* SPDX-License-Identifier: Apache-2.0 */
/* resolv.conf, hosts and the state: what is written, and what is somebody else's. */
#include "unit_test.h"

#include <string.h>
#include <sys/socket.h>

#include "net/uplink_internal.h"
#include "util/str.h"

#define PVE "# --- BEGIN PVE ---\nsearch pve.example\nnameserver 192.0.2.200\n# --- END PVE ---\n"

static struct net_ip ip(const char *text)
{
	struct net_ip out;

	assert_true(net_ip_parse_prefix(text, &out));
	return out;
}

static void three_servers_each_once(void **state)
{
	const struct net_ip servers[] = { ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.1"),
					  ip("192.0.2.3"), ip("192.0.2.4") };
	struct uplink_names names = { 0 };
	struct buf out = BUF_INIT(4096);

	(void)state;
	uplink_resolv_text(&names, &out);
	assert_string_equal(buf_str(&out), "# cleat\n");
	buf_clear(&out);
	uplink_names_add(&names, servers, 5, "a.example b.example");
	uplink_names_add(&names, servers, 2, "c.example");
	assert_int_equal(names.dns_count, 4);
	uplink_resolv_text(&names, &out);
	assert_string_equal(
		buf_str(&out),
		"# cleat\nsearch a.example b.example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver 192.0.2.3\n");
	assert_true(uplink_resolv_has_server(buf_str(&out)));
	buf_fini(&out);
}

static void what_others_wrote_is_known(void **state)
{
	(void)state;
	assert_true(uplink_resolv_is_others(PVE, false));
	assert_true(uplink_resolv_is_others("nameserver 192.0.2.1\n" PVE, false));
	assert_true(uplink_resolv_is_others("nameserver 192.0.2.1\n", true));
	assert_false(uplink_resolv_is_others("nameserver 192.0.2.1\n", false));
	assert_false(uplink_resolv_is_others("# cleat\nnameserver 192.0.2.1\n", true));
	assert_false(uplink_resolv_is_others("# nothing\nsearch x\n", true));
	assert_false(uplink_resolv_is_others("", true));
	assert_false(uplink_resolv_has_server("# nameserver 192.0.2.1\nnameservers x\n"));
	assert_true(uplink_resolv_has_server("search x\nnameserver\t192.0.2.1"));
}

static void expect_hosts(const char *text, const char *hostname, const char *wanted)
{
	struct buf out = BUF_INIT(4096);

	assert_true(uplink_hosts_text(text, hostname, &out) != str_eq(text, wanted));
	assert_string_equal(buf_str(&out), wanted);
	/* what has been written is as it should be */
	buf_clear(&out);
	assert_false(uplink_hosts_text(wanted, hostname, &out));
	buf_fini(&out);
}

static void hosts_has_what_is_missing_and_nothing_twice(void **state)
{
	(void)state;
	expect_hosts("", "web", "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tweb\t# cleat\n");
	expect_hosts("127.0.0.1 localhost\n::1 ip6-localhost localhost\n", "web",
		     "127.0.0.1 localhost\n::1 ip6-localhost localhost\n127.0.1.1\tweb\t# cleat\n");
	/* another name now; a line without its end */
	expect_hosts("127.0.0.1 localhost\n::1 localhost\n127.0.1.1\told\t# cleat\n10.0.0.1 db",
		     "web",
		     "127.0.0.1 localhost\n::1 localhost\n10.0.0.1 db\n127.0.1.1\tweb\t# cleat\n");
	expect_hosts("127.0.0.1 localhost\n::1 localhost\n127.0.1.1\told\t# cleat\n", "localhost",
		     "127.0.0.1 localhost\n::1 localhost\n");
	expect_hosts("127.0.0.1 localhost\n::1 localhost\n", "",
		     "127.0.0.1 localhost\n::1 localhost\n");
	/* Proxmox names us: no line of ours is needed */
	expect_hosts("127.0.0.1 localhost.localnet localhost\n::1 localhost.localnet localhost\n"
		     "# --- BEGIN PVE ---\n10.0.0.100 web.example web\n# --- END PVE ---\n"
		     "127.0.1.1\tweb\t# cleat\n",
		     "web",
		     "127.0.0.1 localhost.localnet localhost\n::1 localhost.localnet localhost\n"
		     "# --- BEGIN PVE ---\n10.0.0.100 web.example web\n# --- END PVE ---\n");
	/* a name in a remark, or as a part of another, is none */
	expect_hosts(
		"127.0.0.1 localhost\n::1 localhost\n10.0.0.1 web2 # web\n", "web",
		"127.0.0.1 localhost\n::1 localhost\n10.0.0.1 web2 # web\n127.0.1.1\tweb\t# cleat\n");
}

static void a_link_is_a_line(void **state)
{
	struct uplink_found found = {
		.links = { { .index = 2, .name = "eth0", .mtu = 1500 } },
		.link_count = 1,
	};
	struct buf out = BUF_INIT(4096);

	(void)state;
	uplink_state_line(&found, &found.links[0], "off", 0, &out);
	found.links[0].is_up = true;
	uplink_state_line(&found, &found.links[0], "dhcp", 0, &out);
	found.links[0].has_carrier = true;
	found.addresses[0] =
		(struct uplink_found_address){ 2, ip("192.0.2.7/24"), true, true, true };
	found.addresses[1] =
		(struct uplink_found_address){ 2, ip("fe80::1/64"), false, true, true };
	found.addresses[2] =
		(struct uplink_found_address){ 2, ip("fe80::2/64"), false, true, false };
	found.addresses[3] = (struct uplink_found_address){ 3, ip("10.0.0.1/8"), true, true, true };
	found.address_count = 4;
	found.routes[0] =
		(struct uplink_found_route){ 2, 100, ip("0.0.0.0/0"), ip("192.0.2.1"), 4 };
	found.routes[1] =
		(struct uplink_found_route){ 2, 100, ip("10.0.0.0/8"), ip("192.0.2.9"), 4 };
	found.routes[2] = (struct uplink_found_route){ 2, 1024, ip("::/0"), ip("fe80::9"), 9 };
	found.routes[3] = (struct uplink_found_route){ 3, 0, ip("0.0.0.0/0"), ip("10.0.0.9"), 4 };
	found.route_count = 4;
	uplink_state_line(&found, &found.links[0], "dhcp", 1764000000, &out);
	assert_string_equal(
		buf_str(&out),
		"eth0 down off - gateway - mtu 1500\neth0 no-carrier dhcp - gateway - mtu 1500\n"
		"eth0 up dhcp 192.0.2.7/24,fe80::1/64 gateway 192.0.2.1,fe80::9 mtu 1500 until 1764000000\n");
	buf_fini(&out);
}

static void mounts_are_told_from_files(void **state)
{
	(void)state;
	assert_true(uplink_is_mount("/proc"));
	assert_false(uplink_is_mount("/proc/self/status"));
	assert_false(uplink_is_mount("/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_servers_each_once),
		cmocka_unit_test(what_others_wrote_is_known),
		cmocka_unit_test(hosts_has_what_is_missing_and_nothing_twice),
		cmocka_unit_test(a_link_is_a_line),
		cmocka_unit_test(mounts_are_told_from_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
