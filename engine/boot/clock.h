/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A machine's clock and its entropy, as far as the last boot can help. */
#include <stdint.h>

#include "util/err.h"
#include "util/loop.h"

#define CLOCK_SEED_BYTES 64 /* what the pool of the kernel takes in full */

/* Not before the release, nor before the last seed was written: 0 when now_sec may stay. */
int64_t clock_floor(int64_t now_sec, int64_t seed_sec);

/* The seed of the last boot; it is replaced on disk before it counts, so that no seed counts twice. mix() gives it to the kernel.
 * out is what the kernel got. A missing or short seed is ERR_NOT_FOUND. */
int clock_take_seed(const char *path, unsigned char out[CLOCK_SEED_BYTES],
		    struct err *err) MUST_CHECK;
/* A new one, derived from old (NULL: there is none) and the kernel's pool. Makes the folder. */
int clock_save_seed(const char *dir, const unsigned char *old, struct err *err) MUST_CHECK;
