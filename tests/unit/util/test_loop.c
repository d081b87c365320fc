/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: order, removal inside callbacks, timers, the hook. Nothing here measures time:
 * deadlines lie in the past, or far in the future. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "util/cleanup.h"
#include "util/loop.h"

#define FAR_USEC (3600 * USEC_SEC)

/* What happened, as text: the oracle of these tests. */
struct trace {
	char text[4096];
	struct loop_source *sources[8];
	int fds[8];
	unsigned calls;
};

static void note(struct trace *t, const char *what)
{
	size_t len = strlen(t->text);

	snprintf(t->text + len, sizeof(t->text) - len, "%s ", what);
	t->calls++;
}

static struct loop *new_loop(void)
{
	struct err err = { 0 };
	struct loop *loop = loop_new(&err);

	assert_non_null(loop);
	return loop;
}

static void run(struct loop *loop)
{
	struct err err = { 0 };

	assert_int_equal(loop_run(loop, &err), 0);
}

static void stop_timer(struct loop *loop, usec_t now, void *arg)
{
	(void)now;
	if (arg)
		note(arg, "stop");
	loop_stop(loop);
}

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* ------------------------------------------------------------------ timers */

struct named {
	struct trace *trace;
	const char *name;
};

static void named_timer(struct loop *loop, usec_t now, void *arg)
{
	struct named *n = arg;

	assert_true(now == loop_now(loop));
	note(n->trace, n->name);
}

static void timers_fire_by_deadline_then_by_order(void **state)
{
	struct trace t = { .text = "" };
	struct named a = { &t, "a" }, b = { &t, "b" }, c = { &t, "c" }, d = { &t, "d" };
	struct loop *loop = new_loop();

	(void)state;
	loop_timer(loop, 30, named_timer, &c);
	loop_timer(loop, 10, named_timer, &a);
	loop_timer(loop, 30, named_timer, &d);
	loop_timer(loop, 20, named_timer, &b);
	loop_timer(loop, 40, stop_timer, &t);
	run(loop);
	assert_string_equal(t.text, "a b c d stop ");
	loop_free(loop);
}

static void count_up(struct loop *loop, usec_t now, void *arg)
{
	struct named *n = arg;

	(void)loop;
	(void)now;
	/* the name is the number of its arming */
	assert_int_equal(strtoul(n->name, NULL, 10), n->trace->calls);
	n->trace->calls++;
}

static void equal_deadlines_fire_in_the_order_of_arming(void **state)
{
	enum { COUNT = 100 };
	struct trace t = { .text = "" };
	struct named named[COUNT];
	char numbers[COUNT][8];
	struct loop *loop = new_loop();

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%u", i);
		named[i] = (struct named){ &t, numbers[i] };
		loop_timer(loop, 10, count_up, &named[i]);
	}
	loop_timer(loop, 11, stop_timer, NULL);
	run(loop);
	assert_int_equal(t.calls, COUNT);
	loop_free(loop);
}

static void future_timers_wait_until_due(void **state)
{
	struct trace t = { .text = "" };
	struct named never = { &t, "never" }, soon = { &t, "soon" };
	struct loop *loop = new_loop();
	usec_t start = clock_now_usec();

	(void)state;
	loop_timer(loop, start + FAR_USEC, named_timer, &never);
	loop_timer(loop, start + 2000, named_timer, &soon);
	loop_timer(loop, start + 3000, stop_timer, &t);
	run(loop);
	assert_string_equal(t.text, "soon stop ");
	assert_true(loop_now(loop) >= start + 3000);
	loop_free(loop);
}

static void disarmed_and_rearmed_timers(void **state)
{
	struct trace t = { .text = "" };
	struct named a = { &t, "a" }, b = { &t, "b" };
	struct loop *loop = new_loop();
	struct loop_source *first = loop_timer(loop, 10, named_timer, &a);
	struct loop_source *second = loop_timer(loop, USEC_NEVER, named_timer, &b);

	(void)state;
	loop_timer(loop, 30, stop_timer, &t);
	loop_timer_set(loop, first, USEC_NEVER);
	loop_timer_set(loop, second, 20);
	run(loop);
	assert_string_equal(t.text, "b stop ");
	/* one-shot: it stays, unarmed, and can be set again */
	loop_timer_set(loop, second, 5);
	loop_timer(loop, 30, stop_timer, &t);
	run(loop);
	assert_string_equal(t.text, "b stop b stop ");
	loop_free(loop);
}

