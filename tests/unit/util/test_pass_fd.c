/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors beside messages: one goes along, none, two. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/pass_fd.h"

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void one_goes_along(void **state)
{
	auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_fd int passed = -1;
	struct stat a, b;
	char text[8];

	(void)state;
	assert_int_equal(pass_fd_send(pair[0], "hello", 5, null, MSG_DONTWAIT), 5);
	assert_int_equal(pass_fd_receive(pair[1], text, sizeof(text), &passed, MSG_DONTWAIT), 5);
	assert_memory_equal(text, "hello", 5);
	assert_true(passed >= 0 && passed != null);
	assert_int_equal(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(null, &a), 0);
	assert_int_equal(fstat(passed, &b), 0);
	assert_int_equal(a.st_rdev, b.st_rdev);
}

static void without_one_nothing_is_touched(void **state)
{
	int passed = -7;
	char text[8];

	(void)state;
	assert_int_equal(pass_fd_send(pair[0], "hello", 5, -1, 0), 5);
	assert_int_equal(pass_fd_receive(pair[1], text, 2, &passed, 0), 2);
	assert_int_equal(passed, -7);
	assert_int_equal(pass_fd_receive(pair[1], text, 2, &passed, MSG_DONTWAIT), -1);
	assert_int_equal(passed, -7);
}

static void of_two_only_one_is_taken(void **state)
{
	auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_fd int passed = -1;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };
	int next = dup(null), both[2] = { null, null };
	char byte;

	(void)state;
	close(next);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(both));
	memcpy(CMSG_DATA(&control.header), both, sizeof(both));
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
	assert_int_equal(pass_fd_receive(pair[1], &byte, 1, &passed, 0), 1);
	assert_int_equal(passed, next);
	assert_int_equal(fcntl(next + 1, F_GETFD), -1);
}

static void nobody_there_is_an_error_and_no_signal(void **state)
{
	(void)state;
	close(pair[1]);
	assert_int_equal(pass_fd_send(pair[0], "x", 1, -1, 0), -1);
	pair[1] = -1;
}

static void the_sender_is_told_where_it_was_asked_for(void **state)
{
	int on = 1;
	pid_t sender = -7;
	char text[8];

	(void)state;
	assert_int_equal(pass_fd_send(pair[0], "hello", 5, -1, 0), 5);
	assert_int_equal(pass_pid_receive(pair[1], text, sizeof(text), &sender, MSG_PEEK), 5);
	assert_int_equal(sender, 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(pass_fd_send(pair[0], "again", 5, -1, 0), 5);
	assert_int_equal(recv(pair[1], text, sizeof(text), 0), 5);
	assert_int_equal(pass_pid_receive(pair[1], text, sizeof(text), &sender, MSG_DONTWAIT), 5);
	assert_memory_equal(text, "again", 5);
	assert_int_equal(sender, getpid());
	assert_int_equal(pass_pid_receive(pair[1], text, sizeof(text), &sender, MSG_DONTWAIT), -1);
	assert_int_equal(sender, 0);
}

static void beside_a_sender_no_descriptor_is_taken(void **state)
{
	auto_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int on = 1, lowest;
	pid_t sender = 0;
	char text[8];

	(void)state;
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(pass_fd_send(pair[0], "hello", 5, null, 0), 5);
	lowest = dup(null);
	close(lowest);
	assert_int_equal(pass_pid_receive(pair[1], text, sizeof(text), &sender, MSG_DONTWAIT), 5);
	assert_int_equal(sender, getpid());
	assert_int_equal(fcntl(lowest, F_GETFD), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_goes_along),
		TEST(without_one_nothing_is_touched),
		TEST(of_two_only_one_is_taken),
		TEST(nobody_there_is_an_error_and_no_signal),
		cmocka_unit_test_setup_teardown(the_sender_is_told_where_it_was_asked_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(beside_a_sender_no_descriptor_is_taken, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
