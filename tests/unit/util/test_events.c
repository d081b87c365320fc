/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of events: numbers go on, what was overwritten is counted, filters. */
#include "unit_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/events.h"

struct ring {
	char path[64];
	struct event_writer *writer;
	struct event_reader reader;
	int fd;
};

static void ring_open(struct ring *r)
{
	struct err err;
	int fd;

	memcpy(r->path, "/tmp/cleat-test-events-XXXXXX", 30);
	fd = mkstemp(r->path);
	assert_true(fd >= 0);
	close(fd);
	r->writer = event_writer_open(r->path, &err);
	assert_non_null(r->writer);
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	assert_true(r->fd >= 0);
	assert_int_equal(event_reader_init(&r->reader, r->fd, false, &err), 0);
}

static void ring_close(struct ring *r)
{
	event_writer_close(r->writer);
	close(r->fd);
	unlink(r->path);
}

static void put(struct ring *r, enum event_kind kind, const char *name)
{
	struct event e = { .kind = kind };

	snprintf(e.name, sizeof(e.name), "%s", name);
	event_write(r->writer, &e);
	assert_true(e.real_nsec > 0);
}

static void expect(struct ring *r, uint64_t sequence, const char *name, uint64_t lost)
{
	struct event e;
	struct err err;
	uint64_t gone;

	assert_int_equal(event_read(&r->reader, &e, &gone, &err), 1);
	assert_int_equal(e.sequence, sequence);
	assert_string_equal(e.name, name);
	assert_int_equal(gone, lost);
}

static void expect_nothing(struct ring *r)
{
	struct event e;
	struct err err;
	uint64_t gone;

	assert_int_equal(event_read(&r->reader, &e, &gone, &err), 0);
	assert_int_equal(gone, 0);
}

static void what_is_written_is_read_in_order(void **state)
{
	struct ring r;

	(void)state;
	ring_open(&r);
	expect_nothing(&r);
	put(&r, EVENT_START, "a");
	put(&r, EVENT_DIE, "b");
	expect(&r, 1, "a", 0);
	expect(&r, 2, "b", 0);
	expect_nothing(&r);
	put(&r, EVENT_STOP, "c");
	expect(&r, 3, "c", 0);
	ring_close(&r);
}

static void the_numbers_outlive_the_writer(void **state)
{
	struct ring r;
	struct err err;

	(void)state;
	ring_open(&r);
	put(&r, EVENT_START, "a");
	event_writer_close(r.writer);
	r.writer = event_writer_open(r.path, &err);
	assert_non_null(r.writer);
	put(&r, EVENT_START, "b");
	expect(&r, 1, "a", 0);
	expect(&r, 2, "b", 0);
	assert_int_equal(event_reader_init(&r.reader, r.fd, true, &err), 0);
	expect_nothing(&r);
	ring_close(&r);
}

static void a_slow_reader_is_told_how_many_it_missed(void **state)
{
	struct ring r;
	char name[16];

	(void)state;
	ring_open(&r);
	for (unsigned i = 1; i <= EVENT_RING_COUNT + 10; i++) {
		snprintf(name, sizeof(name), "%u", i);
		put(&r, EVENT_START, name);
	}
	expect(&r, 11, "11", 10);
	expect(&r, 12, "12", 0);
	ring_close(&r);
}

