/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end of the control socket: one connection a request, HTTP/1.1 without chunks (our server sends a length or
 * closes). Bounded: an answer above RESPONSE_MAX is an error.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/str.h"
#include "yyjson.h"

#define RESPONSE_MAX (16u * 1024 * 1024)
#define HEAD_MAX 16384u
#define REQUEST_MAX (128u * 1024)
/* An engine that follows another one after an upgrade or a crash listens within a tenth of a second; after a reload nobody is turned away. */
#define CONNECT_TRIES 20
#define CONNECT_GAP_MSEC 25

#define GET_TRIES 3 /* a question changes nothing: it is asked again of the engine that follows */

static const char *socket_path = CLEAT_SOCKET;

void cli_set_socket(const char *path)
{
	socket_path = path;
}

const char *cli_socket(void)
{
	return socket_path;
}

bool cli_is_inside(void)
{
	return str_eq(socket_path, CLEAT_SOCKET);
}

void cli_published_path(char *out, size_t size)
{
	const char *slash = strrchr(socket_path, '/');

	snprintf(out, size, "%.*s%s", slash ? (int)(slash - socket_path + 1) : 0, socket_path,
		 strrchr(CLEAT_PUBLISHED, '/') + 1);
}

/* limit_msec 0: none, for answers that are held back. */
static int connect_socket(unsigned limit_msec, struct err *err)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = limit_msec / 1000, .tv_usec = limit_msec % 1000 * 1000 };

	if (!str_copy(address.sun_path, sizeof(address.sun_path), socket_path))
		return err_set(err, ERR_INPUT, "%s: a socket's path has at most %zu bytes",
			       socket_path, sizeof(address.sun_path) - 1);
	if (fd < 0)
		return err_sys(err, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	for (unsigned tries = 1; connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0;
	     tries++) {
		if (errno != ECONNREFUSED || tries == CONNECT_TRIES)
			return err_sys(err, "the engine does not answer at %s", socket_path);
		poll(NULL, 0, CONNECT_GAP_MSEC);
	}
	return take_fd(&fd);
}

