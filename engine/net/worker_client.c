/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's side of "cleat net": starting it and telling it what is wanted. Must never wait for an answer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/worker.h"
#include "net/worker_message.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/pass_fd.h"
#include "util/proc.h"

#define WORKER_FD 3
#define LOCK_FD 4

int net_worker_start(int cgroup_fd, int lock_fd, struct proc *proc_out, int *fd_out,
		     struct err *err)
{
	char *argv[] = { "cleat", "net", "--socket", "3", "--lock", "4", NULL };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "network worker: socketpair");

	auto_fd int ours = ends[0], theirs = ends[1];
	const struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = cgroup_fd,
		.fds = { -1, -1, STDERR_FILENO, [WORKER_FD] = theirs, [LOCK_FD] = lock_fd },
		.fd_count = LOCK_FD + 1,
		.new_session = true,
	};

	/* Sending never waits (MSG_DONTWAIT); reading is the engine's loop. */
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "network worker: fcntl");
	if (proc_spawn(&spawn, proc_out, err) < 0)
		return err_wrap(err, "network worker");
	*fd_out = take_fd(&ours);
	return 0;
}

static int transmit(int fd, const void *data, size_t len, int pass, struct err *err)
{
	ssize_t n;

	do
		n = pass_fd_send(fd, data, len, pass, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return err_set(err, ERR_BUSY, "network worker: is busy");
	return n < 0 ? err_sys(err, "network worker: sendmsg") : 0;
}

/* What a message cannot hold goes as a file; the message is the head alone. */
static int transmit_file(int fd, const struct buf *request, struct err *err)
{
	auto_fd int file = memfd_create("cleat-net", MFD_CLOEXEC);

	if (file < 0)
		return err_sys(err, "network worker: memfd_create");
	if (file_write_all(file, request->data, request->len, err) < 0)
		return err_wrap(err, "network worker");
	return transmit(fd, request->data, sizeof(struct net_request), file, err);
}

static int request(int fd, enum net_request_kind kind, uint32_t generation,
		   const struct net_wanted *wanted, struct err *err)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);

	if (net_request_encode(kind, generation, wanted, &out, err) < 0)
		return -1;
	if (out.len > NET_MESSAGE_MAX)
		return transmit_file(fd, &out, err);
	return transmit(fd, out.data, out.len, -1, err);
}

int net_worker_apply(int fd, uint32_t generation, const struct net_wanted *wanted, struct err *err)
{
	return request(fd, NET_REQUEST_APPLY, generation, wanted, err);
}

int net_worker_clear(int fd, uint32_t generation, struct err *err)
{
	return request(fd, NET_REQUEST_CLEAR, generation, NULL, err);
}
