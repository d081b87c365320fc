/* SPDX-License-Identifier: Apache-2.0 */
/* The status screen: published records and a size in, lines out; and the bytes that draw them. */
#include "unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/console_draw.h"
#include "util/host.h"
#include "util/str.h"

#define BOOT_USEC (INT64_C(1764000000) * 1000000) /* Nov 24 16:00:00 */
#define MAX_UNITS 40

static struct published_header header;
static struct published_unit units[MAX_UNITS];
static bool is_torn[MAX_UNITS];
static struct console_view view;
static struct buf out;

static bool get_unit(void *arg, unsigned index, struct published_unit *unit)
{
	assert_ptr_equal(arg, units);
	if (index >= MAX_UNITS || is_torn[index])
		return false;
	*unit = units[index];
	return true;
}

static int reset(void **state)
{
	(void)state;
	buf_fini(&out);
	out = (struct buf)BUF_INIT(256 * 1024);
	memset(&header, 0, sizeof(header));
	memset(units, 0, sizeof(units));
	memset(is_torn, 0, sizeof(is_torn));
	str_copy(header.version, sizeof(header.version), "0.1.0");
	str_copy(header.hostname, sizeof(header.hostname), "web1");
	header.boot_real_usec = BOOT_USEC;
	header.settled = 1;
	view = (struct console_view){
		.header = &header,
		.get = get_unit,
		.arg = units,
		.links = "",
		.status = "25328",
		.columns = 80,
		.rows = 24,
	};
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static struct published_unit *add(const char *name, enum published_state state,
				  enum published_health health)
{
	struct published_unit *u = &units[header.unit_count++];

	u->state = (uint8_t)state;
	u->health = (uint8_t)health;
	u->since_real_usec = BOOT_USEC + 5 * 1000000;
	str_copy(u->name, sizeof(u->name), name);
	return u;
}

static void note(unsigned level, const char *text)
{
	header.notes[header.note_count].level = (uint8_t)level;
	str_copy(header.notes[header.note_count++].text, sizeof(header.notes[0].text), text);
}

static const char *lines(void)
{
	buf_clear(&out);
	console_lines(&view, &out);
	assert_false(out.failed);
	return buf_str(&out);
}

static const char *frame(void)
{
	buf_clear(&out);
	console_frame(&view, &out);
	assert_false(out.failed);
	return buf_str(&out);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

/* Every line is as wide as the terminal at most, and there are no more lines than it has; no byte of control but the newlines. */
static void expect_fit(const char *text)
{
	unsigned width = 0, rows = 0;

	for (const char *p = text; *p; p++) {
		if (*p == '\n') {
			rows++;
			width = 0;
			continue;
		}
		assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
		width += ((unsigned char)*p & 0xc0) != 0x80;
		assert_true(width <= view.columns);
	}
	assert_true(rows <= view.rows);
	assert_int_equal(width, 0);
}

static void the_whole_screen(void **state)
{
	struct published_unit *u;

	(void)state;
	view.links =
		"eth0 up dhcp 192.0.2.7/24,fe80::1/64 gateway 192.0.2.1 mtu 1500 until 1764000000\n"
		"eth1 no-carrier auto -\ndns: 192.0.2.53\nsearch: example.org\nonline: yes\n";
	view.can_log_in = true;
	u = add("moe-orchestrator", PUBLISHED_UP, PUBLISHED_HEALTHY);
	str_copy(u->ports, sizeof(u->ports), "8000->8000/tcp");
	u = add("db", PUBLISHED_BACKOFF, PUBLISHED_HEALTH_NONE);
	str_copy(u->detail, sizeof(u->detail), "exited with code 3");
	str_copy(u->last_output, sizeof(u->last_output), "starting\nno space left");
	u = add("web", PUBLISHED_UP, PUBLISHED_UNHEALTHY);
	str_copy(u->probe_output, sizeof(u->probe_output), "connection refused");
	add("old", PUBLISHED_DOWN, PUBLISHED_HEALTH_NONE);
	note(2, "store: no space left");
	note(1, "system: TimeZone=: left as it is");
	assert_string_equal(
		lines(),
		"Cleat 0.1.0 on web1, since Nov 24 16:00:00\n"
		"eth0    192.0.2.7/24 fe80::1/64\n"
		"eth1    no-carrier\n"
		"status  http://192.0.2.7:25328/status\n"
		"4 containers: 1 up, 1 unhealthy, 1 down, 1 backoff\n"
		"\n"
		"NAME              STATE       HEALTH     SINCE            PORTS\n"
		"db                backoff     -          Nov 24 16:00:05  \n"
		"  exited with code 3\n"
		"  | no space left\n"
		"web               up          unhealthy  Nov 24 16:00:05  \n"
		"  connection refused\n"
		"moe-orchestrator  up          healthy    Nov 24 16:00:05  8000->8000/tcp\n"
		"old               down        -          Nov 24 16:00:05  \n"
		"error: store: no space left\n"
		"warning: system: TimeZone=: left as it is\n"
		"Enter: log in\n");
	expect_fit(lines());
}

static void nothing_but_an_appliance(void **state)
{
	(void)state;
	header.settled = 0;
	assert_string_equal(lines(), "Cleat 0.1.0 on web1, since Nov 24 16:00:00\n"
				     "status  port 25328; no address yet\n"
				     "0 containers; still starting\n"
				     "\n");
	header.draining = 1;
	assert_non_null(strstr(lines(), "Cleat 0.1.0 on web1, stopping\n"));
	assert_null(strstr(lines(), "still starting"));
}

static void where_the_status_is_asked(void **state)
{
	(void)state;
	view.links = "eth0 up auto fe80::2/64,2001:db8::7/64 -\n";
	assert_non_null(strstr(lines(), "status  http://[2001:db8::7]:25328/status\n"));
	view.links = "eth0 down off -\neth1 up static 198.51.100.2/32 198.51.100.1\n";
	assert_non_null(strstr(lines(), "status  http://198.51.100.2:25328/status\n"));
	view.status = "[2001:db8::9]:80";
	assert_non_null(strstr(lines(), "status  http://[2001:db8::9]:80/status\n"));
}

static void many_links_and_odd_lines(void **state)
{
	(void)state;
	view.links =
		"a up host 192.0.2.1/24\nb up host 192.0.2.2/24\n\n \nrubbish\nc up\nd up host 192.0.2.3/24\n"
		"e up host 192.0.2.4/24\nf up host 192.0.2.5/24\ng up host -";
	assert_non_null(strstr(lines(),
			       "a       192.0.2.1/24\nb       192.0.2.2/24\nd       192.0.2.3/24\n"
			       "e       192.0.2.4/24\nand 2 more links\nstatus"));
}

/* What is wrong is seen on every terminal; what is well gives way. */
static void a_long_list_ends_in_a_number(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < MAX_UNITS; i++) {
		snprintf(name, sizeof(name), "unit-%02u", i);
		add(name, i == 37 ? PUBLISHED_FAILED : PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	}
	str_copy(units[37].detail, sizeof(units[37].detail), "why");
	note(1, "a note");
	for (view.rows = 8; view.rows <= 60; view.rows++) {
		const char *text = lines();
		unsigned shown = count_of(text, "\nunit-"), more = 0;
		const char *and = strstr(text, "\nand ");

		expect_fit(text);
		assert_non_null(strstr(text, "\nunit-37  failed"));
		assert_non_null(strstr(text, "40 containers: 39 up, 1 failed\n"));
		if (and)
			more = (unsigned)strtoul(and+5, NULL, 10);
		assert_int_equal(shown + more, MAX_UNITS);
	}
}

static void every_size_of_a_terminal_is_kept(void **state)
{
	(void)state;
	view.links = "eth0 up dhcp 192.0.2.7/24,2001:db8:1234:5678:9abc:def0:1234:5678/64 -\n";
	view.can_log_in = true;
	for (unsigned i = 0; i < 12; i++) {
		struct published_unit *u =
			add("a-name-that-is-longer-than-thirty-letters", i % 10, i % 4);

		memset(u->detail, 'x', sizeof(u->detail) - 1);
		memset(u->last_output, 'y', sizeof(u->last_output) - 1);
		memset(u->ports, '8', sizeof(u->ports) - 1);
	}
	for (unsigned i = 0; i < PUBLISHED_MAX_NOTES; i++)
		note(i % 3,
		     "a note that is longer than many a terminal is wide, and goes on and on");
	for (unsigned shared = 0; shared < 2; shared++) {
		view.is_shared = shared;
		for (view.columns = 1; view.columns <= 140; view.columns += 3)
			for (view.rows = 1; view.rows <= 60; view.rows += 3)
				expect_fit(lines());
	}
}

static void an_unknown_size_is_the_usual_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MAX_UNITS; i++)
		add("unit", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	view.rows = view.columns = 0;
	assert_int_equal(console_lines(&view, &out), CONSOLE_ROWS);
	view.rows = view.columns = 60000;
	buf_clear(&out);
	assert_true(console_lines(&view, &out) <= CONSOLE_MAX_ROWS);
}

/* Escapes, C1 controls, marks that turn lines around, letters that are two columns wide, bytes that are no text. */
static void nothing_hostile_reaches_the_terminal(void **state)
{
	static const char evil[] =
		"\033[2J\033]0;x\007\302\233"
		"31m\r\n\t\177\342\200\256abc\346\274\242\355\240\200\377\360\237\230\200 ok";
	struct published_unit *u;

	(void)state;
	u = add("web", PUBLISHED_FAILED, PUBLISHED_HEALTH_NONE);
	snprintf(u->name, sizeof(u->name), "%s", evil);
	snprintf(u->detail, sizeof(u->detail), "%s", evil);
	snprintf(u->last_output, sizeof(u->last_output), "%s", evil);
	snprintf(u->ports, sizeof(u->ports), "%s", evil);
	snprintf(header.hostname, sizeof(header.hostname), "%s", evil);
	snprintf(header.version, sizeof(header.version), "%.20s", evil);
	note(2, evil);
	view.links = "\033[31m \007 \302\2331m 192.0.2.1\033[0m/24\n";
	expect_fit(lines());
	for (const char *p = buf_str(&out); *p; p++)
		assert_true(*p == '\n' || (*p >= ' ' && *p <= '~'));
	assert_non_null(strstr(buf_str(&out),
			       "\n  ?[2J?]0;x??31m?????abc?????? ok\n  | ???abc?????? ok\n"));
	view.with_colours = true;
	assert_null(strstr(frame(), "\033[2J"));
	assert_null(strstr(frame(), "\033]"));
	assert_null(strstr(frame(), "\302\233"));
}

static void latin_letters_and_our_own_signs_are_shown(void **state)
{
	struct published_unit *u = add("café", PUBLISHED_FAILED, PUBLISHED_HEALTH_NONE);

	(void)state;
	str_copy(u->detail, sizeof(u->detail), "größer → kleiner…\302\255\302\240\303\267");
	assert_non_null(strstr(lines(), "\ncafé  failed "));
	assert_non_null(strstr(lines(), "\n  größer → kleiner…??÷\n"));
}

static void a_record_that_is_being_written_is_left_out(void **state)
{
	(void)state;
	add("one", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	add("two", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	is_torn[0] = true;
	assert_null(strstr(lines(), "\none"));
	assert_non_null(strstr(lines(), "\ntwo"));
	header.unit_count = UINT32_MAX; /* what no engine writes */
	memset(is_torn + 2, true, sizeof(is_torn) - 2);
	assert_non_null(strstr(lines(), "\ntwo"));
}

static void states_of_another_version_are_shown_as_broken(void **state)
{
	(void)state;
	add("new", (enum published_state)200, (enum published_health)200);
	assert_non_null(strstr(lines(), "\nnew   unknown"));
	header.notes[0].level = 77;
	header.note_count = 1;
	str_copy(header.notes[0].text, sizeof(header.notes[0].text), "x");
	assert_non_null(strstr(lines(), "error: x\n"));
}

static void notes_that_do_not_fit_are_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 7; i++)
		note(1, "something");
	assert_int_equal(count_of(lines(), "warning: something\n"), 3);
	assert_non_null(strstr(lines(), "and 4 more notes: cleat status\n"));
}

static void find(enum host_level level, const char *id)
{
	struct published_finding *f = &header.findings[header.finding_count++];

	f->level = (uint8_t)level;
	str_copy(f->id, sizeof(f->id), id);
	str_copy(f->evidence, sizeof(f->evidence), "proc: mount: not permitted");
}

static void what_the_host_withholds_is_one_line(void **state)
{
	(void)state;
	view.columns = 120;
	find(HOST_NOTE, "resources");
	assert_null(strstr(lines(), "host: "));
	header.findings[0].level = HOST_LIMITED;
	find(HOST_LIMITED, "limits");
	find(HOST_NOTE, "swap-limit");
	assert_non_null(
		strstr(lines(), "\nhost: limited: resources, limits; cleat doctor says more\n"));
	header.allowed_losses = HOST_LOSS_PROC;
	assert_non_null(strstr(
		lines(),
		"\nhost: less isolation is allowed: private-proc; limited: resources, limits;"));
	header.finding_count = 0;
	assert_non_null(strstr(lines(), "\nhost: less isolation is allowed: private-proc\n"));
	find(HOST_MISSING, "user-namespace");
	find(HOST_LIMITED, "limits");
	assert_non_null(strstr(lines(), "\nhost: user-namespace: "));
	assert_null(strstr(buf_str(&out), "limited:"));
	/* it is worth more than a unit that is well */
	for (unsigned i = 0; i < MAX_UNITS; i++)
		add("unit", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	assert_non_null(strstr(lines(), "\nhost: user-namespace: "));
}

static void safe_mode_says_how_to_leave_it(void **state)
{
	(void)state;
	assert_null(strstr(lines(), "safe mode"));
	header.safe_mode = 1;
	view.can_log_in = true;
	assert_true(str_starts(lines(),
			       "Cleat 0.1.0 on web1, since Nov 24 16:00:00, safe mode\n"
			       "to leave safe mode: cleat reload, cleat upgrade, or a reboot\n"));
	assert_non_null(strstr(buf_str(&out), "\nEnter: log in\n"));
}

/* --- bytes ---------------------------------------------------------------------------------------------------------------- */

static void a_terminal_of_its_own_is_filled_and_cleared(void **state)
{
	(void)state;
	view.with_colours = true;
	add("web", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	assert_string_equal(
		frame(), "\033[?25l\033[?7l\033[0m\033[r\033[H"
			 "\033[1mCleat 0.1.0 on web1\033[0m, since Nov 24 16:00:00\033[K\n"
			 "status  port 25328; no address yet\033[K\n"
			 "1 container: 1 up\033[K\n"
			 "\033[K\n"
			 "NAME  \033[1mSTATE\033[0m       HEALTH     SINCE            PORTS\033[K\n"
			 "web   \033[32mup\033[0m          -          Nov 24 16:00:05  \033[K"
			 "\033[J\033[?7h");
	view.is_first = true; /* the same: nothing of the boot stands there */
	assert_true(str_starts(frame(), "\033[?25l\033[?7l\033[0m\033[r\033[H"));
}

/* A newline in the last row would scroll the first one away. */
static void a_full_terminal_does_not_scroll(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MAX_UNITS; i++)
		add("unit", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	for (view.rows = 5; view.rows < 30; view.rows++)
		assert_true(count_of(frame(), "\n") < view.rows);
}

static void on_the_terminal_of_the_boot_its_lines_go_on_below(void **state)
{
	unsigned taken;

	(void)state;
	view.is_shared = view.is_first = true;
	add("web", PUBLISHED_UP, PUBLISHED_HEALTH_NONE);
	buf_clear(&out);
	taken = console_frame(&view, &out);
	assert_int_equal(taken, 6);
	/* first what stands there goes up by as much as will be drawn over */
	assert_true(str_starts(
		buf_str(&out),
		"\033[r\033[24;1H\n\n\n\n\n\n\n\033[?25l\033[?7l\033[0m\033[r\033[HCleat"));
	assert_non_null(strstr(buf_str(&out), "\n--------"));
	assert_true(str_ends(buf_str(&out), "-\033[K\033[8;24r\033[24;1H\033[?7h\033[?25h"));
	assert_null(strstr(buf_str(&out), "\033[J"));
	/* what was taken once stays taken: what lies between would be neither */
	view.is_first = false;
	view.min_lines = 9;
	assert_true(str_ends(frame(), "\033[11;24r\033[24;1H\033[?7h\033[?25h"));
	assert_false(str_starts(buf_str(&out), "\033[r\033[24"));
}

static void lines_of_the_boot_always_have_room(void **state)
{
	(void)state;
	view.is_shared = true;
	for (unsigned i = 0; i < MAX_UNITS; i++)
		add("unit", PUBLISHED_FAILED, PUBLISHED_HEALTH_NONE);
	for (view.rows = 4; view.rows < 60; view.rows++) {
		unsigned taken;

		buf_clear(&out);
		view.min_lines = 1000; /* of a terminal that was larger */
		taken = console_frame(&view, &out);
		assert_true(taken + 2 <= view.rows);
		assert_true(view.rows <= 2 * CONSOLE_SHARED_LINES ||
			    taken + CONSOLE_SHARED_LINES <= view.rows);
	}
}

static void the_terminal_is_given_back(void **state)
{
	(void)state;
	console_leave(&view, &out);
	assert_string_equal(buf_str(&out), "\033[0m\033[r\033[?7h\033[?25h\033[24;1H\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_whole_screen, reset),
		cmocka_unit_test_setup(nothing_but_an_appliance, reset),
		cmocka_unit_test_setup(where_the_status_is_asked, reset),
		cmocka_unit_test_setup(many_links_and_odd_lines, reset),
		cmocka_unit_test_setup(a_long_list_ends_in_a_number, reset),
		cmocka_unit_test_setup(every_size_of_a_terminal_is_kept, reset),
		cmocka_unit_test_setup(an_unknown_size_is_the_usual_one, reset),
		cmocka_unit_test_setup(nothing_hostile_reaches_the_terminal, reset),
		cmocka_unit_test_setup(latin_letters_and_our_own_signs_are_shown, reset),
		cmocka_unit_test_setup(a_record_that_is_being_written_is_left_out, reset),
		cmocka_unit_test_setup(states_of_another_version_are_shown_as_broken, reset),
		cmocka_unit_test_setup(what_the_host_withholds_is_one_line, reset),
		cmocka_unit_test_setup(safe_mode_says_how_to_leave_it, reset),
		cmocka_unit_test_setup(notes_that_do_not_fit_are_counted, reset),
		cmocka_unit_test_setup(a_terminal_of_its_own_is_filled_and_cleared, reset),
		cmocka_unit_test_setup(a_full_terminal_does_not_scroll, reset),
		cmocka_unit_test_setup(on_the_terminal_of_the_boot_its_lines_go_on_below, reset),
		cmocka_unit_test_setup(lines_of_the_boot_always_have_room, reset),
		cmocka_unit_test_setup(the_terminal_is_given_back, reset),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, end);
}
