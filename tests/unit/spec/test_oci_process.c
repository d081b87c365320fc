/* SPDX-License-Identifier: Apache-2.0 */
/* The "process" object. */
#include "spec_test.h"

static size_t set_size(struct fixture *f, const char *set)
{
	yyjson_val *list = at(f, arena_printf(&f->arena, "/process/capabilities/%s", set));

	assert_true(yyjson_is_arr(list));
	return yyjson_arr_size(list);
}

static void root_has_podmans_eleven(void **state)
{
	static const char *const eleven[] = {
		"CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",	 "CAP_FSETID",
		"CAP_KILL",    "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",	 "CAP_SETGID",
		"CAP_SETPCAP", "CAP_SETUID",	       "CAP_SYS_CHROOT",
	};
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	for (size_t i = 0; i < sizeof(eleven) / sizeof(eleven[0]); i++)
		assert_true(list_has_str(at(&f, "/process/capabilities/bounding"), eleven[i]));
	assert_int_equal(set_size(&f, "bounding"), 11);
	assert_int_equal(set_size(&f, "effective"), 11);
	assert_int_equal(set_size(&f, "permitted"), 11);
	assert_int_equal(set_size(&f, "inheritable"), 0);
	assert_int_equal(set_size(&f, "ambient"), 0);
	teardown(&f);
}

static void others_have_only_what_was_added(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--user=1001", "--cap-add=NET_BIND_SERVICE");
	MAKE(&f);
	assert_int_equal(set_size(&f, "bounding"), 11);
	assert_int_equal(set_size(&f, "effective"), 1);
	assert_int_equal(set_size(&f, "inheritable"), 1);
	assert_true(list_has_str(at(&f, "/process/capabilities/ambient"), "CAP_NET_BIND_SERVICE"));
	teardown(&f);
	setup(&f);
	f.image.user = "app";
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(set_size(&f, "bounding"), 11);
	assert_int_equal(set_size(&f, "effective"), 0);
	assert_int_equal(set_size(&f, "permitted"), 0);
	assert_int_equal(set_size(&f, "ambient"), 0);
	teardown(&f);
}

static void keep_id_is_not_root(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--userns=keep-id", "--cap-drop=ALL");
	MAKE(&f);
	assert_int_equal(set_size(&f, "bounding"), 0);
	assert_int_equal(set_size(&f, "effective"), 0);
	assert_int_equal(uint_at(&f, "/process/user/uid"), 1000);
	assert_int_equal(uint_at(&f, "/process/user/gid"), 1001);
	teardown(&f);
}

static void dropping_all_leaves_root_nothing(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cap-drop=all", "--cap-add=chown", "--user=root");
	MAKE(&f);
	assert_int_equal(set_size(&f, "bounding"), 1);
	assert_int_equal(set_size(&f, "effective"), 1);
	assert_int_equal(set_size(&f, "ambient"), 0);
	teardown(&f);
}

static void numbers_where_they_are_known(void **state)
{
	static const struct {
		const char *user;
		unsigned uid, gid;
	} rows[] = {
		{ "1001:1002", 1001, 1002 },
		{ "1001", 1001, 0 },
		{ "0", 0, 0 },
		{ "root", 0, 0 },
		{ "root:5", 0, 5 },
		{ "app", 65534, 65534 },
		{ "1001:audio", 65534, 65534 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--user", rows[i].user, "--group-add=7,audio");
		MAKE(&f);
		assert_int_equal(uint_at(&f, "/process/user/uid"), rows[i].uid);
		assert_int_equal(uint_at(&f, "/process/user/gid"), rows[i].gid);
		assert_int_equal(uint_at(&f, "/process/user/additionalGids/0"), 7);
		assert_int_equal(yyjson_arr_size(at(&f, "/process/user/additionalGids")), 1);
		teardown(&f);
	}
}

static void mask_directory_and_privileges(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/process/user/umask"), 0022);
	assert_string_equal(str_at(&f, "/process/cwd"), "/");
	assert_false(yyjson_get_bool(at(&f, "/process/noNewPrivileges")));
	assert_false(yyjson_get_bool(at(&f, "/process/terminal")));
	teardown(&f);
	setup(&f);
	f.image.workdir = "srv/app";
	PARSE_OPTIONS(&f, "--umask=77", "--security-opt=no-new-privileges");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/process/user/umask"), 0077);
	assert_string_equal(str_at(&f, "/process/cwd"), "/srv/app");
	assert_true(yyjson_get_bool(at(&f, "/process/noNewPrivileges")));
	teardown(&f);
	setup(&f);
	f.image.workdir = "/srv";
	PARSE_OPTIONS(&f, "-w", "/own");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/process/cwd"), "/own");
	teardown(&f);
}

static yyjson_val *rlimit(const struct fixture *f, const char *type)
{
	size_t index, count;
	yyjson_val *item, *found = NULL;

	yyjson_arr_foreach(at(f, "/process/rlimits"), index, count, item)
	{
		if (!yyjson_equals_str(yyjson_obj_get(item, "type"), type))
			continue;
		assert_null(found);
		found = item;
	}
	return found;
}

static uint64_t hard(yyjson_val *limit)
{
	return yyjson_get_uint(yyjson_obj_get(limit, "hard"));
}

static uint64_t soft(yyjson_val *limit)
{
	return yyjson_get_uint(yyjson_obj_get(limit, "soft"));
}

static void default_limits_are_podmans_within_the_appliances(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(hard(rlimit(&f, "RLIMIT_NOFILE")), 1048576);
	assert_int_equal(soft(rlimit(&f, "RLIMIT_NPROC")), 4194304);
	teardown(&f);
	setup(&f);
	f.host.nofile_hard = 4096;
	f.host.nproc_hard = 100;
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(hard(rlimit(&f, "RLIMIT_NOFILE")), 4096);
	assert_int_equal(soft(rlimit(&f, "RLIMIT_NOFILE")), 4096);
	assert_int_equal(hard(rlimit(&f, "RLIMIT_NPROC")), 100);
	assert_int_equal(f.remarks.count, 0);
	teardown(&f);
}

static void asked_limits_are_lowered_aloud(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.nofile_hard = 4096;
	PARSE_OPTIONS(&f, "--ulimit=nofile=1024:-1", "--ulimit=core=0", "--ulimit=memlock=-1");
	MAKE(&f);
	assert_int_equal(soft(rlimit(&f, "RLIMIT_NOFILE")), 1024);
	assert_int_equal(hard(rlimit(&f, "RLIMIT_NOFILE")), 4096);
	assert_int_equal(hard(rlimit(&f, "RLIMIT_CORE")), 0);
	assert_true(hard(rlimit(&f, "RLIMIT_MEMLOCK")) == UINT64_MAX);
	assert_true(has_remark(&f, "Ulimit=nofile: lowered to 4096"));
	assert_int_equal(f.remarks.count, 1);
	teardown(&f);
}

static void host_limits_are_inherited(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--ulimit=host");
	MAKE(&f);
	assert_int_equal(yyjson_arr_size(at(&f, "/process/rlimits")), 0);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_has_podmans_eleven),
		cmocka_unit_test(others_have_only_what_was_added),
		cmocka_unit_test(keep_id_is_not_root),
		cmocka_unit_test(dropping_all_leaves_root_nothing),
		cmocka_unit_test(numbers_where_they_are_known),
		cmocka_unit_test(mask_directory_and_privileges),
		cmocka_unit_test(default_limits_are_podmans_within_the_appliances),
		cmocka_unit_test(asked_limits_are_lowered_aloud),
		cmocka_unit_test(host_limits_are_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
