/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units that may take longer to stop than the appliance gives them: the way down of a unit (ExecStop=, stop signal, ExecStopPost=) and of all
 * that have to go before it, as the core takes it (supervise/core_stop.c). Says it once, where a chain becomes too long. Must
 * never guess how fast a program is: only what it is allowed to take counts.
 */
#include <stdio.h>
#include <string.h>

#include "cli/findings.h"
#include "supervise/policy.h"
#include "unit/appliance.h"
#include "unit/graph.h"
#include "util/cleanup.h"
#include "util/str.h"

#define NAMES_MAX 6 /* of those that go before it */
#define HOST_LIMITS                                                                                         \
	"lxc-stop -t, pct shutdown --timeout, qm shutdown --timeout, boot.host_shutdown_timeout of Incus, " \
	"TimeoutStopSec= of lxc@.service"

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

struct way_down {
	enum mark mark;
	uint64_t own_usec, usec; /* of the unit; with those before it. USEC_NEVER: no end */
	unsigned before;	 /* node that it waits for longest; UNIT_GRAPH_NONE */
	bool is_asked_for;	 /* somebody has written more than the defaults, here or before */
	bool is_too_long;
};

struct judge {
	const struct unit_graph *graph;
	const struct check_stop *stops;
	struct way_down *ways; /* one a node */
	uint64_t limit_usec;
};

static const struct service_exec *first_exec(const struct unit *unit, enum service_exec_which which)
{
	for (size_t i = 0; i < unit->service.exec_count; i++)
		if (unit->service.execs[i].which == which)
			return &unit->service.execs[i];
	return NULL;
}

static const struct origin *stop_timeout_origin(const struct unit *unit)
{
	for (size_t i = 0; i < unit->spec_args.count; i++)
		if (str_starts(unit->spec_args.items[i].text, "--stop-timeout"))
			return unit->spec_args.items[i].origin;
	return NULL;
}

static bool has_way_down(const struct unit *unit)
{
	return unit && unit->is_valid && !unit->is_template &&
	       (unit->kind == UNIT_CONTAINER || unit->kind == UNIT_POD);
}

static uint64_t signal_usec(const struct judge *j, unsigned node)
{
	const struct unit *unit = j->graph->nodes[node].unit;
	uint64_t stop = unit->service.timeout_stop_usec, own = j->stops[node].stop_timeout_usec;

	if (unit->kind == UNIT_POD) /* its holder ends at once */
		return 0;
	return own < stop ? own : stop;
}

static void find_own(const struct judge *j, unsigned node)
{
	const struct unit *unit = j->graph->nodes[node].unit;
	struct way_down *way = &j->ways[node];

	way->before = UNIT_GRAPH_NONE;
	if (!has_way_down(unit))
		return;
	way->own_usec = signal_usec(j, node);
	way->is_asked_for = unit->kind == UNIT_CONTAINER && stop_timeout_origin(unit) &&
			    way->own_usec > 0;
	for (enum service_exec_which w = SERVICE_EXEC_STOP; w <= SERVICE_EXEC_STOP_POST; w++) {
		if (!first_exec(unit, w))
			continue;
		way->own_usec = policy_add_usec(way->own_usec, unit->service.timeout_stop_usec);
		way->is_asked_for = true;
	}
}

/* Circles are refused elsewhere; here they only have to end. */
static const struct way_down *walk(const struct judge *j, unsigned node)
{
	const struct unit_graph_node *n = &j->graph->nodes[node];
	struct way_down *way = &j->ways[node];
	uint64_t longest = 0;

	if (way->mark != MARK_NEW)
		return way;
	way->mark = MARK_OPEN;
	find_own(j, node);
	for (unsigned i = 0; i < n->in_count; i++) {
		const struct unit_graph_edge *edge =
			&j->graph->edges[j->graph->in[n->in_begin + i]];
		const struct way_down *other;

		if (!unit_graph_is_waiting(j->graph, edge))
			continue;
		other = walk(j, edge->from);
		if (other->mark == MARK_OPEN || other->usec <= longest)
			continue;
		longest = other->usec;
		way->before = edge->from;
	}
	if (way->before != UNIT_GRAPH_NONE)
		way->is_asked_for |= j->ways[way->before].is_asked_for;
	way->usec = policy_add_usec(way->own_usec, longest);
	way->is_too_long = way->usec > j->limit_usec;
	way->mark = MARK_DONE;
	return way;
}

