/* SPDX-License-Identifier: Apache-2.0 */
/* What a container says: its words, who may say them, and that a program that talks without end holds up nobody. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/notify.h"
#include "util/str.h"

/* --- words --- */

static struct notify_message parsed(const char *text)
{
	struct notify_message m;
	struct err err;

	assert_int_equal(notify_parse(text, strlen(text), &m, &err), 0);
	return m;
}

static void plain_words(void **state)
{
	struct notify_message m = parsed("READY=1\nSTATUS=Serving 3 requests\n");

	(void)state;
	assert_true(m.ready && m.has_status);
	assert_false(m.reloading || m.stopping || m.watchdog || m.watchdog_trigger || m.has_error);
	assert_string_equal(m.status, "Serving 3 requests");
	assert_int_equal(m.noted, 0);
	m = parsed("RELOADING=1\nMONOTONIC_USEC=4711");
	assert_true(m.reloading && !m.ready && !m.noted);
	m = parsed("STOPPING=1");
	assert_true(m.stopping && !m.noted);
	m = parsed("WATCHDOG=1");
	assert_true(m.watchdog && !m.watchdog_trigger);
	m = parsed("WATCHDOG=trigger");
	assert_true(m.watchdog_trigger && !m.watchdog && !m.noted);
	m = parsed("BARRIER=1");
	assert_int_equal(m.noted, 0);
}

static void nothing_at_all_is_a_message(void **state)
{
	struct notify_message m = parsed("");

	(void)state;
	assert_false(m.ready || m.has_status || m.noted);
	m = parsed("\n\n\n");
	assert_false(m.ready || m.has_status || m.noted);
}

static void numbers(void **state)
{
	struct notify_message m = parsed("EXTEND_TIMEOUT_USEC=30000000\nWATCHDOG_USEC=5000000");

	(void)state;
	assert_int_equal(m.extend_usec, 30000000);
	assert_int_equal(m.watchdog_usec, 5000000);
	m = parsed("EXTEND_TIMEOUT_USEC=18446744073709551615");
	assert_int_equal(m.extend_usec, NOTIFY_SPAN_MAX_USEC);
	assert_int_equal(m.noted, 0);
	assert_int_equal(parsed("WATCHDOG_USEC=0").watchdog_usec, NOTIFY_SPAN_MAX_USEC);
	assert_int_equal(parsed("EXTEND_TIMEOUT_USEC=0").extend_usec, 0);
	m = parsed("ERRNO=2");
	assert_true(m.has_error);
	assert_int_equal(m.error, 2);
	assert_true(parsed("ERRNO=0").has_error);
}

static void what_is_no_number_is_noted(void **state)
{
	static const char *const texts[] = {
		"ERRNO=",
		"ERRNO=x",
		"ERRNO=-1",
		"ERRNO=4096",
		"WATCHDOG_USEC=5s",
		"WATCHDOG_USEC= 5",
		"WATCHDOG_USEC=18446744073709551616",
		"EXTEND_TIMEOUT_USEC=+1",
		"EXTEND_TIMEOUT_USEC=111111111111111111111111111111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct notify_message m = parsed(texts[i]);

		assert_int_equal(m.noted, 1u << NOTIFY_NOTED_NUMBER);
		assert_false(m.has_error || m.watchdog_usec || m.extend_usec);
	}
}

static void other_values_of_flags_are_noted(void **state)
{
	static const char *const texts[] = { "READY=0",		  "READY=",	  "READY=11",
					     "READY=1 ",	  "STOPPING=yes", "RELOADING=2",
					     "WATCHDOG=triggers", "BARRIER=2" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct notify_message m = parsed(texts[i]);

		assert_int_equal(m.noted, 1u << NOTIFY_NOTED_WORD);
		assert_false(m.ready || m.stopping || m.reloading || m.watchdog ||
			     m.watchdog_trigger);
	}
}

