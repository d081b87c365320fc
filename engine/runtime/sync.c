/* SPDX-License-Identifier: Apache-2.0 */
/* The socketpair between start and child: see sync.h for the order of messages. */
#include "runtime/sync.h"

#include <errno.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "util/pass_fd.h"

int sync_send(int fd, const struct sync_message *message, int pass, struct err *err)
{
	ssize_t n;

	do
		n = pass_fd_send(fd, message, sizeof(*message), pass, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(err, "sendmsg") : 0;
}

int sync_receive(int fd, struct sync_message *message, int *got, struct err *err)
{
	auto_fd int passed = -1;
	ssize_t n;

	do
		n = pass_fd_receive(fd, message, sizeof(*message), &passed, 0);
	while (n < 0 && errno == EINTR);
	/* A peer that was killed with something of ours unread resets instead of ending. */
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		*message = (struct sync_message){ .type = SYNC_END };
		return 0;
	}
	if (n < 0)
		return err_sys(err, "recvmsg");
	if (got)
		*got = take_fd(&passed);
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
