/* SPDX-License-Identifier: Apache-2.0 */
/* Which terminal is the appliance's, what it is called, who may log in. */
#include "unit_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/screen.h"
#include "temp_folder.h"
#include "util/path.h"

#define HASH "$5$0123456789abcdef$LQh5dDdmCsGVrZVGQPc4VNXIxKJ2RY2Vv2aBr6RCKs6"

static char root[] = "/tmp/cleat-screen-XXXXXX";
static char found[64];
static bool is_shared;

static int make_root(void **state)
{
	(void)state;
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return temp_folder_remove(root);
}

static void make_file(const char *path, const char *text)
{
	char full[256];
	struct err err;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	*strrchr(full, '/') = '\0';
	assert_int_equal(path_mkdirs(full, 0755, &err), 0);
	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A link does for a device: tests need not be allowed to make one. */
static void make_device(const char *path)
{
	char full[256];
	struct err err;

	snprintf(full, sizeof(full), "%s/dev", root);
	assert_int_equal(path_mkdirs(full, 0755, &err), 0);
	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(symlink("/dev/null", full), 0);
}

static bool find(const char *world)
{
	is_shared = false;
	return screen_find_terminal(root, world, found, sizeof(found), &is_shared);
}

static void a_container_has_its_first_terminal(void **state)
{
	(void)state;
	assert_false(find("container"));
	make_device("/dev/console");
	assert_true(find("container"));
	assert_string_equal(found, "/dev/console");
	assert_true(is_shared);
	make_file("/dev/tty1", "a file that is left over is no terminal");
	assert_true(find("container"));
	assert_string_equal(found, "/dev/console");
}

static void the_first_terminal_comes_before_the_console(void **state)
{
	(void)state;
	make_device("/dev/console");
	make_device("/dev/tty1");
	assert_true(find("container"));
	assert_string_equal(found, "/dev/tty1");
	assert_false(is_shared);
}

static void a_machine_has_the_last_of_its_consoles(void **state)
{
	(void)state;
	make_device("/dev/console");
	make_device("/dev/tty1");
	make_device("/dev/ttyS0");
	assert_false(find("machine")); /* it has not said which */
	make_file("/sys/class/tty/console/active", "tty0 ttyS0\n");
	assert_true(find("machine"));
	assert_string_equal(found, "/dev/ttyS0");
	assert_true(is_shared);
	make_file("/sys/class/tty/console/active", "ttyS0 tty0\n");
	assert_true(find("machine"));
	assert_string_equal(found, "/dev/tty1");
	make_file("/sys/class/tty/console/active", "hvc0\n");
	assert_false(find("machine")); /* there is none of that name */
}

static void bare_namespaces_have_none(void **state)
{
	(void)state;
	make_device("/dev/console");
	make_device("/dev/tty1");
	assert_false(find("namespaces"));
	assert_false(find(""));
}

static void the_last_word_of_a_list(void **state)
{
	static const char *const cases[][2] = {
		{ "tty0 ttyS0\n", "/dev/ttyS0" },
		{ "ttyS0", "/dev/ttyS0" },
		{ "tty0\n", "/dev/tty1" },
		{ "ttyS0 tty0 \n", "/dev/tty1" },
		{ "hvc0 tty01\n", "/dev/tty01" },
		{ "", "" },
		{ "\n", "" },
		{ " \n", "" },
		{ "tty0 ../null\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		screen_last_console(cases[i][0], found, sizeof(found));
		assert_string_equal(found, cases[i][1]);
	}
}

static void guessing_becomes_slow(void **state)
{
	static const unsigned seconds[] = { 0, 1, 2, 4, 8, 16, 32, 60, 60 };

	(void)state;
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		assert_int_equal(screen_login_delay_sec(i), seconds[i]);
	assert_int_equal(screen_login_delay_sec(UINT32_MAX), 60);
}

static void the_hash_that_the_host_wrote(void **state)
{
	char hash[160];

	(void)state;
	system_root_hash("root:" HASH ":0:0:root:/root:/bin/sh\nnobody:*:1:1::/:\n", hash,
			 sizeof(hash));
	assert_string_equal(hash, HASH);
	system_root_hash("nobody:*:1:1::/:\nroot:" HASH ":20000:0:99999:7:::", hash, sizeof(hash));
	assert_string_equal(hash, HASH);
	system_root_hash("root:*:0:0:root:/root:/bin/sh\n", hash, sizeof(hash));
	assert_string_equal(hash, "");
	system_root_hash("root::0:0:root:/root:/bin/sh\n", hash, sizeof(hash));
	assert_string_equal(hash, "");
	system_root_hash("groot:" HASH ":0:0\n", hash, sizeof(hash));
	assert_string_equal(hash, "");
	system_root_hash("root:!" HASH ":0:0\n", hash, sizeof(hash)); /* locked */
	assert_string_equal(hash, "");
	system_root_hash("root:", hash, sizeof(hash));
	assert_string_equal(hash, "");
	system_root_hash("", hash, sizeof(hash));
	assert_string_equal(hash, "");
}

static void names_are_made_of_identities(void **state)
{
	char name[32] = "";

	(void)state;
	assert_true(system_name_of_machine("0123456789abcdef0123456789abcdef", name, sizeof(name)));
	assert_string_equal(name, "cleat-012345");
	assert_false(
		system_name_of_machine("00000000000000000000000000000000", name, sizeof(name)));
	assert_false(system_name_of_machine("uninitialized", name, sizeof(name)));
	assert_false(system_name_of_machine("", name, sizeof(name)));
	assert_false(
		system_name_of_machine("0123456789ABCDEF0123456789abcdef", name, sizeof(name)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_container_has_its_first_terminal, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(the_first_terminal_comes_before_the_console,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(a_machine_has_the_last_of_its_consoles, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(bare_namespaces_have_none, make_root, remove_root),
		cmocka_unit_test(the_last_word_of_a_list),
		cmocka_unit_test(guessing_becomes_slow),
		cmocka_unit_test(the_hash_that_the_host_wrote),
		cmocka_unit_test(names_are_made_of_identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
