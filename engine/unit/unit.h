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

#include "unit/args.h"
#include "unit/service.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"

/* Bounds, each with its own message. */
#define UNIT_MAX_FILE_BYTES (256 * 1024)
#define UNIT_MAX_LINE_BYTES (32 * 1024) /* logical line, continuations joined */
#define UNIT_MAX_FILES 1024
#define UNIT_MAX_FOLDERS 1024 /* below the directory, and how deep they nest: */
#define UNIT_MAX_DEPTH 16
#define UNIT_MAX_DROP_INS 64		  /* of one unit */
#define UNIT_MAX_SECTIONS 64		  /* of one file */
#define UNIT_MAX_ENTRIES 8192		  /* assignments of one unit, drop-ins included */
#define UNIT_MAX_NAME_BYTES 128		  /* a unit's file name, and the names that it gives */
#define UNIT_MAX_WORDS 8192		  /* of spec_args, variables put in */
#define UNIT_MAX_WORD_BYTES (1024 * 1024) /* of all of them together */

struct unit_note { /* a key that is accepted and not acted on */
	const char *key;
	const char *text; /* why leaving it out is harmless */
	const struct origin *origin;
};

struct unit {
	const char *name;	    /* "web.container" */
	const char *service_name;   /* "web.service" (or ServiceName=) */
	const char *path;	    /* the file */
	const char *folder;	    /* where it lies, absolute: relative paths in it begin here */
	const char *container_name; /* ContainerName= or systemd-NAME */
	bool is_valid;		    /* no DIAG_ERROR named this unit */
	size_t first_error;	    /* index into diags.items when !is_valid */
	const char *
		error_text; /* the first error as "file:line:column: key: text", "" when is_valid */
	struct arg_list
		run_args; /* everything after "podman run", as podman's generator would have it (unexpanded) */
	/* The words that decide what runs, specifiers and $VAR expanded: options, image, command. */
	struct arg_list spec_args;
	size_t image_index; /* of the image word in spec_args */
	struct service service;
	struct unit_note *notes;
	size_t note_count;
	/* For "cleat quadlet --dryrun": the generated service text, podman's words; "" when podman's generator would
	 * refuse the unit, too. A unit that only we refuse has one. */
	const char *service_text;
	const char *symlink_text; /* "---symlink LINK -> TARGET---" lines, "" */
	bool is_left_out; /* podman's generator drops a whole folder when one of its files cannot be read; we do not */
	size_t podman_begin,
		podman_end; /* diags.items from begin to before end: what podman's generator refuses, too */
};

struct unit_set {
	struct arena arena;
	struct unit *units; /* sorted by name */
	size_t count;
	struct diags diags;
	size_t load_diag_count; /* the first of them: said while files were read and named */
};

struct unit_facts { /* what specifiers expand to: given, never read from the machine in here */
	const char *home;					  /* %h */
	const char *user, *group;				  /* %u %g: "root" */
	const char *uid, *gid;					  /* %U %G: "0" */
	const char *hostname;					  /* %H */
	const char *runtime_dir;				  /* %t: "/run" */
	const char *machine_id, *boot_id, *kernel_release, *arch; /* %m %b %v %a */
	const char *podman; /* program in service_text; NULL: /usr/bin/podman */
	bool is_user;	    /* service_text for a user's own manager */
};

/* Facts of this machine as the appliance defines them (%U 0, %h CLEAT_HOME_DIR or home when given). */
void unit_facts_init(struct unit_facts *facts, struct arena *arena, const char *home);

/* Reads every unit file below dir (sub-folders too, *.d drop-in folders as Quadlet has them). -1 only when the directory
 * itself cannot be read; everything else is in set->diags. The set must be zeroed. */
int unit_set_load(struct unit_set *set, const char *dir, const struct unit_facts *facts,
		  struct err *err) MUST_CHECK;
/* The same for several directories: the first that has a file of some name wins. */
int unit_set_load_dirs(struct unit_set *set, const char *const *dirs, size_t dir_count,
		       const struct unit_facts *facts, struct err *err) MUST_CHECK;
/* Single files, each by its path. Files that cannot be read are in set->diags. */
void unit_set_load_files(struct unit_set *set, const char *const *paths, size_t path_count,
			 const struct unit_facts *facts);
/* One file, or text in memory (fuzzing, tests): name says the kind. */
int unit_set_load_text(struct unit_set *set, const char *name, const char *path, const char *text,
		       size_t len, const struct unit_facts *facts, struct err *err) MUST_CHECK;
void unit_set_fini(struct unit_set *set);
