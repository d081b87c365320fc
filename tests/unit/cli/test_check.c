/* SPDX-License-Identifier: Apache-2.0 */
/* cleat check, cleat quadlet and cleat keys: exit status and output, run as functions. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yyjson.h>

#include "cli/commands.h"
#include "unit/keys.h"
#include "unit/unit.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

static char root[] = "/tmp/cleat-check-XXXXXX";
static char output[2][1024 * 1024]; /* standard output and error of the last run */

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
	close(tmp);
	return rc;
}

/* Standard output and error go to files during the call: the commands write to descriptors. */
static int run(int (*command)(int, char **), const char *const *words)
{
	char *argv[16] = { 0 };
	int argc = 0, saved[2], files[2], rc;

	for (; words[argc]; argc++)
		argv[argc] = strdup(words[argc]);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		saved[i] = dup(i + 1);
		files[i] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		assert_true(saved[i] >= 0 && files[i] >= 0 && dup2(files[i], i + 1) >= 0);
	}
	rc = command(argc, argv);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(files[i], output[i], sizeof(output[i]) - 1, 0);

		dup2(saved[i], i + 1);
		close(saved[i]);
		close(files[i]);
		assert_true(n >= 0);
		output[i][n] = '\0';
	}
	while (argc > 0)
		free(argv[--argc]);
	return rc;
}

#define RUN(command, ...) run(command, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_output(int stream, const char *part)
{
	if (!strstr(output[stream], part))
		fail_msg("no '%s' in: %s", part, output[stream]);
}

#define GOOD "[Container]\nImage=localhost/web:1\nNetwork=host\n"
#define WITH_REFERENCE "[Container]\nImage=localhost/web:1\nNetwork=a.network\n"

static void good_units_pass(void **state)
{
	(void)state;
	put("w.container", GOOD "LogDriver=journald\n");
	assert_int_equal(RUN(cmd_check, "check", root), 0);
	assert_output(0, "w.container:4:11: note: Container.LogDriver: ");
	assert_output(0, "1 of 1 unit can be started: 0 errors, 0 warnings, 1 notes");
	assert_string_equal(output[1], "");
}

static void every_problem_is_said_in_one_run_sorted_by_place(void **state)
{
	const char *first, *second;

	(void)state;
	put("b.container", GOOD "Nope=1\nMemory=much\n");
	put("a.container", "[Container]\nImag=x\nbroken\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0,
		      "a.container:2:6: error: Container.Imag: unknown key: did you mean Image=?");
	assert_output(0, "a.container:3:1: error: not a key=value line");
	assert_output(0, "b.container:4:6: error: Container.Nope: unknown key");
	assert_output(0, "0 of 2 units can be started");
	first = strstr(output[0], "a.container:2");
	second = strstr(output[0], "b.container:4");
	assert_true(first < second);
}

static void bad_values_of_options_are_said_at_their_line(void **state)
{
	(void)state;
	put("w.container", GOOD "Memory=much\nDropCapability=CHOWN EVERYTHING\nTmpfs=relative\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "w.container:4:8: error: Container.Memory: ");
	assert_output(0, "w.container:5:22: error: Container.DropCapability: ");
	assert_output(0, "w.container:6:7: error: Container.Tmpfs: ");
	assert_output(0, "0 of 1 unit can be started: 3 errors");
}

static void one_problem_is_said_once(void **state)
{
	(void)state;
	put("w.container", "[Container]\nImage=localhost/web:1\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "0 of 1 unit can be started: 1 errors, 0 warnings, 0 notes");
}

static void errors_behind_a_thousand_warnings_still_count(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);

	(void)state;
	buf_puts(&text, GOOD);
	for (int i = 0; i < 1100; i++)
		buf_printf(&text, "Label=a=%d stray\n", i);
	buf_puts(&text, "DNS=192.0.2.1\nUserNS=auto\n");
	put("w.container", buf_str(&text));
	buf_fini(&text);
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "more problems\n");
	assert_output(0, "0 of 1 unit can be started: ");
	assert_null(strstr(output[0], ": 0 errors"));
}

