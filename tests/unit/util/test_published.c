/* SPDX-License-Identifier: Apache-2.0 */
/* The published state: what a reader may rely on while a writer writes, dies, or is of another
 * version, and what a writer finds when it comes back. */
#include "unit_test.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/published.h"

static char path[128];

static struct published *create(void **state, struct err *err)
{
	struct scratch *s = *state;

	snprintf(path, sizeof(path), "%s/published", s->path);
	return published_create(path, err);
}

static struct published *must_create(void **state)
{
	struct err err = { 0 };
	struct published *p = create(state, &err);

	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

static struct published *must_open(void)
{
	struct err err = { 0 };
	struct published *p = published_open(path, &err);

	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

static struct published_unit unit_named(const char *name)
{
	struct published_unit u = { .state = PUBLISHED_UP, .pid = 7, .exit_code = -1 };

	snprintf(u.name, sizeof(u.name), "%s", name);
	return u;
}

static void put(struct published *p, unsigned index, const char *name)
{
	struct published_unit u = unit_named(name);

	published_put_unit(p, index, &u);
}

static void assert_unit(const struct published *p, unsigned index, const char *name)
{
	struct published_unit u;
	struct err err = { 0 };

	if (published_get_unit(p, index, &u, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(u.name, name);
}

/* ------------------------------------------------------------------ writing and reading */

static void units_come_back(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_unit in = unit_named("web"), out;
	struct err err = { 0 };
	struct stat st;

	snprintf(in.detail, sizeof(in.detail), "waits for db");
	in.restarts = 3;
	in.started_real_usec = INT64_MAX;
	published_put_unit(w, 0, &in);
	assert_int_equal(published_get_unit(r, 0, &out, &err), 0);
	assert_string_equal(out.name, "web");
	assert_string_equal(out.detail, "waits for db");
	assert_int_equal(out.restarts, 3);
	assert_int_equal(out.exit_code, -1);
	assert_true(out.started_real_usec == INT64_MAX);
	assert_int_equal(published_get_unit(r, 1, &out, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	published_close(r);
	published_close(w);
	published_close(NULL);
}

static void count_grows_with_puts_and_can_be_set(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_header h;
	struct published_unit u;
	struct err err = { 0 };

	put(w, 4, "five");
	assert_int_equal(published_get_header(r, &h, &err), 0);
	assert_int_equal(h.unit_count, 5);
	/* the ones between are empty, not garbage */
	assert_int_equal(published_get_unit(r, 2, &u, &err), 0);
	assert_string_equal(u.name, "");
	published_set_unit_count(w, 2);
	assert_int_equal(published_get_unit(r, 2, &u, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	published_set_unit_count(w, PUBLISHED_MAX_UNITS + 50);
	assert_int_equal(published_get_header(r, &h, &err), 0);
	assert_int_equal(h.unit_count, PUBLISHED_MAX_UNITS);
	assert_int_equal(published_get_unit(r, PUBLISHED_MAX_UNITS - 1, &u, &err), 0);
	published_close(r);
	published_close(w);
}

static void units_past_the_last_find_no_room(void **state)
{
	struct published *w = must_create(state);

	put(w, PUBLISHED_MAX_UNITS - 1, "last");
	assert_non_null(published_unit_at(w, PUBLISHED_MAX_UNITS - 1));
	put(w, PUBLISHED_MAX_UNITS, "beyond");
	put(w, ~0u, "far beyond");
	assert_null(published_unit_at(w, PUBLISHED_MAX_UNITS));
	assert_null(published_unit_at(w, ~0u));
	assert_unit(w, PUBLISHED_MAX_UNITS - 1, "last");
	published_close(w);
}

static void generation_moves_with_changes_only(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_header h = { .settled = 1 };
	uint64_t before = published_generation(r);

	put(w, 0, "a");
	assert_true(published_generation(r) > before);
	before = published_generation(r);
	put(w, 0, "a");
	assert_true(published_generation(r) == before);
	put(w, 0, "b");
	assert_true(published_generation(r) == before + 1);
	published_put_header(w, &h);
	assert_true(published_generation(r) == before + 2);
	published_put_header(w, &h);
	published_heartbeat(w, 123);
	published_set_unit_count(w, 1);
	assert_true(published_generation(r) == before + 2);
	published_set_unit_count(w, 0);
	assert_true(published_generation(r) == before + 3);
	published_close(r);
	published_close(w);
}

static void header_keeps_what_is_not_the_callers(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_header in, out;
	struct err err = { 0 };

	memset(&in, 0xff, sizeof(in));
	snprintf(in.hostname, sizeof(in.hostname), "box");
	in.note_count = 2;
	snprintf(in.notes[0].text, sizeof(in.notes[0].text), "no memory controller");
	put(w, 2, "x");
	published_heartbeat(w, 999);
	published_put_header(w, &in);
	assert_int_equal(published_get_header(r, &out, &err), 0);
	assert_int_equal(out.magic, PUBLISHED_MAGIC);
	assert_int_equal(out.major, PUBLISHED_MAJOR);
	assert_int_equal(out.header_size, sizeof(struct published_header));
	assert_int_equal(out.record_size, sizeof(struct published_unit));
	assert_int_equal(out.capacity, PUBLISHED_MAX_UNITS);
	assert_int_equal(out.unit_count, 3);
	assert_int_equal(out.sequence % 2, 0);
	assert_true(out.heartbeat_monotonic_usec == 999);
	assert_true(out.engine_pid == -1);
	assert_string_equal(out.hostname, "box");
	assert_int_equal(out.note_count, 2);
	assert_string_equal(out.notes[0].text, "no memory controller");
	/* unterminated texts were given an end */
	assert_int_equal(strlen(out.version), sizeof(out.version) - 1);
	assert_int_equal(strlen(out.notes[1].text), sizeof(out.notes[1].text) - 1);
	in.note_count = PUBLISHED_MAX_NOTES + 1;
	published_put_header(w, &in);
	assert_int_equal(published_get_header(r, &out, &err), 0);
	assert_int_equal(out.note_count, PUBLISHED_MAX_NOTES);
	published_close(r);
	published_close(w);
}

#define IS_ENDED(array) assert_int_equal(strnlen(array, sizeof(array)), sizeof(array) - 1)

static void unterminated_texts_get_an_end(void **state)
{
	struct published *w = must_create(state);
	struct published_unit in, out;
	struct err err = { 0 };

	memset(&in, 'x', sizeof(in));
	published_put_unit(w, 0, &in);
	assert_int_equal(published_get_unit(w, 0, &out, &err), 0);
	IS_ENDED(out.name);
	IS_ENDED(out.unit);
	IS_ENDED(out.run_id);
	IS_ENDED(out.image);
	IS_ENDED(out.image_digest);
	IS_ENDED(out.detail);
	IS_ENDED(out.notes);
	IS_ENDED(out.ports);
	IS_ENDED(out.source);
	IS_ENDED(out.probe_output);
	IS_ENDED(out.addresses);
	IS_ENDED(out.log_tag);
	IS_ENDED(out.last_output);
	IS_ENDED(out.status_text);
	IS_ENDED(out.pod);
	IS_ENDED(out.update);
	assert_int_equal(out.sequence % 2, 0);
	published_close(w);
}

static void unterminated_texts_of_the_header_get_an_end(void **state)
{
	struct published *w = must_create(state);
	struct published_header in, out;
	struct err err = { 0 };

	memset(&in, 'x', sizeof(in));
	published_put_header(w, &in);
	assert_int_equal(published_get_header(w, &out, &err), 0);
	IS_ENDED(out.version);
	IS_ENDED(out.boot_id);
	IS_ENDED(out.hostname);
	IS_ENDED(out.ship_url);
	IS_ENDED(out.ship_error);
	IS_ENDED(out.links);
	IS_ENDED(out.status_address);
	assert_int_equal(out.note_count, PUBLISHED_MAX_NOTES);
	assert_int_equal(out.finding_count, PUBLISHED_MAX_FINDINGS);
	for (unsigned i = 0; i < PUBLISHED_MAX_NOTES; i++)
		IS_ENDED(out.notes[i].text);
	for (unsigned i = 0; i < PUBLISHED_MAX_FINDINGS; i++) {
		IS_ENDED(out.findings[i].id);
		IS_ENDED(out.findings[i].evidence);
	}
	published_close(w);
}

static void reading_through_a_descriptor(void **state)
{
	struct published *w = must_create(state);
	struct err err = { 0 };
	unsigned before = count_fds();

	put(w, 0, "a");
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct published *r = published_open_fd(fd, &err);
	assert_non_null(r);
	/* borrowed: the mapping lives without it */
	close_fd(&fd);
	assert_int_equal(count_fds(), before);
	assert_unit(r, 0, "a");
	published_close(r);
	published_close(w);
}

static void names_of_states(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= PUBLISHED_START_LIMIT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(published_state_name(i), published_state_name(j));
	assert_string_equal(published_state_name(PUBLISHED_UP), "up");
	assert_string_equal(published_state_name(PUBLISHED_BACKOFF), "backoff");
	assert_string_equal(published_state_name(PUBLISHED_NO_IMAGE), "no-image");
	assert_string_equal(published_state_name(PUBLISHED_START_LIMIT), "start-limit");
	assert_string_equal(published_state_name(200), "unknown");
	assert_string_equal(published_health_name(PUBLISHED_HEALTH_NONE), "");
	assert_string_equal(published_health_name(PUBLISHED_HEALTHY), "healthy");
	assert_string_equal(published_health_name(PUBLISHED_UNHEALTHY), "unhealthy");
	assert_string_equal(published_health_name(99), "unknown");
}

/* ------------------------------------------------------------------ concurrency */

enum { HAMMER_WRITES = 200000 };

/* Record n is n in every field that a reader looks at. */
static void hammer(struct published *w)
{
	struct published_unit u = { 0 };
	struct published_header h = { 0 };

	for (uint32_t n = 1; n <= HAMMER_WRITES; n++) {
		u.pid = (int32_t)n;
		u.restarts = n;
		u.started_real_usec = n;
		memset(u.name, (int)('a' + n % 26), sizeof(u.name) - 1);
		memset(u.probe_output, (int)('a' + n % 26), sizeof(u.probe_output) - 1);
		published_put_unit(w, 0, &u);
		if (n % 16 == 0) {
			h.engine_pid = n;
			h.boot_real_usec = n;
			memset(h.notes[PUBLISHED_MAX_NOTES - 1].text, (int)('a' + n % 26), 246);
			published_put_header(w, &h);
		}
	}
}

static void check_unit(const struct published_unit *u)
{
	char letter = (char)('a' + u->restarts % 26);

	assert_int_equal((uint32_t)u->pid, u->restarts);
	assert_true(u->started_real_usec == u->restarts);
	assert_int_equal(strlen(u->name), u->restarts ? sizeof(u->name) - 1 : 0);
	for (size_t i = 0; u->name[i]; i++)
		assert_int_equal(u->name[i], letter);
	for (size_t i = 0; u->probe_output[i]; i++)
		assert_int_equal(u->probe_output[i], letter);
}

static void check_header(const struct published_header *h)
{
	const char *text = h->notes[PUBLISHED_MAX_NOTES - 1].text;

	assert_true(h->engine_pid == h->boot_real_usec);
	if (h->engine_pid)
		assert_int_equal(text[0], 'a' + h->engine_pid % 26);
	for (size_t i = 1; i < 246; i++)
		assert_int_equal(text[i], text[0]);
}

/* The writer runs as fast as it can in another process; each read is one moment's truth. */
static void reader_never_sees_half_a_record(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_unit u = { 0 };
	struct published_header h;
	struct err err = { 0 };
	uint32_t last = 0;
	unsigned reads = 0;
	int status;
	pid_t pid;

	put(w, 0, "");
	published_put_unit(w, 0, &u);
	pid = fork();
	if (pid == 0) {
		hammer(w);
		_exit(0);
	}
	while (last < HAMMER_WRITES) {
		if (published_get_unit(r, 0, &u, &err) < 0) {
			/* only a writer that is not scheduled for long */
			assert_int_equal(err.code, ERR_BUSY);
			continue;
		}
		check_unit(&u);
		assert_true(u.restarts >= last);
		last = u.restarts;
		if (published_get_header(r, &h, &err) == 0)
			check_header(&h);
		reads++;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(reads > 0);
	published_close(r);
	published_close(w);
}

/* Writes to the file behind the mapping's back, as a dying writer or a disk of another world. */
static void poke(size_t offset, const void *data, size_t len)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
	close(fd);
}

static size_t record_offset(unsigned index)
{
	return sizeof(struct published_header) + index * sizeof(struct published_unit);
}

static void torn_record_is_busy_until_rewritten(void **state)
{
	struct published *w = must_create(state);
	struct published *r = must_open();
	struct published_unit u;
	struct published_header h;
	struct err err = { 0 };
	uint32_t odd = 5;

	put(w, 0, "before");
	poke(record_offset(0), &odd, sizeof(odd));
	assert_int_equal(published_get_unit(r, 0, &u, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	/* even the same contents count as a change then */
	put(w, 0, "before");
	assert_unit(r, 0, "before");
	poke(offsetof(struct published_header, sequence), &odd, sizeof(odd));
	assert_int_equal(published_get_header(r, &h, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	memset(&h, 0, sizeof(h));
	published_put_header(w, &h);
	assert_int_equal(published_get_header(r, &h, &err), 0);
	published_close(r);
	published_close(w);
}

/* ------------------------------------------------------------------ taking over */

static void next_writer_keeps_file_and_records(void **state)
{
	struct published *first = must_create(state);
	struct published *r = must_open();
	struct stat before, after;
	uint64_t generation;

	put(first, 0, "a");
	put(first, 1, "b");
	generation = published_generation(first);
	assert_int_equal(stat(path, &before), 0);
	published_close(first);

	struct published *second = must_create(state);

	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(published_generation(second) >= generation);
	assert_unit(r, 1, "b");
	put(second, 1, "c");
	assert_unit(r, 1, "c");
	assert_true(published_generation(r) > generation);
	published_close(second);
	published_close(r);
}

/* A file of the same major as a writer with other sizes would have left it. */
static void make_file(void **state, uint32_t header_size, uint32_t record_size, uint32_t units)
{
	struct scratch *s = *state;
	struct published_header h = { .magic = PUBLISHED_MAGIC,
				      .major = PUBLISHED_MAJOR,
				      .header_size = header_size,
				      .record_size = record_size,
				      .capacity = units + 3,
				      .unit_count = units,
				      .generation = 77 };
	int fd;

	snprintf(path, sizeof(path), "%s/published", s->path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)header_size + (off_t)(units + 3) * record_size), 0);
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	for (uint32_t i = 0; i < units; i++) {
		struct published_unit u = unit_named("");

		snprintf(u.name, sizeof(u.name), "unit-%u", i);
		assert_int_equal(pwrite(fd, &u, sizeof(u),
					(off_t)header_size + (off_t)i * record_size),
				 sizeof(u));
	}
	close(fd);
}

static void reader_understands_the_front_of_longer_records(void **state)
{
	struct published *r;
	struct published_header h;
	struct err err = { 0 };

	make_file(state, sizeof(struct published_header) + 64, sizeof(struct published_unit) + 128,
		  3);
	r = must_open();
	assert_unit(r, 0, "unit-0");
	assert_unit(r, 2, "unit-2");
	assert_int_equal(published_get_header(r, &h, &err), 0);
	assert_int_equal(h.unit_count, 3);
	published_close(r);
}

static void other_sizes_are_replaced_and_records_carried_over(void **state)
{
	struct published *w, *old;
	struct published_header h;
	struct err err = { 0 };

	make_file(state, sizeof(struct published_header) + 64, sizeof(struct published_unit) + 128,
		  3);
	old = must_open();
	w = must_create(state);
	assert_unit(w, 0, "unit-0");
	assert_unit(w, 2, "unit-2");
	assert_int_equal(published_get_header(w, &h, &err), 0);
	assert_int_equal(h.header_size, sizeof(struct published_header));
	assert_int_equal(h.record_size, sizeof(struct published_unit));
	assert_int_equal(h.capacity, PUBLISHED_MAX_UNITS);
	assert_int_equal(h.unit_count, 3);
	assert_true(h.generation >= 77);
	/* who still has the old file reads on */
	put(w, 0, "new");
	assert_unit(old, 0, "unit-0");
	published_close(old);
	published_close(w);
	assert_int_equal(scratch_count(*state, "."), 1);
}

static void unknown_major_is_left_alone(void **state)
{
	struct err err = { 0 };
	const uint32_t major = PUBLISHED_MAJOR + 1;
	struct stat before, after;

	make_file(state, sizeof(struct published_header), sizeof(struct published_unit), 1);
	poke(offsetof(struct published_header, major), &major, sizeof(major));
	assert_int_equal(stat(path, &before), 0);
	assert_null(create(state, &err));
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "layout 2"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_null(published_open(path, &err));
	assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static void garbage_is_refused_by_readers_and_replaced_by_writers(void **state)
{
	struct scratch *s = *state;
	struct published *w;
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/published", s->path);
	scratch_write(s, "published", "");
	assert_null(published_open(path, &err));
	assert_int_equal(err.code, ERR_INTEGRITY);
	w = must_create(state);
	published_close(w);
	unlink(path);
	scratch_write(s, "published",
		      "this is a text that is longer than the fixed part of a header");
	assert_null(published_open(path, &err));
	assert_int_equal(err.code, ERR_INTEGRITY);
	w = must_create(state);
	put(w, 0, "a");
	assert_unit(w, 0, "a");
	published_close(w);
}

static void impossible_headers_are_refused(void **state)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} pokes[] = {
		{ offsetof(struct published_header, header_size), 0 },
		{ offsetof(struct published_header, header_size), 4 },
		{ offsetof(struct published_header, header_size), UINT32_MAX },
		{ offsetof(struct published_header, header_size),
		  sizeof(struct published_header) + 1 },
		{ offsetof(struct published_header, record_size), 0 },
		{ offsetof(struct published_header, record_size), 8 },
		{ offsetof(struct published_header, record_size), UINT32_MAX },
		{ offsetof(struct published_header, record_size),
		  sizeof(struct published_unit) + 4 },
		{ offsetof(struct published_header, capacity), UINT32_MAX },
		{ offsetof(struct published_header, capacity), 60000 },
		{ offsetof(struct published_header, magic), 1 },
	};
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++) {
		make_file(state, sizeof(struct published_header), sizeof(struct published_unit), 1);
		poke(pokes[i].offset, &pokes[i].value, sizeof(uint32_t));
		err.code = ERR_NONE;
		assert_null(published_open(path, &err));
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_int_equal(unlink(path), 0);
	}
}

/* All of it is there, as a hole, but nobody of ours writes so many records. */
static void absurd_capacity_is_refused(void **state)
{
	struct err err = { 0 };
	uint32_t many = 100000;

	make_file(state, sizeof(struct published_header), sizeof(struct published_unit), 1);
	poke(offsetof(struct published_header, capacity), &many, sizeof(many));
	assert_int_equal(truncate(path, (off_t)record_offset(many)), 0);
	assert_null(published_open(path, &err));
	assert_int_equal(err.code, ERR_INTEGRITY);
}

static void count_beyond_the_capacity_is_not_believed(void **state)
{
	struct published *r;
	struct published_header h;
	struct published_unit u;
	struct err err = { 0 };
	uint32_t many = 1000000;

	make_file(state, sizeof(struct published_header), sizeof(struct published_unit), 1);
	poke(offsetof(struct published_header, unit_count), &many, sizeof(many));
	r = must_open();
	assert_int_equal(published_get_header(r, &h, &err), 0);
	assert_int_equal(h.unit_count, 4);
	assert_int_equal(published_get_unit(r, 3, &u, &err), 0);
	assert_int_equal(published_get_unit(r, 4, &u, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	published_close(r);
}

static void what_is_missing_or_in_the_way(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/published", s->path);
	assert_null(published_open(path, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_null(published_create("/nonexistent/dir/published", &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "/nonexistent/dir/published: "));
	assert_null(published_open_fd(-1, &err));
	assert_int_equal(err.sys_errno, EBADF);
	/* a planted link is not followed */
	scratch_write(s, "victim", "precious");
	scratch_link(s, "victim", "published");
	assert_null(create(state, &err));
	assert_int_equal(err.sys_errno, ELOOP);
}

/* A tmpfs with room for the header and few records. A store to a page that it cannot give would
 * be a SIGBUS. */
static int fill_small_tmpfs(struct scratch *s)
{
	struct err err = { 0 };
	struct published *w, *r;
	struct published_unit u = unit_named("x");
	unsigned written = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", s->path, "tmpfs", 0, "size=40k") < 0)
		return 10;
	snprintf(path, sizeof(path), "%s/published", s->path);
	w = published_create(path, &err);
	if (!w)
		return 11;
	r = published_open(path, &err);
	if (!r)
		return 12;
	do
		published_put_unit(w, written, &u);
	while (published_unit_at(w, written++) && written < 100);
	if (written == 100 || written < 3)
		return 1;
	published_set_unit_count(w, 500);
	/* the one that was lost is not shown, those before it are */
	if (published_get_unit(r, written - 1, &u, &err) == 0 || err.code != ERR_NOT_FOUND)
		return 2;
	if (published_get_unit(r, written - 2, &u, &err) < 0)
		return 3;
	if (published_unit_at(w, written - 1) || !published_unit_at(w, written - 2))
		return 4;
	published_heartbeat(w, 1);
	published_close(r);
	published_close(w);
	return 0;
}

static int no_room_at_all(struct scratch *s)
{
	struct err err = { 0 };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", s->path, "tmpfs", 0, "size=4k") < 0)
		return 10;
	snprintf(path, sizeof(path), "%s/published", s->path);
	if (published_create(path, &err) || err.sys_errno != ENOSPC)
		return 1;
	/* nothing stays: the next try needs the room */
	DIR *dir = opendir(s->path);
	unsigned names = 0;

	while (dir && readdir(dir))
		names++;
	if (dir)
		closedir(dir);
	return names == 2 ? 0 : 2;
}

static void the_writer_sees_its_own_records(void **state)
{
	struct published *w = must_create(state);
	const struct published_unit *seen;

	assert_null(published_unit_at(w, 0));
	put(w, 1, "web");
	seen = published_unit_at(w, 1);
	assert_non_null(seen);
	assert_string_equal(seen->name, "web");
	/* its room came with the one behind it */
	assert_string_equal(published_unit_at(w, 0)->name, "");
	put(w, 1, "db");
	assert_string_equal(seen->name, "db");
	assert_null(published_unit_at(w, 2));
	assert_null(published_unit_at(w, PUBLISHED_MAX_UNITS));
	published_close(w);
}

static int in_child(struct scratch *s, int (*fn)(struct scratch *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void full_tmpfs_loses_records_not_the_writer(void **state)
{
	assert_int_equal(in_child(*state, fill_small_tmpfs), 0);
	assert_int_equal(in_child(*state, no_room_at_all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(units_come_back),
		scratch_test(count_grows_with_puts_and_can_be_set),
		scratch_test(units_past_the_last_find_no_room),
		scratch_test(generation_moves_with_changes_only),
		scratch_test(header_keeps_what_is_not_the_callers),
		scratch_test(unterminated_texts_get_an_end),
		scratch_test(unterminated_texts_of_the_header_get_an_end),
		scratch_test(reading_through_a_descriptor),
		cmocka_unit_test(names_of_states),
		scratch_test(reader_never_sees_half_a_record),
		scratch_test(torn_record_is_busy_until_rewritten),
		scratch_test(next_writer_keeps_file_and_records),
		scratch_test(reader_understands_the_front_of_longer_records),
		scratch_test(other_sizes_are_replaced_and_records_carried_over),
		scratch_test(unknown_major_is_left_alone),
		scratch_test(garbage_is_refused_by_readers_and_replaced_by_writers),
		scratch_test(impossible_headers_are_refused),
		scratch_test(absurd_capacity_is_refused),
		scratch_test(count_beyond_the_capacity_is_not_believed),
		scratch_test(what_is_missing_or_in_the_way),
		scratch_test(the_writer_sees_its_own_records),
		scratch_test(full_tmpfs_loses_records_not_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
