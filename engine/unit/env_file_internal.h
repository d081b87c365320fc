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
/* The same for text in memory. */
int env_file_parse(struct arena *arena, const char *text, const struct origin *origin,
		   struct arg_list *out, struct err *err) MUST_CHECK;
