/* SPDX-License-Identifier: Apache-2.0 */
/* What comes beside messages. Must never leave a descriptor behind that nobody has asked for. */
#include "util/pass_fd.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr header; /* for alignment */
	char space[CMSG_SPACE(sizeof(int))];
};

ssize_t pass_fd_send(int socket, const void *data, size_t size, int fd, int flags)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { .space = { 0 } };

	if (fd >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &m, flags | MSG_NOSIGNAL);
}

ssize_t pass_fd_receive(int socket, void *data, size_t size, int *fd, int flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };
	union control control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    /* not CMSG_SPACE: with its padding there would be room for two */
			    .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

ssize_t pass_pid_receive(int socket, void *data, size_t size, pid_t *pid, int flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct ucred sender = { 0 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(sender))];
	} told;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = told.space,
			    .msg_controllen = sizeof(told.space) };
	ssize_t n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
	    c->cmsg_len >= CMSG_LEN(sizeof(sender)))
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	*pid = sender.pid;
	return n;
}
