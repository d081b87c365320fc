/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat explain: whole explanations as text (tests/golden/explain/NAME/ with the unit NAME, and NAME.txt), and what text cannot show.
 * To write the texts anew after a change that was meant: GOLDEN_WRITE=1 with this program, then read the difference.
 */
#include "unit_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <yyjson.h>

#include "capture.h"
#include "cli/commands.h"
#include "temp_folder.h"
#include "util/file.h"
#include "util/str.h"

#define FOLDER "tests/golden/explain"
#define MAX_TEXT ((size_t)1024 * 1024)
#define MAX_NAMES 64

static char names[MAX_NAMES][64];
static size_t name_count;
static char folder[64];
static struct captured got;

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cleat-explain-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return temp_folder_remove(folder);
}

static const char *at(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	struct err err;

	if (file_write_atomic(AT_FDCWD, at(name), text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void explain(const char *unit)
{
	capture(&got, cmd_explain, WORDS("explain", "--dir", folder, unit));
}

static void assert_part(const char *part)
{
	if (!strstr(got.out, part))
		fail_msg("no '%s' in:\n%s%s", part, got.out, got.err);
}

static void assert_no_part(const char *part)
{
	if (strstr(got.out, part) || strstr(got.err, part))
		fail_msg("'%s' in:\n%s%s", part, got.out, got.err);
}

#define FINE "[Container]\nImage=localhost/web:1\nNetwork=none\n"

static void a_golden_unit_is_explained_as_expected(void **state)
{
	const char *name = *state;
	struct buf expected = BUF_INIT(MAX_TEXT);
	char dir[256], path[256];
	struct err err;

	snprintf(dir, sizeof(dir), FOLDER "/%s", name);
	snprintf(path, sizeof(path), FOLDER "/%s.txt", name);
	capture(&got, cmd_explain, WORDS("explain", "--dir", dir, name));
	assert_string_equal(got.err, "");
	if (getenv("GOLDEN_WRITE")) {
		assert_int_equal(file_write_atomic(AT_FDCWD, path, got.out, strlen(got.out), 0644,
						   false, &err),
				 0);
	} else {
		if (file_read_at(AT_FDCWD, path, MAX_TEXT, &expected, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(got.out, buf_str(&expected));
	}
	buf_fini(&expected);
}

static void the_status_tells_whether_the_unit_is_valid(void **state)
{
	(void)state;
	put("good.container", FINE);
	put("bad.container", FINE "Nope=1\n");
	put("option.container", FINE "PodmanArgs=--memory much\n");
	explain("good");
	assert_int_equal(got.result, 0);
	assert_part("good.service: valid, loaded (not started at boot)");
	explain("bad");
	assert_int_equal(got.result, 1);
	assert_part("bad.service: invalid");
	assert_part("error    unknown key");
	/* Only the option table knows. */
	explain("option");
	assert_int_equal(got.result, 1);
	assert_part("option.service: invalid");
	assert_part("error    --memory: ");
}

static void a_unit_is_found_by_each_of_its_names(void **state)
{
	static const char *const words[] = { "web", "web.container", "web.service", "shop" };

	(void)state;
	put("web.container", FINE "ContainerName=shop\n");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		explain(words[i]);
		assert_int_equal(got.result, 0);
		assert_part("web.container:4  ContainerName=shop");
	}
	capture(&got, cmd_explain, WORDS("explain", at("web.container")));
	assert_int_equal(got.result, 0);
	assert_part("web.container:4  ContainerName=shop");
}

static void an_instance_that_nobody_names_can_be_asked_for(void **state)
{
	static const char *const words[] = { "t@x", "t@x.container", "t@x.service" };

	(void)state;
	put("t@.container", FINE "Exec=run %i\n");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		explain(words[i]);
		assert_int_equal(got.result, 0);
		assert_part("here     run x");
		assert_part("instance   x (%i) of the template t@");
	}
	explain("u@x");
	assert_int_equal(got.result, 2);
}

static void who_waits_for_a_group_is_told_of_its_members(void **state)
{
	(void)state;
	put("a.container", FINE "[Unit]\nAfter=app.target\n");
	put("b.container", FINE "[Install]\nWantedBy=app.target\n");
	explain("a");
	assert_part("waits for  app.target  a.container:5 After=");
	assert_part("b.service   through app.target, b.container:5 WantedBy=");
	assert_part("here only pulls wait for the network");
}

static void what_is_no_unit_is_said(void **state)
{
	(void)state;
	put("web.container", FINE);
	put("notes.txt", "x");
	explain("nobody");
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.err, "cleat explain: no unit nobody in /tmp/cleat-explain-"));
	capture(&got, cmd_explain, WORDS("explain", at("notes.txt")));
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.err, "notes.txt is no unit file"));
	capture(&got, cmd_explain, WORDS("explain", "--dir", "/nowhere/at/all", "web"));
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.err, "No such file or directory"));
}

