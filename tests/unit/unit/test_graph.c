/* SPDX-License-Identifier: Apache-2.0 */
/* The dependency graph: edges and their reasons, cycles with their paths, order, what starts and stops with whom. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <unistd.h>

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

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cleat-graph-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err;
	int rc = path_remove_tree(tmp, folder + strlen("/tmp/"), &err);

	(void)state;
	close(tmp);
	return rc;
}

static void put(const char *name, const char *text)
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

static void link_units(struct world *w)
{
	struct err err;

	w->graph = (struct unit_graph){ 0 };
	if (unit_graph_make(&w->graph, &w->set, &err) < 0)
		fail_msg("%s", err.msg);
}

static void load_folder(struct world *w)
{
	struct err err;

	*w = (struct world){ 0 };
	if (unit_set_load(&w->set, folder, &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	link_units(w);
}

/* The set's own, for whoever asked for it, is the one that anybody else would make of it. */
static void graph_is_kept_for_whoever_asks(void **state)
{
	struct unit_facts facts = test_facts;
	struct world w;
	struct err err;

	(void)state;
	put("a.container",
	    "[Unit]\nAfter=b.service\nWants=b.service\n[Container]\nImage=localhost/x:1\n");
	put("b.container", "[Container]\nImage=localhost/x:1\n");
	load_folder(&w);
	assert_null(w.set.graph);
	unit_set_fini(&w.set);
	w.set = (struct unit_set){ 0 };
	facts.keeps_graph = true;
	if (unit_set_load(&w.set, folder, &facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(w.set.graph);
	assert_ptr_equal(w.set.graph->set, &w.set);
	assert_int_equal(w.set.graph->node_count, w.graph.node_count);
	assert_int_equal(w.set.graph->edge_count, w.graph.edge_count);
	assert_int_equal(w.set.graph->edges[0].from, w.graph.edges[0].from);
	assert_int_equal(w.set.graph->edges[0].to, w.graph.edges[0].to);
	unit_graph_fini(&w.graph);
	unit_set_fini(&w.set);
}

/* Units a, b, c, .. or, of many, u0000, u0001, .. */
static void start(struct world *w, unsigned count)
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

static void depend(struct world *w, unsigned from, enum service_dep_kind kind, unsigned to,
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

static void after(struct world *w, unsigned from, unsigned to)
{
	depend(w, from, SERVICE_DEP_AFTER, to, 4, "Unit.After");
}

static void end(struct world *w)
{
	unit_graph_fini(&w->graph);
	unit_set_fini(&w->set);
}

static const struct unit_graph_edge *find_edge(const struct world *w, const char *from,
					       enum service_dep_kind kind, const char *to)
{
	const struct unit_graph *g = &w->graph;

	for (unsigned i = 0; i < g->edge_count; i++)
		if (g->edges[i].kind == kind && str_eq(g->nodes[g->edges[i].from].name, from) &&
		    str_eq(g->nodes[g->edges[i].to].name, to))
			return &g->edges[i];
	return NULL;
}

static const char *reasons_of(const struct world *w, const char *from, enum service_dep_kind kind,
			      const char *to)
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
static unsigned node_of(const struct unit_graph *graph, const char *name)
{
	for (unsigned i = 0; i < graph->node_count; i++)
		if (strcmp(graph->nodes[i].name, name) == 0)
			return i;
	return UNIT_GRAPH_NONE;
}

static bool waits(const struct unit_graph *graph, unsigned node, const bool *done)
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
static void start_order(const struct unit_graph *graph, unsigned *out)
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

static const char *order_of(const struct world *w)
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

static const char *reach_of(const struct world *w, const char *name, bool is_stop)
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

static const char *path_of(const struct world *w, unsigned unit)
{
	static char text[8192];
	struct buf out = BUF_INIT(sizeof(text) - 1);

	assert_int_not_equal(w->graph.nodes[unit].cycle, UNIT_GRAPH_NONE);
	unit_graph_write_cycle(&w->graph, &w->graph.cycles[w->graph.nodes[unit].cycle], unit, &out);
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_fini(&out);
	return text;
}

static void every_kind_becomes_an_edge_and_opposites_are_turned_round(void **state)
{
	static const struct {
		enum service_dep_kind said, kept;
		bool is_turned;
	} kinds[] = {
		{ SERVICE_DEP_AFTER, SERVICE_DEP_AFTER, false },
		{ SERVICE_DEP_BEFORE, SERVICE_DEP_AFTER, true },
		{ SERVICE_DEP_WANTS, SERVICE_DEP_WANTS, false },
		{ SERVICE_DEP_REQUIRES, SERVICE_DEP_REQUIRES, false },
		{ SERVICE_DEP_BINDS_TO, SERVICE_DEP_BINDS_TO, false },
		{ SERVICE_DEP_PART_OF, SERVICE_DEP_PART_OF, false },
		{ SERVICE_DEP_REQUISITE, SERVICE_DEP_REQUISITE, false },
		{ SERVICE_DEP_UPHOLDS, SERVICE_DEP_UPHOLDS, false },
		{ SERVICE_DEP_CONFLICTS, SERVICE_DEP_CONFLICTS, false },
		{ SERVICE_DEP_ON_FAILURE, SERVICE_DEP_ON_FAILURE, false },
		{ SERVICE_DEP_ON_SUCCESS, SERVICE_DEP_ON_SUCCESS, false },
		{ SERVICE_DEP_PROPAGATES_STOP_TO, SERVICE_DEP_PROPAGATES_STOP_TO, false },
		{ SERVICE_DEP_STOP_PROPAGATED_FROM, SERVICE_DEP_PROPAGATES_STOP_TO, true },
		{ SERVICE_DEP_PROPAGATES_RELOAD_TO, SERVICE_DEP_PROPAGATES_RELOAD_TO, false },
		{ SERVICE_DEP_RELOAD_PROPAGATED_FROM, SERVICE_DEP_PROPAGATES_RELOAD_TO, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct world w;

		start(&w, 2);
		depend(&w, 0, kinds[i].said, 1, 9, "Unit.Key");
		link_units(&w);
		assert_int_equal(w.graph.edge_count, 1);
		assert_int_equal(w.graph.edges[0].kind, kinds[i].kept);
		assert_int_equal(w.graph.edges[0].from, kinds[i].is_turned);
		assert_int_equal(w.graph.edges[0].to, !kinds[i].is_turned);
		assert_int_equal(w.graph.reasons[0].said, kinds[i].said);
		assert_int_equal(w.graph.reasons[0].unit, 0);
		assert_int_equal(w.graph.nodes[0].in_count, kinds[i].is_turned);
		assert_int_equal(w.graph.nodes[0].out_count, !kinds[i].is_turned);
		end(&w);
	}
}

static void an_edge_has_every_reason_once_each_in_their_order(void **state)
{
	struct world w;

	(void)state;
	start(&w, 2);
	depend(&w, 0, SERVICE_DEP_AFTER, 1, 4, "Unit.After");
	depend(&w, 1, SERVICE_DEP_BEFORE, 0, 8, "Unit.Before");
	depend(&w, 0, SERVICE_DEP_AFTER, 1, 6, "Container.Volume");
	depend(&w, 0, SERVICE_DEP_AFTER, 1, 4, "Unit.After");
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 1);
	assert_string_equal(reasons_of(&w, "a.service", SERVICE_DEP_AFTER, "b.service"),
			    "a.container:4 After=, a.container:6 Volume=, b.container:8 Before=");
	end(&w);
}

static void edges_are_found_from_both_ends(void **state)
{
	struct world w;

	(void)state;
	start(&w, 4);
	depend(&w, 3, SERVICE_DEP_WANTS, 0, 1, "Unit.Wants");
	after(&w, 3, 0);
	after(&w, 1, 0);
	depend(&w, 0, SERVICE_DEP_REQUIRES, 2, 1, "Unit.Requires");
	link_units(&w);

	const struct unit_graph_node *a = &w.graph.nodes[0];

	assert_int_equal(a->in_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w.graph.edges[w.graph.in[a->in_begin + i]].to, 0);
	assert_int_equal(w.graph.edges[w.graph.in[a->in_begin]].kind, SERVICE_DEP_AFTER);
	assert_int_equal(w.graph.edges[w.graph.in[a->in_begin]].from, 1);
	assert_int_equal(w.graph.edges[w.graph.in[a->in_begin + 2]].kind, SERVICE_DEP_WANTS);
	assert_int_equal(a->out_count, 1);
	assert_int_equal(w.graph.edges[a->out_begin].to, 2);
	end(&w);
}

static void dependencies_on_nothing_are_no_edges(void **state)
{
	struct world w;

	(void)state;
	start(&w, 2);
	after(&w, 0, 1);
	w.set.units[0].service.deps[0].target = "elsewhere.service";
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 0);
	assert_int_equal(node_of(&w.graph, "elsewhere.service"), UNIT_GRAPH_NONE);
	assert_int_equal(node_of(&w.graph, "b.service"), 1);
	end(&w);
}

static void of_two_units_with_one_service_the_first_is_meant(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3);
	w.set.units[1].service_name = "b.service";
	w.set.units[2].service_name = "b.service";
	after(&w, 0, 2);
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 1);
	assert_int_equal(w.graph.edges[0].to, 1);
	end(&w);
}

