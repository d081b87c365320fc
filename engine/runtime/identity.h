/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who the container's process is: user and group names mean what the image's own passwd and
 * group say. Rules are podman's: a number without a group takes the group of its passwd line, 0
 * without one; groups that list the user are added unless a group was named; the main group is
 * among the supplementary ones (CVE-2022-2989). HOME is the passwd line's directory.
 */
#include <stdint.h>

#include "runtime/plan.h"
#include "util/buf.h"

#define IDENTITY_FILE_MAX_BYTES (1u << 20) /* of passwd and of group */
#define IDENTITY_MAX_GROUPS (2 * PLAN_MAX_GROUPS)

struct identity {
	uint32_t uid, gid;
	bool lacks_user, lacks_group; /* asked for by a number that the file has no line for */
	char home[256];		      /* "" unknown */
	size_t group_count;
	/* The last, so that what is kept of it ends behind those that there are. */
	uint32_t groups[IDENTITY_MAX_GROUPS];
};

/* user: NULL or "": the plan's numbers. groups: comma list of names and numbers, NULL. root is
 * the container's root directory; nothing outside it is read, whatever the image's links say. */
int identity_resolve(const struct plan *plan, const char *user, const char *groups, int root,
		     struct identity *out, struct err *err) MUST_CHECK;

/* A database of the image below root; one that is missing is empty. out: of IDENTITY_FILE_MAX_BYTES at least. */
int identity_read(int root, const char *path, struct buf *out, struct err *err) MUST_CHECK;
/* Takes the user's home from a passwd file, which is cut up. */
void identity_take_home(struct buf *passwd, struct identity *id);

/* Bytes of it that mean something. */
size_t identity_size(const struct identity *id);
