/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enable, disable, mask, unmask: the record of them. A file that cannot be understood is left as it is and counts as none, which the
 * caller has to say: a mask that was lost silently would start what somebody wants to stay down.
 */
#include "supervise/choices.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/file.h"
#include "util/str.h"

#define HEAD "#cleat choices 1\n"
#define MAX_BYTES (CHOICES_MAX * 2 * 160)

static const char *const names[CHOICES_VERB_COUNT] = {
	[CHOICES_ENABLE] = "enable",
	[CHOICES_DISABLE] = "disable",
	[CHOICES_MASK] = "mask",
	[CHOICES_UNMASK] = "unmask",
};

const char *choices_verb_name(enum choices_verb verb)
{
	return names[verb];
}

/* Where the unit stands, or belongs. */
static size_t place_of(const struct choices *choices, const char *unit)
{
	size_t low = 0, high = choices->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(choices->items[middle].unit, unit) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct choice *choices_find(const struct choices *choices, const char *unit)
{
	size_t at = place_of(choices, unit);

	return at < choices->count && str_eq(choices->items[at].unit, unit) ? &choices->items[at] :
									      NULL;
}

static struct choice *find_or_add(struct choices *choices, const char *unit, struct err *err)
{
	size_t at = place_of(choices, unit);
	struct choice *choice = &choices->items[at];

	if (at < choices->count && str_eq(choice->unit, unit))
		return choice;
	if (strlen(unit) >= sizeof(choice->unit) || !unit[0] || strpbrk(unit, "/\n")) {
		err_set(err, ERR_INPUT, "%s: no name of a unit file", unit);
		return NULL;
	}
	if (choices->count == CHOICES_MAX) {
		err_set(err, ERR_LIMIT, "more than %d units were enabled, disabled or masked",
			CHOICES_MAX);
		return NULL;
	}
	memmove(choice + 1, choice, (choices->count - at) * sizeof(*choice));
	choices->count++;
	*choice = (struct choice){ .is_masked = false };
	str_copy(choice->unit, sizeof(choice->unit), unit);
	return choice;
}

static void drop_empty(struct choices *choices)
{
	size_t kept = 0;

	for (size_t i = 0; i < choices->count; i++) {
		const struct choice *c = &choices->items[i];

		if (c->is_enabled || c->is_disabled || c->is_masked)
			choices->items[kept++] = *c;
	}
	choices->count = kept;
}

int choices_make(struct choices *choices, const char *unit, enum choices_verb verb, struct err *err)
{
	struct choice *choice = find_or_add(choices, unit, err);

	if (!choice)
		return -1;
	switch (verb) {
	case CHOICES_ENABLE:
		if (choice->is_masked)
			return err_set(err, ERR_BUSY, "%s is masked: \"cleat unmask\" comes first",
				       unit);
		choice->is_enabled = true;
		choice->is_disabled = false;
		break;
	case CHOICES_DISABLE:
		choice->is_disabled = true;
		choice->is_enabled = false;
		break;
	case CHOICES_MASK:
		choice->is_masked = true;
		break;
	case CHOICES_UNMASK:
		choice->is_masked = false;
		break;
	}
	drop_empty(choices);
	return 0;
}

static int read_line(struct choices *choices, char *line, struct err *err)
{
	char *unit = strchr(line, ' ');

	if (!unit)
		return -1;
	*unit++ = '\0';
	for (unsigned verb = CHOICES_ENABLE; verb <= CHOICES_MASK; verb++)
		if (str_eq(line, names[verb])) {
			struct choice *choice = find_or_add(choices, unit, err);

			if (!choice)
				return -1;
			choice->is_enabled |= verb == CHOICES_ENABLE;
			choice->is_disabled |= verb == CHOICES_DISABLE;
			choice->is_masked |= verb == CHOICES_MASK;
			return choice->is_enabled && choice->is_disabled ? -1 : 0;
		}
	return -1;
}

int choices_load(struct choices *choices, const char *path, struct err *err)
{
	auto_buf text = BUF_INIT(MAX_BYTES);
	char *line;

	choices->count = 0;
	if (file_read_at(AT_FDCWD, path, MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	/* what stands behind a NUL may be a mask */
	if (!str_starts(buf_str(&text), HEAD) || strlen(text.data) != text.len)
		return err_set(err, ERR_INTEGRITY, "%s: not a record of choices", path);
	line = text.data + strlen(HEAD);
	for (unsigned number = 2; *line; number++) {
		char *next = line + strcspn(line, "\n");

		if (*next)
			*next++ = '\0';
		if (read_line(choices, line, err) < 0) {
			choices->count = 0;
			return err_set(err, ERR_INTEGRITY, "%s:%u: not a choice about a unit", path,
				       number);
		}
		line = next;
	}
	return 0;
}

int choices_save(const struct choices *choices, const char *path, struct err *err)
{
	auto_buf text = BUF_INIT(MAX_BYTES);

	buf_puts(&text, HEAD);
	for (size_t i = 0; i < choices->count; i++) {
		const struct choice *c = &choices->items[i];

		if (c->is_enabled || c->is_disabled)
			buf_printf(&text, "%s %s\n",
				   names[c->is_enabled ? CHOICES_ENABLE : CHOICES_DISABLE],
				   c->unit);
		if (c->is_masked)
			buf_printf(&text, "%s %s\n", names[CHOICES_MASK], c->unit);
	}
	if (buf_check(&text, path, err) < 0)
		return -1;
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, false, err);
}
