/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation: exact boundaries, gaps, torn ends, full disk, what is no file. */
#include "log_test.h"

#include <errno.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "log/files.h"

#define LINE 1024u /* divides LOG_MIN_BYTES */

static struct log_files open_files(const struct log_dir *d, unsigned max_files)
{
	struct log_files f;
	struct err err;

	assert_int_equal(log_files_open(&f, d->fd, LOG_MIN_BYTES, max_files, &err), 0);
	return f;
}

/* n lines of LINE bytes, numbered from first. */
static char *make_lines(unsigned first, unsigned n)
{
	char *text = malloc(n * LINE + 1);

	assert_non_null(text);
	for (unsigned i = 0; i < n; i++) {
		memset(text + i * LINE, '.', LINE);
		snprintf(text + i * LINE, 9, "%08u", first + i);
		text[i * LINE + 8] = ' ';
		text[(i + 1) * LINE - 1] = '\n';
	}
	text[n * LINE] = '\0';
	return text;
}

static void write_lines(struct log_files *f, unsigned first, unsigned n)
{
	char *text = make_lines(first, n);
	struct err err;
	size_t done;

	assert_int_equal(log_files_write(f, text, n * LINE, &done, &err), 0);
	assert_int_equal(done, n * LINE);
	free(text);
}

static void expect_lines(const struct log_dir *d, const char *name, unsigned first, unsigned n)
{
	size_t len = 0;
	char *have = log_file_get(d, name, &len), *want = make_lines(first, n);

	assert_non_null(have);
	assert_int_equal(len, n * LINE);
	assert_memory_equal(have, want, len);
	free(have);
	free(want);
}

static bool exists(const struct log_dir *d, const char *name)
{
	return faccessat(d->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_full_file_rotates_with_the_next_byte(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 3);
	unsigned full = LOG_MIN_BYTES / LINE;

	(void)state;
	write_lines(&f, 0, full);
	assert_false(exists(&d, "1"));
	expect_lines(&d, "current", 0, full);
	write_lines(&f, full, 1);
	expect_lines(&d, "1", 0, full);
	expect_lines(&d, "current", full, 1);
	log_files_close(&f);
	log_dir_close(&d);
}

static void a_large_batch_is_cut_at_line_ends_and_the_oldest_go(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 3);
	unsigned full = LOG_MIN_BYTES / LINE;

	(void)state;
	write_lines(&f, 0, full * 5 + 7);
	expect_lines(&d, "2", full * 3, full);
	expect_lines(&d, "1", full * 4, full);
	expect_lines(&d, "current", full * 5, 7);
	assert_false(exists(&d, "3"));
	log_files_close(&f);
	log_dir_close(&d);
}

/* ext4 puts a file on disk at once when it is renamed over another: a flood would be written out in full, and deleted. */
static void nothing_is_renamed_over_another(void **state)
{
	static const struct {
		uint32_t mask;
		const char *name;
	} order[] = { { IN_DELETE, "2" },
		      { IN_MOVED_FROM, "1" },
		      { IN_MOVED_TO, "2" },
		      { IN_MOVED_FROM, "current" },
		      { IN_MOVED_TO, "1" } };
	_Alignas(struct inotify_event) char events[1024];
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 3);
	unsigned full = LOG_MIN_BYTES / LINE;
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char *p = events;
	ssize_t n;

	(void)state;
	write_lines(&f, 0, full * 3);
	assert_true(inotify_add_watch(watch, d.path, IN_DELETE | IN_MOVE) >= 0);
	write_lines(&f, full * 3, 1);
	n = read(watch, events, sizeof(events));
	assert_true(n > 0);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const struct inotify_event *e = (const void *)p;

		assert_true(p < events + n);
		assert_int_equal(e->mask, order[i].mask);
		assert_string_equal(e->name, order[i].name);
		p += sizeof(*e) + e->len;
	}
	assert_ptr_equal(p, events + n);
	close(watch);
	log_files_close(&f);
	log_dir_close(&d);
}

