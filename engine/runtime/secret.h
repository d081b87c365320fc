/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Secrets on their way into a container: found and opened outside, read inside only, by the process
 * that becomes the container's. So neither the shim nor whoever started it ever holds a value.
 */
#include "runtime/child.h"
#include "runtime/plan.h"
#include "util/secret.h"

enum secrets_wanted { SECRETS_ALL, SECRETS_ENV };

/* Annotation org.cleat.secrets (engine/spec/README.md). */
int plan_secrets(struct plan *plan, yyjson_val *value, struct err *err) MUST_CHECK;
/* Files of secrets join the plan's mounts, as the last ones: when all of the plan has been read. */
int plan_secrets_mounts(struct plan *plan, struct err *err) MUST_CHECK;

/* Outside: opens every secret, and for files makes the file system that takes them: never
 * swapped out, not larger than they need. places NULL: the appliance's. secrets_close() in any
 * case. ERR_INPUT: one is missing; with SECRETS_ENV, of a container that runs, its variable is left out. */
int secrets_open(struct plan *plan, const struct secret_places *places, enum secrets_wanted wanted,
		 struct err *err) MUST_CHECK;
void secrets_close(struct plan *plan);

/* Inside, a step: files are filled and become the trees of their mounts, variables join the
 * environment. */
int secrets_place(struct child *c, struct err *err);
