/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket that the container's programs send to (NOTIFY_SOCKET). The shim keeps it open, so that
 * what they say waits in the kernel while there is no engine, and hands it to whoever asks. Must
 * never read from it: what comes out of a container is parsed elsewhere.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/internal.h"

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
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (s->notify_fd >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &s->notify_fd, sizeof(s->notify_fd));
	}
	/* A client that does not read is put off, as with every other answer; the next one asks again. */
	if (sendmsg(s->client_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		shim_control_close(s);
}