static void wrong_words_are_refused(void **state)
{
	(void)state;
	capture(&got, cmd_explain, WORDS("explain"));
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.err, "usage: cleat explain"));
	capture(&got, cmd_explain, WORDS("explain", "a", "b"));
	assert_int_equal(got.result, 2);
	capture(&got, cmd_explain, WORDS("explain", "--nope", "a"));
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.err, "unknown option --nope"));
}

static void what_a_line_takes_away_is_said(void **state)
{
	(void)state;
	put("web.container", FINE "DropCapability=CAP_CHOWN\n");
	explain("web");
	assert_part("spec     cap_drop[] CAP_CHOWN");
	assert_part("config - process.capabilities.bounding[] CAP_CHOWN");
}

static void a_line_that_says_what_another_says_changes_nothing(void **state)
{
	(void)state;
	put("web.container",
	    FINE "NoNewPrivileges=true\nPodmanArgs=--security-opt no-new-privileges\n");
	explain("web");
	assert_part("nothing changes without it");
}

static void json_has_every_line_and_every_part(void **state)
{
	const char *keys[] = { "unit",	"service",  "file",  "valid", "template", "start",
			       "lines", "not_said", "graph", "names", "problems" };
	yyjson_doc *doc;
	yyjson_val *root, *line;

	(void)state;
	put("web.container", FINE "Memory=64m\nMemory=32m\n[Install]\nWantedBy=default.target\n");
	capture(&got, cmd_explain, WORDS("explain", "--json", "--dir", folder, "web"));
	assert_int_equal(got.result, 0);
	doc = yyjson_read(got.out, strlen(got.out), 0);
	assert_non_null(doc);
	root = yyjson_doc_get_root(doc);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!yyjson_obj_get(root, keys[i]))
			fail_msg("no %s", keys[i]);
	assert_true(yyjson_get_bool(yyjson_obj_get(root, "valid")));
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "start")), "started at boot");
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "lines")), 5);
	line = yyjson_arr_get(yyjson_obj_get(root, "lines"), 2);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "fate")), "overridden");
	assert_int_equal(yyjson_get_int(yyjson_obj_get(yyjson_obj_get(line, "by"), "line")), 5);
	line = yyjson_arr_get(yyjson_obj_get(root, "lines"), 3);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "fate")), "stands");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "podman")), "--memory 32m");
	line = yyjson_arr_get(yyjson_obj_get(line, "spec"), 0);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "path")), "memory_bytes");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "value")), "33554432");
	yyjson_doc_free(doc);
}

/* The values of environment files reach the words by $NAME: nothing of them may be seen, however it would get there. */
static void put_secret_unit(void)
{
	char text[1024];

	put("secret.env", "TOKEN=s3cret-value\nPIN=77\nNAME=quiet-name\n");
	snprintf(text, sizeof(text),
		 FINE "ContainerName=${NAME}\nEnvironment=A=${TOKEN}\nPublishPort=${TOKEN}:80\n"
		      "StopTimeout=${PIN}x\nLabel=x=$TOKEN\nExec=run ${TOKEN} $PIN\n"
		      "Secret=vault\n[Service]\nEnvironmentFile=%s/secret.env\n"
		      "ExecStartPre=/bin/echo ${TOKEN}\n",
		 folder);
	put("web.container", text);
}

