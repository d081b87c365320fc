/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes over sockets to "cleat net": the kernel's messages (links, addresses, routes, nftables, conntrack) and the engine's requests. Oracle
 * beside the sanitizers: names are terminated, whatever is read lies inside its message, an accepted request can be turned into operations and
 * elements and back into the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/conntrack.h"
#include "net/links.h"
#include "net/nft.h"
#include "net/worker_message.h"
#include "tests/fuzz/fuzz.h"

static void try_difference(const struct net_wanted *wanted, const struct net_found *found)
{
	auto_buf text = BUF_INIT(1 << 20);
	struct net_ops ops;
	struct err err;

	for (int sweep = 0; sweep < 2; sweep++) {
		check(net_diff(wanted, found, sweep, &ops, &err) == 0, "a difference can be told");
		for (size_t i = 0; i < ops.count; i++) {
			check(memchr(ops.items[i].link, 0, NET_LINK_NAME), "names are terminated");
			net_op_print(&ops.items[i], &text);
		}
		net_ops_fini(&ops);
	}
}

static void try_messages(const uint8_t *data, size_t size, const struct net_wanted *wanted)
{
	static struct conntrack_wish wish;
	struct netlink_span rest = { data, size };
	struct netlink_message m;
	struct net_found found = { 0 };
	struct err err;

	wish.address_count = 1;
	memset(wish.udp_ports, 0xff, sizeof(wish.udp_ports));
	while (netlink_next(&rest, &m)) {
		struct netlink_span tuple;
		enum nft_table table;

		check(m.data >= data && m.len <= size - (size_t)(m.data - data),
		      "a message lies inside");
		check(net_found_message(&found, &m, &err) == 0 || err.msg[0],
		      "a refusal has a reason");
		nft_news(&m, 1, &table);
		if (conntrack_is_wished(&wish, &m, &tuple))
			check(tuple.data >= data && tuple.len <= size - (size_t)(tuple.data - data),
			      "a tuple lies inside");
	}
	for (size_t i = 0; i < found.link_count; i++)
		check(memchr(found.links[i].name, 0, NET_LINK_NAME) &&
			      memchr(found.links[i].kind, 0, NET_LINK_NAME),
		      "names are terminated");
	try_difference(wanted, &found);
	net_found_fini(&found);
}

static void try_request(const uint8_t *data, size_t size)
{
	auto_buf again = BUF_INIT(NET_REQUEST_MAX);
	struct nft_elements elements;
	struct net_request head;
	struct net_wanted wanted;
	struct net_found found = { 0 };
	struct err err;

	if (net_request_decode(data, size, &head, &wanted, &err) < 0) {
		check(err.msg[0], "a refusal has a reason");
		return;
	}
	check(net_request_encode(head.kind, head.generation, &wanted, &again, &err) == 0 &&
		      again.len == size,
	      "what was read can be said again");
	check(size <= sizeof(head) || memcmp(again.data + sizeof(head), data + sizeof(head),
					     size - sizeof(head)) == 0,
	      "it is the same");
	try_difference(&wanted, &found);
	if (nft_elements_make(&wanted, &elements, &err) == 0)
		nft_elements_fini(&elements);
	net_wanted_fini(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_bridge bridge = { .name = "cleat0", .prefix = 16 };
	struct net_endpoint end = { .link = "v1", .bridge = "cleat0" };
	const struct net_wanted wanted = {
		.bridges = &bridge, .bridge_count = 1, .endpoints = &end, .endpoint_count = 1
	};
	/* A copy of exactly this size and alignment: what reads beyond it is seen. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	try_messages(copy, size, &wanted);
	try_request(copy, size);
	free(copy);
	return 0;
}
