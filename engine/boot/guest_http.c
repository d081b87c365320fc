/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the guest socket. The other side is the host, which can do with us what it likes; what matters is that a broken or a strange
 * one cannot make us use more than the stated memory or read past what it sent.
 */
#include "boot/guest_http.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

struct head {
	int status;
	bool is_chunked, has_length;
	uint64_t length;
	size_t bytes; /* the blank line included */
};

static enum guest_parse bad(struct err *err, const char *text)
{
	err_set(err, ERR_INPUT, "answer of the guest socket: %s", text);
	return GUEST_BAD;
}

/* "HTTP/1.1 200 OK" */
static bool parse_status(const char *line, size_t len, int *out)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return false;
	for (size_t i = 9; i < 12; i++)
		if (!isdigit((unsigned char)line[i]))
			return false;
	*out = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return *out >= 100 && (len == 12 || line[12] == ' ');
}

static bool is_header(const char *line, size_t len, const char *name, const char **value,
		      size_t *value_len)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return false;
	*value = line + name_len + 1;
	*value_len = len - name_len - 1;
	while (*value_len && (**value == ' ' || **value == '\t')) {
		++*value;
		--*value_len;
	}
	while (*value_len && ((*value)[*value_len - 1] == ' ' || (*value)[*value_len - 1] == '\t'))
		--*value_len;
	return true;
}

/* NULL: fine. */
static const char *parse_header(const char *line, size_t len, struct head *head)
{
	const char *value;
	char number[24];
	size_t n;

	if (is_header(line, len, "Content-Length", &value, &n)) {
		if (head->has_length || n >= sizeof(number))
			return "a bad Content-Length";
		memcpy(number, value, n);
		number[n] = '\0';
		if (!str_to_u64(number, GUEST_MAX_BODY_BYTES, &head->length))
			return "a Content-Length that is none, or too large";
		head->has_length = true;
	} else if (is_header(line, len, "Transfer-Encoding", &value, &n)) {
		if (n != 7 || strncasecmp(value, "chunked", 7) != 0)
			return "an unknown Transfer-Encoding";
		head->is_chunked = true;
	}
	return NULL;
}

static enum guest_parse parse_head(const char *data, size_t len, struct head *out, struct err *err)
{
	size_t limit = len < GUEST_MAX_HEAD_BYTES ? len : GUEST_MAX_HEAD_BYTES, at = 0;

	*out = (struct head){ 0 };
	while (at < limit) {
		const char *end = memchr(data + at, '\n', limit - at);
		size_t n = end ? (size_t)(end - data) - at : 0;
		const char *problem = NULL;

		if (!end)
			break;
		if (!n || data[at + n - 1] != '\r')
			return bad(err, "a line that does not end as it should");
		n--;
		if (at == 0 && !parse_status(data, n, &out->status))
			return bad(err, "no HTTP");
		if (at && n)
			problem = parse_header(data + at, n, out);
		if (problem)
			return bad(err, problem);
		at += n + 2;
		if (!n) {
			out->bytes = at;
			return GUEST_DONE;
		}
	}
	return limit == GUEST_MAX_HEAD_BYTES ? bad(err, "its head is too long") : GUEST_MORE;
}

/* A line of hex digits; an extension behind ";" is passed over. */
static enum guest_parse parse_chunk_size(const char *data, size_t len, size_t *size, size_t *used,
					 struct err *err)
{
	const char *end = memchr(data, '\n', len < 256 ? len : 256);
	size_t n = 0;

	if (!end)
		return len < 256 ? GUEST_MORE : bad(err, "a chunk without a size");
	*size = 0;
	while (data + n < end && str_hex_value(data[n]) >= 0) {
		*size = *size * 16 + (size_t)str_hex_value(data[n++]);
		if (*size > GUEST_MAX_BODY_BYTES)
			return bad(err, "it is too large");
	}
	if (!n || end == data || end[-1] != '\r' || (data[n] != '\r' && data[n] != ';'))
		return bad(err, "a chunk without a size");
	*used = (size_t)(end - data) + 1;
	return GUEST_DONE;
}

