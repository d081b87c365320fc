/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An OCI archive: a plain tar with oci-layout, index.json and blobs/sha256/HEX in any order ("./" before the names is
 * fine). Read through a seekable descriptor; every look-up walks the headers and skips the data. Nothing that a header
 * says is believed beyond the end of the file, and no blob is handed on without its digest having been checked.
 * Two other forms look the same from here: a layout that is a directory ("oci:", oci_layout.c), and Docker's older archive
 * ("docker save", docker_archive.c), for which index and manifests are written as they would have been.
 * ERR_INTEGRITY: torn or damaged; ERR_UNSUPPORTED: another format, with what to do. Only for the confined worker.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define OCI_ARCHIVE_MAX_ENTRIES 100000

struct oci_archive {
	int fd;		     /* borrowed, regular file or directory */
	bool is_layout;	     /* a directory */
	uint64_t size_bytes; /* of the file */
};

/* Refuses compressed files by what their first bytes say. */
int oci_archive_open(int fd, struct oci_archive *out, struct err *err) MUST_CHECK;
/* index.json, after a check that this is an OCI layout and not Docker's older format. */
int oci_archive_read_index(const struct oci_archive *archive, struct buf *out,
			   struct err *err) MUST_CHECK;
/* A whole blob, digest and size verified. ERR_NOT_FOUND. */
int oci_archive_read_blob(const struct oci_archive *archive, const char *digest,
			  uint64_t size_bytes, size_t max, struct buf *out,
			  struct err *err) MUST_CHECK;
/* A blob piece by piece; the digest is known only at the end: what went to the sink before an error is not to be used. */
typedef int oci_archive_sink(const void *data, size_t len, void *arg, struct err *err);
int oci_archive_stream_blob(const struct oci_archive *archive, const char *digest,
			    uint64_t size_bytes, oci_archive_sink *sink, void *arg,
			    struct err *err) MUST_CHECK;
