/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a word to one unit, or its fate, means for others: requests that are passed on, Conflicts=, Upholds=, OnFailure=,
 * OnSuccess=, PropagatesStopTo=, pods that are left alone. Must never start a unit without a limit: two that start each
 * other would not let time pass.
 */
#include <stdio.h>

#include "supervise/core_internal.h"

static bool is_of_this_start(const struct core *core, const struct core_unit *unit)
{
	return unit->transaction == core->transactions;
}

/*
 * Two that are started together and must not be: the one that is asked for wins over what is only pulled in, then the
 * one that says Conflicts=, then the one that is asked for later in a boot. The winner stops the other.
 */
static const struct core_unit *stronger_rival(const struct core *core, const struct core_unit *unit,
					      const struct core_unit *asked)
{
	const struct core_edges *lists[] = { &unit->in, &unit->out };

	for (size_t k = 0; k < 2 && unit != asked; k++)
		for (size_t i = 0; i < lists[k]->count; i++)
			if (lists[k]->items[i].kind == SERVICE_DEP_CONFLICTS &&
			    &core->units[lists[k]->items[i].unit] == asked)
				return asked;
	for (size_t i = 0; i < unit->in.count; i++) {
		const struct core_unit *rival = &core->units[unit->in.items[i].unit];
		bool says_too =
			order_has_edge(&unit->out, unit->in.items[i].unit, CORE_KIND(CONFLICTS));

		if (unit->in.items[i].kind != SERVICE_DEP_CONFLICTS || rival == unit ||
		    !is_of_this_start(core, rival) || rival->loses)
			continue;
		if (rival->is_starting ? unit != asked : rival->want == CORE_WANT_UP && !says_too)
			return rival;
	}
	return NULL;
}

static void stop_rivals_of(struct core *core, struct core_unit *unit,
			   const struct core_edges *edges)
{
	char why[CORE_TEXT_MAX];

	snprintf(why, sizeof(why), "%s conflicts with it", unit->policy.name);
	for (size_t i = 0; i < edges->count; i++) {
		struct core_unit *rival = &core->units[edges->items[i].unit];

		if (edges->items[i].kind == SERVICE_DEP_CONFLICTS && rival != unit &&
		    rival->want == CORE_WANT_UP)
			bonds_stop(core, rival, why);
	}
}

/* Who of the units in core->walk is not to be started, said at once. */
static void find_losers(struct core *core, size_t count, const struct core_unit *asked)
{
	for (size_t i = 0; i < count; i++) {
		struct core_unit *at = &core->units[core->walk[i]];

		at->transaction = core->transactions;
		at->loses = false;
		at->is_starting = true;
	}
	for (size_t i = 0; i < count; i++) {
		struct core_unit *at = &core->units[core->walk[i]];
		const struct core_unit *rival = stronger_rival(core, at, asked);

		at->loses = rival != NULL;
		at->is_starting = !at->loses;
		if (!rival)
			continue;
		if (at->state == CORE_DOWN)
			core_set_reason(core, at, "not started: %s conflicts with it",
					rival->policy.name);
		core_note(core, at, "not started: %s conflicts with it", rival->policy.name);
	}
}

/* systemd keeps the jobs that wait across a reload, and makes no new ones: a unit that was skipped, has finished, failed or was stopped
 * meanwhile is not begun anew because who pulled it in still waits. */
static size_t leave_settled(const struct core *core, unsigned *list, size_t count)
{
	size_t kept = 1;

	for (size_t i = 1; i < count; i++)
		if (!core->units[list[i]].is_settled)
			list[kept++] = list[i];
	return kept;
}

/* All stops come before all starts: who goes may take along who is to come. */
void bonds_start(struct core *core, struct core_unit *unit, enum life_start how, const char *why)
{
	enum life_start pulled_how = how == LIFE_START_GOES_ON ? how : LIFE_START_PULLED_IN;
	char pulled[CORE_TEXT_MAX];
	size_t count = order_walk(core, unit, 0, CORE_KINDS_PULL, core->walk);

	if (how == LIFE_START_GOES_ON)
		count = leave_settled(core, core->walk, count);
	if (!core->transaction_open)
		core->transactions++;
	/* told in this order, an engine that is killed in between leaves nobody who goes on without what he has pulled in */
	for (size_t i = count; i > 0; i--)
		core_touch(core, &core->units[core->walk[i - 1]]);
	snprintf(pulled, sizeof(pulled), "wanted by %s", unit->policy.name);
	find_losers(core, count, unit);
	for (size_t i = 0; i < count; i++) {
		struct core_unit *at = &core->units[core->walk[i]];

		if (at->loses)
			continue;
		stop_rivals_of(core, at, &at->out);
		stop_rivals_of(core, at, &at->in);
	}
	for (size_t i = 0; i < count; i++) {
		struct core_unit *at = &core->units[core->walk[i]];

		at->is_starting = false;
		if (!at->loses)
			life_start(core, at, i == 0 ? how : pulled_how, i == 0 ? why : pulled);
	}
}

