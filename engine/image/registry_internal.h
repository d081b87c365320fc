/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A call: one thing asked of one endpoint, until there is an answer or no hope of one. Between it and transport stand what a
 * registry may want first (a token, a password, http where https does not answer) and patience (back-off, Retry-After).
 */
#include "image/registry.h"
#include "image/token.h"
#include "image/transport.h"

struct call;

/* err NULL: a 2xx answer whose body was taken and checked. Called once; the call is gone afterwards. */
typedef void call_done_fn(void *arg, const struct transport_response *response,
			  const struct err *err);

struct call_request {
	const struct pull_endpoint *endpoint; /* borrowed */
	const char *path;		      /* behind "/v2/REPOSITORY/"; copied */
	const char *accept;		      /* borrowed; NULL: anything */
	bool head_only;
	unsigned retries;
	uint64_t deadline_usec; /* of each try; 0: none */
	uint64_t (*restart)(
		void *arg); /* before each try: forget what came, or say from which byte on to ask */
	transport_head_fn *head;
	transport_body_fn *body;
	/* Is all there? 0: yes; ERR_BUSY: not yet; other errors are final. NULL: when the answer ends. */
	int (*check)(void *arg, struct err *err);
	call_done_fn *done;
	void *arg;
};

/* What is known about a host. */
struct registry_site {
	struct registry_site *next;
	const char *host;
	bool scheme_is_known, is_secure, takes_basic;
};

struct registry {
	struct transport *transport;
	struct registry_limits limits;
	struct token_cache tokens;
	struct arena arena; /* of the sites */
	struct registry_site *sites;
	struct call *calls;		     /* owned */
	struct registry_transfer *transfers; /* owned; oldest first */
	unsigned active;		     /* transfers that have a call */
};

/* Never calls back before the next turn: even what fails at once. */
struct call *call_start(struct registry *registry, const struct call_request *request);
void call_cancel(struct call *call); /* done is not called */
void call_resume(struct call *call);
void calls_wake(struct registry *registry);		   /* starts what is due */
uint64_t calls_next_usec(const struct registry *registry); /* UINT64_MAX: nothing waits */

void transfers_start(struct registry *registry); /* from the queue, up to limits.parallel */
void transfers_free(struct registry *registry);	 /* their calls are over */
struct registry_transfer *transfer_next(const struct registry_transfer *transfer);
