/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an OCI layout that is a directory. Must never open what is not a regular file, never follow a link, and never hand on a
 * blob as good whose size or SHA-256 differ.
 */
#include "image/oci_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/oci.h"
#include "image/oci_archive_internal.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/path.h"
#include "util/str.h"

#define READ_BYTES (128 * 1024)

int oci_layout_enter(int dir_fd, struct err *err)
{
	if (fchdir(dir_fd) < 0)
		return err_sys(err, "fchdir");
	return chroot(".") < 0 ? err_sys(err, "chroot") : 0;
}

/* O_NONBLOCK: a FIFO must not stop us. */
static int open_member(int dir_fd, const char *name, uint64_t *size, struct err *err)
{
	auto_fd int fd =
		path_open_beneath(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0) {
		if (err->sys_errno == EACCES)
			return err_wrap(err, "%s is not readable for all (chmod -R a+rX)", name);
		return err_wrap(err, "%s", name);
	}
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: stat", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s is not a regular file", name);
	*size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

static int copy_out(int fd, const char *name, uint64_t size, oci_archive_sink *sink, void *arg,
		    struct err *err)
{
	static char block[READ_BYTES];
	uint64_t done = 0;

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "%s: read", name);
		if (n == 0)
			break;
		if ((uint64_t)n > size - done)
			return err_set(err, ERR_INTEGRITY, "%s grows while it is read", name);
		if (sink(block, (size_t)n, arg, err) < 0)
			return -1;
		done += (uint64_t)n;
	}
	if (done != size)
		return err_set(err, ERR_INTEGRITY, "%s ends before %llu bytes", name,
			       (unsigned long long)size);
	return 0;
}

static int read_document(int dir_fd, const char *name, size_t max, struct buf *out, struct err *err)
{
	uint64_t size = 0;
	auto_fd int fd = open_member(dir_fd, name, &size, err);

	if (fd < 0)
		return -1;
	if (size == 0 || size > max)
		return err_set(err, ERR_LIMIT, "%s has %llu bytes: the limit is %zu", name,
			       (unsigned long long)size, max);
	buf_clear(out);
	out->max = max;
	return copy_out(fd, name, size, tar_sink_buf, out, err);
}

int oci_layout_read_index(int dir_fd, struct buf *out, struct err *err)
{
	auto_buf layout = BUF_INIT(OCI_LAYOUT_MAX_BYTES);

	if (read_document(dir_fd, "oci-layout", OCI_LAYOUT_MAX_BYTES, &layout, err) < 0)
		return err_wrap(err, "is not an OCI layout");
	if (oci_layout_check(buf_str(&layout), layout.len, err) < 0)
		return -1;
	return read_document(dir_fd, "index.json", OCI_INDEX_MAX_BYTES, out, err);
}

int oci_layout_stream_blob(int dir_fd, const char *digest, uint64_t size_bytes,
			   oci_archive_sink *sink, void *arg, struct err *err)
{
	char name[DIGEST_STR_LEN + 16];
	struct hashing h;
	uint64_t size = 0;

	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7);
	auto_fd int fd = open_member(dir_fd, name, &size, err);

	if (fd < 0)
		return -1;
	if (size != size_bytes)
		return err_set(err, ERR_INTEGRITY,
			       "blob %s has %llu bytes instead of %llu: damaged: copy it again",
			       digest, (unsigned long long)size, (unsigned long long)size_bytes);
	if (copy_out(fd, name, size, hashing_begin(&h, sink, arg), &h, err) < 0)
		return -1;
	return hashing_end(&h, digest, "it", err);
}
