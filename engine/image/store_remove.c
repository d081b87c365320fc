/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking names, images and layers out of the store. The order is the whole safety: a name goes before its image, an image before
 * its layers, and everything leaves its place by one rename before the first of its files is deleted. Must never
 * delete a layer that a complete image names or a container has mounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/store_admin.h"
#include "image/store_internal.h"
#include "image/store_remove_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

static void tell(struct store_removed *out, const char *what, const char *name)
{
	if (out->told)
		buf_printf(out->told, "%s: %s\n", what, name);
}

static int check_lock(const struct store *store, struct err *err)
{
	return store->lock_fd >= 0 ?
		       0 :
		       err_set(err, ERR_BUG, "image store: removing without its lock");
}

int store_take(struct store *store, uint64_t wait_usec, struct err *err)
{
	bool was_locked = store->lock_fd >= 0;

	if (store_lock(store, wait_usec, err) < 0)
		return -1;
	return was_locked ? 0 : store_sweep(store, err);
}

int store_check_list(const struct store_list *list, struct err *err)
{
	return list->unsure ? err_set(err, ERR_SYS, "nothing is removed: %s", list->unsure) : 0;
}

static int remove_name(struct store *store, const char *name, struct store_removed *out,
		       struct err *err)
{
	char encoded[STORE_NAME_SIZE], path[STORE_NAME_SIZE + 8];

