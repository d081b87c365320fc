/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an exchange may go, and what its headers say: pure functions over URLs, addresses and header lines. Whoever serves us
 * writes all of them. Must never print more of a URL than its host: signed addresses are passwords.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "image/transport_internal.h"
#include "util/bytes.h"
#include "util/digest.h"
#include "util/str.h"

#define RETRY_AFTER_MAX_SEC (24 * 60 * 60)

/* First match counts. Host byte order. */
static const struct {
	uint32_t address;
	unsigned bits;
	enum address_scope scope;
} v4_ranges[] = {
	{ 0x00000000, 8, ADDRESS_NEVER },	/* "this network" */
	{ 0x0a000000, 8, ADDRESS_PRIVATE },	/* 10.0.0.0 */
	{ 0x64400000, 10, ADDRESS_PRIVATE },	/* 100.64.0.0: carriers, overlay networks */
	{ 0x7f000000, 8, ADDRESS_LOOPBACK },	/* 127.0.0.0 */
	{ 0xa9fe0000, 16, ADDRESS_LINK_LOCAL }, /* 169.254.0.0 */
	{ 0xac100000, 12, ADDRESS_PRIVATE },	/* 172.16.0.0 */
	{ 0xc0000000, 24, ADDRESS_PRIVATE },	/* 192.0.0.0: protocol assignments */
	{ 0xc0a80000, 16, ADDRESS_PRIVATE },	/* 192.168.0.0 */
	{ 0xe0000000, 3, ADDRESS_NEVER },	/* multicast, reserved, broadcast */
};

static enum address_scope scope_of_v4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(v4_ranges) / sizeof(v4_ranges[0]); i++)
		if ((address ^ v4_ranges[i].address) >> (32 - v4_ranges[i].bits) == 0)
			return v4_ranges[i].scope;
	return ADDRESS_PUBLIC;
}

static enum address_scope scope_of_v6(const uint8_t a[16])
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b }, zeros[16];

	if (memcmp(a, zeros, 10) == 0 && a[10] == 0xff && a[11] == 0xff)
		return scope_of_v4(get_be32(a + 12)); /* mapped */
	if (memcmp(a, zeros, 15) == 0)
		return a[15] == 1 ? ADDRESS_LOOPBACK : ADDRESS_NEVER;
	if (memcmp(a, zeros, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return scope_of_v4(get_be32(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02)
		return scope_of_v4(get_be32(a + 2)); /* 6to4 */
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return ADDRESS_LINK_LOCAL;
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0))
		return ADDRESS_PRIVATE;
	return a[0] == 0xff ? ADDRESS_NEVER : ADDRESS_PUBLIC;
}

enum address_scope address_scope_of(const struct sockaddr *address)
{
	/* memcpy: curl hands up a structure of bytes */
	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, address, sizeof(v4));
		return scope_of_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, address, sizeof(v6));
		return scope_of_v6(v6.sin6_addr.s6_addr);
	}
	return ADDRESS_NEVER;
}

enum address_scope address_scope_of_host(const char *host)
{
	char text[INET6_ADDRSTRLEN + 1];
	size_t length = strlen(host);
	uint8_t bytes[16];

	if (strcasecmp(host, "localhost") == 0 ||
	    (length > 10 && strcasecmp(host + length - 10, ".localhost") == 0))
		return ADDRESS_LOOPBACK;
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	length = strcspn(host, "%]") < length ? strcspn(host, "%]") : length; /* a zone */
	if (length >= sizeof(text))
		return ADDRESS_PUBLIC;
	memcpy(text, host, length);
	text[length] = '\0';
	if (inet_pton(AF_INET, text, bytes) == 1)
		return scope_of_v4(get_be32(bytes));
	return inet_pton(AF_INET6, text, bytes) == 1 ? scope_of_v6(bytes) : ADDRESS_PUBLIC;
}

