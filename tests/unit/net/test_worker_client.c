/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine sends to "cleat net", seen from the other end of the socket. */
#include "net_fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/worker.h"
#include "net/worker_message.h"
#include "util/cleanup.h"

static int ends[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* A message and what came with it. */
static ssize_t receive(void *data, size_t size, int *fd)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(ends[1], &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;

	*fd = -1;
	if (c)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

static void a_small_request_is_one_message(void **state)
{
	static char data[NET_MESSAGE_MAX];
	struct net_request head;
	struct net_wanted got;
	struct wish w;
	struct err err;
	ssize_t n;
	int fd;

	(void)state;
	wish_init(&w);
	wish_bridge(&w, "cleat0", "10.88.0.1", 16);
	assert_int_equal(net_worker_apply(ends[0], 5, &w.wanted, &err), 0);
	n = receive(data, sizeof(data), &fd);
	assert_int_equal(fd, -1);
	assert_int_equal(net_request_decode(data, (size_t)n, &head, &got, &err), 0);
	assert_int_equal(head.generation, 5);
	assert_int_equal(head.kind, NET_REQUEST_APPLY);
	assert_string_equal(got.bridges[0].name, "cleat0");
	net_wanted_fini(&got);
	assert_int_equal(net_worker_clear(ends[0], 6, &err), 0);
	n = receive(data, sizeof(data), &fd);
	assert_int_equal(net_request_decode(data, (size_t)n, &head, &got, &err), 0);
	assert_int_equal(head.kind, NET_REQUEST_CLEAR);
	net_wanted_fini(&got);
}

static void a_large_one_comes_as_a_file(void **state)
{
	struct net_port *ports = calloc(3000, sizeof(*ports));
	struct net_bridge bridge = { .name = "cleat0", .address = ip("10.88.0.1"), .prefix = 16 };
	struct net_wanted w = {
		.bridges = &bridge, .bridge_count = 1, .ports = ports, .port_count = 3000
	};
	char *data = malloc(NET_REQUEST_MAX);
	struct net_request head;
	struct net_wanted got;
	struct err err;
	ssize_t n;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		ports[i] = (struct net_port){ .host_first = (uint16_t)(i + 1),
					      .first = 80,
					      .count = 1,
					      .address = ip("10.88.0.5") };
		snprintf(ports[i].bridge, sizeof(ports[i].bridge), "cleat0");
	}
	assert_int_equal(net_worker_apply(ends[0], 7, &w, &err), 0);
	n = receive(data, NET_REQUEST_MAX, &fd);
	assert_int_equal(n, sizeof(struct net_request));
	assert_true(fd >= 0);
	n = pread(fd, data, NET_REQUEST_MAX, 0);
	assert_int_equal(net_request_decode(data, (size_t)n, &head, &got, &err), 0);
	assert_int_equal(got.port_count, 3000);
	assert_memory_equal(got.ports, ports, 3000 * sizeof(*ports));
	net_wanted_fini(&got);
	close(fd);
	free(data);
	free(ports);
}

static void a_full_socket_is_busy(void **state)
{
	struct wish w;
	struct err err = { 0 };
	int rc = 0;

	(void)state;
	wish_init(&w);
	for (int i = 0; rc == 0 && i < 100000; i++)
		rc = net_worker_apply(ends[0], 1, &w.wanted, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.msg, "network worker: is busy");
}

static void a_worker_that_has_gone_is_told(void **state)
{
	struct wish w;
	struct err err;

	(void)state;
	wish_init(&w);
	shutdown(ends[1], SHUT_RDWR);
	assert_int_equal(net_worker_apply(ends[0], 1, &w.wanted, &err), -1);
	assert_int_equal(err.sys_errno, EPIPE);
	w.wanted.endpoint_count = NET_MAX_ENDPOINTS + 1;
	assert_int_equal(net_worker_apply(ends[0], 1, &w.wanted, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_small_request_is_one_message),
		TEST(a_large_one_comes_as_a_file),
		TEST(a_full_socket_is_busy),
		TEST(a_worker_that_has_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
