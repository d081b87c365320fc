/* SPDX-License-Identifier: Apache-2.0 */
/* The writer process: its files and their owner, a directory that is somebody else's or none, a full disk. Needs root. */
#include "log_test.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "log/files.h"
#include "log/writer.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/str.h"

#define LINE "2026-11-21T10:00:00.000000001Z stdout F "
#define BOUND_MSEC 60000 /* for a broken program */

struct fixture {
	struct log_ring ring;
	pid_t pid;
	unsigned next; /* number of the next line */
};

static struct fixture start(const char *dir, uint64_t max_bytes)
{
	struct log_writer w = { .dir = dir, .max_bytes = max_bytes, .max_files = 3 };
	struct fixture f = { .next = 0 };
	struct err err;

	assert_int_equal(log_ring_open(&f.ring, LOG_RING_BYTES, &err), 0);
	assert_int_equal(log_writer_start(&f.ring, &w, &f.pid, &err), 0);
	return f;
}

static void put_lines(struct fixture *f, unsigned n)
{
	char line[128];

	for (; n > 0; n--) {
		int len = snprintf(line, sizeof(line), LINE "%08u\n", f->next++);
		char *out = log_ring_reserve(&f->ring, (size_t)len);

		assert_non_null(out);
		memcpy(out, line, (size_t)len);
		log_ring_commit(&f->ring, (size_t)len);
	}
	log_ring_publish(&f->ring);
}

/* Until the writer has taken everything. */
static void drain(struct fixture *f)
{
	struct pollfd room = { .fd = f->ring.room_event, .events = POLLIN };

	while (log_ring_room(&f->ring) < f->ring.size) {
		log_ring_ask_room(&f->ring, f->ring.size);
		assert_int_equal(poll(&room, 1, BOUND_MSEC), 1);
		log_ring_room_seen(&f->ring);
	}
}

/* The producer's end: the writer finishes and ends by itself. */
static int end(struct fixture *f)
{
	int status;

	log_ring_close(&f->ring);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_owner(const struct log_dir *d, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, IDS_WORKER_LOG);
	assert_int_equal(st.st_gid, IDS_WORKER_LOG);
	assert_int_equal(st.st_mode & 07, 0);
}

static void lines_reach_the_disk_before_the_end(void **state)
{
	struct log_dir d = log_dir_open(), inner = { .fd = -1 };
	struct fixture f;
	char path[sizeof(inner.path) + 4];

	(void)state;
	snprintf(path, sizeof(path), "%s/web", d.path);
	f = start(path, LOG_MIN_BYTES);
	put_lines(&f, 2);
	assert_int_equal(end(&f), 0);
	assert_true(str_copy(inner.path, sizeof(inner.path), path));
	inner.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(log_file_is(&inner, "current", LINE "00000000\n" LINE "00000001\n"));
	expect_owner(&d, "web");
	expect_owner(&inner, "current");
	expect_owner(&inner, "lock");
	log_dir_close(&inner);
	log_dir_close(&d);
}

/* The writer makes room with each quarter of the ring that is on disk. The files are as large: did it take a quarter as it comes, each would
 * end within a line. */
static void a_full_ring_is_written_in_parts_of_whole_lines(void **state)
{
	static const char *const names[] = { "2", "1", "current" };
	const unsigned line_len = sizeof(LINE) + 8, lines = LOG_RING_BYTES / line_len;
	struct log_dir d = log_dir_open();
	struct fixture f = start(d.path, LOG_RING_BYTES / 4);
	unsigned n = 0;

	(void)state;
	put_lines(&f, lines);
	drain(&f);
	assert_int_equal(end(&f), 0);
	for (unsigned i = 0; i < 3; i++) {
		size_t len = 0;
		char *text = log_file_get(&d, names[i], &len), want[64];

		assert_non_null(text);
		if (n == 0)
			n = (unsigned)strtoul(text + sizeof(LINE) - 1, NULL, 10);
		for (size_t at = 0; at < len; at += line_len) {
			snprintf(want, sizeof(want), LINE "%08u\n", n++);
			assert_memory_equal(text + at, want, line_len);
		}
		free(text);
	}
	assert_int_equal(n, lines);
	log_dir_close(&d);
}

static void a_directory_of_somebody_else_is_taken_over(void **state)
{
	struct log_dir d = log_dir_open();
	struct fixture f;
	struct stat st;

	(void)state;
	log_file_put(&d, "current", "old\n", 4);
	log_file_put(&d, "1", "older\n", 6);
	log_file_put(&d, "notes", "mine\n", 5);
	f = start(d.path, LOG_MIN_BYTES);
	put_lines(&f, 1);
	assert_int_equal(end(&f), 0);
	assert_true(log_file_is(&d, "current", "old\n" LINE "00000000\n"));
	expect_owner(&d, "current");
	expect_owner(&d, "1");
	assert_int_equal(fstatat(d.fd, "notes", &st, 0), 0);
	assert_int_equal(st.st_uid, getuid());
	log_dir_close(&d);
}

/* Nobody's file changes its owner because a name of ours was a link to it. */
static void a_link_in_the_directory_is_not_followed(void **state)
{
	struct log_dir d = log_dir_open(), other = log_dir_open();
	char target[128], error[LOG_RING_ERROR_MAX];
	uint64_t lines, bytes;
	struct fixture f;
	struct stat st;

	(void)state;
	log_file_put(&other, "victim", "safe\n", 5);
	snprintf(target, sizeof(target), "%s/victim", other.path);
	assert_int_equal(symlinkat(target, d.fd, "current"), 0);
	f = start(d.path, LOG_MIN_BYTES);
	put_lines(&f, 3);
	drain(&f);
	log_ring_lost(&f.ring, &lines, &bytes, error);
	assert_int_equal(lines, 3);
	assert_non_null(strstr(error, "current: open"));
	end(&f);
	assert_true(log_file_is(&other, "victim", "safe\n"));
	assert_int_equal(fstatat(other.fd, "victim", &st, 0), 0);
	assert_int_equal(st.st_uid, getuid());
	log_dir_close(&d);
	log_dir_close(&other);
}

