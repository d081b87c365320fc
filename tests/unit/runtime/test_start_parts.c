/* SPDX-License-Identifier: Apache-2.0 */
/* What surrounds a start: bind sources, the cgroup's settings, messages between the halves, run
 * ids. */
#include "runtime/kernel.h"

#include "runtime_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "runtime/sources.h"
#include "runtime/sync.h"

static void need_root(void)
{
	/* open_tree(2) with a copy of the mount needs CAP_SYS_ADMIN. */
	if (geteuid() != 0)
		skip();
}

static struct plan_mount bind_of(const char *source, bool make)
{
	return (struct plan_mount){ .kind = PLAN_MOUNT_BIND,
				    .source = source,
				    .target = "/in",
				    .data = "",
				    .propagation = MS_PRIVATE,
				    .make = make,
				    .tree = -1 };
}

static int open_one(struct plan_mount *mount, struct err *err)
{
	struct plan plan = { .mounts = mount, .mount_count = 1 };

	return sources_open(&plan, scratch, err);
}

static void sources_are_opened(void **state)
{
	struct plan_mount mount;
	struct err err;
	struct stat st;

	(void)state;
	need_root();
	make_directory("dir", 0755);
	write_text("file", "x");
	mount = bind_of(in_scratch("dir"), false);
	assert_int_equal(open_one(&mount, &err), 0);
	assert_true(mount.tree >= 0);
	assert_true(mount.is_directory);
	close(mount.tree);
	mount = bind_of(in_scratch("file"), false);
	mount.attributes = MOUNT_ATTR_RDONLY;
	assert_int_equal(open_one(&mount, &err), 0);
	assert_false(mount.is_directory);
	assert_int_equal(fstat(mount.tree, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	close(mount.tree);
	/* The data directory itself. */
	mount = bind_of(scratch, true);
	assert_int_equal(open_one(&mount, &err), 0);
	close(mount.tree);
}

static void flags_are_set_on_the_copy(void **state)
{
	struct plan_mount mount;
	struct err err;

	(void)state;
	need_root();
	make_directory("dir", 0755);
	mount = bind_of(in_scratch("dir"), false);
	mount.attributes = MOUNT_ATTR_RDONLY;
	mount.recursive = true;
	assert_int_equal(open_one(&mount, &err), 0);
	assert_int_equal(mkdirat(mount.tree, "x", 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdir(in_scratch("dir/x"), 0755), 0);
	close(mount.tree);
}

static void missing_sources_are_the_users_mistake(void **state)
{
	struct plan_mount mount;
	struct err err;

	(void)state;
	need_root();
	mount = bind_of(in_scratch("missing"), false);
	assert_int_equal(open_one(&mount, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_non_null(strstr(err.msg, "mounts: /in: source "));
	assert_non_null(strstr(err.msg, "missing: openat2: No such file or directory"));
	mount = bind_of("/nonexistent/outside", true);
	assert_int_equal(open_one(&mount, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_non_null(strstr(err.msg, "only made below"));
	/* "/tmp/xyz" is not below "/tmp/x". */
	mount = bind_of(in_scratch("../cleat-unit-other"), true);
	assert_int_equal(open_one(&mount, &err), -1);
}

static void links_out_of_the_data_directory_are_refused(void **state)
{
	struct plan_mount mount;
	struct err err;

	(void)state;
	need_root();
	make_directory("a", 0755);
	assert_int_equal(symlink("/etc", in_scratch("abs")), 0);
	assert_int_equal(symlink("../../../../etc", in_scratch("up")), 0);
	assert_int_equal(symlink("a", in_scratch("inside")), 0);
	mount = bind_of(in_scratch("abs"), false);
	assert_int_equal(open_one(&mount, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_non_null(strstr(err.msg, "a link leads out of"));
	mount = bind_of(in_scratch("up/passwd"), true);
	assert_int_equal(open_one(&mount, &err), -1);
	assert_non_null(strstr(err.msg, "a link leads out of"));
	mount = bind_of(in_scratch("inside"), false);
	assert_int_equal(open_one(&mount, &err), 0);
	close(mount.tree);
}

static void missing_sources_are_made_for_their_user(void **state)
{
	struct plan_mount mount;
	struct err err;
	struct stat st;

	(void)state;
	need_root();
	mount = bind_of(in_scratch("moe/app/logs"), true);
	assert_int_equal(open_one(&mount, &err), 0);
	assert_int_equal(mount.tree, -1);
	if (sources_make(&mount, scratch, 1001, 1002, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(mount.tree >= 0);
	close(mount.tree);
	assert_int_equal(stat(in_scratch("moe/app/logs"), &st), 0);
	assert_int_equal(st.st_uid, 1001);
	assert_int_equal(st.st_gid, 1002);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(stat(in_scratch("moe/app"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	/* Somebody else was faster: his stays. */
	mount = bind_of(in_scratch("moe/app/logs"), true);
	assert_int_equal(sources_make(&mount, scratch, 7, 7, &err), 0);
	close(mount.tree);
	assert_int_equal(stat(in_scratch("moe/app/logs"), &st), 0);
	assert_int_equal(st.st_uid, 1001);
}

static void links_are_not_made_outside(void **state)
{
	struct plan_mount mount;
	struct err err;
	struct stat st;

	(void)state;
	need_root();
	make_directory("data", 0755);
	assert_int_equal(symlink("/../../..", in_scratch("data/up")), 0);
	mount = bind_of(in_scratch("data/up/new"), true);
	assert_int_equal(sources_make(&mount, in_scratch("data"), 1, 1, &err), -1);
	assert_int_equal(stat("/new", &st), -1);
}

/* --- the cgroup --- */

static void make_fake_cgroup(void)
{
	make_directory("cleat", 0755);
	make_directory("cleat/c", 0755);
	make_directory("cleat/c/abc", 0755);
	write_text("cleat/c/abc/cgroup.events", "populated 0\nfrozen 0\n");
}

static void assert_file(const char *name, const char *text)
{
	char got[64] = "";
	FILE *file = fopen(in_scratch(name), "re");

	assert_non_null(file);
	assert_non_null(fgets(got, sizeof(got), file));
	fclose(file);
	assert_string_equal(got, text);
}

static void limits_are_written(void **state)
{
	static const char *const files[] = { "memory.oom.group", "memory.max", "memory.swap.max",
					     "cpu.weight",	 "pids.max",   "cpu.max" };
	const struct plan_limits limits = { .memory_bytes = 4096,
					    .has_swap = true,
					    .swap_bytes = UINT64_MAX,
					    .cpu_quota_usec = 50000,
					    .cpu_weight = 39,
					    .pids = 12 };
	char name[64], unenforced[64];
	struct err err;
	int fd;

	(void)state;
	make_fake_cgroup();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "cleat/c/abc/%s", files[i]);
		write_text(name, "");
	}
	fd = limits_open_cgroup(scratch, "abc", &limits, unenforced, sizeof(unenforced), &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	close(fd);
	assert_string_equal(unenforced, "");
	assert_file("cleat/c/abc/memory.oom.group", "1");
	assert_file("cleat/c/abc/memory.max", "4096");
	assert_file("cleat/c/abc/memory.swap.max", "max");
	assert_file("cleat/c/abc/cpu.weight", "39");
	assert_file("cleat/c/abc/pids.max", "12");
	assert_file("cleat/c/abc/cpu.max", "50000 100000");
}

static void further_files_are_written(void **state)
{
	struct plan_setting settings[] = { { "memory.high", "1000" },
					   { "io.max", "8:0 rbps=1\n8:16 wiops=2" } };
	const struct plan_limits limits = { .settings = settings, .setting_count = 2 };
	char unenforced[64];
	struct err err;
	int fd;

	(void)state;
	make_fake_cgroup();
	write_text("cleat/c/abc/io.max", "");
	fd = limits_open_cgroup(scratch, "abc", &limits, unenforced, sizeof(unenforced), &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	close(fd);
	assert_string_equal(unenforced, "memory.high");
	/* each line is a write of its own, as the kernel wants it: of a plain file the last one stays */
	assert_file("cleat/c/abc/io.max", "8:16 wiops=2");

	settings[1].value = "/nowhere rbps=1";
	assert_int_equal(limits_open_cgroup(scratch, "abc", &limits, NULL, 0, &err), -1);
	assert_non_null(strstr(err.msg, "/nowhere"));
	settings[1].value = "/proc rbps=1"; /* no disk at all */
	assert_int_equal(limits_open_cgroup(scratch, "abc", &limits, NULL, 0, &err), -1);
	assert_non_null(strstr(err.msg, "name the block device"));
}

static void missing_controllers_are_named(void **state)
{
	const struct plan_limits limits = { .memory_bytes = 4096, .pids = 12 };
	char unenforced[64], small[12];
	struct err err;
	int fd;

	(void)state;
	make_fake_cgroup();
	fd = limits_open_cgroup(scratch, "abc", &limits, unenforced, sizeof(unenforced), &err);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(unenforced, "memory.max, pids.max");
	fd = limits_open_cgroup(scratch, "abc", &limits, small, sizeof(small), &err);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(small, "memory.max,");
}

static void a_living_cgroup_is_not_reused(void **state)
{
	const struct plan_limits none = { 0 };
	struct err err;

	(void)state;
	make_fake_cgroup();
	write_text("cleat/c/abc/cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(limits_open_cgroup(scratch, "abc", &none, NULL, 0, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_non_null(strstr(err.msg, "run id abc is in use"));
}

static volatile sig_atomic_t cleared;

static void clear_pod_away(int number)
{
	(void)number;
	cleared += rmdir(in_scratch("cleat/c/pod-web")) == 0;
}

/* As every teardown does with all that are empty, while another pod starts: here as soon as it is made (F_NOTIFY: fcntl(2)). */
static void a_pods_empty_cgroup_may_be_cleared_away_meanwhile(void **state)
{
	const struct plan_limits limits = { .pod = "pod-web", .is_pods = true };
	const struct sigaction action = { .sa_handler = clear_pod_away, .sa_flags = SA_RESTART };
	struct sigaction before;
	struct err err;
	int watch, fd;

	(void)state;
	make_fake_cgroup();
	cleared = 0;
	watch = open(in_scratch("cleat/c"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sigaction(SIGIO, &action, &before), 0);
	assert_int_equal(fcntl(watch, F_NOTIFY, DN_CREATE), 0);
	fd = limits_open_cgroup(scratch, "abc", &limits, NULL, 0, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(cleared, 1);
	assert_int_equal(rmdir(in_scratch("cleat/c/pod-web")), -1);
	assert_int_equal(errno, ENOTEMPTY);
	close(fd);
	close(watch);
	sigaction(SIGIO, &before, NULL);
}

/* Somebody of an earlier life is in it still, so it is not made anew; what the new version does not say must not stay. */
static void a_pods_cgroup_that_is_left_over_loses_its_limits(void **state)
{
	static const char *const rows[][3] = {
		{ "memory.max", "77", "max" },
		{ "memory.high", "77", "max" },
		{ "memory.low", "7", "0" },
		{ "memory.min", "7", "0" },
		{ "memory.swap.max", "7", "max" },
		{ "memory.zswap.max", "7", "max" },
		{ "cpu.idle", "1", "0" },
		{ "cpu.weight", "39", "100" },
		{ "cpu.max", "7 77", "max 100000" },
		{ "cpuset.cpus", "1", "\n" },
		{ "cpuset.mems", "1", "\n" },
		{ "pids.max", "77", "512" },
		{ "io.weight", "7", "default 100" },
	};
	struct plan_limits limits = { .pod = "pod-web", .is_pods = true, .pids = 512 };
	char name[64];
	struct err err;
	int fd;

	(void)state;
	make_fake_cgroup();
	make_directory("cleat/c/pod-web", 0755);
	make_directory("cleat/c/pod-web/old", 0755);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(name, sizeof(name), "cleat/c/pod-web/%s", rows[i][0]);
		write_text(name, rows[i][1]);
	}
	write_text("cleat/c/pod-web/io.max", "8:0 rbps=7\n8:16 wbps=7\n");
	fd = limits_open_cgroup(scratch, "abc", &limits, NULL, 0, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(name, sizeof(name), "cleat/c/pod-web/%s", rows[i][0]);
		assert_file(name, rows[i][2]);
	}
	/* of a plain file the last line stays */
	assert_file("cleat/c/pod-web/io.max", "8:16 rbps=max wbps=max riops=max wiops=max");
	/* a member's start leaves them alone */
	limits.is_pods = false;
	limits.pids = 0;
	fd = limits_open_cgroup(scratch, "def", &limits, NULL, 0, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_file("cleat/c/pod-web/pids.max", "512");
}

/* --- messages --- */

static void messages_and_descriptors_travel(void **state)
{
	const struct sync_message sent = { .type = SYNC_VOLUMES, .uid = 7, .gid = 8 };
	struct sync_message got = { 0 };
	struct err err;
	struct stat a, b;
	int ends[2], fd = -1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(sync_send(ends[0], &sent, ends[0], &err), 0);
	assert_int_equal(sync_receive(ends[1], &got, &fd, &err), 0);
	assert_int_equal(got.type, SYNC_VOLUMES);
	assert_int_equal(got.gid, 8);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(ends[0], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(fd);
	assert_int_equal(sync_send(ends[0], &sent, -1, &err), 0);
	fd = 77;
	assert_int_equal(sync_receive(ends[1], &got, &fd, &err), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(send(ends[0], "short", 5, 0), 5);
	assert_int_equal(sync_receive(ends[1], &got, NULL, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	close(ends[0]);
	assert_int_equal(sync_receive(ends[1], &got, NULL, &err), 0);
	assert_int_equal(got.type, SYNC_END);
	assert_int_equal(sync_send(ends[1], &sent, -1, &err), -1);
	close(ends[1]);
}

static void run_ids_are_names(void **state)
{
	(void)state;
	assert_true(runtime_id_is_valid("0123456789ab"));
	assert_true(runtime_id_is_valid("a.b_c-D"));
	assert_false(runtime_id_is_valid(""));
	assert_false(runtime_id_is_valid("."));
	assert_false(runtime_id_is_valid("../x"));
	assert_false(runtime_id_is_valid("a/b"));
	assert_false(runtime_id_is_valid("a b"));
	assert_false(runtime_id_is_valid(
		"0123456789012345678901234567890123456789012345678901234567890123x"));
}

static void starts_with_wrong_arguments_fail_early(void **state)
{
	struct runtime_start start = { .run_id = "../x", .config_path = in_scratch("none") };
	struct runtime_container container;
	struct err err;

	(void)state;
	assert_int_equal(runtime_start(&start, &container, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(container.init.pidfd, -1);
	start.run_id = "abc";
	assert_int_equal(runtime_start(&start, &container, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(container.cgroup_fd, -1);
	assert_int_equal(runtime_teardown("../x", scratch, 0, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sources_are_opened, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(flags_are_set_on_the_copy, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(missing_sources_are_the_users_mistake,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(links_out_of_the_data_directory_are_refused,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(missing_sources_are_made_for_their_user,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(links_are_not_made_outside, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(limits_are_written, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(missing_controllers_are_named, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(further_files_are_written, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_living_cgroup_is_not_reused, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_pods_empty_cgroup_may_be_cleared_away_meanwhile,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_pods_cgroup_that_is_left_over_loses_its_limits,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(messages_and_descriptors_travel, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(run_ids_are_names, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(starts_with_wrong_arguments_fail_early,
						scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
