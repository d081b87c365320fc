/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to the container manager's guest socket. Requests wait with a deadline; nothing here is used by the engine's loop. Must never
 * trust a size that the other side names.
 */
#include "boot/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/guest_http.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

static const char *const sockets[] = { CLEAT_INCUS_SOCKET, CLEAT_LXD_SOCKET };

const char *guest_socket(void)
{
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		struct stat st;

		if (stat(sockets[i], &st) == 0 && S_ISSOCK(st.st_mode))
			return sockets[i];
	}
	return NULL;
}

/* Connecting never waits for long: the backlog is full, or it is not. */
int guest_connect(struct guest *g, const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*g = (struct guest){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			     .in = BUF_INIT(GUEST_MAX_ANSWER_BYTES) };
	if (g->fd < 0)
		return err_sys(err, "socket");
	if (!str_copy(address.sun_path, sizeof(address.sun_path), path))
		return err_set(err, ERR_INPUT, "%s: too long", path);
	if (connect(g->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "%s: connect", path);
	return 0;
}

void guest_close(struct guest *g)
{
	close_fd(&g->fd);
	buf_fini(&g->in);
}

/* 1: ready; 0: the deadline has come; -1. */
static int wait_until(int fd, short events, usec_t deadline, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	while (true) {
		usec_t now = clock_now_usec();
		int rc;

		if (now >= deadline)
			return err_set(err, ERR_BUSY, "guest socket: no answer within %u s",
				       (unsigned)(GUEST_LIMIT_USEC / USEC_SEC));
		rc = poll(&pfd, 1, (int)((deadline - now) / USEC_MSEC) + 1);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return err_sys(err, "poll");
	}
}

static int send_all(struct guest *g, const struct buf *bytes, usec_t deadline, struct err *err)
{
	size_t at = 0;

	while (at < bytes->len) {
		ssize_t n = write(g->fd, bytes->data + at, bytes->len - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN && wait_until(g->fd, POLLOUT, deadline, err) < 0)
			return -1;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "guest socket: write");
	}
	return 0;
}

/* What is there now: number of bytes, 0 none, -1 the end. */
static ssize_t receive(struct guest *g, struct err *err)
{
	char bytes[8192];
	ssize_t n;

	do
		n = read(g->fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? err_sys(err, "guest socket: read") :
			       err_set(err, ERR_BUSY, "guest socket: it was closed");
	if (buf_add(&g->in, bytes, (size_t)n) < 0)
		return err_set(err, ERR_LIMIT, "guest socket: too much at once");
	return n;
}

static int get_answer(struct guest *g, usec_t deadline, int *status, struct buf *body,
		      struct err *err)
{
	while (true) {
		size_t used;
		enum guest_parse rc =
			guest_answer_parse(buf_str(&g->in), g->in.len, status, body, &used, err);

		if (rc == GUEST_BAD)
			return -1;
		if (rc == GUEST_DONE) {
			buf_consume(&g->in, used);
			return 0;
		}
		if (wait_until(g->fd, POLLIN, deadline, err) < 0 || receive(g, err) < 0)
			return -1;
	}
}

/* json: what goes with it; "" is nothing. */
static int ask(struct guest *g, const char *method, const char *path, const char *json, int *status,
	       struct buf *body, struct err *err)
{
	usec_t deadline = clock_now_usec() + GUEST_LIMIT_USEC;
	auto_buf request = BUF_INIT(4096);

	buf_printf(&request, "%s %s HTTP/1.1\r\nHost: guest\r\nUser-Agent: cleat\r\n", method,
		   path);
	if (json[0])
		buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			   strlen(json));
	buf_printf(&request, "\r\n%s", json);
	if (buf_check(&request, path, err) < 0 || send_all(g, &request, deadline, err) < 0)
		return -1;
	return get_answer(g, deadline, status, body, err);
}

int guest_get(struct guest *g, const char *path, int *status, struct buf *body, struct err *err)
{
	return ask(g, "GET", path, "", status, body, err);
}

/* Who is refused will be refused again; a manager that is in trouble may come out of it. */
static enum err_code code_of(int status)
{
	return status >= 400 && status < 500 ? ERR_UNSUPPORTED : ERR_BUSY;
}

