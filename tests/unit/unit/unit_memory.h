/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a set of units may take in memory, as a multiple of what was read: for tests and fuzzing. The worst byte is
 * that of a command of one-letter words, just past the doubling of a list: each word has a place and stands in
 * three lists. Common units take about 80 for each.
 */
#include "unit/unit.h"

#define MEMORY_AT_REST ((size_t)64 * 1024)
#define MEMORY_PER_UNIT ((size_t)16 * 1024)
#define MEMORY_PER_BYTE ((size_t)640)
/* $NAME and %h may put in a text often: their words have a bound of their own, and are kept in a few forms. */
#define MEMORY_EXPANDED ((size_t)UNIT_MAX_WORD_BYTES * 4)

/* bytes: of files, a drop-in's for each unit that gets it. */
static inline size_t memory_limit(size_t bytes, size_t units, bool may_expand)
{
	return MEMORY_AT_REST + bytes * MEMORY_PER_BYTE + units * MEMORY_PER_UNIT +
	       (may_expand ? units * MEMORY_EXPANDED : 0);
}

static inline size_t memory_of(const struct unit_set *set)
{
	return set->work_bytes + set->arena.total_bytes + set->diags.arena.total_bytes;
}
