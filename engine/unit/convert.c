/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as words of a podman command: the table says how each becomes words and in which order. A
 * .container unit as the words of "podman run": only name, image and command have places of their
 * own. Must never add a word that no line asked for, but those that podman's generator adds, and
 * those in podman's pass only.
 */
#include <assert.h>

#include "unit/convert_internal.h"
#include "unit/kinds_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

/* Words that no line asked for. */
static const struct origin nobody = { .file = "", .key = "" };

void convert_push(struct reading *r, struct arg_list *words, const char *text)
{
	arg_push(r->arena, words, text, &nobody);
}

void convert_push_pair(struct reading *r, struct arg_list *words, const char *flag,
		       const struct arg *value)
{
	arg_push(r->arena, words, flag, value->origin);
	arg_push(r->arena, words, value->text, value->origin);
}

static const char *lower(struct reading *r, const char *text)
{
	char *copy = arena_strdup(r->arena, text);

	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy;
}

/* "--security-opt label=disable" is two words in the table, too. */
static void push_true(struct reading *r, const struct key *key, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last_of(r->own, key);
	const char *blank;

	if (!entry || value_bool_of_entry(r, entry) != VALUE_TRUE)
		return;
	blank = strchr(key->flag, ' ');
	if (blank)
		arg_push(r->arena, words,
			 arena_strndup(r->arena, key->flag, (size_t)(blank - key->flag)),
			 entry->origin);
	arg_push(r->arena, words, blank ? blank + 1 : key->flag, entry->origin);
}

static void push_bool(struct reading *r, const struct key *key, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last_of(r->own, key);

	if (!entry)
		return;

	bool is_true = value_bool_of_entry(r, entry) == VALUE_TRUE;

	arg_push(r->arena, words, is_true ? key->flag : arena_join(r->arena, key->flag, "=false"),
		 entry->origin);
}

static void push_value(struct reading *r, const struct key *key, struct arg value,
		       struct arg_list *words)
{
	if (key->form == KEY_FORM_LOWER)
		value.text = lower(r, value.text);
	if (key->form == KEY_FORM_SECURITY) {
		value.text = arena_join(r->arena, key->flag, value.text);
		convert_push_pair(r, words, "--security-opt", &value);
	} else if (key->flag[0]) {
		convert_push_pair(r, words, key->flag, &value);
	} else {
		arg_push(r->arena, words, value.text, value.origin);
	}
}

/* A single text that is empty says nothing, but of these two podman's generator passes the
 * emptiness on; the words of lists may be empty. */
static bool says_nothing(const struct reading *r, const struct key *key, const struct arg *value)
{
	return key->kind == KEY_STRING && !value->text[0] &&
	       !(r->is_podman &&
		 (str_eq(key->name, "LogDriver") || str_eq(key->name, "SeccompProfile")));
}

static void push_values(struct reading *r, const struct key *key, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last_of(r->own, key);
	struct arg_list values;
	struct arg value;

	if (!entry)
		return;
	if (key_is_single(key->kind)) {
		value_of_entry(r, entry, &value);
		if (!says_nothing(r, key, &value))
			push_value(r, key, value, words);
		return;
	}
	values = value_of_list(r, r->own, entry);
	for (size_t i = 0; i < values.count; i++)
		push_value(r, key, values.items[i], words);
}

static void push_joined(struct reading *r, const struct key *key, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last_of(r->own, key);
	struct arg value;

	if (!entry)
		return;
	value_of_entry(r, entry, &value);
	arg_push(r->arena, words, arena_join(r->arena, key->flag, "=", value.text), value.origin);
}

/* The engine's pass leaves out what it refuses or only notes. What is not done yet is passed on:
 * the unit is refused anyway, and whoever explains it or comes to run it finds the words. */
static bool is_dropped(const struct reading *r, const struct key *key)
{
	return !r->is_podman && !key->is_passed_on &&
	       (key->state == KEY_NOTED || key->state == KEY_REFUSED);
}

/* Nobody wants the words of podman's pass when there is no text to write: of the keys that follow the table podman refuses
 * none. */
