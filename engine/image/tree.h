/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A tree of a container's files (a volume) from and to a tar archive. Owners, modes, times, hard links, holes, user.* attributes and file
 * capabilities are kept; ids in the archive are the container's own, so that it means the same to podman and on another appliance.
 */
#include <stdint.h>

#include "image/layer.h"

#define UNPACK_TREE "-" /* in place of a diff id: "cleat unpack" makes a tree, no layer */
#define TREE_MAX_ENTRIES 4000000u
#define TREE_MAX_LINKED 1000000u /* files with several names */

/* Unpacks in_fd (tar, plain or gzip or zstd) beneath the empty directory root_fd by "cleat unpack", the confined worker of
 * image/worker.h, which sees nothing else. ERR_INPUT and ERR_INTEGRITY name the member. What was made before an error stays. counts:
 * devices, sockets and attributes that were left out. Blocks. */
int tree_unpack(int in_fd, int root_fd, uint64_t max_bytes, struct layer_counts *counts,
		struct err *err) MUST_CHECK;

struct tree_counts {
	uint64_t entries, sockets_left_out, devices_left_out;
	uint64_t foreign_left_out; /* owners without a place in the map; what lies below is judged by its own */
	char foreign[128]; /* the first of them */
};

/* Writes the tree beneath root_fd to out_fd, a POSIX (pax) tar; names sorted, so equal trees make equal archives. No link is
 * followed, no other file system entered. The caller may be confined already: no path is opened. Who writes to the tree meanwhile gets
 * a mixture of before and after into the archive; a file that shrinks meanwhile is filled with zeros. Blocks. */
int tree_pack(int root_fd, int out_fd, struct tree_counts *counts, struct err *err) MUST_CHECK;
