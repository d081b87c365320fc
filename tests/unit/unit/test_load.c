/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of units: search order, links, masks, drop-ins, units that know each other. */
#include "load_fixture.h"

#include "unit/kinds_internal.h"
#include "unit/load_paths.h"

static void units_are_found_below_and_sorted_by_name(void **state)
{
	struct unit_set set;

	(void)state;
	put("z.container", FINE);
	put("sub/deep/a.container", FINE "EnvironmentFile=a.env\n");
	put("sub/notes.txt", "no unit\n");
	put("sub/.container", "no unit\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 2);
	assert_string_equal(set.units[0].name, "a.container");
	assert_string_equal(set.units[0].path, at("sub/deep/a.container"));
	assert_string_equal(set.units[0].folder, at("sub/deep"));
	assert_string_equal(set.units[1].name, "z.container");
	unit_set_fini(&set);
}

static void the_first_file_of_a_name_wins_parents_first(void **state)
{
	struct unit_set set;

	(void)state;
	put("a/w.container", FINE "HostName=inner\n");
	put("w.container", FINE "HostName=outer\n");
	put("b/v.container", FINE "HostName=second\n");
	put("a/v.container", FINE "HostName=first\n");
	set = load_dir("");
	assert_int_equal(set.count, 2);
	assert_string_equal(find(&set, "w.container")->path, at("w.container"));
	assert_string_equal(find(&set, "v.container")->path, at("a/v.container"));
	unit_set_fini(&set);
}

static void several_directories_are_searched_in_order(void **state)
{
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	put("one/w.container", FINE);
	put("two/w.container", FINE);
	put("two/x.container", FINE);

	char one[512], two[512];

	snprintf(one, sizeof(one), "%s", at("one"));
	snprintf(two, sizeof(two), "%s", at("two"));
	assert_int_equal(unit_set_load_dirs(&set, (const char *const[]){ one, two }, 2, &test_facts,
					    &err),
			 0);
	assert_int_equal(set.count, 2);
	assert_string_equal(find(&set, "w.container")->path, at("one/w.container"));
	unit_set_fini(&set);
}

static void a_directory_that_cannot_be_read_is_an_error(void **state)
{
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(unit_set_load(&set, at("nowhere"), &test_facts, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	unit_set_fini(&set);
	put("file", "");
	assert_int_equal(unit_set_load(&set, at("file"), &test_facts, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	unit_set_fini(&set);
}

static void links_are_followed_and_loops_are_not(void **state)
{
	struct unit_set set;

	(void)state;
	put("real/w.container", FINE);
	put("units/v.container", FINE);
	assert_int_equal(symlink("../real", at("units/link")), 0);
	assert_int_equal(symlink("..", at("units/link/up")), 0);
	assert_int_equal(symlink(".", at("units/self")), 0);
	set = load_dir("units");
	assert_quiet(&set);
	assert_int_equal(set.count, 2);
	unit_set_fini(&set);
}

static void empty_files_and_dev_null_mask(void **state)
{
	struct unit_set set;

	(void)state;
	put("a/w.container", FINE);
	put("a/v.container", FINE);
	put("w.container", "");
	assert_int_equal(symlink("/dev/null", at("v.container")), 0);
	set = load_dir("");
	assert_int_equal(set.count, 0);
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static void a_dangling_link_is_an_error_and_hides_nothing(void **state)
{
	struct unit_set set;

	(void)state;
	put("a/w.container", FINE);
	assert_int_equal(symlink("nowhere", at("w.container")), 0);
	set = load_dir("");
	assert_int_equal(set.count, 1);
	assert_true(set.units[0].is_valid);
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "No such file");
	unit_set_fini(&set);
}

static void a_dangling_link_that_nobody_else_is_named_after_is_a_unit_with_an_error(void **state)
{
	struct unit_set set;
	char expected[512];

	(void)state;
	put("v.container", FINE);
	assert_int_equal(symlink("/no/where.container", at("w.container")), 0);
	set = load_dir("");
	assert_int_equal(set.count, 2);
	assert_true(find(&set, "v.container")->is_valid);
	assert_false(find(&set, "w.container")->is_valid);
	snprintf(expected, sizeof(expected), "%s:1", at("w.container"));
	assert_true(str_starts(find(&set, "w.container")->error_text, expected));
	assert_non_null(strstr(find(&set, "w.container")->error_text,
			       "a link to /no/where.container: No such file"));
	unit_set_fini(&set);
	/* a mask takes the name away, here too */
	put("u/w.container", "");
	set = load_dir("");
	assert_int_equal(set.count, 1);
	unit_set_fini(&set);
}

static void units_of_systemd_s_own_are_named(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("a/w.timer", "[Timer]\nOnCalendar=daily\n");
	put("timer", "");
	put(".timer", "");
	put("w.timer.bak", "");
	put("x.service/readme", "");
	set = load_dir("");
	assert_int_equal(set.count, 1);
	assert_true(set.units[0].is_valid);
	assert_int_equal(set.diags.count, 1);
	assert_diag(&set, DIAG_WARNING, 1, 1, "", "there are no timers here");
	assert_true(str_ends(set.diags.items[0].file, "/a/w.timer"));
	unit_set_fini(&set);
}

static void files_that_cannot_be_read_are_listed_as_invalid(void **state)
{
	struct unit_set set;
	size_t len = UNIT_MAX_FILE_BYTES + 1;
	char *big = malloc(len + 1);

	(void)state;
	assert_non_null(big);
	memset(big, '#', len);
	big[len] = '\0';
	put("ok.container", FINE);
	assert_int_equal(mkdir(at("folder.container"), 0755), 0);
	assert_int_equal(mkfifo(at("fifo.container"), 0644), 0);
	put("big.container", big);
	free(big);
	set = load_dir("");
	assert_int_equal(set.count, 4);
	assert_true(find(&set, "ok.container")->is_valid);
	assert_false(find(&set, "folder.container")->is_valid);
	assert_non_null(strstr(find(&set, "fifo.container")->error_text, "not a regular file"));
	assert_non_null(strstr(find(&set, "big.container")->error_text, "larger than"));
	assert_string_equal(find(&set, "fifo.container")->service_text, "");
	for (size_t i = 0; i < set.count; i++)
		assert_true(set.units[i].is_valid || set.units[i].first_error < set.diags.count);
	unit_set_fini(&set);
}

static void a_unit_with_an_error_disturbs_no_other(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.container", "[Container\nImage=x\n");
	put("b.container", FINE);
	set = load_dir("");
	assert_false(find(&set, "a.container")->is_valid);
	assert_true(find(&set, "b.container")->is_valid);
	assert_true(find(&set, "b.container")->service_text[0] != '\0');
	assert_string_equal(find(&set, "a.container")->container_name, "systemd-a");
	unit_set_fini(&set);
}

static void units_depend_on_each_other_by_service(void **state)
{
	struct unit_set set;
	const struct service *web;

	(void)state;
	put("db.container", FINE "ServiceName=database\n");
	put("web.container",
	    "[Unit]\nAfter=db.container\nRequires=database.service\nBefore=late.service\n" FINE);
	put("late.container",
	    FINE "[Install]\nWantedBy=web.service\nRequiredBy=database.service\n");
	set = load_dir("");
	assert_quiet(&set);
	web = &find(&set, "web.container")->service;
	assert_int_equal(web->dep_count, 4);

	bool is_wanted = false;

	for (size_t i = 0; i < web->dep_count; i++)
		if (web->deps[i].kind == SERVICE_DEP_WANTS) {
			is_wanted = str_eq(web->deps[i].target, "late.service");
			assert_int_equal(web->deps[i].origin->line, 5);
		} else {
			assert_string_equal(web->deps[i].target,
					    web->deps[i].kind == SERVICE_DEP_BEFORE ?
						    "late.service" :
						    "database.service");
		}
	assert_true(is_wanted);
	assert_int_equal(find(&set, "db.container")->service.dep_count, 1);
	assert_int_equal(find(&set, "db.container")->service.deps[0].kind, SERVICE_DEP_REQUIRES);
	assert_false(find(&set, "late.container")->service.boot);
	assert_non_null(
		strstr(find(&set, "web.container")->service_text, "\nAfter=database.service\n"));
	unit_set_fini(&set);
}

static void other_kinds_are_listed_and_refused(void **state)
{
	static const char *const units[][3] = {
		{ "v.volume", "# c\n[Volume]\n", "v-volume.service" },
		{ "n.network", "# c\n[Network]\n", "n-network.service" },
		{ "p.pod", "# c\n[Pod]\n", "p-pod.service" },
		{ "i.image", "# c\n[Image]\nImage=localhost/i\n", "i-image.service" },
		{ "b.build", "# c\n[Build]\nImageTag=localhost/b\nSetWorkingDirectory=unit\n",
		  "b-build.service" },
		{ "k.kube", "# c\n[Kube]\nYaml=k.yaml\n", "k.service" },
		{ "a.artifact", "# c\n[Artifact]\nArtifact=localhost/a\n", "a-artifact.service" },
	};
	struct unit_set set;

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		put(units[i][0], units[i][1]);
	set = load_dir("");
	assert_int_equal(set.count, 7);
	for (size_t i = 0; i < set.count; i++) {
		const struct unit *unit = find(&set, units[i][0]);

		if (kind_of(units[i][0])->not_yet[0]) {
			assert_false(unit->is_valid);
			assert_non_null(strstr(unit->error_text, ":2:1: "));
			assert_non_null(strstr(unit->error_text, "units are not supported yet"));
		} else {
			assert_true(unit->is_valid);
		}
		assert_string_equal(unit->service_name, units[i][2]);
		assert_true(unit->service_text[0] != '\0');
	}
	unit_set_fini(&set);
}

static void references_are_translated_for_podman_and_refused_by_us(void **state)
{
	struct unit_set set;
	const struct unit *web;

	(void)state;
	put("n.network", "[Network]\nNetworkName=net\n");
	put("v.volume", "[Volume]\n");
	put("t@.volume", "[Volume]\n");
	put("i.image", "[Image]\nImage=docker.io/library/a\nImageTag=localhost/tag\n");
	put("p.pod", "[Pod]\n");
	put("b.build", "[Build]\nImageTag=localhost/built\nImageTag=localhost/other\n");
	put("c.container", FINE);
	put("web.container",
	    "[Unit]\nAfter=v.volume b.service\n[Container]\nImage=i.image\nNetwork=n.network:ip=1\nNetwork=c.container\n"
	    "Volume=v.volume:/v\nMount=type=volume,source=t@.volume,target=/t\nPod=p.pod\n");
	put("web2.container", "[Container]\nImage=b.build\nNetwork=host\n");
	set = load_dir("");
	web = find(&set, "web.container");
	assert_false(web->is_valid);
	assert_non_null(
		strstr(web->service_text, " --network net:ip=1 --network container:systemd-c "));
	assert_non_null(strstr(web->service_text, " -v systemd-v:/v "));
	assert_non_null(strstr(web->service_text, "source=systemd-t-%i,target=/t"));
	assert_non_null(strstr(web->service_text, " --pod systemd-p localhost/tag\n"));
	assert_non_null(strstr(web->service_text, "\nAfter=v-volume.service b.service\n"));
	assert_non_null(
		strstr(web->service_text, "\nRequires=i-image.service\nAfter=i-image.service\n"));
	assert_non_null(
		strstr(web->service_text, "\nBindsTo=p-pod.service\nAfter=p-pod.service\n"));
	assert_non_null(strstr(web->service_text, "\nRequires=t-volume@.service\n"));
	assert_non_null(strstr(find(&set, "web2.container")->service_text, " localhost/built\n"));
	assert_non_null(strstr(find(&set, "web2.container")->error_text,
			       "references to other units are not supported yet"));
	unit_set_fini(&set);
}

static void two_units_with_one_name_are_refused(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.container", FINE "ServiceName=x\n");
	put("b.container", FINE "ServiceName=x\nContainerName=b\n");
	put("c.container", FINE "ContainerName=b\n");
	set = load_dir("");
	assert_true(find(&set, "a.container")->is_valid);
	assert_non_null(strstr(find(&set, "b.container")->error_text, "is x.service, too"));
	assert_non_null(strstr(find(&set, "c.container")->error_text, "is called b, too"));
	unit_set_fini(&set);
}

static void single_files_are_read_by_path(void **state)
{
	struct unit_set set = { 0 };
	char path[512], missing[512];

	(void)state;
	put("w.container", FINE);
	snprintf(path, sizeof(path), "%s", at("w.container"));
	snprintf(missing, sizeof(missing), "%s", at("no.container"));
	unit_set_load_files(&set, (const char *const[]){ path, missing, "/x/notes.txt" }, 3,
			    &test_facts);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.diags.error_count, 2);
	assert_non_null(strstr(set.diags.items[0].text, "No such file"));
	assert_non_null(strstr(set.diags.items[1].text, "not a unit file"));
	unit_set_fini(&set);
}

static void names_that_are_too_long_are_refused(void **state)
{
	struct unit_set set;
	char name[200] = "";

	(void)state;
	memset(name, 'n', 120);
	snprintf(name + 120, sizeof(name) - 120, ".container");
	put(name, FINE);
	set = load_dir("");
	assert_int_equal(set.count, 0);
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "longer than 127 bytes");
	unit_set_fini(&set);
}

static void text_needs_a_kind(void **state)
{
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(unit_set_load_text(&set, "w.conf", "/w.conf", "", 0, &test_facts, &err),
			 -1);
	assert_int_equal(err.code, ERR_INPUT);
	unit_set_fini(&set);
}

static void facts_of_this_machine_are_the_appliances(void **state)
{
	struct arena arena = { 0 };
	struct unit_facts facts;

	(void)state;
	unit_facts_init(&facts, &arena, NULL);
	assert_string_equal(facts.home, "/data/home");
	assert_string_equal(facts.uid, "0");
	assert_string_equal(facts.user, "root");
	assert_string_equal(facts.runtime_dir, "/run");
	assert_true(strlen(facts.boot_id) == 32);
	assert_true(facts.kernel_release[0] && facts.arch[0]);
	unit_facts_init(&facts, &arena, "/home/x");
	assert_string_equal(facts.home, "/home/x");
	arena_fini(&arena);
}

/* Where a unit lies is where its folder really is; people are shown the path that they wrote. */
static void a_linked_folder_is_named_as_written_and_known_by_its_real_path(void **state)
{
	struct unit_set set;

	(void)state;
	put("real/sub/w.container", FINE "EnvironmentFile=w.env\n");
	put_link("units/link", "../real");
	set = load_dir("units");
	assert_string_equal(set.units[0].path, at("units/link/sub/w.container"));
	assert_string_equal(set.units[0].folder, at("real/sub"));
	assert_words(&set, "w.container", at("real/sub/w.env"));
	unit_set_fini(&set);
}

static void a_folder_is_searched_once(void **state)
{
	struct unit_set set;

	(void)state;
	put("units/b/w.container", FINE "[nonsense\n");
	put_link("units/a", "b");
	put_link("units/c", "b");
	set = load_dir("units");
	assert_int_equal(set.count, 1);
	assert_int_equal(set.diags.error_count, 1);
	assert_string_equal(set.units[0].path, at("units/a/w.container"));
	unit_set_fini(&set);
}

/* By the name that the folder really has, as podman does it. */
static void folders_of_drop_ins_are_not_searched_for_units(void **state)
{
	struct unit_set set;

	(void)state;
	put("units/x.d/a.container", FINE);
	put("units/sub/x.d/b.container", FINE);
	put("plain/c.container", FINE);
	put_link("units/l.d", "../plain");
	put_link("units/link", "x.d");
	set = load_dir("units");
	assert_int_equal(set.count, 1);
	assert_string_equal(set.units[0].name, "c.container");
	unit_set_fini(&set);
	set = load_dir("units/x.d");
	assert_int_equal(set.count, 1); /* asked for by name */
	unit_set_fini(&set);
	set = load_as_generator("units/x.d");
	assert_int_equal(set.count, 0); /* podman's generator does not even then */
	unit_set_fini(&set);
}

static void one_folder_alone_is_read_with_its_drop_ins(void **state)
{
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	put("w.container", FINE);
	put("w.container.d/1.conf", "[Container]\nTmpfs=/one\n");
	put("sub/v.container", FINE);
	assert_int_equal(unit_set_load_folder(&set, at(""), &test_facts, &err), 0);
	assert_int_equal(set.count, 1);
	assert_words(&set, "w.container", " --tmpfs /one ");
	unit_set_fini(&set);
	assert_int_equal(unit_set_load_folder(&set, at("none"), &test_facts, &err), -1);
	unit_set_fini(&set);
}

static void links_that_go_in_a_circle_are_complained_of(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put_link("sub/w.container", "w.container");
	put_link("circle", "circle");
	set = load_dir("");
	assert_int_equal(set.count, 1);
	assert_true(set.units[0].is_valid);
	assert_int_equal(set.diags.error_count, 2);
	assert_non_null(said(&set, DIAG_ERROR, "symbolic links"));
	unit_set_fini(&set);
}

static void folders_that_nest_too_deep_are_complained_of(void **state)
{
	struct unit_set set;
	char rel[256] = "";

	(void)state;
	for (int i = 0; i < UNIT_MAX_DEPTH + 1; i++)
		strncat(rel, "d/", sizeof(rel) - strlen(rel) - 1);
	strncat(rel, "w.container", sizeof(rel) - strlen(rel) - 1);
	put(rel, FINE);
	set = load_dir("");
	assert_int_equal(set.count, 0);
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "nest deeper than 16");
	unit_set_fini(&set);
}

static void too_many_folders_are_complained_of(void **state)
{
	struct unit_set set;
	char rel[64];

	(void)state;
	for (int i = 0; i < UNIT_MAX_FOLDERS; i++) {
		snprintf(rel, sizeof(rel), "%04d", i);
		assert_int_equal(mkdir(at(rel), 0755), 0);
	}
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "more than 1024 folders");
	unit_set_fini(&set);
}

static void too_many_files_are_complained_of(void **state)
{
	struct unit_set set;
	char rel[64];

	(void)state;
	for (int i = 0; i < UNIT_MAX_FILES + 1; i++) {
		snprintf(rel, sizeof(rel), "%04d.image", i);
		put(rel, "[Image]\nImage=localhost/a\n");
	}
	set = load_dir("");
	assert_int_equal(set.count, UNIT_MAX_FILES);
	assert_non_null(said(&set, DIAG_ERROR, "more than 1024 unit files"));
	assert_string_equal(said(&set, DIAG_ERROR, "more than 1024 unit files")->file,
			    at("1024.image"));
	unit_set_fini(&set);
}

static void too_many_entries_of_a_folder_are_complained_of(void **state)
{
	struct unit_set set;
	char rel[64];

	(void)state;
	for (int i = 0; i < UNIT_MAX_FOLDER_ENTRIES + 1; i++) {
		snprintf(rel, sizeof(rel), "%05d", i);
		close(open(at(rel), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "more than 16384 entries");
	unit_set_fini(&set);
}

/* podman knows no masks: an empty file is a unit that lacks everything. It hides the others all the same. */
static void masks_are_units_to_the_generator(void **state)
{
	struct unit_set set;

	(void)state;
	put("a/w.container", FINE);
	put_link("w.container", "/dev/null");
	put("v.volume", "");
	set = load_as_generator("");
	assert_int_equal(set.count, 2);
	assert_non_null(said(&set, DIAG_ERROR, "no Image"));
	assert_string_equal(find(&set, "w.container")->service_text, "");
	assert_non_null(strstr(find(&set, "v.volume")->service_text, " systemd-v\n"));
	unit_set_fini(&set);
}

static void a_broken_file_costs_the_generator_its_folder_and_hides_nothing(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.container", "[Container\n");
	put("b.container", FINE);
	put("c.container", FINE "Network=b.container\n");
	put("sub/a.container", FINE "HostName=lower\n");
	put("sub/b.container", FINE "HostName=lower\n");
	put("sub/d.container", FINE "Volume=b.container:/x\n");
	set = load_as_generator("");
	assert_int_equal(set.count, 2);
	assert_non_null(strstr(find(&set, "a.container")->service_text, " --hostname lower "));
	assert_int_equal(find(&set, "a.container")->spec_args.count, 0);
	assert_string_equal(said(&set, DIAG_ERROR, "left out, as podman does it")->file,
			    at("b.container"));
	unit_set_fini(&set);
	set = load_dir("");
	assert_int_equal(set.count, 4);
	assert_false(find(&set, "a.container")->is_valid);
	assert_string_equal(find(&set, "a.container")->path, at("a.container"));
	assert_true(find(&set, "b.container")->is_valid);
	unit_set_fini(&set);
}

static void a_dangling_link_costs_the_generator_its_folder(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.container", FINE);
	put_link("b.container", "nowhere");
	set = load_as_generator("");
	assert_int_equal(set.count, 0);
	unit_set_fini(&set);
	set = load_dir("");
	assert_true(find(&set, "a.container")->is_valid);
	unit_set_fini(&set);
}

static struct unit_set search(enum unit_dir_rule rule, const char *users)
{
	struct unit_set set = { 0 };
	struct unit_dir items[] = {
		{ .path = at("missing"), .rule = UNIT_DIR_ALL, .users = "" },
		{ .path = at("file"), .rule = UNIT_DIR_ALL, .users = "" },
		{ .path = at("etc"), .rule = rule, .users = users },
	};
	const struct unit_dirs dirs = { .items = items, .count = 3, .problem = "" };

	unit_set_load_search(&set, &dirs, &test_facts);
	assert_int_equal(set.diags.error_count, 0);
	return set;
}

static void users_folders_are_passed_over_by_rule(void **state)
{
	struct unit_set set;

	(void)state;
	put("file", "");
	put("etc/a.container", FINE);
	put("etc/users/b.container", FINE);
	put("etc/users/1000/c.container", FINE);
	put("etc/users/1000/sub/d.container", FINE);
	put("etc/users/group1/e.container", FINE);
	set = search(UNIT_DIR_ALL, "");
	assert_int_equal(set.count, 5);
	unit_set_fini(&set);
	set = search(UNIT_DIR_NOT_USERS, at("etc/users"));
	assert_int_equal(set.count, 1);
	assert_string_equal(set.units[0].name, "a.container");
	unit_set_fini(&set);
	set = search(UNIT_DIR_NOT_NUMBERS, at("etc/users"));
	assert_int_equal(set.count, 3);
	assert_null(find_or_null(&set, "c.container"));
	assert_null(find_or_null(&set, "d.container"));
	unit_set_fini(&set);
}

/* The users folder may be a link: the rule is about where that leads. */
static void a_linked_users_folder_is_passed_over(void **state)
{
	struct unit_set set;

	(void)state;
	put("file", "");
	put("etc/a.container", FINE);
	put("elsewhere/b.container", FINE);
	put_link("etc/users", "../elsewhere");
	put_link("etc/other", "../elsewhere");
	set = search(UNIT_DIR_NOT_USERS, at("etc/users"));
	assert_int_equal(set.count, 1);
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(units_are_found_below_and_sorted_by_name),
		IN_ROOT(the_first_file_of_a_name_wins_parents_first),
		IN_ROOT(several_directories_are_searched_in_order),
		IN_ROOT(a_directory_that_cannot_be_read_is_an_error),
		IN_ROOT(links_are_followed_and_loops_are_not),
		IN_ROOT(empty_files_and_dev_null_mask),
		IN_ROOT(a_dangling_link_is_an_error_and_hides_nothing),
		IN_ROOT(a_dangling_link_that_nobody_else_is_named_after_is_a_unit_with_an_error),
		IN_ROOT(units_of_systemd_s_own_are_named),
		IN_ROOT(files_that_cannot_be_read_are_listed_as_invalid),
		IN_ROOT(a_unit_with_an_error_disturbs_no_other),
		IN_ROOT(units_depend_on_each_other_by_service),
		IN_ROOT(other_kinds_are_listed_and_refused),
		IN_ROOT(references_are_translated_for_podman_and_refused_by_us),
		IN_ROOT(two_units_with_one_name_are_refused),
		IN_ROOT(single_files_are_read_by_path),
		IN_ROOT(names_that_are_too_long_are_refused),
		IN_ROOT(a_linked_folder_is_named_as_written_and_known_by_its_real_path),
		IN_ROOT(a_folder_is_searched_once),
		IN_ROOT(folders_of_drop_ins_are_not_searched_for_units),
		IN_ROOT(one_folder_alone_is_read_with_its_drop_ins),
		IN_ROOT(links_that_go_in_a_circle_are_complained_of),
		IN_ROOT(folders_that_nest_too_deep_are_complained_of),
		IN_ROOT(too_many_folders_are_complained_of),
		IN_ROOT(too_many_files_are_complained_of),
		IN_ROOT(too_many_entries_of_a_folder_are_complained_of),
		IN_ROOT(masks_are_units_to_the_generator),
		IN_ROOT(a_broken_file_costs_the_generator_its_folder_and_hides_nothing),
		IN_ROOT(a_dangling_link_costs_the_generator_its_folder),
		IN_ROOT(users_folders_are_passed_over_by_rule),
		IN_ROOT(a_linked_users_folder_is_passed_over),
		cmocka_unit_test(text_needs_a_kind),
		cmocka_unit_test(facts_of_this_machine_are_the_appliances),
	};

	if (!name_root())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
