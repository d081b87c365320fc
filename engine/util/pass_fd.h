/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A message on a socket of this machine, with at most one descriptor (SCM_RIGHTS, unix(7)) or the sender's number (SCM_CREDENTIALS) beside
 * it. All return what sendmsg(2) and recvmsg(2) do; none waits with MSG_DONTWAIT in flags.
 */
#include <stddef.h>
#include <sys/types.h>

/* fd -1: none goes along. SIGPIPE never comes. */
ssize_t pass_fd_send(int socket, const void *data, size_t size, int fd, int flags);
/* *fd: what came along, owned by the caller, close-on-exec; untouched when nothing did. A second one is not even installed. */
ssize_t pass_fd_receive(int socket, void *data, size_t size, int *fd, int flags);
/* From a socket with SO_PASSCRED. *pid: the sender's; 0 when it was not told, or means nothing here. Descriptors that come along are closed
 * by the kernel, there is no room for them. */
ssize_t pass_pid_receive(int socket, void *data, size_t size, pid_t *pid, int flags);
