/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rules of keys that are too long for the table, shared between the files named convert_*.c.
 * Each reads its key in the unit's own section and appends the words that it stands for. */
#include "unit/reading_internal.h"

/* Nobody wants the words of podman's pass when there is no text to write. */
bool convert_wants_words(const struct reading *r);
/* FLAG TEXT, both from the line at origin; text NULL: FLAG alone. */
void convert_flag(struct reading *r, struct arg_list *words, const char *flag, const char *text,
		  const struct origin *origin);
/* What a mount's source (never empty) is for podman: an absolute path, of a .volume, .artifact
 * or (may_be_image) .image unit what it makes ("" when podman cannot know: podman's pass only),
 * anything else as it stands. */
const char *convert_source(struct reading *r, const char *source, const struct origin *origin,
			   bool may_be_image);

/* convert_refer.c */
void convert_volumes(struct reading *r, struct arg_list *words);
void convert_networks(struct reading *r, struct arg_list *words);
void convert_pod(struct reading *r, struct arg_list *words);
/* The other end of Pod=: the pod wants the container and comes before it, unless
 * StartWithPod=false or the container is a template. After everything that could refuse the
 * container: podman does not let a pod want what it could not convert. */
void convert_join_pod(struct reading *r);
/* convert_mount.c */
void convert_mounts(struct reading *r, struct arg_list *words);
