/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting programs with clone3. The program gets nothing of us but what the table says: three or
 * more descriptors, default signals, its cgroup from birth. Until it executes, the child runs in our
 * memory, on our stack, while we sleep: what it costs does not grow with what we have. So it makes
 * system calls only, and writes to nothing but frames of its own and errno. Must never leave a
 * zombie or an open descriptor behind when the start fails.
 */
#include "util/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define FIRST_FREE_FD (PROC_MAX_FDS + 1)

/* The child's frames end without a return: what AddressSanitizer had marked around their variables
 * would stay so on a stack that is ours. */
#define IN_CHILD __attribute__((no_sanitize("address")))

enum spawn_step { STEP_SESSION, STEP_CAPS, STEP_FDS, STEP_CLOSE, STEP_EXEC };

static const char *const step_names[] = {
	[STEP_SESSION] = "setsid",  [STEP_CAPS] = "drop capabilities",
	[STEP_FDS] = "descriptors", [STEP_CLOSE] = "close_range",
	[STEP_EXEC] = "execve",
};

struct spawn_failure {
	int32_t step;
	int32_t number; /* errno */
};

static IN_CHILD _Noreturn void child_fail(int report, enum spawn_step step)
{
	struct spawn_failure failure = { .step = (int32_t)step, .number = errno };

	/* Eight bytes into an empty pipe cannot be short; if nobody reads, nobody asks. */
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* All zero is SIG_DFL, no flags, an empty mask, on every architecture. */
static const unsigned long zero_signals[8];

IN_CHILD void proc_unblock_signals(void)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, zero_signals, NULL, (size_t)_NSIG / 8);
}

/* exec resets handlers but keeps what is ignored and what is blocked. Raw calls, because libc hides
 * the signals that it uses itself (32 to 34), and whoever started us may have ignored those too. */
IN_CHILD void proc_default_signals(bool unblock)
{
	for (int sig = 1; sig < _NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, zero_signals, NULL, (size_t)_NSIG / 8);
	if (unblock)
		proc_unblock_signals();
}

/* Sources first go above every target: they may lie among 0..7 in any order. What the table leaves
 * open of 0, 1 and 2 is /dev/null: a program that opens a file must not get it as its stderr. */
static IN_CHILD int child_fds(const struct proc_spawn *s)
{
	int sources[PROC_MAX_FDS];
	int count = s->fd_count > 3 ? (int)s->fd_count : 3;

	for (int i = 0; i < count; i++) {
		int fd = i < (int)s->fd_count ? s->fds[i] : -1;

		if (fd < 0)
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -1;
		sources[i] = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (sources[i] < 0)
			return -1;
	}
	for (int i = 0; i < count; i++)
		if (dup2(sources[i], i) < 0)
			return -1;
	/* Closed by the exec rather than now, so that the report pipe lives until then. */
	return count;
}

struct child {
	const struct proc_spawn *spawn;
	int report;
};

static IN_CHILD _Noreturn void child_main(const struct child *child)
{
	const struct proc_spawn *s = child->spawn;
	int report = child->report;
	static char *const no_env[] = { NULL };

	proc_default_signals(!s->signals_blocked);
	if (s->new_session && setsid() < 0)
		child_fail(report, STEP_SESSION);
	for (const int *cap = s->drop_caps; cap && *cap >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, *cap, 0, 0, 0) < 0)
			child_fail(report, STEP_CAPS);

	int count = child_fds(s);

	if (count < 0)
		child_fail(report, STEP_FDS);
	if (syscall(SYS_close_range, (unsigned)count, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		child_fail(report, STEP_CLOSE);
	execve(s->path, s->argv, s->envp ? s->envp : no_env);
	child_fail(report, STEP_EXEC);
}

/*
 * By hand, because whatever returns in the child, libc's syscall() for one, would do so again in us
 * when the child has overwritten where to. So the compiler sees nothing of the child: it is called
 * from here, below all that we have on the stack (x86_64: and below what a leaf may have there).
 */
static long clone_sharing(struct clone_args *args, const struct child *child)
{
	void (*call)(const struct child *) = child_main;

	args->flags |= CLONE_VM | CLONE_VFORK;
#if defined(__x86_64__)
	long rc;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "lea -128(%%rsp), %%rsp\n\t"
			 "and $-16, %%rsp\n\t"
			 "mov %[child], %%rdi\n\t"
			 "call *%[call]\n"
			 "1:"
			 : "=a"(rc)
			 : "0"((long)SYS_clone3), "D"(args),
			   "S"(sizeof(*args)), [child] "r"(child), [call] "r"(call)
			 : "rcx", "r11", "cc", "memory");
	return rc;
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_clone3;
	register long rc __asm__("x0") = (long)args;
	register long size __asm__("x1") = sizeof(*args);

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x0, %[child]\n\t"
			 "blr %[call]\n"
			 "1:"
			 : "+r"(rc)
			 : "r"(size), "r"(number), [child] "r"(child), [call] "r"(call)
			 : "cc", "memory");
	return rc;
