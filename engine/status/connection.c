/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client: a head is read, an answer is written, and again. Every phase has a deadline. Reading stops while an answer is on its
 * way, so a client that does not take answers cannot make us keep more than one. Must never wait for a client.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "status/internal.h"
#include "util/str.h"

#define LARGE_OUT_BYTES (8 * 1024) /* a buffer that grew beyond this goes with its connection */

static void on_event(struct loop *loop, uint32_t events, usec_t now, void *arg);

bool status_connection_is_idle(const struct status_connection *c)
{
	return c->phase == STATUS_READING && c->in_len == 0;
}

void status_connection_open(struct status_server *s, struct status_connection *c, int fd,
			    usec_t now)
{
	struct err err;

	c->server = s;
	c->fd = fd;
	c->phase = STATUS_READING;
	c->since = now;
	c->deadline = now + STATUS_HEAD_USEC;
	c->is_reused = c->close_after = false;
	c->sent = c->in_len = 0;
	c->out.max = STATUS_MAX_ANSWER_BYTES;
	c->watched = EPOLLIN;
	s->connection_count++;
	c->source = loop_add(s->loop, fd, EPOLLIN, on_event, c, &err);
	if (!c->source)
		status_connection_close(c);
}

void status_connection_close(struct status_connection *c)
{
	if (c->fd < 0)
		return;
	loop_remove(c->server->loop, c->source);
	c->source = NULL;
	close(c->fd);
	c->fd = -1;
	status_page_release(c->server, c->page);
	c->page = NULL;
	buf_clear(&c->out);
	if (c->out.cap > LARGE_OUT_BYTES)
		buf_fini(&c->out);
	c->server->connection_count--;
}

static void watch(struct status_connection *c, uint32_t events)
{
	struct err err;

	if (c->watched == events)
		return;
	c->watched = events;
	if (loop_modify(c->server->loop, c->source, events, &err) < 0)
		status_connection_close(c);
}

/*
 * Our end is closed first and the client's is waited for: closing with unread bytes in the socket would be a reset, and that throws
 * away an answer that the client has not read yet.
 */
static void linger(struct status_connection *c, usec_t now)
{
	status_page_release(c->server, c->page);
	c->page = NULL;
	if (shutdown(c->fd, SHUT_WR) < 0) {
		status_connection_close(c);
		return;
	}
	c->phase = STATUS_LINGERING;
	c->deadline = now + STATUS_LINGER_USEC;
	watch(c, EPOLLIN);
}

/* The answer is with the kernel. */
static void answered(struct status_connection *c, usec_t now)
{
	if (c->close_after) {
		linger(c, now);
		return;
	}
	status_page_release(c->server, c->page);
	c->page = NULL;
	c->phase = STATUS_READING;
	c->is_reused = true;
	c->since = now;
	c->deadline = now + (c->in_len ? STATUS_HEAD_USEC : STATUS_IDLE_USEC);
}

static size_t fill_vector(const struct status_connection *c, struct iovec vector[2])
{
	size_t count = 0, skip = c->sent;

	if (skip < c->out.len)
		vector[count++] = (struct iovec){ .iov_base = c->out.data + skip,
						  .iov_len = c->out.len - skip };
	skip = skip > c->out.len ? skip - c->out.len : 0;
	if (c->page && skip < c->page->body.len)
		vector[count++] = (struct iovec){ .iov_base = c->page->body.data + skip,
						  .iov_len = c->page->body.len - skip };
	return count;
}

static void write_answer(struct status_connection *c, usec_t now)
{
	struct iovec vector[2];
	size_t count;

	while ((count = fill_vector(c, vector))) {
		ssize_t n = writev(c->fd, vector, (int)count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(c, EPOLLOUT);
			return;
		}
		if (n < 0) {
			status_connection_close(c);
			return;
		}
		c->sent += (size_t)n;
		c->since = now;
	}
	answered(c, now);
}

