/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking keys up. Every line of every unit asks, so the rows are put into a table of hashes at the first question. Must
 * never know a key that has no row.
 */
#include <assert.h>

#include <stdint.h>

#include "unit/keys_internal.h"
#include "unit/syntax_internal.h"
#include "util/str.h"

#define SLOTS 2048 /* a power of two, twice the rows at least */
#define MAX_SECTIONS 32

static const struct {
	const struct key *rows;
	const size_t *count;
} parts[] = {
	{ keys_container, &keys_container_count },
	{ keys_groups, &keys_groups_count },
	{ keys_resources, &keys_resources_count },
	{ keys_systemd, &keys_systemd_count },
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* The rows of a section stand together. */
struct section {
	const char *name;
	const struct key *rows;
	size_t count;
};

static struct {
	size_t key_count, section_count;
	struct section sections[MAX_SECTIONS];
	/* The hash stands beside the row's place, so that a row is looked at when it is the one. */
	struct slot {
		uint32_t hash;
		uint16_t row; /* 1 + of its part; 0: free */
		uint8_t part, section;
	} slots[SLOTS];
} table;

static int section_number(const char *name)
{
	for (size_t i = 0; i < table.section_count; i++)
		if (syntax_is_same(table.sections[i].name, name))
			return (int)i;
	return -1;
}

static const struct key *row_of(const struct slot *slot)
{
	return slot->row ? &parts[slot->part].rows[slot->row - 1] : NULL;
}

/* Most names of the table are no longer than two words of the machine, of which some bytes may be looked at twice. */
static bool is_name(const struct key *row, const char *name, size_t len)
{
	uint64_t head[2], tail[2];

	if (row->name_bytes != len)
		return false;
	if (len < sizeof(head[0]) || len > 2 * sizeof(head[0]))
		return memcmp(row->name, name, len) == 0;
	memcpy(&head[0], row->name, sizeof(head[0]));
	memcpy(&head[1], name, sizeof(head[0]));
	memcpy(&tail[0], row->name + len - sizeof(tail[0]), sizeof(tail[0]));
	memcpy(&tail[1], name + len - sizeof(tail[0]), sizeof(tail[0]));
	return head[0] == head[1] && tail[0] == tail[1];
}

/* The slot of the key, or the free one where it would be. */
static inline struct slot *find_slot(int section, const char *name, size_t len, uint32_t hash)
{
	uint32_t at = (hash + (uint32_t)section * 0x9e3779b1u) % SLOTS;
	struct slot *slot = &table.slots[at];

	for (; slot->row; slot = &table.slots[at]) {
		if (slot->hash == hash && slot->section == section &&
		    is_name(row_of(slot), name, len))
			break;
		at = (at + 1) % SLOTS;
	}
	return slot;
}

static void enter(size_t part, size_t row)
{
	const struct key *key = &parts[part].rows[row];
	int number = section_number(key->section);
	uint32_t hash = key_hash_of(key->name, key->name_bytes);
	struct section *section;

	if (number < 0) {
		assert(table.section_count < MAX_SECTIONS);
		number = (int)table.section_count++;
		table.sections[number].name = key->section;
		table.sections[number].rows = key;
	}
	section = &table.sections[number];
	assert(key == &section->rows[section->count]);
	section->count++;
	assert(table.key_count < SLOTS / 2);
	table.key_count++;
	*find_slot(number, key->name, key->name_bytes, hash) =
		(struct slot){ hash, (uint16_t)(row + 1), (uint8_t)part, (uint8_t)number };
}

static void fill_table(void)
{
	if (table.key_count)
		return;
	for (size_t i = 0; i < PART_COUNT; i++)
		for (size_t k = 0; k < *parts[i].count; k++)
			enter(i, k);
}

size_t key_count(void)
{
	fill_table();
	return table.key_count;
}

const struct key *key_at(size_t index)
{
	for (size_t i = 0; i < PART_COUNT; index -= *parts[i++].count)
		if (index < *parts[i].count)
			return &parts[i].rows[index];
	return NULL;
}

int key_section_number(const char *section)
{
	fill_table();
	return section_number(section);
}

const struct key *key_find_hashed(int section, const char *name, size_t len, uint32_t hash)
{
	return section < 0 ? NULL : row_of(find_slot(section, name, len, hash));
}

const struct key *key_find(const char *section, const char *name)
{
	size_t len = strlen(name);

	return key_find_hashed(key_section_number(section), name, len, key_hash_of(name, len));
}

const struct key *key_section(const char *section, size_t *count)
{
	int number = key_section_number(section);

	*count = number < 0 ? 0 : table.sections[number].count;
	return number < 0 ? NULL : table.sections[number].rows;
}

const char *key_section_at(size_t index)
{
	fill_table();
	return index < table.section_count ? table.sections[index].name : NULL;
}

bool key_last_counts(enum key_kind kind)
{
	switch (kind) {
	case KEY_STRING:
	case KEY_BOOL:
	case KEY_LAST_ARGS:
	case KEY_NUMBER:
	case KEY_SPAN:
		return true;
	case KEY_LIST:
	case KEY_WORDS:
	case KEY_ARGS:
	case KEY_PAIRS:
	case KEY_EXIT_SET:
		break;
	}
	return false;
}

bool key_section_is_known(const char *section)
{
	size_t count;

	return key_section(section, &count) != NULL;
}

char key_kind_letter(enum key_kind kind)
{
	return "SBLWAXKNTE"[kind];
}

const char *key_state_name(enum key_state state)
{
	switch (state) {
	case KEY_ACTED:
		return "acted on";
	case KEY_NOTED:
		return "noted";
	case KEY_REFUSED:
		return "refused";
	case KEY_NOT_YET:
		return "not yet";
	}
	return "unknown";
}
