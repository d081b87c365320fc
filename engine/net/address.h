/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* "127.0.0.1:80", "[::1]:80": numeric addresses with a port, never a name. */
#include <sys/socket.h>

#include "util/err.h"

struct net_address {
	struct sockaddr_storage storage;
	socklen_t length;
	const char *text; /* borrowed from the argument */
};
int net_address_parse(const char *text, struct net_address *out, struct err *err) MUST_CHECK;
