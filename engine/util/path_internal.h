/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The one place that calls openat2(2), for path*.c. */
#include <stdint.h>
#include <sys/types.h>

/* Adds O_CLOEXEC and RESOLVE_NO_MAGICLINKS, retries EAGAIN a bounded number of times. Descriptor,
 * or -1 with errno. */
int path_openat2(int dirfd, const char *rel, int flags, mode_t mode, uint64_t resolve);
