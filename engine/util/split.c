/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for commands that read a thousand files while somebody waits. They end with split_end(): whoever begins a crew ends it
 * before it returns, and nothing else of the program ever sees a second thread. Must never be needed: without threads the caller
 * does all of it.
 */
#include "util/split.h"

#include <sched.h>

#include "util/proc.h"

#define LEAST_COUNT 64 /* below, a thread takes longer to start than it saves */
#define AT_ONCE 16     /* taken by a worker, so that neighbours in memory are one's own */
#define STACK_BYTES ((size_t)1024 * 1024)

unsigned split_workers(size_t count)
{
	unsigned processors = count < LEAST_COUNT ? 1 : proc_processors();

	return processors < 1 ? 1 : processors > SPLIT_MAX_WORKERS ? SPLIT_MAX_WORKERS : processors;
}

bool split_is_shared(const struct split_crew *crew, size_t count)
{
	return crew->workers > 1 && count >= LEAST_COUNT;
}

/* Does some of what there is, less towards the end, so that nobody has long to wait for another. False: there is none. Called, and
 * returns, with the lock held. */
static bool take_share(struct split_crew *crew, unsigned worker)
{
	size_t begin = crew->next, share = (crew->count - begin) / (2 * (size_t)crew->workers);

	if (begin == crew->count)
		return false;
	share = share < 1 ? 1 : share > AT_ONCE ? AT_ONCE : share;
	crew->next += share;
	pthread_mutex_unlock(&crew->lock);
	for (size_t i = begin; i < begin + share; i++)
		crew->work(crew->context, worker, i);
	pthread_mutex_lock(&crew->lock);
	return true;
}

/* In a table of descriptors that several threads have, each open, read and close waits for the others: a seventh of what it
 * takes to read many files. A thread without one of its own would leave open what nobody closes, so it does nothing. */
static void *run_thread(void *arg)
{
	const struct split_worker *self = arg;
	struct split_crew *crew = self->crew;

	if (unshare(CLONE_FILES) < 0)
		return NULL;
	pthread_mutex_lock(&crew->lock);
	while (!crew->is_over) {
		crew->busy++;
		while (take_share(crew, self->number))
			;
		if (--crew->busy == 0)
			pthread_cond_signal(&crew->all_done);
		if (!crew->is_over)
			pthread_cond_wait(&crew->more, &crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

void split_begin(struct split_crew *crew, unsigned workers)
{
	pthread_attr_t attr;

	*crew = (struct split_crew){ .workers = 1 };
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->more, NULL);
	pthread_cond_init(&crew->all_done, NULL);
	if (workers < 2 || pthread_attr_init(&attr) != 0)
		return;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* The threads look at the number of them. */
	pthread_mutex_lock(&crew->lock);
	for (unsigned i = 1; i < workers && i < SPLIT_MAX_WORKERS; i++) {
		crew->others[i] = (struct split_worker){ .crew = crew, .number = i };
		if (pthread_create(&crew->others[i].thread, &attr, run_thread, &crew->others[i]) !=
		    0)
			break;
		crew->workers++;
	}
	pthread_mutex_unlock(&crew->lock);
	pthread_attr_destroy(&attr);
}

void split_end(struct split_crew *crew)
{
	if (!crew->workers)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->is_over = true;
	pthread_cond_broadcast(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 1; i < crew->workers; i++)
		pthread_join(crew->others[i].thread, NULL);
	pthread_cond_destroy(&crew->all_done);
	pthread_cond_destroy(&crew->more);
	pthread_mutex_destroy(&crew->lock);
	*crew = (struct split_crew){ 0 };
}

void split_start(struct split_crew *crew, size_t count,
		 void (*work)(void *context, unsigned worker, size_t index), void *context)
{
	pthread_mutex_lock(&crew->lock);
	crew->work = work;
	crew->context = context;
	crew->next = 0;
	crew->count = count;
	pthread_cond_broadcast(&crew->more);
	pthread_mutex_unlock(&crew->lock);
}

void split_wait(struct split_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	while (take_share(crew, 0))
		;
	while (crew->busy)
		pthread_cond_wait(&crew->all_done, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
}

void split_run(struct split_crew *crew, size_t count,
	       void (*work)(void *context, unsigned worker, size_t index), void *context)
{
	if (!split_is_shared(crew, count)) {
		for (size_t i = 0; i < count; i++)
			work(context, 0, i);
		return;
	}
	split_start(crew, count, work, context);
	split_wait(crew);
}
