/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * config.json -> a process in its namespaces, and away again. What the shim and the command line
 * of cleat-runtime share. Used by one process that afterwards stays small: parsing happens in
 * memory that is given back.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"
#include "util/proc.h"
#include "util/secret.h"

struct runtime_start {
	const char *config_path;  /* config.json */
	const char *run_id;	  /* names the cgroup: CLEAT_CGROUP_CONTAINERS/RUNID */
	const char *cgroup_mount; /* cgroup2 mount point, NULL: find it */
	const char *data_dir;	  /* below it missing sources may be made; NULL: CLEAT_DATA_DIR */
	const char *cache_dir;	  /* compiled seccomp filters; NULL: CLEAT_CACHE_DIR */
	int stdio[3];		  /* of the container's first process; borrowed */
	const struct secret_places *secrets; /* where secrets lie; NULL: the appliance's */
	bool signals_are_default; /* no signal of the caller is ignored or caught: blocked ones do no harm */
	/* Called when the process is there and has its namespaces, while it makes its root: the caller's time for what it wants to know of it. It
	 * may yet fail. NULL */
	void (*born)(void *arg, const struct proc *init);
	void *born_arg;
};

struct plan; /* plan.h */

/* Files that the container got as its own (x-cleat-own). */
enum runtime_own { RUNTIME_OWN_HOSTS = 1, RUNTIME_OWN_RESOLV = 2 };

struct runtime_container {
	struct proc init; /* child of the caller; pidfd owned by the caller */
	int cgroup_fd;	  /* directory of the container's cgroup, owned by the caller */
	/* "memory.max, pids.max": asked for, but the kernel gives us no such controller; "" */
	char unenforced[128];
	uint32_t lost; /* enum host_loss of util/host.h: allowed by config.json, and so it came */
	uint32_t own_files;	     /* enum runtime_own */
	uint32_t root_uid, root_gid; /* outside ids of the container's root */
	/* Of config.json, for runtime_exec.kept; lives as long as the caller. NULL: there is nothing. */
	const struct plan *kept;
};

/* Creates the container and starts its process; returns after a successful execve (so the
 * process runs), or -1 with the step, path and reason ("mounts: /data: ...") after everything
 * was undone but the cgroup directory, which teardown removes. ERR_INPUT: no retry can cure it
 * (image or unit is wrong). ERR_BUSY: the run id has a living cgroup. Blocking: some
 * milliseconds; a child that hangs in a step is killed after 60 s. Child steps are a named table
 * (child.c). The caller is single-threaded; SIGCHLD of the short-lived child of a first seccomp
 * compilation may reach it. */
int runtime_start(const struct runtime_start *start, struct runtime_container *out,
		  struct err *err) MUST_CHECK;

/* Ends everything of a run id and removes what is left: cgroup.kill, waits until the cgroup is
 * empty (bounded by timeout), takes the run's lock (a shim that holds it has two seconds to end by
 * itself), removes the cgroup tree, the run directory and the by-name link. Not for the process that
 * holds the lock itself.
 * Idempotent; derives all from the run id and disk; a run directory of which half is gone is
 * fine. ERR_BUSY: processes are still dying; nothing but the kill has happened, call again. */
int runtime_teardown(const char *run_id, const char *cgroup_mount, uint64_t timeout_usec,
		     struct err *err) MUST_CHECK;

/* Joins a running container (all its namespaces, its cgroup, user, capabilities, no_new_privs,
 * seccomp filter, environment and working directory of config.json) and runs argv there: for
 * exec probes and exec sessions. */
struct runtime_exec {
	const char *config_path;
	const struct plan *kept; /* runtime_exec_begin(): read instead of config_path; NULL */
	bool signals_are_default; /* no signal of the caller is ignored or caught: blocked ones do no harm */
	bool stays_in_session; /* the caller's has no terminal, so that the program needs none of its own; it is a process group */
	pid_t target_pid;
	int target_pidfd;
	int cgroup_fd;
	const char *const *argv; /* NULL-terminated */
	const char *user;	 /* NULL: as the container's process */
	const char *cache_dir;	 /* compiled seccomp filters; NULL: CLEAT_CACHE_DIR */
	int stdio[3];
	const struct secret_places *secrets; /* NULL: the appliance's */
	/* Beyond what config.json says; a user other than the container's gets what podman gives it: root
	 * the bounding set, others the capabilities that were added. */
	const char *cwd;	/* absolute; NULL: the container's */
	const char *const *env; /* "NAME=VALUE"s that override, up to NULL; NULL */
	/* Not NULL: a terminal is made in the container's devpts and becomes the program's standard streams
	 * (stdio is for the time before). The master's descriptor, owned by the caller; -1: none was made.
	 * May be set although the call fails. */
	int *terminal;
	uint16_t rows, columns; /* of the terminal; 0: the kernel's */
};
/* Returns after execve, like runtime_start(), and with the same errors. */
int runtime_exec(const struct runtime_exec *exec, struct proc *out, struct err *err) MUST_CHECK;

/* Brings programs into a container, one after the other: what each needs outside is made for the first. */
struct runtime_joiner {
	struct proc proc; /* the one under way: child of the caller; the pidfd is the caller's */
	struct sync_report *report; /* owned; NULL: there was none yet */
	int pid_namespace; /* owned; the caller's own, the way back; -1: there was none yet */
};
#define RUNTIME_JOINER_INIT                                  \
	{                                                    \
		.proc = { .pidfd = -1 }, .pid_namespace = -1 \
	}
/* Like runtime_exec() without a terminal, but nothing is waited for: all that reads files is done by the new process, born where the
 * program shall run, before it becomes the program. There early() comes first: it closes what the process must not hold and
 * says in exec where stdio and target_pidfd are then. The caller waits for the end and then asks for the outcome. */
int runtime_exec_begin(const struct runtime_exec *exec,
		       int (*early)(struct runtime_exec *exec, void *arg, struct err *err),
		       void *arg, struct runtime_joiner *joiner, struct err *err) MUST_CHECK;
/* Once the process has ended, and before the next is begun: 0 if it had become the program, -1 with the reason why it had not. */
int runtime_exec_outcome(const struct runtime_joiner *joiner, struct err *err) MUST_CHECK;
/* Gives back what it owns; proc is the caller's. */
void runtime_joiner_fini(struct runtime_joiner *joiner);

/* What names a run directory and a cgroup: 1 to 64 of a-z A-Z 0-9 . _ -, not beginning with a
 * dot. */
bool runtime_id_is_valid(const char *run_id);

/* Compiles the seccomp profile of a file into the cache ahead of the first start; out: the path.
 * cache_dir NULL: CLEAT_CACHE_DIR. */
int runtime_compile_seccomp(const char *file, const char *cache_dir, char *out, size_t size,
			    struct err *err) MUST_CHECK;

/* Writes what this machine gives to the runtime, a line each: "yes ID" or "no ID: reason"; as_record: "ID yes" or "ID no ERRNO
 * REASON", which supervise/host_probe.h reads. data_dir: where images lie, NULL: CLEAT_DATA_DIR. Blocks for milliseconds, or
 * CHECK_SECONDS for each try that hangs. Returns how many required ones are missing. */
int runtime_check(int fd, bool as_record, const char *data_dir);