/* "PATCH /1.0" of doc/dev-incus.md. */
int guest_say_ready(struct guest *g, struct err *err)
{
	auto_buf body = BUF_INIT(GUEST_MAX_BODY_BYTES);
	int status;

	if (ask(g, "PATCH", "/1.0", "{\"state\":\"Ready\"}", &status, &body, err) < 0)
		return -1;
	if (status != 200)
		return err_set(err, code_of(status), "guest socket: PATCH /1.0: status %d: %.80s",
			       status, buf_str(&body));
	return 0;
}

/* The key only keeps caches and proxies from answering, of which a socket in a folder has none: what the server makes of it is not
 * checked. */
int guest_subscribe(struct guest *g, struct err *err)
{
	static const char text[] =
		"GET /1.0/events?type=config HTTP/1.1\r\nHost: guest\r\n"
		"User-Agent: cleat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: Y2xlYXQgaXMgYXNraW5nIQ==\r\n\r\n";
	usec_t deadline = clock_now_usec() + GUEST_LIMIT_USEC;
	auto_buf request = BUF_INIT(sizeof(text)), body = BUF_INIT(GUEST_MAX_BODY_BYTES);
	int status;

	buf_puts(&request, text);
	if (send_all(g, &request, deadline, err) < 0 ||
	    get_answer(g, deadline, &status, &body, err) < 0)
		return -1;
	if (status != 101)
		return err_set(err, code_of(status), "guest socket: /1.0/events: status %d",
			       status);
	return 0;
}

static int answer_ping(struct guest *g, const struct guest_frame *ping, struct err *err)
{
	auto_buf pong = BUF_INIT(256);
	uint32_t mask = 0;

	if (ping->len > 125)
		return err_set(err, ERR_INPUT, "guest socket: a ping that is too long");
	if (getrandom(&mask, sizeof(mask), GRND_NONBLOCK) < 0)
		mask = (uint32_t)clock_now_usec(); /* against caches that are not here */
	guest_frame_write(&pong, GUEST_PONG, ping->payload, ping->len, mask);
	return send_all(g, &pong, clock_now_usec() + GUEST_LIMIT_USEC, err);
}

/* Every message counts, whatever it says: only those about keys were asked for, and all keys are read anew. */
static int take_frames(struct guest *g, struct err *err)
{
	int changed = 0;

	while (true) {
		struct guest_frame frame;
		size_t used;
		enum guest_parse rc =
			guest_frame_parse(buf_str(&g->in), g->in.len, &frame, &used, err);

		if (rc != GUEST_DONE)
			return rc == GUEST_BAD ? -1 : changed;
		if (frame.opcode == GUEST_CLOSE)
			return err_set(err, ERR_BUSY, "guest socket: it was closed");
		if (frame.opcode == GUEST_PING && answer_ping(g, &frame, err) < 0)
			return -1;
		changed |= frame.opcode <= GUEST_BINARY;
		buf_consume(&g->in, used);
	}
}

int guest_hear(struct guest *g, struct err *err)
{
	ssize_t n;
	int changed = 0;

	do {
		int rc;

		n = receive(g, err);
		if (n < 0)
			return -1;
		rc = take_frames(g, err);
		if (rc < 0)
			return -1;
		changed |= rc;
	} while (n > 0);
	return changed;
}

/* --- keys ----------------------------------------------------------------------------------------------------------------------- */

/* 404: it was taken away since the list was made. */
static int get_value(struct guest *g, struct arena *arena, struct guest_key *key, struct err *err)
{
	auto_buf path = BUF_INIT(4096), body = BUF_INIT(GUEST_MAX_BODY_BYTES);
	int status;

	guest_path(&path, key->name);
	if (buf_check(&path, key->name, err) < 0 ||
	    guest_get(g, buf_str(&path), &status, &body, err) < 0)
		return -1;
	if (status != 200 && status != 404)
		return err_set(err, code_of(status), "guest socket: %s: status %d", key->name,
			       status);
	if (status == 200) {
		key->value = arena_strndup(arena, buf_str(&body), body.len);
		key->len = body.len;
	}
	return 0;
}

