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
