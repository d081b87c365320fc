/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A container's output on disk and the engine's own log.
 *
 * Container log: directory DIR with files "current", "1", "2", ... (1 is the newest finished one),
 * each line as CRI writes it:
 *   2026-11-21T10:00:00.123456789Z stdout F text
 * (P instead of F: a piece of a line longer than 16 KiB; the last piece is F)
 * Rotated when "current" would grow past max_bytes; max_files counts current too. "lock" is an
 * fcntl lock: one writer at a time; a writer that follows waits for the one before it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define LOG_DEFAULT_MAX_BYTES (10u * 1024 * 1024)
#define LOG_DEFAULT_MAX_FILES 3u
#define LOG_LINE_MAX 16384u

/* The engine's own log: one line to stderr, "LEVEL module: message", time in front; warn and above
 * also go to the console. level is one of "error" "warn" "info" "debug". Never blocks: a full pipe
 * drops and counts. */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
void log_init(const char *program, enum log_level threshold);
void log_msg(enum log_level level, const char *module, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Reading back. */
struct log_query {
	bool follow;	 /* wait for more (inotify, poll where events do not come) */
	bool timestamps; /* keep the time in front */
	bool want_stdout, want_stderr;
	bool docker_frames; /* 8-byte headers as Docker's attach stream has them; otherwise plain text */
	uint64_t tail_lines;			  /* UINT64_MAX: all */
	int64_t since_real_usec, until_real_usec; /* 0: no limit */
	const char *
		alive_path; /* follow ends when this file (the engine's run record) is gone; NULL: never */
};
/* Streams the log directory to out_fd until the end, or for ever with follow; returns when the
 * reader has gone. Blocking: belongs into a child of its own. */
int log_stream(int dirfd, const struct log_query *query, int out_fd, struct err *err) MUST_CHECK;
/* "cleat log-stream": log_stream() as a confined worker; descriptor 3 is the log directory, 0 and 1
 * are the client. Options: --follow --timestamps --docker-frames --no-stdout --no-stderr --tail=N
 * --since=USEC --until=USEC (CLOCK_REALTIME) --alive=PATH. */
int cmd_log_stream(int argc, char **argv);