static void what_has_no_effect_is_noted(void **state)
{
	static const struct {
		const char *text;
		enum notify_noted noted;
	} rows[] = {
		{ "MAINPID=1", NOTIFY_NOTED_MAINPID },
		{ "MAINPIDFDID=7", NOTIFY_NOTED_MAINPID },
		{ "FDSTORE=1", NOTIFY_NOTED_FDSTORE },
		{ "FDSTOREREMOVE=1", NOTIFY_NOTED_FDSTORE },
		{ "FDNAME=web", NOTIFY_NOTED_FDSTORE },
		{ "FDPOLL=0", NOTIFY_NOTED_FDSTORE },
		{ "EXIT_STATUS=3", NOTIFY_NOTED_EXIT_STATUS },
		{ "NO_SUCH=1", NOTIFY_NOTED_UNKNOWN },
		{ "no equals sign", NOTIFY_NOTED_UNKNOWN },
		{ "READY", NOTIFY_NOTED_UNKNOWN },
		{ "=1", NOTIFY_NOTED_UNKNOWN },
		{ "ready=1", NOTIFY_NOTED_UNKNOWN },
		{ " READY=1", NOTIFY_NOTED_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notify_message m = parsed(rows[i].text);

		assert_int_equal(m.noted, 1u << rows[i].noted);
		assert_false(m.ready);
		assert_non_null(notify_noted_text(rows[i].noted));
	}
	assert_string_equal(parsed("READY=1\nONE=1\nTWO=2").unknown, "ONE");
	assert_int_equal(parsed("X_MINE=1\nX_=\nREADY=1").noted, 0);
}

static void of_a_name_that_comes_twice_the_first_counts(void **state)
{
	struct notify_message m =
		parsed("STATUS=one\nSTATUS=two\nERRNO=1\nERRNO=2\nREADY=0\nREADY=1");

	(void)state;
	assert_string_equal(m.status, "one");
	assert_int_equal(m.error, 1);
	assert_false(m.ready);
}

static void a_status_is_one_clean_line(void **state)
{
	struct notify_message m = parsed("STATUS=a\tb\x1b[31mc\x7f"
					 "d");
	char text[1100] = "STATUS=";

	(void)state;
	assert_string_equal(m.status, "a b [31mc d");
	m = parsed("STATUS=\xc3\xbc"
		   "ber");
	assert_string_equal(m.status, "\xc3\xbc"
				      "ber");
	m = parsed("STATUS=");
	assert_true(m.has_status);
	assert_string_equal(m.status, "");
	m = parsed("STATUS=bad \xff\xfe\nREADY=1");
	assert_true(m.ready && !m.has_status);
	assert_int_equal(m.noted, 1u << NOTIFY_NOTED_STATUS);
	memset(text + 7, 'x', 1000);
	m = parsed(text);
	assert_int_equal(strlen(m.status), NOTIFY_STATUS_MAX - 1);
	assert_true(str_ends(m.status, "xx..."));
	m = parsed("BUSERROR=org.example.Failed");
	assert_true(m.has_bus_error);
	assert_string_equal(m.bus_error, "org.example.Failed");
	assert_int_equal(parsed("BUSERROR=\xff").noted, 1u << NOTIFY_NOTED_STATUS);
}

static void sizes_and_nul(void **state)
{
	static char text[NOTIFY_MESSAGE_MAX + 1];
	struct notify_message m;
	struct err err;

	(void)state;
	memset(text, 'A', sizeof(text));
	assert_int_equal(notify_parse(text, NOTIFY_MESSAGE_MAX, &m, &err), 0);
	assert_int_equal(notify_parse(text, NOTIFY_MESSAGE_MAX + 1, &m, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(notify_parse("READY=1\0", 8, &m, &err), 0);
	assert_true(m.ready);
	assert_int_equal(notify_parse("READY=1\0X", 9, &m, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_false(m.ready);
	assert_int_equal(notify_parse("READY=1\0\0", 9, &m, &err), -1);
}

/* --- who may speak, and what a unit's words make of it --- */

static void only_the_first_process_unless_all_may(void **state)
{
	(void)state;
	assert_true(notify_is_allowed(SERVICE_NOTIFY_ALL, 7, 5));
	assert_true(notify_is_allowed(SERVICE_NOTIFY_ALL, 0, 5));
	for (int access = SERVICE_NOTIFY_EXEC; access <= SERVICE_NOTIFY_NONE; access++) {
		assert_true(notify_is_allowed((enum service_notify_access)access, 5, 5));
		assert_false(notify_is_allowed((enum service_notify_access)access, 7, 5));
		assert_false(notify_is_allowed((enum service_notify_access)access, 0, 0));
	}
}

static void policy_of_units(void **state)
{
	struct container_spec spec = { .notify = SPEC_NOTIFY_CONTAINER, .stop_timeout_usec = 10 };
	struct service service = { .type = SERVICE_NOTIFY, .timeout_stop_usec = 90 };
	struct core_policy policy = { 0 };

	(void)state;
	assert_true(notify_is_wanted(&spec, &service));
	notify_policy(&spec, &service, &policy);
	assert_true(policy.ready_by_notify && !policy.watchdog_usec);
	assert_int_equal(policy.timeout_abort_usec, 10);
	service.has_timeout_abort = true;
	service.timeout_abort_usec = 30;
	spec.notify = SPEC_NOTIFY_HEALTHY;
	assert_false(notify_is_wanted(&spec, &service));
	service.watchdog_usec = 5;
	assert_true(notify_is_wanted(&spec, &service));
	notify_policy(&spec, &service, &policy);
	assert_true(!policy.ready_by_notify && policy.watchdog_usec == 5);
	assert_int_equal(policy.timeout_abort_usec, 30);
	service.watchdog_usec = USEC_NEVER;
	assert_false(notify_is_wanted(&spec, &service));
	notify_policy(&spec, &service, &policy);
	assert_int_equal(policy.watchdog_usec, 0);
}

static void a_oneshot_has_no_socket(void **state)
{
	struct container_spec spec = { .notify = SPEC_NOTIFY_CONTAINER };
	struct service service = { .type = SERVICE_ONESHOT, .watchdog_usec = 5 };
	struct core_policy policy = { 0 };

	(void)state;
	assert_false(notify_is_wanted(&spec, &service));
	notify_policy(&spec, &service, &policy);
	assert_false(policy.ready_by_notify || policy.watchdog_usec);
}

/* --- the socket: an engine of one unit, which runs; the test holds the other end --- */

#define WATCHDOG_USEC USEC_SEC

struct world {
	struct engine e;
	struct engine_entry entry;
	struct files files;
	struct unit unit;
	struct container_spec spec;
	int said; /* our end */
	unsigned turns_left, effects, waiting;
	struct loop_source *tick; /* NULL: a turn may wait */
};

static void count_turn(struct loop *loop, usec_t now, usec_t late_usec, void *arg)
{
	struct world *w = arg;

	(void)late_usec;
	if (!w->turns_left--)
		loop_stop(loop);
	else if (w->tick)
		loop_timer_set(loop, w->tick, now);
}

static void nothing(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	(void)arg;
}

static void turn(struct world *w, unsigned turns)
{
	struct err err;

	w->turns_left = turns;
	assert_int_equal(loop_run(w->e.loop, &err), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct core_policy policy = { .name = "web",
				      .ready_by_notify = true,
				      .timeout_start_usec = USEC_NEVER,
				      .runtime_max_usec = USEC_NEVER,
				      .watchdog_usec = WATCHDOG_USEC };
	int pair[2], on = 1;
	struct err err;

	assert_non_null(w);
	w->unit =
		(struct unit){ .name = "web.container", .path = "web.container", .is_valid = true };
	w->unit.service.notify_access = SERVICE_NOTIFY_ALL;
	w->entry.unit = &w->unit;
	w->spec.image = "localhost/web:1";
	w->entry.spec = &w->spec;
	run_clear(&w->entry.run);
	w->entry.remarks = w->entry.image_progress = "";
	w->entry.run.phase = RUN_RUNNING;
	w->e.entries = &w->entry;
	w->e.count = 1;
	publish_draft(&w->e);
	w->e.layout_unknown = true; /* writes no records */
	w->e.files = &w->files;
	w->files.removed_begin = 1;
	w->entry.is_copied = true;
	str_copy(w->entry.name, sizeof(w->entry.name), "web");
	w->e.loop = loop_new(&err);
	assert_non_null(w->e.loop);
	w->e.deadline_timer = loop_timer(w->e.loop, USEC_NEVER, nothing, NULL);
	w->tick = loop_timer(w->e.loop, USEC_NEVER, nothing, NULL);
	loop_before_sleep(w->e.loop, count_turn, w);
	w->e.core = core_new(NULL, NULL);
	assert_int_equal(core_add(w->e.core, &policy), 0);
	assert_int_equal(core_link(w->e.core, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	w->said = pair[1];
	notify_given(&w->e, 0, pair[0]);
	assert_non_null(w->entry.run.notify);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	notify_close(&w->e, 0);
	assert_null(w->entry.run.notify);
	core_free(w->e.core);
	loop_free(w->e.loop);
	close(w->said);
	free(w->e.drafts);
	free(w);
	return 0;
}

static void say(const struct world *w, const char *text)
{
	assert_int_equal(send(w->said, text, strlen(text), 0), strlen(text));
}

static void ready_is_remembered(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->entry.record.said_ready, 0);
	say(w, "READY=1\nWATCHDOG_USEC=7000000");
	turn(w, 2);
	assert_int_equal(w->entry.record.said_ready, 1);
	assert_int_equal(w->entry.record.said_watchdog_usec, 7000000);
	notify_forget(&w->entry.record);
	assert_int_equal(w->entry.record.said_ready, 0);
	assert_int_equal(w->entry.record.said_watchdog_usec, 0);
}

static void the_next_engine_knows_what_was_said(void **state)
{
	struct world *w = *state;
	struct unit_record before = { .said_watchdog_usec = NOTIFY_SPAN_MAX_USEC,
				      .said_ready = 1,
				      .status_text = "working" };
	struct core_unit_view view;

	engine_feed(&w->e, &(struct core_event){ .type = CORE_EV_ADOPTED, .was_up = true });
	assert_true(core_deadline(w->e.core) <= loop_now(w->e.loop) + WATCHDOG_USEC);
	notify_adopted(&w->e, 0, &before);
	assert_true(core_deadline(w->e.core) > loop_now(w->e.loop) + NOTIFY_SPAN_MAX_USEC / 2);
	core_view(w->e.core, 0, &view);
	assert_int_equal(view.state, CORE_UP);
	assert_string_equal(view.status_text, "working");
}

static void ready_brings_up_what_the_last_engine_had_not(void **state)
{
	struct world *w = *state;
	struct unit_record before = { .said_ready = 1 };
	struct core_unit_view view;

	engine_feed(&w->e, &(struct core_event){ .type = CORE_EV_ADOPTED });
	core_view(w->e.core, 0, &view);
	assert_int_equal(view.state, CORE_STARTING);
	notify_adopted(&w->e, 0, &before);
	core_view(w->e.core, 0, &view);
	assert_int_equal(view.state, CORE_UP);
}

/* What is left in the queue of the socket, taken out. */
static unsigned left_over(const struct world *w)
{
	int fd = notify_descriptor(&w->e, 0);
	unsigned count = 0;
	char byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
		count++;
	return count;
}

static void a_flood_gets_a_few_messages_a_turn(void **state)
{
	struct world *w = *state;
	unsigned sent = 0;

	while (sent < 10000 && send(w->said, "STATUS=x", 8, 0) == 8)
		sent++;
	assert_true(sent > 8);
	turn(w, 1);
	assert_int_equal(left_over(w), sent - 8);
}

static void a_flood_goes_on_after_a_pause(void **state)
{
	struct world *w = *state;
	unsigned sent = 0;

	while (sent < 10000 && send(w->said, "STATUS=x", 8, 0) == 8)
		sent++;
	/* a turn that reads, one that waits for the end of the pause, one that reads again */
	loop_remove(w->e.loop, w->tick);
	w->tick = NULL;
	turn(w, 3);
	assert_true(left_over(w) < sent - 8);
}

static void descriptors_are_closed_when_the_message_was_taken(void **state)
{
	struct world *w = *state;
	int ends[2];
	char byte;
	struct iovec iov = { .iov_base = (char *)"BARRIER=1", .iov_len = 9 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &ends[1], sizeof(int));
	assert_int_equal(sendmsg(w->said, &m, 0), 9);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), -1); /* still open: in the queue */
	turn(w, 2);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

/* Called when the message has had an effect: is it still in the queue for the next engine? */
static void look_into_queue(void *arg, unsigned index, usec_t now)
{
	struct world *w = arg;
	char byte;

	(void)index;
	(void)now;
	w->effects++;
	w->waiting += recv(notify_descriptor(&w->e, 0), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void a_message_is_taken_only_when_it_has_had_its_effect(void **state)
{
	struct world *w = *state;

	w->e.watch_fn = look_into_queue;
	w->e.watch_arg = w;
	say(w, "MAINPID=1");
	turn(w, 2);
	assert_int_equal(w->effects, 1);
	assert_int_equal(w->waiting, 1);
	assert_int_equal(left_over(w), 0);
}

static void what_is_not_used_is_noted_once(void **state)
{
	struct world *w = *state;
	auto_buf notes = BUF_INIT(4096);

	say(w, "MAINPID=12\nWHAT\x1b=1");
	say(w, "MAINPID=12\nOTHER=1");
	turn(w, 3);
	notify_notes(&w->e, 0, &notes);
	assert_string_equal(
		buf_str(&notes),
		"NOTIFY_SOCKET: MAINPID= is not used: the container's first process is its main process\n"
		"NOTIFY_SOCKET: unknown names were left out: WHAT \n");
}

static void another_process_is_refused_when_only_the_first_may_speak(void **state)
{
	struct world *w = *state;
	auto_buf notes = BUF_INIT(4096);

	w->unit.service.notify_access = SERVICE_NOTIFY_MAIN;
	w->entry.run.status.container_pid = getpid() + 1;
	say(w, "READY=1");
	turn(w, 2);
	assert_int_equal(w->entry.record.said_ready, 0);
	notify_notes(&w->e, 0, &notes);
	assert_non_null(strstr(buf_str(&notes), "NotifyAccess="));
	w->entry.run.status.container_pid = getpid();
	say(w, "READY=1");
	turn(w, 2);
	assert_int_equal(w->entry.record.said_ready, 1);
}

static void a_broken_message_is_left_out_and_the_next_is_heard(void **state)
{
	static char text[NOTIFY_MESSAGE_MAX + 100];
	struct world *w = *state;

	memset(text, 'A', sizeof(text));
	memcpy(text, "READY=1\n", 8);
	assert_int_equal(send(w->said, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(send(w->said, "READY=1\0x", 9, 0), 9);
	turn(w, 2);
	assert_int_equal(w->entry.record.said_ready, 0);
	say(w, "READY=1");
	turn(w, 2);
	assert_int_equal(w->entry.record.said_ready, 1);
}

static void the_last_words_are_heard_at_the_end(void **state)
{
	struct world *w = *state;

	say(w, "STATUS=going");
	say(w, "READY=1");
	notify_drain(&w->e, 0);
	assert_int_equal(w->entry.record.said_ready, 1);
	assert_int_equal(left_over(w), 0);
}

static void an_unknown_answer_of_a_shim_is_said_and_harmless(void **state)
{
	struct world *w = *state;

	notify_close(&w->e, 0);
	assert_int_equal(notify_descriptor(&w->e, 0), -1);
	notify_given(&w->e, 0, -1);
	assert_null(w->entry.run.notify);
	notify_drain(&w->e, 0);
	notify_begin(&w->e, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words),
		cmocka_unit_test(nothing_at_all_is_a_message),
		cmocka_unit_test(numbers),
		cmocka_unit_test(what_is_no_number_is_noted),
		cmocka_unit_test(other_values_of_flags_are_noted),
		cmocka_unit_test(what_has_no_effect_is_noted),
		cmocka_unit_test(of_a_name_that_comes_twice_the_first_counts),
		cmocka_unit_test(a_status_is_one_clean_line),
		cmocka_unit_test(sizes_and_nul),
		cmocka_unit_test(only_the_first_process_unless_all_may),
		cmocka_unit_test(policy_of_units),
		cmocka_unit_test(a_oneshot_has_no_socket),
		cmocka_unit_test_setup_teardown(ready_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_engine_knows_what_was_said, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ready_brings_up_what_the_last_engine_had_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_flood_gets_a_few_messages_a_turn, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_flood_goes_on_after_a_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_are_closed_when_the_message_was_taken,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_is_taken_only_when_it_has_had_its_effect,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_used_is_noted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			another_process_is_refused_when_only_the_first_may_speak, setup, teardown),
		cmocka_unit_test_setup_teardown(a_broken_message_is_left_out_and_the_next_is_heard,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_words_are_heard_at_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_unknown_answer_of_a_shim_is_said_and_harmless,
						setup, teardown),
	};

	alarm(120); /* a loop that is never woken again is an end, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
