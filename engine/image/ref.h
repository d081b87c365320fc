/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Image references: [domain/]path[:tag][@digest], the grammar of the distribution project; normalised like
 * podman: no domain with a dot, colon or "localhost" -> short name (kept short here, registries.conf decides later;
 * names made locally are "localhost/NAME"); no tag and no digest -> ":latest". */
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define REF_MAX 512

struct image_ref {
	char domain[256]; /* "" for a short name */
	char path[256];	  /* "library/alpine" is written out for docker.io only */
	char tag[129];	  /* "" when only a digest was given */
	char digest[80];  /* "" or "sha256:..." */
};

int ref_parse(const char *text, struct image_ref *out, struct err *err) MUST_CHECK;
/* Canonical text: "docker.io/library/alpine:3", "localhost/app@sha256:...". */
void ref_format(const struct image_ref *ref, char out[REF_MAX]);
/* Does an archive's name annotation (full name, or a bare tag) mean this reference? Short names match any domain's
 * same path and tag only when the annotation is short or localhost/ too. */
bool ref_matches(const struct image_ref *wanted, const char *annotation);
/* As a full name only, without the bare-tag reading. */
bool ref_matches_name(const struct image_ref *wanted, const char *annotation);
/* For images that carry no name: does the archive's file name say name and tag? "NAME.tar" means NAME:latest,
 * "NAME-TAG.tar" (also with _ : @ between) NAME:TAG; NAME is the last part of the path, the domain does not count. */
bool ref_matches_file(const struct image_ref *wanted, const char *file);
/* For images that carry a bare tag: is the file called "NAME" or "NAME.tar"? */
bool ref_file_names_path(const struct image_ref *wanted, const char *file);
