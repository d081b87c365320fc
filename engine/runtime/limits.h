/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "runtime/plan.h"

/* Opens (and makes) the cgroup of a run id, with every limit of the plan whose controller the
 * kernel gives us there. Returns the directory, or -1. On a hybrid host no controller is there:
 * then the cgroup tracks and kills, and unenforced (optional) names the files that could not be
 * written, "" when none. With limits->pod it lies in that one's cgroup, which has to be there unless the limits are the pod's own. */
int limits_open_cgroup(const char *mount, const char *run_id, const struct plan_limits *limits,
		       char *unenforced, size_t size, struct err *err) MUST_CHECK;

/* Mount point of cgroup2 as cgroup_find_mount() says it; the two usual places are looked at
 * first, because reading mountinfo costs as much as all mounts of a container. */
int limits_find_mount(char *out, size_t size, struct err *err) MUST_CHECK;
