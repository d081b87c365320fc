/* SPDX-License-Identifier: Apache-2.0 */
/* What /data's step reads: words of a command line, superblocks. */
#include "unit_test.h"

#include "boot/data.h"

static void words_are_whole(void **state)
{
	(void)state;
	assert_true(data_has_word("cleat.data=memory", "cleat.data=memory"));
	assert_true(data_has_word("quiet cleat.data=memory\n", "cleat.data=memory"));
	assert_true(data_has_word("  cleat.data=memory root=x", "cleat.data=memory"));
	assert_false(data_has_word("cleat.data=memory2", "cleat.data=memory"));
	assert_false(data_has_word("xcleat.data=memory", "cleat.data=memory"));
	assert_false(data_has_word("cleat.data", "cleat.data=memory"));
	assert_false(data_has_word("", "cleat.data=memory"));
}

static void the_size_of_a_file_system_is_read(void **state)
{
	unsigned char sb[1024] = {
		[0x04] = 0x00, [0x05] = 0x40, [0x18] = 2, [0x38] = 0x53, [0x39] = 0xef
	};
	unsigned block = 0;
	uint64_t blocks = 0;

	(void)state;
	sb[0x150] = 1; /* means nothing without the feature 64bit */
	assert_int_equal(data_ext4_blocks(sb, &blocks, &block), 0);
	assert_int_equal(block, 4096);
	assert_int_equal(blocks, 0x4000);
	sb[0x60] = 0x80;
	assert_int_equal(data_ext4_blocks(sb, &blocks, &block), 0);
	assert_int_equal(blocks, 0x100004000);
	sb[0x18] = 7;
	assert_int_equal(data_ext4_blocks(sb, &blocks, &block), -1);
	sb[0x18] = 0;
	assert_int_equal(data_ext4_blocks(sb, &blocks, &block), 0);
	assert_int_equal(block, 1024);
	sb[0x38] = 0;
	assert_int_equal(data_ext4_blocks(sb, &blocks, &block), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_whole),
		cmocka_unit_test(the_size_of_a_file_system_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