void cli_encode(const char *text, struct buf *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* A server that turns us away has answered and closed before it read anything: the answer is there although sending fails. */
static int send_request(int fd, const struct cli_ask *ask, struct err *err)
{
	auto_buf request = BUF_INIT(REQUEST_MAX);
	size_t sent = 0;

	buf_printf(&request, "%s %s HTTP/1.1\r\nHost: cleat\r\n%sContent-Length: %zu\r\n\r\n",
		   ask->method, ask->path, ask->headers ? ask->headers : "Connection: close\r\n",
		   ask->body_length);
	if (ask->body_length)
		buf_add(&request, ask->body, ask->body_length);
	if (buf_check(&request, "the request", err) < 0)
		return -1;
	while (sent < request.len) {
		ssize_t n = send(fd, request.data + sent, request.len - sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(err, "%s", socket_path);
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static size_t content_length(const char *head, const char *end)
{
	static const char name[] = "\r\ncontent-length:";
	char digits[24];
	uint64_t length;

	for (const char *p = head; p < end; p++) {
		size_t n;

		if (*p != '\r' || strncasecmp(p, name, sizeof(name) - 1) != 0)
			continue;
		p += sizeof(name) - 1;
		p += strspn(p, " \t");
		n = strspn(p, "0123456789");
		if (!n || n >= sizeof(digits))
			return SIZE_MAX;
		memcpy(digits, p, n);
		digits[n] = '\0';
		return str_to_u64(digits, RESPONSE_MAX, &length) ? (size_t)length : SIZE_MAX;
	}
	return SIZE_MAX;
}

int cli_parse_head(struct cli_response *r, struct err *err)
{
	const char *head = buf_str(&r->body), *end = strstr(head, "\r\n\r\n");
	char code[4] = "";
	uint64_t status;

	if (!end) {
		if (r->body.len > HEAD_MAX || strlen(head) != r->body.len)
			return err_set(err, ERR_INTEGRITY, "%s: no HTTP answer", socket_path);
		return 0;
	}
	if (!str_starts(head, "HTTP/1.") || end - head < 12)
		return err_set(err, ERR_INTEGRITY, "%s: no HTTP answer", socket_path);
	memcpy(code, head + 9, 3);
	if (!str_to_u64(code, 599, &status) || status < 100)
		return err_set(err, ERR_INTEGRITY, "%s: no HTTP status", socket_path);
	r->status = (int)status;
	r->length = status == 204 || status == 304 ? 0 : content_length(head, end);
	buf_consume(&r->body, (size_t)(end + 4 - head));
	return 1;
}

/* 1: some bytes, 0: the end, -1: error. */
static int receive(int fd, struct buf *out, struct err *err)
{
	char data[8192];
	ssize_t n;

	do
		n = recv(fd, data, sizeof(data), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, "%s", socket_path);
	if (n <= 0)
		return 0;
	if (buf_add(out, data, (size_t)n) < 0)
		return err_set(err, ERR_LIMIT, "%s: the answer is too long", socket_path);
	return 1;
}

static int went_away(struct err *err)
{
	return err_set(
		err, ERR_SYS,
		"%s: the engine went away before it answered; \"cleat ps\" shows what became of it",
		socket_path);
}

/* went: the engine ended before the head of its answer was there. */
static int try_stream(unsigned limit_msec, const struct cli_ask *ask, struct cli_response *out,
		      bool *went, struct err *err)
{
	auto_fd int fd = -1;
	int rc;

	*out = (struct cli_response){ .body = BUF_INIT(RESPONSE_MAX), .length = SIZE_MAX };
	fd = connect_socket(limit_msec, err);
	if (fd < 0 || send_request(fd, ask, err) < 0)
		return -1;
	while ((rc = cli_parse_head(out, err)) == 0) {
		rc = receive(fd, &out->body, err);
		*went = rc == 0;
		if (rc == 0)
			return went_away(err);
		if (rc < 0)
			return -1;
	}
	return rc < 0 ? -1 : take_fd(&fd);
}

static bool may_ask_again(const struct cli_ask *ask, bool went, unsigned *tries)
{
	return went && str_eq(ask->method, "GET") && !ask->body_length && ++*tries < GET_TRIES;
}

static int open_stream(unsigned limit_msec, const struct cli_ask *ask, struct cli_response *out,
		       struct err *err)
{
	unsigned tries = 0;

	for (;;) {
		bool went = false;
		int fd = try_stream(limit_msec, ask, out, &went, err);

		if (fd >= 0 || !may_ask_again(ask, went, &tries))
			return fd;
		buf_fini(&out->body);
	}
}

int cli_open_stream(const char *method, const char *path, struct cli_response *out, struct err *err)
{
	return cli_ask_stream(&(struct cli_ask){ .method = method, .path = path }, out, err);
}

int cli_ask_stream(const struct cli_ask *ask, struct cli_response *out, struct err *err)
{
	return open_stream(0, ask, out, err);
}

static int try_request(unsigned limit_msec, const struct cli_ask *ask, struct cli_response *out,
		       bool *went, struct err *err)
{
	auto_fd int fd = open_stream(limit_msec, ask, out, err);
	int rc = 1;

	if (fd < 0)
		return -1;
	while (out->body.len < out->length && (rc = receive(fd, &out->body, err)) > 0)
		;
	if (rc < 0)
		return -1;
	*went = out->length != SIZE_MAX && out->body.len < out->length;
	return *went ? went_away(err) : 0;
}

static int request(unsigned limit_msec, const struct cli_ask *ask, struct cli_response *out,
		   struct err *err)
{
	unsigned tries = 0;

	for (;;) {
		bool went = false;

		if (try_request(limit_msec, ask, out, &went, err) == 0)
			return 0;
		if (!may_ask_again(ask, went, &tries))
			return -1;
		buf_fini(&out->body);
	}
}

int cli_request(const char *method, const char *path, struct cli_response *out, struct err *err)
{
	return cli_ask(&(struct cli_ask){ .method = method, .path = path }, out, err);
}

int cli_ask(const struct cli_ask *ask, struct cli_response *out, struct err *err)
{
	return request(0, ask, out, err);
}

bool cli_engine_answers(unsigned limit_msec)
{
	struct cli_response response;
	struct err err;
	bool ok = request(limit_msec, &(struct cli_ask){ .method = "GET", .path = "/_ping" },
			  &response, &err) == 0;

	buf_fini(&response.body);
	return ok;
}

void cli_images_changed(const char *store_path)
{
	struct cli_response response = { 0 };
	struct err err;

	if (!cli_is_inside() || !str_eq(store_path, CLEAT_STORE_DIR) ||
	    !cli_engine_answers(CLI_PING_MSEC))
		return;
	if (cli_request("POST", "/cleat/v1/images/changed", &response, &err) < 0)
		fprintf(stderr, "cleat: units that wait for an image were not told: %s\n", err.msg);
	buf_fini(&response.body);
}

void cli_message(const struct cli_response *response, char *out, size_t size)
{
	yyjson_doc *doc = yyjson_read(buf_str(&response->body), response->body.len, 0);
	const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message"));

	if (text)
		str_copy(out, size, text);
	else
		snprintf(out, size, "the engine answered with status %d", response->status);
	yyjson_doc_free(doc);
	cli_clean(out);
}

int cli_unreachable(const struct err *err)
{
	fprintf(stderr, "cleat: %s\n", err->msg);
	return CLI_NO_ENGINE;
}

int cli_refused(const struct cli_response *response)
{
	char message[700];

	cli_message(response, message, sizeof(message));
	fprintf(stderr, "cleat: %s\n", message);
	return CLI_FAILED;
}
