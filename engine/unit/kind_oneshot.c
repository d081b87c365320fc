/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that run one podman command to its end. The order of keys in [Service] is that of
 * podman's generator. What is wrong with a value is said in the engine's pass only: must never make
 * podman's pass refuse what podman takes.
 */
#include "unit/oneshot_internal.h"

#include <strings.h>

#include "unit/names_internal.h"
#include "util/str.h"

static const struct origin nobody = { .file = "", .key = "" };

static const char *name_of(struct reading *r, const char *key)
{
	struct arg given;

	return value_text(r, r->own, key, &given) ? given.text : name_default(r);
}

const char *oneshot_resolve(struct reading *r, const struct arg *name)
{
	const char *text;

	if (r->is_podman || r->unit->is_template)
		return name->text;
	text = expand_specifiers(r, name->text, name->origin);
	return text ? text : "";
}

const char *oneshot_name(struct reading *r, const char *key)
{
	struct arg given;

	return value_text(r, r->own, key, &given) ? oneshot_resolve(r, &given) : name_default(r);
}

void oneshot_push_name(struct reading *r, struct arg_list *words, const char *key)
{
	struct arg given;
	bool is_given = value_text(r, r->own, key, &given);

	arg_push(r->arena, words, name_of(r, key), is_given ? given.origin : &nobody);
}

void oneshot_push_set(struct reading *r, struct arg_list *words, const char *key, const char *flag)
{
	struct arg value;

	if (value_string(r, r->own, key, &value) && (value.text[0] || r->is_podman))
		convert_push_pair(r, words, flag, &value);
}

static void set_unless_given(struct reading *r, const char *key, const char *value)
{
	if (!syntax_last(syntax_group(r->file, "Service"), key))
		service_text_set(r, key, value);
}

void oneshot_service(struct reading *r, const char *const *command, const struct arg_list *words,
		     bool remains)
{
	struct arg_list line = { 0 };

	service_text_push(r, &line, command);
	for (size_t i = 0; i < words->count; i++)
		arg_push(r->arena, &line, words->items[i].text, words->items[i].origin);
	service_text_command(r, "ExecStart", "", &line);
	set_unless_given(r, "SyslogIdentifier", "%N");
	set_unless_given(r, "Type", "oneshot");
	if (remains)
		set_unless_given(r, "RemainAfterExit", "yes");
}

bool oneshot_is_open(const char *text)
{
	return strpbrk(text, "$%") != NULL;
}

void oneshot_judge_choice(struct reading *r, const char *key, const char *const *choices)
{
	auto_buf list = BUF_INIT(512);
	struct arg value;

	if (!value_text(r, r->own, key, &value) || oneshot_is_open(value.text))
		return;
	for (size_t i = 0; choices[i]; i++) {
		if (strcasecmp(value.text, choices[i]) == 0)
			return;
		buf_printf(&list, "%s%s", i ? ", " : "", choices[i]);
	}
	reading_refuse(r, value.origin, "'%s' is none of %s%s", value.text, buf_str(&list),
		       str_hint((char[STR_HINT_BYTES]){ 0 }, value.text, choices));
}

void oneshot_judge_name(struct reading *r, const char *key)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	struct arg value;

	if (!value_text(r, r->own, key, &value) || oneshot_is_open(value.text))
		return;
	if (value.text[strspn(value.text, letters)] || strchr("_.-", value.text[0]))
		reading_refuse(
			r, value.origin,
			"'%s' is no name: letters, digits and _.-, a letter or a digit first",
			value.text);
	else if (strlen(value.text) >= UNIT_MAX_NAME_BYTES)
		reading_refuse(r, value.origin, "the name is longer than %d bytes",
			       UNIT_MAX_NAME_BYTES - 1);
}

void oneshot_judge_reference(struct reading *r, const struct arg *value)
{
	if (value->text[strcspn(value->text, " \t")])
		reading_refuse(r, value->origin, "'%s' has a blank inside", value->text);
}

bool oneshot_is_duration(const char *text)
{
	static const char *const units[] = { "ns", "us", "ms", "s", "m", "h", NULL };

	if (str_eq(text, "0"))
		return true;
	do {
		size_t digits = strspn(text, "0123456789.");
		size_t i = 0;

		if (!digits || strspn(text, ".") == digits)
			return false;
		text += digits;
		while (units[i] && !str_starts(text, units[i]))
			i++;
		if (!units[i])
			return false;
		text += strlen(units[i]);
	} while (*text);
	return true;
}

void oneshot_judge_retry(struct reading *r)
{
	struct arg value;
	uint64_t count;

	if (value_text(r, r->own, "Retry", &value) && !oneshot_is_open(value.text) &&
	    !str_to_u64(value.text, UINT32_MAX, &count))
		reading_refuse(r, value.origin, "'%s' is no number from 0 to %u", value.text,
			       UINT32_MAX);
	if (value_text(r, r->own, "RetryDelay", &value) && !oneshot_is_open(value.text) &&
	    !oneshot_is_duration(value.text))
		reading_refuse(r, value.origin,
			       "'%s' is no time: a number with ms, s, m or h behind it",
			       value.text);
}
