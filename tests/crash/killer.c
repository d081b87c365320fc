/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killer PID FOLLOW VICTIM AT RESULT: traces process PID, and just before its AT-th system call that others could notice, SIGKILL goes to VICTIM: a pid, or
 * 0 for the traced process itself. FOLLOW 1: not PID is counted, but the first shim that it starts. AT 0: only counts, until SIGTERM. Says
 * "ready" when it traces; RESULT gets "CALLS killed" or "CALLS whole". Unlike cutter nobody else is harmed: who is traced goes on when the tracer ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_ALONE PTRACE_O_TRACESYSGOOD
#define OPTIONS_FOLLOW                                                                            \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEEXEC)

/* What leaves a trace outside the process: files, messages, processes, mounts. */
static const int noticed[] = {
	SYS_openat2,	SYS_mkdirat,	SYS_unlinkat,
	SYS_renameat2,	SYS_symlinkat,	SYS_ftruncate,
	SYS_fchmod,	SYS_fchown,	SYS_write,
	SYS_pwrite64,	SYS_writev,	SYS_sendto,
	SYS_sendmsg,	SYS_connect,	SYS_bind,
	SYS_listen,	SYS_clone,	SYS_clone3,
	SYS_execve,	SYS_kill,	SYS_pidfd_send_signal,
	SYS_mount,	SYS_umount2,	SYS_move_mount,
	SYS_open_tree,	SYS_fsmount,	SYS_mount_setattr,
	SYS_pivot_root, SYS_setns,	SYS_unshare,
	SYS_fcntl,	SYS_exit_group, SYS_fsync,
	SYS_close,	SYS_wait4,	SYS_rt_sigqueueinfo,
#ifdef SYS_rename
	SYS_rename,	SYS_unlink,	SYS_mkdir,
	SYS_rmdir,	SYS_symlink,	SYS_open,
	SYS_fork,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
};

static pid_t target, counted, victim;
static long at, calls;
static int follows;
static volatile sig_atomic_t is_over;

static void on_term(int number)
{
	(void)number;
	is_over = 1;
}

static void finish(const char *path, const char *how)
{
	FILE *f = fopen(path, "w");

	if (!f || fprintf(f, "%ld %s\n", calls, how) < 0 || fclose(f) != 0)
		exit(125);
	exit(0); /* what is still traced is let go */
}

static int is_noticed(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return 0;
	for (size_t i = 0; i < sizeof(noticed) / sizeof(noticed[0]); i++)
		if ((int)info.entry.nr == noticed[i])
			return 1;
	return 0;
}

static int is_shim(pid_t pid)
{
	char path[64], words[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		(void)!read(fd, words, sizeof(words) - 1);
	close(fd);
	return strcmp(words, "cleat-runtime") == 0 &&
	       strcmp(words + strlen(words) + 1, "shim") == 0;
}

static void go_on(pid_t pid, int number)
{
	ptrace(pid == counted ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, number);
}

/* A new process of the engine's is watched until it has become a shim or something else; what a shim starts is let go. */
static void on_other(pid_t pid, int event)
{
	if (event == PTRACE_EVENT_EXEC && !counted && is_shim(pid)) {
		counted = pid;
		ptrace(PTRACE_SETOPTIONS, pid, 0, OPTIONS_ALONE);
		go_on(pid, 0);
	} else if (event == PTRACE_EVENT_EXEC || (counted && pid != counted)) {
		ptrace(PTRACE_DETACH, pid, 0, 0);
	} else {
		go_on(pid, 0);
	}
}

static void on_stop(pid_t pid, int status, const char *result)
{
	int number = WSTOPSIG(status), event = status >> 16;

	if (pid == counted && number == (SIGTRAP | 0x80)) {
		if (is_noticed(pid) && ++calls == at) {
			kill(victim ? victim : counted, SIGKILL);
			finish(result, "killed");
		}
		go_on(pid, 0);
	} else if (pid != target && pid != counted) {
		on_other(pid, event);
	} else if (event == PTRACE_EVENT_STOP && (number == SIGSTOP || number == SIGTSTP)) {
		ptrace(PTRACE_LISTEN, pid, 0, 0);
	} else {
		go_on(pid, event ? 0 : number);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	int status;

	if (argc != 6)
		return 2;
	target = (pid_t)atol(argv[1]);
	follows = atoi(argv[2]);
	victim = (pid_t)atol(argv[3]);
	at = atol(argv[4]);
	counted = follows ? 0 : target;
	sigaction(SIGTERM, &action, NULL);
	if (ptrace(PTRACE_SEIZE, target, 0, follows ? OPTIONS_FOLLOW : OPTIONS_ALONE) < 0 ||
	    ptrace(PTRACE_INTERRUPT, target, 0, 0) < 0) {
		perror("killer: seize");
		return 125;
	}
	if (waitpid(target, &status, __WALL) != target)
		return 125;
	go_on(target, 0);
	puts("ready");
	fflush(stdout);
	while (!is_over) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == ECHILD)
			break;
		if (pid > 0 && WIFSTOPPED(status))
			on_stop(pid, status, argv[5]);
	}
	finish(argv[5], "whole");
}