static void one_file_is_replaced_not_truncated(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 1);
	unsigned full = LOG_MIN_BYTES / LINE;
	int reader;
	char text[8];

	(void)state;
	write_lines(&f, 0, full);
	reader = openat(d.fd, "current", O_RDONLY | O_CLOEXEC);
	write_lines(&f, full, 1);
	expect_lines(&d, "current", full, 1);
	assert_false(exists(&d, "1"));
	/* Somebody who reads the old one still finds it whole. */
	assert_int_equal(pread(reader, text, 8, (off_t)(full - 1) * LINE), 8);
	assert_memory_equal(text, "00000063", 8);
	close(reader);
	log_files_close(&f);
	log_dir_close(&d);
}

static void sizes_survive_a_reopening(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 2);
	unsigned full = LOG_MIN_BYTES / LINE;

	(void)state;
	write_lines(&f, 0, full - 1);
	log_files_close(&f);
	f = open_files(&d, 2);
	write_lines(&f, full - 1, 2);
	expect_lines(&d, "1", 0, full);
	expect_lines(&d, "current", full, 1);
	log_files_close(&f);
	log_dir_close(&d);
}

static void a_torn_end_is_ended_on_opening(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f;
	struct err err;
	size_t done;

	(void)state;
	log_file_put(&d, "current", "whole\ntor", 9);
	f = open_files(&d, 2);
	assert_int_equal(log_files_write(&f, "next\n", 5, &done, &err), 0);
	assert_true(log_file_is(&d, "current", "whole\ntor\nnext\n"));
	log_files_close(&f);
	log_dir_close(&d);
}

