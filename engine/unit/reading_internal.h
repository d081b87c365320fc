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
#include "unit/lookup_internal.h"
#include "unit/syntax_internal.h"
#include "unit/unit.h"

/* Names by which units refer to each other: of every file in the set, whether it can be run or not. */
struct unit_name {
	const char *file;    /* "db.container" */
	const char *service; /* "db.service" */
	const char *
		resource; /* what podman calls it: container, volume, network, pod or image; "": not to be told */
	bool has_failed; /* podman's generator refuses it: nobody can refer to what it would make */
	const char **
		members; /* of a pod: services of the containers that start with it, in the order of their conversion */
	size_t member_count;
};

struct unit_names {
	struct unit_name *items;  /* by file */
	struct lookup by_service; /* into items; of equal ones the first */
	size_t count;
};
struct unit_name *unit_name_find(const struct unit_names *names, const char *file);
struct unit_name *unit_name_find_service(const struct unit_names *names, const char *service);

struct kind;

/* What a pass does to others than its own unit. Of units that are read at the same time it is put down, and done when their turn
 * comes: a complaint may have been made for another unit, or be one too many, and dependencies have an order. */
struct reading_effect {
	const struct origin *origin;
	const char *text;	     /* of a complaint; of the unit that starts with the pod */
	enum diag_severity severity; /* of a complaint */
	struct unit *dependent;	     /* gets this dependency: */
	struct service_dep dep;
	struct unit_name *pod; /* learns of its member */
};

struct reading_effects {
	struct reading_effect *items;
	size_t count;
};

struct reading {
	struct unit_set *set;
	struct arena *arena;   /* until this unit's pass is over */
	struct arena *lasting; /* until all units are read: for what goes into other units */
	struct arena *kept;    /* as long as the set */
	struct reading_effects *effects; /* put down in here, in lasting; NULL: done at once */
	struct buf *text; /* for service_text.c: its memory serves one unit after the other */
	const struct unit_facts *facts;
	const struct unit_names *names;
	struct unit *unit;
	const struct syntax_file *file;
	const struct kind *kind;
	const struct syntax_group *own; /* [Container], [Pod], .. of its kind, may be NULL */
	bool is_podman;			/* which pass */
	bool has_failed;		/* podman would not write a service */
	bool has_unknown_key; /* the same for keys that were made warnings; nobody else is told */
	size_t said_from;     /* index of the set's diagnostics at the start of this pass */
	const struct origin **ignored; /* places of reading_ignore() */
	size_t ignored_count;
	struct syntax_file *
		service; /* the service text under construction, podman's pass; NULL: nobody wants it */
};

