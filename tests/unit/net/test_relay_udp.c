/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams through the relay with real sockets on loopback: its loop runs in a thread, the test is client and server with blocking
 * calls, so that nothing depends on time.
 */
#include "unit_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/relay_udp.h"

struct bench {
	struct loop *loop;
	struct relay_udp *relay;
	struct loop_source *stop_source;
	int front, back, stop_fd;
	struct sockaddr_storage front_address;
	socklen_t front_length;
	pthread_t thread;
};

static int bind_loopback(int family, struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct timeval patience = { .tv_sec = 30 };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		bind(fd, family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		     family == AF_INET ? sizeof(four) : sizeof(six)),
		0);
	*length = sizeof(*address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

static void on_stop(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)events;
	(void)now;
	(void)arg;
	loop_stop(loop);
}

static void *run_loop(void *arg)
{
	struct bench *b = arg;
	struct err err;

	(void)!loop_run(b->loop, &err);
	return NULL;
}

static void bench_start(struct bench *b, int family, unsigned max)
{
	struct net_address target = { .text = "target" };
	struct err err;

	b->back = bind_loopback(AF_INET, &target.storage, &target.length);
	((struct sockaddr_in *)&target.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->front = bind_loopback(family, &b->front_address, &b->front_length);
	assert_int_equal(relay_udp_prepare(b->front, family, &err), 0);
	b->stop_fd = eventfd(0, EFD_CLOEXEC);
	b->loop = loop_new(&err);
	assert_non_null(b->loop);
	b->relay = relay_udp_new(b->loop, max, &err);
	assert_non_null(b->relay);
	assert_int_equal(relay_udp_listen(b->relay, b->front, &target, &err), 0);
	b->stop_source = loop_add(b->loop, b->stop_fd, EPOLLIN, on_stop, b, &err);
	assert_non_null(b->stop_source);
	assert_int_equal(pthread_create(&b->thread, NULL, run_loop, b), 0);
}

static void bench_stop(struct bench *b)
{
	uint64_t one = 1;

	assert_int_equal(write(b->stop_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(pthread_join(b->thread, NULL), 0);
}

static void bench_free(struct bench *b)
{
	relay_udp_free(b->relay);
	loop_remove(b->loop, b->stop_source);
	loop_free(b->loop);
	close(b->front);
	close(b->back);
	close(b->stop_fd);
}

/* A client that talks to one address of the front. */
static int client_to(const struct bench *b, const char *address)
{
	struct sockaddr_storage to = b->front_address;
	struct timeval patience = { .tv_sec = 30 };
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(to.ss_family, address,
				   to.ss_family == AF_INET ?
					   (void *)&((struct sockaddr_in *)&to)->sin_addr :
					   &((struct sockaddr_in6 *)&to)->sin6_addr),
			 1);
	/* connected: an answer from another address would not arrive */
	assert_int_equal(connect(fd, (struct sockaddr *)&to, b->front_length), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

/* The server hears it and answers with the same and one byte more. Returns where it heard it from: each session has a port of its own. */
static in_port_t echo_once(const struct bench *b, int client, const char *text)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	char data[2048];
	ssize_t n;

	assert_int_equal(send(client, text, strlen(text), 0), strlen(text));
	n = recvfrom(b->back, data, sizeof(data), 0, (struct sockaddr *)&from, &length);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(data, text, strlen(text));
	data[n] = '!';
	assert_int_equal(sendto(b->back, data, (size_t)n + 1, 0, (struct sockaddr *)&from, length),
			 n + 1);
	assert_int_equal(recv(client, data, sizeof(data), 0), n + 1);
	assert_int_equal(data[n], '!');
	return ((struct sockaddr_in *)&from)->sin_port;
}

static void answers_come_from_the_address_that_was_asked(void **state)
{
	in_port_t from;
	struct bench b;
	int one, two;

	(void)state;
	bench_start(&b, AF_INET, RELAY_UDP_MAX);
	one = client_to(&b, "127.0.0.1");
	two = client_to(&b, "127.0.0.2");
	from = echo_once(&b, one, "a");
	assert_int_not_equal(echo_once(&b, two, "bb"), from);
	assert_int_equal(echo_once(&b, one, ""), from);
	bench_stop(&b);
	bench_free(&b);
	close(one);
	close(two);
}

static void ipv6_in_front_ipv4_behind(void **state)
{
	struct bench b;
	int client;

	(void)state;
	bench_start(&b, AF_INET6, RELAY_UDP_MAX);
	client = client_to(&b, "::1");
	echo_once(&b, client, "six");
	bench_stop(&b);
	bench_free(&b);
	close(client);
}

static void beyond_the_bound_the_newest_is_dropped(void **state)
{
	struct bench b;
	int clients[3];

	(void)state;
	bench_start(&b, AF_INET, 2);
	for (int i = 0; i < 3; i++)
		clients[i] = client_to(&b, "127.0.0.1");
	echo_once(&b, clients[0], "a");
	echo_once(&b, clients[1], "b");
	/* nobody was silent long enough to make room */
	assert_int_equal(send(clients[2], "c", 1, 0), 1);
	echo_once(&b, clients[0], "d");
	bench_stop(&b);
	bench_free(&b);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
}

/* What was sent while nobody listened may be lost or late, but the session goes on. */
static void a_target_may_come_back(void **state)
{
	struct sockaddr_storage address, from;
	socklen_t length = sizeof(address), from_length = sizeof(from);
	struct bench b;
	char data[16] = "";
	in_port_t port;
	int client;

	(void)state;
	bench_start(&b, AF_INET, RELAY_UDP_MAX);
	client = client_to(&b, "127.0.0.1");
	port = echo_once(&b, client, "a");
	assert_int_equal(getsockname(b.back, (struct sockaddr *)&address, &length), 0);
	close(b.back);
	assert_int_equal(send(client, "lost", 4, 0), 4);
	b.back = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b.back, (struct sockaddr *)&address, length), 0);
	for (int tries = 0; tries < 1500 && strncmp(data, "found", 5) != 0; tries++) {
		struct timeval patience = { .tv_usec = 20000 };

		assert_int_equal(setsockopt(b.back, SOL_SOCKET, SO_RCVTIMEO, &patience,
					    sizeof(patience)),
				 0);
		assert_int_equal(send(client, "found", 5, 0), 5);
		(void)!recvfrom(b.back, data, sizeof(data), 0, (struct sockaddr *)&from,
				&from_length);
	}
	assert_memory_equal(data, "found", 5);
	assert_int_equal(((struct sockaddr_in *)&from)->sin_port, port);
	bench_stop(&b);
	bench_free(&b);
	close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_from_the_address_that_was_asked),
		cmocka_unit_test(ipv6_in_front_ipv4_behind),
		cmocka_unit_test(beyond_the_bound_the_newest_is_dropped),
		cmocka_unit_test(a_target_may_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
