/* SPDX-License-Identifier: Apache-2.0 */
/* Layers side by side: those with large zstd windows are unpacked one at a time, whatever order they ask in. */
#include "store_test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "util/str.h"

/* In the store's folder, as seen from the folder that a layer is unpacked into. */
#define LOG_FROM_LAYER "../../../log"
#define DEAD "sha256:dead"

static int say(int fd, const char *text)
{
	struct err err;

	return file_write_all(fd, text, strlen(text), &err);
}

/* What this program is when the code under test starts "cleat unpack": a namespace and a map as the real one has, then the question,
 * then a line when it has been let on and one before it ends. */
static int be_unpack(const char *diff_id)
{
	int log = openat(WORKER_FD_DATA, LOG_FROM_LAYER, O_WRONLY | O_APPEND | O_CREAT, 0644);
	char go, data[512];

	if (log < 0 || unshare(CLONE_NEWUSER) < 0 || say(WORKER_FD_RECORDS, "ready\n") < 0 ||
	    read(WORKER_FD_GO, &go, 1) != 1)
		return 90;
	if (say(WORKER_FD_RECORDS, WORKER_WINDOW_LINE) < 0)
		return 91;
	if (str_starts(diff_id, DEAD)) {
		close(WORKER_FD_GO);
		(void)say(WORKER_FD_RECORDS, "code integrity\nerror gave up\n");
		return 1;
	}
	if (read(WORKER_FD_GO, &go, 1) != 1 || say(log, "+") < 0)
		return 92;
	while (read(WORKER_FD_IN, data, sizeof(data)) > 0)
		continue;
	if (say(log, "-") < 0 || say(WORKER_FD_RECORDS, "bytes 1\nentries 1\nok \n") < 0)
		return 93;
	return 0;
}

static int be_fetch(void)
{
	return say(WORKER_FD_DATA, "compressed") < 0 || say(WORKER_FD_RECORDS, "ok \n") < 0 ? 94 :
											      0;
}

static int unpack_all(struct fixture *f, const char *const *diff_ids, size_t count)
{
	struct import imp = {
		.store = f->store, .record_fd = -1, .max_bytes = 1000, .max_entries = 10
	};
	struct import_source source = { .archive_fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };
	struct import_layer layers[8] = { 0 };
	struct import_counts counts = { 0 };
	int rc;

	for (size_t i = 0; i < count; i++) {
		str_copy(layers[i].diff_id, sizeof(layers[i].diff_id), diff_ids[i]);
		str_copy(layers[i].blob, sizeof(layers[i].blob), diff_ids[i]);
		layers[i].size = 10;
	}
	rc = import_layers(&imp, &source, layers, count, "app:1", &counts, &f->err);
	close(source.archive_fd);
	return rc;
}

static void large_windows_are_for_one_at_a_time(void **state)
{
	static const char *const layers[] = { L1, L2, L3, M1, M2 };
	struct fixture *f = *state;
	auto_buf log = BUF_INIT(100);
	char path[160];

	if (unpack_all(f, layers, 5) < 0)
		fail_msg("%s", f->err.msg);
	snprintf(path, sizeof(path), "%s/log", f->path);
	must(f, file_read_at(AT_FDCWD, path, 100, &log, &f->err));
	assert_string_equal(buf_str(&log), "+-+-+-+-+-");
}

static void one_that_died_while_it_waited_is_heard(void **state)
{
	static const char *const layers[] = {
		DEAD "deaddeaddeaddeaddeaddeaddeaddeaddeaddeaddeaddeaddeaddeaddead"
	};
	struct fixture *f = *state;

	assert_int_equal(unpack_all(f, layers, 1), -1);
	assert_says(&f->err, ERR_INTEGRITY, "gave up");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_windows_are_for_one_at_a_time, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_died_while_it_waited_is_heard, set_up,
						tear_down),
	};

	signal(SIGPIPE, SIG_IGN); /* as "cleat import", "cleat fetch" and "cleat unpack" do */
	/* the programs that the code under test starts are this one (/proc/self/exe) */
	if (argc > 2 && str_eq(argv[1], "unpack"))
		return be_unpack(argv[2]);
	if (argc > 1 && str_eq(argv[1], "fetch"))
		return be_fetch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