static void start_answer(struct status_connection *c, const struct status_answer *a, bool is_head,
			 usec_t now)
{
	size_t length = a->body->len + (a->page ? a->page->body.len : 0);
	char extra[256], date[40];

	status_http_date((int64_t)now + c->server->real_offset_usec, date);
	snprintf(
		extra, sizeof(extra),
		"Date: %s\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nVary: Accept\r\n%s%s",
		date, a->allow ? "Allow: GET, HEAD\r\n" : "",
		a->retry_after ? "Retry-After: 5\r\n" : "");
	buf_clear(&c->out);
	c->sent = 0;
	http_response_head(&c->out, a->status,
			   a->is_json ? "application/json" : "text/plain; charset=utf-8", length,
			   !c->close_after, extra);
	if (!is_head) {
		buf_add(&c->out, buf_str(a->body), a->body->len);
		c->page = a->page ? status_page_hold(a->page) : NULL;
	}
	c->phase = STATUS_WRITING;
	c->deadline = now + STATUS_ANSWER_USEC + length / STATUS_SLOWEST_BYTES * USEC_SEC;
	if (c->out.failed)
		status_connection_close(c);
	else
		write_answer(c, now);
}

static void refuse(struct status_connection *c, int status, const char *why, usec_t now)
{
	struct status_answer answer = { .body = &c->server->body };

	c->close_after = true;
	status_refuse(status, why, &answer);
	start_answer(c, &answer, false, now);
}

/* A body that a GET brings along is not read: the connection ends with the answer. */
static void serve(struct status_connection *c, usec_t now)
{
	struct status_server *s = c->server;
	const struct http_request *request = &s->request;
	struct status_answer answer = { .body = &s->body };

	buf_clear(&s->body);
	status_server_look(s, now);
	if (c->fd < 0)
		return;
	c->close_after = !request->keep_alive || request->content_length || s->leave_at;
	c->in_len -= request->head_length;
	memmove(c->in, c->in + request->head_length, c->in_len);
	status_route(s, request, now, &answer);
	/* Making room for a new page closes slow readers; this one reads nothing yet. */
	start_answer(c, &answer, str_eq(request->method, "HEAD"), now);
}

/* Requests that are complete, one after the other, until one has to wait for the client. */
static void advance(struct status_connection *c, usec_t now)
{
	while (c->fd >= 0 && c->phase == STATUS_READING && c->in_len) {
		struct err err;
		int status = 0;

		switch (http_parse(c->in, c->in_len, &c->server->request, &status, &err)) {
		case HTTP_PARSE_MORE:
			watch(c, EPOLLIN);
			return;
		case HTTP_PARSE_BAD:
			refuse(c, status, err.msg, now);
			break;
		case HTTP_PARSE_DONE:
			serve(c, now);
			break;
		}
	}
	if (c->fd >= 0 && c->phase == STATUS_READING)
		watch(c, EPOLLIN);
}

static void read_request(struct status_connection *c, usec_t now)
{
	ssize_t n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		status_connection_close(c);
		return;
	}
	if (c->in_len == 0 && c->is_reused)
		c->deadline = now + STATUS_HEAD_USEC;
	c->in_len += (size_t)n;
	c->since = now;
	advance(c, now);
}

static void drain(struct status_connection *c)
{
	ssize_t n = read(c->fd, c->in, sizeof(c->in));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		status_connection_close(c);
}

static void on_event(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct status_connection *c = arg;

	(void)loop;
	(void)events;
	switch (c->phase) {
	case STATUS_READING:
		read_request(c, now);
		break;
	case STATUS_WRITING:
		write_answer(c, now);
		if (c->fd >= 0)
			advance(c, now);
		break;
	case STATUS_LINGERING:
		drain(c);
		break;
	}
}

void status_connection_expire(struct status_connection *c, usec_t now)
{
	if (c->phase == STATUS_READING && c->in_len)
		refuse(c, 408, "the request took too long to arrive", now);
	else
		status_connection_close(c);
}
