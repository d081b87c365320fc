/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* log_stream() in two steps, so that a worker can give up its rights between opening and
 * reading. */
#include "log/log.h"

struct log_reader {
	int dirfd;		       /* borrowed */
	int inotify_fd;		       /* owned; -1: none, files are looked at periodically */
	int alive_fd;		       /* owned; -1: none */
	const struct log_query *query; /* borrowed */
};

/* Opens what must be opened by path. Changes the working directory to dirfd's (inotify wants a
 * path). */
int log_reader_open(struct log_reader *reader, int dirfd, const struct log_query *query,
		    struct err *err) MUST_CHECK;
int log_reader_run(struct log_reader *reader, int out_fd, struct err *err) MUST_CHECK;
void log_reader_close(struct log_reader *reader);
