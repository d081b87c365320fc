/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay with real sockets on loopback: its loop runs in a thread, the test is client and server with blocking calls, so that
 * nothing depends on time.
 */
#include "unit_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/relay.h"

#define BULK (64u * 1024 * 1024)
#define STUCK_MAX     \
	(40u * 1024 * \
	 1024) /* what the kernel's socket buffers of two connections may hold, generously */

#define HELD_MAX 8

struct bench {
	struct loop *loop;
	struct relay *relay;
	struct loop_source *stop_source, *echo_source;
	int front, back, stop_fd; /* the relay's listener, the target's, an eventfd */
	int echo[2];		  /* the test's end, the loop's */
	struct sockaddr_in front_address;
	pthread_t thread;
	int loop_result;
};

static _Atomic time_t leap_sec;

/* The loop's clock, which the test puts forward. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
	if (syscall(SYS_clock_gettime, clock, out) < 0)
		return -1;
	if (clock == CLOCK_MONOTONIC)
		out->tv_sec += leap_sec;
	return 0;
}

static int listen_loopback(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(fd, 256), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

static void on_stop(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)events;
	(void)now;
	(void)arg;
	loop_stop(loop);
}

static void on_echo(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	const struct bench *b = arg;
	char byte;

	(void)loop;
	(void)events;
	(void)now;
	(void)!(read(b->echo[1], &byte, 1) == 1 && write(b->echo[1], &byte, 1) == 1);
}

/* When it returns, a turn has begun after the call, and has ended: its timers have been called. */
static void turn_pass(const struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		char byte = 0;

		assert_int_equal(write(b->echo[0], &byte, 1), 1);
		assert_int_equal(read(b->echo[0], &byte, 1), 1);
	}
}

static void *run_loop(void *arg)
{
	struct bench *b = arg;
	struct err err;

	b->loop_result = loop_run(b->loop, &err);
	return NULL;
}

static void bench_start(struct bench *b, unsigned max_pairs, const struct sockaddr_in *target)
{
	struct sockaddr_in back_address;
	struct net_address connect_to = { .length = sizeof(back_address), .text = "target" };
	struct err err;

	b->back = listen_loopback(&back_address);
	b->front = listen_loopback(&b->front_address);
	assert_int_equal(fcntl(b->front, F_SETFL, O_NONBLOCK), 0);
	b->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(b->stop_fd >= 0);
	memcpy(&connect_to.storage, target ? target : &back_address, sizeof(back_address));
	b->loop = loop_new(&err);
	assert_non_null(b->loop);
	b->relay = relay_new(b->loop, max_pairs, &err);
	assert_non_null(b->relay);
	assert_int_equal(relay_listen(b->relay, b->front, &connect_to, &err), 0);
	b->stop_source = loop_add(b->loop, b->stop_fd, EPOLLIN, on_stop, NULL, &err);
	assert_non_null(b->stop_source);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b->echo), 0);
	b->echo_source = loop_add(b->loop, b->echo[1], EPOLLIN, on_echo, b, &err);
	assert_non_null(b->echo_source);
	assert_int_equal(pthread_create(&b->thread, NULL, run_loop, b), 0);
}

static void bench_stop(struct bench *b, unsigned pairs_left)
{
	uint64_t one = 1;

	assert_int_equal(write(b->stop_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	assert_int_equal(b->loop_result, 0);
	assert_true(relay_count(b->relay) <= pairs_left);
	relay_free(b->relay);
	loop_free(b->loop);
	close(b->stop_fd);
	close(b->echo[0]);
	close(b->echo[1]);
	close(b->front);
	close(b->back);
}

static int client(const struct bench *b)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&b->front_address,
				 sizeof(b->front_address)),
			 0);
	return fd;
}

static int server(const struct bench *b)
{
	int fd = accept(b->back, NULL, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		data += n;
		len -= (size_t)n;
	}
}

