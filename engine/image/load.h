/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Images from an archive that somebody names ("cleat load"): OCI archive, OCI layout directory, Docker's archive; a pipe or a file
 * compressed as a whole, too. The calling process is the coordinator: it blocks until all is in the store, starts the same confined workers
 * as an import (image/worker.h), and must be root.
 */
#include <stdint.h>

#include "image/store.h"
#include "util/err.h"

struct image_load {
	struct store *store; /* open and locked: store_take() */
	int fd;		     /* the archive, borrowed */
	/* name NULL: the archive gives the image none. */
	void (*loaded)(const char *name, const char *manifest_digest, void *arg);
	void (*passed_over)(const char *image, const char *why,
			    void *arg); /* an image that cannot be used here */
	void (*progress)(uint64_t done_bytes, uint64_t total_bytes, void *arg); /* may be NULL */
	void *arg;
};
/* -1 with what was wrong; what was loaded before stays. An archive without a single usable image is an error, too. */
int image_load(const struct image_load *load, struct err *err) MUST_CHECK;
