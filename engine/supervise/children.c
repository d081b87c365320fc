/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's own children: shims, teardowns, workers. One SIGCHLD may stand for many ends (signalfd coalesces), so
 * each wake-up reaps until nothing is left. Adopted shims are no children of this process: their end shows on ctl.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"

int children_watch(struct engine *e, pid_t pid, engine_child_fn *fn, void *arg, struct err *err)
{
	if (e->child_count == ENGINE_MAX_CHILDREN)
		return err_set(err, ERR_LIMIT, "more than %d child processes", ENGINE_MAX_CHILDREN);
	e->children[e->child_count++] = (struct child){ .pid = pid, .fn = fn, .arg = arg };
	return 0;
}

int children_spawn(struct engine *e, const struct proc_spawn *spawn, engine_child_fn *fn, void *arg,
		   pid_t *pid_out, struct err *err)
{
	struct proc proc;

	if (e->child_count == ENGINE_MAX_CHILDREN)
		return err_set(err, ERR_LIMIT, "more than %d child processes", ENGINE_MAX_CHILDREN);
	if (proc_spawn(spawn, &proc, err) < 0)
		return -1;
	close(proc.pidfd);
	if (pid_out)
		*pid_out = proc.pid;
	return children_watch(e, proc.pid, fn, arg, err);
}

static int text_fd(const struct buf *text, struct err *err)
{
	auto_fd int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (buf_check(text, "input", err) < 0 || file_write_all(fd, text->data, text->len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	return take_fd(&fd);
}

int children_spawn_fed(struct engine *e, char **argv, const struct buf *input, engine_child_fn *fn,
		       void *arg, pid_t *pid_out, struct err *err)
{
	auto_fd int fd = text_fd(input, err);
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { fd, -1, STDERR_FILENO },
		.fd_count = 3,
	};

	if (fd < 0 || children_spawn(e, &spawn, fn, arg, pid_out, err) < 0)
		return err_wrap(err, "%s", argv[1]);
	return 0;
}

int engine_watch_child(struct engine *e, pid_t pid, engine_child_fn *fn, void *arg, struct err *err)
{
	return children_watch(e, pid, fn, arg, err);
}

static bool child_forget(struct engine *e, pid_t pid, struct child *out)
{
	for (unsigned i = 0; i < e->child_count; i++) {
		if (e->children[i].pid != pid)
			continue;
		*out = e->children[i];
		e->children[i] = e->children[--e->child_count];
		return true;
	}
	return false;
}

void children_reap(struct engine *e)
{
	struct child child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (child_forget(e, pid, &child) && child.fn)
			child.fn(child.arg, pid, status);
}
