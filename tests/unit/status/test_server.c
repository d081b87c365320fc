/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: keeping, dripping, crowding, taking slowly; who leaves when another engine takes over. */
#include "unit_test.h"

#include <errno.h>
#include <sys/resource.h>

#include "status_test.h"

#define LIVEZ "GET /livez HTTP/1.1\r\nHost: box\r\n\r\n"

static const struct status_connection *only_connection(struct fixture *f)
{
	const struct status_connection *found = NULL;

	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++) {
		if (f->server->connections[i].fd < 0)
			continue;
		assert_null(found);
		found = &f->server->connections[i];
	}
	assert_non_null(found);
	return found;
}

/* Turns until the server has so many connections. */
static void await_connections(struct fixture *f, unsigned count)
{
	for (int waited = 0; f->server->connection_count != count; waited++) {
		must(waited < PATIENCE_MSEC, "connections");
		fixture_turn(f);
		if (f->server->connection_count != count)
			poll(NULL, 0, 1);
	}
}

/* Turns until the only connection has so many bytes of a head. */
static void await_bytes(struct fixture *f, size_t count)
{
	await_connections(f, 1);
	for (int waited = 0; only_connection(f)->in_len != count; waited++) {
		must(waited < PATIENCE_MSEC, "bytes");
		fixture_turn(f);
		poll(NULL, 0, 1);
	}
}

static void assert_end(struct fixture *f, int fd)
{
	struct buf rest = BUF_INIT(65536);

	assert_false(receive_more(f, fd, &rest));
	buf_fini(&rest);
}

static void assert_answer(struct fixture *f, int fd, int status, const char *part)
{
	struct buf rest = BUF_INIT(1024 * 1024);
	struct answer a = receive_next(f, fd, &rest, false);

	assert_int_equal(a.status, status);
	assert_contains(buf_str(&a.body), part);
	assert_int_equal(rest.len, 0);
	buf_fini(&a.body);
	buf_fini(&rest);
}

static void many_requests_on_one_connection(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	for (int i = 0; i < 100; i++) {
		send_text(fd, LIVEZ);
		assert_answer(f, fd, 200, "ok");
	}
	assert_int_equal(f->server->connection_count, 1);
	close(fd);
	await_connections(f, 0);
}

static void requests_in_one_packet_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	struct buf rest = BUF_INIT(1024 * 1024);
	int fd = fixture_connect(f);
	static const int wanted[] = { 200, 404, 405, 200 };

	send_text(fd, LIVEZ
		  "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n" LIVEZ
		  "GET /li");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct answer a = receive_next(f, fd, &rest, false);

		assert_int_equal(a.status, wanted[i]);
		buf_fini(&a.body);
	}
	assert_int_equal(rest.len, 0);
	send_text(fd, "vez HTTP/1.0\r\n\r\n");
	assert_answer(f, fd, 200, "ok");
	assert_end(f, fd);
	close(fd);
	buf_fini(&rest);
}

static void a_request_split_at_every_byte(void **state)
{
	struct fixture *f = *state;

	for (size_t cut = 1; cut < strlen(LIVEZ); cut++) {
		char first[64];
		int fd = fixture_connect(f);

		snprintf(first, sizeof(first), "%.*s", (int)cut, LIVEZ);
		send_text(fd, first);
		await_bytes(f, cut);
		send_text(fd, LIVEZ + cut);
		assert_answer(f, fd, 200, "ok");
		close(fd);
		await_connections(f, 0);
	}
}

