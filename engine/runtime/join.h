/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pod's namespaces, from both sides. The holder (hold.c) is a process without a program of its own: it is born with them and waits
 * to be killed. A member (join.c) enters its user namespace first, so that the mount and pid namespaces that are made next belong to it;
 * that takes a process between, which ends at once.
 */
#include "runtime/child.h"
#include "runtime/sync.h"

/* hold.c: the holder's steps between clone3 and its end as "cleat-runtime hold". */
int hold_open_program(struct child *c, struct err *err);
int hold_memory(struct child *c, struct err *err);
int hold_drop(struct child *c, struct err *err);
int hold_become(struct child *c, struct err *err);

/* Opens the plan's holder: a pidfd of the very process that is meant. ERR_NOT_FOUND: it is gone. */
int join_open_holder(const struct plan *plan, struct err *err) MUST_CHECK;
/* In a child of start, which shares nothing with it: enters, and bears the member as a child of start's, too. Tells start with
 * SYNC_BORN and the member's pidfd. Never returns; the member goes on in child_start(). */
_Noreturn void join_and_bear(struct child *child, int holder, uint64_t own_namespaces);