bool convert_wants_words(const struct reading *r)
{
	return !r->is_podman || r->service;
}

static void convert_key(struct reading *r, const struct key *key, struct arg_list *words)
{
	if (is_dropped(r, key))
		return;
	switch (key->form) {
	case KEY_FORM_NONE:
		break;
	case KEY_FORM_VALUE:
	case KEY_FORM_SECURITY:
	case KEY_FORM_LOWER:
		push_values(r, key, words);
		break;
	case KEY_FORM_JOINED:
		push_joined(r, key, words);
		break;
	case KEY_FORM_BOOL:
		push_bool(r, key, words);
		break;
	case KEY_FORM_TRUE:
		push_true(r, key, words);
		break;
	case KEY_FORM_SPECIAL:
	case KEY_FORM_ALWAYS:
		if (!r->kind->special || !r->kind->special(r, key, words))
			convert_special(r, key, words);
		break;
	}
}

#define ROW_WORDS 2 /* of 64 rows each: those of one section */

/* A bit for each row of a section. */
struct rows {
	uint64_t bits[ROW_WORDS];
};

static void add_row(struct rows *rows, size_t row)
{
	rows->bits[row / 64] |= UINT64_C(1) << row % 64;
}

/* By kind: those that say something without a line. */
static struct rows always[UNIT_ARTIFACT + 1];
static bool has_always;

void convert_prepare(void)
{
	const struct kind *kind;

	for (size_t k = 0; !has_always && (kind = kind_at(k)) != NULL; k++) {
		size_t count;
		const struct key *keys = key_section(kind->section, &count);

		assert(count <= sizeof(struct rows) * 8);
		for (size_t i = 0; i < count; i++)
			if (keys[i].form == KEY_FORM_ALWAYS)
				add_row(&always[kind->id], i);
	}
	has_always = true;
}

/* Most rows have no line in a unit: they are not even looked at. */
void convert_keys(struct reading *r, struct arg_list *words)
{
	size_t count;
	const struct key *keys = key_section(r->kind->section, &count);
	bool has_words = convert_wants_words(r);
	struct rows rows;

	if (!has_always)
		convert_prepare();
	rows = always[r->kind->id];

	for (size_t i = 0; r->own && i < r->own->entry_count; i++) {
		const struct key *row = r->own->entries[i].row;

		if (row && (has_words || row->form >= KEY_FORM_SPECIAL))
			add_row(&rows, (size_t)(row - keys));
	}
	for (size_t i = 0; i < ROW_WORDS; i++)
		for (uint64_t left = rows.bits[i]; left; left &= left - 1)
			convert_key(r, &keys[i * 64 + (size_t)__builtin_ctzll(left)], words);
}

static void convert_name(struct reading *r, struct arg_list *words)
{
	struct arg name;

	if (!value_text(r, r->own, "ContainerName", &name)) {
		name.text = strchr(r->unit->name, '@') ? "systemd-%p_%i" : "systemd-%N";
		name.origin = &nobody;
	}
	convert_push_pair(r, words, "--name", &name);
	if (r->is_podman) {
		convert_push(r, words, "--replace");
		convert_push(r, words, "--rm");
	}
}

static void push_exec(struct reading *r, struct arg_list *words)
{
	struct arg_list exec = value_last_args(r, r->own, "Exec");

	for (size_t i = 0; i < exec.count; i++)
		arg_push(r->arena, words, exec.items[i].text, exec.items[i].origin);
}

struct arg_list convert_container(struct reading *r, size_t *image_index)
{
	struct arg_list words = { 0 }, image = { 0 };

	convert_image(r, &image);
	convert_name(r, &words);
	convert_keys(r, &words);
	if (!r->is_podman)
		service_push_limits(r, &words);
	*image_index = words.count;
	for (size_t i = 0; i < image.count; i++)
		arg_push(r->arena, &words, image.items[i].text, image.items[i].origin);

	if (convert_wants_words(r))
		push_exec(r, &words);
	if (!r->is_podman)
		convert_join_pod(r);
	return words;
}
