/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A unit's lines as one text, their digests, and texts that stand in for files. */
#include "unit/load_internal.h"

/* Fills the unit's source_digest and service_digest, and when keeps_text is set source_text and source_service (in arena). */
void canonical_note(struct unit *unit, const struct load_file *file, bool keeps_text,
		    struct arena *arena);
/* After load_finish(): puts facts->substitutes in the place of the files of their names, or beside them. */
void canonical_substitute(struct load *load, const struct unit_facts *facts);
