/* SPDX-License-Identifier: Apache-2.0 */
/* The socketpair between start and child: see sync.h for the order of messages. */
#include "runtime/sync.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "util/cleanup.h"

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int sync_send(int fd, const struct sync_message *message, int pass, struct err *err)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t n;

	if (pass >= 0) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &pass, sizeof(pass));
	}
retry:
	n = sendmsg(fd, &header, MSG_NOSIGNAL);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0)
		return err_sys(err, "sendmsg");
	return 0;
}

static int take_descriptor(struct msghdr *header)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int sync_receive(int fd, struct sync_message *message, int *got, struct err *err)
{
	struct iovec iov = { .iov_base = message, .iov_len = sizeof(*message) };
	union control control = { 0 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (got) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
	}
retry:
	n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EINTR)
		goto retry;
	/* A peer that was killed with something of ours unread resets instead of ending. */
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		*message = (struct sync_message){ .type = SYNC_END };
		return 0;
	}
	if (n < 0)
		return err_sys(err, "recvmsg");
	if (got)
		*got = take_descriptor(&header);
	if ((size_t)n != sizeof(*message))
		return err_set(err, ERR_BUG, "message of %zd bytes", n);
	return 0;
}

struct sync_report *sync_report_map(struct err *err)
{
	void *page = mmap(NULL, sizeof(struct sync_report), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		err_sys(err, "mmap");
		return NULL;
	}
	return page;
}

void sync_report_unmap(struct sync_report *report)
{
	munmap(report, sizeof(*report));
}
