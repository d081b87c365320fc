/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit that is kept may point to without a copy: the program's constants, and nothing that could go away or change. */
#include "unit_test.h"

#include <link.h>
#include <stdlib.h>

#include "unit/keep_internal.h"

static char initialised[64] = "PublishPort";
static char empty[64];

static void only_constants_of_the_program_are_not_copied(void **state)
{
	char on_stack[] = "PublishPort";
	char *on_heap = malloc(16);

	(void)state;
	assert_non_null(on_heap);
	assert_true(keep_is_constant("PublishPort"));
	assert_false(keep_is_constant(initialised));
	assert_false(keep_is_constant(empty));
	assert_false(keep_is_constant(on_stack));
	assert_false(keep_is_constant(on_heap));
	free(on_heap);
}

struct hole {
	uintptr_t last_end;
	unsigned parts;
};

/* Each page between two parts of the program may be anybody's. */
static int check_holes(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct hole *hole = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		for (uintptr_t page = (hole->last_end + 4095) & ~(uintptr_t)4095;
		     hole->parts && page + 4096 <= begin; page += 4096)
			assert_false(keep_is_constant((const char *)page));
		hole->last_end = begin + info->dlpi_phdr[i].p_memsz;
		hole->parts++;
	}
	assert_false(keep_is_constant((const char *)((hole->last_end + 4095) & ~(uintptr_t)4095)));
	return 1;
}

static void what_lies_between_its_parts_is_not_the_programs(void **state)
{
	struct hole hole = { 0 };

	(void)state;
	dl_iterate_phdr(check_holes, &hole);
	assert_true(hole.parts >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_constants_of_the_program_are_not_copied),
		cmocka_unit_test(what_lies_between_its_parts_is_not_the_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
