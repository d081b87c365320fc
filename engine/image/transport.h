/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP exchanges with hosts that are not trusted: one curl_multi, and our policy over it. One thread; only transport_turn() waits.
 *
 * Redirects are followed here and not by curl: at most redirect_max, never to another scheme than http and https, from https to http
 * only for an insecure endpoint, never with Authorization once the scheme, host or port has changed, and never to an address that is
 * nearer to us than the one that answered first (address_may_follow). curl's own limits on headers stand behind ours.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/pull_config.h"
#include "util/err.h"

/* How near an address is. UNKNOWN: not looked at yet, or behind a proxy. */
enum address_scope {
	ADDRESS_UNKNOWN,
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE,    /* RFC 1918, RFC 6598, fc00::/7 */
	ADDRESS_LOOPBACK,   /* 127.0.0.0/8, ::1 */
	ADDRESS_LINK_LOCAL, /* 169.254.0.0/16 (where clouds keep their metadata), fe80::/10 */
	ADDRESS_NEVER,	    /* multicast, broadcast, unspecified, reserved */
};

struct sockaddr;
enum address_scope address_scope_of(const struct sockaddr *address);
/* Of the host part of a URL: a literal with or without brackets, "localhost"; every other name is taken for public. */
enum address_scope address_scope_of_host(const char *host);
/* May a host of one scope send us to another? Public anywhere; private from private and loopback; else only the same; never NEVER. */
bool address_may_follow(enum address_scope from, enum address_scope to);

#define TRANSPORT_URL_MAX_BYTES 8192
#define TRANSPORT_SITE_SIZE 280
#define TRANSPORT_HEAD_MAX_BYTES \
	65536 /* all header lines of one answer, interim answers included */
#define TRANSPORT_HEAD_MAX_LINES 200
#define TRANSPORT_MAX_DESCRIPTORS 64 /* of the caller, in one turn */

struct transport_policy {
	unsigned redirect_max;
	uint64_t connect_timeout_usec; /* names, TCP and TLS together; a lookup of names blocks (musl: at most 5 s) */
	uint64_t stall_timeout_usec; /* fewer than stall_bytes_per_sec on average over this time: over */
	uint64_t stall_bytes_per_sec;
};

/* The answer's head, and the first bytes of the body when it is no success. Valid while the callback runs. */
struct transport_response {
	int status;	 /* 0: there was none */
	bool is_secure;	 /* the first host answered over https */
	bool has_length; /* Content-Length */
	uint64_t length;
	bool has_range;			   /* Content-Range: bytes FIRST-LAST/TOTAL */
	uint64_t range_first, range_total; /* total UINT64_MAX: "*" */
	char content_type[128];
	char digest[80];      /* Docker-Content-Digest where it is a sha256, else "" */
	char challenge[4096]; /* every WWW-Authenticate, with ", " between; "" */
	char location[TRANSPORT_URL_MAX_BYTES];
	uint64_t retry_after_usec; /* 0: none */
	char error_text[4096];	   /* body of a status >= 400, not terminated */
	size_t error_length;
	enum address_scope scope;	     /* of the host asked first: the measure for others */
	char elsewhere[TRANSPORT_SITE_SIZE]; /* "https://store:443": redirected to; "": nowhere */
};

/* The end of a transfer of headers with a 2xx status, before its body: -1 ends the exchange with err. */
typedef int transport_head_fn(void *arg, const struct transport_response *response,
			      struct err *err);
/* Bytes of a body with a 2xx status: how many were taken, 0 for "not now" (until transport_resume), -1 to end with err. */
typedef ssize_t transport_body_fn(void *arg, const void *data, size_t length, struct err *err);
/*
 * The end, called once. err NULL: a complete answer, of whatever status. Else response->status may be 0, and unanswered says that
 * not even TLS was spoken. ERR_BUSY: network, worth another try; all others are final. May start and cancel exchanges.
 */
typedef void transport_done_fn(void *arg, const struct transport_response *response,
			       bool unanswered, const struct err *err);

struct transport_request {
	const char *url;
	const char *accept;	   /* NULL: anything */
	const char *authorization; /* value of the header; NULL: none */
	const char *form;	/* a body to POST, application/x-www-form-urlencoded; NULL: GET */
	bool head_only;		/* HEAD */
	uint64_t range_first;	/* 0: everything */
	uint64_t deadline_usec; /* for the whole exchange from now on; 0: none */
	/* Whose rules: insecure, CA certificates; its client certificate is shown to its own host only. Borrowed. */
	const struct pull_endpoint *endpoint;
	/* UNKNOWN: the URL is the operator's. Else somebody named it whose address has this scope, and the first hop is checked too. */
	enum address_scope named_by;
	transport_head_fn *head; /* NULL: everything is fine */
	transport_body_fn *body;
	transport_done_fn *done;
	void *arg;
};

struct transport;
struct exchange;
struct pollfd;

/* config NULL: no CA certificates, no proxies. Borrowed, as policy's values are copied. */
struct transport *transport_open(const struct transport_policy *policy,
				 const struct pull_config *config, struct err *err) MUST_CHECK;
void transport_close(
	struct transport *transport); /* ends all exchanges, their done is not called; NULL is fine */
/* Strings are copied. Nothing is sent before the next turn. The exchange lives until its done returns. */
struct exchange *transport_start(struct transport *transport,
				 const struct transport_request *request,
				 struct err *err) MUST_CHECK;
void transport_resume(struct exchange *exchange); /* takes effect in the next turn */
void transport_cancel(struct exchange *exchange); /* done is not called; not from head or body */
/*
 * Waits at most timeout_ms for the network or for the caller's descriptors (at most TRANSPORT_MAX_DESCRIPTORS, revents as poll(2)
 * sets them), then moves bytes and calls back.
 */
int transport_turn(struct transport *transport, struct pollfd *extra, unsigned extra_count,
		   int timeout_ms, struct err *err) MUST_CHECK;
