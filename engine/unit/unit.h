/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading a directory of Quadlet units. Pure: reads files, starts nothing. A unit with an error is
 * kept in the set (it is listed as invalid) and never disturbs the others.
 *
 * Lines -> inih under our reader -> sections with origins -> key table -> argument list.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/args.h"
#include "unit/service.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"
#include "util/split.h"

/* Bounds, each with its own message. */
#define UNIT_MAX_FILE_BYTES (256 * 1024)
#define UNIT_MAX_LINE_BYTES (32 * 1024) /* logical line, continuations joined */
#define UNIT_MAX_FILES 1024
#define UNIT_MAX_FOLDERS 1024 /* below the directory, and how deep they nest: */
#define UNIT_MAX_DEPTH 16
#define UNIT_MAX_FOLDER_ENTRIES 16384 /* files of any name in one folder */
#define UNIT_MAX_DROP_INS 64	      /* of one unit */
#define UNIT_MAX_DROP_IN_FOLDERS 4096
#define UNIT_MAX_SECTIONS 64  /* of one file */
#define UNIT_MAX_ENTRIES 8192 /* assignments of one unit, drop-ins included */
#define UNIT_MAX_SET_ENTRIES \
	(256 * 1024) /* of all units together: a drop-in counts for each unit that it is for */
#define UNIT_MAX_NAME_BYTES 128		  /* a unit's file name, and the names that it gives */
#define UNIT_MAX_WORDS 8192		  /* of spec_args, variables put in */
#define UNIT_MAX_WORD_BYTES (1024 * 1024) /* of all of them together */

enum unit_kind {
	UNIT_CONTAINER,
	UNIT_VOLUME,
	UNIT_NETWORK,
	UNIT_KUBE,
	UNIT_IMAGE,
	UNIT_BUILD,
	UNIT_POD,
	UNIT_ARTIFACT,
};

/* "Volume=data.volume:/data": one unit names another in its own section. The dependencies that follow from it
 * (Requires= and After=, of a pod BindsTo= and After=) stand in service.deps with the same origin. */
struct unit_ref {
	enum unit_kind kind;
	const char *file;     /* "data.volume" */
	const char *service;  /* "data-volume.service" */
	const char *resource; /* what the words say instead of the file's name: "systemd-data" */
	const struct origin *origin;
};

struct unit_note { /* a key that is accepted and not acted on */
	const char *key;
	const char *text; /* why leaving it out is harmless */
	const struct origin *origin;
};

struct unit_line;
struct unit {
	enum unit_kind kind;
	const char *name;	    /* "web.container" */
	const char *service_name;   /* "web.service" (or ServiceName=) */
	const char *path;	    /* the file */
	const char *folder;	    /* where it lies, absolute: relative paths in it begin here */
	const char *container_name; /* ContainerName= or systemd-NAME; "" of other kinds */
	const char *
		resource_name; /* what others call the thing that it makes; "": not to be told, or nothing */
	bool is_template; /* "web@.container": a pattern for its instances, never run itself, and no error. Only its keys
			   * are judged: no spec_args, refs and service */
	bool is_valid;	    /* no DIAG_ERROR named this unit */
	size_t first_error; /* index into diags.items when !is_valid */
	const char *
		error_text; /* the first error as "file:line:column: key: text", "" when is_valid */
	struct arg_list
		run_args; /* everything after "podman run", as podman's generator would have it (unexpanded); of
			   * other kinds after "podman volume create", "pod create" and so on */
	/* The words that decide what runs, specifiers and $VAR expanded: options, image, command. */
	struct arg_list spec_args;
	size_t image_index; /* of the image word in spec_args */
	struct arg_list
		global_args; /* GlobalArgs=, expanded: options of podman itself, before its command */
	/* Words of spec_args as they were before their variables, of which some came from EnvironmentFile=: what they became
	 * may be a secret, which nobody may quote. See unit_shown_text(). */
	struct arg_list hidden_words;
	struct unit_ref *refs;
	size_t ref_count;
	struct service service;
	struct unit_note *notes;
	size_t note_count;
	/* For "cleat quadlet --dryrun": the generated service text, podman's words; "" when podman's generator would
	 * refuse the unit, too. A unit that only we refuse has one. */
	const char *service_text;
	size_t service_text_bytes;
	const char *symlink_text;      /* "---symlink LINK -> TARGET---" lines, "" */
	const struct unit_line *lines; /* unit/lines.h; NULL unless unit_facts.lines_of names it */
	size_t line_count;
	/* Paths of its drop-ins in the order in which they count, as lines are kept: also of those without a line. */
	const char *const *drop_ins;
	size_t drop_in_count;
	size_t podman_begin,
		podman_end; /* diags.items from begin to before end: what podman's generator refuses, too */
	/* Of all that the unit and its drop-ins say, where they lie included; and of those lines of [Service] that a running container was
	 * made by. What else it was made by stands in spec_args and global_args. */
	uint8_t source_digest[32], service_digest[32];
	/* Its lines as one text without comments, for a struct unit_substitute; "": there is none, or nobody asked. */
	const char *source_text, *source_service;
	bool is_substituted; /* made from a struct unit_substitute */
	bool is_removed;     /* that had is_removed: it has no file any more */
	bool is_remnant;     /* that had is_remnant: no more than is needed to stop it */
};

/* Text in the place of a file: the earlier version of a unit whose file has errors now, or a unit that has no file any more and
 * still runs (is_removed: nobody starts it, and the name of its container may be another unit's). All of it borrowed. */
