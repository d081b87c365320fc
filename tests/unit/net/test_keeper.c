/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper in a network namespace of its own: what it does, does once, and takes back. With links.c, nft.c and their parts. */
#include "net_fixture.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "net/keeper.h"
#include "net/links.h"
#include "net/nft.h"
#include "net/nft_expr.h"
#include "net/nft_rules.h"
#include "net/worker_message.h"
#include "util/cleanup.h"
#include "util/file.h"

static struct keeper keeper;

static int open_keeper(void **state)
{
	struct err err;

	(void)state;
	return keeper_init(&keeper, &err);
}

static int close_keeper(void **state)
{
	(void)state;
	keeper_fini(&keeper);
	return 0;
}

/* Through the wire format, which makes the copy that the keeper owns. */
static void want(const struct net_wanted *wanted)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);
	struct net_request head;
	struct net_wanted copy;
	struct err err;

	assert_int_equal(net_request_encode(NET_REQUEST_APPLY, 1, wanted, &out, &err), 0);
	assert_int_equal(net_request_decode(out.data, out.len, &head, &copy, &err), 0);
	keeper_want(&keeper, &copy);
	assert_null(copy.bridges);
}

static struct keeper_result settle(bool sweep)
{
	struct keeper_result r;

	keeper_settle(&keeper, sweep, &r);
	return r;
}

static void assert_fine(const struct keeper_result *r)
{
	if (!r->ok || !r->nat || !r->spoof_guard || r->failed_bridges)
		fail_msg("%s", r->text);
}

static const struct net_found_link *find(const struct net_found *found, const char *name)
{
	for (size_t i = 0; i < found->link_count; i++)
		if (strcmp(found->links[i].name, name) == 0)
			return &found->links[i];
	return NULL;
}

static bool has_table(enum nft_table table)
{
	auto_buf out = BUF_INIT(4096);
	struct err err;
	size_t at = nft_begin(&out, NFT_MSG_GETTABLE, NLM_F_ACK, nft_table_family(table));

	netlink_put_text(&out, NFTA_TABLE_NAME, NFT_TABLE_NAME);
	netlink_end(&out, at);
	if (netlink_request(&keeper.nft, &out, &err) == 0)
		return true;
	assert_int_equal(err.sys_errno, ENOENT);
	return false;
}

static void nothing_is_touched_before_something_is_wanted(void **state)
{
	struct keeper_result r = settle(true);

	(void)state;
	assert_true(r.ok);
	assert_false(r.changed);
	assert_false(has_table(NFT_TABLE_INET));
}

static void what_is_wanted_comes_once_and_goes(void **state)
{
	struct wish w;
	struct keeper_result r;
	struct net_found found;
	struct err err;
	bool on;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16)->mtu = 1400;
	wish_bridge(&w, "cleat-1", "10.89.0.1", 24)->internal = true;
	wish_endpoint(&w, "v1", "cleat0", "10.88.0.5");
	wish_port(&w, 8000, "10.88.0.5", 80);
	wish_port(&w, 53, "10.88.0.5", 53)->udp = true;
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_true(r.changed);
	assert_string_equal(r.text, "add bridge cleat0 mac 0a:58:0a:58:00:01");
	assert_true(has_table(NFT_TABLE_INET) && has_table(NFT_TABLE_BRIDGE));
	assert_true(nft_drops_strangers(&keeper.nft));
	assert_int_equal(net_forwarding(keeper.sysctl_fd, &on, &err), 0);
	assert_true(on);

	assert_int_equal(net_found_read(&keeper.route, &found, &err), 0);
	assert_non_null(find(&found, "cleat0"));
	assert_string_equal(find(&found, "cleat0")->kind, "bridge");
	assert_int_equal(find(&found, "cleat0")->mtu, 1400);
	assert_true(find(&found, "cleat0")->up && find(&found, "cleat0")->route_localnet);
	assert_true(find(&found, "cleat0")->ipv6_off);
	assert_int_equal(found.address_count, 2);
	assert_int_equal(found.route_count, 2);
	assert_false(found.has_default_route);
	net_found_fini(&found);

	r = settle(false);
	assert_fine(&r);
	assert_false(r.changed);
	assert_string_equal(r.text, "");

	/* the last network goes, and with it everything */
	wish_init(&w);
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_false(has_table(NFT_TABLE_INET) || has_table(NFT_TABLE_BRIDGE));
	assert_int_equal(if_nametoindex("cleat0"), 0);
	assert_int_equal(net_forwarding(keeper.sysctl_fd, &on, &err), 0);
	assert_false(on);
	r = settle(false);
	assert_fine(&r);
	assert_false(r.changed);
}

