/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What "cleat check" has to say about all paths that it was given: copied from each set, each problem once, sorted by
 * place when it is written. The numbers count everything, also what is beyond DIAG_MAX.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/unit.h"
#include "util/buf.h"
#include "util/diag.h"
#include "util/json.h"

#define FINDINGS_PLACES 8192 /* slots, a power of two above all diagnostics that are kept */

struct findings {
	struct diags diags;
	uint16_t places[FINDINGS_PLACES]; /* index + 1 of what is said at a place */
	bool may_lack; /* there are more, of these files or of others beside them */
	bool is_here;  /* "./web.container" was typed as "web.container" */
	size_t unit_count, fine_count;
	bool wants_units; /* for JSON: set by the caller before the first unit */
	struct buf units; /* JSON array of units */
	struct json json;
};

/* f is the caller's storage, zeroed. */
void findings_init(struct findings *f);
void findings_fini(struct findings *f);

/* What the unit's own reading says: a copy, unless the very same is said already. */
void findings_add(struct findings *f, const struct diag *diag);
/* A second opinion: left out where something of the same severity is said of the place already. */
void findings_add_opinion(struct findings *f, const struct diag *diag);
/* Problems that are known by number only. */
void findings_add_unseen(struct findings *f, const struct diags *diags);
/* One error of those. */
void findings_add_hidden_error(struct findings *f);
void findings_add_unit(struct findings *f, const struct unit *unit, bool is_fine);

/* check_networks.c: what the units of a set say together about networks. */
void check_networks(const struct unit_set *set, struct diags *out);

/* To standard output, and without JSON the sum to standard error. -1: it could not be written. */
int findings_write(struct findings *f, bool is_json, struct err *err) MUST_CHECK;
