/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat upgrade": the engine becomes another program by exec, which adopts what runs, as after a reload. A child looks at the file first and runs it: what
 * does not run, belongs to somebody else, or does not know what lies in the run directory is never tried. What comes after the exec is init's: an
 * engine that ends is followed by what lies at CLEAT_PROGRAM then, so a file elsewhere is on trial. Must never read the file in the loop.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/str.h"

#define CHECK_USEC (10 * USEC_SEC)
#define ANSWER_SIZE 600u
#define VERSION_MAX_BYTES 64u
#define FROM_VARIABLE "CLEAT_UPGRADED_FROM" /* when the engine began that gave way */

struct upgrade {
	pid_t pid; /* of the child that looks; 0: none */
	int fd;
	struct loop_source *timer;
	bool is_late;
	char path[1024];
	char error[ANSWER_SIZE]; /* of the last one; "" */
};

static void fail(struct engine *e, const char *why)
{
	struct upgrade *u = e->upgrade;

	str_copy_text(u->error, sizeof(u->error), why);
	log_msg(LOG_ERROR, "engine", "upgrade: %s: %s; this engine goes on", u->path, u->error);
}

static void become(struct engine *e, const char *version)
{
	struct upgrade *u = e->upgrade;
	char *const argv[] = { "cleat", "engine", NULL };
	char from[24], text[ANSWER_SIZE + 16];

	if (e->stopping) {
		fail(e, "the appliance is stopping");
		return;
	}
	snprintf(from, sizeof(from), "%lld", (long long)e->header.engine_started_real_usec);
	snprintf(text, sizeof(text), "upgrade to %s", version);
	console_step(e, "becoming %s, version %s", u->path, version);
	event_emit(e, EVENT_RELOAD, EVENT_OF_APPLIANCE, &(struct event_details){ .text = text });
	boot_leave_safe_mode();
	status_server_hand_on(e, true);
	if (setenv(FROM_VARIABLE, from, 1) == 0)
		execv(u->path, argv);
	status_server_hand_on(e, false);
	snprintf(text, sizeof(text), "exec: %s", strerror(errno));
	unsetenv(FROM_VARIABLE);
	fail(e, text);
}

static void explain_end(const struct upgrade *u, int wait_status, char *out, size_t size)
{
	const char *what = "is no engine that could go on here";

	if (u->is_late)
		snprintf(out, size, "it has not answered within %u s",
			 (unsigned)(CHECK_USEC / USEC_SEC));
	else if (WIFSIGNALED(wait_status))
		snprintf(out, size, "%s: it ended by signal %d when it was asked", what,
			 WTERMSIG(wait_status));
	else
		snprintf(out, size, "%s: it ended with code %d when it was asked", what,
			 WEXITSTATUS(wait_status));
}

static void on_checked(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	struct upgrade *u = e->upgrade;
	char answer[ANSWER_SIZE];
	ssize_t n;

	if (pid != u->pid)
		return;
	/* One write of less than a pipe holds; the descriptor does not block, whoever still has the other end. */
	n = read(u->fd, answer, sizeof(answer) - 1);
	answer[n > 0 ? n : 0] = '\0';
	close_fd(&u->fd);
	loop_remove(e->loop, u->timer);
	u->pid = 0;
	u->timer = NULL;
	if (answer[0] == 'u' && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
		become(e, answer + 1);
		return;
	}
	if (answer[0] != 'e')
		explain_end(u, wait_status, answer + 1, sizeof(answer) - 1);
	fail(e, answer + 1);
}

static void on_late(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	(void)now;
	e->upgrade->is_late = true;
	kill(e->upgrade->pid, SIGKILL);
}

static int check(struct engine *e, struct err *err)
{
	struct upgrade *u = e->upgrade;
	char *argv[] = { "cleat", "upgrade-check", u->path, NULL };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");

	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, ends[1], -1 },
		.fd_count = 3,
	};
	int rc = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? err_sys(err, "pipe") : 0;

	if (rc == 0)
		rc = children_spawn(e, &spawn, on_checked, e, &u->pid, err);
	close(ends[1]);
	u->fd = ends[0];
	if (rc < 0) {
		u->pid = 0;
		close_fd(&u->fd);
		return -1;
	}
	u->timer = loop_timer(e->loop, loop_now(e->loop) + CHECK_USEC, on_late, e);
	return 0;
}

