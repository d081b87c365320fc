/* SPDX-License-Identifier: Apache-2.0 */
/* Dependencies and [Install]: who needs, waits for and starts whom. */
#include "unit_fixture.h"

#include <unistd.h>

struct source {
	const char *name, *text;
};

/* The units in a folder of their own. */
static void load_units(struct unit_set *set, const struct source *sources, size_t count)
{
	char folder[] = "/tmp/cleat-deps-XXXXXX", path[128];
	struct err err;

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, sources[i].name);

		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fprintf(file, "%s%s", strstr(sources[i].name, ".container") ? FINE : "",
			sources[i].text);
		fclose(file);
	}
	*set = (struct unit_set){ 0 };
	if (unit_set_load(set, folder, &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, sources[i].name);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

static struct unit *find(struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	fail_msg("no unit %s", name);
	return NULL;
}

static bool has_dep(const struct unit *unit, enum service_dep_kind kind, const char *target)
{
	for (size_t i = 0; i < unit->service.dep_count; i++)
		if (unit->service.deps[i].kind == kind &&
		    str_eq(unit->service.deps[i].target, target))
			return true;
	return false;
}

static void every_kind_is_taken_over(void **state)
{
	static const struct {
		const char *key;
		enum service_dep_kind kind;
	} rows[] = {
		{ "After", SERVICE_DEP_AFTER },
		{ "Before", SERVICE_DEP_BEFORE },
		{ "Wants", SERVICE_DEP_WANTS },
		{ "Requires", SERVICE_DEP_REQUIRES },
		{ "RequiresOverridable", SERVICE_DEP_REQUIRES },
		{ "BindsTo", SERVICE_DEP_BINDS_TO },
		{ "BindTo", SERVICE_DEP_BINDS_TO },
		{ "PartOf", SERVICE_DEP_PART_OF },
		{ "Requisite", SERVICE_DEP_REQUISITE },
		{ "RequisiteOverridable", SERVICE_DEP_REQUISITE },
		{ "Upholds", SERVICE_DEP_UPHOLDS },
		{ "Conflicts", SERVICE_DEP_CONFLICTS },
		{ "OnFailure", SERVICE_DEP_ON_FAILURE },
		{ "OnSuccess", SERVICE_DEP_ON_SUCCESS },
		{ "PropagatesStopTo", SERVICE_DEP_PROPAGATES_STOP_TO },
		{ "StopPropagatedFrom", SERVICE_DEP_STOP_PROPAGATED_FROM },
		{ "PropagatesReloadTo", SERVICE_DEP_PROPAGATES_RELOAD_TO },
		{ "PropagateReloadTo", SERVICE_DEP_PROPAGATES_RELOAD_TO },
		{ "ReloadPropagatedFrom", SERVICE_DEP_RELOAD_PROPAGATED_FROM },
		{ "PropagateReloadFrom", SERVICE_DEP_RELOAD_PROPAGATED_FROM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		char text[128];

		snprintf(text, sizeof(text), "[Unit]\n%s=db.service\n", rows[i].key);
		load_units(&set,
			   (struct source[]){ { "db.container", "" }, { "web.container", text } },
			   2);
		if (!has_dep(find(&set, "web.container"), rows[i].kind, "db.service"))
			fail_msg("%s", rows[i].key);
		unit_set_fini(&set);
	}
}

static void files_of_every_kind_are_named_by_their_services(void **state)
{
	struct unit_set set;

	(void)state;
	load_units(
		&set,
		(struct source[]){ { "db.container", "ServiceName=base\n" },
				   { "data.volume", "[Volume]\n" },
				   { "web.container",
				     "[Unit]\nAfter=db.container data.volume %p-data.service\n" },
				   { "web-data.container", "" } },
		4);

	const struct unit *web = find(&set, "web.container");

	assert_int_equal(web->service.dep_count, 3);
	assert_true(has_dep(web, SERVICE_DEP_AFTER, "base.service"));
	assert_true(has_dep(web, SERVICE_DEP_AFTER, "data-volume.service"));
	assert_true(has_dep(web, SERVICE_DEP_AFTER, "web-data.service"));
	unit_set_fini(&set);
}

static void a_template_in_a_dependency_takes_the_own_instance(void **state)
{
	struct unit_set set;

	(void)state;
	load_units(&set,
		   (struct source[]){ { "db@a.container", "" },
				      { "db@web.container", "" },
				      { "web@a.container", "[Unit]\nAfter=db@.service\n" },
				      { "web.container", "[Unit]\nAfter=db@.service\n" },
				      { "x@a.container", "[Unit]\nAfter=db@.container\n" },
				      { "db@.container", "" } },
		   6);
	assert_true(has_dep(find(&set, "x@a.container"), SERVICE_DEP_AFTER, "db@a.service"));
	assert_true(has_dep(find(&set, "web@a.container"), SERVICE_DEP_AFTER, "db@a.service"));
	assert_true(has_dep(find(&set, "web.container"), SERVICE_DEP_AFTER, "db@web.service"));
	unit_set_fini(&set);
}

static void an_empty_line_takes_no_dependency_back(void **state)
{
	struct unit_set set;

	(void)state;
	load_units(&set,
		   (struct source[]){
			   { "db.container", "" },
			   { "web.container", "[Unit]\nRequires=db.service\nRequires=\n" } },
		   2);
	assert_true(has_dep(find(&set, "web.container"), SERVICE_DEP_REQUIRES, "db.service"));
	assert_non_null(
		strstr(only_diag(&set, DIAG_WARNING)->text, "dependencies cannot be taken back"));
	unit_set_fini(&set);
	load_text(&set, FINE "[Unit]\nRequires=\n");
	assert_quiet(&set);
	unit_set_fini(&set);
}

static void what_is_required_and_missing_says_what_to_do(void **state)
{
	static const struct {
		const char *target, *advice;
	} rows[] = { { "a.mount", "below /data" },
		     { "a.socket", "no socket activation" },
		     { "a.target", "nobody reaches" },
		     { "a.service", "add a unit file" },
		     { "a.timer", "take the name out" } };
	static const char *const keys[] = { "Requires", "BindsTo", "RequiresOverridable",
					    "BindTo" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 4; k++) {
			char text[128], key[64];

			snprintf(text, sizeof(text), "[Unit]\n%s=%s\n", keys[k], rows[i].target);
			snprintf(key, sizeof(key), "Unit.%s", keys[k]);
			assert_complaint(text, DIAG_ERROR, 5, 2 + (unsigned)strlen(keys[k]), key,
					 rows[i].advice);
		}
}

static void a_name_near_a_units_is_asked_for(void **state)
{
	struct unit_set set;

	(void)state;
	load_units(&set,
		   (struct source[]){ { "postgres.container", "" },
				      { "web.container", "[Unit]\nRequires=postgress.service\n" } },
		   2);
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text,
			       "it is required: did you mean postgres.service?: add"));
	unit_set_fini(&set);
	load_units(&set,
		   (struct source[]){ { "postgres.container", "" },
				      { "web.container", "[Unit]\nAfter=Postgres.service\n" } },
		   2);
	assert_non_null(strstr(only_diag(&set, DIAG_NOTE)->text,
			       "ignored: did you mean postgres.service?"));
	unit_set_fini(&set);
	load_units(&set,
		   (struct source[]){ { "app.network", "[Network]\n" },
				      { "web.container", "Network=ap.network\n" } },
		   2);
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text,
			       "there is no unit ap.network: did you mean app.network?"));
	unit_set_fini(&set);
	load_units(&set,
		   (struct source[]){ { "web-1.container", "" },
				      { "app.container", "[Unit]\nAfter=web-2.service\n" } },
		   2);
	assert_null(strstr(only_diag(&set, DIAG_NOTE)->text, "did you mean"));
	unit_set_fini(&set);
	load_units(&set, (struct source[]){ { "web.container", "[Unit]\nAfter=web2.service\n" } },
		   1);
	assert_null(strstr(only_diag(&set, DIAG_NOTE)->text, "did you mean"));
	unit_set_fini(&set);
}

