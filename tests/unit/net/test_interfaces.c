/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/network/interfaces as Proxmox writes it, with what users put beside it. */
#include "uplink_fixture.h"

#include "net/interfaces.h"

static struct interfaces read_into;

static void expect(const char *text, const char *links, const char *ignored)
{
	/* twice, because a start of the container does it again */
	for (int turn = 0; turn < 2; turn++) {
		struct buf out = BUF_INIT(8192), said = BUF_INIT(8192);
		char *copy = strdup(text);

		interfaces_parse(copy, &read_into);
		free(copy);
		for (unsigned i = 0; i < read_into.count; i++)
			print_link(&read_into.links[i], &out);
		assert_string_equal(buf_str(&out), links);
		for (unsigned i = 0; i < read_into.ignored_count && i < INTERFACES_MAX_IGNORED; i++)
			buf_printf(&said, "%u: %s\n", read_into.ignored[i].line,
				   read_into.ignored[i].text);
		assert_string_equal(buf_str(&said), ignored);
		buf_fini(&out);
		buf_fini(&said);
	}
}

static void addresses_with_a_netmask_and_gateways_outside_as_commands(void **state)
{
	(void)state;
	expect("auto lo\niface lo inet loopback\niface lo inet6 loopback\n\n"
	       "auto eth0\niface eth0 inet static\n\taddress 10.0.0.100\n\tnetmask 255.255.255.255\n"
	       "# --- BEGIN PVE ---\n"
	       "\tpost-up ip route add 11.0.0.1 dev eth0\n"
	       "\tpost-up ip route add default via 11.0.0.1 dev eth0\n"
	       "\tpre-down ip route del default via 11.0.0.1 dev eth0\n"
	       "\tpre-down ip route del 11.0.0.1 dev eth0\n"
	       "# --- END PVE ---\n\n"
	       "auto eth1\niface eth1 inet6 static\n\taddress fc00::1\n\tnetmask 64\n"
	       "# --- BEGIN PVE ---\n"
	       "\tpost-up ip route add fc00:1::ff dev eth1\n"
	       "\tpost-up ip route add default via fc00:1::ff dev eth1\n"
	       "\tpre-down ip route del default via fc00:1::ff dev eth1\n"
	       "\tpre-down ip route del fc00:1::ff dev eth1\n"
	       "# --- END PVE ---\n"
	       "\tpost-up ip route add fc00:1::ff/64 dev eth1\n"
	       "\tpost-up ip route add default via fc00:1::ff dev eth1\n"
	       "\tpre-down ip route del default via fc00:1::ff/64 dev eth1\n\n"
	       "auto eth2\niface eth2 inet static\n\taddress 192.168.0.1\n\tnetmask 255.255.255.0\n"
	       "\tpost-up ip route add 192.168.1.1 dev eth2 table internal\n"
	       "\tpost-up ip route add default via 192.168.1.1 dev eth2 table internal\n"
	       "\tpre-down ip rule add from 192.168.0.128/25 table internal\n",
	       "eth0 10.0.0.100/32 11.0.0.1/32>- 0.0.0.0/0>11.0.0.1\n"
	       "eth1 fc00::1/64 fc00:1::ff/128>- ::/0>fc00:1::ff fc00:1::/64>-\n"
	       "eth2 192.168.0.1/24\n",
	       "34: post-up ip route add 192.168.1.1 dev eth2 table internal\n"
	       "35: post-up ip route add default via 192.168.1.1 dev eth2 table ...\n"
	       "36: pre-down ip rule add from 192.168.0.128/25 table internal\n");
}

static void addresses_with_a_length_and_gateways_inside(void **state)
{
	(void)state;
	expect("auto eth0\niface eth0 inet static\n\taddress 1.2.3.4/24\n\tgateway 1.2.3.1\n"
	       "\niface eth0 inet6 static\n\taddress fc00::4/64\n\tgateway fc00::1\n"
	       "auto eth1\niface eth1 inet dhcp\n\niface eth1 inet6 manual\n"
	       "auto eth2\niface eth2 inet manual\n",
	       "eth0 1.2.3.4/24 fc00::4/64 0.0.0.0/0>1.2.3.1 ::/0>fc00::1\n"
	       "eth1 dhcp adverts\neth2\n",
	       "");
}

static void the_order_of_lines_does_not_matter(void **state)
{
	(void)state;
	expect("iface eth0 inet static\n  netmask 255.255.0.0\n  gateway 10.1.0.1\n  address 10.1.2.3\n"
	       "iface eth0 inet static\n  address 10.9.0.1\n  netmask 16\n"
	       "auto eth0\n",
	       "eth0 10.1.2.3/16 10.9.0.1/16 0.0.0.0/0>10.1.0.1\n", "");
	expect("auto eth0\niface eth0 inet static\naddress 10.1.2.3/24\nnetmask 255.255.0.0\n",
	       "eth0 10.1.2.3/16\n", "");
	expect("auto eth0\niface eth0 inet static\naddress 10.1.2.3\n", "eth0 10.1.2.3/32\n", "");
}

static void what_nothing_brings_up_is_off(void **state)
{
	(void)state;
	expect("iface eth0 inet dhcp\nauto eth1 eth2\niface eth1 inet dhcp\nallow-hotplug eth3\n"
	       "iface eth3 inet6 auto\niface eth4 inet6 dhcp\nallow-auto eth4\n",
	       "eth0 off dhcp\neth1 dhcp\neth3 adverts\neth4 dhcp6 adverts\n", "");
}

