/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket that the container's programs send to (NOTIFY_SOCKET). The shim keeps it open, so that
 * what they say waits in the kernel while there is no engine, and hands it to whoever asks; at its
 * end without one it leaves a copy of the bytes. Must never look at them: what comes out of a
 * container is parsed elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/pass_fd.h"

int shim_notify_hold(struct shim *s, int fd, struct err *err)
{
	int type = 0, domain = 0;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return err_sys(err, "descriptor %d", fd);
	length = sizeof(domain);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		return err_sys(err, "descriptor %d", fd);
	if (type != SOCK_DGRAM || domain != AF_UNIX)
		return err_set(err, ERR_INPUT, "descriptor %d: not a SOCK_DGRAM socket of AF_UNIX",
			       fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(err, "descriptor %d", fd);
	s->notify_fd = fd;
	return 0;
}

void shim_notify_give(struct shim *s)
{
	struct shim_header answer = { SHIM_PROTOCOL_VERSION, SHIM_NOTIFY_GIVEN, sizeof(answer) };

	/* A client that does not read is put off, as with every other answer; the next one asks again. */
	if (pass_fd_send(s->client_fd, &answer, sizeof(answer), s->notify_fd, MSG_DONTWAIT) < 0)
		shim_control_close(s);
}

static bool has_client(const struct shim *s)
{
	struct pollfd client = { .fd = s->client_fd };

	return s->client_fd >= 0 && poll(&client, 1, 0) == 0;
}

/* The sender's number comes along, because who may speak is the unit's word (NotifyAccess=). The engine has asked for it. */
static ssize_t take(int fd, char *bytes, struct shim_notify_rest *out)
{
	pid_t sender = 0;
	ssize_t n = pass_pid_receive(fd, bytes, SHIM_NOTIFY_REST_TEXT, &sender, MSG_DONTWAIT);

	*out = (struct shim_notify_rest){ .pid = sender, .length = n < 0 ? 0 : (uint32_t)n };
	return n;
}

_Static_assert(SHIM_NOTIFY_REST_TEXT <= SHIM_MESSAGE_MAX, "they share the shim's one buffer");

void shim_notify_keep(struct shim *s)
{
	struct shim_notify_rest head;
	auto_fd int fd = -1;
	struct err err;

	if (s->notify_fd < 0 || has_client(s))
		return;
	for (unsigned i = 0; i < SHIM_NOTIFY_REST_MAX; i++) {
		if (take(s->notify_fd, s->message, &head) < 0)
			return;
		if (fd < 0)
			fd = openat(s->run_dirfd, SHIM_NOTIFY_REST_FILE,
				    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			err_sys(&err, SHIM_NOTIFY_REST_FILE);
		if (fd < 0 || file_write_all(fd, &head, sizeof(head), &err) < 0 ||
		    file_write_all(fd, s->message, head.length, &err) < 0) {
			log_msg(LOG_ERROR, "shim", "%s: %s", s->args.run_dir, err.msg);
			return;
		}
	}
}
