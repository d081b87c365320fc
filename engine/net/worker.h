/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "cleat net": the process that holds CAP_NET_ADMIN for the engine, whose loop never changes a link. It is told the whole wanted state
 * (net/wanted.h) each time, compares with the kernel, changes the difference and answers; it watches the kernel's
 * notifications and repairs what somebody else took away (nft flush ruleset). End of file on its socket: it ends and leaves everything
 * as it is (the engine crashed, the containers go on); "clear" removes all of ours.
 *
 * It begins with a CHANGED report, so that the engine knows of a default route. What it is not told of it takes for unwanted: the first request
 * of an engine that found running containers has to name their ends; an end that nobody wants is deleted ten seconds later, should its
 * container's namespace not have taken it along before. A request that cannot be carried out (a subnet in use) is tried again whenever the
 * kernel's state changes; APPLIED comes again then, for the same generation.
 *
 * One worker works at a time, over the engine's replacement too: a new one begins when the one before it has ended, which it makes sure of
 * (net/turn.h). So what a report says cannot be undone by a request of an earlier engine that is still under way.
 *
 * Descriptor 3 of the process: SOCK_SEQPACKET pair. Engine -> worker: one message, struct net_request with the arrays of
 * struct net_wanted behind it in their order, or, when that is larger than NET_MESSAGE_MAX, in a memfd passed along
 * (SCM_RIGHTS). Worker -> engine: struct net_report.
 */
#include <stdint.h>
#include <sys/types.h>

#include "net/wanted.h"
#include "util/err.h"

#define NET_WORKER_VERSION 1
#define NET_MESSAGE_MAX 65536

enum net_request_kind { NET_REQUEST_APPLY = 1, NET_REQUEST_CLEAR = 2 };
struct net_request {
	uint16_t version, kind;
	uint32_t generation; /* comes back in the report */
	uint32_t bridge_count, endpoint_count, port_count, reserved;
};

enum net_report_kind {
	NET_REPORT_APPLIED = 1, /* generation holds; or not: text says why */
	NET_REPORT_REPAIRED,	/* somebody changed what is ours; it is as wanted again */
	NET_REPORT_CHANGED, /* the appliance's own addresses, routes or resolv.conf's links changed */
};
struct net_report {
	uint16_t version, length; /* of this struct */
	uint32_t kind;
	uint32_t generation;
	uint32_t ok; /* APPLIED: bridges and addresses stand */
	uint32_t nat; /* ports and masquerade stand in nftables; 0: not to be had here, text says why */
	uint32_t spoof_guard; /* the bridge filter stands (spoofed frames are dropped) */
	uint32_t has_default_route;
	char text[480];
	uint64_t failed_bridges; /* APPLIED, not ok: bit n: bridge n of the request does not stand; the others do */
};

/* Starts the worker (from /proc/self/exe) with the engine's end in *fd_out (non-blocking, owned by the caller). lock_fd: the lock of the
 * network namespace's workers (net/turn.h), open for writing; stays the caller's. */
struct proc;
int net_worker_start(int cgroup_fd, int lock_fd, struct proc *proc_out, int *fd_out,
		     struct err *err) MUST_CHECK;
/* ERR_BUSY: the socket is full; try when it is writable. Never blocks. */
int net_worker_apply(int fd, uint32_t generation, const struct net_wanted *wanted,
		     struct err *err) MUST_CHECK;
int net_worker_clear(int fd, uint32_t generation, struct err *err) MUST_CHECK;

/* The process ("cleat net --socket 3 --lock 4"). */
int cmd_net(int argc, char **argv);
