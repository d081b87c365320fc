/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for commands that read a thousand files while somebody waits. They end before split_run() returns: nothing else of
 * the program ever sees a second thread. Must never be needed: without threads the caller does all of it.
 */
#include "util/split.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define LEAST_COUNT 64 /* below, a thread takes longer to start than it saves */
#define AT_ONCE 16     /* taken by a worker, so that neighbours in memory are one's own */
#define STACK_BYTES ((size_t)1024 * 1024)

struct split {
	void (*work)(void *context, unsigned worker, size_t index);
	void *context;
	size_t count;
	_Atomic size_t next;
};

struct worker {
	struct split *split;
	unsigned number;
	pthread_t thread;
};

unsigned split_workers(size_t count)
{
	cpu_set_t set;
	int processors;

	if (count < LEAST_COUNT || sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	processors = CPU_COUNT(&set);
	return processors < 1		      ? 1 :
	       processors > SPLIT_MAX_WORKERS ? SPLIT_MAX_WORKERS :
						(unsigned)processors;
}

static void take_share(const struct worker *w)
{
	struct split *s = w->split;

	for (size_t begin; (begin = atomic_fetch_add(&s->next, AT_ONCE)) < s->count;)
		for (size_t i = begin; i < begin + AT_ONCE && i < s->count; i++)
			s->work(s->context, w->number, i);
}

/* In a table of descriptors that several threads have, each open, read and close waits for the others: a seventh of what it
 * takes to read many files. Without one of its own a thread is only slower. */
static void *run_thread(void *arg)
{
	(void)unshare(CLONE_FILES);
	take_share(arg);
	return NULL;
}

void split_run(unsigned workers, size_t count,
	       void (*work)(void *context, unsigned worker, size_t index), void *context)
{
	struct split split = { .work = work, .context = context, .count = count };
	struct worker crew[SPLIT_MAX_WORKERS];
	unsigned started = 1;
	pthread_attr_t attr;

	crew[0] = (struct worker){ .split = &split };
	if (workers > 1 && pthread_attr_init(&attr) == 0) {
		(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
		for (; started < workers && started < SPLIT_MAX_WORKERS; started++) {
			crew[started] = (struct worker){ .split = &split, .number = started };
			if (pthread_create(&crew[started].thread, &attr, run_thread,
					   &crew[started]) != 0)
				break;
		}
		pthread_attr_destroy(&attr);
	}
	take_share(&crew[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(crew[i].thread, NULL);
}
