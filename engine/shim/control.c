/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ctl socket: one client at a time, the newest. A client that does not read, or sends what is
 * no message, is put off; it may connect again and learns everything from the state that answers
 * its HELLO. Must never wait for a client.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/pass_fd.h"

void shim_control_close(struct shim *s)
{
	close_fd(&s->client_fd);
	s->is_greeted = false;
	/* Nobody waits for the answer any more; whoever comes next orders its own. */
	shim_probe_stop(s, 0);
}

/* Only who could have killed us anyway may give orders. */
static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void shim_control_accept(struct shim *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!is_trusted(fd)) {
		log_msg(LOG_WARN, "shim", "ctl: a client without privileges was refused");
		close(fd);
		return;
	}
	shim_control_close(s);
	s->client_fd = fd;
}

void shim_control_send(struct shim *s, const void *message, size_t length)
{
	if (s->client_fd < 0)
		return;
	while (send(s->client_fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		shim_control_close(s);
		return;
	}
}

void shim_control_send_state(struct shim *s)
{
	struct shim_state message = {
		.header = { SHIM_PROTOCOL_VERSION, SHIM_STATE, sizeof(message) },
		.status = s->status,
	};

	if (s->is_greeted)
		shim_control_send(s, &message, sizeof(message));
}

static void on_signal(struct shim *s, const struct shim_order *order)
{
	if (s->container.init.pidfd < 0)
		return;
	if (order->all)
		shim_group_signal(s->container.cgroup_fd, order->signal);
	else
		syscall(SYS_pidfd_send_signal, s->container.init.pidfd, order->signal, NULL, 0);
}

/* client: of an exec's; borrowed, -1 */
static void obey(struct shim *s, const struct shim_order *order, int client)
{
	switch ((enum shim_type)order->type) {
	case SHIM_HELLO:
		s->is_greeted = true;
		shim_record_refresh(s);
		shim_control_send_state(s);
		shim_files_check(s);
		break;
	case SHIM_SIGNAL:
		on_signal(s, order);
		break;
	case SHIM_KILL:
		if (s->container.cgroup_fd >= 0)
			shim_group_kill(s->container.cgroup_fd);
		break;
	case SHIM_PROBE:
		shim_probe_start(s, order);
		break;
	case SHIM_PROBE_CANCEL:
		shim_probe_stop(s, SHIM_PROBE_CANCELLED);
		break;
	case SHIM_EXEC:
		shim_exec_start(s, order, client);
		break;
	case SHIM_EXEC_RESIZE:
		shim_exec_resize(s, order);
		break;
	case SHIM_NOTIFY_ASK:
		shim_notify_give(s);
		break;
	case SHIM_FILES:
		shim_files_check(s);
		break;
	case SHIM_NOTIFY_GIVEN:
	case SHIM_STATE:
	case SHIM_PROBE_RESULT:
		break;
	}
}

void shim_control_receive(struct shim *s)
{
	auto_fd int passed = -1;
	/* One byte more than allowed tells a message that is too long. */
	ssize_t n = pass_fd_receive(s->client_fd, s->message, SHIM_MESSAGE_MAX + 1, &passed,
				    MSG_DONTWAIT);
	struct shim_order order;
	struct err err;
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		shim_control_close(s);
		return;
	}
	rc = shim_decode(s->message, (size_t)n, &order, &err);
	if (rc < 0) {
		log_msg(LOG_WARN, "shim", "ctl: %s", err.msg);
		shim_control_close(s);
	} else if (rc > 0) {
		obey(s, &order, passed);
	}
	/* who is asked again and again would pay for a new page each time */
	if (!s->is_restless)
		log_memory_release(s->message, SHIM_MESSAGE_MAX + 1);
}
