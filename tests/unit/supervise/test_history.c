/* SPDX-License-Identifier: Apache-2.0 */
/* The history of units: what is written is read, across engines, with torn, foreign and forged files. */
#include "unit_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util/scratch.h"
#include "supervise/history_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

static const struct history_unit two[] = { { "systemd-web", "web.container" },
					   { "db", "database.container" } };

static const char *path_in(const struct scratch *s)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/history", s->path);
	return path;
}

static struct history *must_open(const char *path, const struct history_unit *units, unsigned count)
{
	struct err err;
	struct history *h = history_open(path, units, count, &err);

	if (!h)
		fail_msg("%s", err.msg);
	return h;
}

static void must_read(const char *path, const char *name, struct arena *arena,
		      struct history_view *out)
{
	struct err err;

	if (history_read(path, name, arena, out, &err) < 0)
		fail_msg("%s", err.msg);
}

static void add_many(struct history *h, const char *name, unsigned from, unsigned count)
{
	char line[64];

	for (unsigned i = from; i < from + count; i++) {
		snprintf(line, sizeof(line), "%s: line %u", name, i);
		history_add(h, i, line);
	}
}

static void lines_are_kept_by_unit_with_those_of_the_appliance_between(void **state)
{
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;

	history_add(h, 1, "all: before its time");
	history_add(h, 5, "systemd-web: down -> pulling: asked to start");
	history_add(h, 6, "db: not web's");
	history_add(h, 7, "all: frozen for 20s");
	history_add(h, 7, "systemd-web: reason: with: colons");
	history_add(h, 7, "nobody: has no slot");
	history_add(h, 7, "no colon");
	history_close(h);
	must_read(path, "web", &arena, &view);
	assert_string_equal(view.name, "systemd-web");
	assert_string_equal(view.unit, "web.container");
	assert_int_equal(view.lost, 0);
	assert_int_equal(view.count, 3);
	assert_string_equal(view.lines[0].text, "down -> pulling: asked to start");
	assert_int_equal(view.lines[0].monotonic_usec, 5);
	assert_true(view.lines[0].real_usec > INT64_C(1000000) * 1000000000 / 1000000);
	assert_true(view.lines[1].is_of_all);
	assert_string_equal(view.lines[1].text, "frozen for 20s");
	assert_false(view.lines[2].is_of_all);
	assert_string_equal(view.lines[2].text, "reason: with: colons");
	must_read(path, "all", &arena, &view);
	assert_int_equal(view.count, 2);
}

static void a_unit_has_all_its_names(void **state)
{
	static const char *const names[] = { "database", "database.container", "database.service",
					     "db" };
	const char *path = path_in(*state);
	auto_arena arena = { 0 };
	struct history_view view;
	struct err err;

	history_close(must_open(path, two, 2));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		must_read(path, names[i], &arena, &view);
		assert_string_equal(view.name, "db");
		assert_int_equal(view.count, 0);
	}
	assert_int_equal(history_read(path, "data", &arena, &view, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "nothing is known of a unit data");
	assert_int_equal(history_read(path, "", &arena, &view, &err), -1);
}

static void only_the_newest_lines_are_kept_and_the_others_counted(void **state)
{
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;

	add_many(h, "db", 0, 1000);
	history_add(h, 9999, "systemd-web: alone");
	history_close(h);
	must_read(path, "db", &arena, &view);
	assert_int_equal(view.count, HISTORY_LINES);
	assert_int_equal(view.lost, 1000 - HISTORY_LINES);
	assert_string_equal(view.lines[0].text, "line 936");
	assert_string_equal(view.lines[HISTORY_LINES - 1].text, "line 999");
	must_read(path, "web", &arena, &view);
	assert_int_equal(view.count, 1);
}

