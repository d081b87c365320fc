/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Images on disk. Layout below the store directory (CLEAT_STORE_DIR):
 *   VERSION                                  "1\n"
 *   layers/sha256/<diff id hex>/root/        the unpacked tree, owners as ids.h maps them
 *   layers/sha256/<diff id hex>/complete     completion record, written last (version, digest, bytes, entries)
 *   images/sha256/<manifest digest hex>/     manifest.json config.json facts complete
 *   refs/<percent-encoded reference>         which manifest a name means and which archive file it came from
 *   archives/<percent-encoded file name>     what an archive file of that size and mtime holds
 *   lock                                     fcntl lock of whoever writes (one import at a time)
 *   tmp/                                     work in progress; swept at start
 * A thing exists when its completion record does. Order: files, syncfs of the tree, rename into place, fsync of the
 * folder, completion record (temporary name, fsync, rename). Looking things up only reads small files and is cheap enough for the
 * engine's loop; everything that writes runs in a worker (image/worker.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "image/ref.h"
#include "util/arena.h"
#include "util/err.h"

/* What the engine needs of an image: flat, bounded, written by the worker as a record ("facts"). */
struct store_image {
	char digest[80]; /* manifest */
	const char *user, *workdir, *stop_signal;
	const char **env, **entrypoint, **command, **volumes; /* NULL-terminated */
	const char **layers; /* absolute root/ directories, bottom first */
	/* HEALTHCHECK: Docker's Test, NULL-terminated, empty when there is none; 0: not said */
	const char **health_test;
	uint64_t health_interval_usec, health_timeout_usec, health_start_period_usec,
		health_start_interval_usec, health_retries;
};

struct store; /* open store: directory descriptor and path */
/* Opens; makes the layout when missing and writable. An unknown major version is ERR_UNSUPPORTED, nothing is written.
 * read_only_out tells that nothing can be written there. */
struct store *store_open(const char *path, bool *read_only_out, struct err *err) MUST_CHECK;
void store_close(struct store *store);
/* Finds a complete image: by digest when ref has one, else by name. ERR_NOT_FOUND; ERR_INTEGRITY names the missing or
 * torn layer. source_out (may be NULL): "archive path, size, mtime" it came from, "" when none. */
int store_find(struct store *store, const struct image_ref *ref, struct arena *arena,
	       struct store_image *out, const char **source_out, struct err *err) MUST_CHECK;
/* Is what source_out told still what lies there: same size and mtime of the archive, same mtime of its folder (so
 * nothing was added beside it)? True for "". Two stat calls. */
bool store_source_is_current(const char *source);
