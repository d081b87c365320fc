/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's interfaces, in two halves. Outside (network_connect) each veth pair is made by one message: its end here joins its
 * bridge and is up, its peer is born in the child's network namespace with name, address and MTU. Inside (network_configure) the
 * container's root gives them their IPv4 addresses and routes. Nobody deletes a pair: the end of the namespace does, so a
 * start that fails leaves nothing.
 */
#include <sys/types.h>

#include "runtime/plan.h"
#include "util/err.h"

struct child;

/* pid: a child that lives in the namespace it was cloned with. "network: eth0: bridge cleat0: No such device". */
int network_connect(const struct plan *plan, pid_t pid, struct err *err) MUST_CHECK;
/* In a network namespace of its own: loopback, addresses, default routes, and what containers expect of net.* */
int network_configure(struct child *c, struct err *err) MUST_CHECK;
/* The same in the caller's own namespace, whoever it is. */
int network_set_up(const struct plan *plan, struct err *err) MUST_CHECK;

/* network_aside.c: a namespace without interfaces is not cloned but made by a process of the child's while the child makes its root. Whether, is
 * asked once for a start: it depends on the processors of this moment. network_begin() starts that process, network_configure() tells it that
 * the id maps are written, network_enter() joins the namespace, network_end() does that too and waits until it is up and its maker gone. All do
 * nothing for a child that does not makes_network, and network_enter() nothing a second time. */
bool network_may_be_made_aside(const struct plan *plan);
int network_begin(struct child *c, struct err *err) MUST_CHECK;
int network_enter(struct child *c, struct err *err) MUST_CHECK;
int network_end(struct child *c, struct err *err) MUST_CHECK;
