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

/* How the world is left. */
struct ending {
	enum goal goal;
	bool is_immediate; /* nobody waits for the containers */
	bool has_status;   /* a container's PID 1 ends with this, which its manager may hand on */
	int status;
};

/* console.c: one line a step, with the time since start; put_line() says how long it may wait */
/* In the environment of a PID 1 that another one became: when that one began (start_usec). */
#define BEGAN_VARIABLE "CLEAT_BEGAN_USEC"
void console_init(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_usec(void);
uint64_t start_usec(void);

/* world.c */
enum world world_detect(void);
const char *world_name(enum world world);
void limits_raise(enum world world);
/* Does not return. */
void world_end(enum world world, const struct ending *ending) __attribute__((noreturn));
/* Nothing is written before. */
void world_end_at_once(enum world world, const struct ending *ending) __attribute__((noreturn));

/* A word for CLEAT_WORLD=, which the steps and the engine are told. */
const char *world_variable(enum world world);

/* mounts.c: what a kernel or a container manager has not mounted already; every failure is said and survived */
void mounts_make(enum world world);
/* /etc of a root that is read-only becomes writable: an overlay with a small tmpfs. Needs the module. */
void mounts_make_etc(void);
/* Settings of the kernel that a container manager may have made read-only. */
void mounts_set_kernel(enum world world);
/* The last thing in a machine: /data and the root are clean for their next life. */
void mounts_end(void);

/* cgroup.c: own leaf, controllers for the children, the engine's cgroup. Descriptor of the engine's cgroup or -1. */
int cgroup_prepare(void);

/* engine.c */
#define SAFE_MODE_FAILURES 5u /* ends in a row after which the next engine only shows and obeys */
struct engine_child {
	pid_t pid; /* 0: not running */
	uint64_t started_usec;
	uint64_t next_start_usec; /* when pid is 0 */
	uint64_t stop_usec;	  /* when it was asked to stop; 0: it was not */
	unsigned failures;	  /* in a row, each after a short life */
	uint64_t watchdog_usec; /* how often it has to show that its loop turns; 0: nobody looks */
};
void engine_start(struct engine_child *engine, enum world world, int cgroup_fd);
/* Notes the end and sets the time of the next start. */
void engine_ended(struct engine_child *engine, int wait_status, enum goal goal);

/* watchdog.c: the machine's, which resets it when PID 1 or the engine's loop hangs. Armed at the first sign of life of
 * the engine's loop, never disarmed. */
struct watchdog {
	int fd;		      /* -1: not armed */
	uint64_t period_usec; /* between two looks; 0: there is none */
	uint64_t next_usec;   /* when to look again */
	bool is_hungry;	      /* said that it is not fed */
};
/* Is there one? CLEAT_WATCHDOG_SEC= of the environment (the kernel hands words of its command line on): its time, 0: off;
 * in a container it has to be there. */
void watchdog_find(struct watchdog *dog, enum world world);
/* Feeds it if the engine's loop has turned lately. */
void watchdog_turn(struct watchdog *dog, uint64_t now);
/* No engine any more: what is left has this long. */
void watchdog_last_feed(struct watchdog *dog, unsigned sec);

/* steps.c: children that do what is more than a mount or a signal (engine/boot/boot.h) */
#define STEP_STAYS 2
struct stay {
	pid_t pid;
	uint64_t next_start_usec;
	bool is_over; /* it had nothing to do here */
};
struct init {
	enum world world;
	struct ending ending;
	int signal_fd, engine_cgroup;
	unsigned stop_tries;
	struct engine_child engine;
	pid_t step_pid; /* of the step that is waited for; 0: it has ended */
	int step_status;
	struct stay stays[STEP_STAYS];
	struct watchdog watchdog;
};
/* Runs "cleat boot NAME", at most for so long, and says how long it took. 0: it has done its work. */
int step_run(struct init *init, const char *name, unsigned limit_sec);
void steps_before_engine(struct init *init);
/* root.c: a machine whose root is the kernel's initramfs. First of all: a whole root becomes one that pivot_root(2) works in. */
void root_prepare(enum world world);
/* With /proc, /sys and /dev there: from the initramfs of a disk into the root that is on it, whose PID 1 begins anew. Returns when there is
 * nothing to switch to. */
void root_switch(struct init *init);
/* With /data still there, after the last process that used it. */
void steps_after_engine(struct init *init);
/* Starts those that stay and do not run. Returns when to come again; UINT64_MAX: not. */
uint64_t steps_keep(struct init *init, uint64_t now);
/* Was it one of these that ended? */
void steps_ended(struct init *init, pid_t pid, int wait_status);

/* main.c: sleeps until a signal or this long, and does what signals ask for */
void wait_for_signals(struct init *init, uint64_t until_usec);