static void elements_change_and_tables_come_back(void **state)
{
	struct wish w;
	struct keeper_result r;
	struct err err;
	struct netlink other = { .fd = -1 };

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	wish_endpoint(&w, "v1", "cleat0", "10.88.0.5");
	wish_port(&w, 8000, "10.88.0.5", 80)->count = 10000;
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_false(r.changed); /* elements only */

	/* somebody takes the table: noticed at the latest with the next change, else when told */
	assert_int_equal(nft_socket(&other, &err), 0);
	assert_int_equal(nft_table_remove(&other, NFT_TABLE_INET, &err), 0);
	w.ports[0].first = 90;
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_true(has_table(NFT_TABLE_INET));
	assert_int_equal(nft_table_remove(&other, NFT_TABLE_BRIDGE, &err), 0);
	keeper_doubt_table(&keeper, NFT_TABLE_BRIDGE);
	r = settle(false);
	assert_fine(&r);
	assert_true(r.changed);
	assert_true(has_table(NFT_TABLE_BRIDGE));
	netlink_close(&other);

	/* ports that contradict each other leave what stands */
	w.ports[1] = w.ports[0];
	w.ports[1].address = ip("10.88.0.6");
	w.wanted.port_count = 2;
	want(&w.wanted);
	r = settle(false);
	assert_true(r.ok);
	assert_false(r.nat);
	assert_string_equal(r.text, "address translation: port 8000 is published twice");
	assert_true(has_table(NFT_TABLE_INET));

	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
	assert_fine(&r);
}

/* As the runtime does it; its other end stays here, as in a namespace that somebody holds. */
static void add_veth(const char *name)
{
	auto_buf out = BUF_INIT(1024);
	struct ifinfomsg none = { 0 };
	struct err err;
	size_t begin = netlink_begin(&out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				     &none, sizeof(none));
	size_t info;

	netlink_put_text(&out, IFLA_IFNAME, name);
	info = netlink_nest(&out, IFLA_LINKINFO);
	netlink_put_text(&out, IFLA_INFO_KIND, "veth");
	netlink_nest_end(&out, info);
	netlink_end(&out, begin);
	if (netlink_request(&keeper.route, &out, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool is_up(const char *name)
{
	struct net_found found;
	const struct net_found_link *link;
	struct err err;
	bool up;

	assert_int_equal(net_found_read(&keeper.route, &found, &err), 0);
	link = find(&found, name);
	assert_non_null(link);
	up = link->up;
	net_found_fini(&found);
	return up;
}

/* A container is gone and somebody holds its namespace: its successor has the address, and the old end must not answer for it. */
static void an_end_that_nobody_wants_any_more_says_nothing(void **state)
{
	struct wish w;
	struct keeper_result r;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	wish_endpoint(&w, "v1", "cleat0", "10.88.0.5");
	wish_endpoint(&w, "v2", "cleat0", "10.88.0.6");
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	add_veth("v1");
	add_veth("v2");
	r = settle(false);
	assert_fine(&r);
	assert_false(r.has_unwanted);
	assert_true(is_up("v1") && is_up("v2"));

	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	wish_endpoint(&w, "v2", "cleat0", "10.88.0.6");
	wish_endpoint(&w, "v3", "cleat0", "10.88.0.5");
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_true(r.has_unwanted);
	assert_false(r.changed); /* it belongs to each end that goes, and is no repair */
	assert_false(is_up("v1"));
	assert_true(is_up("v2"));
	r = settle(true);
	assert_false(if_nametoindex("v1"));
	assert_true(if_nametoindex("v2"));

	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
}

/* The last container of a network: its bridge is not wanted any more, and goes when the end has gone. */
static void a_bridge_goes_after_its_last_end_and_that_is_no_repair(void **state)
{
	struct net_op gone = { .kind = NET_OP_LINK_DELETE, .link = "v1", .wanted = -1 };
	struct keeper_result r;
	struct wish w;
	struct err err;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	wish_endpoint(&w, "v1", "cleat0", "10.88.0.5");
	want(&w.wanted);
	add_veth("v1");
	r = settle(false);
	assert_fine(&r);
	wish_init(&w);
	want(&w.wanted);
	r = settle(false);
	assert_int_not_equal(if_nametoindex("cleat0"), 0);
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &gone, &err), 0);
	r = settle(false);
	assert_fine(&r);
	assert_int_equal(if_nametoindex("cleat0"), 0);
	assert_false(r.changed);
	assert_string_equal(r.text, "");
}

static void a_bridge_that_cannot_be_leaves_the_others_alone(void **state)
{
	struct wish w;
	struct keeper_result r;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	wish_bridge(&w, "cleat-1", "10.88.9.1", 24);
	wish_bridge(&w, "cleat-2", "10.89.0.1", 24);
	want(&w.wanted);
	r = settle(false);
	assert_false(r.ok);
	assert_int_equal(r.failed_bridges, 2);
	assert_true(r.nat);
	assert_string_equal(r.text,
			    "cleat-1: 10.88.9.0/24 overlaps the subnet 10.88.0.0/16 of cleat0");
	assert_int_not_equal(if_nametoindex("cleat-2"), 0);
	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
	assert_fine(&r);
}

static void refused_operations_are_named(void **state)
{
	struct net_op op = { .kind = NET_OP_UP, .link = "cleat-none" };
	struct err err;

	(void)state;
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &op, &err), -1);
	assert_string_equal(err.msg,
			    "cleat-none: up cleat-none: refused by the kernel: No such device");
	op.kind = NET_OP_LINK_DELETE; /* as it should be */
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &op, &err), 0);
	op.kind = NET_OP_ADDRESS_ADD;
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &op, &err), -1);
	assert_int_equal(err.sys_errno, ENODEV);
	op.kind = NET_OP_LOCALNET;
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &op, &err), -1);
	assert_int_equal(err.sys_errno, ENOENT);
	op.kind = NET_OP_REFUSE;
	snprintf(op.text, sizeof(op.text), "because");
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &op, &err), -1);
	assert_string_equal(err.msg, "because");
}

