/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whole files: bounded reads, atomic writes, retried writes. */
#include <stddef.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"

/* Reads at most max bytes of the file (AT_FDCWD allowed); a larger file is ERR_LIMIT, something
 * that is no regular file is ERR_INPUT (procfs and cgroupfs files are regular). Appends to out. */
int file_read_at(int dirfd, const char *path, size_t max, struct buf *out,
		 struct err *err) MUST_CHECK;
/* Reads to end of file from a descriptor. */
int file_read_fd(int fd, size_t max, struct buf *out, struct err *err) MUST_CHECK;
/* Writes everything, retries short writes and EINTR. */
int file_write_all(int fd, const void *data, size_t len, struct err *err) MUST_CHECK;
/* The same of several pieces, one behind the other; parts is changed. */
struct iovec;
int file_writev_all(int fd, struct iovec *parts, size_t count, struct err *err) MUST_CHECK;
/* Another text for readers that have the file open, or see it by a bind: the old one stays readable until the new one stands. At
 * the beginning of the file; on failure it may hold something of both. */
int file_rewrite_fd(int fd, const struct buf *text, struct err *err) MUST_CHECK;
/* Writes path.tmp-PID beside path, optionally fsyncs file and folder, renames over path. */
int file_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		      bool durable, struct err *err) MUST_CHECK;
/* One write(2) of a short text to an existing file: cgroupfs, procfs, sysctl. */
int file_write_text_at(int dirfd, const char *path, const char *text, struct err *err) MUST_CHECK;
