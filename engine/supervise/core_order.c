/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for whom. Dependencies become one array of edges in both directions; what is said from the
 * other side (BEFORE, STOP_PROPAGATED_FROM, RELOAD_PROPAGATED_FROM) is turned round. Cycles of ordering are refused here,
 * which is what makes every wait end. Nothing in here changes a unit's state.
 */
#include <stdio.h>
#include <stdlib.h>

#include "supervise/core_internal.h"
#include "util/cleanup.h"

/* An edge as read: from depends on to. */
struct raw_edge {
	unsigned from, to;
	enum service_dep_kind kind;
};

static struct raw_edge raw_edge(unsigned unit, const struct core_dep *dep)
{
	if (dep->kind == SERVICE_DEP_BEFORE)
		return (struct raw_edge){ dep->target, unit, SERVICE_DEP_AFTER };
	if (dep->kind == SERVICE_DEP_STOP_PROPAGATED_FROM)
		return (struct raw_edge){ dep->target, unit, SERVICE_DEP_PROPAGATES_STOP_TO };
	if (dep->kind == SERVICE_DEP_RELOAD_PROPAGATED_FROM)
		return (struct raw_edge){ dep->target, unit, SERVICE_DEP_PROPAGATES_RELOAD_TO };
	return (struct raw_edge){ unit, dep->target, dep->kind };
}

static int count_edges(struct core *core, size_t *total, struct err *err)
{
	*total = 0;
	for (unsigned i = 0; i < core->count; i++) {
		struct core_unit *unit = &core->units[i];

		unit->in = unit->out = (struct core_edges){ 0 };
		*total += unit->policy.dep_count;
		for (size_t j = 0; j < unit->policy.dep_count; j++)
			if (unit->policy.deps[j].target >= core->count)
				return err_set(err, ERR_BUG,
					       "%s: dependency on unit %u, which does not exist",
					       unit->policy.name, unit->policy.deps[j].target);
	}
	return 0;
}

/* Counting sort into two runs: all out edges by unit, then all in edges by unit. A unit needs no
 * edge to itself but an ordering one, which is a cycle. */
static void place_edges(struct core *core, struct core_edge *edges, bool towards_dependants)
{
	struct core_edge *place = edges;

	for (unsigned i = 0; i < core->count; i++) {
		struct core_edges *list = towards_dependants ? &core->units[i].in :
							       &core->units[i].out;

		list->items = place;
		place += list->count;
		list->count = 0;
	}
	for (unsigned i = 0; i < core->count; i++) {
		for (size_t j = 0; j < core->units[i].policy.dep_count; j++) {
			struct raw_edge raw = raw_edge(i, &core->units[i].policy.deps[j]);
			unsigned at = towards_dependants ? raw.to : raw.from;
			struct core_edges *list = towards_dependants ? &core->units[at].in :
								       &core->units[at].out;
			size_t offset = (size_t)(list->items - edges) + list->count++;

			edges[offset].unit = towards_dependants ? raw.from : raw.to;
			edges[offset].kind = raw.kind;
		}
	}
}

static void build_edges(struct core *core, size_t total)
{
	free(core->edges);
	core->edges = calloc(2 * total + 1, sizeof(*core->edges));
	if (!core->edges)
		core_bug(core, NULL, "out of memory");
	for (unsigned i = 0; i < core->count; i++) {
		for (size_t j = 0; j < core->units[i].policy.dep_count; j++) {
			struct raw_edge raw = raw_edge(i, &core->units[i].policy.deps[j]);

			core->units[raw.from].out.count++;
			core->units[raw.to].in.count++;
		}
	}
	place_edges(core, core->edges, false);
	place_edges(core, core->edges + total, true);
}

struct path {
	unsigned *units; /* owned */
	size_t *next;	 /* owned: next out edge of each unit on the path */
	char *color;	 /* owned, by unit: 0 unseen, 1 on the path, 2 done */
	size_t length;
};

/* Says the path and takes its units out: whoever is in a cycle can neither start nor stop in
 * order. */
static int refuse_cycle(struct core *core, const struct path *path, unsigned back_to,
			struct err *err)
{
	char text[400] = "";
	size_t begin = 0, length = 0;

	while (path->units[begin] != back_to)
		begin++;
	for (size_t i = begin; i < path->length && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s -> ",
					   core->units[path->units[i]].policy.name);
	err_set(err, ERR_INPUT, "After=/Before= go in a circle: %s%s", text,
		core->units[back_to].policy.name);
	for (size_t i = begin; i < path->length; i++) {
		struct core_unit *unit = &core->units[path->units[i]];

		unit->policy.is_invalid = true;
		unit->policy.dep_count = 0;
		core_keep_text(&unit->invalid_why, CORE_TEXT_MAX, err->msg);
	}
	return -1;
}

