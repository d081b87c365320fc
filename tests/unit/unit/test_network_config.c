/* SPDX-License-Identifier: Apache-2.0 */
/* NoCloud's network-config, both versions, as Proxmox, Incus and people write it; and YAML that is none, or too much. */
#include "unit_test.h"

#include "unit/network_config.h"
#include "unit/yaml_tree.h"
#include "util/buf.h"
#include "util/diag.h"
#include "util/scratch.h"

struct fixture {
	struct arena arena;
	struct diags diags;
	struct network_config config;
	char said[8192];
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->arena);
	diags_fini(&f->diags);
	free(f);
	return 0;
}

static void read_text(struct fixture *f, const char *text)
{
	auto_buf said = BUF_INIT(sizeof(f->said) - 1);

	diags_fini(&f->diags);
	network_config_read(&f->config, &f->arena, &f->diags, "nc", text, strlen(text));
	for (size_t i = 0; i < f->diags.count; i++) {
		diag_format(&f->diags.items[i], &said);
		buf_putc(&said, '\n');
	}
	snprintf(f->said, sizeof(f->said), "%s", buf_str(&said));
}

/* "NAME METHOD ADDRESS... via GATEWAY... mtu N\n" of each, then "dns ..." and "search ...". */
static const char *as_text(const struct network_config *c)
{
	static const char *const methods[] = { "dhcp", "static", "auto", "off" };
	static char out[2048];
	auto_buf text = BUF_INIT(sizeof(out) - 1);

	for (unsigned i = 0; i < c->link_count; i++) {
		const struct appliance_link *link = &c->links[i];

		assert_true(link->has_method);
		buf_printf(&text, "%s %s", link->name, methods[link->method]);
		for (unsigned k = 0; k < link->addresses.count; k++)
			buf_printf(&text, " %s", link->addresses.text[k]);
		for (unsigned k = 0; k < link->gateways.count; k++)
			buf_printf(&text, " via %s", link->gateways.text[k]);
		if (link->mtu)
			buf_printf(&text, " mtu %u", link->mtu);
		if (link->dhcp6)
			buf_puts(&text, " dhcp6");
		buf_putc(&text, '\n');
	}
	for (unsigned i = 0; i < c->dns.count; i++)
		buf_printf(&text, "dns %s\n", c->dns.text[i]);
	for (unsigned i = 0; i < c->search.count; i++)
		buf_printf(&text, "search %s\n", c->search.text[i]);
	snprintf(out, sizeof(out), "%s", buf_str(&text));
	return out;
}

static void expect(struct fixture *f, const char *text, const char *links, const char *said)
{
	read_text(f, text);
	assert_string_equal(as_text(&f->config), links);
	assert_string_equal(f->said, said);
}

static void reads_what_proxmox_writes(void **state)
{
	expect(*state,
	       "version: 1\n"
	       "config:\n"
	       "    - type: physical\n"
	       "      name: eth0\n"
	       "      mac_address: 'BC:24:11:00:00:01'\n"
	       "      subnets:\n"
	       "      - type: static\n"
	       "        address: '192.0.2.10'\n"
	       "        netmask: '255.255.255.0'\n"
	       "        gateway: '192.0.2.1'\n"
	       "      - type: static\n"
	       "        address: '2001:db8::10/64'\n"
	       "        gateway: '2001:db8::1'\n"
	       "    - type: physical\n"
	       "      name: eth1\n"
	       "      mac_address: 'bc:24:11:00:00:02'\n"
	       "      subnets:\n"
	       "      - type: dhcp4\n"
	       "      - type: ipv6_slaac\n"
	       "    - type: nameserver\n"
	       "      address:\n"
	       "      - '192.0.2.53'\n"
	       "      search:\n"
	       "      - 'example.com'\n",
	       "bc:24:11:00:00:01 static 192.0.2.10/24 2001:db8::10/64 via 192.0.2.1 via 2001:db8::1\n"
	       "bc:24:11:00:00:02 dhcp\n"
	       "dns 192.0.2.53\nsearch example.com\n",
	       "");
}

static void reads_version_1_by_name(void **state)
{
	expect(*state,
	       "network:\n"
	       "  version: 1\n"
	       "  config:\n"
	       "  - {type: physical, name: eth0, mtu: 1400, subnets: [{type: dhcp}]}\n"
	       "  - {type: physical, name: eth1, subnets: [{type: manual}]}\n"
	       "  - {type: physical, name: eth2}\n"
	       "  - {type: physical, name: eth3, subnets: [{type: static6, address: 'fd00::2/64', dns_nameservers: [fd00::53], dns_search: a.example}]}\n"
	       "  - {type: loopback, name: lo}\n"
	       "  - {type: nameserver, address: 9.9.9.9}\n",
	       "eth0 dhcp mtu 1400\neth1 off\neth2 off\neth3 static fd00::2/64\n"
	       "dns fd00::53\ndns 9.9.9.9\nsearch a.example\n",
	       "");
}