static void head_is_get_without_a_body(void **state)
{
	static const char *const paths[] = {
		"/",	       "/livez",  "/readyz", "/readyz?verbose", "/status?format=text",
		"/status/web", "/nothing"
	};
	struct fixture *f = *state;
	struct published_unit u = fixture_unit("web");
	struct buf rest = BUF_INIT(65536);
	int fd = fixture_connect(f);

	fixture_put(f, 0, &u);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct answer whole = get(f, paths[i]), head;
		char text[128], a[256], b[256];

		snprintf(text, sizeof(text), "HEAD %s HTTP/1.1\r\nHost: box\r\n\r\n", paths[i]);
		send_text(fd, text);
		head = receive_next(f, fd, &rest, true);
		assert_int_equal(head.status, whole.status);
		assert_string_equal(answer_header(&head, "Content-Length", a),
				    answer_header(&whole, "Content-Length", b));
		assert_string_equal(answer_header(&head, "Content-Type", a),
				    answer_header(&whole, "Content-Type", b));
		assert_true(whole.body.len > 0);
		assert_int_equal(rest.len, 0);
		buf_fini(&whole.body);
		buf_fini(&head.body);
	}
	close(fd);
	buf_fini(&rest);
}

static void close_is_respected(void **state)
{
	struct fixture *f = *state;
	struct buf rest = BUF_INIT(65536);
	int fd = fixture_connect(f);
	struct answer a;
	char value[256];

	send_text(fd, "GET /livez HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n");
	a = receive_next(f, fd, &rest, false);
	assert_string_equal(answer_header(&a, "Connection", value), "close");
	assert_end(f, fd);
	assert_int_equal(f->server->connection_count, 1);
	close(fd);
	await_connections(f, 0);
	buf_fini(&a.body);
	buf_fini(&rest);
}

static void a_client_that_has_said_all_is_still_answered(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	send_text(fd, LIVEZ);
	shutdown(fd, SHUT_WR);
	assert_answer(f, fd, 200, "ok");
	assert_end(f, fd);
	close(fd);
	await_connections(f, 0);
}

static void a_body_ends_the_connection_but_not_the_answer(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	send_text(
		fd,
		"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nGET /evil HTTP/1.1\r\n");
	assert_answer(f, fd, 200, "ok");
	assert_end(f, fd);
	close(fd);
	await_connections(f, 0);
}

static void bad_requests_are_answered_and_closed(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *part;
	} cases[] = {
		{ "\x16\x03\x01", 400, "https://" },
		{ "GET / HTTP/1.1\r\n\r\n", 400, "without Host" },
		{ "GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501,
		  "Content-Length" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 413, "too large" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = fixture_connect(f);

		send_text(fd, cases[i].text);
		assert_answer(f, fd, cases[i].status, cases[i].part);
		assert_end(f, fd);
		close(fd);
		await_connections(f, 0);
	}
}

static void an_endless_head_is_cut_off(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);
	char line[1024];

	memset(line, 'x', sizeof(line));
	send_text(fd, "GET / HTTP/1.1\r\nX: ");
	for (int i = 0; i < 12; i++)
		must(send(fd, line, sizeof(line), MSG_NOSIGNAL) == (ssize_t)sizeof(line), "send");
	/* the bytes that nobody reads must not turn the answer into a reset */
	assert_answer(f, fd, 431, "too long");
	close(fd);
	await_connections(f, 0);
}

static void a_head_that_drips_has_ten_seconds(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);
	usec_t deadline;

	send_text(fd, "GET /li");
	await_bytes(f, 7);
	deadline = only_connection(f)->deadline;
	send_text(fd, "v");
	await_bytes(f, 8);
	/* another byte buys no time */
	assert_int_equal(only_connection(f)->deadline, deadline);
	fixture_tick_in(f, STATUS_HEAD_USEC - 5 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 1);
	fixture_tick_in(f, STATUS_HEAD_USEC + USEC_SEC);
	assert_answer(f, fd, 408, "too long");
	assert_end(f, fd);
	close(fd);
	await_connections(f, 0);
}

static void who_says_nothing_is_closed(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	await_connections(f, 1);
	fixture_tick_in(f, STATUS_HEAD_USEC + USEC_SEC);
	assert_int_equal(f->server->connection_count, 0);
	assert_end(f, fd);
	close(fd);
}

