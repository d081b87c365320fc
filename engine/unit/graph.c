/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dependency graph: dependencies as they were said become edges of few kinds, equal ones become one edge with several reasons,
 * and circles of waiting are found and said with their path. Every walk keeps its own stack, because the depth is
 * the input's. Must never drop a dependency between two units without a word.
 */
#include "unit/graph.h"

#include <stdlib.h>

#include "unit/lookup_internal.h"
#include "util/str.h"

#define REASONS_COMPARED 64

static const struct origin nobody = { .file = "", .key = "" };

/* A dependency on its way to become an edge. */
struct raw {
	unsigned from, to, sequence;
	enum service_dep_kind kind;
	struct unit_graph_reason reason;
};

struct making {
	struct unit_graph *graph;
	struct arena scratch;
	struct lookup by_name; /* into nodes */
	struct raw *raws;      /* room for all */
	size_t raw_count;
	unsigned *after_of; /* by node: 1 + the unit that was last found to wait for it */
};

/* Of several units with one service name the first: the others are refused. */
static unsigned find_node(const struct making *m, const char *name)
{
	size_t node;

	return lookup_find(&m->by_name, name, &node) ? (unsigned)node : UNIT_GRAPH_NONE;
}

static struct unit_graph_node make_node(enum unit_node_kind kind, const char *name,
					const struct unit *unit)
{
	return (struct unit_graph_node){
		.kind = kind, .name = name, .unit = unit, .cycle = UNIT_GRAPH_NONE
	};
}

static void add_node(struct making *m, enum unit_node_kind kind, const char *name,
		     const struct unit *unit)
{
	lookup_add(&m->by_name, &m->scratch, name, m->graph->node_count);
	m->graph->nodes[m->graph->node_count++] = make_node(kind, name, unit);
}

static int compare_texts(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* As service.c has it. */
static bool is_boot(const char *name)
{
	return str_eq(name, "default.target") || str_eq(name, "multi-user.target") ||
	       str_eq(name, "graphical.target");
}

/* The units, the groups by name, and the start of the machine. */
static void make_nodes(struct making *m)
{
	struct unit_graph *graph = m->graph;
	const struct unit_set *set = graph->set;
	const char **groups = NULL;
	size_t group_count = 0;

	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < set->units[i].service.group_count; j++)
			if (!is_boot(set->units[i].service.groups[j].name))
				*arena_push(&m->scratch, groups, group_count) =
					set->units[i].service.groups[j].name;
	if (group_count)
		qsort(groups, group_count, sizeof(groups[0]), compare_texts);
	graph->nodes = arena_alloc(&graph->arena,
				   (set->count + group_count + 1) * sizeof(graph->nodes[0]));
	lookup_reserve(&m->by_name, &m->scratch, set->count + group_count + 1);
	for (size_t i = 0; i < set->count; i++)
		add_node(m, UNIT_NODE_UNIT, set->units[i].service_name, &set->units[i]);
	graph->unit_count = graph->node_count;
	for (size_t i = 0; i < group_count; i++)
		if (find_node(m, groups[i]) == UNIT_GRAPH_NONE)
			add_node(m, UNIT_NODE_GROUP, groups[i], NULL);
	add_node(m, UNIT_NODE_BOOT, UNIT_GRAPH_BOOT, NULL);
}

static void add_raw(struct making *m, unsigned from, unsigned to, enum service_dep_kind kind,
		    const struct unit_graph_reason *reason)
{
	struct unit_graph *graph = m->graph;

	if (from == to) {
		struct unit_graph_reason *self =
			arena_push(&graph->arena, graph->self, graph->self_count);

		*self = *reason;
		return;
	}

	m->raws[m->raw_count] = (struct raw){ .from = from,
					      .to = to,
					      .sequence = (unsigned)m->raw_count,
					      .kind = kind,
					      .reason = *reason };
	m->raw_count++;
}

