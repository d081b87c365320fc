/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An appliance for tests: a published file that the test writes, an "engine" that is a child waiting to be killed, and a server on
 * a loopback port in this process, whose loop is turned by hand. No test sleeps: the future is an argument.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "status/internal.h"
#include "util/proc.h"
#include "util/str.h"

#define STARTED_USEC INT64_C(1772356087654000) /* 2026-03-01T09:08:07.654Z */
#define PATIENCE_MSEC 20000		       /* before a test that hangs is ended */

struct fixture {
	char dir[64], path[96];
	struct published *writer;
	int published_fd, listen_fd;
	uint16_t port;
	pid_t engine;
	struct loop *loop;
	struct status_server *server;
};

static inline void must(bool holds, const char *what)
{
	if (!holds) {
		perror(what);
		abort();
	}
}

static inline pid_t fixture_fork_engine(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

/* The header as the engine with this pid would publish it. */
static inline struct published_header fixture_header(pid_t engine)
{
	struct published_header h = {
		.engine_pid = engine,
		.engine_start_ticks = proc_start_ticks(engine),
		.engine_started_real_usec = STARTED_USEC,
		.boot_real_usec = clock_real_usec() - 3600 * INT64_C(1000000),
		.settled = 1,
		.version = "1.2.3",
		.boot_id = "6c5a1d3e-0000-4000-8000-00000000beef",
		.hostname = "box",
	};

	return h;
}

static inline struct published_unit fixture_unit(const char *name)
{
	struct published_unit u = {
		.state = PUBLISHED_UP,
		.health = PUBLISHED_HEALTHY,
		.wanted = 1,
		.boot_start = 1,
		.pid = 4711,
		.exit_code = -1,
		.since_real_usec = STARTED_USEC + 1000000,
		.started_real_usec = STARTED_USEC + 500000,
		.run_id = "0123456789ab",
		.image = "localhost/app:1",
		.image_digest = "sha256:00",
	};

	snprintf(u.name, sizeof(u.name), "%s", name);
	snprintf(u.unit, sizeof(u.unit), "%s.container", name);
	snprintf(u.source, sizeof(u.source), "/config/units/%s.container", name);
	return u;
}

static inline void fixture_put(struct fixture *f, unsigned index, const struct published_unit *u)
{
	published_put_unit(f->writer, index, u);
}

static inline int fixture_listen(uint16_t *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0) {
		must(getsockname(fd, (struct sockaddr *)&any, &len) == 0, "getsockname");
		*port = ntohs(any.sin6_port);
	} else {
		if (fd >= 0)
			close(fd);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		len = sizeof(any4);
		must(fd >= 0 && bind(fd, (struct sockaddr *)&any4, sizeof(any4)) == 0, "bind");
		must(getsockname(fd, (struct sockaddr *)&any4, &len) == 0, "getsockname");
		*port = ntohs(any4.sin_port);
	}
	must(listen(fd, 128) == 0, "listen");
	return fd;
}

/* The file, the engine and the socket, without a server. */
static inline struct fixture *fixture_world(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	must(f != NULL, "calloc");
	signal(SIGPIPE, SIG_IGN);
	snprintf(f->dir, sizeof(f->dir), "/tmp/cleat-unit-XXXXXX");
	must(mkdtemp(f->dir) != NULL, "mkdtemp");
	snprintf(f->path, sizeof(f->path), "%s/published", f->dir);
	f->writer = published_create(f->path, &err);
	must(f->writer != NULL, f->path);
	f->engine = fixture_fork_engine();
	f->published_fd = open(f->path, O_RDONLY | O_CLOEXEC);
	f->listen_fd = fixture_listen(&f->port);
	return f;
}

static inline void fixture_serve(struct fixture *f)
{
	struct err err;

	f->loop = loop_new(&err);
	must(f->loop != NULL, "loop");
	f->server = status_server_new(f->loop, fcntl(f->listen_fd, F_DUPFD_CLOEXEC, 0),
				      f->published_fd, f->engine, &err);
	if (!f->server)
		fail_msg("%s", err.msg);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = fixture_world();
	struct published_header h = fixture_header(f->engine);

	published_put_header(f->writer, &h);
	fixture_serve(f);
	*state = f;
	return 0;
}

