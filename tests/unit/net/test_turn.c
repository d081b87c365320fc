/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's turn: after the one before it, which ends by itself or is killed, or never, when the engine has gone. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/turn.h"
#include "util/lock.h"

#define LONG (300 * USEC_SEC) /* longer than any test lasts */

static int lock_fd, engine[2];

static int open_all(void **state)
{
	(void)state;
	lock_fd = memfd_create("lock", MFD_CLOEXEC);
	return lock_fd < 0 ? -1 : socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, engine);
}

static int close_all(void **state)
{
	(void)state;
	close(lock_fd);
	close(engine[0]);
	close(engine[1]);
	return 0;
}

/* A process that has the lock and ends when a byte, or the end, comes over *tell. */
static pid_t start_holder(int *tell)
{
	int order[2], ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(order, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct err err;

		close(order[1]);
		close(engine[0]); /* whose end means something is the test's alone */
		if (lock_take(lock_fd, &err) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(order[0], &byte, 1) < 0);
	}
	close(order[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*tell = order[1];
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The result of a process that waits for its turn. */
static int turn_of(pid_t pid)
{
	int status = end_of(pid);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Ends with what net_turn_take() said. */
static pid_t start_waiter(int closed_in_child)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct err err;
		int rc;

		close(closed_in_child);
		close(engine[0]);
		rc = net_turn_take(lock_fd, engine[1], LONG, &err);
		_exit(rc < 0 ? 9 : rc);
	}
	return pid;
}

static void nobody_is_waited_for(void **state)
{
	struct err err;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(net_turn_take(lock_fd, engine[1], LONG, &err), 1);
	pid = fork();
	if (pid == 0)
		_exit(lock_holder(lock_fd, &err) == getppid() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void one_that_ends_by_itself_is_waited_for(void **state)
{
	int tell;
	pid_t holder, waiter;

	(void)state;
	holder = start_holder(&tell);
	waiter = start_waiter(tell);
	/* The holder lives: whatever the waiter does meanwhile, it has not got its turn. */
	assert_int_equal(waitpid(waiter, NULL, WNOHANG), 0);
	close(tell);
	assert_int_equal(turn_of(waiter), 1);
	assert_int_equal(end_of(holder), 0);
}

static void one_that_does_not_end_is_killed(void **state)
{
	struct err err;
	int tell, status;
	pid_t holder;

	(void)state;
	holder = start_holder(&tell);
	/* Not even stopped ones are left over. */
	assert_int_equal(kill(holder, SIGSTOP), 0);
	assert_int_equal(net_turn_take(lock_fd, engine[1], 0, &err), 1);
	status = end_of(holder);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	close(tell);
}

static void several_have_their_turns_one_after_the_other(void **state)
{
	pid_t holder, waiters[4];
	int tell;

	(void)state;
	holder = start_holder(&tell);
	for (int i = 0; i < 4; i++)
		waiters[i] = start_waiter(tell);
	close(tell);
	for (int i = 0; i < 4; i++)
		assert_int_equal(turn_of(waiters[i]), 1);
	assert_int_equal(end_of(holder), 0);
}

static void without_an_engine_nobody_waits(void **state)
{
	struct err err;
	int tell;
	pid_t holder;

	(void)state;
	holder = start_holder(&tell);
	close(engine[0]);
	engine[0] = -1;
	assert_int_equal(net_turn_take(lock_fd, engine[1], LONG, &err), 0);
	assert_int_equal(waitpid(holder, NULL, WNOHANG), 0); /* and nobody was killed */
	close(tell);
	assert_int_equal(end_of(holder), 0);
}

static void an_engine_that_goes_meanwhile_is_noticed(void **state)
{
	pid_t holder, waiter;
	int tell;

	(void)state;
	holder = start_holder(&tell);
	waiter = start_waiter(tell);
	close(engine[0]);
	engine[0] = -1;
	assert_int_equal(turn_of(waiter), 0);
	assert_int_equal(waitpid(holder, NULL, WNOHANG), 0);
	close(tell);
	assert_int_equal(end_of(holder), 0);
}

/* What the engine has asked for already is no reason to stop waiting. */
static void a_request_that_is_there_changes_nothing(void **state)
{
	pid_t holder, waiter;
	int tell;

	(void)state;
	holder = start_holder(&tell);
	assert_int_equal(send(engine[0], "request", 7, 0), 7);
	waiter = start_waiter(tell);
	assert_int_equal(waitpid(waiter, NULL, WNOHANG), 0);
	close(tell);
	assert_int_equal(turn_of(waiter), 1);
	assert_int_equal(end_of(holder), 0);
}

static void a_holder_that_has_no_number_is_an_error(void **state)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[64];
	struct err err;
	int other;

	(void)state;
	/* A lock of an open file description is no process's. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_fd);
	other = open(path, O_RDWR | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &whole), 0);
	assert_int_equal(net_turn_take(lock_fd, engine[1], LONG, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.msg,
			    "earlier worker: locked by a process of another pid namespace");
	close(other);
}

static void what_is_no_lock_is_an_error(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(net_turn_take(-1, engine[1], LONG, &err), -1);
	assert_int_equal(err.sys_errno, EBADF);
	assert_string_equal(err.msg, "earlier worker: lock: Bad file descriptor");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_waited_for),
		TEST(one_that_ends_by_itself_is_waited_for),
		TEST(one_that_does_not_end_is_killed),
		TEST(several_have_their_turns_one_after_the_other),
		TEST(without_an_engine_nobody_waits),
		TEST(an_engine_that_goes_meanwhile_is_noticed),
		TEST(a_request_that_is_there_changes_nothing),
		TEST(a_holder_that_has_no_number_is_an_error),
		TEST(what_is_no_lock_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
