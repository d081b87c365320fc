/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the documents of an image say, for "image inspect". The documents are read in the confined worker (cleat fetch
 * inspect); the caller only puts the texts that come back into their places. Must never parse them where there is privilege.
 */
#include "image/inspect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "image/flat.h"
#include "image/oci.h"
#include "image/store_internal.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

static void free_doc(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}
#define auto_doc __attribute__((cleanup(free_doc))) yyjson_doc

/* Which value of which document stands under which key of podman's inspect; "" as path: the constant. */
static const struct {
	const char *key, *parent, *member;
	bool in_manifest;
	const char *otherwise;
} values[] = {
	{ "Created", NULL, "created", false, "\"\"" },
	{ "Config", NULL, "config", false, "{}" },
	{ "Version", NULL, "docker_version", false, "\"\"" },
	{ "Author", NULL, "author", false, "\"\"" },
	{ "Architecture", NULL, "architecture", false, "\"\"" },
	{ "Variant", NULL, "variant", false, "\"\"" },
	{ "Os", NULL, "os", false, "\"\"" },
	{ "RootFSType", "rootfs", "type", false, "\"layers\"" },
	{ "RootFSLayers", "rootfs", "diff_ids", false, "[]" },
	{ "Labels", "config", "Labels", false, "null" },
	{ "User", "config", "User", false, "\"\"" },
	{ "Annotations", NULL, "annotations", true, "{}" },
	{ "ManifestType", NULL, "mediaType", true, "\"\"" },
	{ "History", NULL, "history", false, "[]" },
};
#define VALUE_COUNT (sizeof(values) / sizeof(values[0]))

static int put_value(size_t i, yyjson_val *root, struct buf *out, struct err *err)
{
	yyjson_val *from = values[i].parent ? yyjson_obj_get(root, values[i].parent) : root;
	yyjson_val *value = yyjson_obj_get(from, values[i].member);
	char key[FLAT_KEY_MAX];
	size_t len;

	snprintf(key, sizeof(key), "value-%c", 'a' + (char)i);
	if (!value || yyjson_is_null(value)) {
		flat_put(out, key, values[i].otherwise);
		return 0;
	}
	auto_free char *text = yyjson_val_write(value, YYJSON_WRITE_PRETTY_TWO_SPACES, &len);

	if (!text)
		return err_set(err, ERR_LIMIT, "%s: out of memory", values[i].key);
	flat_putn(out, key, text, len);
	return 0;
}

static yyjson_doc *read_document(const struct buf *json, const char *what, struct err *err)
{
	yyjson_read_err why;
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)buf_str(json), json->len,
					   YYJSON_READ_NOFLAG, NULL, &why);

	if (!doc || !yyjson_is_obj(yyjson_doc_get_root(doc))) {
		err_set(err, ERR_INTEGRITY, "%s: byte %zu: %s", what, doc ? 0 : why.pos,
			doc ? "is not an object" : why.msg);
		yyjson_doc_free(doc);
		return NULL;
	}
	return doc;
}

int inspect_read(const struct buf *manifest, const struct buf *config, struct buf *out,
		 struct err *err)
{
	auto_doc *manifest_doc = read_document(manifest, "manifest.json", err);
	auto_doc *config_doc = manifest_doc ? read_document(config, "config.json", err) : NULL;

	if (!manifest_doc || !config_doc)
		return -1;
	for (size_t i = 0; i < VALUE_COUNT; i++)
		if (put_value(i,
			      yyjson_doc_get_root(values[i].in_manifest ? manifest_doc :
									  config_doc),
			      out, err) < 0)
			return -1;
	return buf_check(out, "what the image says", err);
}

static int take_value(const struct flat_line *line, void *arg, struct err *err)
{
	struct image_texts *texts = arg;
	size_t i;

	if (!str_starts(line->key, "value-") || strlen(line->key) != 7)
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	i = (size_t)(line->key[6] - 'a');
	if (i >= VALUE_COUNT)
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	texts->values[i] = arena_strdup(texts->arena, line->value);
	return 0;
}

const char *image_text(const struct image_texts *texts, const char *key)
{
	for (size_t i = 0; i < VALUE_COUNT; i++)
		if (str_eq(values[i].key, key))
			return texts->values[i] ? texts->values[i] : values[i].otherwise;
	return "null";
}

static int open_document(const struct store *store, const char *digest, const char *name,
			 struct err *err)
{
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];
	int fd;

	store_object_path("images", digest, path);
	snprintf(file, sizeof(file), "%s/%s", path, name);
	fd = openat(store->fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s: open", file) : fd;
}

int image_inspect(const struct store *store, const char *digest, struct arena *arena,
		  struct image_texts *out, struct err *err)
{
	static const char *const args[] = { "inspect", NULL };
	struct worker worker = WORKER_INIT("fetch");
	auto_fd int config = open_document(store, digest, "config.json", err);
	auto_fd int manifest = config < 0 ? -1 : open_document(store, digest, "manifest.json", err);
	int rc;

	*out = (struct image_texts){ .arena = arena };
	if (manifest < 0)
		return -1;

	const int fds[] = { config, -1, STDERR_FILENO, manifest };

	rc = worker_start(&worker, args, fds, 4, err);
	if (rc == 0)
		rc = worker_run(&worker, take_value, out, err);
	worker_fini(&worker);
	return rc < 0 ? err_wrap(err, "image %s", digest) : 0;
}
