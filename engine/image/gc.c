/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection: what nobody names goes, least recently used first, until there is room. Must never take what a keeper
 * names, whatever the need: without room an import fails, without its image a unit does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "image/store_admin.h"
#include "image/store_internal.h"
#include "image/store_remove_internal.h"

void store_image_used(const struct store *store, const char *digest)
{
	const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];

	store_object_path("images", digest, path);
	snprintf(file, sizeof(file), "%s/complete", path);
	if (utimensat(store->fd, file, now, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* read-only, or just gone: the order of collecting is all that depends on it */
}

static int compare_use(const void *a, const void *b)
{
	const struct store_entry *x = *(const struct store_entry *const *)a;
	const struct store_entry *y = *(const struct store_entry *const *)b;

	if (x->used_sec != y->used_sec)
		return x->used_sec < y->used_sec ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int collect(struct store *store, const struct store_list *list,
		   const struct store_keep *keep, const char *container_dir, uint64_t want_free,
		   struct store_removed *out, struct err *err)
{
	auto_arena arena = { 0 };
	const struct store_entry **old = NULL;
	size_t count = 0;

	for (size_t i = 0; i < list->image_count; i++)
		if (!store_keep_user(keep, &list->images[i], NULL))
			*arena_push(&arena, old, count) = &list->images[i];
	if (count)
		qsort(old, count, sizeof(*old), compare_use);
	for (size_t i = 0; i < count && store_free_bytes(store) < want_free; i++)
		if (store_remove_image(store, old[i], keep, container_dir, out, err) < 0)
			return -1;
	return 0;
}

int store_gc(struct store *store, const struct store_keep *keep, const char *container_dir,
	     uint64_t want_free_bytes, struct store_removed *out, struct err *err)
{
	auto_arena arena = { 0 };
	struct store_list list;

	if (store->lock_fd < 0)
		return err_set(err, ERR_BUG, "image store: collecting without its lock");
	if (store_list_read(store, &arena, &list, err) < 0 || store_check_list(&list, err) < 0 ||
	    store_remove_unused(store, &list, keep, container_dir, out, err) < 0 ||
	    collect(store, &list, keep, container_dir, want_free_bytes, out, err) < 0)
		return err_wrap(err, "collecting what no unit needs");
	return 0;
}
