/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Finding and reading the files of a set: search order, links, masks, drop-ins, instances. */
#include "unit/load_paths.h"
#include "unit/lookup_internal.h"
#include "unit/syntax_internal.h"
#include "unit/unit.h"
#include "util/split.h"

struct load_folder {
	const char *path;     /* as the caller spelled it, and names below that */
	const char *resolved; /* absolute, links followed */
	bool is_left_out; /* a file in it cannot be read: podman's generator takes none of them */
};

struct load_file {
	const char *name; /* "web.container" */
	const struct kind *kind;
	const struct load_folder *folder;
	struct syntax_file text;
	const struct syntax_file *bare; /* text without drop-ins; kept of templates only */
	const char *service; /* of an instance that was asked for: its service; NULL of all others */
	const char *broken_path; /* the first file with an error: itself or a drop-in; NULL */
	size_t first_error;	 /* of that file: index into the set's diagnostics */
	const char **drop_ins;	 /* their paths, as they were merged */
	size_t drop_in_count;
	bool is_unreadable;	 /* complained of: it is listed as invalid */
	bool has_bad_name;	 /* no service can be written for it */
	bool has_drop_ins;	 /* lines of other files, which may be other units', too */
	bool has_broken_drop_in; /* which was not merged: podman goes on without it, we do not */
	const struct unit_substitute *substitute; /* whose text this is; NULL: a file's own */
};

/* Who has a unit's name: a file, a part of a .quadlets file, a mask. */
struct load_name {
	const char *path;
	const struct load_folder *folder;
};

/* A link whose file is not there: it hides no file of its name that is found later. */
struct load_dangling {
	const char *name, *path;
	struct load_folder *folder;
	size_t first_error;
};

struct load_drop_in {
	const char *name, *path;
	struct syntax_file text;
	bool is_read, is_broken; /* at first use */
	size_t first_error;	 /* when it is broken */
};

/* A folder "web.container.d" and so on. */
struct load_drop_ins {
	const char *name, *path;
	size_t order;		       /* of the search */
	bool is_listed, is_unreadable; /* at first use, as what follows */
	size_t first_error;
	struct load_drop_in *items; /* by name */
	size_t count;
};

/* What one thread reads unit files with. */
struct load_reader {
	char apart[SPLIT_APART_BYTES];
	struct arena arena; /* the caller's becomes part of load.scratch before it is used */
	struct buf text;
	const struct load_folder *folder; /* that folder_fd is for; NULL: none yet */
	int folder_fd;			  /* -1: could not be opened */
};

struct load {
	struct unit_set *set;
	bool is_generator;	/* unit_facts.is_generator */
	struct split_crew crew; /* begins when there is much to read */
	struct arena scratch;	/* what only loading needs */
	struct load_reader readers[SPLIT_MAX_WORKERS];
	struct buf text;	 /* of the file that is being read */
	struct load_file *files; /* sorted by name after load_finish() */
	size_t file_count;
	struct lookup folders; /* by resolved path: those that were searched */
	struct lookup taken;   /* names of units, into names[] */
	struct load_name *names;
	size_t name_count;
	struct load_dangling *dangling; /* in the order of the search */
	size_t dangling_count;
	struct load_drop_ins *drop_ins; /* sorted by name, then order, after load_finish() */
	size_t drop_in_count;
	size_t entry_count; /* of all files, with what was merged into them */
};

/* load.c. Searches a folder and those below it (is_flat: not those) and reads their unit files. -1 when the folder itself
 * cannot be read. */
int load_add_dir(struct load *load, const struct unit_dir *dir, bool is_flat,
		 struct err *err) MUST_CHECK;
/* Reads one file by its path, without drop-ins. */
void load_add_path(struct load *load, const char *path);
/* Text in memory as a file of its folder. */
void load_add_text(struct load *load, const char *name, const char *path, const char *text,
		   size_t len);
/* Once, after everything was added: merges drop-ins and puts the files into the order of their names. */
void load_finish(struct load *load);
void load_sort(struct load *load);
/* Begins the crew when so many files are worth it. */
void load_begin_crew(struct load *load, size_t count);
/* Before its first round. */
void load_await_crew(struct load *load);
/* What a worker of the crew puts what it makes into. */
struct arena *load_arena(struct load *load, unsigned worker);
void load_fini(struct load *load);
/* For the other files of loading: */
void load_complain(struct load *load, const char *path, unsigned line, const char *text);
/* A new file, its text still empty; NULL after a complaint that there are too many, or the name is too long. */
struct load_file *load_new_file(struct load *load, const char *name,
				const struct load_folder *folder, const char *path, unsigned line);
/* NULL: nobody has it. */
const struct load_name *load_taken(const struct load *load, const char *name);
void load_take(struct load *load, const char *name, const struct load_folder *folder,
	       const char *path);
/* Into load->text; false after a complaint. A link to /dev/null is an empty file. */
bool load_read_text(struct load *load, const char *path);

/* The first error at or after this index of the set's diagnostics. */
size_t load_first_error(const struct load *load, size_t index);

struct load_entry {
	const char *name;
	unsigned char type; /* of readdir(3) */
};
/* The entries of a folder in the order of their names, without "." and "..", in load->scratch; NULL and the reason when it cannot
 * be read. */
struct load_entry *load_list(struct load *load, const char *path, size_t *count, struct err *err);

/* load_drop_ins.c */
void load_note_drop_ins(struct load *load, const char *name, const char *path);
void load_sort_drop_ins(struct load *load);
/* Into file->text, whose name says which. */
void load_merge_drop_ins(struct load *load, struct load_file *file);

/* load_quadlets.c: the units of a .quadlets file. */
bool load_is_quadlets(const char *name);
void load_add_quadlets(struct load *load, const struct load_folder *folder, const char *path,
		       const char *text, size_t len);

/* instances.c: the files of instances that other units, [Install] DefaultInstance= or facts->instances ask for. After
 * load_finish(). */
void load_add_instances(struct load *load, const struct unit_facts *facts);
