/* SPDX-License-Identifier: Apache-2.0 */
/* The dependency graph of sets made by hand: edges and their reasons, cycles with their paths, order, what starts and stops with whom. */
#include "graph_fixture.h"

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

#define TEST(name) cmocka_unit_test(name)

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
		TEST(circles_and_order_fit_their_definition),
		TEST(order_follows_waiting_and_is_by_name_otherwise),
		TEST(a_knot_is_ordered_by_name_among_those_that_are_not),
		TEST(starting_is_followed_to_its_ends),
		TEST(stopping_goes_the_other_way),
		TEST(a_chain_of_as_many_units_as_there_can_be_is_followed),
		TEST(an_empty_set_has_the_boot_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
