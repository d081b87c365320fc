/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The JSON documents of an image (OCI image-spec 1.1 and Docker's schema 2 under its own media types) as plain structs.
 * Pure: bytes and an arena in, structs out. Only the confined worker calls this; documents are hostile. Limits: see below.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/digest.h"
#include "util/err.h"

#define OCI_INDEX_MAX_BYTES (1024 * 1024)
#define OCI_MANIFEST_MAX_BYTES (4 * 1024 * 1024) /* registries' own bound */
#define OCI_CONFIG_MAX_BYTES (4 * 1024 * 1024)
#define OCI_LAYOUT_MAX_BYTES 4096
#define OCI_MAX_DESCRIPTORS 1000
#define OCI_MAX_LAYERS 128    /* builders stop at 127 */
#define OCI_MAX_STRINGS 10000 /* in one list of a config */
#define OCI_MAX_NAMES 2	      /* annotations that name one image */

enum oci_kind {
	OCI_OTHER, /* something else: attestation, chart, artifact */
	OCI_INDEX, /* index or manifest list */
	OCI_MANIFEST,
	OCI_CONFIG,
	OCI_LAYER,
	OCI_LAYER_FOREIGN, /* non-distributable: the blob is elsewhere */
	OCI_LAYER_ENCRYPTED,
};

struct oci_platform {
	const char *os, *architecture, *variant; /* "" when absent */
};

struct oci_descriptor {
	enum oci_kind kind;
	const char *media_type; /* "" when absent */
	const char *digest;	/* valid sha256 */
	uint64_t size;
	bool has_platform;
	struct oci_platform platform;
	const char *names[OCI_MAX_NAMES]; /* NULL when there is none */
	size_t name_count;
};

struct oci_list {
	struct oci_descriptor *items;
	size_t count;
};

struct oci_manifest {
	struct oci_descriptor config;
	struct oci_list layers;
};

struct oci_strings {
	const char **items;
	size_t count;
};

struct oci_config {
	struct oci_platform platform;
	const char *created; /* RFC 3339, or what stands there; "" */
	const char *user, *workdir, *stop_signal;
	struct oci_strings env, entrypoint, command, volumes;
	struct oci_strings diff_ids;
	/* HEALTHCHECK, a field of Docker's that stands in OCI documents, too (BuildKit writes it there);
	 * nothing and zeroes where there is none. Times in microseconds. */
	struct oci_strings health_test;
	uint64_t health_interval_usec, health_timeout_usec, health_start_period_usec,
		health_start_interval_usec, health_retries;
};

/* Text of the file oci-layout: only version 1.x is known. */
/*
 * What a registry served under a name: OCI_INDEX or OCI_MANIFEST, by its own media type, else by what it holds. Schema 1 and everything
 * else: ERR_UNSUPPORTED. At most OCI_MANIFEST_MAX_BYTES.
 */
int oci_document_kind(const char *json, size_t len, enum oci_kind *out, struct err *err) MUST_CHECK;
/* Of an index's manifests the one that fits this machine best, else the first that names no platform; NULL: none. */
const struct oci_descriptor *oci_index_choose(const struct oci_list *list);
int oci_layout_check(const char *json, size_t len, struct err *err) MUST_CHECK;
int oci_index_parse(const char *json, size_t len, struct arena *arena, struct oci_list *out,
		    struct err *err) MUST_CHECK;
int oci_manifest_parse(const char *json, size_t len, struct arena *arena, struct oci_manifest *out,
		       struct err *err) MUST_CHECK;
int oci_config_parse(const char *json, size_t len, struct arena *arena, struct oci_config *out,
		     struct err *err) MUST_CHECK;
/* Layers of manifest and config belong together; ERR_UNSUPPORTED for what this machine cannot run. */
int oci_image_check(const struct oci_manifest *manifest, const struct oci_config *config,
		    struct err *err) MUST_CHECK;
/* Body of the facts record; a layer that occurs twice is listed where it was last, as overlayfs wants. */
void oci_facts_write(const char *digest, const struct oci_config *config, struct buf *out);

/* 0: not for this machine; else the larger the better. */
unsigned oci_platform_rank(const struct oci_platform *platform);
/* "linux/arm64/v8"; out has OCI_PLATFORM_SIZE bytes. */
#define OCI_PLATFORM_SIZE 96
void oci_platform_format(const struct oci_platform *platform, char *out);
const struct oci_platform *oci_platform_here(void);
