/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A unit's assignments as they were merged, for "cleat explain": kept only when unit_facts.lines_of names the unit, because a
 * loaded set has no other use for them.
 */
#include <stdbool.h>
#include <stddef.h>

#include "unit/keys.h"
#include "unit/unit.h"

#define UNIT_LINES_MAX_CHANGES 64 /* of one unit: lines beyond it have no change text */

struct unit_line {
	const char *section, *key;
	const char *value;	     /* as written, continuation lines joined */
	const struct origin *origin; /* of the value */
	unsigned last_line;	     /* greater than origin->line with continuation lines */
	const struct key *row;	     /* NULL: no such key in this section */
	enum unit_line_fate {
		UNIT_LINE_STANDS,
		UNIT_LINE_OVERRIDDEN, /* only the last assignment counts: by */
		UNIT_LINE_CLEARED,    /* an empty assignment took it back: by */
		UNIT_LINE_CLEARS,     /* empty: takes back what came before */
		UNIT_LINE_PASSED_OVER, /* [Unit], [Service]: no value of this key, a complaint says so */
	} fate;
	const struct origin *by; /* of the later line; NULL unless OVERRIDDEN or CLEARED */
	/* Lines that put no word of their own into run_args: how podman's words and service text would be without them, "WORDS
	 * instead of WORDS"; "" when they would be the same, or it was not looked (unit_facts.wants_service_text is needed). */
	const char *change;
};

/* Does a word or complaint with this origin come from the line? */
bool unit_line_has(const struct unit_line *line, const struct origin *origin);