static void reads_version_2(void **state)
{
	expect(*state,
	       "version: 2\n"
	       "ethernets:\n"
	       "  id0:\n"
	       "    match:\n"
	       "      macaddress: \"52:54:00:12:34:56\"\n"
	       "    addresses: [192.0.2.7/24, \"2001:db8::7/64\"]\n"
	       "    gateway4: 192.0.2.1\n"
	       "    gateway6: 2001:db8::1\n"
	       "    mtu: 9000\n"
	       "    nameservers:\n"
	       "      addresses: [192.0.2.53, 192.0.2.53]\n"
	       "      search: [example.org]\n"
	       "  eth1:\n"
	       "    dhcp4: true\n"
	       "    dhcp6: no\n"
	       "    optional: true\n"
	       "  other: {set-name: eth2, addresses: [10.0.0.2/8], routes: [{to: default, via: 10.0.0.1}, {to: '::/0', via: 'fd00::1'}]}\n"
	       "  eth3: {accept-ra: true}\n"
	       "  eth4: {}\n",
	       "52:54:00:12:34:56 static 192.0.2.7/24 2001:db8::7/64 via 192.0.2.1 via 2001:db8::1 mtu 9000\n"
	       "eth1 dhcp\n"
	       "eth2 static 10.0.0.2/8 via 10.0.0.1 via fd00::1\n"
	       "eth3 auto\n"
	       "eth4 off\n"
	       "dns 192.0.2.53\nsearch example.org\n",
	       "");
}

static void a_lease_and_addresses_go_together(void **state)
{
	expect(*state, "version: 2\nethernets: {eth0: {dhcp4: true, addresses: [10.1.1.1/32]}}\n",
	       "eth0 dhcp 10.1.1.1/32\n", "");
}

static void dhcp6_comes_besides(void **state)
{
	expect(*state, "version: 2\nethernets:\n  eth0:\n    dhcp6: true\n", "eth0 auto dhcp6\n",
	       "");
	expect(*state, "version: 2\nethernets: {eth0: {dhcp6: true, addresses: [10.1.1.1/32]}}\n",
	       "eth0 static 10.1.1.1/32 dhcp6\n", "");
	expect(*state,
	       "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets:\n  - type: dhcp6\n",
	       "eth0 auto dhcp6\n", "");
	expect(*state,
	       "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets:\n  - type: ipv6_dhcpv6-stateless\n",
	       "eth0 auto\n", "");
}

static void what_is_not_supported_is_named_and_the_rest_counts(void **state)
{
	expect(*state,
	       "version: 2\n"
	       "ethernets:\n"
	       "  eth0:\n"
	       "    dhcp4: true\n"
	       "    wakeonlan: true\n"
	       "    routes:\n"
	       "    - to: 10.0.0.0/8\n"
	       "      via: 192.0.2.1\n"
	       "  all:\n"
	       "    match: {name: 'en*'}\n"
	       "    dhcp4: true\n"
	       "bonds:\n"
	       "  bond0: {}\n",
	       "eth0 dhcp\n",
	       "nc:12:1: error: bonds: only ethernets are supported\n"
	       "nc:5:5: warning: wakeonlan: not supported; left out\n"
	       "nc:7:7: error: a route to '10.0.0.0/8': only default routes are supported\n"
	       "nc:9:3: error: 'en*': the name of an interface, or a MAC address, is expected; patterns are not supported\n");
	expect(*state,
	       "version: 1\n"
	       "config:\n"
	       "- type: bond\n"
	       "  name: bond0\n"
	       "- type: physical\n"
	       "  name: eth0\n"
	       "  subnets:\n"
	       "  - type: carrier-pigeon\n"
	       "  - type: static\n"
	       "    address: 192.0.2.3\n",
	       "eth0 off\n",
	       "nc:3:3: error: type 'bond': physical and nameserver are supported\n"
	       "nc:8:5: error: type 'carrier-pigeon': dhcp, static, static6, dhcp6, ipv6_slaac or manual is expected\n"
	       "nc:10:5: error: address: ADDRESS/LENGTH, or an address with netmask, is expected\n");
}

