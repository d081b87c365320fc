/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files besides its unit that a container is made by: environment files, secrets, and files (not folders) that are mounted
 * read-only. Whether one of them has changed is told by a digest. Looks at the disk, and reads small files; keeps no value.
 */
#include <stdbool.h>
#include <stdint.h>

#include "spec/spec.h"
#include "util/secret.h"

#define INPUTS_MAX_READ_BYTES (256 * 1024) /* larger files are judged by inode, size and time */

typedef void inputs_path_fn(void *arg, const char *path);
/* Calls back for the path of each: of a secret both places where it may lie. */
void inputs_each(const struct container_spec *spec, const struct secret_places *places,
		 inputs_path_fn *fn, void *arg);
/* Of all that they are now, a file that is missing included; all zero when there are none. The contents of environment files and
 * mounted files count, not their times; of a secret the file, never the value. */
void inputs_digest(const struct container_spec *spec, const struct secret_places *places,
		   uint8_t out[32]);
/* Of what a container takes in at its start: no reload brings it a change of that. Of a mounted file it is which one lies at its place. */
void inputs_digest_taken(const struct container_spec *spec, const struct secret_places *places,
			 uint8_t out[32]);