static void an_idle_connection_is_kept_for_thirty_seconds(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	send_text(fd, LIVEZ);
	assert_answer(f, fd, 200, "ok");
	fixture_tick_in(f, STATUS_IDLE_USEC - 5 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 1);
	send_text(fd, "GET");
	await_bytes(f, 3);
	/* the next head has its own deadline */
	assert_true(only_connection(f)->deadline < clock_now_usec() + STATUS_HEAD_USEC + USEC_SEC);
	send_text(fd, " /livez HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_answer(f, fd, 200, "ok");
	fixture_tick_in(f, STATUS_IDLE_USEC + USEC_SEC);
	assert_int_equal(f->server->connection_count, 0);
	assert_end(f, fd);
	close(fd);
}

static void who_does_not_close_is_closed(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);

	send_text(fd, "GET /livez HTTP/1.0\r\n\r\n");
	assert_answer(f, fd, 200, "ok");
	assert_end(f, fd);
	assert_int_equal(only_connection(f)->phase, STATUS_LINGERING);
	send_text(fd, "more and more");
	fixture_turn(f);
	fixture_tick_in(f, STATUS_LINGER_USEC + USEC_SEC);
	assert_int_equal(f->server->connection_count, 0);
	close(fd);
}

/* ------------------------------------------------------------------ clients that do not take their answer */

#define SMALL_BUFFER 65536 /* the kernel doubles it */
#define MUCH_UNITS 128	   /* ten times both buffers */

static void publish_much(struct fixture *f, unsigned restarts)
{
	struct published_unit u = fixture_unit("x");

	u.restarts = restarts;
	memset(u.detail, 1, sizeof(u.detail));
	memset(u.notes, 1, sizeof(u.notes));
	memset(u.probe_output, 1, sizeof(u.probe_output));
	for (unsigned i = 0; i < MUCH_UNITS; i++) {
		snprintf(u.name, sizeof(u.name), "unit-%u", i);
		fixture_put(f, i, &u);
	}
}

static int connect_and_stall(struct fixture *f)
{
	unsigned before = f->server->connection_count;
	int fd, small = SMALL_BUFFER;

	/* accepted sockets inherit it */
	must(setsockopt(f->listen_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0,
	     "SO_SNDBUF");
	fd = fixture_connect(f);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0, "SO_RCVBUF");
	await_connections(f, before + 1);
	send_text(fd, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int waited = 0;; waited++) {
		unsigned writing = 0;

		for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
			writing += f->server->connections[i].fd >= 0 &&
				   f->server->connections[i].phase == STATUS_WRITING;
		if (writing == before + 1)
			return fd;
		must(waited < PATIENCE_MSEC, "a stalled answer");
		fixture_turn(f);
		poll(NULL, 0, 1);
	}
}

static void an_answer_has_ten_seconds_and_more_when_it_is_long(void **state)
{
	struct fixture *f = *state;
	usec_t allowed;
	int fd;

	publish_much(f, 0);
	fd = connect_and_stall(f);
	allowed = STATUS_ANSWER_USEC +
		  f->server->pages[STATUS_PAGE_JSON]->body.len / STATUS_SLOWEST_BYTES * USEC_SEC;
	assert_true(allowed > STATUS_ANSWER_USEC);
	fixture_tick_in(f, allowed - 5 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 1);
	/* the others do not wait for it */
	assert_get(f, "/livez", 200, "ok");
	await_connections(f, 1);
	fixture_tick_in(f, allowed + 2 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 0);
	close(fd);
}

static void a_slow_reader_gets_the_answer_that_it_began_with(void **state)
{
	struct fixture *f = *state;
	struct buf rest = BUF_INIT(64 * 1024 * 1024);
	struct answer a;
	int fd;

	publish_much(f, 1);
	fd = connect_and_stall(f);
	publish_much(f, 2);
	assert_get(f, "/status", 200, "\"restarts\": 2");
	assert_int_equal(f->server->page_count, 2);
	a = receive_next(f, fd, &rest, false);
	assert_false(a.closed);
	assert_contains(a.body.data, "\"restarts\": 1");
	assert_lacks(a.body.data, "\"restarts\": 2");
	assert_string_equal(a.body.data + a.body.len - 4, "]\n}\n");
	assert_int_equal(f->server->page_count, 1);
	close(fd);
	buf_fini(&a.body);
	buf_fini(&rest);
}

