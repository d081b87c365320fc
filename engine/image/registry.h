/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The client of OCI distribution 1.1 and Docker registry v2, on libcurl (HTTP and HTTPS only, Mbed TLS). Runs in the confined
 * fetch worker only: sockets, no files. One thread, one curl_multi. Everything that comes in is bounded and checked by
 * digest; whatever a registry says wrong is an error that names registry and digest.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/oci.h"
#include "image/pull_config.h"
#include "util/arena.h"
#include "util/err.h"

struct registry_limits {
	uint64_t manifest_max_bytes; /* 4 MiB */
	unsigned redirect_max;	     /* 5 */
	unsigned retries;	     /* of one request: Retry=, podman's default 3 */
	uint64_t retry_delay_usec; /* first pause, doubled each time with jitter; Retry-After wins, at most 5 min */
	uint64_t connect_timeout_usec; /* 30 s */
	uint64_t stall_timeout_usec;   /* 30 s below stall_bytes_per_sec */
	uint64_t compare_timeout_usec; /* 10 s: a whole registry_head() of one endpoint, whatever the network swallows */
	uint64_t stall_bytes_per_sec; /* a drip is not a transfer */
	uint64_t layer_max_bytes;     /* compressed */
	unsigned parallel;	      /* layers at a time */
};

struct registry; /* connections, tokens, limits */
/* config is borrowed and outlives it; NULL: no CA certificates, no proxy. limits NULL: the defaults above; 0 in one of them means its
 * default, but for redirect_max, retries and retry_delay_usec. */
struct registry *registry_open(const struct pull_config *config,
			       const struct registry_limits *limits, struct err *err) MUST_CHECK;
void registry_close(struct registry *registry); /* transfers end without their done; NULL is fine */

struct registry_layer {
	char digest[80]; /* of the compressed bytes */
	uint64_t bytes;
	char media_type[128];
};

/* A resolved image: which manifest for which platform; bytes as they came. Everything in the arena. */
struct registry_image {
	struct image_ref ref;  /* what was resolved: fully qualified */
	const char *from;      /* "registry.example:5000/team/app", the endpoint that answered */
	size_t endpoint;       /* its index, for layers */
	char index_digest[80]; /* "" when the name meant a manifest directly */
	char manifest_digest[80];
	const char *manifest, *config; /* verified by digest */
	size_t manifest_length, config_length;
	char config_digest[80];
	struct registry_layer *layers; /* bottom first */
	size_t layer_count;
};

/*
 * Asks the candidate's endpoints in turn (a mirror that lacks it is passed over) for manifest or index, chooses by platform (oci.h),
 * fetches manifest and config, and checks that they belong together. Blocking; transfers go on meanwhile; calls tick (may be NULL) at least each second, which ends it by returning false.
 * ERR_NOT_FOUND: no such name or tag; ERR_INPUT: 401 or 403 after what auth.json says, the message says how to log in;
 * ERR_UNSUPPORTED: schema 1, foreign or encrypted layers, by name; ERR_INTEGRITY; ERR_BUSY (worth a retry later: network, 5xx, 429).
 */
int registry_resolve(struct registry *registry, const struct pull_candidate *candidate,
		     bool (*tick)(void *arg), void *arg, struct arena *arena,
		     struct registry_image *out, struct err *err) MUST_CHECK;
/* Only the digest that a tag means now (HEAD, or GET where HEAD is not served): Pull=newer, auto-update. retries in place of
 * limits.retries: who has an image to fall back on asks once. */
int registry_head(struct registry *registry, const struct pull_candidate *candidate,
		  unsigned retries, char digest_out[80], struct err *err) MUST_CHECK;

/* Where a layer's bytes go: returns how many were taken, 0 for "not now" (the transfer pauses until registry_resume), -1 to give up. */
typedef ssize_t registry_sink_fn(void *arg, const void *data, size_t length);
/* The end: err NULL when length and digest were right. Called once per started layer. */
typedef void registry_done_fn(void *arg, const struct err *err);

/* Queues a layer; at most limits.parallel run at a time. candidate is borrowed until done; the transfer is gone when done returns. Broken transfers go on where they were (Range), restarting from 0 is not
 * possible once bytes were taken: a server without Range re-reads and drops what is there already. */
struct registry_transfer;
struct registry_transfer *registry_fetch(struct registry *registry,
					 const struct pull_candidate *candidate,
					 const struct registry_image *image, size_t layer,
					 registry_sink_fn *sink, registry_done_fn *done, void *arg,
					 struct err *err) MUST_CHECK;
void registry_resume(struct registry_transfer *transfer); /* the sink has room again */

/* One turn of the loop: waits at most timeout_ms (and at most a second) for the network or for the caller's descriptors (at most 64;
 * events and revents as for poll(2), errors included), moves bytes, calls sinks and ends, from where registry_fetch and
 * registry_resume may be called, nothing else of this header. *running_out: transfers that are not over. */
struct pollfd;
int registry_turn(struct registry *registry, struct pollfd *extra, unsigned extra_count,
		  int timeout_ms, unsigned *running_out, struct err *err) MUST_CHECK;
