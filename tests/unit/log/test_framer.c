/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into lines: cuts anywhere, long lines, full ring, what is dropped and how that is said. */
#include "unit_test.h"

#include "log/framer.h"

#define STAMP "2026-11-21T10:00:00.000000001Z"
#define OUT STAMP " stdout F "
#define PIECE STAMP " stdout P "

struct fixture {
	struct log_ring ring;
	struct log_framer framer;
	char buf[LOG_FRAMER_BYTES];
};

static struct fixture *fixture_new(size_t ring_bytes)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	assert_int_equal(log_ring_open(&f->ring, ring_bytes, &err), 0);
	f->framer = (struct log_framer){ .stream = "stdout", .buf = f->buf };
	return f;
}

static void fixture_free(struct fixture *f)
{
	log_ring_close(&f->ring);
	free(f);
}

static bool feed(struct fixture *f, const char *data, size_t len, bool may_drop)
{
	bool done;

	assert_true(len <= LOG_FRAMER_BYTES - f->framer.len);
	memcpy(f->framer.buf + f->framer.len, data, len);
	f->framer.len += len;
	done = log_framer_push(&f->framer, &f->ring, STAMP, may_drop);
	log_ring_publish(&f->ring);
	return done;
}

/* Takes everything out of the ring and compares. */
static void expect(struct fixture *f, const char *want)
{
	const char *data;
	size_t len;

	log_ring_publish(&f->ring);
	len = log_ring_peek(&f->ring, &data);
	if (len != strlen(want) || memcmp(data, want, len) != 0)
		fail_msg("ring holds %zu bytes: %.*s; expected: %s", len,
			 (int)(len < 2000 ? len : 2000), data, want);
	log_ring_consume(&f->ring, len);
}

static void lines_are_stamped(void **state)
{
	struct fixture *f = fixture_new(LOG_RING_BYTES);

	(void)state;
	assert_true(feed(f, "one\ntwo\n\nrest", 13, false));
	expect(f, OUT "one\n" OUT "two\n" OUT "\n");
	assert_true(feed(f, " of it\n", 7, false));
	expect(f, OUT "rest of it\n");
	assert_int_equal(f->framer.len, 0);
	fixture_free(f);
}

static void any_cut_gives_the_same_lines(void **state)
{
	static const char text[] = "a\nbb\n\nccc\ndddd\n";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct fixture *f = fixture_new(LOG_RING_BYTES);

		assert_true(feed(f, text, cut, false));
		assert_true(feed(f, text + cut, sizeof(text) - 1 - cut, false));
		expect(f, OUT "a\n" OUT "bb\n" OUT "\n" OUT "ccc\n" OUT "dddd\n");
		fixture_free(f);
	}
}

static void bytes_are_kept_as_they_are(void **state)
{
	struct fixture *f = fixture_new(LOG_RING_BYTES);
	const char *data;
	size_t len;

	(void)state;
	assert_true(feed(f, "a\0b\r\x1b[1m\xff\n", 10, false));
	len = log_ring_peek(&f->ring, &data);
	assert_int_equal(len, sizeof(OUT) - 1 + 10);
	assert_memory_equal(data + sizeof(OUT) - 1, "a\0b\r\x1b[1m\xff\n", 10);
	fixture_free(f);
}

static void fill_line(char *line, size_t len, char last)
{
	memset(line, 'x', len);
	line[len] = last;
}

/* A line of exactly the maximum is one line; one byte more makes two pieces. */
static void pieces_begin_beyond_the_maximum(void **state)
{
	static char line[LOG_LINE_MAX * 2 + 16], want[LOG_LINE_MAX * 2 + 400];
	struct fixture *f = fixture_new(LOG_RING_BYTES);

	(void)state;
	fill_line(line, LOG_LINE_MAX, '\n');
	assert_true(feed(f, line, LOG_LINE_MAX, false));
	expect(f, ""); /* may be complete: the newline decides */
	assert_true(feed(f, "\n", 1, false));
	snprintf(want, sizeof(want), OUT "%.*s\n", (int)LOG_LINE_MAX, line);
	expect(f, want);

	fill_line(line, LOG_LINE_MAX + 1, '\n');
	assert_true(feed(f, line, LOG_LINE_MAX + 2, false));
	snprintf(want, sizeof(want), PIECE "%.*s\n" OUT "x\n", (int)LOG_LINE_MAX, line);
	expect(f, want);

	fill_line(line, LOG_LINE_MAX * 2, '\n');
	assert_true(feed(f, line, LOG_LINE_MAX * 2 + 1, false));
	snprintf(want, sizeof(want), PIECE "%.*s\n" OUT "%.*s\n", (int)LOG_LINE_MAX, line,
		 (int)LOG_LINE_MAX, line);
	expect(f, want);
	fixture_free(f);
}

static void the_end_of_the_stream_ends_the_line(void **state)
{
	static char line[LOG_LINE_MAX + 16], want[LOG_LINE_MAX + 400];
	struct fixture *f = fixture_new(LOG_RING_BYTES);

	(void)state;
	assert_true(feed(f, "no newline", 10, false));
	assert_true(log_framer_finish(&f->framer, &f->ring, STAMP, false));
	expect(f, OUT "no newline\n");
	assert_true(log_framer_finish(&f->framer, &f->ring, STAMP, false)); /* nothing twice */
	expect(f, "");
	/* The last piece was not to come: an empty one ends the line. */
	fill_line(line, LOG_LINE_MAX + 1, 'x');
	assert_true(feed(f, line, LOG_LINE_MAX + 1, false));
	snprintf(want, sizeof(want), PIECE "%.*s\n", (int)LOG_LINE_MAX, line);
	expect(f, want);
	assert_true(log_framer_finish(&f->framer, &f->ring, STAMP, false));
	expect(f, OUT "x\n");
	fixture_free(f);
}

