/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of events. Written with pwrite and not through a mapping, because inotify tells readers of the former only. The header's
 * number goes up after the record is there. Must never wait for a reader, and never believe what a file says about its size.
 */
#include "util/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/str.h"

#define NUMBERS_END (UINT64_MAX / 2) /* nobody counts that far: what says so is damaged */

struct event_header {
	uint32_t magic;
	uint16_t version, length; /* of this header */
	uint32_t record_size, count;
	uint64_t next; /* number that the next record gets; 1 at first */
};

struct event_writer {
	int fd; /* owned */
	uint64_t next;
};

/* clang-format off */
static const struct event_row rows[EVENT_KIND_COUNT] = {
	[EVENT_ENGINE_START]  = { "engine-start",  NULL,	"daemon",    NULL, "version" },
	[EVENT_ENGINE_STOP]   = { "engine-stop",   NULL,	"daemon",    NULL, "reason" },
	[EVENT_ADOPT]	      = { "adopt",	   NULL,	"container", NULL, "reason" },
	[EVENT_CREATE]	      = { "create",	   NULL,	"container", "create", "reason" },
	[EVENT_START]	      = { "start",	   NULL,	"container", "start", "reason" },
	[EVENT_START_FAILED]  = { "start-failed",  NULL,	"container", NULL, "reason" },
	[EVENT_DIE]	      = { "die",	   "died",	"container", "die", "reason" },
	[EVENT_OOM]	      = { "oom",	   NULL,	"container", "oom", "reason" },
	[EVENT_KILL]	      = { "kill",	   NULL,	"container", "kill", "reason" },
	[EVENT_STOP]	      = { "stop",	   NULL,	"container", "stop", "reason" },
	[EVENT_RESTART]	      = { "restart",	   NULL,	"container", "restart", "reason" },
	[EVENT_FAILED]	      = { "failed",	   NULL,	"container", NULL, "reason" },
	[EVENT_HEALTH_STATUS] = { "health_status", NULL,	"container", "health_status", "health_status" },
	[EVENT_RELOAD]	      = { "reload",	   NULL,	"daemon",    "reload", "reason" },
	[EVENT_PULL]	      = { "pull",	   NULL,	"image",     "pull", "digest" },
	[EVENT_PULL_FAILED]   = { "pull-failed",   "pull-error", "image",    NULL, "reason" },
	[EVENT_UNIT_ADD]      = { "unit-add",	   NULL,	"unit",	     NULL, "reason" },
	[EVENT_UNIT_CHANGE]   = { "unit-change",   NULL,	"unit",	     NULL, "reason" },
	[EVENT_UNIT_REMOVE]   = { "unit-remove",   NULL,	"unit",	     NULL, "reason" },
	[EVENT_UNIT_INVALID]  = { "unit-invalid",  NULL,	"unit",	     NULL, "reason" },
	[EVENT_UPDATE]	      = { "update",	   "auto-update", "container", "update", "digest" },
	[EVENT_ROLLBACK]      = { "rollback",	   NULL,	"container", NULL, "reason" },
	[EVENT_EXEC_CREATE]   = { "exec_create",   "exec",	"container", "exec_create", "reason" },
	[EVENT_EXEC_DIE]      = { "exec_die",	   "exec_died",	"container", "exec_die", "reason" },
	[EVENT_ACTION]	      = { "action",	   NULL,	"unit",	     NULL, "reason" },
};
/* clang-format on */

const struct event_row *event_row(unsigned kind)
{
	return kind < EVENT_KIND_COUNT && rows[kind].name ? &rows[kind] : NULL;
}

static off_t place_of(uint64_t sequence)
{
	return (off_t)(sizeof(struct event_header) +
		       sequence % EVENT_RING_COUNT * sizeof(struct event));
}

static bool is_ours(const struct event_header *h)
{
	return h->magic == EVENT_MAGIC && h->length == sizeof(*h) &&
	       h->record_size == sizeof(struct event) && h->count == EVENT_RING_COUNT &&
	       h->next > 0 && h->next <= NUMBERS_END;
}

static bool read_header(int fd, struct event_header *out)
{
	return pread(fd, out, sizeof(*out), 0) == (ssize_t)sizeof(*out) && is_ours(out);
}

