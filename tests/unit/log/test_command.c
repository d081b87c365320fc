/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat log-stream": options, descriptors, and what the worker has left when it reads. Needs root. */
#include "log_test.h"

#include <sys/wait.h>

#include "log/log.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/ids.h"

#define S(n) "2026-11-21T10:00:0" #n ".000000000Z"

struct worker {
	pid_t pid;
	int out, err;
};

/* As the engine starts it: directory at 3, client at 0 and 1. */
static struct worker start(int dirfd, const char *const *options)
{
	char *argv[12] = { "log-stream" };
	struct worker w;
	int out[2], err[2], argc = 1;

	for (; options && *options; options++)
		argv[argc++] = (char *)(uintptr_t)*options;
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	w.pid = fork();
	if (w.pid == 0) {
		int dir = fcntl(dirfd, F_DUPFD, 10);

		if (dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0 || dup2(dir, 3) < 0)
			_exit(99);
		close(out[0]);
		close(err[0]);
		/* The test's own copies: else nobody sees the end. */
		for (int fd = 4; fd < 64; fd++)
			close(fd);
		_exit(cmd_log_stream(argc, argv));
	}
	close(out[1]);
	close(err[1]);
	w.out = out[0];
	w.err = err[0];
	return w;
}

static int end(struct worker *w, struct buf *out, struct buf *err)
{
	struct err ignored;
	int status;

	assert_int_equal(file_read_fd(w->out, out->max, out, &ignored), 0);
	assert_int_equal(file_read_fd(w->err, err->max, err, &ignored), 0);
	close(w->out);
	close(w->err);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(const struct log_dir *d, const char *const *options, int code, const char *text,
		   const char *complaint)
{
	struct buf out = BUF_INIT(65536), err = BUF_INIT(65536);
	struct worker w = start(d->fd, options);
	int got = end(&w, &out, &err);

	if (got != code)
		fail_msg("exit code %d, not %d: %s", got, code, buf_str(&err));
	assert_string_equal(buf_str(&out), text);
	if (complaint)
		assert_non_null(strstr(buf_str(&err), complaint));
	else
		assert_string_equal(buf_str(&err), "");
	buf_fini(&out);
	buf_fini(&err);
}

static void put(const struct log_dir *d, const char *text)
{
	log_file_put(d, "current", text, strlen(text));
}

/* As the writer leaves it: nobody else's. */
static struct log_dir sample(void)
{
	struct log_dir d = log_dir_open();

	put(&d, S(0) " stdout F zero\n" S(1) " stderr F one\n" S(2) " stdout F two\n");
	assert_int_equal(fchownat(d.fd, "current", IDS_WORKER_LOG, IDS_WORKER_LOG, 0), 0);
	assert_int_equal(fchown(d.fd, IDS_WORKER_LOG, IDS_WORKER_LOG), 0);
	assert_int_equal(fchmod(d.fd, 0700), 0);
	return d;
}

static void options_choose_lines(void **state)
{
	struct log_dir d = sample();

	(void)state;
	expect(&d, NULL, 0, "zero\none\ntwo\n", NULL);
	expect(&d, (const char *[]){ "--tail=1", NULL }, 0, "two\n", NULL);
	expect(&d, (const char *[]){ "--no-stdout", "--timestamps", NULL }, 0, S(1) " one\n", NULL);
	expect(&d, (const char *[]){ "--no-stderr", "--tail=5", NULL }, 0, "zero\ntwo\n", NULL);
	expect(&d, (const char *[]){ "--since=1795255201000000", "--until=1795255201000000", NULL },
	       0, "one\n", NULL);
	log_dir_close(&d);
}

static void wrong_options_are_named(void **state)
{
	struct log_dir d = sample();

	(void)state;
	expect(&d, (const char *[]){ "--tial=1", NULL }, 2, "", "--tial=1: unknown option");
	expect(&d, (const char *[]){ "--tail=x", NULL }, 2, "", "--tail=x: not a number in range");
	expect(&d, (const char *[]){ "--since=-1", NULL }, 2, "",
	       "--since=-1: not a number in range");
	expect(&d, (const char *[]){ "--follow=1", NULL }, 2, "", "--follow=1: unknown option");
	log_dir_close(&d);
}

static void a_directory_of_others_cannot_be_read(void **state)
{
	struct log_dir d = sample();

	(void)state;
	assert_int_equal(fchownat(d.fd, "current", 0, 0, 0), 0);
	expect(&d, NULL, 1, "", "current: open: Permission denied");
	log_dir_close(&d);
}

static void read_exactly(int fd, const char *want)
{
	char text[256];
	size_t have = 0, len = strlen(want);

	while (have < len) {
		ssize_t n = read(fd, text + have, len - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(text, want, len);
}

/* It has shown a line, so it reads; what /proc says of it now is what a hostile log file would meet. */
static void the_worker_has_no_rights_and_ends_with_the_container(void **state)
{
	struct log_dir d = sample();
	struct buf text = BUF_INIT(65536), out = BUF_INIT(1024), complaint = BUF_INIT(1024);
	char path[64], alive[128];
	struct err err;
	struct worker w;

	(void)state;
	snprintf(alive, sizeof(alive), "--alive=%s/alive", d.path);
	log_file_put(&d, "alive", "", 0);
	w = start(d.fd, (const char *[]){ "--follow", "--tail=1", alive, NULL });
	read_exactly(w.out, "two\n");
	snprintf(path, sizeof(path), "/proc/%d/status", (int)w.pid);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, &err), 0);
	assert_non_null(strstr(buf_str(&text), "Uid:\t65005\t65005\t65005\t65005\n"));
	assert_non_null(strstr(buf_str(&text), "CapEff:\t0000000000000000\n"));
	assert_non_null(strstr(buf_str(&text), "CapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(buf_str(&text), "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(buf_str(&text), "Seccomp:\t2\n"));
	/* It goes on reading with what it has left, and hears of the end. */
	put(&d, S(3) " stdout F three\n");
	read_exactly(w.out, "three\n");
	assert_int_equal(unlinkat(d.fd, "alive", 0), 0);
	assert_int_equal(end(&w, &out, &complaint), 0);
	assert_string_equal(buf_str(&out), "");
	buf_fini(&text);
	buf_fini(&out);
	buf_fini(&complaint);
	log_dir_close(&d);
}

/* Nothing is passed as descriptor 3: the container has not started yet. */
static void a_directory_that_is_not_there_yet_is_made(void **state)
{
	struct log_dir d = log_dir_open();
	struct buf out = BUF_INIT(1024), complaint = BUF_INIT(1024);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct log_dir later = { .fd = -1 };
	char make[160], alive[128];
	struct worker w;
	struct stat st;

	(void)state;
	snprintf(alive, sizeof(alive), "--alive=%s/alive", d.path);
	log_file_put(&d, "alive", "", 0);
	assert_int_equal(fchmod(d.fd, 0755), 0);
	snprintf(make, sizeof(make), "--make=%s/web", d.path);
	w = start(null, (const char *[]){ "--follow", alive, make, NULL });
	while ((later.fd = openat(d.fd, "web", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	       fstat(later.fd, &st) < 0 || st.st_uid != IDS_WORKER_LOG) {
		if (later.fd >= 0)
			close(later.fd);
		assert_int_equal(waitpid(w.pid, NULL, WNOHANG), 0);
	}
	assert_int_equal(st.st_mode & 07777, 0750);
	/* whole, and its owner's, before the worker can see it */
	log_file_put(&later, "next", S(0) " stdout F at last\n",
		     strlen(S(0) " stdout F at last\n"));
	assert_int_equal(fchownat(later.fd, "next", IDS_WORKER_LOG, IDS_WORKER_LOG, 0), 0);
	assert_int_equal(renameat(later.fd, "next", later.fd, "current"), 0);
	read_exactly(w.out, "at last\n");
	assert_int_equal(unlinkat(d.fd, "alive", 0), 0);
	assert_int_equal(end(&w, &out, &complaint), 0);
	assert_int_equal(unlinkat(later.fd, "current", 0), 0);
	assert_int_equal(unlinkat(d.fd, "web", AT_REMOVEDIR), 0);
	close(later.fd);
	close(null);
	buf_fini(&out);
	buf_fini(&complaint);
	log_dir_close(&d);
}

static void a_folder_of_somebody_else_is_not_taken(void **state)
{
	struct log_dir d = log_dir_open();
	char make[160];
	struct stat st;

	(void)state;
	log_file_put(&d, "letters", "", 0);
	snprintf(make, sizeof(make), "--make-chosen=%s", d.path);
	expect(&d, (const char *[]){ make, NULL }, 1, "", "not a log directory");
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_not_equal(st.st_uid, IDS_WORKER_LOG);
	log_dir_close(&d);
}

static void without_a_directory(void **state)
{
	struct log_dir d = log_dir_open();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct log_dir wrong = { .fd = null };

	(void)state;
	expect(&wrong, NULL, 1, "", "log directory");
	close(null);
	log_dir_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_choose_lines),
		cmocka_unit_test(wrong_options_are_named),
		cmocka_unit_test(a_directory_of_others_cannot_be_read),
		cmocka_unit_test(the_worker_has_no_rights_and_ends_with_the_container),
		cmocka_unit_test(a_directory_that_is_not_there_yet_is_made),
		cmocka_unit_test(a_folder_of_somebody_else_is_not_taken),
		cmocka_unit_test(without_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