/* The opposites of systemd.unit(5)'s table; the rest stays as it is. */
static enum service_dep_kind opposite(enum service_dep_kind kind)
{
	switch (kind) {
	case SERVICE_DEP_BEFORE:
		return SERVICE_DEP_AFTER;
	case SERVICE_DEP_STOP_PROPAGATED_FROM:
		return SERVICE_DEP_PROPAGATES_STOP_TO;
	case SERVICE_DEP_RELOAD_PROPAGATED_FROM:
		return SERVICE_DEP_PROPAGATES_RELOAD_TO;
	case SERVICE_DEP_AFTER:
	case SERVICE_DEP_WANTS:
	case SERVICE_DEP_REQUIRES:
	case SERVICE_DEP_BINDS_TO:
	case SERVICE_DEP_PART_OF:
	case SERVICE_DEP_REQUISITE:
	case SERVICE_DEP_UPHOLDS:
	case SERVICE_DEP_CONFLICTS:
	case SERVICE_DEP_ON_FAILURE:
	case SERVICE_DEP_ON_SUCCESS:
	case SERVICE_DEP_PROPAGATES_STOP_TO:
	case SERVICE_DEP_PROPAGATES_RELOAD_TO:
		break;
	}
	return kind;
}

/* A line of another unit's [Install], or of a container about its pod, stands in this unit's list. */
static unsigned owner_of(const struct making *m, unsigned unit, unsigned target,
			 const struct origin *origin)
{
	const struct unit_graph_node *node = &m->graph->nodes[target];

	if (node->unit &&
	    (str_starts(origin->key, "Install.") || str_eq(origin->file, node->unit->path)))
		return target;
	return unit;
}

static void read_deps(struct making *m, unsigned unit)
{
	const struct service *service = &m->graph->set->units[unit].service;

	for (size_t i = 0; i < service->dep_count && i < UNIT_MAX_DEPS; i++) {
		const struct service_dep *dep = &service->deps[i];
		unsigned target = find_node(m, dep->target);
		enum service_dep_kind kind = opposite(dep->kind);
		struct unit_graph_reason reason = { .origin = dep->origin ? dep->origin : &nobody,
						    .said = dep->kind };

		if (target == UNIT_GRAPH_NONE)
			continue; /* said where it was read */
		reason.unit = owner_of(m, unit, target, reason.origin);
		if (dep->kind == SERVICE_DEP_AFTER)
			m->after_of[target] = unit + 1;
		if (kind == dep->kind)
			add_raw(m, unit, target, kind, &reason);
		else
			add_raw(m, target, unit, kind, &reason);
	}
}

/* A target comes after all that it starts, which is what After= on it waits for; but not after one of them that waits for
 * the target itself (systemd.target(5), "Default Dependencies"). */
static void add_member(struct making *m, unsigned group, unsigned unit,
		       const struct unit_graph_reason *reason)
{
	if (m->graph->nodes[group].kind == UNIT_NODE_GROUP && m->after_of[group] != unit + 1)
		add_raw(m, group, unit, SERVICE_DEP_AFTER, reason);
}

static void read_groups(struct making *m, unsigned unit)
{
	const struct service *service = &m->graph->set->units[unit].service;
	unsigned boot = m->graph->node_count - 1;
	bool has_boot = false;

	for (size_t i = 0; i < service->group_count; i++) {
		const struct service_group *group = &service->groups[i];
		bool at_boot = is_boot(group->name), is_back = group->kind == SERVICE_DEP_PART_OF;
		unsigned from = at_boot ? boot : find_node(m, group->name);

		has_boot |= at_boot;
		if (from == UNIT_GRAPH_NONE)
			continue;

		const struct unit_graph_reason reason = { .origin = group->origin,
							  .unit = unit,
							  .said = group->kind };

		add_raw(m, is_back ? unit : from, is_back ? from : unit, group->kind, &reason);
		if (!is_back)
			add_member(m, from, unit, &reason);
	}
	if (service->boot && !has_boot)
		add_raw(m, boot, unit, SERVICE_DEP_WANTS,
			&(struct unit_graph_reason){
				.origin = &nobody, .unit = unit, .said = SERVICE_DEP_WANTS });
}

/* Of one node. */
static int compare_raws(const void *left, const void *right)
{
	const struct raw *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static bool is_same_edge(const struct raw *raw, const struct unit_graph_edge *edge)
{
	return raw->from == edge->from && raw->to == edge->to && raw->kind == edge->kind;
}

/* One line may ask twice for one edge: "After=a a", and a pod's member both waits and is waited for by Pod=. Of very many
 * reasons only the first are looked at, so that the time stays in step with the input. */
static bool has_reason(const struct unit_graph_reason *reasons, unsigned count,
		       const struct unit_graph_reason *reason)
{
	for (unsigned i = 0; i < count && i < REASONS_COMPARED; i++) {
		const struct origin *a = reasons[i].origin, *b = reason->origin;

		if (a == b ||
		    (a->line == b->line && str_eq(a->key, b->key) && str_eq(a->file, b->file)))
			return true;
	}
	return false;
}

#define FEW_RAWS 8

static void sort_few(struct raw *raws, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		const struct raw raw = raws[i];
		unsigned at = i;

		for (; at > 0 && compare_raws(&raws[at - 1], &raw) > 0; at--)
			raws[at] = raws[at - 1];
		raws[at] = raw;
	}
}

