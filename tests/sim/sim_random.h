/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Random worlds: units with policies, commands and dependencies of every kind, drawn from a seed, so that a number names
 * each. Header-only because each .c in this folder is a program of its own; only test_random.c includes it.
 */
#include "sim_policy.h"

#define MAX_UNITS 8
#define MAX_DEPS 16

enum phase { NOTHING, CREATING, RUNNING, DEAD /* ended, teardown not finished */ };

struct fake {
	enum phase phase;
	bool teardown; /* ordered, not finished */
	bool signalled, killed, quits;
	unsigned images;			    /* unanswered image orders */
	uint64_t probe;				    /* in flight */
	uint64_t late;				    /* cancelled: its answer may still come */
	uint64_t command, last_command, conditions; /* orders in flight */
	enum core_command which;
	bool command_killed, is_stillborn;
	unsigned starts, teardowns;
};

struct world {
	uint64_t random;
	struct core *core;
	unsigned count, number;
	struct core_policy policies[MAX_UNITS];
	struct core_dep deps[MAX_UNITS][MAX_DEPS];
	struct fake fakes[MAX_UNITS];
	usec_t now;
	bool is_shut_down, is_all_down, is_traced, may_swing;
	bool machine_asked; /* and not refused */
	size_t steps;
};

/* splitmix64 */
static uint64_t draw(struct world *w)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)(draw(w) % n);
}

static bool chance(struct world *w, unsigned percent)
{
	return below(w, 100) < percent;
}

static void random_health(struct world *w, struct core_policy *policy)
{
	if (chance(w, 50))
		return;
	policy->health.is_set = true;
	policy->health.interval_usec = (1 + below(w, 60)) * USEC_SEC;
	policy->health.timeout_usec = (1 + below(w, 10)) * USEC_SEC;
	policy->health.start_period_usec = chance(w, 50) ? 0 : below(w, 100) * USEC_SEC;
	policy->health.retries = below(w, 4);
	policy->health.action = (enum core_on_unhealthy)below(w, 5);
	policy->ready_when_healthy = chance(w, 30);
}

static void random_commands(struct world *w, struct core_policy *policy)
{
	for (unsigned which = 1; which < SIM_COMMANDS; which++)
		policy->commands |= chance(w, 25) ? 1u << which : 0;
	policy->has_conditions = chance(w, 15);
	policy->ready_by_notify = chance(w, 20);
	policy->watchdog_usec = chance(w, 15) ? (1 + below(w, 60)) * USEC_SEC : 0;
	policy->timeout_abort_usec = below(w, 5) * USEC_SEC;
	policy->restart_is_direct = chance(w, 20);
	policy->kills_at_start_timeout = chance(w, 10);
	policy->kills_at_stop_timeout = chance(w, 10);
	policy->never_kills = chance(w, 5);
	policy->stops_when_alone = chance(w, 15);
	if (!chance(w, 20))
		return;
	policy->startup.is_set = true;
	policy->startup.interval_usec = (1 + below(w, 20)) * USEC_SEC;
	policy->startup.timeout_usec = (1 + below(w, 10)) * USEC_SEC;
	policy->startup.retries = below(w, 5);
	policy->startup.success = below(w, 4);
}

/* What it asks of the appliance. */
static void random_machine(struct world *w, struct core_policy *policy)
{
	for (unsigned i = 0; i < CORE_MACHINE_WHY_COUNT; i++)
		if (chance(w, 10))
			policy->machine[i] =
				(enum service_action)below(w, SERVICE_ACTION_HALT_IMMEDIATE + 1);
}

static void random_policy(struct world *w, struct core_policy *policy, unsigned index)
{
	static const char *const names[MAX_UNITS] = {
		"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"
	};

	*policy = sim_policy(names[index]);
	policy->restart = (enum service_restart)below(w, 7);
	policy->restart_usec = below(w, 20) * 100 * USEC_MSEC;
	if (chance(w, 30)) {
		policy->restart_steps = 1 + below(w, 10);
		policy->restart_max_usec = below(w, 60) * USEC_SEC;
	}
	if (chance(w, 50))
		policy->start_limit_burst = below(w, 8);
	if (chance(w, 20)) {
		policy->type = SERVICE_ONESHOT;
		policy->timeout_start_usec = USEC_NEVER;
	}
	policy->remain_after_exit = chance(w, 15);
	policy->is_invalid = chance(w, 5);
	policy->stop_timeout_usec = below(w, 20) * USEC_SEC;
	if (chance(w, 20))
		policy->runtime_max_usec = (3600 + below(w, 3600)) * USEC_SEC;
	if (chance(w, 20))
		policy->job_timeout_usec = (1 + below(w, 100)) * USEC_SEC;
	if (chance(w, 20))
		policy->job_running_timeout_usec = (1 + below(w, 50)) * USEC_SEC;
	if (chance(w, 20))
		policy->success.codes[0] = 1u << below(w, 4);
	if (chance(w, 20))
		policy->restart_prevent.codes[0] = 1u << below(w, 4);
	if (chance(w, 10))
		policy->restart_force.codes[0] = 2u << below(w, 3);
	random_health(w, policy);
	if (chance(w, 60))
		random_commands(w, policy);
	random_machine(w, policy);
}

static bool is_fate(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_UPHOLDS || kind == SERVICE_DEP_ON_FAILURE ||
	       kind == SERVICE_DEP_ON_SUCCESS;
}

/* Ordering only from later to earlier units, so that it has no cycle; everything else at random. */
static void random_deps(struct world *w, unsigned index)
{
	struct core_policy *policy = &w->policies[index];
	size_t count = chance(w, 60) ? below(w, 4) : 0;

	policy->deps = w->deps[index];
	for (size_t i = 0; i < count; i++) {
		struct core_dep *dep = &w->deps[index][policy->dep_count++];

		dep->kind = (enum service_dep_kind)below(
			w, chance(w, 50) ? 6 : SERVICE_DEP_RELOAD_PROPAGATED_FROM + 1);
		dep->target = below(w, w->count);
		if (dep->kind == SERVICE_DEP_AFTER)
			dep->target = below(w, index + 1);
		if (dep->kind == SERVICE_DEP_BEFORE)
			dep->target = index + below(w, w->count - index);
		/* Who starts each other for ever is no world that comes to rest; a third of them may. */
		if (is_fate(dep->kind) && w->number % 3 != 0)
			dep->target = index + below(w, w->count - index);
		if (dep->target == index && dep->kind <= SERVICE_DEP_BEFORE) {
			policy->dep_count--;
		} else if (dep->target < index && dep->kind >= SERVICE_DEP_WANTS && chance(w, 60)) {
			w->deps[index][policy->dep_count++] =
				(struct core_dep){ SERVICE_DEP_AFTER, dep->target };
		}
	}
}

/* Conflicts= against Upholds=, something that is upheld and ends by itself: such units come and go for ever. */
static bool may_swing(const struct world *w)
{
	bool conflicts = false, fates = false, short_lived = false;

	for (unsigned i = 0; i < w->count; i++) {
		for (size_t j = 0; j < w->policies[i].dep_count; j++) {
			const struct core_dep *dep = &w->deps[i][j];
			const struct core_policy *target = &w->policies[dep->target];

			conflicts = conflicts || dep->kind == SERVICE_DEP_CONFLICTS;
			fates = fates || is_fate(dep->kind);
			short_lived = short_lived || (dep->kind == SERVICE_DEP_UPHOLDS &&
						      (target->type == SERVICE_ONESHOT ||
						       target->stops_when_alone));
		}
	}
	return short_lived || (conflicts && fates) || (fates && w->number % 3 == 0);
}