static void a_directory_that_cannot_be_made_is_told_and_lines_are_counted(void **state)
{
	struct log_dir d = log_dir_open();
	char path[128], error[LOG_RING_ERROR_MAX];
	uint64_t lines, bytes;
	struct fixture f;

	(void)state;
	log_file_put(&d, "file", "", 0);
	snprintf(path, sizeof(path), "%s/file/web", d.path);
	f = start(path, LOG_MIN_BYTES);
	put_lines(&f, 5);
	drain(&f);
	log_ring_lost(&f.ring, &lines, &bytes, error);
	assert_int_equal(lines, 5);
	assert_int_equal(bytes, 5 * (sizeof(LINE) - 1 + 9));
	assert_non_null(strstr(error, "file/web"));
	assert_int_equal(end(&f), 1);
	log_dir_close(&d);
}

/* What was there when the producer was killed is written all the same. */
static void a_killed_producer_loses_nothing_that_was_published(void **state)
{
	struct log_dir d = log_dir_open();
	struct fixture f = start(d.path, LOG_MIN_BYTES);
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(kill(f.pid, SIGSTOP), 0);
	put_lines(&f, 1000);
	close_fd(&f.ring.wake_write);
	assert_int_equal(kill(f.pid, SIGCONT), 0);
	assert_int_equal(end(&f), 0);
	text = log_file_get(&d, "current", &len);
	assert_int_equal(len, 1000 * (sizeof(LINE) - 1 + 9));
	free(text);
	log_dir_close(&d);
}

/* Killed between two batches: the next one goes on with the same ring. */
static void a_killed_writer_is_followed_by_the_next(void **state)
{
	struct log_dir d = log_dir_open();
	struct log_writer w = { .dir = d.path, .max_bytes = LOG_MIN_BYTES, .max_files = 3 };
	struct fixture f = start(d.path, LOG_MIN_BYTES);
	struct err err;
	int status;

	(void)state;
	put_lines(&f, 1);
	drain(&f);
	assert_int_equal(kill(f.pid, SIGKILL), 0);
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	put_lines(&f, 1);
	assert_int_equal(log_writer_start(&f.ring, &w, &f.pid, &err), 0);
	put_lines(&f, 1);
	assert_int_equal(end(&f), 0);
	assert_true(
		log_file_is(&d, "current", LINE "00000000\n" LINE "00000001\n" LINE "00000002\n"));
	log_dir_close(&d);
}

/* A tmpfs that is full until a filler goes: in a child, because of its mount namespace. */
static void full_disk(void)
{
	char dir[] = "/tmp/cleat-test-full-XXXXXX", error[LOG_RING_ERROR_MAX], note[256];
	struct log_dir d = { .fd = -1 };
	uint64_t lost, bytes;
	struct fixture f;
	char *text;

	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("none", dir, "tmpfs", 0, "size=200k"), 0);
	d.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	text = calloc(1, 128 * 1024);
	log_file_put(&d, "filler", text, 128 * 1024);
	free(text);
	f = start(dir, 4 * 1024 * 1024);
	do {
		put_lines(&f, 100);
		drain(&f);
		log_ring_lost(&f.ring, &lost, &bytes, error);
	} while (lost == 0);
	assert_string_equal(error, "current: write: No space left on device");
	assert_int_equal(unlinkat(d.fd, "filler", 0), 0);
	put_lines(&f, 1);
	drain(&f);
	log_ring_lost(&f.ring, &lost, &bytes, error);
	assert_string_equal(error, "");
	end(&f);
	/* Whole lines up to the gap, the gap's size, the line after it. */
	text = log_file_get(&d, "current", NULL);
	snprintf(note, sizeof(note),
		 "stderr F cleat: %llu lines dropped (%llu bytes): the log could not be written\n",
		 (unsigned long long)lost, (unsigned long long)bytes);
	assert_non_null(strstr(text, note));
	snprintf(note, sizeof(note), LINE "%08u\n", (unsigned)(f.next - 2 - lost));
	assert_non_null(strstr(text, note));
	snprintf(note, sizeof(note), LINE "%08u\n", f.next - 1);
	assert_string_equal(text + strlen(text) - strlen(note), note);
	free(text);
	close(d.fd);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_full_disk_costs_counted_lines_and_recovers(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		/* cmocka's assertions leave this function by longjmp: into the child's own copy of the
		 * run, which then ends with a failure. */
		full_disk();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_reach_the_disk_before_the_end),
		cmocka_unit_test(a_full_ring_is_written_in_parts_of_whole_lines),
		cmocka_unit_test(a_directory_of_somebody_else_is_taken_over),
		cmocka_unit_test(a_link_in_the_directory_is_not_followed),
		cmocka_unit_test(a_directory_that_cannot_be_made_is_told_and_lines_are_counted),
		cmocka_unit_test(a_killed_producer_loses_nothing_that_was_published),
		cmocka_unit_test(a_killed_writer_is_followed_by_the_next),
		cmocka_unit_test(a_full_disk_costs_counted_lines_and_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
