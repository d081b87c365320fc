/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap of units, keyed by the earliest of each unit's few timers. Every unit is always in
 * it, an idle one with USEC_NEVER, so that arming and disarming is one sift and nothing is ever
 * allocated. Must never decide what an expired timer means.
 */
#include "supervise/core_internal.h"

static usec_t key(const struct core *core, size_t position)
{
	return timer_earliest(&core->units[core->heap[position]]);
}

static void swap(struct core *core, size_t a, size_t b)
{
	unsigned unit = core->heap[a];

	core->heap[a] = core->heap[b];
	core->heap[b] = unit;
	core->units[core->heap[a]].heap_position = a;
	core->units[core->heap[b]].heap_position = b;
}

static void sift_up(struct core *core, size_t position)
{
	while (position > 0 && key(core, position) < key(core, (position - 1) / 2)) {
		swap(core, position, (position - 1) / 2);
		position = (position - 1) / 2;
	}
}

static void sift_down(struct core *core, size_t position)
{
	for (;;) {
		size_t least = position, left = 2 * position + 1;

		if (left < core->count && key(core, left) < key(core, least))
			least = left;
		if (left + 1 < core->count && key(core, left + 1) < key(core, least))
			least = left + 1;
		if (least == position)
			return;
		swap(core, position, least);
		position = least;
	}
}

usec_t timer_earliest(const struct core_unit *unit)
{
	usec_t earliest = unit->timers[0];

	for (size_t i = 1; i < CORE_TIMER_COUNT; i++)
		if (unit->timers[i] < earliest)
			earliest = unit->timers[i];
	return earliest;
}

void timer_set(struct core *core, struct core_unit *unit, enum core_timer timer, usec_t at)
{
	if (unit->timers[timer] == at)
		return;
	unit->timers[timer] = at;
	sift_up(core, unit->heap_position);
	sift_down(core, unit->heap_position);
}

void timer_rebuild(struct core *core)
{
	for (size_t i = core->count / 2; i-- > 0;)
		sift_down(core, i);
}

void timer_check(const struct core *core)
{
	for (size_t i = 0; i < core->count; i++) {
		const struct core_unit *unit = &core->units[core->heap[i]];

		if (unit->heap_position != i)
			core_bug(core, unit, "its place in the timer heap is wrong");
		if (i > 0 && key(core, i) < key(core, (i - 1) / 2))
			core_bug(core, unit, "the timer heap is out of order");
	}
}
