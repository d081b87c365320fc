/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's connections: accept, read a request, write its answer, with a bound on everything. One request at a time and
 * connection; a client that stops reading or dripping bytes loses its place after a while. Must never wait for a client, a
 * disk or a container, and must never start a request from inside the engine's own turn: what the engine is asked while it
 * works on something else is only queued, and its state would be read too early.
 */
#include "api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/events.h"
#include "api/internal.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define HEAD_USEC (10 * USEC_SEC)
#define IDLE_USEC (60 * USEC_SEC)
#define WRITE_USEC (30 * USEC_SEC)
#define ACCEPT_PAUSE_USEC (100 * USEC_MSEC)
#define IN_MAX (HTTP_MAX_HEAD + HTTP_MAX_BODY)
#define LISTEN_VARIABLE "CLEAT_CONTROL_FD" /* a number: api_hand_on() */
#define SOCKET_PART CLEAT_SOCKET ".new"

struct api;
struct client {
	struct api *api;
	int fd; /* -1: free */
	/* the timer: head, idle or write deadline; while an answer is held back, the client's own limit for a stop */
	struct loop_source *source, *timer;
	struct buf in, out;
	size_t need; /* bytes of the request at the front of in, 0: not known yet */
	struct api_answer answer;
	bool is_answering; /* a request was taken and its answer is not out yet */
	bool is_ready;	   /* a held-back answer has come to its result */
	bool keep_alive, head_only;
	bool is_idle; /* has had its answer, and has not asked again */
};

struct api {
	struct engine *engine;
	struct loop *loop;
	int fd;
	struct loop_source *source, *accept_timer, *turn_timer;
	struct client clients[API_MAX_CLIENTS];
};

static void answer_reset(struct api_answer *answer)
{
	buf_fini(&answer->body);
	*answer = (struct api_answer){ .body = BUF_INIT(API_MAX_ANSWER), .stop_usec = USEC_NEVER };
}

static void client_close(struct client *c)
{
	loop_remove(c->api->loop, c->source);
	loop_remove(c->api->loop, c->timer);
	close_fd(&c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	answer_reset(&c->answer);
	c->source = c->timer = NULL;
	c->is_answering = c->is_ready = false;
}

static void client_deadline(struct client *c, usec_t delay)
{
	loop_timer_set(c->api->loop, c->timer,
		       delay == USEC_NEVER ? USEC_NEVER : loop_now(c->api->loop) + delay);
}

static void client_interest(struct client *c, uint32_t events)
{
	struct err err;

	if (loop_modify(c->api->loop, c->source, events, &err) < 0)
		log_msg(LOG_ERROR, "api", "%s", err.msg);
}

/* Everybody is looked at in the next turn: ready answers go out, requests that are in a buffer already are taken. */
static void another_turn(struct api *api)
{
	loop_timer_set(api->loop, api->turn_timer, loop_now(api->loop));
}

static void client_rest(struct client *c)
{
	c->is_answering = false;
	answer_reset(&c->answer);
	buf_fini(&c->out);
	if (!c->keep_alive) {
		client_close(c);
		return;
	}
	c->is_idle = !c->in.len;
	client_interest(c, EPOLLIN);
	client_deadline(c, c->in.len ? HEAD_USEC : IDLE_USEC);
	if (c->in.len)
		another_turn(c->api);
}

/* The answer has gone out whole. What makes another engine of this one comes last: it may not return. */
static void client_done(struct client *c)
{
	struct engine *engine = c->api->engine;
	bool reload = c->answer.reload, applies_choices = c->answer.applies_choices;

	client_rest(c);
	if (reload)
		engine_reload(engine);
	if (applies_choices)
		engine_apply_choices(engine);
}

/* The answer is on its way as far as the socket takes it. */
static void client_flush(struct client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			client_interest(c, EPOLLOUT);
			client_deadline(c, WRITE_USEC);
			return;
		} else if (n < 0 && errno != EINTR) {
			client_close(c);
			return;
		}
	}
	client_done(c);
}

static void client_answer(struct client *c)
{
	struct api_answer *a = &c->answer;

	c->is_ready = false;
	if (a->body.failed)
		api_fail(a, 500, "the answer is too large");
	http_response_head(&c->out, a->status,
			   a->content_type ? a->content_type : "application/json", a->body.len,
			   c->keep_alive, a->extra);
	if (!c->head_only)
		buf_add(&c->out, buf_str(&a->body), a->body.len);
	client_flush(c);
}

