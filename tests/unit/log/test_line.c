/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a log file: form, hostile forms, files that grow, lines without an end. */
#include "log_test.h"

#include "log/line.h"

#define STAMP "2026-11-21T10:00:00.000000001Z"

static bool parse(const char *text, struct log_line *out)
{
	return log_line_parse(text, strlen(text), out);
}

static void parts_of_a_line(void **state)
{
	struct log_line line;

	(void)state;
	assert_true(parse(STAMP " stdout F hello", &line));
	assert_memory_equal(line.stamp, STAMP, LOG_STAMP_LEN);
	assert_false(line.is_stderr);
	assert_true(line.is_end);
	assert_int_equal(line.len, 5);
	assert_memory_equal(line.text, "hello", 5);
	assert_true(parse(STAMP " stderr P ", &line));
	assert_true(line.is_stderr);
	assert_false(line.is_end);
	assert_int_equal(line.len, 0);
}

static void every_deviation_is_refused(void **state)
{
	static const char good[] = STAMP " stdout F ";
	struct log_line line;
	char bad[sizeof(good)];

	(void)state;
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_false(log_line_parse(good, len, &line));
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i] = '#';
		assert_false(parse(bad, &line));
	}
}

struct scanned {
	struct log_dir dir;
	struct log_scan scan;
	char *buf;
};

static struct scanned scan_text(const char *text, size_t len)
{
	struct scanned s = { .dir = log_dir_open(), .buf = malloc(LOG_SCAN_BYTES) };

	assert_non_null(s.buf);
	log_file_put(&s.dir, "current", text, len);
	s.scan = (struct log_scan){ .fd = openat(s.dir.fd, "current", O_RDONLY | O_CLOEXEC),
				    .buf = s.buf };
	assert_true(s.scan.fd >= 0);
	return s;
}

static void scan_close(struct scanned *s)
{
	close(s->scan.fd);
	free(s->buf);
	log_dir_close(&s->dir);
}

static void expect_next(struct scanned *s, const char *text)
{
	struct log_line line;
	struct err err;

	assert_int_equal(log_scan_next(&s->scan, &line, &err), 1);
	assert_int_equal(line.len, strlen(text));
	assert_memory_equal(line.text, text, line.len);
}

static void expect_no_more(struct scanned *s)
{
	struct log_line line;
	struct err err;

	assert_int_equal(log_scan_next(&s->scan, &line, &err), 0);
}

static void a_growing_file_is_read_in_whole_lines(void **state)
{
	static const char first[] = STAMP " stdout F one\n" STAMP " std";
	struct scanned s = scan_text(first, sizeof(first) - 1);

	(void)state;
	expect_next(&s, "one");
	expect_no_more(&s);
	expect_no_more(&s);
	log_file_put(&s.dir, "current", "out F two\n", 10);
	expect_next(&s, "two");
	expect_no_more(&s);
	scan_close(&s);
}

static void foreign_lines_are_stepped_over(void **state)
{
	static const char text[] = "garbage\n\n" STAMP " stdout F one\n" STAMP " stdnot F x\n" STAMP
				   " stderr F two\n";
	struct scanned s = scan_text(text, sizeof(text) - 1);

	(void)state;
	expect_next(&s, "one");
	expect_next(&s, "two");
	expect_no_more(&s);
	scan_close(&s);
}

/* Longer than the buffer: not one of ours, whatever it begins with. */
static void an_endless_line_is_skipped(void **state)
{
	size_t len = LOG_SCAN_BYTES * 3;
	char *text = malloc(len);
	struct scanned s;

	(void)state;
	memset(text, 'x', len);
	memcpy(text, STAMP " stdout F ", 40);
	s = scan_text(text, len);
	expect_no_more(&s);
	log_file_put(&s.dir, "current", STAMP " stdout F tail\n", 45); /* still the same line */
	log_file_put(&s.dir, "current", STAMP " stdout F next\n", 45);
	expect_next(&s, "next");
	expect_no_more(&s);
	free(text);
	scan_close(&s);
}

static void a_directory_is_a_read_error(void **state)
{
	struct scanned s = scan_text("", 0);
	struct log_line line;
	struct err err = { 0 };
	int fd = s.scan.fd;

	(void)state;
	s.scan.fd = s.dir.fd;
	assert_int_equal(log_scan_next(&s.scan, &line, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	s.scan.fd = fd;
	scan_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_line),
		cmocka_unit_test(every_deviation_is_refused),
		cmocka_unit_test(a_growing_file_is_read_in_whole_lines),
		cmocka_unit_test(foreign_lines_are_stepped_over),
		cmocka_unit_test(an_endless_line_is_skipped),
		cmocka_unit_test(a_directory_is_a_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
