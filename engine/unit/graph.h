/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who starts, waits for and stops with whom, each edge with every line that asked for it. Pure: made from a set, changes
 * nothing but the set's diagnostics and is_valid in unit_graph_refuse_cycles(). Source: systemd.unit(5), "[Unit] Section
 * Options" and "Mapping of unit properties to their inverses".
 *
 * Nodes are the set's units (same index as set->units), then the groups: names in [Install] that are no unit
 * ("webapp.target"), and "boot", which default.target, multi-user.target and graphical.target stand for. Only edges between
 * nodes are kept; a unit's dependency on itself is dropped, as systemd drops it.
 */
#include <stdbool.h>
#include <stddef.h>

#include "unit/unit.h"

#define UNIT_MAX_DEPS 8192 /* of one unit: those beyond it are left out and the unit is refused */
#define UNIT_GRAPH_BOOT "boot" /* the group's name */
#define UNIT_GRAPH_MAX_HOPS \
	8 /* of a cycle's path in a message; longer ones are cut in the middle */

enum unit_node_kind {
	UNIT_NODE_UNIT,
	UNIT_NODE_GROUP,
	UNIT_NODE_BOOT,
};

struct unit_graph_node {
	enum unit_node_kind kind;
	const char *name;	 /* "web.service", "webapp.target", "boot" */
	const struct unit *unit; /* NULL: a group */
	unsigned out_begin,
		out_count;	     /* graph->edges: those that begin here, by kind, then target */
	unsigned in_begin, in_count; /* graph->in: those that end here, by kind, then origin */
	unsigned knot;	/* units that wait for each other in circles have the same; else its own */
	unsigned cycle; /* index into graph->cycles of one that it is part of; UNIT_GRAPH_NONE */
};
#define UNIT_GRAPH_NONE ((unsigned)-1)

/* Why an edge is there. */
struct unit_graph_reason {
	const struct origin *origin; /* of the value; never NULL; line 0: no line asked for it */
	unsigned unit; /* in whose files (drop-ins included) the line stands: index into set->units */
	enum service_dep_kind said; /* as it was said: BEFORE for an AFTER edge, and so on */
};

/* BEFORE, STOP_PROPAGATED_FROM and RELOAD_PROPAGATED_FROM are turned into their opposites; [Install] WantedBy= into WANTS,
 * RequiredBy= into REQUIRES, UpheldBy= into UPHOLDS, and of a group into AFTER, too, unless the member waits for the group. Each (from, to, kind) once. */
struct unit_graph_edge {
	unsigned from, to; /* "from" waits for, starts, stops with .. "to" */
	enum service_dep_kind kind;
	unsigned reason_begin, reason_count; /* graph->reasons: at least one, of a line once */
};

struct unit_graph_cycle { /* edges of kind AFTER: the first begins where the last ends; no node twice */
	const unsigned *edges;
	unsigned count;
};

struct unit_graph {
	struct arena arena;
	const struct unit_set *set; /* borrowed, as are all texts and origins */
	struct unit_graph_node *nodes;
	unsigned node_count, unit_count; /* nodes[0..unit_count) are units */
	struct unit_graph_edge *edges;
	unsigned edge_count;
	const unsigned *in; /* indices of edges */
	const struct unit_graph_reason *reasons;
	unsigned reason_count;
	/* Dependencies of units on themselves, which are no edges. */
	struct unit_graph_reason *self;
	size_t self_count;
	/* Every unit that is in an ordering cycle is in at least one of these. Requirement without order goes in no circle: it
	 * is started together. Templates never run and are in none. */
	struct unit_graph_cycle *cycles;
	size_t cycle_count;
};

/* Time and memory grow with units plus dependencies (cycles: units times their length). The graph must be zeroed; the set
 * outlives it. ERR_LIMIT: more nodes or dependencies than an unsigned can count. */
int unit_graph_make(struct unit_graph *graph, const struct unit_set *set,
		    struct err *err) MUST_CHECK;
void unit_graph_fini(struct unit_graph *graph);

/* Does the edge make one wait for another when both run? AFTER, and neither is a template. A group waits for its members,
 * and who waits for the group waits for them. */
bool unit_graph_is_waiting(const struct unit_graph *graph, const struct unit_graph_edge *edge);

struct unit_graph_reach {
	unsigned node, edge; /* and the edge by which it was reached */
};
/* What is started when the node is: Wants=, Requires=, BindsTo=, Upholds= followed to their ends, nearest first. out: room for
 * node_count; the node itself is not in it. Returns how many. */
size_t unit_graph_starts(const struct unit_graph *graph, unsigned node,
			 struct unit_graph_reach *out);
/* What is stopped when somebody stops the node: Requires=, BindsTo=, PartOf= of others on it, PropagatesStopTo= of its own. */
size_t unit_graph_stops(const struct unit_graph *graph, unsigned node,
			struct unit_graph_reach *out);

/* "web.container:4 After=": the last part of the file's path (of a drop-in with its folder), line and key. */
void unit_graph_write_reason(const struct unit_graph_reason *reason, struct buf *out);
/* "a.service -> b.service (a.container:4 After=) -> a.service (b.container:7 Before=)", starting with the unit, which
 * is part of the cycle. */
void unit_graph_write_cycle(const struct unit_graph *graph, const struct unit_graph_cycle *cycle,
			    unsigned first, struct buf *out);

/* Every unit in an ordering cycle becomes invalid with the path as its error, at a line of its own where there is one; a
 * dependency of a unit on itself gets a warning. To be called once, when all units of the set are there. */
void unit_graph_refuse_cycles(struct unit_set *set);
