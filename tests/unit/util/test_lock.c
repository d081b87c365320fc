/* SPDX-License-Identifier: Apache-2.0 */
/* Locks as proof of life: who holds them, when they go, and what another pid namespace sees. */
#include "unit_test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/lock.h"

static int open_lock(const struct scratch *s)
{
	int fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* A child that takes the lock, says so, and holds it until it is told to end by EOF. */
struct holder {
	pid_t pid;
	int stop; /* write end */
};

static struct holder start_holder(const struct scratch *s)
{
	int ready[2], stop[2];
	struct holder h;
	char byte = 0;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stop), 0);
	h.pid = fork();
	if (h.pid == 0) {
		int fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		close(stop[1]);
		byte = fd >= 0 && lock_take(fd, NULL) == 0 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(stop[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	close(ready[0]);
	h.stop = stop[1];
	return h;
}

static void end_holder(struct holder h, int sig)
{
	int status;

	if (sig)
		kill(h.pid, sig);
	close(h.stop);
	assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
}

static void free_lock_has_no_holder(void **state)
{
	auto_fd int fd = open_lock(*state);
	struct err err = { 0 };

	assert_int_equal(lock_holder(fd, &err), 0);
	assert_int_equal(lock_take(fd, &err), 0);
	/* one's own lock is no hindrance: it looks free */
	assert_int_equal(lock_holder(fd, &err), 0);
	assert_int_equal(lock_take(fd, &err), 0);
}

static void held_lock_is_busy_and_names_the_holder(void **state)
{
	auto_fd int fd = open_lock(*state);
	struct holder h = start_holder(*state);
	struct err err = { 0 };
	char expected[64];

	assert_int_equal(lock_holder(fd, &err), h.pid);
	assert_int_equal(lock_take(fd, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	snprintf(expected, sizeof(expected), "locked by process %ld", (long)h.pid);
	assert_string_equal(err.msg, expected);
	end_holder(h, 0);
	assert_int_equal(lock_holder(fd, &err), 0);
	assert_int_equal(lock_take(fd, &err), 0);
}

static void lock_goes_with_a_killed_holder(void **state)
{
	auto_fd int fd = open_lock(*state);
	struct holder h = start_holder(*state);
	struct err err = { 0 };

	end_holder(h, SIGKILL);
	assert_int_equal(lock_take(fd, &err), 0);
}

/* What a forked child sees of its parent's lock, as exit status. */
static int child_view(int fd)
{
	struct err err = { 0 };
	long holder = lock_holder(fd, &err);

	if (holder != (long)getppid())
		return 1;
	if (lock_take(fd, &err) == 0)
		return 2;
	if (err.code != ERR_BUSY)
		return 3;
	return 0;
}

static void child_does_not_inherit_the_lock(void **state)
{
	auto_fd int fd = open_lock(*state);
	struct err err = { 0 };
	int status;
	pid_t pid;

	assert_int_equal(lock_take(fd, &err), 0);
	pid = fork();
	if (pid == 0)
		_exit(child_view(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* and the child's end has not taken it from us */
	pid = fork();
	if (pid == 0)
		_exit(child_view(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void closing_any_descriptor_drops_it(void **state)
{
	struct scratch *s = *state;
	auto_fd int fd = open_lock(s);
	struct err err = { 0 };
	int status;
	pid_t pid;

	assert_int_equal(lock_take(fd, &err), 0);
	close(open_lock(s));
	pid = fork();
	if (pid == 0)
		_exit(lock_take(fd, NULL) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Runs in a new pid namespace, where the holder has no number. */
static int namespace_view(int fd)
{
	struct err err = { 0 };

	if (lock_holder(fd, &err) != -2)
		return 1;
	if (lock_take(fd, &err) != -1 || err.code != ERR_BUSY)
		return 2;
	return strstr(err.msg, "another pid namespace") ? 0 : 3;
}

static void holder_of_another_pid_namespace_is_invisible(void **state)
{
	auto_fd int fd = open_lock(*state);
	struct holder h = start_holder(*state);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int inner;

		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(100);
		inner = fork();
		if (inner == 0)
			_exit(namespace_view(fd));
		if (waitpid(inner, &status, 0) != inner)
			_exit(101);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 102);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end_holder(h, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void errors_are_told(void **state)
{
	struct scratch *s = *state;
	auto_fd int writable = open_lock(s);
	auto_fd int readonly = openat(s->fd, "lock", O_RDONLY | O_CLOEXEC);
	struct err err = { 0 };

	assert_int_equal(lock_take(readonly, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(err.sys_errno, EBADF);
	assert_int_equal(lock_take(-1, &err), -1);
	assert_int_equal(err.sys_errno, EBADF);
	assert_int_equal(lock_holder(-1, &err), -1);
	assert_int_equal(err.sys_errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(free_lock_has_no_holder),
		scratch_test(held_lock_is_busy_and_names_the_holder),
		scratch_test(lock_goes_with_a_killed_holder),
		scratch_test(child_does_not_inherit_the_lock),
		scratch_test(closing_any_descriptor_drops_it),
		scratch_test(holder_of_another_pid_namespace_is_invisible),
		scratch_test(errors_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
