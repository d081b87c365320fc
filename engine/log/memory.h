/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory of processes that stay for years and are idle most of the time: the shim and its log
 * writer. */
#include <poll.h>
#include <stddef.h>

#include "util/err.h"

/* Anonymous memory that costs nothing until it is touched; NULL and err. */
void *log_memory_map(size_t size, struct err *err);
/* Gives back the whole pages between start and start + size of such a mapping; they read as zeros
 * afterwards. */
void log_memory_release(void *start, size_t size);
/* For a process that never returns to its callers and allocates nothing any more: gives back the stack above the variables of the
 * function that stays, and the heap that grows by brk(2). */
void log_memory_abandon(void *locals, size_t size);
/* poll(2) without a time limit, for a process that has been idle for a while: first gives back the
 * stack below the caller that deeper calls have touched, and takes the program's read-only pages
 * off this process's books (they stay in the page cache and come back when they are used). */
int log_memory_sleep(struct pollfd *fds, unsigned count);
/* After such a sleep, for whoever has children: the program's mapping is one piece again, so that a child gets a copy of one. */
void log_memory_woken(void);
