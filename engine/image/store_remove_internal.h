/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What store_list.c, store_remove.c and gc.c share. The lock is held wherever something is removed. */
#include "image/store_admin.h"

/* The names in a folder of the store, sorted, without those that begin with a dot; ERR_LIMIT above max. */
int store_read_names(const struct store *store, const char *folder, size_t max, struct arena *arena,
		     const char ***out, size_t *count, struct err *err) MUST_CHECK;
/* A layer that no image names; stays when a keeper has it, or a container has begun to use it. */
int store_remove_layer(struct store *store, const struct store_layer *layer,
		       const struct store_keep *keep, const char *container_dir,
		       struct store_removed *out, struct err *err) MUST_CHECK;
/* As store_remove_orphans, with a list that is still true. */
int store_remove_unused(struct store *store, const struct store_list *list,
			const struct store_keep *keep, const char *container_dir,
			struct store_removed *out, struct err *err) MUST_CHECK;
/* Refuses a list that is not sure. */
int store_check_list(const struct store_list *list, struct err *err) MUST_CHECK;
