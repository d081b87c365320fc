/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names to numbers: a hash table in an arena. Names are borrowed: they have to last as long as the table. */
#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"

struct lookup_slot {
	const char *name; /* NULL: free */
	size_t value;
};

struct lookup { /* zeroed: empty */
	struct lookup_slot *slots;
	size_t slot_count, count;
};

/* Room for so many names at once. The table must be empty. */
void lookup_reserve(struct lookup *lookup, struct arena *arena, size_t count);
/* False, and nothing is changed, when the name is there already. */
bool lookup_add(struct lookup *lookup, struct arena *arena, const char *name, size_t value);
bool lookup_find(const struct lookup *lookup, const char *name, size_t *value);
