/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's whole life. Everything that may touch the disk, the making of the directory
 * included, happens here and not in the shim. A write that fails loses its lines, counts them,
 * leaves its reason where the shim finds it, and is tried anew with the next lines: a disk that was
 * full recovers by itself. Must never exit while the ring holds something.
 */
#include "log/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log/directory.h"
#include "log/files.h"
#include "log/memory.h"
#include "log/passthrough.h"
#include "log/stamp.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/proc.h"

enum {
	FD_DIR,
	FD_WAKE,
	FD_ROOM,
	FD_COUNT
}; /* all descriptors of the writer; then lock and current */

#define BATCH_BYTES (LOG_RING_BYTES / 4)

struct drops {
	uint64_t lines, bytes; /* not yet told in the log */
};

static int open_directory(const char *path, bool is_chosen, struct err *err)
{
	auto_fd int fd = log_directory_open(path, true, err);

	if (fd < 0)
		return -1;
	if (log_directory_adopt(fd, is_chosen, err) < 0)
		return err_wrap(err, "%s", path);
	return take_fd(&fd);
}

/* dir is "." (the only name that this user can be sure to open), or NULL: no directory at all. */
static int confine(const char *dir, struct err *err)
{
	static const int extra[] = { SCMP_SYS(openat),
				     SCMP_SYS(renameat),
				     SCMP_SYS(renameat2),
				     SCMP_SYS(unlinkat),
				     SCMP_SYS(ftruncate),
				     SCMP_SYS(getdents64),
				     -1 };
	const char *const write_paths[] = { dir, NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_LOG,
		.gid = IDS_WORKER_LOG,
		.write_paths = write_paths,
		.syscalls = extra,
		.max_fds = FD_COUNT + 4,
	};

	return proc_confine(&c, err);
}

/* The writer before us may still be emptying its ring: the order of the log is the order of the
 * lock. */
static int wait_for_lock(int dirfd, struct err *err)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	auto_fd int fd = openat(dirfd, LOG_LOCK,
				O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);

	if (fd < 0)
		return err_sys(err, "%s: open", LOG_LOCK);
	while (fcntl(fd, F_SETLKW, &fl) < 0)
		if (errno != EINTR)
			return err_sys(err, "%s: fcntl", LOG_LOCK);
	/* Held until the process ends: closing any descriptor of the file would drop it. */
	take_fd(&fd);
	return 0;
}

static uint64_t count_lines(const char *data, size_t len)
{
	uint64_t lines = 0;

	for (const char *end; len > 0 && (end = memchr(data, '\n', len)); lines++) {
		len -= (size_t)(end - data) + 1;
		data = end + 1;
	}
	return lines;
}

static void lose(struct log_ring *ring, struct drops *drops, const char *data, size_t len)
{
	uint64_t lines = count_lines(data, len);

	drops->lines += lines;
	drops->bytes += len;
	log_ring_add_lost(ring, lines, len);
}

static int tell_drops(struct log_files *files, struct drops *drops, struct err *err)
{
	char stamp[LOG_STAMP_LEN + 1], line[256];
	size_t done;

	if (drops->lines == 0)
		return 0;
	log_stamp_format(log_stamp_now(), stamp);

	int n = snprintf(
		line, sizeof(line),
		"%s stderr F cleat: %llu lines dropped (%llu bytes): the log could not be written\n",
		stamp, (unsigned long long)drops->lines, (unsigned long long)drops->bytes);

	if (log_files_write(files, line, (size_t)n, &done, err) < 0)
		return -1;
	*drops = (struct drops){ 0 };
	return 0;
}

/* Not all that there is at once: what has been written makes room while the rest is on its way. Whole lines. */
static size_t batch_of(const char *data, size_t len)
{
	const char *end = len > BATCH_BYTES ? memrchr(data, '\n', BATCH_BYTES) : NULL;

	return end ? (size_t)(end - data) + 1 : len;
}

static void write_batch(struct log_ring *ring, struct log_files *files, struct drops *drops)
{
	const char *data;
	size_t len = log_ring_peek(ring, &data), done = 0;
	struct err err = { 0 };

	len = batch_of(data, len);
	if (tell_drops(files, drops, &err) == 0 &&
	    log_files_write(files, data, len, &done, &err) == 0) {
		log_ring_set_error(ring, "");
	} else {
		log_ring_set_error(ring, err.msg);
		lose(ring, drops, data + done, len - done);
	}
	log_ring_consume(ring, len);
}