/* There is nothing to stop in it, and that it failed must not be hidden by the end of another unit; "cleat stop" of itself does that. */
static bool has_given_up(const struct core_unit *unit)
{
	return unit->state == CORE_FAILED && unit->result != CORE_RESULT_IMAGE;
}

void bonds_stop(struct core *core, struct core_unit *unit, const char *why)
{
	char passed_on[CORE_TEXT_MAX];
	size_t count = order_walk(core, unit, CORE_KINDS_PASS_ON, CORE_KIND(PROPAGATES_STOP_TO),
				  core->stop_walk);

	snprintf(passed_on, sizeof(passed_on), "stopped with %s", unit->policy.name);
	/* All of them first: who goes along must not begin anew because another one goes. */
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !has_given_up(&core->units[core->stop_walk[i]]))
			core->units[core->stop_walk[i]].want = CORE_WANT_DOWN;
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !has_given_up(&core->units[core->stop_walk[i]]))
			life_stop(core, &core->units[core->stop_walk[i]], i == 0 ? why : passed_on);
}

void bonds_restart(struct core *core, struct core_unit *unit, const char *why)
{
	char passed_on[CORE_TEXT_MAX];
	size_t count;

	snprintf(passed_on, sizeof(passed_on), "restarted with %s", unit->policy.name);
	if (unit->state != CORE_STARTING && unit->state != CORE_UP) {
		bonds_start(core, unit, LIFE_START_ASKED, why);
	} else {
		life_restart(core, unit, why);
	}
	count = order_walk(core, unit, CORE_KINDS_PASS_ON, 0, core->walk);
	for (size_t i = 1; i < count; i++)
		if (core->units[core->walk[i]].want == CORE_WANT_UP)
			life_restart(core, &core->units[core->walk[i]], passed_on);
}

void bonds_reload(struct core *core, struct core_unit *unit, const char *why)
{
	char passed_on[CORE_TEXT_MAX];
	size_t count = order_walk(core, unit, 0, CORE_KIND(PROPAGATES_RELOAD_TO), core->walk);

	snprintf(passed_on, sizeof(passed_on), "reloaded with %s", unit->policy.name);
	for (size_t i = 0; i < count; i++)
		command_reload(core, &core->units[core->walk[i]], i == 0, i == 0 ? why : passed_on);
}

/* The same arithmetic as the start limit's. */
static const struct core_policy bond_limit = {
	.start_limit_interval_usec = CORE_BOND_WINDOW_USEC,
	.start_limit_burst = CORE_BOND_STARTS,
};

static bool may_start(struct core *core, struct core_unit *unit)
{
	if (start_limit_is_reached(&unit->bonds, &bond_limit, core->now))
		return false;
	start_limit_count(&unit->bonds, &bond_limit, core->now);
	return true;
}

static void start_by_fate(struct core *core, struct core_unit *unit, enum service_dep_kind kind)
{
	char why[CORE_TEXT_MAX];
	const char *what = kind == SERVICE_DEP_ON_FAILURE ? "has failed" : "has finished";

	if (core->is_shutting_down)
		return;
	snprintf(why, sizeof(why), "%s %s", unit->policy.name, what);
	for (size_t i = 0; i < unit->out.count; i++) {
		struct core_unit *target = &core->units[unit->out.items[i].unit];

		if (unit->out.items[i].kind != kind || target == unit)
			continue;
		if (may_start(core, target))
			bonds_start(core, target, LIFE_START_BOND, why);
		else
			core_note(core, target, "%s: not started, that was tried %d times in %d s",
				  why, CORE_BOND_STARTS, (int)(CORE_BOND_WINDOW_USEC / USEC_SEC));
	}
}

static void pass_on_end(struct core *core, struct core_unit *unit)
{
	char why[CORE_TEXT_MAX];

	snprintf(why, sizeof(why), "%s went away", unit->policy.name);
	for (size_t i = 0; i < unit->out.count; i++) {
		struct core_unit *target = &core->units[unit->out.items[i].unit];

		if (unit->out.items[i].kind == SERVICE_DEP_PROPAGATES_STOP_TO && target != unit &&
		    target->want == CORE_WANT_UP)
			bonds_stop(core, target, why);
	}
}

