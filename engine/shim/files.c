/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/hosts and /etc/resolv.conf of a container that may write to them: the engine changes its text in the run directory and says
 * so; what was given before is replaced by it in the container's file, and what the container has written stays. That file is its
 * own: it may be a link, a FIFO or locked for ever by now, so a child does it, with the rights of the container's root and no
 * more, and nobody waits for that one.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "shim/merge.h"
#include "util/cleanup.h"
#include "util/file.h"

#define FILE_MAX_BYTES 262144u /* more is none that programs read at each look-up */
#define LEASE_TRIES 200	       /* a millisecond each */

enum { CHILD_RUN_DIR = 3, CHILD_ROOT, CHILD_COUNT };

static const struct kept_file {
	const char *engines, *given, *inside;
	uint32_t bit;  /* enum runtime_own */
	bool is_whole; /* whoever has changed it goes on alone */
} files[] = {
	{ "hosts", "hosts.given", "etc/hosts", RUNTIME_OWN_HOSTS, false },
	{ "resolv.conf", "resolv.conf.given", "etc/resolv.conf", RUNTIME_OWN_RESOLV, true },
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

static bool read_text(int fd, struct buf *out)
{
	struct err ignored;

	return fd >= 0 && file_read_fd(fd, FILE_MAX_BYTES, out, &ignored) == 0;
}

static bool is_news(int run_dir, const struct kept_file *file)
{
	auto_fd int next = openat(run_dir, file->engines, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int given = openat(run_dir, file->given, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_buf a = BUF_INIT(FILE_MAX_BYTES), b = BUF_INIT(FILE_MAX_BYTES);

	return read_text(next, &a) && read_text(given, &b) &&
	       (a.len != b.len || memcmp(buf_str(&a), buf_str(&b), a.len) != 0);
}

/* --- in the child --- */

/* Whatever lies there: nothing but a file of the root's own mount is opened, and nothing waits. */
static int open_inside(const char *path)
{
	struct open_how how = {
		.flags = O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, CHILD_ROOT, path, &how, sizeof(how));
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		close_fd(&fd);
	return fd;
}

/* A full root is noticed before a byte is changed. */
static bool rewrite(int fd, const struct buf *text)
{
	struct err ignored;

	if (text->len && fallocate(fd, 0, 0, (off_t)text->len) < 0 && errno != EOPNOTSUPP)
		return false;
	return lseek(fd, 0, SEEK_SET) == 0 && file_rewrite_fd(fd, text, &ignored) == 0;
}

/* A line that a program adds between our reading and our writing would be lost. With the lease whoever opens the file waits until it is closed
 * here; who has it open already has to close it first. One that stays open, or lies where there are no leases, is written all the same: names
 * that nobody can resolve are the greater loss. */
static void await_lease(int fd)
{
	const struct timespec pause = { 0, 1000000 };

	for (int i = 0; i < LEASE_TRIES; i++) {
		if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0 || errno != EAGAIN)
			return;
		nanosleep(&pause, NULL);
	}
}

bool shim_files_bring_in(int fd, const struct buf *before, const struct buf *next, bool is_whole)
{
	auto_buf now = BUF_INIT(FILE_MAX_BYTES), merged = BUF_INIT(2 * FILE_MAX_BYTES);

	if (fd < 0)
		return false;
	await_lease(fd);
	return read_text(fd, &now) && shim_merge(&now, before, next, is_whole, &merged) &&
	       rewrite(fd, &merged);
}

static bool bring_in(const struct kept_file *file, const struct buf *before, const struct buf *next)
{
	auto_fd int fd = open_inside(file->inside);

	return shim_files_bring_in(fd, before, next, file->is_whole);
}

static bool become_root_inside(const struct runtime_container *container)
{
	return setgroups(0, NULL) == 0 &&
	       setresgid(container->root_gid, container->root_gid, container->root_gid) == 0 &&
	       setresuid(container->root_uid, container->root_uid, container->root_uid) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0) == 0 &&
	       /* forgotten with the ids */
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}

static bool place(const struct shim *s, int root)
{
	int dir = fcntl(s->run_dirfd, F_DUPFD_CLOEXEC, CHILD_COUNT);
	int top = fcntl(root, F_DUPFD_CLOEXEC, CHILD_COUNT);

	return dir >= 0 && top >= 0 && dup3(dir, CHILD_RUN_DIR, O_CLOEXEC) >= 0 &&
	       dup3(top, CHILD_ROOT, O_CLOEXEC) >= 0 &&
	       syscall(SYS_close_range, (unsigned)CHILD_COUNT, ~0u, 0) == 0;
}

/* What was given before stays noted, so the next change brings both. */
static _Noreturn void give_up(const char *what)
{
	log_msg(LOG_ERROR, "shim", "/etc/hosts and resolv.conf are not brought up to date: %s: %s",
		what, strerror(errno));
	_exit(0);
}

/* Exit code: bits of the files that the container has for itself from now on. */
static _Noreturn void run_child(const struct shim *s, int root)
{
	int given[FILE_COUNT];
	struct buf before[FILE_COUNT], next[FILE_COUNT];
	bool is_there[FILE_COUNT];
	int lost = 0;

	prctl(PR_SET_NAME, "cleat-files", 0, 0, 0);
	if (!place(s, root))
		give_up("descriptors");
	for (size_t i = 0; i < FILE_COUNT; i++) {
		auto_fd int engines =
			openat(CHILD_RUN_DIR, files[i].engines, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		given[i] = openat(CHILD_RUN_DIR, files[i].given, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		before[i] = next[i] = (struct buf)BUF_INIT(FILE_MAX_BYTES);
		is_there[i] = read_text(engines, &next[i]) && read_text(given[i], &before[i]);
	}
	if (!become_root_inside(&s->container))
		give_up("the ids of the container's root");
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (!is_there[i])
			continue;
		if ((s->container.own_files & files[i].bit) &&
		    !bring_in(&files[i], &before[i], &next[i]))
			lost |= (int)files[i].bit;
		rewrite(given[i], &next[i]);
	}
	_exit(lost);
}

/* --- in the shim --- */

void shim_files_check(struct shim *s)
{
	char path[64];
	auto_fd int root = -1;
	bool is_due = false;
	struct err err;
	pid_t pid;

	if (s->container.init.pidfd < 0)
		return;
	if (s->files.pidfd >= 0) {
		s->files.is_due = true;
		return;
	}
	for (size_t i = 0; i < FILE_COUNT; i++)
		is_due |= is_news(s->run_dirfd, &files[i]);
	if (!is_due)
		return;
	/* Nobody has waited for the process yet, so the number is its own. */
	snprintf(path, sizeof(path), "/proc/%d/root", (int)s->container.init.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return;
	pid = shim_fork(&s->files.pidfd, &err);
	if (pid == 0)
		run_child(s, root);
	if (pid < 0)
		log_msg(LOG_ERROR, "shim",
			"%s: /etc/hosts and resolv.conf are not brought up to date: %s",
			s->args.name, err.msg);
	s->files.is_due = false;
}

void shim_files_ended(struct shim *s)
{
	siginfo_t info = { 0 };
	uint32_t lost;

	while (waitid(P_PIDFD, (id_t)s->files.pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close_fd(&s->files.pidfd);
	lost = info.si_code == CLD_EXITED ? (uint32_t)info.si_status & ~s->files.lost : 0;
	for (size_t i = 0; i < FILE_COUNT; i++)
		if (lost & files[i].bit)
			log_msg(LOG_INFO, "shim",
				"%s: /%s is the container's own now, it is not kept up to date any more",
				s->args.name, files[i].inside);
	s->files.lost |= lost;
	if (s->files.is_due)
		shim_files_check(s);
}
