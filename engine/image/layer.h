/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A layer's tar stream becomes a directory tree that overlayfs (mounted with userxattr) can use. Everything happens beneath
 * one directory descriptor: parents are resolved as if it were "/" (so a link lib -> usr/lib inside the layer works, and no
 * link leads out), the last part of a name is never followed, ".." is refused. Names beginning with "/" or "./" are
 * relative to the root, as every engine reads them (distroless and kaniko images have them).
 *
 * Whiteouts: .wh.NAME becomes character device 0/0 (allowed without privilege since Linux 5.8), .wh..wh..opq becomes
 * user.overlay.opaque=y; other .wh..wh.* is AUFS bookkeeping and left out. They speak of lower layers only: what the same
 * layer holds stays. user.* (but user.overlay.*) and security.capability are kept, other extended attributes left out.
 * Devices cannot be made here and would be hidden by the container's /dev: left out. What is left out is counted.
 */
#include <stdbool.h>
#include <stdint.h>

#include "image/inflate.h"
#include "util/err.h"

#define LAYER_NAME_MAX_BYTES 4095
#define LAYER_MAX_DEPTH 1000
#define LAYER_DEFAULT_MAX_ENTRIES 1000000
#define LAYER_MAX_FOLDER_BYTES \
	(64 * 1024 * 1024) /* names of folders, kept until their times are set */

struct layer_options {
	uint64_t max_entries; /* files and folders made, implied parents too */
	bool set_owner;	      /* false: owners and file capabilities are not set (no privilege) */
	bool is_plain;	      /* no layer but a tree: .wh. names are names like others */
};

struct layer_counts {
	uint64_t entries, data_bytes;
	uint64_t whiteouts, devices_left_out, sockets_left_out, xattrs_left_out, aufs_left_out;
};

/* Unpacks all of in beneath root_fd (a directory that nobody else writes to). ERR_INPUT names the offending member.
 * What was made before an error stays: the caller removes the tree. */
int layer_unpack(int root_fd, struct inflate *in, const struct layer_options *options,
		 struct layer_counts *counts, struct err *err) MUST_CHECK;

/* A member's name without leading "/" and "./", doubled slashes and "." parts; "" is the root itself. */
int layer_clean_name(const char *name, char out[LAYER_NAME_MAX_BYTES + 1],
		     struct err *err) MUST_CHECK;
