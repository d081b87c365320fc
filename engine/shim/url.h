/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The URL of an HTTP or TCP probe, taken apart. Only numeric addresses and localhost: a probe does
 * not depend on name servers. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/err.h"

#define SHIM_URL_MAX 2048u

struct shim_url {
	char host[72];	  /* as it stands in the Host header: brackets kept, port kept */
	const char *path; /* borrowed from the text; "" is "/" */
	struct sockaddr_storage addresses[2]; /* localhost is tried as 127.0.0.1, then ::1 */
	socklen_t lengths[2];
	unsigned count;
};

/* http://HOST[:PORT][/PATH] when is_http, tcp://HOST:PORT otherwise. ERR_INPUT names what is
 * wrong. */
int shim_url_parse(const char *text, bool is_http, struct shim_url *out,
		   struct err *err) MUST_CHECK;
