/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the confined workers and reading what they hand up. Everything that arrives here comes from
 * a process that read hostile bytes: bounded, decoded once, never believed to be complete without "ok"
 * and exit status 0. Must never block on a worker that has been told to die.
 */
#include "image/worker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/worker.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define WORKER_MAX_ARGS 12

int worker_die_with(pid_t parent, struct err *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_PDEATHSIG");
	if (getppid() != parent)
		return err_set(err, ERR_SYS, "the coordinator is gone");
	return 0;
}

int worker_finish(const struct buf *body, int rc, const struct err *err)
{
	auto_buf last = BUF_INIT(4096);
	struct err ignored;

	if (rc == 0) {
		flat_put(&last, "ok", "");
	} else {
		flat_put(&last, "code", err_code_name(err->code));
		flat_put(&last, "error", err->msg);
	}
	/* nobody is left to be told when this fails: the missing line tells */
	if (rc == 0 && body &&
	    file_write_all(WORKER_FD_RECORDS, buf_str(body), body->len, &ignored) < 0)
		return 1;
	if (file_write_all(WORKER_FD_RECORDS, last.data, last.len, &ignored) < 0)
		return 1;
	return rc == 0 ? 0 : 1;
}

int worker_start(struct worker *w, const char *const *args, const int *fds, unsigned fd_count,
		 struct err *err)
{
	const char *argv[WORKER_MAX_ARGS + 3] = { "cleat", w->what };
	struct proc_spawn spawn = { .path = "/proc/self/exe",
				    .cgroup_fd = -1,
				    .fd_count = fd_count };
	int pipe_fds[2];

	for (unsigned i = 0; args[i]; i++) {
		if (i == WORKER_MAX_ARGS)
			return err_set(err, ERR_BUG, "%s: too many arguments", w->what);
		argv[i + 2] = args[i];
	}
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, "%s: pipe", w->what);
	auto_fd int read_end = pipe_fds[0];
	auto_fd int write_end = pipe_fds[1];

	memcpy(spawn.fds, fds, fd_count * sizeof(*fds));
	spawn.fds[WORKER_FD_RECORDS] = write_end;
	spawn.argv = (char *const *)(uintptr_t)argv;
	if (proc_spawn(&spawn, &w->proc, err) < 0)
		return err_wrap(err, "%s", w->what);
	w->fd = take_fd(&read_end);
	return 0;
}

static void set_error(struct worker *w, enum err_code code, const char *text)
{
	w->ok = false;
	w->code = code;
	str_copy_text(w->error, sizeof(w->error), text);
}

enum err_code worker_code_of(const char *name)
{
	for (int code = ERR_SYS; code <= ERR_BUG; code++)
		if (str_eq(err_code_name((enum err_code)code), name))
			return (enum err_code)code;
	return ERR_BUG;
}

/* waitid(P_PIDFD) since Linux 5.4; musl names neither. */
static void reap(struct worker *w)
{
	siginfo_t info = { 0 };
	char text[160];

	while (waitid((idtype_t)3 /* P_PIDFD */, (id_t)w->proc.pidfd, &info, WEXITED) < 0 &&
	       errno == EINTR)
		;
	close_fd(&w->proc.pidfd);
	if (w->error[0])
		return;
	if (info.si_code == CLD_EXITED && info.si_status == 0 && w->ok)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(text, sizeof(text), "%s ended without an answer, exit status %d", w->what,
			 info.si_status);
	else
		snprintf(text, sizeof(text), "%s was ended by signal %d%s", w->what, info.si_status,
			 info.si_status == SIGKILL ? " (out of memory?)" : "");
	set_error(w, ERR_SYS, text);
}

static void kill_worker(struct worker *w)
{
	if (w->proc.pidfd >= 0)
		syscall(SYS_pidfd_send_signal, w->proc.pidfd, SIGKILL, NULL, 0);
}

static void end_with(struct worker *w, const struct err *err)
{
	set_error(w, err->code, err->msg);
	kill_worker(w);
	close_fd(&w->fd);
	reap(w);
}

static int take_line(struct worker *w, char *text, worker_line_fn *fn, void *arg, struct err *err)
{
	struct flat_line line;

	if (w->ok || w->error[0])
		return err_set(err, ERR_INTEGRITY, "%s: record after the last one", w->what);
	if (flat_decode(text, &line, err) < 0)
		return err_wrap(err, "%s", w->what);
	if (str_eq(line.key, "ok"))
		w->ok = true;
	else if (str_eq(line.key, "code"))
		w->code = worker_code_of(line.value);
	else if (str_eq(line.key, "error"))
		set_error(w, w->code == ERR_NONE ? ERR_BUG : w->code, line.value);
	else
		return fn(&line, arg, err);
	return 0;
}

static int take_lines(struct worker *w, worker_line_fn *fn, void *arg, struct err *err)
{
	size_t done = 0;
	int rc = 0;

	while (rc == 0) {
		char *line = w->in.data + done;
		char *stop = memchr(line, '\n', w->in.len - done);

		if (!stop)
			break;
		*stop = '\0';
		if (strlen(line) != (size_t)(stop - line))
			return err_set(err, ERR_INTEGRITY, "%s: NUL byte in a record", w->what);
		done += (size_t)(stop - line) + 1;
		rc = take_line(w, line, fn, arg, err);
	}
	buf_consume(&w->in, done);
	return rc;
}

void worker_read(struct worker *w, worker_line_fn *fn, void *arg)
{
	char block[8192];
	struct err err;
	ssize_t n;

	if (w->fd < 0)
		return;
	n = read(w->fd, block, sizeof(block));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		if (n < 0) {
			err_sys(&err, "%s: read", w->what);
			end_with(w, &err);
			return;
		}
		/* Its end closed the pipe: the exit status stands. One that only closed the pipe has no
		 * more to say, and must not keep us waiting. */
		close_fd(&w->fd);
		kill_worker(w);
		reap(w);
		return;
	}
	if (buf_add(&w->in, block, (size_t)n) < 0 && buf_check(&w->in, w->what, &err) < 0) {
		end_with(w, &err);
		return;
	}
	/* a long value arrives in many pieces: look for lines only when one has ended */
	if (memchr(block, '\n', (size_t)n) && take_lines(w, fn, arg, &err) < 0)
		end_with(w, &err);
}

int worker_run(struct worker *w, worker_line_fn *fn, void *arg, struct err *err)
{
	while (w->fd >= 0)
		worker_read(w, fn, arg);
	if (!w->ok)
		return err_set(err, w->code, "%s", w->error);
	return 0;
}

void worker_fini(struct worker *w)
{
	kill_worker(w);
	close_fd(&w->fd);
	if (w->proc.pidfd >= 0)
		reap(w);
	buf_fini(&w->in);
}
