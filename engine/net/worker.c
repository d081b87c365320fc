/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat net" as a process: the engine's requests on one side, the kernel's notifications on the other, the keeper between them. It
 * has CAP_NET_ADMIN and nothing else. Must never change anything at its end: the containers go on without it.
 */
#include "net/worker.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/keeper.h"
#include "net/nft.h"
#include "net/turn.h"
#include "net/worker_message.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/pass_fd.h"
#include "util/proc.h"
#include "util/str.h"

/* What changes comes in swarms (a container's link: a dozen messages); one look afterwards is enough. */
#define SETTLE_USEC (50 * USEC_MSEC)
/* A namespace that ends takes its links along within milliseconds. What is still there after this is kept by somebody. */
#define SWEEP_USEC (10 * USEC_SEC)
#define TURN_USEC USEC_SEC /* an earlier worker ends within the request that it is at: some ms */
#define EVENTS_BUFFER_BYTES (1 << 20)
#define MEMORY_BYTES (192u << 20)

struct worker {
	int engine_fd;
	struct loop *loop;
	struct loop_source *settle, *sweep;
	struct netlink route_events, nft_events;
	struct keeper keeper;
	struct keeper_result last;
	uint32_t generation;
	bool sweep_armed;
	unsigned char *message; /* owned: a request */
	struct err *err;	/* of the loop's end */
	bool failed;
};

/* --- reports --------------------------------------------------------------------------------------- */

static void end(struct worker *w)
{
	w->failed = true;
	loop_stop(w->loop);
}

/* The engine reads; should it be stopped for a while, so are we. */
static void report(struct worker *w, enum net_report_kind kind, const struct keeper_result *r)
{
	struct net_report out = {
		.version = NET_WORKER_VERSION,
		.length = sizeof(out),
		.kind = kind,
		.generation = w->generation,
		.ok = r->ok,
		.nat = r->nat,
		.spoof_guard = r->spoof_guard,
		.has_default_route = r->has_default_route,
		.failed_bridges = r->failed_bridges,
	};
	ssize_t n;

	str_copy(out.text, sizeof(out.text), r->text);
retry:
	n = send(w->engine_fd, &out, sizeof(out), MSG_NOSIGNAL);
	if (n < 0 && errno == EINTR)
		goto retry;
	/* Gone: its end of file is read next. */
	if (n < 0 && errno != EPIPE && errno != ECONNRESET) {
		err_sys(w->err, "report");
		end(w);
	}
}

static void arm_sweep(struct worker *w, usec_t now)
{
	if (!w->last.has_unwanted || w->sweep_armed)
		return;
	loop_timer_set(w->loop, w->sweep, now + SWEEP_USEC);
	w->sweep_armed = true;
}

static bool same_outcome(const struct keeper_result *a, const struct keeper_result *b)
{
	return a->ok == b->ok && a->nat == b->nat && a->spoof_guard == b->spoof_guard &&
	       a->failed_bridges == b->failed_bridges;
}

/* After the kernel told of something. */
static void look_again(struct worker *w, bool sweep, usec_t now)
{
	struct keeper_result before = w->last;

	keeper_settle(&w->keeper, sweep, &w->last);
	if (w->keeper.has_wanted && !same_outcome(&before, &w->last))
		report(w, NET_REPORT_APPLIED, &w->last);
	else if (w->last.changed && !sweep)
		report(w, NET_REPORT_REPAIRED, &w->last);
	if (before.foreign != w->last.foreign ||
	    before.has_default_route != w->last.has_default_route)
		report(w, NET_REPORT_CHANGED, &w->last);
	keeper_finish(&w->keeper);
	arm_sweep(w, now);
}

static void on_settle(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	look_again(arg, false, now);
}

static void on_sweep(struct loop *loop, usec_t now, void *arg)
{
	struct worker *w = arg;

	(void)loop;
	w->sweep_armed = false;
	look_again(w, true, now);
}

/* --- requests ---------------------------------------------------------------------------------------- */

static void refuse(struct worker *w, const struct err *err)
{
	struct keeper_result r = w->last;

	r.ok = false;
	r.failed_bridges = 0;
	str_copy_text(r.text, sizeof(r.text), err->msg);
	report(w, NET_REPORT_APPLIED, &r);
}

static void obey(struct worker *w, size_t len, usec_t now)
{
	struct net_request head;
	struct net_wanted wanted;
	struct err err;
	int rc = net_request_decode(w->message, len, &head, &wanted, &err);

	w->generation = head.generation;
	if (rc < 0) {
		refuse(w, &err);
		return;
	}
	keeper_want(&w->keeper, &wanted);
	keeper_settle(&w->keeper, head.kind == NET_REQUEST_CLEAR, &w->last);
	report(w, NET_REPORT_APPLIED, &w->last);
	keeper_finish(&w->keeper);
	arm_sweep(w, now);
}

