/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's end of an import: starts the coordinator and returns. In its own file because the engine needs nothing
 * else of the coordinator.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/worker.h"
#include "util/cleanup.h"

#define FIXED_ARGS 9
#define MAX_REFS 4096

static int spawn(const char *store_path, const char *image_dir, const char *const *refs,
		 unsigned ref_count, int cgroup_fd, int record_fd, struct proc *proc_out,
		 struct err *err)
{
	auto_free const char **argv = calloc(FIXED_ARGS + ref_count + 1, sizeof(*argv));
	const char *const fixed[FIXED_ARGS] = { "cleat",       "import",   "--store",
						store_path,    "--images", image_dir,
						"--record-fd", "3",	   "--" };
	struct proc_spawn spawn = {
		.path = "/proc/self/exe", /* this very program, also while a newer one is put in its place */
		.cgroup_fd = cgroup_fd,
		.fds = { -1, STDERR_FILENO, STDERR_FILENO, record_fd },
		.fd_count = 4,
		.new_session = true,
	};

	if (!argv)
		return err_errno(err, ENOMEM, "import");
	for (unsigned i = 0; i < FIXED_ARGS; i++)
		argv[i] = fixed[i];
	for (unsigned i = 0; i < ref_count; i++)
		argv[FIXED_ARGS + i] = refs[i];
	spawn.argv = (char *const *)(uintptr_t)argv;
	return proc_spawn(&spawn, proc_out, err);
}

int import_start(const char *store_path, const char *image_dir, const char *const *refs,
		 unsigned ref_count, int cgroup_fd, struct proc *proc_out, int *fd_out,
		 struct err *err)
{
	int pair[2];

	if (ref_count == 0 || ref_count > MAX_REFS)
		return err_set(err, ERR_BUG, "import: %u references", ref_count);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "import: socketpair");
	auto_fd int ours = pair[0];
	auto_fd int theirs = pair[1];

	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "import: fcntl");
	if (spawn(store_path, image_dir, refs, ref_count, cgroup_fd, theirs, proc_out, err) < 0)
		return err_wrap(err, "import");
	*fd_out = take_fd(&ours);
	return 0;
}