static void many_timers_in_random_order(void **state)
{
	enum { COUNT = 2000 };
	static struct named named[COUNT];
	static struct loop_source *timers[COUNT];
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	uint32_t seed = 99;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		named[i] = (struct named){ &t, "" };
		seed = seed * 1664525 + 1013904223;
		timers[i] = loop_timer(loop, 1 + (seed >> 16), named_timer, &named[i]);
	}
	/* every third goes, every fifth moves */
	for (int i = 0; i < COUNT; i += 3) {
		loop_remove(loop, timers[i]);
		timers[i] = NULL;
	}
	for (int i = 0; i < COUNT; i += 5)
		if (timers[i])
			loop_timer_set(loop, timers[i], (usec_t)i + 1);
	loop_timer(loop, 100000, stop_timer, NULL);
	run(loop);
	assert_int_equal(t.calls, COUNT - (COUNT + 2) / 3);
	loop_free(loop);
}

static void rearm_in_the_past(struct loop *loop, usec_t now, void *arg)
{
	struct trace *t = arg;

	(void)now;
	note(t, "again");
	if (t->calls < 1000)
		loop_timer_set(loop, t->sources[0], 1);
	else
		loop_stop(loop);
}

static void read_event(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct trace *t = arg;

	(void)loop;
	(void)now;
	assert_true(events & EPOLLIN);
	note(t, "io");
}

/* A timer that is always due must not keep descriptors waiting: they alternate. */
static void busy_timer_does_not_starve_descriptors(void **state)
{
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	auto_fd int fd = ready_fd();
	struct err err = { 0 };

	(void)state;
	assert_non_null(loop_add(loop, fd, EPOLLIN, read_event, &t, &err));
	t.sources[0] = loop_timer(loop, 1, rearm_in_the_past, &t);
	run(loop);
	assert_memory_equal(t.text, "io again io again io again ", 27);
	loop_free(loop);
}

static void remove_other(struct loop *loop, usec_t now, void *arg)
{
	struct trace *t = arg;

	(void)now;
	note(t, "remove");
	for (int i = 0; i < 3; i++)
		loop_remove(loop, t->sources[i]);
	loop_stop(loop);
}

static void timer_removed_by_an_earlier_one_does_not_fire(void **state)
{
	struct trace t = { .text = "" };
	struct named n = { &t, "wrong" };
	struct loop *loop = new_loop();

	(void)state;
	t.sources[0] = loop_timer(loop, 1, remove_other, &t);
	t.sources[1] = loop_timer(loop, 2, named_timer, &n);
	t.sources[2] = loop_timer(loop, 3, named_timer, &n);
	run(loop);
	assert_string_equal(t.text, "remove ");
	loop_free(loop);
}

static void postpone_other(struct loop *loop, usec_t now, void *arg)
{
	struct trace *t = arg;

	note(t, "postpone");
	loop_timer_set(loop, t->sources[1], now + FAR_USEC);
	loop_timer_set(loop, t->sources[2], USEC_NEVER);
	loop_stop(loop);
}

static void timer_postponed_in_the_turn_it_is_due_does_not_fire(void **state)
{
	struct trace t = { .text = "" };
	struct named n = { &t, "wrong" };
	struct loop *loop = new_loop();

	(void)state;
	t.sources[0] = loop_timer(loop, 1, postpone_other, &t);
	t.sources[1] = loop_timer(loop, 2, named_timer, &n);
	t.sources[2] = loop_timer(loop, 3, named_timer, &n);
	run(loop);
	assert_string_equal(t.text, "postpone ");
	loop_free(loop);
}

/* ------------------------------------------------------------------ descriptors */

static void pipe_reader(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct trace *t = arg;
	char byte;

	(void)now;
	if (events & EPOLLIN && read(t->fds[0], &byte, 1) == 1) {
		note(t, "byte");
		close_fd(&t->fds[1]);
		return;
	}
	assert_true(events & EPOLLHUP);
	note(t, "hangup");
	loop_stop(loop);
}

static void pipe_data_then_hangup(void **state)
{
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(pipe(t.fds), 0);
	assert_int_equal(write(t.fds[1], "x", 1), 1);
	assert_non_null(loop_add(loop, t.fds[0], EPOLLIN, pipe_reader, &t, &err));
	run(loop);
	assert_string_equal(t.text, "byte hangup ");
	close(t.fds[0]);
	loop_free(loop);
}

static void remove_all_and_close(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct trace *t = arg;

	(void)events;
	(void)now;
	note(t, "first");
	for (int i = 0; i < 8; i++) {
		loop_remove(loop, t->sources[i]);
		close_fd(&t->fds[i]);
	}
	loop_stop(loop);
}

