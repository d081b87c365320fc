/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cutter AT RESULT COMMAND...: runs a command and, before its AT-th call that could change a file, kills it and all of its descendants, as a
 * power cut would (but for what the kernel has in its caches). AT 0: only counts. RESULT gets "CALLS cut" or "CALLS STATUS". A seccomp filter stops
 * for the tracer at those calls alone, so static programs and workers with filters of their own are traced, too. Must never
 * leave a process behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HERE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define HERE AUDIT_ARCH_RISCV64
#else
#error "which AUDIT_ARCH_ is this?"
#endif

/* Every way to change what is on disk that a program of ours uses, or could come to use. */
static const int changing[] = {
	SYS_openat2,   SYS_mkdirat,   SYS_unlinkat,  SYS_renameat2,	  SYS_linkat,
	SYS_symlinkat, SYS_mknodat,   SYS_fchown,    SYS_fchownat,	  SYS_fchmod,
	SYS_fchmodat,  SYS_fsetxattr, SYS_utimensat, SYS_ftruncate,	  SYS_fallocate,
	SYS_fsync,     SYS_fdatasync, SYS_syncfs,    SYS_write,		  SYS_pwrite64,
	SYS_writev,    SYS_pwritev,   SYS_sendfile,  SYS_copy_file_range,
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS_rename
	SYS_rename,    SYS_unlink,    SYS_mkdir,     SYS_rmdir,		  SYS_link,
	SYS_symlink,   SYS_chmod,     SYS_chown,
#endif
};
#define CHANGING_COUNT (sizeof(changing) / sizeof(changing[0]))

static void die(const char *what)
{
	fprintf(stderr, "cutter: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Of openat only what makes or writes: the loader and look-ups open hundreds of files to read. */
static void load_filter(void)
{
	struct sock_filter code[8 + 2 * CHANGING_COUNT + 4];
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HERE, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CHANGING_COUNT; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned)changing[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, args[2]));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
						 O_CREAT | O_TRUNC | O_WRONLY | O_RDWR, 0, 1);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	const struct sock_fprog program = { .len = n, .filter = code };

	/* root needs no no_new_privs for it, which the command would inherit */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		die("seccomp");
}

static pid_t start(char **argv)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACESECCOMP;
	int go[2];
	pid_t pid;
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(go[0], &byte, 1) != 1)
			_exit(125);
		load_filter();
		execv(argv[0], argv);
		die(argv[0]);
	}
	/* seized: new children stop with an event of their own instead of a signal that looks like any other */
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0)
		die("ptrace");
	if (write(go[1], "g", 1) != 1)
		die("write");
	close(go[0]);
	close(go[1]);
	return pid;
}

/* Every one of them is either stopped, and dies before its call is made, or runs, and dies now. */
static void kill_all(const pid_t *pids, size_t count)
{
	int status;
	pid_t pid;

	for (size_t i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (pid > 0 && WIFSTOPPED(status))
			kill(pid, SIGKILL); /* born in the last moment */
}

static void tell(const char *path, unsigned long calls, const char *how)
{
	FILE *out = fopen(path, "w");

	if (!out || fprintf(out, "%lu %s\n", calls, how) < 0 || fclose(out) != 0)
		die(path);
}

#define MAX_PIDS 4096

static void remember(pid_t *pids, size_t *count, pid_t pid)
{
	for (size_t i = 0; i < *count; i++)
		if (pids[i] == pid)
			return;
	if (*count == MAX_PIDS) {
		errno = E2BIG;
		die("processes");
	}
	pids[(*count)++] = pid;
}

static void forget(pid_t *pids, size_t *count, pid_t pid)
{
	for (size_t i = 0; i < *count; i++)
		if (pids[i] == pid)
			pids[i] = pids[--*count];
}

int main(int argc, char **argv)
{
	static pid_t pids[MAX_PIDS];
	unsigned long at, calls = 0;
	size_t count = 0;
	char how[32] = "lost", *end = argv[0];
	int status;
	pid_t first, pid;

	if (argc < 4 || (at = strtoul(argv[1], &end, 10), *end)) {
		fputs("usage: cutter AT RESULT COMMAND...\n", stderr);
		return 125;
	}
	first = start(argv + 3);
	remember(pids, &count, first);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		int event = status >> 16, number = 0;

		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			forget(pids, &count, pid);
			if (pid == first)
				snprintf(how, sizeof(how), "%d",
					 WIFEXITED(status) ? WEXITSTATUS(status) :
							     128 + WTERMSIG(status));
			continue;
		}
		remember(pids, &count, pid);
		if (event == PTRACE_EVENT_SECCOMP && ++calls == at) {
			kill_all(pids, count);
			tell(argv[2], calls, "cut");
			return 0;
		}
		if (event == 0)
			number = WSTOPSIG(status); /* a signal on its way */
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)number) < 0 && errno != ESRCH)
			die("PTRACE_CONT");
	}
	tell(argv[2], calls, how);
	return 0;
}
