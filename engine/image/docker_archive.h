/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Docker's older archive ("docker save", "podman save", skopeo's docker-archive:, jib, ko): manifest.json lists images as
 * {Config, RepoTags, Layers} by member names; there are no digests but the diff ids in the config. It is shown as the OCI layout that it
 * could have been: an index, for each image a schema 2 manifest with plain layers under their diff ids and compressed ones under
 * the digest of their bytes. The same bytes each time, so that the manifest's digest names the image.
 * Bounds: manifest.json 1 MiB, 100 images, 32 names each, 128 layers, 16 MiB of configs, 32 MiB for the list of members.
 */
#include <stddef.h>
#include <stdint.h>

#include "image/oci_archive.h"
#include "util/arena.h"

#define DOCKER_MAX_IMAGES 100
#define DOCKER_MAX_TAGS 32

struct docker_image {
	const char *config;
	const char **tags, **layers; /* NUL-terminated texts in the arena; bottom layer first */
	size_t tag_count, layer_count;
};
struct docker_manifest {
	struct docker_image *images;
	size_t count;
};

/* The text of manifest.json. Pure. */
int docker_manifest_parse(const char *json, size_t len, struct arena *arena,
			  struct docker_manifest *out, struct err *err) MUST_CHECK;
/* As oci_archive_read_index and oci_archive_stream_blob. A short name "app:1" is Docker's docker.io/library/app:1 and stays readable as
 * app:1. */
int docker_archive_read_index(const struct oci_archive *archive, struct buf *out,
			      struct err *err) MUST_CHECK;
int docker_archive_stream_blob(const struct oci_archive *archive, const char *digest,
			       uint64_t size_bytes, oci_archive_sink *sink, void *arg,
			       struct err *err) MUST_CHECK;
