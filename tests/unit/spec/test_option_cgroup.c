/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that are files of the container's cgroup: what is taken, what becomes of two limits of one thing. */
#include "spec_test.h"

static void setup_whole(struct fixture *f)
{
	setup(f);
	f->host.has_io_controller = f->host.has_cpuset_controller = true;
}

static void only_limits_that_the_kernel_takes(void **state)
{
	static const char *const bad[] = {
		"memory.max",	      "memory.peak=0",
		"cgroup.procs=1",     "memory.max=-1",
		"memory.max=0%",      "memory.max=101%",
		"memory.high=1g",     "cpu.max=999",
		"cpu.max=1000 999",   "cpu.max=1000 1000001",
		"cpu.weight=0",	      "cpu.weight=10001",
		"cpu.idle=2",	      "pids.max=0",
		"cpuset.cpus=",	      "cpuset.cpus=0,",
		"cpuset.cpus=3-1",    "cpuset.cpus=8192",
		"cpuset.mems=0 1",    "io.max=/dev/sda",
		"io.max=sda rbps=1",  "io.max=/dev/sda x=1",
		"io.max=8:0 rbps=-1", "io.max=8:0 rbps=0",
		"io.max=8:0  rbps=1", "io.weight=0",
		"../x.max=1",	      "=1",
		"io.max=8 rbps=1",    "io.max=8:0:1 rbps=1",
		"io.max=: rbps=1",    "io.max=/a\nb rbps=1",
	};
	static const char *const good[] = {
		"memory.max=max",
		"memory.high=1000",
		"memory.swap.max=0",
		"memory.max=100%",
		"cpu.max=max",
		"cpu.max=max 50000",
		"cpu.max=1000 1000",
		"cpu.weight=10000",
		"cpu.idle=1",
		"pids.max=max",
		"cpuset.cpus=0,2-3,8191",
		"cpuset.mems=0",
		"io.max=8:0 rbps=1",
		"io.max=/data wbps=9 riops=max wiops=7",
		"io.weight=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char word[64];

		snprintf(word, sizeof(word), "--cgroup-conf=%s", bad[i]);
		expect_refused(word, "expected");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fixture f;
		char word[64];

		setup_whole(&f);
		snprintf(word, sizeof(word), "--cgroup-conf=%s", good[i]);
		PARSE_OPTIONS(&f, word);
		MAKE(&f);
		teardown(&f);
	}
}

static void the_stricter_limit_counts(void **state)
{
	struct fixture f;

	(void)state;
	setup_whole(&f);
	PARSE_OPTIONS(&f, "--memory=256m", "--cgroup-conf=memory.max=67108864", "--cpus=2",
		      "--cgroup-conf=cpu.max=10000 20000", "--pids-limit=99",
		      "--cgroup-conf=pids.max=7");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/linux/resources/memory/limit"), 64 * MIB);
	/* as much swap as --memory allows, no more */
	assert_int_equal(uint_at(&f, "/linux/resources/memory/swap"), (64 + 256) * MIB);
	assert_int_equal(uint_at(&f, "/linux/resources/cpu/quota"), 10000);
	assert_int_equal(uint_at(&f, "/linux/resources/cpu/period"), 20000);
	assert_int_equal(uint_at(&f, "/linux/resources/pids/limit"), 7);
	assert_null(at(&f, "/linux/resources/unified/memory.max"));
	/* the root's and every other tmpfs' size follows */
	assert_string_equal(str_at(&f, "/annotations/org.cleat.root"), "tmpfs:16777216");
	teardown(&f);

	setup_whole(&f);
	PARSE_OPTIONS(&f, "--memory=64m", "--cgroup-conf=memory.max=268435456", "--cpus=0.5",
		      "--cgroup-conf=cpu.max=100000", "--pids-limit=7",
		      "--cgroup-conf=pids.max=99");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/linux/resources/memory/limit"), 64 * MIB);
	assert_int_equal(uint_at(&f, "/linux/resources/cpu/quota"), 50000);
	assert_int_equal(uint_at(&f, "/linux/resources/pids/limit"), 7);
	teardown(&f);

	setup_whole(&f);
	PARSE_OPTIONS(&f, "--pids-limit=-1", "--cgroup-conf=pids.max=5000",
		      "--cgroup-conf=memory.max=25%", "--cgroup-conf=memory.swap.max=0");
	MAKE(&f);
	assert_int_equal(uint_at(&f, "/linux/resources/pids/limit"), 5000);
	assert_string_equal(str_at(&f, "/linux/resources/unified/memory.max"), "268435456");
	assert_string_equal(str_at(&f, "/linux/resources/unified/memory.swap.max"), "0");
	assert_string_equal(str_at(&f, "/annotations/org.cleat.root"), "tmpfs:67108864");
	teardown(&f);
}

static void disks_add_up_and_the_rest_is_replaced(void **state)
{
	struct fixture f;

	(void)state;
	setup_whole(&f);
	PARSE_OPTIONS(&f, "--device-read-bps=/dev/sda:1mb", "--device-write-iops=/dev/sdb:100",
		      "--blkio-weight=1000", "--cpu-shares=1024", "--cpuset-cpus=0-1",
		      "--cpuset-mems=0", "--cgroup-conf=cpuset.cpus=1");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/linux/resources/unified/io.max"),
			    "/dev/sda rbps=1048576\n/dev/sdb wiops=100");
	assert_string_equal(str_at(&f, "/linux/resources/unified/io.weight"), "10000");
	assert_string_equal(str_at(&f, "/linux/resources/unified/cpu.weight"), "39");
	assert_string_equal(str_at(&f, "/linux/resources/unified/cpuset.cpus"), "1");
	teardown(&f);
	expect_refused("--device-read-bps=/dev/sda", "DEVICE:RATE");
	expect_refused("--device-read-bps=/dev/sda:0", "DEVICE:RATE");
	expect_refused("--device-read-iops=sda:1", "absolute");
	expect_refused("--cpu-shares=1", "2 to 262144");
	expect_refused("--blkio-weight=9", "10 to 1000");
}

static void what_is_not_enforced_is_said(void **state)
{
	struct fixture f;
	size_t said = 0;

	(void)state;
	setup(&f);
	f.host.has_memory_controller = false;
	PARSE_OPTIONS(&f, "--cgroup-conf=memory.high=1000000", "--cpuset-cpus=0",
		      "--device-read-bps=/dev/sda:1mb");
	MAKE(&f);
	for (size_t i = 0; i < f.remarks.count; i++)
		said += strstr(f.remarks.items[i], "memory.high is not enforced") ||
			strstr(f.remarks.items[i], "no cpuset controller") ||
			strstr(f.remarks.items[i], "no io controller");
	assert_int_equal(said, 3);
	assert_null(at(&f, "/linux/resources/unified/io.max"));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_limits_that_the_kernel_takes),
		cmocka_unit_test(the_stricter_limit_counts),
		cmocka_unit_test(disks_add_up_and_the_rest_is_replaced),
		cmocka_unit_test(what_is_not_enforced_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
