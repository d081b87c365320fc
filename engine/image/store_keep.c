/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who needs which image. Names and digests come from units, layers from the config.json of running containers: the layers' paths are looked
 * for as text, because a privileged process parses no JSON for this and a path too many only keeps more. In doubt it keeps.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/store_admin.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/str.h"

#define CONFIG_MAX_BYTES (8u * 1024 * 1024)
#define MAX_CONTAINERS 4096
#define LAYER_MARK "/layers/sha256/"

static struct store_keeper *add(struct store_keep *keep, const char *who)
{
	struct store_keeper *keeper = arena_push(&keep->arena, keep->keepers, keep->count);

	keeper->who = arena_strdup(&keep->arena, who);
	return keeper;
}

void store_keep_name(struct store_keep *keep, const char *who, const char *reference)
{
	struct store_keeper *keeper;
	struct image_ref ref;
	char name[REF_MAX];
	struct err ignored;

	if (ref_parse(reference, &ref, &ignored) < 0)
		return;
	ref_format(&ref, name);
	keeper = add(keep, who);
	keeper->name = arena_strdup(&keep->arena, name);
	if (ref.digest[0])
		keeper->digest = arena_strdup(&keep->arena, ref.digest);
}

void store_keep_digest(struct store_keep *keep, const char *who, const char *digest)
{
	if (digest_is_valid(digest))
		add(keep, who)->digest = arena_strdup(&keep->arena, digest);
}

static void push_layer(struct store_keep *keep, struct store_keeper *keeper, const char *diff_id)
{
	for (size_t i = 0; i < keeper->layer_count; i++)
		if (str_eq(keeper->layers[i], diff_id))
			return;
	*arena_push(&keep->arena, keeper->layers, keeper->layer_count) =
		arena_strdup(&keep->arena, diff_id);
}

void store_keep_layer(struct store_keep *keep, const char *who, const char *diff_id)
{
	if (digest_is_valid(diff_id))
		push_layer(keep, add(keep, who), diff_id);
}

/* The text may hold anything; what looks like the path of a layer is one. JSON writes "/" as itself or as "\/". */
static void find_layers(struct store_keep *keep, struct store_keeper *keeper, const char *text)
{
	for (const char *at = text; (at = strstr(at, LAYER_MARK)); at++) {
		char digest[80];

		snprintf(digest, sizeof(digest), "sha256:%.64s", at + strlen(LAYER_MARK));
		if (digest_is_valid(digest))
			push_layer(keep, keeper, digest);
	}
}

/* A record without config.json is of a container that is not made yet, or is gone already: it mounts nothing. */
static int read_container(struct store_keep *keep, int dir, const char *run_id, struct err *err)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_BYTES);
	char path[300], who[300];

	snprintf(path, sizeof(path), "%.255s/config.json", run_id);
	if (file_read_at(dir, path, CONFIG_MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	snprintf(who, sizeof(who), "running container %.255s", run_id);
	find_layers(keep, add(keep, who), buf_str(&text));
	return 0;
}

int store_keep_running(struct store_keep *keep, const char *container_dir, struct err *err)
{
	auto_dir DIR *dir = opendir(container_dir);
	struct dirent *entry;
	unsigned count = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "%s: open", container_dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (++count > MAX_CONTAINERS)
			return err_set(err, ERR_LIMIT, "%s: more than %d containers", container_dir,
				       MAX_CONTAINERS);
		if (read_container(keep, dirfd(dir), entry->d_name, err) < 0)
			return err_wrap(err, "%s", container_dir);
	}
	return 0;
}

void store_keep_fini(struct store_keep *keep)
{
	arena_fini(&keep->arena);
	*keep = (struct store_keep){ 0 };
}

/* A unit's short name may come to mean an image of any registry: keep them all. */
static bool name_means(const char *kept, const char *name)
{
	struct image_ref a, b;
	struct err ignored;
	const char *path;

	if (str_eq(kept, name))
		return true;
	if (ref_parse(kept, &a, &ignored) < 0 || a.domain[0] || ref_parse(name, &b, &ignored) < 0)
		return false;
	path = str_eq(b.domain, "docker.io") && str_starts(b.path, "library/") ?
		       b.path + strlen("library/") :
		       b.path;
	return str_eq(a.path, path) && str_eq(a.tag, b.tag) && str_eq(a.digest, b.digest);
}

static bool keeps_name(const struct store_keeper *keeper, const struct store_entry *image)
{
	if (keeper->digest && str_eq(keeper->digest, image->digest))
		return true;
	for (size_t i = 0; keeper->name && i < image->name_count; i++)
		if (name_means(keeper->name, image->names[i]))
			return true;
	return false;
}

/* A container runs from an image when it has exactly its layers: another image's may be some of them. */
static bool runs_from(const struct store_keeper *keeper, const struct store_entry *image)
{
	if (!keeper->layer_count || keeper->layer_count != image->layer_count)
		return false;
	for (size_t i = 0; i < keeper->layer_count; i++) {
		bool found = false;

		for (size_t k = 0; k < image->layer_count && !found; k++)
			found = str_eq(keeper->layers[i], image->layers[k]->diff_id);
		if (!found)
			return false;
	}
	return true;
}

const char *store_keep_user(const struct store_keep *keep, const struct store_entry *image,
			    bool *is_running_out)
{
	const char *who = NULL;
	bool is_running = false;

	for (size_t i = 0; i < keep->count && !is_running; i++) {
		const struct store_keeper *keeper = &keep->keepers[i];

		is_running = runs_from(keeper, image);
		if (!who && (is_running || keeps_name(keeper, image)))
			who = keeper->who;
	}
	if (is_running_out)
		*is_running_out = is_running;
	return who;
}
