/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where a URL leads, and whether a redirect may lead there: pure functions. */
#include <curl/curl.h>

#include "image/transport.h"

struct transport_site {
	bool is_secure;
	char host[256]; /* without brackets, lower case */
	char port[6];
};

/* http and https only, without user and password. */
int transport_site_of(CURLU *url, struct transport_site *out, struct err *err) MUST_CHECK;
bool transport_site_same(const struct transport_site *a, const struct transport_site *b);
/* "https://registry.example:5000": for messages, where the rest of a URL may hold a signature. */
void transport_site_format(const struct transport_site *site, char out[TRANSPORT_SITE_SIZE]);
/* The URL that a Location header means, relative to where it came from. Caller: curl_url_cleanup(). NULL: refused. */
CURLU *transport_redirect(CURLU *from, const char *location, bool insecure,
			  struct err *err) MUST_CHECK;
const char *address_scope_name(enum address_scope scope);

/* One header line, without its end, into the response; lines that say nothing to us are passed over. */
void transport_read_header(struct transport_response *response, bool *chunked, const char *line,
			   size_t length);
