/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as the coordinator sees them: an answer counts only when it is whole, in order and followed by a clean end. */
#include "image_test.h"

#include <errno.h>
#include <signal.h>

#include "image/worker.h"
#include "image/worker_internal.h"
#include "util/file.h"
#include "util/str.h"

/* What this program does when it is started as a worker ("cleat test-worker SCENARIO"). */
static int be_worker(const char *scenario)
{
	static const struct {
		const char *name, *output;
		int status;
	} rows[] = {
		{ "good", "digest x\nbytes 12\nok \n", 0 },
		{ "silent", "", 0 },
		{ "half", "digest x\n", 0 },
		{ "good-but-failed", "digest x\nok \n", 3 },
		{ "refused", "code integrity\nerror torn%0Aarchive\n", 1 },
		{ "error-without-code", "error what now\n", 1 },
		{ "unknown-code", "code frobnicated\nerror what now\n", 1 },
		{ "code-alone", "code input\n", 1 },
		{ "after-the-end", "ok \ndigest x\n", 0 },
		{ "twice", "ok \nok \n", 0 },
		{ "malformed", "UPPER x\nok \n", 0 },
		{ "refused-line", "bad line\nok \n", 0 },
		{ "unended", "digest x\nok ", 0 },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_eq(rows[i].name, scenario))
			continue;
		if (file_write_all(1, rows[i].output, strlen(rows[i].output), &err) < 0)
			return 90;
		return rows[i].status;
	}
	if (str_eq(scenario, "nul"))
		return file_write_all(1, "a b\0c\nok \n", 10, &err) < 0;
	if (str_eq(scenario, "killed"))
		raise(SIGKILL);
	while (str_eq(scenario, "flood"))
		if (file_write_all(
			    1, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			    63, &err) < 0)
			return 91;
	if (str_eq(scenario, "closes"))
		close(1);
	while (str_eq(scenario, "endless") || str_eq(scenario, "closes"))
		pause();
	return 92;
}

struct seen {
	unsigned lines;
	char last[64];
};

static int note_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct seen *seen = arg;

	seen->lines++;
	str_copy(seen->last, sizeof(seen->last), line->key);
	return str_eq(line->key, "bad") ? err_set(err, ERR_INTEGRITY, "a bad line") : 0;
}

static int run_scenario(const char *scenario, struct seen *seen, struct err *err)
{
	const char *args[] = { scenario, NULL };
	struct worker worker = WORKER_INIT("test-worker");
	const int fds[] = { -1, -1, STDERR_FILENO };
	int rc;

	*seen = (struct seen){ 0 };
	if (worker_start(&worker, args, fds, 3, err) < 0)
		fail_msg("%s", err->msg);
	rc = worker_run(&worker, note_line, seen, err);
	assert_int_equal(worker.fd, -1);
	assert_int_equal(worker.proc.pidfd, -1);
	worker_fini(&worker);
	return rc;
}

static void a_whole_answer_is_taken(void **state)
{
	struct seen seen;
	struct err err;

	(void)state;
	assert_int_equal(run_scenario("good", &seen, &err), 0);
	assert_int_equal(seen.lines, 2);
	assert_string_equal(seen.last, "bytes");
}