static void a_circle_is_found_with_its_path_from_each_member(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3);
	depend(&w, 0, SERVICE_DEP_AFTER, 1, 4, "Unit.After");
	depend(&w, 0, SERVICE_DEP_BEFORE, 1, 7, "Unit.Before");
	after(&w, 2, 0);
	link_units(&w);
	assert_int_equal(w.graph.cycle_count, 1);
	assert_string_equal(path_of(&w, 0), "a.service -> b.service (a.container:4 After=) -> "
					    "a.service (a.container:7 Before=)");
	assert_string_equal(path_of(&w, 1), "b.service -> a.service (a.container:7 Before=) -> "
					    "b.service (a.container:4 After=)");
	assert_int_equal(w.graph.nodes[2].cycle, UNIT_GRAPH_NONE);
	end(&w);
}

static void circles_of_requirement_without_order_are_none(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3);
	depend(&w, 0, SERVICE_DEP_REQUIRES, 1, 1, "Unit.Requires");
	depend(&w, 1, SERVICE_DEP_BINDS_TO, 0, 1, "Unit.BindsTo");
	depend(&w, 1, SERVICE_DEP_WANTS, 2, 1, "Unit.Wants");
	depend(&w, 2, SERVICE_DEP_PART_OF, 1, 1, "Unit.PartOf");
	after(&w, 0, 1);
	link_units(&w);
	assert_int_equal(w.graph.cycle_count, 0);
	end(&w);
}