static void client_refuse(struct client *c, int status, const struct err *err)
{
	c->keep_alive = c->head_only = false;
	c->is_answering = true;
	api_fail(&c->answer, status, "%s", err->msg);
	client_answer(c);
}

static void stream_ended(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* it said what went wrong; the client sees the end of the stream */
}

/* The head of a stream is out already: what goes wrong now is said as a line of stderr. */
static void stream_error(const struct client *c, const struct err *err)
{
	size_t length = strlen(err->msg) + strlen("cleat: \n");
	char frame[8 + sizeof(err->msg) + 16] = { 2,	       0, 0, 0, 0, 0, (char)(length >> 8),
						  (char)length };

	log_msg(LOG_ERROR, "api", "log stream: %s", err->msg);
	snprintf(frame + 8, sizeof(frame) - 8, "cleat: %s\n", err->msg);
	if (send(c->fd, frame, 8 + length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_msg(LOG_DEBUG, "api", "log stream: the client has gone");
}

/* The connection leaves this process: a child of lowest privilege reads the log and writes the client. */
static void stream_spawn(struct client *c, int log_fd, const char *make)
{
	const struct api_log_args *args = &c->answer.log_args;
	const char *const *events = c->answer.event_words;
	char *argv[2 + API_MAX_LOG_ARGS + 2] = { "cleat", events ? "event-stream" : "log-stream" };
	struct engine *engine = c->api->engine;
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = engine_work_cgroup(engine),
		.fds = { c->fd, c->fd, STDERR_FILENO, log_fd },
		.fd_count = 4,
	};
	struct proc proc;
	struct err err;

	for (unsigned i = 0; i < args->count; i++)
		argv[2 + i] = c->answer.log_args.words[i];
	if (make)
		argv[2 + args->count] = (char *)(uintptr_t)make;
	for (unsigned i = 0; events && events[i]; i++)
		argv[2 + i] = (char *)(uintptr_t)events[i];
	fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
	if (proc_spawn(&spawn, &proc, &err) < 0) {
		stream_error(c, &err);
		return;
	}
	close(proc.pidfd);
	if (engine_watch_child(engine, proc.pid, stream_ended, NULL, &err) < 0)
		log_msg(LOG_WARN, "api", "%s", err.msg);
}

static void client_stream(struct client *c)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
		"Connection: close\r\n\r\n";
	char dir[256], make[256 + sizeof("--make-chosen=")];
	bool may_come = false;
	auto_fd int log_fd = -1;
	struct err err;

	engine_log_dir(c->api->engine, c->answer.index, dir, sizeof(dir));
	log_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log_fd < 0 && errno != ENOENT) {
		err_sys(&err, "%s", dir);
		c->keep_alive = false;
		api_fail(&c->answer, 500, "%s", err.msg);
		client_answer(c);
		return;
	}
	/* a container without a log directory has had no output yet: an empty stream, or one that waits */
	if (log_fd < 0 && c->answer.log_args.is_following)
		may_come =
			engine_log_make_word(c->api->engine, c->answer.index, make, sizeof(make));
	if (send(c->fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1 &&
	    (log_fd >= 0 || may_come))
		stream_spawn(c, log_fd, may_come ? make : NULL);
	client_close(c);
}

/* The connection becomes the shim's. What the client has sent already would be lost on the way. */
static void client_exec(struct client *c)
{
	const struct buf *order = c->answer.exec;
	int rc, status = 500;
	struct err err = { 0 };

	if (c->in.len) {
		status = 400;
		rc = err_set(&err, ERR_INPUT, "input came before the answer to the request");
	} else {
		rc = engine_exec(c->api->engine, c->answer.index, order->data, order->len, c->fd,
				 &err);
		if (err.code == ERR_BUSY)
			status = 409;
	}
	if (rc == 0) {
		client_close(c);
		return;
	}
	c->keep_alive = false;
	api_fail(&c->answer, status, "%s", err.msg);
	client_answer(c);
}

