/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of "cleat explain": what is known of the unit, what each line changes, how it is said. */
#include <stdbool.h>
#include <stddef.h>

#include "spec/spec.h"
#include "unit/graph.h"
#include "unit/lines.h"
#include "unit/unit.h"
#include "util/buf.h"
#include "util/diag.h"

#define EXPLAIN_MAX_OUTPUT_BYTES ((size_t)64 * 1024 * 1024)
#define EXPLAIN_MAX_EFFECTS \
	1024 /* lines whose part in the spec is looked for; those beyond have none shown */
#define EXPLAIN_MAX_FIELDS 8 /* of one line in text; JSON has all */

/* One value of a JSON document: "linux.resources.memory.limit", "268435456". Members of an array have the path "..[]". */
struct explain_field {
	const char *path, *value;
	size_t place; /* in the document */
};

struct explain_fields {
	struct explain_field *items; /* in the order of the document */
	size_t count;
};

/* What one line became. All texts are safe to be shown. */
struct explain_effect {
	const char *podman;		    /* its words for podman; "" */
	const char *here;		    /* the engine's, specifiers and variables put in; "" */
	struct explain_fields spec, config; /* what spec and config.json have because of it */
	struct explain_fields spec_gone,
		config_gone; /* what they would have without it, and have nothing instead */
	bool is_hidden; /* values of [Service] EnvironmentFile= are in it: nothing expanded is shown */
	bool is_skipped; /* beyond EXPLAIN_MAX_EFFECTS */
};

struct explain {
	struct arena arena;
	struct unit_set set;
	const struct unit *unit;
	unsigned index; /* of the unit in set and graph */
	struct unit_graph graph;
	struct container_spec spec; /* of a .container unit; else, or when has_spec is false, empty */
	bool has_spec;		    /* the option table took all words */
	struct diags diags; /* all about this unit: the set's and the option table's, each once */
	struct explain_effect *effects; /* one for each line of unit->lines */
	/* Values that came from environment files, longest first. */
	const char **secrets;
	size_t secret_count;
	bool hides_all; /* too many to look for: no expanded value is shown at all */
};

/* explain_effect.c: unit, set and graph are there; fills in the rest. */
void explain_find_effects(struct explain *e);
/* The text with nothing in it that may not be shown: secrets, control bytes. In the arena, or the text itself. */
const char *explain_shown(struct explain *e, const char *text);
/* The text as the unit file has it: control bytes only. */
const char *explain_clean(struct explain *e, const char *text);

/* explain_say.c: in plain words what the line comes to for this unit: of the unit's own section what the key or option is
 * for, of [Unit], [Service] and [Install] what struct service has of it. "" when there is nothing to say. */
const char *explain_say(struct explain *e, const struct unit_line *line);
/* What holds because nothing was said. */
struct explain_default {
	const char *key;  /* "Service.Restart" */
	const char *text; /* "not restarted when it ends" */
};
struct explain_default *explain_defaults(struct explain *e, size_t *count);
/* The unit's edges, one sentence each, with the reasons. */
struct explain_edge {
	const char *verb; /* "waits for", "is started with" */
	const char *other;
	const char *reasons; /* "web.container:4 After=, .." */
	const char *through; /* the unit that comes between; "" */
};
struct explain_edge *explain_edges(struct explain *e, size_t *count);
/* Where names and instance come from. */
struct explain_default *explain_names(struct explain *e, size_t *count);
/* "started at boot", "loaded (not started at boot)". */
const char *explain_start(struct explain *e);

/* explain_history.c: what has become of a unit so far. Says itself what is wrong; the exit status. */
int explain_history(const char *name, bool is_json);

/* explain_print.c: for people; explain_json.c: for programs. */
void explain_print(struct explain *e, struct buf *out);
void explain_write_json(struct explain *e, struct buf *out);
/* Does the complaint belong to the line? */
bool explain_is_about(const struct diag *diag, const struct unit_line *line);
