/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the image store, from its records alone. For commands and for removing, not for the engine's loop. Must never
 * write, and never take for an image what has no completion record.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/flat.h"
#include "image/store_admin.h"
#include "image/store_internal.h"
#include "image/store_remove_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define CONFIG_MAX_BYTES (4 * 1024 * 1024)
#define MAX_LAYERS (STORE_MAX_IMAGES * 8)
#define MAX_NAMES (STORE_MAX_IMAGES * 4)
#define PREFIX_MIN 4

struct listing {
	const struct store *store;
	struct arena *arena;
	struct store_list *out;
	struct layer_ids { /* of one image, until the table of layers is complete */
		const char **ids;
		size_t count;
	} * images;
	size_t images_count;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Both structs begin with their digest. */
static int compare_digest(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names in a folder, sorted; no file of ours begins with a dot. */
int store_read_names(const struct store *store, const char *folder, size_t max, struct arena *arena,
		     const char ***out, size_t *count, struct err *err)
{
	auto_fd int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*out = NULL;
	*count = 0;
	if (!dir)
		return err_sys(err, "%s: open", folder);
	take_fd(&fd);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (*count == max)
			return err_set(err, ERR_LIMIT, "%s holds more than %zu names", folder, max);
		*arena_push(arena, *out, *count) = arena_strdup(arena, entry->d_name);
	}
	if (*count)
		qsort(*out, *count, sizeof(**out), compare_text);
	return 0;
}

/* Calls fn for each line of a record. */
static int read_record(const struct store *store, const char *path, const char *kind, size_t max,
		       void (*fn)(const struct flat_line *line, void *arg), void *arg,
		       struct err *err)
{
	auto_buf text = BUF_INIT(max);
	struct flat_reader reader;
	struct flat_line line;

	if (store_read_file(store, path, max, &text, err) < 0)
		return -1;
	if (flat_open(text.data, text.len, kind, &reader, err) < 0)
		return err_wrap(err, "%s", path);
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return err_wrap(err, "%s", path);
		if (!line.key)
			return 0;
		fn(&line, arg);
	}
}

static bool digest_of_name(const char *name, char out[80])
{
	snprintf(out, 80, "sha256:%.72s", name);
	return digest_is_valid(out);
}

static void take_bytes(const struct flat_line *line, void *arg)
{
	struct store_layer *layer = arg;
	uint64_t bytes;

	if (str_eq(line->key, "bytes") && str_to_u64(line->value, INT64_MAX, &bytes))
		layer->bytes = bytes;
}

static void read_layer(struct listing *l, struct store_layer *layer)
{
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];
	struct err ignored;

	store_object_path("layers", layer->diff_id, path);
	snprintf(file, sizeof(file), "%s/complete", path);
	layer->complete = store_check_layer(l->store, layer->diff_id, &ignored) == 0 &&
			  read_record(l->store, file, "complete", FLAT_SMALL_MAX_BYTES, take_bytes,
				      layer, &ignored) == 0;
	if (!layer->complete)
		l->out->torn++;
}

static int read_layers(struct listing *l, struct err *err)
{
	const char **names;
	size_t count;

	if (store_read_names(l->store, "layers/sha256", MAX_LAYERS, l->arena, &names, &count, err) <
	    0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct store_layer *layer;
		char digest[80];

		if (!digest_of_name(names[i], digest)) {
			l->out->torn++;
			continue;
		}
		layer = arena_push(l->arena, l->out->layers, l->out->layer_count);
		str_copy(layer->diff_id, sizeof(layer->diff_id), digest);
		read_layer(l, layer);
	}
	return 0;
}

struct reading { /* of one image's facts */
	struct listing *l;
	struct store_entry *image;
	struct layer_ids ids;
};

static void take_fact(const struct flat_line *line, void *arg)
{
	struct reading *r = arg;
	struct arena *arena = r->l->arena;

	if (str_eq(line->key, "created"))
		r->image->created = arena_strdup(arena, line->value);
	else if (str_eq(line->key, "os"))
		r->image->os = arena_strdup(arena, line->value);
	else if (str_eq(line->key, "architecture"))
		r->image->architecture = arena_strdup(arena, line->value);
	else if (str_eq(line->key, "variant"))
		r->image->variant = arena_strdup(arena, line->value);
	else if (str_eq(line->key, "layer") && digest_is_valid(line->value) &&
		 r->ids.count < STORE_MAX_LAYERS)
		*arena_push(arena, r->ids.ids, r->ids.count) = arena_strdup(arena, line->value);
}

