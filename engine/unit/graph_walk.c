/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the dependency graph: who starts and stops with whom, reasons and circles as text, and refusing the units
 * of circles. Must never follow edges by recursion, because the depth is the input's.
 */
#include "unit/graph.h"

#include <stdio.h>

#include "util/str.h"

static bool passes_start(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_WANTS || kind == SERVICE_DEP_REQUIRES ||
	       kind == SERVICE_DEP_BINDS_TO || kind == SERVICE_DEP_UPHOLDS;
}

/* To those that need the unit. */
static bool passes_stop_back(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_REQUIRES || kind == SERVICE_DEP_BINDS_TO ||
	       kind == SERVICE_DEP_PART_OF;
}

struct reaching {
	const struct unit_graph *graph;
	struct unit_graph_reach *out;
	size_t count;
	bool *is_seen;
};

static void reach(struct reaching *r, unsigned node, unsigned edge)
{
	if (r->is_seen[node])
		return;
	r->is_seen[node] = true;
	r->out[r->count++] = (struct unit_graph_reach){ node, edge };
}

static void reach_on(struct reaching *r, unsigned node, bool is_stop)
{
	const struct unit_graph *graph = r->graph;
	const struct unit_graph_node *n = &graph->nodes[node];

	for (unsigned i = n->out_begin; i < n->out_begin + n->out_count; i++)
		if (is_stop ? graph->edges[i].kind == SERVICE_DEP_PROPAGATES_STOP_TO :
			      passes_start(graph->edges[i].kind))
			reach(r, graph->edges[i].to, i);
	for (unsigned i = n->in_begin; is_stop && i < n->in_begin + n->in_count; i++)
		if (passes_stop_back(graph->edges[graph->in[i]].kind))
			reach(r, graph->edges[graph->in[i]].from, graph->in[i]);
}

static size_t reach_all(const struct unit_graph *graph, unsigned node, struct unit_graph_reach *out,
			bool is_stop)
{
	auto_arena scratch = { 0 };
	struct reaching r = { .graph = graph,
			      .out = out,
			      .is_seen = arena_alloc(&scratch, graph->node_count) };

	r.is_seen[node] = true;
	reach_on(&r, node, is_stop);
	for (size_t i = 0; i < r.count; i++)
		reach_on(&r, out[i].node, is_stop);
	return r.count;
}

size_t unit_graph_starts(const struct unit_graph *graph, unsigned node,
			 struct unit_graph_reach *out)
{
	return reach_all(graph, node, out, false);
}

size_t unit_graph_stops(const struct unit_graph *graph, unsigned node, struct unit_graph_reach *out)
{
	return reach_all(graph, node, out, true);
}

/* A drop-in's own name says little without its folder's. */
static const char *short_path(const char *path)
{
	const char *slash = strrchr(path, '/'), *before = slash;

	if (!slash)
		return path;
	while (before > path && before[-1] != '/')
		before--;
	return slash - before > 2 && strncmp(slash - 2, ".d", 2) == 0 ? before : slash + 1;
}

void unit_graph_write_reason(const struct unit_graph_reason *reason, struct buf *out)
{
	const struct origin *origin = reason->origin;
	const char *key = strrchr(origin->key, '.');

	if (origin->line)
		buf_printf(out, "%s:%u %s=", short_path(origin->file), origin->line,
			   key ? key + 1 : origin->key);
	else
		buf_puts(out, "no line");
}

static void write_hop(const struct unit_graph *graph, unsigned index, struct buf *out)
{
	const struct unit_graph_edge *edge = &graph->edges[index];

	buf_printf(out, " -> %s (", graph->nodes[edge->to].name);
	unit_graph_write_reason(&graph->reasons[edge->reason_begin], out);
	buf_putc(out, ')');
}

/* Where the unit's own edge stands in the cycle. */
static unsigned find_hop(const struct unit_graph *graph, const struct unit_graph_cycle *cycle,
			 unsigned unit)
{
	unsigned i = 0;

	while (i + 1 < cycle->count && graph->edges[cycle->edges[i]].from != unit)
		i++;
	return i;
}