static char setting(const char *path)
{
	auto_buf text = BUF_INIT(64);
	struct err err;

	assert_int_equal(file_read_at(keeper.sysctl_fd, path, 64, &text, &err), 0);
	return buf_str(&text)[0];
}

static void assert_ways(char forwarding, char bridge)
{
	assert_int_equal(setting("ipv4/ip_forward"), forwarding);
	assert_int_equal(setting("ipv4/conf/cleat0/forwarding"), bridge);
	assert_int_equal(setting("ipv4/conf/cleat0/route_localnet"), bridge);
}

/* Nothing but rules keeps networks apart, and containers away from the appliance's loopback. */
static void without_rules_nothing_passes_a_bridge(void **state)
{
	struct keeper_result r;
	struct wish w;
	struct err err;
	int fd = keeper.nft.fd;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_ways('1', '1');
	/* it goes while there are networks */
	keeper.nft.fd = -1;
	r = settle(false);
	assert_false(r.nat);
	assert_ways('0', '0');
	r = settle(false);
	assert_false(r.changed);
	assert_ways('0', '0');
	/* a machine that forwards by its own will goes on */
	keeper.drop_strangers = false;
	assert_int_equal(net_set_forwarding(keeper.sysctl_fd, true, &err), 0);
	r = settle(false);
	assert_false(r.nat);
	assert_ways('1', '0');
	/* and comes back */
	keeper.nft.fd = fd;
	r = settle(false);
	assert_fine(&r);
	assert_ways('1', '1');
	assert_int_equal(net_set_forwarding(keeper.sysctl_fd, false, &err), 0);
	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
	assert_fine(&r);
	assert_int_equal(setting("ipv4/ip_forward"), '0');
}

/* It is on in each new network namespace, and makes each packet of a container pass our rules' hooks twice. */
static void frames_are_kept_from_the_rules_unless_somebody_else_has_a_bridge(void **state)
{
	static const char path[] = "bridge/bridge-nf-call-iptables";
	struct net_op other = { .kind = NET_OP_BRIDGE_ADD, .link = "other0", .mac = { 2 } };
	struct keeper_result r;
	struct wish w;
	struct err err;

	(void)state;
	if (file_write_text_at(keeper.sysctl_fd, path, "1", &err) < 0)
		skip(); /* the kernel has no br_netfilter */
	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
	assert_fine(&r);
	assert_int_equal(setting(path), '1');
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	want(&w.wanted);
	r = settle(false);
	assert_fine(&r);
	assert_int_equal(setting(path), '0');
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &other, &err), 0);
	assert_int_equal(file_write_text_at(keeper.sysctl_fd, path, "1", &err), 0);
	r = settle(false);
	assert_fine(&r);
	assert_int_equal(setting(path), '1');
	other.kind = NET_OP_LINK_DELETE;
	assert_int_equal(net_op_run(&keeper.route, keeper.sysctl_fd, &other, &err), 0);
	wish_init(&w);
	want(&w.wanted);
	r = settle(true);
	assert_fine(&r);
}