static int get_keys(struct guest *g, struct arena *arena, struct guest_key **keys, size_t *count,
		    struct err *err)
{
	auto_buf list = BUF_INIT(GUEST_MAX_BODY_BYTES);
	size_t bytes = 0;
	int status;

	if (guest_get(g, "/1.0/config", &status, &list, err) < 0)
		return -1;
	if (status != 200)
		return err_set(err, code_of(status), "guest socket: /1.0/config: status %d: %.80s",
			       status, buf_str(&list));
	if (guest_keys_parse(buf_str(&list), list.len, arena, keys, count, err) < 0)
		return -1;
	for (size_t i = 0; i < *count; i++) {
		if (get_value(g, arena, &(*keys)[i], err) < 0)
			return -1;
		bytes += (*keys)[i].len;
		if (bytes > CONFIG_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "guest socket: keys of more than %u MiB",
				       CONFIG_MAX_BYTES / (1024 * 1024));
	}
	return 0;
}

int guest_sync(struct guest *g, struct config_tree *t, struct config_problems *problems,
	       struct err *err)
{
	auto_arena arena = { 0 };
	struct guest_key *keys;
	size_t count;

	if (get_keys(g, &arena, &keys, &count, err) < 0)
		return -1;
	config_tree_restart(t);
	guest_keys_fill(t, keys, count, problems);
	return config_tree_finish(t, err);
}

int guest_confine(const char *path, struct err *err)
{
	static const int calls[] = { SCMP_SYS(openat),	 SCMP_SYS(open),       SCMP_SYS(mkdirat),
				     SCMP_SYS(unlinkat), SCMP_SYS(renameat),   SCMP_SYS(renameat2),
				     SCMP_SYS(rename),	 SCMP_SYS(fchmod),     SCMP_SYS(fchmodat),
				     SCMP_SYS(fsync),	 SCMP_SYS(getdents64), SCMP_SYS(fstatfs),
				     SCMP_SYS(sendto),	 SCMP_SYS(recvfrom),   -1 };
	const char *const places[] = { path, NULL };
	struct proc_confine c = { .uid = IDS_WORKER_CONFIG,
				  .gid = IDS_WORKER_CONFIG,
				  .write_paths = places,
				  .memory_max_bytes = 64u * 1024 * 1024,
				  .max_fds = 32,
				  .syscalls = calls };

	return proc_confine(&c, err);
}

/* --- once ----------------------------------------------------------------------------------------------------------------------- */

static int sync_here(const char *socket_path, const char *path, struct err *err)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	struct config_tree tree = { .dir = -1 };
	struct guest guest;

	if (guest_connect(&guest, socket_path, err) < 0 ||
	    config_tree_open(&tree, path, IDS_WORKER_CONFIG, err) < 0 ||
	    guest_confine(path, err) < 0)
		return -1;
	/* what was left out is said by the process that stays, as soon as the engine runs */
	return guest_sync(&guest, &tree, &problems, err);
}

static int wait_for_end(pid_t pid, int answer, struct err *err)
{
	struct err told = { .code = ERR_NONE };

	if (wait_until(answer, POLLIN, clock_now_usec() + GUEST_LIMIT_USEC, err) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -1;
	}
	if (read(answer, &told, sizeof(told)) != (ssize_t)sizeof(told))
		told = (struct err){ .code = ERR_BUG,
				     .msg = "the process that reads keys has died" };
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	told.msg[sizeof(told.msg) - 1] = '\0';
	return told.code == ERR_NONE ? 0 : err_set(err, ERR_BUSY, "%s", told.msg);
}

int guest_sync_once(const char *path, struct err *err)
{
	const char *socket_path = guest_socket();
	int ends[2], rc;
	pid_t pid;

	if (!socket_path)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	pid = fork();
	if (pid == 0) {
		struct err told = { .code = ERR_NONE };

		if (sync_here(socket_path, path, &told) == 0)
			told = (struct err){ .code = ERR_NONE };
		_exit(write(ends[1], &told, sizeof(told)) == (ssize_t)sizeof(told) ? 0 : 1);
	}
	close(ends[1]);
	rc = pid < 0 ? err_sys(err, "fork") : wait_for_end(pid, ends[0], err);
	close(ends[0]);
	return rc;
}