static void what_slow_readers_hold_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fds[STATUS_MAX_PAGES];

	for (unsigned i = 0; i < STATUS_MAX_PAGES; i++) {
		publish_much(f, i);
		fds[i] = connect_and_stall(f);
	}
	assert_int_equal(f->server->page_count, STATUS_MAX_PAGES);
	assert_int_equal(f->server->connection_count, STATUS_MAX_PAGES);
	publish_much(f, 1000);
	assert_get(f, "/status", 200, "\"restarts\": 1000");
	/* the one that began first has paid */
	assert_int_equal(f->server->page_count, STATUS_MAX_PAGES);
	await_connections(f, STATUS_MAX_PAGES - 1);
	for (unsigned i = 0; i < STATUS_MAX_PAGES; i++)
		close(fds[i]);
	await_connections(f, 0);
	assert_int_equal(f->server->page_count, 1);
}

/* ------------------------------------------------------------------ crowds */

static void the_oldest_idle_one_makes_room(void **state)
{
	struct fixture *f = *state;
	int fds[STATUS_MAX_CONNECTIONS + 1];

	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++) {
		fds[i] = fixture_connect(f);
		/* the first has begun a head, the second is the oldest that says nothing */
		if (i == 0)
			send_text(fds[i], "GET /livez");
		await_connections(f, i + 1);
		if (i == 0)
			await_bytes(f, 10);
	}
	fds[STATUS_MAX_CONNECTIONS] = fixture_connect(f);
	send_text(fds[STATUS_MAX_CONNECTIONS], LIVEZ);
	assert_answer(f, fds[STATUS_MAX_CONNECTIONS], 200, "ok");
	assert_int_equal(f->server->connection_count, STATUS_MAX_CONNECTIONS);
	assert_end(f, fds[1]);
	send_text(fds[0], " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_answer(f, fds[0], 200, "ok");
	send_text(fds[2], LIVEZ);
	assert_answer(f, fds[2], 200, "ok");
	for (unsigned i = 0; i <= STATUS_MAX_CONNECTIONS; i++)
		close(fds[i]);
	await_connections(f, 0);
}

static void dripping_crowds_cannot_lock_others_out(void **state)
{
	struct fixture *f = *state;
	int fds[STATUS_MAX_CONNECTIONS];

	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++) {
		fds[i] = fixture_connect(f);
		send_text(fds[i], "G");
		await_connections(f, i + 1);
	}
	for (int i = 0; i < 3 * STATUS_MAX_CONNECTIONS; i++)
		assert_get(f, "/livez", 200, "ok");
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
		close(fds[i]);
	await_connections(f, 0);
}

/* ------------------------------------------------------------------ leaving */

/* Runs the loop until the server has left. */
static void assert_leaves(struct fixture *f)
{
	struct err err;

	assert_true(f->server->leave_at != 0);
	assert_int_equal(loop_run(f->loop, &err), 0);
	assert_int_equal(f->server->connection_count, 0);
	assert_null(f->server->listen_source);
}

static void publish_successor(struct fixture *f)
{
	struct published_header h = fixture_header(f->engine);

	/* the same process again: it has executed itself */
	h.engine_started_real_usec = f->server->opened_real_usec + 1;
	published_put_header(f->writer, &h);
}

static void another_engine_takes_over(void **state)
{
	struct fixture *f = *state;
	int idle = fixture_connect(f), waiting;

	send_text(idle, LIVEZ);
	assert_answer(f, idle, 200, "ok");
	waiting = fixture_connect(f);
	send_text(waiting, LIVEZ);
	publish_successor(f);
	/* who was in the queue is let in and answered; nobody after him */
	fixture_tick_in(f, 0);
	assert_null(f->server->listen_source);
	assert_int_equal(f->server->connection_count, 1);
	assert_answer(f, waiting, 200, "ok");
	assert_end(f, waiting);
	assert_end(f, idle);
	close(waiting);
	close(idle);
	assert_leaves(f);
}

