/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of NOTIFY_SOCKET in the shim: what is taken for one, and how it comes to the engine. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/cleanup.h"

static void only_a_datagram_socket_of_this_machine_is_held(void **state)
{
	static const int kinds[][2] = { { AF_UNIX, SOCK_STREAM },
					{ AF_UNIX, SOCK_SEQPACKET },
					{ AF_INET, SOCK_DGRAM } };
	struct shim s = { .notify_fd = -1 };
	auto_fd int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		auto_fd int fd = socket(kinds[i][0], kinds[i][1], 0);

		assert_true(fd >= 0);
		assert_int_equal(shim_notify_hold(&s, fd, &err), -1);
		assert_int_equal(err.code, ERR_INPUT);
		assert_int_equal(s.notify_fd, -1);
	}
	assert_int_equal(shim_notify_hold(&s, file, &err), -1);
	assert_int_equal(shim_notify_hold(&s, 12345, &err), -1);
	assert_int_equal(s.notify_fd, -1);
}

static void it_does_not_get_into_programs(void **state)
{
	struct shim s = { .notify_fd = -1 };
	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct err err;

	(void)state;
	assert_int_equal(shim_notify_hold(&s, fd, &err), 0);
	assert_int_equal(s.notify_fd, fd);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* What the client gets: the answer's type, and in passed the descriptor or -1. */
static unsigned receive(int client, int *passed)
{
	struct shim_header header = { 0 };
	struct iovec iov = { .iov_base = &header, .iov_len = sizeof(header) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };

	*passed = -1;
	if (recvmsg(client, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(header))
		return 0;
	if (CMSG_FIRSTHDR(&m))
		memcpy(passed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(*passed));
	assert_int_equal(header.length, sizeof(header));
	return header.type;
}

static void it_is_given_to_who_asks(void **state)
{
	auto_fd int held = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct shim s = { .notify_fd = held, .probe = { .pidfd = -1 } };
	struct stat a, b;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	s.client_fd = pair[0];
	for (int i = 0; i < 2; i++) { /* and to the next engine again */
		auto_fd int passed = -1;

		shim_notify_give(&s);
		assert_int_equal(receive(pair[1], &passed), SHIM_NOTIFY_GIVEN);
		assert_int_equal(fstat(passed, &a), 0);
		assert_int_equal(fstat(held, &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
	}
	close(pair[0]);
	close(pair[1]);
}

static void without_one_the_answer_is_empty(void **state)
{
	struct shim s = { .notify_fd = -1, .probe = { .pidfd = -1 } };
	int pair[2], passed;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	s.client_fd = pair[0];
	shim_notify_give(&s);
	assert_int_equal(receive(pair[1], &passed), SHIM_NOTIFY_GIVEN);
	assert_int_equal(passed, -1);
	close(pair[0]);
	close(pair[1]);
}

static void a_client_that_is_gone_is_put_off(void **state)
{
	struct shim s = { .notify_fd = -1, .probe = { .pidfd = -1 } };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	s.client_fd = pair[0];
	close(pair[1]);
	shim_notify_give(&s);
	assert_int_equal(s.client_fd, -1);
	shim_notify_give(&s); /* nobody asks any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_datagram_socket_of_this_machine_is_held),
		cmocka_unit_test(it_does_not_get_into_programs),
		cmocka_unit_test(it_is_given_to_who_asks),
		cmocka_unit_test(without_one_the_answer_is_empty),
		cmocka_unit_test(a_client_that_is_gone_is_put_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
