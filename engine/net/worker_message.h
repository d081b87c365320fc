/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The engine's requests to "cleat net" as bytes: see worker.h. Nothing is taken for granted about them. */
#include "net/worker.h"
#include "util/buf.h"

/* Of the whole request with the largest arrays. */
#define NET_REQUEST_MAX                                                             \
	(sizeof(struct net_request) + NET_MAX_BRIDGES * sizeof(struct net_bridge) + \
	 NET_MAX_ENDPOINTS * sizeof(struct net_endpoint) +                          \
	 NET_MAX_PORTS * sizeof(struct net_port))

/* wanted NULL: no arrays. */
int net_request_encode(enum net_request_kind kind, uint32_t generation,
		       const struct net_wanted *wanted, struct buf *out,
		       struct err *err) MUST_CHECK;
/* Checks everything: names, numbers, references, duplicates. The arrays are the caller's: net_wanted_fini(). *head is filled in as soon as
 * there is one, so that a refusal can be answered. */
int net_request_decode(const void *data, size_t len, struct net_request *head,
		       struct net_wanted *out, struct err *err) MUST_CHECK;
void net_wanted_fini(struct net_wanted *wanted);
