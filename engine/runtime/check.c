/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine gives to the runtime, found out by doing it. Must leave nothing behind, must come to an end whatever a try runs into, and
 * must outlive a try that is killed: that is an answer, too.
 */
#include "runtime/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define SCRATCH_PREFIX ".check-"

static _Noreturn void try_main(const struct check *check,
			       int (*run)(const struct check *check, struct err *err), int report)
{
	struct err failure = { 0 };

	/* one that hangs may have a child in a namespace of its own, which no signal of ours reaches by name */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (run(check, &failure) == 0)
		_exit(0);
	/* Less than PIPE_BUF: whole or not at all. */
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(2);
	_exit(1);
}

static bool ends_within(int reader, int seconds)
{
	struct pollfd p = { .fd = reader, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, seconds * 1000);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static int judge(pid_t pid, int reader, struct err *err)
{
	struct err failure;
	ssize_t n = read(reader, &failure, sizeof(failure));
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(failure)) {
		*err = failure;
		return -1;
	}
	if (WIFSIGNALED(status))
		return err_set(err, ERR_BUG, "killed by signal %d", WTERMSIG(status));
	if (status)
		return err_set(err, ERR_BUG, "ended with status %#x", (unsigned)status);
	return 0;
}

int check_apart(const struct check *check, int (*run)(const struct check *check, struct err *err),
		struct err *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");

	auto_fd int reader = ends[0];
	auto_fd int writer = ends[1];

	pid = fork();
	if (pid == 0)
		try_main(check, run, writer);
	if (pid < 0)
		return err_sys(err, "fork");
	close_fd(&writer);
	if (ends_within(reader, CHECK_SECONDS))
		return judge(pid, reader, err);
	kill(pid, SIGKILL);
	if (ends_within(reader, 1))
		waitpid(pid, NULL,
			0); /* else the kernel does not let go of it: it is left behind */
	err_errno(err, ETIMEDOUT, "hangs for more than %d s", CHECK_SECONDS);
	err->code = ERR_LIMIT;
	return -1;
}

/* One that has its number again is waited out. */
static bool is_left(const char *name, const char *prefix)
{
	uint64_t pid;

	return str_starts(name, prefix) && str_to_u64(name + strlen(prefix), INT32_MAX, &pid) &&
	       pid && !proc_start_ticks((pid_t)pid);
}

void check_sweep(int dir, const char *prefix, check_left_fn *fn)
{
	struct err ignored; /* nothing can be swept there */
	auto_dir DIR *entries = path_list(dir, &ignored);
	struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		if (is_left(entry->d_name, prefix))
			fn(dir, entry->d_name);
}

/* What the tries may have made in it. */
static void remove_scratch_at(int dir, const char *name)
{
	static const char *const inside[] = { "a", "b" };
	char path[NAME_MAX + 8];

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, inside[i]);
		unlinkat(dir, path, AT_REMOVEDIR);
	}
	unlinkat(dir, name, AT_REMOVEDIR);
}

static void make_scratch(struct check *check)
{
	auto_fd int dir = open(check->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0)
		check_sweep(dir, SCRATCH_PREFIX, remove_scratch_at);
	snprintf(check->scratch, sizeof(check->scratch), "%s/" SCRATCH_PREFIX "%d", check->data_dir,
		 (int)getpid());
	if (mkdir(check->scratch, 0755) < 0)
		check->scratch[0] = '\0';
}

static void remove_scratch(const struct check *check)
{
	auto_fd int dir = open(check->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (check->scratch[0] && dir >= 0)
		remove_scratch_at(dir, strrchr(check->scratch, '/') + 1);
}

static void say(int fd, bool as_record, const struct check_try *t, bool ok, const struct err *err)
{
	if (as_record && ok)
		dprintf(fd, "%s yes\n", t->id);
	else if (as_record)
		dprintf(fd, "%s no %d %s\n", t->id, err->sys_errno, err->msg);
	else if (ok)
		dprintf(fd, "yes %s\n", t->id);
	else
		dprintf(fd, "no %s%s: %s\n", t->id, t->required ? " (required)" : "", err->msg);
}

int runtime_check(int fd, bool as_record, const char *data_dir)
{
	struct check check = { .data_dir = data_dir ? data_dir : CLEAT_DATA_DIR };
	int missing = 0;

	make_scratch(&check);
	for (unsigned i = 0; i < check_try_count; i++) {
		const struct check_try *t = &check_tries[i];
		struct err err = { 0 };
		bool ok = check_apart(&check, t->run, &err) == 0;

		if (!ok && err.code == ERR_NONE)
			continue; /* there was nothing to try it with */
		missing += !ok && t->required;
		say(fd, as_record, t, ok, &err);
	}
	remove_scratch(&check);
	return missing;
}
