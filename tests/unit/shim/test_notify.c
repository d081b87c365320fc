/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of NOTIFY_SOCKET in the shim: what is taken for one, and how it comes to the engine. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/pass_fd.h"

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

	*passed = -1;
	if (pass_fd_receive(client, &header, sizeof(header), passed, MSG_DONTWAIT) !=
	    sizeof(header))
		return 0;
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

struct kept {
	struct shim s;
	int said; /* our end */
	char dir[32];
	char memory[SHIM_MESSAGE_MAX + 1];
};

static int setup(void **state)
{
	struct kept *k = calloc(1, sizeof(*k));
	int pair[2], on = 1;

	assert_non_null(k);
	*k = (struct kept){ .dir = "/tmp/cleat-shim-XXXXXX" };
	assert_non_null(mkdtemp(k->dir));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	k->said = pair[1];
	k->s = (struct shim){ .notify_fd = pair[0],
			      .client_fd = -1,
			      .message = k->memory,
			      .args = { .run_dir = k->dir },
			      .run_dirfd = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	assert_true(k->s.run_dirfd >= 0);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct kept *k = *state;

	unlinkat(k->s.run_dirfd, SHIM_NOTIFY_REST_FILE, 0);
	rmdir(k->dir);
	close(k->s.run_dirfd);
	close(k->s.notify_fd);
	close(k->said);
	free(k);
	return 0;
}

static ssize_t rest_of(const struct kept *k, char *out, size_t size)
{
	auto_fd int fd = openat(k->s.run_dirfd, SHIM_NOTIFY_REST_FILE, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, out, size);
}

static void what_nobody_has_taken_is_left_with_its_senders(void **state)
{
	struct kept *k = *state;
	struct shim_notify_rest head;
	static char rest[SHIM_NOTIFY_REST_MAX * (sizeof(head) + SHIM_NOTIFY_REST_TEXT)];
	static char large[SHIM_NOTIFY_REST_TEXT + 100];

	memset(large, 'x', sizeof(large));
	assert_int_equal(send(k->said, "READY=1", 7, 0), 7);
	assert_int_equal(send(k->said, "", 0, 0), 0);
	assert_int_equal(send(k->said, large, sizeof(large), 0), sizeof(large));
	shim_notify_keep(&k->s);
	assert_int_equal(rest_of(k, rest, sizeof(rest)),
			 3 * sizeof(head) + 7 + SHIM_NOTIFY_REST_TEXT);
	memcpy(&head, rest, sizeof(head));
	assert_int_equal(head.pid, getpid());
	assert_int_equal(head.length, 7);
	assert_memory_equal(rest + sizeof(head), "READY=1", 7);
	memcpy(&head, rest + sizeof(head) + 7, sizeof(head));
	assert_int_equal(head.length, 0);
	memcpy(&head, rest + 2 * sizeof(head) + 7, sizeof(head));
	assert_int_equal(head.length, SHIM_NOTIFY_REST_TEXT);
}

static void a_flood_is_bounded(void **state)
{
	struct kept *k = *state;
	unsigned sent = 0;
	static char rest[1 << 20];

	/* the kernel takes a few more than we keep only where the queue is as long as the engine makes it */
	while (sent < SHIM_NOTIFY_REST_MAX + 5 &&
	       send(k->said, "WATCHDOG=1", 10, MSG_DONTWAIT) == 10)
		sent++;
	shim_notify_keep(&k->s);
	if (sent > SHIM_NOTIFY_REST_MAX)
		sent = SHIM_NOTIFY_REST_MAX;
	assert_int_equal(rest_of(k, rest, sizeof(rest)),
			 sent * (sizeof(struct shim_notify_rest) + 10));
}

/* Who is connected has the socket and reads it himself; one that has gone does not. */
static void nothing_is_taken_from_a_client(void **state)
{
	struct kept *k = *state;
	char rest[100];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	k->s.client_fd = pair[0];
	assert_int_equal(send(k->said, "READY=1", 7, 0), 7);
	shim_notify_keep(&k->s);
	assert_int_equal(rest_of(k, rest, sizeof(rest)), -1);
	close(pair[1]);
	shim_notify_keep(&k->s);
	assert_int_equal(rest_of(k, rest, sizeof(rest)), sizeof(struct shim_notify_rest) + 7);
	close(pair[0]);
}

static void without_messages_there_is_no_file(void **state)
{
	struct kept *k = *state;
	char rest[8];

	shim_notify_keep(&k->s);
	assert_int_equal(rest_of(k, rest, sizeof(rest)), -1);
}

int main(void)
{
#define KEPT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_datagram_socket_of_this_machine_is_held),
		cmocka_unit_test(it_does_not_get_into_programs),
		cmocka_unit_test(it_is_given_to_who_asks),
		cmocka_unit_test(without_one_the_answer_is_empty),
		cmocka_unit_test(a_client_that_is_gone_is_put_off),
		KEPT(what_nobody_has_taken_is_left_with_its_senders),
		KEPT(a_flood_is_bounded),
		KEPT(nothing_is_taken_from_a_client),
		KEPT(without_messages_there_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
