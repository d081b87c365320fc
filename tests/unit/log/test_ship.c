/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of RFC 5424, and places in directories that rotate. */
#include "log_test.h"

#include "log/line.h"
#include "log/ship.h"
#include "log/ship_internal.h"
#include "log/stamp.h"

#define STAMP "2026-11-21T10:00:00.123456789Z"

static struct ship_message message(const char *text)
{
	return (struct ship_message){ .stamp = STAMP,
				      .hostname = "box",
				      .app = "web",
				      .run_id = "0123456789ab",
				      .unit = "web.container",
				      .container = "systemd-web",
				      .msgid = "stdout",
				      .text = text,
				      .len = strlen(text) };
}

static void expect_message(const struct ship_message *m, size_t max, const char *text)
{
	struct buf out = BUF_INIT(65536);

	ship_format(m, max, &out);
	assert_string_equal(buf_str(&out), text);
	assert_true(out.len <= max);
	buf_fini(&out);
}

static void a_line_is_a_message(void **state)
{
	struct ship_message m = message("hello world");

	(void)state;
	expect_message(
		&m, 2048,
		"<14>1 2026-11-21T10:00:00.123456Z box web 0123456789ab stdout [cleat@32473 unit=\"web.container\" container=\"systemd-web\" run=\"0123456789ab\" stream=\"stdout\"] hello world");
	m.is_stderr = m.is_partial = true;
	m.msgid = "stderr";
	m.run_id = "";
	m.text = "";
	m.len = 0;
	expect_message(
		&m, 2048,
		"<11>1 2026-11-21T10:00:00.123456Z box web - stderr [cleat@32473 unit=\"web.container\" container=\"systemd-web\" stream=\"stderr\" partial=\"true\"]");
}

static void an_event_has_its_own_severity(void **state)
{
	struct ship_message m = message("die web");

	(void)state;
	m.is_event = true;
	m.severity = 4;
	m.msgid = "die";
	m.app = "cleat";
	m.unit = m.run_id = "";
	expect_message(
		&m, 2048,
		"<12>1 2026-11-21T10:00:00.123456Z box cleat - die [cleat@32473 container=\"systemd-web\"] die web");
}

static void fields_and_values_cannot_break_out(void **state)
{
	struct ship_message m = message("x");

	(void)state;
	m.app = "a b\nc\xff"
		"0123456789012345678901234567890123456789012345678901234567890";
	m.unit = "a\"b]c\\d\ne\xff";
	m.container = m.run_id = "";
	expect_message(
		&m, 2048,
		"<14>1 2026-11-21T10:00:00.123456Z box a_b_c_012345678901234567890123456789012345678901 - stdout [cleat@32473 unit=\"a\\\"b\\]c\\\\d?e?\" stream=\"stdout\"] x");
}

static void text_is_cut_to_the_limit(void **state)
{
	struct ship_message m = message("0123456789");
	struct buf whole = BUF_INIT(4096);
	struct buf out = BUF_INIT(4096);

	(void)state;
	ship_format(&m, 4096, &whole);
	ship_format(&m, whole.len - 4, &out);
	assert_int_equal(out.len, whole.len - 4);
	assert_memory_equal(out.data, whole.data, out.len);
	buf_clear(&out);
	ship_format(&m, 10, &out); /* no room for any text */
	assert_int_equal(out.data[out.len - 1], ']');
	buf_fini(&whole);
	buf_fini(&out);
}

/* --- places --- */

static char buffer[LOG_SCAN_BYTES];

struct heard {
	struct buf text;
	unsigned fail_at; /* line at which the connection is lost; 0: never */
	unsigned count;
};

static int hear(void *arg, const struct log_line *line, struct err *err)
{
	struct heard *h = arg;

	if (++h->count == h->fail_at)
		return err_set(err, ERR_SYS, "gone");
	buf_add(&h->text, line->text, line->len);
	buf_putc(&h->text, ' ');
	return 0;
}

static void line(const struct log_dir *d, const char *name, unsigned number)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "2026-11-21T10:00:00.%09uZ stdout F %u\n", number,
			 number);

	log_file_put(d, name, text, (size_t)n);
}

static void rotate(const struct log_dir *d, unsigned max)
{
	char from[8], to[8];

	for (unsigned n = max - 1; n > 0; n--) {
		log_files_name(n - 1, from);
		renameat(d->fd, from, d->fd, log_files_name(n, to));
	}
}

static int read_all(struct ship_source *s, struct heard *h)
{
	struct err err = { 0 };
	int rc;

	do
		rc = ship_source_read(s, buffer, 100000, hear, h, &err);
	while (rc > 0);
	return rc;
}

static void expect_read(struct ship_source *s, const char *text)
{
	struct heard h = { .text = BUF_INIT(4096) };

	assert_int_equal(read_all(s, &h), 0);
	assert_string_equal(buf_str(&h.text), text);
	buf_fini(&h.text);
}

static void source(struct ship_source *s, const struct log_dir *d)
{
	ship_source_init(s, "web", dup(d->fd));
}

static void a_source_is_read_once_over_rotations(void **state)
{
	struct log_dir d = log_dir_open();
	struct ship_source s;

	(void)state;
	source(&s, &d);
	expect_read(&s, "");
	line(&d, "1", 1);
	line(&d, "current", 2);
	expect_read(&s, "1 2 ");
	expect_read(&s, "");
	line(&d, "current", 3);
	rotate(&d, 5);
	expect_read(&s, "3 ");
	log_file_put(&d, "current", "", 0); /* made, and nothing in it yet */
	expect_read(&s, "");
	line(&d, "current", 4);
	expect_read(&s, "4 ");
	rotate(&d, 5);
	line(&d, "current", 5);
	rotate(&d, 5);
	line(&d, "current", 6);
	expect_read(&s, "5 6 ");
	assert_int_equal(s.dropped, 0);
	ship_source_fini(&s);
	log_dir_close(&d);
}

