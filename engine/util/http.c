/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads out of bounded buffers. A head is looked at only when it is complete, so that a request that drips in byte by
 * byte and one that comes whole are the same. Refuses what two readers could understand differently (RFC 9112, 11): folded
 * lines, blanks before the colon, two lengths, transfer encodings, bare CR.
 */
#include "util/http.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

static enum http_parse bad(int *status, int code, struct err *err, const char *why)
{
	*status = code;
	err_set(err, ERR_INPUT, "%s", why);
	return HTTP_PARSE_BAD;
}

/* Length of the head with its blank line; 0: not complete. Lines end in CRLF or LF. */
static size_t head_length(const char *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (data[i] != '\n')
			continue;
		if (data[i + 1] == '\n')
			return i + 2;
		if (data[i + 1] == '\r' && i + 2 < len && data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!strchr("!#$%&'*+-.^_`|~", *s) && !(*s >= '0' && *s <= '9') && !(*s >= 'a' && *s <= 'z') &&
		    !(*s >= 'A' && *s <= 'Z'))
			return false;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Stops at len; false: bad escape, NUL or control byte, or does not fit. */
static bool percent_decode(const char *in, size_t len, bool plus_is_blank, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)in[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_value(in[i + 1]) : -1;
			int low = high >= 0 ? hex_value(in[i + 2]) : -1;

			if (low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f || used + 1 >= size)
			return false;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return true;
}

static bool path_is_safe(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return false;
	return path[0] == '/';
}

/* "GET /path?query HTTP/1.1" */
static enum http_parse parse_request_line(char *line, struct http_request *out, int *status, struct err *err)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	char *query;

	if (!target || !version)
		return bad(status, 400, err, "the request line is not \"METHOD TARGET VERSION\"");
	*target++ = '\0';
	*version++ = '\0';
	if (strncmp(version, "HTTP/", 5) != 0)
		return bad(status, 400, err, "the request line names no HTTP version");
	if (!str_eq(version, "HTTP/1.0") && !str_eq(version, "HTTP/1.1"))
		return bad(status, 505, err, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	out->minor = version[7] - '0';
	out->method = line;
	if (!is_token(line))
		return bad(status, 400, err, "the method is no token");
	query = strchr(target, '?');
	out->query = "";
	if (query) {
		*query++ = '\0';
		out->query = query;
	}
	if (strlen(target) >= sizeof(out->path))
		return bad(status, 414, err, "the path is too long");
	if (!percent_decode(target, strlen(target), false, out->path, sizeof(out->path)) || !path_is_safe(out->path))
		return bad(status, 400, err, "the path is not acceptable");
	return HTTP_PARSE_DONE;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		s[--len] = '\0';
	return s;
}

static enum http_parse parse_header(char *line, struct http_request *out, int *status, struct err *err)
{
	char *colon = strchr(line, ':');
	struct http_header *h = &out->headers[out->header_count];

	if (out->header_count == HTTP_MAX_HEADERS)
		return bad(status, 431, err, "too many header lines");
	if (!colon)
		return bad(status, 400, err, "a header line has no colon");
	*colon = '\0';
	if (!is_token(line))
		return bad(status, 400, err, "a header's name is no token");
	for (char *p = line; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	h->name = line;
	h->value = trim(colon + 1);
	out->header_count++;
	return HTTP_PARSE_DONE;
}

/* Connection: close or keep-alive; Content-Length once; no Transfer-Encoding. */
static enum http_parse judge_headers(struct http_request *out, int *status, struct err *err)
{
	bool has_length = false;

	out->keep_alive = out->minor == 1;
	for (size_t i = 0; i < out->header_count; i++) {
		const struct http_header *h = &out->headers[i];
		uint64_t length;

		if (str_eq(h->name, "transfer-encoding"))
			return bad(status, 501, err, "transfer encodings are not supported: send Content-Length");
		if (str_eq(h->name, "connection"))
			out->keep_alive = strcasecmp(h->value, "keep-alive") == 0 ||
					  (out->keep_alive && strcasecmp(h->value, "close") != 0);
		if (!str_eq(h->name, "content-length"))
			continue;
		if (has_length || !str_to_u64(h->value, UINT32_MAX, &length))
			return bad(status, 400, err, "Content-Length is not one number");
		if (length > HTTP_MAX_BODY)
			return bad(status, 413, err, "the body is too large");
		out->content_length = (size_t)length;
		has_length = true;
	}
	return HTTP_PARSE_DONE;
}

static enum http_parse parse_lines(char *data, size_t head, struct http_request *out, int *status, struct err *err)
{
	char *line = data, *end = data + head;
	bool is_first = true;

	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		enum http_parse result;

		*newline = '\0';
		if (newline > line && newline[-1] == '\r')
			newline[-1] = '\0';
		if (!*line)
			return is_first ? bad(status, 400, err, "the request line is empty") : HTTP_PARSE_DONE;
		for (char *p = line; *p; p++)
			if ((unsigned char)*p < ' ' && *p != '\t')
				return bad(status, 400, err, "a control byte in the head");
		result = is_first ? parse_request_line(line, out, status, err) : parse_header(line, out, status, err);
		if (result != HTTP_PARSE_DONE)
			return result;
		is_first = false;
		line = newline + 1;
	}
	return HTTP_PARSE_DONE;
}

enum http_parse http_parse(char *data, size_t len, struct http_request *out, int *status, struct err *err)
{
	size_t head = head_length(data, len);
	enum http_parse result;

	if (!head && len >= HTTP_MAX_HEAD)
		return bad(status, 431, err, "the head is too long");
	if (!head)
		return HTTP_PARSE_MORE;
	if (head > HTTP_MAX_HEAD)
		return bad(status, 431, err, "the head is too long");
	if (memchr(data, '\0', head))
		return bad(status, 400, err, "a NUL in the head");
	memset(out, 0, sizeof(*out));
	out->head_length = head;
	result = parse_lines(data, head, out, status, err);
	return result == HTTP_PARSE_DONE ? judge_headers(out, status, err) : result;
}

const char *http_header(const struct http_request *request, const char *lower_name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (str_eq(request->headers[i].name, lower_name))
			return request->headers[i].value;
	return NULL;
}

bool http_query(const struct http_request *request, const char *name, char *out, size_t size)
{
	size_t length = strlen(name);

	for (const char *p = request->query; *p;) {
		size_t pair = strcspn(p, "&");

		if (pair >= length && strncmp(p, name, length) == 0 && (pair == length || p[length] == '=')) {
			if (pair == length) {
				out[0] = '\0';
				return true;
			}
			return percent_decode(p + length + 1, pair - length - 1, true, out, size);
		}
		p += pair;
		p += *p == '&';
	}
	return false;
}

bool http_wants_text(const struct http_request *request)
{
	const char *accept = http_header(request, "accept");
	const char *text, *json;

	if (!accept)
		return false;
	text = strstr(accept, "text/");
	json = strstr(accept, "application/json");
	return text && (!json || text < json);
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Unknown";
}

void http_response_head(struct buf *out, int status, const char *content_type, size_t length, bool keep_alive,
			const char *extra)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (status != 204 && status != 304) {
		buf_printf(out, "Content-Type: %s\r\n", content_type);
		if (length != SIZE_MAX)
			buf_printf(out, "Content-Length: %zu\r\n", length);
	}
	buf_printf(out, "Connection: %s\r\n%s\r\n", keep_alive ? "keep-alive" : "close", extra);
}