static void single_files_and_several_paths(void **state)
{
	(void)state;
	put("a/w.container", GOOD);
	put("b/v.container", GOOD);
	put("c.txt", "");
	assert_int_equal(RUN(cmd_check, "check", at("a"), at("b/v.container")), 0);
	assert_output(0, "2 of 2 units can be started");
	assert_int_equal(RUN(cmd_check, "check", at("c.txt")), 1);
	assert_output(0, "c.txt:1:1: error: not a unit file");
}

static void problems_as_json(void **state)
{
	yyjson_doc *doc;
	yyjson_val *problem;

	(void)state;
	put("w.container", GOOD "Nope=\"1\"\n");
	assert_int_equal(RUN(cmd_check, "check", "--json", root), 1);
	doc = yyjson_read(output[0], strlen(output[0]), 0);
	assert_non_null(doc);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(yyjson_doc_get_root(doc), "errors")), 1);
	problem = yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(doc), "problems"), 0);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(problem, "file")), at("w.container"));
	assert_int_equal(yyjson_get_int(yyjson_obj_get(problem, "line")), 4);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(problem, "column")), 6);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(problem, "severity")), "error");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(problem, "key")), "Container.Nope");
	problem = yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(doc), "units"), 0);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(problem, "name")), "w.container");
	assert_false(yyjson_get_bool(yyjson_obj_get(problem, "valid")));
	yyjson_doc_free(doc);
}

static void what_cannot_be_looked_at_is_status_two(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_check, "check", at("nowhere")), 2);
	assert_output(1, "nowhere: No such file or directory");
	assert_int_equal(RUN(cmd_check, "check", "--nonsense"), 2);
	assert_output(1, "usage: cleat check");
	assert_int_equal(RUN(cmd_check, "check", "--help"), 0);
	assert_output(0, "usage: cleat check");
}

static void a_dry_run_prints_links_first_then_services(void **state)
{
	(void)state;
	put("w.container", GOOD "[Install]\nWantedBy=default.target\n");
	put("v.container", "[Container]\nImage=localhost/v\n");
	unsetenv("PODMAN");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", root), 0);
	assert_true(str_starts(
		output[0],
		"---symlink default.target.wants/w.service -> ../w.service---\n---v.service---\n"));
	assert_output(0, "\nExecStart=/usr/bin/podman run --name systemd-%N ");
	assert_output(0, "\nWants=network-online.target\n");
	assert_string_equal(output[1], "");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "-dryrun", "--user", root), 0);
	assert_output(0, "\nWants=podman-user-wait-network-online.service\n");
}

static void a_dry_run_fails_where_podmans_fails(void **state)
{
	(void)state;
	put("good.container", GOOD);
	put("bad.container", GOOD "Nope=1\n");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", root), 1);
	assert_output(0, "---good.service---");
	assert_null(strstr(output[0], "bad.service"));
	assert_output(1, "bad.container:4:6: error: Container.Nope: unknown key");
	put("sub/syntax.container", "[Container\n");
	put("sub/sibling.container", GOOD);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", root), 1);
	assert_output(1, "sibling.container: podman leaves it out");
	assert_null(strstr(output[0], "sibling.service"));
	put("x.volume", "[Volume]\n");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", root), 1);
	assert_output(1, "x.volume: not converted");
}

static void what_only_the_engine_refuses_is_no_matter_for_podman(void **state)
{
	(void)state;
	put("w.container", GOOD "DNS=192.0.2.1\nUserNS=auto\n[Service]\nExecStartPre=/bin/true\n");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", root), 0);
	assert_string_equal(output[1], "");
	assert_output(0, " --dns 192.0.2.1 ");
}

static void unit_directories_come_from_the_environment(void **state)
{
	char dirs[1100];

	(void)state;
	put("a/w.container", GOOD);
	put("b/w.container", WITH_REFERENCE);
	put("b/v.container", GOOD);
	snprintf(dirs, sizeof(dirs), "%s:%s:%s", at("a"), at("b"), at("missing"));
	setenv("QUADLET_UNIT_DIRS", dirs, 1);
	setenv("PODMAN", "/opt/my podman", 1);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun"), 0);
	assert_output(0, "---w.service---");
	assert_output(0, "---v.service---");
	assert_output(0, "\nExecStart=\"/opt/my\\x20podman\" run ");
	setenv("QUADLET_UNIT_DIRS", "relative", 1);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun"), 2);
	assert_output(1, "not absolute");
	unsetenv("QUADLET_UNIT_DIRS");
	unsetenv("PODMAN");
}

