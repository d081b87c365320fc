/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The seccomp filter of a worker: what of proc_confine is about system calls, as the kernel's program. */
#include <linux/filter.h>
#include <stddef.h>

#include "util/err.h"
#include "util/proc.h"

#define CONFINE_MAX_INSNS 384u

/* The last *length instructions of code are the program. */
int confine_filter(const struct proc_confine *confine, struct sock_filter code[CONFINE_MAX_INSNS],
		   size_t *length, struct err *err) MUST_CHECK;