static void a_takeover_is_seen_at_a_request(void **state)
{
	struct fixture *f = *state;
	struct buf rest = BUF_INIT(65536);
	int fd = fixture_connect(f);
	struct answer a;
	char value[256];

	await_connections(f, 1);
	publish_successor(f);
	send_text(fd, LIVEZ);
	a = receive_next(f, fd, &rest, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "Connection", value), "close");
	assert_end(f, fd);
	close(fd);
	assert_leaves(f);
	buf_fini(&a.body);
	buf_fini(&rest);
}

static void a_successor_of_an_engine_that_never_published(void **state)
{
	struct fixture *f = fixture_world();
	struct published_header h = fixture_header(1);

	/* what an engine before ours left */
	published_put_header(f->writer, &h);
	fixture_serve(f);
	*state = f;
	assert_get(f, "/livez", 200, "ok");
	assert_int_equal(f->server->engine_started_usec, 0);
	assert_int_equal(f->server->leave_at, 0);
	await_connections(f, 0);
	h.engine_pid = getpid();
	h.engine_start_ticks = proc_start_ticks(getpid());
	h.engine_started_real_usec++;
	published_put_header(f->writer, &h);
	fixture_tick_in(f, 0);
	assert_leaves(f);
	fixture_teardown(state);
}

static void our_engine_publishes_after_it_has_started_us(void **state)
{
	struct fixture *f = fixture_world();
	struct published_header h = fixture_header(1), ours = fixture_header(f->engine);

	published_put_header(f->writer, &h);
	fixture_serve(f);
	*state = f;
	ours.engine_started_real_usec += 1000000;
	published_put_header(f->writer, &ours);
	fixture_tick_in(f, 0);
	assert_int_equal(f->server->leave_at, 0);
	assert_int_equal(f->server->engine_started_usec, STARTED_USEC + 1000000);
	assert_get(f, "/status", 200, "\"started\": \"2026-03-01T09:08:08.654Z\"");
	fixture_teardown(state);
}

/* An engine that has executed itself starts its server before it publishes: the mapping shows its own former life. */
static void our_engine_was_the_same_process_before(void **state)
{
	struct fixture *f = *state;
	struct published_header h = fixture_header(f->engine);

	assert_int_equal(f->server->engine_started_usec, STARTED_USEC);
	h.engine_started_real_usec = f->server->opened_real_usec;
	published_put_header(f->writer, &h);
	fixture_tick_in(f, 0);
	assert_int_equal(f->server->leave_at, 0);
	assert_int_equal(f->server->engine_started_usec, f->server->opened_real_usec);
	publish_successor(f);
	fixture_tick_in(f, 0);
	assert_leaves(f);
}

static void the_mapping_is_replaced_by_another(void **state)
{
	struct fixture *f = *state;

	fixture_tick_in(f, 0);
	assert_int_equal(f->server->leave_at, 0);
	assert_int_equal(unlink(f->path), 0);
	fixture_tick_in(f, 0);
	assert_leaves(f);
}

/* The next client is the successor's: two servers that take turns would tell of now and of before. */
static void a_client_finds_out_that_the_mapping_is_replaced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(f->server->leave_at, 0);
	status_server_look(f->server, clock_now_usec());
	assert_leaves(f);
}

static void who_holds_on_to_a_leaving_server_is_dropped(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f);
	struct err err;

	send_text(fd, "GET /liv");
	await_bytes(f, 8);
	status_server_leave(f->server, clock_now_usec(), clock_now_usec() + 3600 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 1);
	/* the sooner of two deadlines counts */
	status_server_leave(f->server, clock_now_usec(), clock_now_usec() + STATUS_STOP_USEC);
	status_server_leave(f->server, clock_now_usec(), clock_now_usec() + 3600 * USEC_SEC);
	fixture_tick_in(f, STATUS_STOP_USEC + USEC_SEC);
	assert_int_equal(f->server->connection_count, 0);
	assert_end(NULL, fd);
	close(fd);
	assert_int_equal(loop_run(f->loop, &err), 0);
}

