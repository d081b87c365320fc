/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of the process that watches the files (watcher.c): starting it, hearing it, starting it anew. It is told what
 * the files were before they were read, so that a change in between is not lost.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervise/files.h"
#include "supervise/inputs.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define PATHS_MAX_BYTES (2 * 1024 * 1024)
#define SOON_USEC (500 * USEC_MSEC) /* what the boot starts has the processors first */

static void try_again(struct engine *e)
{
	struct files_watch *w = &e->files->watch;

	loop_remove(e->loop, w->source);
	w->source = NULL;
	close_fd(&w->fd);
	respawn_again(&w->respawn);
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;

	(void)wait_status;
	if (pid != e->files->watch.pid)
		return;
	e->files->watch.pid = 0;
	if (!e->stopping)
		log_msg(LOG_WARN, "units", "the process that watches unit files has ended");
	try_again(e);
}

static void on_message(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct engine *e = arg;
	char bytes[64];
	ssize_t n = read(e->files->watch.fd, bytes, sizeof(bytes));

	(void)events;
	(void)now;
	if (n > 0) {
		respawn_well(&e->files->watch.respawn);
		files_check(e, false);
		image_queue_ask_again(e);
	} else if (n == 0) { /* its end is heard of by its pid */
		loop_remove(loop, e->files->watch.source);
		e->files->watch.source = NULL;
	}
}

static void note_path(void *arg, const char *path)
{
	buf_add(arg, path, strlen(path) + 1);
}

/* The paths of what containers read besides their units, each with its NUL. */
static int paths_fd(struct engine *e, struct err *err)
{
	auto_buf paths = BUF_INIT(PATHS_MAX_BYTES);
	auto_fd int fd = memfd_create("paths", MFD_CLOEXEC);

	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].spec)
			inputs_each(e->entries[i].spec, &secret_places, note_path, &paths);
	if (buf_check(&paths, "paths of files to watch", err) < 0)
		return -1;
	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (paths.len && file_write_all(fd, paths.data, paths.len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	return take_fd(&fd);
}

static int spawn(struct engine *e, struct err *err)
{
	struct files *f = e->files;
	char units[65], inputs[65];
	char *argv[] = { "cleat", "units-watch", units, inputs, NULL };
	auto_fd int paths = paths_fd(e, err);
	int ends[2];

	if (paths < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	str_hex(f->units_signature, sizeof(f->units_signature), units);
	str_hex(f->inputs_signature, sizeof(f->inputs_signature), inputs);

	struct proc_spawn order = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { paths, ends[1], STDERR_FILENO },
		.fd_count = 3,
	};
	int rc = children_spawn(e, &order, on_ended, e, &f->watch.pid, err);

	close(ends[1]);
	f->watch.fd = ends[0];
	if (rc < 0)
		return -1;
	respawn_began(&f->watch.respawn);
	f->watch.source = loop_add(e->loop, f->watch.fd, EPOLLIN, on_message, e, err);
	return f->watch.source ? 0 : -1;
}

static void start(void *arg)
{
	struct engine *e = arg;
	struct err err;

	if (e->stopping || e->files->watch.pid || engine_puts_off(e, &e->files->watch.respawn))
		return;
	if (spawn(e, &err) == 0)
		return;
	log_msg(LOG_ERROR, "units", "unit files are not watched: %s", err.msg);
	if (!e->files->watch.pid)
		try_again(e);
}

void files_watch_soon(struct engine *e)
{
	static const struct respawn_policy policy = { start, USEC_SEC, 64 * USEC_SEC,
						      60 * USEC_SEC };
	struct files_watch *w = &e->files->watch;

	respawn_init(&w->respawn, &policy, e->loop, e);
	respawn_later(&w->respawn, SOON_USEC);
}
