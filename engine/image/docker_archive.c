/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's older archive, shown as the OCI layout that it could have been. Nothing is kept between calls: the members are listed, the
 * configs read, and layers that are compressed hashed, each time anew and always with the same result. Must never hand on a byte of a
 * layer as good before the digest that the manifest shows for it has been checked.
 */
#include "image/docker_archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/oci.h"
#include "image/oci_archive_internal.h"
#include "image/ref.h"
#include "util/digest.h"
#include "util/json.h"
#include "util/str.h"

#define LIST_MAX_BYTES (32u * 1024 * 1024)
#define CONFIGS_MAX_BYTES (16u * 1024 * 1024)
#define MAX_LINKS 8 /* of one name: docker save makes one link for a layer that it has already */
#define NAME_BYTES 2048

#define TYPE_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define TYPE_CONFIG "application/vnd.docker.container.image.v1+json"
#define TYPE_LAYER "application/vnd.docker.image.rootfs.diff.tar"

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD };

struct row { /* a member of the tar */
	const char *name, *link;
	uint64_t size;
	unsigned ordinal;
	bool is_file, is_symlink;
	bool is_config, is_layer; /* wanted for */
	enum packing packing;
	char digest[DIGEST_STR_LEN +
		    1]; /* of its bytes, when they are compressed and were asked for; else "" */
	struct buf config;
};

struct view {
	const struct oci_archive *archive;
	struct arena arena;
	struct docker_manifest manifest;
	struct row *rows; /* sorted by name */
	size_t count;
	size_t configs_bytes;
};

static void view_fini(struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		buf_fini(&v->rows[i].config);
	arena_fini(&v->arena);
}
#define auto_view __attribute__((cleanup(view_fini))) struct view

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

static int compare_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct row *)row)->name);
}

static int list_members(struct view *v, struct buf *manifest, struct err *err)
{
	auto_reader *a = tar_start(v->archive, err);
	struct tar_member member;
	unsigned seen = 0;

	if (!a)
		return -1;
	for (;;) {
		struct row *row;

		if (tar_next(v->archive, a, &seen, &member, err) < 0)
			return -1;
		if (!member.name)
			break;
		if (v->arena.total_bytes > LIST_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "has too many members with long names");
		row = arena_push(&v->arena, v->rows, v->count);
		*row = (struct row){ .size = member.size,
				     .ordinal = seen,
				     .is_file = member.is_file,
				     .is_symlink = member.is_symlink,
				     .config = BUF_INIT(OCI_CONFIG_MAX_BYTES) };
		row->name = arena_strdup(&v->arena, member.name);
		row->link = member.link ? arena_strdup(&v->arena, member.link) : NULL;
		if (str_eq(member.name, "manifest.json") &&
		    tar_read_small(a, &member, OCI_INDEX_MAX_BYTES, manifest, err) < 0)
			return -1;
	}
	if (v->count)
		qsort(v->rows, v->count, sizeof(*v->rows), compare_rows);
	return 0;
}

/* What a link in the folder of "from" means, in place; false when it leaves the archive or is too long. */
static bool follow(const char *from, bool is_symlink, const char *link, char out[NAME_BYTES])
{
	const char *slash = strrchr(from, '/');
	char text[2 * NAME_BYTES];
	size_t len = 0;
	int n;

	/* hard links are named from the top */
	if (*link == '/')
		return false;
	n = snprintf(text, sizeof(text), "%.*s/%s", is_symlink && slash ? (int)(slash - from) : 0,
		     from, link);
	if (n < 0 || (size_t)n >= sizeof(text))
		return false;
	for (const char *at = text; *at;) {
		size_t part = strcspn(at, "/");

		if (part == 2 && strncmp(at, "..", 2) == 0) {
			if (len == 0)
				return false;
			while (len > 0 && out[--len] != '/')
				;
		} else if (part > 0 && !(part == 1 && *at == '.')) {
			if (len + part + 2 > NAME_BYTES)
				return false;
			if (len)
				out[len++] = '/';
			memcpy(out + len, at, part);
			len += part;
		}
		at += part + (at[part] == '/');
	}
	out[len] = '\0';
	return len > 0;
}

/* The regular file that a name of manifest.json means. */
static struct row *find_member(struct view *v, const char *wanted, struct err *err)
{
	char name[NAME_BYTES + 1], next[NAME_BYTES];

