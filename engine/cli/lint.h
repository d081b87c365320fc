/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Advice on units that are right and could be safer: "cleat check --lint". By podman's words, so that a key and its option in
 * PodmanArgs= are one thing; advice is a note or a warning with the name of its rule, never an error.
 *
 * A comment in the unit file "# cleat:lint-ignore=RULE[,RULE]... reason" switches rules off for the units of that file.
 */
#include "unit/unit.h"
#include "util/buf.h"
#include "util/diag.h"

/* Reads the unit's file again for its comments; one that cannot be read any more switches nothing off. */
void lint_unit(const struct unit *unit, struct diags *diags);
/* All rules as a page (LINT.md). */
void lint_write_rules(struct buf *out);
