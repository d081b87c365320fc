/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the files of a log directory: order, gaps, places, duplicates. */
#include "log_test.h"

#include <errno.h>

#include "log/set.h"

static char first_byte(int fd)
{
	char c = 0;

	assert_int_equal(pread(fd, &c, 1, 0), 1);
	return c;
}

static void newest_first_over_gaps(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_set set;
	struct err err;
	bool found;

	(void)state;
	log_file_put(&d, "current", "c", 1);
	log_file_put(&d, "2", "2", 1);
	log_file_put(&d, "99", "9", 1);
	log_file_put(&d, "100", "x", 1); /* never one of ours */
	log_file_put(&d, "lock", "l", 1);
	assert_int_equal(log_set_open(&set, d.fd, NULL, &found, &err), 0);
	assert_false(found);
	assert_int_equal(set.count, 3);
	assert_int_equal(first_byte(set.fds[0]), 'c');
	assert_int_equal(first_byte(set.fds[1]), '2');
	assert_int_equal(first_byte(set.fds[2]), '9');
	log_set_close(&set);
	assert_int_equal(set.count, 0);
	log_dir_close(&d);
}

static void only_what_is_newer_than_a_place(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_place place;
	struct log_set set;
	struct err err;
	bool found;
	int fd;

	(void)state;
	log_file_put(&d, "current", "c", 1);
	log_file_put(&d, "1", "1", 1);
	log_file_put(&d, "2", "2", 1);
	log_file_put(&d, "3", "3", 1);
	fd = openat(d.fd, "2", O_RDONLY | O_CLOEXEC);
	assert_int_equal(log_place_of(fd, &place, &err), 0);
	assert_int_equal(log_set_open(&set, d.fd, &place, &found, &err), 0);
	assert_true(found);
	assert_int_equal(set.count, 2);
	assert_int_equal(first_byte(set.fds[1]), '1');
	log_set_close(&set);
	/* Rotated away: everything is newer, and the caller is told. */
	assert_int_equal(unlinkat(d.fd, "2", 0), 0);
	assert_int_equal(log_set_open(&set, d.fd, &place, &found, &err), 0);
	assert_false(found);
	assert_int_equal(set.count, 3);
	log_set_close(&set);
	close(fd);
	log_dir_close(&d);
}

static void the_place_follows_the_file_not_the_name(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_place place;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(log_place_is_current(d.fd, &(struct log_place){ 0 }), 0);
	log_file_put(&d, "current", "c", 1);
	fd = openat(d.fd, "current", O_RDONLY | O_CLOEXEC);
	assert_int_equal(log_place_of(fd, &place, &err), 0);
	assert_true(log_place_is_current(d.fd, &place));
	assert_int_equal(renameat(d.fd, "current", d.fd, "1"), 0);
	assert_false(log_place_is_current(d.fd, &place));
	log_file_put(&d, "current", "n", 1);
	assert_false(log_place_is_current(d.fd, &place));
	close(fd);
	assert_int_equal(log_place_of(-1, &place, &err), -1);
	log_dir_close(&d);
}

/* As a rotation between two openings shows it: one file under two numbers. */
static void a_file_met_twice_counts_once(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_set set;
	struct err err;
	bool found;

	(void)state;
	log_file_put(&d, "current", "c", 1);
	assert_int_equal(linkat(d.fd, "current", d.fd, "1", 0), 0);
	log_file_put(&d, "2", "2", 1);
	assert_int_equal(log_set_open(&set, d.fd, NULL, &found, &err), 0);
	assert_int_equal(set.count, 2);
	log_set_close(&set);
	log_dir_close(&d);
}

static void links_are_refused_and_directories_left_out(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_set set;
	struct err err;
	bool found;

	(void)state;
	assert_int_equal(mkdirat(d.fd, "1", 0700), 0);
	assert_int_equal(log_set_open(&set, d.fd, NULL, &found, &err), 0);
	assert_int_equal(set.count, 0);
	assert_int_equal(symlinkat("/etc/passwd", d.fd, "2"), 0);
	assert_int_equal(log_set_open(&set, d.fd, NULL, &found, &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
	assert_int_equal(set.count, 0);
	log_dir_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_first_over_gaps),
		cmocka_unit_test(only_what_is_newer_than_a_place),
		cmocka_unit_test(the_place_follows_the_file_not_the_name),
		cmocka_unit_test(a_file_met_twice_counts_once),
		cmocka_unit_test(links_are_refused_and_directories_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
