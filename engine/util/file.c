/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files. Reads are bounded by the caller and refuse what is no regular file (a FIFO where a
 * unit is expected must not stop the engine); atomic writes leave either the old or the new file
 * under the name, whatever happens between. Must never follow a link when it creates.
 */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

#define FILE_CHUNK_BYTES 4096
#define PAD_MAX_BYTES 65536

static ssize_t read_retry(int fd, void *data, size_t len)
{
	ssize_t n;

retry:
	n = read(fd, data, len);
	if (n < 0 && errno == EINTR)
		goto retry;
	return n;
}

/* Appends up to the end of the file. size_bytes: what fstat(2) says, which only spares the question whether there is more when it
 * has come true: procfs says 0. */
static int read_to_end(int fd, size_t size_bytes, size_t max, struct buf *out, struct err *err)
{
	char chunk[FILE_CHUNK_BYTES] __attribute__((uninitialized));
	size_t total = 0;

	for (;;) {
		/* One byte more than allowed tells "exactly max" from "too large". */
		size_t want = max - total < sizeof(chunk) ? max - total + 1 : sizeof(chunk);
		ssize_t n = read_retry(fd, chunk, want);

		if (n < 0)
			return err_sys(err, "read");
		if (n == 0)
			return 0;
		if ((size_t)n > max - total)
			return err_set(err, ERR_LIMIT, "larger than %zu bytes", max);
		if (buf_add(out, chunk, (size_t)n) < 0)
			return buf_check(out, "buffer", err);
		total += (size_t)n;
		if (total == size_bytes)
			return 0;
	}
}

static int read_sized(int fd, size_t size_bytes, size_t max, struct buf *out, struct err *err)
{
	size_t before = out->len;

	if (read_to_end(fd, size_bytes, max, out, err) == 0)
		return buf_add(out, "", 0) < 0 ? buf_check(out, "buffer", err) : 0;
	if (out->data) {
		out->len = before;
		out->data[before] = '\0';
	}
	return -1;
}

int file_read_fd(int fd, size_t max, struct buf *out, struct err *err)
{
	return read_sized(fd, 0, max, out, err);
}

int file_read_at(int dirfd, const char *path, size_t max, struct buf *out, struct err *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "%s: open", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a regular file", path);
	if (read_sized(fd, st.st_size > 0 ? (size_t)st.st_size : 0, max, out, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

int file_writev_all(int fd, struct iovec *parts, size_t count, struct err *err)
{
	for (;;) {
		ssize_t n;

		for (; count > 0 && !parts->iov_len; parts++)
			count--;
		if (count == 0)
			return 0;
		n = writev(fd, parts, count > IOV_MAX ? IOV_MAX : (int)count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write");
		if (n == 0)
			return err_errno(err, EIO, "write");
		for (; count > 0 && (size_t)n >= parts->iov_len; parts++, count--)
			n -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
}

int file_write_all(int fd, const void *data, size_t len, struct err *err)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };

	return file_writev_all(fd, &part, 1, err);
}

/* The folder has to reach the disk too, or the rename is lost with the power. */
static int sync_parent(int dirfd, const char *path, struct err *err)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= sizeof(parent))
		return err_errno(err, ENAMETOOLONG, "folder");
	memcpy(parent, path, len);
	parent[len] = '\0';
	if (len == 0)
		memcpy(parent, slash ? "/" : ".", 2);

	auto_fd int fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open folder");
	if (fsync(fd) < 0)
		return err_sys(err, "fsync folder");
	return 0;
}

static int fill_file(int fd, const void *data, size_t len, mode_t mode, bool durable,
		     struct err *err)
{
	if (file_write_all(fd, data, len, err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return err_sys(err, "fchmod");
	if (durable && fsync(fd) < 0)
		return err_sys(err, "fsync");
	return 0;
}

/* A name left by an earlier process with our number is nobody's, and rare: O_EXCL finds it, and keeps the promise that the file written is the
 * file made. */
static int create_temporary(int dirfd, const char *temp, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, temp, flags, 0600);

	if (fd < 0 && errno == EEXIST && unlinkat(dirfd, temp, 0) == 0)
		fd = openat(dirfd, temp, flags, 0600);
	return fd < 0 ? err_sys(err, "create temporary file") : fd;
}

static int write_and_rename(int dirfd, const char *temp, const char *path, const void *data,
			    size_t len, mode_t mode, bool durable, struct err *err)
{
	auto_fd int fd = create_temporary(dirfd, temp, err);

	if (fd < 0)
		return -1;

	int rc = fill_file(fd, data, len, mode, durable, err);

	if (rc == 0 && renameat(dirfd, temp, dirfd, path) < 0)
		rc = err_sys(err, "rename");
	if (rc < 0)
		unlinkat(dirfd, temp, 0);
	else if (durable)
		rc = sync_parent(dirfd, path, err);
	return rc;
}

/* First the bytes, then the length. What is left of a longer old text is empty lines meanwhile, because the tail of a line could
 * still be read as an address. */
int file_rewrite_fd(int fd, const struct buf *text, struct err *err)
{
	auto_buf padded = BUF_INIT(text->len + PAD_MAX_BYTES);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	buf_add(&padded, buf_str(text), text->len);
	/* somebody else's file can be longer than anybody would pad */
	for (size_t at = text->len; (off_t)at < st.st_size && at < text->len + PAD_MAX_BYTES; at++)
		buf_add(&padded, "\n", 1);
	if (buf_check(&padded, "padding", err) < 0 ||
	    file_write_all(fd, buf_str(&padded), padded.len, err) < 0)
		return -1;
	return ftruncate(fd, (off_t)text->len) < 0 ? err_sys(err, "ftruncate") : 0;
}

int file_write_atomic(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		      bool durable, struct err *err)
{
	char temp[PATH_MAX];
	int n = snprintf(temp, sizeof(temp), "%s.tmp-%ld", path, (long)getpid());

	if (n < 0 || (size_t)n >= sizeof(temp))
		return err_errno(err, ENAMETOOLONG, "%s", path);
	if (write_and_rename(dirfd, temp, path, data, len, mode, durable, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

int file_write_text_at(int dirfd, const char *path, const char *text, struct err *err)
{
	auto_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, "%s: open", path);
retry:
	n = write(fd, text, len);
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n < 0)
		return err_sys(err, "%s: write", path);
	/* These files take a value whole or not at all; a second write would be a second value. */
	if ((size_t)n != len)
		return err_errno(err, EIO, "%s: write: only %zd of %zu bytes taken", path, n, len);
	return 0;
}
