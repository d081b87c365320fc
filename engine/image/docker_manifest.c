/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json of Docker's older archive. Pure: bytes and an arena in, structs out; the document is hostile. Must never take a
 * name for a path: names are only ever compared with those of members.
 */
#include <string.h>
#include <yyjson.h>

#include "image/docker_archive.h"
#include "image/oci.h"
#include "util/str.h"

static void free_doc(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}
#define auto_doc __attribute__((cleanup(free_doc))) yyjson_doc

#define TEXT_MAX 4096

static int get_text(yyjson_val *value, const char *what, struct arena *arena, const char **out,
		    struct err *err)
{
	if (!yyjson_is_str(value))
		return err_set(err, ERR_INPUT, "%s is not a string", what);
	if (yyjson_get_len(value) == 0 || yyjson_get_len(value) > TEXT_MAX ||
	    strlen(yyjson_get_str(value)) != yyjson_get_len(value))
		return err_set(err, ERR_INPUT, "%s is empty, too long or holds a NUL byte", what);
	*out = arena_strdup(arena, yyjson_get_str(value));
	return 0;
}

static int get_texts(yyjson_val *array, const char *what, size_t max, struct arena *arena,
		     const char ***out, size_t *count, struct err *err)
{
	yyjson_arr_iter iter;
	yyjson_val *item;

	if (!array || yyjson_is_null(array))
		return 0;
	if (!yyjson_is_arr(array))
		return err_set(err, ERR_INPUT, "%s is not an array", what);
	if (yyjson_arr_size(array) > max)
		return err_set(err, ERR_LIMIT, "%s has more than %zu entries", what, max);
	yyjson_arr_iter_init(array, &iter);
	while ((item = yyjson_arr_iter_next(&iter)))
		if (get_text(item, what, arena, arena_push(arena, *out, *count), err) < 0)
			return -1;
	return 0;
}

static int parse_image(yyjson_val *object, struct arena *arena, struct docker_image *out,
		       struct err *err)
{
	if (!yyjson_is_obj(object))
		return err_set(err, ERR_INPUT, "is not an object");
	if (get_text(yyjson_obj_get(object, "Config"), "Config", arena, &out->config, err) < 0 ||
	    get_texts(yyjson_obj_get(object, "RepoTags"), "RepoTags", DOCKER_MAX_TAGS, arena,
		      &out->tags, &out->tag_count, err) < 0)
		return -1;
	return get_texts(yyjson_obj_get(object, "Layers"), "Layers", OCI_MAX_LAYERS, arena,
			 &out->layers, &out->layer_count, err);
}

int docker_manifest_parse(const char *json, size_t len, struct arena *arena,
			  struct docker_manifest *out, struct err *err)
{
	yyjson_read_err why;
	auto_doc *doc = NULL;
	yyjson_arr_iter iter;
	yyjson_val *root, *item;

	*out = (struct docker_manifest){ 0 };
	if (len > OCI_INDEX_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "manifest.json is larger than %d bytes",
			       OCI_INDEX_MAX_BYTES);
	/* without INSITU the input is not changed */
	doc = yyjson_read_opts((char *)(uintptr_t)json, len, YYJSON_READ_NOFLAG, NULL, &why);
	if (!doc)
		return err_set(err, ERR_INPUT, "manifest.json: byte %zu: %s", why.pos, why.msg);
	root = yyjson_doc_get_root(doc);
	if (!yyjson_is_arr(root) || yyjson_arr_size(root) == 0)
		return err_set(err, ERR_INPUT, "manifest.json lists no image");
	if (yyjson_arr_size(root) > DOCKER_MAX_IMAGES)
		return err_set(err, ERR_LIMIT, "manifest.json lists more than %d images",
			       DOCKER_MAX_IMAGES);
	yyjson_arr_iter_init(root, &iter);
	while ((item = yyjson_arr_iter_next(&iter)))
		if (parse_image(item, arena, arena_push(arena, out->images, out->count), err) < 0)
			return err_wrap(err, "manifest.json: image %zu", out->count);
	return 0;
}
