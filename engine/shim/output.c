/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's output on its way to the ring. A full ring makes the container wait as any full
 * pipe does for as long as the writer gets ahead, because neither a busy machine nor a slow disk is
 * a reason to lose lines; when it has not moved for a second, the disk is stalled, and lines are
 * dropped and counted without any further waiting until half of the ring is free. Must never touch
 * the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "log/writer.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define PATIENCE_USEC SHIM_SEC		 /* with a writer that does not move, once a stall */
#define WRITER_PAUSE_USEC (SHIM_SEC / 4) /* before a killed writer is followed by the next */
#define READS_A_TURN 4			 /* so that orders and the other stream get their turn */

static int open_stream(struct shim_stream *stream, const char *name, int *write_fd, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe2");
	stream->fd = ends[0];
	stream->framer.stream = name;
	*write_fd = ends[1];
	/* Our end only: the container's is another open file and stays as programs expect it. */
	if (fcntl(stream->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "O_NONBLOCK");
	return 0;
}

static int start_writer(struct shim_output *out, struct err *err)
{
	const struct log_writer writer = { .dir = out->args->log_dir,
					   .is_chosen = out->args->log_is_chosen,
					   .passthrough = out->args->passthrough,
					   .max_bytes = out->args->log_max_bytes,
					   .max_files = out->args->log_max_files };
	pid_t pid;

	if (log_writer_start(&out->ring, &writer, &pid, err) < 0)
		return -1;
	out->writer_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return out->writer_pidfd < 0 ? err_sys(err, "pidfd_open") : 0;
}

static int open_all(struct shim_output *out, int write_fds[2], struct err *err)
{
	out->memory = log_memory_map(2 * (size_t)LOG_FRAMER_BYTES + sizeof(*out->tail), err);
	if (!out->memory)
		return -1;
	out->streams[0].framer.buf = out->memory;
	out->streams[1].framer.buf = out->memory + LOG_FRAMER_BYTES;
	out->tail = (void *)(out->memory + 2 * (size_t)LOG_FRAMER_BYTES);
	if (log_ring_open(&out->ring, LOG_RING_BYTES, err) < 0)
		return -1;
	if (open_stream(&out->streams[0], "stdout", &write_fds[0], err) < 0)
		return -1;
	return open_stream(&out->streams[1], "stderr", &write_fds[1], err);
}

int shim_output_open(struct shim_output *out, const struct shim_args *args, int write_fds[2],
		     struct err *err)
{
	*out = (struct shim_output){
		.args = args,
		.writer_pidfd = -1,
		.writer_due_usec = SHIM_NEVER,
		.ring = { .wake_read = -1, .wake_write = -1, .room_event = -1 },
		.streams = { { .fd = -1 }, { .fd = -1 } },
		.stall_until_usec = SHIM_NEVER,
	};
	write_fds[0] = write_fds[1] = -1;
	if (open_all(out, write_fds, err) < 0) {
		for (int i = 0; i < 2; i++) {
			close_fd(&out->streams[i].fd);
			close_fd(&write_fds[i]);
		}
		log_ring_close(&out->ring);
		return -1;
	}
	out->is_open = true;
	return 0;
}

static void make_stamp(char stamp[LOG_STAMP_LEN + 1])
{
	log_stamp_format(log_stamp_now(), stamp);
}

/* Puts what the stream holds into the ring. */
static void push(struct shim_output *out, struct shim_stream *stream, const char *stamp,
		 bool may_drop)
{
	bool done = stream->at_end ?
			    log_framer_finish(&stream->framer, &out->ring, stamp, may_drop) :
			    log_framer_push(&stream->framer, &out->ring, stamp, may_drop);

	stream->is_stalled = !done;
}

static void begin_stall(struct shim_output *out, uint64_t now_usec)
{
	if (out->stall_until_usec == SHIM_NEVER) {
		log_ring_moved(&out->ring, &out->writer_seen);
		out->stall_until_usec = now_usec + PATIENCE_USEC;
	}
	log_ring_ask_room(&out->ring, out->ring.size / 4);
}

static void begin_dropping(struct shim_output *out)
{
	out->is_dropping = true;
	out->stall_until_usec = SHIM_NEVER;
	log_ring_ask_room(&out->ring, out->ring.size / 2);
}

void shim_output_read(struct shim_output *out, unsigned index, uint64_t now_usec)
{
	struct shim_stream *s = &out->streams[index];
	struct log_framer *f = &s->framer;
	char stamp[LOG_STAMP_LEN + 1];

	make_stamp(stamp);
	for (int i = 0; i < READS_A_TURN && s->fd >= 0 && !s->is_stalled; i++) {
		ssize_t n = read(s->fd, f->buf + f->len, LOG_FRAMER_BYTES - f->len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			s->at_end = true;
			close_fd(&s->fd);
		} else {
			if (out->tail)
				shim_tail_add(out->tail, index, f->buf + f->len, (size_t)n);
			f->len += (size_t)n;
		}
		push(out, s, stamp, out->is_dropping);
	}
	log_ring_publish(&out->ring);
	if (s->is_stalled)
		begin_stall(out, now_usec);
}

/* Another attempt for those that wait; true when nobody waits any more. */
static bool push_stalled(struct shim_output *out, bool may_drop)
{
	char stamp[LOG_STAMP_LEN + 1];
	bool all = true;

	make_stamp(stamp);
	for (int i = 0; i < 2; i++) {
		struct shim_stream *s = &out->streams[i];

		if (s->is_stalled)
			push(out, s, stamp, may_drop);
		else if (s->framer.untold_lines > 0)
			log_framer_tell(&s->framer, &out->ring, stamp);
		all = all && !s->is_stalled;
	}
	log_ring_publish(&out->ring);
	return all;
}

void shim_output_room(struct shim_output *out)
{
	log_ring_room_seen(&out->ring);
	if (out->is_dropping && log_ring_room(&out->ring) >= out->ring.size / 2)
		out->is_dropping = false;
	if (push_stalled(out, out->is_dropping))
		out->stall_until_usec = SHIM_NEVER;
	else
		log_ring_ask_room(&out->ring, out->ring.size / 4);
	if (out->is_dropping)
		log_ring_ask_room(&out->ring, out->ring.size / 2);
}

bool shim_output_release(struct shim_output *out)
{
	for (int i = 0; i < 2; i++) {
		struct log_framer *f = &out->streams[i].framer;

		log_memory_release(f->buf + f->len, LOG_FRAMER_BYTES - f->len);
	}
	return log_ring_release(&out->ring);
}

void shim_output_writer_ended(struct shim_output *out, uint64_t now_usec)
{
	siginfo_t info;

	while (waitid(P_PIDFD, (id_t)out->writer_pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close_fd(&out->writer_pidfd);
	out->writer_due_usec = now_usec + WRITER_PAUSE_USEC;
	log_msg(LOG_WARN, "shim", "the log writer was ended by signal or code %d: starting another",
		info.si_status);
}

static void restart_writer(struct shim_output *out, uint64_t now_usec)
{
	struct err err;

	out->writer_due_usec = SHIM_NEVER;
	if (start_writer(out, &err) == 0)
		return;
	log_msg(LOG_ERROR, "shim", "log writer: %s", err.msg);
	out->writer_due_usec = now_usec + WRITER_PAUSE_USEC;
}

void shim_output_start_writer(struct shim_output *out, uint64_t now_usec)
{
	if (out->is_open)
		restart_writer(out, now_usec);
}

uint64_t shim_output_deadline(const struct shim_output *out)
{
	return out->stall_until_usec < out->writer_due_usec ? out->stall_until_usec :
							      out->writer_due_usec;
}

void shim_output_tick(struct shim_output *out, uint64_t now_usec)
{
	if (now_usec >= out->stall_until_usec) {
		if (log_ring_moved(&out->ring, &out->writer_seen)) {
			out->stall_until_usec = now_usec + PATIENCE_USEC;
		} else {
			begin_dropping(out);
			push_stalled(out, true);
		}
	}
	if (now_usec >= out->writer_due_usec)
		restart_writer(out, now_usec);
}

bool shim_output_is_waiting(const struct shim_output *out)
{
	return out->is_open && out->stall_until_usec != SHIM_NEVER;
}

bool shim_output_is_done(const struct shim_output *out)
{
	if (!out->is_open)
		return true;
	for (int i = 0; i < 2; i++)
		if (!out->streams[i].at_end || out->streams[i].is_stalled)
			return false;
	return true;
}

void shim_output_finish(struct shim_output *out)
{
	if (!out->is_open)
		return;
	begin_dropping(out);
	push_stalled(out, true);
	for (unsigned i = 0; i < 2; i++) {
		struct shim_stream *s = &out->streams[i];

		shim_output_read(out, i, 0);
		s->is_stalled = s->is_stalled || !s->at_end;
		s->at_end = true;
		close_fd(&s->fd);
	}
	push_stalled(out, true);
	/* The last lines shall not be lost to a pause. */
	if (out->writer_due_usec != SHIM_NEVER)
		restart_writer(out, 0);
}

bool shim_output_report(const struct shim_output *out, struct shim_status *status)
{
	uint64_t lines = 0, bytes = 0;
	char error[LOG_RING_ERROR_MAX];
	bool is_new;

	_Static_assert(sizeof(error) <= sizeof(status->log_error),
		       "the writer's text fits the record");
	if (!out->is_open)
		return false;
	log_ring_lost(&out->ring, &lines, &bytes, error);
	for (int i = 0; i < 2; i++) {
		lines += out->streams[i].framer.dropped_lines;
		bytes += out->streams[i].framer.dropped_bytes;
	}
	is_new = lines != status->log_dropped_lines || bytes != status->log_dropped_bytes ||
		 !str_eq(error, status->log_error);
	status->log_dropped_lines = lines;
	status->log_dropped_bytes = bytes;
	str_copy(status->log_error, sizeof(status->log_error), error);
	return is_new;
}
