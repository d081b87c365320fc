/* SPDX-License-Identifier: Apache-2.0 */
/* The table of names that loading keeps. */
#include "unit_test.h"

#include "unit/lookup_internal.h"

static void an_empty_table_knows_nothing(void **state)
{
	const struct lookup lookup = { .count = 0 };
	size_t value;

	(void)state;
	assert_false(lookup_find(&lookup, "a", &value));
	assert_false(lookup_find(&lookup, "", &value));
}

static void the_first_of_a_name_stays(void **state)
{
	struct lookup lookup = { .count = 0 };
	struct arena arena = { 0 };
	size_t value = 9;

	(void)state;
	assert_true(lookup_add(&lookup, &arena, "a", 1));
	assert_false(lookup_add(&lookup, &arena, "a", 2));
	assert_true(lookup_add(&lookup, &arena, "", 3));
	assert_true(lookup_find(&lookup, "a", &value));
	assert_int_equal(value, 1);
	assert_true(lookup_find(&lookup, "", &value));
	assert_int_equal(value, 3);
	assert_false(lookup_find(&lookup, "b", &value));
	assert_int_equal(lookup.count, 2);
	arena_fini(&arena);
}

static void it_grows_and_keeps_all(void **state)
{
	struct lookup lookup = { .count = 0 };
	struct arena arena = { 0 };
	size_t value;

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		assert_true(lookup_add(&lookup, &arena, arena_printf(&arena, "name-%zu", i), i));
	assert_true(lookup.count * 2 <= lookup.slot_count);
	for (size_t i = 0; i < 5000; i++) {
		assert_true(lookup_find(&lookup, arena_printf(&arena, "name-%zu", i), &value));
		assert_int_equal(value, i);
		assert_false(lookup_find(&lookup, arena_printf(&arena, "other-%zu", i), &value));
	}
	arena_fini(&arena);
}

static void what_is_reserved_is_there_at_once(void **state)
{
	static const size_t counts[] = { 0, 1, 32, 33, 1000, 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct lookup lookup = { .count = 0 };
		struct arena arena = { 0 };
		const struct lookup_slot *slots;
		size_t value;

		lookup_reserve(&lookup, &arena, counts[i]);
		slots = lookup.slots;
		assert_false(lookup_find(&lookup, "name-0", &value));
		for (size_t n = 0; n < counts[i]; n++)
			assert_true(lookup_add(&lookup, &arena, arena_printf(&arena, "name-%zu", n),
					       n));
		assert_ptr_equal(lookup.slots, slots);
		assert_true(lookup.count * 2 <= lookup.slot_count);
		arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_table_knows_nothing),
		cmocka_unit_test(the_first_of_a_name_stays),
		cmocka_unit_test(it_grows_and_keeps_all),
		cmocka_unit_test(what_is_reserved_is_there_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