/* Depth first along AFTER with a path of our own: a chain of 1024 units must not eat the stack. */
static int search_cycle(struct core *core, struct path *path, unsigned start, struct err *err)
{
	path->units[0] = start;
	path->next[0] = 0;
	path->color[start] = 1;
	path->length = 1;
	while (path->length > 0) {
		size_t top = path->length - 1;
		const struct core_edges *out = &core->units[path->units[top]].out;
		unsigned to;

		if (path->next[top] == out->count) {
			path->color[path->units[top]] = 2;
			path->length--;
			continue;
		}
		to = out->items[path->next[top]].unit;
		if (out->items[path->next[top]++].kind != SERVICE_DEP_AFTER || path->color[to] == 2)
			continue;
		if (path->color[to] == 1)
			return refuse_cycle(core, path, to, err);
		path->color[to] = 1;
		path->units[path->length] = to;
		path->next[path->length++] = 0;
	}
	return 0;
}

int core_link(struct core *core, struct err *err)
{
	size_t total;
	auto_free unsigned *units = calloc((size_t)core->count + 1, sizeof(*units));
	auto_free size_t *next = calloc((size_t)core->count + 1, sizeof(*next));
	auto_free char *color = calloc((size_t)core->count + 1, sizeof(*color));
	struct path path = { units, next, color, 0 };

	if (!units || !next || !color)
		core_bug(core, NULL, "out of memory");
	core->is_linked = false;
	if (count_edges(core, &total, err) < 0)
		return -1;
	build_edges(core, total);
	for (unsigned i = 0; i < core->count; i++)
		if (color[i] == 0 && search_cycle(core, &path, i, err) < 0)
			return -1;
	core->is_linked = true;
	return 0;
}

bool order_has_edge(const struct core_edges *edges, unsigned unit, unsigned kinds)
{
	for (size_t i = 0; i < edges->count; i++)
		if (edges->items[i].unit == unit && (kinds & 1u << edges->items[i].kind))
			return true;
	return false;
}

static bool is_required(const struct core_unit *unit, unsigned target)
{
	return order_has_edge(&unit->out, target, CORE_KIND(REQUIRES) | CORE_KIND(BINDS_TO));
}

/* After=: until started; what is not on its way holds up only those that require it. */
static bool after_blocks(const struct core_unit *unit, unsigned index,
			 const struct core_unit *target)
{
	switch (target->state) {
	case CORE_UP:
		return target->stop_asked;
	case CORE_PULLING:
	case CORE_WAITING:
	case CORE_STARTING:
	case CORE_STOPPING:
	case CORE_CLEANING:
		return true;
	case CORE_BACKOFF:
		return target->policy.restart_is_direct || is_required(unit, index);
	case CORE_FAILED:
		return is_required(unit, index);
	case CORE_DOWN:
		return is_required(unit, index) && !target->finished;
	}
	return true;
}

/* BindsTo= without After=: both may come up together, but not while the other is away. */
static bool bound_blocks(const struct core_unit *target)
{
	switch (target->state) {
	case CORE_UP:
	case CORE_STARTING:
		return target->stop_asked;
	case CORE_PULLING:
	case CORE_WAITING:
		return false;
	case CORE_STOPPING:
	case CORE_CLEANING:
	case CORE_BACKOFF:
	case CORE_FAILED:
	case CORE_DOWN:
		return true;
	}
	return true;
}

/* Requisite=: it has to be up already. What is on its way is good enough, and waited for only with After=: two could
 * wait for each other otherwise. Everything else is final. */
static enum order_block requisite_blocks(const struct core_unit *unit, unsigned index,
					 const struct core_unit *target)
{
	if (target->state == CORE_UP && !target->stop_asked)
		return ORDER_FREE;
	if (target->want == CORE_WANT_DOWN || target->state == CORE_FAILED)
		return ORDER_NEVER;
	return order_has_edge(&unit->out, index, CORE_KIND(AFTER)) ? ORDER_BLOCKED : ORDER_FREE;
}

