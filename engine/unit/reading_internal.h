/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is carried along while one unit is turned into words. Each unit is gone through twice: once as podman's
 * generator does it, quirks included (its words become the service text), once as the engine means it
 * (its words become spec_args). What podman refuses too is said in the first pass and ends the
 * service text; what only the engine refuses is said in the second.
 */
#include <stdbool.h>
#include <stddef.h>

#include "unit/keys.h"
#include "unit/syntax_internal.h"
#include "unit/unit.h"

/* Names by which units refer to each other: of every file in the set, whether it can be run or not. */
struct unit_name {
	const char *file;    /* "db.container" */
	const char *service; /* "db.service" */
	const char *
		resource; /* what podman calls it: container, volume, network, pod or image; "": not to be told */
	const struct origin *origin;
};

struct unit_names {
	struct unit_name *items;
	size_t count;
};
const struct unit_name *unit_name_find(const struct unit_names *names, const char *file);
const struct unit_name *unit_name_find_service(const struct unit_names *names, const char *service);

struct reading {
	struct unit_set *set;
	struct arena *arena; /* of the set */
	const struct unit_facts *facts;
	const struct unit_names *names;
	struct unit *unit;
	const struct syntax_file *file;
	const struct syntax_group *container; /* [Container], may be NULL */
	bool is_podman;			      /* which pass */
	bool has_failed;		      /* podman would not write a service */
	struct syntax_file *service; /* the service text under construction; podman's pass only */
};

/* Said in podman's pass only: podman refuses the unit, too. */
__attribute__((format(printf, 3, 4))) void
reading_fail(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* Said in the engine's pass only. */
__attribute__((format(printf, 3, 4))) void
reading_refuse(struct reading *r, const struct origin *origin, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void
reading_warn(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* A key that is accepted and not acted on: goes to unit->notes and to the diagnostics. */
void reading_note(struct reading *r, const struct origin *origin, const char *text);
/* Where complaints without a line of their own point: the header of [Container], else the first line. */
const struct origin *reading_place(struct reading *r, const char *key);

/* Values by kind (keys.h). Lines that cannot be split are dropped in podman's pass, as podman does, and refused
 * in the engine's. group may be NULL. */
bool value_string(struct reading *r, const struct syntax_group *group, const char *key,
		  struct arg *out);
/* The same, but "" counts as not set. */
bool value_text(struct reading *r, const struct syntax_group *group, const char *key,
		struct arg *out);
enum value_bool { VALUE_UNSET, VALUE_FALSE, VALUE_TRUE };
enum value_bool value_bool(struct reading *r, const struct syntax_group *group, const char *key);
struct arg_list value_list(struct reading *r, const struct syntax_group *group, const char *key);
struct arg_list value_words(struct reading *r, const struct syntax_group *group, const char *key);
struct arg_list value_args(struct reading *r, const struct syntax_group *group, const char *key);
struct arg_list value_last_args(struct reading *r, const struct syntax_group *group,
				const char *key);
struct arg_list value_pairs(struct reading *r, const struct syntax_group *group, const char *key);
unsigned value_number(struct reading *r, const struct syntax_group *group, const char *key,
		      unsigned preset);
/* Everything that a key of this kind says, as words. */
struct arg_list value_of_kind(struct reading *r, const struct syntax_group *group,
			      const struct key *key);

/* convert.c: the words after "podman run"; the index of the image among them goes to *image_index. */
struct arg_list convert_container(struct reading *r, size_t *image_index);
/* convert_special.c: keys with a rule of their own. */
void convert_special(struct reading *r, const struct key *key, struct arg_list *words);
void convert_user_mapping(struct reading *r, struct arg_list *words);
void convert_image(struct reading *r, struct arg_list *words);
/* Appends KEY=VALUE to a group of the service text; nothing in the engine's pass. */
void convert_add(struct reading *r, const char *group, const char *key, const char *value);

/* judge.c: what the engine says to each key and value: errors, notes, warnings. */
void judge_unit(struct reading *r);

/* service_text.c. begin: the copy with dependencies translated, before the words; end: the commands and the text. */
void service_text_begin(struct reading *r, struct syntax_file *service);
void service_text_end(struct reading *r, const struct arg_list *run_words);

/* service.c: [Unit], [Service] and [Install] into unit->service. Engine's pass. */
void service_read(struct reading *r);

/* expand.c: specifiers, then $VAR, for every word; *image_index follows its word. */
void expand_words(struct reading *r, const struct arg_list *words, struct arg_list *out,
		  size_t *image_index);
/* One text, specifiers only; NULL after a complaint. */
const char *expand_specifiers(struct reading *r, const char *text, const struct origin *origin);
