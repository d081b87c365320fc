/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An OCI layout that is a directory: oci-layout, index.json, blobs/sha256/HEX as regular files. Names are opened beneath the
 * directory without following links. The confined worker sees nothing else: oci_layout_enter() makes it its root.
 */
#include <stdint.h>

#include "image/oci_archive.h"

/* Before the worker gives up its rights (CAP_SYS_CHROOT): dir_fd becomes root and working directory. */
int oci_layout_enter(int dir_fd, struct err *err) MUST_CHECK;
int oci_layout_read_index(int dir_fd, struct buf *out, struct err *err) MUST_CHECK;
int oci_layout_stream_blob(int dir_fd, const char *digest, uint64_t size_bytes,
			   oci_archive_sink *sink, void *arg, struct err *err) MUST_CHECK;
