/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files of one log directory as their writer sees them: appending whole lines to "current",
 * rotating. Everything is relative to a directory descriptor. Blocking: disk.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define LOG_MAX_FILES 100u	   /* highest max_files: rotation is a rename a file */
#define LOG_MIN_BYTES (64u * 1024) /* lowest max_bytes: several of the longest lines */
#define LOG_CURRENT "current"
#define LOG_LOCK "lock"

struct log_files {
	int dirfd;	    /* borrowed */
	int fd;		    /* owned; "current", -1 when not open */
	uint64_t size;	    /* of "current" */
	uint64_t max_bytes; /* LOG_MIN_BYTES or more */
	unsigned max_files; /* 1 to LOG_MAX_FILES, current counted */
};

/* Opens or makes "current", ends a line torn by a power cut, removes files beyond max_files (an
 * earlier run may have kept more). */
int log_files_open(struct log_files *files, int dirfd, uint64_t max_bytes, unsigned max_files,
		   struct err *err) MUST_CHECK;
/* Appends len bytes that consist of whole lines, rotating at line ends. done says how many bytes
 * (whole lines) reached the file, on failure too. After a failure it may be called again. */
int log_files_write(struct log_files *files, const char *lines, size_t len, size_t *done,
		    struct err *err) MUST_CHECK;
void log_files_close(struct log_files *files);
/* "1", "2", ...: name of the n-th finished file. */
#define LOG_NAME_MAX 8
const char *log_files_name(unsigned number, char out[LOG_NAME_MAX]);
/* Which finished files are there, by number: to try a hundred names in each of a hundred folders costs more than all else that is done with
 * them. Reads dirfd from its beginning. */
void log_files_look(int dirfd, bool found[LOG_MAX_FILES]);