static void a_dependency_on_oneself_is_no_edge_but_is_told(void **state)
{
	struct world w;

	(void)state;
	start(&w, 1);
	after(&w, 0, 0);
	depend(&w, 0, SERVICE_DEP_BEFORE, 0, 5, "Unit.Before");
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 0);
	assert_int_equal(w.graph.cycle_count, 0);
	assert_int_equal(w.graph.self_count, 2);
	assert_int_equal(w.graph.self[1].origin->line, 5);
	unit_graph_refuse_cycles(&w.set);
	assert_true(w.set.units[0].is_valid);
	assert_int_equal(w.set.diags.count, 2);
	assert_int_equal(w.set.diags.error_count, 0);
	assert_string_equal(w.set.diags.items[0].text,
			    "a unit does not depend on itself: ignored, as systemd does");
	end(&w);
}

static void templates_are_in_no_circle(void **state)
{
	struct world w;

	(void)state;
	start(&w, 2);
	after(&w, 0, 1);
	after(&w, 1, 0);
	w.set.units[1].is_template = true;
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 2);
	assert_int_equal(w.graph.cycle_count, 0);
	end(&w);
}

static void two_circles_that_share_a_unit_are_both_told(void **state)
{
	struct world w;

	(void)state;
	start(&w, 3);
	after(&w, 0, 1);
	after(&w, 1, 0);
	after(&w, 1, 2);
	after(&w, 2, 1);
	link_units(&w);
	assert_int_equal(w.graph.cycle_count, 2);
	assert_string_equal(path_of(&w, 2), "c.service -> b.service (c.container:4 After=) -> "
					    "c.service (b.container:4 After=)");
	end(&w);
}