static inline void fixture_end_engine(struct fixture *f)
{
	int status;

	if (f->engine <= 0)
		return;
	kill(f->engine, SIGKILL);
	must(waitpid(f->engine, &status, 0) == f->engine, "waitpid");
	f->engine = 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	status_server_free(f->server);
	loop_free(f->loop);
	fixture_end_engine(f);
	published_close(f->writer);
	close(f->published_fd);
	close(f->listen_fd);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

#define status_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* ------------------------------------------------------------------ turning the loop */

static inline void fixture_stop_loop(struct loop *loop, usec_t now, void *arg)
{
	(void)now;
	(void)arg;
	loop_stop(loop);
}

/* One turn over everything that is ready now. False when the server stopped the loop by itself for good. */
static inline void fixture_turn(struct fixture *f)
{
	struct loop_source *stop = loop_timer(f->loop, 0, fixture_stop_loop, NULL);
	struct err err;

	must(loop_run(f->loop, &err) == 0, "loop_run");
	loop_remove(f->loop, stop);
}

static inline void fixture_tick_in(struct fixture *f, usec_t later_usec)
{
	usec_t now = clock_now_usec() + later_usec;

	status_server_tick(f->server, now, clock_real_usec() + (int64_t)later_usec);
}

/* ------------------------------------------------------------------ clients */

static inline int fixture_connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	return fd;
}

static inline int fixture_connect(struct fixture *f)
{
	return fixture_connect_to(f->port);
}

static inline void send_text(int fd, const char *text)
{
	size_t len = strlen(text);

	must(send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

struct answer {
	int status;
	bool closed; /* the server's end came while we read */
	char head[2048];
	struct buf body;
};

/* Looks for the value of a header in the head of an answer; "" when it is absent. */
static inline const char *answer_header(const struct answer *a, const char *name, char out[256])
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
	at = strstr(a->head, wanted);
	out[0] = '\0';
	if (at)
		snprintf(out, 256, "%.*s", (int)strcspn(at + strlen(wanted), "\r"),
			 at + strlen(wanted));
	return out;
}

/* Bytes until there is an end of file or "enough" of them; turn (may be NULL) makes the server work meanwhile. */
static inline bool receive_more(struct fixture *f, int fd, struct buf *in)
{
	int waited = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char data[16384];
		ssize_t n;

		if (f && f->server)
			fixture_turn(f);
		if (poll(&p, 1, f && f->server ? 1 : PATIENCE_MSEC) <= 0) {
			must(f && f->server && waited++ < PATIENCE_MSEC, "no answer");
			continue;
		}
		n = recv(fd, data, sizeof(data), 0);
		if (n <= 0)
			return false;
		buf_add(in, data, (size_t)n);
		return true;
	}
}

/* One answer; what follows it stays in rest. */
static inline struct answer receive_next(struct fixture *f, int fd, struct buf *rest, bool is_head)
{
	struct answer a = { .status = 0, .body = BUF_INIT(64 * 1024 * 1024) };
	char value[256];
	uint64_t length;
	const char *end;

	while (!(end = strstr(buf_str(rest), "\r\n\r\n"))) {
		if (!receive_more(f, fd, rest)) {
			a.closed = true;
			return a;
		}
	}
	snprintf(a.head, sizeof(a.head), "%.*s", (int)(end + 2 - rest->data), rest->data);
	a.status = (int)strtol(a.head + strlen("HTTP/1.1 "), NULL, 10);
	buf_consume(rest, (size_t)(end + 4 - rest->data));
	if (!str_to_u64(answer_header(&a, "Content-Length", value), UINT64_MAX, &length))
		fail_msg("no Content-Length in %s", a.head);
	while (!is_head && rest->len < length && !a.closed)
		a.closed = !receive_more(f, fd, rest);
	length = is_head ? 0 : length < rest->len ? length : rest->len;
	buf_add(&a.body, buf_str(rest), length);
	if (length)
		buf_consume(rest, length);
	return a;
}

/* A whole conversation: connect, send, one answer, close. */
static inline struct answer ask(struct fixture *f, const char *text)
{
	struct buf rest = BUF_INIT(64 * 1024 * 1024);
	int fd = fixture_connect(f);
	struct answer a;

	send_text(fd, text);
	a = receive_next(f, fd, &rest, strncmp(text, "HEAD", 4) == 0);
	buf_fini(&rest);
	close(fd);
	return a;
}

static inline struct answer get_with(struct fixture *f, const char *path, const char *lines)
{
	char text[2048];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: box\r\n%s\r\n", path, lines);
	return ask(f, text);
}

static inline struct answer get(struct fixture *f, const char *path)
{
	return get_with(f, path, "");
}

static inline void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static inline void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in:\n%s", part, text);
}

/* Status code, and a part of the body (NULL: any). */
static inline void assert_get(struct fixture *f, const char *path, int status, const char *part)
{
	struct answer a = get(f, path);

	if (a.status != status)
		fail_msg("%s: %d, not %d: %s", path, a.status, status, buf_str(&a.body));
	if (part)
		assert_contains(buf_str(&a.body), part);
	buf_fini(&a.body);
}