static enum order_block edge_blocks(const struct core_unit *unit, const struct core_edge *edge,
				    const struct core_unit *target)
{
	bool blocks = false;

	if (edge->kind == SERVICE_DEP_REQUISITE)
		return requisite_blocks(unit, edge->unit, target);
	if (edge->kind == SERVICE_DEP_AFTER)
		blocks = after_blocks(unit, edge->unit, target);
	else if (edge->kind == SERVICE_DEP_BINDS_TO)
		blocks = bound_blocks(target);
	else if (edge->kind == SERVICE_DEP_CONFLICTS)
		blocks = core_is_alive(target->state);
	return blocks ? ORDER_BLOCKED : ORDER_FREE;
}

static void describe_block(const struct core_unit *target, enum order_block block, char *text,
			   size_t size)
{
	if (block == ORDER_NEVER)
		snprintf(text, size, "Requisite=%s is not up (%s)", target->policy.name,
			 core_state_name(target->state));
	else
		snprintf(text, size, "waiting for %s (%s)", target->policy.name,
			 target->stop_asked ? "about to stop" :
			 target->state == CORE_DOWN && target->finished ?
					      "down, skipped or finished" :
					      core_state_name(target->state));
}

enum order_block order_blocks_start(const struct core *core, const struct core_unit *unit,
				    char *text, size_t size)
{
	enum order_block found = ORDER_FREE;

	if (core->transaction_open) {
		snprintf(text, size, "waiting for the other units of this start");
		return ORDER_BLOCKED;
	}
	for (size_t i = 0; i < unit->out.count && found != ORDER_NEVER; i++) {
		const struct core_unit *target = &core->units[unit->out.items[i].unit];
		enum order_block block = target == unit ?
						 ORDER_FREE :
						 edge_blocks(unit, &unit->out.items[i], target);

		if (block != ORDER_FREE && (found == ORDER_FREE || block == ORDER_NEVER)) {
			describe_block(target, block, text, size);
			found = block;
		}
	}
	for (size_t i = 0; i < unit->in.count && found == ORDER_FREE; i++) {
		const struct core_unit *other = &core->units[unit->in.items[i].unit];

		if (unit->in.items[i].kind == SERVICE_DEP_CONFLICTS && other != unit &&
		    core_is_alive(other->state)) {
			describe_block(other, ORDER_BLOCKED, text, size);
			found = ORDER_BLOCKED;
		}
	}
	return found;
}

const struct core_unit *order_blocks_stop(const struct core *core, const struct core_unit *unit)
{
	for (size_t i = 0; i < unit->in.count; i++) {
		const struct core_unit *other = &core->units[unit->in.items[i].unit];

		if (unit->in.items[i].kind == SERVICE_DEP_AFTER && other != unit &&
		    (other->stop_asked || other->state == CORE_STOPPING ||
		     other->state == CORE_CLEANING))
			return other;
	}
	return NULL;
}

static size_t walk_edges(struct core *core, const struct core_edges *edges, unsigned kinds,
			 unsigned *list, size_t count)
{
	for (size_t i = 0; i < edges->count; i++) {
		struct core_unit *to = &core->units[edges->items[i].unit];

		if (!(kinds & 1u << edges->items[i].kind) || to->mark == core->walks)
			continue;
		to->mark = core->walks;
		list[count++] = edges->items[i].unit;
	}
	return count;
}

size_t order_walk(struct core *core, struct core_unit *unit, unsigned in_kinds, unsigned out_kinds,
		  unsigned *list)
{
	size_t count = 0;

	core->walks++;
	unit->mark = core->walks;
	list[count++] = core_index(core, unit);
	for (size_t i = 0; i < count; i++) {
		const struct core_unit *at = &core->units[list[i]];

		count = walk_edges(core, &at->in, in_kinds, list, count);
		count = walk_edges(core, &at->out, out_kinds, list, count);
	}
	return count;
}

void order_queue(struct core *core, struct core_unit *unit)
{
	if (unit->is_queued)
		return;
	unit->is_queued = true;
	core->queue[(core->queue_head + core->queue_length++) % core->count] =
		core_index(core, unit);
}

void order_queue_neighbours(struct core *core, struct core_unit *unit)
{
	for (size_t i = 0; i < unit->in.count; i++)
		order_queue(core, &core->units[unit->in.items[i].unit]);
	for (size_t i = 0; i < unit->out.count; i++)
		order_queue(core, &core->units[unit->out.items[i].unit]);
}

struct core_unit *order_next_queued(struct core *core)
{
	struct core_unit *unit;

	if (core->queue_length == 0)
		return NULL;
	unit = &core->units[core->queue[core->queue_head]];
	core->queue_head = (core->queue_head + 1) % core->count;
	core->queue_length--;
	unit->is_queued = false;
	return unit;
}
