/* SPDX-License-Identifier: Apache-2.0 */
/* Annotations org.cleat.network.N: what is understood, and every refusal. */
#include "runtime_test.h"

#include <arpa/inet.h>

#define GOOD \
	"bridge=cleat0 link=v1a2b3c4d5e6f0 name=eth0 mac=0a:58:0a:58:00:05 address=10.88.0.5/16"

static int read_with(struct plan *plan, const char *annotations, const char *namespaces,
		     struct err *err)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"},"
		 "\"root\":{\"path\":\"rootfs\"},\"annotations\":{%s},\"linux\":{"
		 "\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"
		 "\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"
		 "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}%s]}}",
		 annotations, namespaces);
	return read_plan_text(plan, text, err);
}

static void interfaces_are_read_in_their_order(void **state)
{
	struct plan plan;
	struct err err;
	const struct plan_network *n = plan.networks;
	char text[INET_ADDRSTRLEN];

	(void)state;
	if (read_with(
		    &plan,
		    "\"org.cleat.network.7\":\"mtu=1400 name=data gateway=10.89.0.1 address=10.89.0.9/24 "
		    "mac=0a:58:0a:59:00:09 link=v2 bridge=cleat-a1\",\"org.cleat.network.0\":\"" GOOD
		    "\","
		    "\"org.example.network\":\"x\"",
		    ",{\"type\":\"network\"}", &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(plan.network_count, 2);
	assert_string_equal(n[0].bridge, "cleat0");
	assert_string_equal(n[0].link, "v1a2b3c4d5e6f0");
	assert_string_equal(n[0].name, "eth0");
	assert_memory_equal(n[0].mac, "\x0a\x58\x0a\x58\x00\x05", 6);
	assert_string_equal(inet_ntop(AF_INET, &n[0].address, text, sizeof(text)), "10.88.0.5");
	assert_int_equal(n[0].prefix, 16);
	assert_false(n[0].has_gateway);
	assert_int_equal(n[0].mtu, 0);
	assert_string_equal(n[1].name, "data");
	assert_true(n[1].has_gateway);
	assert_string_equal(inet_ntop(AF_INET, &n[1].gateway, text, sizeof(text)), "10.89.0.1");
	assert_int_equal(n[1].mtu, 1400);
	plan_fini(&plan);
}

static void a_network_namespace_is_needed(void **state)
{
	struct plan plan;
	struct err err;

	(void)state;
	assert_int_equal(read_with(&plan, "\"org.cleat.network.0\":\"" GOOD "\"", "", &err), -1);
	assert_non_null(
		strstr(err.msg, "annotations: org.cleat.network: needs a network namespace"));
	plan_fini(&plan);
}

static const struct {
	const char *annotation, *reason;
} refusals[] = {
	{ "\"org.cleat.network.8\":\"" GOOD "\"",
	  "networks are org.cleat.network.0 to org.cleat.network.7" },
	{ "\"org.cleat.network.00\":\"" GOOD "\"", "networks are org.cleat.network.0 to" },
	{ "\"org.cleat.network.\":\"" GOOD "\"", "networks are org.cleat.network.0 to" },
	{ "\"org.cleat.network.0\":7", "org.cleat.network.0: not a string" },
	{ "\"org.cleat.network.0\":\"\"", "\"\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD " \"", "\"\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD "  mtu=1500\"", "\"\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD " vlan=7\"", "\"vlan=7\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD " mtu\"", "\"mtu\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD " mt=1500\"", "\"mt=1500\" is not known" },
	{ "\"org.cleat.network.0\":\"" GOOD " name=eth1\"", "name= is there twice" },
	{ "\"org.cleat.network.0\":\"" GOOD " mtu=67\"", "mtu: \"67\" is not 68 to 65535" },
	{ "\"org.cleat.network.0\":\"" GOOD " mtu=65536\"", "mtu: \"65536\" is not" },
	{ "\"org.cleat.network.0\":\"" GOOD " mtu=\"", "mtu: \"\" is not" },
	{ "\"org.cleat.network.0\":\"" GOOD " gateway=10.89.0.1\"",
	  "the gateway is not in the address's subnet" },
	{ "\"org.cleat.network.0\":\"" GOOD " gateway=::1\"",
	  "gateway: \"::1\" is not an IPv4 address" },
	{ "\"org.cleat.network.0\":\"" GOOD "\",\"org.cleat.network.1\":\"" GOOD "\"",
	  "two interfaces have this name" },
	{ "\"org.cleat.network.0\":\"link=v1 name=eth0 mac=0a:58:0a:58:00:05 address=10.88.0.5/16\"",
	  "bridge= is missing" },
	{ "\"org.cleat.network.0\":\"bridge=b name=eth0 mac=0a:58:0a:58:00:05 address=10.88.0.5/16\"",
	  "link= is missing" },
	{ "\"org.cleat.network.0\":\"bridge=b link=v1 mac=0a:58:0a:58:00:05 address=10.88.0.5/16\"",
	  "name= is missing" },
	{ "\"org.cleat.network.0\":\"bridge=b link=v1 name=eth0 address=10.88.0.5/16\"",
	  "mac= is missing" },
	{ "\"org.cleat.network.0\":\"bridge=b link=v1 name=eth0 mac=0a:58:0a:58:00:05\"",
	  "address= is missing" },
	{ "\"org.cleat.network.0\":\"bridge=../x\"", "bridge: \"../x\" is not a name" },
	{ "\"org.cleat.network.0\":\"bridge=\"", "bridge: \"\" is not a name" },
	{ "\"org.cleat.network.0\":\"link=sixteen-bytes-xx\"",
	  "link: \"sixteen-bytes-xx\" is not a name" },
	{ "\"org.cleat.network.0\":\"name=..\"", "name: \"..\" is not a name" },
	{ "\"org.cleat.network.0\":\"name=lo\"", "name: \"lo\" is taken" },
	{ "\"org.cleat.network.0\":\"name=all\"", "name: \"all\" is taken" },
	{ "\"org.cleat.network.0\":\"mac=0a:58:0a:58:00\"",
	  "mac: \"0a:58:0a:58:00\" is not six bytes" },
	{ "\"org.cleat.network.0\":\"mac=0a:58:0a:58:00:05:06\"", "is not six bytes" },
	{ "\"org.cleat.network.0\":\"mac=0A:58:0a:58:00:05\"", "is not six bytes" },
	{ "\"org.cleat.network.0\":\"mac=\"", "is not six bytes" },
	{ "\"org.cleat.network.0\":\"mac=01:58:0a:58:00:05\"",
	  "is not the address of one interface" },
	{ "\"org.cleat.network.0\":\"mac=00:00:00:00:00:00\"",
	  "is not the address of one interface" },
	{ "\"org.cleat.network.0\":\"address=10.88.0.5\"", "is not ADDRESS/1 to ADDRESS/30" },
	{ "\"org.cleat.network.0\":\"address=10.88.0.5/31\"", "is not ADDRESS/1 to ADDRESS/30" },
	{ "\"org.cleat.network.0\":\"address=10.88.0.5/0\"", "is not ADDRESS/1 to ADDRESS/30" },
	{ "\"org.cleat.network.0\":\"address=10.88.0/16\"", "\"10.88.0\" is not an IPv4 address" },
};

static void what_is_not_understood_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct plan plan;
		struct err err;

		if (read_with(&plan, refusals[i].annotation, ",{\"type\":\"network\"}", &err) == 0)
			fail_msg("accepted: %s", refusals[i].annotation);
		plan_fini(&plan);
		if (!strstr(err.msg, refusals[i].reason))
			fail_msg("\"%s\" is not in \"%s\"", refusals[i].reason, err.msg);
		assert_non_null(strstr(err.msg, "config.json"));
	}
}

static void there_is_a_bound(void **state)
{
	char text[600];
	struct plan plan;
	struct err err;

	(void)state;
	snprintf(text, sizeof(text), "\"org.cleat.network.0\":\"" GOOD " %0300d\"", 0);
	assert_int_equal(read_with(&plan, text, ",{\"type\":\"network\"}", &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(interfaces_are_read_in_their_order, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_network_namespace_is_needed, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_is_not_understood_is_refused, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(there_is_a_bound, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
