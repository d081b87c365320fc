/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Copies of units as they were when they had come up well: DIR/NAME, one file a unit, its lines with those of its drop-ins,
 * behind a head of three comments. Read when the unit's file has errors, or is gone while the unit still runs. Written and removed
 * by a child (cleat units-keep), never by the engine: it waits for the disk.
 */
#include <stdbool.h>
#include <stddef.h>

#include "unit/unit.h"

#define LAST_GOOD_MAX_BYTES (UNIT_MAX_FILE_BYTES + 16 * 1024) /* of one copy */

/* The copy of this unit; everything in it lives in the arena. ERR_NOT_FOUND; ERR_INTEGRITY: it is none. */
int last_good_read(const char *dir, const char *name, struct arena *arena,
		   struct unit_substitute *out, struct err *err) MUST_CHECK;
/* Makes or replaces the copy, durably; does nothing when it is the same already. The unit was loaded with
 * facts.keeps_sources. ERR_UNSUPPORTED: of this unit none can be made. */
int last_good_write(const char *dir, const struct unit *unit, struct err *err) MUST_CHECK;
/* No copy is no error. */
int last_good_remove(const char *dir, const char *name, struct err *err) MUST_CHECK;
/* Names of units that have a copy, UNIT_MAX_FILES at most, sorted; a directory that is not there is empty. */
int last_good_list(const char *dir, struct arena *arena, const char ***names, size_t *count,
		   struct err *err) MUST_CHECK;

/* "cleat units-keep [--quiet]": orders on standard input, a line each: "keep SOURCE-DIGEST NAME" makes a copy of the unit if it still is
 * that version, and of what it refers to; "drop NAME" removes one; "sync PATH" waits until a file is on the disk. */
int cmd_units_keep(int argc, char **argv);
