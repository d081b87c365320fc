/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "util/copy.h"

static void bytes_of_every_length_are_copied_and_no_others(void **state)
{
	unsigned char from[2 * COPY_SHORT_BYTES + 1], to[sizeof(from) + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t len = 0; len < sizeof(from); len++) {
		memset(to, 0xee, sizeof(to));
		copy_bytes(to + 3, from + 1, len ? len - 1 : 0);
		if (len)
			assert_memory_equal(to + 3, from + 1, len - 1);
		for (size_t i = 0; i < sizeof(to); i++)
			if (i < 3 || i >= 3 + (len ? len - 1 : 0))
				assert_int_equal(to[i], 0xee);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_every_length_are_copied_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
