/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the kernel gives what containers' networks are made of: the same tables and the same kinds of interfaces, in a new network
 * namespace. For a child: must never touch the namespace that the appliance is in.
 */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

#include "net/nft.h"
#include "supervise/host_probe.h"
#include "util/file.h"

static void say(int fd, const char *id, int rc, const struct err *err)
{
	if (rc == 0)
		dprintf(fd, "%s yes\n", id);
	else
		dprintf(fd, "%s no %d %s\n", id, err->sys_errno, err->msg);
}

static int add_link(struct netlink *nl, const char *name, const char *kind, struct err *err)
{
	const struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	auto_buf out = BUF_INIT(4096);
	size_t begin = netlink_begin(&out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
				     &link, sizeof(link));
	size_t info;

	netlink_put_text(&out, IFLA_IFNAME, name);
	info = netlink_nest(&out, IFLA_LINKINFO);
	netlink_put_text(&out, IFLA_INFO_KIND, kind);
	netlink_nest_end(&out, info);
	netlink_end(&out, begin);
	if (netlink_request(nl, &out, err) < 0)
		return err_wrap(err, "%s", kind);
	return 0;
}

static int try_links(struct err *err)
{
	auto_netlink nl = { .fd = -1 };

	if (netlink_open(&nl, NETLINK_ROUTE, err) < 0)
		return -1;
	if (add_link(&nl, "check-b", "bridge", err) < 0)
		return -1;
	return add_link(&nl, "check-v", "veth", err);
}

static int try_table(enum nft_table table, struct err *err)
{
	const struct nft_elements none = { 0 };
	auto_netlink nl = { .fd = -1 };

	if (nft_socket(&nl, err) < 0)
		return err_wrap(err, "nftables");
	if (nft_table_put(&nl, table, &none, false, err) < 0)
		return err_wrap(err, "nftables");
	return 0;
}

void host_try_network(int fd)
{
	struct err err = { 0 };

	/* a user who is not root has them in a user namespace only */
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		err_sys(&err, "unshare");
		say(fd, "bridges", -1, &err);
		return;
	}
	say(fd, "bridges", try_links(&err), &err);
	say(fd, "nftables", try_table(NFT_TABLE_INET, &err), &err);
	say(fd, "frame-filter", try_table(NFT_TABLE_BRIDGE, &err), &err);
}