static void values_of_environment_files_are_never_shown(void **state)
{
	(void)state;
	put_secret_unit();
	explain("web");
	assert_no_part("s3cret-value");
	assert_no_part("quiet-name");
	assert_no_part("77");
	assert_part("values of [Service] EnvironmentFile= are in it: not shown");
	assert_part("StopTimeout=${PIN}x");
	capture(&got, cmd_explain, WORDS("explain", "--json", "--dir", folder, "web"));
	assert_no_part("s3cret-value");
	assert_no_part("quiet-name");
	assert_part("(not shown)");
}

static void with_too_many_values_in_files_none_is_shown(void **state)
{
	struct buf text = BUF_INIT(MAX_TEXT);
	char unit[512];

	(void)state;
	for (unsigned i = 0; i < 400; i++)
		buf_printf(&text, "V%u=hidden-value-%u\n", i, i);
	put("many.env", buf_str(&text));
	buf_fini(&text);
	snprintf(unit, sizeof(unit),
		 FINE "Environment=A=${V0} B=${V399}\nLabel=c=hidden-value-5\n[Service]\n"
		      "EnvironmentFile=%s/many.env\n",
		 folder);
	put("web.container", unit);
	explain("web");
	assert_no_part("A=hidden-value-0");
	assert_no_part("hidden-value-399");
	assert_part("(not shown)");
}

static void a_variable_of_the_unit_itself_is_shown(void **state)
{
	(void)state;
	put("web.container", FINE "Environment=A=${B}\n[Service]\nEnvironment=B=open\n");
	explain("web");
	assert_part("here     --env A=open");
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
	(void)state;
	put("web.container", FINE "Label=a=\x1b[31mred\nLab\x1b=1\n");
	explain("web");
	assert_no_part("\x1b");
	assert_part("Label=a=?[31mred");
}

static void a_unit_with_more_lines_than_are_compared_says_so(void **state)
{
	struct buf text = BUF_INIT(MAX_TEXT);

	(void)state;
	buf_puts(&text, FINE);
	for (unsigned i = 0; i < 2000; i++)
		buf_printf(&text, "Label=l%u=1\n", i);
	put("web.container", buf_str(&text));
	buf_fini(&text);
	explain("web");
	assert_part("spec     not looked at: too many lines");
	assert_part("labels.l0=1");
	assert_int_equal(got.result, 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Every folder, so that a golden unit cannot be forgotten. */
static bool find_names(void)
{
	DIR *dir = opendir(FOLDER);

	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (!strchr(entry->d_name, '.') && name_count < MAX_NAMES &&
		    str_copy(names[name_count], sizeof(names[0]), entry->d_name))
			name_count++;
	closedir(dir);
	qsort(names, name_count, sizeof(names[0]), compare_names);
	return name_count > 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	static struct CMUnitTest golden[MAX_NAMES];
	const struct CMUnitTest tests[] = {
		TEST(the_status_tells_whether_the_unit_is_valid),
		TEST(a_unit_is_found_by_each_of_its_names),
		TEST(an_instance_that_nobody_names_can_be_asked_for),
		TEST(who_waits_for_a_group_is_told_of_its_members),
		TEST(what_is_no_unit_is_said),
		TEST(wrong_words_are_refused),
		TEST(what_a_line_takes_away_is_said),
		TEST(a_line_that_says_what_another_says_changes_nothing),
		TEST(json_has_every_line_and_every_part),
		TEST(values_of_environment_files_are_never_shown),
		TEST(with_too_many_values_in_files_none_is_shown),
		TEST(a_variable_of_the_unit_itself_is_shown),
		TEST(control_bytes_do_not_reach_the_terminal),
		TEST(a_unit_with_more_lines_than_are_compared_says_so),
	};

	if (!find_names()) {
		fprintf(stderr,
			"no units in " FOLDER ": run this from the top of the source tree\n");
		return 1;
	}
	for (size_t i = 0; i < name_count; i++)
		golden[i] =
			(struct CMUnitTest){ .name = names[i],
					     .test_func = a_golden_unit_is_explained_as_expected,
					     .initial_state = names[i] };
	return _cmocka_run_group_tests("golden", golden, name_count, NULL, NULL) |
	       cmocka_run_group_tests(tests, NULL, NULL);
}
