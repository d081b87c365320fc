/* SPDX-License-Identifier: Apache-2.0 */
/* A container's file that is brought up to date while the container adds a line: stopped at a system call, whichever of the two would lose. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/file.h"

#define GIVEN "10.0.0.1\tdb\n"
#define NEXT "10.0.0.1\tdb\n10.0.0.2\tweb\n"
#define MINE "192.0.2.1\tmine\n"

static char path[] = "/tmp/cleat-test-files-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, GIVEN, strlen(GIVEN)), strlen(GIVEN));
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* As a child of the shim, which has all signals blocked. Exit code 0: it is brought in. */
static _Noreturn void run_child(void)
{
	struct buf before = BUF_INIT(4096), next = BUF_INIT(4096);
	sigset_t all;
	int fd;

	sigfillset(&all);
	sigdelset(&all, SIGTRAP);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGTRAP))
		_exit(2);
	buf_puts(&before, GIVEN);
	buf_puts(&next, NEXT);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	_exit(!shim_files_bring_in(fd, &before, &next, false));
}

static pid_t start_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		run_child();
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD), 0);
	return pid;
}

/* Before the first call with one of these numbers; false: it has ended without. */
static bool runs_to(pid_t pid, long one, long other)
{
	struct __ptrace_syscall_info info;
	int status;

	for (;;) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			return false;
		assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
		assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    ((long)info.entry.nr == one || (long)info.entry.nr == other))
			return true;
	}
}

static void ends_well(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void assert_file(const char *wanted)
{
	struct buf text = BUF_INIT(4096);
	struct err err;

	assert_int_equal(file_read_at(AT_FDCWD, path, text.max, &text, &err), 0);
	assert_string_equal(buf_str(&text), wanted);
	buf_fini(&text);
}

static void nobody_opens_it_between_reading_and_writing(void **state)
{
	pid_t pid = start_child();

	(void)state;
	assert_true(runs_to(pid, SYS_fallocate, SYS_write));
	assert_int_equal(open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	ends_well(pid);
	assert_file(NEXT);
}

static void who_has_it_open_comes_first(void **state)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	pid = start_child();
	assert_true(runs_to(pid, SYS_clock_nanosleep, SYS_clock_nanosleep));
	assert_int_equal(write(fd, MINE, strlen(MINE)), strlen(MINE));
	close(fd);
	ends_well(pid);
	assert_file(NEXT MINE);
}

static void one_that_stays_open_is_written_all_the_same(void **state)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	pid = start_child();
	ends_well(pid);
	assert_file(NEXT);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_opens_it_between_reading_and_writing,
						make_file, remove_file),
		cmocka_unit_test_setup_teardown(who_has_it_open_comes_first, make_file,
						remove_file),
		cmocka_unit_test_setup_teardown(one_that_stays_open_is_written_all_the_same,
						make_file, remove_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