static enum guest_parse parse_chunks(const char *data, size_t len, struct buf *body, size_t *used,
				     struct err *err)
{
	size_t at = 0;

	while (true) {
		size_t size = 0, head = 0;
		enum guest_parse rc = parse_chunk_size(data + at, len - at, &size, &head, err);

		if (rc != GUEST_DONE)
			return rc;
		at += head;
		if (len - at < size + 2)
			return GUEST_MORE;
		if (data[at + size] != '\r' || data[at + size + 1] != '\n')
			return bad(err, size ? "a chunk that does not end" : "trailers");
		if (body->len + size > GUEST_MAX_BODY_BYTES || buf_add(body, data + at, size) < 0)
			return bad(err, "it is too large");
		at += size + 2;
		if (!size) {
			*used = at;
			return GUEST_DONE;
		}
	}
}

enum guest_parse guest_answer_parse(const char *data, size_t len, int *status, struct buf *body,
				    size_t *used, struct err *err)
{
	size_t before = body->len, chunks = 0;
	struct head head;
	enum guest_parse rc = parse_head(data, len, &head, err);

	if (rc != GUEST_DONE)
		return rc;
	*status = head.status;
	*used = head.bytes;
	if (head.status < 200 || head.status == 204 || head.status == 304)
		return GUEST_DONE;
	if (head.is_chunked) {
		rc = parse_chunks(data + head.bytes, len - head.bytes, body, &chunks, err);
		if (rc == GUEST_DONE)
			*used += chunks;
		else if (body->data)
			body->data[body->len = before] = '\0';
		return rc;
	}
	if (!head.has_length)
		return bad(err, "a body without a length");
	if (len - head.bytes < head.length)
		return GUEST_MORE;
	if (buf_add(body, data + head.bytes, (size_t)head.length) < 0)
		return bad(err, "it is too large");
	*used += (size_t)head.length;
	return GUEST_DONE;
}

enum guest_parse guest_frame_parse(const char *data, size_t len, struct guest_frame *out,
				   size_t *used, struct err *err)
{
	const unsigned char *bytes = (const unsigned char *)data;
	size_t head = 2, size;

	if (len < 2)
		return GUEST_MORE;
	if (bytes[0] & 0x70)
		return bad(err, "a websocket frame with an extension that nobody asked for");
	if (bytes[1] & 0x80)
		return bad(err, "a websocket frame that is masked");
	size = bytes[1] & 0x7f;
	if (size == 126) {
		head = 4;
		if (len < head)
			return GUEST_MORE;
		size = (size_t)bytes[2] << 8 | bytes[3];
	} else if (size == 127) {
		head = 10;
		if (len < head)
			return GUEST_MORE;
		size = 0;
		for (size_t i = 2; i < 10; i++)
			size = size > GUEST_MAX_FRAME_BYTES ? size : size << 8 | bytes[i];
	}
	if (size > GUEST_MAX_FRAME_BYTES)
		return bad(err, "a websocket frame that is too large");
	if (len - head < size)
		return GUEST_MORE;
	*out = (struct guest_frame){ .opcode = bytes[0] & 0x0f,
				     .payload = data + head,
				     .len = size };
	*used = head + size;
	return GUEST_DONE;
}

void guest_frame_write(struct buf *out, unsigned opcode, const void *payload, size_t len,
		       uint32_t mask)
{
	const unsigned char *bytes = payload;
	unsigned char key[4];

	memcpy(key, &mask, sizeof(key));
	buf_putc(out, (char)(0x80 | opcode));
	buf_putc(out, (char)(0x80 | len));
	buf_add(out, key, sizeof(key));
	for (size_t i = 0; i < len; i++)
		buf_putc(out, (char)(bytes[i] ^ key[i % 4]));
}

void guest_path(struct buf *out, const char *key)
{
	buf_puts(out, "/1.0/config/");
	for (const unsigned char *p = (const unsigned char *)key; *p; p++)
		if (isalnum(*p) || strchr("-._~", *p))
			buf_putc(out, (char)*p);
		else
			buf_printf(out, "%%%02X", *p);
}
