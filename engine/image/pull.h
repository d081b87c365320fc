/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is asked of an import (image/worker.h): which images, and how each may be had. Travels as flat text (image/flat.h) in a
 * sealed memory file, so that passwords are in no process's argument list. The rules of Pull= are here, as pure functions.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/ref.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define PULL_MAX_WANTS 1024
#define PULL_MAX_KEEPS 8192
#define PULL_REQUEST_MAX_BYTES (4 * 1024 * 1024)
#define PULL_DEFAULT_RETRIES 3 /* podman's */
#define PULL_MAX_RETRIES 100
#define PULL_DEFAULT_RETRY_DELAY_USEC UINT64_C(1000000)

/* In the order of enum in container_spec.pull. */
enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEVER, PULL_NEWER };

struct pull_want {
	const char *ref;  /* the name under which it has to be in the store */
	const char *from; /* what to ask a registry for; NULL: ref */
	enum pull_policy policy;
	const char *auth_file, *creds, *cert_dir; /* NULL: not given; see image/pull_config.h */
	bool tls_verify_given, tls_verify;
	unsigned retries;	   /* of one request */
	uint64_t retry_delay_usec; /* before the first one; doubles */
	/* only whether an archive, or with PULL_ALWAYS the registry, means another by it: nothing is taken, IMPORT_NEWER says which */
	bool only_asks;
};

struct pull_request {
	struct pull_want *wants;
	size_t want_count;
	const char **keeps; /* names that must not be collected when space runs low */
	size_t keep_count;
	const char *config_dir;				 /* NULL: CLEAT_CONFIG_DIR */
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL: none */
};

#define PULL_WANT_INIT(name)                                                        \
	{                                                                           \
		.ref = (name), .tls_verify = true, .retries = PULL_DEFAULT_RETRIES, \
		.retry_delay_usec = PULL_DEFAULT_RETRY_DELAY_USEC                   \
	}

/* -1: it does not fit (ERR_LIMIT). */
int pull_request_write(const struct pull_request *request, struct buf *out,
		       struct err *err) MUST_CHECK;
/* text is modified; strings go to the arena. ERR_INTEGRITY: not what the function above writes. */
int pull_request_read(char *text, size_t length, struct arena *arena, struct pull_request *out,
		      struct err *err) MUST_CHECK;

/* "missing", "always", "never", "newer", in any case, as podman. */
bool pull_policy_parse(const char *text, enum pull_policy *out);

/* Names that no registry is asked for: "localhost/...". */
bool pull_is_local_name(const struct image_ref *ref);

enum pull_step {
	PULL_STEP_STORE,   /* what is in the store is it; no network */
	PULL_STEP_ASK,	   /* not in the store: pull */
	PULL_STEP_COMPARE, /* in the store: pull when the registry means another digest by it */
	PULL_STEP_NONE,	   /* not in the store, and nobody may be asked */
};
/* No archive has it. A reference with a digest that is in the store never needs the network, whatever the policy: what it means
 * cannot change. */
enum pull_step pull_decide(enum pull_policy policy, const struct image_ref *ref, bool in_store);
/* After a failed pull: is what lies in the store taken all the same? podman's rule: newer yes, always no. */
bool pull_falls_back(enum pull_policy policy, bool in_store);
/* May the same succeed later without anybody's doing? */
bool pull_is_worth_retry(enum err_code code);

/* "pulling 34.1/175 MB, layer 2 of 4, 12.3 MB/s"; rate 0: not known yet. */
void pull_progress_text(const char *verb, uint64_t done_bytes, uint64_t total_bytes, unsigned layer,
			unsigned layers, uint64_t bytes_per_sec, char *out, size_t size);
