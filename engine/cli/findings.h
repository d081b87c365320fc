/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What "cleat check" has to say about all paths that it was given: copied from each set, each problem once, sorted by
 * place when it is written. The numbers count everything, also what is beyond DIAG_MAX.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"
#include "unit/unit.h"
#include "util/buf.h"
#include "util/diag.h"
#include "util/json.h"

struct net_container;
struct net_network;

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

/* check_networks.c: what the units of a set say together about networks. Units are added one by one, in their order. */
struct check_networks {
	struct arena arena;
	struct net_network *networks;
	struct net_container *containers;
	size_t network_count, container_count;
};
void check_networks_init(struct check_networks *n);
void check_networks_fini(struct check_networks *n);
/* A .network unit. */
void check_networks_add(struct check_networks *n, const struct unit *unit);
/* What counts of a .container or .pod unit whose words make this spec, which may be gone afterwards; in arena, NULL: nothing. */
const struct net_container *check_networks_container(struct arena *arena, const struct unit *unit,
						     const struct container_spec *spec);
/* NULL: nothing. */
void check_networks_add_container(struct check_networks *n, const struct net_container *container);
void check_networks_judge(struct check_networks *n, struct diags *out);

/* check_stop.c: which units may take longer to stop than the appliance has for it, they and those that go before them. stops: one for each
 * unit of the set, at its index. Says nothing of a set that was read without unit_facts.keeps_graph. */
struct check_stop {
	uint64_t stop_timeout_usec; /* of a .container unit whose words are right: the spec's */
};
void check_stop_judge(const struct unit_set *set, const struct check_stop *stops,
		      uint64_t budget_usec, struct diags *out);

/* To standard output, and without JSON the sum to standard error. -1: it could not be written. */
int findings_write(struct findings *f, bool is_json, struct err *err) MUST_CHECK;
