/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values by kind, exactly as podman's generator looks them up: which look-up a key uses decides quoting, repeats
 * and resets. In the engine's pass what podman drops silently is an error: a lost line can be a lost restriction.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "unit/reading_internal.h"
#include "unit/words_internal.h"
#include "util/sort.h"
#include "util/str.h"

static const struct origin *word_origin(struct reading *r, const struct syntax_entry *entry,
					const struct word *word)
{
	return syntax_origin(r->arena, entry, word->offset);
}

void value_of_entry(struct reading *r, const struct syntax_entry *entry, struct arg *out)
{
	const char *text = entry->value;

	out->text = text;
	out->origin = entry->origin;
	if (text[0] != '"')
		return;

	size_t len = strlen(text);

	if (len >= 2 && text[len - 1] == '"')
		out->text = arena_strndup(r->arena, text + 1, len - 2);
}

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if ((*text | 0x20) == (**list | 0x20) && strcasecmp(text, *list) == 0)
			return true;
	return false;
}

enum value_bool value_bool_of_entry(struct reading *r, const struct syntax_entry *entry)
{
	static const char *const yes[] = { "1", "yes", "true", "on", NULL };
	static const char *const no[] = { "0", "no", "false", "off", "n", "f", "", NULL };
	struct arg value;

	value_of_entry(r, entry, &value);
	if (is_one_of(value.text, yes))
		return VALUE_TRUE;
	if (!is_one_of(value.text, no))
		reading_refuse(r, value.origin,
			       "'%s' is neither true nor false (podman takes it for false)",
			       value.text);
	return VALUE_FALSE;
}

struct arg_list value_find_list(struct reading *r, const struct syntax_group *group,
				const char *key, uint32_t hash)
{
	struct arg_list list = { 0 };

	for (size_t i = 0; i < group->entry_count; i++) {
		const struct syntax_entry *entry = &group->entries[i];

		if (!syntax_is(entry, key, hash))
			continue;
		if (!entry->value[0])
			list.count = 0;
		else
			arg_push(r->arena, &list, entry->value, entry->origin);
	}
	return list;
}

/* Appends the words of one line; false when it could not be split. */
static bool append_words(struct reading *r, const struct syntax_entry *entry, enum words_mode mode,
			 struct arg_list *list)
{
	struct words words;

	if (words_is_one(entry->value)) {
		arg_push(r->arena, list, entry->value, entry->origin);
		return true;
	}
	words = words_split(r->arena, entry->value, mode);
	if (words.problem) {
		struct word at = { .offset = words.problem_offset };

		reading_slip(r, word_origin(r, entry, &at), "%s: the line is dropped",
			     words.problem);
		reading_refuse(r, word_origin(r, entry, &at), "%s (podman drops the line)",
			       words.problem);
		return false;
	}
	for (size_t i = 0; i < words.count; i++) {
		/* podman's splitter takes an empty quoted word for the end of the line. */
		if (r->is_podman && !words.items[i].text[0])
			break;
		arg_push(r->arena, list, words.items[i].text,
			 word_origin(r, entry, &words.items[i]));
	}
	return true;
}

struct arg_list value_find_words(struct reading *r, const struct syntax_group *group,
				 const char *key, uint32_t hash, bool has_escapes)
{
	enum words_mode mode = has_escapes ? WORDS_ESCAPES : WORDS_PLAIN;
	struct arg_list list = { 0 };

	for (size_t i = 0; i < group->entry_count; i++) {
		const struct syntax_entry *entry = &group->entries[i];

		if (!syntax_is(entry, key, hash))
			continue;
		if (!entry->value[0])
			list.count = 0;
		else
			append_words(r, entry, mode, &list);
	}
	return list;
}

struct arg_list value_args_of_entry(struct reading *r, const struct syntax_entry *entry)
{
	struct arg_list list = { 0 };

	append_words(r, entry, WORDS_ESCAPES, &list);
	return list;
}

/* By name: the end of one comes before any letter. */
static int compare_pairs(const void *left, const void *right)
{
	const unsigned char *a = (const unsigned char *)((const struct arg *)left)->text;
	const unsigned char *b = (const unsigned char *)((const struct arg *)right)->text;

	for (; *a == *b && *a && *a != '='; a++, b++)
		;
	return (*a && *a != '=' ? *a : 0) - (*b && *b != '=' ? *b : 0);
}

struct arg_list value_find_pairs(struct reading *r, const struct syntax_group *group,
				 const char *key, uint32_t hash)
{
	struct arg_list all = value_find_words(r, group, key, hash, true), list = { 0 };
	const struct origin *assigned = NULL;

	if (all.count < 2)
		return all;
	for (size_t i = 0; i < all.count; i++) {
		if (strchr(all.items[i].text, '='))
			assigned = all.items[i].origin;
		else if (assigned && assigned->line == all.items[i].origin->line &&
			 assigned->file == all.items[i].origin->file)
			reading_warn(
				r, all.items[i].origin,
				"'%s' stands behind a NAME=VALUE without one of its own: put values with blanks in double quotes",
				all.items[i].text);
	}
	/* A stable sort by name, so that the last of equal names can be kept: 32 K pairs of a hostile file cost no square. */
	struct arg *sorted =
		sort_stable(r->arena, all.items, all.count, sizeof(*all.items), compare_pairs);

	for (size_t i = 0; i < all.count; i++)
		if (i + 1 == all.count || compare_pairs(&sorted[i], &sorted[i + 1]) != 0)
			arg_push(r->arena, &list, sorted[i].text, sorted[i].origin);
	return list;
}

/* C style: 0x.. is hexadecimal, a leading 0 octal. podman multiplies negative numbers by 11 and then refuses them:
 * here they are refused at once, to the same effect. */
unsigned value_number(struct reading *r, const struct syntax_group *group, const char *key,
		      unsigned preset)
{
	struct arg value;
	char *end = NULL;

	if (!value_text(r, group, key, &value))
		return preset;

	const char *digits = value.text + (value.text[0] == '+');

	errno = 0;

	unsigned long long number = strtoull(digits, &end, 0);

	if (digits[0] < '0' || digits[0] > '9' || *end || errno || number > UINT32_MAX) {
		reading_refuse(r, value.origin, "'%s' is no number from 0 to %u", value.text,
			       UINT32_MAX);
		return preset;
	}
	return (unsigned)number;
}

struct arg_list value_of_list(struct reading *r, const struct syntax_group *group,
			      const struct syntax_entry *entry)
{
	switch (entry->row->kind) {
	case KEY_STRING:
	case KEY_BOOL:
	case KEY_NUMBER:
	case KEY_SPAN:
		break;
	case KEY_LIST:
		return value_find_list(r, group, entry->key, entry->hash);
	case KEY_WORDS:
	case KEY_EXIT_SET:
		return value_find_words(r, group, entry->key, entry->hash, false);
	case KEY_ARGS:
		return value_find_words(r, group, entry->key, entry->hash, true);
	case KEY_LAST_ARGS:
		return value_args_of_entry(r, entry);
	case KEY_PAIRS:
		return value_find_pairs(r, group, entry->key, entry->hash);
	}
	return (struct arg_list){ 0 };
}
