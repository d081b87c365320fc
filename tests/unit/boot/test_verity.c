/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's command line says of the root. The device itself: tests/boot. */
#include "unit_test.h"

#include "boot/verity.h"
#include "util/str.h"

#define HALF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH HALF HALF
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" HALF

static void test_hash_and_blocks_are_read(void **state)
{
	struct verity_root root;

	(void)state;
	assert_true(verity_root_read(&root, HASH "/1234"));
	assert_string_equal(root.hash, HASH);
	assert_int_equal(root.blocks, 1234);
}

static void test_anything_else_is_not(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		HASH,
		HASH "/",
		HASH "/0",
		HASH "/-1",
		HASH "/12x",
		HASH "/16777217",
		HASH "/99999999999999999999",
		"0" HASH "/1",
		"g" HASH "/1",
		HALF "/1",
		"ABCDEF33445566778899aabbccddeeff00112233445566778899aabbccddeeff" HALF "/1",
		HALF "00112233445566778899aabbccddeeff00112233445566778899aabbccddee/12",
	};
	struct verity_root root;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (verity_root_read(&root, bad[i]))
			fail_msg("%s was taken", bad[i]);
}

static void test_it_is_found_among_the_words_of_a_command_line(void **state)
{
	struct verity_root root;
	struct err err;

	(void)state;
	assert_int_equal(
		verity_root_find(&root, "console=ttyS0  cleat.root=" HASH "/7 quiet\n", &err), 0);
	assert_string_equal(root.hash, HASH);
	assert_int_equal(root.blocks, 7);
	assert_int_equal(verity_root_find(&root, "cleat.root=" HASH "/7\n", &err), 0);
}

static void test_the_last_one_counts(void **state)
{
	struct verity_root root;
	struct err err;

	(void)state;
	assert_int_equal(
		verity_root_find(&root, "cleat.root=" HASH "/7 cleat.root=" OTHER "/8", &err), 0);
	assert_string_equal(root.hash, OTHER);
	assert_int_equal(root.blocks, 8);
	/* a wrong one does not let an earlier one through */
	assert_int_equal(verity_root_find(&root, "cleat.root=" HASH "/7 cleat.root=x", &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
}

static void test_without_one_that_is_said(void **state)
{
	struct verity_root root;
	struct err err;

	(void)state;
	assert_int_equal(verity_root_find(&root, "quiet xcleat.root=" HASH "/7", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(verity_root_find(&root, "", &err), -1);
	assert_string_equal(err.msg, "the kernel's command line has no cleat.root=HASH/BLOCKS");
}

static void test_a_wrong_one_is_quoted(void **state)
{
	struct verity_root root;
	struct err err;

	(void)state;
	assert_int_equal(verity_root_find(&root, "cleat.root=abc quiet", &err), -1);
	assert_string_equal(
		err.msg,
		"cleat.root=abc: want cleat.root=HASH/BLOCKS, a BLAKE2b-512 in hex and a number");
	/* cut, never a part of it taken */
	assert_int_equal(verity_root_find(&root, "cleat.root=" HASH "/1" HASH, &err), -1);
	assert_int_equal(
		strlen(err.msg),
		strlen("cleat.root=: want cleat.root=HASH/BLOCKS, a BLAKE2b-512 in hex and a number") +
			180);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_and_blocks_are_read),
		cmocka_unit_test(test_anything_else_is_not),
		cmocka_unit_test(test_it_is_found_among_the_words_of_a_command_line),
		cmocka_unit_test(test_the_last_one_counts),
		cmocka_unit_test(test_without_one_that_is_said),
		cmocka_unit_test(test_a_wrong_one_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