bool address_may_follow(enum address_scope from, enum address_scope to)
{
	if (to == ADDRESS_NEVER || to == ADDRESS_UNKNOWN)
		return false;
	if (to == ADDRESS_PUBLIC || to == from)
		return true;
	return to == ADDRESS_PRIVATE && from == ADDRESS_LOOPBACK;
}

const char *address_scope_name(enum address_scope scope)
{
	switch (scope) {
	case ADDRESS_PUBLIC:
		return "public";
	case ADDRESS_PRIVATE:
		return "private";
	case ADDRESS_LOOPBACK:
		return "loopback";
	case ADDRESS_LINK_LOCAL:
		return "link-local";
	case ADDRESS_NEVER:
		return "reserved";
	case ADDRESS_UNKNOWN:
		break;
	}
	return "unknown";
}

/* A part of a URL, lower-cased; false when there is none or it does not fit. */
static bool url_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
	char *text = NULL;
	bool fits = false;

	if (curl_url_get(url, part, &text, flags) == CURLUE_OK)
		fits = str_copy(out, size, text);
	curl_free(text);
	if (!fits)
		return false;
	for (; *out; out++)
		if (*out >= 'A' && *out <= 'Z')
			*out = (char)(*out - 'A' + 'a');
	return true;
}

int transport_site_of(CURLU *url, struct transport_site *out, struct err *err)
{
	char scheme[32], user[8];
	size_t length;

	*out = (struct transport_site){ 0 };
	if (!url_part(url, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)))
		return err_set(err, ERR_INPUT, "address without scheme");
	out->is_secure = str_eq(scheme, "https");
	if (!out->is_secure && !str_eq(scheme, "http"))
		return err_set(err, ERR_INPUT, "scheme %s is not followed, only https and http",
			       scheme);
	if (!url_part(url, CURLUPART_HOST, 0, out->host, sizeof(out->host)) || *out->host == '\0')
		return err_set(err, ERR_INPUT, "address without a host of at most 255 bytes");
	if (!url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof(out->port)))
		return err_set(err, ERR_INPUT, "address of %.100s without port", out->host);
	if (url_part(url, CURLUPART_USER, 0, user, sizeof(user)) ||
	    url_part(url, CURLUPART_PASSWORD, 0, user, sizeof(user)))
		return err_set(err, ERR_INPUT, "address of %.100s with a user name", out->host);
	length = strlen(out->host);
	if (out->host[0] == '[' && out->host[length - 1] == ']') {
		memmove(out->host, out->host + 1, length - 2);
		out->host[length - 2] = '\0';
	}
	return 0;
}

bool transport_site_same(const struct transport_site *a, const struct transport_site *b)
{
	return a->is_secure == b->is_secure && str_eq(a->host, b->host) && str_eq(a->port, b->port);
}

void transport_site_format(const struct transport_site *site, char out[TRANSPORT_SITE_SIZE])
{
	bool is_v6 = strchr(site->host, ':') != NULL;

	snprintf(out, TRANSPORT_SITE_SIZE, "%s://%s%.200s%s:%s", site->is_secure ? "https" : "http",
		 is_v6 ? "[" : "", site->host, is_v6 ? "]" : "", site->port);
}

