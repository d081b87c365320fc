/* SPDX-License-Identifier: Apache-2.0 */
/* The ring between two processes: order, bounds, wake-ups, the end, and a consumer that lies. */
#include "unit_test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/ring.h"
#include "util/cleanup.h"

#define SIZE 8192u

static struct log_ring open_ring(size_t size)
{
	struct log_ring ring;
	struct err err;

	assert_int_equal(log_ring_open(&ring, size, &err), 0);
	return ring;
}

static bool put(struct log_ring *ring, const char *data, size_t len)
{
	char *out = log_ring_reserve(ring, len);

	if (!out)
		return false;
	memcpy(out, data, len);
	log_ring_commit(ring, len);
	return true;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void sizes_that_are_no_pages_are_refused(void **state)
{
	struct log_ring ring;
	struct err err;

	(void)state;
	assert_int_equal(log_ring_open(&ring, 1000, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_int_equal(log_ring_open(&ring, 0, &err), -1);
}

static void nothing_is_seen_before_publish(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	const char *data;

	(void)state;
	assert_true(put(&ring, "abc", 3));
	assert_int_equal(log_ring_peek(&ring, &data), 0);
	log_ring_publish(&ring);
	assert_int_equal(log_ring_peek(&ring, &data), 3);
	assert_memory_equal(data, "abc", 3);
	log_ring_consume(&ring, 3);
	assert_int_equal(log_ring_room(&ring), SIZE);
	log_ring_close(&ring);
}

static void exactly_the_size_fits(void **state)
{
	struct log_ring ring = open_ring(SIZE);

	(void)state;
	assert_null(log_ring_reserve(&ring, SIZE + 1));
	assert_non_null(log_ring_reserve(&ring, SIZE));
	log_ring_commit(&ring, SIZE);
	assert_int_equal(log_ring_room(&ring), 0);
	assert_null(log_ring_reserve(&ring, 1));
	log_ring_close(&ring);
}

/* What wraps around lies in one piece for both sides. */
static void data_is_contiguous_across_the_end(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	const char *data;
	char block[3000];

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		memset(block, 'a' + (int)(round % 26), sizeof(block));
		assert_true(put(&ring, block, sizeof(block)));
		log_ring_publish(&ring);
		assert_int_equal(log_ring_peek(&ring, &data), sizeof(block));
		assert_memory_equal(data, block, sizeof(block));
		log_ring_consume(&ring, sizeof(block));
	}
	log_ring_close(&ring);
}

static void room_is_told_once_when_asked(void **state)
{
	struct log_ring ring = open_ring(SIZE);

	(void)state;
	assert_non_null(log_ring_reserve(&ring, SIZE));
	log_ring_commit(&ring, SIZE);
	log_ring_publish(&ring);
	log_ring_ask_room(&ring, SIZE / 2);
	log_ring_consume(&ring, SIZE / 4);
	assert_false(is_readable(ring.room_event));
	log_ring_consume(&ring, SIZE / 4);
	assert_true(is_readable(ring.room_event));
	log_ring_room_seen(&ring);
	log_ring_consume(&ring, SIZE / 4);
	assert_false(is_readable(ring.room_event));
	/* There is room already: the answer comes at once. */
	log_ring_ask_room(&ring, SIZE / 2);
	assert_true(is_readable(ring.room_event));
	log_ring_close(&ring);
}

static void progress_is_what_was_taken_since_the_last_look(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	uint64_t seen = 0;

	(void)state;
	assert_true(put(&ring, "abcdef", 6));
	log_ring_publish(&ring);
	assert_false(log_ring_moved(&ring, &seen));
	log_ring_consume(&ring, 2);
	assert_true(log_ring_moved(&ring, &seen));
	assert_false(log_ring_moved(&ring, &seen));
	log_ring_consume(&ring, 4);
	assert_true(log_ring_moved(&ring, &seen));
	log_ring_close(&ring);
}

static void losses_and_error_reach_the_producer(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	char error[LOG_RING_ERROR_MAX], longer[400];
	uint64_t lines, bytes;

	(void)state;
	log_ring_add_lost(&ring, 3, 99);
	log_ring_add_lost(&ring, 1, 1);
	log_ring_set_error(&ring, "current: write: No space\nleft");
	assert_true(is_readable(ring.room_event));
	log_ring_lost(&ring, &lines, &bytes, error);
	assert_int_equal(lines, 4);
	assert_int_equal(bytes, 100);
	assert_string_equal(error, "current: write: No space?left");
	log_ring_room_seen(&ring);
	log_ring_set_error(&ring, "current: write: No space\nleft"); /* nothing new */
	assert_false(is_readable(ring.room_event));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_ring_set_error(&ring, longer);
	log_ring_lost(&ring, &lines, &bytes, error);
	assert_int_equal(strlen(error), LOG_RING_ERROR_MAX - 1);
	log_ring_set_error(&ring, "");
	log_ring_lost(&ring, &lines, &bytes, error);
	assert_string_equal(error, "");
	log_ring_close(&ring);
}

/* A consumer that was taken over may write anything into the shared page. */
static void a_lying_consumer_gets_no_memory_overwritten(void **state)
{
	struct log_ring ring = open_ring(SIZE);

	(void)state;
	assert_true(put(&ring, "abc", 3));
	log_ring_publish(&ring);
	log_ring_consume(&ring, 1000000); /* far beyond the head */
	assert_false(log_ring_moved(&ring, &(uint64_t){ 0 }));
	assert_int_equal(log_ring_room(&ring), 0);
	assert_null(log_ring_reserve(&ring, 1));
	log_ring_close(&ring);
}

static size_t resident_pages(const struct log_ring *ring)
{
	unsigned char pages[SIZE / 4096 * 16];
	size_t count = 0;

	assert_int_equal(mincore(ring->data, ring->size, pages), 0);
	for (size_t i = 0; i < ring->size / 4096; i++)
		count += pages[i] & 1;
	return count;
}

static void pages_go_back_when_empty_and_only_then(void **state)
{
	struct log_ring ring = open_ring(SIZE * 16);
	char block[4096] = "";

	(void)state;
	assert_true(log_ring_release(&ring));
	for (int i = 0; i < 20; i++)
		assert_true(put(&ring, block, sizeof(block)));
	log_ring_publish(&ring);
	assert_false(log_ring_release(&ring));
	assert_true(resident_pages(&ring) >= 20);
	log_ring_consume(&ring, 20 * sizeof(block));
	assert_true(log_ring_release(&ring));
	assert_int_equal(resident_pages(&ring), 0);
	assert_true(put(&ring, "still works", 11));
	log_ring_close(&ring);
}

/* Whether the next child has all of the mapping: 0, some of it: 2, nothing: 1. */
static int child_has(const struct log_ring *ring)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		bool first = msync(ring->shared, 4096, MS_ASYNC) == 0;
		bool last = msync(ring->data + 2 * ring->size - 4096, 4096, MS_ASYNC) == 0;

		_exit(first != last ? 2 : !first);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void children_have_it_only_when_it_is_lent(void **state)
{
	struct log_ring ring = open_ring(SIZE);

	(void)state;
	assert_int_equal(child_has(&ring), 0);
	log_ring_lend(&ring, false);
	assert_int_equal(child_has(&ring), 1);
	assert_true(put(&ring, "the producer has it", 19));
	log_ring_lend(&ring, true);
	assert_int_equal(child_has(&ring), 0);
	log_ring_close(&ring);
}

/* Consumer in another process: sees every byte in order, ends when the producer has gone and not
 * before the last byte. */
static void another_process_reads_everything_and_ends(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	uint32_t total = 300000, sent = 0;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		uint32_t expected = 0;
		const char *data;

		close_fd(&ring.wake_write);
		while (log_ring_wait(&ring)) {
			size_t len =
				log_ring_peek(&ring, &data) / sizeof(expected) * sizeof(expected);

			for (size_t at = 0; at < len; at += sizeof(expected), expected++)
				if (memcmp(data + at, &expected, sizeof(expected)) != 0)
					_exit(1);
			log_ring_consume(&ring, len);
		}
		_exit(expected == total ? 0 : 2);
	}
	close_fd(&ring.wake_read);
	while (sent < total) {
		while (sent < total && put(&ring, (char *)&sent, sizeof(sent)))
			sent++;
		log_ring_publish(&ring);
		if (sent < total) {
			struct pollfd p = { .fd = ring.room_event, .events = POLLIN };

			log_ring_ask_room(&ring, SIZE / 2);
			assert_int_equal(poll(&p, 1, 30000), 1);
			log_ring_room_seen(&ring);
		}
	}
	log_ring_close(&ring);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* "271 0x7ffc... 0x1 0x0 ...": in ppoll, and its third argument, the time limit, is NULL. */
static bool is_asleep_for_good(pid_t pid)
{
	char path[64], text[256] = "", *word, *save = NULL;
	long number;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	word = strtok_r(text, " ", &save);
	number = word ? strtol(word, NULL, 10) : -1;
	for (int i = 0; i < 3 && word; i++)
		word = strtok_r(NULL, " ", &save);
	return number == SYS_ppoll && word && strcmp(word, "0x0") == 0;
}

/* Longer than the consumer stays awake: it has given its memory back and comes all the same. */
static void a_consumer_that_fell_asleep_wakes_up(void **state)
{
	struct log_ring ring = open_ring(SIZE);
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		const char *data;

		close_fd(&ring.wake_write);
		_exit(log_ring_wait(&ring) && log_ring_peek(&ring, &data) == 1 && *data == 'x' ? 0 :
												 1);
	}
	close_fd(&ring.wake_read);
	for (int turns = 0; !is_asleep_for_good(pid); turns++) {
		assert_true(turns < 6000); /* a broken program; nothing is measured by it */
		poll(NULL, 0, 10);
	}
	assert_true(put(&ring, "x", 1));
	log_ring_publish(&ring);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	log_ring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_are_no_pages_are_refused),
		cmocka_unit_test(nothing_is_seen_before_publish),
		cmocka_unit_test(exactly_the_size_fits),
		cmocka_unit_test(data_is_contiguous_across_the_end),
		cmocka_unit_test(room_is_told_once_when_asked),
		cmocka_unit_test(progress_is_what_was_taken_since_the_last_look),
		cmocka_unit_test(losses_and_error_reach_the_producer),
		cmocka_unit_test(a_lying_consumer_gets_no_memory_overwritten),
		cmocka_unit_test(pages_go_back_when_empty_and_only_then),
		cmocka_unit_test(children_have_it_only_when_it_is_lent),
		cmocka_unit_test(another_process_reads_everything_and_ends),
		cmocka_unit_test(a_consumer_that_fell_asleep_wakes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
