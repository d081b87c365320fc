/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop. One turn: hook, wait, read the clock, descriptors, then timers (a probe's result
 * that arrives together with its deadline counts), then free what was removed. Must never call a
 * source back after loop_remove(), nor read the clock on a callback's behalf.
 */
#include "util/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define LOOP_EVENTS 64
#define TIMER_UNARMED SIZE_MAX

struct loop_source {
	loop_io_fn *io;	      /* NULL: a timer */
	loop_timer_fn *timer; /* NULL: a descriptor */
	void *arg;	      /* borrowed */
	int fd;		      /* borrowed */
	bool dead;	      /* removed in this turn */
	bool due;	      /* expired in this turn, not called yet */
	usec_t at;
	uint64_t order;			 /* of arming: equal deadlines fire in this order */
	size_t heap_index;		 /* or TIMER_UNARMED */
	struct loop_source *prev, *next; /* all sources, or the dead ones (next only) */
	struct loop_source *next_due;
};

struct loop {
	int epoll_fd;
	bool stopped;
	usec_t now;
	usec_t late_usec;
	loop_hook_fn *hook, *late_hook;
	void *hook_arg, *late_arg;
	struct loop_source *sources; /* owned */
	struct loop_source *dead;    /* owned */
	struct loop_source **heap;   /* earliest first */
	size_t heap_count, heap_cap;
	uint64_t order;
};

static usec_t clock_usec(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (usec_t)ts.tv_sec * USEC_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t clock_now_usec(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

int64_t clock_real_usec(void)
{
	return (int64_t)clock_usec(CLOCK_REALTIME);
}

/* A timer cannot fail: without memory for one the program could only hang. */
static void *loop_memory(void *p)
{
	if (!p) {
		fputs("out of memory: event loop\n", stderr);
		abort();
	}
	return p;
}

struct loop *loop_new(struct err *err)
{
	auto_fd int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "epoll_create1");
		return NULL;
	}

	struct loop *loop = loop_memory(calloc(1, sizeof(*loop)));

	loop->epoll_fd = take_fd(&fd);
	loop->now = clock_now_usec();
	return loop;
}

static void loop_bury(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *s = loop->dead;

		loop->dead = s->next;
		free(s);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources)
		loop_remove(loop, loop->sources);
	loop_bury(loop);
	close_fd(&loop->epoll_fd);
	free(loop->heap);
	free(loop);
}

static struct loop_source *source_new(struct loop *loop, void *arg)
{
	struct loop_source *s = loop_memory(calloc(1, sizeof(*s)));

	s->arg = arg;
	s->fd = -1;
	s->heap_index = TIMER_UNARMED;
	s->next = loop->sources;
	if (s->next)
		s->next->prev = s;
	loop->sources = s;
	return s;
}

struct loop_source *loop_add(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *arg,
			     struct err *err)
{
	struct loop_source *s = source_new(loop, arg);
	struct epoll_event event = { .events = events, .data.ptr = s };

	s->io = fn;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		err_sys(err, "watch descriptor %d: epoll_ctl", fd);
		loop_remove(loop, s);
		return NULL;
	}
	s->fd = fd;
	return s;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return err_sys(err, "watch descriptor %d: epoll_ctl", source->fd);
	return 0;
}