static void the_next_engine_goes_on_and_keeps_what_has_gone(void **state)
{
	static const struct history_unit later[] = { { "new", "new.container" },
						     { "db", "renamed.container" } };
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;

	add_many(h, "db", 0, 70);
	history_add(h, 1, "systemd-web: it was");
	history_close(h);
	h = must_open(path, later, 2);
	add_many(h, "db", 70, 1);
	history_add(h, 1, "new: it is");
	history_close(h);
	must_read(path, "renamed", &arena, &view);
	assert_int_equal(view.count, HISTORY_LINES);
	assert_string_equal(view.lines[0].text, "line 7");
	assert_string_equal(view.lines[HISTORY_LINES - 1].text, "line 70");
	assert_int_equal(view.lost, 7);
	must_read(path, "web", &arena, &view);
	assert_string_equal(view.lines[0].text, "it was");
	must_read(path, "new", &arena, &view);
	assert_int_equal(view.count, 1);
}

static void many_units_have_fewer_lines_each_and_the_file_its_bound(void **state)
{
	static struct history_unit many[1024];
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;
	struct stat st;

	add_many(h, "db", 0, HISTORY_LINES);
	history_close(h);
	for (unsigned i = 0; i < 1024; i++) {
		snprintf(many[i].name, sizeof(many[i].name), "u%u", i);
		snprintf(many[i].unit, sizeof(many[i].unit), "u%u.container", i);
	}
	h = must_open(path, many, 1024);
	for (unsigned i = 0; i < 1024; i++)
		add_many(h, many[i].name, 0, 20);
	history_close(h);
	must_read(path, "u1023", &arena, &view);
	assert_int_equal(view.count, HISTORY_LINES_MANY);
	assert_string_equal(view.lines[0].text, "line 4");
	must_read(path, "db", &arena, &view); /* it has gone, and there is room for it */
	assert_int_equal(view.count, HISTORY_LINES_MANY);
	assert_string_equal(view.lines[0].text, "line 48");
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= HISTORY_MAX_BYTES);
	h = must_open(path, many, 10); /* and back: what there is no room for is forgotten */
	history_close(h);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= HISTORY_MAX_BYTES);
	must_read(path, "u3", &arena, &view);
	assert_int_equal(view.count, HISTORY_LINES_MANY);
}

static void a_torn_record_is_a_lost_line(void **state)
{
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;
	auto_fd int fd = -1;
	off_t records = (off_t)(sizeof(struct history_header) +
				history_slots(HISTORY_LINES) * sizeof(struct history_unit));
	static const char half[100];

	add_many(h, "db", 0, 3);
	history_close(h);
	fd = open(path, O_RDWR);
	/* slots are by name: all, db, systemd-web. The second record of db (place 2) is half there. */
	assert_int_equal(
		pwrite(fd, half, sizeof(half),
		       records + (off_t)((HISTORY_LINES + 2) * sizeof(struct history_record)) +
			       (off_t)sizeof(struct history_record) - (off_t)sizeof(half)),
		sizeof(half));
	must_read(path, "db", &arena, &view);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.lost, 1);
	assert_string_equal(view.lines[1].text, "line 2");
	/* the next engine goes on behind it */
	h = must_open(path, two, 2);
	add_many(h, "db", 3, 1);
	history_close(h);
	must_read(path, "db", &arena, &view);
	assert_int_equal(view.count, 3);
	assert_int_equal(view.lost, 1);
	assert_string_equal(view.lines[2].text, "line 3");
}

static void long_and_strange_texts_are_cut_and_clean(void **state)
{
	const char *path = path_in(*state);
	struct history *h = must_open(path, two, 2);
	auto_arena arena = { 0 };
	struct history_view view;
	char line[600] = "db: ";

	memset(line + 4, 'x', sizeof(line) - 5);
	history_add(h, 1, line);
	history_add(h, 2, "db: \xff\xfe and \xc3\xa4");
	history_close(h);
	must_read(path, "db", &arena, &view);
	assert_true(str_ends(view.lines[0].text, "xxx..."));
	assert_true(strlen(view.lines[0].text) < sizeof(((struct history_record *)0)->text));
	assert_string_equal(view.lines[1].text, "?? and \xc3\xa4");
}

