/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What "cleat-runtime check" tries out: each in a process of its own, whose namespaces and mounts end with it. */
#include <stdbool.h>

#include "util/err.h"

struct check {
	const char *data_dir; /* where images lie */
	char scratch[512];    /* a folder of ours below it; "": it cannot be written */
};

struct check_try {
	const char *id; /* util/host.h has what its lack means */
	bool required;	/* no container can start without */
	/* For a process that ends afterwards: nothing has to be put back. */
	int (*run)(const struct check *check, struct err *err);
};
extern const struct check_try check_tries[];
extern const unsigned check_try_count;

#define CHECK_SECONDS 3 /* for one of them; it hangs when it needs more */
/* Runs it apart. A crash is ERR_BUG, a hang ERR_LIMIT with ETIMEDOUT. */
int check_apart(const struct check *check, int (*run)(const struct check *check, struct err *err),
		struct err *err) MUST_CHECK;

/* Tells of what checks that were killed have left behind in a folder: PREFIX and the number of a process that is no more. dir is borrowed. */
typedef void check_left_fn(int dir, const char *name);
void check_sweep(int dir, const char *prefix, check_left_fn *fn);
