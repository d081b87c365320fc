/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive that cannot be read where it is (a pipe, or compressed as a whole) becomes a plain file without a name below the
 * store's tmp/, which the kernel takes back whatever happens. Decompressing is the confined worker's (cleat fetch spool).
 */
#include "image/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/inflate.h"
#include "image/store_internal.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/file.h"

#define RESERVE_BYTES (UINT64_C(16) * 1024 * 1024)

int spool_copy(int in_fd, int out_fd, uint64_t max_bytes, struct err *err)
{
	struct inflate *in = inflate_open(in_fd, max_bytes, err);
	const void *data;
	size_t len = 1;
	int rc = in ? 0 : -1;

	while (rc == 0 && len > 0) {
		rc = inflate_read(in, &data, &len, err);
		if (rc == 0 && len > 0)
			rc = file_write_all(out_fd, data, len, err);
	}
	inflate_close(in);
	return rc < 0 ? err_wrap(err, "archive") : 0;
}

static bool is_compressed(int fd)
{
	unsigned char head[4] = { 0 };

	if (pread(fd, head, sizeof(head), 0) < 4)
		return false;
	return (head[0] == 0x1f && head[1] == 0x8b) ||
	       (head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd);
}

static int no_lines(const struct flat_line *line, void *arg, struct err *err)
{
	(void)arg;
	return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
}

static int fill(const struct store *store, int in_fd, int out_fd, struct err *err)
{
	uint64_t space = store_free_bytes(store);
	char max_bytes[24];
	const char *args[] = { "spool", max_bytes, NULL };
	struct worker worker = WORKER_INIT("fetch");
	const int fds[] = { in_fd, -1, STDERR_FILENO, out_fd };
	int rc;

	snprintf(max_bytes, sizeof(max_bytes), "%llu",
		 (unsigned long long)(space > RESERVE_BYTES ? space - RESERVE_BYTES : 0));
	rc = worker_start(&worker, args, fds, 4, err);
	if (rc == 0)
		rc = worker_run(&worker, no_lines, NULL, err);
	worker_fini(&worker);
	return rc;
}

/* Not O_TMPFILE, which not every file system has. A crash between the two calls leaves a file to the sweep. */
static int make_file(const struct store *store, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "tmp/spool-%ld", (long)getpid());
	auto_fd int fd = openat(store->fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "%s/%s: create", store->path, path);
	if (unlinkat(store->fd, path, 0) < 0)
		return err_sys(err, "%s/%s: unlink", store->path, path);
	return take_fd(&fd);
}

int spool_open(const struct store *store, int in_fd, int *fd_out, struct err *err)
{
	struct stat st;

	*fd_out = -1;
	if (fstat(in_fd, &st) < 0)
		return err_sys(err, "stat");
	if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && !is_compressed(in_fd)))
		return 0;
	if (S_ISREG(st.st_mode) && lseek(in_fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	auto_fd int tmp = make_file(store, err);

	if (tmp < 0)
		return -1;
	if (fill(store, in_fd, tmp, err) < 0)
		return -1;
	*fd_out = take_fd(&tmp);
	return 0;
}
