/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounds, kinds of file, atomic replacement, what stays behind after an error. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/file.h"

static void a_text_is_rewritten_in_place(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = { { "", "one\n" },
		     { "a longer text\n", "one\n" },
		     { "one\n", "a longer text\n" },
		     { "x", "" } };
	struct scratch *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf next = BUF_INIT(1000), now = BUF_INIT(1000);
		struct err err = { 0 };
		auto_fd int fd = -1;

		scratch_write(s, "a", rows[i].before);
		fd = openat(s->fd, "a", O_RDWR | O_CLOEXEC);
		buf_puts(&next, rows[i].after);
		assert_int_equal(file_rewrite_fd(fd, &next, &err), 0);
		assert_int_equal(file_read_at(s->fd, "a", 100, &now, &err), 0);
		assert_string_equal(buf_str(&now), rows[i].after);
	}
}

static void reads_a_file_and_appends(void **state)
{
	struct scratch *s = *state;
	auto_buf b = BUF_INIT(1000);
	struct err err = { 0 };

	scratch_write(s, "a", "one");
	scratch_write(s, "b", "two");
	assert_int_equal(file_read_at(s->fd, "a", 100, &b, &err), 0);
	assert_int_equal(file_read_at(s->fd, "b", 100, &b, &err), 0);
	assert_string_equal(buf_str(&b), "onetwo");
}

static void reads_files_of_any_size_up_to_the_bound(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 100000 };
	struct scratch *s = *state;
	char *text = malloc(100001);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		auto_buf b = BUF_INIT(200000);
		struct err err = { 0 };

		memset(text, 'x', sizes[i]);
		text[sizes[i]] = '\0';
		scratch_write(s, "f", text);
		assert_int_equal(file_read_at(s->fd, "f", sizes[i], &b, &err), 0);
		assert_string_equal(buf_str(&b), text);
		if (sizes[i] == 0)
			continue;
		buf_clear(&b);
		assert_int_equal(file_read_at(s->fd, "f", sizes[i] - 1, &b, &err), -1);
		assert_int_equal(err.code, ERR_LIMIT);
		assert_non_null(strstr(err.msg, "f: larger than"));
		assert_int_equal(b.len, 0);
	}
	free(text);
}

static void too_large_leaves_the_buffer_as_it_was(void **state)
{
	struct scratch *s = *state;
	auto_buf b = BUF_INIT(1000);
	struct err err = { 0 };

	scratch_write(s, "f", "0123456789");
	buf_puts(&b, "before");
	assert_int_equal(file_read_at(s->fd, "f", 9, &b, &err), -1);
	assert_string_equal(buf_str(&b), "before");
	assert_int_equal(file_read_at(s->fd, "f", 10, &b, &err), 0);
	assert_string_equal(buf_str(&b), "before0123456789");
}

