/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the confined workers (fetch, unpack) have in common, and the coordinator's side of them: records (image/flat.h)
 * through a pipe, one line a fact, at the end "ok" or "code CODE" and "error TEXT".
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/flat.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/proc.h"

/* Descriptors of the workers. */
#define WORKER_FD_IN 0 /* fetch: the archive; unpack: compressed bytes */
#define WORKER_FD_RECORDS 1
#define WORKER_FD_DATA 3 /* fetch layer: where the bytes go; unpack: the folder to fill */
/* unpack: one byte comes when the id map is written, and one, or the end, after WORKER_WINDOW_LINE */
#define WORKER_FD_GO 4
#define WORKER_WINDOW "large-window"
#define WORKER_WINDOW_LINE WORKER_WINDOW " 1\n"

#define WORKER_RECORDS_MAX_BYTES \
	(32 * 1024 * 1024)		    /* manifest and config, escaped, and the facts */
#define WORKER_PROGRESS_BYTES (1024 * 1024) /* a progress line each */

/* Worker side. ---------------------------------------------------------------------------------- */

/* Dies when the coordinator does. After the last change of ids (which resets it); parent is what getppid() gave first. */
int worker_die_with(pid_t parent, struct err *err) MUST_CHECK;
/* Writes body (may be NULL) and the last line; returns the exit status of the process. */
int worker_finish(const struct buf *body, int rc, const struct err *err);

/* Coordinator side. ----------------------------------------------------------------------------- */

struct worker {
	const char *what; /* "fetch", "unpack"; borrowed */
	struct proc proc; /* pidfd -1: not started */
	int fd;		  /* records; -1 at their end */
	struct buf in;
	bool ok;	    /* said so, and ended with status 0 */
	enum err_code code; /* as told; ERR_NONE when it was fine */
	char error[400];
};

typedef int worker_line_fn(const struct flat_line *line, void *arg, struct err *err);

#define WORKER_INIT(name)                                   \
	{                                                   \
		.what = (name), .proc.pidfd = -1, .fd = -1, \
		.in = BUF_INIT(WORKER_RECORDS_MAX_BYTES)    \
	}

/* Starts "cleat NAME args..." (from /proc/self/exe) with fds as given; fds[WORKER_FD_RECORDS] is filled in here. */
int worker_start(struct worker *w, const char *const *args, const int *fds, unsigned fd_count,
		 struct err *err) MUST_CHECK;
/* One read(2) from the record pipe and a call of fn for every complete line but the last one. At the end of the
 * records it waits for the process, closes both descriptors, and w->ok or w->error tell the outcome. An error of fn
 * or a malformed record ends the process and becomes the outcome. */
void worker_read(struct worker *w, worker_line_fn *fn, void *arg);
/* worker_read() until the end; -1 with the worker's own error. */
int worker_run(struct worker *w, worker_line_fn *fn, void *arg, struct err *err) MUST_CHECK;
/* The code of that name, as a worker tells it; ERR_BUG when there is none. */
enum err_code worker_code_of(const char *name);
/* Kills it if it runs, waits, frees. */
void worker_fini(struct worker *w);
