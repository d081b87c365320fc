/* SPDX-License-Identifier: Apache-2.0 */
/* cleat check: what of a unit's secrets and environment files can be known beside the appliance. */
#include "unit_test.h"

#include <sys/stat.h>

#include "capture.h"
#include "cli/cli.h"
#include "cli/commands.h"

static struct captured c;
static char folder[64];

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	make("units");
	make("secrets");
	put("units/web.container", "[Container]\nImage=localhost/a:1\nNetwork=none\n"
				   "Secret=there\nSecret=missing,type=env\nSecret=empty\n");
	put("secrets/there", "x");
	put("secrets/empty", "");
	return 0;
}

static int teardown(void **state)
{
	char command[128];
	static const char *const names[] = { "units/web.container", "units", "secrets/there",
					     "secrets/empty", "secrets" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(command, sizeof(command), "%s/%s", folder, names[i]);
		remove(command);
	}
	return rmdir(folder);
}

static void a_copy_of_the_configuration(void **state)
{
	(void)state;
	capture(&c, cmd_check, WORDS("check", "--config", folder));
	assert_int_equal(c.result, 1);
	assert_null(strstr(c.out, "secret there"));
	/* The appliance may have it, but nobody can see that from here. */
	assert_non_null(strstr(
		c.out, "web.container:5:8: warning: Container.Secret: secret missing is not in"));
	assert_non_null(strstr(c.out, "web.container:6:8: error: Container.Secret: secret empty"));
	assert_non_null(strstr(c.out, "is empty"));
	put("secrets/empty", "x");
	capture(&c, cmd_check, WORDS("check", "--config", folder));
	assert_int_equal(c.result, 0);
	assert_non_null(strstr(c.out, "secret missing is not in"));
	put("secrets/missing", "x");
	capture(&c, cmd_check, WORDS("check", "--config", folder));
	assert_null(strstr(c.out, "secret"));
	snprintf(c.out, sizeof(c.out), "%s/secrets/missing", folder);
	remove(c.out);
}

static void units_of_no_appliance(void **state)
{
	char units[80];

	(void)state;
	snprintf(units, sizeof(units), "%s/units", folder);
	capture(&c, cmd_check, WORDS("check", units));
	assert_int_equal(c.result, 0);
	assert_null(strstr(c.out, "secret"));
}

static void environment_files_that_go_with_the_unit(void **state)
{
	char path[96];

	(void)state;
	put("units/web.container", "[Container]\nImage=localhost/a:1\nNetwork=none\n"
				   "EnvironmentFile=./here.env\nEnvironmentFile=gone.env\n"
				   "EnvironmentFile=/nowhere/at/all.env\n");
	put("units/here.env", "A=1\n");
	snprintf(path, sizeof(path), "%s/units", folder);
	capture(&c, cmd_check, WORDS("check", path));
	assert_int_equal(c.result, 0);
	assert_null(strstr(c.out, "here.env"));
	assert_null(strstr(c.out, "all.env"));
	assert_non_null(strstr(
		c.out,
		"web.container:5:17: warning: Container.EnvironmentFile: there is no file "));
	assert_non_null(strstr(c.out, "/units/gone.env: the container does not start without it"));
	snprintf(path, sizeof(path), "%s/units/here.env", folder);
	remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_copy_of_the_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(units_of_no_appliance, setup, teardown),
		cmocka_unit_test_setup_teardown(environment_files_that_go_with_the_unit, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
