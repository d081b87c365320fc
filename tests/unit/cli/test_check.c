/* SPDX-License-Identifier: Apache-2.0 */
/* cleat check: exit status and output, run as functions. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yyjson.h>

#include "cli/commands.h"
#include "temp_folder.h"
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
	(void)state;
	return temp_folder_remove(root);
}

/* Standard output and error go to files during the call: the commands write to descriptors. */
static int run(int (*command)(int, char **), const char *const *words)
{
	char *argv[16] = { 0 }, *owned[16];
	int argc = 0, saved[2], files[2], rc;

	for (; words[argc]; argc++)
		argv[argc] = owned[argc] = strdup(words[argc]); /* commands reorder argv */
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
		free(owned[--argc]);
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
	assert_string_equal(output[1],
			    "1 of 1 unit can be started: 0 errors, 0 warnings, 1 note\n");
}

static void values_from_environment_files_are_not_quoted(void **state)
{
	char text[512];

	(void)state;
	put("secret.env", "LIMIT=hunter2\nPORTS=a:hunter3\nZONE=Europe/Hunter4\nNET=hunter5\n");
	snprintf(text, sizeof(text),
		 GOOD
		 "Memory=${LIMIT}\nTmpfs=/x:size=${PORTS}\nTimezone=$ZONE\nPodmanArgs=--cpus \\\n"
		 "  ${NET}\n[Service]\nEnvironmentFile=%s/secret.env\n",
		 root);
	put("w.container", text);
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_null(strcasestr(output[0], "hunter"));
	assert_output(
		0,
		"w.container:4:8: error: Container.Memory: what '${LIMIT}' becomes is not accepted");
	assert_output(0, "what '/x:size=${PORTS}' becomes");
	assert_output(0, "what '${NET}' becomes is not accepted");
	assert_int_equal(RUN(cmd_check, "check", "--json", root), 1);
	assert_null(strcasestr(output[0], "hunter"));
	put("w.container", GOOD "Memory=${LIMIT}\n[Service]\nEnvironment=LIMIT=mine\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "\"mine\"");
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
	assert_output(1, "0 of 2 units can be started");
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
	assert_output(1, "0 of 1 unit can be started: 3 errors");
}

