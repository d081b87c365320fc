/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Archives from a pipe, or compressed as a whole (gzip, zstd), as a file that can be read in any order. */
#include <stdint.h>

#include "image/store.h"
#include "util/err.h"

/* fd_out: a file below the store's tmp/ without a name, owned by the caller; -1: in_fd (a plain file or a directory) will do as it is.
 * Blocks until all has arrived; at most what is free in the store less 16 MiB. */
int spool_open(const struct store *store, int in_fd, int *fd_out, struct err *err) MUST_CHECK;
/* The worker's part. */
int spool_copy(int in_fd, int out_fd, uint64_t max_bytes, struct err *err) MUST_CHECK;