static void long_paths_are_cut_in_the_middle(void **state)
{
	struct world w;

	(void)state;
	start(&w, 12);
	for (unsigned i = 0; i < 12; i++)
		after(&w, i, (i + 1) % 12);
	link_units(&w);
	assert_int_equal(w.graph.cycles[0].count, 12);
	assert_string_equal(
		path_of(&w, 10),
		"k.service -> l.service (k.container:4 After=) -> a.service (l.container:4 After=) -> "
		"b.service (a.container:4 After=) -> c.service (b.container:4 After=) -> "
		"d.service (c.container:4 After=) -> e.service (d.container:4 After=) -> "
		"f.service (e.container:4 After=) -> .. 4 more .. -> k.service (j.container:4 After=)");
	end(&w);
}

static void a_circle_of_as_many_units_as_there_can_be_is_found(void **state)
{
	struct world w;

	(void)state;
	start(&w, UNIT_MAX_FILES);
	for (unsigned i = 0; i < UNIT_MAX_FILES; i++) {
		after(&w, i, (i + 1) % UNIT_MAX_FILES);
		for (unsigned j = 2; j < 12; j++)
			depend(&w, i, SERVICE_DEP_WANTS, (i + j) % UNIT_MAX_FILES, 4, "Unit.Wants");
	}
	link_units(&w);
	assert_int_equal(w.graph.cycle_count, 1);
	assert_int_equal(w.graph.cycles[0].count, UNIT_MAX_FILES);
	unit_graph_refuse_cycles(&w.set);
	for (unsigned i = 0; i < UNIT_MAX_FILES; i++)
		assert_false(w.set.units[i].is_valid);
	end(&w);
}

static void everyone_after_everyone_is_told_in_short_circles(void **state)
{
	struct world w;

	(void)state;
	start(&w, 200);
	for (unsigned i = 0; i < 200; i++)
		for (unsigned j = 0; j < 200; j++)
			if (i != j)
				after(&w, i, j);
	link_units(&w);
	assert_int_equal(w.graph.edge_count, 200 * 199);
	for (size_t i = 0; i < w.graph.cycle_count; i++)
		assert_int_equal(w.graph.cycles[i].count, 2);
	end(&w);
}

static void more_dependencies_than_the_bound_refuse_the_unit(void **state)
{
	struct world w;

	(void)state;
	start(&w, 2);
	for (unsigned i = 0; i <= UNIT_MAX_DEPS; i++)
		depend(&w, 0, SERVICE_DEP_WANTS, 1, i + 1, "Unit.Wants");
	unit_graph_refuse_cycles(&w.set);
	assert_false(w.set.units[0].is_valid);
	assert_true(w.set.units[1].is_valid);
	assert_string_equal(w.set.diags.items[0].text, "more than 8192 dependencies");
	assert_int_equal(w.set.diags.items[0].line, UNIT_MAX_DEPS + 1);
	assert_non_null(strstr(w.set.units[0].error_text, "more than 8192 dependencies"));
	end(&w);
}

/* Small graphs of every shape against the definition: who reaches itself is in a circle. */
struct random {
	uint64_t state;
};