static void a_lost_connection_begins_again_at_what_is_certain(void **state)
{
	struct log_dir d = log_dir_open();
	struct heard h = { .text = BUF_INIT(4096), .fail_at = 3 };
	struct ship_source s;

	(void)state;
	source(&s, &d);
	for (unsigned i = 1; i <= 4; i++)
		line(&d, "current", i);
	assert_int_equal(read_all(&s, &h), -1);
	/* the third was not taken: a place in front of it */
	expect_read(&s, "3 4 ");
	ship_source_rewind(&s);
	expect_read(&s, "1 2 3 4 ");
	s.committed = s.at;
	rotate(&d, 3);
	line(&d, "current", 5);
	ship_source_rewind(&s);
	expect_read(&s, "5 ");
	buf_fini(&h.text);
	ship_source_fini(&s);
	log_dir_close(&d);
}

static void the_place_outlives_the_worker(void **state)
{
	struct log_dir d = log_dir_open(), folder = log_dir_open();
	struct ship_source s;
	struct err err;

	(void)state;
	source(&s, &d);
	line(&d, "current", 1);
	line(&d, "current", 2);
	expect_read(&s, "1 2 ");
	s.committed = s.at;
	assert_int_equal(ship_source_save(&s, folder.fd, &err), 0);
	ship_source_fini(&s);
	rotate(&d, 5);
	line(&d, "current", 3);
	source(&s, &d);
	assert_int_equal(ship_source_load(&s, folder.fd, &err), 0);
	expect_read(&s, "3 ");
	ship_source_fini(&s);

	/* a place that is none: everything again, and it is said */
	assert_int_equal(unlinkat(folder.fd, "web", 0), 0);
	log_file_put(&folder, "web", "nonsense\n", 9);
	source(&s, &d);
	assert_int_equal(ship_source_load(&s, folder.fd, &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	expect_read(&s, "1 2 3 ");
	ship_source_fini(&s);
	log_dir_close(&d);
	log_dir_close(&folder);
}

static void what_is_rotated_away_unsent_is_counted(void **state)
{
	struct log_dir d = log_dir_open();
	struct ship_source s;
	unsigned number = 0;

	(void)state;
	source(&s, &d);
	line(&d, "current", ++number);
	expect_read(&s, "1 ");
	s.committed = s.at;
	ship_source_rewind(&s); /* the server is gone from here on */
	ship_source_survey(&s, buffer);
	for (unsigned file = 0; file < 4; file++) {
		rotate(&d, 3); /* current, 1, 2 */
		for (unsigned i = 0; i < 10; i++)
			line(&d, "current", ++number);
		ship_source_survey(&s, buffer);
	}
	/* 1 | 2-11 | 12-21 | 22-31 | 32-41: the last three files are there */
	assert_int_equal(s.dropped, 10);
	{
		struct heard h = { .text = BUF_INIT(4096) };

		assert_int_equal(read_all(&s, &h), 0);
		assert_int_equal(h.count, 30);
		assert_memory_equal(buf_str(&h.text), "12 ", 3);
		buf_fini(&h.text);
	}
	ship_source_survey(&s, buffer);
	assert_int_equal(s.dropped, 10);
	ship_source_fini(&s);
	log_dir_close(&d);
}

/* A program may speak before the engine has heard that it runs: the lines are of the run that was begun then. */
static void first_words_have_the_run_that_was_begun(void **state)
{
	char path[] = "/tmp/cleat-ship-XXXXXX";
	static struct published_unit u;
	static struct ship s;
	struct published *p;
	struct err err;
	char begun[LOG_STAMP_LEN + 1];

	(void)state;
	close(mkstemp(path));
	p = published_create(path, &err);
	unlink(path);
	assert_non_null(p);
	published_set_unit_count(p, 1);
	u = (struct published_unit){ .state = PUBLISHED_STARTING,
				     .name = "web",
				     .run_id = "0123456789ab",
				     .since_real_usec = 1700000000 * INT64_C(1000000) };
	published_put_unit(p, 0, &u);
	s.published = p;
	ship_facts_of(&s, "web");
	assert_string_equal(s.facts.run_id, "0123456789ab");
	log_stamp_format(u.since_real_usec * 1000, begun);
	assert_string_equal(s.facts.started, begun);
	/* it is known */
	u.started_real_usec = u.since_real_usec + 5;
	published_put_unit(p, 0, &u);
	ship_facts_of(&s, "web");
	log_stamp_format(u.started_real_usec * 1000, begun);
	assert_string_equal(s.facts.started, begun);
	/* what goes has begun who knows when */
	u.started_real_usec = 0;
	u.state = PUBLISHED_STOPPING;
	published_put_unit(p, 0, &u);
	ship_facts_of(&s, "web");
	assert_string_equal(s.facts.run_id, "");
	published_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_words_have_the_run_that_was_begun),
		cmocka_unit_test(a_line_is_a_message),
		cmocka_unit_test(an_event_has_its_own_severity),
		cmocka_unit_test(fields_and_values_cannot_break_out),
		cmocka_unit_test(text_is_cut_to_the_limit),
		cmocka_unit_test(a_source_is_read_once_over_rotations),
		cmocka_unit_test(a_lost_connection_begins_again_at_what_is_certain),
		cmocka_unit_test(the_place_outlives_the_worker),
		cmocka_unit_test(what_is_rotated_away_unsent_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