static void names_that_are_none_are_warned_of(void **state)
{
	static const struct {
		const char *name, *message;
	} rows[] = { { "db", "no suffix" },
		     { "db.foo", "no name of a unit" },
		     { ".service", "no name of a unit" },
		     { "a/b.service", "no name of a unit" },
		     { "a,b.service", "no name of a unit (blanks part names, commas do not)" },
		     { "db", "no suffix like .service (write db.service)" },
		     { "network-online", "(write network-online.target)" },
		     { "db.servce", "no name of a unit (write db.service)" },
		     { "db.Target", "no name of a unit (write db.target)" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[Unit]\nRequires=%s\n", rows[i].name);
		assert_complaint(text, DIAG_WARNING, 5, 10, "Unit.Requires", rows[i].message);
	}
}

static void built_in_names_are_found_in_any_place_of_the_list(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(
		&set, FINE
		"[Unit]\nRequires=-.mount veritysetup.target data.mount network-online.target user.slice "
		"NetworkManager-wait-online.service basic.target umount.target\n");
	assert_int_equal(set.diags.count, 0);
	assert_int_equal(set.units[0].service.dep_count, 0);
	unit_set_fini(&set);
}

static void a_target_that_is_no_unit_stays_in_the_data(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, FINE "[Unit]\nPartOf=app.target\n");
	assert_true(set.units[0].is_valid);
	assert_true(has_dep(&set.units[0], SERVICE_DEP_PART_OF, "app.target"));
	assert_diag(&set, DIAG_NOTE, 5, 8, "Unit.PartOf", "the units that say WantedBy=app.target");
	unit_set_fini(&set);
}

