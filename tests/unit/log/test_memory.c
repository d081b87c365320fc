/* SPDX-License-Identifier: Apache-2.0 */
/* Giving memory back: only whole pages, only what was named, and a process that goes on afterwards. */
#include "unit_test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/memory.h"

#define PAGES 8u
#define PAGE 4096u

static unsigned resident(char *memory)
{
	unsigned char pages[PAGES];
	unsigned count = 0;

	assert_int_equal(mincore(memory, PAGES * PAGE, pages), 0);
	for (unsigned i = 0; i < PAGES; i++)
		count += pages[i] & 1;
	return count;
}

static void a_mapping_costs_nothing_until_touched(void **state)
{
	struct err err;
	char *memory = log_memory_map(PAGES * PAGE, &err);

	(void)state;
	assert_non_null(memory);
	assert_int_equal(resident(memory), 0);
	memory[3 * PAGE] = 'x';
	assert_int_equal(resident(memory), 1);
	munmap(memory, PAGES * PAGE);
}

static void what_lies_before_the_start_stays(void **state)
{
	struct err err;
	char *memory = log_memory_map(PAGES * PAGE, &err);

	(void)state;
	memset(memory, 'x', PAGES * PAGE);
	log_memory_release(memory + 2 * PAGE + 1, 6 * PAGE - 1);
	assert_int_equal(resident(memory), 3);
	for (unsigned i = 0; i < 3 * PAGE; i++)
		assert_int_equal(memory[i], 'x');
	assert_int_equal(memory[3 * PAGE], 0);
	log_memory_release(memory, 0);
	log_memory_release(memory + 1, 100); /* no whole page */
	assert_int_equal(memory[0], 'x');
	munmap(memory, PAGES * PAGE);
}

static void no_memory_is_an_error(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_null(log_memory_map(SIZE_MAX / 2, &err));
	assert_int_equal(err.code, ERR_SYS);
}

/* The caller's variables live above what is given back. */
static void sleeping_wakes_with_everything_in_place(void **state)
{
	volatile char mine[3000];
	char byte = 'y';
	int ends[2];

	(void)state;
	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = (char)i;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], &byte, 1), 1);
	for (int round = 0; round < 3; round++) {
		struct pollfd p = { .fd = ends[0], .events = POLLIN };

		assert_int_equal(log_memory_sleep(&p, 1), 1);
		assert_int_equal(p.revents, POLLIN);
	}
	for (size_t i = 0; i < sizeof(mine); i++)
		assert_int_equal(mine[i], (char)i);
	close(ends[0]);
	close(ends[1]);
}

static unsigned count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		count += c == '\n';
	fclose(f);
	return count;
}

/* A child would get a copy of each. */
static void a_sleep_leaves_no_mapping_more(void **state)
{
	struct pollfd p = { .events = POLLIN };
	unsigned before, asleep;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "y", 1), 1);
	p.fd = ends[0];
	log_memory_woken(); /* of the sleeps before */
	before = count_mappings();
	assert_int_equal(log_memory_sleep(&p, 1), 1);
	asleep = count_mappings();
	assert_true(asleep > before);
	log_memory_woken();
	assert_int_equal(count_mappings(), before);
	close(ends[0]);
	close(ends[1]);
}

/* What the writer's life is like: 0 if what it has is there and what it has given up reads as zeros. */
__attribute__((noinline)) static int live_on(const volatile char *above, const volatile char *heap)
{
	volatile char mine[3000];

	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = (char)i;
	log_memory_abandon((void *)(uintptr_t)mine, sizeof(mine));
	for (size_t i = 0; i < sizeof(mine); i++)
		if (mine[i] != (char)i)
			return 1;
	if (above[2 * PAGE] != 0)
		return 2;
	return heap[0] != 0 || heap[3 * PAGE] != 0 ? 3 : 0;
}

static void who_never_returns_has_what_is_its_own_and_no_more(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		volatile char above[5 * PAGE];
		char *heap = sbrk(5 * (intptr_t)PAGE);

		memset((void *)(uintptr_t)above, 'x', sizeof(above));
		heap += (PAGE - (uintptr_t)heap % PAGE) % PAGE;
		memset(heap, 'x', 4 * PAGE);
		_exit(live_on(above, heap));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_wait_that_the_kernel_refuses(void **state)
{
	struct pollfd *nowhere = log_memory_map(PAGE, NULL);

	(void)state;
	assert_non_null(nowhere);
	munmap(nowhere, PAGE);
	errno = 0;
	assert_int_equal(log_memory_sleep(nowhere, 1), -1);
	assert_int_equal(errno, EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_costs_nothing_until_touched),
		cmocka_unit_test(what_lies_before_the_start_stays),
		cmocka_unit_test(no_memory_is_an_error),
		cmocka_unit_test(sleeping_wakes_with_everything_in_place),
		cmocka_unit_test(who_never_returns_has_what_is_its_own_and_no_more),
		cmocka_unit_test(a_sleep_leaves_no_mapping_more),
		cmocka_unit_test(a_wait_that_the_kernel_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
