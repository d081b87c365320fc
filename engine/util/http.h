/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The little HTTP/1.1 that our two servers speak (RFC 9110, 9112): parsing a request's head out of a bounded buffer, writing
 * a response's head. Pure functions over bytes; who owns the connection owns timeouts. Requests with a body are understood up to
 * a stated size (Content-Length only; Transfer-Encoding is refused with 501). A leading empty line and a target with
 * "http://authority" in front are taken, as RFC 9112 asks of servers.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

#define HTTP_MAX_HEAD 8192
#define HTTP_MAX_BODY 65536
#define HTTP_MAX_HEADERS 64

struct http_header {
	const char *name, *value; /* name lower-cased; value trimmed */
};

/* About 10 KiB. Its strings point into its own head[], so it must not be copied or moved. */
struct http_request {
	const char *method; /* "GET" */
	char path[1024];    /* percent-decoded, starts with "/", no NUL, no ".." segment */
	const char *query;  /* raw text behind "?", "" */
	int minor;	    /* HTTP/1.minor */
	struct http_header headers[HTTP_MAX_HEADERS];
	size_t header_count;
	bool keep_alive;
	size_t head_length; /* bytes of the head, blank line included */
	size_t content_length;
	const char *body;	      /* borrowed; set by whoever has all of it, NULL */
	char head[HTTP_MAX_HEAD + 1]; /* private: what the strings point into */
};

enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_BAD };

/* Looks at len bytes, which are left as they are: the same bytes may be parsed again when a body is complete.
 * DONE: out is filled. MORE: not complete yet and still below HTTP_MAX_HEAD; out was not touched.
 * BAD: *status is the code to answer with (400, 413, 414, 431, 501, 505), err the reason, out undefined. What dripped in byte by
 * byte has the result that it has in one piece. */
enum http_parse http_parse(const char *data, size_t len, struct http_request *out, int *status,
			   struct err *err);
const char *http_header(const struct http_request *request,
			const char *lower_name); /* NULL: absent */
/* Value of a query parameter, percent-decoded into out; false when absent or too long. "name" alone is "". */
bool http_query(const struct http_request *request, const char *name, char *out, size_t size);
/* Does Accept prefer text/plain or text/html over application/json (weight, then order)? Absent or anything: JSON. */
bool http_wants_text(const struct http_request *request);
const char *http_status_text(int status);
/* "HTTP/1.1 200 OK", Content-Type, Content-Length (unless length is SIZE_MAX), Connection, extra lines (each ending in CRLF, or ""), blank line. */
void http_response_head(struct buf *out, int status, const char *content_type, size_t length,
			bool keep_alive, const char *extra);
