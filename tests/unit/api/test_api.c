/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket itself, with real connections: requests in pieces and in rows, bodies, refusals, held-back answers, places for
 * 64 clients, who may come in, large answers to slow readers. Client and server are one thread: the loop is turned by hand.
 */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "engine_fixture.h"

#define TURNS 6 /* more than any answer takes */

static int server_setup(void **state)
{
	struct fixture *f;
	struct err err;
	void *control;

	fixture_setup(state);
	f = *state;
	must(api_open(f->engine, &control, &err) == 0, err.msg);
	f->engine->control = control;
	return 0;
}

static int server_teardown(void **state)
{
	struct fixture *f = *state;

	api_close(f->engine->control);
	must(access(CLEAT_SOCKET, F_OK) < 0, "the socket is still there");
	return fixture_teardown(state);
}

#define server_test(fn) cmocka_unit_test_setup_teardown(fn, server_setup, server_teardown)

static int connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CLEAT_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come so far; *is_end: the server has closed. */
static size_t hear(int fd, char *out, size_t size, bool *is_end)
{
	size_t length = 0;
	ssize_t n = 1;

	while (length < size - 1 && (n = recv(fd, out + length, size - 1 - length, 0)) > 0)
		length += (size_t)n;
	if (n < 0 && errno != EAGAIN && errno != ECONNRESET)
		fail_msg("recv: %s", strerror(errno));
	*is_end = n == 0 || (n < 0 && errno == ECONNRESET);
	out[length] = '\0';
	return length;
}

static void expect_answer(struct fixture *f, int fd, const char *begin, const char *part,
			  bool closes)
{
	char text[65536];
	bool is_end;

	turns(f, TURNS);
	hear(fd, text, sizeof(text), &is_end);
	if (!str_starts(text, begin) || !strstr(text, part) || is_end != closes)
		fail_msg("%s: \"%s\"", is_end ? "closed" : "open", text);
}

static void expect_silence(struct fixture *f, int fd)
{
	char text[4096];
	bool is_end;

	turns(f, TURNS);
	assert_int_equal(hear(fd, text, sizeof(text), &is_end), 0);
	assert_false(is_end);
}

#define PING "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"

static void the_socket_is_for_its_owner_only(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(CLEAT_SOCKET, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, 0);
}