static unsigned draw(struct random *random, unsigned below)
{
	random->state = random->state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random->state >> 33) % below;
}

static void check_against_closure(const struct world *w, unsigned count)
{
	bool reaches[10][10] = { 0 };
	unsigned order[10], place[10];

	for (unsigned i = 0; i < w->graph.edge_count; i++)
		reaches[w->graph.edges[i].from][w->graph.edges[i].to] = true;
	for (unsigned k = 0; k < count; k++)
		for (unsigned i = 0; i < count; i++)
			for (unsigned j = 0; j < count; j++)
				reaches[i][j] |= reaches[i][k] && reaches[k][j];
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(w->graph.nodes[i].cycle != UNIT_GRAPH_NONE, reaches[i][i]);
		for (unsigned j = 0; j < count; j++)
			assert_int_equal(w->graph.nodes[i].knot == w->graph.nodes[j].knot,
					 i == j || (reaches[i][j] && reaches[j][i]));
	}
	for (size_t i = 0; i < w->graph.cycle_count; i++) {
		const struct unit_graph_cycle *c = &w->graph.cycles[i];
		unsigned seen = 0;

		for (unsigned j = 0; j < c->count; j++) {
			const struct unit_graph_edge *e = &w->graph.edges[c->edges[j]];

			assert_int_equal(e->to, w->graph.edges[c->edges[(j + 1) % c->count]].from);
			assert_false(seen & 1u << e->from);
			seen |= 1u << e->from;
		}
	}
	start_order(&w->graph, order);
	for (unsigned i = 0; i < count; i++)
		place[order[i]] = i;
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < count; j++)
			if (reaches[i][j] && !reaches[j][i])
				assert_true(place[i] > place[j]);
}

static void circles_and_order_fit_their_definition(void **state)
{
	struct random random = { 42 };

	(void)state;
	for (unsigned turn = 0; turn < 3000; turn++) {
		unsigned count = 2 + draw(&random, 9), edges = draw(&random, 3 * count);
		struct world w;

		start(&w, count);
		for (unsigned i = 0; i < edges; i++) {
			unsigned from = draw(&random, count), to = draw(&random, count);

			if (from != to)
				after(&w, from, to);
		}
		link_units(&w);
		check_against_closure(&w, count);
		end(&w);
	}
}

static void order_follows_waiting_and_is_by_name_otherwise(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5);
	link_units(&w);
	assert_string_equal(order_of(&w), "a b c d e");
	unit_graph_fini(&w.graph);
	after(&w, 0, 4);
	after(&w, 1, 0);
	link_units(&w);
	assert_string_equal(order_of(&w), "c d e a b");
	end(&w);
}

static void a_knot_is_ordered_by_name_among_those_that_are_not(void **state)
{
	struct world w;

	(void)state;
	start(&w, 5);
	after(&w, 1, 2);
	after(&w, 2, 1);
	after(&w, 1, 4);
	after(&w, 0, 2);
	link_units(&w);
	assert_string_equal(order_of(&w), "d e b c a");
	end(&w);
}

static void starting_is_followed_to_its_ends(void **state)
{
	struct world w;

	(void)state;
	start(&w, 7);
	depend(&w, 0, SERVICE_DEP_WANTS, 1, 1, "Unit.Wants");
	depend(&w, 1, SERVICE_DEP_REQUIRES, 2, 1, "Unit.Requires");
	depend(&w, 2, SERVICE_DEP_BINDS_TO, 3, 1, "Unit.BindsTo");
	depend(&w, 3, SERVICE_DEP_UPHOLDS, 0, 1, "Unit.Upholds");
	depend(&w, 0, SERVICE_DEP_AFTER, 4, 1, "Unit.After");
	depend(&w, 0, SERVICE_DEP_PART_OF, 5, 1, "Unit.PartOf");
	depend(&w, 0, SERVICE_DEP_REQUISITE, 6, 1, "Unit.Requisite");
	link_units(&w);
	assert_string_equal(reach_of(&w, "a.service", false), "b c d");
	assert_string_equal(reach_of(&w, "e.service", false), "");
	end(&w);
}

