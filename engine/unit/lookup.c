/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with open addressing. The number of names is bounded by its users, so names that were made
 * to collide cost a linear search at worst. Must never be more than half full.
 */
#include "unit/lookup_internal.h"

#include <stdint.h>

#include "util/str.h"

#define FIRST_SLOTS 64

/* As FNV-1a, but of eight bytes at a time: names are long, and each step waits for the one before it. */
static size_t hash_of(const char *name)
{
	const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
	size_t left = strlen(name);
	uint64_t hash = left, word;

	for (; left >= sizeof(word); left -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = (hash ^ word) * prime;
		hash ^= hash >> 32;
	}
	for (word = 0; left; left--)
		word = word << 8 | (unsigned char)*name++;
	hash = (hash ^ word) * prime;
	return (size_t)(hash ^ hash >> 32);
}

/* The slot that holds the name, or the free one where it belongs. */
static struct lookup_slot *slot_of(struct lookup_slot *slots, size_t slot_count, const char *name)
{
	size_t i = hash_of(name) & (slot_count - 1);

	while (slots[i].name && !str_eq(slots[i].name, name))
		i = (i + 1) & (slot_count - 1);
	return &slots[i];
}

static void grow(struct lookup *lookup, struct arena *arena)
{
	size_t slot_count = lookup->slot_count ? lookup->slot_count * 2 : FIRST_SLOTS;
	struct lookup_slot *slots = arena_alloc(arena, slot_count * sizeof(slots[0]));

	for (size_t i = 0; i < lookup->slot_count; i++)
		if (lookup->slots[i].name)
			*slot_of(slots, slot_count, lookup->slots[i].name) = lookup->slots[i];
	lookup->slots = slots;
	lookup->slot_count = slot_count;
}

void lookup_reserve(struct lookup *lookup, struct arena *arena, size_t count)
{
	size_t slot_count = FIRST_SLOTS;

	while (slot_count < count * 2)
		slot_count *= 2;
	lookup->slots = arena_alloc(arena, slot_count * sizeof(lookup->slots[0]));
	lookup->slot_count = slot_count;
}

bool lookup_add(struct lookup *lookup, struct arena *arena, const char *name, size_t value)
{
	struct lookup_slot *slot;

	if (lookup->count * 2 >= lookup->slot_count)
		grow(lookup, arena);
	slot = slot_of(lookup->slots, lookup->slot_count, name);
	if (slot->name)
		return false;
	*slot = (struct lookup_slot){ name, value };
	lookup->count++;
	return true;
}

bool lookup_find(const struct lookup *lookup, const char *name, size_t *value)
{
	const struct lookup_slot *slot;

	if (!lookup->slot_count)
		return false;
	slot = slot_of(lookup->slots, lookup->slot_count, name);
	*value = slot->value;
	return slot->name != NULL;
}
