/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sources of bind mounts, opened outside: detached mounts that already have their flags, which
 * the container's root could not set on mounts whose flags are locked. Below data_dir nothing is
 * followed out of it: containers own directories there.
 */
#include "runtime/plan.h"

/* Opens every source (plan->mounts[].tree). One that is missing and may be made stays -1. */
int sources_open(struct plan *plan, const char *data_dir, struct err *err) MUST_CHECK;
/* Makes a missing source for that owner and opens it; it appears under its name with its owner
 * or not at all. */
int sources_make(struct plan_mount *mount, const char *data_dir, uint32_t uid, uint32_t gid,
		 struct err *err) MUST_CHECK;
/* "U": everything there is given to that owner (owners.h), on the source itself: the mount may be read-only. */
int sources_change_owner(const struct plan_mount *mount, const char *data_dir, uint32_t uid,
			 uint32_t gid, struct err *err) MUST_CHECK;
/* Makes the detached mount translate ids by a user namespace: mount is of a plan with idmap. ERR_UNSUPPORTED with what is in the way. */
int sources_map_ids(const struct plan_mount *mount, int user_namespace, struct err *err) MUST_CHECK;
void sources_close(struct plan *plan);
