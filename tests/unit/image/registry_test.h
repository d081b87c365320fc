/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A registry that does whatever a test wants: an HTTP server in processes of its own, one for each connection, whose answers are a
 * function of the test. What it was asked is in memory shared with the test.
 */
#include "image_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "image/registry.h"
#include "util/loop.h"

#define LOG_BYTES (512u * 1024)
#define LAYER_BYTES (300u * 1024)
#define MAX_LAYERS 4

struct shared {
	atomic_uint count[8]; /* for the test's own use */
	atomic_size_t log_used;
	char log[LOG_BYTES]; /* every request's head, one behind the other */
};

struct server {
	pid_t pid;
	int port;
	struct shared *shared;
};

/* One request to answer. */
struct ask {
	int fd;
	const char *method, *path;
	const char *head; /* with the request line */
	const char *body; /* of a POST */
	struct shared *shared;
	int port;
};
typedef void serve_fn(struct ask *ask);

static inline void send_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0); /* the client has had enough: what most tests want */
		at += n;
		length -= (size_t)n;
	}
}

static inline void send_text(struct ask *ask, const char *text)
{
	send_all(ask->fd, text, strlen(text));
}

/* headers: lines that end in CRLF, "" for none */
static inline void reply(struct ask *ask, const char *status, const char *headers, const void *body,
			 size_t length)
{
	char head[8192];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
			 length, headers);

	send_all(ask->fd, head, (size_t)n);
	if (strcmp(ask->method, "HEAD") != 0)
		send_all(ask->fd, body, length);
}

static inline void reply_text(struct ask *ask, const char *status, const char *headers,
			      const char *body)
{
	reply(ask, status, headers, body, strlen(body));
}

/* What was sent arrives, then the connection ends. */
static inline _Noreturn void hang_up(struct ask *ask)
{
	shutdown(ask->fd, SHUT_WR);
	_exit(0);
}

/* Says nothing more until the client goes. */
static inline _Noreturn void wait_for_end(struct ask *ask)
{
	char byte;

	while (recv(ask->fd, &byte, 1, 0) > 0)
		;
	_exit(0);
}

/* Value of a header of the request ("Range: "); NULL: it has none. */
static inline const char *header_of(const struct ask *ask, const char *name)
{
	static char value[4096];
	const char *at = strcasestr(ask->head, name);

	if (!at)
		return NULL;
	at += strlen(name);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r\n"), at);
	return value;
}

/* Reads on until fd has given length bytes in all. */
static inline void read_up_to(int fd, char *data, size_t *used, size_t length, size_t size)
{
	while (*used < length) {
		ssize_t n = recv(fd, data + *used, size - *used - 1, 0);

		if (n <= 0)
			_exit(0);
		*used += (size_t)n;
		data[*used] = '\0';
	}
}

static inline void serve_connection(int fd, struct server *server, serve_fn *serve)
{
	static char data[65536], head[65536], method[16], path[8192];
	size_t used = 0;

	for (;;) {
		struct ask ask = { .fd = fd,
				   .method = method,
				   .path = path,
				   .head = head,
				   .shared = server->shared,
				   .port = server->port };
		size_t head_length, rest, at;
		const char *end;

		while (!(end = memmem(data, used, "\r\n\r\n", 4))) {
			read_up_to(fd, data, &used, used + 1, sizeof(data));
			if (data[0] == 0x16) /* TLS is not spoken here */
				_exit(0);
		}
		head_length = (size_t)(end - data) + 2;
		snprintf(head, sizeof(head), "%.*s", (int)head_length, data);
		snprintf(method, sizeof(method), "%.*s", (int)strcspn(head, " "), head);
		end = head + strlen(method) + 1;
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(end, " "), end);
		rest = header_of(&ask, "content-length: ") ?
			       strtoul(header_of(&ask, "content-length: "), NULL, 10) :
			       0;
		read_up_to(fd, data, &used, head_length + 2 + rest, sizeof(data));
		ask.body = data + head_length + 2;
		at = atomic_fetch_add(&server->shared->log_used, head_length);
		if (at + head_length < LOG_BYTES)
			memcpy(server->shared->log + at, head, head_length);
		serve(&ask);
		used -= head_length + 2 + rest;
		memmove(data, data + head_length + 2 + rest, used + 1);
	}
}

