/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads out of bounded buffers. A head is looked at only when it is complete, so that a request that drips in byte by
 * byte and one that comes whole are the same. Refuses what two readers could understand differently (RFC 9112, 11): folded
 * lines, blanks before the colon, two lengths, transfer encodings, bare CR.
 */
#include "util/http.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

static enum http_parse bad(int *status, int code, struct err *err, const char *why)
{
	*status = code;
	err_set(err, ERR_INPUT, "%s", why);
	return HTTP_PARSE_BAD;
}

/* One empty line before the request is taken: some clients end a body with a line break that Content-Length does not count. */
static size_t leading_line(const char *data, size_t len)
{
	if (len > 0 && data[0] == '\n')
		return 1;
	return len > 1 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

/* Length of the head with its blank line; 0: not complete. Lines end in CRLF or LF. */
static size_t head_length(const char *data, size_t len)
{
	for (size_t i = leading_line(data, len); i + 1 < len; i++) {
		if (data[i] != '\n')
			continue;
		if (data[i + 1] == '\n')
			return i + 2;
		if (data[i + 1] == '\r' && i + 2 < len && data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static bool is_token_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!is_token_byte(*s))
			return false;
	return true;
}

/* Stops at len; false: bad escape, NUL or control byte, or does not fit. */
static bool percent_decode(const char *in, size_t len, bool plus_is_blank, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)in[i];

		if (c == '%') {
			int high = i + 2 < len ? str_hex_value(in[i + 1]) : -1;
			int low = high >= 0 ? str_hex_value(in[i + 2]) : -1;

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

/* "http://host/path" (RFC 9112, 3.2.2): the path. Others: as they are. */
static char *without_authority(char *target)
{
	char *rest;

	if (strncasecmp(target, "http://", 7) != 0)
		return target;
	rest = target + 7 + strcspn(target + 7, "/");
	if (*rest)
		return rest;
	/* "http://host" is the path "/": the slash before the host is as good as any. */
	target[6] = '/';
	target[7] = '\0';
	return target + 6;
}

/* "GET /path?query HTTP/1.1" */
static enum http_parse parse_request_line(char *line, struct http_request *out, int *status,
					  struct err *err)
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
	target = without_authority(target);
	if (strlen(target) >= sizeof(out->path))
		return bad(status, 414, err, "the path is too long");
	if (!percent_decode(target, strlen(target), false, out->path, sizeof(out->path)) ||
	    !path_is_safe(out->path))
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

static enum http_parse parse_header(char *line, struct http_request *out, int *status,
				    struct err *err)
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

/* The next element of a comma-separated list without the blanks around it; NULL at the end. */
static const char *list_next(const char **list, size_t *len)
{
	const char *start = *list + strspn(*list, " \t,");

	*len = strcspn(start, ",");
	*list = start + *len;
	while (*len && (start[*len - 1] == ' ' || start[*len - 1] == '\t'))
		(*len)--;
	return *start ? start : NULL;
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(s, word, len) == 0;
}

/* "close" wins over everything, also over what another line says. */
static void judge_connection(const char *value, bool *close, bool *keep)
{
	const char *word;
	size_t len;

	while ((word = list_next(&value, &len))) {
		*close |= is_word(word, len, "close");
		*keep |= is_word(word, len, "keep-alive");
	}
}

/* Content-Length once; no Transfer-Encoding; one Host, which HTTP/1.1 demands. */
static enum http_parse judge_headers(struct http_request *out, int *status, struct err *err)
{
	bool close = false, keep = out->minor == 1;
	unsigned hosts = 0, lengths = 0;

	for (size_t i = 0; i < out->header_count; i++) {
		const struct http_header *h = &out->headers[i];
		uint64_t length;

		if (str_eq(h->name, "transfer-encoding"))
			return bad(status, 501, err,
				   "transfer encodings are not supported: send Content-Length");
		if (str_eq(h->name, "connection"))
			judge_connection(h->value, &close, &keep);
		hosts += str_eq(h->name, "host");
		if (!str_eq(h->name, "content-length"))
			continue;
		if (lengths++ || !str_to_u64(h->value, UINT64_MAX, &length))
			return bad(status, 400, err, "Content-Length is not one number");
		if (length > HTTP_MAX_BODY)
			return bad(status, 413, err, "the body is too large");
		out->content_length = (size_t)length;
	}
	if (hosts > 1 || (hosts == 0 && out->minor == 1))
		return bad(status, 400, err,
			   hosts ? "more than one Host" : "HTTP/1.1 without Host");
	out->keep_alive = keep && !close;
	return HTTP_PARSE_DONE;
}

static enum http_parse parse_lines(char *data, size_t head, struct http_request *out, int *status,
				   struct err *err)
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
			return is_first ? bad(status, 400, err, "the request line is empty") :
					  HTTP_PARSE_DONE;
		for (char *p = line; *p; p++)
			if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
				return bad(status, 400, err, "a control byte in the head");
		result = is_first ? parse_request_line(line, out, status, err) :
				    parse_header(line, out, status, err);
		if (result != HTTP_PARSE_DONE)
			return result;
		is_first = false;
		line = newline + 1;
	}
	return HTTP_PARSE_DONE;
}

enum http_parse http_parse(const char *data, size_t len, struct http_request *out, int *status,
			   struct err *err)
{
	size_t skip = leading_line(data, len), head;
	enum http_parse result;

	/* Said at once: who speaks TLS here sends no blank line, and would wait for the deadline. A CR may become a leading line. */
	if (len > skip && !is_token_byte(data[skip]) && !(len == 1 && data[0] == '\r'))
		return bad(status, 400, err,
			   "this is no HTTP request (https:// to a port without TLS?)");
	head = head_length(data, len < HTTP_MAX_HEAD ? len : HTTP_MAX_HEAD);
	if (!head && len >= HTTP_MAX_HEAD)
		return bad(status, 431, err, "the head is too long");
	if (!head)
		return HTTP_PARSE_MORE;
	if (memchr(data, '\0', head))
		return bad(status, 400, err, "a NUL in the head");
	memset(out, 0, offsetof(struct http_request, head));
	out->head_length = head;
	memcpy(out->head, data + skip, head - skip);
	out->head[head - skip] = '\0';
	result = parse_lines(out->head, head - skip, out, status, err);
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

		if (pair >= length && strncmp(p, name, length) == 0 &&
		    (pair == length || p[length] == '=')) {
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

/* ";q=0.5" behind a media range, in thousandths; 1000 when there is none, 0 when it is nonsense. */
static unsigned weight_of(const char *params, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++) {
		const char *p = params + i + 1;
		unsigned value = 0, unit = 1000;

		if (params[i] != ';')
			continue;
		p += strspn(p, " \t");
		if (strncasecmp(p, "q=", 2) != 0)
			continue;
		for (p += 2; p < params + len && unit; p++) {
			if (*p == '.' && unit == 100)
				continue;
			if (*p < '0' || *p > '9')
				break;
			value += unit * (unsigned)(*p - '0');
			unit /= 10;
		}
		return value < 1000 ? value : 1000;
	}
	return 1000;
}

struct taste {
	unsigned weight; /* thousandths; 0: not wanted */
	unsigned place;	 /* 1 for the first of the list; 0: not named */
};

static void taste_add(struct taste *t, unsigned weight, unsigned place)
{
	if (!t->place || weight > t->weight)
		*t = (struct taste){ .weight = weight, .place = place };
}

bool http_wants_text(const struct http_request *request)
{
	struct taste text = { 0 }, json = { 0 }, any = { 0 };
	unsigned place = 0;

	for (size_t i = 0; i < request->header_count; i++) {
		const char *list = request->headers[i].value, *range;
		size_t len;

		if (!str_eq(request->headers[i].name, "accept"))
			continue;
		while ((range = list_next(&list, &len))) {
			size_t name = strcspn(range, "; \t,");
			unsigned weight = weight_of(range, len);

			if (name > len)
				name = len;
			place++;
			if (is_word(range, name, "text/plain") ||
			    is_word(range, name, "text/html") || is_word(range, name, "text/*"))
				taste_add(&text, weight, place);
			else if (is_word(range, name, "application/json") ||
				 is_word(range, name, "application/*"))
				taste_add(&json, weight, place);
			else if (is_word(range, name, "*/*"))
				taste_add(&any, weight, place);
		}
	}
	/* What is named beats what is only allowed. */
	if (!json.place)
		json = (struct taste){ .weight = any.weight, .place = UINT32_MAX };
	return text.weight > json.weight ||
	       (text.weight && text.weight == json.weight && text.place < json.place);
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
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

void http_response_head(struct buf *out, int status, const char *content_type, size_t length,
			bool keep_alive, const char *extra)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (status != 204 && status != 304) {
		buf_printf(out, "Content-Type: %s\r\n", content_type);
		if (length != SIZE_MAX)
			buf_printf(out, "Content-Length: %zu\r\n", length);
	}
	buf_printf(out, "Connection: %s\r\n%s\r\n", keep_alive ? "keep-alive" : "close", extra);
}
