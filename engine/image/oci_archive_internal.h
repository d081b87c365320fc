/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outer tar, as both readers of it see it (oci_archive.c, docker_archive.c), and how blobs are hashed (oci_layout.c, too). */
#include <archive.h>
#include <stdbool.h>
#include <stdint.h>

#include "image/oci_archive.h"
#include "util/buf.h"
#include "util/digest.h"

static inline void free_reader(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}
#define auto_reader __attribute__((cleanup(free_reader))) struct archive

/* Bytes on their way to a sink, hashed as they pass. */
struct hashing {
	struct sha256 sum;
	oci_archive_sink *sink;
	void *arg;
};
/* The sink to call with h in place of this one; h and arg are borrowed. */
oci_archive_sink *hashing_begin(struct hashing *h, oci_archive_sink *sink, void *arg);
/* ERR_INTEGRITY: another digest. again: what is to be copied anew. */
int hashing_end(struct hashing *h, const char *digest, const char *again,
		struct err *err) MUST_CHECK;

struct tar_member {
	const char *name; /* without "./", until the next member; NULL: the archive's end */
	const char *link; /* target of a symlink or hard link; NULL */
	uint64_t size;
	bool is_file, is_symlink;
};

/* From the first member on. NULL with the reason. */
struct archive *tar_start(const struct oci_archive *archive, struct err *err) MUST_CHECK;
/* seen counts members for the bound. A regular file whose data would end behind the archive is ERR_INTEGRITY. */
int tar_next(const struct oci_archive *archive, struct archive *a, unsigned *seen,
	     struct tar_member *out, struct err *err) MUST_CHECK;
/* Data of the current member through the sink; exactly size bytes without holes. */
int tar_read_data(struct archive *a, uint64_t size, oci_archive_sink *sink, void *arg,
		  struct err *err) MUST_CHECK;
int tar_sink_buf(const void *data, size_t len, void *arg, struct err *err); /* into a struct buf */
/* A small document; ERR_INPUT when out has one already. */
int tar_read_small(struct archive *a, const struct tar_member *member, size_t max, struct buf *out,
		   struct err *err) MUST_CHECK;
/* The current member as a blob: size and digest are checked. */
int tar_stream_member(struct archive *a, const struct tar_member *member, const char *digest,
		      uint64_t size_bytes, oci_archive_sink *sink, void *arg,
		      struct err *err) MUST_CHECK;
