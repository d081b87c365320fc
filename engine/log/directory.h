/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A log directory by its path, which a unit may have chosen in a place where containers write. */
#include <stdbool.h>

#include "util/err.h"

#define LOG_DIR_MODE 0750

/* Opens it component by component, each without following a link, making what is missing (root's, LOG_DIR_MODE) if make is set.
 * Returns the descriptor or -1. Blocking: disk. */
int log_directory_open(const char *path, bool make, struct err *err) MUST_CHECK;
/* Gives the directory with the files that are ours by name to IDS_WORKER_LOG, if it is another user's. is_chosen: a unit has named it; then
 * one that holds something else is refused, because it is somebody's folder. */
int log_directory_adopt(int dirfd, bool is_chosen, struct err *err) MUST_CHECK;