static void stopping_goes_the_other_way(void **state)
{
	struct world w;

	(void)state;
	start(&w, 7);
	depend(&w, 0, SERVICE_DEP_REQUIRES, 1, 1, "Unit.Requires");
	depend(&w, 2, SERVICE_DEP_BINDS_TO, 0, 1, "Unit.BindsTo");
	depend(&w, 3, SERVICE_DEP_PART_OF, 2, 1, "Unit.PartOf");
	depend(&w, 4, SERVICE_DEP_WANTS, 1, 1, "Unit.Wants");
	depend(&w, 5, SERVICE_DEP_STOP_PROPAGATED_FROM, 3, 1, "Unit.StopPropagatedFrom");
	depend(&w, 6, SERVICE_DEP_AFTER, 1, 1, "Unit.After");
	link_units(&w);
	assert_string_equal(reach_of(&w, "b.service", true), "a c d f");
	assert_string_equal(reach_of(&w, "e.service", true), "");
	end(&w);
}

static void a_chain_of_as_many_units_as_there_can_be_is_followed(void **state)
{
	static struct unit_graph_reach out[UNIT_MAX_FILES + 1];
	struct world w;

	(void)state;
	start(&w, UNIT_MAX_FILES);
	for (unsigned i = 0; i + 1 < UNIT_MAX_FILES; i++) {
		after(&w, i, i + 1);
		depend(&w, i, SERVICE_DEP_REQUIRES, i + 1, 1, "Unit.Requires");
	}
	link_units(&w);
	assert_int_equal(w.graph.cycle_count, 0);
	assert_int_equal(unit_graph_starts(&w.graph, 0, out), UNIT_MAX_FILES - 1);
	assert_int_equal(out[UNIT_MAX_FILES - 2].node, UNIT_MAX_FILES - 1);
	assert_int_equal(unit_graph_stops(&w.graph, UNIT_MAX_FILES - 1, out), UNIT_MAX_FILES - 1);
	end(&w);
}

static void an_empty_set_has_the_boot_only(void **state)
{
	struct world w;

	(void)state;
	start(&w, 1);
	w.set.count = 0;
	link_units(&w);
	assert_int_equal(w.graph.node_count, 1);
	assert_int_equal(w.graph.nodes[0].kind, UNIT_NODE_BOOT);
	assert_int_equal(unit_graph_starts(&w.graph, 0, (struct unit_graph_reach[1]){ 0 }), 0);
	unit_graph_refuse_cycles(&w.set);
	assert_int_equal(w.set.diags.count, 0);
	end(&w);
}

static void units_in_a_circle_are_refused_at_their_own_lines(void **state)
{
	struct world w;
	char expected[512];

	(void)state;
	put("a.container", "[Unit]\nAfter=b.service\n" UNIT);
	put("b.container", UNIT);
	put("b.container.d/10-late.conf", "[Unit]\nDescription=x\nAfter=c.container\n");
	put("c.container", UNIT "[Unit]\nBefore=d.service\nAfter=a.service\n");
	put("d.container", UNIT);
	load_folder(&w);
	assert_false(w.set.units[0].is_valid);
	assert_false(w.set.units[1].is_valid);
	assert_false(w.set.units[2].is_valid);
	assert_true(w.set.units[3].is_valid);
	assert_int_equal(w.set.diags.error_count, 3);
	snprintf(expected, sizeof(expected),
		 "%s/b.container.d/10-late.conf:3:7: Unit.After: ordering goes in a circle: "
		 "b.service -> c.service (b.container.d/10-late.conf:3 After=) -> "
		 "a.service (c.container:6 After=) -> b.service (a.container:2 After=)",
		 folder);
	assert_string_equal(w.set.units[1].error_text, expected);
	assert_non_null(strstr(w.set.diags.items[w.set.units[1].first_error].text,
			       "b.service -> c.service"));
	/* The dry run is podman's, which knows no circles. */
	assert_string_not_equal(w.set.units[0].service_text, "");
	end(&w);
}

