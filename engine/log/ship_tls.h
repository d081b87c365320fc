/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* TLS 1.2 or newer for the shipping connection; the server's certificate and name are always checked. */
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct ship_tls;

/* ca_pem: certificates as PEM text, len without a terminator. */
struct ship_tls *ship_tls_new(const char *host, const char *ca_pem, size_t ca_len,
			      struct err *err) MUST_CHECK;
void ship_tls_free(struct ship_tls *tls);
/* fd does not block. What the next three return: 1 and more: done (bytes), 0: wait for *events (POLLIN, POLLOUT) and call again with the
 * same data, -1. The bytes given to the kernel are added to *sent. */
int ship_tls_handshake(struct ship_tls *tls, int fd, uint64_t *sent, short *events,
		       struct err *err) MUST_CHECK;
int ship_tls_write(struct ship_tls *tls, const void *data, size_t len, short *events,
		   struct err *err) MUST_CHECK;
/* Reads and throws away; 0: nothing there; -1: closed. */
int ship_tls_drain(struct ship_tls *tls, struct err *err) MUST_CHECK;
/* Says goodbye as far as the socket takes it; ready for the next handshake. */
void ship_tls_reset(struct ship_tls *tls);