static void other_units_take_over_what_install_says(void **state)
{
	struct unit_set set;

	(void)state;
	load_units(&set,
		   (struct source[]){
			   { "a.container",
			     "[Install]\nWantedBy=m.service\nRequiredBy=m.service z.service\n" },
			   { "m.container", "[Unit]\nAfter=a.service\n" },
			   { "z.container", "[Install]\nUpheldBy=m.service\n" } },
		   3);

	const struct unit *m = find(&set, "m.container");

	assert_true(has_dep(m, SERVICE_DEP_AFTER, "a.service"));
	assert_true(has_dep(m, SERVICE_DEP_WANTS, "a.service"));
	assert_true(has_dep(m, SERVICE_DEP_REQUIRES, "a.service"));
	assert_true(has_dep(m, SERVICE_DEP_UPHOLDS, "z.service"));
	assert_true(has_dep(find(&set, "z.container"), SERVICE_DEP_REQUIRES, "a.service"));
	assert_int_equal(find(&set, "a.container")->service.group_count, 0);
	assert_false(find(&set, "a.container")->service.boot);
	unit_set_fini(&set);
}

static void groups_are_kept_with_their_kind(void **state)
{
	struct unit_set set;
	const struct service *s =
		&load_text(&set, FINE
			   "[Install]\nWantedBy=app.target default.target\nRequiredBy=x.service\n"
			   "UpheldBy=%p.target\n")
			 ->service;

	(void)state;
	assert_quiet(&set);
	assert_true(s->boot);
	assert_int_equal(s->group_count, 4);
	assert_string_equal(s->groups[0].name, "app.target");
	assert_int_equal(s->groups[0].kind, SERVICE_DEP_WANTS);
	assert_string_equal(s->groups[1].name, "default.target");
	assert_int_equal(s->groups[2].kind, SERVICE_DEP_REQUIRES);
	assert_string_equal(s->groups[3].name, "web.target");
	assert_int_equal(s->groups[3].kind, SERVICE_DEP_UPHOLDS);
	assert_int_equal(s->groups[3].origin->line, 7);
	unit_set_fini(&set);
}