static void read_use(struct listing *l, struct store_entry *image, const char *path)
{
	char file[STORE_NAME_SIZE + 16];
	struct stat st;

	snprintf(file, sizeof(file), "%s/complete", path);
	if (fstatat(l->store->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		image->used_sec = (int64_t)st.st_mtim.tv_sec;
}

static int read_image(struct listing *l, const char *digest, struct err *err)
{
	auto_buf config = BUF_INIT(CONFIG_MAX_BYTES);
	struct store_entry image = { .created = "", .os = "", .architecture = "", .variant = "" };
	struct reading reading = { .l = l, .image = &image };
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];

	if (store_check_image(l->store, digest, err) < 0)
		return -1;
	str_copy(image.digest, sizeof(image.digest), digest);
	store_object_path("images", digest, path);
	snprintf(file, sizeof(file), "%s/facts", path);
	if (read_record(l->store, file, "facts", FLAT_FACTS_MAX_BYTES, take_fact, &reading, err) <
	    0)
		return -1;
	snprintf(file, sizeof(file), "%s/config.json", path);
	if (store_read_file(l->store, file, CONFIG_MAX_BYTES, &config, err) < 0)
		return -1;
	digest_of(buf_str(&config), config.len, image.id);
	read_use(l, &image, path);
	*arena_push(l->arena, l->out->images, l->out->image_count) = image;
	*arena_push(l->arena, l->images, l->images_count) = reading.ids;
	return 0;
}

/* What a crash leaves is torn. What cannot be read, or is of a later version, may be whole: then nobody knows who has which layer. */
static void note_torn(struct listing *l, const struct err *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_INTEGRITY)
		l->out->torn++;
	else if (!l->out->unsure)
		l->out->unsure = arena_strdup(l->arena, err->msg);
}

static int read_images(struct listing *l, struct err *err)
{
	const char **names;
	size_t count;

	if (store_read_names(l->store, "images/sha256", STORE_MAX_IMAGES, l->arena, &names, &count,
			     err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct err err_image;
		char digest[80];

		if (!digest_of_name(names[i], digest))
			l->out->torn++;
		else if (read_image(l, digest, &err_image) < 0)
			note_torn(l, &err_image);
	}
	return 0;
}

static struct store_layer *find_layer(const struct store_list *list, const char *diff_id,
				      size_t count)
{
	return count ? bsearch(diff_id, list->layers, count, sizeof(*list->layers),
			       compare_digest) :
		       NULL;
}

/* Layers that an image names and that are not there get a row too, behind the others for now. */
static void add_missing_layers(struct listing *l)
{
	size_t present = l->out->layer_count;

	for (size_t i = 0; i < l->images_count; i++)
		for (size_t k = 0; k < l->images[i].count; k++) {
			const char *id = l->images[i].ids[k];
			bool known = find_layer(l->out, id, present) != NULL;

			for (size_t m = present; m < l->out->layer_count && !known; m++)
				known = str_eq(l->out->layers[m].diff_id, id);
			if (!known)
				str_copy(arena_push(l->arena, l->out->layers, l->out->layer_count)
						 ->diff_id,
					 sizeof(l->out->layers[0].diff_id), id);
		}
	if (l->out->layer_count)
		qsort(l->out->layers, l->out->layer_count, sizeof(*l->out->layers), compare_digest);
}

static void link_layers(struct listing *l)
{
	add_missing_layers(l);
	for (size_t i = 0; i < l->images_count; i++) { /* as many as images of the list */
		struct store_entry *image = &l->out->images[i];

		for (size_t k = 0; k < l->images[i].count; k++) {
			struct store_layer *layer =
				find_layer(l->out, l->images[i].ids[k], l->out->layer_count);

			if (!layer)
				continue; /* all of them have a row by now */
			layer->images++;
			image->bytes += layer->bytes;
			if (!layer->complete && !image->problem)
				image->problem = arena_printf(
					l->arena, "layer %s is missing or torn", layer->diff_id);
			*arena_push(l->arena, image->layers, image->layer_count) = layer;
		}
	}
}

struct name_record {
	char name[REF_MAX], digest[80];
};

static void take_name(const struct flat_line *line, void *arg)
{
	struct name_record *record = arg;

	if (str_eq(line->key, "name"))
		str_copy(record->name, sizeof(record->name), line->value);
	else if (str_eq(line->key, "digest"))
		str_copy(record->digest, sizeof(record->digest), line->value);
}

static bool read_name(struct listing *l, const char *file, struct name_record *out, struct err *err)
{
	char path[NAME_MAX + 16], encoded[STORE_NAME_SIZE];
	struct image_ref ref;
	struct err ignored;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "refs/%s", file);
	if (read_record(l->store, path, "ref", FLAT_SMALL_MAX_BYTES, take_name, out, err) < 0)
		return false;
	store_encode_name(out->name, encoded);
	err_set(err, ERR_INTEGRITY, "%s: torn reference record", path);
	return str_eq(encoded, file) && digest_is_valid(out->digest) &&
	       ref_parse(out->name, &ref, &ignored) == 0;
}

