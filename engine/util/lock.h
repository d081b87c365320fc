/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * fcntl(2) record locks on whole files (F_SETLK, per process): a forked child does not inherit
 * them, so a held lock proves that exactly this process lives; flock would be shared with
 * children. Trap: closing *any* descriptor of the file in the owning process drops the lock; keep
 * one and never open the file a second time in that process.
 */
#include "util/err.h"

/* Takes the write lock without waiting; ERR_BUSY names the holder's pid. */
int lock_take(int fd, struct err *err) MUST_CHECK;
/* Pid of the holder, 0 when free, -1 on error. In another pid namespace the kernel reports 0 for a
 * holder that is not visible: such a lock is reported as pid -2 (held by an invisible process). */
long lock_holder(int fd, struct err *err);