static void a_unit_that_is_drawn_in_by_others_is_refused_at_their_line(void **state)
{
	struct world w;

	(void)state;
	put("a.container", UNIT "[Unit]\nAfter=b.service\nBefore=b.service\n");
	put("b.container", UNIT);
	load_folder(&w);
	assert_false(w.set.units[1].is_valid);
	assert_non_null(strstr(w.set.units[1].error_text, "a.container:6:8: Unit.Before: "));
	end(&w);
}

static void wanted_by_makes_edges_from_units_groups_and_the_boot(void **state)
{
	struct world w;

	(void)state;
	put("db.container", UNIT "[Install]\nWantedBy=web.service\nRequiredBy=web.service\n");
	put("web.container", UNIT "[Install]\nWantedBy=app.target multi-user.target\n"
				  "RequiredBy=app.target\n");
	load_folder(&w);
	assert_string_equal(reasons_of(&w, "web.service", SERVICE_DEP_WANTS, "db.service"),
			    "db.container:5 WantedBy=");
	assert_string_equal(reasons_of(&w, "web.service", SERVICE_DEP_REQUIRES, "db.service"),
			    "db.container:6 RequiredBy=");
	assert_int_equal(
		w.graph.reasons[find_edge(&w, "web.service", SERVICE_DEP_WANTS, "db.service")
					->reason_begin]
			.unit,
		0);
	assert_non_null(find_edge(&w, UNIT_GRAPH_BOOT, SERVICE_DEP_WANTS, "web.service"));
	assert_string_equal(reasons_of(&w, "app.target", SERVICE_DEP_WANTS, "web.service"),
			    "web.container:5 WantedBy=");
	assert_string_equal(reasons_of(&w, "app.target", SERVICE_DEP_REQUIRES, "web.service"),
			    "web.container:6 RequiredBy=");
	assert_int_equal(w.graph.nodes[node_of(&w.graph, "app.target")].kind, UNIT_NODE_GROUP);
	assert_string_equal(reach_of(&w, UNIT_GRAPH_BOOT, false), "web db");
	assert_int_equal(node_of(&w.graph, "multi-user.target"), UNIT_GRAPH_NONE);
	end(&w);
}

/* a waits for the group, of which b and z are members; z waits for c, and z's file comes last. */
static void who_waits_for_a_group_waits_for_its_members(void **state)
{
	struct world w;

	(void)state;
	put("a.container", "[Unit]\nAfter=app.target\n" UNIT);
	put("b.container", UNIT "[Install]\nWantedBy=app.target\n");
	put("c.container", UNIT);
	put("z.container", "[Unit]\nAfter=c.service\n" UNIT "[Install]\nRequiredBy=app.target\n");
	load_folder(&w);
	assert_string_equal(reasons_of(&w, "a.service", SERVICE_DEP_AFTER, "app.target"),
			    "a.container:2 After=");
	assert_string_equal(reasons_of(&w, "app.target", SERVICE_DEP_AFTER, "b.service"),
			    "b.container:5 WantedBy=");
	assert_string_equal(reasons_of(&w, "app.target", SERVICE_DEP_AFTER, "z.service"),
			    "z.container:7 RequiredBy=");
	assert_true(unit_graph_is_waiting(&w.graph, find_edge(&w, "app.target", SERVICE_DEP_AFTER,
							      "z.service")));
	assert_string_equal(order_of(&w), "b c z a");
	end(&w);
}

