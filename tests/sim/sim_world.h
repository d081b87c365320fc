/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a scenario file says, and the fake world that it describes: reactions to the core's actions
 * by rule, in virtual time. Header-only because each .c in this folder is a program of its own;
 * only test_scenarios.c includes it.
 */
#include "sim_policy.h"

#define SIM_MAX_UNITS 16
#define SIM_MAX_RULES 16
#define SIM_MAX_DEPS 16
#define SIM_MAX_SCRIPT 256
#define SIM_MAX_QUEUE 1024
#define SIM_MAX_WORDS 32
#define SIM_NAME_MAX 32

/* One reaction: sends an event some time after the order; is_silent: never answers. */
struct sim_rule {
	struct core_event event;
	usec_t after;
	bool is_silent;
	char text[96];
};

/* The nth order of a kind gets the nth rule, the last one repeats. */
struct sim_rules {
	struct sim_rule items[SIM_MAX_RULES];
	size_t count;
	size_t used;
};

struct sim_unit {
	char name[SIM_NAME_MAX];
	struct core_policy policy;
	struct core_dep deps[SIM_MAX_DEPS];
	char targets[SIM_MAX_DEPS][SIM_NAME_MAX];
	size_t dep_count;
	struct sim_rules image, start, run, stop, kill, probe, clean, conditions, notify;
	struct sim_rules commands[SIM_COMMANDS], command_kill;
	usec_t beats_every; /* WATCHDOG=1 while it runs; 0: never */
	unsigned beats;	    /* how often */
	unsigned index;
	/* the world's side */
	unsigned instance; /* number of the present container; every start is a new one */
	bool is_alive;	   /* a container exists that has not ended */
	unsigned starts;
	uint64_t probe_in_flight;
	uint64_t command_in_flight; /* order number */
};

struct sim_queued {
	usec_t at;
	uint64_t sequence;
	struct sim_unit *unit;
	unsigned instance; /* dropped when the unit has another by then; 0: is not about one */
	const struct sim_rule *rule;
	struct core_event event;
};

struct sim_line { /* "at TIME WORD..." */
	usec_t at;
	unsigned number;
	char *words[SIM_MAX_WORDS];
	size_t word_count;
};

struct sim {
	const char *path;
	char *text; /* owned: the file, cut into words */
	unsigned line;
	struct sim_unit units[SIM_MAX_UNITS];
	size_t unit_count;
	struct sim_line script[SIM_MAX_SCRIPT];
	size_t script_count, script_next;
	struct sim_queued queue[SIM_MAX_QUEUE];
	size_t queue_count;
	uint64_t sequence;
	usec_t now, until;
	struct core *core;
	struct buf trace;
	bool refuses_machine; /* what units ask of the appliance is not done */
	bool is_quiet;	      /* no trace wanted: a run of years */
	size_t checks;	      /* expectations met */
	char *expected;	      /* borrowed from text, NULL: no expect-trace block */
	size_t expected_offset, expected_length;
};
