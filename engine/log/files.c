/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation. Renames go from the oldest to the newest, so a crash between two of them leaves a gap
 * in the numbers and never two files under one name; readers and the next rotation step over gaps.
 * Must never leave half a line in front of a whole one.
 */
#include "log/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/str.h"

#define LOG_FILE_MODE 0640

const char *log_files_name(unsigned number, char out[LOG_NAME_MAX])
{
	if (number == 0)
		memcpy(out, LOG_CURRENT, sizeof(LOG_CURRENT));
	else
		snprintf(out, LOG_NAME_MAX, "%u", number % 1000000);
	return out;
}

/* What a crash or a full disk left without its newline gets one: the words stay, the next line is
 * whole. */
static int end_torn_line(struct log_files *f, struct err *err)
{
	char last = '\n';

	if (f->size == 0)
		return 0;
	if (pread(f->fd, &last, 1, (off_t)(f->size - 1)) < 0)
		return err_sys(err, "%s: read", LOG_CURRENT);
	if (last == '\n')
		return 0;
	if (write(f->fd, "\n", 1) != 1)
		return err_sys(err, "%s: write", LOG_CURRENT);
	f->size++;
	return 0;
}

static int open_current(struct log_files *f, struct err *err)
{
	auto_fd int fd = openat(f->dirfd, LOG_CURRENT,
				O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				LOG_FILE_MODE);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "%s: open", LOG_CURRENT);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", LOG_CURRENT);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a regular file", LOG_CURRENT);
	f->fd = take_fd(&fd);
	f->size = (uint64_t)st.st_size;
	return 0;
}

void log_files_look(int dirfd, bool found[LOG_MAX_FILES])
{
	_Alignas(struct dirent) char entries[1024];
	char name[LOG_NAME_MAX];
	const struct dirent *d;
	uint64_t number;
	long n;

	memset(found, 0, LOG_MAX_FILES * sizeof(*found));
	/* No DIR, whose memory a writer would keep for years. */
	if (lseek(dirfd, 0, SEEK_SET) < 0)
		return;
	while ((n = syscall(SYS_getdents64, dirfd, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n; at += d->d_reclen) {
			d = (const void *)(entries + at);
			if (str_to_u64(d->d_name, LOG_MAX_FILES - 1, &number) && number > 0 &&
			    str_eq(d->d_name, log_files_name((unsigned)number, name)))
				found[number] = true;
		}
	}
}

/* One that cannot be removed is tried again at the next start. */
static void remove_beyond(const struct log_files *f)
{
	bool found[LOG_MAX_FILES];
	char name[LOG_NAME_MAX];

	log_files_look(f->dirfd, found);
	for (unsigned n = f->max_files; n < LOG_MAX_FILES; n++)
		if (found[n])
			unlinkat(f->dirfd, log_files_name(n, name), 0);
}

int log_files_open(struct log_files *f, int dirfd, uint64_t max_bytes, unsigned max_files,
		   struct err *err)
{
	*f = (struct log_files){
		.dirfd = dirfd, .fd = -1, .max_bytes = max_bytes, .max_files = max_files
	};
	if (max_bytes < LOG_MIN_BYTES || max_files < 1 || max_files > LOG_MAX_FILES)
		return err_set(err, ERR_BUG, "log files: %llu bytes in %u files is out of range",
			       (unsigned long long)max_bytes, max_files);
	remove_beyond(f);
	if (open_current(f, err) < 0)
		return -1;
	if (end_torn_line(f, err) < 0) {
		log_files_close(f);
		return -1;
	}
	return 0;
}

void log_files_close(struct log_files *f)
{
	close_fd(&f->fd);
	f->size = 0;
}

static int rotate(struct log_files *f, struct err *err)
{
	char from[LOG_NAME_MAX + 8], to[LOG_NAME_MAX];

	/* The oldest goes by its name, not by a rename over it: ext4 would put the renamed file on disk at once (auto_da_alloc), all of a
	 * flood that is deleted a moment later. With one file only that is "current": a new one all the same, because readers hold the old
	 * one and would miss a truncation. */
	log_files_name(f->max_files - 1, to);
	if (unlinkat(f->dirfd, to, 0) < 0 && errno != ENOENT)
		return err_sys(err, "unlink %s", to);
	for (unsigned n = f->max_files - 1; n > 0; n--) {
		log_files_name(n - 1, from);
		if (renameat(f->dirfd, from, f->dirfd, log_files_name(n, to)) < 0 &&
		    errno != ENOENT)
			return err_sys(err, "rename %s to %s", from, to);
	}
	log_files_close(f);
	return open_current(f, err);
}

/* How much of data fits "current": whole lines; at least one when the file is empty. */
static size_t fitting(const struct log_files *f, const char *data, size_t len)
{
	uint64_t room = f->size < f->max_bytes ? f->max_bytes - f->size : 0;
	const char *end;

	if (len <= room)
		return len;
	end = memrchr(data, '\n', (size_t)room);
	if (!end && f->size == 0)
		end = memchr(data, '\n', len);
	return end ? (size_t)(end - data) + 1 : 0;
}

/* Whole lines of what was written stay, a torn one is cut off. */
static size_t undo_torn(struct log_files *f, const char *data, size_t written)
{
	const char *end = written > 0 ? memrchr(data, '\n', written) : NULL;
	size_t whole = end ? (size_t)(end - data) + 1 : 0;

	/* Should even this fail, the next open finds a torn line and ends it. */
	if (whole != written && ftruncate(f->fd, (off_t)(f->size + whole)) < 0)
		close_fd(&f->fd);
	f->size += whole;
	return whole;
}

static int append(struct log_files *f, const char *data, size_t len, size_t *done, struct err *err)
{
	size_t written = 0;
	ssize_t n = 0;

	while (written < len) {
		n = write(f->fd, data + written, len - written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	if (written == len) {
		f->size += len;
		*done += len;
		return 0;
	}
	err_errno(err, n < 0 ? errno : EIO, "%s: write", LOG_CURRENT);
	*done += undo_torn(f, data, written);
	return -1;
}

int log_files_write(struct log_files *f, const char *lines, size_t len, size_t *done,
		    struct err *err)
{
	*done = 0;
	while (*done < len) {
		if (f->fd < 0 && (open_current(f, err) < 0 || end_torn_line(f, err) < 0))
			return -1;

		size_t chunk = fitting(f, lines + *done, len - *done);

		if (chunk == 0 ? rotate(f, err) < 0 :
				 append(f, lines + *done, chunk, done, err) < 0)
			return -1;
	}
	return 0;
}
