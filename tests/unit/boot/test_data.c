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

static void set16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)value;
	at[1] = (unsigned char)(value >> 8);
}

/* What would make e2fsck -p do more than say "clean", each alone. */
static void only_what_was_unmounted_without_an_error_is_clean(void **state)
{
	static const struct {
		unsigned at, value;
	} faults[] = {
		{ 0x38, 0 },	    /* no ext4 */
		{ 0x3a, 0 },	    /* mounted without a journal, and not unmounted */
		{ 0x3a, 3 },	    /* errors seen */
		{ 0x3a, 5 },	    /* orphans are being dealt with */
		{ 0x60, 0x80 | 4 }, /* the journal has to be replayed */
		{ 0x66, 1 },	    /* orphans in their file */
		{ 0xe8, 12 },	    /* orphans in their list */
		{ 0x194, 1 },	    /* errors counted */
		{ 0x44, 1 },	    /* to be checked by date */
		{ 0x36, 20 },	    /* to be checked by count, and due */
	};
	unsigned char sb[1024] = { 0 };

	(void)state;
	set16(sb + 0x34, 20);
	set16(sb + 0x36, 0xffff); /* never by count */
	set16(sb + 0x38, 0xef53);
	set16(sb + 0x3a, 1);
	set16(sb + 0x60, 0x80);
	assert_true(data_ext4_is_clean(sb));
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		unsigned char bad[1024];

		memcpy(bad, sb, sizeof(bad));
		set16(bad + faults[i].at, faults[i].value);
		assert_false(data_ext4_is_clean(bad));
	}
	set16(sb + 0x36, 21); /* by count, and not yet due */
	assert_true(data_ext4_is_clean(sb));
	set16(sb + 0x36, 0);
	assert_true(data_ext4_is_clean(sb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_whole),
		cmocka_unit_test(the_size_of_a_file_system_is_read),
		cmocka_unit_test(only_what_was_unmounted_without_an_error_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
