/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of units, written. Every engine makes the file anew with what the one before it has left: so units that come and go,
 * torn records and another number of lines need no code of their own, and readers keep the file that they have opened. Must never
 * wait, and never keep the engine from running.
 */
#include "supervise/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervise/history_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

struct slot {
	struct history_unit who;
	uint64_t next;
};

struct history {
	int fd; /* owned */
	uint32_t lines;
	uint64_t order;
	unsigned count;
	struct slot slots[HISTORY_SLOTS_MAX]; /* by name */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct slot *)a)->who.name, ((const struct slot *)b)->who.name);
}

static struct slot *find(struct history *h, const char *name)
{
	struct slot key;

	str_copy(key.who.name, sizeof(key.who.name), name);
	return bsearch(&key, h->slots, h->count, sizeof(key), by_name);
}

static void add_slot(struct history *h, const struct history_unit *who)
{
	struct slot *slot = &h->slots[h->count];

	if (h->count == HISTORY_SLOTS_MAX || !who->name[0])
		return;
	*slot = (struct slot){ .next = 1 };
	str_copy(slot->who.name, sizeof(slot->who.name), who->name);
	str_copy(slot->who.unit, sizeof(slot->who.unit), who->unit);
	h->count++;
}

static void sort(struct history *h)
{
	unsigned kept = 0;

	qsort(h->slots, h->count, sizeof(h->slots[0]), by_name);
	for (unsigned i = 0; i < h->count; i++)
		if (!kept || !str_eq(h->slots[kept - 1].who.name, h->slots[i].who.name))
			h->slots[kept++] = h->slots[i];
	h->count = kept;
}

/* Those that run now, and of those that have gone as many as there is room for. */
static void choose_slots(struct history *h, const struct history_unit *units, unsigned count,
			 const struct history_file *old)
{
	static const struct history_unit all = { .name = HISTORY_OF_ALL };
	unsigned now;

	h->lines = count > HISTORY_UNITS_FEW ? HISTORY_LINES_MANY : HISTORY_LINES;
	add_slot(h, &all);
	for (unsigned i = 0; i < count && h->count < HISTORY_SLOTS_MAX; i++)
		add_slot(h, &units[i]);
	sort(h);
	now = h->count;
	for (uint32_t i = 0; i < old->header.slots && h->count < history_slots(h->lines); i++) {
		struct history_unit who;
		struct slot key = { 0 };

		history_file_unit(old, i, &who);
		str_copy(key.who.name, sizeof(key.who.name), who.name);
		if (!bsearch(&key, h->slots, now, sizeof(key), by_name))
			add_slot(h, &who);
	}
	sort(h);
}

static off_t place_of_slot(unsigned slot)
{
	return (off_t)(sizeof(struct history_header) + slot * sizeof(struct history_unit));
}

static off_t place_of(const struct history *h, unsigned slot, uint64_t sequence)
{
	return place_of_slot(history_slots(h->lines)) +
	       (off_t)(((uint64_t)slot * h->lines + sequence % h->lines) *
		       sizeof(struct history_record));
}

static bool put(int fd, const void *data, size_t size, off_t place)
{
	return pwrite(fd, data, size, place) == (ssize_t)size;
}

/* The newest lines of a slot, in one write; the numbers stay, so that a reader sees what is missing. */
static bool copy_lines(struct history *h, unsigned index, const struct history_file *old)
{
	static struct history_record ring[HISTORY_LINES];
	struct slot *slot = &h->slots[index];
	uint32_t from;

	if (!history_file_find(old, slot->who.name, &from))
		return true;
	slot->next = history_file_next(old, from);
	memset(ring, 0, sizeof(ring));
	for (uint64_t n = slot->next > h->lines ? slot->next - h->lines : 1; n < slot->next; n++) {
		struct history_record *record = &ring[n % h->lines];

		if (!history_file_record(old, from, n, record))
			*record = (struct history_record){ .sequence = 0 };
		else if (record->order >= h->order)
			h->order = record->order + 1;
	}
	return put(h->fd, ring, (slot->next < h->lines ? slot->next : h->lines) * sizeof(ring[0]),
		   place_of(h, index, 0));
}

static bool fill(struct history *h, const struct history_file *old)
{
	const struct history_header header = {
		.magic = HISTORY_MAGIC,
		.version = HISTORY_VERSION,
		.length = sizeof(header),
		.slots = history_slots(h->lines),
		.lines = h->lines,
		.unit_size = sizeof(struct history_unit),
		.record_size = sizeof(struct history_record),
	};

	if (ftruncate(h->fd, place_of(h, header.slots, 0)) < 0 ||
	    !put(h->fd, &header, sizeof(header), 0))
		return false;
	for (unsigned i = 0; i < h->count; i++)
		if (!put(h->fd, &h->slots[i].who, sizeof(h->slots[i].who), place_of_slot(i)) ||
		    !copy_lines(h, i, old))
			return false;
	return true;
}

static int make(struct history *h, const char *path, const struct history_file *old,
		struct err *err)
{
	char new_path[256];

	if (snprintf(new_path, sizeof(new_path), "%s.new", path) >= (int)sizeof(new_path))
		return err_set(err, ERR_LIMIT, "%s: path too long", path);
	if (unlink(new_path) < 0 && errno != ENOENT)
		return err_sys(err, "%s", new_path);
	h->fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (h->fd < 0 || !fill(h, old) || rename(new_path, path) < 0)
		return err_sys(err, "%s", new_path);
	return 0;
}

struct history *history_open(const char *path, const struct history_unit *units, unsigned count,
			     struct err *err)
{
	auto_buf text = BUF_INIT(HISTORY_MAX_BYTES);
	struct history *h = calloc(1, sizeof(*h));
	struct history_file old = { .data = NULL };

	if (!h) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	h->fd = -1;
	h->order = 1;
	/* what cannot be read is nothing that anybody could miss */
	if (file_read_at(AT_FDCWD, path, HISTORY_MAX_BYTES, &text, NULL) == 0 &&
	    history_file_open(&old, text.data, text.len, NULL) < 0)
		old = (struct history_file){ .data = NULL };
	choose_slots(h, units, count, &old);
	if (make(h, path, &old, err) == 0)
		return h;
	history_close(h);
	return NULL;
}

void history_add(struct history *h, usec_t monotonic, const char *line)
{
	const char *colon = strstr(line, ": ");
	struct history_record record = { .monotonic_usec = monotonic };
	char name[sizeof(((struct history_unit *)0)->name)];
	struct timespec now;
	struct slot *slot;

	if (!colon || (size_t)(colon - line) >= sizeof(name))
		return;
	memcpy(name, line, (size_t)(colon - line));
	name[colon - line] = '\0';
	slot = find(h, name);
	if (!slot)
		return;
	if (clock_gettime(CLOCK_REALTIME, &now) == 0)
		record.real_usec = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	str_copy_text(record.text, sizeof(record.text), colon + 2);
	record.order = h->order++;
	record.sequence = record.sequence_end = slot->next++;
	/* a full tmpfs: the line is missing, its number says so */
	(void)put(h->fd, &record, sizeof(record),
		  place_of(h, (unsigned)(slot - h->slots), record.sequence));
}

void history_close(struct history *h)
{
	if (h)
		close_fd(&h->fd);
	free(h);
}