static void values_are_judged(void **state)
{
	static const struct {
		const char *inside, *said;
	} cases[] = {
		{ "addresses: [300.0.0.1/24]", "'300.0.0.1/24': ADDRESS/LENGTH is expected" },
		{ "addresses: [10.0.0.1/33]", "'10.0.0.1/33': ADDRESS/LENGTH is expected" },
		{ "addresses: ['fd00::1/129']", "'fd00::1/129': ADDRESS/LENGTH is expected" },
		{ "addresses: [10.0.0.1]", "'10.0.0.1': ADDRESS/LENGTH is expected" },
		{ "addresses: 10.0.0.1/8", "addresses: a list is expected" },
		{ "gateway4: fd00::1", "gateway4: an address of IPv4 is expected" },
		{ "gateway6: 10.0.0.1", "gateway6: an address of IPv6 is expected" },
		{ "gateway4: [10.0.0.1]", "gateway4: an address of IPv4 is expected" },
		{ "mtu: 67", "mtu: a number from 68 to 65535 is expected" },
		{ "mtu: 1500x", "mtu: a number from 68 to 65535 is expected" },
		{ "nameservers: {addresses: [dns.example]}",
		  "'dns.example': the address of a name server is expected" },
		{ "nameservers: {search: ['a b']}", "'a b': a domain is expected" },
		{ "nameservers: [10.0.0.1]", "nameservers: a map is expected" },
		{ "match: {macaddress: '52:54:00'}", "'52:54:00': a MAC address is expected" },
		{ "routes: [{to: default}]", "via: the address of a gateway is expected" },
		{ "routes: [default]", "routes: a map is expected" },
		{ "addresses: [{10.0.0.1/8: {label: x}}]",
		  "options of an address are not supported; left out" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = *state;
		char text[256];

		snprintf(text, sizeof(text), "version: 2\nethernets: {eth0: {%s}}\n",
			 cases[i].inside);
		read_text(f, text);
		if (!strstr(f->said, cases[i].said) || strncmp(f->said, "nc:2:", 5) != 0)
			fail_msg("%s: %s", cases[i].inside, f->said);
	}
}

static void netmasks(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *mask, *links;
	} cases[] = {
		{ "255.255.255.255", "eth0 static 10.0.0.1/32\n" },
		{ "255.255.254.0", "eth0 static 10.0.0.1/23\n" },
		{ "0.0.0.0", "eth0 static 10.0.0.1/0\n" },
		{ "24", "eth0 static 10.0.0.1/24\n" },
		{ "255.0.255.0", "eth0 off\n" },
		{ "33", "eth0 off\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];

		snprintf(
			text, sizeof(text),
			"version: 1\nconfig: [{type: physical, name: eth0, subnets: [{type: static, address: 10.0.0.1, netmask: %s}]}]\n",
			cases[i].mask);
		read_text(f, text);
		assert_string_equal(as_text(&f->config), cases[i].links);
		assert_int_equal(f->diags.error_count, strstr(cases[i].links, "off") != NULL);
	}
}

static void interfaces_are_few_and_each_stands_once(void **state)
{
	struct fixture *f = *state;
	auto_buf text = BUF_INIT(4096);

	buf_puts(&text, "version: 2\nethernets:\n");
	for (int i = 0; i < 9; i++)
		buf_printf(&text, "  eth%d: {dhcp4: true}\n", i);
	read_text(f, buf_str(&text));
	assert_int_equal(f->config.link_count, APPLIANCE_MAX_LINKS);
	assert_string_equal(f->said, "nc:11:3: error: more than 8 interfaces are not supported\n");
	expect(f, "version: 1\nconfig:\n- {type: physical, name: a}\n- {type: physical, name: a}\n",
	       "a off\n", "nc:4:3: error: a: this interface stands here twice\n");
	buf_clear(&text);
	buf_puts(&text, "version: 2\nethernets: {eth0: {nameservers: {addresses: [");
	for (int i = 1; i <= 9; i++)
		buf_printf(&text, "10.0.0.%d,", i);
	buf_puts(&text, "]}}}\n");
	read_text(f, buf_str(&text));
	assert_int_equal(f->config.dns.count, APPLIANCE_MAX_TEXTS);
	assert_non_null(strstr(f->said, "10.0.0.9: more than 8 are not supported"));
}

static void what_is_no_network_config(void **state)
{
	expect(*state, "", "", "nc:1:1: error: version '': 1 or 2 is expected\n");
	expect(*state, "version: 3\n", "", "nc:1:1: error: version '3': 1 or 2 is expected\n");
	expect(*state, "- a\n- b\n", "", "nc:1:1: error: the file: a map is expected\n");
	expect(*state, "network: no\n", "", "nc:1:1: error: network: a map is expected\n");
	expect(*state, "version: 1\nconfig: {}\n", "",
	       "nc:2:1: error: config: a list is expected\n");
	expect(*state, "version: 1\nconfig: [disabled]\n", "",
	       "nc:2:10: error: config: a map is expected\n");
	expect(*state, "version: 2\n", "", "");
}

/* --- the YAML under it ------------------------------------------------------------------------------------------------------------ */

static void expect_yaml_error(struct fixture *f, const char *text, const char *said)
{
	diags_fini(&f->diags);
	assert_null(yaml_read(&f->arena, &f->diags, "y", text, strlen(text)));
	assert_int_equal(f->diags.error_count, 1);
	assert_non_null(f->diags.items[0].text);
	if (!strstr(f->diags.items[0].text, said))
		fail_msg("%s: said %s", text, f->diags.items[0].text);
}

static void yaml_that_is_refused(void **state)
{
	struct fixture *f = *state;
	auto_buf deep = BUF_INIT(256), many = BUF_INIT(64 * 1024);

	expect_yaml_error(f, "a: &x 1\nb: *x\n", "anchors and aliases");
	expect_yaml_error(f, "a: &x [1]\n", "anchors and aliases");
	expect_yaml_error(f, "a: &x {b: 1}\n", "anchors and aliases");
	expect_yaml_error(f, "b: *x\n", "anchors and aliases");
	expect_yaml_error(f, "a: 1\na: 2\n", "stands here twice");
	expect_yaml_error(f, "a: 1\n---\nb: 2\n", "a second document");
	expect_yaml_error(f, "{[a]: 1}\n", "a key that is no text");
	expect_yaml_error(f, "a: \"\\0\"\n", "a NUL");
	expect_yaml_error(f, "a: [1\n", "");
	expect_yaml_error(f, "a: b: c\n", "mapping values");
	expect_yaml_error(f, "a: \x01\n", "control characters");
	expect_yaml_error(f, "a: \xff\xfe\n", "UTF-8");
	for (int i = 0; i < 17; i++)
		buf_putc(&deep, '[');
	expect_yaml_error(f, buf_str(&deep), "more than 16 levels");
	buf_putc(&many, '[');
	for (int i = 0; i < YAML_MAX_NODES; i++)
		buf_puts(&many, "1,");
	buf_putc(&many, ']');
	expect_yaml_error(f, buf_str(&many), "more than 4096 values");
}

static void yaml_remembers_its_lines(void **state)
{
	static const char text[] = "# first\na:\n  - b: c\n    d: |\n      two\n      lines\n";
	struct fixture *f = *state;
	const struct yaml_node *root = yaml_read(&f->arena, &f->diags, "y", text, sizeof(text) - 1);
	const struct yaml_node *a = yaml_get(root, "a"), *d;

	assert_non_null(a);
	assert_int_equal(a->key_line, 2);
	assert_int_equal(a->kind, YAML_LIST);
	assert_string_equal(yaml_text(a->first, "b"), "c");
	d = yaml_get(a->first, "d");
	assert_string_equal(d->text, "two\nlines\n");
	assert_int_equal(d->key_line, 4);
	assert_int_equal(d->key_column, 5);
	assert_null(yaml_get(a, "b"));
	assert_null(yaml_get(NULL, "b"));
	assert_null(yaml_text(root, "a"));
}

/* --- files ------------------------------------------------------------------------------------------------------------------------ */

static void files(void **state)
{
	const struct scratch *s = *state;
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	struct network_config config;
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/network-config", s->path);
	assert_int_equal(network_config_load(&config, &arena, &diags, path, &err), 0);
	assert_null(config.path);
	assert_int_equal(config.link_count, 0);
	scratch_write(s, "network-config", "version: 2\nethernets: {eth0: {dhcp4: true}}\n");
	assert_int_equal(network_config_load(&config, &arena, &diags, path, &err), 0);
	assert_string_equal(config.path, path);
	assert_int_equal(config.link_count, 1);
	unlinkat(s->fd, "network-config", 0);
	scratch_mkdir(s, "network-config");
	assert_int_equal(network_config_load(&config, &arena, &diags, path, &err), -1);
	assert_non_null(strstr(err.msg, "network-config"));
	assert_int_equal(diags.count, 0);
	arena_fini(&arena);
	diags_fini(&diags);
}

#define text_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		text_test(reads_what_proxmox_writes),
		text_test(reads_version_1_by_name),
		text_test(reads_version_2),
		text_test(a_lease_and_addresses_go_together),
		text_test(dhcp6_comes_besides),
		text_test(what_is_not_supported_is_named_and_the_rest_counts),
		text_test(values_are_judged),
		text_test(netmasks),
		text_test(interfaces_are_few_and_each_stands_once),
		text_test(what_is_no_network_config),
		text_test(yaml_that_is_refused),
		text_test(yaml_remembers_its_lines),
		scratch_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
