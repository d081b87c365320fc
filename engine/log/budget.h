/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A budget for all logs together. What goes: finished files, of the directory that takes most the oldest; then, when nothing finished is
 * left, the last files of directories that no writer has, the one that was written longest ago first. Never a file that is being written.
 */
#include <stdint.h>

#include "util/err.h"

#define LOG_BUDGET_BYTES (UINT64_C(256) * 1024 * 1024)
#define LOG_BUDGET_PERCENT 10u
#define LOG_BUDGET_MAX_DIRS 2048

struct log_budget {
	uint64_t bytes; /* 0: by percent */
	unsigned percent; /* of the first directory's file system; both 0: the lesser of the two defaults */
};

/* What the budget is on the file system of dirfd. */
int log_budget_bytes(const struct log_budget *budget, int dirfd, uint64_t *bytes,
		     struct err *err) MUST_CHECK;
/* Removes until total <= bytes. dirfds: the log directories. removed, freed: files and bytes. */
int log_budget_apply(const int *dirfds, unsigned count, uint64_t bytes, unsigned *removed,
		     uint64_t *freed, struct err *err) MUST_CHECK;
/* "cleat log-budget [--bytes N] [--percent N] --root DIR... [--dir NAME=DIR]...": the worker, as IDS_WORKER_LOG. */
int cmd_log_budget(int argc, char **argv);
