/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One settling: links, then forwarding, then the tables, then what conntrack remembers. A part that fails does not keep the others from
 * being done: a machine without nftables has bridges, a network that cannot be leaves the others alone. Must never be
 * satisfied with what it did last time.
 */
#include "net/keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "net/links.h"
#include "net/nft.h"
#include "net/worker_message.h"
#include "util/cleanup.h"
#include "util/str.h"

int keeper_init(struct keeper *k, struct err *err)
{
	*k = (struct keeper){ .route.fd = -1, .nft.fd = -1, .sysctl_fd = -1 };
	if (netlink_open(&k->route, NETLINK_ROUTE, err) < 0)
		return -1;
	k->sysctl_fd = open("/proc/sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->sysctl_fd < 0)
		return err_sys(err, "/proc/sys/net");
	/* A kernel without netfilter: each table will say so. */
	if (nft_socket(&k->nft, err) < 0)
		netlink_close(&k->nft);
	return 0;
}

void keeper_fini(struct keeper *k)
{
	netlink_close(&k->route);
	netlink_close(&k->nft);
	close_fd(&k->sysctl_fd);
	net_wanted_fini(&k->wanted);
	for (int i = 0; i < NFT_TABLES; i++)
		nft_elements_fini(&k->tables[i].elements);
}

void keeper_want(struct keeper *k, struct net_wanted *wanted)
{
	net_wanted_fini(&k->wanted);
	k->wanted = *wanted;
	*wanted = (struct net_wanted){ 0 };
	k->has_wanted = true;
}

void keeper_doubt_table(struct keeper *k, enum nft_table table)
{
	k->tables[table].stands = false;
}

/* The first reason is told. */
static void tell(struct keeper_result *r, const char *text)
{
	if (!r->text[0])
		str_copy_text(r->text, sizeof(r->text), text);
}

/* --- links --------------------------------------------------------------------------------------- */

/* A profile of the host that keeps /proc/sys/net from us leaves bridges that work, and no translation that could be relied on. */
static bool is_forbidden_sysctl(const struct net_op *op, const struct err *err)
{
	return (op->kind == NET_OP_LOCALNET || op->kind == NET_OP_IPV6_OFF) &&
	       (err->sys_errno == EACCES || err->sys_errno == EPERM || err->sys_errno == EROFS);
}

struct settling {
	struct keeper *k;
	struct keeper_result *r;
	bool turn_on;	  /* forwarding, when the rules stand */
	char no_nat[160]; /* why ports must not be translated; "" */
};

static bool has_no_rules(const struct keeper *k)
{
	return k->nft.fd < 0 || k->ways == KEEPER_WAYS_SHUT;
}

/* What was ours goes when the last container has left it, which the kernel tells us of; nobody has changed anything. */
static bool is_farewell(const struct net_wanted *wanted, const struct net_op *op)
{
	if (op->kind != NET_OP_LINK_DELETE)
		return false;
	for (size_t i = 0; i < wanted->bridge_count; i++)
		if (str_eq(wanted->bridges[i].name, op->link))
			return false;
	return true;
}

static void run_op(struct settling *s, const struct net_op *op)
{
	auto_buf words = BUF_INIT(512);
	struct err err;

	if (op->wanted >= 0 && (s->r->failed_bridges & (UINT64_C(1) << op->wanted)))
		return;
	if (op->kind == NET_OP_LOCALNET && has_no_rules(s->k))
		return; /* settle_ways() does it */
	if (net_op_run(&s->k->route, s->k->sysctl_fd, op, &err) == 0) {
		if (op->kind == NET_OP_HAIRPIN || op->kind == NET_OP_DOWN ||
		    is_farewell(&s->k->wanted, op))
			return; /* belongs to each end that comes or goes, and is no repair */
		s->r->changed = true;
		net_op_print(op, &words);
		if (!s->r->done[0])
			str_copy_text(s->r->done, sizeof(s->r->done), buf_str(&words));
		s->r->done[strcspn(s->r->done, "\n")] = '\0';
		return;
	}
	if (is_forbidden_sysctl(op, &err)) {
		str_copy_text(s->no_nat, sizeof(s->no_nat), err.msg);
		return;
	}
	/* An end may go with its container at any moment. */
	if (err.sys_errno == ENODEV &&
	    (op->kind == NET_OP_MASTER || op->kind == NET_OP_UP || op->kind == NET_OP_DOWN ||
	     op->kind == NET_OP_HAIRPIN) &&
	    !net_is_ours(op->link))
		return;
	s->r->ok = false;
	if (op->wanted >= 0)
		s->r->failed_bridges |= UINT64_C(1) << op->wanted;
	tell(s->r, err.msg);
}

static bool has_unwanted(const struct net_wanted *wanted, const struct net_found *found)
{
	struct net_ops ops;
	bool found_one;

	if (net_diff(wanted, found, true, &ops, NULL) < 0)
		return true;
	found_one = ops.count > 0 && ops.items[0].kind == NET_OP_LINK_DELETE &&
		    ops.items[0].wanted < 0;
	net_ops_fini(&ops);
	return found_one;
}

/* Whether our bridges show their frames to the inet hooks, as they do in each new network namespace of a machine that has br_netfilter.
 * Our rules gain nothing by that, and each packet of a container passes their hooks within the bridge first, a tenth of its way. Where
 * somebody else has a bridge it is his to decide. */
static bool settle_br_netfilter(struct keeper *k, const struct net_found *found)
{
	struct err nobodys; /* it works as well with it */

	if (!net_br_netfilter(k->sysctl_fd))
		return false;
	return k->wanted.bridge_count == 0 || net_has_other_bridge(found) ||
	       net_br_netfilter_off(k->sysctl_fd, &nobodys) < 0;
}

static void settle_links(struct settling *s, bool sweep)
{
	struct keeper *k = s->k;
	struct keeper_result *r = s->r;
	struct net_found found;
	struct net_ops ops;
	struct err err;

	if (net_found_read(&k->route, &found, &err) < 0) {
		r->ok = false;
		tell(r, err.msg);
		return;
	}
	found.br_netfilter = settle_br_netfilter(k, &found);
	r->has_default_route = found.has_default_route;
	r->foreign = found.foreign;
	if (k->has_wanted) {
		if (net_diff(&k->wanted, &found, sweep, &ops, &err) < 0) {
			r->ok = false;
			tell(r, err.msg);
			ops = (struct net_ops){ 0 };
		}
		for (size_t i = 0; i < ops.count; i++)
			run_op(s, &ops.items[i]);
		net_ops_fini(&ops);
		r->has_unwanted = !sweep && has_unwanted(&k->wanted, &found);
	}
	net_found_fini(&found);
}

/* --- forwarding ------------------------------------------------------------------------------------ */

/* A predecessor of ours may have switched it on: then its table has the chain. It is switched on when the table stands; whether it can
 * be shows now, by writing what it is. */
static int settle_forwarding(struct settling *s, struct err *err)
{
	struct keeper *k = s->k;
	bool on, wanted = k->wanted.bridge_count > 0, drop = k->drop_strangers;

	if (!k->is_known && k->nft.fd >= 0)
		drop = nft_drops_strangers(&k->nft);
	k->is_known = true;
	if (net_forwarding(k->sysctl_fd, &on, err) < 0)
		return -1;
	if (wanted && !on) {
		if (net_set_forwarding(k->sysctl_fd, false, err) < 0)
			return -1;
		drop = s->turn_on = true;
	}
	if (!wanted && drop) {
		if (on && net_set_forwarding(k->sysctl_fd, false, err) < 0)
			return -1;
		drop = false;
	}
	if (drop != k->drop_strangers)
		k->tables[NFT_TABLE_INET].stands = false;
	k->drop_strangers = drop;
	return 0;
}

/* --- tables ------------------------------------------------------------------------------------------ */

static int wish_gone(const struct nft_element *e, void *arg, struct err *err)
{
	struct in_addr address;

	(void)err;
	if (e->set == NFT_SET_HOME) {
		memcpy(&address, e->key, sizeof(address));
		conntrack_add_address(arg, address);
	}
	return 0;
}

static int wish_udp(const struct nft_element *e, void *arg, struct err *err)
{
	const uint8_t *key = e->key + (e->set == NFT_MAP_PORTS_AT ? 4 : 0);

	(void)err;
	if ((e->set == NFT_MAP_PORTS || e->set == NFT_MAP_PORTS_AT) && key[0] == IPPROTO_UDP)
		conntrack_add_udp_port(arg, (uint16_t)(key[4] << 8 | key[5]));
	return 0;
}

static int wish_gone_or_udp(const struct nft_element *e, void *arg, struct err *err)
{
	if (wish_gone(e, arg, err) < 0)
		return -1;
	return wish_udp(e, arg, err);
}

/* Kernels without ctnetlink remember until their time-outs; nothing that anybody could do better. */
void keeper_finish(struct keeper *k)
{
	struct err nobodys;
	int rc = conntrack_forget(&k->nft, &k->forget, &nobodys);

	(void)rc;
	k->forget = (struct conntrack_wish){ 0 };
}

/* A UDP port is as wanted only when nobody is taken elsewhere any more: that is not left for later. */
static void forget(struct keeper *k, const struct nft_elements *old, const struct nft_elements *new)
{
	if (nft_elements_diff(old, new, NFT_TABLE_INET, wish_gone_or_udp, wish_udp, &k->forget,
			      NULL) == 0 &&
	    k->forget.any_udp)
		keeper_finish(k);
}

/* From what stands if it does; if that fails, somebody was faster: all of it. */
static int put_table(struct keeper *k, enum nft_table table, const struct nft_elements *new,
		     struct keeper_result *r, struct err *err)
{
	struct keeper_table *t = &k->tables[table];

	if (t->stands && nft_table_change(&k->nft, table, &t->elements, new, err) == 0)
		return 0;
	r->changed = true;
	if (k->wanted.bridge_count == 0)
		return nft_table_remove(&k->nft, table, err);
	if (!r->done[0])
		str_copy(r->done, sizeof(r->done),
			 table == NFT_TABLE_INET ? "put table inet cleat" :
						   "put table bridge cleat");
	return nft_table_put(&k->nft, table, new, k->drop_strangers, err);
}

static int settle_table(struct keeper *k, enum nft_table table, const struct net_wanted *wanted,
			struct keeper_result *r, struct err *err)
{
	struct keeper_table *t = &k->tables[table];
	struct nft_elements new;

	if (k->nft.fd < 0) {
		t->stands = false;
		return err_set(err, ERR_UNSUPPORTED, "the kernel has no netfilter");
	}
	/* The last network has gone: so does the table. */
	if (wanted->bridge_count == 0 && t->elements.count)
		t->stands = false;
	if (nft_elements_make(wanted, &new, err) < 0)
		return -1;
	if (put_table(k, table, &new, r, err) < 0) {
		t->stands = false;
		nft_elements_fini(&new);
		return -1;
	}
	if (table == NFT_TABLE_INET)
		forget(k, &t->elements, &new);
	nft_elements_fini(&t->elements);
	t->elements = new;
	t->stands = true;
	return 0;
}

static bool settle_table_told(struct keeper *k, enum nft_table table,
			      const struct net_wanted *wanted, struct keeper_result *r)
{
	struct keeper_table *t = &k->tables[table];
	struct err err;

	if (settle_table(k, table, wanted, r, &err) == 0) {
		t->reason[0] = '\0';
		return true;
	}
	err_wrap(&err, "%s",
		 table == NFT_TABLE_INET ? "address translation" : "guard against spoofing");
	str_copy_text(t->reason, sizeof(t->reason), err.msg);
	tell(r, t->reason);
	return false;
}

static void settle_tables(struct settling *s)
{
	/* Whoever does without translation listens on these ports himself. */
	struct net_wanted wanted = s->k->wanted;
	bool stands;

	if (s->no_nat[0])
		wanted.port_count = 0;
	stands = settle_table_told(s->k, NFT_TABLE_INET, &wanted, s->r);
	s->r->nat = stands && !s->no_nat[0];
	s->r->spoof_guard = settle_table_told(s->k, NFT_TABLE_BRIDGE, &wanted, s->r);
	if (s->no_nat[0])
		tell(s->r, s->no_nat);
}

/* --- ways ---------------------------------------------------------------------------------------------- */

static int set_ways(struct settling *s, bool on, struct err *err)
{
	const struct net_wanted *wanted = &s->k->wanted;

	for (size_t i = 0; i < wanted->bridge_count; i++)
		if (!(s->r->failed_bridges >> i & 1) &&
		    net_set_link_ways(s->k->sysctl_fd, wanted->bridges[i].name, on, err) < 0)
			return err_wrap(err, "%s", wanted->bridges[i].name);
	return 0;
}

static int open_ways(struct settling *s, struct err *err)
{
	if (s->turn_on && net_set_forwarding(s->k->sysctl_fd, true, err) < 0)
		return -1;
	if (s->k->ways != KEEPER_WAYS_OPEN && set_ways(s, true, err) < 0)
		return -1;
	s->k->ways = KEEPER_WAYS_OPEN;
	return 0;
}

/* Without rules a bridge would lead to every other network, internal ones as well, and to the appliance's loopback; and the appliance
 * would be a router for strangers. What forwarded before goes on doing so, but for our bridges. */
static int shut_ways(struct settling *s, struct err *err)
{
	s->k->ways = KEEPER_WAYS_SHUT;
	if (s->k->drop_strangers && net_set_forwarding(s->k->sysctl_fd, false, err) < 0)
		return -1;
	return set_ways(s, false, err);
}

static void settle_ways(struct settling *s)
{
	struct keeper_result *r = s->r;
	size_t used;
	struct err err;

	if (!s->k->tables[NFT_TABLE_INET].stands) {
		if (shut_ways(s, &err) == 0)
			return;
		used = strlen(r->text);
		snprintf(r->text + used, sizeof(r->text) - used,
			 "; networks are not kept apart: %s", err.msg);
	} else if (!s->no_nat[0] && open_ways(s, &err) < 0) {
		r->nat = false;
		tell(r, err.msg);
	}
}

void keeper_settle(struct keeper *k, bool sweep, struct keeper_result *out)
{
	struct settling s = { .k = k, .r = out };
	struct err err;

	*out = (struct keeper_result){ .ok = true };
	settle_links(&s, sweep);
	if (!k->has_wanted)
		return;
	if (settle_forwarding(&s, &err) < 0)
		str_copy_text(s.no_nat, sizeof(s.no_nat), err.msg);
	settle_tables(&s);
	settle_ways(&s);
	tell(out, out->done);
}
