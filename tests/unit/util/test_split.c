/* SPDX-License-Identifier: Apache-2.0 */
/* Work for many things: each is done once, by a worker with a number of its own, whoever that is. */
#include "unit_test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/split.h"

#define COUNT 5000

struct tally {
	unsigned char done[COUNT];
	size_t by_worker[SPLIT_MAX_WORKERS];
	_Atomic unsigned busy[SPLIT_MAX_WORKERS];
	_Atomic unsigned clashes;
};

static void count_one(void *context, unsigned worker, size_t index)
{
	struct tally *t = context;

	if (worker >= SPLIT_MAX_WORKERS || index >= COUNT ||
	    atomic_fetch_add(&t->busy[worker], 1) != 0) {
		atomic_fetch_add(&t->clashes, 1);
		return;
	}
	t->done[index]++;
	t->by_worker[worker]++;
	atomic_fetch_sub(&t->busy[worker], 1);
}

static void assert_tally(const struct tally *t, unsigned workers, size_t count)
{
	size_t sum = 0;

	assert_int_equal(t->clashes, 0);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(t->done[i], i < count);
	for (size_t i = 0; i < SPLIT_MAX_WORKERS; i++) {
		sum += t->by_worker[i];
		if (i >= workers)
			assert_int_equal(t->by_worker[i], 0);
	}
	assert_int_equal(sum, count);
}

static void assert_round(struct split_crew *crew, size_t count)
{
	struct tally t = { 0 };

	split_run(crew, count, count_one, &t);
	assert_tally(&t, crew->workers, count);
}

static void each_is_done_once(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= SPLIT_MAX_WORKERS; workers++) {
		struct split_crew crew;

		split_begin(&crew, workers);
		assert_int_equal(crew.workers, workers);
		assert_round(&crew, 0);
		assert_round(&crew, 1);
		assert_round(&crew, COUNT);
		assert_round(&crew, 17);
		for (size_t count = 64; count < COUNT; count += 97)
			assert_round(&crew, count);
		split_end(&crew);
	}
}

static void more_workers_than_there_may_be_do_no_harm(void **state)
{
	struct split_crew crew;

	(void)state;
	split_begin(&crew, SPLIT_MAX_WORKERS + 5);
	assert_int_equal(crew.workers, SPLIT_MAX_WORKERS);
	assert_round(&crew, COUNT);
	split_end(&crew);
}

static void who_never_began_is_alone(void **state)
{
	struct split_crew crew = { 0 };
	struct tally t = { 0 };

	(void)state;
	assert_false(split_is_shared(&crew, COUNT));
	split_run(&crew, COUNT, count_one, &t);
	assert_tally(&t, 1, COUNT);
	split_end(&crew);
}

/* What the threads have done before the caller takes its share. */
struct ahead {
	_Atomic size_t done;
	_Atomic unsigned by_caller, has_begun;
};

static void go_ahead(void *context, unsigned worker, size_t index)
{
	struct ahead *a = context;

	(void)index;
	if (worker == 0)
		a->by_caller++;
	a->done++;
}

static void threads_begin_before_the_caller_waits(void **state)
{
	struct ahead a = { 0 };
	struct split_crew crew;

	(void)state;
	split_begin(&crew, 2);
	split_start(&crew, 3, go_ahead, &a);
	while (a.done < 3)
		sched_yield();
	split_wait(&crew);
	assert_int_equal(a.done, 3);
	assert_int_equal(a.by_caller, 0);
	split_end(&crew);
}

/* A call that the caller knows to have begun, and that takes a while. */
static void linger(void *context, unsigned worker, size_t index)
{
	struct ahead *a = context;

	(void)worker;
	(void)index;
	a->has_begun = 1;
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	a->done++;
}

static void caller_waits_for_who_is_still_at_it(void **state)
{
	struct split_crew crew;

	(void)state;
	split_begin(&crew, 2);
	for (unsigned i = 0; i < 20; i++) {
		struct ahead a = { 0 };

		split_start(&crew, 1, linger, &a);
		while (!a.has_begun)
			sched_yield();
		split_wait(&crew);
		assert_int_equal(a.done, 1);
	}
	split_end(&crew);
}

static void caller_does_what_no_thread_takes(void **state)
{
	struct ahead a = { 0 };
	struct split_crew crew;

	(void)state;
	split_begin(&crew, 1);
	split_start(&crew, 3, go_ahead, &a);
	split_wait(&crew);
	assert_int_equal(a.by_caller, 3);
	split_end(&crew);
}

static void little_work_is_done_by_one(void **state)
{
	(void)state;
	assert_int_equal(split_workers(0), 1);
	assert_int_equal(split_workers(10), 1);
}

static void there_are_no_more_workers_than_processors(void **state)
{
	cpu_set_t before, one;
	size_t cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(split_workers(COUNT), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(split_workers(COUNT), CPU_COUNT(&before) < SPLIT_MAX_WORKERS ?
						       CPU_COUNT(&before) :
						       SPLIT_MAX_WORKERS);
}

/* What the threads beside the caller see of its descriptors, and what they leave open. */
struct openings {
	int callers_fd;
	_Atomic int left_fd; /* -1: none yet */
	_Atomic bool is_missing;
};

static void leave_open(void *context, unsigned worker, size_t index)
{
	struct openings *o = context;
	struct stat st;

	(void)index;
	/* So that another one has its turn. */
	while (worker == 0 && o->left_fd < 0)
		sched_yield();
	if (worker == 0 || o->left_fd >= 0)
		return;
	if (fstat(o->callers_fd, &st) < 0)
		o->is_missing = true;
	o->left_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void threads_have_descriptors_of_their_own(void **state)
{
	struct openings o = { .callers_fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
			      .left_fd = -1 };
	struct split_crew crew;

	(void)state;
	assert_true(o.callers_fd >= 0);
	split_begin(&crew, 2);
	split_run(&crew, COUNT, leave_open, &o);
	split_end(&crew);
	assert_false(o.is_missing);
	assert_true(o.left_fd >= 0);
	assert_int_equal(fcntl(o.left_fd, F_GETFD), -1);
	close(o.callers_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_done_once),
		cmocka_unit_test(more_workers_than_there_may_be_do_no_harm),
		cmocka_unit_test(who_never_began_is_alone),
		cmocka_unit_test(threads_begin_before_the_caller_waits),
		cmocka_unit_test(caller_waits_for_who_is_still_at_it),
		cmocka_unit_test(caller_does_what_no_thread_takes),
		cmocka_unit_test(little_work_is_done_by_one),
		cmocka_unit_test(there_are_no_more_workers_than_processors),
		cmocka_unit_test(threads_have_descriptors_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