/* In the queue of a server that only waits for its last client nobody would ever be answered. */
static void who_comes_to_a_leaving_server_is_not_kept(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fixture *f = *state;
	int fd = fixture_connect(f), late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	send_text(fd, "GET /liv");
	await_bytes(f, 8);
	/* the server's is the last one of the socket */
	close(f->listen_fd);
	f->listen_fd = -1;
	status_server_leave(f->server, clock_now_usec(), clock_now_usec() + 3600 * USEC_SEC);
	assert_int_equal(f->server->connection_count, 1);
	to.sin_port = htons(f->port);
	assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(late);
	send_text(fd, "ez HTTP/1.0\r\n\r\n");
	assert_answer(f, fd, 200, "ok");
	close(fd);
	assert_leaves(f);
}

/* ------------------------------------------------------------------ starts that fail */

static void assert_no_server(struct fixture *f, int listen_fd, int published_fd, const char *why)
{
	struct status_server *s;
	struct err err;

	s = status_server_new(f->loop, listen_fd, published_fd, f->engine, &err);
	assert_null(s);
	assert_contains(err.msg, why);
}

static void a_start_without_its_descriptors(void **state)
{
	struct fixture *f = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    empty = open(f->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_no_server(f, f->listen_fd, -1, "published state");
	assert_no_server(f, f->listen_fd, empty, "not a published state file");
	assert_no_server(f, -1, f->published_fd, "epoll_ctl");
	close(null);
	close(empty);
}

#define HOG_FDS 64

static void without_descriptors_accepting_waits_for_the_next_tick(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f), fds[HOG_FDS], count = 0;
	struct rlimit before, few;

	/* the tick comes when we say so */
	loop_timer_set(f->loop, f->server->tick, USEC_NEVER);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < HOG_FDS && (fds[count] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	assert_true(count < HOG_FDS);
	while (f->server->listen_source)
		fixture_turn(f);
	assert_int_equal(f->server->connection_count, 0);
	while (count > 0)
		close(fds[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fixture_tick_in(f, 0);
	assert_non_null(f->server->listen_source);
	send_text(fd, LIVEZ);
	assert_answer(f, fd, 200, "ok");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		status_test(many_requests_on_one_connection),
		status_test(requests_in_one_packet_are_answered_in_order),
		status_test(a_request_split_at_every_byte),
		status_test(head_is_get_without_a_body),
		status_test(close_is_respected),
		status_test(a_client_that_has_said_all_is_still_answered),
		status_test(a_body_ends_the_connection_but_not_the_answer),
		status_test(bad_requests_are_answered_and_closed),
		status_test(an_endless_head_is_cut_off),
		status_test(a_head_that_drips_has_ten_seconds),
		status_test(who_says_nothing_is_closed),
		status_test(an_idle_connection_is_kept_for_thirty_seconds),
		status_test(who_does_not_close_is_closed),
		status_test(an_answer_has_ten_seconds_and_more_when_it_is_long),
		status_test(a_slow_reader_gets_the_answer_that_it_began_with),
		status_test(what_slow_readers_hold_is_bounded),
		status_test(the_oldest_idle_one_makes_room),
		status_test(dripping_crowds_cannot_lock_others_out),
		status_test(another_engine_takes_over),
		status_test(a_takeover_is_seen_at_a_request),
		cmocka_unit_test(a_successor_of_an_engine_that_never_published),
		cmocka_unit_test(our_engine_publishes_after_it_has_started_us),
		status_test(our_engine_was_the_same_process_before),
		status_test(the_mapping_is_replaced_by_another),
		status_test(a_client_finds_out_that_the_mapping_is_replaced),
		status_test(who_holds_on_to_a_leaving_server_is_dropped),
		status_test(who_comes_to_a_leaving_server_is_not_kept),
		status_test(a_start_without_its_descriptors),
		status_test(without_descriptors_accepting_waits_for_the_next_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