static void buffer_smaller_than_the_bound_is_a_limit_too(void **state)
{
	struct scratch *s = *state;
	auto_buf b = BUF_INIT(4);
	struct err err = { 0 };

	scratch_write(s, "f", "0123456789");
	assert_int_equal(file_read_at(s->fd, "f", 100, &b, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(buf_str(&b), "");
}

static void missing_file_is_not_found(void **state)
{
	struct scratch *s = *state;
	auto_buf b = BUF_INIT(10);
	struct err err = { 0 };

	assert_int_equal(file_read_at(s->fd, "none", 10, &b, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "none: open: No such file or directory");
}

static void only_regular_files_are_read(void **state)
{
	struct scratch *s = *state;
	auto_buf b = BUF_INIT(10);
	struct err err = { 0 };

	scratch_mkdir(s, "dir");
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	assert_int_equal(file_read_at(s->fd, "dir", 10, &b, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_string_equal(err.msg, "dir: not a regular file");
	/* nobody writes to the FIFO: without care this would wait for ever */
	assert_int_equal(file_read_at(s->fd, "fifo", 10, &b, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(file_read_at(AT_FDCWD, "/dev/null", 10, &b, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
}

static void procfs_files_without_size_are_read(void **state)
{
	auto_buf b = BUF_INIT(65536);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", b.max, &b, &err), 0);
	assert_non_null(strstr(buf_str(&b), "\nUid:"));
}

static void read_fd_takes_what_is_left(void **state)
{
	int ends[2];
	auto_buf b = BUF_INIT(100);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(file_write_all(ends[1], "a\0b", 3, &err), 0);
	close(ends[1]);
	assert_int_equal(file_read_fd(ends[0], 3, &b, &err), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 3);
	close(ends[0]);
	assert_int_equal(file_read_fd(ends[0], 3, &b, &err), -1);
	assert_int_equal(err.sys_errno, EBADF);
}

static void write_all_goes_on_after_short_writes(void **state)
{
	enum { SIZE = 1 << 20 };
	char *data = malloc(SIZE);
	auto_buf b = BUF_INIT(SIZE);
	struct err err = { 0 };
	int ends[2], status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 % 251);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(file_write_all(ends[1], data, SIZE, &err) == 0 ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(file_read_fd(ends[0], SIZE, &b, &err), 0);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(b.len, SIZE);
	assert_memory_equal(b.data, data, SIZE);
	free(data);
}

static int interrupted_fd;

static void tell_interruption(int signal)
{
	(void)signal;
	if (write(interrupted_fd, "", 1) < 0)
		_exit(2);
}

/* In a child: each signal may end a write in the middle of a piece. */
static int write_pieces(int fd, struct iovec *parts, size_t count)
{
	struct sigaction action = { .sa_handler = tell_interruption };
	struct itimerval every = { .it_interval = { .tv_usec = 1000 },
				   .it_value = { .tv_usec = 10 * 1000 } };
	struct err err;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	return file_writev_all(fd, parts, count, &err) == 0 ? 0 : 1;
}

static void pieces_are_written_one_behind_the_other(void **state)
{
	enum { SIZE = 300 * 1000, PIECES = 3000 };
	char *data = malloc(SIZE), told;
	struct iovec *parts = calloc(PIECES, sizeof(parts[0]));
	auto_buf b = BUF_INIT(SIZE);
	struct err err = { 0 };
	int ends[2], tellers[2], status;
	size_t used = 0;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 % 251);
	/* Of 0 to 99 bytes, and the first and the last of none. */
	for (size_t i = 0; i < PIECES; i++) {
		parts[i] = (struct iovec){ .iov_base = data + used,
					   .iov_len = i + 1 == PIECES ? 0 : i * 37 % 100 };
		used += parts[i].iov_len;
	}
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe2(tellers, O_NONBLOCK), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		interrupted_fd = tellers[1];
		_exit(write_pieces(ends[1], parts, PIECES));
	}
	close(ends[1]);
	close(tellers[1]);
	/* More than fits: the pipe is full when the first signal comes. */
	assert_int_equal(poll(&(struct pollfd){ .fd = tellers[0], .events = POLLIN }, 1, -1), 1);
	assert_int_equal(read(tellers[0], &told, 1), 1);
	assert_int_equal(file_read_fd(ends[0], SIZE, &b, &err), 0);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(b.len, used);
	assert_memory_equal(b.data, data, used);
	close(tellers[0]);
	free(parts);
	free(data);
}

static void write_errors_are_told(void **state)
{
	auto_fd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct iovec parts[2] = { { .iov_base = "", .iov_len = 0 },
				  { .iov_base = "x", .iov_len = 1 } };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(file_writev_all(full, parts, 2, &err), -1);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_int_equal(file_writev_all(full, parts, 0, &err), 0);
	assert_int_equal(file_writev_all(full, parts, 1, &err), 0);
	assert_int_equal(file_write_all(full, "x", 1, &err), -1);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_int_equal(file_write_all(full, "", 0, &err), 0);
}

static void read_text(const struct scratch *s, const char *rel, char *out, size_t size)
{
	auto_buf b = BUF_INIT(size - 1);
	struct err err = { 0 };

	assert_int_equal(file_read_at(s->fd, rel, size - 1, &b, &err), 0);
	memcpy(out, buf_str(&b), b.len + 1);
}

static void atomic_write_creates_and_replaces(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	struct stat st;
	char text[32];
	mode_t mask = umask(077);

	assert_int_equal(file_write_atomic(s->fd, "f", "one", 3, 0644, false, &err), 0);
	umask(mask);
	read_text(s, "f", text, sizeof(text));
	assert_string_equal(text, "one");
	assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);

	ino_t first = st.st_ino;

	assert_int_equal(file_write_atomic(s->fd, "f", "second", 6, 0600, true, &err), 0);
	read_text(s, "f", text, sizeof(text));
	assert_string_equal(text, "second");
	assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_not_equal(st.st_ino, first);
	assert_int_equal(scratch_count(s, "."), 1);
}

static void atomic_write_in_folders_and_by_absolute_path(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char path[128], text[32];

	scratch_mkdir(s, "d");
	assert_int_equal(file_write_atomic(s->fd, "d/f", "x", 1, 0644, true, &err), 0);
	snprintf(path, sizeof(path), "%s/d/g", s->path);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "y", 1, 0644, true, &err), 0);
	read_text(s, "d/g", text, sizeof(text));
	assert_string_equal(text, "y");
	assert_int_equal(scratch_count(s, "d"), 2);
}

static void atomic_write_replaces_a_link_not_its_target(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	struct stat st;
	char text[32];

	scratch_write(s, "victim", "precious");
	scratch_link(s, "victim", "f");
	assert_int_equal(file_write_atomic(s->fd, "f", "new", 3, 0644, false, &err), 0);
	read_text(s, "victim", text, sizeof(text));
	assert_string_equal(text, "precious");
	assert_int_equal(fstatat(s->fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void atomic_write_does_not_follow_a_planted_temporary_name(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char temp[64], text[32];

	scratch_write(s, "victim", "precious");
	snprintf(temp, sizeof(temp), "f.tmp-%ld", (long)getpid());
	scratch_link(s, "victim", temp);
	assert_int_equal(file_write_atomic(s->fd, "f", "new", 3, 0644, false, &err), 0);
	read_text(s, "victim", text, sizeof(text));
	assert_string_equal(text, "precious");
	assert_false(scratch_exists(s, temp));
}

static void failed_atomic_write_keeps_the_old_and_no_rest(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	assert_int_equal(file_write_atomic(s->fd, "none/f", "x", 1, 0644, false, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "none/f: "));
	/* a directory stands under the name: the rename fails last */
	scratch_mkdir(s, "d");
	scratch_write(s, "d/inside", "x");
	assert_int_equal(file_write_atomic(s->fd, "d", "x", 1, 0644, false, &err), -1);
	assert_non_null(strstr(err.msg, "rename"));
	assert_true(scratch_exists(s, "d/inside"));
	assert_int_equal(scratch_count(s, "."), 1);
}

static void atomic_write_of_an_endless_name(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char *name = malloc(5000);

	memset(name, 'a', 4999);
	name[4999] = '\0';
	assert_int_equal(file_write_atomic(s->fd, name, "x", 1, 0644, false, &err), -1);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	free(name);
}

static void text_goes_to_existing_files_only(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char text[32];

	scratch_write(s, "f", "12345");
	assert_int_equal(file_write_text_at(s->fd, "f", "ab", &err), 0);
	read_text(s, "f", text, sizeof(text));
	assert_string_equal(text, "ab345");
	assert_int_equal(file_write_text_at(s->fd, "none", "ab", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "none: open: No such file or directory");
	assert_int_equal(file_write_text_at(AT_FDCWD, "/dev/full", "ab", &err), -1);
	assert_string_equal(err.msg, "/dev/full: write: No space left on device");
}

static void no_descriptor_is_left_open(void **state)
{
	unsigned before = count_fds();

	atomic_write_creates_and_replaces(state);
	reads_a_file_and_appends(state);
	too_large_leaves_the_buffer_as_it_was(state);
	missing_file_is_not_found(state);
	only_regular_files_are_read(state);
	text_goes_to_existing_files_only(state);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_text_is_rewritten_in_place),
		scratch_test(reads_a_file_and_appends),
		scratch_test(reads_files_of_any_size_up_to_the_bound),
		scratch_test(too_large_leaves_the_buffer_as_it_was),
		scratch_test(buffer_smaller_than_the_bound_is_a_limit_too),
		scratch_test(missing_file_is_not_found),
		scratch_test(only_regular_files_are_read),
		cmocka_unit_test(procfs_files_without_size_are_read),
		cmocka_unit_test(read_fd_takes_what_is_left),
		cmocka_unit_test(write_all_goes_on_after_short_writes),
		cmocka_unit_test(pieces_are_written_one_behind_the_other),
		cmocka_unit_test(write_errors_are_told),
		scratch_test(atomic_write_creates_and_replaces),
		scratch_test(atomic_write_in_folders_and_by_absolute_path),
		scratch_test(atomic_write_replaces_a_link_not_its_target),
		scratch_test(atomic_write_does_not_follow_a_planted_temporary_name),
		scratch_test(failed_atomic_write_keeps_the_old_and_no_rest),
		scratch_test(atomic_write_of_an_endless_name),
		scratch_test(text_goes_to_existing_files_only),
		scratch_test(no_descriptor_is_left_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
