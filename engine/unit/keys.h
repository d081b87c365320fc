/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The vocabulary of unit files: one row per key. The row feeds the reader, the words for podman, "cleat check",
 * "cleat keys", KEYS.md, the fuzz dictionary and "did you mean". Source of the facts:
 * podman-systemd.unit(5), systemd.unit(5), systemd.service(5), systemd.exec(5).
 */
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/buf.h"

/* How a value is read: decides quoting, repeats and what an empty assignment does. */
enum key_kind {
	KEY_STRING, /* S: last assignment wins; one pair of double quotes round the whole value is taken off */
	KEY_BOOL,  /* B: like S; 1/yes/true/on in any case is true */
	KEY_LIST,  /* L: every line is one raw value; an empty one clears */
	KEY_WORDS, /* W: lines split at blanks, quotes off, backslash is a letter; empty clears */
	KEY_ARGS,  /* A: lines split like a command line, C escapes; empty clears */
	KEY_LAST_ARGS, /* X: like A, only the last line counts */
	KEY_PAIRS,  /* K: like A, words are NAME=VALUE or NAME; later names replace earlier ones */
	KEY_NUMBER, /* N: last wins; 0x.. and leading 0 as in C */
	KEY_SPAN,   /* T: time span of systemd.time(7); last wins */
	KEY_EXIT_SET, /* E: exit codes and signal names; empty clears */
};

enum key_state {
	KEY_ACTED, /* does what it says; reason, if any, tells which values are refused or noted */
	KEY_NOTED, /* accepted and shown: leaving it out cannot weaken isolation or lose data */
	KEY_REFUSED, /* will not be done; reason says what to write instead */
	KEY_NOT_YET, /* understood, not done by this version: the unit is refused */
};

/* It has one value, which is a text of its own. */
static inline bool key_is_single(enum key_kind kind)
{
	return kind == KEY_STRING || kind == KEY_BOOL || kind == KEY_NUMBER || kind == KEY_SPAN;
}

/* How a key of [Container] becomes words of the podman command line. */
enum key_form {
	KEY_FORM_NONE,	   /* no words, or words at a fixed place (name, image, command) */
	KEY_FORM_VALUE,	   /* "--flag" "value", once per value */
	KEY_FORM_JOINED,   /* "--flag=value", empty value too */
	KEY_FORM_BOOL,	   /* "--flag" or "--flag=false" */
	KEY_FORM_TRUE,	   /* flag (one word, or two parted by a blank), only when true */
	KEY_FORM_SECURITY, /* "--security-opt" "flag" + value */
	KEY_FORM_LOWER,	   /* as VALUE, letters made small */
	KEY_FORM_SPECIAL,  /* rule of its own in convert_special.c */
	KEY_FORM_ALWAYS,   /* the same, which may have words when no line has the key */
};

/* One line of a processor's cache. */
struct key {
	alignas(64) const char *section;
	const char *name;
	const char *full; /* "Container.Image" */
	enum key_kind kind:8;
	enum key_state state:8;
	enum key_form form:8;
	bool is_passed_on; /* KEY_NOTED, but its words go into spec_args */
	uint8_t name_bytes;
	const char *flag;    /* "" when there is none */
	const char *reason;  /* "" only for KEY_ACTED */
	const char *help;    /* one line */
	const char *example; /* a value that is accepted */
};

/* Of a key's name: made of its length, beginning and end, so that the compiler knows it of a literal. Of hostile names only
 * compared, never made an index into their own. */
static inline uint32_t key_hash_of(const char *name, size_t len)
{
	uint64_t head = 0, tail = 0;
	uint32_t part;

	if (len >= sizeof(head)) {
		memcpy(&head, name, sizeof(head));
		memcpy(&tail, name + (len - sizeof(tail)), sizeof(tail));
	} else if (len >= sizeof(part)) {
		memcpy(&part, name, sizeof(part));
		head = part;
		memcpy(&part, name + (len - sizeof(part)), sizeof(part));
		head = head << 32 | part;
	} else {
		for (size_t i = 0; i < len; i++)
			head = head << 8 | (unsigned char)name[i];
	}
	head = (head ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	head = (head ^ head >> 32 ^ tail) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(head >> 32);
}

static inline uint32_t key_hash(const char *name)
{
	return key_hash_of(name, strlen(name));
}

/* NULL: no such key in this section. */
const struct key *key_find(const char *section, const char *name);
/* The same, for whoever asks for many keys of one section: its number (-1: unknown), and key_hash_of(name, len). */
int key_section_number(const char *section);
const struct key *key_find_hashed(int section, const char *name, size_t len, uint32_t hash);
bool key_section_is_known(const char *section);
/* The rows of a section, which stand together, in the order of the words for podman; NULL: no such section. */
const struct key *key_section(const char *section, size_t *count);
const char *key_section_at(size_t index); /* NULL: no more */
size_t key_count(void);
const struct key *
key_at(size_t index); /* sections together, in the order of the words for podman */
char key_kind_letter(enum key_kind kind);
/* Of several lines only the last one counts. */
bool key_last_counts(enum key_kind kind);
/* What a value of this kind looks like, its rule for repeats and empty assignments; one line. */
const char *key_kind_text(enum key_kind kind);
const char *key_state_name(enum key_state state);

/* What is known of a key's values beyond its kind (keys_values.c). */
struct key_values {
	const char *section, *name;
	const char *preset; /* what counts when nothing is said; "": not to be told in a word */
	const char *words;  /* all that have a meaning, blanks between; "": they are many */
};
const struct key_values *key_values(const struct key *key); /* NULL: nothing */
const struct key_values *key_values_at(size_t index);	    /* NULL: no more */

/* Appends what may have been meant by an unknown key ("did you mean Image=?", "belongs in [Service]"), or nothing. */
void key_suggest(const char *section, const char *name, struct buf *out);
/* The same, when it is known which section of its own the unit has ("Pod" in a .pod unit; NULL: not known). With section "" the
 * key may be meant for any. */
void key_suggest_in(const char *own, const char *section, const char *name, struct buf *out);
void key_suggest_section(const char *section, struct buf *out);
/* KEYS.md, tests/fuzz/unit.dict and units.schema.json. */
void keys_write_markdown(struct buf *out);
void keys_write_dictionary(struct buf *out);
void keys_write_schema(struct buf *out);