CURLU *transport_redirect(CURLU *from, const char *location, bool insecure, struct err *err)
{
	CURLU *url = curl_url_dup(from);
	struct transport_site here, there;
	CURLUcode code;

	if (!url) {
		err_set(err, ERR_SYS, "out of memory");
		return NULL;
	}
	/* With schemes that curl does not know: so that the message can name them. */
	code = curl_url_set(url, CURLUPART_URL, location,
			    CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	if (code != CURLUE_OK) {
		err_set(err, ERR_INPUT, "redirect to something that is no address: %s",
			curl_url_strerror(code));
	} else if (transport_site_of(from, &here, err) < 0 ||
		   transport_site_of(url, &there, err) < 0) {
		err_wrap(err, "redirect");
	} else if (here.is_secure && !there.is_secure && !insecure) {
		err_set(err, ERR_INPUT, "redirect from https to http (%.100s:%s) is not followed",
			there.host, there.port);
	} else {
		return url;
	}
	curl_url_cleanup(url);
	return NULL;
}

/* "bytes 100-199/200", "bytes 100-199/ *" without the blank */
static bool read_range(const char *value, uint64_t *first, uint64_t *total)
{
	char number[24];
	size_t n;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return false;
	value += 6;
	n = strcspn(value, "-");
	if (n >= sizeof(number) || value[n] != '-')
		return false;
	memcpy(number, value, n);
	number[n] = '\0';
	if (!str_to_u64(number, INT64_MAX, first))
		return false;
	value = strchr(value, '/');
	if (!value)
		return false;
	if (str_eq(value + 1, "*")) {
		*total = UINT64_MAX;
		return true;
	}
	return str_to_u64(value + 1, INT64_MAX, total);
}

static uint64_t read_retry_after(const char *value)
{
	uint64_t seconds;
	time_t when, now;

	if (str_to_u64(value, INT64_MAX, &seconds))
		return (seconds < RETRY_AFTER_MAX_SEC ? seconds : RETRY_AFTER_MAX_SEC) * 1000000;
	when = curl_getdate(value, NULL);
	now = time(NULL);
	if (when <= now)
		return 0;
	return (uint64_t)(when - now < RETRY_AFTER_MAX_SEC ? when - now : RETRY_AFTER_MAX_SEC) *
	       1000000;
}

static void add_challenge(struct transport_response *response, const char *value)
{
	size_t used = strlen(response->challenge), length = strlen(value);

	/* What does not fit whole is left out: half a challenge would be another one. */
	if (used + length + 3 > sizeof(response->challenge))
		return;
	if (used) {
		memcpy(response->challenge + used, ", ", 2);
		used += 2;
	}
	memcpy(response->challenge + used, value, length + 1);
}

static void read_value(struct transport_response *response, bool *chunked, const char *name,
		       const char *value)
{
	if (strcasecmp(name, "content-type") == 0) {
		str_copy(response->content_type, sizeof(response->content_type), value);
		response->content_type[strcspn(response->content_type, "; \t")] = '\0';
	} else if (strcasecmp(name, "content-length") == 0) {
		response->has_length = str_to_u64(value, INT64_MAX, &response->length);
	} else if (strcasecmp(name, "transfer-encoding") == 0) {
		*chunked = true;
	} else if (strcasecmp(name, "content-range") == 0) {
		response->has_range =
			read_range(value, &response->range_first, &response->range_total);
	} else if (strcasecmp(name, "docker-content-digest") == 0) {
		str_copy(response->digest, sizeof(response->digest),
			 digest_is_valid(value) ? value : "");
	} else if (strcasecmp(name, "www-authenticate") == 0) {
		add_challenge(response, value);
	} else if (strcasecmp(name, "retry-after") == 0) {
		response->retry_after_usec = read_retry_after(value);
	} else if (strcasecmp(name, "location") == 0) {
		/* One that is too long stays empty: an error later, never a shorter address. */
		if (!str_copy(response->location, sizeof(response->location), value))
			response->location[0] = '\0';
	}
}

void transport_read_header(struct transport_response *response, bool *chunked, const char *line,
			   size_t length)
{
	const char *colon = memchr(line, ':', length);
	char name[32], value[TRANSPORT_URL_MAX_BYTES];
	size_t n;

	if (!colon || (size_t)(colon - line) >= sizeof(name))
		return;
	n = (size_t)(colon - line);
	memcpy(name, line, n);
	name[n] = '\0';
	colon++;
	length -= n + 1;
	while (length && (*colon == ' ' || *colon == '\t')) {
		colon++;
		length--;
	}
	while (length && (colon[length - 1] == ' ' || colon[length - 1] == '\t'))
		length--;
	if (length >= sizeof(value) || memchr(colon, '\0', length))
		return;
	memcpy(value, colon, length);
	value[length] = '\0';
	read_value(response, chunked, name, value);
}
