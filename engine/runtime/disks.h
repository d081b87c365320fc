/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "util/err.h"

/* "MAJOR:MINOR" of the whole disk that a path is: of a block device, or of the file system that any other file lies on. ERR_INPUT: that
 * one has no disk of its own (overlay, tmpfs, btrfs). */
int disks_number(const char *path, char *out, size_t size, struct err *err) MUST_CHECK;

/* Writes lines "PATH|MAJOR:MINOR rbps=N..." to io.max of the cgroup; ERR_NOT_FOUND with nothing wrapped: it has no such file. */
int disks_write_io_max(int cgroup, const char *text, struct err *err) MUST_CHECK;
