/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctnetlink: the list is read, what fits is collected and deleted by its tuple. Filters of the kernel's own would need Linux 5.8 and
 * know no ports. Must never delete by anything but a whole tuple that the kernel has just told.
 */
#include "net/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#define REQUEST_MAX 4096
/* What is collected in one go; more are left to the next change. */
#define DELETE_MAX (8u << 20)

void conntrack_add_address(struct conntrack_wish *wish, struct in_addr address)
{
	if (wish->address_count < CONNTRACK_MAX_ADDRESSES)
		wish->addresses[wish->address_count++] = address;
}

void conntrack_add_udp_port(struct conntrack_wish *wish, uint16_t port)
{
	wish->udp_ports[port / 8] |= (uint8_t)(1u << (port % 8));
	wish->any_udp = true;
}

struct tuple {
	struct in_addr from, to;
	uint8_t protocol;
	uint16_t to_port;
};

static bool copy(struct netlink_span nest, uint16_t type, void *out, size_t len)
{
	struct netlink_span value;

	if (!netlink_find(nest, type, &value) || value.len != len)
		return false;
	memcpy(out, value.data, len);
	return true;
}

static bool read_tuple(struct netlink_span nest, struct tuple *out)
{
	struct netlink_span ip, proto;

	if (!netlink_find(nest, CTA_TUPLE_IP, &ip) ||
	    !netlink_find(nest, CTA_TUPLE_PROTO, &proto) ||
	    !copy(ip, CTA_IP_V4_SRC, &out->from, 4) || !copy(ip, CTA_IP_V4_DST, &out->to, 4) ||
	    !copy(proto, CTA_PROTO_NUM, &out->protocol, 1))
		return false;
	out->to_port = 0;
	if (copy(proto, CTA_PROTO_DST_PORT, &out->to_port, 2))
		out->to_port = ntohs(out->to_port);
	return true;
}

static bool is_gone(const struct conntrack_wish *wish, struct in_addr address)
{
	for (size_t i = 0; i < wish->address_count; i++)
		if (wish->addresses[i].s_addr == address.s_addr)
			return true;
	return false;
}

bool conntrack_is_wished(const struct conntrack_wish *wish, const struct netlink_message *message,
			 struct netlink_span *tuple)
{
	struct netlink_span attrs = netlink_attrs(message, sizeof(struct nfgenmsg)), back;
	struct tuple there, answer;

	if (!netlink_find(attrs, CTA_TUPLE_ORIG, tuple) ||
	    !netlink_find(attrs, CTA_TUPLE_REPLY, &back) || !read_tuple(*tuple, &there) ||
	    !read_tuple(back, &answer))
		return false;
	if (is_gone(wish, there.from) || is_gone(wish, answer.from))
		return true;
	if (there.protocol != IPPROTO_UDP ||
	    !(wish->udp_ports[there.to_port / 8] & (1u << (there.to_port % 8))))
		return false;
	/* To a port that is no longer, or not yet, ours to translate. A container's own traffic to this port elsewhere, whose source
	 * alone is translated, goes on. */
	return there.to.s_addr != answer.from.s_addr || there.from.s_addr == answer.to.s_addr;
}

struct collection {
	const struct conntrack_wish *wish;
	struct buf *deletes;
};

static size_t begin(struct buf *out, unsigned type, uint16_t flags)
{
	const struct nfgenmsg header = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

	return netlink_begin(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, &header,
			     sizeof(header));
}

static int collect(const struct netlink_message *message, void *arg, struct err *err)
{
	struct collection *c = arg;
	struct netlink_span tuple;
	size_t at;

	(void)err;
	if (!conntrack_is_wished(c->wish, message, &tuple) || c->deletes->len > DELETE_MAX)
		return 0;
	at = begin(c->deletes, IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
	netlink_put(c->deletes, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple.data, tuple.len);
	netlink_end(c->deletes, at);
	return 0;
}

static void again(void *arg)
{
	buf_clear(((struct collection *)arg)->deletes);
}

/* One by one: of many in a datagram the answers might not fit into the socket. What has ended meanwhile is as good. */
static int delete_all(struct netlink *nl, const struct buf *deletes, struct err *err)
{
	struct netlink_span rest = { (const unsigned char *)deletes->data, deletes->len };

	while (rest.len) {
		const unsigned char *start = rest.data;
		struct netlink_message m;
		auto_buf one = BUF_INIT(REQUEST_MAX);

		if (!netlink_next(&rest, &m))
			return err_set(err, ERR_BUG, "conntrack: list of deletions");
		buf_add(&one, start, (size_t)(rest.data - start));
		if (netlink_request(nl, &one, err) < 0 && err->sys_errno != ENOENT)
			return err_wrap(err, "conntrack");
	}
	return 0;
}

int conntrack_forget(struct netlink *nl, const struct conntrack_wish *wish, struct err *err)
{
	auto_buf request = BUF_INIT(REQUEST_MAX), deletes = BUF_INIT(2 * DELETE_MAX);
	struct collection c = { .wish = wish, .deletes = &deletes };
	const struct netlink_reader reader = { .again = again, .message = collect, .arg = &c };

	if (!wish->address_count && !wish->any_udp)
		return 0;
	netlink_end(&request, begin(&request, IPCTNL_MSG_CT_GET, 0));
	if (netlink_dump(nl, &request, &reader, err) < 0)
		return err_wrap(err, "conntrack");
	return delete_all(nl, &deletes, err);
}
