/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A message on a socket of this machine, with at most one descriptor beside it (SCM_RIGHTS, unix(7)). Both return what sendmsg(2) and
 * recvmsg(2) do; neither waits with MSG_DONTWAIT in flags.
 */
#include <stddef.h>
#include <sys/types.h>

/* fd -1: none goes along. SIGPIPE never comes. */
ssize_t pass_fd_send(int socket, const void *data, size_t size, int fd, int flags);
/* *fd: what came along, owned by the caller, close-on-exec; untouched when nothing did. A second one is not even installed. */
ssize_t pass_fd_receive(int socket, void *data, size_t size, int *fd, int flags);
