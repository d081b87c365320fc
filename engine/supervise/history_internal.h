/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A history file's bytes, which may be anybody's; for history*.c only. */
#include "supervise/history.h"

struct history_file {
	const unsigned char *data; /* borrowed; NULL: an empty file */
	size_t len;
	struct history_header header; /* of a form that is ours; all of data is there */
};

/* How many slots a file with so many lines each has. */
static inline uint32_t history_slots(uint32_t lines)
{
	return lines == HISTORY_LINES_MANY ? HISTORY_SLOTS_MAX : HISTORY_UNITS_FEW + 64;
}

int history_file_open(struct history_file *file, const void *data, size_t len,
		      struct err *err) MUST_CHECK;
/* Names are terminated. */
void history_file_unit(const struct history_file *file, uint32_t slot, struct history_unit *out);
bool history_file_find(const struct history_file *file, const char *name, uint32_t *slot);
/* False: it is not there, or torn. The text is terminated UTF-8. */
bool history_file_record(const struct history_file *file, uint32_t slot, uint64_t sequence,
			 struct history_record *out);
/* The number behind the highest whole record; 1: there is none. */
uint64_t history_file_next(const struct history_file *file, uint32_t slot);