	while (str_starts(wanted, "./"))
		wanted += 2;
	str_copy(name, sizeof(name), wanted);
	for (unsigned links = 0; links <= MAX_LINKS; links++) {
		struct row *row = v->count ? bsearch(name, v->rows, v->count, sizeof(*v->rows),
						     compare_name) :
					     NULL;

		if (!row) {
			err_set(err, ERR_INTEGRITY, "torn: %.200s is missing: copy it again", name);
			return NULL;
		}
		/* equal names are neighbours; which of them is meant is not for us to guess */
		if ((row > v->rows && str_eq(row[-1].name, name)) ||
		    (row + 1 < v->rows + v->count && str_eq(row[1].name, name))) {
			err_set(err, ERR_INPUT, "%.200s is there twice", name);
			return NULL;
		}
		if (row->is_file)
			return row;
		if (!row->link || !follow(name, row->is_symlink, row->link, next)) {
			err_set(err, ERR_INPUT, "%.200s is not a regular file", name);
			return NULL;
		}
		str_copy(name, sizeof(name), next);
	}
	err_set(err, ERR_INPUT, "%.200s is a link of links", wanted);
	return NULL;
}

static int mark_members(struct view *v, struct err *err)
{
	for (size_t i = 0; i < v->manifest.count; i++) {
		const struct docker_image *image = &v->manifest.images[i];
		struct row *row = find_member(v, image->config, err);

		if (!row)
			return err_wrap(err, "manifest.json: image %zu: config", i + 1);
		row->is_config = true;
		for (size_t k = 0; k < image->layer_count; k++) {
			row = find_member(v, image->layers[k], err);
			if (!row)
				return err_wrap(err, "manifest.json: image %zu: layer %zu", i + 1,
						k + 1);
			row->is_layer = true;
		}
	}
	return 0;
}

struct peek {
	struct row *row;
	bool want_digest, begun, stopped;
	struct sha256 sum;
};

/* A plain layer's digest stands in the config: its first block is enough. */
static int peek_layer(const void *data, size_t len, void *arg, struct err *err)
{
	struct peek *p = arg;
	const unsigned char *b = data;

	if (!p->begun) {
		p->begun = true;
		if (len >= 2 && b[0] == 0x1f && b[1] == 0x8b)
			p->row->packing = PACKED_GZIP;
		else if (len >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd)
			p->row->packing = PACKED_ZSTD;
		if (p->row->packing == PACKED_NOT || !p->want_digest) {
			p->stopped = true;
			return err_set(err, ERR_NONE, "enough");
		}
	}
	sha256_update(&p->sum, data, len);
	return 0;
}

static int examine_layer(struct archive *a, struct row *row, uint64_t only_size, struct err *err)
{
	struct peek peek = { .row = row,
			     .want_digest = only_size == UINT64_MAX || row->size == only_size };

	sha256_init(&peek.sum);
	if (tar_read_data(a, row->size, peek_layer, &peek, err) < 0 && !peek.stopped)
		return -1;
	if (!peek.stopped && row->packing != PACKED_NOT)
		digest_final(&peek.sum, row->digest);
	return 0;
}

static int examine_config(struct view *v, struct archive *a, const struct tar_member *member,
			  struct row *row, struct err *err)
{
	if (member->size > CONFIGS_MAX_BYTES - v->configs_bytes)
		return err_set(err, ERR_LIMIT, "configs have more than %u bytes together",
			       CONFIGS_MAX_BYTES);
	v->configs_bytes += (size_t)member->size;
	return tar_read_small(a, member, OCI_CONFIG_MAX_BYTES, &row->config, err);
}

/* Reads what mark_members() found; of compressed layers only those of a size are hashed, UINT64_MAX: all. */
static int examine(struct view *v, uint64_t only_size, struct err *err)
{
	auto_reader *a = tar_start(v->archive, err);
	struct tar_member member;
	unsigned seen = 0;

	if (!a)
		return -1;
	v->configs_bytes = 0;
	for (;;) {
		struct row *row;
		int rc = 0;

		if (tar_next(v->archive, a, &seen, &member, err) < 0)
			return -1;
		if (!member.name)
			return 0;
		row = bsearch(member.name, v->rows, v->count, sizeof(*v->rows), compare_name);
		if (!row || row->ordinal != seen)
			continue;
		if (row->is_config) {
			buf_clear(&row->config);
			rc = examine_config(v, a, &member, row, err);
		} else if (row->is_layer) {
			rc = examine_layer(a, row, only_size, err);
		}
		if (rc < 0)
			return err_wrap(err, "%.200s", row->name);
	}
}

