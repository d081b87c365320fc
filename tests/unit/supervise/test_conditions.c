/* SPDX-License-Identifier: Apache-2.0 */
/* Each condition against a scratch folder or this very machine; operators and the order of versions. */
#include "unit_test.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "supervise/conditions.h"
#include "util/str.h"

static char folder[64];

static int make_folder(void **state)
{
	char path[128];

	(void)state;
	str_copy(folder, sizeof(folder), "/tmp/conditions-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/empty", folder);
	if (mkdir(path, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/link", folder);
	if (symlink("nowhere", path) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	FILE *file = fopen(path, "w");

	if (!file)
		return -1;
	fputs("x", file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/none", folder);
	file = fopen(path, "w");
	if (!file)
		return -1;
	fclose(file);
	return chmod(path, 0755);
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "file", "none", "link" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/empty", folder);
	rmdir(path);
	return rmdir(folder);
}

static int ask(const char *name, const char *text)
{
	struct err err;

	return condition_holds(name, text, &err);
}

static void paths_of_a_folder(void **state)
{
	/* what each of the five says of: the folder, empty, file, none (no bytes, executable), link (to nowhere), missing */
	static const struct {
		const char *name, *says;
	} rows[] = {
		{ "PathExists", "yyyynn" },	   { "PathExistsGlob", "yyyyyn" },
		{ "PathIsDirectory", "yynnnn" },   { "PathIsSymbolicLink", "nnnnyn" },
		{ "PathIsMountPoint", "nnnnnn" },  { "PathIsReadWrite", "yyyynn" },
		{ "DirectoryNotEmpty", "ynnnnn" }, { "FileNotEmpty", "nnynnn" },
		{ "FileIsExecutable", "nnnynn" },
	};
	static const char *const names[] = { "", "/empty", "/file", "/none", "/link", "/missing" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 6; k++) {
			char path[128];

			snprintf(path, sizeof(path), "%s%s", folder, names[k]);
			if (ask(rows[i].name, path) != (rows[i].says[k] == 'y'))
				fail_msg("%s %s", rows[i].name, path);
		}
	assert_int_equal(ask("PathIsMountPoint", "/proc"), 1);
	assert_int_equal(ask("PathIsMountPoint", "/"), 1);
}

static void a_pattern_needs_one_path_that_fits(void **state)
{
	char pattern[128];

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/f*", folder);
	assert_int_equal(ask("PathExistsGlob", pattern), 1);
	snprintf(pattern, sizeof(pattern), "%s/q*", folder);
	assert_int_equal(ask("PathExistsGlob", pattern), 0);
}

static void the_machine_is_this_one(void **state)
{
	struct utsname name;
	cpu_set_t set;
	char text[128];

	(void)state;
	assert_int_equal(uname(&name), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_int_equal(ask("KernelVersion", name.release), 1);
	assert_int_equal(ask("KernelVersion", ">=4.0 <9999"), 1);
	assert_int_equal(ask("KernelVersion", ">= 4.0"), 1);
	assert_int_equal(ask("KernelVersion", "<4.0"), 0);
	assert_int_equal(ask("KernelVersion", ">=4.0 <4.1"), 0);
	assert_int_equal(ask("KernelVersion", "!$=*"), 0);
	assert_int_equal(ask("KernelVersion", ">="), -1);
	assert_int_equal(ask("Version", "kernel >=4.0"), 1);
	assert_int_equal(ask("Version", ">=9999"), 0);
	assert_int_equal(ask("Version", "systemd >=200"), -1);
	assert_int_equal(ask("Host", name.nodename), 1);
	assert_int_equal(ask("Host", "*"), 1);
	assert_int_equal(ask("Host", "no-such-host"), 0);
	assert_int_equal(ask("Host", "00000000000000000000000000000000"), 0);
	snprintf(text, sizeof(text), "=%d", CPU_COUNT(&set));
	assert_int_equal(ask("CPUs", text), 1);
	assert_int_equal(ask("CPUs", "1"), 1); /* no operator: at least */
	assert_int_equal(ask("CPUs", ">5000"), 0);
	assert_int_equal(ask("CPUs", "few"), -1);
	assert_int_equal(ask("Memory", ">=1M"), 1);
	assert_int_equal(ask("Memory", "<1M"), 0);
	assert_int_equal(ask("Memory", "much"), -1);
	assert_int_equal(ask("Architecture", "native"), 1);
	assert_int_equal(ask("Architecture", "x86-64"), str_eq(name.machine, "x86_64"));
	assert_int_equal(ask("Architecture", "arm64"), str_eq(name.machine, "aarch64"));
	assert_int_equal(ask("CPUFeature", "no-such-feature"), 0);
	if (str_eq(name.machine, "x86_64"))
		assert_int_equal(ask("CPUFeature", "fpu"), 1);
}

static void what_runs_and_with_what_rights(void **state)
{
	(void)state;
	assert_int_equal(ask("User", "root"), 1);
	assert_int_equal(ask("User", "0"), 1);
	assert_int_equal(ask("User", "somebody"), 0);
	assert_int_equal(ask("Group", "root"), 1);
	assert_int_equal(ask("Group", "wheel"), 0);
	assert_int_equal(ask("Capability", "CAP_NO_SUCH"), -1);
	assert_true(ask("Capability", "CAP_CHOWN") >= 0);
	assert_int_equal(ask("NeedsUpdate", "/etc"), 0);
	assert_int_equal(ask("FirstBoot", "maybe"), -1);
	assert_int_equal(ask("FirstBoot", "yes") + ask("FirstBoot", "no"), 1);
	assert_int_equal(ask("Virtualization", "yes") + ask("Virtualization", "no"), 1);
	assert_int_equal(ask("Virtualization", "no-such-machine"), 0);
	assert_int_equal(ask("ControlGroupController", "v1"), 0);
	assert_int_equal(ask("ControlGroupController", "nosuch"), 0);
	assert_int_equal(ask("Security", "quantum"), -1);
	assert_int_equal(ask("KernelModuleLoaded", "no_such_module"), 0);
	assert_int_equal(ask("KernelModuleLoaded", "../etc"), -1);
	assert_int_equal(ask("KernelCommandLine", "no.such.word"), 0);
	assert_int_equal(ask("Environment", "NO_SUCH_VARIABLE"), 0);
	assert_int_equal(ask("Environment", "=x"), -1);
}

static void os_release_compares_fields(void **state)
{
	(void)state;
	assert_int_equal(ask("OSRelease", "ID=no-such-system"), 0);
	assert_int_equal(ask("OSRelease", "ID!=no-such-system"), 1);
	assert_int_equal(ask("OSRelease", "ID$=*"), 1);
	assert_int_equal(ask("OSRelease", "ID!=no-such-system ID=no-such-system"), 0);
	assert_int_equal(ask("OSRelease", "ID"), -1);
}

static void what_cannot_be_asked_is_said(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(condition_holds("ACPower", "true", &err), -1);
	assert_string_equal(err.msg, "this cannot be asked of an appliance");
}

static void operators_are_taken_off_the_longest_first(void **state)
{
	static const struct {
		const char *text;
		enum condition_operator op;
		const char *rest;
	} rows[] = {
		{ "<1", CONDITION_LESS, "1" },
		{ "<= 1", CONDITION_LESS_EQUAL, "1" },
		{ "<>1", CONDITION_UNEQUAL, "1" },
		{ "!=1", CONDITION_UNEQUAL, "1" },
		{ "=1", CONDITION_EQUAL, "1" },
		{ "==1", CONDITION_EQUAL, "1" },
		{ ">=1", CONDITION_GREATER_EQUAL, "1" },
		{ ">1", CONDITION_GREATER, "1" },
		{ "$=1*", CONDITION_MATCH, "1*" },
		{ "!$=1", CONDITION_NO_MATCH, "1" },
		{ "1", CONDITION_NONE, "1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = rows[i].text;

		assert_int_equal(condition_take_operator(&text), rows[i].op);
		assert_string_equal(text, rows[i].rest);
	}
}

static void an_order_fits_its_operators(void **state)
{
	static const struct {
		enum condition_operator op;
		const char *fits; /* -1, 0, 1 */
	} rows[] = {
		{ CONDITION_LESS, "ynn" },	    { CONDITION_LESS_EQUAL, "yyn" },
		{ CONDITION_EQUAL, "nyn" },	    { CONDITION_UNEQUAL, "yny" },
		{ CONDITION_GREATER_EQUAL, "nyy" }, { CONDITION_GREATER, "nny" },
		{ CONDITION_MATCH, "nnn" },	    { CONDITION_NONE, "nnn" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int order = -1; order <= 1; order++)
			assert_int_equal(condition_fits_order(rows[i].op, order),
					 rows[i].fits[order + 1] == 'y');
}

/* The examples of uapi-group.org's version format specification. */
static void versions_are_ordered_as_the_specification_says(void **state)
{
	static const char *const pairs[][2] = {
		{ "122.1", "123~rc1-1" },   { "123~rc1-1", "123" },	{ "123", "123-a" },
		{ "123-a", "123-a.1" },	    { "123-a.1", "123-1" },	{ "123-1", "123-1.1" },
		{ "123-1.1", "123^post1" }, { "123^post1", "123.a-1" }, { "123.a-1", "123.1-1" },
		{ "123.1-1", "123a-1" },    { "123a-1", "124-1" },	{ "5.15.0", "6.1" },
		{ "6.1.0-10", "6.1.0-11" }, { "1.a", "1.0" },		{ "a", "0a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (condition_compare_versions(pairs[i][0], pairs[i][1]) >= 0)
			fail_msg("%s %s", pairs[i][0], pairs[i][1]);
		if (condition_compare_versions(pairs[i][1], pairs[i][0]) <= 0)
			fail_msg("%s %s", pairs[i][1], pairs[i][0]);
	}
	assert_int_equal(condition_compare_versions("1.01", "1.1"), 0);
	assert_int_equal(condition_compare_versions("1_1", "1+1"), 0);
	assert_int_equal(condition_compare_versions("6.18", "6.18"), 0);
}

static void words_for_yes_and_no(void **state)
{
	bool value;

	(void)state;
	assert_true(condition_read_bool("Yes", &value) && value);
	assert_true(condition_read_bool("off", &value) && !value);
	assert_false(condition_read_bool("maybe", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_a_folder),
		cmocka_unit_test(a_pattern_needs_one_path_that_fits),
		cmocka_unit_test(the_machine_is_this_one),
		cmocka_unit_test(what_runs_and_with_what_rights),
		cmocka_unit_test(os_release_compares_fields),
		cmocka_unit_test(what_cannot_be_asked_is_said),
		cmocka_unit_test(operators_are_taken_off_the_longest_first),
		cmocka_unit_test(an_order_fits_its_operators),
		cmocka_unit_test(versions_are_ordered_as_the_specification_says),
		cmocka_unit_test(words_for_yes_and_no),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