static int put_header(const struct event_writer *w, struct err *err)
{
	const struct event_header h = { .magic = EVENT_MAGIC,
					.version = 1,
					.length = sizeof(h),
					.record_size = sizeof(struct event),
					.count = EVENT_RING_COUNT,
					.next = w->next };

	if (pwrite(w->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return err_sys(err, "write");
	return 0;
}

static int open_file(struct event_writer *w, const char *path, struct err *err)
{
	struct event_header h;
	struct stat st;

	w->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a regular file", path);
	if (read_header(w->fd, &h)) {
		w->next = h.next;
		return 0;
	}
	/* Readers hold the old file and see that it has gone. */
	close_fd(&w->fd);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "%s", path);
	w->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (w->fd < 0)
		return err_sys(err, "%s", path);
	w->next = 1;
	return put_header(w, err) < 0 ? err_wrap(err, "%s", path) : 0;
}

struct event_writer *event_writer_open(const char *path, struct err *err)
{
	struct event_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	w->fd = -1;
	if (open_file(w, path, err) == 0)
		return w;
	event_writer_close(w);
	return NULL;
}

void event_writer_close(struct event_writer *w)
{
	if (w)
		close_fd(&w->fd);
	free(w);
}

void event_write(struct event_writer *w, struct event *event)
{
	struct timespec now;

	if (!event->real_nsec && clock_gettime(CLOCK_REALTIME, &now) == 0)
		event->real_nsec = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	event->sequence = event->sequence_end = w->next;
	w->next++;
	/* readers see the gap in the numbers */
	if (pwrite(w->fd, event, sizeof(*event), place_of(event->sequence)) ==
	    (ssize_t)sizeof(*event))
		(void)!put_header(w, NULL);
}

int event_reader_init(struct event_reader *r, int fd, bool at_end, struct err *err)
{
	struct event_header h;

	*r = (struct event_reader){ .fd = fd };
	if (!read_header(fd, &h))
		return err_set(err, ERR_INTEGRITY, "the ring of events has an unknown form");
	r->next = at_end ? h.next : h.next > EVENT_RING_COUNT ? h.next - EVENT_RING_COUNT : 1;
	return 0;
}

static void terminate(struct event *e)
{
	e->run_id[sizeof(e->run_id) - 1] = e->name[sizeof(e->name) - 1] = '\0';
	e->unit[sizeof(e->unit) - 1] = e->image[sizeof(e->image) - 1] = '\0';
	e->text[sizeof(e->text) - 1] = '\0';
}

int event_read(struct event_reader *r, struct event *out, uint64_t *lost, struct err *err)
{
	struct event_header h;
	uint64_t oldest;

	*lost = 0;
	if (!read_header(r->fd, &h))
		return err_set(err, ERR_INTEGRITY, "the ring of events has an unknown form");
	oldest = h.next > EVENT_RING_COUNT ? h.next - EVENT_RING_COUNT : 1;
	if (r->next < oldest) {
		*lost = oldest - r->next;
		r->next = oldest;
	}
	while (r->next < h.next) {
		ssize_t n = pread(r->fd, out, sizeof(*out), place_of(r->next));

		/* A record that was overwritten since, half or whole, or could not be written is lost. */
		if (n == (ssize_t)sizeof(*out) && out->sequence == r->next &&
		    out->sequence_end == r->next) {
			r->next++;
			terminate(out);
			return 1;
		}
		r->next++;
		++*lost;
	}
	return 0;
}

/* "web.container", "web", "web.service", as everywhere. */
static bool is_unit(const struct event *e, const char *value)
{
	const char *dot = strrchr(e->unit, '.');
	size_t stem = dot ? (size_t)(dot - e->unit) : strlen(e->unit);

	return str_eq(e->unit, value) || str_eq(e->name, value) ||
	       (stem > 0 && strncmp(e->unit, value, stem) == 0 &&
		(!value[stem] || str_eq(value + stem, ".service")));
}

/* "health_status=healthy" is docker's way to ask for one of them. */
static bool is_kind(const struct event *e, const char *value)
{
	const struct event_row *row = event_row(e->kind);
	size_t len = row ? strlen(row->name) : 0;

	if (!row)
		return false;
	if (str_eq(row->name, value) || (row->other && str_eq(row->other, value)))
		return true;
	return e->kind == EVENT_HEALTH_STATUS && strncmp(value, row->name, len) == 0 &&
	       (value[len] == '=' || value[len] == ':') &&
	       str_eq(e->text, value + len + 1 + strspn(value + len + 1, " "));
}

static bool fits_term(const struct event_filter_term *term, const struct event *e)
{
	const struct event_row *row = event_row(e->kind);

	if (str_eq(term->key, "event"))
		return is_kind(e, term->value);
	if (str_eq(term->key, "type"))
		return row && str_eq(row->type, term->value);
	if (str_eq(term->key, "image"))
		return str_starts(e->image, term->value) &&
		       (!e->image[strlen(term->value)] ||
			strchr(":@", e->image[strlen(term->value)]));
	if (str_eq(term->key, "unit"))
		return is_unit(e, term->value);
	/* a container by each of its names, as every command takes them */
	return is_unit(e, term->value) ||
	       (e->run_id[0] && strlen(term->value) >= 4 && str_starts(e->run_id, term->value));
}

bool event_filter_fits(const struct event_filter *f, const struct event *e)
{
	int64_t usec = e->real_nsec / 1000;

	if ((f->since_usec && usec < f->since_usec) || (f->until_usec && usec > f->until_usec))
		return false;
	for (unsigned i = 0; i < f->count; i++) {
		bool fits = false;

		for (unsigned k = 0; k < f->count && !fits; k++)
			fits = str_eq(f->terms[k].key, f->terms[i].key) &&
			       fits_term(&f->terms[k], e);
		if (!fits)
			return false;
	}
	return true;
}

static bool is_known_kind(const char *value)
{
	for (unsigned kind = 0; kind < EVENT_KIND_COUNT; kind++)
		if (rows[kind].name && (str_eq(rows[kind].name, value) ||
					(rows[kind].other && str_eq(rows[kind].other, value))))
			return true;
	return str_starts(value, "health_status=") || str_starts(value, "health_status:");
}

int event_filter_add(struct event_filter *f, const char *key, const char *value, struct err *err)
{
	static const char *const keys[] = { "unit", "container", "event", "type", "image" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!str_eq(keys[i], key))
			continue;
		if (f->count == EVENT_FILTER_MAX)
			return err_set(err, ERR_LIMIT, "more than %d filters", EVENT_FILTER_MAX);
		if (str_eq(key, "event") && !is_known_kind(value))
			return err_set(err, ERR_INPUT, "filter event=%s: no such event", value);
		f->terms[f->count++] = (struct event_filter_term){ keys[i], value };
		return 0;
	}
	return err_set(err, ERR_INPUT,
		       "filter %s: unknown; known are unit, container, event, type, image", key);
}