static void files_beyond_the_number_are_removed(void **state)
{
	struct log_dir d = log_dir_open();
	static const char *const others[] = { "notes", "02", "3x", "100", "-2" };
	struct log_files f;
	char name[16];

	(void)state;
	log_file_put(&d, "1", "a\n", 2);
	log_file_put(&d, "2", "b\n", 2);
	log_file_put(&d, "3", "c\n", 2);
	log_file_put(&d, "99", "d\n", 2);
	for (unsigned n = 4; n < 99; n++) { /* more than one look at the directory shows */
		snprintf(name, sizeof(name), "%u", n);
		log_file_put(&d, name, "e\n", 2);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		log_file_put(&d, others[i], "mine\n", 5);
	f = open_files(&d, 2);
	assert_true(exists(&d, "1"));
	assert_false(exists(&d, "2"));
	assert_false(exists(&d, "3"));
	assert_false(exists(&d, "99"));
	for (unsigned n = 2; n < 100; n++) {
		snprintf(name, sizeof(name), "%u", n);
		assert_false(exists(&d, name));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_true(exists(&d, others[i]));
	log_files_close(&f);
	log_dir_close(&d);
}

/* A crash between two renames of a rotation. */
static void a_gap_in_the_numbers_heals(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f;
	unsigned full = LOG_MIN_BYTES / LINE;

	(void)state;
	log_file_put(&d, "2", "old\n", 4); /* "1" was moved away, "current" was not yet */
	f = open_files(&d, 4);
	write_lines(&f, 0, full + 1);
	assert_true(log_file_is(&d, "3", "old\n"));
	assert_false(exists(&d, "2"));
	expect_lines(&d, "1", 0, full);
	log_files_close(&f);
	log_dir_close(&d);
}

static void a_line_larger_than_the_file_goes_alone(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 3);
	size_t len = LOG_MIN_BYTES + 100, done, have;
	char *line = malloc(len + 2), *text;
	struct err err;

	(void)state;
	memset(line, 'x', len);
	memcpy(line + len - 1, "\ny\n", 3);
	assert_int_equal(log_files_write(&f, line, len + 2, &done, &err), 0);
	text = log_file_get(&d, "1", &have);
	assert_int_equal(have, len);
	assert_true(log_file_is(&d, "current", "y\n"));
	free(text);
	free(line);
	log_files_close(&f);
	log_dir_close(&d);
}

static void a_vanished_current_is_made_anew_on_rotation(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f = open_files(&d, 3);
	unsigned full = LOG_MIN_BYTES / LINE;

	(void)state;
	write_lines(&f, 0, full);
	assert_int_equal(unlinkat(d.fd, "current", 0), 0);
	write_lines(&f, full, 1);
	expect_lines(&d, "current", full, 1);
	log_files_close(&f);
	log_dir_close(&d);
}

static void what_is_no_file_is_refused(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_files f;
	struct err err;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", d.fd, "current"), 0);
	assert_int_equal(log_files_open(&f, d.fd, LOG_MIN_BYTES, 3, &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
	assert_int_equal(unlinkat(d.fd, "current", 0), 0);
	assert_int_equal(mkfifoat(d.fd, "current", 0600), 0);
	assert_int_equal(log_files_open(&f, d.fd, LOG_MIN_BYTES, 3, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_string_equal(err.msg, "current: not a regular file");
	assert_int_equal(log_files_open(&f, d.fd, 1, 3, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_int_equal(log_files_open(&f, d.fd, LOG_MIN_BYTES, 101, &err), -1);
	log_dir_close(&d);
}

static int truncateat_current(const struct log_dir *d, off_t size)
{
	int fd = openat(d->fd, "current", O_WRONLY | O_CLOEXEC);
	int rc = ftruncate(fd, size);

	close(fd);
	return rc;
}

/* On a tmpfs of 256 KiB in a mount namespace of its own: exit code 77 where that cannot be had. */
static int fill_disk(void)
{
	char dir[] = "/tmp/cleat-test-full-XXXXXX";
	struct log_dir d = { .fd = -1 };
	struct log_files f;
	struct err err;
	size_t done = 0, have;
	unsigned n = 1024;
	char *text = make_lines(0, n), *kept;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !mkdtemp(dir) || mount("none", dir, "tmpfs", 0, "size=256k") < 0)
		return 77;
	d.fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (log_files_open(&f, d.fd, 1024 * 1024, 3, &err) < 0)
		return 1;
	if (log_files_write(&f, text, n * LINE, &done, &err) == 0 || err.sys_errno != ENOSPC ||
	    done == 0 || done % LINE != 0)
		return 2;
	kept = log_file_get(&d, "current", &have);
	if (!kept || have != done || memcmp(kept, text, have) != 0)
		return 3;
	free(kept);
	/* Room again: it goes on where the last whole line ended. */
	log_files_close(&f);
	if (truncateat_current(&d, 10 * LINE) < 0 ||
	    log_files_open(&f, d.fd, 1024 * 1024, 3, &err) < 0 ||
	    log_files_write(&f, text + 10 * LINE, LINE, &done, &err) < 0)
		return 4;
	log_files_close(&f);
	free(text);
	close(d.fd);
	umount2(dir, MNT_DETACH);
	return rmdir(dir) < 0 ? 5 : 0;
}

static void a_full_disk_keeps_whole_lines(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_file_rotates_with_the_next_byte),
		cmocka_unit_test(a_large_batch_is_cut_at_line_ends_and_the_oldest_go),
		cmocka_unit_test(nothing_is_renamed_over_another),
		cmocka_unit_test(one_file_is_replaced_not_truncated),
		cmocka_unit_test(sizes_survive_a_reopening),
		cmocka_unit_test(a_torn_end_is_ended_on_opening),
		cmocka_unit_test(files_beyond_the_number_are_removed),
		cmocka_unit_test(a_gap_in_the_numbers_heals),
		cmocka_unit_test(a_line_larger_than_the_file_goes_alone),
		cmocka_unit_test(a_vanished_current_is_made_anew_on_rotation),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(a_full_disk_keeps_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
