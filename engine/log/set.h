/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The files of a log directory at one moment, open, newest first; rotations may go on while they
 * are opened. */
#include <stdbool.h>
#include <sys/types.h>

#include "log/files.h"
#include "util/err.h"

struct log_set {
	int fds[LOG_MAX_FILES]; /* owned; [0] is the newest */
	unsigned count;
};

/* Which file a reader is at. */
struct log_place {
	dev_t dev;
	ino_t ino;
};

/* Opens everything newer than the place, or everything when newer_than is NULL. found says whether
 * the place was met. */
int log_set_open(struct log_set *set, int dirfd, const struct log_place *newer_than, bool *found,
		 struct err *err) MUST_CHECK;
void log_set_close(struct log_set *set);
int log_place_of(int fd, struct log_place *out, struct err *err) MUST_CHECK;
/* 1: "current" is the file at this place, 0: it is another one or missing. */
int log_place_is_current(int dirfd, const struct log_place *place);
