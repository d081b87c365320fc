/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of scratch space. */
#include "spec_test.h"

#include "spec/oci_internal.h"

static void the_limit_is_the_least_that_is_known(void **state)
{
	struct container_spec spec = { 0 };
	struct host_facts host = { .memory_bytes = 512 * MIB };

	(void)state;
	assert_int_equal(sizes_limit(&spec, &host), 512 * MIB);
	spec.memory_bytes = 100 * MIB;
	assert_int_equal(sizes_limit(&spec, &host), 100 * MIB);
	spec.memory_bytes = 1024 * MIB;
	assert_int_equal(sizes_limit(&spec, &host), 512 * MIB);
	host.memory_bytes = 0;
	spec.memory_bytes = 0;
	assert_int_equal(sizes_limit(&spec, &host), 128 * MIB);
}

static void shares(void **state)
{
	(void)state;
	assert_int_equal(sizes_root(1024 * MIB), 256 * MIB);
	assert_int_equal(sizes_scratch(1024 * MIB), 256 * MIB);
	assert_int_equal(sizes_run(1024 * MIB), 64 * MIB);
	assert_int_equal(sizes_shm(1024 * MIB), 64 * MIB);
	assert_int_equal(sizes_shm(128 * MIB), 16 * MIB);
	assert_int_equal(sizes_shm(UINT64_C(1) << 50), 64 * MIB);
}

static void shares_are_whole_pages_and_never_nothing(void **state)
{
	(void)state;
	assert_int_equal(sizes_root(100 * MIB + 1234567) % 4096, 0);
	assert_int_equal(sizes_run(512 * 1024), 64 * 1024);
	assert_int_equal(sizes_run(0), 64 * 1024);
	assert_int_equal(sizes_root(UINT64_MAX), UINT64_MAX / 4 & ~UINT64_C(4095));
}

static void percents_are_of_the_memory(void **state)
{
	struct host_facts host = { .memory_bytes = 200 * MIB };

	(void)state;
	assert_int_equal(sizes_percent(&host, 50), 100 * MIB);
	assert_int_equal(sizes_percent(&host, 7) % 4096, 0);
	host.memory_bytes = 1024 * 1024;
	assert_int_equal(sizes_percent(&host, 1), 64 * 1024);
	host.memory_bytes = 0;
	assert_int_equal(sizes_percent(&host, 100), 128 * MIB / 100 * 100 & ~UINT64_C(4095));
	host.memory_bytes = UINT64_MAX;
	assert_true(sizes_percent(&host, 100) > UINT64_MAX / 100 * 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_is_the_least_that_is_known),
		cmocka_unit_test(shares),
		cmocka_unit_test(percents_are_of_the_memory),
		cmocka_unit_test(shares_are_whole_pages_and_never_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
