/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat status-server": descriptors, confinement, loop. Everything that needs a right (the engine's pidfd and start time, the
 * mapping, signals) happens before proc_confine(), and nothing from outside is read before it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "status/internal.h"
#include "status/status.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/proc.h"

#define LISTEN_FD 3
#define PUBLISHED_FD 4
#define OTHER_FDS 16 /* stdio, the two above, epoll, signals, pidfd, and some room */

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(accept4), SCMP_SYS(shutdown), -1 };
	struct proc_confine c = {
		.uid = IDS_WORKER_STATUS,
		.gid = IDS_WORKER_STATUS,
		.syscalls = extra,
		.max_fds = STATUS_MAX_CONNECTIONS + OTHER_FDS,
	};

	return proc_confine(&c, err);
}

struct main_state {
	struct status_server *server;
	int signal_fd;
};

static void on_signal(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct main_state *m = arg;
	struct signalfd_siginfo info;

	(void)loop;
	(void)events;
	if (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		status_server_leave(m->server, now, now + STATUS_STOP_USEC);
}

static int open_signals(struct err *err)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, "signalfd") : fd;
}

/* Accepted sockets inherit it. Answers go out in one piece, so waiting for more never pays. */
static int prepare_listener(struct err *err)
{
	int on = 1;

	if (setsockopt(LISTEN_FD, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return err_sys(err, "descriptor %d: no TCP socket", LISTEN_FD);
	return 0;
}

static int run(struct loop *loop, struct err *err)
{
	struct main_state m = { .signal_fd = -1 };
	int rc = -1;

	m.signal_fd = open_signals(err);
	if (m.signal_fd < 0 || prepare_listener(err) < 0)
		return -1;
	m.server = status_server_new(loop, LISTEN_FD, PUBLISHED_FD, getppid(), err);
	if (m.server && loop_add(loop, m.signal_fd, EPOLLIN, on_signal, &m, err) &&
	    confine(err) == 0)
		rc = loop_run(loop, err);
	status_server_free(m.server);
	close_fd(&m.signal_fd);
	return rc;
}

int cmd_status_server(int argc, char **argv)
{
	struct loop *loop;
	struct err err;
	int rc = -1;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "usage: cleat status-server (the engine starts it)\n");
		return 2;
	}
	/* The engine starts us by a path that would make us "exe" in lists of processes. */
	prctl(PR_SET_NAME, "cleat-status", 0, 0, 0);
	loop = loop_new(&err);
	if (loop)
		rc = run(loop, &err);
	loop_free(loop);
	if (rc < 0)
		fprintf(stderr, "cleat status-server: %s\n", err.msg);
	return rc < 0 ? 1 : 0;
}
