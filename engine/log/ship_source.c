/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a directory that rotates, from a place that outlives us. A place is a file and an offset in it. Names change with each rotation,
 * and file systems give the inode number of a removed file to the next one; so a file is known by its number and its first line's time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/line.h"
#include "log/ship.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

void ship_source_init(struct ship_source *s, const char *name, int dirfd)
{
	*s = (struct ship_source){ .dirfd = dirfd, .fd = -1 };
	str_copy(s->name, sizeof(s->name), name);
}

void ship_source_fini(struct ship_source *s)
{
	close_fd(&s->fd);
	close_fd(&s->dirfd);
}

void ship_source_rewind(struct ship_source *s)
{
	close_fd(&s->fd);
	s->at = s->pending = s->committed;
}

/* What a file is known by: inode and the time of its first line. 0: it has no line yet. */
static uint64_t id_of(int fd, uint64_t *size)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	unsigned char data[LOG_STAMP_LEN + sizeof(uint64_t)];
	struct stat st;
	uint64_t ino;

	*size = 0;
	if (fstat(fd, &st) < 0 || pread(fd, data, LOG_STAMP_LEN, 0) != LOG_STAMP_LEN)
		return 0;
	*size = (uint64_t)st.st_size;
	ino = (uint64_t)st.st_ino;
	memcpy(data + LOG_STAMP_LEN, &ino, sizeof(ino));
	for (size_t i = 0; i < sizeof(data); i++)
		hash = (hash ^ data[i]) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

