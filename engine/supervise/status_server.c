/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unprivileged HTTP server as the engine sees it: a child with two descriptors, the listening socket and the
 * published mapping. The port is bound here (so the server needs no privilege), retried while somebody else has it, and
 * the child is started anew with growing delay when it ends.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"

#define RETRY_PORT_USEC (5 * USEC_SEC)

static void try_again(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)now;
	loop_remove(loop, e->status_timer);
	e->status_timer = NULL;
	status_server_start(e);
}

static void later(struct engine *e, usec_t delay)
{
	if (!e->status_timer && !e->stopping)
		e->status_timer = loop_timer(e->loop, loop_now(e->loop) + delay, try_again, e);
}

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

/* Dual-stack where the kernel has IPv6, plain IPv4 otherwise. */
static int listen_any(struct err *err)
{
	auto_fd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(CLEAT_STATUS_PORT) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(CLEAT_STATUS_PORT) };
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
		return err_sys(err, "port %d", CLEAT_STATUS_PORT);
	return take_fd(&fd);
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	usec_t delay = USEC_SEC / 10 << (e->status_failures < 8 ? e->status_failures : 8);

	if (pid != e->status_pid)
		return;
	e->status_pid = 0;
	if (e->stopping)
		return;
	e->status_failures++;
	log_msg(LOG_ERROR, "status", "the status server ended (wait status %d): starting it again",
		wait_status);
	later(e, delay);
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
	return children_spawn(e, &spawn, on_ended, e, &e->status_pid, err);
}

void status_server_start(struct engine *e)
{
	struct err err;

	if (e->status_listen_fd < 0)
		e->status_listen_fd = listen_any(&err);
	if (e->status_listen_fd < 0) {
		publish_note(
			e, 2,
			"status server: %s; end the program that has it, a retry follows every %d s",
			err.msg, (int)(RETRY_PORT_USEC / USEC_SEC));
		later(e, RETRY_PORT_USEC);
		return;
	}
	publish_drop_notes(e, "status server:");
	if (spawn_server(e, &err) < 0) {
		publish_note(e, 2, "status server: %s", err.msg);
		later(e, USEC_SEC);
	}
}

void status_server_stop(struct engine *e)
{
	if (e->status_pid > 0)
		kill(e->status_pid, SIGTERM);
}
