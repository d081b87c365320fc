/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the few files of cleat-init share. No heap in steady state, no parser of anything. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where this init runs; decides how a stop and a reboot are carried out. */
enum world {
	WORLD_BARE, /* a pid namespace without a manager's word: stop is exit, reboot is exit too */
	WORLD_CONTAINER, /* LXC, Incus, Proxmox: "container" is set; reboot(2) talks to the manager */
	WORLD_MACHINE,	 /* the initial pid namespace: a VM */
};

enum goal {
	GOAL_RUN,
	GOAL_HALT,
	GOAL_REBOOT,
};

/* console.c: one line a step, with the time since start; never blocks */
void console_init(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_usec(void);
uint64_t start_usec(void);

/* world.c */
enum world world_detect(void);
const char *world_name(enum world world);
/* Does not return. */
void world_end(enum world world, enum goal goal) __attribute__((noreturn));

/* mounts.c: what a kernel or a container manager has not mounted already; every failure is said and survived */
void mounts_make(enum world world);

/* cgroup.c: own leaf, controllers for the children, the engine's cgroup. Descriptor of the engine's cgroup or -1. */
int cgroup_prepare(void);

/* engine.c */
struct engine_child {
	pid_t pid; /* 0: not running */
	uint64_t started_usec;
	uint64_t next_start_usec; /* when pid is 0 */
	uint64_t stop_usec;	  /* when it was asked to stop; 0: it was not */
	unsigned failures;	  /* in a row, each after a short life */
};
void engine_start(struct engine_child *engine, int cgroup_fd);
/* Notes the end and sets the time of the next start. */
void engine_ended(struct engine_child *engine, int wait_status, enum goal goal);
