/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lines of a log file back into their parts. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log.h"
#include "log/stamp.h"
#include "util/err.h"

struct log_line {
	const char *stamp; /* LOG_STAMP_LEN bytes, not terminated */
	bool is_stderr;
	bool is_end;	  /* F; false: P, a piece */
	const char *text; /* not terminated */
	size_t len;
};

/* line has no newline. False when it is not in CRI form as log.h has it. The parts point into
 * line. */
bool log_line_parse(const char *line, size_t len, struct log_line *out);

/* Reads one file line by line; what is no whole line yet stays for the next call. */
#define LOG_SCAN_BYTES (64u * 1024)
struct log_scan {
	int fd;	   /* borrowed */
	char *buf; /* borrowed, LOG_SCAN_BYTES */
	size_t begin, end;
	bool skipping; /* inside a line that is too long to be ours */
};

/* 1 and a line (valid until the next call); 0: no further whole line at present; -1: read error.
 * Lines that are not in our form are stepped over. */
int log_scan_next(struct log_scan *scan, struct log_line *out, struct err *err);
