/* SPDX-License-Identifier: Apache-2.0 */
/* Starting programs: what the child has and, more important, what it has not. */
#include "unit_test.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/proc.h"
#include "util/str.h"

static char *sh_env[] = { "PATH=/usr/bin:/bin", NULL };

/* Starts /bin/sh -c script with the spawn's other settings; stdout goes to out, then reaps.
 * Returns the wait status word of waitid: exit code, or 128 + signal. */
static int run_sh(struct proc_spawn *spawn, const char *script, struct buf *out)
{
	char *argv[] = { "sh", "-c", (char *)(uintptr_t)script, NULL };
	struct err err = { 0 };
	struct proc proc;
	siginfo_t info;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spawn->path = "/bin/sh";
	spawn->argv = argv;
	if (!spawn->envp)
		spawn->envp = sh_env;
	spawn->fds[1] = ends[1];
	if (spawn->fd_count < 2) {
		spawn->fds[0] = -1;
		spawn->fd_count = 2;
	}
	if (proc_spawn(spawn, &proc, &err) < 0)
		fail_msg("%s", err.msg);
	close(ends[1]);
	assert_int_equal(file_read_fd(ends[0], 65536, out, &err), 0);
	close(ends[0]);
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_pid, proc.pid);
	close(proc.pidfd);
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static void starts_a_program_and_gives_a_pidfd(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1 };
	auto_buf out = BUF_INIT(65536);

	(void)state;
	assert_int_equal(run_sh(&spawn, "echo hello; exit 7", &out), 7);
	assert_string_equal(buf_str(&out), "hello\n");
}

static void pidfd_polls_when_the_process_has_ended(void **state)
{
	char *argv[] = { "true", NULL };
	struct proc_spawn spawn = { .path = "/bin/true", .argv = argv, .cgroup_fd = -1 };
	struct err err = { 0 };
	struct proc proc;
	siginfo_t info;

	(void)state;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
	struct pollfd pfd = { .fd = proc.pidfd, .events = POLLIN };
	assert_true(fcntl(proc.pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(poll(&pfd, 1, -1), 1);
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
	close(proc.pidfd);
}

static void argv_and_environment_are_what_was_given(void **state)
{
	char *argv[] = { "env", NULL };
	char *envp[] = { "A=1", "B=two words", NULL };
	struct proc_spawn spawn = {
		.path = "/usr/bin/env", .argv = argv, .envp = envp, .cgroup_fd = -1, .fd_count = 2
	};
	auto_buf out = BUF_INIT(65536);
	struct err err = { 0 };
	struct proc proc;
	int ends[2];

	(void)state;
	assert_int_equal(setenv("SECRET_OF_THE_PARENT", "x", 1), 0);
	for (int with_env = 1; with_env >= 0; with_env--) {
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		spawn.fds[0] = -1;
		spawn.fds[1] = ends[1];
		spawn.envp = with_env ? envp : NULL;
		buf_clear(&out);
		assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
		close(ends[1]);
		assert_int_equal(file_read_fd(ends[0], 65536, &out, &err), 0);
		close(ends[0]);
		assert_int_equal(waitpid(proc.pid, NULL, 0), proc.pid);
		close(proc.pidfd);
		assert_string_equal(buf_str(&out), with_env ? "A=1\nB=two words\n" : "");
	}
}

static void failed_exec_is_told_and_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	char *argv[] = { "x", NULL };
	struct proc_spawn spawn = { .path = "/nonexistent/program", .argv = argv, .cgroup_fd = -1 };
	unsigned before = count_fds();
	struct err err = { 0 };
	struct proc proc = { .pid = 42, .pidfd = 43 };
	char plain[128];

	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "/nonexistent/program: execve: No such file or directory");
	assert_int_equal(proc.pid, 42);
	snprintf(plain, sizeof(plain), "%s/plain", s->path);
	scratch_write(s, "plain", "not a program");
	spawn.path = plain;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_int_equal(err.sys_errno, EACCES);
	/* no zombie, no descriptor */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_fds(), before);
}

