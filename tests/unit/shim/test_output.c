/* SPDX-License-Identifier: Apache-2.0 */
/* Output from pipes into the ring: waiting for room, dropping, recovery, the end; time is given,
 * not taken. */
#include "unit_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "shim/internal.h"

#define LINE_BYTES 1000u

/* An output without its writer: the test takes the consumer's place. */
struct fixture {
	struct shim_output out;
	int write_fds[2];
	struct shim_status status;
};

static void fixture_open(struct fixture *f)
{
	struct err err;
	int ends[2];

	*f = (struct fixture){ .out = { .is_open = true,
					.stall_until_usec = SHIM_NEVER,
					.writer_due_usec = SHIM_NEVER,
					.writer_pidfd = -1 } };
	assert_int_equal(log_ring_open(&f->out.ring, LOG_RING_BYTES, &err), 0);
	f->out.memory = log_memory_map(2 * (size_t)LOG_FRAMER_BYTES, &err);
	assert_non_null(f->out.memory);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
		f->out.streams[i].fd = ends[0];
		f->out.streams[i].framer.stream = i ? "stderr" : "stdout";
		f->out.streams[i].framer.buf = f->out.memory + (size_t)i * LOG_FRAMER_BYTES;
		f->write_fds[i] = ends[1];
	}
}

static void fixture_close(struct fixture *f)
{
	for (int i = 0; i < 2; i++) {
		if (f->out.streams[i].fd >= 0)
			close(f->out.streams[i].fd);
		if (f->write_fds[i] >= 0)
			close(f->write_fds[i]);
	}
	log_ring_close(&f->out.ring);
}

static void write_line(struct fixture *f, int stream)
{
	char line[LINE_BYTES];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(write(f->write_fds[stream], line, sizeof(line)), sizeof(line));
}

/* Writes and reads until the ring has no room for a further line. */
static unsigned fill_ring(struct fixture *f, int stream, uint64_t now)
{
	unsigned lines = 0;

	while (!f->out.streams[stream].is_stalled) {
		write_line(f, stream);
		shim_output_read(&f->out, (unsigned)stream, now);
		lines++;
	}
	return lines;
}

static size_t consume(struct fixture *f, size_t most)
{
	const char *data;
	size_t len = log_ring_peek(&f->out.ring, &data);

	len = len < most ? len : most;
	log_ring_consume(&f->out.ring, len);
	return len;
}

static void a_full_ring_makes_the_stream_wait_first(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 1000);
	assert_false(f.out.is_dropping);
	assert_true(shim_output_is_waiting(&f.out));
	assert_true(f.out.stall_until_usec > 1000 && f.out.stall_until_usec <= 1000 + SHIM_SEC);
	shim_output_tick(&f.out, f.out.stall_until_usec - 1);
	assert_true(f.out.streams[0].is_stalled);
	/* The writer goes on in time: nothing was lost. */
	consume(&f, LOG_RING_BYTES);
	shim_output_room(&f.out);
	assert_false(f.out.streams[0].is_stalled);
	assert_false(shim_output_is_waiting(&f.out));
	assert_false(shim_output_report(&f.out, &f.status));
	fixture_close(&f);
}

/* A disk that takes one line a second is slow, not stalled; it is stalled from when it takes none. */
static void a_writer_that_gets_ahead_loses_nothing(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 0);
	for (int i = 0; i < 50; i++) {
		consume(&f, LINE_BYTES);
		shim_output_tick(&f.out, f.out.stall_until_usec);
		assert_false(f.out.is_dropping);
		assert_true(shim_output_is_waiting(&f.out));
	}
	assert_false(shim_output_report(&f.out, &f.status));
	shim_output_tick(&f.out, f.out.stall_until_usec);
	assert_true(f.out.is_dropping);
	/* The room that was made has taken the line that waited. */
	assert_false(shim_output_is_waiting(&f.out));
	assert_false(shim_output_report(&f.out, &f.status));
	fixture_close(&f);
}

/* What was taken out before the ring was full is no progress. */
static void progress_counts_from_the_beginning_of_the_wait(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	write_line(&f, 0);
	shim_output_read(&f.out, 0, 0);
	consume(&f, LOG_RING_BYTES);
	fill_ring(&f, 0, 0);
	shim_output_tick(&f.out, f.out.stall_until_usec);
	assert_true(f.out.is_dropping);
	fixture_close(&f);
}

static void a_stalled_writer_costs_lines_not_time(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 0);
	shim_output_tick(&f.out, f.out.stall_until_usec);
	assert_true(f.out.is_dropping);
	assert_false(f.out.streams[0].is_stalled);
	assert_int_equal(f.out.stall_until_usec, SHIM_NEVER);
	for (int i = 0; i < 1000; i++) {
		write_line(&f, i % 2);
		shim_output_read(&f.out, (unsigned)i % 2, 1);
		assert_false(f.out.streams[i % 2].is_stalled);
	}
	assert_true(shim_output_report(&f.out, &f.status));
	assert_int_equal(f.status.log_dropped_lines, 1001);
	assert_int_equal(f.status.log_dropped_bytes, 1001 * (LINE_BYTES - 1));
	assert_false(shim_output_report(&f.out, &f.status)); /* nothing new */
	fixture_close(&f);
}