static int link_names(struct listing *l, struct err *err)
{
	const char **files;
	size_t count;

	if (store_read_names(l->store, "refs", MAX_NAMES, l->arena, &files, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct store_entry *image = NULL;
		struct name_record record;
		struct err why;

		if (!read_name(l, files[i], &record, &why)) {
			note_torn(l, &why);
			continue;
		}
		if (l->out->image_count)
			image = bsearch(record.digest, l->out->images, l->out->image_count,
					sizeof(*l->out->images), compare_digest);
		if (image)
			*arena_push(l->arena, image->names, image->name_count) =
				arena_strdup(l->arena, record.name);
		else
			l->out->torn++;
	}
	for (size_t i = 0; i < l->out->image_count; i++)
		if (l->out->images[i].name_count)
			qsort(l->out->images[i].names, l->out->images[i].name_count,
			      sizeof(const char *), compare_text);
	return 0;
}

int store_list_read(const struct store *store, struct arena *arena, struct store_list *out,
		    struct err *err)
{
	struct listing l = { .store = store, .arena = arena, .out = out };

	*out = (struct store_list){ 0 };
	if (read_layers(&l, err) < 0 || read_images(&l, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	link_layers(&l);
	if (link_names(&l, err) < 0)
		return err_wrap(err, "image store %s", store->path);
	return 0;
}

static const struct store_entry *find_name(const struct store_list *list, const char *name,
					   const char **name_out)
{
	for (size_t i = 0; i < list->image_count; i++)
		for (size_t k = 0; k < list->images[i].name_count; k++)
			if (str_eq(list->images[i].names[k], name)) {
				if (name_out)
					*name_out = list->images[i].names[k];
				return &list->images[i];
			}
	return NULL;
}

/* A short name stands for itself, then for what is local, then for what Docker makes of it. */
static const struct store_entry *find_reference(const struct store_list *list,
						const struct image_ref *ref, const char **name_out)
{
	static const char *const domains[] = { "", "localhost/", "docker.io/",
					       "docker.io/library/" };
	const struct store_entry *found = NULL;
	char text[REF_MAX], name[REF_MAX + 32];
	struct image_ref tagged = *ref;

	/* NAME:TAG@DIGEST: the digest is what counts, under whatever name */
	for (size_t i = 0; ref->digest[0] && i < list->image_count; i++)
		if (str_eq(list->images[i].digest, ref->digest))
			return &list->images[i];
	ref_format(&tagged, text);
	for (size_t i = 0; !found && i < (ref->domain[0] ? 1 : 4); i++) {
		snprintf(name, sizeof(name), "%s%s", domains[i], text);
		found = find_name(list, name, name_out);
	}
	return found;
}

static const struct store_entry *find_prefix(const struct store_list *list, const char *hex,
					     struct err *err)
{
	const struct store_entry *found = NULL;

	for (size_t i = 0; i < list->image_count; i++) {
		const struct store_entry *image = &list->images[i];

		if (!str_starts(image->id + 7, hex) && !str_starts(image->digest + 7, hex))
			continue;
		/* one config under two manifests, from two archives, is one image to whoever asks by id */
		if (found && !str_eq(found->id, image->id)) {
			err_set(err, ERR_INPUT, "\"%s\" is the beginning of several ids", hex);
			return NULL;
		}
		if (!found)
			found = image;
	}
	if (!found)
		err_set(err, ERR_NOT_FOUND, "%.200s: no such image", hex);
	return found;
}

static bool is_hex_prefix(const char *text)
{
	size_t len = strlen(text);

	return len >= PREFIX_MIN && len <= SHA256_HEX_LEN &&
	       strspn(text, "0123456789abcdef") == len;
}

const struct store_entry *store_list_find(const struct store_list *list, const char *text,
					  const char **name_out, struct err *err)
{
	const char *hex = str_starts(text, "sha256:") ? text + 7 : text;
	const struct store_entry *found = NULL;
	struct image_ref ref;
	struct err why;

	if (name_out)
		*name_out = NULL;
	if (hex == text && ref_parse(text, &ref, &why) == 0)
		found = find_reference(list, &ref, name_out);
	else if (!is_hex_prefix(hex)) {
		err_set(err, ERR_INPUT, "%.200s: neither a name nor an id", text);
		return NULL;
	}
	if (found)
		return found;
	if (is_hex_prefix(hex))
		return find_prefix(list, hex, err);
	err_set(err, ERR_NOT_FOUND, "%.200s: no such image", text);
	return NULL;
}