#else
#error "clone3 in shared memory: say it in this machine's words"
#endif
}

/* All signals are blocked meanwhile: a handler of ours must not run in the child. */
static pid_t spawn_clone(const struct proc_spawn *s, int report, int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	const struct child child = { s, report };
	sigset_t all, before;

	if (s->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)s->cgroup_fd;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);

	long rc = clone_sharing(&args, &child);

	sigprocmask(SIG_SETMASK, &before, NULL);
	if (rc < 0)
		errno = (int)-rc;
	return rc < 0 ? -1 : (pid_t)rc;
}

/* Waits for the exec (end of file) or for the reason why there was none. */
static int spawn_result(const struct proc_spawn *s, int report, int pidfd, struct err *err)
{
	struct spawn_failure failure;
	siginfo_t info;
	ssize_t n;

retry:
	n = read(report, &failure, sizeof(failure));
	if (n < 0 && errno == EINTR)
		goto retry;
	if (n == 0)
		return 0;
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(failure) || failure.step < 0 || failure.step > STEP_EXEC)
		return err_set(err, ERR_BUG, "%s: start report of %zd bytes", s->path, n);
	return err_errno(err, failure.number, "%s: %s", s->path, step_names[failure.step]);
}

static int spawn_check(const struct proc_spawn *s, struct err *err)
{
	if (!s->path || !s->argv || !s->argv[0])
		return err_set(err, ERR_BUG, "spawn: no program or no argv[0]");
	if (s->fd_count > PROC_MAX_FDS)
		return err_set(err, ERR_BUG, "%s: %u descriptors, at most %d", s->path, s->fd_count,
			       PROC_MAX_FDS);
	return 0;
}

int proc_spawn(const struct proc_spawn *spawn, struct proc *out, struct err *err)
{
	int ends[2] = { -1, -1 }, raw_pidfd = -1;

	if (spawn_check(spawn, err) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "%s: pipe2", spawn->path);

	auto_fd int report_read = ends[0];
	auto_fd int report_low = ends[1];
	/* Above every target, so that placing the child's descriptors cannot close it. */
	auto_fd int report = fcntl(report_low, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

	if (report < 0)
		return err_sys(err, "%s: pipe2", spawn->path);
	close_fd(&report_low);

	pid_t pid = spawn_clone(spawn, report, &raw_pidfd);

	if (pid < 0)
		return err_sys(err, "%s: clone3", spawn->path);

	auto_fd int pidfd = raw_pidfd;

	close_fd(&report);
	if (spawn_result(spawn, report_read, pidfd, err) < 0)
		return -1;
	out->pid = pid;
	out->pidfd = take_fd(&pidfd);
	return 0;
}

/* The command name, field 2, may hold blanks and ")": the last ")" ends it. Field 3 follows. */
uint64_t proc_start_ticks(pid_t pid)
{
	char path[64], *save = NULL, *p;
	auto_buf text = BUF_INIT(4096);
	uint64_t ticks = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (pid <= 0 || file_read_at(AT_FDCWD, path, text.max, &text, NULL) < 0)
		return 0;
	p = strrchr(text.data, ')');
	if (!p)
		return 0;
	p = strtok_r(p + 1, " \n", &save);
	if (!p || *p == 'Z' || *p == 'X')
		return 0;
	for (int field = 3; p && field < 22; field++)
		p = strtok_r(NULL, " \n", &save);
	return p && str_to_u64(p, UINT64_MAX, &ticks) ? ticks : 0;
}

unsigned proc_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 0 : (unsigned)CPU_COUNT(&set);
}