static void a_connection_serves_one_request_after_the_other(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	for (int i = 0; i < 3; i++) {
		say(fd, PING);
		expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\nOK", false);
	}
	say(fd, "HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", false);
	say(fd, "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "Connection: close\r\n", true);
	close(fd);
	fd = connect_client();
	say(fd, "GET /_ping HTTP/1.0\r\n\r\n");
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", true);
	close(fd);
}

static void a_head_answer_has_no_body(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();
	char text[4096];
	bool is_end;

	say(fd, "HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
	turns(f, TURNS);
	hear(fd, text, sizeof(text), &is_end);
	assert_true(str_ends(text, "\r\n\r\n"));
	close(fd);
}

/* Everything that comes while the loop is turned, until nothing more does. */
static void hear_all(struct fixture *f, int fd, struct buf *out)
{
	static char text[65536];
	size_t n;

	do {
		bool is_end;

		turns(f, 50);
		n = hear(fd, text, sizeof(text), &is_end);
		assert_false(is_end);
		assert_int_equal(buf_add(out, text, n), 0);
	} while (n);
}

static void requests_in_a_row_are_all_answered_in_order(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client(), count = 0;
	auto_buf row = BUF_INIT(65536);
	auto_buf all = BUF_INIT(1 << 20);

	for (int i = 0; i < 500; i++)
		buf_printf(&row, "GET /page%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
	say(fd, buf_str(&row));
	hear_all(f, fd, &all);
	for (const char *p = buf_str(&all); (p = strstr(p, "page not found: /page")); count++) {
		p += strlen("page not found: /page");
		assert_int_equal(strtol(p, NULL, 10), count);
	}
	assert_int_equal(count, 500);
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	for (const char *p = PING; *p; p++) {
		expect_silence(f, fd);
		assert_int_equal(send(fd, p, 1, 0), 1);
	}
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fd);
}

static void a_body_may_come_later_than_its_head_and_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	say(fd, "POST /containers/nobody/start HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
	expect_silence(f, fd);
	say(fd, "{\"a\"");
	expect_silence(f, fd);
	say(fd, ": \"b\"}" PING);
	expect_answer(f, fd, "HTTP/1.1 404 ", "no container \\\"nobody\\\"", false);
	expect_silence(f, fd);
	close(fd);
}

static void bad_requests_are_refused_and_the_connection_closed(void **state)
{
	static const char *const cases[][2] = {
		{ "GARBAGE\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET /_ping HTTP/3.0\r\n\r\n", "HTTP/1.1 505 " },
		{ "GET ../etc HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		  "HTTP/1.1 501 " },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 " },
	};
	struct fixture *f = *state;
	char huge[HTTP_MAX_HEAD + 64];
	int fd;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = connect_client();
		say(fd, cases[i][0]);
		expect_answer(f, fd, cases[i][1], "{\"message\":", true);
		close(fd);
	}
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	fd = connect_client();
	say(fd, huge);
	expect_answer(f, fd, "HTTP/1.1 431 ", "too long", true);
	close(fd);
}

static void an_answer_is_held_back_until_the_unit_rests(void **state)
{
	struct fixture *f = *state;
	int starter = connect_client(), other = connect_client();

	say(starter, "POST /containers/lone/start HTTP/1.1\r\nHost: x\r\n\r\n" PING);
	expect_silence(f, starter);
	say(other, PING); /* nobody else waits with it */
	expect_answer(f, other, "HTTP/1.1 200 OK\r\n", "OK", false);
	bring_up(f, "lone", 9);
	/* both answers, in order */
	expect_answer(f, starter, "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 200 OK\r\n", false);
	say(starter, "POST /containers/lone/start HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_answer(f, starter, "HTTP/1.1 304 Not Modified\r\n", "", false);
	close(starter);
	close(other);
}

static void a_waiting_unit_is_answered_when_what_it_waits_for_gives_up(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	say(fd, "POST /containers/web/start HTTP/1.1\r\nHost: x\r\n\r\n");
	turns(f, TURNS);
	feed(f, "web", (struct core_event){ .type = CORE_EV_IMAGE_READY });
	expect_silence(f, fd);
	feed(f, "db",
	     (struct core_event){
		     .type = CORE_EV_IMAGE_FAILED, .text = "none", .permanent = true });
	expect_answer(f, fd, "HTTP/1.1 409 Conflict\r\n", "waiting for systemd-db (failed)", false);
	close(fd);
}

static void a_client_that_leaves_while_it_waits_frees_its_place(void **state)
{
	struct fixture *f = *state;
	int fds[API_MAX_CLIENTS];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < API_MAX_CLIENTS; i++) {
			fds[i] = connect_client();
			say(fds[i], "POST /containers/lone/start HTTP/1.1\r\nHost: x\r\n\r\n");
			turn(f);
		}
		expect_silence(f, fds[0]);
		for (int i = 0; i < API_MAX_CLIENTS; i++)
			close(fds[i]);
		turns(f, TURNS);
	}
	bring_up(f, "lone", 9);
}

