/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Processes: spawning with clone3(2) (pidfd, birth in a cgroup: a later write to cgroup.procs
 * costs 8-15 ms), and confinement of workers. A worker gives up everything it does not need before
 * it reads its first byte from outside.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

#define PROC_MAX_FDS 8

struct proc_spawn {
	const char *path; /* executable */
	char *const *argv;
	char *const *envp;     /* NULL: empty environment */
	int cgroup_fd;	       /* directory descriptor in cgroup2, or -1 */
	int fds[PROC_MAX_FDS]; /* becomes descriptor 0, 1, 2, ... of the child; -1: /dev/null */
	unsigned fd_count;     /* all other descriptors are closed in the child (close_range); of
				   * 0, 1 and 2 those beyond the count are /dev/null as well */
	bool new_session;
	bool signals_blocked; /* until the program wants them: one that comes before it can
				 handle it waits instead of ending it */
	const int *drop_caps; /* -1-terminated: out of the bounding set before exec; NULL: none */
};

struct proc {
	pid_t pid;
	int pidfd; /* owned by the caller; polls readable when the process has ended */
};

/* Starts the program. Signals are set to default in the child and, unless asked otherwise,
 * unblocked. exec failure is reported here (through a close-on-exec pipe), not as a silent exit;
 * the child is reaped then. Blocks until the child has called execve. */
int proc_spawn(const struct proc_spawn *spawn, struct proc *out, struct err *err) MUST_CHECK;

/* For a child on its way to exec: every signal, those that libc keeps to itself too, back to its default, and
 * none blocked when unblock is set. System calls only. */
void proc_default_signals(bool unblock);
/* The mask alone. */
void proc_unblock_signals(void);

/* Those that this process may run on; 0: the kernel does not say (errno). */
unsigned proc_processors(void);

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), 0 if it is
 * gone or a zombie: together with the pid it names a process for good. */
uint64_t proc_start_ticks(pid_t pid);

struct proc_confine {
	uid_t uid; /* no supplementary groups; 0: keep the ids (already in a user namespace) */
	gid_t gid;
	/* NULL-terminated; NULL: none. Landlock, skipped where the kernel has none (and before
	 * Linux 5.19 for whoever has write_paths). Nothing else can be opened by name, nor
	 * linked, renamed, removed; what is open already stays usable. Nothing can be executed
	 * but what lies in exec_paths. */
	const char *const *read_paths;
	const char *const *write_paths;
	const char *const *list_paths; /* names in folders may be read, files may not */
	const char *const *exec_paths; /* may be read, and executed */
	const int *keep_caps;	       /* -1-terminated capability numbers; NULL: none is kept */
	bool keep_over_exec;	       /* keep_caps stay with the program that is executed next */
	/* -1-terminated list of what stays allowed beside what every worker needs (memory, exit, return of signals, read, write,
	 * close, clock, futex, epoll, mmap and mprotect without PROT_EXEC, ioctl for stdio, fcntl but for whom a descriptor signals, …:
	 * no open, no socket, no process, no signal to others); NULL: nothing. All else: EPERM or kill. */
	const int *syscalls;
	bool opens_folders_only; /* open() and openat() are allowed for reading a folder, and must
				  * not be in the list */
	bool signals_others; /* it may signal processes that are no children of its, if kill is in the list */
	bool kill_on_violation;
	uint64_t memory_max_bytes; /* RLIMIT_AS, 0: leave */
	unsigned max_fds;	   /* RLIMIT_NOFILE, 0: leave */
};

/* For the calling, single-threaded process: setgroups/setresgid/setresuid, no_new_privs,
 * non-dumpable, rlimits (no core file, ever), Landlock if the kernel has it, all capabilities
 * dropped, seccomp last. Everything but Landlock is required. */
int proc_confine(const struct proc_confine *confine, struct err *err) MUST_CHECK;
/* Landlock's ABI number, 0 where the kernel has none: for the report of what the host gives. */
int proc_landlock_abi(void);