static void expect_bad(const void *data, size_t len, enum err_code code, const char *text)
{
	auto_arena arena = { 0 };
	struct history_view view;
	struct err err;

	assert_int_equal(history_parse(data, len, "db", &arena, &view, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, text));
}

static void what_is_no_history_is_refused_and_replaced(void **state)
{
	const char *path = path_in(*state);
	auto_buf text = BUF_INIT(HISTORY_MAX_BYTES);
	struct history_header *header;
	auto_arena arena = { 0 };
	struct history_view view;
	struct err err;

	assert_int_equal(history_read(path, "db", &arena, &view, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, path));
	history_close(must_open(path, two, 2));
	assert_int_equal(file_read_at(AT_FDCWD, path, HISTORY_MAX_BYTES, &text, &err), 0);
	expect_bad("", 0, ERR_INTEGRITY, "too short");
	expect_bad(text.data, sizeof(*header) - 1, ERR_INTEGRITY, "too short");
	expect_bad(text.data, sizeof(*header), ERR_INTEGRITY, "cut off");
	expect_bad(text.data, text.len - 1, ERR_INTEGRITY, "cut off");
	header = (struct history_header *)(void *)text.data;
	header->version++;
	expect_bad(text.data, text.len, ERR_UNSUPPORTED, "version 2 of the history is unknown");
	header->version--;
	header->lines = UINT32_MAX;
	expect_bad(text.data, text.len, ERR_UNSUPPORTED, "unknown");
	header->lines = HISTORY_LINES_MANY; /* does not fit the slots */
	expect_bad(text.data, text.len, ERR_UNSUPPORTED, "unknown");
	header->lines = HISTORY_LINES;
	header->magic++;
	expect_bad(text.data, text.len, ERR_INTEGRITY, "not a history");
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text.data, text.len, 0644, false, &err),
			 0);
	history_close(must_open(path, two, 2));
	must_read(path, "db", &arena, &view);
	assert_int_equal(view.count, 0);
}

static void forged_numbers_are_no_lines(void **state)
{
	static const struct history_record forged[] = {
		{ .sequence = UINT64_MAX, .sequence_end = UINT64_MAX },
		{ .sequence = 2, .sequence_end = 2 }, /* at another's place */
		{ .sequence = 0, .sequence_end = 0, .text = "none" },
		{ .sequence = 3, .sequence_end = 4 },
		{ .sequence = 4, .sequence_end = 4, .order = UINT64_MAX },
	};
	const char *path = path_in(*state);
	auto_arena arena = { 0 };
	struct history_view view;
	auto_fd int fd = -1;
	off_t records = (off_t)(sizeof(struct history_header) +
				history_slots(HISTORY_LINES) * sizeof(struct history_unit));

	history_close(must_open(path, two, 2));
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, forged, sizeof(forged),
				records + (off_t)(HISTORY_LINES * sizeof(forged[0]))),
			 sizeof(forged));
	must_read(path, "db", &arena, &view);
	assert_int_equal(view.count, 0);
	assert_int_equal(view.lost, 0);
	history_close(must_open(path, two, 2));
}

static void a_place_that_cannot_be_written_is_said(void **state)
{
	struct err err;

	(void)state;
	assert_null(history_open("/proc/nowhere/history", two, 2, &err));
	assert_non_null(strstr(err.msg, "/proc/nowhere/history"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			lines_are_kept_by_unit_with_those_of_the_appliance_between, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(a_unit_has_all_its_names, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			only_the_newest_lines_are_kept_and_the_others_counted, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(the_next_engine_goes_on_and_keeps_what_has_gone,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(
			many_units_have_fewer_lines_each_and_the_file_its_bound, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(a_torn_record_is_a_lost_line, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(long_and_strange_texts_are_cut_and_clean,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(what_is_no_history_is_refused_and_replaced,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(forged_numbers_are_no_lines, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_said,
						scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
