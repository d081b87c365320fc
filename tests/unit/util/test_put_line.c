/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit_test.h"
#include "util/put_line.h"

static int ends[2];

static int make_pipe(void **state)
{
	(void)state;
	return pipe2(ends, O_NONBLOCK | O_CLOEXEC);
}

static int close_pipe(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static size_t fill(void)
{
	char page[4096];
	size_t sum = 0;
	ssize_t n;

	memset(page, 'x', sizeof(page));
	while ((n = write(ends[1], page, sizeof(page))) > 0)
		sum += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return sum;
}

/* What is in the pipe; its last len bytes are left in tail. */
static size_t drain(char *tail, size_t len)
{
	static char all[1 << 20];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(ends[0], all + sum, sizeof(all) - sum)) > 0)
		sum += (size_t)n;
	if (len && sum >= len)
		memcpy(tail, all + sum - len, len);
	return sum;
}

static void a_line_goes_at_once(void **state)
{
	char text[8] = "";

	(void)state;
	assert_true(put_line(ends[1], "hello\n", 6, false));
	assert_int_equal(drain(text, 6), 6);
	assert_string_equal(text, "hello\n");
}

static void a_line_that_nobody_reads_is_lost(void **state)
{
	size_t sum = fill();

	(void)state;
	assert_false(put_line(ends[1], "hello\n", 6, false));
	assert_false(put_line(ends[1], "hello\n", 6, true));
	assert_int_equal(drain(NULL, 0), sum);
}

/* While the writer pauses: read() is safe in a handler. */
static void make_room(int number)
{
	char page[4096];
	int saved = errno;

	(void)number;
	while (read(ends[0], page, sizeof(page)) > 0)
		;
	errno = saved;
}

static void a_patient_line_waits_for_room(void **state)
{
	struct sigaction action = { .sa_handler = make_room }, before;
	struct itimerval soon = { .it_value = { .tv_usec = 1000 } };
	char text[8] = "";

	(void)state;
	fill();
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_true(put_line(ends[1], "hello\n", 6, true));
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_equal(drain(text, 6), 6);
	assert_string_equal(text, "hello\n");
}

static void an_end_without_readers_is_no_reason_to_wait(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &ignore, &before), 0);
	close(ends[0]);
	assert_false(put_line(ends[1], "hello\n", 6, true));
	assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
	ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_goes_at_once, make_pipe, close_pipe),
		cmocka_unit_test_setup_teardown(a_line_that_nobody_reads_is_lost, make_pipe,
						close_pipe),
		cmocka_unit_test_setup_teardown(a_patient_line_waits_for_room, make_pipe,
						close_pipe),
		cmocka_unit_test_setup_teardown(an_end_without_readers_is_no_reason_to_wait,
						make_pipe, close_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