static void a_circle_through_a_group_is_told_with_its_path(void **state)
{
	struct world w;

	(void)state;
	put("a.container", "[Unit]\nAfter=app.target\n" UNIT);
	put("b.container", "[Unit]\nAfter=a.service\n" UNIT "[Install]\nWantedBy=app.target\n");
	load_folder(&w);
	assert_false(w.set.units[0].is_valid);
	assert_string_equal(
		strstr(w.set.units[0].error_text, "ordering goes"),
		"ordering goes in a circle: a.service -> app.target (a.container:2 After=) -> "
		"b.service (b.container:7 WantedBy=) -> a.service (b.container:2 After=)");
	assert_false(w.set.units[1].is_valid);
	end(&w);
}

/* systemd adds no order that would contradict one that was written. */
static void a_member_that_waits_for_its_group_is_not_waited_for_by_it(void **state)
{
	struct world w;

	(void)state;
	put("a.container", "[Unit]\nAfter=app.target\n" UNIT "[Install]\nWantedBy=app.target\n");
	put("b.container", UNIT "[Install]\nWantedBy=app.target\n");
	put("c.container", "[Unit]\nBefore=app.target\n" UNIT);
	load_folder(&w);
	assert_int_equal(w.graph.cycle_count, 0);
	assert_true(w.set.units[0].is_valid);
	assert_null(find_edge(&w, "app.target", SERVICE_DEP_AFTER, "a.service"));
	assert_string_equal(order_of(&w), "b c a");
	end(&w);
}

static void references_in_the_own_section_are_edges_with_their_line(void **state)
{
	struct world w;

	(void)state;
	put("data.volume", "[Volume]\n");
	put("web.container", UNIT "Volume=data.volume:/data\n");
	load_folder(&w);
	assert_string_equal(reasons_of(&w, "web.service", SERVICE_DEP_REQUIRES,
				       "data-volume.service"),
			    "web.container:4 Volume=");
	assert_string_equal(reasons_of(&w, "web.service", SERVICE_DEP_AFTER, "data-volume.service"),
			    "web.container:4 Volume=");
	end(&w);
}

#define TEST(name) cmocka_unit_test(name)
#define FILES(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_kind_becomes_an_edge_and_opposites_are_turned_round),
		TEST(an_edge_has_every_reason_once_each_in_their_order),
		TEST(edges_are_found_from_both_ends),
		TEST(dependencies_on_nothing_are_no_edges),
		TEST(of_two_units_with_one_service_the_first_is_meant),
		TEST(a_circle_is_found_with_its_path_from_each_member),
		TEST(circles_of_requirement_without_order_are_none),
		TEST(a_dependency_on_oneself_is_no_edge_but_is_told),
		TEST(templates_are_in_no_circle),
		TEST(two_circles_that_share_a_unit_are_both_told),
		TEST(long_paths_are_cut_in_the_middle),
		TEST(a_circle_of_as_many_units_as_there_can_be_is_found),
		TEST(everyone_after_everyone_is_told_in_short_circles),
		TEST(more_dependencies_than_the_bound_refuse_the_unit),
		FILES(graph_is_kept_for_whoever_asks),
		TEST(circles_and_order_fit_their_definition),
		TEST(order_follows_waiting_and_is_by_name_otherwise),
		TEST(a_knot_is_ordered_by_name_among_those_that_are_not),
		TEST(starting_is_followed_to_its_ends),
		TEST(stopping_goes_the_other_way),
		TEST(a_chain_of_as_many_units_as_there_can_be_is_followed),
		TEST(an_empty_set_has_the_boot_only),
		FILES(units_in_a_circle_are_refused_at_their_own_lines),
		FILES(a_unit_that_is_drawn_in_by_others_is_refused_at_their_line),
		FILES(wanted_by_makes_edges_from_units_groups_and_the_boot),
		FILES(who_waits_for_a_group_waits_for_its_members),
		FILES(a_circle_through_a_group_is_told_with_its_path),
		FILES(a_member_that_waits_for_its_group_is_not_waited_for_by_it),
		FILES(references_in_the_own_section_are_edges_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
