/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published state: a mapping that one process writes and any number read without asking it.
 * Readers believe nothing that they have not checked, because the writer may be of another version
 * or have died in the middle of a copy. Must never wait for a reader, nor make the writer fault:
 * every page is allocated before it is touched (a full tmpfs answers a plain store with SIGBUS).
 */
#include "util/published.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define TORN_READS_MAX 1000
#define TORN_READS_BEFORE_YIELD 8

/* Sizes of the first released layout: what every reader may count on. They never change. */
#define HEADER_SIZE_MIN 8160
#define RECORD_SIZE_MIN 2592
#define SIZE_LIMIT (64 * 1024) /* of a header or a record; a sane bound for what a file claims */

_Static_assert(sizeof(struct published_header) >= HEADER_SIZE_MIN, "fields are only appended");
_Static_assert(sizeof(struct published_unit) >= RECORD_SIZE_MIN, "fields are only appended");
_Static_assert(sizeof(struct published_header) % 8 == 0 && sizeof(struct published_unit) % 8 == 0,
	       "records stay aligned, and comparing them sees no padding");

struct published {
	unsigned char *map; /* owned */
	size_t map_size;
	int fd;					     /* owned by a writer, else -1 */
	uint32_t header_size, record_size, capacity; /* checked once; the file's may change later */
	unsigned backed;			     /* records whose pages are allocated */
};