struct unit_substitute {
	const char *name;      /* "web.container" */
	const char *path;      /* the file that it was read from */
	const char *folder;    /* where that lay, absolute */
	const char *service;   /* unit.source_service; NULL and "": its own */
	const char *copy_path; /* what complaints about the text name */
	const char *text;
	size_t length;
	bool is_removed, is_remnant;
};

struct unit_set {
	struct arena arena;
	struct arena read
		[SPLIT_MAX_WORKERS]; /* of unit_facts.is_brief: what was read, of which units are made */
	struct unit *units;	     /* sorted by name */
	size_t count;
	struct diags diags;
	size_t load_diag_count; /* the first of them: said while files were read and named */
	size_t work_bytes;	/* that reading took besides, and gave back */
	struct unit_graph *
		graph; /* of unit_facts.keeps_graph (unit/graph.h); NULL: not kept, or there were too many dependencies */
};

struct unit_facts { /* what specifiers expand to: given, never read from the machine in here */
	const char *home;					  /* %h */
	const char *user, *group;				  /* %u %g: "root" */
	const char *uid, *gid;					  /* %U %G: "0" */
	const char *hostname;					  /* %H */
	const char *runtime_dir;				  /* %t: "/run" */
	const char *machine_id, *boot_id, *kernel_release, *arch; /* %m %b %v %a */
	/* %q, and the fields ID, VERSION_ID, VARIANT_ID, BUILD_ID, IMAGE_ID, IMAGE_VERSION of os-release: %o %w %W %B %M %A. NULL
	 * (and "") is a field that is not there: the specifier is empty, as systemd has it; without %q it is %H. */
	const char *pretty_hostname;
	const char *os_id, *os_version_id, *os_variant_id, *os_build_id, *os_image_id,
		*os_image_version;
	const char *podman;   /* program in service_text; NULL: /usr/bin/podman */
	bool is_user;	      /* service_text for a user's own manager */
	const char *lines_of; /* the unit ("web.container") whose lines are kept; NULL: none */
	/* For service_text only: no spec_args, refs and service, and nothing is said that podman would not say. Files are found as
	 * podman's generator finds them: an empty file is a unit that lacks everything (here: no unit, it
	 * hides others), a file that cannot be understood hides no other and takes its folder's units with it, no instances but
	 * those that have a file. */
	bool is_generator;
	bool wants_service_text; /* run_args, service_text and symlink_text are made and kept, besides the engine's view */
	/* An unknown key in the unit's own section or [Quadlet] is warned of; podman refuses the unit, so it has no service_text. */
	bool unknown_keys_are_warnings;
	/* Services of templates that somebody asked for ("web@a.service"): made as if a unit named them. */
	const char *const *instances;
	size_t instance_count;
	const struct unit_substitute *substitutes;
	size_t substitute_count;
	bool keeps_sources; /* unit.source_text is made */
	bool lacks_digests; /* nobody will ask whether a unit has changed: they stay zero */
	bool keeps_graph;   /* unit_set.graph is made and kept */
	bool is_brief; /* the set is soon given back: memory that costs less time, and more room (arena.is_brief), and all processors */
};

/* Facts of this machine as the appliance defines them (%U 0, %h CLEAT_HOME_DIR or home when given). */
void unit_facts_init(struct unit_facts *facts, struct arena *arena, const char *home);

/* "web.container", "app.quadlets". */
bool unit_is_file_name(const char *name);

/* Reads every unit file below dir (sub-folders too, *.d drop-in folders as Quadlet has them). -1 only when the directory
 * itself cannot be read; everything else is in set->diags. The set must be zeroed. */
int unit_set_load(struct unit_set *set, const char *dir, const struct unit_facts *facts,
		  struct err *err) MUST_CHECK;
/* The same for several directories: the first that has a file of some name wins. */
int unit_set_load_dirs(struct unit_set *set, const char *const *dirs, size_t dir_count,
		       const struct unit_facts *facts, struct err *err) MUST_CHECK;
/* The folders that podman's generator would search (unit/load_paths.h); those that are not there are passed over. */
struct unit_dirs;
void unit_set_load_search(struct unit_set *set, const struct unit_dirs *dirs,
			  const struct unit_facts *facts);
/* One directory with its drop-ins, without the folders below it: what a single file's names refer to. */
int unit_set_load_folder(struct unit_set *set, const char *dir, const struct unit_facts *facts,
			 struct err *err) MUST_CHECK;
/* Single files, each by its path. Files that cannot be read are in set->diags. */
void unit_set_load_files(struct unit_set *set, const char *const *paths, size_t path_count,
			 const struct unit_facts *facts);
/* Text in memory (fuzzing, tests): name says the kind; "x.quadlets" may be several units. */
int unit_set_load_text(struct unit_set *set, const char *name, const char *path, const char *text,
		       size_t len, const struct unit_facts *facts, struct err *err) MUST_CHECK;
void unit_set_fini(struct unit_set *set);
/* A valid unit that refers to a volume, network or image whose unit has errors gets one itself: what it would mount or join instead
 * is nothing that it asked for. Done by loading; again after somebody has found errors of his own. */
void unit_set_refuse_broken_references(struct unit_set *set);

/* What may be shown of a complaint about spec_args: its text, or, where it may quote a value that came from EnvironmentFile=,
 * the word as it is written (in arena). */
struct diag;
const char *unit_shown_text(const struct unit *unit, const struct diag *diag, struct arena *arena);