static int view_open(struct view *v, uint64_t only_size, struct err *err)
{
	auto_buf text = BUF_INIT(OCI_INDEX_MAX_BYTES);

	if (list_members(v, &text, err) < 0 ||
	    docker_manifest_parse(buf_str(&text), text.len, &v->arena, &v->manifest, err) < 0 ||
	    mark_members(v, err) < 0)
		return -1;
	return examine(v, only_size, err);
}

static int parse_config(struct view *v, const struct docker_image *image, struct arena *arena,
			const struct row **row_out, struct oci_config *out, struct err *err)
{
	const struct row *row = find_member(v, image->config, err);

	if (!row || oci_config_parse(buf_str(&row->config), row->config.len, arena, out, err) < 0)
		return -1;
	if (out->diff_ids.count != image->layer_count)
		return err_set(err, ERR_INTEGRITY, "it has %zu layers, its config %zu diff ids",
			       image->layer_count, out->diff_ids.count);
	*row_out = row;
	return 0;
}

static const char *layer_type(enum packing packing)
{
	if (packing == PACKED_GZIP)
		return TYPE_LAYER ".gzip";
	return packing == PACKED_ZSTD ? TYPE_LAYER ".zstd" : TYPE_LAYER;
}

static const char *layer_digest(const struct row *row, const char *diff_id)
{
	return row->packing == PACKED_NOT ? diff_id : row->digest;
}

static void put_descriptor(struct json *j, const char *key, const char *type, const char *digest,
			   uint64_t size)
{
	json_object(j, key);
	json_str(j, "mediaType", type);
	json_str(j, "digest", digest);
	json_uint(j, "size", size);
}

/* The manifest of one image; the same bytes each time. */
static int write_manifest(struct view *v, const struct docker_image *image, struct arena *arena,
			  struct buf *out, struct oci_config *config, struct err *err)
{
	struct json j = JSON_TO(out);
	char digest[DIGEST_STR_LEN + 1];
	const struct row *row;

	if (parse_config(v, image, arena, &row, config, err) < 0)
		return -1;
	digest_of(buf_str(&row->config), row->config.len, digest);
	json_object(&j, NULL);
	json_uint(&j, "schemaVersion", 2);
	json_str(&j, "mediaType", TYPE_MANIFEST);
	put_descriptor(&j, "config", TYPE_CONFIG, digest, row->config.len);
	json_object_end(&j);
	json_array(&j, "layers");
	for (size_t i = 0; i < image->layer_count; i++) {
		row = find_member(v, image->layers[i], err);
		if (!row)
			return -1;
		put_descriptor(&j, NULL, layer_type(row->packing),
			       layer_digest(row, config->diff_ids.items[i]), row->size);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	return buf_check(out, "manifest", err);
}

/* Docker's short names are of docker.io. */
static void put_names(struct json *j, const char *tag)
{
	char full[REF_MAX + 16];
	struct image_ref ref;
	struct err ignored;

	json_object(j, "annotations");
	if (ref_parse(tag, &ref, &ignored) == 0 && !ref.domain[0]) {
		snprintf(full, sizeof(full), "docker.io/%s%.400s",
			 strchr(ref.path, '/') ? "" : "library/", tag);
		json_str(j, "io.containerd.image.name", full);
	}
	json_str(j, "org.opencontainers.image.ref.name", tag);
	json_object_end(j);
}

static void put_entry(struct json *j, const struct buf *manifest, const struct oci_config *config,
		      const char *tag)
{
	char digest[DIGEST_STR_LEN + 1];

	digest_of(buf_str(manifest), manifest->len, digest);
	put_descriptor(j, NULL, TYPE_MANIFEST, digest, manifest->len);
	json_object(j, "platform");
	json_str(j, "os", config->platform.os);
	json_str(j, "architecture", config->platform.architecture);
	json_str(j, "variant", config->platform.variant);
	json_object_end(j);
	if (tag)
		put_names(j, tag);
	json_object_end(j);
}

static int put_image(struct view *v, struct json *j, const struct docker_image *image,
		     struct err *err)
{
	auto_buf manifest = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_config config;

