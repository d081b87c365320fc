/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of units: search order, links, masks, drop-ins, units that know each other. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/loop.h"
#include "util/path.h"

static char root[] = "/tmp/cleat-load-XXXXXX";

static const char *at(const char *rel)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, rel);
	return path;
}

static void put(const char *rel, const char *text)
{
	struct err err;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", at(rel));
	*strrchr(folder, '/') = '\0';
	if (path_mkdirs(folder, 0755, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, at(rel), text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static int make_root(void **state)
{
	(void)state;
	return mkdir(root, 0755);
}

static int remove_root(void **state)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err;
	int rc = path_remove_tree(tmp, root + strlen("/tmp/"), &err);

	(void)state;
	if (rc < 0)
		print_error("%s\n", err.msg);
	close(tmp);
	return rc;
}

static struct unit_set load_dir(const char *rel)
{
	struct unit_set set = { 0 };
	struct err err;

	if (unit_set_load(&set, at(rel), &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	return set;
}

static const struct unit *find(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	fail_msg("no unit %s", name);
	return NULL;
}

static void units_are_found_below_and_sorted_by_name(void **state)
{
	struct unit_set set;

	(void)state;
	put("z.container", FINE);
	put("sub/deep/a.container", FINE "EnvironmentFile=a.env\n");
	put("sub/notes.txt", "no unit\n");
	put("sub/.container", "no unit\n");
	set = load_dir("/");
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

static void drop_ins_are_merged_by_file_name_most_specific_first(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	put("my-web.container", FINE "HostName=unit\nTmpfs=/unit\n");
	put("my-web.container.d/10-a.conf", "[Container]\nHostName=ten\nTmpfs=/ten\n");
	put("my-.container.d/10-a.conf", "[Container]\nHostName=hidden\n");
	put("my-.container.d/20-b.conf",
	    "[Container]\nTmpfs=/twenty\n[Install]\nWantedBy=default.target\n");
	put("container.d/05-c.conf", "[Container]\nTmpfs=/five\n");
	put("container.d/readme.txt", "not read\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 1);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	assert_non_null(strstr(words, " --hostname ten "));
	assert_non_null(
		strstr(words, " --tmpfs /unit --tmpfs /five --tmpfs /ten --tmpfs /twenty "));
	assert_true(set.units[0].service.boot);
	unit_set_fini(&set);
}

static void drop_ins_of_instances(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	put("t-u@i.container", FINE);
	put("t-u@i.container.d/1.conf", "[Container]\nTmpfs=/1\n");
	put("t-u@.container.d/2.conf", "[Container]\nTmpfs=/2\n");
	put("t-@.container.d/3.conf", "[Container]\nTmpfs=/3\n");
	put("t-.container.d/4.conf", "[Container]\nTmpfs=/4\n");
	put("container.d/5.conf", "[Container]\nTmpfs=/5\n");
	put("t-u.container.d/6.conf", "[Container]\nTmpfs=/6\n");
	set = load_dir("");
	assert_quiet(&set);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	assert_non_null(strstr(
		words,
		" --name systemd-t-u_i --tmpfs /1 --tmpfs /2 --tmpfs /3 --tmpfs /4 --tmpfs /5 --network "));
	unit_set_fini(&set);
}

static void drop_ins_of_the_upper_folder_come_first(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	put("a/w.container", FINE);
	put("a/w.container.d/x.conf", "[Container]\nHostName=lower\n");
	put("w.container.d/x.conf", "[Container]\nHostName=upper\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_non_null(strstr(join_words(&set.units[0].spec_args, words, sizeof(words)),
			       " --hostname upper "));
	unit_set_fini(&set);
	put("container.d", "a file where a folder should be\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "Not a directory");
	unit_set_fini(&set);
}

static void a_broken_drop_in_is_left_out_by_podman_and_refused_by_us(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE "Tmpfs=/unit\n");
	put("w.container.d/a.conf", "[Container]\nTmpfs=/a\nnonsense\n");
	set = load_dir("");
	assert_false(set.units[0].is_valid);
	assert_non_null(strstr(set.units[0].error_text, "w.container.d/a.conf:3:1"));
	assert_non_null(strstr(set.units[0].service_text, "--tmpfs /unit"));
	assert_null(strstr(set.units[0].service_text, "/a "));
	unit_set_fini(&set);
}

static void errors_in_drop_ins_are_said_at_their_own_line(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("w.container.d/a.conf", "# c\n[Container]\nNope=1\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 3, 6, "Container.Nope", "unknown key");
	assert_string_equal(only_diag(&set, DIAG_ERROR)->file, at("w.container.d/a.conf"));
	unit_set_fini(&set);
}

static void too_many_drop_ins_are_refused(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	for (int i = 0; i <= UNIT_MAX_DROP_INS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "w.container.d/%03d.conf", i);
		put(name, "[Unit]\n");
	}
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "more than 64 drop-ins");
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
	assert_true(find(&set, "b.container")->is_left_out);
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
	static const char *const names[] = { "a.volume", "a.network", "a.pod",	   "a.image",
					     "a.build",	 "a.kube",    "a.artifact" };
	struct unit_set set;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(names[i], "# c\n[Volume]\n");
	set = load_dir("");
	assert_int_equal(set.count, 7);
	for (size_t i = 0; i < set.count; i++) {
		assert_false(set.units[i].is_valid);
		assert_non_null(strstr(set.units[i].error_text, "units are not supported yet"));
	}
	assert_non_null(
		strstr(find(&set, "a.volume")->error_text, "a.volume:2:1: Volume: .volume units"));
	assert_string_equal(find(&set, "a.volume")->service_name, "a-volume.service");
	assert_string_equal(find(&set, "a.kube")->service_name, "a.service");
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

static void templates_are_refused_and_instances_are_units(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "HostName=%i\n");
	assert_int_equal(symlink("t@.container", at("t@one.container")), 0);
	set = load_dir("");
	assert_false(find(&set, "t@.container")->is_valid);
	assert_non_null(
		strstr(find(&set, "t@.container")->error_text, "templates are not supported yet"));
	assert_string_equal(find(&set, "t@.container")->symlink_text, "");
	assert_true(find(&set, "t@one.container")->is_valid);
	assert_string_equal(find(&set, "t@one.container")->container_name, "systemd-t_one");
	assert_string_equal(find(&set, "t@one.container")->service_name, "t@one.service");
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

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

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
		IN_ROOT(files_that_cannot_be_read_are_listed_as_invalid),
		IN_ROOT(drop_ins_are_merged_by_file_name_most_specific_first),
		IN_ROOT(drop_ins_of_instances),
		IN_ROOT(drop_ins_of_the_upper_folder_come_first),
		IN_ROOT(a_broken_drop_in_is_left_out_by_podman_and_refused_by_us),
		IN_ROOT(errors_in_drop_ins_are_said_at_their_own_line),
		IN_ROOT(too_many_drop_ins_are_refused),
		IN_ROOT(a_unit_with_an_error_disturbs_no_other),
		IN_ROOT(units_depend_on_each_other_by_service),
		IN_ROOT(other_kinds_are_listed_and_refused),
		IN_ROOT(references_are_translated_for_podman_and_refused_by_us),
		IN_ROOT(templates_are_refused_and_instances_are_units),
		IN_ROOT(two_units_with_one_name_are_refused),
		IN_ROOT(single_files_are_read_by_path),
		IN_ROOT(names_that_are_too_long_are_refused),
		cmocka_unit_test(text_needs_a_kind),
		cmocka_unit_test(facts_of_this_machine_are_the_appliances),
	};

	if (!mkdtemp(root) || rmdir(root) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