static void the_65th_client_is_told_so(void **state)
{
	struct fixture *f = *state;
	int fds[API_MAX_CLIENTS + 1];

	for (int i = 0; i <= API_MAX_CLIENTS; i++) {
		fds[i] = connect_client();
		turn(f);
	}
	expect_answer(f, fds[API_MAX_CLIENTS], "HTTP/1.1 503 Service Unavailable\r\n",
		      "too many clients", true);
	say(fds[5], PING); /* the others are as good as before */
	expect_answer(f, fds[5], "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fds[7]);
	close(fds[API_MAX_CLIENTS]);
	turns(f, TURNS);
	fds[7] = connect_client();
	say(fds[7], PING);
	expect_answer(f, fds[7], "HTTP/1.1 200 OK\r\n", "OK", false);
	for (int i = 0; i < API_MAX_CLIENTS; i++)
		close(fds[i]);
}

/* The connection stays in the queue; accepting pauses and goes on by itself. */
static void short_of_descriptors_it_pauses_and_goes_on(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client(), spare = dup(fd);
	struct rlimit limit, tight;
	char text[512];
	size_t length = 0;
	bool is_end = false;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	close(spare); /* the lowest free number: no new descriptor may have it */
	tight = (struct rlimit){ (rlim_t)spare, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	say(fd, PING);
	expect_silence(f, fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (!length) {
		turn(f);
		length = hear(fd, text, sizeof(text), &is_end);
		assert_false(is_end);
	}
	assert_true(str_starts(text, "HTTP/1.1 200 OK"));
	close(fd);
}

/* Whoever gets as far as connecting without being root; the socket's mode is what normally stops him. */
static void a_peer_that_is_not_root_is_refused(void **state)
{
	struct fixture *f = *state;
	int pipe_fds[2], wait_status;
	char done;
	pid_t child;

	assert_int_equal(chmod(CLEAT_SOCKET, 0666), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CLEAT_SOCKET };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char text[512] = "";

		if (setresuid(65534, 65534, 65534) < 0 ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(1);
		if (write(pipe_fds[1], "c", 1) != 1 || recv(fd, text, sizeof(text) - 1, 0) <= 0)
			_exit(2);
		_exit(strstr(text, "HTTP/1.1 403 Forbidden\r\n") && strstr(text, "root only") ? 0 :
												3);
	}
	assert_int_equal(read(pipe_fds[0], &done, 1), 1);
	turns(f, TURNS);
	assert_int_equal(waitpid(child, &wait_status, 0), child);
	assert_int_equal(wait_status, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* As many answers as fill the socket many times over, all asked for at once. */
static void a_large_answer_goes_out_as_the_reader_reads(void **state)
{
	struct fixture *f = *state;
	struct published_unit *p = &f->engine->drafts[index_of(f, "web")];
	int fd = connect_client(), count = 0;
	auto_buf row = BUF_INIT(65536);
	auto_buf all = BUF_INIT(8 << 20);

	memset(p->detail, 'x', sizeof(p->detail) - 1);
	for (int i = 0; i < 1000; i++)
		buf_puts(&row, "GET /cleat/v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
	say(fd, buf_str(&row));
	hear_all(f, fd, &all);
	for (const char *q = buf_str(&all); (q = strstr(q, "HTTP/1.1 200 OK")); q++)
		count++;
	assert_int_equal(count, 1000);
	assert_true(all.len > 1000 * 1000);
	say(fd, PING);
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fd);
}

static void logs_of_a_container_without_output_are_an_empty_stream(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	say(fd, "GET /containers/web/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_answer(f, fd,
		      "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n",
		      "\r\n\r\n", true);
	close(fd);
}

static void logs_that_cannot_be_opened_are_an_error(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();

	make_dir(CLEAT_LOG_DIR);
	close(open(CLEAT_LOG_DIR "/web", O_WRONLY | O_CREAT, 0600)); /* no directory */
	say(fd, "GET /containers/web/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_answer(f, fd, "HTTP/1.1 500 ", CLEAT_LOG_DIR "/web: Not a directory", true);
	assert_int_equal(unlink(CLEAT_LOG_DIR "/web"), 0);
	close(fd);
}

static void a_stale_socket_file_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct err err;
	int fd;

	api_close(f->engine->control);
	close(open(CLEAT_SOCKET, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(api_open(f->engine, &f->engine->control, &err), 0);
	fd = connect_client();
	say(fd, PING);
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fd);
}

static void a_place_that_cannot_be_bound_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	void *second = NULL;

	api_close(f->engine->control);
	assert_int_equal(mkdir(CLEAT_SOCKET, 0700), 0);
	assert_int_equal(api_open(f->engine, &second, &err), -1);
	assert_non_null(strstr(err.msg, CLEAT_SOCKET));
	assert_int_equal(rmdir(CLEAT_SOCKET), 0);
	assert_int_equal(api_open(f->engine, &f->engine->control, &err), 0);
}

static void only_who_has_had_an_answer_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_false(api_is_waited_for(f->engine->control));
	fd = connect_client();
	turns(f, TURNS);
	assert_true(api_is_waited_for(f->engine->control)); /* has yet to ask */
	say(fd, PING);
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	assert_false(api_is_waited_for(f->engine->control));
	say(fd, "GET ");
	expect_silence(f, fd);
	assert_true(api_is_waited_for(f->engine->control));
	say(fd, "/_ping HTTP/1.0\r\n\r\n");
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", true);
	assert_false(api_is_waited_for(f->engine->control));
	close(fd);
}

/* What exec does to this one: its descriptors are gone but for those that are left open. */
static void hand_on(struct fixture *f)
{
	char text[16];
	int fd;

	api_hand_on(f->engine->control, true);
	fd = atoi(getenv("CLEAT_CONTROL_FD"));
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	snprintf(text, sizeof(text), "%d", dup(fd));
	setenv("CLEAT_CONTROL_FD", text, 1);
	assert_int_equal(rename(CLEAT_SOCKET, CLEAT_SOCKET ".kept"), 0);
	api_close(f->engine->control);
	assert_int_equal(rename(CLEAT_SOCKET ".kept", CLEAT_SOCKET), 0);
}

static void the_next_engine_answers_who_came_before_it(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client();
	struct err err;

	say(fd, PING);
	hand_on(f);
	assert_int_equal(api_open(f->engine, &f->engine->control, &err), 0);
	assert_null(getenv("CLEAT_CONTROL_FD"));
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fd);

	/* it has not become another one after all */
	api_hand_on(f->engine->control, true);
	fd = atoi(getenv("CLEAT_CONTROL_FD"));
	api_hand_on(f->engine->control, false);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_null(getenv("CLEAT_CONTROL_FD"));
}

static void a_socket_whose_name_is_gone_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct err err;
	int fd;

	hand_on(f);
	assert_int_equal(unlink(CLEAT_SOCKET), 0);
	assert_int_equal(api_open(f->engine, &f->engine->control, &err), 0);
	fd = connect_client();
	say(fd, PING);
	expect_answer(f, fd, "HTTP/1.1 200 OK\r\n", "OK", false);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(the_socket_is_for_its_owner_only),
		server_test(a_connection_serves_one_request_after_the_other),
		server_test(a_head_answer_has_no_body),
		server_test(requests_in_a_row_are_all_answered_in_order),
		server_test(a_request_may_come_byte_by_byte),
		server_test(a_body_may_come_later_than_its_head_and_in_pieces),
		server_test(bad_requests_are_refused_and_the_connection_closed),
		server_test(an_answer_is_held_back_until_the_unit_rests),
		server_test(a_waiting_unit_is_answered_when_what_it_waits_for_gives_up),
		server_test(a_client_that_leaves_while_it_waits_frees_its_place),
		server_test(the_65th_client_is_told_so),
		server_test(short_of_descriptors_it_pauses_and_goes_on),
		server_test(a_peer_that_is_not_root_is_refused),
		server_test(a_large_answer_goes_out_as_the_reader_reads),
		server_test(logs_of_a_container_without_output_are_an_empty_stream),
		server_test(logs_that_cannot_be_opened_are_an_error),
		server_test(a_stale_socket_file_is_replaced),
		server_test(a_place_that_cannot_be_bound_is_an_error),
		server_test(only_who_has_had_an_answer_is_not_waited_for),
		server_test(the_next_engine_answers_who_came_before_it),
		server_test(a_socket_whose_name_is_gone_is_made_anew),
	};

	return cmocka_run_group_tests(tests, fixture_root, NULL);
}
