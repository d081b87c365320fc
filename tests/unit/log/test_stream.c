/* SPDX-License-Identifier: Apache-2.0 */
/* Reading logs back: choice of lines, frames, joined pieces, following across rotations, the ends
 * of following. */
#include "log_test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "log/files.h"
#include "log/log.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/lock.h"

#define S(n) "2026-11-21T10:00:0" #n ".000000000Z"
#define USEC(n) (INT64_C(1795255200000000) + (n)*1000000)

static const struct log_query everything = { .want_stdout = true,
					     .want_stderr = true,
					     .tail_lines = UINT64_MAX };

static void put(const struct log_dir *d, const char *name, const char *text)
{
	log_file_put(d, name, text, strlen(text));
}

/* Three files, both streams, one second a line. */
static struct log_dir sample(void)
{
	struct log_dir d = log_dir_open();

	put(&d, "2", S(0) " stdout F zero\n" S(1) " stderr F one\n");
	put(&d, "1", S(2) " stdout F two\n" S(3) " stdout F three\n");
	put(&d, "current", S(4) " stderr F four\n" S(5) " stdout F five\n");
	return d;
}

/* The stream's whole output; the query must end by itself. */
static void run(const struct log_dir *d, const struct log_query *q, struct buf *out)
{
	struct err err = { 0 };
	int ends[2];
	pid_t pid;
	int status;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(log_stream(d->fd, q, ends[1], &err) == 0 ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(file_read_fd(ends[0], out->max, out, &err), 0);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void expect(const struct log_dir *d, struct log_query q, const char *want)
{
	struct buf out = BUF_INIT(1 << 20);

	run(d, &q, &out);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

/* Everything, but for what is named (the later initialiser wins). */
#define Q(...)               \
	((struct log_query){ \
		.want_stdout = true, .want_stderr = true, .tail_lines = UINT64_MAX, __VA_ARGS__ })
#pragma GCC diagnostic ignored "-Woverride-init"

static void all_of_it_oldest_first(void **state)
{
	struct log_dir d = sample();

	(void)state;
	expect(&d, everything, "zero\none\ntwo\nthree\nfour\nfive\n");
	expect(&d, Q(.timestamps = true, .tail_lines = 1), S(5) " five\n");
	log_dir_close(&d);
}

static void one_stream_only(void **state)
{
	struct log_dir d = sample();

	(void)state;
	expect(&d, Q(.want_stdout = false), "one\nfour\n");
	expect(&d, Q(.want_stderr = false), "zero\ntwo\nthree\nfive\n");
	log_dir_close(&d);
}

static void the_tail_reaches_across_files(void **state)
{
	static const char *const want[] = { "",
					    "five\n",
					    "four\nfive\n",
					    "three\nfour\nfive\n",
					    "two\nthree\nfour\nfive\n",
					    "one\ntwo\nthree\nfour\nfive\n",
					    "zero\none\ntwo\nthree\nfour\nfive\n",
					    "zero\none\ntwo\nthree\nfour\nfive\n" };
	struct log_dir d = sample();

	(void)state;
	for (uint64_t n = 0; n < 8; n++)
		expect(&d, Q(.tail_lines = n), want[n]);
	expect(&d, Q(.tail_lines = 1, .want_stdout = false), "four\n");
	expect(&d, Q(.tail_lines = 3, .want_stderr = false), "two\nthree\nfive\n");
	log_dir_close(&d);
}

static void since_and_until_include_their_moment(void **state)
{
	struct log_dir d = sample();

	(void)state;
	expect(&d, Q(.since_real_usec = USEC(4)), "four\nfive\n");
	expect(&d, Q(.since_real_usec = USEC(4) + 1), "five\n");
	expect(&d, Q(.until_real_usec = USEC(1)), "zero\none\n");
	expect(&d, Q(.since_real_usec = USEC(1), .until_real_usec = USEC(3), .tail_lines = 2),
	       "two\nthree\n");
	log_dir_close(&d);
}

static void frames_as_docker_has_them(void **state)
{
	static const char want[] = "\1\0\0\0\0\0\0\5zero\n\2\0\0\0\0\0\0\4one\n";
	struct log_dir d = log_dir_open();
	struct buf out = BUF_INIT(4096);

	(void)state;
	put(&d, "current", S(0) " stdout F zero\n" S(1) " stderr F one\n");
	run(&d, &Q(.docker_frames = true), &out);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, out.len);
	buf_clear(&out);
	run(&d, &Q(.docker_frames = true, .timestamps = true, .tail_lines = 1), &out);
	assert_int_equal(out.len, 8 + 31 + 4);
	assert_int_equal(out.data[7], 31 + 4);
	assert_memory_equal(out.data + 8, S(1) " one\n", 35);
	buf_fini(&out);
	log_dir_close(&d);
}

/* Pieces of the two streams may lie between each other, and across files. */
static void pieces_are_joined(void **state)
{
	struct log_dir d = log_dir_open();

	(void)state;
	put(&d, "1", S(0) " stdout P aaa\n" S(1) " stderr P xxx\n");
	put(&d, "current",
	    S(2) " stdout P bbb\n" S(3) " stderr F yyy\n" S(4) " stdout F ccc\n" S(
		    5) " stdout F next\n");
	expect(&d, everything, "xxxyyy\naaabbbccc\nnext\n");
	expect(&d, Q(.timestamps = true), S(1) " xxxyyy\n" S(0) " aaabbbccc\n" S(5) " next\n");
	expect(&d, Q(.tail_lines = 2, .want_stderr = false), "aaabbbccc\nnext\n");
	expect(&d, Q(.tail_lines = 1), "next\n");
	log_dir_close(&d);
}

/* A line of a megabyte takes no megabyte of memory: it goes out in parts that make the same
 * line. */
static void endless_lines_go_out_in_parts(void **state)
{
	struct log_dir d = log_dir_open();
	struct buf out = BUF_INIT(4 << 20);
	char *piece = malloc(LOG_LINE_MAX + 64);
	int n = snprintf(piece, 64, S(0) " stdout P ");

	(void)state;
	memset(piece + n, 'x', LOG_LINE_MAX);
	piece[n + (int)LOG_LINE_MAX] = '\n';
	for (int i = 0; i < 64; i++)
		log_file_put(&d, "current", piece, (size_t)n + LOG_LINE_MAX + 1);
	put(&d, "current", S(1) " stdout F end\n" S(2) " stdout F next\n");
	run(&d, &Q(.timestamps = true), &out);
	assert_int_equal(out.len, 31 + 64 * LOG_LINE_MAX + 4 + 31 + 5);
	assert_memory_equal(out.data, S(0) " xxx", 34);
	assert_string_equal(out.data + 31 + 64 * LOG_LINE_MAX, "end\n" S(2) " next\n");
	buf_clear(&out);
	run(&d, &Q(.tail_lines = 1), &out);
	assert_string_equal(buf_str(&out), "next\n");
	buf_fini(&out);
	free(piece);
	log_dir_close(&d);
}

static void an_empty_directory_is_an_empty_log(void **state)
{
	struct log_dir d = log_dir_open();

	(void)state;
	expect(&d, everything, "");
	expect(&d, Q(.tail_lines = 5), "");
	log_dir_close(&d);
}

/* --- following --- */

struct follower {
	pid_t pid;
	int fd;
	struct buf seen;
};

static struct follower follow_start(const struct log_dir *d, struct log_query q)
{
	struct follower f = { .seen = BUF_INIT(1 << 20) };
	struct err err = { 0 };
	int ends[2];

	q.follow = true;
	assert_int_equal(pipe(ends), 0);
	f.pid = fork();
	if (f.pid == 0) {
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		_exit(log_stream(d->fd, &q, ends[1], &err) == 0 ? 0 : 1);
	}
	close(ends[1]);
	f.fd = ends[0];
	return f;
}

/* Reads until exactly this much has come. */
static void follow_expect(struct follower *f, const char *want)
{
	char text[4096];

	while (f->seen.len < strlen(want)) {
		ssize_t n = read(f->fd, text,
				 strlen(want) - f->seen.len < sizeof(text) ?
					 strlen(want) - f->seen.len :
					 sizeof(text));

		assert_true(n > 0);
		buf_add(&f->seen, text, (size_t)n);
	}
	assert_string_equal(buf_str(&f->seen), want);
	buf_clear(&f->seen);
}

static void follow_expect_end(struct follower *f)
{
	char byte;
	int status;

	assert_int_equal(read(f->fd, &byte, 1), 0);
	close(f->fd);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_int_equal(status, 0);
	buf_fini(&f->seen);
}

/* The reader goes away: the stream notices without there being a new line. */
static void follow_hang_up(struct follower *f)
{
	int status;

	close(f->fd);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_int_equal(status, 0);
	buf_fini(&f->seen);
}

static void new_lines_are_followed(void **state)
{
	struct log_dir d = sample();
	struct follower f = follow_start(&d, Q(.tail_lines = 1));

	(void)state;
	follow_expect(&f, "five\n");
	put(&d, "current", S(6) " stdout F six\n");
	follow_expect(&f, "six\n");
	put(&d, "current", S(7) " stdout F sev");
	put(&d, "current", "en\n");
	follow_expect(&f, "seven\n");
	follow_hang_up(&f);
	log_dir_close(&d);
}

static void following_begins_in_an_empty_directory(void **state)
{
	struct log_dir d = log_dir_open();
	struct follower f = follow_start(&d, everything);

	(void)state;
	put(&d, "current", S(0) " stdout F first\n");
	follow_expect(&f, "first\n");
	follow_hang_up(&f);
	log_dir_close(&d);
}

/* Many rotations by the real writer, also several between two looks: nothing twice, nothing
 * missing. */
static void rotations_are_followed(void **state)
{
	struct log_dir d = log_dir_open();
	struct follower f = follow_start(&d, everything);
	struct log_files files;
	struct err err;
	char line[2100], want[32];
	size_t done;

	(void)state;
	assert_int_equal(log_files_open(&files, d.fd, LOG_MIN_BYTES, 100, &err), 0);
	for (unsigned i = 0; i < 2000; i++) {
		int n = snprintf(line, sizeof(line), S(1) " stdout F %08u", i);

		memset(line + n, '.', 1024);
		line[n + 1024] = '\n';
		assert_int_equal(log_files_write(&files, line, (size_t)n + 1025, &done, &err), 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		char rest[1025];
		size_t have = 0;

		snprintf(want, sizeof(want), "%08u", i);
		follow_expect(&f, want);
		while (have < sizeof(rest)) {
			ssize_t n = read(f.fd, rest + have, sizeof(rest) - have);

			assert_true(n > 0);
			have += (size_t)n;
		}
		assert_int_equal(rest[1024], '\n');
	}
	follow_hang_up(&f);
	log_files_close(&files);
	log_dir_close(&d);
}

/* A reader that was stopped while everything it had was rotated away is told of the hole. */
static void a_reader_that_is_too_slow_is_told(void **state)
{
	struct log_dir d = log_dir_open();
	struct follower f;
	int status;

	(void)state;
	put(&d, "current", S(0) " stdout F zero\n");
	f = follow_start(&d, everything);
	follow_expect(&f, "zero\n");
	assert_int_equal(kill(f.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(f.pid, &status, WUNTRACED), f.pid);
	assert_int_equal(unlinkat(d.fd, "current", 0), 0);
	put(&d, "1", S(1) " stdout F one\n");
	put(&d, "current", S(2) " stdout F two\n");
	assert_int_equal(kill(f.pid, SIGCONT), 0);
	follow_expect(
		&f,
		"cleat: lines are missing here: they were rotated away before they could be read\none\ntwo\n");
	follow_hang_up(&f);
	log_dir_close(&d);
}

static void following_ends_with_the_container(void **state)
{
	struct log_dir d = sample();
	char alive[128];
	struct follower f;

	(void)state;
	snprintf(alive, sizeof(alive), "%s/alive", d.path);
	put(&d, "alive", "");
	f = follow_start(&d, Q(.tail_lines = 1, .alive_path = alive));
	follow_expect(&f, "five\n");
	put(&d, "current", S(6) " stdout F last\n");
	assert_int_equal(unlinkat(d.fd, "alive", 0), 0);
	follow_expect(&f, "last\n");
	follow_expect_end(&f);
	/* Gone from the beginning: what is there, then the end. */
	f = follow_start(&d, Q(.tail_lines = 1, .alive_path = alive));
	follow_expect(&f, "last\n");
	follow_expect_end(&f);
	log_dir_close(&d);
}

/* The container is gone, its writer still holds the lock and has lines: they belong to the
 * stream. */
static void the_writers_last_lines_are_waited_for(void **state)
{
	struct log_dir d = sample();
	char alive[128], byte;
	struct follower f;
	int ready[2], go[2];
	pid_t writer;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	writer = fork();
	if (writer == 0) {
		int fd = openat(d.fd, "lock", O_RDWR | O_CREAT, 0600);

		if (lock_take(fd, NULL) < 0 || write(ready[1], "r", 1) != 1 ||
		    read(go[0], &byte, 1) != 1)
			_exit(1);
		put(&d, "current", S(6) " stdout F late\n");
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	snprintf(alive, sizeof(alive), "%s/alive", d.path);
	f = follow_start(&d, Q(.tail_lines = 1, .alive_path = alive));
	follow_expect(&f, "five\n");
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	follow_expect(&f, "late\n");
	follow_expect_end(&f);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	log_dir_close(&d);
}

static void until_ends_following(void **state)
{
	struct log_dir d = sample();
	struct follower f = follow_start(&d, Q(.until_real_usec = USEC(1)));

	(void)state;
	follow_expect(&f, "zero\none\n");
	follow_expect_end(&f);
	log_dir_close(&d);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	struct log_dir d = log_dir_open();
	struct err err = { 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), cwd = open(".", O_PATH | O_CLOEXEC);

	(void)state;
	assert_int_equal(log_stream(null, &everything, null, &err), -1);
	assert_int_equal(symlinkat("/etc/passwd", d.fd, "current"), 0);
	assert_int_equal(log_stream(d.fd, &everything, null, &err), -1);
	assert_non_null(strstr(err.msg, "current: open"));
	assert_int_equal(fchdir(cwd), 0);
	close(cwd);
	close(null);
	log_dir_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_oldest_first),
		cmocka_unit_test(one_stream_only),
		cmocka_unit_test(the_tail_reaches_across_files),
		cmocka_unit_test(since_and_until_include_their_moment),
		cmocka_unit_test(frames_as_docker_has_them),
		cmocka_unit_test(pieces_are_joined),
		cmocka_unit_test(endless_lines_go_out_in_parts),
		cmocka_unit_test(an_empty_directory_is_an_empty_log),
		cmocka_unit_test(new_lines_are_followed),
		cmocka_unit_test(following_begins_in_an_empty_directory),
		cmocka_unit_test(rotations_are_followed),
		cmocka_unit_test(a_reader_that_is_too_slow_is_told),
		cmocka_unit_test(following_ends_with_the_container),
		cmocka_unit_test(the_writers_last_lines_are_waited_for),
		cmocka_unit_test(until_ends_following),
		cmocka_unit_test(what_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