static void lines_may_be_joined_indented_and_commented(void **state)
{
	(void)state;
	expect("# auto eth9\n\n  auto \\\n eth0\r\niface eth0 inet \\\n\tstatic\n   # address 1.1.1.1\n"
	       "\taddress\t192.0.2.7/24\n\tmtu 1400\n\tdns-nameservers 192.0.2.53 2001:db8::53\n"
	       "\tdns-search example.org lan\n",
	       "eth0 mtu 1400 192.0.2.7/24 dns 192.0.2.53 dns 2001:db8::53 search example.org lan\n",
	       "");
}

static void no_command_is_taken_for_more_than_it_is(void **state)
{
	(void)state;
	expect("auto eth0\niface eth0 inet static\naddress 192.0.2.7/24\n"
	       "up ip route add default via 192.0.2.1 dev eth1\n"
	       "up ip route add default\n"
	       "up ip route add 10.0.0.0/8 via fe80::1\n"
	       "up ip route add default via 192.0.2.1; touch /x\n"
	       "up iptables -A INPUT\n"
	       "up ip route add 10.0.0.0/8 via 192.0.2.2\n"
	       "down ifconfig eth0 down\n",
	       "eth0 192.0.2.7/24 10.0.0.0/8>192.0.2.2\n",
	       "4: up ip route add default via 192.0.2.1 dev eth1\n"
	       "5: up ip route add default\n"
	       "6: up ip route add 10.0.0.0/8 via fe80::1\n"
	       "7: up ip route add default via 192.0.2.1; touch /x\n"
	       "8: up iptables -A INPUT\n"
	       "10: down ifconfig eth0 down\n");
}

static void what_is_wrong_is_named_and_the_rest_holds(void **state)
{
	(void)state;
	expect("source /etc/network/interfaces.d/*\nauto eth0\niface eth0 inet static\n"
	       "address 192.0.2.300\naddress 127.0.0.1/8\naddress fc00::1/64\naddress 192.0.2.7/24\naddress 192.0.2.8/24\n"
	       "gateway 192.0.2.1/24\nmtu 100\nnetmask 255.0.255.0\ndns-search a/b\n"
	       "iface eth1 ipx static\naddress 1.2.3.4\niface eth2 inet ppp\n",
	       "eth0 192.0.2.7/24\neth2 off\n",
	       "1: source /etc/network/interfaces.d/*\n4: address 192.0.2.300\n"
	       "5: address 127.0.0.1/8\n6: address fc00::1/64\n8: address 192.0.2.8/24\n"
	       "9: gateway 192.0.2.1/24\n10: mtu 100\n11: netmask 255.0.255.0\n");
	assert_int_equal(read_into.ignored_count, 12);
	expect("iface eth0 inet dhcp\ngateway 1.2.3.4\naddress 1.2.3.4/24\nnetmask 24\n",
	       "eth0 off dhcp\n", "2: gateway 1.2.3.4\n3: address 1.2.3.4/24\n4: netmask 24\n");
}

static void tables_have_ends(void **state)
{
	struct buf text = BUF_INIT(INTERFACES_MAX_BYTES);

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		buf_printf(&text, "auto eth%u\niface eth%u inet static\n", i, i);
	for (unsigned i = 0; i < 12; i++)
		buf_printf(&text, "iface eth0 inet static\naddress 10.0.0.%u/24\n", i + 1);
	for (unsigned i = 0; i < 20; i++)
		buf_printf(&text, "up ip route add 10.%u.0.0/16 dev eth0\n", i);
	interfaces_parse(buf_str(&text), &read_into);
	assert_int_equal(read_into.count, UPLINK_MAX_LINKS);
	assert_int_equal(read_into.links[0].address_count, UPLINK_MAX_ADDRESSES);
	assert_int_equal(read_into.links[0].route_count, UPLINK_MAX_ROUTES);
	assert_int_equal(read_into.ignored_count, 4 + 4 + 4);
	buf_clear(&text);
	for (unsigned i = 0; i < 2000; i++)
		buf_puts(&text, "x");
	buf_puts(&text, "\nauto eth0\niface eth0 inet dhcp\n");
	expect(buf_str(&text), "eth0 dhcp\n", "1: a line that is too long\n");
	expect("auto a b c d e f g h i j k l m n o p q\n", "",
	       "1: auto a b c d e f g h i j k l m n o p q\n");
	expect("auto averyverylongname0\niface averyverylongname0 inet dhcp\n", "",
	       "1: auto averyverylongname0\n2: iface averyverylongname0 inet dhcp\n");
	expect("", "", "");
	expect("\\", "", "1: \\\n");
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_with_a_netmask_and_gateways_outside_as_commands),
		cmocka_unit_test(addresses_with_a_length_and_gateways_inside),
		cmocka_unit_test(the_order_of_lines_does_not_matter),
		cmocka_unit_test(what_nothing_brings_up_is_off),
		cmocka_unit_test(lines_may_be_joined_indented_and_commented),
		cmocka_unit_test(no_command_is_taken_for_more_than_it_is),
		cmocka_unit_test(what_is_wrong_is_named_and_the_rest_holds),
		cmocka_unit_test(tables_have_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