/* "ExecStop= 90s, stop signal 10s" */
static void put_own(const struct judge *j, unsigned node, struct buf *out)
{
	const struct unit *unit = j->graph->nodes[node].unit;
	char span[POLICY_SPAN_MAX];
	const char *comma = "";

	policy_format_span(span, unit->service.timeout_stop_usec);
	if (first_exec(unit, SERVICE_EXEC_STOP)) {
		buf_printf(out, "ExecStop= %s", span);
		comma = ", ";
	}
	if (signal_usec(j, node) > 0) {
		char own[POLICY_SPAN_MAX];

		buf_printf(out, "%sstop signal %s", comma,
			   policy_format_span(own, signal_usec(j, node)));
		comma = ", ";
	}
	if (first_exec(unit, SERVICE_EXEC_STOP_POST))
		buf_printf(out, "%sExecStopPost= %s", comma, span);
}

/* "after web.service (stop signal 10s), app.service (..)": in the order in which they stop, groups left out. */
static void put_before(const struct judge *j, unsigned node, struct buf *out)
{
	unsigned chain[NAMES_MAX], count = 0, more = 0;

	for (node = j->ways[node].before; node != UNIT_GRAPH_NONE; node = j->ways[node].before) {
		if (!j->ways[node].own_usec)
			continue;
		if (count < NAMES_MAX)
			chain[count++] = node;
		else
			more++;
	}
	if (more)
		buf_printf(out, ", after %u others", more);
	for (unsigned i = count; i > 0; i--) {
		buf_printf(out, "%s%s (", i == count && !more ? ", after " : ", ",
			   j->graph->nodes[chain[i - 1]].name);
		put_own(j, chain[i - 1], out);
		buf_puts(out, ")");
	}
}

static const struct origin *place(const struct unit *unit)
{
	const struct service_exec *stop = first_exec(unit, SERVICE_EXEC_STOP);
	const struct service_exec *post = first_exec(unit, SERVICE_EXEC_STOP_POST);

	return stop ? stop->origin : post ? post->origin : stop_timeout_origin(unit);
}

static void complain(const struct judge *j, unsigned node, struct diags *out)
{
	const struct way_down *way = &j->ways[node];
	const struct unit *unit = j->graph->nodes[node].unit;
	const struct origin *origin = place(unit);
	char total[POLICY_SPAN_MAX], limit[POLICY_SPAN_MAX], need[POLICY_SPAN_MAX];
	uint64_t budget = policy_add_usec(way->usec, APPLIANCE_STOP_RESERVE_USEC);
	auto_buf text = BUF_INIT(2048);

	policy_format_span(total, way->usec);
	policy_format_span(limit, j->limit_usec);
	buf_printf(&text, "%s may take %s to stop (", unit->service_name, total);
	put_own(j, node, &text);
	buf_puts(&text, ")");
	put_before(j, node, &text);
	buf_printf(&text,
		   "; when the appliance stops, %s are there for all and what is left is killed: ",
		   limit);
	if (budget <= APPLIANCE_STOP_MAX_USEC)
		buf_printf(&text, "[Stop] Budget=%s in appliance.ini is enough",
			   policy_format_span(need, budget));
	else
		buf_puts(
			&text,
			"shorten TimeoutStopSec= or StopTimeout=, [Stop] Budget= in appliance.ini goes up to 1h");
	buf_puts(&text, ", where the host waits longer than that (" HOST_LIMITS ")");
	diag_add(out, way->is_asked_for ? DIAG_WARNING : DIAG_NOTE,
		 origin && origin->line ? origin->file : unit->path, origin ? origin->line : 0,
		 origin ? origin->column : 0, origin ? origin->key : "", "%s", buf_str(&text));
}

/* Nothing that goes before it is too long already. */
static bool is_first(const struct judge *j, unsigned node)
{
	const struct unit_graph_node *n = &j->graph->nodes[node];

	for (unsigned i = 0; i < n->in_count; i++) {
		const struct unit_graph_edge *edge =
			&j->graph->edges[j->graph->in[n->in_begin + i]];

		if (unit_graph_is_waiting(j->graph, edge) && j->ways[edge->from].is_too_long)
			return false;
	}
	return true;
}

void check_stop_judge(const struct unit_set *set, const struct check_stop *stops,
		      uint64_t budget_usec, struct diags *out)
{
	const struct unit_graph *graph = set->graph;
	auto_arena arena = { .is_brief = true };
	struct judge judge = { .graph = graph,
			       .stops = stops,
			       .limit_usec = budget_usec - APPLIANCE_STOP_RESERVE_USEC };

	if (!graph)
		return;
	judge.ways = arena_alloc(&arena, (graph->node_count + 1) * sizeof(*judge.ways));
	for (unsigned i = 0; i < graph->node_count; i++)
		walk(&judge, i);
	for (unsigned i = 0; i < graph->unit_count; i++)
		if (judge.ways[i].is_too_long && has_way_down(graph->nodes[i].unit) &&
		    is_first(&judge, i))
			complain(&judge, i, out);
}
