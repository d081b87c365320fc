/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Finding and reading the files of a set: search order, links, masks, drop-ins. */
#include "unit/syntax_internal.h"
#include "unit/unit.h"

struct load_file {
	const char *name;   /* "web.container" */
	const char *folder; /* as found below the directory given */
	struct syntax_file text;
	const char *broken_path; /* the first file with an error: itself or a drop-in; NULL */
	bool is_unreadable;	 /* complained of: it is listed as invalid */
	bool has_bad_name;	 /* no service can be written for it */
	bool has_broken_drop_in; /* which was not merged: podman goes on without it, we do not */
};

struct load {
	struct unit_set *set;
	struct load_file *files; /* sorted by name */
	size_t file_count;
	const char **folders; /* in search order */
	size_t folder_count;
	const char **drop_ins; /* folders named "...d" in the search order, by path */
	size_t drop_in_count;
	const char **hidden; /* names that are masked or taken */
	size_t hidden_count;
};

/* Adds dir and the folders below it to the search order; -1 when dir itself cannot be read. */
int load_add_dir(struct load *load, const char *dir, struct err *err) MUST_CHECK;
/* Reads every unit file of the folders, then the drop-ins. */
void load_read(struct load *load);
/* Reads one file by its path, without drop-ins. */
void load_add_path(struct load *load, const char *path);
void load_add_text(struct load *load, const char *name, const char *path, const char *text,
		   size_t len);
/* Puts the files into the order of their names. */
void load_sort(struct load *load);
/* ".container" and so on; NULL: no unit file. */
const char *load_suffix(const char *name);