const char *published_state_name(unsigned state)
{
	static const char *const names[] = {
		[PUBLISHED_INVALID] = "invalid",	 [PUBLISHED_DOWN] = "down",
		[PUBLISHED_WAITING] = "waiting",	 [PUBLISHED_PULLING] = "pulling",
		[PUBLISHED_STARTING] = "starting",	 [PUBLISHED_UP] = "up",
		[PUBLISHED_STOPPING] = "stopping",	 [PUBLISHED_BACKOFF] = "backoff",
		[PUBLISHED_FAILED] = "failed",		 [PUBLISHED_NO_IMAGE] = "no-image",
		[PUBLISHED_START_LIMIT] = "start-limit",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *published_state_remark(const struct published_unit *u)
{
	if (u->last_good)
		return u->pid ? " (running last good)" : " (last good not running)";
	return u->masked ? " (masked)" : "";
}

const char *published_unit_fault(const struct published_unit *u)
{
	if (u->operator_fault)
		return published_state_name(u->state);
	if (!u->wanted || !u->boot_start)
		return NULL;
	if (u->state != PUBLISHED_UP)
		return published_state_name(u->state);
	if (u->health == PUBLISHED_HEALTH_STARTING)
		return "not healthy yet";
	return u->health == PUBLISHED_UNHEALTHY ? "unhealthy" : NULL;
}

const char *published_health_name(unsigned health)
{
	static const char *const names[] = {
		[PUBLISHED_HEALTH_NONE] = "",
		[PUBLISHED_HEALTH_STARTING] = "starting",
		[PUBLISHED_HEALTHY] = "healthy",
		[PUBLISHED_UNHEALTHY] = "unhealthy",
	};

	return health < sizeof(names) / sizeof(names[0]) ? names[health] : "unknown";
}

static struct published_header *header_of(const struct published *p)
{
	return (struct published_header *)(void *)p->map;
}

static unsigned char *record_of(const struct published *p, unsigned index)
{
	return p->map + p->header_size + (size_t)index * p->record_size;
}

/* ------------------------------------------------------------------ sequence counters */

/* A counter left odd by a writer that died stays odd here and becomes even at the end. */
static void write_begin(uint32_t *sequence)
{
	uint32_t value = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	__atomic_store_n(sequence, value | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void write_end(uint32_t *sequence)
{
	uint32_t value = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	__atomic_store_n(sequence, value + 1, __ATOMIC_RELEASE);
}

static int read_stable(const uint32_t *sequence, const void *from, void *to, size_t size,
		       struct err *err)
{
	for (unsigned tries = 0; tries < TORN_READS_MAX; tries++) {
		uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);

		memcpy(to, from, size);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(before & 1) && before == __atomic_load_n(sequence, __ATOMIC_RELAXED))
			return 0;
		if (tries >= TORN_READS_BEFORE_YIELD)
			sched_yield();
	}
	return err_set(err, ERR_BUSY, "published state: torn: its writer died half-way");
}

static void bump_generation(struct published *p)
{
	__atomic_fetch_add(&header_of(p)->generation, 1, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ layout and mapping */

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t layout_size(const struct published_header *h)
{
	return (size_t)h->header_size + (size_t)h->capacity * h->record_size;
}

static int layout_check(const struct published_header *h, off_t file_size, struct err *err)
{
	if (h->magic != PUBLISHED_MAGIC)
		return err_set(err, ERR_INTEGRITY, "not a published state file");
	if (h->major != PUBLISHED_MAJOR)
		return err_set(err, ERR_UNSUPPORTED, "layout %u, this program knows %d", h->major,
			       PUBLISHED_MAJOR);
	if (h->header_size < HEADER_SIZE_MIN || h->header_size > SIZE_LIMIT ||
	    h->record_size < RECORD_SIZE_MIN || h->record_size > SIZE_LIMIT || h->header_size % 8 ||
	    h->record_size % 8 || h->capacity > SIZE_LIMIT)
		return err_set(err, ERR_INTEGRITY, "impossible sizes in its header");
	if ((uint64_t)file_size < layout_size(h))
		return err_set(err, ERR_INTEGRITY, "shorter than its header says");
	return 0;
}

static bool layout_is_ours(const struct published_header *h)
{
	return h->header_size == sizeof(struct published_header) &&
	       h->record_size == sizeof(struct published_unit) &&
	       h->capacity == PUBLISHED_MAX_UNITS;
}

/* Checks before it maps: a mapping beyond the end of the file would be a SIGBUS later. */
static struct published *map_fd(int fd, int prot, struct err *err)
{
	struct published_header h = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0) {
		err_sys(err, "fstat");
		return NULL;
	}
	if (pread(fd, &h, sizeof(h), 0) < (ssize_t)offsetof(struct published_header, sequence)) {
		err_set(err, ERR_INTEGRITY, "not a published state file");
		return NULL;
	}
	if (layout_check(&h, st.st_size, err) < 0)
		return NULL;

	struct published *p = calloc(1, sizeof(*p));
	void *map = mmap(NULL, layout_size(&h), prot, MAP_SHARED, fd, 0);

	if (!p || map == MAP_FAILED) {
		err_sys(err, "mmap");
		if (map != MAP_FAILED)
			munmap(map, layout_size(&h));
		free(p);
		return NULL;
	}
	p->fd = -1;
	p->map = map;
	p->map_size = layout_size(&h);
	p->header_size = h.header_size;
	p->record_size = h.record_size;
	p->capacity = h.capacity;
	return p;
}

void published_close(struct published *p)
{
	if (!p)
		return;
	munmap(p->map, p->map_size);
	close_fd(&p->fd);
	free(p);
}

/* ------------------------------------------------------------------ writer */

static int allocate(int fd, off_t start, off_t len)
{
	int rc;

retry:
	rc = fallocate(fd, 0, start, len);
	if (rc < 0 && errno == EINTR)
		goto retry;
	return rc;
}

/* Pages of all records below count; once there they stay. */
static bool back_records(struct published *p, unsigned count)
{
	if (count <= p->backed)
		return true;

	off_t start = (off_t)p->header_size + (off_t)p->backed * p->record_size;
	off_t len = (off_t)(count - p->backed) * p->record_size;

	if (allocate(p->fd, start, len) < 0)
		return false;
	p->backed = count;
	return true;
}

/* What an engine of another version left, in our layout: the common front of each piece. */
static void copy_old(struct published *p, const struct published *old)
{
	size_t keep = offsetof(struct published_header, sequence);
	size_t head = min_size(p->header_size, old->header_size);
	uint32_t count = header_of(old)->unit_count;

	memcpy(p->map + keep, old->map + keep, head - keep);
	count = (uint32_t)min_size(count, min_size(p->capacity, old->capacity));
	header_of(p)->unit_count = count;
	if (!back_records(p, count))
		header_of(p)->unit_count = 0;
	for (unsigned i = 0; i < header_of(p)->unit_count; i++)
		memcpy(record_of(p, i), record_of(old, i),
		       min_size(p->record_size, old->record_size));
}

static struct published *writer_map(int *fd, struct err *err)
{
	struct published *p = map_fd(*fd, PROT_READ | PROT_WRITE, err);

	if (p)
		p->fd = take_fd(fd);
	return p;
}

/* A complete file under a temporary name, then the rename: a reader never sees half a header. */
static struct published *create_new(const char *path, const struct published *old, struct err *err)
{
	static const struct published_header h = {
		.magic = PUBLISHED_MAGIC,
		.major = PUBLISHED_MAJOR,
		.header_size = sizeof(struct published_header),
		.record_size = sizeof(struct published_unit),
		.capacity = PUBLISHED_MAX_UNITS,
	};
	char temp[PATH_MAX];
	int n = snprintf(temp, sizeof(temp), "%s.tmp-%ld", path, (long)getpid());

	if (n < 0 || (size_t)n >= sizeof(temp)) {
		err_errno(err, ENAMETOOLONG, "%s", path);
		return NULL;
	}
	unlink(temp);

	auto_fd int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct published *p = NULL;

	if (fd < 0) {
		err_sys(err, "create");
		return NULL;
	}
	if (fchmod(fd, 0644) < 0 || ftruncate(fd, (off_t)layout_size(&h)) < 0 ||
	    allocate(fd, 0, sizeof(h)) < 0 || pwrite(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		err_sys(err, "prepare");
	else
		p = writer_map(&fd, err);
	if (p && old)
		copy_old(p, old);
	if (p && rename(temp, path) < 0) {
		err_sys(err, "rename");
		published_close(p);
		p = NULL;
	}
	if (!p)
		unlink(temp);
	return p;
}

static struct published *create_at(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return create_new(path, NULL, err);
	if (fd < 0) {
		err_sys(err, "open");
		return NULL;
	}

	struct err reason = { 0 };
	struct published *p = writer_map(&fd, &reason);

	if (!p && reason.code == ERR_INTEGRITY)
		return create_new(path, NULL, err);
	if (!p) {
		*err = reason;
		return NULL;
	}
	if (!layout_is_ours(header_of(p))) {
		struct published *fresh = create_new(path, p, err);

		published_close(p);
		return fresh;
	}
	if (allocate(p->fd, 0, (off_t)p->header_size) < 0) {
		err_sys(err, "fallocate");
		published_close(p);
		return NULL;
	}
	return p;
}

struct published *published_create(const char *path, struct err *err)
{
	struct published *p = create_at(path, err);

	if (!p)
		err_wrap(err, "%s", path);
	return p;
}

/* Every char array of the layouts ends in a NUL, whatever was given to us or read. */
#define TERMINATE(array) ((array)[sizeof(array) - 1] = '\0')

static void terminate_unit(struct published_unit *u)
{
	TERMINATE(u->name);
	TERMINATE(u->unit);
	TERMINATE(u->run_id);
	TERMINATE(u->image);
	TERMINATE(u->image_digest);
	TERMINATE(u->detail);
	TERMINATE(u->notes);
	TERMINATE(u->ports);
	TERMINATE(u->source);
	TERMINATE(u->probe_output);
	TERMINATE(u->addresses);
	TERMINATE(u->log_tag);
	TERMINATE(u->last_output);
	TERMINATE(u->status_text);
	TERMINATE(u->pod);
	TERMINATE(u->update);
}

static void terminate_header(struct published_header *h)
{
	TERMINATE(h->version);
	TERMINATE(h->boot_id);
	TERMINATE(h->hostname);
	if (h->note_count > PUBLISHED_MAX_NOTES)
		h->note_count = PUBLISHED_MAX_NOTES;
	for (size_t i = 0; i < PUBLISHED_MAX_NOTES; i++)
		TERMINATE(h->notes[i].text);
	TERMINATE(h->ship_url);
	TERMINATE(h->ship_error);
	if (h->finding_count > PUBLISHED_MAX_FINDINGS)
		h->finding_count = PUBLISHED_MAX_FINDINGS;
	for (size_t i = 0; i < PUBLISHED_MAX_FINDINGS; i++) {
		TERMINATE(h->findings[i].id);
		TERMINATE(h->findings[i].evidence);
	}
	TERMINATE(h->links);
	TERMINATE(h->status_address);
}

/* Writes the part behind the counter if it differs; equal and whole means nothing to do. */
static bool write_guarded(uint32_t *sequence, void *to, const void *from, size_t size)
{
	if (!(__atomic_load_n(sequence, __ATOMIC_RELAXED) & 1) && memcmp(to, from, size) == 0)
		return false;
	write_begin(sequence);
	memcpy(to, from, size);
	write_end(sequence);
	return true;
}

static void set_unit_count(struct published *p, uint32_t count)
{
	struct published_header *h = header_of(p);

	if (h->unit_count == count)
		return;
	write_begin(&h->sequence);
	__atomic_store_n(&h->unit_count, count, __ATOMIC_RELAXED);
	write_end(&h->sequence);
}

void published_put_unit(struct published *p, unsigned index, const struct published_unit *unit)
{
	struct published_unit copy = *unit;
	const size_t skip = offsetof(struct published_unit, sequence) + sizeof(copy.sequence);

	if (index >= p->capacity || !back_records(p, index + 1))
		return;

	unsigned char *record = record_of(p, index);

	terminate_unit(&copy);

	bool changed = write_guarded((uint32_t *)(void *)record, record + skip,
				     (unsigned char *)&copy + skip, sizeof(copy) - skip);

	if (header_of(p)->unit_count <= index) {
		set_unit_count(p, index + 1);
		changed = true;
	}
	if (changed)
		bump_generation(p);
}

const struct published_unit *published_unit_at(const struct published *p, unsigned index)
{
	/* a writer's records are of this layout: published_create() */
	if (index >= p->backed)
		return NULL;
	return (const struct published_unit *)(void *)record_of(p, index);
}

void published_set_unit_count(struct published *p, unsigned count)
{
	if (count > p->capacity)
		count = p->capacity;
	if (!back_records(p, count) || header_of(p)->unit_count == count)
		return;
	set_unit_count(p, count);
	bump_generation(p);
}

void published_put_header(struct published *p, const struct published_header *header)
{
	struct published_header *h = header_of(p), copy = *header;
	const size_t skip = offsetof(struct published_header, unit_count);

	copy.unit_count = h->unit_count;
	copy.generation = h->generation;
	copy.heartbeat_monotonic_usec = h->heartbeat_monotonic_usec;
	terminate_header(&copy);
	if (write_guarded(&h->sequence, (unsigned char *)h + skip, (unsigned char *)&copy + skip,
			  sizeof(copy) - skip))
		bump_generation(p);
}

void published_heartbeat(struct published *p, uint64_t monotonic_usec)
{
	__atomic_store_n(&header_of(p)->heartbeat_monotonic_usec, monotonic_usec, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ reader */

struct published *published_open_fd(int fd, struct err *err)
{
	struct published *p = map_fd(fd, PROT_READ, err);

	if (!p)
		err_wrap(err, "published state");
	return p;
}

struct published *published_open(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		err_sys(err, "%s: open", path);
		return NULL;
	}

	struct published *p = map_fd(fd, PROT_READ, err);

	if (!p)
		err_wrap(err, "%s", path);
	return p;
}

uint64_t published_generation(const struct published *p)
{
	return __atomic_load_n(&header_of(p)->generation, __ATOMIC_ACQUIRE);
}

int published_get_header(const struct published *p, struct published_header *out, struct err *err)
{
	const struct published_header *h = header_of(p);
	size_t size = min_size(sizeof(*out), p->header_size);

	memset(out, 0, sizeof(*out));
	if (read_stable(&h->sequence, h, out, size, err) < 0)
		return -1;
	terminate_header(out);
	if (out->unit_count > p->capacity)
		out->unit_count = p->capacity;
	return 0;
}

int published_get_unit(const struct published *p, unsigned index, struct published_unit *out,
		       struct err *err)
{
	uint32_t count = __atomic_load_n(&header_of(p)->unit_count, __ATOMIC_ACQUIRE);

	if (index >= count || index >= p->capacity)
		return err_set(err, ERR_NOT_FOUND, "published state: no record %u", index);

	const unsigned char *record = record_of(p, index);
	const uint32_t *sequence = (const uint32_t *)(const void *)record;

	memset(out, 0, sizeof(*out));
	if (read_stable(sequence, record, out, min_size(sizeof(*out), p->record_size), err) < 0)
		return -1;
	terminate_unit(out);
	return 0;
}
