/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's floor, and seeds that never count twice. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "boot/clock.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/scratch.h"

static void the_clock_has_a_floor(void **state)
{
	(void)state;
	assert_int_equal(clock_floor(0, 0), CLOCK_RELEASE_SEC);
	assert_int_equal(clock_floor(CLOCK_RELEASE_SEC - 1, 0), CLOCK_RELEASE_SEC);
	assert_int_equal(clock_floor(CLOCK_RELEASE_SEC, 0), 0);
	assert_int_equal(clock_floor(CLOCK_RELEASE_SEC + 5, CLOCK_RELEASE_SEC + 9),
			 CLOCK_RELEASE_SEC + 9);
	assert_int_equal(clock_floor(CLOCK_RELEASE_SEC + 9, CLOCK_RELEASE_SEC + 9), 0);
	assert_int_equal(clock_floor(INT64_MAX, 0), 0);
}

/* A version that is being built has been made by now, and not years ago. */
static void the_release_is_not_in_the_future(void **state)
{
	(void)state;
	assert_true(CLOCK_RELEASE_SEC <= time(NULL));
}

static void read_seed(const struct scratch *s, unsigned char out[CLOCK_SEED_BYTES])
{
	int fd = openat(s->fd, "id/seed", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, out, CLOCK_SEED_BYTES), CLOCK_SEED_BYTES);
	close(fd);
}

static void a_seed_is_replaced_before_it_counts(void **state)
{
	const struct scratch *s = *state;
	unsigned char first[CLOCK_SEED_BYTES], taken[CLOCK_SEED_BYTES], second[CLOCK_SEED_BYTES];
	char dir[128], path[160];
	struct stat st;
	struct err err;

	snprintf(dir, sizeof(dir), "%s/id", s->path);
	snprintf(path, sizeof(path), "%s/seed", dir);
	assert_int_equal(clock_take_seed(path, taken, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(clock_save_seed(dir, NULL, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_seed(s, first);
	assert_int_equal(clock_take_seed(path, taken, &err), 0);
	assert_memory_equal(first, taken, sizeof(first));
	read_seed(s, second);
	assert_memory_not_equal(first, second, sizeof(first));
}

static void a_seed_that_cannot_be_replaced_is_not_taken(void **state)
{
	const struct scratch *s = *state;
	unsigned char taken[CLOCK_SEED_BYTES];
	struct err err;

	/* sysfs makes no files, and this one is of another size */
	assert_int_equal(clock_take_seed("/sys/kernel/uevent_seqnum", taken, &err), -1);
	/* a seed in a folder that takes no new file: /dev/fd is one of procfs */
	scratch_write(s, "seed",
		      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	int fd = openat(s->fd, "seed", O_RDONLY);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(clock_take_seed(path, taken, &err), -1);
	assert_non_null(strstr(err.msg, "/proc/self/fd/seed"));
	close(fd);
}

static void a_short_seed_is_none(void **state)
{
	const struct scratch *s = *state;
	unsigned char taken[CLOCK_SEED_BYTES];
	char path[128];
	struct err err;

	scratch_write(s, "seed", "short");
	snprintf(path, sizeof(path), "%s/seed", s->path);
	assert_int_equal(clock_take_seed(path, taken, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_has_a_floor),
		cmocka_unit_test(the_release_is_not_in_the_future),
		scratch_test(a_seed_is_replaced_before_it_counts),
		scratch_test(a_seed_that_cannot_be_replaced_is_not_taken),
		scratch_test(a_short_seed_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
