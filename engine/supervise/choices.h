/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an operator has chosen about units, over what their [Install] says: enabled, disabled, masked. A text file, "enable
 * web.container" a line, behind a first line with its version; a choice outlives its unit's file. Pure but for the file.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define CHOICES_MAX 1024

enum choices_verb { CHOICES_ENABLE, CHOICES_DISABLE, CHOICES_MASK, CHOICES_UNMASK };
#define CHOICES_VERB_COUNT 4

struct choice {
	char unit[128];		      /* the unit file's name */
	bool is_enabled, is_disabled; /* at most one */
	bool is_masked;
};

struct choices {
	struct choice items[CHOICES_MAX]; /* in the order of their names */
	size_t count;
};

const char *choices_verb_name(enum choices_verb verb); /* "enable" */
/* A file that is not there is no choice. ERR_INTEGRITY: it is none of ours; then nothing is chosen. */
int choices_load(struct choices *choices, const char *path, struct err *err) MUST_CHECK;
/* Replaced atomically, readable by root only; on the disk when the kernel finds the time. */
int choices_save(const struct choices *choices, const char *path, struct err *err) MUST_CHECK;
/* NULL: nothing was chosen. */
const struct choice *choices_find(const struct choices *choices, const char *unit);
/* ERR_LIMIT: too many; ERR_BUSY: a masked unit cannot be enabled. */
int choices_make(struct choices *choices, const char *unit, enum choices_verb verb,
		 struct err *err) MUST_CHECK;