/* Sum of the notes in a text of frames. */
static unsigned long told_lines(const char *text)
{
	static const char begin[] = " stdout F cleat: ", end[] = " lines dropped (";
	unsigned long sum = 0;

	while ((text = strstr(text, begin))) {
		char *after;

		text += sizeof(begin) - 1;
		sum += strtoul(text, &after, 10);
		assert_memory_equal(after, end, sizeof(end) - 1);
	}
	return sum;
}

static void dropping_ends_when_half_is_free(void **state)
{
	struct fixture f;
	char *last;
	const char *data;
	size_t len;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 0);
	shim_output_tick(&f.out, f.out.stall_until_usec);
	write_line(&f, 0);
	shim_output_read(&f.out, 0, 1);
	consume(&f, LOG_RING_BYTES / 4);
	shim_output_room(&f.out);
	assert_true(f.out.is_dropping);
	consume(&f, LOG_RING_BYTES / 2);
	shim_output_room(&f.out);
	assert_false(f.out.is_dropping);
	/* The gap is told without waiting for a further line. */
	len = log_ring_peek(&f.out.ring, &data);
	last = strndup(data, len);
	assert_int_equal(told_lines(last), 2);
	free(last);
	fixture_close(&f);
}

static void the_end_of_both_streams(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	assert_false(shim_output_is_done(&f.out));
	assert_int_equal(write(f.write_fds[0], "rest", 4), 4);
	for (unsigned i = 0; i < 2; i++) {
		close(f.write_fds[i]);
		f.write_fds[i] = -1;
		shim_output_read(&f.out, i, 1);
	}
	assert_true(shim_output_is_done(&f.out));
	assert_int_equal(f.out.streams[0].fd, -1);
	assert_int_equal(consume(&f, LOG_RING_BYTES), LOG_STAMP_LEN + 10 + 5);
	fixture_close(&f);
}

/* Of what the shim has not even read when it has to end, nothing vanishes without being counted. */
static void finishing_counts_what_the_pipe_holds(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 0);
	for (int i = 0; i < 10; i++)
		write_line(&f, 0);
	shim_output_finish(&f.out);
	assert_true(shim_output_is_done(&f.out));
	assert_true(shim_output_report(&f.out, &f.status));
	assert_int_equal(f.status.log_dropped_lines, 11);
	fixture_close(&f);
}

/* Somebody keeps the pipe open, or the ring stays full: the shim ends all the same and counts. */
static void finishing_does_not_wait(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fill_ring(&f, 0, 0);
	assert_int_equal(write(f.write_fds[1], "unfinished", 10), 10);
	shim_output_read(&f.out, 1, 0);
	shim_output_finish(&f.out);
	assert_true(shim_output_is_done(&f.out));
	assert_true(shim_output_report(&f.out, &f.status));
	assert_int_equal(f.status.log_dropped_lines,
			 1); /* what waited; the short line found its place */
	fixture_close(&f);
}

static void the_writers_losses_are_added(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	log_ring_add_lost(&f.out.ring, 5, 50);
	log_ring_set_error(&f.out.ring, "current: write: No space left on device");
	assert_true(shim_output_report(&f.out, &f.status));
	assert_int_equal(f.status.log_dropped_lines, 5);
	assert_string_equal(f.status.log_error, "current: write: No space left on device");
	log_ring_set_error(&f.out.ring, "");
	assert_true(shim_output_report(&f.out, &f.status));
	assert_string_equal(f.status.log_error, "");
	fixture_close(&f);
}

static void idle_memory_goes_back_but_no_text(void **state)
{
	struct fixture f;
	const char *data;

	(void)state;
	fixture_open(&f);
	write_line(&f, 0);
	assert_int_equal(write(f.write_fds[0], "half a li", 9), 9);
	shim_output_read(&f.out, 0, 0);
	assert_false(shim_output_release(&f.out)); /* the writer has not been there yet */
	consume(&f, LOG_RING_BYTES);
	assert_true(shim_output_release(&f.out));
	assert_int_equal(write(f.write_fds[0], "ne\n", 3), 3);
	shim_output_read(&f.out, 0, 0);
	assert_int_equal(log_ring_peek(&f.out.ring, &data), LOG_STAMP_LEN + 10 + 12);
	assert_memory_equal(data + LOG_STAMP_LEN + 10, "half a line\n", 12);
	fixture_close(&f);
}

/* Without a log there is nothing to wait for and nothing to say. */
static void no_output_at_all(void **state)
{
	struct shim_output out = { .is_open = false };
	struct shim_status status = { 0 };

	(void)state;
	assert_true(shim_output_is_done(&out));
	assert_false(shim_output_is_waiting(&out));
	assert_false(shim_output_report(&out, &status));
	shim_output_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_ring_makes_the_stream_wait_first),
		cmocka_unit_test(a_writer_that_gets_ahead_loses_nothing),
		cmocka_unit_test(progress_counts_from_the_beginning_of_the_wait),
		cmocka_unit_test(a_stalled_writer_costs_lines_not_time),
		cmocka_unit_test(dropping_ends_when_half_is_free),
		cmocka_unit_test(the_end_of_both_streams),
		cmocka_unit_test(finishing_does_not_wait),
		cmocka_unit_test(finishing_counts_what_the_pipe_holds),
		cmocka_unit_test(the_writers_losses_are_added),
		cmocka_unit_test(idle_memory_goes_back_but_no_text),
		cmocka_unit_test(no_output_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