static void one_problem_is_said_once(void **state)
{
	(void)state;
	put("w.container", "[Container]\nImage=localhost/web:1\nLogDriver=passthrough-tty\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(1, "0 of 1 unit can be started: 1 error, 0 warnings, 0 notes");
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
	assert_output(1, " more, not listed\n");
	assert_output(1, "0 of 1 unit can be started: ");
	assert_null(strstr(output[1], ": 0 errors"));
	assert_output(0, "w.container:1105:8: error: Container.UserNS: ");
}

static void single_files_and_several_paths(void **state)
{
	(void)state;
	put("a/w.container", GOOD);
	put("b/v.container", GOOD);
	put("c.txt", "");
	assert_int_equal(RUN(cmd_check, "check", at("a"), at("b/v.container")), 0);
	assert_output(1, "2 of 2 units can be started");
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
	assert_output(1, "cleat check: unknown option --nonsense");
	assert_int_equal(RUN(cmd_check, "check", "--help"), 0);
	assert_output(0, "usage: cleat check");
}

static void a_file_may_name_what_lies_beside_it(void **state)
{
	(void)state;
	put("a/w.container", GOOD "[Unit]\nAfter=v.container\nRequires=v.container\n");
	put("a/v.container", GOOD "Nope=1\n");
	assert_int_equal(RUN(cmd_check, "check", at("a/w.container")), 0);
	assert_string_equal(output[0], "");
	assert_output(1, "1 of 1 unit can be started: 0 errors");
	assert_int_equal(RUN(cmd_check, "check", at("a/v.container")), 1);
	assert_output(0, "v.container:4:6: error: Container.Nope: unknown key");
	put("b/w.container", GOOD "[Unit]\nAfter=v.container\n");
	put("b/below/v.container", GOOD);
	assert_int_equal(RUN(cmd_check, "check", at("b/w.container")), 1);
	assert_output(0, "w.container:5:7: error: Unit.After: ");
}

static void several_files_of_one_folder_are_checked_together(void **state)
{
	(void)state;
	put("w.container", GOOD "Nope=1\n");
	put("v.container", GOOD "Nada=1\n");
	put("u.container", GOOD "Zilch=1\n");
	assert_int_equal(RUN(cmd_check, "check", at("w.container"), at("v.container")), 1);
	assert_output(0, "w.container:4:6: error: Container.Nope: ");
	assert_output(0, "v.container:4:6: error: Container.Nada: ");
	assert_null(strstr(output[0], "Zilch"));
	assert_output(1, "0 of 2 units can be started: 2 errors");
	assert_int_equal(RUN(cmd_check, "check", at("w.container"), at("w.container")), 1);
	assert_output(1, ": 1 error,");
}

static void a_file_brings_its_drop_ins(void **state)
{
	(void)state;
	put("web-a.container", GOOD);
	put("other.container", GOOD);
	put("web-a.container.d/1.conf", "[Container]\nOne=1\n");
	put("web-.container.d/2.conf", "[Container]\nTwo=1\n");
	put("container.d/3.conf", "[Container]\nThree=1\n");
	put("other.container.d/4.conf", "[Container]\nFour=1\n");
	assert_int_equal(RUN(cmd_check, "check", at("web-a.container")), 1);
	assert_output(0, "/web-a.container.d/1.conf:2:5: error: Container.One: ");
	assert_output(0, "/web-.container.d/2.conf:2:5: error: Container.Two: ");
	assert_output(0, "/container.d/3.conf:2:7: error: Container.Three: ");
	assert_null(strstr(output[0], "Four"));
	assert_output(1, ": 3 errors,");
}

static void a_file_in_the_working_directory_is_called_as_typed(void **state)
{
	char here[4096];

	(void)state;
	put("w.container", GOOD "Nope=1\nMemory=much\n");
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(root), 0);
	assert_int_equal(RUN(cmd_check, "check", "w.container"), 1);
	assert_true(str_starts(output[0], "w.container:4:6: error: "));
	assert_output(0, "\nw.container:5:8: error: Container.Memory: ");
	assert_int_equal(RUN(cmd_check, "check", "./w.container"), 1);
	assert_true(str_starts(output[0], "./w.container:4:6: error: "));
	assert_int_equal(chdir(here), 0);
}

static void a_file_that_hides_others_is_no_problem(void **state)
{
	(void)state;
	put("w.container", "");
	assert_int_equal(symlink("/dev/null", at("v.container")), 0);
	assert_int_equal(RUN(cmd_check, "check", at("w.container"), at("v.container")), 0);
	assert_string_equal(output[0], "");
	assert_output(1, "0 of 0 units can be started: 0 errors");
}