/* Nothing can be written at all: what comes is counted, so that nobody believes it was kept. */
static _Noreturn void discard_all(struct log_ring *ring, const struct err *err)
{
	struct drops drops = { 0 };
	const char *data;

	log_ring_set_error(ring, err->msg);
	while (log_ring_wait(ring)) {
		size_t len = log_ring_peek(ring, &data);

		lose(ring, &drops, data, len);
		log_ring_consume(ring, len);
	}
	_exit(1);
}

/* Only the producer's own end may keep the wake-up pipe open: its end of file is how its death
 * shows. The directory's place is held by something harmless until there is one. */
static int keep_descriptors(struct log_ring *ring, int first, struct err *err)
{
	const int keep[FD_COUNT] = {
		[FD_DIR] = first, [FD_WAKE] = ring->wake_read, [FD_ROOM] = ring->room_event
	};
	int high[FD_COUNT];

	for (int i = 0; i < FD_COUNT; i++) {
		high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, FD_COUNT);
		if (high[i] < 0)
			return err_sys(err, "dup");
	}
	for (int i = 0; i < FD_COUNT; i++)
		if (dup3(high[i], i, O_CLOEXEC) < 0)
			return err_sys(err, "dup");
	if (syscall(SYS_close_range, (unsigned)FD_COUNT, ~0u, 0) < 0)
		return err_sys(err, "close_range");
	ring->wake_read = FD_WAKE;
	ring->room_event = FD_ROOM;
	ring->wake_write = -1;
	return 0;
}

static int enter_directory(const char *path, bool is_chosen, struct err *err)
{
	auto_fd int fd = open_directory(path, is_chosen, err);

	if (fd < 0)
		return -1;
	if (dup3(fd, FD_DIR, O_CLOEXEC) < 0 || fchdir(FD_DIR) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

/* The shim's descriptors go before anything that a stalled disk can hold up: the end of file of
 * its control socket is how its death shows to the engine. */
static int prepare(struct log_ring *ring, const struct log_writer *w, struct err *err)
{
	struct err late = { 0 };
	int rc;

	if (keep_descriptors(ring, ring->wake_read, err) < 0)
		return -1;
	rc = enter_directory(w->dir, w->is_chosen, err);
	/* Without a directory too: what it reads comes from the container. */
	if (confine(rc < 0 ? NULL : ".", &late) < 0) {
		*err = late;
		return -1;
	}
	if (rc < 0)
		return -1;
	return wait_for_lock(FD_DIR, err) < 0 ? err_wrap(err, "%s", w->dir) : 0;
}

static _Noreturn void pass_through(struct log_ring *ring, const char *prefix)
{
	struct err err;
	int fd = log_passthrough_open(&err);

	if (fd < 0 || keep_descriptors(ring, fd, &err) < 0 || confine(NULL, &err) < 0)
		discard_all(ring, &err);
	log_passthrough_run(ring, FD_DIR, prefix);
	_exit(0);
}

/* What its callers have on the stack is a copy of the shim's, which each writer would keep for years. */
__attribute__((noinline)) static _Noreturn void serve(const struct log_ring *ring,
						      const struct log_files *files)
{
	struct {
		struct log_ring ring;
		struct log_files files;
		struct drops drops;
		struct err err;
	} own = { .ring = *ring, .files = *files };

	log_memory_abandon(&own, sizeof(own));
	while (log_ring_wait(&own.ring))
		write_batch(&own.ring, &own.files, &own.drops);
	/* Nobody is left to hear of a failure here. */
	_exit(tell_drops(&own.files, &own.drops, &own.err) < 0);
}

static _Noreturn void run(struct log_ring *ring, const struct log_writer *w)
{
	struct log_files files;
	struct err err;

	prctl(PR_SET_NAME, "cleat-log", 0, 0, 0);
	if (w->passthrough)
		pass_through(ring, w->passthrough);
	if (prepare(ring, w, &err) < 0)
		discard_all(ring, &err);
	/* A disk that is full now may have room for the next lines. */
	if (log_files_open(&files, FD_DIR, w->max_bytes, w->max_files, &err) < 0)
		log_ring_set_error(ring, err.msg);
	serve(ring, &files);
}

int log_writer_start(struct log_ring *ring, const struct log_writer *writer, pid_t *pid,
		     struct err *err)
{
	log_ring_lend(ring, true);
	*pid = fork();
	if (*pid < 0)
		err_sys(err, "log writer: fork");
	if (*pid == 0)
		run(ring, writer);
	log_ring_lend(ring, false);
	return *pid < 0 ? -1 : 0;
}
