/* SPDX-License-Identifier: Apache-2.0 */
/* Which files go when logs take too much, and log directories by their paths. Needs root. */
#include "log_test.h"

#include <sys/wait.h>

#include "log/budget.h"
#include "log/directory.h"
#include "log/files.h"
#include "util/ids.h"

#define BLOCK 65536

static void fill(const struct log_dir *d, const char *name, unsigned blocks)
{
	char *data = calloc(blocks, BLOCK);

	assert_non_null(data);
	memset(data, 'x', (size_t)blocks * BLOCK);
	log_file_put(d, name, data, (size_t)blocks * BLOCK);
	free(data);
}

static bool exists(const struct log_dir *d, const char *name)
{
	return faccessat(d->fd, name, F_OK, 0) == 0;
}

static void the_oldest_of_the_largest_go_first(void **state)
{
	struct log_dir big = log_dir_open(), small = log_dir_open();
	int fds[] = { big.fd, small.fd };
	unsigned removed;
	uint64_t freed;
	struct err err;

	(void)state;
	fill(&big, "current", 2);
	fill(&big, "1", 4);
	fill(&big, "3", 4); /* a crash has left a gap */
	fill(&small, "current", 1);
	fill(&small, "1", 1);
	assert_int_equal(log_budget_apply(fds, 2, 100 * BLOCK, &removed, &freed, &err), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(log_budget_apply(fds, 2, 9 * BLOCK, &removed, &freed, &err), 0);
	assert_int_equal(removed, 1);
	assert_true(freed >= 4 * BLOCK);
	assert_false(exists(&big, "3"));
	assert_true(exists(&big, "1") && exists(&small, "1"));
	log_dir_close(&big);
	log_dir_close(&small);
}

static void every_number_is_found_again_and_nothing_else(void **state)
{
	struct log_dir d = log_dir_open();
	char name[LOG_NAME_MAX];
	unsigned removed;
	uint64_t freed;
	struct err err;

	(void)state;
	for (unsigned n = 1; n < LOG_MAX_FILES; n++) /* more than one look at the directory shows */
		fill(&d, log_files_name(n, name), 1);
	fill(&d, "07", 1);
	fill(&d, "100", 1);
	fill(&d, "diary", 1);
	assert_int_equal(log_budget_apply(&d.fd, 1, 98 * BLOCK + 1, &removed, &freed, &err), 0);
	assert_int_equal(removed, 1);
	assert_false(exists(&d, "99"));
	assert_int_equal(log_budget_apply(&d.fd, 1, 0, &removed, &freed, &err), 0);
	assert_int_equal(removed, 98);
	assert_true(exists(&d, "07") && exists(&d, "100") && exists(&d, "diary"));
	log_dir_close(&d);
}

/* Holds the lock as a writer does, in a process of its own. */
static pid_t writer_of(const struct log_dir *d)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = openat(d->fd, LOG_LOCK, O_RDWR | O_CREAT, 0600);

		if (fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void what_is_being_written_stays_and_what_nobody_writes_goes_last(void **state)
{
	struct log_dir live = log_dir_open(), dead = log_dir_open();
	int fds[] = { live.fd, dead.fd };
	pid_t writer = writer_of(&live);
	unsigned removed;
	uint64_t freed;
	struct err err;

	(void)state;
	fill(&live, "current", 4);
	fill(&live, "1", 1);
	fill(&dead, "current", 1);
	assert_int_equal(log_budget_apply(fds, 2, 5 * BLOCK + BLOCK / 2, &removed, &freed, &err),
			 0);
	assert_true(exists(&dead, "current") && !exists(&live, "1"));
	assert_int_equal(log_budget_apply(fds, 2, BLOCK, &removed, &freed, &err), 0);
	assert_true(exists(&live, "current"));
	assert_false(exists(&dead, "current"));
	assert_int_equal(removed, 1);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	log_dir_close(&live);
	log_dir_close(&dead);
}

static void the_default_is_the_lesser_of_two(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_budget budget = { .bytes = 12345 };
	uint64_t bytes, percent;
	struct err err;

	(void)state;
	assert_int_equal(log_budget_bytes(&budget, d.fd, &bytes, &err), 0);
	assert_int_equal(bytes, 12345);
	budget = (struct log_budget){ .percent = 10 };
	assert_int_equal(log_budget_bytes(&budget, d.fd, &percent, &err), 0);
	budget.percent = 0;
	assert_int_equal(log_budget_bytes(&budget, d.fd, &bytes, &err), 0);
	assert_int_equal(bytes, percent < LOG_BUDGET_BYTES ? percent : LOG_BUDGET_BYTES);
	assert_int_equal(log_budget_bytes(&budget, -1, &bytes, &err), -1);
	log_dir_close(&d);
}

/* --- directories --- */

static void path_in(const struct log_dir *d, const char *rest, char out[256])
{
	snprintf(out, 256, "%s/%s", d->path, rest);
}

static void missing_folders_are_made_and_links_are_not_followed(void **state)
{
	struct log_dir d = log_dir_open();
	struct err err;
	struct stat st;
	char path[256];
	int fd;

	(void)state;
	path_in(&d, "a/b", path);
	assert_int_equal(log_directory_open(path, false, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	fd = log_directory_open(path, true, &err);
	assert_true(fd >= 0);
	assert_int_equal(log_directory_adopt(fd, true, &err), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, IDS_WORKER_LOG);
	assert_int_equal(st.st_mode & 07777, LOG_DIR_MODE);
	close(fd);
	assert_int_equal(unlinkat(d.fd, "a/b", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(d.fd, "a", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/tmp", d.fd, "a"), 0);
	assert_int_equal(log_directory_open(path, true, &err), -1);
	assert_non_null(strstr(err.msg, "a link is not followed"));
	path_in(&d, "../x", path);
	assert_int_equal(log_directory_open(path, true, &err), -1);
	log_file_put(&d, "file", "x", 1);
	path_in(&d, "file/b", path);
	assert_int_equal(log_directory_open(path, true, &err), -1);
	log_dir_close(&d);
}

static void a_folder_with_something_else_in_it_is_not_taken_over(void **state)
{
	struct log_dir d = log_dir_open();
	struct err err;
	struct stat st;

	(void)state;
	assert_int_equal(fchown(d.fd, 1000, 1000), 0);
	log_file_put(&d, LOG_CURRENT, "x", 1);
	log_file_put(&d, "7", "x", 1);
	log_file_put(&d, "diary", "x", 1);
	assert_int_equal(log_directory_adopt(d.fd, true, &err), -1);
	assert_non_null(strstr(err.msg, "\"diary\""));
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_uid, 1000);
	/* in the appliance's own place it is only a file that somebody left there */
	assert_int_equal(log_directory_adopt(d.fd, false, &err), 0);
	assert_int_equal(fchown(d.fd, 1000, 1000), 0);
	assert_int_equal(unlinkat(d.fd, "diary", 0), 0);
	assert_int_equal(log_directory_adopt(d.fd, true, &err), 0);
	assert_int_equal(fstatat(d.fd, "7", &st, 0), 0);
	assert_int_equal(st.st_uid, IDS_WORKER_LOG);
	log_dir_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_of_the_largest_go_first),
		cmocka_unit_test(every_number_is_found_again_and_nothing_else),
		cmocka_unit_test(what_is_being_written_stays_and_what_nobody_writes_goes_last),
		cmocka_unit_test(the_default_is_the_lesser_of_two),
		cmocka_unit_test(missing_folders_are_made_and_links_are_not_followed),
		cmocka_unit_test(a_folder_with_something_else_in_it_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
