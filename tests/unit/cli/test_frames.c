/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's frames taken apart: two streams, pieces of every size, frames of every length, what is out of step or broken off. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"

struct sinks {
	int out, err;
};

static int setup(void **state)
{
	struct sinks *s = calloc(1, sizeof(*s));

	s->out = memfd_create("out", MFD_CLOEXEC);
	s->err = memfd_create("err", MFD_CLOEXEC);
	*state = s;
	return s->out < 0 || s->err < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct sinks *s = *state;

	close(s->out);
	close(s->err);
	free(s);
	return 0;
}

static void expect_text(int fd, const char *text)
{
	char data[256] = "";

	assert_int_equal(pread(fd, data, sizeof(data) - 1, 0), strlen(text));
	assert_string_equal(data, text);
}

static const char two_frames[] = "\1\0\0\0\0\0\0\4out\n"
				 "\2\0\0\0\0\0\0\0"
				 "\2\0\0\0\0\0\0\4err\n"
				 "\0\0\0\0\0\0\0\5stdin";

static void both_streams_whatever_the_pieces(void **state)
{
	const size_t length = sizeof(two_frames) - 1;

	for (size_t piece = 1; piece <= length; piece++) {
		struct sinks *s;
		struct cli_frames frames = { 0 };
		struct err err;

		assert_int_equal(setup(state), 0);
		s = *state;
		for (size_t at = 0; at < length; at += piece)
			assert_int_equal(cli_frames_feed(&frames, two_frames + at,
							 length - at < piece ? length - at : piece,
							 s->out, s->err, &err),
					 0);
		assert_true(cli_frames_are_whole(&frames));
		expect_text(s->out, "out\nstdin");
		expect_text(s->err, "err\n");
		teardown(state);
	}
}

static void a_stream_that_breaks_off_is_not_whole(void **state)
{
	struct sinks *s = *state;
	struct cli_frames frames = { 0 };
	struct err err;

	assert_true(cli_frames_are_whole(&frames));
	assert_int_equal(cli_frames_feed(&frames, "\1\0\0", 3, s->out, s->err, &err), 0);
	assert_false(cli_frames_are_whole(&frames));
	assert_int_equal(cli_frames_feed(&frames, "\0\0\0\0\3ab", 7, s->out, s->err, &err), 0);
	assert_false(cli_frames_are_whole(&frames));
	expect_text(s->out, "ab");
	assert_int_equal(cli_frames_feed(&frames, "c", 1, s->out, s->err, &err), 0);
	assert_true(cli_frames_are_whole(&frames));
}

static void the_longest_frame_is_not_kept_in_memory(void **state)
{
	struct sinks *s = *state;
	struct cli_frames frames = { 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	static char data[65536];
	struct err err;

	assert_int_equal(
		cli_frames_feed(&frames, "\1\0\0\0\xff\xff\xff\xff", 8, null, s->err, &err), 0);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(cli_frames_feed(&frames, data, sizeof(data), null, s->err, &err),
				 0);
	assert_int_equal(frames.left, 0xffffffffu - 1024 * sizeof(data));
	close(null);
}

static void what_is_no_frame_is_refused(void **state)
{
	static const char *const heads[] = { "HTTP/1.1", "\3\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1",
					     "\1\0\1\0\0\0\0\1", "\1\0\0\1\0\0\0\1" };
	struct sinks *s = *state;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct cli_frames frames = { 0 };
		struct err err = { 0 };

		assert_int_equal(cli_frames_feed(&frames, heads[i], 8, s->out, s->err, &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_non_null(strstr(err.msg, "out of step"));
	}
}

static void a_full_sink_is_an_error(void **state)
{
	struct sinks *s = *state;
	struct cli_frames frames = { 0 };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err err = { 0 };

	assert_int_equal(cli_frames_feed(&frames, "\1\0\0\0\0\0\0\1x", 9, full, s->err, &err), -1);
	assert_non_null(strstr(err.msg, "No space left"));
	close(full);
}

#define sink_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_streams_whatever_the_pieces),
		sink_test(a_stream_that_breaks_off_is_not_whole),
		sink_test(the_longest_frame_is_not_kept_in_memory),
		sink_test(what_is_no_frame_is_refused),
		sink_test(a_full_sink_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