static void anything_less_is_an_error_with_its_reason(void **state)
{
	static const struct {
		const char *scenario, *part;
		enum err_code code;
	} rows[] = {
		{ "silent", "ended without an answer, exit status 0", ERR_SYS },
		{ "half", "ended without an answer, exit status 0", ERR_SYS },
		{ "unended", "ended without an answer, exit status 0", ERR_SYS },
		{ "good-but-failed", "ended without an answer, exit status 3", ERR_SYS },
		{ "killed", "was ended by signal 9", ERR_SYS },
		{ "closes", "was ended by signal 9", ERR_SYS },
		{ "refused", "torn?archive", ERR_INTEGRITY },
		{ "error-without-code", "what now", ERR_BUG },
		{ "unknown-code", "what now", ERR_BUG },
		{ "code-alone", "ended without an answer", ERR_SYS },
		{ "after-the-end", "record after the last one", ERR_INTEGRITY },
		{ "twice", "record after the last one", ERR_INTEGRITY },
		{ "malformed", "without a key", ERR_INTEGRITY },
		{ "refused-line", "a bad line", ERR_INTEGRITY },
		{ "nul", "NUL byte", ERR_INTEGRITY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen seen;
		struct err err = { 0 };

		if (run_scenario(rows[i].scenario, &seen, &err) == 0)
			fail_msg("taken: %s", rows[i].scenario);
		assert_says(&err, rows[i].code, rows[i].part);
	}
}

static void a_flood_is_cut_off(void **state)
{
	struct seen seen;
	struct err err;

	(void)state;
	assert_int_equal(run_scenario("flood", &seen, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(seen.lines, 0);
}

static void a_running_worker_ends_with_its_owner(void **state)
{
	const char *args[] = { "endless", NULL };
	struct worker worker = WORKER_INIT("test-worker");
	const int fds[] = { -1, -1, STDERR_FILENO };
	struct err err;
	pid_t pid;

	(void)state;
	assert_int_equal(worker_start(&worker, args, fds, 3, &err), 0);
	pid = worker.proc.pid;
	assert_int_equal(kill(pid, 0), 0);
	worker_fini(&worker);
	assert_int_equal(kill(pid, 0), -1); /* not even a zombie */
	assert_int_equal(errno, ESRCH);
	worker_fini(&worker); /* again is fine */
}

static void a_missing_program_is_told_at_once(void **state)
{
	const char *args[] = {
		"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", NULL
	};
	struct worker worker = WORKER_INIT("test-worker");
	const int fds[] = { -1, -1, STDERR_FILENO };
	struct err err;

	(void)state;
	assert_int_equal(worker_start(&worker, args, fds, 3, &err), -1);
	assert_says(&err, ERR_BUG, "too many arguments");
	worker_fini(&worker);
}

/* The record socket, end to end: with no archives there is nothing for workers to do. */
static unsigned read_records(int fd, struct import_record *records, unsigned max)
{
	unsigned count = 0;

	fcntl(fd, F_SETFL, 0);
	while (count < max) {
		ssize_t n = read(fd, &records[count], sizeof(records[0]));

		if (n == 0)
			break;
		assert_int_equal(n, sizeof(records[0]));
		assert_int_equal(records[count].version, IMPORT_RECORD_VERSION);
		assert_int_equal(records[count].length, sizeof(records[0]));
		count++;
	}
	return count;
}

static void import_start_gives_records_until_done(void **state)
{
	static struct import_record records[8];
	struct pull_want wants[] = { PULL_WANT_INIT("localhost/app"),
				     PULL_WANT_INIT("Not A Name") };
	const struct pull_request request = { .wants = wants, .want_count = 2 };
	const struct pull_request nothing = { 0 };
	struct scratch scratch;
	char store[128], images[128];
	struct proc proc;
	struct err err;
	int fd;

	(void)state;
	scratch_open(&scratch);
	snprintf(store, sizeof(store), "%s/store", scratch.path);
	snprintf(images, sizeof(images), "%s/images", scratch.path);
	if (import_start(store, images, &request, -1, &proc, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(read_records(fd, records, 8), 3);
	assert_int_equal(records[0].kind, IMPORT_MISSING);
	assert_string_equal(records[0].ref, "localhost/app:latest");
	assert_non_null(strstr(records[0].text, images));
	assert_int_equal(records[1].kind, IMPORT_ERROR);
	assert_string_equal(records[1].ref, "Not A Name");
	assert_int_equal(records[2].kind, IMPORT_DONE);
	close(fd);
	close(proc.pidfd);
	assert_int_equal(import_start(store, images, &nothing, -1, &proc, &fd, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	scratch_close(&scratch);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_answer_is_taken),
		cmocka_unit_test(anything_less_is_an_error_with_its_reason),
		cmocka_unit_test(a_flood_is_cut_off),
		cmocka_unit_test(a_running_worker_ends_with_its_owner),
		cmocka_unit_test(a_missing_program_is_told_at_once),
		cmocka_unit_test(import_start_gives_records_until_done),
	};

	/* the programs that the code under test starts are this one (/proc/self/exe) */
	if (argc == 3 && str_eq(argv[1], "test-worker"))
		return be_worker(argv[2]);
	if (argc > 1 && str_eq(argv[1], "import"))
		return cmd_import(argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
