/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the syslog server. One thing at a time, each wait with a limit and with an eye on the engine. What has left us and what
 * the server's kernel has acknowledged are two numbers: the second decides how far we are.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/ship.h"
#include "log/ship_tls.h"
#include "util/cleanup.h"

#define WAIT_MSEC 10000
#define SEND_BUFFER (256 * 1024)
#define BATCH_BYTES (32u * 1024)

int ship_wire_open(struct ship_wire *w, const struct syslog_url *url, const char *ca_pem,
		   size_t ca_len, int stop_fd, struct err *err)
{
	*w = (struct ship_wire){ .url = *url,
				 .fd = -1,
				 .stop_fd = stop_fd,
				 .out = BUF_INIT(BATCH_BYTES + SHIP_MESSAGE_MAX + 32) };
	if (url->transport != SYSLOG_TLS)
		return 0;
	w->tls = ship_tls_new(url->host, ca_pem, ca_len, err);
	return w->tls ? 0 : -1;
}

void ship_wire_disconnect(struct ship_wire *w)
{
	if (w->tls)
		ship_tls_reset(w->tls);
	close_fd(&w->fd);
	buf_clear(&w->out);
}

void ship_wire_close(struct ship_wire *w)
{
	ship_wire_disconnect(w);
	ship_tls_free(w->tls);
	w->tls = NULL;
	buf_fini(&w->out);
}

static int wait_for(struct ship_wire *w, short events, struct err *err)
{
	struct pollfd fds[] = { { .fd = w->fd, .events = events },
				{ .fd = w->stop_fd, .events = POLLIN } };
	int n;

retry:
	n = poll(fds, 2, WAIT_MSEC);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0)
		return err_sys(err, "poll");
	if (n == 0)
		return err_set(err, ERR_BUSY, "no answer within %d s", WAIT_MSEC / 1000);
	if (fds[1].revents)
		return err_set(err, ERR_BUSY, "the engine is gone");
	return 0;
}

static uint64_t tcp_acked(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_bytes_acked;
}

static int finish_connect(struct ship_wire *w, struct err *err)
{
	int code = 0, on = 1, size = SEND_BUFFER;
	socklen_t len = sizeof(code);

	if (wait_for(w, POLLOUT, err) < 0)
		return -1;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		return err_sys(err, "connect");
	if (code)
		return err_errno(err, code, "connect");
	if (w->url.transport == SYSLOG_UDP)
		return 0;
	/* A server that vanishes without a word is noticed by the kernel. */
	setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	w->acked_base = tcp_acked(w->fd);
	return 0;
}

static int handshake(struct ship_wire *w, struct err *err)
{
	short events = 0;
	int rc;

	while ((rc = ship_tls_handshake(w->tls, w->fd, &w->total, &events, err)) == 0)
		if (wait_for(w, events, err) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

static int connect_to(struct ship_wire *w, const struct addrinfo *a, struct err *err)
{
	w->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (w->fd < 0)
		return err_sys(err, "socket");
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		return err_sys(err, "connect");
	if (finish_connect(w, err) < 0)
		return -1;
	return w->tls ? handshake(w, err) : 0;
}

int ship_wire_connect(struct ship_wire *w, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = w->url.transport == SYSLOG_UDP ? SOCK_DGRAM :
										  SOCK_STREAM };
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(w->url.host, w->url.port, &hints, &list);

	if (rc != 0)
		return err_set(err, ERR_SYS, "%s: %s", w->url.host, gai_strerror(rc));
	rc = -1;
	for (const struct addrinfo *a = list; a && rc < 0; a = a->ai_next) {
		w->total = w->acked_base = 0;
		rc = connect_to(w, a, err);
		if (rc < 0)
			ship_wire_disconnect(w);
	}
	freeaddrinfo(list);
	return rc < 0 ? err_wrap(err, "%s:%s", w->url.host, w->url.port) : 0;
}

static int send_some(struct ship_wire *w, const char *data, size_t len, size_t *done,
		     struct err *err)
{
	short events = POLLOUT;
	ssize_t n;

	if (w->tls) {
		n = ship_tls_write(w->tls, data, len, &events, err);
		if (n < 0)
			return -1;
	} else {
		n = send(w->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "send");
		if (n > 0)
			w->total += (uint64_t)n;
	}
	*done = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : wait_for(w, events, err);
}

static int send_all(struct ship_wire *w, const char *data, size_t len, struct err *err)
{
	size_t done = 0;

	for (; len > 0; data += done, len -= done)
		if (send_some(w, data, len, &done, err) < 0)
			return err_wrap(err, "%s:%s", w->url.host, w->url.port);
	return 0;
}

int ship_wire_flush(struct ship_wire *w, struct err *err)
{
	int rc;

	if (w->out.len == 0)
		return 0;
	rc = send_all(w, w->out.data, w->out.len, err);
	buf_clear(&w->out);
	return rc;
}

int ship_wire_send(struct ship_wire *w, const char *data, size_t len, struct err *err)
{
	if (w->url.transport == SYSLOG_UDP) {
		/* An ICMP answer to the datagram before is an error of this one; nobody resends those. */
		if (send(w->fd, data, len, MSG_NOSIGNAL) < 0 && errno != ECONNREFUSED)
			return err_sys(err, "%s:%s: send", w->url.host, w->url.port);
		return 0;
	}
	buf_printf(&w->out, "%zu ", len);
	buf_add(&w->out, data, len);
	if (buf_check(&w->out, "ship: message", err) < 0)
		return -1;
	return w->out.len < BATCH_BYTES ? 0 : ship_wire_flush(w, err);
}

int ship_wire_check(struct ship_wire *w, struct err *err)
{
	char data[1024];
	ssize_t n;

	if (w->url.transport == SYSLOG_UDP)
		return 0;
	if (w->tls)
		return ship_tls_drain(w->tls, err);
	while ((n = recv(w->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		;
	if (n == 0)
		return err_set(err, ERR_SYS, "%s:%s: the server has closed the connection",
			       w->url.host, w->url.port);
	return errno == EAGAIN || errno == EINTR ? 0 :
						   err_sys(err, "%s:%s", w->url.host, w->url.port);
}

uint64_t ship_wire_acked(const struct ship_wire *w)
{
	uint64_t acked;

	if (w->url.transport == SYSLOG_UDP || w->fd < 0)
		return w->total;
	acked = tcp_acked(w->fd);
	return acked > w->acked_base ? acked - w->acked_base : 0;
}
