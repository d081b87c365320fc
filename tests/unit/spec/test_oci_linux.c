/* SPDX-License-Identifier: Apache-2.0 */
/* The "linux" object. */
#include "spec_test.h"

static size_t namespaces(const struct fixture *f, const char *type)
{
	size_t index, count, found = 0;
	yyjson_val *item;

	yyjson_arr_foreach(at(f, "/linux/namespaces"), index, count, item)
	{
		found += yyjson_equals_str(yyjson_obj_get(item, "type"), type);
	}
	return found;
}

static void namespaces_are_its_own(void **state)
{
	static const char *const always[] = { "user", "pid", "mount", "ipc", "uts", "cgroup" };
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		assert_int_equal(namespaces(&f, always[i]), 1);
	assert_int_equal(namespaces(&f, "network"), 0);
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	assert_int_equal(namespaces(&f, "network"), 1);
	teardown(&f);
}

static void the_one_map(void **state)
{
	static const char *const keys[] = { "uidMappings", "gidMappings" };
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--userns=keep-id");
	MAKE(&f);
	for (size_t i = 0; i < 2; i++) {
		yyjson_val *map = at(&f, arena_printf(&f.arena, "/linux/%s", keys[i]));
		yyjson_val *root = yyjson_arr_get(map, 0);

		assert_int_equal(yyjson_arr_size(map), 3);
		assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "containerID")), 0);
		assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "hostID")), 65000);
		assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "size")), 1);
	}
	teardown(&f);
}

static void the_cgroup_is_named_by_the_run(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/linux/cgroupsPath"), "cleat/c/" RUN_ID);
	teardown(&f);
}

static void limits(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--memory=256m", "--cpus=1.5", "--pids-limit=99");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/linux/resources/memory/limit"), 256 * MIB);
	assert_int_equal(uint_at(&f, "/linux/resources/memory/swap"), 512 * MIB);
	assert_int_equal(uint_at(&f, "/linux/resources/cpu/quota"), 150000);
	assert_int_equal(uint_at(&f, "/linux/resources/cpu/period"), 100000);
	assert_int_equal(uint_at(&f, "/linux/resources/pids/limit"), 99);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--memory=256m", "--memory-swap=300m", "--pids-limit=-1");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/linux/resources/memory/swap"), 300 * MIB);
	assert_int_equal(yyjson_get_sint(at(&f, "/linux/resources/pids/limit")), -1);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--memory=256m", "--memory-swap=-1");
	MAKE(&f);
	assert_int_equal(yyjson_get_sint(at(&f, "/linux/resources/memory/swap")), -1);
	teardown(&f);
}

static void only_the_number_of_processes_has_a_default(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_null(at(&f, "/linux/resources/memory"));
	assert_null(at(&f, "/linux/resources/cpu"));
	assert_int_equal(uint_at(&f, "/linux/resources/pids/limit"), 2048);
	teardown(&f);
}

static void what_cannot_be_enforced_is_said(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.has_memory_controller = f.host.has_cpu_controller = f.host.has_pids_controller =
		false;
	PARSE_OPTIONS(&f, "--memory=256m", "--cpus=1", "--pids-limit=9");
	MAKE(&f);
	assert_int_equal(yyjson_obj_size(at(&f, "/linux/resources")), 0);
	assert_true(has_remark(&f, "Memory= is not enforced: there is no memory controller"));
	assert_true(has_remark(&f, "no cpu controller"));
	assert_true(has_remark(&f, "PidsLimit= is not enforced"));
	teardown(&f);
	setup(&f);
	f.host.has_pids_controller = false;
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(f.remarks.count, 0);
	teardown(&f);
}

static bool masks(const struct fixture *f, const char *path)
{
	return list_has_str(at(f, "/linux/maskedPaths"), path);
}

static bool protects(const struct fixture *f, const char *path)
{
	return list_has_str(at(f, "/linux/readonlyPaths"), path);
}

static void hidden_paths_are_podmans(void **state)
{
	static const char *const hidden[] = {
		"/proc/acpi",	     "/proc/kcore",
		"/proc/keys",	     "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi",
		"/proc/timer_list",  "/proc/timer_stats",
		"/sys/dev/block",    "/sys/devices/virtual/powercap",
		"/sys/firmware",     "/sys/fs/selinux",
	};
	static const char *const read_only[] = {
		"/proc/asound", "/proc/bus", "/proc/fs",
		"/proc/irq",	"/proc/sys", "/proc/sysrq-trigger"
	};
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		assert_true(masks(&f, hidden[i]));
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
		assert_true(protects(&f, read_only[i]));
	assert_false(masks(&f, "/sys/kernel"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_true(masks(&f, "/sys/kernel"));
	teardown(&f);
}

static void masks_and_unmasks(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=mask=/proc/own",
		      "--security-opt=unmask=/proc/s*:/sys/firmware");
	MAKE(&f);
	assert_true(masks(&f, "/proc/own") && masks(&f, "/proc/kcore"));
	assert_false(masks(&f, "/proc/scsi") || masks(&f, "/proc/sched_debug") ||
		     masks(&f, "/sys/firmware"));
	assert_false(protects(&f, "/proc/sys") || protects(&f, "/proc/sysrq-trigger"));
	assert_true(protects(&f, "/proc/irq"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=unmask=ALL");
	MAKE(&f);
	assert_int_equal(yyjson_arr_size(at(&f, "/linux/maskedPaths")), 0);
	assert_int_equal(yyjson_arr_size(at(&f, "/linux/readonlyPaths")), 0);
	assert_true(yyjson_is_arr(at(&f, "/linux/readonlyPaths")));
	teardown(&f);
}

static void kernel_parameters(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--sysctl=kernel.sem=1 2 3 4");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/linux/sysctl/kernel.sem"), "1 2 3 4");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_null(at(&f, "/linux/sysctl"));
	teardown(&f);
}

static void the_profile_follows_the_capabilities(void **state)
{
	struct fixture f;
	yyjson_val *allowed;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cap-drop=all");
	MAKE(&f);
	allowed = at(&f, "/linux/seccomp/syscalls/0/names");
	assert_true(list_has_str(allowed, "read"));
	assert_false(list_has_str(allowed, "chroot"));
	teardown(&f);
	/* The bounding set counts, as with podman: a program may gain what it bounds. */
	setup(&f);
	PARSE_OPTIONS(&f, "--user=1001", "--cap-add=SYS_PTRACE");
	MAKE(&f);
	allowed = at(&f, "/linux/seccomp/syscalls/0/names");
	assert_true(list_has_str(allowed, "chroot"));
	assert_true(list_has_str(allowed, "kcmp"));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_are_its_own),
		cmocka_unit_test(the_one_map),
		cmocka_unit_test(the_cgroup_is_named_by_the_run),
		cmocka_unit_test(limits),
		cmocka_unit_test(only_the_number_of_processes_has_a_default),
		cmocka_unit_test(what_cannot_be_enforced_is_said),
		cmocka_unit_test(hidden_paths_are_podmans),
		cmocka_unit_test(masks_and_unmasks),
		cmocka_unit_test(kernel_parameters),
		cmocka_unit_test(the_profile_follows_the_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
