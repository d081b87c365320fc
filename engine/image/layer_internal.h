/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <archive.h>
#include <archive_entry.h>

#include "image/layer.h"
#include "util/arena.h"

struct layer_folder { /* whose time is set at the end: every member below changes it */
	const char *name;
	int64_t mtime_sec;
	long mtime_nsec;
};

struct layer {
	int root_fd; /* borrowed */
	const struct layer_options *options;
	struct layer_counts *counts;
	/* The last parent: members come folder by folder. Its name is emptied whenever a name changes its meaning. */
	int parent_fd; /* owned, O_PATH; -1 */
	char parent[LAYER_NAME_MAX_BYTES + 1];
	struct arena arena;
	struct layer_folder *folders;
	size_t folder_count;
};

/* Where a member goes: the folder (borrowed: of the layer's cache, or root_fd) and the last part of its name. */
struct layer_place {
	int parent_fd;
	const char *last;
};

/* Finds the parent of a clean name, making missing folders (0755, container root). */
int layer_find_place(struct layer *layer, const char *name, struct layer_place *out,
		     struct err *err) MUST_CHECK;
/* Opens the parent of an existing member for a hard link; the caller closes *parent_fd. */
int layer_open_parent(const struct layer *layer, const char *name, int *parent_fd,
		      const char **last, struct err *err) MUST_CHECK;
/* Closes what find_place() kept. */
void layer_forget_parent(struct layer *layer);
/* Counts one more file or folder. */
int layer_count_entry(struct layer *layer, struct err *err) MUST_CHECK;
/* Hides everything of lower layers in the folder parent_fd/last (or parent_fd itself: "."). */
int layer_set_opaque(int parent_fd, const char *last, struct err *err) MUST_CHECK;

/* One member; archive is positioned at its data. */
int layer_add_member(struct layer *layer, struct archive *archive, struct archive_entry *entry,
		     struct err *err) MUST_CHECK;
int layer_finish(struct layer *layer, struct err *err) MUST_CHECK;