static void wrong_descriptor_is_told(void **state)
{
	char *argv[] = { "true", NULL };
	struct proc_spawn spawn = {
		.path = "/bin/true", .argv = argv, .cgroup_fd = -1, .fds = { 1000 }, .fd_count = 1
	};
	struct err err = { 0 };
	struct proc proc;

	(void)state;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_string_equal(err.msg, "/bin/true: descriptors: Bad file descriptor");
	spawn.fd_count = PROC_MAX_FDS + 1;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	spawn.fd_count = 0;
	spawn.argv = NULL;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
}

/* The child lists its own descriptors; ls itself opens one for the directory. */
static void no_descriptor_leaks_into_the_child(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1, .fd_count = 2, .fds = { -1 } };
	auto_buf out = BUF_INIT(65536);
	int open_ones[40];

	(void)state;
	/* without close-on-exec, on purpose */
	for (int i = 0; i < 40; i++)
		open_ones[i] = open("/dev/null", O_RDONLY);
	assert_int_equal(run_sh(&spawn, "ls -1 /proc/self/fd", &out), 0);
	for (int i = 0; i < 40; i++)
		close(open_ones[i]);
	assert_string_equal(buf_str(&out), "0\n1\n2\n3\n");
}

static void standard_descriptors_are_never_closed(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1, .fd_count = 2, .fds = { -1 } };
	auto_buf out = BUF_INIT(65536);

	(void)state;
	assert_int_equal(run_sh(&spawn, "readlink /proc/$$/fd/0 /proc/$$/fd/2", &out), 0);
	assert_string_equal(buf_str(&out), "/dev/null\n/dev/null\n");
}

/* Eight files in the child's places 0..7, given as our descriptors in a rotated order that
 * overlaps the places. Runs in a child of its own, whose descriptors it may take. */
static int map_overlapping(struct scratch *s)
{
	char *argv[] = { "sh", "-c",
			 "cat <&0 >&7; cat <&3 >&7; cat <&4 >&7; cat <&5 >&7; cat <&6 >&7", NULL };
	struct proc_spawn spawn = { .path = "/bin/sh",
				    .argv = argv,
				    .envp = sh_env,
				    .cgroup_fd = -1,
				    .fd_count = PROC_MAX_FDS };
	/* place i of the child gets our descriptor (i + 3) % 8 */
	int opened[PROC_MAX_FDS];
	struct err err = { 0 };
	struct proc proc;
	int status;

	for (int i = 0; i < PROC_MAX_FDS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		scratch_write(s, name, "");
		if (i != 1 && i != 2 && i != 7)
			scratch_write(s, name, name);
		opened[i] =
			fcntl(openat(s->fd, name, i == 1 || i == 2 || i == 7 ? O_WRONLY : O_RDONLY),
			      F_DUPFD, 100);
	}
	for (int i = 0; i < PROC_MAX_FDS; i++) {
		if (dup2(opened[i], (i + 3) % PROC_MAX_FDS) < 0)
			return 10;
		spawn.fds[i] = (i + 3) % PROC_MAX_FDS;
	}
	if (proc_spawn(&spawn, &proc, &err) < 0)
		return 11;
	if (waitpid(proc.pid, &status, 0) != proc.pid || status != 0)
		return 12;

	char text[64] = "";
	char path[128];

	snprintf(path, sizeof(path), "%s/f7", s->path);

	auto_fd int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 13;
	return str_eq(text, "f0f3f4f5f6") ? 0 : 1;
}