/* All eight are ready in one turn; whichever comes first removes and frees all, itself too. */
static void first_callback_removes_everybody(void **state)
{
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 8; i++) {
		t.fds[i] = ready_fd();
		t.sources[i] = loop_add(loop, t.fds[i], EPOLLIN, remove_all_and_close, &t, &err);
		assert_non_null(t.sources[i]);
	}
	run(loop);
	assert_string_equal(t.text, "first ");
	loop_free(loop);
}

static void replace_by_other(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct trace *t = arg;
	struct err err = { 0 };

	(void)events;
	(void)now;
	note(t, "old");
	for (int i = 0; i < 2; i++) {
		loop_remove(loop, t->sources[i]);
		close_fd(&t->fds[i]);
	}
	/* very likely the same descriptor number as one that has an event pending */
	t->fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->sources[2] = loop_add(loop, t->fds[2], EPOLLIN, read_event, t, &err);
	assert_non_null(t->sources[2]);
	loop_timer(loop, now, stop_timer, t);
}

static void stale_event_does_not_reach_a_reused_descriptor(void **state)
{
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		t.fds[i] = ready_fd();
		t.sources[i] = loop_add(loop, t.fds[i], EPOLLIN, replace_by_other, &t, &err);
	}
	run(loop);
	assert_string_equal(t.text, "old stop ");
	loop_free(loop);
	close(t.fds[2]);
}

static void modify_changes_the_interest(void **state)
{
	struct trace t = { .text = "" };
	struct loop *loop = new_loop();
	auto_fd int fd = ready_fd();
	struct err err = { 0 };
	struct loop_source *s = loop_add(loop, fd, EPOLLIN, read_event, &t, &err);

	(void)state;
	assert_int_equal(loop_modify(loop, s, 0, &err), 0);
	loop_timer(loop, 1, stop_timer, &t);
	run(loop);
	assert_string_equal(t.text, "stop ");
	assert_int_equal(loop_modify(loop, s, EPOLLIN, &err), 0);
	loop_timer(loop, 1, stop_timer, &t);
	run(loop);
	assert_string_equal(t.text, "stop io stop ");
	loop_free(loop);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
	struct loop *loop = new_loop();
	auto_fd int regular = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	auto_fd int fd = ready_fd();
	struct err err = { 0 };
	struct loop_source *s;

	(void)state;
	assert_null(loop_add(loop, regular, EPOLLIN, read_event, NULL, &err));
	assert_int_equal(err.sys_errno, EPERM);
	assert_null(loop_add(loop, -1, EPOLLIN, read_event, NULL, &err));
	assert_int_equal(err.sys_errno, EBADF);
	s = loop_add(loop, fd, EPOLLIN, read_event, NULL, &err);
	assert_non_null(s);
	assert_null(loop_add(loop, fd, EPOLLIN, read_event, NULL, &err));
	assert_int_equal(err.sys_errno, EEXIST);
	loop_remove(loop, s);
	assert_int_equal(loop_modify(loop, s, EPOLLIN, &err), -1);
	loop_free(loop);
}

static void removing_nothing_and_twice_is_fine(void **state)
{
	struct loop *loop = new_loop();
	struct loop_source *s = loop_timer(loop, 1, stop_timer, NULL);

	(void)state;
	loop_remove(loop, NULL);
	loop_remove(loop, s);
	loop_remove(loop, s); /* the turn has not ended: still known */
	loop_timer_set(loop, s, 5);
	loop_timer(loop, 1, stop_timer, NULL);
	run(loop);
	loop_free(loop);
	loop_free(NULL);
}

/* More ready descriptors than one wait returns. */
static void many_descriptors_all_get_their_turn(void **state)
{
	enum { COUNT = 150 };
	struct trace traces[COUNT];
	int fds[COUNT];
	struct loop *loop = new_loop();
	struct err err = { 0 };
	int missed = COUNT;

	(void)state;
	memset(traces, 0, sizeof(traces));
	for (int i = 0; i < COUNT; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_non_null(
			loop_add(loop, fds[i], EPOLLIN | EPOLLET, read_event, &traces[i], &err));
	}
	for (int turn = 0; turn < COUNT && missed > 0; turn++) {
		loop_timer(loop, 1, stop_timer, NULL);
		run(loop);
		missed = 0;
		for (int i = 0; i < COUNT; i++)
			missed += traces[i].calls == 0;
	}
	assert_int_equal(missed, 0);
	loop_free(loop);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(traces[i].calls, 1);
		close(fds[i]);
	}
}

