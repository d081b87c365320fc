/* SPDX-License-Identifier: Apache-2.0 */
/*
 * withhold CALL=WHAT... -- COMMAND...: runs it, and all that comes of it, on a host that withholds system calls, as a manager of containers does
 * with its seccomp profile. WHAT: a number of errno; "kill": the process dies; "hang": the call never comes back. CALL-net: only when it is about
 * network namespaces.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CALLS 16

static const struct call {
	const char *name;
	unsigned number;
	unsigned flags; /* one of them has to be there; 0: whatever the call is about */
	unsigned flags_argument;
} calls[] = {
	{ "clone3", SYS_clone3, 0, 0 },
	{ "mount", SYS_mount, 0, 0 },
	{ "pivot_root", SYS_pivot_root, 0, 0 },
	{ "openat2", SYS_openat2, 0, 0 },
	{ "open_tree", SYS_open_tree, 0, 0 },
	{ "fsopen", SYS_fsopen, 0, 0 },
	{ "seccomp", SYS_seccomp, 0, 0 },
	{ "setns", SYS_setns, 0, 0 },
	{ "setns-net", SYS_setns, CLONE_NEWNET, 1 },
	{ "setxattr", SYS_setxattr, 0, 0 },
	{ "unshare", SYS_unshare, 0, 0 },
	{ "unshare-net", SYS_unshare, CLONE_NEWNET, 0 },
	{ "landlock_create_ruleset", SYS_landlock_create_ruleset, 0, 0 },
	{ "getrandom", SYS_getrandom, 0, 0 },
	{ "mount_setattr", SYS_mount_setattr, 0, 0 },
};

static const struct call *call_of(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strlen(calls[i].name) == len && strncmp(calls[i].name, name, len) == 0)
			return &calls[i];
	fprintf(stderr, "withhold: %s: not in the table\n", name);
	exit(125);
}

static unsigned action_of(const char *what)
{
	if (strcmp(what, "kill") == 0)
		return SECCOMP_RET_KILL_PROCESS;
	if (strcmp(what, "hang") == 0)
		return SECCOMP_RET_USER_NOTIF;
	return SECCOMP_RET_ERRNO | ((unsigned)strtoul(what, NULL, 10) & SECCOMP_RET_DATA);
}

static int load(char **words, int count)
{
	struct sock_filter code[5 * MAX_CALLS + 1];
	struct sock_fprog program = { .filter = code };
	unsigned n = 0, flags = 0;

	for (int i = 0; i < count; i++) {
		size_t len = strcspn(words[i], "=");
		unsigned action = action_of(words[i] + len + 1);
		const struct call *call = call_of(words[i], len);

		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, nr));
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0,
							 call->flags ? 3 : 1);
		if (call->flags) {
			code[n++] = (struct sock_filter)BPF_STMT(
				BPF_LD | BPF_W | BPF_ABS,
				offsetof(struct seccomp_data, args[call->flags_argument]));
			code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
								 call->flags, 0, 1);
		}
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
		if (action == SECCOMP_RET_USER_NOTIF)
			flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int main(int argc, char **argv)
{
	int end = 1, status;
	pid_t pid;

	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	if (end >= argc - 1 || end == 1 || end - 1 > MAX_CALLS || load(argv + 1, end - 1) < 0) {
		perror("withhold");
		return 125;
	}
	/* who holds the listener and never answers keeps the call from coming back */
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		closefrom(3);
		execvp(argv[end + 1], argv + end + 1);
		perror(argv[end + 1]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