static inline void server_start_at(struct server *server, const char *address, serve_fn *serve)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
	socklen_t length = sizeof(any);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t parent = getpid();

	assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &length), 0);
	server->port = ntohs(any.sin_port);
	server->shared = mmap(NULL, sizeof(*server->shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(server->shared, MAP_FAILED);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid > 0) {
		setpgid(server->pid, server->pid);
		close(listener);
		return;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			serve_connection(fd, server, serve);
		}
		close(fd);
	}
}

static inline void server_start(struct server *server, serve_fn *serve)
{
	server_start_at(server, "127.0.0.1", serve);
}

static inline void server_stop(struct server *server)
{
	if (server->pid > 0) {
		kill(-server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
		munmap(server->shared, sizeof(*server->shared));
	}
	*server = (struct server){ 0 };
}

static inline unsigned count_in(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

/* An image as a registry holds it. */
struct image_fixture {
	char layer_digest[MAX_LAYERS][80], config_digest[80], manifest_digest[80];
	char config[2048], manifest[8192];
	unsigned char *layer[MAX_LAYERS];
};

#define FIXTURE_DIFF_ID \
	"\"sha256:00000000000000000000000000000000000000000000000000000000000000%02x\""

static inline void fixture_make(struct image_fixture *f, unsigned layers)
{
	char list[4096] = "", ids[1024] = "";
	unsigned seed = 1;

	for (unsigned i = 0; i < layers; i++) {
		size_t used = strlen(list);

		f->layer[i] = malloc(LAYER_BYTES);
		assert_non_null(f->layer[i]);
		for (size_t k = 0; k < LAYER_BYTES; k++)
			f->layer[i][k] =
				(unsigned char)((seed = seed * 1103515245u + 12345u) >> 16);
		digest_of(f->layer[i], LAYER_BYTES, f->layer_digest[i]);
		snprintf(list + used, sizeof(list) - used,
			 "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
			 "\"digest\":\"%s\",\"size\":%u}",
			 i ? "," : "", f->layer_digest[i], LAYER_BYTES);
		used = strlen(ids);
		snprintf(ids + used, sizeof(ids) - used, "%s" FIXTURE_DIFF_ID, i ? "," : "", i);
	}
	snprintf(f->config, sizeof(f->config),
		 "{\"os\":\"linux\",\"architecture\":\"%s\",\"config\":{},"
		 "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
		 oci_platform_here()->architecture, ids);
	digest_of(f->config, strlen(f->config), f->config_digest);
	snprintf(
		f->manifest, sizeof(f->manifest),
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		"\"digest\":\"%s\",\"size\":%zu},\"layers\":[%s]}",
		f->config_digest, strlen(f->config), list);
	digest_of(f->manifest, strlen(f->manifest), f->manifest_digest);
}

static inline void fixture_free(struct image_fixture *f)
{
	for (unsigned i = 0; i < MAX_LAYERS; i++)
		free(f->layer[i]);
	*f = (struct image_fixture){ 0 };
}

/* Of a blob's address the number of the layer; MAX_LAYERS: none. */
static inline unsigned layer_asked(const struct ask *ask, const struct image_fixture *f)
{
	unsigned i = 0;

	while (i < MAX_LAYERS && !(f->layer[i] && strstr(ask->path, "/blobs/") &&
				   strstr(ask->path, f->layer_digest[i])))
		i++;
	return i;
}

/* What a registry without malice answers. */
static inline void serve_fixture(struct ask *ask, const struct image_fixture *f)
{
	unsigned layer = layer_asked(ask, f);
	char headers[256];

	if (layer < MAX_LAYERS) {
		reply(ask, "200 OK", "", f->layer[layer], LAYER_BYTES);
	} else if (!strcmp(ask->path, "/v2/team/app/manifests/1.0") ||
		   (strstr(ask->path, "/manifests/sha256:") &&
		    strstr(ask->path, f->manifest_digest))) {
		snprintf(headers, sizeof(headers),
			 "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
			 "Docker-Content-Digest: %s\r\n",
			 f->manifest_digest);
		reply_text(ask, "200 OK", headers, f->manifest);
	} else if (strstr(ask->path, "/blobs/") && strstr(ask->path, f->config_digest)) {
		reply_text(ask, "200 OK", "", f->config);
	} else {
		reply_text(
			ask, "404 Not Found", "Content-Type: application/json\r\n",
			"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}");
	}
}

/* A sink that keeps everything, and how it ended. */
struct taken {
	unsigned char *data;
	size_t length, max;
	size_t at_most;	     /* bytes a call; 0: all */
	unsigned pause_each; /* says "not now" each n-th time; 0: never */
	unsigned calls, pauses;
	bool refuses, is_over, has_failed;
	struct err err;
};

static inline ssize_t take_bytes(void *arg, const void *data, size_t length)
{
	struct taken *t = arg;

	assert_false(t->is_over);
	if (t->refuses)
		return -1;
	if (t->pause_each && ++t->calls % t->pause_each == 0) {
		t->pauses++;
		return 0;
	}
	if (t->at_most && length > t->at_most)
		length = t->at_most;
	if (t->length + length > t->max) {
		t->max = (t->length + length) * 2;
		t->data = realloc(t->data, t->max);
		assert_non_null(t->data);
	}
	memcpy(t->data + t->length, data, length);
	t->length += length;
	return (ssize_t)length;
}

static inline void take_end(void *arg, const struct err *err)
{
	struct taken *t = arg;

	assert_false(t->is_over);
	t->is_over = true;
	t->has_failed = err != NULL;
	if (err)
		t->err = *err;
}

static inline void taken_free(struct taken *t)
{
	free(t->data);
	*t = (struct taken){ 0 };
}

/* A client and what it asks: up to two servers, of which the first is asked first. */
struct world {
	struct server server[2];
	struct image_fixture fixture;
	struct pull_endpoint endpoints[2];
	struct pull_candidate candidate;
	char hosts[2][64];
	struct registry_limits limits;
	struct registry *registry;
	struct registry_image image;
	struct arena arena;
	struct err err;
};

/* The fixture first, which the server's process gets a copy of. */
static inline void world_open(struct world *w, unsigned layers)
{
	*w = (struct world){ .limits = { .redirect_max = 5,
					 .retries = 2,
					 .retry_delay_usec = 1000,
					 .stall_bytes_per_sec = 1000 } };
	fixture_make(&w->fixture, layers);
	assert_int_equal(ref_parse("registry.example/team/app:1.0", &w->candidate.ref, &w->err), 0);
	w->candidate.endpoints = w->endpoints;
}

/* One more server, asked after those that are there. insecure: it speaks http only. */
static inline void world_serve(struct world *w, serve_fn *serve)
{
	size_t i = w->candidate.endpoint_count++;

	server_start(&w->server[i], serve);
	snprintf(w->hosts[i], sizeof(w->hosts[i]), "127.0.0.1:%d", w->server[i].port);
	w->endpoints[i] = (struct pull_endpoint){
		.host = w->hosts[i], .repository = "team/app", .insecure = true, .auth_key = ""
	};
}

static inline void world_connect(struct world *w)
{
	registry_close(w->registry);
	w->registry = registry_open(NULL, &w->limits, &w->err);
	assert_non_null(w->registry);
}

/* Patience of 0.4 s from here on: for servers that stand still. Honest ones get the default, however loaded the machine is. */
static inline void world_hurry(struct world *w)
{
	w->limits.stall_timeout_usec = 400 * USEC_MSEC;
	world_connect(w);
}

static inline int world_resolve(struct world *w)
{
	if (!w->registry)
		world_connect(w);
	return registry_resolve(w->registry, &w->candidate, NULL, NULL, &w->arena, &w->image,
				&w->err);
}

static inline void world_resolves(struct world *w)
{
	if (world_resolve(w) < 0)
		fail_msg("%s", w->err.msg);
}

static inline void world_refuses(struct world *w, enum err_code code, const char *part)
{
	assert_int_equal(world_resolve(w), -1);
	assert_says(&w->err, code, part);
}

static inline struct registry_transfer *world_fetch(struct world *w, size_t layer,
						    struct taken *taken)
{
	struct registry_transfer *t = registry_fetch(w->registry, &w->candidate, &w->image, layer,
						     take_bytes, take_end, taken, &w->err);

	if (!t)
		fail_msg("%s", w->err.msg);
	return t;
}

/* One turn; *running_out may be NULL. */
static inline void world_turn(struct world *w, unsigned *running_out)
{
	unsigned running;

	if (registry_turn(w->registry, NULL, 0, 1000, running_out ? running_out : &running,
			  &w->err) < 0)
		fail_msg("%s", w->err.msg);
}

/* Until all is over. */
static inline void world_run(struct world *w)
{
	unsigned running;

	do
		world_turn(w, &running);
	while (running);
}

static inline void world_close(struct world *w)
{
	registry_close(w->registry);
	server_stop(&w->server[0]);
	server_stop(&w->server[1]);
	fixture_free(&w->fixture);
	arena_fini(&w->arena);
	*w = (struct world){ 0 };
}
