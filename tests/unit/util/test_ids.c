/* SPDX-License-Identifier: Apache-2.0 */
/* The id map: table, text and both directions say the same for every id there is. */
#include "unit_test.h"

#include "util/ids.h"

static void container_root_is_never_appliance_root(void **state)
{
	uint32_t id = 0;

	(void)state;
	assert_true(ids_to_outside(0, &id));
	assert_int_equal(id, 65000);
	assert_false(ids_to_inside(0, &id));
	assert_true(ids_to_inside(65000, &id));
	assert_int_equal(id, 0);
}

static void edges_of_the_bands(void **state)
{
	uint32_t id = 0;

	(void)state;
	assert_true(ids_to_outside(1, &id));
	assert_int_equal(id, 1);
	assert_true(ids_to_outside(64999, &id));
	assert_int_equal(id, 64999);
	assert_false(ids_to_outside(65000, &id));
	assert_false(ids_to_outside(65023, &id));
	assert_true(ids_to_outside(65024, &id));
	assert_int_equal(id, 65024);
	assert_true(ids_to_outside(65535, &id));
	assert_int_equal(id, 65535);
	assert_false(ids_to_outside(65536, &id));
	assert_false(ids_to_outside(UINT32_MAX, &id));
	assert_false(ids_to_inside(65001, &id));
	assert_false(ids_to_inside(65023, &id));
	assert_false(ids_to_inside(65536, &id));
	assert_false(ids_to_inside(UINT32_MAX, &id));
}

static void both_directions_agree_for_every_id(void **state)
{
	uint32_t mapped = 0, out, back;

	(void)state;
	for (uint32_t id = 0; id < 70000; id++) {
		if (!ids_to_outside(id, &out))
			continue;
		mapped++;
		assert_true(ids_to_inside(out, &back));
		assert_int_equal(back, id);
		/* nothing of ours but container root */
		assert_true(id == 0 || out < IDS_RESERVED_FIRST || out > IDS_RESERVED_LAST);
	}
	assert_int_equal(mapped, 65536 - (IDS_RESERVED_LAST - IDS_RESERVED_FIRST + 1));
}

static void worker_ids_are_reserved(void **state)
{
	static const uint32_t workers[] = { IDS_WORKER_FETCH, IDS_WORKER_STATUS, IDS_WORKER_PROXY,
					    IDS_WORKER_PROBE };
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++)
		assert_false(ids_to_inside(workers[i], &id));
}

static void text_is_the_table(void **state)
{
	char text[256];
	int n = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%u %u %u\n", ids_map[i].inside,
			      ids_map[i].outside, ids_map[i].count);
	assert_string_equal(ids_map_text(), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_root_is_never_appliance_root),
		cmocka_unit_test(edges_of_the_bands),
		cmocka_unit_test(both_directions_agree_for_every_id),
		cmocka_unit_test(worker_ids_are_reserved),
		cmocka_unit_test(text_is_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