static int in_child(struct scratch *s, int (*fn)(struct scratch *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void overlapping_descriptors_land_in_their_places(void **state)
{
	assert_int_equal(in_child(*state, map_overlapping), 0);
}

/* Our own 0, 1 and 2 closed: the report pipe then gets one of these numbers. */
static int spawn_without_stdio(struct scratch *s)
{
	char *argv[] = { "false", NULL };
	struct proc_spawn spawn = { .path = "/bin/false", .argv = argv, .cgroup_fd = -1 };
	struct err err = { 0 };
	struct proc proc;
	int status;

	(void)s;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	/* the failing one first: its report has the lowest numbers then */
	spawn.path = "/nonexistent";
	if (proc_spawn(&spawn, &proc, &err) == 0 || err.code != ERR_NOT_FOUND)
		return 1;
	spawn.path = "/bin/false";
	if (proc_spawn(&spawn, &proc, &err) < 0)
		return 2;
	return waitpid(proc.pid, &status, 0) == proc.pid && WEXITSTATUS(status) == 1 ? 0 : 3;
}

static void works_without_standard_descriptors_of_our_own(void **state)
{
	assert_int_equal(in_child(*state, spawn_without_stdio), 0);
}

/* Fields of /proc/self/status as a shell sees them. */
static void signals_are_default_and_unblocked(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1, .fd_count = 2, .fds = { -1 } };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old_pipe, old_usr1;
	/* one that libc hides; the kernel's own layout begins with the handler */
	const unsigned long raw_ignore[8] = { 1 };
	unsigned long raw_old[8];
	auto_buf out = BUF_INIT(65536);
	sigset_t set, before, after;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	sigaction(SIGPIPE, &ignore, &old_pipe);
	sigaction(SIGUSR1, &ignore, &old_usr1);
	assert_int_equal(syscall(SYS_rt_sigaction, 33, raw_ignore, raw_old, 8), 0);

	int code = run_sh(&spawn, "grep -E '^Sig(Blk|Ign):' /proc/self/status", &out);

	syscall(SYS_rt_sigaction, 33, raw_old, NULL, 8);
	sigprocmask(SIG_SETMASK, &before, &after);
	sigaction(SIGPIPE, &old_pipe, NULL);
	sigaction(SIGUSR1, &old_usr1, NULL);
	assert_int_equal(code, 0);
	assert_string_equal(buf_str(&out),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	/* the parent's own mask came back */
	assert_true(sigismember(&after, SIGTERM) && sigismember(&after, SIGRTMIN));
	assert_false(sigismember(&after, SIGINT));
}

/* One that comes before the program can handle it waits for that instead of ending it. */
static void signals_stay_blocked_on_demand(void **state)
{
	char *argv[] = { "sleep", "1000", NULL };
	struct proc_spawn spawn = {
		.path = "/bin/sleep", .argv = argv, .cgroup_fd = -1, .signals_blocked = true
	};
	auto_buf status = BUF_INIT(65536);
	struct err err = { 0 };
	struct proc proc;
	siginfo_t info;
	char path[64];

	(void)state;
	assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
	assert_int_equal(kill(proc.pid, SIGTERM), 0);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)proc.pid);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &status, &err), 0);
	assert_non_null(strstr(buf_str(&status), "ShdPnd:\t0000000000004000\n"));
	assert_non_null(strstr(buf_str(&status), "SigIgn:\t0000000000000000\n"));
	assert_int_equal(kill(proc.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_status, SIGKILL);
	close(proc.pidfd);
}

static void new_session_on_demand(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1, .new_session = true };
	auto_buf out = BUF_INIT(65536);
	char *rest;

	(void)state;
	/* fields 1 and 6 of stat: pid and session */
	assert_int_equal(run_sh(&spawn,
				"read -r pid _ _ _ _ sid _ </proc/self/stat; echo $pid $sid", &out),
			 0);
	rest = strchr(out.data, ' ');
	assert_non_null(rest);
	assert_int_equal(strtol(out.data, NULL, 10), strtol(rest, NULL, 10));
	buf_clear(&out);
	spawn.new_session = false;
	assert_int_equal(
		run_sh(&spawn, "read -r pid _ _ _ _ sid _ </proc/self/stat; echo $sid", &out), 0);
	assert_int_equal(strtol(out.data, NULL, 10), getsid(0));
}