/* By the node that they begin at: there are as many as units, and few begin at one. Then those of each. */
static void sort_raws(struct making *m)
{
	unsigned nodes = m->graph->node_count, place = 0;
	unsigned *ends = arena_alloc(&m->scratch, (nodes + 1) * sizeof(*ends));
	struct raw *sorted = arena_alloc(&m->scratch, (m->raw_count + 1) * sizeof(*sorted));

	for (size_t i = 0; i < m->raw_count; i++)
		ends[m->raws[i].from]++;
	for (unsigned i = 0; i < nodes; i++) {
		unsigned count = ends[i];

		ends[i] = place;
		place += count;
	}
	for (size_t i = 0; i < m->raw_count; i++)
		sorted[ends[m->raws[i].from]++] = m->raws[i];
	for (unsigned i = 0, begin = 0; i < nodes; begin = ends[i++]) {
		if (ends[i] - begin <= FEW_RAWS)
			sort_few(&sorted[begin], ends[i] - begin);
		else
			qsort(&sorted[begin], ends[i] - begin, sizeof(sorted[0]), compare_raws);
	}
	m->raws = sorted;
}

static void make_edges(struct making *m)
{
	struct unit_graph *graph = m->graph;
	struct unit_graph_reason *reasons =
		arena_alloc(&graph->arena, (m->raw_count + 1) * sizeof(*reasons));

	sort_raws(m);
	graph->edges = arena_alloc(&graph->arena, (m->raw_count + 1) * sizeof(graph->edges[0]));
	for (size_t i = 0; i < m->raw_count; i++) {
		const struct raw *raw = &m->raws[i];

		if (!graph->edge_count || !is_same_edge(raw, &graph->edges[graph->edge_count - 1]))
			graph->edges[graph->edge_count++] =
				(struct unit_graph_edge){ .from = raw->from,
							  .to = raw->to,
							  .kind = raw->kind,
							  .reason_begin = graph->reason_count };
		struct unit_graph_edge *edge = &graph->edges[graph->edge_count - 1];

		if (has_reason(&reasons[edge->reason_begin], edge->reason_count, &raw->reason))
			continue;
		reasons[graph->reason_count++] = raw->reason;
		edge->reason_count++;
	}
	graph->reasons = reasons;
}

/* Edges lie by where they begin; a counting sort by where they end keeps kind before origin only within one kind, so it is
 * done kind by kind. */
static void index_edges(struct unit_graph *graph)
{
	unsigned *in = arena_alloc(&graph->arena, (graph->edge_count + 1) * sizeof(*in));
	unsigned place = 0;

	for (unsigned i = 0; i < graph->edge_count; i++) {
		struct unit_graph_node *from = &graph->nodes[graph->edges[i].from];

		if (!from->out_count++)
			from->out_begin = i;
		graph->nodes[graph->edges[i].to].in_count++;
	}
	for (unsigned i = 0; i < graph->node_count; i++) {
		graph->nodes[i].in_begin = place;
		place += graph->nodes[i].in_count;
		graph->nodes[i].in_count = 0;
	}
	for (int kind = SERVICE_DEP_AFTER; kind <= SERVICE_DEP_RELOAD_PROPAGATED_FROM; kind++)
		for (unsigned i = 0; i < graph->edge_count; i++) {
			struct unit_graph_node *to = &graph->nodes[graph->edges[i].to];

			if ((int)graph->edges[i].kind == kind)
				in[to->in_begin + to->in_count++] = i;
		}
	graph->in = in;
}

static bool is_pattern(const struct unit_graph_node *node)
{
	return node->unit && node->unit->is_template;
}

bool unit_graph_is_waiting(const struct unit_graph *graph, const struct unit_graph_edge *edge)
{
	return edge->kind == SERVICE_DEP_AFTER && !is_pattern(&graph->nodes[edge->from]) &&
	       !is_pattern(&graph->nodes[edge->to]);
}

