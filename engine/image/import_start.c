/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of an import: starts the coordinator and returns. In its own file because the engine and the command line need
 * nothing else of the coordinator. Passwords go through a file without a name, never through an argument.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/worker.h"
#include "util/cleanup.h"
#include "util/file.h"

static int spawn(const char *store_path, const char *image_dir, int cgroup_fd, int record_fd,
		 int request_fd, struct proc *proc_out, struct err *err)
{
	const char *const argv[] = { "cleat",	     "import",	"--store",     store_path,
				     "--images",     image_dir, "--record-fd", "3",
				     "--request-fd", "4",	NULL };
	struct proc_spawn spawn = {
		.path = "/proc/self/exe", /* this very program, also while a newer one is put in its place */
		.argv = (char *const *)(uintptr_t)argv,
		.cgroup_fd = cgroup_fd,
		.fds = { -1, STDERR_FILENO, STDERR_FILENO, record_fd, request_fd },
		.fd_count = 5,
		.new_session = true,
	};

	return proc_spawn(&spawn, proc_out, err);
}

static const char *variable(const char *name, const char *upper)
{
	const char *value = getenv(name);

	return value ? value : getenv(upper);
}

/* The coordinator starts with an empty environment. HTTP_PROXY in capitals is what CGI makes of a header "Proxy:", so curl takes the
 * small one only; nothing here is a CGI program, and containers' tools take both. */
static int request_fd(const struct pull_request *request, struct err *err)
{
	auto_buf text = BUF_INIT(PULL_REQUEST_MAX_BYTES);
	auto_fd int fd = memfd_create("image-request", MFD_CLOEXEC);
	struct pull_request whole = *request;

	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (!whole.http_proxy)
		whole.http_proxy = variable("http_proxy", "HTTP_PROXY");
	if (!whole.https_proxy)
		whole.https_proxy = variable("https_proxy", "HTTPS_PROXY");
	if (!whole.no_proxy)
		whole.no_proxy = variable("no_proxy", "NO_PROXY");
	if (pull_request_write(&whole, &text, err) < 0 ||
	    file_write_all(fd, buf_str(&text), text.len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	return take_fd(&fd);
}

int import_start(const char *store_path, const char *image_dir, const struct pull_request *request,
		 int cgroup_fd, struct proc *proc_out, int *fd_out, struct err *err)
{
	int pair[2];

	if (request->want_count == 0)
		return err_set(err, ERR_BUG, "import: nothing is wanted");
	auto_fd int wants = request_fd(request, err);

	if (wants < 0)
		return err_wrap(err, "import");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "import: socketpair");
	auto_fd int ours = pair[0];
	auto_fd int theirs = pair[1];

	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "import: fcntl");
	if (spawn(store_path, image_dir, cgroup_fd, theirs, wants, proc_out, err) < 0)
		return err_wrap(err, "import");
	*fd_out = take_fd(&ours);
	return 0;
}