	if (write_manifest(v, image, &arena, &manifest, &config, err) < 0)
		return -1;
	if (image->tag_count == 0)
		put_entry(j, &manifest, &config, NULL);
	for (size_t i = 0; i < image->tag_count; i++)
		put_entry(j, &manifest, &config, image->tags[i]);
	return 0;
}

int docker_archive_read_index(const struct oci_archive *archive, struct buf *out, struct err *err)
{
	auto_view v = { .archive = archive };
	struct json j = JSON_TO(out);

	if (view_open(&v, UINT64_MAX, err) < 0)
		return err_wrap(err, "docker-archive");
	buf_clear(out);
	out->max = OCI_INDEX_MAX_BYTES;
	json_object(&j, NULL);
	json_uint(&j, "schemaVersion", 2);
	json_array(&j, "manifests");
	for (size_t i = 0; i < v.manifest.count; i++)
		if (put_image(&v, &j, &v.manifest.images[i], err) < 0)
			return err_wrap(err, "docker-archive: image %zu", i + 1);
	json_array_end(&j);
	json_object_end(&j);
	return buf_check(out, "docker-archive: list of images", err);
}

/* Which layer has these bytes, by what manifest.json and the config say. */
static const struct row *find_layer(struct view *v, const struct docker_image *image,
				    const char *digest, uint64_t size)
{
	auto_arena arena = { 0 };
	struct oci_config config;
	const struct row *row;
	struct err ignored;

	if (parse_config(v, image, &arena, &row, &config, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < image->layer_count; i++) {
		row = find_member(v, image->layers[i], &ignored);
		if (row && row->size == size &&
		    str_eq(layer_digest(row, config.diff_ids.items[i]), digest))
			return row;
	}
	return NULL;
}

static int stream_row(struct view *v, const struct row *row, const char *digest, uint64_t size,
		      oci_archive_sink *sink, void *arg, struct err *err)
{
	auto_reader *a = tar_start(v->archive, err);
	struct tar_member member;
	unsigned seen = 0;

	if (!a)
		return -1;
	do {
		if (tar_next(v->archive, a, &seen, &member, err) < 0)
			return -1;
		if (!member.name)
			return err_set(err, ERR_INTEGRITY, "the archive is being changed");
	} while (seen != row->ordinal);
	return tar_stream_member(a, &member, digest, size, sink, arg, err);
}

static bool is_digest(const struct buf *text, const char *digest)
{
	char found[DIGEST_STR_LEN + 1];

	digest_of(buf_str(text), text->len, found);
	return str_eq(found, digest);
}

/* Of an image the manifest, when that is what has the digest: *done tells. */
static int stream_manifest(struct view *v, const struct docker_image *image, const char *digest,
			   oci_archive_sink *sink, void *arg, bool *done, struct err *err)
{
	auto_buf manifest = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_config config;

	if (write_manifest(v, image, &arena, &manifest, &config, err) < 0)
		return -1;
	*done = is_digest(&manifest, digest);
	return *done ? sink(manifest.data, manifest.len, arg, err) : 0;
}

static int stream_blob(struct view *v, const char *digest, uint64_t size, oci_archive_sink *sink,
		       void *arg, struct err *err)
{
	bool done = false;

	for (size_t i = 0; i < v->manifest.count; i++) {
		const struct docker_image *image = &v->manifest.images[i];
		const struct row *config = find_member(v, image->config, err);
		const struct row *layer = find_layer(v, image, digest, size);

		if (layer)
			return stream_row(v, layer, digest, size, sink, arg, err);
		if (config && config->config.len == size && is_digest(&config->config, digest))
			return sink(buf_str(&config->config), config->config.len, arg, err);
	}
	/* a manifest shows the digests of all layers */
	if (examine(v, UINT64_MAX, err) < 0)
		return -1;
	for (size_t i = 0; i < v->manifest.count && !done; i++)
		if (stream_manifest(v, &v->manifest.images[i], digest, sink, arg, &done, err) < 0)
			return -1;
	return done ? 0 : err_set(err, ERR_NOT_FOUND, "blob %s is missing", digest);
}

int docker_archive_stream_blob(const struct oci_archive *archive, const char *digest,
			       uint64_t size_bytes, oci_archive_sink *sink, void *arg,
			       struct err *err)
{
	auto_view v = { .archive = archive };

	if (view_open(&v, size_bytes, err) < 0 ||
	    stream_blob(&v, digest, size_bytes, sink, arg, err) < 0)
		return err_wrap(err, "docker-archive");
	return 0;
}