void bonds_add_news(struct core *core, struct core_unit *unit, unsigned news)
{
	if (unit->news == 0)
		core->told[core->told_count++] = core_index(core, unit);
	unit->news |= news;
}

/* Before anybody else looks round: who is to go with this one must not begin a start first. */
bool bonds_tell_next(struct core *core)
{
	struct core_unit *unit;
	unsigned news;

	if (core->told_count == 0)
		return false;
	unit = &core->units[core->told[--core->told_count]];
	news = unit->news;
	unit->news = 0;
	if (news & CORE_NEWS_GONE)
		pass_on_end(core, unit);
	if (news & CORE_NEWS_FAILED)
		start_by_fate(core, unit, SERVICE_DEP_ON_FAILURE);
	if (news & CORE_NEWS_SUCCEEDED)
		start_by_fate(core, unit, SERVICE_DEP_ON_SUCCESS);
	return true;
}

static const struct core_unit *upholder(const struct core *core, const struct core_unit *unit)
{
	for (size_t i = 0; i < unit->in.count; i++) {
		const struct core_unit *other = &core->units[unit->in.items[i].unit];

		if (unit->in.items[i].kind == SERVICE_DEP_UPHOLDS && other != unit &&
		    other->state == CORE_UP && other->want == CORE_WANT_UP && !other->stop_asked)
			return other;
	}
	return NULL;
}

static usec_t window_end(const struct start_limit *limit, uint64_t length_usec)
{
	return policy_add_usec(limit->begin, policy_add_usec(length_usec, 1));
}

void bonds_uphold(struct core *core, struct core_unit *unit)
{
	const struct core_unit *by =
		core->is_shutting_down || unit->policy.is_invalid ? NULL : upholder(core, unit);
	char why[CORE_TEXT_MAX];

	if (!by) {
		timer_set(core, unit, CORE_TIMER_UPHOLD, USEC_NEVER);
		return;
	}
	if (unit->timers[CORE_TIMER_UPHOLD] != USEC_NEVER)
		return; /* later */
	if (core->transactions == 0) {
		/* Adoption is under way: the unit's own container may be the next that is found. */
		timer_set(core, unit, CORE_TIMER_UPHOLD, core->now + CORE_BOND_ADOPTION_USEC);
	} else if (start_limit_is_reached(&unit->limit, &unit->policy, core->now)) {
		timer_set(core, unit, CORE_TIMER_UPHOLD,
			  window_end(&unit->limit, unit->policy.start_limit_interval_usec));
		core_note(core, unit, "upheld by %s, start limit reached: again later",
			  by->policy.name);
	} else if (may_start(core, unit)) {
		snprintf(why, sizeof(why), "upheld by %s", by->policy.name);
		bonds_start(core, unit, LIFE_START_BOND, why);
	} else {
		timer_set(core, unit, CORE_TIMER_UPHOLD,
			  window_end(&unit->bonds, CORE_BOND_WINDOW_USEC));
		core_note(core, unit, "upheld by %s, started %d times in %d s: again later",
			  by->policy.name, CORE_BOND_STARTS,
			  (int)(CORE_BOND_WINDOW_USEC / USEC_SEC));
	}
}

/* It runs, or will: nothing but an image that comes starts one that gave up. */
static bool is_coming_or_there(const struct core_unit *member)
{
	return !has_given_up(member) &&
	       (member->want == CORE_WANT_UP || core_is_alive(member->state));
}

/* ExitPolicy=stop: a pod goes when the last of its members has gone. */
void bonds_look_alone(struct core *core, struct core_unit *unit)
{
	bool has_member = false;

	if ((unit->state != CORE_STARTING && unit->state != CORE_UP) ||
	    unit->want == CORE_WANT_DOWN)
		return;
	for (size_t i = 0; i < unit->in.count && !has_member; i++) {
		const struct core_unit *member = &core->units[unit->in.items[i].unit];

		has_member = unit->in.items[i].kind == SERVICE_DEP_BINDS_TO && member != unit &&
			     is_coming_or_there(member);
	}
	if (has_member) {
		if (!unit->had_member)
			core_touch(core, unit); /* the next engine has to know */
		unit->had_member = true;
	} else if (unit->had_member && core->transactions == 0) {
		/* Adoption is under way: a member may be the next that is found. */
		timer_set(core, unit, CORE_TIMER_UPHOLD, core->now + CORE_BOND_ADOPTION_USEC);
	} else if (unit->had_member) {
		bonds_stop(core, unit, "its last member has gone");
	}
}