/* ------------------------------------------------------------------ the turn */

struct hook_state {
	unsigned calls;
	usec_t late_first, late_last;
	unsigned stop_at;
};

static void hook(struct loop *loop, usec_t now, usec_t late_usec, void *arg)
{
	struct hook_state *h = arg;

	assert_true(now == loop_now(loop));
	if (h->calls++ == 0)
		h->late_first = late_usec;
	h->late_last = late_usec;
	if (h->calls == h->stop_at)
		loop_stop(loop);
}

static void nothing_timer(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	(void)arg;
}

/* The deadline lies an hour back: as after a freeze of an hour. */
static void lateness_of_a_turn_is_told_to_the_hook(void **state)
{
	struct hook_state h = { .stop_at = 2 };
	struct loop *loop = new_loop();
	usec_t late_by = FAR_USEC;

	(void)state;
	if (clock_now_usec() <= late_by)
		late_by = clock_now_usec() / 2;
	loop_before_sleep(loop, hook, &h);
	loop_timer(loop, clock_now_usec() - late_by, nothing_timer, NULL);
	run(loop);
	assert_int_equal(h.calls, 2);
	assert_true(h.late_first == 0);
	assert_true(h.late_last >= late_by);
	loop_free(loop);
}

static void hook_may_stop_before_the_first_wait(void **state)
{
	struct hook_state h = { .stop_at = 1 };
	struct loop *loop = new_loop();

	(void)state;
	/* no source at all: a wait would never end */
	loop_before_sleep(loop, hook, &h);
	run(loop);
	assert_int_equal(h.calls, 1);
	loop_free(loop);
}

static void stop_before_run_is_kept(void **state)
{
	struct loop *loop = new_loop();

	(void)state;
	loop_stop(loop);
	run(loop);
	loop_free(loop);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* Interrupted waits go on; the loop ends by its own timer. */
static void signals_interrupt_nothing(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm }, before;
	const struct itimerval fast = { { 0, 200 }, { 0, 200 } }, off = { { 0, 0 }, { 0, 0 } };
	struct loop *loop = new_loop();

	(void)state;
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &fast, NULL);
	while (alarms < 20) {
		loop_timer(loop, clock_now_usec() + 1000, stop_timer, NULL);
		run(loop);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
	loop_free(loop);
}

static void free_with_live_sources(void **state)
{
	struct loop *loop = new_loop();
	auto_fd int fd = ready_fd();
	struct err err = { 0 };

	(void)state;
	assert_non_null(loop_add(loop, fd, EPOLLIN, read_event, NULL, &err));
	for (int i = 0; i < 100; i++)
		loop_timer(loop, FAR_USEC, nothing_timer, NULL);
	loop_free(loop);
}

static void clocks_move(void **state)
{
	usec_t a = clock_now_usec(), b = clock_now_usec();

	(void)state;
	assert_true(a > 0 && b >= a);
	/* after 2020, before 2100 */
	assert_true(clock_real_usec() > INT64_C(1577836800000000));
	assert_true(clock_real_usec() < INT64_C(4102444800000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_by_deadline_then_by_order),
		cmocka_unit_test(equal_deadlines_fire_in_the_order_of_arming),
		cmocka_unit_test(future_timers_wait_until_due),
		cmocka_unit_test(disarmed_and_rearmed_timers),
		cmocka_unit_test(many_timers_in_random_order),
		cmocka_unit_test(busy_timer_does_not_starve_descriptors),
		cmocka_unit_test(timer_removed_by_an_earlier_one_does_not_fire),
		cmocka_unit_test(timer_postponed_in_the_turn_it_is_due_does_not_fire),
		cmocka_unit_test(pipe_data_then_hangup),
		cmocka_unit_test(first_callback_removes_everybody),
		cmocka_unit_test(stale_event_does_not_reach_a_reused_descriptor),
		cmocka_unit_test(modify_changes_the_interest),
		cmocka_unit_test(what_cannot_be_watched_is_an_error),
		cmocka_unit_test(removing_nothing_and_twice_is_fine),
		cmocka_unit_test(many_descriptors_all_get_their_turn),
		cmocka_unit_test(lateness_of_a_turn_is_told_to_the_hook),
		cmocka_unit_test(hook_may_stop_before_the_first_wait),
		cmocka_unit_test(stop_before_run_is_kept),
		cmocka_unit_test(signals_interrupt_nothing),
		cmocka_unit_test(free_with_live_sources),
		cmocka_unit_test(clocks_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