static void every_kind_is_checked(void **state)
{
	static const struct {
		const char *name, *text;
	} units[] = {
		{ "a.pod", "[Pod]\nNope=1\n" },		  { "a.volume", "[Volume]\nNope=1\n" },
		{ "a.network", "[Network]\nNope=1\n" },	  { "a.image", "[Image]\nNope=1\n" },
		{ "a.build", "[Build]\nNope=1\n" },	  { "b.kube", "[Kube]\nNope=1\n" },
		{ "a.artifact", "[Artifact]\nNope=1\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		put(units[i].name, units[i].text);
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char part[128];
		size_t section = strcspn(units[i].text + 1, "]");

		snprintf(part, sizeof(part), "/%s:2:6: error: %.*s.Nope: unknown key",
			 units[i].name, (int)section, units[i].text + 1);
		assert_output(0, part);
	}
}

static void values_that_systemd_would_ignore_are_named(void **state)
{
	(void)state;
	put("w.container", GOOD "[Service]\nRestart=unless-stopped\nRestartSec=soon\n");
	put("v.container", GOOD "[Service]\nRestart=Always\n");
	put("u.container", GOOD "ReadOnly=true # for safety\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "w.container:5:9: warning: Service.Restart: ");
	assert_output(0, "w.container:6:12: warning: Service.RestartSec: ");
	assert_output(0, "v.container:5:9: warning: Service.Restart: ");
	assert_output(0, "u.container:4:10: error: Container.ReadOnly: ");
}

static void advice_changes_no_status(void **state)
{
	(void)state;
	put("w.container", GOOD "Environment=PASSWORD=hunter2\n");
	assert_int_equal(RUN(cmd_check, "check", root), 0);
	assert_string_equal(output[0], "");
	assert_int_equal(RUN(cmd_check, "check", "--lint", root), 0);
	assert_output(0, "w.container:4:13: warning: Container.Environment: PASSWORD: ");
	assert_output(0, " [secret-in-environment]\n");
	assert_output(0, " [writable-root]\n");
	assert_null(strstr(output[0], "hunter2"));
	assert_int_equal(RUN(cmd_check, "check", "--lint", at("w.container")), 0);
	assert_output(0, " [secret-in-environment]\n");
	assert_int_equal(RUN(cmd_check, "check", "--lint", "--json", root), 0);
	assert_output(0, "\"rule\": \"secret-in-environment\"");
}

static void unknown_keys_may_be_warnings(void **state)
{
	(void)state;
	put("w.container", GOOD "Nope=1\n");
	assert_int_equal(RUN(cmd_check, "check", "--unknown-keys=warn", root), 0);
	assert_output(0, "w.container:4:6: warning: Container.Nope: unknown key");
	assert_output(1, "1 of 1 unit can be started: 0 errors, 1 warning, 0 notes");
	assert_int_equal(RUN(cmd_check, "check", "--unknown-keys=refuse", root), 1);
	assert_output(0, "w.container:4:6: error: Container.Nope: unknown key");
	assert_int_equal(RUN(cmd_check, "check", "--unknown-keys=maybe", root), 2);
	assert_output(1, "'maybe' is neither refuse nor warn");
}

static void templates_are_no_problem(void **state)
{
	(void)state;
	put("w@.container", GOOD "HostName=%i\nNope=1\n");
	assert_int_equal(RUN(cmd_check, "check", "--lint", root), 1);
	assert_output(0, "w@.container:5:6: error: Container.Nope: unknown key");
	put("w@.container", GOOD "HostName=%i\n");
	assert_int_equal(RUN(cmd_check, "check", "--json", at("w@.container")), 0);
	assert_output(0, "\"template\":true,\"valid\":true");
}

static void rules_are_listed(void **state)
{
	(void)state;
	assert_int_equal(RUN(cmd_check, "check", "--lint-rules"), 0);
	assert_output(0, "| `root-user` | note | ");
}

static void output_is_safe_for_a_terminal(void **state)
{
	(void)state;
	put("w.container", GOOD "Net\xc2\x9bwork=1\nBell\x07=1\n");
	assert_int_equal(RUN(cmd_check, "check", root), 1);
	assert_output(0, "Container.Net??work: unknown key");
	assert_null(strchr(output[0], '\x07'));
	assert_null(strchr(output[0], '\x9b'));
	assert_int_equal(RUN(cmd_check, "check", "--json", root), 1);
	assert_output(0, "\"key\": \"Container.Net??work\"");
	assert_null(strchr(output[0], '\x9b'));
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(good_units_pass),
		IN_ROOT(values_from_environment_files_are_not_quoted),
		IN_ROOT(every_problem_is_said_in_one_run_sorted_by_place),
		IN_ROOT(bad_values_of_options_are_said_at_their_line),
		IN_ROOT(one_problem_is_said_once),
		IN_ROOT(errors_behind_a_thousand_warnings_still_count),
		IN_ROOT(single_files_and_several_paths),
		IN_ROOT(problems_as_json),
		IN_ROOT(what_cannot_be_looked_at_is_status_two),
		IN_ROOT(a_file_may_name_what_lies_beside_it),
		IN_ROOT(several_files_of_one_folder_are_checked_together),
		IN_ROOT(a_file_brings_its_drop_ins),
		IN_ROOT(a_file_in_the_working_directory_is_called_as_typed),
		IN_ROOT(a_file_that_hides_others_is_no_problem),
		IN_ROOT(every_kind_is_checked),
		IN_ROOT(values_that_systemd_would_ignore_are_named),
		IN_ROOT(advice_changes_no_status),
		IN_ROOT(unknown_keys_may_be_warnings),
		IN_ROOT(templates_are_no_problem),
		IN_ROOT(rules_are_listed),
		IN_ROOT(output_is_safe_for_a_terminal),
	};

	if (!mkdtemp(root) || rmdir(root) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