static void a_torn_or_overwritten_record_is_lost(void **state)
{
	struct ring r;
	struct event e;
	uint64_t wrong = 77;
	int fd;

	(void)state;
	ring_open(&r);
	put(&r, EVENT_START, "a");
	put(&r, EVENT_START, "b");
	fd = open(r.path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	/* the number at the end of the first record (at place 1 of the ring) */
	assert_int_equal(pwrite(fd, &wrong, sizeof(wrong),
				24 + 2 * (off_t)sizeof(e) - (off_t)sizeof(wrong)),
			 sizeof(wrong));
	close(fd);
	expect(&r, 2, "b", 1);
	ring_close(&r);
}

static void an_unknown_file_is_replaced_and_refused(void **state)
{
	struct ring r;
	struct event e;
	struct err err;
	uint64_t lost;
	int fd;

	(void)state;
	ring_open(&r);
	fd = open(r.path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "XXXX", 4, 0), 4);
	close(fd);
	assert_int_equal(event_read(&r.reader, &e, &lost, &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	assert_int_equal(event_reader_init(&r.reader, r.fd, false, &err), -1);
	event_writer_close(r.writer);
	r.writer = event_writer_open(r.path, &err);
	assert_non_null(r.writer);
	close(r.fd);
	r.fd = open(r.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(event_reader_init(&r.reader, r.fd, false, &err), 0);
	put(&r, EVENT_START, "new");
	expect(&r, 1, "new", 0);
	ring_close(&r);
}

/* The next number would be 0, which is nobody's. */
static void a_ring_at_the_end_of_all_numbers_is_replaced(void **state)
{
	const uint64_t last = UINT64_MAX;
	struct ring r;
	struct err err;
	int fd;

	(void)state;
	ring_open(&r);
	event_writer_close(r.writer);
	fd = open(r.path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &last, sizeof(last), 16), sizeof(last));
	close(fd);
	assert_int_equal(event_reader_init(&r.reader, r.fd, false, &err), -1);
	r.writer = event_writer_open(r.path, &err);
	assert_non_null(r.writer);
	close(r.fd);
	r.fd = open(r.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(event_reader_init(&r.reader, r.fd, false, &err), 0);
	put(&r, EVENT_START, "new");
	expect(&r, 1, "new", 0);
	ring_close(&r);
}

static void what_is_no_file_is_refused_and_stays(void **state)
{
	char path[] = "/tmp/cleat-test-events-XXXXXX";
	struct err err;

	(void)state;
	assert_null(event_writer_open("/nowhere/events", &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(mkdtemp(path));
	assert_null(event_writer_open(path, &err));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(event_writer_open(path, &err));
	assert_non_null(strstr(err.msg, "not a regular file"));
	assert_int_equal(unlink(path), 0);
}

/* A limit of the size of files takes the place of a full tmpfs. */
static void what_cannot_be_written_is_told_to_readers(void **state)
{
	struct rlimit before, none;
	struct ring r;

	(void)state;
	ring_open(&r);
	put(&r, EVENT_START, "a");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	put(&r, EVENT_START, "b");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	put(&r, EVENT_START, "c");
	expect(&r, 1, "a", 0);
	expect(&r, 3, "c", 1);
	ring_close(&r);
}

static bool fits(const struct event *e, const char *key, const char *value)
{
	struct event_filter f = { 0 };
	struct err err;

	assert_int_equal(event_filter_add(&f, key, value, &err), 0);
	return event_filter_fits(&f, e);
}

static void filters_know_names_kinds_types_and_times(void **state)
{
	struct event e = { .kind = EVENT_DIE,
			   .real_nsec = 5000000000,
			   .run_id = "0123456789ab",
			   .name = "systemd-web",
			   .unit = "web.container",
			   .image = "localhost/web:latest" };
	struct event_filter f = { 0 };
	struct err err;

	(void)state;
	assert_true(fits(&e, "unit", "web") && fits(&e, "unit", "web.container"));
	assert_true(fits(&e, "unit", "web.service") && fits(&e, "unit", "systemd-web"));
	assert_false(fits(&e, "unit", "we") || fits(&e, "unit", "web.pod"));
	assert_true(fits(&e, "container", "systemd-web") && fits(&e, "container", "0123"));
	assert_true(fits(&e, "container", "web") && fits(&e, "container", "web.service"));
	assert_false(fits(&e, "container", "we") || fits(&e, "container", "012"));
	assert_true(fits(&e, "event", "die") && fits(&e, "event", "died"));
	assert_false(fits(&e, "event", "start"));
	assert_true(fits(&e, "type", "container"));
	assert_false(fits(&e, "type", "image"));
	assert_true(fits(&e, "image", "localhost/web") &&
		    fits(&e, "image", "localhost/web:latest"));
	assert_false(fits(&e, "image", "localhost/we"));
	/* any value of a key, but all of the keys */
	assert_int_equal(event_filter_add(&f, "event", "start", &err), 0);
	assert_false(event_filter_fits(&f, &e));
	assert_int_equal(event_filter_add(&f, "event", "die", &err), 0);
	assert_true(event_filter_fits(&f, &e));
	assert_int_equal(event_filter_add(&f, "unit", "other", &err), 0);
	assert_false(event_filter_fits(&f, &e));
	f = (struct event_filter){ .since_usec = 5000000, .until_usec = 5000000 };
	assert_true(event_filter_fits(&f, &e));
	f.since_usec++;
	assert_false(event_filter_fits(&f, &e));
	f = (struct event_filter){ .until_usec = 4999999 };
	assert_false(event_filter_fits(&f, &e));
	e.kind = EVENT_HEALTH_STATUS;
	memcpy(e.text, "healthy", 8);
	assert_true(fits(&e, "event", "health_status") &&
		    fits(&e, "event", "health_status=healthy"));
	assert_true(fits(&e, "event", "health_status: healthy"));
	assert_false(fits(&e, "event", "health_status=unhealthy"));
}

static void unknown_filters_are_refused(void **state)
{
	struct event_filter f = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(event_filter_add(&f, "label", "x", &err), -1);
	assert_non_null(strstr(err.msg, "known are unit"));
	assert_int_equal(event_filter_add(&f, "event", "explode", &err), -1);
	assert_non_null(strstr(err.msg, "no such event"));
	for (int i = 0; i < EVENT_FILTER_MAX; i++)
		assert_int_equal(event_filter_add(&f, "unit", "x", &err), 0);
	assert_int_equal(event_filter_add(&f, "unit", "x", &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void every_kind_has_a_row(void **state)
{
	(void)state;
	for (unsigned kind = 1; kind < EVENT_KIND_COUNT; kind++) {
		const struct event_row *row = event_row(kind);

		assert_non_null(row);
		assert_non_null(row->type);
		assert_non_null(row->text);
	}
	assert_null(event_row(EVENT_NONE));
	assert_null(event_row(EVENT_KIND_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_in_order),
		cmocka_unit_test(the_numbers_outlive_the_writer),
		cmocka_unit_test(a_slow_reader_is_told_how_many_it_missed),
		cmocka_unit_test(a_torn_or_overwritten_record_is_lost),
		cmocka_unit_test(an_unknown_file_is_replaced_and_refused),
		cmocka_unit_test(a_ring_at_the_end_of_all_numbers_is_replaced),
		cmocka_unit_test(what_is_no_file_is_refused_and_stays),
		cmocka_unit_test(what_cannot_be_written_is_told_to_readers),
		cmocka_unit_test(filters_know_names_kinds_types_and_times),
		cmocka_unit_test(unknown_filters_are_refused),
		cmocka_unit_test(every_kind_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
