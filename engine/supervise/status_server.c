/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unprivileged HTTP server as the engine sees it: a child with two descriptors, the listening socket and the
 * published mapping. The port is bound here (so the server needs no privilege), retried while somebody else has it, and
 * the child is started anew with growing delay when it ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define RETRY_PORT_USEC (5 * USEC_SEC)
#define LISTEN_VARIABLE "CLEAT_STATUS_FD"		  /* a number: status_server_hand_on() */
#define MIGRATE_FILE "/proc/sys/net/ipv4/tcp_migrate_req" /* for IPv6, too; Linux 5.14 */

/*
 * The server of an engine that was killed goes on answering; it leaves when it sees a new engine in the mapping. Until
 * then both have the port, which SO_REUSEPORT allows among sockets of one user.
 */
static void share_port(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

/* A handshake that the closing of a former engine's socket would cut off goes on with ours. Without it its client has to come again. */
static void take_handshakes(void)
{
	auto_fd int fd = open(MIGRATE_FILE, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1\n", 2) < 0)
		log_msg(LOG_DEBUG, "status", "%s: %s", MIGRATE_FILE, strerror(errno));
}

static uint16_t port_of(const struct engine *e)
{
	return e->appliance.status_port ? e->appliance.status_port : CLEAT_STATUS_PORT;
}

/* Dual-stack where the kernel has IPv6, plain IPv4 otherwise. */
static int listen_any(uint16_t port, struct err *err)
{
	auto_fd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int off = 0, rc;

	if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		close_fd(&fd);
	if (fd >= 0) {
		share_port(fd);
		rc = bind(fd, (struct sockaddr *)&any6, sizeof(any6));
	} else {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			return err_sys(err, "socket");
		share_port(fd);
		rc = bind(fd, (struct sockaddr *)&any4, sizeof(any4));
	}
	if (rc < 0 || listen(fd, 64) < 0)
		return err_sys(err, "port %u", port);
	return take_fd(&fd);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* appliance.ini's reader has judged the text. */
static socklen_t read_address(const char *text, uint16_t port, union address *out)
{
	memset(out, 0, sizeof(*out));
	if (strchr(text, ':')) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		inet_pton(AF_INET6, text, &out->v6.sin6_addr);
		return sizeof(out->v6);
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons(port);
	inet_pton(AF_INET, text, &out->v4.sin_addr);
	return sizeof(out->v4);
}

/* Whether some link has it now: without leave to take any other, the kernel lets nobody bind to it. */
static bool is_there(const char *text)
{
	union address address;
	socklen_t len = read_address(text, 0, &address);
	auto_fd int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && (bind(fd, &address.any, len) == 0 || errno != EADDRNOTAVAIL);
}

/* Of a link that comes later, or of a lease that is on its way: it answers as soon as a link has it. */
static int listen_at(const char *text, uint16_t port, struct err *err)
{
	union address address;
	socklen_t len = read_address(text, port, &address);
	bool is_v6 = address.any.sa_family == AF_INET6;
	auto_fd int fd =
		socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return err_sys(err, "socket");
	share_port(fd);
	if (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return err_sys(err, "IPV6_V6ONLY");
	if (setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND,
		       &on, sizeof(on)) < 0)
		return err_sys(err, "IP_FREEBIND");
	if (bind(fd, &address.any, len) < 0 || listen(fd, 64) < 0)
		return err_sys(err, "%s port %u", text, port);
	return take_fd(&fd);
}

static void look_for_address(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	if (!is_there(e->appliance.status_address)) {
		loop_timer_set(loop, e->status_address_timer, now + RETRY_PORT_USEC);
		return;
	}
	loop_remove(loop, e->status_address_timer);
	e->status_address_timer = NULL;
	publish_drop_notes(e, "status server:");
}

static void note_address(struct engine *e)
{
	const char *text = e->appliance.status_address;

	if (!text || is_there(text))
		return;
	publish_note(
		e, 1,
		"status server: no link has %s yet ([Status] Address= of %s): it answers when one has",
		text, CLEAT_APPLIANCE_INI);
	if (!e->status_address_timer)
		e->status_address_timer = loop_timer(e->loop, loop_now(e->loop) + RETRY_PORT_USEC,
						     look_for_address, e);
}

static int open_listener(const struct engine *e, struct err *err)
{
	take_handshakes();
	if (e->appliance.status_address)
		return listen_at(e->appliance.status_address, port_of(e), err);
	return listen_any(port_of(e), err);
}

/* --- one socket for the engine and the one that it becomes ------------------------------------------------------------- */

static bool kernel_has_v6(void)
{
	auto_fd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

/* "All addresses" and "::" or "0.0.0.0" have the same name, but only the first one answers both kinds. */
static bool is_of_that_kind(int fd, bool is_v6, bool wants_all)
{
	socklen_t len = sizeof(int);
	int v6_only = 0;

	if (!is_v6)
		return !wants_all || !kernel_has_v6();
	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &len) == 0 &&
	       (v6_only != 0) != wants_all;
}

static bool is_wanted(const struct engine *e, int fd)
{
	const char *text = e->appliance.status_address;
	union address got, wanted;
	socklen_t size = sizeof(got), len = sizeof(int);
	int listens = 0;
	bool is_v6;

	memset(&got, 0, sizeof(got));
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens ||
	    getsockname(fd, &got.any, &size) < 0)
		return false;
	is_v6 = got.any.sa_family == AF_INET6;
	read_address(text ? text : is_v6 ? "::" : "0.0.0.0", port_of(e), &wanted);
	if (got.any.sa_family != wanted.any.sa_family || !is_of_that_kind(fd, is_v6, !text))
		return false;
	if (got.any.sa_family == AF_INET)
		return got.v4.sin_port == wanted.v4.sin_port &&
		       got.v4.sin_addr.s_addr == wanted.v4.sin_addr.s_addr;
	return got.v6.sin6_port == wanted.v6.sin6_port &&
	       memcmp(&got.v6.sin6_addr, &wanted.v6.sin6_addr, sizeof(got.v6.sin6_addr)) == 0;
}

void status_server_hand_on(struct engine *e, bool on)
{
	char text[16];

	if (e->status_listen_fd < 0)
		return;
	snprintf(text, sizeof(text), "%d", e->status_listen_fd);
	if (!on)
		unsetenv(LISTEN_VARIABLE);
	else if (setenv(LISTEN_VARIABLE, text, 1) < 0)
		return;
	fcntl(e->status_listen_fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

/* The one that the engine before this one has left open, -1 when there is none or another is asked for now. */
static int inherited_listener(const struct engine *e)
{
	const char *text = getenv(LISTEN_VARIABLE);
	uint64_t number;
	int fd = text && str_to_u64(text, INT_MAX, &number) && number > 2 ? (int)number : -1;

	unsetenv(LISTEN_VARIABLE);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	if (!is_wanted(e, fd))
		close_fd(&fd);
	return fd;
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;

	if (pid != e->status_pid)
		return;
	e->status_pid = 0;
	if (e->stopping)
		return;
	log_msg(LOG_ERROR, "status", "the status server ended (wait status %d): starting it again",
		wait_status);
	respawn_again(&e->status_respawn);
}

static int spawn_server(struct engine *e, struct err *err)
{
	auto_fd int published = open(CLEAT_PUBLISHED, O_RDONLY | O_CLOEXEC);
	char *argv[] = { "cleat", "status-server", NULL };
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO, e->status_listen_fd, published },
		.fd_count = 5,
		.new_session = true,
	};

	if (published < 0)
		return err_sys(err, "%s", CLEAT_PUBLISHED);
	respawn_began(&e->status_respawn);
	return children_spawn(e, &spawn, on_ended, e, &e->status_pid, err);
}

static void start(void *arg)
{
	struct engine *e = arg;
	struct err err;

	if (e->stopping)
		return;
	if (e->status_listen_fd < 0)
		e->status_listen_fd = inherited_listener(e);
	if (e->status_listen_fd < 0)
		e->status_listen_fd = open_listener(e, &err);
	if (e->status_listen_fd < 0) {
		publish_note(
			e, 2,
			"status server: %s; end the program that has it, a retry follows every %d s",
			err.msg, (int)(RETRY_PORT_USEC / USEC_SEC));
		respawn_later(&e->status_respawn, RETRY_PORT_USEC);
		return;
	}
	publish_drop_notes(e, "status server:");
	note_address(e);
	if (spawn_server(e, &err) < 0) {
		publish_note(e, 2, "status server: %s", err.msg);
		respawn_again(&e->status_respawn);
	}
}

void status_server_start(struct engine *e)
{
	static const struct respawn_policy policy = { start, USEC_SEC / 10, 26 * USEC_SEC,
						      60 * USEC_SEC };

	respawn_init(&e->status_respawn, &policy, e->loop, e);
	start(e);
}

void status_server_stop(struct engine *e)
{
	if (e->status_pid > 0)
		kill(e->status_pid, SIGTERM);
}
