/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Health checks as the driver does them: which check is in force, turns, results. Inside of this folder only. */
#include <stdbool.h>
#include <stdint.h>

#include "spec/spec.h"
#include "supervise/core.h"

struct engine;
struct shim_probe_result;

/* Probes that run at a time, at the least: more of them would starve what they probe. With more processors twice their number. */
#define HEALTH_MIN_TURNS 16u
#define HEALTH_MAX_TURNS 64u

/* One unit's place in the queue; zeroed at first. */
struct health_turn {
	uint64_t order; /* that waits or runs; 0: none */
	bool is_running, startup;
	bool log_is_due;  /* for the folder of HealthLogDestination= */
	bool log_fails;	  /* has been said */
	uint64_t results; /* there have been so many in this life of the engine */
};

/* The unit's own check, as long as its image is not known. */
void health_load(struct engine *e, unsigned index);
void health_policy(const struct spec_health *health, struct core_health_policy *out,
		   struct core_startup_policy *startup);
/* The image is known: what it says of health counts from here on, unless a container runs. */
void health_take_image(struct engine *e, unsigned index);
/* An earlier engine has started it; before ADOPTED. */
void health_adopt_image(struct engine *e, unsigned index);
/* Runs the probe as soon as it is its turn; then PROBE. */
void health_probe(struct engine *e, unsigned index, uint64_t order, bool startup);
void health_cancel(struct engine *e, unsigned index);
void health_on_result(struct engine *e, unsigned index, const struct shim_probe_result *result);
/* Is any probe under way? */
bool health_is_probing(void);
/* Nobody answers any more: the connection is gone. */
void health_over(struct engine *e, unsigned index);
/* Somebody wants a result: the probe under way, or one that is due at once. ERR_BUSY: does not run; ERR_INPUT: has no check. */
int health_now(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
/* health_files.c: one result into the container's record and where else it goes. */
void health_keep(struct engine *e, unsigned index, const struct shim_probe_result *result,
		 const char *output);