/* Tarjan's strongly connected components, with a stack of our own. */
struct knots {
	struct unit_graph *graph;
	unsigned *order, *low; /* by node; order 0: not seen yet */
	unsigned *next;	       /* by node: how many of its edges have been followed */
	unsigned *path, path_count;
	unsigned *open, open_count; /* seen, knot not known yet */
	bool *is_open;
	unsigned seen;
};

static void enter(struct knots *k, unsigned node)
{
	k->order[node] = k->low[node] = ++k->seen;
	k->path[k->path_count++] = node;
	k->open[k->open_count++] = node;
	k->is_open[node] = true;
}

static void leave(struct knots *k, unsigned node)
{
	unsigned member;

	k->path_count--;
	if (k->path_count) {
		unsigned below = k->path[k->path_count - 1];

		if (k->low[node] < k->low[below])
			k->low[below] = k->low[node];
	}
	if (k->low[node] != k->order[node])
		return;
	do {
		member = k->open[--k->open_count];
		k->is_open[member] = false;
		k->graph->nodes[member].knot = node;
	} while (member != node);
}

static void search_knots(struct knots *k, unsigned start)
{
	const struct unit_graph *graph = k->graph;

	enter(k, start);
	while (k->path_count) {
		unsigned node = k->path[k->path_count - 1];
		const struct unit_graph_node *n = &graph->nodes[node];

		if (k->next[node] == n->out_count) {
			leave(k, node);
			continue;
		}

		const struct unit_graph_edge *edge = &graph->edges[n->out_begin + k->next[node]++];

		if (!unit_graph_is_waiting(graph, edge))
			continue;
		if (!k->order[edge->to])
			enter(k, edge->to);
		else if (k->is_open[edge->to] && k->order[edge->to] < k->low[node])
			k->low[node] = k->order[edge->to];
	}
}

static void find_knots(struct making *m)
{
	struct unit_graph *graph = m->graph;
	size_t bytes = (graph->node_count + 1) * sizeof(unsigned);
	struct knots k = { .graph = graph,
			   .order = arena_alloc(&m->scratch, bytes),
			   .low = arena_alloc(&m->scratch, bytes),
			   .next = arena_alloc(&m->scratch, bytes),
			   .path = arena_alloc(&m->scratch, bytes),
			   .open = arena_alloc(&m->scratch, bytes),
			   .is_open = arena_alloc(&m->scratch, bytes) };

	for (unsigned i = 0; i < graph->node_count; i++)
		if (!k.order[i])
			search_knots(&k, i);
	/* Called by the first of its members. */
	for (unsigned i = graph->node_count; i > 0; i--)
		k.low[graph->nodes[i - 1].knot] = i - 1;
	for (unsigned i = 0; i < graph->node_count; i++)
		graph->nodes[i].knot = k.low[graph->nodes[i].knot];
}

/* Two breadth-first trees of one knot: how its first unit reaches each, and how each reaches the first. A circle through any
 * member follows from them in as many steps as it is long. */
struct trees {
	struct making *m;
	unsigned root;
	unsigned *towards,
		*back;		/* by node: the edge by which it is reached, by which it goes on */
	unsigned *queue, count; /* the knot's units, nearest to the root first */
	unsigned *mark, stamp, *path;
};

static void grow_tree(struct trees *t, bool forward)
{
	const struct unit_graph *graph = t->m->graph;
	unsigned *tree = forward ? t->towards : t->back;
	unsigned begin = 0;

	t->count = 0;
	t->queue[t->count++] = t->root;
	while (begin < t->count) {
		const struct unit_graph_node *node = &graph->nodes[t->queue[begin++]];
		unsigned count = forward ? node->out_count : node->in_count;

		for (unsigned i = 0; i < count; i++) {
			unsigned index = forward ? node->out_begin + i :
						   graph->in[node->in_begin + i];
			const struct unit_graph_edge *edge = &graph->edges[index];
			unsigned other = forward ? edge->to : edge->from;

			if (!unit_graph_is_waiting(graph, edge) || other == t->root ||
			    tree[other] != UNIT_GRAPH_NONE ||
			    graph->nodes[other].knot != graph->nodes[t->root].knot)
				continue;
			tree[other] = index;
			t->queue[t->count++] = other;
		}
	}
}

/* The first unit that the root waits for and that waits for the root itself closes the root's shortest circle. */
static unsigned find_closing(const struct trees *t)
{
	const struct unit_graph *graph = t->m->graph;
	unsigned i = 1;

	while (graph->edges[t->back[t->queue[i]]].to != t->root)
		i++;
	return t->queue[i];
}