/* A request in a file. Up to one byte more than there may be is read, which is refused by its length. */
static ssize_t read_file(int fd, unsigned char *out, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, out + got, size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static void on_engine(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct worker *w = arg;
	auto_fd int file = -1;
	ssize_t n =
		pass_fd_receive(w->engine_fd, w->message, NET_REQUEST_MAX + 1, &file, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_stop(loop); /* the engine has gone; another one starts another worker */
		return;
	}

	if (file >= 0)
		n = read_file(file, w->message, NET_REQUEST_MAX + 1);
	obey(w, n < 0 ? 0 : (size_t)n, now);
}

/* --- notifications ------------------------------------------------------------------------------------ */

static void settle_soon(struct worker *w, usec_t now)
{
	loop_timer_set(w->loop, w->settle, now + SETTLE_USEC);
}

/* What they say does not matter: that there are some does, and so does that some were lost. */
static void on_route(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct worker *w = arg;
	const unsigned char *data;
	size_t len;

	(void)loop;
	(void)events;
	while (netlink_heard(&w->route_events, &data, &len, NULL) > 0)
		;
	settle_soon(w, now);
}

static void on_nft(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct worker *w = arg;
	struct netlink_span rest;
	struct netlink_message message;
	bool foreign[NFT_TABLES] = { false };
	enum nft_table table;
	int rc;

	(void)loop;
	(void)events;
	/* To the end of what is there: the rest of a change that has been repaired comes before our own repair. */
	while ((rc = netlink_heard(&w->nft_events, &rest.data, &rest.len, NULL)) > 0)
		while (netlink_next(&rest, &message)) {
			enum nft_news news = nft_news(&message, w->keeper.nft.port, &table);

			if (news != NFT_NEWS_NONE)
				foreign[table] = news == NFT_NEWS_FOREIGN;
		}
	for (unsigned t = 0; t < NFT_TABLES; t++) {
		/* Some were lost: nobody knows. */
		if (!foreign[t] && rc == 0)
			continue;
		keeper_doubt_table(&w->keeper, (enum nft_table)t);
		/* At once: until then ports are shut, or worse, open. */
		loop_timer_set(w->loop, w->settle, now);
	}
}

static int watch_route(struct worker *w, struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };

	if (netlink_open(&w->route_events, NETLINK_ROUTE, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (netlink_join(&w->route_events, groups[i], EVENTS_BUFFER_BYTES, err) < 0)
			return -1;
	return loop_add(w->loop, w->route_events.fd, EPOLLIN, on_route, w, err) ? 0 : -1;
}

/* Without nftables there is nothing to hear. */
static int watch_nft(struct worker *w, struct err *err)
{
	if (w->keeper.nft.fd < 0)
		return 0;
	if (netlink_open(&w->nft_events, NETLINK_NETFILTER, err) < 0 ||
	    netlink_join(&w->nft_events, NFNLGRP_NFTABLES, EVENTS_BUFFER_BYTES, err) < 0)
		return -1;
	return loop_add(w->loop, w->nft_events.fd, EPOLLIN, on_nft, w, err) ? 0 : -1;
}

/* --- the process --------------------------------------------------------------------------------------- */

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
				     SCMP_SYS(openat), -1 };
	static const int keep[] = { CAP_NET_ADMIN, -1 };
	static const char *const paths[] = { "/proc/sys/net", NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_NET,
		.gid = IDS_WORKER_NET,
		.write_paths = paths,
		.keep_caps = keep,
		.syscalls = extra,
		.memory_max_bytes = MEMORY_BYTES,
	};

	return proc_confine(&c, err);
}

static int prepare(struct worker *w, struct err *err)
{
	w->message = malloc(NET_REQUEST_MAX + 1);
	if (!w->message)
		return err_sys(err, "room for a request");
	w->settle = loop_timer(w->loop, USEC_NEVER, on_settle, w);
	w->sweep = loop_timer(w->loop, USEC_NEVER, on_sweep, w);
	if (keeper_init(&w->keeper, err) < 0 || watch_route(w, err) < 0 || watch_nft(w, err) < 0)
		return -1;
	if (!loop_add(w->loop, w->engine_fd, EPOLLIN, on_engine, w, err))
		return -1;
	return confine(err);
}

static int run(struct worker *w, int lock_fd, struct err *err)
{
	/* Before anything is looked at: what an earlier worker changes is not heard of as somebody else's doing either. */
	int turn = net_turn_take(lock_fd, w->engine_fd, TURN_USEC, err);

	if (turn <= 0)
		return turn;
	if (prepare(w, err) < 0)
		return -1;
	/* How things stand before anything is asked for. */
	keeper_settle(&w->keeper, false, &w->last);
	report(w, NET_REPORT_CHANGED, &w->last);
	if (loop_run(w->loop, err) < 0)
		return -1;
	return w->failed ? -1 : 0;
}

int cmd_net(int argc, char **argv)
{
	static struct worker w = { .route_events.fd = -1, .nft_events.fd = -1 };
	uint64_t fd, lock;
	struct err err;
	int rc = -1;

	if (argc != 5 || !str_eq(argv[1], "--socket") || !str_to_u64(argv[2], 1023, &fd) ||
	    !str_eq(argv[3], "--lock") || !str_to_u64(argv[4], 1023, &lock)) {
		fprintf(stderr, "usage: cleat net --socket FD --lock FD\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	w.engine_fd = (int)fd;
	w.err = &err;
	w.keeper = (struct keeper){ .route.fd = -1, .nft.fd = -1, .sysctl_fd = -1 };
	w.loop = loop_new(&err);
	if (w.loop)
		rc = run(&w, (int)lock, &err);
	if (rc < 0)
		fprintf(stderr, "cleat net: %s\n", err.msg);
	keeper_fini(&w.keeper);
	netlink_close(&w.route_events);
	netlink_close(&w.nft_events);
	loop_free(w.loop);
	free(w.message);
	return rc < 0;
}