static uint64_t current_id(const struct ship_source *s)
{
	auto_fd int fd = openat(s->dirfd, LOG_CURRENT,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint64_t size;

	return fd < 0 ? 0 : id_of(fd, &size);
}

/* Index of the file in a set, set->count when it is not there. */
static unsigned find(const struct log_set *set, uint64_t id)
{
	uint64_t size;
	unsigned i = 0;

	while (i < set->count && id_of(set->fds[i], &size) != id)
		i++;
	return i;
}

static uint64_t count_lines(int fd, uint64_t offset, char *buffer)
{
	struct log_scan scan = { .fd = fd, .buf = buffer };
	struct log_line line;
	struct err ignored;
	uint64_t lines = 0;

	if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return 0;
	while (log_scan_next(&scan, &line, &ignored) > 0)
		lines += line.is_end;
	return lines;
}

static struct ship_file *known_file(struct ship_source *s, uint64_t id)
{
	for (unsigned i = 0; i < s->known_count; i++)
		if (s->known[i].id == id)
			return &s->known[i];
	return NULL;
}

static void forget(struct ship_source *s, struct ship_file *file)
{
	*file = s->known[--s->known_count];
}

/* Of what was counted: gone unsent, or sent meanwhile. */
static void settle_known(struct ship_source *s, const struct log_set *set, unsigned place)
{
	for (unsigned i = s->known_count; i-- > 0;) {
		unsigned index = find(set, s->known[i].id);

		if (index == set->count) {
			/* the one that we hold open can still be read */
			if (s->fd < 0 || s->known[i].id != s->at.id)
				s->dropped += s->known[i].lines;
			forget(s, &s->known[i]);
		} else if (index > place) {
			forget(s, &s->known[i]);
		}
	}
}

static void count_new(struct ship_source *s, const struct log_set *set, unsigned place,
		      char *buffer)
{
	uint64_t size;

	for (unsigned i = 1; i <= place && i < set->count; i++) {
		uint64_t id = id_of(set->fds[i], &size);

		if (!id || known_file(s, id) || s->known_count == LOG_MAX_FILES)
			continue;
		s->known[s->known_count++] = (struct ship_file){
			id, count_lines(set->fds[i], id == s->at.id ? s->at.offset : 0, buffer)
		};
	}
}

void ship_source_survey(struct ship_source *s, char *buffer)
{
	uint64_t current = current_id(s);
	struct log_set set;
	struct err ignored;
	unsigned place;
	bool found;

	if (!current || current == s->seen_current)
		return;
	if (log_set_open(&set, s->dirfd, NULL, &found, &ignored) < 0)
		return;
	/* One that came and went between two looks was not counted. */
	if (s->seen_current && find(&set, s->seen_current) == set.count &&
	    !known_file(s, s->seen_current) && (s->fd < 0 || s->at.id != s->seen_current))
		s->dropped++;
	s->seen_current = current;
	place = s->at.id ? find(&set, s->at.id) : set.count;
	settle_known(s, &set, place);
	count_new(s, &set, place, buffer);
	log_set_close(&set);
}

/* Opens the file of the place; when it is gone, the oldest one. 0: there is none yet. */
static int open_place(struct ship_source *s, struct err *err)
{
	struct log_set set;
	uint64_t size = 0, id;
	unsigned i;
	bool found;

	if (log_set_open(&set, s->dirfd, NULL, &found, err) < 0)
		return -1;
	i = s->at.id ? find(&set, s->at.id) : set.count;
	if (i == set.count && set.count > 0 && (id = id_of(set.fds[set.count - 1], &size))) {
		i = set.count - 1;
		s->at = (struct ship_place){ .id = id };
	}
	if (i < set.count) {
		close_fd(&s->fd);
		s->fd = take_fd(&set.fds[i]);
		/* cut short by somebody */
		if (id_of(s->fd, &size) && s->at.offset > size)
			s->at.offset = 0;
	}
	log_set_close(&set);
	return s->fd >= 0;
}

/* The file is finished: on to the next newer one. 0: there is none. */
static int open_next(struct ship_source *s, struct err *err)
{
	struct log_place place;
	struct log_set set;
	uint64_t size, id;
	bool found;
	int rc = 0;

	if (log_place_of(s->fd, &place, err) < 0 ||
	    log_set_open(&set, s->dirfd, &place, &found, err) < 0)
		return -1;
	if (set.count > 0 && (id = id_of(set.fds[set.count - 1], &size))) {
		close_fd(&s->fd);
		s->fd = take_fd(&set.fds[set.count - 1]);
		s->at = (struct ship_place){ .id = id };
		rc = 1;
	}
	log_set_close(&set);
	return rc;
}

/* 1: max_bytes are used up, 0: nothing more in this file. */
static int read_file(struct ship_source *s, char *buffer, size_t *left, ship_line_fn *fn, void *arg,
		     struct err *err)
{
	struct log_scan scan = { .fd = s->fd, .buf = buffer };
	struct log_line line;
	int rc;

	if (lseek(s->fd, (off_t)s->at.offset, SEEK_SET) < 0)
		return err_sys(err, "%s: lseek", s->name);
	while (*left > 0 && (rc = log_scan_next(&scan, &line, err)) != 0) {
		off_t end;

		if (rc < 0 || fn(arg, &line, err) < 0)
			return -1;
		end = lseek(s->fd, 0, SEEK_CUR);
		s->at.offset = (uint64_t)end - (scan.end - scan.begin);
		*left -= line.len < *left ? line.len + 1 : *left;
	}
	return *left == 0;
}

int ship_source_read(struct ship_source *s, char *buffer, size_t max_bytes, ship_line_fn *fn,
		     void *arg, struct err *err)
{
	size_t left = max_bytes;
	int rc;

	if (s->fd < 0 && (rc = open_place(s, err)) <= 0)
		return rc;
	for (;;) {
		/* asked before reading: what is written between the two is in the old file */
		struct log_place place;
		bool is_current;

		if (log_place_of(s->fd, &place, err) < 0)
			return -1;
		is_current = log_place_is_current(s->dirfd, &place);
		rc = read_file(s, buffer, &left, fn, arg, err);
		if (rc != 0 || is_current)
			return rc;
		rc = open_next(s, err);
		if (rc <= 0)
			return rc;
	}
}

/* --- the place on disk ----------------------------------------------------------------------------------------------------- */

int ship_source_load(struct ship_source *s, int folder, struct err *err)
{
	auto_buf text = BUF_INIT(128);
	char *offset;

	if (file_read_at(folder, s->name, 128, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : err_wrap(err, "%s", s->name);
	offset = text.len ? strchr(text.data, ' ') : NULL;
	if (offset)
		*offset++ = '\0';
	if (!offset || strchr(offset, '\n') != text.data + text.len - 1)
		return err_set(err, ERR_INTEGRITY, "%s: no place", s->name);
	offset[strlen(offset) - 1] = '\0';
	if (!str_to_u64(text.data, UINT64_MAX, &s->committed.id) ||
	    !str_to_u64(offset, INT64_MAX, &s->committed.offset)) {
		s->committed = (struct ship_place){ 0 };
		return err_set(err, ERR_INTEGRITY, "%s: no place", s->name);
	}
	s->at = s->pending = s->saved = s->committed;
	return 0;
}

int ship_source_save(struct ship_source *s, int folder, struct err *err)
{
	char text[64];
	int n;

	if (s->committed.id == s->saved.id && s->committed.offset == s->saved.offset)
		return 0;
	n = snprintf(text, sizeof(text), "%llu %llu\n", (unsigned long long)s->committed.id,
		     (unsigned long long)s->committed.offset);
	if (file_write_atomic(folder, s->name, text, (size_t)n, 0600, false, err) < 0)
		return -1;
	s->saved = s->committed;
	return 0;
}
