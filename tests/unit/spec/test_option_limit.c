/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and kernel parameters. */
#include "spec_test.h"

#include <sys/resource.h>

static void sizes_have_units(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-m", "1g", "--shm-size=65536k", "--memory-swap=2g");
	assert_good(&f);
	assert_int_equal(f.spec.memory_bytes, 1024 * MIB);
	assert_int_equal(f.spec.shm_bytes, 64 * MIB);
	assert_int_equal(f.spec.memory_swap_bytes, 2048 * (int64_t)MIB);
	teardown(&f);
	expect_refused("--memory=100k", "too small");
	expect_refused("--memory=-1", "no size");
	expect_refused("--memory=99999999999t", "no size");
	expect_refused("--shm-size=", "no size");
}

static void swap_is_memory_plus_swap(void **state)
{
	struct fixture f;

	(void)state;
	expect_refused("--memory-swap=1g", "needs --memory as well");
	setup(&f);
	PARSE_OPTIONS(&f, "--memory-swap=1g", "--memory=2g");
	assert_error(&f, "cannot be less than --memory");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--memory-swap=-1");
	assert_good(&f);
	assert_int_equal(f.spec.memory_swap_bytes, -1);
	teardown(&f);
}

static void processors_are_decimal_numbers(void **state)
{
	static const struct {
		const char *word;
		uint64_t quota;
	} rows[] = {
		{ "--cpus=1.5", 150000 }, { "--cpus=.25", 25000 },	 { "--cpus=2", 200000 },
		{ "--cpus=0.01", 1000 },  { "--cpus=0.3333333", 33333 }, { "--cpus=0", 0 },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, rows[i].word);
		assert_good(&f);
		assert_int_equal(f.spec.cpu_quota_usec, rows[i].quota);
		assert_int_equal(f.spec.cpu_period_usec, rows[i].quota ? 100000 : 0);
		teardown(&f);
	}
	expect_refused("--cpus=0.001", "too small");
	expect_refused("--cpus=1.", "no number of processors");
	expect_refused("--cpus=1e3", "no number of processors");
	expect_refused("--cpus=-1", "no number of processors");
	expect_refused("--cpus=99999", "no number of processors");
	expect_refused("--cpus=2000", "no number of processors");
}

static void quota_and_period(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cpu-period=50000", "--cpu-quota=25000");
	assert_good(&f);
	assert_int_equal(f.spec.cpu_quota_usec, 25000);
	assert_int_equal(f.spec.cpu_period_usec, 50000);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--cpu-quota=25000");
	assert_good(&f);
	assert_int_equal(f.spec.cpu_period_usec, 100000);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--cpus=1", "--cpu-quota=25000");
	assert_error(&f, "cannot be given together");
	teardown(&f);
	expect_refused("--cpu-period=2000000", "no period");
}

static void process_counts(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--pids-limit=0");
	assert_good(&f);
	assert_int_equal(f.spec.pids_limit, -1);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--pids-limit=-1", "--pids-limit=77");
	assert_good(&f);
	assert_int_equal(f.spec.pids_limit, 77);
	teardown(&f);
	expect_refused("--pids-limit=-2", "no number of processes");
	expect_refused("--pids-limit=4194305", "no number of processes");
}

static void resource_limits(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--ulimit=nofile=1024:4096,nproc=50", "--ulimit", "core=-1",
		      "--ulimit=memlock=0:unlimited", "--ulimit=nproc=60");
	assert_good(&f);
	assert_int_equal(f.spec.ulimit_count, 4);
	assert_int_equal(f.spec.ulimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(f.spec.ulimits[0].hard, 4096);
	assert_int_equal(f.spec.ulimits[1].soft, 60);
	assert_int_equal(f.spec.ulimits[1].hard, 60);
	assert_true(f.spec.ulimits[2].soft == UINT64_MAX && f.spec.ulimits[2].hard == UINT64_MAX);
	assert_true(f.spec.ulimits[3].soft == 0 && f.spec.ulimits[3].hard == UINT64_MAX);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--ulimit=host");
	assert_good(&f);
	assert_true(f.spec.ulimit_host);
	teardown(&f);
	expect_refused("--ulimit=nofile=5:4", "soft limit is above");
	expect_refused("--ulimit=nofile", "NAME=SOFT[:HARD]");
	expect_refused("--ulimit=NOFILE=1", "in small letters");
	expect_refused("--ulimit=nofile=1:2:3", "are numbers");
	expect_refused("--ulimit=nofile=", "are numbers");
	expect_refused("--ulimit=nofile=-2", "are numbers");
}

static void only_namespaced_kernel_parameters(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--sysctl=kernel.shmmax=1,fs.mqueue.msg_max=10",
		      "--sysctl=kernel/sem=1 2 3 4", "--sysctl=kernel.shmmax=2");
	assert_good(&f);
	assert_int_equal(f.spec.sysctl_count, 3);
	assert_string_equal(f.spec.sysctls[0].value, "2");
	assert_string_equal(f.spec.sysctls[2].name, "kernel.sem");
	teardown(&f);
	expect_refused("--sysctl=kernel.core_pattern=|/bin/x", "belongs to no namespace");
	expect_refused("--sysctl=kernel.shm=1", "belongs to no namespace");
	expect_refused("--sysctl=fs.mqueue.=1", "belongs to no namespace");
	expect_refused("--sysctl=net.=1", "belongs to no namespace");
	expect_refused("--sysctl=net.ipv4../../kernel/core_pattern=x", "belongs to no namespace");
	expect_refused("--sysctl=net.ipv4.ip_forward", "no NAME=VALUE");
	expect_refused("--sysctl=kernel.sem=1\n2", "control byte");
	expect_refused("--sysctl=net.ipv4.ip_forward=1", "net.* cannot be set with Network=host");
}

static void net_parameters_need_an_own_network(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--sysctl=net.ipv4.ip_forward=1", "--network=none", "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.sysctl_count, 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(swap_is_memory_plus_swap),
		cmocka_unit_test(processors_are_decimal_numbers),
		cmocka_unit_test(quota_and_period),
		cmocka_unit_test(process_counts),
		cmocka_unit_test(resource_limits),
		cmocka_unit_test(only_namespaced_kernel_parameters),
		cmocka_unit_test(net_parameters_need_an_own_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
