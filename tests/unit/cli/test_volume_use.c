/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a volume: from run directories and unit files. */
#include "unit_test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/volume_use.h"
#include "util/path.h"

static char root[64];
static struct volume_use use;
static struct err err;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/cleat-unit-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	volume_use_fini(&use);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *in_root(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	if (path_mkdirs(in_root(folder), 0700, &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int find(void)
{
	return volume_use_find(&use, in_root("c"), in_root("units"), "/data/volumes", &err);
}

static void assert_users(const char *volume, bool running_only, const char *wanted)
{
	struct buf out = BUF_INIT(1024);

	volume_use_write(&use, volume, running_only, &out);
	assert_string_equal(buf_str(&out), wanted);
	assert_int_equal(volume_use_has(&use, volume, running_only), wanted[0] != '\0');
	buf_fini(&out);
}

static void nothing_there_is_nobody(void **state)
{
	(void)state;
	assert_int_equal(find(), 0);
	assert_int_equal(use.count, 0);
	assert_null(use.unsure);
}

static void containers_and_units_are_found(void **state)
{
	(void)state;
	put("c/0123456789ab", "config.json",
	    "{\"annotations\":{\"org.cleat.name\":\"web\"},\"mounts\":["
	    "{\"source\":\"/data/volumes/data\"},{\"source\":\"/data/volumes/deep/a/b\"},"
	    "{\"source\":\"/data/volumesque/x\"},{\"type\":\"proc\",\"source\":\"proc\"}]}");
	put("c/00000000000a", "config.json", "{\"mounts\":[{\"source\":\"/data/volumes/raw\"}]}");
	put("c/00000000000b", "status", "");
	put("units", "web.container",
	    "[Container]\nImage=localhost/web:1\nNetwork=none\nVolume=data:/a\nVolume=/scratch\n"
	    "Mount=type=volume,src=other,dst=/b\nVolume=x.volume:/x\n");
	put("units", "x.volume", "[Volume]\n");
	put("units", "t@.container", "[Container]\nImage=localhost/web:1\nNope=1\n");
	assert_int_equal(find(), 0);
	assert_users("data", false, "container web, web.container");
	assert_users("data", true, "container web");
	assert_users("deep", true, "container web");
	assert_users("raw", true, "container 00000000000a");
	assert_users("other", false, "web.container");
	assert_users("other", true, "");
	assert_users("systemd-x", false, "web.container, x.volume");
	assert_users("x", false, "");
	assert_null(use.unsure);
}

static void a_unit_with_errors_may_have_any(void **state)
{
	(void)state;
	put("units", "web.container",
	    "[Container]\nImage=localhost/web:1\nNetwork=none\nVolume=data:relative\n");
	assert_int_equal(find(), 0);
	assert_string_equal(use.unsure, "web.container");
}

static void a_damaged_config_is_an_error(void **state)
{
	(void)state;
	put("c/0123456789ab", "config.json", "{\"mounts\":[");
	assert_int_equal(find(), -1);
	assert_non_null(strstr(err.msg, "c/0123456789ab: config.json is no JSON"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_there_is_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(containers_and_units_are_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_unit_with_errors_may_have_any, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_config_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
