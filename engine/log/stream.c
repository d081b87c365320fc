/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a log directory back, also while it grows and rotates. The reader holds each file open,
 * so nothing that it has begun can vanish under it; a file is finished when "current" is another
 * one. Events only shorten the wait: the files decide. Must never write into the directory.
 */
#include "log/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/emit.h"
#include "log/set.h"
#include "util/cleanup.h"
#include "util/lock.h"

#define WAIT_WITH_EVENTS_MSEC 1000
#define WAIT_WITHOUT_EVENTS_MSEC 200
#define WRITER_GRACE_MSEC 2000
#define WRITER_POLL_MSEC 20

/* One stream under way. */
struct streaming {
	struct log_reader *reader;
	struct log_emit emit;
	struct log_scan scan;
	int fd; /* owned; the file being read */
	struct log_place place;
};

int log_reader_open(struct log_reader *r, int dirfd, const struct log_query *query, struct err *err)
{
	*r = (struct log_reader){ .dirfd = dirfd, .inotify_fd = -1, .alive_fd = -1, .query = query };
	if (fchdir(dirfd) < 0)
		return err_sys(err, "log directory");
	if (!query->follow)
		return 0;
	if (query->alive_path) {
		r->alive_fd = open(query->alive_path, O_PATH | O_CLOEXEC);
		/* Gone already: then there is nothing to wait for. */
		if (r->alive_fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return err_sys(err, "%s", query->alive_path);
	}
	/* Where the file system has no events, or no more watches are to be had, looking now and
	 * then does it. */
	r->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->inotify_fd >= 0 &&
	    inotify_add_watch(r->inotify_fd, ".", IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		close_fd(&r->inotify_fd);
	return 0;
}

void log_reader_close(struct log_reader *r)
{
	close_fd(&r->inotify_fd);
	close_fd(&r->alive_fd);
}

static int scan_from(struct streaming *s, int fd, struct err *err)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	s->scan = (struct log_scan){ .fd = fd, .buf = s->scan.buf };
	return 0;
}

static int count_wanted(struct streaming *s, int fd, uint64_t *count, struct err *err)
{
	struct log_line line;
	int rc;

	if (scan_from(s, fd, err) < 0)
		return -1;
	while ((rc = log_scan_next(&s->scan, &line, err)) > 0)
		*count += line.is_end && log_emit_wants(&s->emit, &line);
	return rc;
}

/* Index of the oldest file needed for the last tail_lines lines; how many lines from there on come
 * before them. One line more than asked for is looked for: the first piece of the first line may
 * lie in the file before. */
static int find_tail(struct streaming *s, const struct log_set *set, unsigned *oldest,
		     struct err *err)
{
	uint64_t total = 0, tail = s->reader->query->tail_lines;
	unsigned i;

	*oldest = set->count > 0 ? set->count - 1 : 0;
	if (tail == UINT64_MAX)
		return 0;
	for (i = 0; i < set->count && total <= tail && tail > 0; i++)
		if (count_wanted(s, set->fds[i], &total, err) < 0)
			return -1;
	if (tail == 0 && set->count > 0) {
		if (count_wanted(s, set->fds[0], &total, err) < 0)
			return -1;
		i = 1;
	}
	*oldest = i > 0 ? i - 1 : 0;
	s->emit.skip = total > tail ? total - tail : 0;
	return 0;
}

static int show_rest(struct streaming *s, struct err *err)
{
	struct log_line line;
	int rc;

	while ((rc = log_scan_next(&s->scan, &line, err)) > 0)
		if (log_emit_line(&s->emit, &line, err) < 0)
			return -1;
	return rc;
}

/* Shows a set from one of its files on; the newest stays open as the place we are at. */
static int show_set(struct streaming *s, struct log_set *set, unsigned oldest, struct err *err)
{
	for (unsigned i = oldest + 1; set->count > 0 && i-- > 0;) {
		if (scan_from(s, set->fds[i], err) < 0 || show_rest(s, err) < 0)
			return -1;
	}
	if (set->count == 0)
		return 0;
	close_fd(&s->fd);
	s->fd = take_fd(&set->fds[0]);
	return log_place_of(s->fd, &s->place, err);
}

static int show_existing(struct streaming *s, struct err *err)
{
	struct log_set set;
	unsigned oldest;
	bool found;
	int rc;

	if (log_set_open(&set, s->reader->dirfd, NULL, &found, err) < 0)
		return -1;
	rc = find_tail(s, &set, &oldest, err);
	if (rc == 0)
		rc = show_set(s, &set, oldest, err);
	log_set_close(&set);
	/* Fewer lines are there than were counted only when files went away meanwhile: nothing to
	 * skip in new ones. */
	s->emit.skip = 0;
	return rc;
}

/* Goes on to the files that came after the one we have finished. */
static int show_newer(struct streaming *s, struct err *err)
{
	struct log_set set;
	bool found, had_place = s->fd >= 0;
	int rc = 0;

	if (log_set_open(&set, s->reader->dirfd, had_place ? &s->place : NULL, &found, err) < 0)
		return -1;
	if (had_place && !found && set.count > 0)
		rc = log_emit_note(
			&s->emit,
			"cleat: lines are missing here: they were rotated away before they could be read",
			err);
	if (rc == 0 && set.count > 0)
		rc = show_set(s, &set, set.count - 1, err);
	log_set_close(&set);
	return rc;
}

/* Everything there is at this moment. */
static int catch_up(struct streaming *s, struct err *err)
{
	while (s->fd < 0 || !log_place_is_current(s->reader->dirfd, &s->place)) {
		struct log_place before = s->place;
		int fd_before = s->fd;

		/* The last lines may have come between our last read and the rename. */
		if (s->fd >= 0 && show_rest(s, err) < 0)
			return -1;
		if (show_newer(s, err) < 0)
			return -1;
		/* Between rename and creation there is no "current": wait for it. */
		if (s->fd < 0 ||
		    (fd_before >= 0 && before.ino == s->place.ino && before.dev == s->place.dev))
			return log_emit_flush(&s->emit, err);
	}
	if (show_rest(s, err) < 0)
		return -1;
	return log_emit_flush(&s->emit, err);
}

static bool is_gone(const struct log_reader *r)
{
	struct stat st;

	if (!r->query->alive_path)
		return false;
	return r->alive_fd < 0 || fstat(r->alive_fd, &st) < 0 || st.st_nlink == 0;
}

/* The container has ended; its writer may still be emptying the ring. */
static void wait_for_writer(const struct log_reader *r)
{
	auto_fd int fd = openat(r->dirfd, LOG_LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct err ignored;

	for (int waited = 0; fd >= 0 && waited < WRITER_GRACE_MSEC; waited += WRITER_POLL_MSEC) {
		if (lock_holder(fd, &ignored) == 0)
			return;
		poll(NULL, 0, WRITER_POLL_MSEC);
	}
}

static bool is_over(const struct log_reader *r)
{
	return r->query->until_real_usec > 0 && log_stamp_now() / 1000 > r->query->until_real_usec;
}

/* False: the client has gone. */
static bool wait_for_change(const struct log_reader *r, int out_fd)
{
	struct pollfd fds[] = {
		{ .fd = r->inotify_fd, .events = POLLIN },
		{ .fd = out_fd, .events = 0 },
	};
	char events[1024];

	poll(fds, 2, r->inotify_fd >= 0 ? WAIT_WITH_EVENTS_MSEC : WAIT_WITHOUT_EVENTS_MSEC);
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		return false;
	if (fds[0].revents)
		while (read(r->inotify_fd, events, sizeof(events)) > 0)
			;
	return true;
}

static int follow(struct streaming *s, int out_fd, struct err *err)
{
	for (;;) {
		bool is_last = is_gone(s->reader) || is_over(s->reader);

		if (is_last)
			wait_for_writer(s->reader);
		if (catch_up(s, err) < 0)
			return -1;
		if (is_last || !wait_for_change(s->reader, out_fd))
			return 0;
	}
}

int log_reader_run(struct log_reader *r, int out_fd, struct err *err)
{
	size_t size = LOG_SCAN_BYTES + LOG_EMIT_BYTES;
	auto_free char *memory = malloc(size);
	struct streaming s = { .reader = r, .fd = -1 };
	int rc;

	if (!memory)
		return err_sys(err, "log stream");
	s.scan.buf = memory;
	log_emit_init(&s.emit, r->query, out_fd, memory + LOG_SCAN_BYTES);
	rc = show_existing(&s, err);
	if (rc == 0)
		rc = log_emit_flush(&s.emit, err);
	if (rc == 0 && r->query->follow)
		rc = follow(&s, out_fd, err);
	log_emit_fini(&s.emit);
	close_fd(&s.fd);
	/* A client that went away got what it wanted. */
	if (rc < 0 && (err->sys_errno == EPIPE || err->sys_errno == ECONNRESET))
		return 0;
	return rc;
}

int log_stream(int dirfd, const struct log_query *query, int out_fd, struct err *err)
{
	struct log_reader reader;
	int rc = log_reader_open(&reader, dirfd, query, err);

	if (rc == 0)
		rc = log_reader_run(&reader, out_fd, err);
	log_reader_close(&reader);
	return rc;
}