static bool earlier(const struct loop_source *a, const struct loop_source *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_place(struct loop *loop, size_t i, struct loop_source *s)
{
	loop->heap[i] = s;
	s->heap_index = i;
}

/* Puts s where it belongs, starting from the hole at i. */
static void heap_sift(struct loop *loop, size_t i, struct loop_source *s)
{
	while (i > 0 && earlier(s, loop->heap[(i - 1) / 2])) {
		heap_place(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < loop->heap_count &&
		    earlier(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (child >= loop->heap_count || !earlier(loop->heap[child], s))
			break;
		heap_place(loop, i, loop->heap[child]);
		i = child;
	}
	heap_place(loop, i, s);
}

static void heap_remove(struct loop *loop, struct loop_source *s)
{
	size_t hole = s->heap_index;

	if (hole == TIMER_UNARMED)
		return;
	s->heap_index = TIMER_UNARMED;

	struct loop_source *last = loop->heap[--loop->heap_count];

	if (last != s)
		heap_sift(loop, hole, last);
}

static void heap_insert(struct loop *loop, struct loop_source *s)
{
	if (loop->heap_count == loop->heap_cap) {
		size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 16;

		loop->heap =
			loop_memory(reallocarray(loop->heap, cap, sizeof(struct loop_source *)));
		loop->heap_cap = cap;
	}
	s->order = loop->order++;
	heap_sift(loop, loop->heap_count++, s);
}

struct loop_source *loop_timer(struct loop *loop, usec_t at, loop_timer_fn *fn, void *arg)
{
	struct loop_source *s = source_new(loop, arg);

	s->timer = fn;
	loop_timer_set(loop, s, at);
	return s;
}

void loop_timer_set(struct loop *loop, struct loop_source *timer, usec_t at)
{
	if (timer->dead)
		return;
	/* One that has expired in this turn and waits for its call counts from its new time. */
	timer->due = false;
	heap_remove(loop, timer);
	timer->at = at;
	if (at != USEC_NEVER)
		heap_insert(loop, timer);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (!source || source->dead)
		return;
	/* The descriptor may be closed the moment we return, so epoll forgets it now. */
	if (source->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	heap_remove(loop, source);
	if (source->prev)
		source->prev->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->prev = source->prev;
	source->dead = true;
	source->next = loop->dead;
	loop->dead = source;
}

void loop_before_sleep(struct loop *loop, loop_hook_fn *fn, void *arg)
{
	loop->hook = fn;
	loop->hook_arg = arg;
}

void loop_when_late(struct loop *loop, loop_hook_fn *fn, void *arg)
{
	loop->late_hook = fn;
	loop->late_arg = arg;
}

/* musl has no wrapper; the plain call has a millisecond's grain and would wake early or late. */
static int wait_events(const struct loop *loop, struct epoll_event *events, usec_t timeout_usec)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_usec / USEC_SEC),
		.tv_nsec = (long)(timeout_usec % USEC_SEC) * 1000,
	};
	const struct timespec *timeout = timeout_usec == USEC_NEVER ? NULL : &ts;

	return (int)syscall(SYS_epoll_pwait2, loop->epoll_fd, events, LOOP_EVENTS, timeout, NULL,
			    (size_t)_NSIG / 8);
}

static void call_io(struct loop *loop, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		struct loop_source *s = events[i].data.ptr;

		if (!s->dead)
			s->io(loop, events[i].events, loop->now, s->arg);
	}
}

/* The expired ones are taken out first: a timer that is armed again for a time already past
 * waits for the next turn, so descriptors are never starved. */
static void call_timers(struct loop *loop)
{
	struct loop_source *first = NULL, **tail = &first;

	while (loop->heap_count > 0 && loop->heap[0]->at <= loop->now) {
		struct loop_source *s = loop->heap[0];

		heap_remove(loop, s);
		s->due = true;
		s->next_due = NULL;
		*tail = s;
		tail = &s->next_due;
	}
	for (struct loop_source *s = first; s; s = s->next_due) {
		if (s->dead || !s->due)
			continue;
		s->due = false;
		s->timer(loop, loop->now, s->arg);
	}
}

static int loop_turn(struct loop *loop, struct err *err)
{
	struct epoll_event events[LOOP_EVENTS];

	if (loop->hook)
		loop->hook(loop, loop->now, loop->late_usec, loop->hook_arg);
	if (loop->stopped)
		return 0;

	usec_t deadline = loop->heap_count > 0 ? loop->heap[0]->at : USEC_NEVER;
	usec_t before = clock_now_usec();
	usec_t timeout = deadline == USEC_NEVER ? USEC_NEVER :
			 deadline > before	? deadline - before :
						  0;
	int count = wait_events(loop, events, timeout);

	if (count < 0 && errno != EINTR)
		return err_sys(err, "epoll_pwait2");
	loop->now = clock_now_usec();
	loop->late_usec = loop->now > deadline ? loop->now - deadline : 0;
	if (loop->late_hook && loop->late_usec)
		loop->late_hook(loop, loop->now, loop->late_usec, loop->late_arg);
	call_io(loop, events, count);
	call_timers(loop);
	return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
	int rc = 0;

	while (rc == 0 && !loop->stopped) {
		rc = loop_turn(loop, err);
		loop_bury(loop);
	}
	loop->stopped = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

usec_t loop_now(const struct loop *loop)
{
	return loop->now;
}
