/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The half of a start that runs inside: the process that becomes the container's first (or, for
 * exec, one more). Each step is one function in the tables of child.c; their order is the
 * security argument and stands there. A step fails with a reason; the table adds its name.
 */
#include "runtime/identity.h"
#include "runtime/plan.h"
#include "runtime/sync.h"
#include "util/err.h"

struct child {
	struct plan *plan;
	const char *user; /* overrides the plan's (exec); NULL */
	/* exec_join.c; exec only */
	const char *cwd;	/* overrides the plan's; NULL */
	const char *const *env; /* "NAME=VALUE"s that override the plan's, up to NULL; NULL */
	bool wants_terminal;
	bool signals_are_default; /* but for the mask */
	bool stays_in_session;	  /* exec only, see runtime.h */
	uint16_t rows, columns;	  /* of the terminal; 0: as the kernel has it */
	int sync;		  /* to start.c, sync.h; -1: nobody listens (exec only) */
	struct sync_report *report;
	int stdio[3];
	int target_pidfd;   /* exec: process whose namespaces are joined; -1 */
	int holder;	    /* start in a pod: pidfd of its holder; -1 */
	int root;	    /* new root directory; after "pivot": "/" */
	bool makes_network; /* by another process, while it makes its root: network_aside.c */
	int network;	    /* to the process that makes the network namespace, network.h; -1 */
	pid_t network_maker;
	bool is_in_network;
	int staging; /* tmpfs of the new root's making: skeleton or upper directory; -1 */
	int layers[PLAN_MAX_LAYERS];
	struct identity id;
};

/* The container's first process. Never returns. */
_Noreturn void child_start(struct child *child);
/* A process more in a container that runs. Never returns. */
_Noreturn void child_exec(struct child *child);

/* child.c: of the ids that the maps give; they have to be written. */
int child_become_inner_root(struct err *err) MUST_CHECK;

/* root.c */
int root_open_layers(struct child *c, struct err *err);
int root_build(struct child *c, struct err *err);
int root_make_read_only(struct child *c, struct err *err);
int root_pivot(struct child *c, struct err *err);
/* c->staging, if there is none yet. */
int root_need_staging(struct child *c, struct err *err);
/* skeleton.c: whether some mount point of the plan is missing in the image that view shows;
 * makes directory skeleton (a layer to lie on top) hold what is missing, with the image's owners
 * and modes. */
bool skeleton_is_needed(const struct child *c, int view);
/* Owner and mode of the top directory of an image onto what is to lie over it. */
int skeleton_copy_top(int view, int skeleton, struct err *err);
int skeleton_fill(const struct child *c, int view, int skeleton, struct err *err);

/* accounts.c: a user and a group that are numbers unknown to the image get their lines. */
int accounts_add(struct child *c, struct err *err);

/* volume_fill.c: first use of named volumes, owners of what is made; asks start.c for what needs the appliance's rights. */
int volumes_prepare(struct child *c, struct err *err);
/* copyup.c: everything in the directory from into the directory to, both read-write descriptors; owners, modes, times,
 * extended attributes. Tells start.c now and then that it is alive. ERR_LIMIT: nested too deeply. */
int copyup_tree(const struct child *c, int from, int to, struct err *err);

/* mounts.c, copyup.c, devices.c; from: the directory of the image that a tmpfs now hides */
int copyup_fill(const struct child *c, const struct plan_mount *mount, int from, struct err *err);
int mounts_attach_all(struct child *c, struct err *err);
/* Makes what is to be mounted on, and folders on the way; returns the last, a file open for writing. */
int mounts_make_target(int root, const char *target, bool directory, struct err *err);
int mounts_mask(struct child *c, struct err *err);
int mounts_read_only_paths(struct child *c, struct err *err);
int devices_make(struct child *c, struct err *err);
bool devices_wanted(const struct plan *plan); /* a tmpfs is mounted on /dev */

/* privileges.c */
int privileges_rlimits(struct child *c, struct err *err);
int privileges_early_filter(struct child *c, struct err *err);
int privileges_ids_and_caps(struct child *c, struct err *err);
int privileges_late_filter(struct child *c, struct err *err);

/* exec_join.c: of a process that joins */
int exec_terminal(struct child *c, struct err *err);
int exec_own_environment(struct child *c, struct err *err);
int exec_own_rights(struct child *c, struct err *err);
/* items has room for one more. */
void exec_put_variable(struct strings *env, const char *text);
bool exec_has_variable(const struct strings *env, const char *name);

/* exec.c */
int exec_environment(struct child *c, struct err *err);
int exec_workdir(struct child *c, struct err *err);
int exec_program(struct child *c, struct err *err); /* returns on failure only */