static void expect(int fd, const char *text)
{
	char data[256];
	size_t have = 0, len = strlen(text);

	assert_true(len < sizeof(data));
	while (have < len) {
		ssize_t n = recv(fd, data + have, len - have, 0);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(data, text, len);
}

static void expect_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* A client and its server. */
static void pair_start(struct bench *b, int *c, int *s)
{
	bench_start(b, RELAY_MAX, NULL);
	*c = client(b);
	*s = server(b);
}

static void pair_stop(struct bench *b, int c, int s)
{
	close(c);
	expect_end(s);
	close(s);
	bench_stop(b, 1);
}

static void talk(int c, int s)
{
	send_all(c, "question", 8);
	expect(s, "question");
	send_all(s, "answer", 6);
	expect(c, "answer");
}

static void bytes_go_both_ways(void **state)
{
	struct bench b;
	int c, s;

	(void)state;
	pair_start(&b, &c, &s);
	for (int i = 0; i < 100; i++)
		talk(c, s);
	pair_stop(&b, c, s);
}

static void a_half_close_is_passed_on_and_the_other_way_stays_open(void **state)
{
	struct bench b;
	int c, s;

	(void)state;
	pair_start(&b, &c, &s);
	send_all(c, "all I have", 10);
	assert_int_equal(shutdown(c, SHUT_WR), 0);
	expect(s, "all I have");
	expect_end(s);
	send_all(s, "late answer", 11);
	assert_int_equal(shutdown(s, SHUT_WR), 0);
	expect(c, "late answer");
	expect_end(c);
	close(c);
	close(s);
	bench_stop(&b, 1);
}

/* Pipes that this process has open at the numbers below end. */
static unsigned pipes_open(int end)
{
	unsigned count = 0;
	struct stat st;

	for (int fd = 0; fd < end; fd++)
		count += fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
	return count;
}

static void what_is_small_needs_no_pipe(void **state)
{
	struct bench b;
	unsigned before = pipes_open(1024);
	int c, s;

	(void)state;
	pair_start(&b, &c, &s);
	talk(c, s);
	assert_int_equal(pipes_open(1024), before);
	pair_stop(&b, c, s);
}

/* Descriptors are counted when a pair is taken; this is a machine that has none left at all. */
static void without_a_pipe_to_be_had_the_connection_ends(void **state)
{
	static char piece[65536];
	struct rlimit limit, tight;
	struct bench b;
	int c, s, next;
	ssize_t n;

	(void)state;
	pair_start(&b, &c, &s);
	send_all(c, "x", 1);
	expect(s, "x");
	next = dup(0); /* the relay has all that it needs now: this is the next number */
	assert_true(next > 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	(void)!send(c, piece, sizeof(piece), MSG_NOSIGNAL);
	do
		n = recv(s, piece, sizeof(piece), 0);
	while (n > 0);
	assert_true(recv(c, piece, 1, 0) <= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(c);
	close(s);
	bench_stop(&b, 0);
}

static void many_that_wait_at_once_are_all_served(void **state)
{
	struct bench b;
	int c[50], s[50];
	unsigned seen = 0;

	(void)state;
	bench_start(&b, RELAY_MAX, NULL);
	for (int i = 0; i < 50; i++) {
		c[i] = client(&b);
		send_all(c[i], (const char[]){ (char)i }, 1);
	}
	for (int i = 0; i < 50; i++) {
		unsigned char number;

		s[i] = server(&b);
		assert_int_equal(recv(s[i], &number, 1, 0), 1);
		assert_true(number < 50);
		seen += number;
	}
	assert_int_equal(seen, 49 * 50 / 2);
	for (int i = 0; i < 50; i++) {
		close(c[i]);
		close(s[i]);
	}
	bench_stop(&b, 50);
}

/* Somebody waits for this port of 127.0.0.1 to answer. */
static bool is_asked(uint16_t port)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	char line[256], wanted[32];
	bool found = false;

	assert_non_null(f);
	snprintf(wanted, sizeof(wanted), " 0100007F:%04X 02 ", port);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, wanted) != NULL;
	fclose(f);
	return found;
}

/* Fills the target's queue until one who comes is not answered: who has a full queue answers nothing. How many hold a place. */
static int fill_queue(const struct bench *b, int held[HELD_MAX])
{
	struct sockaddr_in back;
	socklen_t size = sizeof(back);
	int count = 0;

	assert_int_equal(getsockname(b->back, (struct sockaddr *)&back, &size), 0);
	assert_int_equal(listen(b->back, 0), 0);
	for (; count < HELD_MAX; count++) {
		held[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(held[count], (const struct sockaddr *)&back, sizeof(back));
		if (poll(&(struct pollfd){ .fd = held[count], .events = POLLOUT }, 1, 100) == 0)
			break;
	}
	assert_in_range(count, 1, HELD_MAX - 1);
	close(held[count]);
	assert_false(is_asked(ntohs(back.sin_port)));
	return count;
}

static void wait_until_asked(const struct bench *b)
{
	struct sockaddr_in back;
	socklen_t size = sizeof(back);

	assert_int_equal(getsockname(b->back, (struct sockaddr *)&back, &size), 0);
	while (!is_asked(ntohs(back.sin_port)))
		poll(NULL, 0, 1);
}

/* Connected some time after connect(), at the second packet. */
static void a_target_that_takes_its_time_is_waited_for(void **state)
{
	struct bench b;
	int c, s, held[HELD_MAX], count;

	(void)state;
	bench_start(&b, RELAY_MAX, NULL);
	count = fill_queue(&b, held);
	c = client(&b);
	send_all(c, "patience", 8);
	wait_until_asked(&b);
	assert_int_equal(listen(b.back, 64), 0);
	for (int i = 0; i < count; i++) {
		close(server(&b));
		close(held[i]);
	}
	s = server(&b);
	expect(s, "patience");
	/* it is no matter any more how long that took */
	leap_sec += 2 * RELAY_CONNECT_USEC / USEC_SEC;
	turn_pass(&b);
	send_all(s, "still here", 10);
	expect(c, "still here");
	pair_stop(&b, c, s);
}

static void a_target_that_never_answers_is_given_up_when_its_time_is_over(void **state)
{
	struct pollfd end = { .events = POLLIN };
	int held[HELD_MAX], count;
	struct bench b;
	char byte;

	(void)state;
	bench_start(&b, RELAY_MAX, NULL);
	count = fill_queue(&b, held);
	end.fd = client(&b);
	send_all(end.fd, "patience", 8);
	wait_until_asked(&b);
	leap_sec += 1;
	turn_pass(&b);
	assert_int_equal(poll(&end, 1, 0), 0);
	leap_sec += RELAY_CONNECT_USEC / USEC_SEC - 1;
	turn_pass(&b);
	assert_int_equal(poll(&end, 1, 0), 1);
	assert_true(recv(end.fd, &byte, 1, 0) <= 0);
	close(end.fd);
	for (int i = 0; i < count; i++)
		close(held[i]);
	bench_stop(&b, 0);
}

static void data_sent_before_the_target_is_reached_is_kept(void **state)
{
	struct bench b;
	int c, s;

	(void)state;
	bench_start(&b, RELAY_MAX, NULL);
	c = client(&b);
	send_all(c, "early", 5);
	close(c); /* gone before anybody has accepted on the other side */
	s = server(&b);
	expect(s, "early");
	expect_end(s);
	close(s);
	bench_stop(&b, 1);
}

static void a_refused_target_closes_the_client(void **state)
{
	struct sockaddr_in nobody;
	struct bench b;
	char byte;
	int c;

	(void)state;
	close(listen_loopback(&nobody));
	bench_start(&b, RELAY_MAX, &nobody);
	c = client(&b);
	assert_true(recv(c, &byte, 1, 0) <= 0);
	close(c);
	bench_stop(&b, 0);
}

static void a_reset_reaches_the_other_end(void **state)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct bench b;
	char byte;
	int c, s;

	(void)state;
	pair_start(&b, &c, &s);
	send_all(c, "x", 1);
	expect(s, "x");
	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(s);
	assert_true(recv(c, &byte, 1, 0) <= 0);
	close(c);
	bench_stop(&b, 0);
}

static void more_pairs_than_allowed_are_closed_and_the_others_live(void **state)
{
	struct bench b;
	int c[2], s[2], extra;

	(void)state;
	bench_start(&b, 2, NULL);
	for (int i = 0; i < 2; i++) {
		c[i] = client(&b);
		s[i] = server(&b);
	}
	extra = client(&b);
	expect_end(extra);
	close(extra);
	for (int i = 0; i < 2; i++) {
		send_all(c[i], "still here", 10);
		expect(s[i], "still here");
	}
	/* a place that became free is used again */
	close(c[0]);
	expect_end(s[0]);
	close(s[0]);
	do {
		c[0] = client(&b);
		(void)!send(c[0], "n", 1, MSG_NOSIGNAL); /* fails while the place is not free yet */
	} while (poll(&(struct pollfd){ .fd = b.back, .events = POLLIN }, 1, 100) == 0 &&
		 close(c[0]) == 0);
	s[0] = server(&b);
	expect(s[0], "n");
	for (int i = 0; i < 2; i++) {
		close(c[i]);
		close(s[i]);
	}
	bench_stop(&b, 2);
}

struct writer {
	int fd;
	size_t piece; /* bytes a call */
	_Atomic size_t sent;
};

static char pattern_at(size_t i)
{
	return (char)(i * 31 + (i >> 12));
}

static void *write_bulk(void *arg)
{
	struct writer *w = arg;
	static char data[65536];

	while (w->sent < BULK) {
		size_t base = w->sent;

		for (size_t i = 0; i < w->piece; i++)
			data[i] = pattern_at(base + i);
		send_all(w->fd, data, w->piece);
		w->sent += w->piece;
	}
	shutdown(w->fd, SHUT_WR);
	return NULL;
}

/* Until the writer has got no further in a while, or has written everything, which would be the error. */
static size_t wait_until_stuck(struct writer *w)
{
	size_t before;

	do {
		before = w->sent;
		poll(NULL, 0, 300);
	} while (w->sent != before);
	return before;
}

static void hold_back(size_t piece)
{
	struct writer w = { .piece = piece };
	static char data[65536];
	struct bench b;
	pthread_t thread;
	size_t got = 0;
	ssize_t n;
	int c, s;

	bench_start(&b, RELAY_MAX, NULL);
	c = client(&b);
	s = w.fd = server(&b);
	assert_int_equal(pthread_create(&thread, NULL, write_bulk, &w), 0);
	assert_true(wait_until_stuck(&w) < STUCK_MAX);
	while ((n = recv(c, data, sizeof(data), 0)) > 0) {
		for (size_t i = 0; i < (size_t)n; i += 97)
			assert_int_equal(data[i], pattern_at(got + i));
		got += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, w.sent);
	assert_true(got >= BULK);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(c);
	close(s);
	bench_stop(&b, 1);
}

static void a_reader_that_does_not_read_holds_back_the_writer(void **state)
{
	(void)state;
	hold_back(65536);
}

static void small_pieces_that_the_reader_does_not_take_are_kept_in_order(void **state)
{
	(void)state;
	hold_back(3001);
}

static void one_busy_pair_does_not_starve_another(void **state)
{
	struct writer w = { .piece = 65536 };
	struct bench b;
	pthread_t thread;
	static char data[65536];
	int busy_client, busy_server, c, s;
	size_t got = 0;

	(void)state;
	bench_start(&b, RELAY_MAX, NULL);
	busy_client = client(&b);
	busy_server = server(&b);
	c = client(&b);
	s = server(&b);
	w.fd = busy_server;
	assert_int_equal(pthread_create(&thread, NULL, write_bulk, &w), 0);
	while (got < BULK) {
		ssize_t n = recv(busy_client, data, sizeof(data), 0);

		assert_true(n > 0);
		got += (size_t)n;
		if (got % (4u << 20) < (size_t)n) {
			send_all(c, "ping", 4);
			expect(s, "ping");
		}
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(busy_client);
	close(busy_server);
	close(c);
	close(s);
	bench_stop(&b, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(a_half_close_is_passed_on_and_the_other_way_stays_open),
		cmocka_unit_test(what_is_small_needs_no_pipe),
		cmocka_unit_test(without_a_pipe_to_be_had_the_connection_ends),
		cmocka_unit_test(many_that_wait_at_once_are_all_served),
		cmocka_unit_test(a_target_that_takes_its_time_is_waited_for),
		cmocka_unit_test(a_target_that_never_answers_is_given_up_when_its_time_is_over),
		cmocka_unit_test(data_sent_before_the_target_is_reached_is_kept),
		cmocka_unit_test(a_refused_target_closes_the_client),
		cmocka_unit_test(a_reset_reaches_the_other_end),
		cmocka_unit_test(more_pairs_than_allowed_are_closed_and_the_others_live),
		cmocka_unit_test(a_reader_that_does_not_read_holds_back_the_writer),
		cmocka_unit_test(small_pieces_that_the_reader_does_not_take_are_kept_in_order),
		cmocka_unit_test(one_busy_pair_does_not_starve_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
