/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files of [Service] EnvironmentFile=, as systemd.exec(5) describes them. */
#include "unit/args.h"
#include "util/arena.h"
#include "util/err.h"

#define ENV_FILE_MAX_BYTES (256 * 1024)

/* Appends NAME=VALUE words with the given origin. Blocks on the file system. ERR_NOT_FOUND when there is no file;
 * a line that is not understood is ERR_INPUT with its number. */
int env_file_read(struct arena *arena, const char *path, const struct origin *origin,
		  struct arg_list *out, struct err *err) MUST_CHECK;
/* The files whose path the pattern fits, sorted, each as a word with the given origin; wildcards (* ? [) may stand in the last
 * part of the path only. ERR_NOT_FOUND: none fits. Reads one folder. */
#define ENV_FILE_MAX_MATCHES 64
int env_file_match(struct arena *arena, const char *pattern, const struct origin *origin,
		   struct arg_list *out, struct err *err) MUST_CHECK;
/* The same as env_file_read for text in memory. */
int env_file_parse(struct arena *arena, const char *text, const struct origin *origin,
		   struct arg_list *out, struct err *err) MUST_CHECK;