static void capabilities_leave_the_bounding_set(void **state)
{
	const int drop[] = { CAP_SYS_MODULE, CAP_SYS_TIME, -1 };
	struct proc_spawn spawn = { .cgroup_fd = -1, .drop_caps = drop };
	auto_buf out = BUF_INIT(65536);
	uint64_t mask = (UINT64_C(1) << CAP_SYS_MODULE) | (UINT64_C(1) << CAP_SYS_TIME);
	uint64_t bounding, effective;
	char *rest;

	(void)state;
	assert_int_equal(
		run_sh(&spawn,
		       "while read -r k v; do case $k in CapBnd:|CapEff:) echo $k $v;; esac; "
		       "done </proc/self/status",
		       &out),
		0);
	rest = strstr(out.data, "CapEff: ");
	assert_non_null(rest);
	effective = strtoull(rest + 8, NULL, 16);
	rest = strstr(out.data, "CapBnd: ");
	assert_non_null(rest);
	bounding = strtoull(rest + 8, NULL, 16);
	assert_true((bounding & mask) == 0);
	assert_true((effective & mask) == 0);
	assert_true(effective & (UINT64_C(1) << CAP_CHOWN));
}

static void child_is_born_in_its_cgroup(void **state)
{
	struct proc_spawn spawn = { .cgroup_fd = -1 };
	auto_buf out = BUF_INIT(65536);
	char mount[256], rel[64], dir[400], own[4096];
	struct err err = { 0 };

	(void)state;
	if (cgroup_find_mount(mount, sizeof(mount), &err) < 0) {
		print_message("no cgroup2 is mounted here: %s\n", err.msg);
		skip();
	}
	assert_int_equal(cgroup_of_pid(0, own, sizeof(own), &err), 0);
	snprintf(rel, sizeof(rel), "cleat-unit-%ld", (long)getpid());
	snprintf(dir, sizeof(dir), "%s/%s", mount, rel);
	spawn.cgroup_fd = cgroup_open(mount, rel, true, &err);
	if (spawn.cgroup_fd < 0)
		fail_msg("%s", err.msg);

	int code = run_sh(&spawn, "grep ^0:: /proc/self/cgroup", &out);

	close(spawn.cgroup_fd);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(code, 0);
	assert_non_null(strstr(buf_str(&out), rel));
	assert_string_not_equal(own, rel);
}

static void wrong_cgroup_descriptor_is_told(void **state)
{
	struct scratch *s = *state;
	char *argv[] = { "true", NULL };
	struct proc_spawn spawn = { .path = "/bin/true", .argv = argv, .cgroup_fd = s->fd };
	unsigned before = count_fds();
	struct err err = { 0 };
	struct proc proc;

	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_non_null(strstr(err.msg, "/bin/true: clone3: "));
	assert_int_equal(count_fds(), before);
}

static void start_ticks_name_a_process(void **state)
{
	char *argv[] = { "cat", NULL };
	struct proc_spawn spawn = {
		.path = "/bin/cat", .argv = argv, .cgroup_fd = -1, .fd_count = 1
	};
	struct err err = { 0 };
	struct proc proc;
	siginfo_t info;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spawn.fds[0] = ends[0];
	assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
	close(ends[0]);
	assert_true(proc_start_ticks(proc.pid) > 0);
	assert_true(proc_start_ticks(proc.pid) == proc_start_ticks(proc.pid));
	assert_true(proc_start_ticks(proc.pid) >= proc_start_ticks(getpid()));
	close(ends[1]);
	/* ended but not reaped: a zombie is gone */
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_true(proc_start_ticks(proc.pid) == 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
	assert_true(proc_start_ticks(proc.pid) == 0);
	close(proc.pidfd);
	assert_true(proc_start_ticks(0) == 0);
	assert_true(proc_start_ticks(-1) == 0);
}

/* Each page that a fork has seen costs a fault when it is written to again: of these there are many, and of others few. */
static void the_child_is_no_copy_of_us(void **state)
{
	enum { PAGES = 2000, FEW = 500 };
	char *argv[] = { "true", NULL };
	struct proc_spawn spawn = { .path = "/bin/true", .argv = argv, .cgroup_fd = -1 };
	struct proc_spawn wrong = { .path = "/nowhere/true", .argv = argv, .cgroup_fd = -1 };
	long page = sysconf(_SC_PAGESIZE);
	size_t size = PAGES * (size_t)page;
	struct rusage before, after;
	struct err err = { 0 };
	struct proc proc;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(madvise(memory, size, MADV_NOHUGEPAGE), 0);
	memset(memory, 1, size);
	for (int i = 0; i < 2; i++) {
		siginfo_t info;

		getrusage(RUSAGE_SELF, &before);
		if (i == 0)
			assert_int_equal(proc_spawn(&spawn, &proc, &err), 0);
		else
			assert_int_equal(proc_spawn(&wrong, &proc, &err), -1);
		memset(memory, 2, size);
		getrusage(RUSAGE_SELF, &after);
		assert_true(after.ru_minflt - before.ru_minflt < FEW);
		if (i == 0) {
			assert_int_equal(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WEXITED), 0);
			close(proc.pidfd);
		}
	}
	munmap(memory, size);
}