/* From the unit back to the root until the way there from the root is met, then along that way: no node twice. */
static void add_cycle(struct trees *t, unsigned unit)
{
	struct unit_graph *graph = t->m->graph;
	unsigned count = 0, at, meeting = unit;

	t->stamp++;
	for (at = unit; at != t->root; at = graph->edges[t->towards[at]].from)
		t->mark[at] = t->stamp;
	t->mark[t->root] = t->stamp;
	do {
		t->path[count++] = t->back[meeting];
		meeting = graph->edges[t->back[meeting]].to;
	} while (t->mark[meeting] != t->stamp);

	unsigned begin = count;

	for (at = unit; at != meeting; at = graph->edges[t->towards[at]].from)
		t->path[count++] = t->towards[at];
	for (unsigned end = count; begin + 1 < end; begin++) {
		unsigned swap = t->path[begin];

		t->path[begin] = t->path[--end];
		t->path[end] = swap;
	}

	unsigned *edges = arena_alloc(&graph->arena, count * sizeof(*edges));
	struct unit_graph_cycle *cycle =
		arena_push(&graph->arena, graph->cycles, graph->cycle_count);

	memcpy(edges, t->path, count * sizeof(*edges));
	*cycle = (struct unit_graph_cycle){ edges, count };
	for (unsigned i = 0; i < count; i++) {
		struct unit_graph_node *node = &graph->nodes[graph->edges[edges[i]].from];

		if (node->cycle == UNIT_GRAPH_NONE)
			node->cycle = (unsigned)graph->cycle_count - 1;
	}
}

static void find_cycles_of_knot(struct trees *t, unsigned root)
{
	const struct unit_graph *graph = t->m->graph;

	t->root = root;
	grow_tree(t, false);
	grow_tree(t, true);
	if (t->count < 2)
		return;
	add_cycle(t, find_closing(t));
	for (unsigned i = 1; i < t->count; i++)
		if (graph->nodes[t->queue[i]].cycle == UNIT_GRAPH_NONE)
			add_cycle(t, t->queue[i]);
}

static void find_cycles(struct making *m)
{
	struct unit_graph *graph = m->graph;
	size_t bytes = (graph->node_count + 1) * sizeof(unsigned);
	struct trees t = { .m = m,
			   .towards = arena_alloc(&m->scratch, bytes),
			   .back = arena_alloc(&m->scratch, bytes),
			   .queue = arena_alloc(&m->scratch, bytes),
			   .mark = arena_alloc(&m->scratch, bytes),
			   .path = arena_alloc(&m->scratch, bytes) };

	for (unsigned i = 0; i < graph->node_count; i++)
		t.towards[i] = t.back[i] = UNIT_GRAPH_NONE;
	for (unsigned i = 0; i < graph->unit_count; i++)
		if (graph->nodes[i].cycle == UNIT_GRAPH_NONE && t.towards[i] == UNIT_GRAPH_NONE)
			find_cycles_of_knot(&t, i);
}

int unit_graph_make(struct unit_graph *graph, const struct unit_set *set, struct err *err)
{
	struct making m = { .graph = graph };
	size_t total = 0;

	for (size_t i = 0; i < set->count; i++)
		total += set->units[i].service.dep_count + 2 * set->units[i].service.group_count;
	if (set->count + total >= UNIT_GRAPH_NONE / 2)
		return err_set(err, ERR_LIMIT, "%zu dependencies", total);
	graph->set = set;
	/* They live no longer than the set. */
	graph->arena.is_brief = m.scratch.is_brief = set->arena.is_brief;
	/* Each unit may be started at boot without a line that says so. */
	m.raws = arena_alloc(&m.scratch, (set->count + total + 1) * sizeof(*m.raws));
	make_nodes(&m);
	m.after_of = arena_alloc(&m.scratch, graph->node_count * sizeof(*m.after_of));
	for (unsigned i = 0; i < graph->unit_count; i++) {
		read_deps(&m, i);
		read_groups(&m, i);
	}
	make_edges(&m);
	index_edges(graph);
	find_knots(&m);
	find_cycles(&m);
	arena_fini(&m.scratch);
	return 0;
}

void unit_graph_fini(struct unit_graph *graph)
{
	arena_fini(&graph->arena);
	*graph = (struct unit_graph){ 0 };
}