/* Said in podman's pass only: podman refuses the unit, too. */
__attribute__((format(printf, 3, 4))) void
reading_fail(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* What podman warns of and then does without: said only when its answer alone is asked for (facts->is_generator). */
__attribute__((format(printf, 3, 4))) void
reading_slip(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* Said in the engine's pass only. */
__attribute__((format(printf, 3, 4))) void
reading_refuse(struct reading *r, const struct origin *origin, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void
reading_warn(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* The same, of a line whose value systemd passes over, and so do we: what came before it stands. */
__attribute__((format(printf, 3, 4))) void
reading_ignore(struct reading *r, const struct origin *origin, const char *fmt, ...);
/* A key that is accepted and not acted on: goes to unit->notes and to the diagnostics. */
void reading_note(struct reading *r, const struct origin *origin, const char *text);
/* Whether a complaint would only be counted: nothing that is dear has to be found out for its text. */
bool reading_is_full(const struct reading *r, enum diag_severity severity);
/* Whether an error that begins so was said at this place for another unit (of a shared drop-in or template): it counts for this
 * one, too. */
bool reading_repeat(struct reading *r, const struct origin *origin, const char *begin);
/* Does what was put down, now that it is this unit's turn: r is as it was at the beginning of the pass, without effects. */
void reading_settle(struct reading *r, const struct reading_effects *effects);
/* A unit that starts with the pod: podman's pass. */
void reading_add_member(struct reading *r, struct unit_name *pod, const char *service);
/* The target is copied, the origin too, but not its texts. */
void reading_add_dep(struct reading *r, struct unit *unit, const struct service_dep *dep);
/* ": did you mean db.service?" of a name that no other unit has, in STR_HINT_BYTES; "" where none is near, or where there are many, of which one
 * always is. Asked with a file's name it answers with one. */
const char *reading_name_hint(struct reading *r, const char *missing, char *out);
/* Where complaints without a line of their own point: the header of [Container], else the first line. */
const struct origin *reading_place(struct reading *r, const char *key);

/* Values by kind (keys.h). Lines that cannot be split are dropped in podman's pass, as podman does, and refused
 * in the engine's. group may be NULL. */
void value_of_entry(struct reading *r, const struct syntax_entry *entry, struct arg *out);
enum value_bool { VALUE_UNSET, VALUE_FALSE, VALUE_TRUE };
enum value_bool value_bool_of_entry(struct reading *r, const struct syntax_entry *entry);
struct arg_list value_args_of_entry(struct reading *r, const struct syntax_entry *entry);
struct arg_list value_find_list(struct reading *r, const struct syntax_group *group,
				const char *key, uint32_t hash);
struct arg_list value_find_words(struct reading *r, const struct syntax_group *group,
				 const char *key, uint32_t hash, bool has_escapes);
struct arg_list value_find_pairs(struct reading *r, const struct syntax_group *group,
				 const char *key, uint32_t hash);

/* These are inline, because most keys are not there, and a literal's hash is a constant. */
static inline bool value_string(struct reading *r, const struct syntax_group *group,
				const char *key, struct arg *out)
{
	const struct syntax_entry *entry = syntax_last(group, key);

	if (entry)
		value_of_entry(r, entry, out);
	return entry != NULL;
}

/* The same, but "" counts as not set. */
static inline bool value_text(struct reading *r, const struct syntax_group *group, const char *key,
			      struct arg *out)
{
	return value_string(r, group, key, out) && out->text[0];
}

static inline enum value_bool value_bool(struct reading *r, const struct syntax_group *group,
					 const char *key)
{
	const struct syntax_entry *entry = syntax_last(group, key);

	return entry ? value_bool_of_entry(r, entry) : VALUE_UNSET;
}

static inline struct arg_list value_list(struct reading *r, const struct syntax_group *group,
					 const char *key)
{
	uint32_t hash = key_hash(key);

	return syntax_may_have(group, hash) ? value_find_list(r, group, key, hash) :
					      (struct arg_list){ 0 };
}

static inline struct arg_list value_words(struct reading *r, const struct syntax_group *group,
					  const char *key)
{
	uint32_t hash = key_hash(key);

	return syntax_may_have(group, hash) ? value_find_words(r, group, key, hash, false) :
					      (struct arg_list){ 0 };
}

static inline struct arg_list value_args(struct reading *r, const struct syntax_group *group,
					 const char *key)
{
	uint32_t hash = key_hash(key);

	return syntax_may_have(group, hash) ? value_find_words(r, group, key, hash, true) :
					      (struct arg_list){ 0 };
}

static inline struct arg_list value_last_args(struct reading *r, const struct syntax_group *group,
					      const char *key)
{
	const struct syntax_entry *entry = syntax_last(group, key);

	return entry ? value_args_of_entry(r, entry) : (struct arg_list){ 0 };
}

static inline struct arg_list value_pairs(struct reading *r, const struct syntax_group *group,
					  const char *key)
{
	uint32_t hash = key_hash(key);

	return syntax_may_have(group, hash) ? value_find_pairs(r, group, key, hash) :
					      (struct arg_list){ 0 };
}

unsigned value_number(struct reading *r, const struct syntax_group *group, const char *key,
		      unsigned preset);
/* Everything that the key of this entry, its last one in the group, says as words; of a key with one value nothing. */
struct arg_list value_of_list(struct reading *r, const struct syntax_group *group,
			      const struct syntax_entry *entry);

/* Once before several threads read: fills a table that is filled at its first use. */
void convert_prepare(void);
/* convert.c: the words of every key of the unit's own section, in the order of the table's rows. */
void convert_keys(struct reading *r, struct arg_list *words);
/* A word that no line asked for; a flag and its value from one line. */
void convert_push(struct reading *r, struct arg_list *words, const char *text);
void convert_push_pair(struct reading *r, struct arg_list *words, const char *flag,
		       const struct arg *value);
/* convert_special.c: keys with a rule of their own. */
void convert_special(struct reading *r, const struct key *key, struct arg_list *words);
void convert_user_mapping(struct reading *r, struct arg_list *words);
void convert_image(struct reading *r, struct arg_list *words);
/* The unit that a value names: its service becomes a dependency of this kind (REQUIRES or BINDS_TO) and After=, in both passes; NULL after a
 * complaint. */
const struct unit_name *convert_refer(struct reading *r, const char *file,
				      const struct origin *origin,
				      enum service_dep_kind dependency);
/* Relative to the unit's folder, unless it begins with a specifier. */
const char *convert_path(struct reading *r, const char *path, const struct origin *origin);
/* Appends KEY=VALUE to a group of the service text; nothing in the engine's pass. */
void convert_add_sized(struct reading *r, const char *group, const struct syntax_assignment *line);
static inline void convert_add(struct reading *r, const char *group, const char *key,
			       const char *value)
{
	const struct syntax_assignment line = syntax_assignment(key, value);

	convert_add_sized(r, group, &line);
}

/* judge.c: what the engine says to each key and value: errors, notes, warnings. */
void judge_unit(struct reading *r);

/* service_text.c. begin: the copy with dependencies translated, before the words; end: the text. Between them
 * the kind writes its [Service] with the other three. */
void service_text_begin(struct reading *r, struct syntax_file *service);
void service_text_end(struct reading *r);
/* Replaces the last KEY= of [Service], or adds it. */
void service_text_set_sized(struct reading *r, const struct syntax_assignment *line);
static inline void service_text_set(struct reading *r, const char *key, const char *value)
{
	const struct syntax_assignment line = syntax_assignment(key, value);

	service_text_set_sized(r, &line);
}
/* "podman [--module=..] [global options] WORDS" as the value of an Exec key; prefix "-" or "". */
void service_text_command(struct reading *r, const char *key, const char *prefix,
			  const struct arg_list *words);
/* [Service] KillMode= and Type= as containers and .kube units may have them: defaults put in, anything else refused. */
void service_text_kill_mode(struct reading *r);
void service_text_type(struct reading *r);
/* Texts up to NULL, as words without an origin. */
void service_text_push(struct reading *r, struct arg_list *words, const char *const *texts);

/* service.c: [Unit], [Service] and [Install] into unit->service. Engine's pass. */
void service_read(struct reading *r);
/* When everything else was read: ReloadCmd= and ReloadSignal= of a container; commands of units that run nothing. */
void service_read_reload(struct reading *r);
void service_judge_commands(struct reading *r);
/* service_rules.c. Once before several threads read: fills a table that is filled at its first use. */
void service_rules_prepare(void);
/* Whether a line of [Unit], [Service] or [Install] asks for what would be so without it ("MemoryMax=infinity"). */
bool service_asks_for_nothing(const char *section, const struct key *key, const char *value);
/* The engine's pass; unit may be another one of the set. */
void service_add_dep(struct reading *r, struct unit *unit, enum service_dep_kind kind,
		     const char *target, const struct origin *origin);

/* expand.c: specifiers, then $VAR, for every word; *image_index follows its word. */
void expand_words(struct reading *r, const struct arg_list *words, struct arg_list *out,
		  size_t *image_index);
/* Variables only, for the words of a command beside the container; the first word stays as it is. */
void expand_command(struct reading *r, const struct arg_list *words, struct arg_list *out);
/* specifiers.c: one text; NULL after a complaint. */
const char *expand_specifiers(struct reading *r, const char *text, const struct origin *origin);

/* lines.c: unit->lines (unit/lines.h); after both passes. */
void unit_lines_keep(struct reading *r);