int engine_upgrade(struct engine *e, const char *path, struct err *err)
{
	struct upgrade *u = e->upgrade;

	if (!u)
		u = e->upgrade = calloc(1, sizeof(*u));
	if (!u)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (e->stop_wanted)
		return err_set(err, ERR_BUSY, "the appliance is stopping");
	if (u->pid)
		return err_set(err, ERR_BUSY, "%s is being looked at", u->path);
	if (path[0] != '/' || strlen(path) >= sizeof(u->path))
		return err_set(err, ERR_INPUT, "\"%s\": a path from / is expected", path);
	str_copy(u->path, sizeof(u->path), path);
	u->error[0] = '\0';
	u->is_late = false;
	return check(e, err);
}

void engine_upgrade_report(struct engine *e, struct buf *out)
{
	const struct upgrade *u = e->upgrade;
	const char *from = getenv(FROM_VARIABLE);
	struct json json = JSON_TO(out);
	uint64_t began = 0;

	if (from && !str_to_u64(from, INT64_MAX, &began))
		began = 0;
	json_object(&json, NULL);
	json_str(&json, "version", CLEAT_VERSION);
	json_int(&json, "engine_started_usec", e->header.engine_started_real_usec);
	json_int(&json, "upgraded_from_usec", (int64_t)began);
	json_bool(&json, "settled", e->settled);
	json_bool(&json, "checking", u && u->pid != 0);
	json_str(&json, "error", u ? u->error : "");
	json_object_end(&json);
	buf_putc(out, '\n');
}

/* --- the child ------------------------------------------------------------------------------------------------------------ */

static int answer_error(const struct err *err)
{
	char answer[ANSWER_SIZE];
	int n = snprintf(answer, sizeof(answer), "e%s", err->msg);
	struct err ignored;

	if (n >= (int)sizeof(answer))
		n = (int)sizeof(answer) - 1;
	return file_write_all(STDOUT_FILENO, answer, (size_t)n, &ignored) == 0 ? 0 : 1;
}

/* What root has not put there, or somebody else can change, is not what root has looked at. */
static int check_file(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, ERR_NOT_FOUND, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "not a regular file");
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(
			err, ERR_INPUT,
			"has to belong to root and to be writable by nobody else (owner %u, mode %04o)",
			(unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	return 0;
}

int cmd_upgrade_check(int argc, char **argv)
{
	char *const words[] = { "cleat", "upgrade-ready", NULL };
	struct err err;

	if (argc != 2)
		return 2;
	if (check_file(argv[1], &err) == 0) {
		execv(argv[1], words);
		err_set(&err, ERR_INPUT, "exec: %s", strerror(errno));
	}
	return answer_error(&err);
}

static int check_layout(const char *path, struct err *err)
{
	auto_buf text = BUF_INIT(64);
	char mine[16];

	snprintf(mine, sizeof(mine), "%d\n", CLEAT_LAYOUT_MAJOR);
	if (file_read_at(AT_FDCWD, path, 64, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (str_eq(buf_str(&text), mine))
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "it does not know the layout that %s names", path);
}

/* The two programs belong together: this engine would give the other one words that it does not know. */
static int check_runtime(struct err *err)
{
	char *const argv[] = { "cleat-runtime", "--version", NULL };
	auto_buf text = BUF_INIT(VERSION_MAX_BYTES);
	int ends[2], status = 0;
	struct proc proc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");

	auto_fd int in = ends[0];
	auto_fd int out = ends[1];
	struct proc_spawn spawn = { .path = CLEAT_RUNTIME_PROGRAM,
				    .argv = argv,
				    .cgroup_fd = -1,
				    .fds = { -1, out, -1 },
				    .fd_count = 3 };

	if (proc_spawn(&spawn, &proc, err) < 0)
		return -1;
	close_fd(&out);
	if (file_read_fd(in, VERSION_MAX_BYTES, &text, err) < 0)
		return err_wrap(err, "%s --version", CLEAT_RUNTIME_PROGRAM);
	close(proc.pidfd);
	if (waitpid(proc.pid, &status, 0) == proc.pid && status == 0 &&
	    str_eq(buf_str(&text), "cleat-runtime " CLEAT_VERSION "\n"))
		return 0;
	return err_set(err, ERR_UNSUPPORTED,
		       "it is version %s and %s is \"%.*s\": replace that first", CLEAT_VERSION,
		       CLEAT_RUNTIME_PROGRAM, (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
}

int cmd_upgrade_ready(int argc, char **argv)
{
	static const char answer[] = "u" CLEAT_VERSION;
	struct err err;

	(void)argv;
	if (argc != 1)
		return 2;
	if (check_layout(CLEAT_RUN_VERSION_FILE, &err) < 0 ||
	    check_layout(CLEAT_DATA_VERSION_FILE, &err) < 0 || check_runtime(&err) < 0)
		return answer_error(&err);
	return file_write_all(STDOUT_FILENO, answer, sizeof(answer) - 1, &err) == 0 ? 0 : 1;
}