static void on_usr1(int number)
{
	(void)number;
}

/* It runs in our memory, but what it does to its own signals, descriptors and session is not ours. */
static void nothing_of_ours_changes(void **state)
{
	struct sigaction handler = { .sa_handler = on_usr1 }, was, now;
	char *argv[] = { "true", NULL };
	struct proc_spawn spawn = {
		.path = "/nowhere/true", .argv = argv, .cgroup_fd = -1, .new_session = true
	};
	unsigned fds = count_fds();
	pid_t session = getsid(0);
	struct err err = { 0 };
	sigset_t blocked, after;
	struct proc proc;

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &handler, &was), 0);
	assert_int_equal(proc_spawn(&spawn, &proc, &err), -1);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_int_equal(sigaction(SIGUSR1, &was, &now), 0);
	assert_ptr_equal(now.sa_handler, on_usr1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &blocked, &after), 0);
	assert_true(sigismember(&after, SIGUSR2));
	assert_false(sigismember(&after, SIGTERM));
	assert_int_equal(getsid(0), session);
	assert_int_equal(count_fds(), fds);
}

/* Field 2 of stat is the program's own choice. */
static int odd_name(struct scratch *s)
{
	int fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);
	uint64_t before = proc_start_ticks(getpid());

	(void)s;
	if (before == 0 || write(fd, ") R 1 2 (3) 4", 13) != 13)
		return 1;
	return proc_start_ticks(getpid()) == before ? 0 : 2;
}

static void start_ticks_of_a_process_with_a_hostile_name(void **state)
{
	assert_int_equal(in_child(*state, odd_name), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_a_program_and_gives_a_pidfd),
		cmocka_unit_test(pidfd_polls_when_the_process_has_ended),
		cmocka_unit_test(argv_and_environment_are_what_was_given),
		scratch_test(failed_exec_is_told_and_leaves_nothing),
		cmocka_unit_test(wrong_descriptor_is_told),
		cmocka_unit_test(no_descriptor_leaks_into_the_child),
		cmocka_unit_test(standard_descriptors_are_never_closed),
		scratch_test(overlapping_descriptors_land_in_their_places),
		scratch_test(works_without_standard_descriptors_of_our_own),
		cmocka_unit_test(signals_are_default_and_unblocked),
		cmocka_unit_test(signals_stay_blocked_on_demand),
		cmocka_unit_test(new_session_on_demand),
		cmocka_unit_test(capabilities_leave_the_bounding_set),
		cmocka_unit_test(child_is_born_in_its_cgroup),
		scratch_test(wrong_cgroup_descriptor_is_told),
		cmocka_unit_test(the_child_is_no_copy_of_us),
		cmocka_unit_test(nothing_of_ours_changes),
		cmocka_unit_test(start_ticks_name_a_process),
		scratch_test(start_ticks_of_a_process_with_a_hostile_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