static void client_events(struct client *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				   "Connection: close\r\n\r\n";
	struct err err;
	auto_fd int ring = api_events_open(&err);

	if (ring < 0) {
		c->keep_alive = false;
		api_fail(&c->answer, 500, "%s", err.msg);
		client_answer(c);
		return;
	}
	if (send(c->fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(head) - 1)
		stream_spawn(c, ring, NULL);
	client_close(c);
}

static void client_act(struct client *c, const struct http_request *request)
{
	struct engine *engine = c->api->engine;

	c->is_answering = true;
	c->keep_alive = request->keep_alive;
	c->head_only = str_eq(request->method, "HEAD");
	client_deadline(c, USEC_NEVER);
	api_route(engine, request, &c->answer);
	if (c->answer.is_stream && c->answer.event_words)
		client_events(c);
	else if (c->answer.is_stream)
		client_stream(c);
	else if (c->answer.is_exec)
		client_exec(c);
	else if (!c->answer.is_pending || api_settled(engine, &c->answer))
		client_answer(c);
	else if (c->answer.stop_usec != USEC_NEVER)
		client_deadline(c, c->answer.stop_usec);
}

/*
 * Takes one request off the buffer, if there is a whole one, and starts its answer. A copy is parsed: http_parse() writes into the
 * bytes, and the head is looked at again when the body has come.
 */
static void client_take(struct client *c)
{
	size_t length = c->in.len < HTTP_MAX_HEAD ? c->in.len : HTTP_MAX_HEAD;
	struct http_request request;
	static char head[HTTP_MAX_HEAD],
		body[HTTP_MAX_BODY]; /* too large for a frame; one thread */
	int status = 0;
	struct err err;

	if (c->fd < 0 || c->is_answering || !c->in.len || c->in.len < c->need)
		return;
	memcpy(head, c->in.data, length);
	switch (http_parse(head, length, &request, &status, &err)) {
	case HTTP_PARSE_MORE:
		return;
	case HTTP_PARSE_BAD:
		client_refuse(c, status, &err);
		return;
	case HTTP_PARSE_DONE:
		break;
	}
	c->need = request.head_length + request.content_length;
	if (c->in.len < c->need)
		return;
	memcpy(body, c->in.data + request.head_length, request.content_length);
	request.body = body;
	buf_consume(&c->in, c->need);
	c->need = 0;
	client_act(c, &request);
}

static void on_client(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct client *c = arg;
	bool was_empty = !c->in.len;
	char data[4096];
	ssize_t n;

	(void)loop;
	(void)now;
	if (events & EPOLLOUT) {
		client_flush(c);
		return;
	}
	n = recv(c->fd, data, sizeof(data), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* end of file while an answer is pending: nobody waits for it any more */
	if (n <= 0 || buf_add(&c->in, data, (size_t)n) < 0) {
		client_close(c);
		return;
	}
	c->is_idle = false;
	if (was_empty && !c->is_answering)
		client_deadline(c, HEAD_USEC);
	client_take(c);
}

static void on_client_timer(struct loop *loop, usec_t now, void *arg)
{
	struct client *c = arg;

	if (c->is_answering && c->answer.is_pending)
		loop_timer_set(loop, c->timer, api_hurry(c->api->engine, &c->answer, now));
	else
		client_close(c);
}

static void on_turn(struct loop *loop, usec_t now, void *arg)
{
	struct api *api = arg;

	(void)loop;
	(void)now;
	for (size_t i = 0; i < API_MAX_CLIENTS; i++) {
		struct client *c = &api->clients[i];

		if (c->fd >= 0 && c->is_ready)
			client_answer(c);
		else if (c->fd >= 0)
			client_take(c);
	}
}

/* Called from inside the engine's turn: looks, and answers in a turn of our own. */
static void on_unit_changed(void *arg, unsigned index, usec_t now)
{
	struct api *api = arg;

	(void)now;
	for (size_t i = 0; i < API_MAX_CLIENTS; i++) {
		struct client *c = &api->clients[i];

		if (c->fd < 0 || !c->answer.is_pending ||
		    !api_concerns(api->engine, &c->answer, index) ||
		    !api_settled(api->engine, &c->answer))
			continue;
		c->is_ready = true;
		client_deadline(c, USEC_NEVER);
		another_turn(api);
	}
}

static bool peer_is_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

static void client_open(struct api *api, struct client *c, int fd)
{
	struct err err;

	*c = (struct client){ .api = api,
			      .fd = fd,
			      .in = BUF_INIT(IN_MAX),
			      .out = BUF_INIT(API_MAX_ANSWER + HTTP_MAX_HEAD) };
	answer_reset(&c->answer);
	c->timer = loop_timer(api->loop, loop_now(api->loop) + HEAD_USEC, on_client_timer, c);
	c->source = loop_add(api->loop, fd, EPOLLIN, on_client, c, &err);
	if (!c->source) {
		log_msg(LOG_ERROR, "api", "%s", err.msg);
		client_close(c);
	}
}

/* A word why, as far as the empty socket takes it, and the end. */
static void turn_away(int fd, int status, const char *why)
{
	struct api_answer answer = { .body = BUF_INIT(1024) };
	auto_buf out = BUF_INIT(2048);

	api_fail(&answer, status, "%s", why);
	http_response_head(&out, status, "application/json", answer.body.len, false, "");
	buf_add(&out, buf_str(&answer.body), answer.body.len);
	if (send(fd, buf_str(&out), out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_msg(LOG_DEBUG, "api", "a client that was turned away has gone");
	buf_fini(&answer.body);
	close(fd);
}

static struct client *free_place(struct api *api)
{
	for (size_t i = 0; i < API_MAX_CLIENTS; i++)
		if (api->clients[i].fd < 0)
			return &api->clients[i];
	return NULL;
}

static void accept_interest(struct api *api, uint32_t events)
{
	struct err err;

	if (loop_modify(api->loop, api->source, events, &err) < 0)
		log_msg(LOG_ERROR, "api", "%s", err.msg);
}

static void on_accept_pause_over(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	accept_interest(arg, EPOLLIN);
}

static void on_accept(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct api *api = arg;
	int fd = accept4(api->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *place;

	(void)events;
	/* Short of descriptors or memory: the connection stays queued and would wake every turn. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		log_msg(LOG_WARN, "api", "accept: %s", strerror(errno));
		accept_interest(api, 0);
		loop_timer_set(loop, api->accept_timer, now + ACCEPT_PAUSE_USEC);
	}
	if (fd < 0)
		return;
	place = free_place(api);
	if (!peer_is_root(fd))
		turn_away(fd, 403, "the control socket is for root only");
	else if (!place)
		turn_away(fd, 503, "too many clients of the control socket");
	else
		client_open(api, place, fd);
}

/* Under another name first: the place is never empty for whoever connects while one engine follows another. */
static int listen_unix(struct err *err)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_PART };
	mode_t mask;
	int rc;

	if (fd < 0)
		return err_sys(err, "socket");
	unlink(SOCKET_PART);
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rc < 0 || listen(fd, API_MAX_CLIENTS) < 0 || rename(SOCKET_PART, CLEAT_SOCKET) < 0)
		return err_sys(err, "%s", CLEAT_SOCKET);
	return take_fd(&fd);
}

/* The one that the engine before this one has left open; -1: none, or its name leads nowhere any more. */
static int inherited_listener(void)
{
	const char *text = getenv(LISTEN_VARIABLE);
	socklen_t len = sizeof(int);
	uint64_t number;
	int fd = text && str_to_u64(text, INT_MAX, &number) && number > 2 ? (int)number : -1;
	int listens = 0;

	unsetenv(LISTEN_VARIABLE);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens ||
	    access(CLEAT_SOCKET, F_OK) < 0)
		close_fd(&fd);
	return fd;
}

void api_hand_on(void *state, bool on)
{
	const struct api *api = state;
	char text[16];

	snprintf(text, sizeof(text), "%d", api->fd);
	if (!on)
		unsetenv(LISTEN_VARIABLE);
	else if (setenv(LISTEN_VARIABLE, text, 1) < 0)
		return;
	fcntl(api->fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

int api_open(struct engine *engine, void **state, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return err_set(err, ERR_LIMIT, "out of memory");
	api->engine = engine;
	api->loop = engine_loop(engine);
	for (size_t i = 0; i < API_MAX_CLIENTS; i++)
		api->clients[i].fd = -1;
	api->fd = inherited_listener();
	if (api->fd < 0)
		api->fd = listen_unix(err);
	if (api->fd >= 0)
		api->source = loop_add(api->loop, api->fd, EPOLLIN, on_accept, api, err);
	if (!api->source) {
		close_fd(&api->fd);
		free(api);
		return -1;
	}
	api->accept_timer = loop_timer(api->loop, USEC_NEVER, on_accept_pause_over, api);
	api->turn_timer = loop_timer(api->loop, USEC_NEVER, on_turn, api);
	engine_watch(engine, on_unit_changed, api);
	*state = api;
	return 0;
}

void api_close(void *state)
{
	struct api *api = state;

	engine_watch(api->engine, NULL, NULL);
	for (size_t i = 0; i < API_MAX_CLIENTS; i++)
		if (api->clients[i].fd >= 0)
			client_close(&api->clients[i]);
	loop_remove(api->loop, api->source);
	loop_remove(api->loop, api->accept_timer);
	loop_remove(api->loop, api->turn_timer);
	close_fd(&api->fd);
	unlink(CLEAT_SOCKET);
	free(api);
}

bool api_is_waited_for(const void *state)
{
	const struct api *api = state;

	for (size_t i = 0; i < API_MAX_CLIENTS; i++)
		if (api->clients[i].fd >= 0 && !api->clients[i].is_idle)
			return true;
	return false;
}
