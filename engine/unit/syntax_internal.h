/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text of one unit file as data: groups of assignments and comments, every byte of a value traceable to
 * its physical line and column. Order, comments and repeated groups are kept as podman's generator
 * keeps them, so that the service text can be written back. Strings live in the arena given.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "unit/args.h"
#include "unit/keys.h"
#include "util/arena.h"
#include "util/diag.h"

#define SYNTAX_PIECE_BYTES \
	16 /* lines are copied in pieces of this size, without a look at their length */
#define SYNTAX_MAX_GROUP_BYTES 49 /* what inih keeps of a section's name */

/* The logical line's text from offset on stands at line:column of the file. */
struct syntax_piece {
	size_t offset;
	unsigned line, column;
};

struct syntax_entry {
	const char *key; /* NULL: lines of comments, empty ones among them; value is their text */
	const struct key *row; /* of the table; NULL: no such key in this section */
	const char *value;     /* continuation lines joined, blanks cut at both ends */
	uint32_t hash;	       /* key_hash(key): most entries are passed over by it */
	uint32_t value_bytes;
	uint16_t key_bytes;
	bool is_line; /* key and value stand in the file's text as "key=value", and SYNTAX_PIECE_BYTES after them may be read */
	uint32_t value_offset;		   /* of the value in the logical line */
	const struct syntax_piece *pieces; /* of a logical line that is several physical ones */
	size_t piece_count;		   /* 0: it is one */
	const struct origin *origin;	   /* of the value; NULL for comments */
};

struct syntax_group {
	const char *name;
	const struct origin *origin; /* of the header met first; line 0 for groups that were added */
	struct syntax_entry *comments; /* before the header */
	size_t comment_count;
	struct syntax_entry *entries;
	size_t entry_count, entry_room; /* as many when the entries are borrowed */
	uint64_t may_have; /* a bit for each key that was ever added: most look-ups are for what is not there */
};

struct syntax_file {
	const char *path;
	struct syntax_group *groups; /* in order of appearance, each name once */
	size_t group_count;
	size_t recent; /* the group that syntax_group_ensure() found last: it is often asked for again */
	size_t entry_count; /* of all groups, as they were read and merged */
	size_t error_count;
	bool is_empty; /* no group and no error: the file masks others of its name */
};

/* Once before several threads read: fills the tables that are filled at their first use. */
void syntax_prepare(void);
/* Reads text[0..len). Every problem goes to diags with its line and column; what could be read is kept. */
void syntax_read(struct syntax_file *file, struct arena *arena, struct diags *diags,
		 const char *path, const char *text, size_t len);
/* The same for lines in the middle of a file: the first of them has this number. */
void syntax_read_part(struct syntax_file *file, struct arena *arena, struct diags *diags,
		      const char *path, const char *text, size_t len, unsigned first_line);
/* Appends source's groups to file's, as a drop-in does. */
void syntax_merge(struct syntax_file *file, struct arena *arena, const struct syntax_file *source);
/* A deep enough copy: groups and entries may be changed, texts and origins are shared. */
void syntax_copy(struct syntax_file *copy, struct arena *arena, const struct syntax_file *file);
/* The same without a copy of the entries: they are the file's until the group is added to, or syntax_own() is called for it, as it
 * has to be before one of them is changed. */
void syntax_borrow(struct syntax_file *copy, struct arena *arena, const struct syntax_file *file);
void syntax_own(struct syntax_group *group, struct arena *arena);

struct syntax_group *syntax_group(const struct syntax_file *file, const char *name); /* NULL */
struct syntax_group *syntax_group_ensure(struct syntax_file *file, struct arena *arena,
					 const char *name);
/* A known key is its row's name, and the linker keeps equal literals once: most that are equal are one text. */
static inline bool syntax_is_same(const char *left, const char *right)
{
	return left == right || (*left == *right && strcmp(left, right) == 0);
}

static inline bool syntax_is(const struct syntax_entry *entry, const char *key, uint32_t hash)
{
	return entry->hash == hash && entry->key && syntax_is_same(entry->key, key);
}

/* An assignment without lines of its own. Made inline, so that length and hash of literals are constants. */
struct syntax_assignment {
	const char *key, *value;
	uint32_t hash, value_bytes;
	uint16_t key_bytes;
};

static inline struct syntax_assignment syntax_assignment(const char *key, const char *value)
{
	return (struct syntax_assignment){ .key = key,
					   .value = value,
					   .hash = key_hash(key),
					   .key_bytes = (uint16_t)strlen(key),
					   .value_bytes = (uint32_t)strlen(value) };
}

/* Appends an assignment, or all of another group: nobody else may. */
void syntax_add(struct syntax_group *group, struct arena *arena,
		const struct syntax_assignment *line);
void syntax_add_all(struct syntax_group *group, struct arena *arena,
		    const struct syntax_group *from);
static inline uint64_t syntax_bit(uint32_t hash)
{
	return UINT64_C(1) << (hash >> 26);
}

/* group may be NULL. */
static inline bool syntax_may_have(const struct syntax_group *group, uint32_t hash)
{
	return group && (group->may_have & syntax_bit(hash));
}

struct syntax_entry *syntax_find_last(const struct syntax_group *group, const char *key,
				      uint32_t hash);
/* The last assignment of key, or NULL; group may be NULL. Inline, because the hash of a literal is a constant. */
static inline struct syntax_entry *syntax_last(const struct syntax_group *group, const char *key)
{
	uint32_t hash = key_hash(key);

	return syntax_may_have(group, hash) ? syntax_find_last(group, key, hash) : NULL;
}

/* The same of a key of the group's own section. */
static inline struct syntax_entry *syntax_last_of(const struct syntax_group *group,
						  const struct key *row)
{
	for (size_t i = group ? group->entry_count : 0; i > 0; i--)
		if (group->entries[i - 1].row == row)
			return &group->entries[i - 1];
	return NULL;
}

/* Origin of the byte at offset of the entry's value. */
const struct origin *syntax_origin(struct arena *arena, const struct syntax_entry *entry,
				   size_t offset);
/* Go's idea of white space, which podman trims lines with: bytes of the blank at s (end: one past the text), 0 if none. */
size_t syntax_blank_bytes(const char *s, const char *end);
