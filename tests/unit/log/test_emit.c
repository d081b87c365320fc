/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's output side: clients that go, that are slow, more than a buffer at once. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/emit.h"

#define STAMP "2026-11-21T10:00:00.000000001Z"

static const struct log_query everything = { .want_stdout = true,
					     .want_stderr = true,
					     .tail_lines = UINT64_MAX };

static struct log_line line_of(const char *text, size_t len)
{
	return (struct log_line){ .stamp = STAMP, .is_end = true, .text = text, .len = len };
}

static void nothing_is_written_before_the_flush(void **state)
{
	static char memory[LOG_EMIT_BYTES];
	struct log_line line = line_of("hello", 5);
	struct log_emit emit;
	struct err err;
	char text[16];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_emit_init(&emit, &everything, ends[1], memory);
	assert_int_equal(log_emit_line(&emit, &line, &err), 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), -1);
	assert_int_equal(log_emit_flush(&emit, &err), 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), 6);
	assert_memory_equal(text, "hello\n", 6);
	assert_int_equal(log_emit_flush(&emit, &err), 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), -1);
	log_emit_fini(&emit);
	close(ends[0]);
	close(ends[1]);
}

/* More than the buffer and more than the pipe, into a descriptor that does not block. */
static void a_slow_client_gets_everything(void **state)
{
	static char memory[LOG_EMIT_BYTES], text[LOG_LINE_MAX];
	struct log_line line = line_of(text, sizeof(text));
	size_t total = 0, want = 100 * (sizeof(text) + 1);
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct log_emit emit;
		struct err err;
		int rc = fcntl(ends[1], F_SETFL, O_NONBLOCK);

		close(ends[0]);
		log_emit_init(&emit, &everything, ends[1], memory);
		for (int i = 0; i < 100 && rc == 0; i++)
			rc = log_emit_line(&emit, &line, &err);
		_exit(rc == 0 && log_emit_flush(&emit, &err) == 0 ? 0 : 1);
	}
	close(ends[1]);
	while ((n = read(ends[0], text, 1000)) > 0)
		total += (size_t)n;
	assert_int_equal(total, want);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
}

static void a_client_that_has_gone_is_an_error(void **state)
{
	static char memory[LOG_EMIT_BYTES];
	struct log_line line = line_of("hello", 5);
	struct log_emit emit;
	struct err err = { 0 };
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	log_emit_init(&emit, &everything, ends[1], memory);
	assert_int_equal(log_emit_line(&emit, &line, &err), 0);
	assert_int_equal(log_emit_flush(&emit, &err), -1);
	assert_int_equal(err.sys_errno, EPIPE);
	log_emit_fini(&emit);
	close(ends[1]);
}

static void what_is_counted_is_what_is_wanted(void **state)
{
	struct log_query query = everything;
	struct log_line line = line_of("x", 1);
	struct log_emit emit;

	(void)state;
	log_emit_init(&emit, &query, -1, NULL);
	assert_true(log_emit_wants(&emit, &line));
	query.want_stdout = false;
	assert_false(log_emit_wants(&emit, &line));
	line.is_stderr = true;
	assert_true(log_emit_wants(&emit, &line));
	query.since_real_usec = INT64_C(1795255200000001);
	log_emit_init(&emit, &query, -1, NULL);
	assert_false(log_emit_wants(&emit, &line));
	query.since_real_usec = INT64_C(1795255200000000);
	query.until_real_usec = INT64_C(1795255200000000);
	log_emit_init(&emit, &query, -1, NULL);
	assert_true(log_emit_wants(&emit, &line));
	log_emit_fini(&emit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_before_the_flush),
		cmocka_unit_test(a_slow_client_gets_everything),
		cmocka_unit_test(a_client_that_has_gone_is_an_error),
		cmocka_unit_test(what_is_counted_is_what_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
