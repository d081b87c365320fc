/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A .container unit as the words of "podman run". The table says how each key becomes words and in which order;
 * only name, image and command have places of their own. Must never add a word that no line asked for, but
 * those that podman's generator adds, and those in podman's pass only.
 */
#include "unit/reading_internal.h"
#include "util/str.h"

/* Words that no line asked for. */
static const struct origin nobody = { .file = "", .key = "" };

static void push(struct reading *r, struct arg_list *words, const char *text)
{
	arg_push(r->arena, words, text, &nobody);
}

static void push_pair(struct reading *r, struct arg_list *words, const char *flag,
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
	const struct syntax_entry *entry = syntax_last(r->container, key->name);
	const char *blank = strchr(key->flag, ' ');

	if (value_bool(r, r->container, key->name) != VALUE_TRUE)
		return;
	if (blank)
		arg_push(r->arena, words,
			 arena_strndup(r->arena, key->flag, (size_t)(blank - key->flag)),
			 entry->origin);
	arg_push(r->arena, words, blank ? blank + 1 : key->flag, entry->origin);
}

static void push_bool(struct reading *r, const struct key *key, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last(r->container, key->name);
	enum value_bool value = value_bool(r, r->container, key->name);

	if (value == VALUE_UNSET)
		return;
	arg_push(r->arena, words,
		 value == VALUE_TRUE ? key->flag : arena_printf(r->arena, "%s=false", key->flag),
		 entry->origin);
}

/* A single value that is empty says nothing; the words of lists may be empty. */
static bool says_nothing(const struct key *key, const struct arg *value)
{
	return key->kind == KEY_STRING && !value->text[0];
}

static void push_values(struct reading *r, const struct key *key, struct arg_list *words)
{
	struct arg_list values = value_of_kind(r, r->container, key);

	for (size_t i = 0; i < values.count; i++) {
		struct arg value = values.items[i];

		if (says_nothing(key, &value))
			continue;
		if (key->form == KEY_FORM_LOWER)
			value.text = lower(r, value.text);
		if (key->form == KEY_FORM_SECURITY) {
			value.text = arena_printf(r->arena, "%s%s", key->flag, value.text);
			push_pair(r, words, "--security-opt", &value);
		} else if (key->flag[0]) {
			push_pair(r, words, key->flag, &value);
		} else {
			arg_push(r->arena, words, value.text, value.origin);
		}
	}
}

static void push_joined(struct reading *r, const struct key *key, struct arg_list *words)
{
	struct arg value;

	if (value_string(r, r->container, key->name, &value))
		arg_push(r->arena, words, arena_printf(r->arena, "%s=%s", key->flag, value.text),
			 value.origin);
}

static void convert_key(struct reading *r, const struct key *key, struct arg_list *words)
{
	if (!r->is_podman && key->state != KEY_ACTED && !key->is_passed_on)
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
		convert_special(r, key, words);
		break;
	}
}

static void convert_name(struct reading *r, struct arg_list *words)
{
	struct arg name;

	if (!value_text(r, r->container, "ContainerName", &name)) {
		name.text = strchr(r->unit->name, '@') ? "systemd-%p_%i" : "systemd-%N";
		name.origin = &nobody;
	}
	push_pair(r, words, "--name", &name);
	if (r->is_podman) {
		push(r, words, "--replace");
		push(r, words, "--rm");
	}
}

struct arg_list convert_container(struct reading *r, size_t *image_index)
{
	struct arg_list words = { 0 }, image = { 0 };

	convert_image(r, &image);
	convert_name(r, &words);
	for (size_t i = 0; i < key_count(); i++)
		if (str_eq(key_at(i)->section, "Container"))
			convert_key(r, key_at(i), &words);
	*image_index = words.count;
	for (size_t i = 0; i < image.count; i++)
		arg_push(r->arena, &words, image.items[i].text, image.items[i].origin);

	struct arg_list exec = value_last_args(r, r->container, "Exec");

	for (size_t i = 0; i < exec.count; i++)
		arg_push(r->arena, &words, exec.items[i].text, exec.items[i].origin);
	return words;
}
