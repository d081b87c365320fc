/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sets of units, made by hand or read from a folder, and what their graph says in words. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "temp_folder.h"
#include "unit/graph.h"
#include "util/file.h"
#include "util/path.h"

#define UNIT "[Container]\nImage=localhost/web:1\nNetwork=host\n"
#define MAX_TEXT (64 * 1024)

static char folder[64];

/* A set made by hand, so that a graph can be any. */
struct world {
	struct unit_set set;
	struct unit_graph graph;
};

static inline int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cleat-graph-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	(void)state;
	return temp_folder_remove(folder);
}

static inline void put(const char *name, const char *text)
{
	char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (strchr(name, '/')) {
		char parent[256];

		snprintf(parent, sizeof(parent), "%s", path);
		*strrchr(parent, '/') = '\0';
		if (path_mkdirs(parent, 0755, &err) < 0)
			fail_msg("%s", err.msg);
	}
	if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void link_units(struct world *w)
{
	struct err err;

	w->graph = (struct unit_graph){ 0 };
	if (unit_graph_make(&w->graph, &w->set, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void load_folder(struct world *w)
{
	struct err err;

	*w = (struct world){ 0 };
	if (unit_set_load(&w->set, folder, &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	link_units(w);
}

/* Units a, b, c, .. or, of many, u0000, u0001, .. */
static inline void start(struct world *w, unsigned count)
{
	*w = (struct world){ 0 };
	w->set.units = arena_alloc(&w->set.arena, count * sizeof(*w->set.units));
	w->set.count = count;
	for (unsigned i = 0; i < count; i++) {
		const char *base = count <= 26 ? arena_printf(&w->set.arena, "%c", 'a' + (int)i) :
						 arena_printf(&w->set.arena, "u%04u", i);

		w->set.units[i] = (struct unit){
			.name = arena_printf(&w->set.arena, "%s.container", base),
			.service_name = arena_printf(&w->set.arena, "%s.service", base),
			.path = arena_printf(&w->set.arena, "/units/%s.container", base),
			.is_valid = true,
			.error_text = "",
		};
	}
}

static inline void depend(struct world *w, unsigned from, enum service_dep_kind kind, unsigned to,
			  unsigned line, const char *key)
{
	struct service *service = &w->set.units[from].service;
	struct origin *origin = arena_new(&w->set.arena, struct origin);
	struct service_dep *dep = arena_push(&w->set.arena, service->deps, service->dep_count);

	*origin = (struct origin){
		.file = w->set.units[from].path, .line = line, .column = 7, .key = key
	};
	*dep = (struct service_dep){ kind, w->set.units[to].service_name, origin };
}

static inline void after(struct world *w, unsigned from, unsigned to)
{
	depend(w, from, SERVICE_DEP_AFTER, to, 4, "Unit.After");
}

static inline void end(struct world *w)
{
	unit_graph_fini(&w->graph);
	unit_set_fini(&w->set);
}

static inline const struct unit_graph_edge *find_edge(const struct world *w, const char *from,
						      enum service_dep_kind kind, const char *to)
{
	const struct unit_graph *g = &w->graph;

	for (unsigned i = 0; i < g->edge_count; i++)
		if (g->edges[i].kind == kind && str_eq(g->nodes[g->edges[i].from].name, from) &&
		    str_eq(g->nodes[g->edges[i].to].name, to))
			return &g->edges[i];
	return NULL;
}

static inline const char *reasons_of(const struct world *w, const char *from,
				     enum service_dep_kind kind, const char *to)
{
	static char text[4096];
	const struct unit_graph_edge *edge = find_edge(w, from, kind, to);
	struct buf out = BUF_INIT(sizeof(text) - 1);

	if (!edge)
		fail_msg("no edge %s -> %s", from, to);
	for (unsigned i = 0; i < edge->reason_count; i++) {
		if (i)
			buf_puts(&out, ", ");
		unit_graph_write_reason(&w->graph.reasons[edge->reason_begin + i], &out);
	}
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_fini(&out);
	return text;
}

/* By service name or a group's. */
static inline unsigned node_of(const struct unit_graph *graph, const char *name)
{
	for (unsigned i = 0; i < graph->node_count; i++)
		if (strcmp(graph->nodes[i].name, name) == 0)
			return i;
	return UNIT_GRAPH_NONE;
}

static inline bool waits(const struct unit_graph *graph, unsigned node, const bool *done)
{
	for (unsigned i = 0; i < graph->edge_count; i++) {
		const struct unit_graph_edge *edge = &graph->edges[i];

		if (edge->from == node && unit_graph_is_waiting(graph, edge) && !done[edge->to] &&
		    graph->nodes[edge->to].knot != graph->nodes[node].knot)
			return true;
	}
	return false;
}

/* The order that the edges ask for, by its definition: of those that wait for nobody the first, knots in one go. */
static inline void start_order(const struct unit_graph *graph, unsigned *out)
{
	bool done[128] = { false };
	unsigned count = 0;

	assert_true(graph->node_count <= 128);
	for (unsigned i = 0; i < graph->node_count; i++) {
		bool ready = !done[i] && graph->nodes[i].knot == i;

		for (unsigned j = i; ready && j < graph->node_count; j++)
			ready = graph->nodes[j].knot != graph->nodes[i].knot ||
				!waits(graph, j, done);
		if (!ready)
			continue;
		for (unsigned j = i; j < graph->node_count; j++) {
			if (graph->nodes[j].knot != graph->nodes[i].knot)
				continue;
			done[j] = true;
			if (j < graph->unit_count)
				out[count++] = j;
		}
		i = (unsigned)-1; /* from the first again */
	}
	assert_int_equal(count, graph->unit_count);
}

static inline const char *order_of(const struct world *w)
{
	static char text[4096];
	unsigned order[64];
	size_t len = 0;

	assert_true(w->graph.unit_count <= 64);
	start_order(&w->graph, order);
	text[0] = '\0';
	for (unsigned i = 0; i < w->graph.unit_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i ? " " : "",
					(int)strcspn(w->graph.nodes[order[i]].name, "."),
					w->graph.nodes[order[i]].name);
	return text;
}

static inline const char *reach_of(const struct world *w, const char *name, bool is_stop)
{
	static char text[4096];
	struct unit_graph_reach out[64];
	unsigned node = node_of(&w->graph, name);
	size_t len = 0, count;

	assert_true(w->graph.node_count <= 64 && node != UNIT_GRAPH_NONE);
	count = is_stop ? unit_graph_stops(&w->graph, node, out) :
			  unit_graph_starts(&w->graph, node, out);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i ? " " : "",
					(int)strcspn(w->graph.nodes[out[i].node].name, "."),
					w->graph.nodes[out[i].node].name);
	return text;
}

static inline const char *path_of(const struct world *w, unsigned unit)
{
	static char text[8192];
	struct buf out = BUF_INIT(sizeof(text) - 1);

	assert_int_not_equal(w->graph.nodes[unit].cycle, UNIT_GRAPH_NONE);
	unit_graph_write_cycle(&w->graph, &w->graph.cycles[w->graph.nodes[unit].cycle], unit, &out);
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_fini(&out);
	return text;
}