void unit_graph_write_cycle(const struct unit_graph *graph, const struct unit_graph_cycle *cycle,
			    unsigned first, struct buf *out)
{
	unsigned begin = find_hop(graph, cycle, first);

	buf_puts(out, graph->nodes[first].name);
	for (unsigned i = 0; i < cycle->count; i++) {
		if (cycle->count > UNIT_GRAPH_MAX_HOPS && i == UNIT_GRAPH_MAX_HOPS - 1) {
			unsigned left_out = cycle->count - UNIT_GRAPH_MAX_HOPS;

			buf_printf(out, " -> .. %u more ..", left_out);
			i += left_out;
		}
		write_hop(graph, cycle->edges[(begin + i) % cycle->count], out);
	}
}

/* The line to point to: one of the unit's own that is part of the circle, on its way out before its way in; else whatever
 * line made the unit part of it. */
static const struct origin *place_of(const struct unit_graph *graph,
				     const struct unit_graph_cycle *cycle, unsigned unit)
{
	unsigned begin = find_hop(graph, cycle, unit);
	const struct unit_graph_edge *edges[2] = {
		&graph->edges[cycle->edges[begin]],
		&graph->edges[cycle->edges[(begin + cycle->count - 1) % cycle->count]]
	};

	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < edges[i]->reason_count; j++) {
			const struct unit_graph_reason *reason =
				&graph->reasons[edges[i]->reason_begin + j];

			if (reason->unit == unit)
				return reason->origin;
		}
	return graph->reasons[edges[0]->reason_begin].origin;
}

static void refuse(struct unit_set *set, struct unit *unit, const struct origin *origin,
		   const char *text)
{
	diag_add(&set->diags, DIAG_ERROR, origin->file, origin->line, origin->column, origin->key,
		 "%s", text);
	if (!unit->is_valid)
		return;
	unit->is_valid = false;
	unit->first_error = set->diags.count - 1; /* or the last one that was kept */
	unit->error_text = arena_printf(&set->arena, "%s:%u:%u: %s: %s", origin->file, origin->line,
					origin->column, origin->key, text);
}

static void refuse_unit(struct unit_set *set, const struct unit_graph *graph, unsigned index)
{
	const struct unit_graph_cycle *cycle = &graph->cycles[graph->nodes[index].cycle];
	auto_buf text = BUF_INIT(UNIT_MAX_LINE_BYTES);

	buf_puts(&text, "ordering goes in a circle: ");
	unit_graph_write_cycle(graph, cycle, index, &text);
	refuse(set, &set->units[index], place_of(graph, cycle, index), buf_str(&text));
}

void unit_graph_refuse_cycles(struct unit_set *set)
{
	struct unit_graph own = { 0 }, *graph = set->graph ? set->graph : &own;
	char text[64];
	struct err err;

	snprintf(text, sizeof(text), "more than %d dependencies", UNIT_MAX_DEPS);
	if (unit_graph_make(graph, set, &err) < 0) {
		diag_add(&set->diags, DIAG_ERROR, "", 0, 0, "", "%s", err.msg);
		set->graph = NULL;
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->units[i].service.dep_count > UNIT_MAX_DEPS)
			refuse(set, &set->units[i],
			       set->units[i].service.deps[UNIT_MAX_DEPS].origin, text);
	for (size_t i = 0; i < graph->self_count; i++)
		diag_add(&set->diags, DIAG_WARNING, graph->self[i].origin->file,
			 graph->self[i].origin->line, graph->self[i].origin->column,
			 graph->self[i].origin->key,
			 "a unit does not depend on itself: ignored, as systemd does");
	for (unsigned i = 0; i < graph->unit_count; i++)
		if (graph->nodes[i].cycle != UNIT_GRAPH_NONE)
			refuse_unit(set, graph, i);
	unit_graph_fini(&own);
}