static void services_and_links_are_written_into_a_folder(void **state)
{
	char target[64] = "";
	struct buf text = BUF_INIT(64 * 1024);
	struct err err;

	(void)state;
	put("units/w.container", GOOD "[Install]\nWantedBy=default.target\n");
	put("out/default.target.wants/w.service", "in the way\n");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", at("out")), 0);
	unsetenv("QUADLET_UNIT_DIRS");
	assert_int_equal(file_read_at(AT_FDCWD, at("out/w.service"), 64 * 1024, &text, &err), 0);
	assert_true(str_starts(buf_str(&text),
			       "# Automatically generated by cleat quadlet\n#\n[X-Container]\n"));
	assert_true(readlink(at("out/default.target.wants/w.service"), target, sizeof(target) - 1) >
		    0);
	assert_string_equal(target, "../w.service");
	buf_fini(&text);
}

static void links_cannot_leave_the_folder(void **state)
{
	struct stat st;

	(void)state;
	put("units/w.container", GOOD "[Install]\nAlias=../../escaped.service\n");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", at("a/out")), 1);
	unsetenv("QUADLET_UNIT_DIRS");
	assert_output(1, "../../escaped.service: leads out of the folder");
	assert_int_equal(lstat(at("escaped.service"), &st), -1);
}

static void quadlet_wants_to_know_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_quadlet, "quadlet"), 2);
	assert_output(1, "usage: cleat quadlet");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", "a", "b"), 2);
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--dryrun", at("nowhere")), 2);
	assert_output(1, "No such file or directory");
	assert_int_equal(RUN(cmd_quadlet, "quadlet", "--help"), 0);
}

static void keys_are_listed_and_explained(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_keys, "keys"), 0);
	assert_output(0, "Container  Image ");
	assert_output(0, "Install    WantedBy ");
	assert_int_equal(RUN(cmd_keys, "keys", "publishport"), 0);
	assert_output(0, "[Container] PublishPort=\n");
	assert_output(0, "podman run: --publish");
	assert_int_equal(RUN(cmd_keys, "keys", "PublishPorts"), 1);
	assert_output(1, "PublishPorts: unknown key: did you mean PublishPort=?");
	assert_int_equal(RUN(cmd_keys, "keys", "--nonsense"), 2);
	assert_int_equal(RUN(cmd_keys, "keys", "a", "b"), 2);
}

static void generated_files_hold_every_key(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_keys, "keys", "--markdown"), 0);
	for (size_t i = 0; i < key_count(); i++) {
		char cell[128];

		snprintf(cell, sizeof(cell), "\n| %s | ", key_at(i)->name);
		assert_output(0, cell);
	}
	assert_int_equal(RUN(cmd_keys, "keys", "--fuzz-dictionary"), 0);
	assert_output(0, "\"Image=");
	assert_output(0, "\"RestartSec=");
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(good_units_pass),
		IN_ROOT(every_problem_is_said_in_one_run_sorted_by_place),
		IN_ROOT(bad_values_of_options_are_said_at_their_line),
		IN_ROOT(one_problem_is_said_once),
		IN_ROOT(errors_behind_a_thousand_warnings_still_count),
		IN_ROOT(single_files_and_several_paths),
		IN_ROOT(problems_as_json),
		IN_ROOT(what_cannot_be_looked_at_is_status_two),
		IN_ROOT(a_dry_run_prints_links_first_then_services),
		IN_ROOT(a_dry_run_fails_where_podmans_fails),
		IN_ROOT(what_only_the_engine_refuses_is_no_matter_for_podman),
		IN_ROOT(unit_directories_come_from_the_environment),
		IN_ROOT(services_and_links_are_written_into_a_folder),
		IN_ROOT(links_cannot_leave_the_folder),
		IN_ROOT(quadlet_wants_to_know_what_to_do),
		cmocka_unit_test(keys_are_listed_and_explained),
		cmocka_unit_test(generated_files_hold_every_key),
	};

	if (!mkdtemp(root) || rmdir(root) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
