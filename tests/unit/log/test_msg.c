/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own log: form, threshold, hostile text, and a stderr that nobody reads. */
#include "unit_test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"

/* Runs in a child whose stderr is the given descriptor. */
static void with_stderr(int fd, void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(fd, STDERR_FILENO) < 0)
			_exit(1);
		log_init("test", LOG_INFO);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static size_t captured(void (*body)(void), char *out, size_t size)
{
	int ends[2];
	size_t len = 0;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	with_stderr(ends[1], body);
	close(ends[1]);
	while ((n = read(ends[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	out[len] = '\0';
	return len;
}

static void say_all_levels(void)
{
	log_msg(LOG_ERROR, "mod", "number %d", 1);
	log_msg(LOG_WARN, "mod", "two");
	log_msg(LOG_INFO, "mod", "three");
	log_msg(LOG_DEBUG, "mod", "hidden");
}

static void one_line_a_message(void **state)
{
	char out[4096], *line = out;
	static const char *const want[] = { " test: error mod: number 1\n",
					    " test: warn mod: two\n", " test: info mod: three\n" };

	(void)state;
	captured(say_all_levels, out, sizeof(out));
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(line[4], '-');
		assert_int_equal(line[23], 'Z'); /* milliseconds */
		assert_memory_equal(line + 24, want[i], strlen(want[i]));
		line += 24 + strlen(want[i]);
	}
	assert_string_equal(line, "");
}

static void say_hostile(void)
{
	char text[5000];

	log_msg(LOG_INFO, "mod", "a\nb\r\x1b[2J\x7f%s", "%n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_msg(LOG_INFO, "mod", "%s", text);
}

static void text_cannot_forge_lines_or_grow(void **state)
{
	char out[8192], *second;

	(void)state;
	captured(say_hostile, out, sizeof(out));
	assert_non_null(strstr(out, "mod: a?b??[2J?%n\n"));
	second = strchr(out, '\n') + 1;
	assert_true(strlen(second) <= 1024);
	assert_string_equal(second + strlen(second) - 4, "...\n");
}

static void say_a_lot(void)
{
	for (int i = 0; i < 5000; i++)
		log_msg(LOG_INFO, "mod", "message %d", i);
}

/* Floods, reports, and says one thing more when told to. */
static _Noreturn void flood(int err_fd, int done, int go)
{
	char byte;

	if (dup2(err_fd, STDERR_FILENO) < 0)
		_exit(1);
	log_init("test", LOG_INFO);
	say_a_lot();
	if (write(done, "d", 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	log_msg(LOG_INFO, "mod", "last");
	_exit(0);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* Whoever waited for the pipe to be read would wait for ever: it is read only after the flood. */
static void a_full_pipe_drops_and_says_so(void **state)
{
	static char out[1 << 17];
	static const char intro[] = "test warn log: ";
	int err_pipe[2], done[2], go[2], status;
	size_t len = 0;
	char *note, byte;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(err_pipe), 0);
	assert_int_equal(pipe(done), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0)
		flood(err_pipe[1], done[1], go[0]);
	close(err_pipe[1]);
	assert_int_equal(read(done[0], &byte, 1), 1);
	n = read(err_pipe[0], out, sizeof(out) - 1);
	assert_true(n > 0);
	assert_int_equal(write(go[1], "g", 1), 1);
	for (; n > 0; n = read(err_pipe[0], out + len, sizeof(out) - 1 - len))
		len += (size_t)n;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	note = strstr(out, intro);
	assert_non_null(note);
	assert_int_equal(count(out, "mod: message ") + strtoul(note + strlen(intro), NULL, 10),
			 5000);
	assert_non_null(strstr(note, "mod: last\n"));
	close(err_pipe[0]);
	for (int i = 0; i < 2; i++) {
		close(done[i]);
		close(go[i]);
	}
}

static void a_socket_that_nobody_reads_does_not_block(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	with_stderr(ends[1], say_a_lot);
	close(ends[0]);
	close(ends[1]);
}

static void a_closed_pipe_does_not_kill(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_msg(LOG_ERROR, "mod", "nobody there");
}

static void a_reader_that_has_gone_is_no_error(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	with_stderr(ends[1], a_closed_pipe_does_not_kill);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_a_message),
		cmocka_unit_test(text_cannot_forge_lines_or_grow),
		cmocka_unit_test(a_full_pipe_drops_and_says_so),
		cmocka_unit_test(a_socket_that_nobody_reads_does_not_block),
		cmocka_unit_test(a_reader_that_has_gone_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
