/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Splitting a value into words, and writing words back, as systemd.service(5) "Command lines" and podman's
 * generator do it.
 */
#include <stdbool.h>
#include <stddef.h>

#include "unit/args.h"
#include "util/arena.h"
#include "util/buf.h"

enum words_mode {
	WORDS_PLAIN, /* quotes are taken off, a backslash is a letter; an open quote is an error */
	WORDS_VARIABLE, /* quotes off, a backslash takes the next letter as it is; an open quote runs to the end */
	WORDS_ESCAPES, /* the same and C escapes are applied; an open quote runs to the end */
	WORDS_COMMAND, /* systemd's own: as WORDS_ESCAPES, an open quote is an error; ; alone parts commands, \; alone is ; */
};

struct word {
	const char *text;
	size_t offset;	   /* of the word's first byte in the value */
	bool is_separator; /* WORDS_COMMAND: the ; between two commands */
};

/* Whether the words of a value are the value itself, as it stands: most are. */
bool words_is_one(const char *text);

struct words {
	struct word *items;
	size_t count;
	const char *problem; /* NULL: none; else what is wrong at problem_offset, and no words */
	size_t problem_offset;
};

/* Blanks are space, tab, newline, return. An empty quoted word is a word. Never fails for another reason than
 * an unknown escape or, in WORDS_PLAIN and WORDS_COMMAND, an open quote: see problem. */
/* Words may be parts of text itself. */
struct words words_split(struct arena *arena, const char *text, enum words_mode mode);
/* A word with a blank, control letter, quote or backslash is put in double quotes with escapes. */
void words_escape(struct buf *out, const char *word);
/* The same of each, a blank before it. */
void words_append(struct buf *out, const struct arg_list *words);
/* Whether there may be a specifier or a variable in it: a % or $. */
bool words_has_sign(const char *word, size_t len);
bool words_is_plain(const char *word); /* it would be written as it is */