static void an_empty_line_of_install_clears(void **state)
{
	struct unit_set set;
	const struct service *s =
		&load_text(&set,
			   FINE "[Install]\nWantedBy=default.target\nWantedBy=\nWantedBy=a.target\n"
				"Alias=x.service\nAlias=\n")
			 ->service;

	(void)state;
	assert_false(s->boot);
	assert_int_equal(s->group_count, 1);
	assert_int_equal(s->aliases.count, 0);
	unit_set_fini(&set);
}

static void install_names_that_mean_nothing_are_warned_of(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("[Install]\nWantedBy=default\n", DIAG_WARNING, 5, 10, "Install.WantedBy",
			 "no name of a unit");
	assert_complaint("[Install]\nWantedBy=multi-user\n", DIAG_WARNING, 5, 10,
			 "Install.WantedBy", "did you mean multi-user.target?");
	assert_complaint("[Install]\nWantedBy=always\n", DIAG_WARNING, 5, 10, "Install.WantedBy",
			 "(write default.target)");
	assert_complaint("[Install]\nWantedBy=multi-user.taget\n", DIAG_WARNING, 5, 10,
			 "Install.WantedBy", "(write multi-user.target)");
	assert_complaint(
		"[Install]\nWantedBy=multiuser.target\n", DIAG_WARNING, 5, 10, "Install.WantedBy",
		"nothing starts multiuser.target at boot, nor this unit with it: did you mean multi-user.target?");
	assert_complaint("[Install]\nWantedBy=Default.target\n", DIAG_WARNING, 5, 10,
			 "Install.WantedBy", "did you mean default.target?");
	assert_complaint("[Install]\nWantedBy=a/b.target\n", DIAG_WARNING, 5, 10,
			 "Install.WantedBy", "no name of a unit: ignored");
	assert_complaint("[Install]\nAlias=www\n", DIAG_WARNING, 5, 7, "Install.Alias",
			 "no name of a service");
	load_units(&set,
		   (struct source[]){ { "db.container", "" },
				      { "web.container", "[Install]\nWantedBy=db.container\n" } },
		   2);
	assert_non_null(strstr(only_diag(&set, DIAG_WARNING)->text, "write db.service"));
	unit_set_fini(&set);
}

static void further_names_and_mounts(void **state)
{
	struct unit_set set;
	const struct service *s =
		&load_text(&set, FINE
			   "[Unit]\nRequiresMountsFor=/data \"%h/a b\"\nWantsMountsFor=/x\n"
			   "[Install]\nAlias=www.service %p-old.service\nDefaultInstance=main\n")
			 ->service;

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->mounts_for.count, 3);
	assert_string_equal(s->mounts_for.items[1].text, "/data/home/a b");
	assert_int_equal(s->aliases.count, 2);
	assert_string_equal(s->aliases.items[1].text, "web-old.service");
	assert_string_equal(s->default_instance, "main");
	unit_set_fini(&set);
	assert_complaint("[Unit]\nRequiresMountsFor=data\n", DIAG_WARNING, 5, 19,
			 "Unit.RequiresMountsFor", "no absolute path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_taken_over),
		cmocka_unit_test(files_of_every_kind_are_named_by_their_services),
		cmocka_unit_test(a_template_in_a_dependency_takes_the_own_instance),
		cmocka_unit_test(an_empty_line_takes_no_dependency_back),
		cmocka_unit_test(what_is_required_and_missing_says_what_to_do),
		cmocka_unit_test(names_that_are_none_are_warned_of),
		cmocka_unit_test(a_name_near_a_units_is_asked_for),
		cmocka_unit_test(built_in_names_are_found_in_any_place_of_the_list),
		cmocka_unit_test(a_target_that_is_no_unit_stays_in_the_data),
		cmocka_unit_test(other_units_take_over_what_install_says),
		cmocka_unit_test(groups_are_kept_with_their_kind),
		cmocka_unit_test(an_empty_line_of_install_clears),
		cmocka_unit_test(install_names_that_mean_nothing_are_warned_of),
		cmocka_unit_test(further_names_and_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
