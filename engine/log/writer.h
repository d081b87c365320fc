/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The process that takes lines out of the ring and puts them on disk. It may block on a stalled
 * disk for as long as it likes; nobody waits for it. It has nothing but the directory, as user
 * IDS_WORKER_LOG without capabilities, and ends by itself when the producer is gone and the ring is
 * empty.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "log/ring.h"
#include "util/err.h"

struct log_writer {
	const char *dir; /* absolute; made when missing, given to IDS_WORKER_LOG */
	const char *
		passthrough; /* not NULL: no files, but lines with this name in front to standard error */
	bool is_chosen;	    /* by a unit: then it must not hold anything else */
	uint64_t max_bytes; /* LOG_MIN_BYTES or more */
	unsigned max_files; /* 1 to LOG_MAX_FILES */
};

/* Forks the writer; the caller keeps the producer's side of the ring. Touches no disk itself: what
 * goes wrong with the directory shows in log_ring_lost(). Should the writer be killed, the next one
 * goes on where the ring's tail is (the batch under way may be written twice). */
int log_writer_start(struct log_ring *ring, const struct log_writer *writer, pid_t *pid,
		     struct err *err) MUST_CHECK;
