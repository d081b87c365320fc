/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What stays of a unit when it has been read. Reading makes several times more than its result: the file's text, words before
 * their variables were put in, vectors that grew. That lives in an arena of its own; the result is copied out of it.
 */
#include <stdbool.h>

#include "unit/unit.h"

/* Copies everything that unit points to into arena, exactly as large as it is, but error_text, which is there already, and
 * the dependencies of its service, to which other units may still add. */
void unit_keep(struct unit *unit, struct arena *arena);
void unit_keep_deps(struct unit *unit, struct arena *arena);
/* A constant of the program itself, which need not be copied; false for all that can be written to, and for what lies in a hole between the
 * program's parts. */
bool keep_is_constant(const char *text);