static void a_missing_netfilter_is_told(void **state)
{
	struct keeper_result r;
	struct wish w;
	int fd = keeper.nft.fd;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	want(&w.wanted);
	keeper.nft.fd = -1;
	r = settle(false);
	assert_true(r.ok);
	assert_false(r.nat || r.spoof_guard);
	assert_string_equal(r.text, "address translation: the kernel has no netfilter");
	keeper.nft.fd = fd;
	r = settle(false);
	assert_fine(&r);
}

static struct netlink_message message_of(const struct buf *out)
{
	struct netlink_span rest = { (const unsigned char *)out->data, out->len };
	struct netlink_message m;

	assert_true(netlink_next(&rest, &m));
	return m;
}

static void put_notification(struct buf *out, unsigned type, unsigned family, const char *table)
{
	size_t at;

	buf_clear(out);
	at = nft_begin(out, type, 0, family);
	netlink_put_text(out, NFTA_RULE_TABLE, table);
	netlink_end(out, at);
}

static void changes_of_others_are_told_from_ours(void **state)
{
	auto_buf out = BUF_INIT(4096);
	struct netlink_message m;
	enum nft_table table;

	(void)state;
	put_notification(&out, NFT_MSG_DELRULE, NFPROTO_INET, "cleat");
	m = message_of(&out);
	m.port = 7;
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_FOREIGN);
	assert_int_equal(table, NFT_TABLE_INET);
	assert_int_equal(nft_news(&m, 7, &table), NFT_NEWS_NONE);
	m.len = 3;
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_NONE);
	put_notification(&out, NFT_MSG_DELTABLE, NFPROTO_BRIDGE, "cleat");
	m = message_of(&out);
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_FOREIGN);
	assert_int_equal(table, NFT_TABLE_BRIDGE);
	put_notification(&out, NFT_MSG_NEWTABLE, NFPROTO_BRIDGE, "cleat");
	m = message_of(&out);
	m.port = 7;
	assert_int_equal(nft_news(&m, 7, &table), NFT_NEWS_PUT);
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_FOREIGN);
	put_notification(&out, NFT_MSG_DELTABLE, NFPROTO_IPV4, "cleat");
	m = message_of(&out);
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_NONE);
	put_notification(&out, NFT_MSG_DELTABLE, NFPROTO_INET, "cleat2");
	m = message_of(&out);
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_NONE);
	put_notification(&out, NFT_MSG_NEWGEN, NFPROTO_INET, "cleat");
	m = message_of(&out);
	assert_int_equal(nft_news(&m, 8, &table), NFT_NEWS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_touched_before_something_is_wanted,
						open_keeper, close_keeper),
		cmocka_unit_test_setup_teardown(what_is_wanted_comes_once_and_goes, open_keeper,
						close_keeper),
		cmocka_unit_test_setup_teardown(elements_change_and_tables_come_back, open_keeper,
						close_keeper),
		cmocka_unit_test_setup_teardown(an_end_that_nobody_wants_any_more_says_nothing,
						open_keeper, close_keeper),
		cmocka_unit_test_setup_teardown(
			a_bridge_goes_after_its_last_end_and_that_is_no_repair, open_keeper,
			close_keeper),
		cmocka_unit_test_setup_teardown(a_bridge_that_cannot_be_leaves_the_others_alone,
						open_keeper, close_keeper),
		cmocka_unit_test_setup_teardown(refused_operations_are_named, open_keeper,
						close_keeper),
		cmocka_unit_test_setup_teardown(a_missing_netfilter_is_told, open_keeper,
						close_keeper),
		cmocka_unit_test_setup_teardown(without_rules_nothing_passes_a_bridge, open_keeper,
						close_keeper),
		cmocka_unit_test_setup_teardown(
			frames_are_kept_from_the_rules_unless_somebody_else_has_a_bridge,
			open_keeper, close_keeper),
		cmocka_unit_test(changes_of_others_are_told_from_ours),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