	store_encode_name(name, encoded);
	snprintf(path, sizeof(path), "refs/%s", encoded);
	if (unlinkat(store->fd, path, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(err, "%s: unlink", path);
	}
	out->names++;
	tell(out, "Untagged", name);
	return 0;
}

int store_untag(struct store *store, const char *name, struct store_removed *out, struct err *err)
{
	if (check_lock(store, err) < 0 || remove_name(store, name, out, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	return store_sync_folder(store, "refs", false, err);
}

/* Out of its place into tmp/, where nothing counts. work->name is "" when it was not there. */
static int set_aside(struct store *store, const char *kind, const char *digest,
		     struct store_work *work, struct err *err)
{
	char path[STORE_NAME_SIZE];

	store_object_path(kind, digest, path);
	store_work_name(work, "gone", digest);
	if (renameat(store->fd, path, store->fd, work->name) == 0)
		return 0;
	work->name[0] = '\0';
	return errno == ENOENT ? 0 : err_sys(err, "%s: rename", path);
}

static int put_back(struct store *store, const struct store_work *work, const char *diff_id,
		    struct err *err)
{
	char path[STORE_NAME_SIZE];

	store_object_path("layers", diff_id, path);
	if (renameat(store->fd, work->name, store->fd, path) < 0)
		return err_sys(err, "%s: rename back", path);
	return 0;
}

static bool has_layer(const struct store_keep *keep, const char *diff_id)
{
	for (size_t i = 0; keep && i < keep->count; i++)
		for (size_t k = 0; k < keep->keepers[i].layer_count; k++)
			if (str_eq(keep->keepers[i].layers[k], diff_id))
				return true;
	return false;
}

/* Between the list of running containers and the rename one may have been started. Its config.json comes before its mount, and its mount
 * either found the path (then the layer is named here and goes back, the mount has the folder itself) or will fail. */
static int came_into_use(const char *container_dir, const char *diff_id, bool *used,
			 struct err *err)
{
	struct store_keep now = { 0 };
	int rc = 0;

	*used = false;
	if (container_dir)
		rc = store_keep_running(&now, container_dir, err);
	if (rc == 0)
		*used = has_layer(&now, diff_id);
	store_keep_fini(&now);
	return rc;
}

int store_remove_layer(struct store *store, const struct store_layer *layer,
		       const struct store_keep *keep, const char *container_dir,
		       struct store_removed *out, struct err *err)
{
	struct store_work work;
	struct err why;
	bool used;

	if (has_layer(keep, layer->diff_id))
		return 0;
	if (set_aside(store, "layers", layer->diff_id, &work, err) < 0)
		return -1;
	if (!work.name[0])
		return 0;
	if (came_into_use(container_dir, layer->diff_id, &used, &why) < 0 || used) {
		if (put_back(store, &work, layer->diff_id, err) < 0 || used)
			return used ? 0 : -1;
		*err = why;
		return -1;
	}
	if (store_discard(store, &work, err) < 0)
		return err_wrap(err, "layer %s", layer->diff_id);
	out->layers++;
	out->bytes += layer->bytes;
	return 0;
}

static int remove_record(struct store *store, const struct store_entry *image, struct err *err)
{
	struct store_work work;

	if (set_aside(store, "images", image->digest, &work, err) < 0)
		return -1;
	/* without this the record could be back after a power cut, and its layers not */
	if (store_sync_folder(store, "images/sha256", false, err) < 0)
		return -1;
	return work.name[0] ? store_discard(store, &work, err) : 0;
}

static int remove_whole(struct store *store, const struct store_entry *image,
			const struct store_keep *keep, const char *container_dir,
			struct store_removed *out, struct err *err)
{
	for (size_t i = 0; i < image->name_count; i++)
		if (remove_name(store, image->names[i], out, err) < 0)
			return -1;
	if (image->name_count && store_sync_folder(store, "refs", false, err) < 0)
		return -1;
	if (remove_record(store, image, err) < 0)
		return -1;
	out->images++;
	tell(out, "Deleted", image->id);
	for (size_t i = 0; i < image->layer_count; i++) {
		struct store_layer *layer = image->layers[i];

		/* counted down, so that the next image of the same list may take the last */
		layer->images--;
		if (layer->images == 0 &&
		    store_remove_layer(store, layer, keep, container_dir, out, err) < 0)
			return -1;
	}
	return 0;
}

int store_remove_image(struct store *store, const struct store_entry *image,
		       const struct store_keep *keep, const char *container_dir,
		       struct store_removed *out, struct err *err)
{
	if (check_lock(store, err) < 0 ||
	    remove_whole(store, image, keep, container_dir, out, err) < 0)
		return err_wrap(err, "image %s", image->id);
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names that lead to no image: a torn record, or one whose image a crash has taken. */
static int remove_lost_names(struct store *store, const struct store_list *list, struct err *err)
{
	auto_arena arena = { 0 };
	const char **files, **known = NULL;
	size_t count, known_count = 0;
	char encoded[STORE_NAME_SIZE], path[NAME_MAX + 16];

	if (store_read_names(store, "refs", SIZE_MAX, &arena, &files, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < list->image_count; i++)
		for (size_t k = 0; k < list->images[i].name_count; k++) {
			store_encode_name(list->images[i].names[k], encoded);
			*arena_push(&arena, known, known_count) = arena_strdup(&arena, encoded);
		}
	if (known_count)
		qsort(known, known_count, sizeof(*known), compare_texts);
	for (size_t i = 0; i < count; i++) {
		if (known_count &&
		    bsearch(&files[i], known, known_count, sizeof(*known), compare_texts))
			continue;
		snprintf(path, sizeof(path), "refs/%s", files[i]);
		if (unlinkat(store->fd, path, 0) < 0 && errno != ENOENT)
			return err_sys(err, "%s: unlink", path);
	}
	return 0;
}

/* Images without a good record; whatever else lies there under a name of its own is swept too. */
static int remove_torn_images(struct store *store, const struct store_list *list, struct err *err)
{
	auto_arena arena = { 0 };
	const char **names;
	size_t count;

	if (store_read_names(store, "images/sha256", SIZE_MAX, &arena, &names, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		char digest[80];
		struct store_entry image = { 0 };
		bool known = false;

		snprintf(digest, sizeof(digest), "sha256:%.72s", names[i]);
		for (size_t k = 0; k < list->image_count && !known; k++)
			known = str_eq(list->images[k].digest, digest);
		if (known || !digest_is_valid(digest))
			continue;
		str_copy(image.digest, sizeof(image.digest), digest);
		if (remove_record(store, &image, err) < 0)
			return -1;
	}
	return 0;
}

int store_remove_unused(struct store *store, const struct store_list *list,
			const struct store_keep *keep, const char *container_dir,
			struct store_removed *out, struct err *err)
{
	/* a torn image's layers are of no image in the list: first it, then they */
	if (remove_lost_names(store, list, err) < 0 || remove_torn_images(store, list, err) < 0)
		return -1;
	for (size_t i = 0; i < list->layer_count; i++)
		if (list->layers[i].images == 0 &&
		    store_remove_layer(store, &list->layers[i], keep, container_dir, out, err) < 0)
			return -1;
	return 0;
}

int store_remove_orphans(struct store *store, const struct store_keep *keep,
			 const char *container_dir, struct store_removed *out, struct err *err)
{
	auto_arena arena = { 0 };
	struct store_list list;

	if (check_lock(store, err) < 0 || store_list_read(store, &arena, &list, err) < 0 ||
	    store_check_list(&list, err) < 0)
		return -1;
	return store_remove_unused(store, &list, keep, container_dir, out, err);
}
