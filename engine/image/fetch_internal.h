/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cleat fetch: what its two ways share, and how the coordinator gives orders to the one that asks registries.
 *
 *   cleat fetch registry REF RETRIES COMPARE-RETRIES DELAY-USEC [DIGEST...]
 *
 * reads the bundle of pull_config_gather() from descriptor 0, goes into descriptor 4 as its root folder, and tells, a line each:
 * "note TEXT" for what the bundle's files say that is not acted on, "candidate NAME" for every name that REF may mean; then it waits for FETCH_ORDER_GO. "unchanged DIGEST" ends it when what REF means
 * now is among the digests given (the caller has that already; COMPARE-RETRIES are of the request that asks this). Else the image's description as an archive's, with "name", "from" and
 * "index" in front and "ready" behind; then FETCH_ORDER_LAYER, each with a pipe, until the orders end: "layer-bytes N BYTES",
 * "layer-done N", "layer-failed N CODE TEXT", "layer-left N" (nobody read the pipe to its end).
 */
#include <stdint.h>
#include <sys/types.h>

#include "image/oci.h"
#include "util/buf.h"
#include "util/err.h"

#define FETCH_FD_ORDERS 3 /* SOCK_SEQPACKET */
#define FETCH_FD_ROOT 4
#define FETCH_PARALLEL 2 /* layers at a time */
#define FETCH_MAX_KNOWN 4
#define FETCH_MAX_CANDIDATES 16
#define FETCH_MAX_NOTES 16

struct fetch_order {
	uint32_t verb, layer; /* counted from the bottom, 0 */
};
enum fetch_verb {
	FETCH_ORDER_GO = 1,
	FETCH_ORDER_LAYER, /* one descriptor comes with it: a pipe's end for writing */
};

/* Manifest and config, verified already, as lines: documents, layers, facts. */
int fetch_describe(const char *digest, const char *manifest_json, size_t manifest_length,
		   const char *config_json, size_t config_length, struct buf *out,
		   struct err *err) MUST_CHECK;
/* The whole life of the process but for its last line. parent as in worker_die_with(). */
int fetch_registry(int argc, char **argv, pid_t parent, struct err *err) MUST_CHECK;