/* leave: bytes that lines may still have. */
static void fill_ring(struct fixture *f, size_t leave)
{
	size_t room = log_ring_room(&f->ring) - LOG_FRAMER_SPARE;

	assert_non_null(log_ring_reserve(&f->ring, room - leave));
	log_ring_commit(&f->ring, room - leave);
	log_ring_publish(&f->ring);
}

static void empty_ring(struct fixture *f)
{
	const char *data;

	log_ring_publish(&f->ring);
	log_ring_consume(&f->ring, log_ring_peek(&f->ring, &data));
}

static void without_leave_to_drop_lines_wait(void **state)
{
	struct fixture *f = fixture_new(8192);

	(void)state;
	fill_ring(f, sizeof(OUT) - 1 + 4); /* room for "one\n" exactly */
	assert_false(feed(f, "one\ntwo\nthree", 13, false));
	assert_int_equal(f->framer.dropped_lines, 0);
	assert_memory_equal(f->framer.buf, "two\nthree", 9);
	empty_ring(f);
	assert_true(log_framer_push(&f->framer, &f->ring, STAMP, false));
	expect(f, OUT "two\n");
	assert_int_equal(f->framer.len, 5);
	fixture_free(f);
}

static void dropped_lines_are_counted_and_told(void **state)
{
	struct fixture *f = fixture_new(8192);

	(void)state;
	fill_ring(f, 10);
	assert_true(feed(f, "one\ntwo\nthree\nfo", 16, true));
	assert_int_equal(f->framer.dropped_lines, 3);
	assert_int_equal(f->framer.dropped_bytes, 11);
	assert_false(log_framer_tell(&f->framer, &f->ring, STAMP));
	empty_ring(f);
	assert_true(feed(f, "ur\nfive\n", 8, true));
	expect(f, OUT
	       "cleat: 3 lines dropped (11 bytes): the log could not be written fast enough\n" OUT
	       "four\n" OUT "five\n");
	assert_int_equal(f->framer.dropped_lines, 3);
	assert_int_equal(f->framer.untold_lines, 0);
	fixture_free(f);
}

/* The gap's place in the log is exact: no line slips in before the note about those that are
 * missing before it. */
static void nothing_overtakes_the_note(void **state)
{
	struct fixture *f = fixture_new(8192);

	(void)state;
	fill_ring(f, 10);
	assert_true(feed(f, "dropped\n", 8, true));
	empty_ring(f);
	fill_ring(f, sizeof(OUT) + 10); /* room for the line, not for the note */
	assert_true(feed(f, "later\n", 6, true));
	assert_int_equal(f->framer.dropped_lines, 2);
	empty_ring(f);
	assert_true(log_framer_tell(&f->framer, &f->ring, STAMP));
	expect(f,
	       OUT "cleat: 2 lines dropped (12 bytes): the log could not be written fast enough\n");
	fixture_free(f);
}

/* The ring fills up between the pieces of a long line: what is there is ended before anything
 * else. */
static void a_torn_long_line_is_ended(void **state)
{
	static char line[LOG_LINE_MAX * 2 + 16], want[LOG_LINE_MAX + 400];
	struct fixture *f = fixture_new(32768);

	(void)state;
	fill_line(line, LOG_LINE_MAX * 2, 'x');
	fill_ring(f, sizeof(PIECE) + LOG_LINE_MAX + 5);
	assert_true(feed(f, line, LOG_LINE_MAX + 100, true)); /* first piece fits */
	assert_true(feed(f, line, LOG_LINE_MAX, true));	      /* the next does not */
	assert_int_equal(f->framer.dropped_lines, 1);
	empty_ring(f);
	assert_true(feed(f, "end\nnext\n", 9, true)); /* the rest of the torn line goes with it */
	snprintf(want, sizeof(want),
		 OUT
		 "\n" OUT
		 "cleat: 1 lines dropped (%u bytes): the log could not be written fast enough\n" OUT
		 "next\n",
		 LOG_LINE_MAX + 100 + 3);
	expect(f, want);
	assert_int_equal(f->framer.dropped_lines, 1);
	fixture_free(f);
}

static void the_end_with_a_full_ring(void **state)
{
	struct fixture *f = fixture_new(8192);

	(void)state;
	fill_ring(f, 10);
	assert_false(feed(f, "one\ntwo", 7, false));
	assert_false(log_framer_finish(&f->framer, &f->ring, STAMP, false));
	assert_true(log_framer_finish(&f->framer, &f->ring, STAMP, true));
	assert_int_equal(f->framer.dropped_lines, 2);
	assert_int_equal(f->framer.len, 0);
	/* What was kept free says so. */
	assert_int_equal(f->framer.untold_lines, 0);
	log_ring_publish(&f->ring);
	log_ring_consume(&f->ring, 8192 - LOG_FRAMER_SPARE - 10);
	expect(f,
	       OUT "cleat: 2 lines dropped (6 bytes): the log could not be written fast enough\n");
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_stamped),
		cmocka_unit_test(any_cut_gives_the_same_lines),
		cmocka_unit_test(bytes_are_kept_as_they_are),
		cmocka_unit_test(pieces_begin_beyond_the_maximum),
		cmocka_unit_test(the_end_of_the_stream_ends_the_line),
		cmocka_unit_test(without_leave_to_drop_lines_wait),
		cmocka_unit_test(dropped_lines_are_counted_and_told),
		cmocka_unit_test(nothing_overtakes_the_note),
		cmocka_unit_test(a_torn_long_line_is_ended),
		cmocka_unit_test(the_end_with_a_full_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
