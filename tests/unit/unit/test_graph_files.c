/* SPDX-License-Identifier: Apache-2.0 */
/* The dependency graph of unit files: refusals at their lines, groups, references, who keeps it. */
#include "graph_fixture.h"

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

#define FILES(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILES(graph_is_kept_for_whoever_asks),
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
