/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads. The first byte chooses how the rest is cut; each cut is parsed as it would be while it drips in. The result must be
 * that of the whole in one piece, what was found must keep the header's promises, and the bytes must be as they were.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/http.h"

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void check_promises(const struct http_request *r, size_t len)
{
	char value[64];

	demand(r->path[0] == '/' && strlen(r->path) < sizeof(r->path));
	for (const char *p = r->path; (p = strstr(p, "/..")); p += 3)
		demand(p[3] != '/' && p[3] != '\0');
	demand(r->method[0] && r->head_length <= len && r->head_length <= HTTP_MAX_HEAD);
	demand(r->header_count <= HTTP_MAX_HEADERS && r->content_length <= HTTP_MAX_BODY);
	demand(r->minor == 0 || r->minor == 1);
	for (size_t i = 0; i < r->header_count; i++) {
		demand(r->headers[i].name[0] && strpbrk(r->headers[i].value, "\r\n") == NULL);
		demand(http_header(r, r->headers[i].name) != NULL);
	}
	(void)http_wants_text(r);
	if (http_query(r, "format", value, sizeof(value)))
		demand(memchr(value, '\0', sizeof(value)) != NULL);
}

static void check_same(const struct http_request *a, const struct http_request *b)
{
	demand(same(a->method, b->method) && same(a->path, b->path) && same(a->query, b->query));
	demand(a->minor == b->minor && a->keep_alive == b->keep_alive &&
	       a->head_length == b->head_length);
	demand(a->content_length == b->content_length && a->header_count == b->header_count);
	for (size_t i = 0; i < a->header_count; i++)
		demand(same(a->headers[i].name, b->headers[i].name) &&
		       same(a->headers[i].value, b->headers[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_request whole, part;
	int whole_status = 0, part_status = 0;
	enum http_parse whole_result, part_result = HTTP_PARSE_MORE;
	struct err whole_err = { 0 }, part_err = { 0 };
	uint32_t random;

	if (size == 0)
		return 0;
	random = data[0];
	data++;
	size--;

	char *text = malloc(size + 1), *copy = malloc(size + 1);

	demand(text && copy);
	memcpy(text, data, size);
	memcpy(copy, data, size);
	whole_result = http_parse(text, size, &whole, &whole_status, &whole_err);
	for (size_t n = 0; part_result == HTTP_PARSE_MORE && n < size;) {
		random = random * 1103515245u + 12345u;
		n += 1 + (random >> 16) % 97;
		n = n < size ? n : size;
		part_result = http_parse(text, n, &part, &part_status, &part_err);
	}
	demand(memcmp(text, copy, size) == 0);
	demand(part_result == whole_result && part_status == whole_status);
	if (whole_result == HTTP_PARSE_DONE) {
		check_promises(&whole, size);
		check_same(&whole, &part);
	} else if (whole_result == HTTP_PARSE_BAD) {
		demand(whole_status >= 400 && whole_err.msg[0] &&
		       same(whole_err.msg, part_err.msg));
	}
	free(text);
	free(copy);
	return 0;
}
